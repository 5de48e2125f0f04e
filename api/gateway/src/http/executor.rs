//! What the transports need of the schema's side, and what they know of a caller.

use std::{any::Any, fmt, future::Future, sync::Arc};

use async_graphql::{Request, Response};
use async_trait::async_trait;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
    stream::BoxStream,
};

use super::transport::Credentials;
use crate::graphql::request::{CallerClass, Refusal};

/// Why a caller may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The token ran out; a fresh one of the same session works.
    Expired,
    /// The session was revoked, or the key; the client has to sign in again.
    Revoked,
}

/// Resolves when a caller may not go on. All clones resolve together.
pub type Watch = Shared<BoxFuture<'static, Ended>>;

/// Who asks, as authentication found out. Cheap to clone.
#[derive(Clone)]
pub struct Caller {
    /// Limits and rates go by it.
    pub class: CallerClass,
    /// Whose points are spent: the account, the visitor or the key; 0 where nobody is known.
    pub key: u128,
    /// What the schema's side keeps about the caller, as it made it: a `Scope`, or nothing.
    pub data: Arc<dyn Any + Send + Sync>,
    /// Resolves when the session is revoked or the token expires. Streams and sockets end with it.
    pub watch: Watch,
}

impl Caller {
    /// A caller whose session does not end.
    pub fn new(class: CallerClass, key: u128, data: Arc<dyn Any + Send + Sync>) -> Self {
        Self { class, key, data, watch: std::future::pending().boxed().shared() }
    }

    /// Ends with this future.
    #[must_use]
    pub fn until(mut self, ended: impl Future<Output = Ended> + Send + 'static) -> Self {
        self.watch = ended.boxed().shared();
        self
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("class", &self.class).finish_non_exhaustive()
    }
}

/// What the transports need of the schema's side.
///
/// Requests come with their document parsed and measured ([`crate::graphql::request::RequestGuard`]). A panic in any of these
/// is caught and answered as `INTERNAL`.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// Finds out who asks. No credential is a caller of the public, not an error.
    ///
    /// # Errors
    /// [`Refusal::unauthenticated`] for a token that is not valid (any more), [`Refusal::forbidden`] for a publishable
    /// key shown by a page of another origin.
    async fn authenticate(&self, credentials: &Credentials) -> Result<Caller, Refusal>;

    /// Executes a query or a mutation. It is run to its end even if the client leaves or the time is up.
    async fn execute(&self, caller: &Caller, request: Request) -> Response;

    /// Listens. The stream is dropped when the client leaves.
    fn stream(&self, caller: &Caller, request: Request) -> BoxStream<'static, Response>;

    /// Whether pages of this origin (`https://www.example.com`) may call: an origin of a publishable key, or one that
    /// is configured.
    async fn allowed_origin(&self, origin: &str) -> bool;
}

//! What is left of passwords where a workspace is entered by single sign-on: nothing, or one account that is kept for when the
//! provider is down, and whose use is said aloud.

use super::providers;
use crate::{
    alerts::Rule,
    audit::{self, Event},
    error::{Error, ErrorKind, Result},
    id::{AccountId, WorkspaceId},
    scope::Scope,
    store::{Store, WorkspaceTx},
};

/// How somebody with the right password stands at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::identity) enum Entrance {
    /// Passwords open this workspace.
    Open,
    /// They do not, but for this account.
    BreakGlass(AccountId),
}

/// Whether a password opens the transaction's workspace to this account.
///
/// # Errors
/// `Disabled` where it does not; said to nobody who has not given the right one.
pub(in crate::identity) async fn by_password(tx: &WorkspaceTx, account: AccountId) -> Result<Entrance> {
    match providers::find(tx).await?.filter(|row| row.is_enabled && row.is_required) {
        None => Ok(Entrance::Open),
        Some(row) if row.break_glass_account_id == Some(account) => Ok(Entrance::BreakGlass(account)),
        Some(_) => {
            let message = "This workspace is entered by single sign-on (beginSingleSignOn).";
            Err(Error::new(ErrorKind::Disabled, message))
        }
    }
}

impl Entrance {
    /// Writes down that the glass was broken, if it was.
    pub(in crate::identity) async fn record(self, scope: &Scope, tx: &WorkspaceTx) -> Result<()> {
        if let Self::BreakGlass(account) = self {
            audit::append(scope, tx, Event::new("session.break_glass").target("account", account.0)).await?;
        }
        Ok(())
    }

    /// Raises the alarm, once it is committed.
    pub(in crate::identity) fn tell(self, store: &Store, workspace: WorkspaceId) {
        if let Self::BreakGlass(account) = self {
            tracing::warn!(%workspace, %account, "somebody came in by the account that is kept for emergencies");
            store.signals().count(Rule::BreakGlass, Some(workspace));
        }
    }
}

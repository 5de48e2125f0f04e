//! The connection: gRPC over what the egress hands out, with the key on every request.

use std::time::Duration;

use consigne_sdk::{Egress, PluginError, PluginErrorKind, Result};
use hyper_util::rt::TokioIo;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tower::service_fn;

use crate::settings::Settings;

/// How often an idle connection is asked whether it still stands.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What the clients of the server's services speak through. Cheap to clone; connects when it is first used, and again
/// whenever the connection broke.
pub(crate) type Wire = InterceptedService<Channel, Key>;

/// Puts the key on a request.
#[derive(Clone)]
pub(crate) struct Key(Option<MetadataValue<Ascii>>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("api-key", key.clone());
        }
        Ok(request)
    }
}

/// The wire under these settings.
///
/// # Errors
/// `Misconfigured`, by the name of the setting.
pub(crate) fn open(settings: &Settings, egress: Egress) -> Result<Wire> {
    let (url, terms) = (settings.url()?, settings.tls());
    if url.scheme() == "https" {
        terms.check()?;
    }
    let authority =
        format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    let unusable = |_| PluginError::new(PluginErrorKind::Misconfigured, "qdrant: settings: url has no usable host");
    // TLS is the egress's: the endpoint sees plain bytes, and still names the scheme that the server was reached by.
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(unusable)?
        .origin(format!("{}://{authority}", url.scheme()).parse().map_err(|_| {
            PluginError::new(PluginErrorKind::Misconfigured, "qdrant: settings: url has no usable host")
        })?)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    let connector = service_fn(move |_| {
        let (egress, url, terms) = (egress.clone(), url.clone(), terms.clone());
        async move { egress.connect(&url, &terms).await.map(TokioIo::new) }
    });
    Ok(InterceptedService::new(endpoint.connect_with_connector_lazy(connector), Key(settings.key()?)))
}

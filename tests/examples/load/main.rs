//! Load on a release build of the gateway over loopback, bounded in number and time: many answers streamed at once, many
//! subscriptions at rest, and a simple query beside a bare server that answers the same shape.
//!
//! ```console
//! $ scripts/load [streams|idle|queries]
//! ```
//!
//! The clients, the model and the gateway share this machine, so what is seen is what the gateway does beside them.

mod bare;
mod gateway;
mod idle;
mod model;
mod queries;
mod streams;
mod watching;

use anyhow::{Result, bail};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next();
    match what.as_deref() {
        Some("bare") => return bare::serve().await,
        Some("streams") => streams::run().await?,
        Some("idle") => idle::run().await?,
        Some("queries") => queries::run().await?,
        None => {
            queries::run().await?;
            idle::run().await?;
            streams::run().await?;
        }
        Some(other) => bail!("there is no load named {other}"),
    }
    Ok(())
}

/// A number that the environment may set.
#[expect(clippy::disallowed_methods, reason = "the environment says how large a load is")]
fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

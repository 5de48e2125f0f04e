//! The server with the vectors goes down, comes back, loses its disk, loses and keeps points that it should not. Each story
//! is told on the stand-in, and on the real server where `QDRANT_BIN` names its binary.

mod asking;
mod deleting;
mod drifting;
mod reading;

use anyhow::Result;
use consigne_tests::{app::TestApp, people::Member, standins::qdrant::Qdrant};

/// Tells these stories, each to both servers.
macro_rules! on_both {
    ($($story:ident)*) => {
        mod on_the_standin {
            use consigne_tests::standins::qdrant::Qdrant;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() -> anyhow::Result<()> {
                super::$story(Qdrant::standin().await).await
            })*
        }

        mod on_a_server {
            use consigne_tests::standins::qdrant::Qdrant;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() -> anyhow::Result<()> {
                match Qdrant::real().await? {
                    Some(server) => super::$story(server).await,
                    None => Ok(()),
                }
            })*
        }
    };
}
use on_both;

const RIGHTS: [&str; 9] = [
    "WORKSPACE_READ",
    "WORKSPACE_WRITE",
    "KNOWLEDGE_READ",
    "KNOWLEDGE_WRITE",
    "VISITORS_WRITE",
    "AUDIT_READ",
    "PRIVACY_READ",
    "PRIVACY_ERASE",
    "JOBS_WRITE",
];

/// A gateway over this server, and a program of a customer: a member would have to sign in again in a long outage.
async fn house(qdrant: &Qdrant) -> Result<(TestApp, Member)> {
    house_with(qdrant, &[]).await
}

/// The same, with these flags more.
async fn house_with(qdrant: &Qdrant, more: &[&str]) -> Result<(TestApp, Member)> {
    let flags = qdrant.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let app = TestApp::start_with(&flags).await?;
    let acme = program_of(&app, "acme").await?;
    Ok((app, acme))
}

async fn program_of(app: &TestApp, workspace: &str) -> Result<Member> {
    app.workspace(workspace).await?.program(&RIGHTS).await
}

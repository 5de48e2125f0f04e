//! A visitor is erased while people were not told on any of the three channels: nobody is, ever, and nothing is left.

use std::time::Duration;

use anyhow::Result;
use consigne_tests::{
    app::{TestApp, days},
    canary::Canary,
    standins::{slack::Turn, webhook::Answer},
};

use super::{Desk, OtherSide};

/// Erases the visitor, lets more time pass than the whole schedule has, and looks everywhere.
async fn erased(app: &TestApp, other: &OtherSide, desk: &Desk, canary: &Canary) -> Result<()> {
    let before = other.counts()?;
    let id = desk.owner.erase(&desk.visitor.subject).await?;
    app.run_jobs().await?;
    assert_eq!(desk.owner.erasure(&id).await?["state"], "COMPLETED");
    for table in ["escalations", "deliveries", "channel_threads", "chats", "messages", "answers"] {
        assert_eq!(app.rows(table).await?, 0, "{table}");
    }
    for wait in [Duration::from_secs(6), Duration::from_secs(60), Duration::from_secs(400), days(1), days(4)] {
        app.advance(wait);
        app.run_duties().await?;
        app.run_jobs().await?;
    }
    assert_eq!(other.counts()?, before, "something was told about somebody who was erased");
    app.assert_absent(canary).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_where_no_attempt_succeeded() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let canary = Canary::new();
    let desk = Desk::ask(&app, &other, None, &format!("Who is the chess champion {canary}?")).await?;
    // One refusal each; whoever tries again succeeds.
    other.slack.script([Turn::Status(503, String::new())]);
    other.receiver.script([Answer::HangUp]);
    other.smtp.be_busy(true)?;
    app.run_jobs().await?;
    other.smtp.be_busy(false)?;
    let pending = desk.owner.deliveries("PENDING").await?;
    assert!(pending.len() == 3 && pending.iter().all(|delivery| delivery["attempts"] == 1), "{pending:?}");
    assert_eq!(other.counts()?, [0, 0, 0]);
    app.assert_absent(&canary).await?;
    erased(&app, &other, &desk, &canary).await
}

/// What left the house before cannot be taken back; it is not sent a second time.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_again_where_the_process_died_before_it_heard() -> Result<()> {
    let Some(other) = OtherSide::start().await? else { return Ok(()) };
    let app = other.app().await?;
    let canary = Canary::new();
    let desk = Desk::ask(&app, &other, None, &format!("Who is the chess champion {canary}?")).await?;
    other.slack.hold_the_next(true);
    other.smtp.hold_the_next(true)?;
    other.receiver.hold_the_next(true);
    // In whatever order: a job that waits keeps the next from being run here.
    for count in 1..=3 {
        app.run_jobs_until(|| other.held().is_ok_and(|held| held.iter().sum::<usize>() == count)).await?;
    }
    assert_eq!((other.counts()?, desk.owner.deliveries("PENDING").await?.len()), ([1, 1, 1], 3));
    app.assert_absent(&canary).await?;
    erased(&app, &other, &desk, &canary).await
}

//! Holds, and certificates that say what is true: incomplete, live, final. Somebody else's program agrees.

use std::{fs::File, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::{TestApp, days, minutes, program},
    people::{Member, Visitor},
    texts,
};
use serde_json::{Value, json};
use tokio::process::Command;

/// The packages; what is installed was installed for exactly these.
const REQUIREMENTS: &str = include_str!("certificates/requirements.txt");
const VERIFY: &str = include_str!("certificates/verify.py");

async fn visitor_with_chats(app: &TestApp) -> Result<(Member, Visitor, [String; 2])> {
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chats = [visitor.start_chat().await?, visitor.start_chat().await?];
    for chat in &chats {
        visitor.ask(chat, "How much is a standard inspection?").await?;
    }
    app.run_jobs().await?;
    Ok((acme, visitor, chats))
}

/// Turns the clock, and signs the owner in again: no session lasts so long.
async fn turn(app: &TestApp, acme: &Member, by: Duration) -> Result<Member> {
    app.advance(by);
    app.owner_in(&acme.workspace).await
}

/// Holds until this many days from now.
async fn hold(app: &TestApp, acme: &Member, subject: &str, chat: Option<&str>, until: u64) -> Result<String> {
    let ends_at = app.clock.now().plus(days(until)).rfc3339();
    let input = json!({"subjectId": subject, "chatId": chat, "ground": "LEGAL_CLAIMS", "endsAt": ends_at});
    Ok(acme.graphql("place_hold", json!({"input": input})).await?.ok().text("/placeHold/hold/id"))
}

/// What a certificate says, after our own program found it genuine.
async fn claims(app: &TestApp, certificate: &Value) -> Result<Value> {
    let certificate = certificate.as_str().context("it is certified")?;
    let file = app.file("certificate.jws", certificate)?;
    let said = app.program_says(&["verify", &file]).await?;
    let (claims, _) = said.rsplit_once('}').context("claims are printed")?;
    Ok(serde_json::from_str(&format!("{claims}}}"))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_meets_a_hold_is_incomplete_and_says_what_it_left() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, [held, free]) = visitor_with_chats(&app).await?;
    let id = hold(&app, &acme, &visitor.subject, Some(&held), 90).await?;
    let erasure = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    let found = acme.erasure(&erasure).await?;
    assert_eq!(found["state"], "INCOMPLETE", "{found}");
    assert_eq!((app.rows("chats").await?, app.rows("messages").await?), (1, 1), "the other chat is gone");
    assert_eq!(acme.graphql("chat", json!({"id": free})).await?.ok().body["data"]["chat"], Value::Null);
    let claims = claims(&app, &found["certificate"]).await?;
    assert_eq!((&claims["extent"], &claims["missing"][0]["ground"]), (&json!("INCOMPLETE"), &json!("LEGAL_CLAIMS")));
    assert_eq!(claims["missing"][0]["item"]["chat"], held);
    ensure!(claims.get("completedAt").is_none(), "{claims}");

    // Nobody tries in vain, and nothing is taken for done, until the hold is released.
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "INCOMPLETE");
    acme.graphql("release_hold", json!({"input": {"holdId": id}})).await?.ok();
    app.run_jobs().await?;
    let found = acme.erasure(&erasure).await?;
    assert_eq!(found["state"], "COMPLETED", "{found}");
    assert_eq!((app.rows("chats").await?, app.rows("messages").await?), (0, 0));
    let again = acme.graphql("release_hold", json!({"input": {"holdId": id}})).await?;
    assert_eq!(again.user_error(), Some("CONFLICT"), "{}", again.body);
    let late = json!({"subjectId": visitor.subject, "ground": "LEGAL_CLAIMS", "endsAt": "2100-01-01T00:00:00Z"});
    let late = acme.graphql("place_hold", json!({"input": late})).await?;
    assert_eq!(late.user_error(), Some("SUBJECT_ERASED"), "{}", late.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_is_held_whole_stays_until_the_day_that_was_said() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, _) = visitor_with_chats(&app).await?;
    hold(&app, &acme, &visitor.subject, None, 10).await?;
    let erasure = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "INCOMPLETE");
    assert_eq!(app.rows("messages").await?, 2);
    let refused = visitor.graphql("start_chat", json!({})).await?;
    ensure!(refused.error().or(refused.user_error()).is_some(), "they are not frozen: {}", refused.body);
    let acme = turn(&app, &acme, days(10)).await?;
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "COMPLETED");
    assert_eq!(app.rows("messages").await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_final_when_the_last_backup_that_could_hold_the_person_is_gone() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, _) = visitor_with_chats(&app).await?;
    app.run_duties().await?;
    let acme = turn(&app, &acme, minutes(1)).await?;
    let erasure = acme.erase(&visitor.subject).await?;
    app.run_jobs().await?;
    let live = acme.erasure(&erasure).await?;
    assert_eq!((&live["state"], &live["finalCertificate"]), (&json!("COMPLETED"), &Value::Null));
    assert_eq!(claims(&app, &live["certificate"]).await?["extent"], "LIVE");
    let acme = turn(&app, &acme, days(30) - minutes(2)).await?;
    app.run_duties().await?;
    assert_eq!(acme.erasure(&erasure).await?["finalCertificate"], Value::Null, "the backup of before is there");
    app.advance(minutes(1));
    // The first run removes the backup, the second sees that it is gone.
    app.run_duties().await?;
    app.run_duties().await?;
    let last = acme.erasure(&erasure).await?;
    assert_eq!(last["certificate"], live["certificate"], "both are kept");
    let claims = claims(&app, &last["finalCertificate"]).await?;
    assert_eq!((&claims["extent"], &claims["jti"]), (&json!("FINAL"), &json!(erasure)));
    ensure!(acme.audited_actions().await?.contains(&"subject.erasure_final".to_owned()));
    let drills = acme.graphql("restore_drills", json!({})).await?.ok();
    let keys = acme.request(reqwest::Method::GET, "/.well-known/jwks.json").send().await?.text().await?;
    for signed in [&live["certificate"], &last["finalCertificate"], drills.get("/restoreDrills/0/report")] {
        somebody_else_agrees(signed.as_str().context("it is signed")?, &keys).await?;
    }
    Ok(())
}

/// The signature holds for joserfc, and no longer with a letter changed.
async fn somebody_else_agrees(signed: &str, keys: &str) -> Result<()> {
    let has_python = Command::new("python3").arg("--version").output().await;
    if !has_python.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no python3 on this machine");
        return Ok(());
    }
    let python = tokio::task::spawn_blocking(installed).await??;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("keys.json"), keys)?;
    std::fs::write(folder.path().join("verify.py"), VERIFY)?;
    let (head, tail) = signed.split_at(signed.len() / 2);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    for (token, is_genuine) in [(signed.to_owned(), true), (format!("{head}{other}{}", &tail[1..]), false)] {
        std::fs::write(folder.path().join("token"), token)?;
        let mut verify = Command::new(&python);
        let output = verify.args(["verify.py", "token", "keys.json"]).current_dir(folder.path()).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_genuine, "{said}");
        ensure!(is_genuine || said.contains("refused"), "{said}");
    }
    Ok(())
}

/// A Python with the packages, in a folder beside the build. One test at a time fills it.
fn installed() -> Result<PathBuf> {
    let built = program()?;
    let folder = built.parent().context("a program is in a folder")?.join("jose");
    std::fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let (environment, done) = (folder.join("environment"), folder.join("installed.txt"));
    if std::fs::read_to_string(&done).ok().as_deref() != Some(REQUIREMENTS) {
        run("python3", &["-m", "venv", "--clear", &environment.to_string_lossy()])?;
        let pip = environment.join("bin/pip").to_string_lossy().into_owned();
        let wanted: Vec<&str> = REQUIREMENTS.lines().collect();
        run(&pip, &[&["install", "--quiet", "--disable-pip-version-check"], &wanted[..]].concat())?;
        std::fs::write(done, REQUIREMENTS)?;
    }
    Ok(environment.join("bin/python"))
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let ended = std::process::Command::new(program).args(arguments).output()?;
    ensure!(ended.status.success(), "{program} failed: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}

/// Whoever listens hears nothing more, though nothing is erased yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_erasure_is_asked_for() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, [chat, _]) = visitor_with_chats(&app).await?;
    let mut listener = acme.listen("chat_events", json!({"chatId": chat})).await?;
    listener.next().await?.context("something was said")?;
    acme.erase(&visitor.subject).await?;
    let ends = async {
        loop {
            match listener.next().await? {
                Some(event) if event["errors"].is_null() => {}
                last => return anyhow::Ok(last),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ends).await.context("the stream goes on")??;
    assert_eq!(app.rows("chats").await?, 2);
    Ok(())
}

/// Chats of a year ago go in one run, with everything in them; those of a day later stay.
#[tokio::test(flavor = "multi_thread")]
async fn chats_go_twelve_months_after_their_last_message() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, visitor, _) = visitor_with_chats(&app).await?;
    let acme = turn(&app, &acme, days(1)).await?;
    let newer = acme.visitor(&acme.assistant("Bea").await?).await?;
    newer.start_chat().await?;
    // A year from 23 November 2026 has 365 days.
    let acme = turn(&app, &acme, days(364) - Duration::from_millis(1)).await?;
    let report = acme.graphql("retention_report", json!({})).await?.ok();
    let of = |report: &Value, class: &str| {
        let all = report.as_array().cloned().unwrap_or_default();
        all.into_iter().find(|line| line["class"] == class).unwrap_or_default()
    };
    assert_eq!(of(report.get("/retentionReport"), "chats")["expired"], 0);
    app.advance(Duration::from_millis(1));
    let report = acme.graphql("retention_report", json!({})).await?.ok();
    assert_eq!(of(report.get("/retentionReport"), "chats")["expired"], 2, "{}", report.body);
    let kept = hold(&app, &acme, &visitor.subject, None, 5).await?;
    app.run_duties().await?;
    assert_eq!(app.rows("chats").await?, 3, "they are held");
    acme.graphql("release_hold", json!({"input": {"holdId": kept}})).await?.ok();
    app.run_duties().await?;
    assert_eq!(app.rows("chats").await?, 1);
    for table in ["messages", "answers", "citations"] {
        assert_eq!(app.rows(table).await?, 0, "{table}");
    }
    assert_eq!(app.rows("visitors").await?, 1, "nothing is left of who was not seen for a year");
    ensure!(acme.audited_actions().await?.contains(&"retention.deleted".to_owned()));
    ensure!(app.metrics().contains("consigne_retention_backlogs 0"), "{}", app.metrics());
    let input = json!({"class": "chats", "period": "P2Y"});
    let longer = acme.graphql("set_retention", json!({"input": input})).await?;
    assert_eq!(longer.user_error(), Some("INVALID_INPUT"), "{}", longer.body);
    let input = json!({"class": "chats", "period": "P1D"});
    let shorter = acme.graphql("set_retention", json!({"input": input})).await?.ok();
    assert_eq!(shorter.text("/setRetention/policy/period"), "P1D");
    let acme = turn(&app, &acme, days(1)).await?;
    app.run_duties().await?;
    assert_eq!(app.rows("chats").await?, 0);
    let policies = acme.graphql("retention_policies", json!({})).await?.ok();
    assert_eq!(of(policies.get("/retentionPolicies"), "chats")["longestPeriod"], "P12M");
    assert_eq!(acme.graphql("audit_verdict", json!({})).await?.ok().get("/auditVerdict/isIntact"), &json!(true));
    Ok(())
}

//! Accounts: signing up, verified addresses, forgotten passwords, other addresses; through a real mail server.

use anyhow::{Context, Result};
use consigne_tests::{
    app::{Credentials, TestApp, minutes},
    canary::Canary,
    standins::mail::{Smtp, SmtpMode},
};
use serde_json::json;

use super::{SignedIn, call, owner, refresh, sign_in};

const PASSWORD: &str = "Pelican-Harbour-31-Lantern";

/// An installation with a mail server; `None` where the machine lacks what runs one.
pub async fn with_mail(more: &[&str]) -> Result<Option<(TestApp, Smtp)>> {
    let Some(smtp) = Smtp::start(SmtpMode::Plain, None).await? else { return Ok(None) };
    let url = smtp.url();
    let flags = [&["--smtp-url", &url, "--mail-from", "accounts@consigne.example"], more].concat();
    Ok(Some((TestApp::start_with(&flags).await?, smtp)))
}

/// Runs the jobs, and answers what came for this address since `seen`.
pub async fn mails_to(app: &TestApp, smtp: &Smtp, address: &str, seen: usize) -> Result<Vec<String>> {
    app.run_jobs().await?;
    let all = smtp.arrived()?.into_iter().skip(seen);
    Ok(all.filter(|mail| mail.to == [address]).map(|mail| unfolded(&mail.raw)).collect())
}

/// A mail as its reader's program shows it (RFC 2045, 6.7): long lines were folded on the way.
fn unfolded(raw: &str) -> String {
    raw.replace("\r\n", "\n").replace("=\n", "").replace("=3D", "=")
}

/// The token in the link of the only mail that came for this address since `seen`.
pub async fn token_to(app: &TestApp, smtp: &Smtp, address: &str, seen: usize) -> Result<String> {
    let mails = mails_to(app, smtp, address, seen).await?;
    assert_eq!(mails.len(), 1, "{mails:?}");
    let link = mails[0].lines().find(|line| line.starts_with("http")).context("a link")?;
    Ok(link.split_once('#').context("a token behind it")?.1.trim().to_owned())
}

fn who(email: &str, password: &str) -> Credentials {
    Credentials { email: email.to_owned(), password: password.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_signs_up_by_a_mailed_link_where_that_is_open() -> Result<()> {
    let Some((app, smtp)) = with_mail(&["--sign-up", "open"]).await? else { return Ok(()) };
    let policy = app.public().graphql("account_policy", json!({})).await?.ok();
    assert_eq!(policy.text("/accountPolicy/signUp"), "OPEN");
    let input = json!({"email": " Ana@Example.org", "password": PASSWORD, "workspaceName": "Ana's shop"});
    let asked = call(&app.public(), "sign_up", input.clone()).await?.ok();
    assert_eq!(asked.get("/signUp/isAccepted"), &json!(true));
    let ana = who("ana@example.org", PASSWORD);
    assert_eq!(sign_in(&app.public(), &ana, json!({})).await?.user_error(), Some("INVALID_CREDENTIALS"), "not yet");
    let rows = app.rows("accounts").await?;

    let token = token_to(&app, &smtp, "Ana@Example.org", 0).await?;
    let wrong = call(&app.public(), "verify_email", json!({"token": format!("{}A", token)})).await?;
    assert_eq!(wrong.user_error(), Some("INVALID_CREDENTIALS"));
    let made = call(&app.public(), "verify_email", json!({"token": token})).await?.ok();
    let again = call(&app.public(), "verify_email", json!({"token": token})).await?;
    assert_eq!(again.user_error(), Some("INVALID_CREDENTIALS"), "a link works once");
    assert_eq!(app.rows("accounts").await?, rows + 1);
    let ana = SignedIn::as_whom(&app.public(), &ana).await?;
    assert_eq!(ana.client.graphql("workspace", json!({})).await?.ok().text("/workspace/name"), "Ana's shop");
    let account = ana.client.graphql("account", json!({})).await?.ok();
    assert_eq!(account.text("/account/email"), "ana@example.org");
    account.get("/account/emailVerifiedAt");
    assert_eq!(account.get("/account/id"), made.get("/verifyEmail/accountId"));

    // Who has an account gets the same answer here, and another mail there.
    let seen = smtp.arrived()?.len();
    let known = call(&app.public(), "sign_up", input).await?;
    assert_eq!(known, asked);
    let mails = mails_to(&app, &smtp, "Ana@Example.org", seen).await?;
    assert!(mails.len() == 1 && mails[0].contains("have an account already") && !mails[0].contains('#'), "{mails:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_up_where_it_is_not_open_and_a_weak_password_is_refused() -> Result<()> {
    let app = TestApp::start().await?;
    let input = json!({"email": "ana@example.org", "password": PASSWORD, "workspaceName": "Ana's shop"});
    assert_eq!(call(&app.public(), "sign_up", input).await?.user_error(), Some("DISABLED"));
    let acme = app.workspace("acme").await?;
    for weak in ["short one", "P@ssw0rd2024!", "qwertyuiop123", "sunshinesunshine", &"é".repeat(36)] {
        let input = json!({"email": "ana@example.org", "password": weak, "role": "AGENT"});
        let refused = call(&acme, "add_member", input).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{weak}");
        assert!(!refused.body.to_string().contains(weak), "it is not repeated");
    }
    let Err(refused) = TestApp::start_with(&["--sign-up", "open"]).await else { panic!("it started") };
    assert!(refused.to_string().contains("CONSIGNE_SMTP_URL"), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_chosen_anew_by_a_link_and_ends_all_sessions() -> Result<()> {
    let Some((app, smtp)) = with_mail(&[]).await? else { return Ok(()) };
    let acme = app.workspace("acme").await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let known = call(&app.public(), "request_password_reset", json!({"email": "agent@acme.example"})).await?;
    let unknown = call(&app.public(), "request_password_reset", json!({"email": "nobody@acme.example"})).await?;
    assert_eq!((known.user_error(), &known), (None, &unknown));
    let token = token_to(&app, &smtp, "agent@acme.example", 0).await?;
    assert_eq!(smtp.arrived()?.len(), 1, "nobody else was written to");
    agent.graphql("viewer", json!({})).await?.ok();

    let weak = json!({"token": token, "newPassword": "password1234"});
    assert_eq!(call(&app.public(), "reset_password", weak).await?.user_error(), Some("INVALID_INPUT"));
    let input = json!({"token": token, "newPassword": "Kupfer-Dachs-19-Regen"});
    let public = app.public();
    let (one, two) = tokio::try_join!(
        call(&public, "reset_password", input.clone()),
        call(&public, "reset_password", input.clone()),
    )?;
    let done = [&one, &two].into_iter().filter(|reply| reply.user_error().is_none()).count();
    assert_eq!(done, 1, "{} {}", one.body, two.body);
    assert_eq!(agent.graphql("viewer", json!({})).await?.status, 401);
    let old = sign_in(&app.public(), &who("agent@acme.example", PASSWORD), json!({})).await?;
    assert_eq!(old.user_error(), Some("INVALID_CREDENTIALS"));
    let new = who("agent@acme.example", "Kupfer-Dachs-19-Regen");
    let agent = SignedIn::as_whom(&app.public(), &new).await?;
    let told = mails_to(&app, &smtp, "agent@acme.example", 1).await?;
    assert!(told.len() == 1 && told[0].contains("was changed"), "{told:?}");
    assert!(acme.audited_actions().await?.contains(&"account.password_reset".to_owned()));

    // By the old password, too; then this session stays and others end.
    let other = SignedIn::as_whom(&app.public(), &new).await?;
    let wrong = json!({"currentPassword": PASSWORD, "newPassword": "Regen-Wanne-44-Kiesel"});
    assert_eq!(call(&agent.client, "change_password", wrong).await?.user_error(), Some("INVALID_CREDENTIALS"));
    let right = json!({"currentPassword": new.password, "newPassword": "Regen-Wanne-44-Kiesel"});
    call(&agent.client, "change_password", right).await?.ok();
    agent.client.graphql("viewer", json!({})).await?.ok();
    assert_eq!(other.client.graphql("viewer", json!({})).await?.status, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_forgotten_password_ends_after_an_hour_and_five_are_mailed_at_once() -> Result<()> {
    let Some((app, smtp)) = with_mail(&[]).await? else { return Ok(()) };
    let email = app.owner_credentials().email;
    for _ in 0..5 {
        call(&app.public(), "request_password_reset", json!({"email": email})).await?.ok();
    }
    let more = call(&app.public(), "request_password_reset", json!({"email": email})).await?;
    assert_eq!(more.user_error(), Some("RATE_LIMITED"));
    app.run_jobs().await?;
    assert_eq!(smtp.arrived()?.len(), 5);
    app.advance(minutes(10));
    call(&app.public(), "request_password_reset", json!({"email": email})).await?.ok();
    let token = token_to(&app, &smtp, &email, 5).await?;
    app.advance(minutes(60));
    let input = json!({"token": token, "newPassword": "Kupfer-Dachs-19-Regen"});
    assert_eq!(call(&app.public(), "reset_password", input).await?.user_error(), Some("INVALID_CREDENTIALS"));
    // What ended is swept away.
    assert!(app.rows("account_tickets").await? > 0);
    app.run_duties().await?;
    assert_eq!((app.rows("account_tickets").await?, app.rows("tries").await?), (0, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_could_not_be_sent_is_sent_later() -> Result<()> {
    let Some((app, smtp)) = with_mail(&[]).await? else { return Ok(()) };
    smtp.be_busy(true)?;
    let email = app.owner_credentials().email;
    call(&app.public(), "request_password_reset", json!({"email": email})).await?.ok();
    app.run_jobs().await?;
    assert_eq!(smtp.arrived()?.len(), 0);
    smtp.be_busy(false)?;
    app.advance(minutes(1));
    let token = token_to(&app, &smtp, &email, 0).await?;
    let input = json!({"token": token, "newPassword": "Kupfer-Dachs-19-Regen"});
    call(&app.public(), "reset_password", input).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_over_to_another_address_when_both_agree() -> Result<()> {
    let Some((app, smtp)) = with_mail(&[]).await? else { return Ok(()) };
    let acme = app.workspace("acme").await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let wrong = json!({"newEmail": "new@acme.example", "password": "not the password of anybody"});
    assert_eq!(call(&agent, "request_email_change", wrong).await?.user_error(), Some("INVALID_CREDENTIALS"));
    let input = json!({"newEmail": "new@acme.example", "password": PASSWORD});
    call(&agent, "request_email_change", input).await?.ok();
    let old = token_to(&app, &smtp, "agent@acme.example", 0).await?;
    let new = token_to(&app, &smtp, "new@acme.example", 0).await?;
    let first = call(&app.public(), "confirm_email_change", json!({"token": new})).await?.ok();
    assert_eq!(first.get("/confirmEmailChange/isChanged"), &json!(false));
    sign_in(&app.public(), &who("agent@acme.example", PASSWORD), json!({})).await?.ok().get("/signIn/session");
    let second = call(&app.public(), "confirm_email_change", json!({"token": old})).await?.ok();
    assert_eq!(second.get("/confirmEmailChange/isChanged"), &json!(true));
    let gone = sign_in(&app.public(), &who("agent@acme.example", PASSWORD), json!({})).await?;
    assert_eq!(gone.user_error(), Some("INVALID_CREDENTIALS"));
    SignedIn::as_whom(&app.public(), &who("new@acme.example", PASSWORD)).await?;

    // An address that somebody has is asked for in vain, and nobody is told.
    let seen = smtp.arrived()?.len();
    let taken = json!({"newEmail": app.owner_credentials().email, "password": PASSWORD});
    call(&agent, "request_email_change", taken).await?.ok();
    assert_eq!(mails_to(&app, &smtp, &app.owner_credentials().email, seen).await?.len(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_shown_to_be_its_owners() -> Result<()> {
    let Some((app, smtp)) = with_mail(&[]).await? else { return Ok(()) };
    let first = owner(&app).await?;
    let before = first.client.graphql("account", json!({})).await?.ok();
    assert!(before.body["data"]["account"]["emailVerifiedAt"].is_null());
    first.client.graphql("request_email_verification", json!({})).await?.ok();
    let token = token_to(&app, &smtp, &app.owner_credentials().email, 0).await?;
    call(&app.public(), "verify_email", json!({"token": token})).await?.ok();
    first.client.graphql("account", json!({})).await?.ok().get("/account/emailVerifiedAt");
    let again = first.client.graphql("request_email_verification", json!({})).await?;
    assert_eq!(again.user_error(), Some("CONFLICT"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_account_is_out_everywhere_until_the_operator_opens_it() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let only_owner = call(&acme, "close_account", json!({"password": app.owner_credentials().password})).await?;
    assert_eq!(only_owner.user_error(), Some("CONFLICT"));
    call(&agent, "close_account", json!({"password": PASSWORD})).await?.ok();
    assert_eq!(agent.graphql("viewer", json!({})).await?.status, 401);
    let who = who("agent@acme.example", PASSWORD);
    assert_eq!(sign_in(&app.public(), &who, json!({})).await?.user_error(), Some("INVALID_CREDENTIALS"));
    app.program_says(&["account", "reactivate", "agent@acme.example"]).await?;
    SignedIn::as_whom(&app.public(), &who).await?;
    app.program_says(&["account", "deactivate", "agent@acme.example"]).await?;
    assert_eq!(sign_in(&app.public(), &who, json!({})).await?.user_error(), Some("INVALID_CREDENTIALS"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_account_leaves_no_byte_of_its_address() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let name = Canary::new();
    let email = format!("{name}@acme.example").to_lowercase();
    let agent = acme.agent(&app.public(), &email).await?;
    call(&agent, "set_staff_name", json!({"name": "Ann"})).await?.ok();
    let (sessions, names) = (app.rows("sessions").await?, app.rows("staff_names").await?);
    app.program_says(&["account", "erase", &email]).await?;
    // On SQLite the word of another process does not come, and who was there a moment ago is recognised for a second.
    app.advance(std::time::Duration::from_secs(1));
    assert_eq!(agent.graphql("viewer", json!({})).await?.status, 401);
    assert_eq!((app.rows("sessions").await?, app.rows("staff_names").await?), (sessions - 1, names - 1));
    assert_eq!(app.rows("memberships").await?, app.rows("workspaces").await?);
    app.assert_absent(&name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mail_the_operator_hands_a_link_over() -> Result<()> {
    let app = TestApp::start().await?;
    let first = owner(&app).await?;
    let email = app.owner_credentials().email;
    let said = app.program_says(&["account", "reset-link", &email]).await?;
    let token = said.split_once('#').context("a token")?.1.lines().next().context("a line")?.trim().to_owned();
    let input = json!({"token": token, "newPassword": "Kupfer-Dachs-19-Regen"});
    call(&app.public(), "reset_password", input).await?.ok();
    let gone = refresh(&app.public(), &first.refresh_token).await?;
    assert_eq!(gone.user_error(), Some("INVALID_CREDENTIALS"));
    SignedIn::as_whom(&app.public(), &who(&email, "Kupfer-Dachs-19-Regen")).await?;
    let no_mail = first.client.graphql("request_email_verification", json!({})).await?;
    assert_eq!(no_mail.status, 401, "the session ended");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_counted_by_address_and_by_network_and_no_network_is_kept() -> Result<()> {
    let app = TestApp::start_with(&["--behind-tls-proxy"]).await?;
    let from = |address: &str| app.public().behind(address);
    let wrong = who(&app.owner_credentials().email, "not the password of anybody");
    for _ in 0..10 {
        let refused = sign_in(&from("203.0.113.77"), &wrong, json!({})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"));
    }
    let right = app.owner_credentials();
    let refused = sign_in(&from("198.51.100.1"), &right, json!({})).await?;
    assert_eq!(refused.user_error(), Some("RATE_LIMITED"), "whoever comes, from wherever");
    for guess in 0..40 {
        let nobody = who(&format!("nobody{guess}@example.org"), "not the password of anybody");
        let refused = sign_in(&from("203.0.113.77"), &nobody, json!({})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{guess}");
    }
    let another = who("another@example.org", "not the password of anybody");
    assert_eq!(sign_in(&from("203.0.113.77"), &another, json!({})).await?.user_error(), Some("RATE_LIMITED"));
    let elsewhere = sign_in(&from("198.51.100.1"), &another, json!({})).await?;
    assert_eq!(elsewhere.user_error(), Some("INVALID_CREDENTIALS"));
    // What a client writes before the proxy's own entry does not count.
    let forged = sign_in(&from("192.0.2.9, 203.0.113.77"), &another, json!({})).await?;
    assert_eq!(forged.user_error(), Some("RATE_LIMITED"));
    for address in ["203.0.113.77", "198.51.100.1"] {
        app.assert_absent(&Canary::of(address)).await?;
    }
    app.advance(minutes(16));
    SignedIn::as_whom(&from("203.0.113.77"), &right).await?;
    Ok(())
}

//! Who comes in, and how: accounts, invitations, sessions, second factors, keys.

#[path = "access/accounts.rs"]
mod accounts;
#[path = "access/alerts.rs"]
mod alerts;
#[path = "access/custom_roles.rs"]
mod custom_roles;
#[path = "access/invitations.rs"]
mod invitations;
#[path = "access/keys.rs"]
mod keys;
#[path = "access/matrix.rs"]
mod matrix;
#[path = "access/passkeys.rs"]
mod passkeys;
#[path = "access/review.rs"]
mod review;
#[path = "access/second_factor.rs"]
mod second_factor;
#[path = "access/sessions.rs"]
mod sessions;

use anyhow::Result;
use consigne_tests::{
    app::{Credentials, TestApp},
    client::{Client, Reply},
    listen::Listener,
    people::Member,
};
use serde_json::{Value, json};

/// What a sign-in gave: its tokens, and a client that shows them.
pub struct SignedIn {
    pub client: Client,
    pub refresh_token: String,
}

impl SignedIn {
    /// From what `signIn`, `completeSignIn`, `refreshSession` or `switchWorkspace` answered.
    pub fn of(public: &Client, reply: &Reply, field: &str) -> Self {
        let text = |name: &str| reply.text(&format!("/{field}/session/{name}"));
        Self { client: public.with_token(text("accessToken")), refresh_token: text("refreshToken") }
    }

    /// Signs in, where no second factor is asked for.
    pub async fn as_whom(public: &Client, who: &Credentials) -> Result<Self> {
        let reply = sign_in(public, who, json!({})).await?.ok();
        Ok(Self::of(public, &reply, "signIn"))
    }

    /// With the next tokens.
    pub async fn renewed(&self, public: &Client) -> Result<Self> {
        let reply = refresh(public, &self.refresh_token).await?.ok();
        Ok(Self::of(public, &reply, "refreshSession"))
    }
}

/// Address and password, and `more` of the input.
pub async fn sign_in(public: &Client, who: &Credentials, more: Value) -> Result<Reply> {
    let mut input = json!({"email": who.email, "password": who.password});
    for (name, value) in more.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    public.graphql("sign_in", json!({"input": input})).await
}

/// A mutation that takes one input.
pub async fn call(who: &Client, operation: &str, input: Value) -> Result<Reply> {
    who.graphql(operation, json!({"input": input})).await
}

/// Somebody listens to the inbox of a workspace, and is heard to listen: an event has come.
pub async fn listening(app: &TestApp, who: &Client, acme: &Member, over_websocket: bool) -> Result<Listener> {
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder"], json!({})).await?;
    let mut listener = match over_websocket {
        true => who.listen_over_websocket("inbox_events", json!({"after": 0})).await?,
        false => who.listen("inbox_events", json!({"after": 0})).await?,
    };
    let visitor = acme.visitor(&assistant).await?;
    visitor.request_person(&visitor.start_chat().await?).await?;
    app.run_jobs().await?;
    listener.next().await?;
    Ok(listener)
}

pub async fn refresh(public: &Client, token: &str) -> Result<Reply> {
    public.graphql("refresh_session", json!({"input": {"refreshToken": token}})).await
}

/// The owner of the first workspace, signed in.
pub async fn owner(app: &TestApp) -> Result<SignedIn> {
    SignedIn::as_whom(&app.public(), &app.owner_credentials()).await
}

//! Keys are replaced without a gap, and a customer's server says who a visitor is: for minutes, and for here alone.

use std::time::Duration;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use consigne_tests::{
    app::{TestApp, minutes},
    canary::Canary,
    client::Reply,
    people::{Member, Visitor},
};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::call;

const SHOP: &str = "https://shop.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_while_the_old_one_goes_on_for_a_while() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let old = acme.program(&["KNOWLEDGE_READ"]).await?;
    let id = acme.graphql("api_keys", json!({})).await?.ok().text("/apiKeys/0/id");
    for wrong in [json!({"apiKeyId": id, "overlapHours": 721}), json!({"apiKeyId": id, "overlapHours": -1})] {
        assert_eq!(call(&acme, "rotate_api_key", wrong).await?.user_error(), Some("INVALID_INPUT"));
    }
    let rotated = call(&acme, "rotate_api_key", json!({"apiKeyId": id, "overlapHours": 2})).await?.ok();
    assert_eq!(rotated.get("/rotateApiKey/apiKey/permissions"), &json!(["KNOWLEDGE_READ"]));
    let new = acme.with_token(rotated.text("/rotateApiKey/secret"));
    for program in [&*old, &new] {
        program.graphql("documents", json!({})).await?.ok();
    }
    let listed = acme.graphql("api_keys", json!({})).await?.ok();
    let all = listed.get("/apiKeys").as_array().cloned().unwrap_or_default();
    let replaced = all.iter().find(|key| key["id"] == json!(id)).context("it is listed")?;
    assert_eq!(&replaced["replacedById"], rotated.get("/rotateApiKey/apiKey/id"));
    let again = call(&acme, "rotate_api_key", json!({"apiKeyId": id})).await?;
    assert_eq!(again.user_error(), Some("CONFLICT"), "a key is replaced once");
    app.advance(minutes(121));
    assert_eq!(old.graphql("documents", json!({})).await?.status, 401);
    new.graphql("documents", json!({})).await?.ok();
    Ok(())
}

/// How a customer's server signs.
enum Signing {
    Ed25519(SigningKey),
    Hmac(Vec<u8>),
}

impl Signing {
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = match self {
            Self::Ed25519(key) => key.sign(signed.as_bytes()).to_bytes().to_vec(),
            Self::Hmac(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length will do");
                mac.update(signed.as_bytes());
                mac.finalize().into_bytes().to_vec()
            }
        };
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A shop whose server vouches for its visitors.
struct Shop {
    app: TestApp,
    acme: Member,
    assistant: String,
    publishable: String,
    ed25519: (String, SigningKey),
    hs256: (String, Vec<u8>),
}

impl Shop {
    async fn open() -> Result<Self> {
        let app = TestApp::start().await?;
        let acme = app.workspace("acme").await?;
        let assistant = acme.assistant("Ada").await?;
        let publishable = acme.publishable_key(&assistant, SHOP).await?;
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = BASE64_URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
        let added = call(&acme, "add_visitor_signing_key", json!({"name": "site", "publicKey": public})).await?.ok();
        assert!(added.body["data"]["addVisitorSigningKey"]["secret"].is_null());
        let ed25519 = (added.text("/addVisitorSigningKey/visitorSigningKey/id"), key);
        let added = call(&acme, "add_visitor_signing_key", json!({"name": "older site"})).await?.ok();
        let secret = BASE64_URL_SAFE_NO_PAD.decode(added.text("/addVisitorSigningKey/secret"))?;
        let hs256 = (added.text("/addVisitorSigningKey/visitorSigningKey/id"), secret);
        Ok(Self { app, acme, assistant, publishable, ed25519, hs256 })
    }

    fn now(&self) -> i64 {
        self.app.clock.now().seconds()
    }

    /// What a token of now says.
    fn claims(&self, sub: &str) -> Value {
        json!({"sub": sub, "aud": self.acme.workspace, "iat": self.now(), "exp": self.now() + 300})
    }

    fn by_ed25519(&self, claims: &Value) -> String {
        let header = json!({"alg": "EdDSA", "kid": self.ed25519.0, "typ": "JWT"});
        Signing::Ed25519(self.ed25519.1.clone()).sign(&header, claims)
    }

    async fn start(&self, token: &str, earlier: Option<&str>) -> Result<Reply> {
        let page = self.app.public().from_page(SHOP);
        let input = json!({"publishableKey": self.publishable, "identityToken": token, "visitorToken": earlier});
        call(&page, "start_visitor_session", input).await
    }

    async fn come_in(&self, token: &str) -> Result<Visitor> {
        let started = self.start(token, None).await?.ok();
        Ok(Visitor::of(&self.app.public().from_page(SHOP), started.get("/startVisitorSession/visitorSession")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_server_says_who_a_visitor_is_and_the_same_person_comes_back() -> Result<()> {
    let shop = Shop::open().await?;
    let (id, name, email) = (Canary::new(), Canary::new(), Canary::new());
    let address = format!("{email}@shop.example").to_lowercase();
    let mut claims = shop.claims(&id.to_string());
    claims["name"] = json!(name.to_string());
    claims["email"] = json!(address);
    claims["plan"] = json!("further claims are the customer's business");
    let first = shop.come_in(&shop.by_ed25519(&claims)).await?;
    let chat = first.start_chat().await?;
    let known = shop.acme.graphql("visitor_identity", json!({"subjectId": first.subject})).await?.ok();
    assert_eq!(known.text("/visitorIdentity/externalId"), id.to_string());
    assert_eq!(known.text("/visitorIdentity/name"), name.to_string());
    assert_eq!(known.text("/visitorIdentity/email"), address);
    for canary in [&id, &name, &email] {
        shop.app.assert_absent(canary).await?;
    }

    // Another day, another algorithm, another audience: the same person with the same chats.
    shop.app.advance(minutes(60 * 24));
    let mut claims = shop.claims(&id.to_string());
    claims["aud"] = json!(shop.assistant);
    let header = json!({"alg": "HS256", "kid": shop.hs256.0});
    let again = shop.come_in(&Signing::Hmac(shop.hs256.1.clone()).sign(&header, &claims)).await?;
    assert_eq!((&again.subject, &again.id), (&first.subject, &first.id));
    let chats = again.graphql("chats", json!({})).await?.ok();
    assert_eq!(chats.text("/chats/nodes/0/id"), chat);
    let other = shop.come_in(&shop.by_ed25519(&shop.claims("somebody else"))).await?;
    assert_ne!(other.subject, first.subject);

    // Whoever finds the token of a person that was vouched for does not go on as them.
    let page = shop.app.public().from_page(SHOP);
    let input = json!({"publishableKey": shop.publishable, "visitorToken": again.token()});
    let anonymous = call(&page, "start_visitor_session", input).await?.ok();
    assert_ne!(anonymous.text("/startVisitorSession/visitorSession/subjectId"), first.subject);

    let owner = shop.app.owner_in(&shop.acme.workspace).await?;
    owner.erase(&first.subject).await?;
    shop.app.run_jobs().await?;
    for canary in [&id, &name, &email] {
        shop.app.assert_absent(canary).await?;
    }
    assert_eq!(shop.app.rows("visitor_identities").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trick_passes_for_a_token_of_the_customers_server() -> Result<()> {
    let shop = Shop::open().await?;
    let good = shop.claims("ana");
    shop.start(&shop.by_ed25519(&good), None).await?.ok();
    let (kid, key) = &shop.ed25519;
    let ed25519 = Signing::Ed25519(key.clone());
    let public = Signing::Hmac(key.verifying_key().to_bytes().to_vec());
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!("{}.{}.", part(&json!({"alg": "none", "kid": kid})), part(&good));
    let jwk = json!({"kty": "OKP", "crv": "Ed25519",
        "x": BASE64_URL_SAFE_NO_PAD.encode(stranger.verifying_key().to_bytes())});
    let header = |more: Value| {
        let mut header = json!({"alg": "EdDSA", "kid": kid});
        for (name, value) in more.as_object().into_iter().flatten() {
            header[name] = value.clone();
        }
        header
    };
    let whole = shop.by_ed25519(&good);
    let mut flipped = whole.clone();
    flipped.replace_range(
        whole.len() - 3..whole.len() - 2,
        if whole[whole.len() - 3..].starts_with('A') { "B" } else { "A" },
    );
    let mut tricks = vec![
        ("no algorithm", none.clone()),
        ("no algorithm, the signature left on", format!("{none}{}", whole.rsplit_once('.').context("three parts")?.1)),
        ("the public key as a secret", public.sign(&json!({"alg": "HS256", "kid": kid}), &good)),
        ("the public key as a secret, under its own name", public.sign(&header(json!({})), &good)),
        ("a key inside", Signing::Ed25519(stranger.clone()).sign(&header(json!({"jwk": jwk})), &good)),
        ("a key inside, signed well", ed25519.sign(&header(json!({"jwk": jwk})), &good)),
        ("a place of a key", ed25519.sign(&header(json!({"jku": "https://evil.example/jwks"})), &good)),
        ("a critical extension", ed25519.sign(&header(json!({"crit": ["exp"]})), &good)),
        ("another type", ed25519.sign(&header(json!({"typ": "at+jwt"})), &good)),
        ("a stranger's key", Signing::Ed25519(stranger).sign(&header(json!({})), &good)),
        ("no key named", ed25519.sign(&json!({"alg": "EdDSA"}), &good)),
        ("an unknown key", ed25519.sign(&header(json!({"kid": "vsk_01JDAAAAAAAAAAAAAAAAAAAAAA"})), &good)),
        ("the other key's name", ed25519.sign(&json!({"alg": "EdDSA", "kid": shop.hs256.0}), &good)),
        ("a changed byte", flipped),
        ("padding", format!("{whole}=")),
        ("a fourth part", format!("{whole}.")),
        ("nothing", String::new()),
        ("two dots", "..".to_owned()),
    ];
    let now = shop.now();
    for (what, name, value) in [
        ("an end as text", "exp", json!((now + 300).to_string())),
        ("an end with a fraction", "exp", json!(now as f64 + 300.5)),
        ("an end as a list", "exp", json!([now + 300])),
        ("an end of null", "exp", Value::Null),
        ("an end beyond numbers", "exp", json!(1e300)),
        ("an end that is past", "exp", json!(now - 31)),
        ("an end that is far", "exp", json!(now + 901)),
        ("a beginning to come", "iat", json!(now + 60)),
        ("a beginning as text", "iat", json!(now.to_string())),
        ("a beginning long ago", "iat", json!(now - 700)),
        ("not yet", "nbf", json!(now + 60)),
        ("another audience", "aud", json!("ws_01JDAAAAAAAAAAAAAAAAAAAAAA")),
        ("several audiences", "aud", json!([shop.acme.workspace, "https://elsewhere.example"])),
        ("nobody", "sub", json!("")),
        ("a number for a person", "sub", json!(7)),
        ("a very long person", "sub", json!("x".repeat(201))),
        ("no address", "email", json!("not an address")),
        ("a name of two lines", "name", json!("Ana\nBcc: all")),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        tricks.push((what, ed25519.sign(&header(json!({})), &claims)));
    }
    for missing in ["sub", "aud", "iat", "exp"] {
        let mut claims = good.clone();
        claims.as_object_mut().context("an object")?.remove(missing);
        tricks.push((missing, ed25519.sign(&header(json!({})), &claims)));
    }
    let subjects = shop.app.rows("subjects").await?;
    for (what, token) in tricks {
        let refused = shop.start(&token, None).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{what}: {}", refused.body);
    }
    assert_eq!(shop.app.rows("subjects").await?, subjects, "nobody was made");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_workspace_is_none_here_and_a_revoked_key_ends_its_visitors() -> Result<()> {
    let shop = Shop::open().await?;
    let other = shop.app.workspace("other").await?;
    let theirs = other.assistant("Eve").await?;
    let page = shop.app.public().from_page(SHOP);
    let key = other.publishable_key(&theirs, SHOP).await?;
    let mut claims = shop.claims("ana");
    claims["aud"] = json!(other.workspace);
    let input = json!({"publishableKey": key, "identityToken": shop.by_ed25519(&claims)});
    let refused = call(&page, "start_visitor_session", input).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "the key is not theirs");

    let ana = shop.come_in(&shop.by_ed25519(&shop.claims("ana"))).await?;
    ana.start_chat().await?;
    let id = &shop.ed25519.0;
    call(&shop.acme, "revoke_visitor_signing_key", json!({"visitorSigningKeyId": id})).await?.ok();
    assert_eq!(ana.graphql("start_chat", json!({})).await?.status, 401);
    let late = shop.start(&shop.by_ed25519(&shop.claims("ana")), None).await?;
    assert_eq!(late.user_error(), Some("INVALID_CREDENTIALS"));
    let listed = shop.acme.graphql("visitor_signing_keys", json!({})).await?.ok();
    let all = listed.get("/visitorSigningKeys").as_array().cloned().unwrap_or_default();
    let revoked = all.iter().find(|key| key["id"] == json!(id)).context("it is listed")?;
    assert!(revoked["revokedAt"].is_string() && revoked["lastUsedAt"].is_string(), "{revoked}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_visitors_has_to_be_one() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let weak = BASE64_URL_SAFE_NO_PAD.encode([&[1_u8][..], &[0; 31]].concat());
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    for wrong in ["", "nonsense", &weak, &BASE64_URL_SAFE_NO_PAD.encode([7; 33]), &pem.replace("MCow", "MCox")] {
        let refused = call(&acme, "add_visitor_signing_key", json!({"name": "site", "publicKey": wrong})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{wrong}");
    }
    call(&acme, "add_visitor_signing_key", json!({"name": "site", "publicKey": pem})).await?.ok();
    for _ in 1..10 {
        call(&acme, "add_visitor_signing_key", json!({"name": "site"})).await?.ok();
    }
    let more = call(&acme, "add_visitor_signing_key", json!({"name": "site"})).await?;
    assert_eq!(more.user_error(), Some("LIMIT_EXCEEDED"));
    app.advance(Duration::from_secs(6 * 60));
    let late = call(&acme, "add_visitor_signing_key", json!({"name": "site"})).await?;
    assert_eq!(late.user_error(), Some("CONFIRMATION_REQUIRED"));
    Ok(())
}

use std::time::Duration;

use consigne_foundation::{id::AssistantId, identity::*, *};

use crate::House;

fn secret(permissions: &[Permission]) -> NewApiKey {
    NewApiKey::Secret { name: "ERP".to_owned(), permissions: permissions.to_vec(), expires_at: None }
}

#[tokio::test]
async fn a_program_comes_in_with_a_secret_key_and_may_do_what_the_key_says() {
    let house = House::open().await;
    let owner = house.owner().await;
    let (key, text) = api_keys::create(&owner, house.store(), secret(&[Permission::KnowledgeWrite])).await.unwrap();
    assert!(text.expose().starts_with("csk_") && text.expose().len() == 4 + 26 + 26 + 1 + 43);
    let program = house.come_in(text.expose()).await.unwrap();
    assert_eq!(program.kind, AuthenticatedAs::ApiKey);
    assert_eq!(program.scope.workspace(), owner.workspace());
    assert_eq!(program.scope.permissions().list(), [Permission::KnowledgeWrite]);
    assert_eq!(program.scope.actor(), Actor::ApiKey(key.id));
    let listed = api_keys::list(&owner, house.store()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].last_used_day, Some(house.store().now().day()));
    assert_eq!(format!("{text:?}"), "Sealed(..)");
}

#[tokio::test]
async fn a_key_gets_no_more_than_its_maker_has() {
    let house = House::open().await;
    let owner = house.owner().await;
    let (_, text) =
        api_keys::create(&owner, house.store(), secret(&[Permission::KeysWrite, Permission::ChatsRead])).await.unwrap();
    let program = house.come_in(text.expose()).await.unwrap().scope;
    let more = api_keys::create(&program, house.store(), secret(&[Permission::PrivacyErase])).await.unwrap_err();
    assert_eq!(more.kind(), ErrorKind::Forbidden);
    api_keys::create(&program, house.store(), secret(&[Permission::ChatsRead])).await.unwrap();
    let nothing = api_keys::create(&owner, house.store(), secret(&[])).await.unwrap_err();
    assert_eq!((nothing.kind(), nothing.field()), (ErrorKind::Invalid, Some("permissions")));
}

#[tokio::test]
async fn a_key_opens_no_other_workspace_and_no_other_key() {
    let house = House::open().await;
    let (owner, stranger) = (house.owner().await, house.stranger().await);
    let (key, text) = api_keys::create(&owner, house.store(), secret(&[Permission::ChatsRead])).await.unwrap();
    let (_, theirs) = api_keys::create(&stranger, house.store(), secret(&[Permission::ChatsRead])).await.unwrap();
    let (text, theirs) = (text.expose(), theirs.expose());
    let moved = format!("{}{}", &theirs[..30], &text[30..]);
    let mixed = format!("{}{}", &text[..57], &theirs[57..]);
    let flipped = format!("{}{}", &text[..99], if text.ends_with('A') { 'B' } else { 'A' });
    for forged in [&moved, &mixed, &flipped, &text[..99], &format!("{text}="), &text.replacen("csk", "cpk", 1)] {
        house.is_refused(forged).await;
    }
    let foreign = api_keys::revoke(&stranger, house.store(), key.id).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    assert_eq!(api_keys::list(&stranger, house.store()).await.unwrap().len(), 1);
    house.come_in(text).await.unwrap();
}

#[tokio::test]
async fn a_revoked_and_an_expired_key_are_refused() {
    let house = House::open().await;
    let owner = house.owner().await;
    let (key, text) = api_keys::create(&owner, house.store(), secret(&[Permission::ChatsRead])).await.unwrap();
    let revoked = api_keys::revoke(&owner, house.store(), key.id).await.unwrap();
    assert!(revoked.revoked_at.is_some());
    house.is_refused(text.expose()).await;
    api_keys::revoke(&owner, house.store(), key.id).await.unwrap();

    let end = house.store().now().plus(Duration::from_secs(60));
    let short =
        NewApiKey::Secret { name: "x".to_owned(), permissions: vec![Permission::ChatsRead], expires_at: Some(end) };
    let (_, text) = api_keys::create(&owner, house.store(), short.clone()).await.unwrap();
    assert_eq!(house.come_in(text.expose()).await.unwrap().expires_at, end);
    house.wait(60);
    house.is_refused(text.expose()).await;
    let past = api_keys::create(&owner, house.store(), short).await.unwrap_err();
    assert_eq!(past.field(), Some("expiresAt"));
    let done = house.actions(&owner).await;
    assert_eq!(done[3..], ["api_key.created", "api_key.revoked", "api_key.created"]);
}

#[tokio::test]
async fn a_publishable_key_authenticates_nothing_and_takes_exact_origins_only() {
    let house = House::open().await;
    let owner = house.owner().await;
    let assistant = AssistantId::new(house.store().clock());
    let publishable = |origins: &[&str]| NewApiKey::Publishable {
        name: "Shop".to_owned(),
        assistant,
        origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
        expires_at: None,
    };
    let (key, text) =
        api_keys::create(&owner, house.store(), publishable(&["https://Shop.example/", "http://localhost:3000"]))
            .await
            .unwrap();
    assert_eq!(key.origins, ["https://shop.example", "http://localhost:3000"]);
    assert!(text.expose().starts_with("cpk_"));
    house.is_refused(text.expose()).await;
    house.is_refused(&text.expose().replacen("cpk", "csk", 1)).await;
    for origin in [
        "*",
        "https://*",
        "https://*.shop.example",
        "null",
        "shop.example",
        "https://shop.example/path",
        "ftp://shop.example",
    ] {
        let refused = api_keys::create(&owner, house.store(), publishable(&[origin])).await.unwrap_err();
        assert_eq!((refused.kind(), refused.field()), (ErrorKind::Invalid, Some("origins")), "{origin}");
    }
    assert!(api_keys::create(&owner, house.store(), publishable(&[])).await.is_err());
}

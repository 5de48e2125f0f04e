use std::time::Duration;

use consigne_foundation::{
    identity::*,
    store::{Notice, Topic},
    *,
};

use crate::House;

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn a_refresh_token_is_used_once_and_a_later_reuse_ends_the_session() {
    let house = House::open().await;
    let first = house.sign_in("owner@acme.example").await;
    house.wait(600);
    house.is_refused(first.access_token.expose()).await;
    let second = sessions::refresh(house.store(), first.refresh_token.expose()).await.unwrap();
    assert_ne!(second.refresh_token.expose(), first.refresh_token.expose());
    assert_eq!((second.session, second.account, second.role), (first.session, first.account, Role::Owner));
    let scope = house.scope(&second).await;

    house.wait(16);
    let reuse = sessions::refresh(house.store(), first.refresh_token.expose()).await.unwrap_err();
    assert_eq!(reuse.kind(), ErrorKind::Unauthenticated);
    house.is_refused(second.access_token.expose()).await;
    assert!(sessions::refresh(house.store(), second.refresh_token.expose()).await.is_err(), "the whole family ends");
    assert!(!sessions::is_live(house.store(), first.session).await.unwrap());
    let done = house.actions(&scope).await;
    assert_eq!(done[2..], ["session.opened", "session.renewed", "session.reuse_detected"]);
}

#[tokio::test]
async fn within_fifteen_seconds_the_same_successor_is_given_again() {
    let house = House::open().await;
    let first = house.sign_in("owner@acme.example").await;
    let second = sessions::refresh(house.store(), first.refresh_token.expose()).await.unwrap();
    house.wait(15);
    let again = sessions::refresh(house.store(), first.refresh_token.expose()).await.unwrap();
    assert_eq!(again.refresh_token.expose(), second.refresh_token.expose());
    house.come_in(again.access_token.expose()).await.unwrap();
    let third = sessions::refresh(house.store(), second.refresh_token.expose()).await.unwrap();
    house.come_in(third.access_token.expose()).await.unwrap();
}

#[tokio::test]
async fn two_tabs_that_renew_at_once_get_the_same_successor() {
    let house = House::open().await;
    let first = house.sign_in("owner@acme.example").await;
    let (one, two) = tokio::join!(
        sessions::refresh(house.store(), first.refresh_token.expose()),
        sessions::refresh(house.store(), first.refresh_token.expose()),
    );
    assert_eq!(one.unwrap().refresh_token.expose(), two.unwrap().refresh_token.expose());
}

#[tokio::test]
async fn a_token_from_two_renewals_ago_ends_the_session_even_at_once() {
    let house = House::open().await;
    let first = house.sign_in("owner@acme.example").await;
    let second = sessions::refresh(house.store(), first.refresh_token.expose()).await.unwrap();
    let third = sessions::refresh(house.store(), second.refresh_token.expose()).await.unwrap();
    house.is_refused(first.access_token.expose()).await;
    house.come_in(second.access_token.expose()).await.unwrap();
    assert!(sessions::refresh(house.store(), first.refresh_token.expose()).await.is_err());
    house.is_refused(third.access_token.expose()).await;
}

#[tokio::test]
async fn a_guess_ends_nobodys_session() {
    let house = House::open().await;
    let first = house.sign_in("owner@acme.example").await;
    let token = first.refresh_token.expose();
    let (session, secret) = token.split_once('.').unwrap();
    let flipped = format!("{session}.{}{}", if secret.starts_with('A') { "B" } else { "A" }, &secret[1..]);
    for guess in
        [flipped.as_str(), &format!("{session}."), session, "", ".", &format!("{token}="), &format!("{token}A")]
    {
        let error = sessions::refresh(house.store(), guess).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{}", guess.len());
    }
    sessions::refresh(house.store(), token).await.unwrap();
}

async fn sign_in_to_stay(house: &House) -> SignedIn {
    let whence = Whence::new(Some("Firefox/131.0"), None);
    let email = "owner@acme.example";
    let sign_in = SignIn { email, password: crate::PASSWORD, workspace: None, stays_signed_in: true, whence: &whence };
    match sign_in::begin(house.store(), sign_in).await.unwrap() {
        Entered::SignedIn(signed_in) => signed_in,
        Entered::SecondStep { .. } => panic!("nobody has a second factor here"),
    }
}

#[tokio::test]
async fn a_session_ends_after_half_an_hour_of_rest_and_after_twelve_hours_in_any_case() {
    let house = House::open().await;
    let idle = house.sign_in("owner@acme.example").await;
    house.wait(30 * 60);
    assert!(sessions::refresh(house.store(), idle.refresh_token.expose()).await.is_err());

    // A call is use, and so is a renewal.
    let called = house.sign_in("owner@acme.example").await;
    house.wait(9 * 60);
    house.come_in(called.access_token.expose()).await.unwrap();
    house.wait(29 * 60);
    let mut busy = sessions::refresh(house.store(), called.refresh_token.expose()).await.unwrap();
    for _ in 0..23 {
        house.wait(29 * 60);
        busy = sessions::refresh(house.store(), busy.refresh_token.expose()).await.unwrap();
    }
    house.wait(29 * 60);
    assert!(sessions::refresh(house.store(), busy.refresh_token.expose()).await.is_err(), "12 hours and 14 minutes");
}

#[tokio::test]
async fn who_stays_signed_in_may_rest_for_fourteen_days_and_has_thirty_in_any_case() {
    let house = House::open().await;
    let idle = sign_in_to_stay(&house).await;
    house.wait(14 * DAY);
    assert!(sessions::refresh(house.store(), idle.refresh_token.expose()).await.is_err());

    let mut busy = sign_in_to_stay(&house).await;
    for _ in 0..3 {
        house.wait(10 * DAY - 1);
        busy = sessions::refresh(house.store(), busy.refresh_token.expose()).await.unwrap();
    }
    let last = house.come_in(busy.access_token.expose()).await.unwrap();
    assert_eq!(last.expires_at, house.store().now().plus(Duration::from_secs(3)), "no longer than the session");
    house.wait(3);
    house.is_refused(busy.access_token.expose()).await;
    assert!(sessions::refresh(house.store(), busy.refresh_token.expose()).await.is_err());
}

#[tokio::test]
async fn a_revoked_session_is_out_at_once_and_its_sockets_hear_of_it() {
    let house = House::open().await;
    let signed_in = house.sign_in("owner@acme.example").await;
    let scope = house.scope(&signed_in).await;
    assert!(sessions::is_live(house.store(), signed_in.session).await.unwrap());
    let told_by = Notice { topic: Topic::Session, id: signed_in.session.0 };
    let mut listening = house.store().notices().listen([told_by]);
    sessions::sign_out(&scope, house.store()).await.unwrap();
    assert!(listening.wait(Duration::from_secs(5)).await);
    house.is_refused(signed_in.access_token.expose()).await;
    assert!(sessions::refresh(house.store(), signed_in.refresh_token.expose()).await.is_err());
    let again = sessions::sign_out(&scope, house.store()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_session_can_be_ended_by_its_owner_and_by_the_workspace_only() {
    let house = House::open().await;
    let owner = house.owner().await;
    for email in ["ed@acme.example", "ana@acme.example"] {
        accounts::add_member(&owner, house.store(), email, crate::PASSWORD, Role::Editor).await.unwrap();
    }
    let (ed, ana) = (house.sign_in("ed@acme.example").await, house.sign_in("ana@acme.example").await);
    let by_colleague = sessions::revoke(&house.scope(&ana).await, house.store(), ed.session).await.unwrap_err();
    let by_stranger = sessions::revoke(&house.stranger().await, house.store(), ed.session).await.unwrap_err();
    assert_eq!([by_colleague.kind(), by_stranger.kind()], [ErrorKind::NotFound; 2]);
    sessions::revoke(&owner, house.store(), ed.session).await.unwrap();
    house.is_refused(ed.access_token.expose()).await;
    house.come_in(ana.access_token.expose()).await.unwrap();
}

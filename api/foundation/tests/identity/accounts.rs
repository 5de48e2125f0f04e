use consigne_foundation::{identity::*, *};
use sea_orm::{ConnectionTrait, Statement};

use crate::{House, PASSWORD};

#[tokio::test]
async fn the_first_start_happens_once() {
    password::set_cheap_cost_for_tests();
    let test = crate::support::open().await;
    assert!(accounts::is_empty(&test.store).await.unwrap());
    let (one, two) = tokio::join!(
        accounts::create_first(&test.store, "a@acme.example", PASSWORD, "Acme"),
        accounts::create_first(&test.store, "b@acme.example", PASSWORD, "Acme"),
    );
    assert_eq!([one.is_ok(), two.is_ok()].into_iter().filter(|made| *made).count(), 1);
    let late = accounts::create_first(&test.store, "c@acme.example", PASSWORD, "Acme").await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn an_owner_signs_in_with_the_address_in_any_clothes() {
    let house = House::open().await;
    let signed_in = house.sign_in("  Owner@ACME.example ").await;
    assert_eq!(
        (signed_in.account, signed_in.workspace, signed_in.role),
        (house.start.account, house.start.workspace, Role::Owner)
    );
    let somebody = house.come_in(signed_in.access_token.expose()).await.unwrap();
    assert_eq!(somebody.kind, AuthenticatedAs::Member(Role::Owner));
    assert_eq!(somebody.scope.permissions(), Role::Owner.permissions());
    assert_eq!(somebody.expires_at, signed_in.expires_at);
    assert_eq!(accounts::own_email(&somebody.scope, house.store()).await.unwrap(), "owner@acme.example");
    let done = house.actions(&somebody.scope).await;
    assert_eq!(done, ["workspace.created", "member.added", "session.opened"]);
}

#[tokio::test]
async fn a_wrong_password_an_unknown_address_and_a_foreign_workspace_answer_alike() {
    let house = House::open().await;
    let other = house.stranger().await.workspace();
    for (email, password, workspace) in [
        ("owner@acme.example", "not the right password", None),
        ("nobody@acme.example", PASSWORD, None),
        ("not an address", PASSWORD, None),
        ("owner@acme.example", PASSWORD, Some(other)),
    ] {
        let error = accounts::sign_in(house.store(), email, password, workspace).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Unauthenticated, "You are not signed in, or not any more.")
        );
    }
}

#[tokio::test]
async fn the_eleventh_try_waits_for_known_and_unknown_addresses_alike() {
    let house = House::open().await;
    for email in ["owner@acme.example", "nobody@acme.example"] {
        for _ in 0..10 {
            let error = accounts::sign_in(house.store(), email, "not the right password", None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        }
        let error = accounts::sign_in(house.store(), email, PASSWORD, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
    }
    house.wait(91);
    house.sign_in("owner@acme.example").await;
}

#[tokio::test]
async fn an_address_is_taken_once() {
    let house = House::open().await;
    let again = accounts::create_owner(house.store(), "OWNER@acme.example", PASSWORD, "Acme again").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    assert!(!format!("{again:?}").contains("acme"));
}

#[tokio::test]
async fn a_deactivated_account_stays_out() {
    let house = House::open().await;
    let signed_in = house.sign_in("owner@acme.example").await;
    let deactivate =
        Statement::from_string(house.test.owner.get_database_backend(), "UPDATE accounts SET deactivated_at = 1");
    house.test.owner.execute_raw(deactivate).await.unwrap();
    house.is_refused(signed_in.access_token.expose()).await;
    let error = accounts::sign_in(house.store(), "owner@acme.example", PASSWORD, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn nobody_gives_or_takes_a_role_above_their_own() {
    let house = House::open().await;
    let owner = house.owner().await;
    for (email, role) in [("admin@acme.example", Role::Admin), ("agent@acme.example", Role::Agent)] {
        accounts::add_member(&owner, house.store(), email, PASSWORD, role).await.unwrap();
    }
    let agent = house.scope(&house.sign_in("agent@acme.example").await).await;
    let admin = house.scope(&house.sign_in("admin@acme.example").await).await;
    for (scope, role) in [(&agent, Role::Agent), (&admin, Role::Owner), (&owner, Role::Visitor)] {
        let refused = accounts::add_member(scope, house.store(), "x@acme.example", PASSWORD, role).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden, "{role}");
    }
    let coup = members::remove(&admin, house.store(), house.start.account).await.unwrap_err();
    assert_eq!(coup.kind(), ErrorKind::Forbidden);
    accounts::add_member(&admin, house.store(), "x@acme.example", PASSWORD, Role::Admin).await.unwrap();
    accounts::add_member(&owner, house.store(), "second@acme.example", PASSWORD, Role::Owner).await.unwrap();
    let second = house.scope(&house.sign_in("second@acme.example").await).await;
    members::remove(&second, house.store(), house.start.account).await.unwrap();
}

#[tokio::test]
async fn a_member_who_leaves_is_out_at_once() {
    let house = House::open().await;
    let owner = house.owner().await;
    let editor = accounts::add_member(&owner, house.store(), "ed@acme.example", PASSWORD, Role::Editor).await.unwrap();
    let signed_in = house.sign_in("ed@acme.example").await;
    assert_eq!(house.scope(&signed_in).await.permissions(), Role::Editor.permissions());
    members::remove(&owner, house.store(), editor).await.unwrap();
    house.is_refused(signed_in.access_token.expose()).await;
    assert!(sessions::refresh(house.store(), signed_in.refresh_token.expose()).await.is_err());
    let own = members::remove(&owner, house.store(), house.start.account).await.unwrap_err();
    assert_eq!(own.kind(), ErrorKind::Conflict);
    let unknown = members::remove(&owner, house.store(), editor).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn no_address_password_or_token_is_readable_in_the_files() {
    let house = House::open().await;
    let signed_in = house.sign_in("owner@acme.example").await;
    house.is_refused("wrong").await;
    if house.store().backend() == sea_orm::DbBackend::Postgres {
        return;
    }
    let secret = signed_in.refresh_token.expose().split_once('.').unwrap().1.to_owned();
    let holds = |words: &str| {
        std::fs::read_dir(house.test.folder.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(words.len()).any(|window| window == words.as_bytes())
        })
    };
    assert!(holds("Acme"), "the search finds what is there");
    for canary in ["owner@acme", PASSWORD, signed_in.access_token.expose(), &secret] {
        assert!(!holds(canary));
    }
    assert_eq!(format!("{:?}", signed_in.refresh_token), "Sealed(..)");
    assert!(!format!("{signed_in:?}").contains(&secret));
}

#[tokio::test]
async fn what_each_role_may_do() {
    let table: Vec<String> = Permission::ALL
        .into_iter()
        .map(|permission| {
            let may: Vec<&str> =
                Role::ALL.into_iter().filter(|r| r.permissions().has(permission)).map(Role::name).collect();
            format!("{}: {}", permission.name(), may.join(" "))
        })
        .collect();
    assert_eq!(
        table,
        [
            "WORKSPACE_READ: OWNER ADMIN DPO AGENT EDITOR AUDITOR",
            "WORKSPACE_WRITE: OWNER ADMIN",
            "KNOWLEDGE_READ: OWNER ADMIN DPO AGENT EDITOR AUDITOR",
            "KNOWLEDGE_WRITE: OWNER ADMIN EDITOR",
            "CHATS_READ: OWNER ADMIN DPO AGENT",
            "CHATS_ASK: OWNER ADMIN AGENT EDITOR VISITOR",
            "CHATS_ANSWER: OWNER ADMIN AGENT",
            "PLUGINS_READ: OWNER ADMIN DPO AUDITOR",
            "PLUGINS_WRITE: OWNER ADMIN",
            "KEYS_WRITE: OWNER ADMIN",
            "VISITORS_WRITE: OWNER ADMIN",
            "AUDIT_READ: OWNER ADMIN DPO AUDITOR",
            "PRIVACY_READ: OWNER ADMIN DPO AUDITOR",
            "PRIVACY_ERASE: OWNER ADMIN DPO",
            "SUBJECTS_READ: OWNER ADMIN DPO",
            "RIGHTS_SERVE: OWNER ADMIN DPO",
            "JOBS_WRITE: OWNER ADMIN",
            "PRIVACY_WRITE: OWNER ADMIN DPO",
        ]
    );
}

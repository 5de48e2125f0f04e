use consigne_foundation::{identity::Role, workspaces::WorkspaceChange, *};

use crate::{House, PASSWORD};

fn codes(all: &[&str]) -> Vec<String> {
    all.iter().map(|&code| code.to_owned()).collect()
}

#[tokio::test]
async fn a_workspace_is_configured_and_only_its_own() {
    let house = House::open().await;
    let (owner, stranger) = (house.owner().await, house.stranger().await);
    let change = WorkspaceChange { name: Some(" Acme SA ".to_owned()), languages: Some(codes(&["FR", "en", "fr"])) };
    let changed = workspaces::configure(&owner, house.store(), change).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.languages.as_slice()), ("Acme SA", codes(&["fr", "en"]).as_slice()));
    assert_eq!(workspaces::get(&owner, house.store()).await.unwrap(), changed);
    assert_eq!(workspaces::get(&stranger, house.store()).await.unwrap().name, "Other");
    assert_eq!(house.actions(&owner).await.last().unwrap(), "workspace.configured");
}

#[tokio::test]
async fn a_language_is_a_code_of_iso_639_1() {
    let house = House::open().await;
    let owner = house.owner().await;
    for languages in [vec![], codes(&["eng"]), codes(&["xx"]), codes(&["en", ""]), codes(&["klingon"])] {
        let change = WorkspaceChange { languages: Some(languages), ..Default::default() };
        let refused = workspaces::configure(&owner, house.store(), change).await.unwrap_err();
        assert_eq!((refused.kind(), refused.field()), (ErrorKind::Invalid, Some("languages")));
    }
    let change = WorkspaceChange { name: Some("  ".to_owned()), ..Default::default() };
    assert_eq!(workspaces::configure(&owner, house.store(), change).await.unwrap_err().field(), Some("name"));
}

#[tokio::test]
async fn an_account_can_own_a_second_workspace_and_choose_it_at_sign_in() {
    let house = House::open().await;
    house.wait(60);
    let second = workspaces::create(house.store(), "Acme Labs", &codes(&["de"]), house.start.account).await.unwrap();
    let oldest = house.sign_in("owner@acme.example").await;
    assert_eq!(oldest.workspace, house.start.workspace);
    let chosen =
        identity::accounts::sign_in(house.store(), "owner@acme.example", PASSWORD, Some(second.id)).await.unwrap();
    let scope = house.scope(&chosen).await;
    assert_eq!(scope.workspace(), second.id);
    let all = workspaces::list_for_account(&scope, house.store()).await.unwrap();
    let names: Vec<(&str, Role)> = all.iter().map(|(workspace, role)| (workspace.name.as_str(), *role)).collect();
    assert_eq!(names, [("Acme", Role::Owner), ("Acme Labs", Role::Owner)]);
}

#[tokio::test]
async fn changes_of_the_knowledge_are_counted_and_a_rolled_back_one_is_not() {
    let house = House::open().await;
    let owner = house.owner().await;
    for expected in [1, 2] {
        let tx = house.store().write(&owner).await.unwrap();
        assert_eq!(workspaces::next_knowledge_version(&tx, 0).await.unwrap(), expected);
        tx.commit().await.unwrap();
    }
    let tx = house.store().write(&owner).await.unwrap();
    assert_eq!(workspaces::next_knowledge_version(&tx, 0).await.unwrap(), 3);
    drop(tx);
    let tx = house.store().read(&owner).await.unwrap();
    assert_eq!(workspaces::knowledge_version(&tx).await.unwrap(), 2);
}

#[tokio::test]
async fn who_may_not_configure_is_refused() {
    let house = House::open().await;
    let owner = house.owner().await;
    identity::accounts::add_member(&owner, house.store(), "a@acme.example", PASSWORD, Role::Auditor).await.unwrap();
    let auditor = house.scope(&house.sign_in("a@acme.example").await).await;
    let refused = workspaces::configure(&auditor, house.store(), WorkspaceChange::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    workspaces::get(&auditor, house.store()).await.unwrap();
}

#[tokio::test]
async fn a_member_makes_a_further_workspace_and_comes_in_by_signing_in_there() {
    let house = House::open().await;
    let owner = house.owner().await;
    let made = workspaces::create_for(&owner, house.store(), "Acme Labs", &codes(&["fr"])).await.unwrap();
    assert_eq!(workspaces::get(&owner, house.store()).await.unwrap().name, "Acme", "the scope stays where it is");
    let there =
        identity::accounts::sign_in(house.store(), "owner@acme.example", PASSWORD, Some(made.id)).await.unwrap();
    let scope = house.scope(&there).await;
    assert_eq!((there.role, scope.workspace()), (Role::Owner, made.id));
    let made_by = audit::page(&scope, house.store(), None, 10).await.unwrap().pop().unwrap();
    assert_eq!((made_by.action.as_str(), made_by.actor_id), ("workspace.created", Some(house.start.account.0)));

    let key = identity::NewApiKey::Secret {
        name: "ERP".to_owned(),
        permissions: vec![Permission::WorkspaceWrite],
        expires_at: None,
    };
    let (_, text) = identity::api_keys::create(&owner, house.store(), key).await.unwrap();
    let program = house.come_in(text.expose()).await.unwrap().scope;
    let refused = workspaces::create_for(&program, house.store(), "x", &codes(&["fr"])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn the_operator_makes_a_key_and_the_gateway_knows_the_origins_of_usable_ones() {
    use consigne_foundation::identity::{NewApiKey, api_keys, operator};
    let house = House::open().await;
    let first = operator::first_workspace(house.store()).await.unwrap();
    let lives = std::time::Duration::from_secs(60);
    let text = operator::create_key(house.store(), first, "demo", Some(lives)).await.unwrap();
    let program = house.come_in(text.expose()).await.unwrap().scope;
    assert_eq!(program.workspace(), house.start.workspace);

    let publishable = |origin: &str| NewApiKey::Publishable {
        name: "Shop".to_owned(),
        assistant: id::AssistantId::new(house.store().clock()),
        origins: vec![origin.to_owned()],
        expires_at: None,
    };
    let (gone, _) = api_keys::create(&program, house.store(), publishable("https://gone.example")).await.unwrap();
    api_keys::revoke(&program, house.store(), gone.id).await.unwrap();
    api_keys::create(&program, house.store(), publishable("https://shop.example")).await.unwrap();
    let stranger = house.stranger().await;
    api_keys::create(&stranger, house.store(), publishable("https://other.example")).await.unwrap();
    let mut origins: Vec<String> = api_keys::origins(house.store()).await.unwrap().into_iter().collect();
    origins.sort();
    assert_eq!(origins, ["https://other.example", "https://shop.example"]);

    house.wait(60);
    house.is_refused(text.expose()).await;
}

use consigne_foundation::{id::AssistantId, identity::*, *};
use sea_orm::{ConnectionTrait, Statement};

use crate::House;

const SHOP: &str = "https://shop.example";

struct Shop {
    house: House,
    owner: Scope,
    assistant: AssistantId,
    key: ApiKey,
    text: SecretText,
}

impl Shop {
    async fn open() -> Self {
        let house = House::open().await;
        let owner = house.owner().await;
        let assistant = AssistantId::new(house.store().clock());
        let (key, text) = Self::key_for(&house, &owner, assistant).await;
        Self { house, owner, assistant, key, text }
    }

    async fn key_for(house: &House, scope: &Scope, assistant: AssistantId) -> (ApiKey, SecretText) {
        let new = NewApiKey::Publishable {
            name: "Shop".to_owned(),
            assistant,
            origins: vec![SHOP.to_owned()],
            expires_at: None,
        };
        api_keys::create(scope, house.store(), new).await.unwrap()
    }

    async fn visit(&self, token: Option<&str>) -> Result<VisitorSession> {
        visitors::start(self.house.store(), self.text.expose(), Some(SHOP), token, None).await
    }

    async fn set_state(&self, state: &str) {
        let db = &self.house.test.owner;
        let sql = "UPDATE subjects SET state = $1";
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, [state.into()])).await.unwrap();
    }
}

#[tokio::test]
async fn a_visitor_comes_from_the_page_and_may_ask_one_assistant() {
    let shop = Shop::open().await;
    let visit = shop.visit(None).await.unwrap();
    let somebody = shop.house.come_in(visit.token.expose()).await.unwrap();
    assert_eq!(somebody.kind, AuthenticatedAs::Visitor);
    assert_eq!(somebody.scope.workspace(), shop.owner.workspace());
    assert_eq!(somebody.scope.permissions().list(), [Permission::ChatsAsk]);
    assert_eq!(
        somebody.scope.actor(),
        Actor::Visitor { visitor: visit.visitor, subject: visit.subject, assistant: shop.assistant }
    );
    assert_eq!(somebody.expires_at, visit.expires_at);
    let other = shop.visit(None).await.unwrap();
    assert_ne!((other.visitor, other.subject), (visit.visitor, visit.subject));
    assert_eq!(shop.house.actions(&shop.owner).await[3..], ["api_key.created", "visitor.started", "visitor.started"]);
}

#[tokio::test]
async fn another_page_and_no_page_are_refused() {
    let shop = Shop::open().await;
    for origin in [
        None,
        Some("null"),
        Some("*"),
        Some("http://shop.example"),
        Some("https://shop.example:8443"),
        Some("https://shop.example.thief.example"),
        Some("https://www.shop.example"),
        Some("https://shop.example/"),
        Some(""),
    ] {
        let error = visitors::start(shop.house.store(), shop.text.expose(), origin, None, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{origin:?}");
    }
}

#[tokio::test]
async fn a_token_continues_its_visitor_until_a_day_after_its_end() {
    let shop = Shop::open().await;
    let first = shop.visit(None).await.unwrap();
    shop.house.wait(30 * 60);
    shop.house.is_refused(first.token.expose()).await;
    shop.house.wait(24 * 3600 - 1);
    let second = shop.visit(Some(first.token.expose())).await.unwrap();
    assert_eq!((second.visitor, second.subject), (first.visitor, first.subject));
    shop.house.come_in(second.token.expose()).await.unwrap();
    shop.house.wait(1);
    let third = shop.visit(Some(first.token.expose())).await.unwrap();
    assert_ne!(third.visitor, first.visitor);
    let fourth = shop.visit(Some("nonsense")).await.unwrap();
    assert_ne!(fourth.visitor, third.visitor);
}

#[tokio::test]
async fn a_token_of_another_assistant_or_workspace_continues_nobody() {
    let shop = Shop::open().await;
    let first = shop.visit(None).await.unwrap();
    let (_, other_assistant) =
        Shop::key_for(&shop.house, &shop.owner, AssistantId::new(shop.house.store().clock())).await;
    let stranger = shop.house.stranger().await;
    let (_, other_workspace) = Shop::key_for(&shop.house, &stranger, shop.assistant).await;
    for key in [other_assistant, other_workspace] {
        let visit = visitors::start(shop.house.store(), key.expose(), Some(SHOP), Some(first.token.expose()), None)
            .await
            .unwrap();
        assert_ne!(visit.visitor, first.visitor);
        assert_ne!(visit.subject, first.subject);
    }
}

#[tokio::test]
async fn somebody_who_is_being_erased_is_out_and_cannot_be_continued() {
    let shop = Shop::open().await;
    let visit = shop.visit(None).await.unwrap();
    for state in ["ERASING", "ERASED"] {
        shop.set_state(state).await;
        shop.house.is_refused(visit.token.expose()).await;
        let error = shop.visit(Some(visit.token.expose())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SubjectErased);
    }
    shop.visit(None).await.unwrap();
}

#[tokio::test]
async fn a_revoked_key_takes_its_visitors_with_it() {
    let shop = Shop::open().await;
    let visit = shop.visit(None).await.unwrap();
    api_keys::revoke(&shop.owner, shop.house.store(), shop.key.id).await.unwrap();
    shop.house.is_refused(visit.token.expose()).await;
    assert_eq!(shop.visit(None).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_visitor_token_passes_for_nothing_else() {
    let shop = Shop::open().await;
    let visit = shop.visit(None).await.unwrap();
    let member = shop.house.sign_in("owner@acme.example").await;
    let as_visitor = shop.visit(Some(member.access_token.expose())).await.unwrap();
    assert_ne!(as_visitor.visitor, visit.visitor);
    let scope = shop.house.come_in(visit.token.expose()).await.unwrap().scope;
    let refused =
        visitors::start_for(&scope, shop.house.store(), shop.assistant, None, Default::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    assert_eq!(sessions::sign_out(&scope, shop.house.store()).await.unwrap_err().kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn the_customers_own_server_starts_visitors_too() {
    let shop = Shop::open().await;
    let visit =
        visitors::start_for(&shop.owner, shop.house.store(), shop.assistant, None, Default::default()).await.unwrap();
    shop.house.come_in(visit.token.expose()).await.unwrap();
    let again = visitors::start_for(
        &shop.owner,
        shop.house.store(),
        shop.assistant,
        Some(visit.token.expose()),
        Default::default(),
    )
    .await
    .unwrap();
    assert_eq!(again.visitor, visit.visitor);
}

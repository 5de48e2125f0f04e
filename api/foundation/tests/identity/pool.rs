//! Connections that many workspaces share: no transaction ever sees what another one's was bound to, whoever gave up before.

use consigne_foundation::store::{Store, StoreSettings};
use futures::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::task::yield_now;

use super::*;

/// Requests of two workspaces at once.
const REQUESTS: usize = 200;

/// Transactions that somebody stopped waiting for.
const GIVEN_UP: usize = 1_000;

/// The same database with so many connections.
async fn with_connections(house: &House, most: u32) -> Store {
    let settings = StoreSettings { max_connections: most, ..house.test.settings.clone() };
    let opened = Store::open(&settings, vault::RootKey::from_bytes(support::ROOT), house.test.clock.clone()).await;
    opened.expect("the store opens with other limits")
}

/// The workspaces whose audit entries a transaction sees. On Postgres no predicate helps it: that is what is tested.
async fn seen(scope: &Scope, store: &Store) -> Vec<String> {
    let tx = store.read(scope).await.unwrap();
    let sql = match tx.get_database_backend() {
        DbBackend::Postgres => "SELECT DISTINCT workspace_id::text AS id FROM audit_entries".to_owned(),
        _ => format!(
            "SELECT DISTINCT lower(hex(workspace_id)) AS id FROM audit_entries WHERE workspace_id = x'{}'",
            tx.workspace().0.as_simple()
        ),
    };
    let rows = tx.query_all_raw(Statement::from_string(tx.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get::<String>("", "id").unwrap().replace('-', "")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_two_workspaces_that_share_two_connections_never_mix() {
    let house = House::open().await;
    let scopes = [house.owner().await, house.stranger().await];
    let store = with_connections(&house, 2).await;
    let requests = (0..REQUESTS).map(|number| {
        let (scope, store) = (scopes[number % 2].clone(), store.clone());
        tokio::spawn(async move {
            let own = scope.workspace().0.as_simple().to_string();
            assert_eq!(seen(&scope, &store).await, [own], "request {number}");
            let event = audit::Event::new("test.entered").target("request", id::random_uuid());
            let tx = store.write(&scope).await.unwrap();
            audit::append(&scope, &tx, event).await.unwrap();
            tx.commit().await.unwrap();
        })
    });
    for request in join_all(requests).await {
        request.expect("no request saw another workspace");
    }
    for scope in &scopes {
        let entered = house.actions(scope).await.iter().filter(|action| *action == "test.entered").count();
        assert_eq!(entered, REQUESTS / 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_stays_clean_however_often_somebody_gives_up_on_it() {
    let house = House::open().await;
    let (owner, stranger) = (house.owner().await, house.stranger().await);
    let store = with_connections(&house, 1).await;
    for number in 0..GIVEN_UP {
        let scope = if number % 2 == 0 { &owner } else { &stranger };
        let work = async {
            match number % 3 {
                0 => drop(store.read(scope).await),
                1 => drop(store.write(scope).await),
                _ => drop(seen(scope, &store).await),
            }
        };
        // Each time at another place: in the wait for the connection, in the begin, in a statement, in the way back.
        let patience = async {
            for _ in 0..number % 23 {
                yield_now().await;
            }
        };
        tokio::select! { biased; () = work => {}, () = patience => {} }
    }
    let outside = is_bound_to_nothing(&store, &owner).await;
    assert_eq!(outside, None, "a connection came back with a workspace set");
    for scope in [&owner, &stranger] {
        assert_eq!(seen(scope, &store).await, [scope.workspace().0.as_simple().to_string()]);
    }
    assert_eq!(idle_in_transaction(&house).await, 0);
}

/// The workspace that a fresh connection of the pool is bound to, outside of any of ours.
async fn is_bound_to_nothing(store: &Store, scope: &Scope) -> Option<String> {
    if store.backend() != DbBackend::Postgres {
        return None;
    }
    drop(store.read(scope).await.unwrap());
    let sql = "SELECT nullif(current_setting('app.workspace_id', true), '') AS id";
    let row = store.connection_for_migrations().query_one_raw(Statement::from_string(DbBackend::Postgres, sql));
    row.await.unwrap().unwrap().try_get::<Option<String>>("", "id").unwrap()
}

/// Transactions that somebody left open.
async fn idle_in_transaction(house: &House) -> i64 {
    let owner = &house.test.owner;
    if owner.get_database_backend() != DbBackend::Postgres {
        return 0;
    }
    // Who gave up is noticed by the connection's own task.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let sql =
        "SELECT count(*) AS open FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
    let row = owner.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    row.unwrap().try_get("", "open").unwrap()
}

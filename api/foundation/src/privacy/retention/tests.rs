//! The clock is turned over every period; leap days and holds come in its way.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};

use super::{people::Visitors, *};
use crate::{
    audit,
    blobs::{BlobSettings, Blobs},
    error::ErrorKind,
    id::{ApiKeyId, ErasureId, SubjectId, VisitorId, WorkspaceId, random_uuid},
    identity::accounts,
    privacy::{Privacy, holds, subjects},
    scope::Scope,
    vault::support::{self, TestStore},
};

pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct World {
    pub(super) test: TestStore,
    pub(super) scope: Scope,
    pub(super) retention: Retention,
    pub(super) privacy: Privacy,
}

impl World {
    pub(super) async fn new() -> Self {
        let test = support::open().await;
        let made = accounts::create_first(&test.store, "ann@acme.example", "Mustard-Lantern-47-Quarry", "acme").await;
        let scope = Scope::duty(made.unwrap().workspace, "retention");
        let retention = Retention::new(test.store.clone(), classes(), "UTC").unwrap();
        let blobs = Blobs::open(&BlobSettings::Folder(test.folder.path().join("blobs"))).unwrap();
        let privacy = Privacy::new(test.store.clone(), blobs, Vec::new());
        Self { test, scope, retention, privacy }
    }

    pub(super) fn workspace(&self) -> WorkspaceId {
        self.scope.workspace()
    }

    pub(super) async fn run(&self) -> Vec<Counted> {
        self.retention.run(&self.scope, Mode::Delete).await.unwrap()
    }

    pub(super) async fn execute(&self, sql: &str, values: Vec<sea_orm::Value>) {
        let tx = self.test.store.write(&self.scope).await.unwrap();
        let statement = Statement::from_sql_and_values(self.test.store.backend(), sql, values);
        assert_eq!(tx.execute_raw(statement).await.unwrap().rows_affected(), 1, "{sql}");
        tx.commit().await.unwrap();
    }

    pub(super) async fn rows(&self, table: &str) -> i64 {
        let tx = self.test.store.read(&self.scope).await.unwrap();
        let sql = format!("SELECT COUNT(*) AS n FROM {table}");
        let row = tx.query_one_raw(Statement::from_string(self.test.store.backend(), sql)).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }

    /// Somebody who was seen now, once.
    pub(super) async fn visitor(&self) -> SubjectId {
        let tx = self.test.store.write(&self.scope).await.unwrap();
        let subject = subjects::create(&tx, "visitor").await.unwrap();
        tx.commit().await.unwrap();
        let (id, now) = (VisitorId::new(&self.test.clock), self.test.clock.now());
        let values =
            vec![self.workspace().into(), id.into(), subject.into(), random_uuid().into(), now.into(), now.into()];
        let sql = "INSERT INTO visitors (workspace_id, id, subject_id, assistant_id, created_at, last_seen_at) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        self.execute(sql, values).await;
        subject
    }

    /// An erasure of nobody in particular that is completed now, with a step.
    async fn erasure(&self) {
        let subject = self.visitor().await;
        let (id, now) = (ErasureId::new(&self.test.clock), self.test.clock.now());
        let sql = "INSERT INTO erasures (workspace_id, id, subject_id, idempotency_key, state, requested_at, completed_at) \
                   VALUES ($1, $2, $3, 'k', 'COMPLETED', $4, $4)";
        self.execute(sql, vec![self.workspace().into(), id.into(), subject.into(), now.into()]).await;
        let sql = "INSERT INTO erasure_steps (workspace_id, erasure_id, position, name, state, erased) \
                   VALUES ($1, $2, 0, 'ledger', 'DONE', 0)";
        self.execute(sql, vec![self.workspace().into(), id.into()]).await;
    }

    async fn revoked_key(&self) {
        let (id, now) = (ApiKeyId::new(&self.test.clock), self.test.clock.now());
        let sql = "INSERT INTO api_keys (workspace_id, id, kind, name, secret_hash, permissions, origins, created_at, \
                   revoked_at) VALUES ($1, $2, 'SECRET', 'a program', $3, '', '', $4, $4)";
        self.execute(sql, vec![self.workspace().into(), id.into(), vec![7u8; 32].into(), now.into()]).await;
    }

    /// Turns the clock to a millisecond before this much later, and then over it.
    pub(super) fn just_before(&self, later: Timestamp) {
        let left = later.0 - 1 - self.test.clock.now().0;
        self.test.clock.advance(Duration::from_millis(left.try_into().unwrap()));
    }

    pub(super) fn a_moment_later(&self) {
        self.test.clock.advance(Duration::from_millis(1));
    }
}

use crate::clock::Timestamp;

fn classes() -> Vec<Arc<dyn Expiring>> {
    let mut classes = foundation_classes();
    classes.push(Arc::new(Visitors));
    classes
}

pub(super) fn of<'a>(counted: &'a [Counted], class: &str) -> &'a Counted {
    counted.iter().find(|counted| counted.class == class).unwrap()
}

#[tokio::test]
async fn a_visitor_is_forgotten_twelve_months_after_the_last_visit_to_the_millisecond() {
    let w = World::new().await;
    let (first, seen_at) = (w.visitor().await, w.test.clock.now());
    let ends = register::line("visitors").unwrap().period.end(seen_at, &TimeZone::UTC);
    w.just_before(ends);
    let newer = w.visitor().await;
    assert_eq!(of(&w.run().await, "visitors").expired, 0);
    w.a_moment_later();
    let dry = w.retention.report(&w.scope).await.unwrap();
    assert_eq!((of(&dry, "visitors").expired, of(&dry, "visitors").deleted), (1, 0));
    assert_eq!(of(&dry, "visitors").over_since, Some(ends));
    assert_eq!(w.rows("visitors").await, 2, "a dry run deletes nothing");

    let counted = w.run().await;
    assert_eq!((of(&counted, "visitors").expired, of(&counted, "visitors").deleted), (1, 1));
    assert_eq!(w.rows("visitors").await, 1);
    let vault = w.test.store.vault();
    assert_eq!(vault.subject_key(w.workspace(), first).await.unwrap_err().kind(), ErrorKind::SubjectErased);
    vault.subject_key(w.workspace(), newer).await.unwrap();
    assert_eq!(w.rows("subjects").await, 2, "the tombstone stays");
    let verdict = audit::verify(&w.test.store, w.workspace()).await.unwrap();
    assert!(matches!(verdict, audit::Verdict::Intact { .. }), "{verdict:?}");
    let last = audit::page(&w.scope, &w.test.store, None, 1).await.unwrap().remove(0);
    assert_eq!(last.action, "retention.deleted");
    assert_eq!(last.details.unwrap()["rows"], 1);
}

#[tokio::test]
async fn erasures_go_after_three_years_and_revoked_keys_after_six_months() {
    let w = World::new().await;
    // A leap year lies in between: the first of 2028.
    w.erasure().await;
    w.revoked_key().await;
    let began = w.test.clock.now();
    for (class, table) in [("api_keys", "api_keys"), ("erasures", "erasures")] {
        let ends = register::line(class).unwrap().period.end(began, &TimeZone::UTC);
        w.just_before(ends);
        assert_eq!(of(&w.run().await, class).deleted, 0, "{class}");
        assert_eq!(w.rows(table).await, 1);
        w.a_moment_later();
        assert!(of(&w.run().await, class).deleted >= 1, "{class}");
        assert_eq!(w.rows(table).await, 0);
    }
    assert_eq!(w.rows("erasure_steps").await, 0);
}

#[tokio::test]
async fn details_of_the_audit_log_go_after_six_months_and_the_chain_stays_whole() {
    let w = World::new().await;
    let began = w.test.clock.now();
    let refused = w.retention.set_policy(&w.scope, "audit_details", Some("P30D")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.field()), (ErrorKind::Invalid, Some("period")), "90 days at the least");
    let details = w.rows("audit_details").await;
    assert!(details > 0, "nothing to forget");
    let ends = register::line("audit_details").unwrap().period.end(began, &TimeZone::UTC);
    w.just_before(ends);
    assert_eq!(of(&w.run().await, "audit_details").deleted, 0);
    w.a_moment_later();
    assert_eq!(of(&w.run().await, "audit_details").deleted, details.unsigned_abs());
    // The one that is left says what went.
    assert_eq!(w.rows("audit_details").await, 1);
    let verdict = audit::verify(&w.test.store, w.workspace()).await.unwrap();
    assert!(matches!(verdict, audit::Verdict::Intact { .. }), "{verdict:?}");
    // What is not so old is still missed.
    w.execute("DELETE FROM audit_details", vec![]).await;
    let verdict = audit::verify(&w.test.store, w.workspace()).await.unwrap();
    assert!(matches!(verdict, audit::Verdict::Broken { .. }), "{verdict:?}");
}

#[tokio::test]
async fn what_is_held_stays_and_goes_when_the_hold_is_over() {
    let w = World::new().await;
    let (held, free) = (w.visitor().await, w.visitor().await);
    w.test.clock.advance(400 * DAY);
    let ends_at = w.test.clock.now().plus(10 * DAY);
    let ground = holds::Ground::LegalClaims;
    holds::place(&w.scope, &w.privacy, held, holds::Item::Person, ground, ends_at).await.unwrap();
    let counted = w.run().await;
    assert_eq!((of(&counted, "visitors").deleted, of(&counted, "visitors").held), (1, 1));
    let vault = w.test.store.vault();
    vault.subject_key(w.workspace(), held).await.unwrap();
    assert!(vault.subject_key(w.workspace(), free).await.is_err());
    w.test.clock.advance(10 * DAY);
    assert_eq!(of(&w.run().await, "visitors").deleted, 1);
}

/// A hold of a kind that this version does not know: it cannot be told what it holds, so everything stays.
#[tokio::test]
async fn nothing_is_deleted_while_holds_cannot_be_read() {
    let w = World::new().await;
    let (held, _) = (w.visitor().await, w.visitor().await);
    w.test.clock.advance(400 * DAY);
    let sql = "INSERT INTO holds (workspace_id, id, subject_id, item_kind, ground, placed_at, ends_at) \
               VALUES ($1, $2, $3, 'UNKNOWN', 'LEGAL_CLAIMS', 1, $4)";
    let ends_at = w.test.clock.now().plus(DAY);
    w.execute(sql, vec![w.workspace().into(), random_uuid().into(), held.into(), ends_at.into()]).await;
    let failed = w.retention.run(&w.scope, Mode::Delete).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Corrupt);
    assert_eq!(w.rows("visitors").await, 2);
    assert!(w.retention.report(&w.scope).await.is_err(), "a dry run takes the same path");
}

#[tokio::test]
async fn a_workspace_may_keep_less_and_never_more() {
    let w = World::new().await;
    for longer in ["P13M", "P367D", "P100Y"] {
        let refused = w.retention.set_policy(&w.scope, "visitors", Some(longer)).await.unwrap_err();
        assert_eq!((refused.kind(), refused.field()), (ErrorKind::Invalid, Some("period")), "{longer}");
    }
    let unknown = w.retention.set_policy(&w.scope, "accounts_of_others", Some("P1D")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let set = w.retention.set_policy(&w.scope, "visitors", Some("P30D")).await.unwrap();
    assert_eq!((set.period.as_str(), set.longest.as_str()), ("P30D", "P12M"));
    w.visitor().await;
    w.test.clock.advance(30 * DAY - Duration::from_millis(1));
    assert_eq!(of(&w.run().await, "visitors").deleted, 0);
    w.a_moment_later();
    assert_eq!(of(&w.run().await, "visitors").deleted, 1);
    let reset = w.retention.set_policy(&w.scope, "visitors", None).await.unwrap();
    assert_eq!(reset.period.as_str(), "P12M");
    assert_eq!(w.retention.policies(&w.scope).await.unwrap().iter().filter(|p| p.period != p.longest).count(), 0);
}

#[tokio::test]
async fn many_rows_go_in_one_run_and_nobody_elses() {
    let w = World::new().await;
    for _ in 0..450 {
        w.visitor().await;
    }
    w.test.clock.advance(200 * DAY);
    w.visitor().await;
    w.test.clock.advance(200 * DAY);
    let counted = w.run().await;
    assert_eq!((of(&counted, "visitors").deleted, w.rows("visitors").await), (450, 1));
    assert!(of(&counted, "visitors").over_since.is_none());
}

#[tokio::test]
async fn sessions_go_from_the_installation_after_thirty_days() {
    let w = World::new().await;
    accounts::sign_in(&w.test.store, "ann@acme.example", "Mustard-Lantern-47-Quarry", None).await.unwrap();
    let signed_in_at = w.test.clock.now();
    let ends = register::line("sessions").unwrap().period.end(signed_in_at, &TimeZone::UTC);
    w.just_before(ends);
    let run = || w.retention.run_installation(Mode::Delete);
    assert_eq!(of(&run().await.unwrap(), "sessions").deleted, 0);
    w.a_moment_later();
    assert_eq!(of(&run().await.unwrap(), "sessions").deleted, 1);
    assert_eq!(w.rows("sessions").await, 0);
}

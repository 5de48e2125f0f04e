//! An erasure is cut off at every point at which it waits for anything, meets stores that are down and holds that come and go,
//! in any order: a certificate never covers a remainder, and in the end the person is gone.

use std::{
    future::{Future, poll_fn},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait};
use tempfile::TempDir;

use super::*;
use crate::{
    backups::{BackupOptions, Backups, Identity, Recipients, Target, TargetSettings},
    blobs::{BlobSettings, Blobs},
    id::{HoldId, JobId, VisitorId, random_uuid},
    identity::{accounts, signing},
    privacy::{IdentityHolder, OtherRole, holds},
    store::entity::{audit_details, visitors},
    vault::{
        RootKey,
        support::{self, ROOT, TestStore},
    },
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

struct World {
    test: TestStore,
    scope: Scope,
    privacy: Privacy,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let test = support::open().await;
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let blobs = Blobs::open(&BlobSettings::Folder(place("blobs"))).unwrap();
        let (identity, _) = Identity::load_or_create(&place("identity.txt")).unwrap();
        let store = BlobSettings::Folder(place("backups"));
        let options = BackupOptions {
            target: Target::open(&TargetSettings { store, prefix: String::new(), name: "backups".into() }).unwrap(),
            recipients: Recipients::parse([identity.recipient().as_str()]).unwrap(),
            keep: 30 * DAY,
            keys: RootKey::from_bytes(ROOT).into(),
            identity_file: place("identity.txt"),
        };
        let backups = Backups::new(test.store.clone(), blobs.clone(), options);
        let holders: Vec<Arc<dyn crate::privacy::DataHolder>> = vec![Arc::new(IdentityHolder(test.store.clone()))];
        let privacy = Privacy::new(test.store.clone(), blobs, holders).with_backups(backups);
        let made = accounts::create_first(&test.store, "ann@acme.example", "Mustard-Lantern-47-Quarry", "acme").await;
        let scope = Scope::duty(made.unwrap().workspace, "erase");
        Self { test, scope, privacy, folder }
    }

    /// A visitor, and an entry of the audit log that knows more about them.
    async fn visitor(&self) -> SubjectId {
        let tx = self.test.store.write(&self.scope).await.unwrap();
        let subject = subjects::create(&tx, "visitor").await.unwrap();
        let now = self.test.clock.now();
        let row = visitors::ActiveModel {
            workspace_id: Set(self.scope.workspace()),
            id: Set(VisitorId::new(&self.test.clock)),
            subject_id: Set(subject),
            assistant_id: Set(crate::id::AssistantId(random_uuid())),
            created_at: Set(now),
            last_seen_at: Set(now),
        };
        visitors::Entity::insert(row).exec_without_returning(tx.db()).await.unwrap();
        let event = Event::new("test.came").subject(subject).detail("how", "by train");
        audit::append(&self.scope, &tx, event).await.unwrap();
        tx.commit().await.unwrap();
        subject
    }

    async fn request(&self, subject: SubjectId) -> ErasureId {
        request(&self.scope, &self.privacy, subject, "a key").await.unwrap().id
    }

    /// Runs the job for as long as it may be polled; says whether it came to its end.
    async fn run(&self, erasure: ErasureId, polls: usize) -> Option<Result<Outcome>> {
        let job =
            ClaimedJob { id: JobId::new(&self.test.clock), scope: self.scope.clone(), target: erasure.0, attempt: 1 };
        let handler = EraseHandler(self.privacy.clone());
        cut_off(polls, handler.run(&job)).await
    }

    async fn erasure(&self, id: ErasureId) -> Erasure {
        load(&self.scope, &self.privacy, id).await.unwrap().unwrap()
    }

    async fn rows_of(&self, subject: SubjectId) -> u64 {
        let tx = self.test.store.read(&self.scope).await.unwrap();
        let of_visitors = visitors::Entity::find().filter(visitors::Column::SubjectId.eq(subject));
        let of_details = audit_details::Entity::find().filter(audit_details::Column::SubjectId.eq(subject));
        of_visitors.count(tx.db()).await.unwrap() + of_details.count(tx.db()).await.unwrap()
    }

    /// What is signed is true, counted here by another way.
    async fn judge(&self, id: ErasureId, subject: SubjectId) {
        let erasure = self.erasure(id).await;
        let keys = signing::jwks(&self.test.store).await.unwrap();
        let claims = erasure.certificate.as_ref().map(|jws| signing::verify_offline(jws, &keys).unwrap());
        let is_live = claims.as_ref().is_some_and(|claims| claims["extent"] == "LIVE");
        assert_eq!(is_live, erasure.state == ErasureState::Completed, "{erasure:?}");
        if is_live {
            assert_eq!(self.rows_of(subject).await, 0, "a certificate over a remainder");
            assert!(self.test.store.vault().is_shredded(self.scope.workspace(), subject).await.unwrap());
            assert!(ledger::stands(&self.privacy.blobs, id).await.unwrap());
            assert!(erasure.steps.iter().all(|step| step.state == StepState::Done), "{erasure:?}");
        }
        let tx = self.test.store.read(&self.scope).await.unwrap();
        let person = subjects::find(&tx, subject).await.unwrap().unwrap();
        assert_ne!(person.state, subjects::state::ACTIVE, "whoever is being erased stays frozen");
        assert_eq!(person.state == subjects::state::ERASED, is_live);
    }

    fn is_up(&self, name: &str) -> bool {
        self.folder.path().join(name).is_dir()
    }

    fn switch(&self, name: &str, up: bool) {
        let (place, aside) = (self.folder.path().join(name), self.folder.path().join(format!("{name}-aside")));
        let (from, to): (PathBuf, PathBuf) = if up { (aside, place.clone()) } else { (place.clone(), aside) };
        if self.is_up(name) != up {
            if up {
                std::fs::remove_file(&to).unwrap();
            }
            std::fs::rename(from, to).unwrap();
            if !up {
                std::fs::write(&place, "in the way").unwrap();
            }
        }
    }
}

/// Polls a future so often, then drops it: as if the process were gone.
async fn cut_off<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future: Pin<Box<dyn Future<Output = T> + '_>> = Box::pin(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_is_cut_off_anywhere_is_finished_by_the_next_try() {
    let w = World::new().await;
    let mut ended_at = None;
    for polls in 0.. {
        let subject = w.visitor().await;
        let id = w.request(subject).await;
        let ended = w.run(id, polls).await;
        w.judge(id, subject).await;
        if ended.is_some() {
            assert_eq!(w.erasure(id).await.state, ErasureState::Completed);
            ended_at = Some(polls);
            break;
        }
        w.run(id, usize::MAX).await.unwrap().unwrap();
        w.judge(id, subject).await;
        assert_eq!(w.erasure(id).await.state, ErasureState::Completed, "cut off after {polls} polls");
    }
    let polls = ended_at.unwrap();
    println!("cut off at {polls} points");
    assert!(polls > 30, "it was cut off at {polls} points only");
}

/// On Postgres: a reader who may not read is an error, never a zero, and one who may is counted.
#[tokio::test(flavor = "multi_thread")]
async fn another_role_counts_too_and_has_to_see_what_it_counts() {
    const ROLE: &str = "consigne_test_reader";
    let w = World::new().await;
    if w.test.store.backend() != DbBackend::Postgres {
        println!("skipped: SQLite has no roles");
        return;
    }
    let role = format!(
        "DO $$ BEGIN CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}' NOSUPERUSER NOBYPASSRLS; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    );
    w.test.owner.execute_unprepared(&role).await.unwrap();
    let mut url = url::Url::parse(&w.test.settings.url).unwrap();
    url.set_username(ROLE).unwrap();
    url.set_password(Some(ROLE)).unwrap();
    let other = OtherRole::connect(url.as_str()).await.unwrap();
    let (subject, store) = (w.visitor().await, &w.test.store);
    assert!(second_reader::count(&w.scope, store, Some(&other), subject).await.is_err(), "it may not read");
    consigne_migrations::grant_reading(&w.test.owner, ROLE).await.unwrap();
    let found = second_reader::count(&w.scope, store, Some(&other), subject).await.unwrap();
    assert_eq!((found.rows(), found.roles), (2, 2), "{found:?}");

    let privacy = w.privacy.clone().with_other_role(other);
    let w = World { privacy, ..w };
    let id = w.request(subject).await;
    w.run(id, usize::MAX).await.unwrap().unwrap();
    let erasure = w.erasure(id).await;
    assert_eq!(erasure.state, ErasureState::Completed);
    let step = erasure.steps.iter().find(|step| step.name == SECOND_READER).unwrap();
    assert!(step.detail.as_deref().is_some_and(|detail| detail.ends_with("by 2 database roles")), "{step:?}");
}

#[derive(Debug, Clone)]
enum Act {
    Run,
    CutOff(usize),
    Hold,
    Release,
    LetHoldsRunOut,
    Switch(&'static str, bool),
    Replay,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let place = prop::sample::select(vec!["blobs", "backups"]);
    let act = prop_oneof![
        3 => Just(Act::Run),
        4 => (0..120_usize).prop_map(Act::CutOff),
        2 => Just(Act::Hold),
        2 => Just(Act::Release),
        1 => Just(Act::LetHoldsRunOut),
        3 => (place, any::<bool>()).prop_map(|(place, up)| Act::Switch(place, up)),
        1 => Just(Act::Replay),
    ];
    prop::collection::vec(act, 1..12)
}

async fn live_through(w: &World, acts: &[Act]) {
    let subject = w.visitor().await;
    let id = w.request(subject).await;
    let mut holds: Vec<HoldId> = Vec::new();
    for act in acts {
        match act {
            // A store that is down makes it fail, which is what it is there for.
            Act::Run => drop(w.run(id, usize::MAX).await),
            Act::CutOff(polls) => drop(w.run(id, *polls).await),
            Act::Hold => {
                let ends_at = w.test.clock.now().plus(DAY);
                let ground = holds::Ground::LegalObligation;
                let placed = holds::place(&w.scope, &w.privacy, subject, holds::Item::Person, ground, ends_at).await;
                match placed {
                    Ok(hold) => holds.push(hold.id),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::SubjectErased),
                }
            }
            Act::Release => {
                if let Some(hold) = holds.pop() {
                    holds::release(&w.scope, &w.privacy, hold).await.unwrap();
                }
            }
            Act::LetHoldsRunOut => w.test.clock.advance(DAY),
            Act::Switch(place, up) => w.switch(place, *up),
            Act::Replay => drop(replay(&w.privacy).await),
        }
        if w.is_up("blobs") {
            w.judge(id, subject).await;
        }
    }
    for place in ["blobs", "backups"] {
        w.switch(place, true);
    }
    w.test.clock.advance(DAY);
    w.run(id, usize::MAX).await.unwrap().unwrap();
    w.judge(id, subject).await;
    assert_eq!(w.erasure(id).await.state, ErasureState::Completed);
}

#[test]
fn no_order_of_crashes_outages_and_holds_ends_in_a_certificate_over_a_remainder() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let w = runtime.block_on(World::new());
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() });
    let lived = runner.run(&acts(), |acts| {
        runtime.block_on(live_through(&w, &acts));
        Ok(())
    });
    lived.unwrap();
}

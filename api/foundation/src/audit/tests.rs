//! What the chain promises, and what every kind of tampering looks like.

use sea_orm::Value as Sql;
use serde_json::json;

use super::{checkpoint::verify_against, *};
use crate::{
    id::{AccountId, SessionId},
    identity::signing::{self, SigningPurpose},
    scope::{Actor, Permissions},
    vault::support::{self, TestStore},
};

/// A workspace of its own, and somebody in it.
struct World {
    test: TestStore,
    scope: Scope,
    account: AccountId,
}

async fn world() -> World {
    let test = support::open().await;
    let (account, session) = (AccountId::new(&test.clock), SessionId::new(&test.clock));
    let all = Permissions::of(&Permission::ALL);
    let scope = Scope::new(WorkspaceId::new(&test.clock), Actor::Member { account, session }, all);
    World { test, scope, account }
}

impl World {
    fn store(&self) -> &Store {
        &self.test.store
    }

    fn workspace(&self) -> WorkspaceId {
        self.scope.workspace()
    }

    async fn append(&self, event: Event) -> i64 {
        let tx = self.store().write(&self.scope).await.unwrap();
        let seq = append(&self.scope, &tx, event).await.unwrap();
        tx.commit().await.unwrap();
        seq
    }

    /// Entries 1 to `n`, each with a detail.
    async fn append_many(&self, n: u128) {
        for i in 1..=n {
            self.append(
                Event::new("document.deleted").target("document", Uuid::from_u128(i)).detail("title", "Handbook"),
            )
            .await;
        }
    }

    async fn person(&self) -> SubjectId {
        let subject = SubjectId::new(&self.test.clock);
        self.store().vault().create_subject_key(self.workspace(), subject).await.unwrap();
        subject
    }

    async fn verdict(&self) -> Verdict {
        verify(self.store(), self.workspace()).await.unwrap()
    }

    /// As somebody who may write to the database.
    async fn tamper(&self, sql: &str, values: impl IntoIterator<Item = Sql>) {
        let statement = Statement::from_sql_and_values(self.store().backend(), sql, values);
        let done = self.test.owner.execute_raw(statement).await.unwrap();
        assert!(done.rows_affected() > 0, "nothing was tampered with: {sql}");
    }

    /// Cuts all entries after `last`, and puts the high-water mark back to it.
    async fn cut_after(&self, last: i64) {
        self.tamper("DELETE FROM audit_entries WHERE seq > $1", [last.into()]).await;
        self.tamper("DELETE FROM audit_details WHERE seq > $1", [last.into()]).await;
        let sql = "UPDATE audit_heads SET seq = $1, hash = (SELECT hash FROM audit_entries WHERE seq = $1), \
                   at = (SELECT at FROM audit_entries WHERE seq = $1)";
        self.tamper(sql, [last.into()]).await;
    }
}

fn is_broken(seq: i64, why: Break) -> Verdict {
    Verdict::Broken { seq, why }
}

#[tokio::test]
async fn a_chain_is_intact_and_read_newest_first() {
    let w = world().await;
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 0 });
    assert!(page(&w.scope, w.store(), None, 10).await.unwrap().is_empty());
    w.append_many(5).await;
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 5 });
    let newest = page(&w.scope, w.store(), None, 2).await.unwrap();
    assert_eq!(newest.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [5, 4]);
    assert_eq!(newest[0].details, Some(json!({ "title": "Handbook" })));
    assert_eq!(newest[0].actor_id, Some(w.account.0));
    assert_eq!((newest[0].actor_kind.as_str(), newest[0].action.as_str()), ("member", "document.deleted"));
    assert_eq!((newest[0].target_kind.as_str(), newest[0].target_id), ("document", Some(Uuid::from_u128(5))));
    let older = page(&w.scope, w.store(), Some(4), 500).await.unwrap();
    assert_eq!(older.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [3, 2, 1]);
}

#[tokio::test]
async fn a_page_needs_the_permission() {
    let w = world().await;
    let nobody = Scope::new(w.workspace(), w.scope.actor(), Permissions::default());
    assert_eq!(page(&nobody, w.store(), None, 10).await.unwrap_err().kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn an_entry_lives_and_dies_with_its_transaction() {
    let w = world().await;
    w.append_many(1).await;
    let tx = w.store().write(&w.scope).await.unwrap();
    assert_eq!(append(&w.scope, &tx, Event::new("a")).await.unwrap(), 2);
    assert_eq!(append(&w.scope, &tx, Event::new("b")).await.unwrap(), 3);
    drop(tx);
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 1 });
    assert_eq!(w.append(Event::new("c")).await, 2);
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 2 });
}

#[tokio::test]
async fn a_chain_is_no_other_workspaces() {
    let w = world().await;
    w.append_many(2).await;
    let other = Scope::duty(WorkspaceId::new(&w.test.clock), "test");
    let tx = w.store().write(&other).await.unwrap();
    assert_eq!(append(&w.scope, &tx, Event::new("a")).await.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(append(&other, &tx, Event::new("a")).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(page(&other, w.store(), None, 10).await.unwrap().len(), 1);
    assert_eq!(verify(w.store(), other.workspace()).await.unwrap(), Verdict::Intact { entries: 1 });
}

#[tokio::test]
async fn two_hundred_appends_at_once_do_not_fork_the_chain() {
    let w = world().await;
    let zoe = w.person().await;
    w.store().vault().workspace_key(w.workspace()).await.unwrap();
    let appends = (0..200).map(|i| {
        let (store, scope) = (w.store().clone(), w.scope.clone());
        tokio::spawn(async move {
            let tx = store.write(&scope).await?;
            let event = Event::new("chat.started").detail("i", i);
            let event = if i % 2 == 0 { event.subject(zoe) } else { event };
            let seq = append(&scope, &tx, event).await?;
            tx.commit().await?;
            Ok::<_, Error>(seq)
        })
    });
    let mut seqs: Vec<i64> =
        futures::future::join_all(appends).await.into_iter().map(|done| done.unwrap().unwrap()).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=200).collect::<Vec<_>>());
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 200 });
}

#[tokio::test]
async fn a_change_in_any_column_is_found() {
    let w = world().await;
    w.append_many(3).await;
    let row = audit_entries::Entity::find_by_id((w.workspace(), 2)).one(&w.test.owner).await.unwrap().unwrap();
    let flip = |bytes: &[u8]| {
        let mut flipped = bytes.to_vec();
        flipped[7] ^= 1;
        flipped
    };
    let columns: [(&str, Sql, Sql); 9] = [
        ("at", row.at.into(), (row.at.0 ^ 1).into()),
        ("actor_kind", row.actor_kind.clone().into(), "lember".into()),
        ("actor_id", row.actor_id.into(), Uuid::from_u128(row.actor_id.unwrap().as_u128() ^ 1).into()),
        ("action", row.action.clone().into(), "eocument.deleted".into()),
        ("target_kind", row.target_kind.clone().into(), "eocument".into()),
        ("target_id", row.target_id.into(), None::<Uuid>.into()),
        ("details_hash", row.details_hash.clone().into(), flip(&row.details_hash).into()),
        ("previous_hash", row.previous_hash.clone().into(), flip(&row.previous_hash).into()),
        ("hash", row.hash.clone().into(), flip(&row.hash).into()),
    ];
    for (column, before, after) in columns {
        let sql = format!("UPDATE audit_entries SET {column} = $1 WHERE seq = 2");
        w.tamper(&sql, [after]).await;
        assert_eq!(w.verdict().await, is_broken(2, Break::Altered), "{column}");
        w.tamper(&sql, [before]).await;
        assert_eq!(w.verdict().await, Verdict::Intact { entries: 3 });
    }
}

#[tokio::test]
async fn a_change_of_the_details_is_found() {
    let w = world().await;
    let (zoe, max) = (w.person().await, w.person().await);
    w.append(Event::new("chat.started").subject(zoe).detail("page", "/prices")).await;
    w.append(Event::new("chat.started").subject(zoe).detail("page", "/help")).await;
    let select = "SELECT details_sealed FROM audit_details WHERE seq";
    w.tamper(&format!("UPDATE audit_details SET details_sealed = ({select} = 2) WHERE seq = 1"), []).await;
    assert_eq!(w.verdict().await, is_broken(1, Break::AlteredDetails));
    assert_eq!(page(&w.scope, w.store(), None, 9).await.unwrap_err().kind(), ErrorKind::Corrupt);

    let w2 = world().await;
    let zoe2 = w2.person().await;
    w2.append(Event::new("chat.started").subject(zoe2)).await;
    for whose in [Some(max), None] {
        w2.tamper("UPDATE audit_details SET subject_id = $1", [whose.into()]).await;
        assert_eq!(w2.verdict().await, is_broken(1, Break::AlteredDetails));
    }
}

#[tokio::test]
async fn a_missing_row_and_swapped_rows_are_found() {
    let w = world().await;
    w.append_many(5).await;
    for (from, to) in [(2, -1), (3, 2), (-1, 3)] {
        w.tamper("UPDATE audit_entries SET seq = $2 WHERE seq = $1", [from.into(), to.into()]).await;
    }
    assert_eq!(w.verdict().await, is_broken(2, Break::Altered));
    let w = world().await;
    w.append_many(5).await;
    w.tamper("DELETE FROM audit_entries WHERE seq = 3", []).await;
    assert_eq!(w.verdict().await, is_broken(3, Break::MissingRow));
    w.tamper("DELETE FROM audit_entries WHERE seq = 1", []).await;
    assert_eq!(w.verdict().await, is_broken(1, Break::MissingRow));
}

#[tokio::test]
async fn a_cut_tail_is_found_by_the_high_water_mark() {
    let w = world().await;
    w.append_many(5).await;
    w.tamper("DELETE FROM audit_entries WHERE seq > 3", []).await;
    assert_eq!(w.verdict().await, is_broken(4, Break::CutTail));
    w.tamper("DELETE FROM audit_entries WHERE seq > 0", []).await;
    assert_eq!(w.verdict().await, is_broken(1, Break::CutTail));
}

#[tokio::test]
async fn a_moved_high_water_mark_is_found_and_nothing_is_written_after_it() {
    let w = world().await;
    w.append_many(3).await;
    w.tamper("UPDATE audit_heads SET at = at + 1", []).await;
    assert_eq!(w.verdict().await, is_broken(3, Break::HeadMoved));
    w.tamper("UPDATE audit_heads SET at = at - 1, hash = $1", [vec![1u8; 32].into()]).await;
    assert_eq!(w.verdict().await, is_broken(3, Break::HeadMoved));
    w.tamper("UPDATE audit_heads SET seq = 1", []).await;
    assert_eq!(w.verdict().await, is_broken(3, Break::HeadMoved));
    let tx = w.store().write(&w.scope).await.unwrap();
    assert_eq!(append(&w.scope, &tx, Event::new("a")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    drop(tx);
    w.tamper("DELETE FROM audit_heads", []).await;
    assert_eq!(w.verdict().await, is_broken(3, Break::HeadMoved));
}

#[tokio::test]
async fn a_cut_tail_with_the_mark_put_back_is_found_by_a_checkpoint() {
    let w = world().await;
    w.append_many(3).await;
    assert_eq!(checkpoint(w.store(), w.workspace()).await.unwrap(), Some(3));
    assert_eq!(checkpoint(w.store(), w.workspace()).await.unwrap(), None, "nothing was added");
    w.append_many(2).await;
    assert_eq!(checkpoint(w.store(), w.workspace()).await.unwrap(), Some(5));
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 5 });
    let tx = w.store().read(&w.scope).await.unwrap();
    let outside = checkpoint::stored(&tx).await.unwrap().pop().unwrap().jws;
    drop(tx);
    assert_eq!(verify_against(w.store(), w.workspace(), &outside).await.unwrap(), Verdict::Intact { entries: 5 });

    w.cut_after(4).await;
    assert_eq!(w.verdict().await, is_broken(5, Break::CutTail));
    assert!(checkpoint(w.store(), w.workspace()).await.is_err(), "a broken chain is not signed");

    w.tamper("DELETE FROM audit_checkpoints WHERE seq = 5", []).await;
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 4 }, "this is what stays undetectable inside");
    let outside = verify_against(w.store(), w.workspace(), &outside).await.unwrap();
    assert_eq!(outside, is_broken(5, Break::CutTail), "and what a checkpoint kept outside is for");
}

#[tokio::test]
async fn a_chain_that_was_written_anew_is_found_by_a_checkpoint() {
    let w = world().await;
    w.append_many(3).await;
    checkpoint(w.store(), w.workspace()).await.unwrap();
    w.append_many(1).await;
    w.tamper("UPDATE audit_entries SET action = 'nothing.happened' WHERE seq = 2", []).await;
    let mut previous = chain::GENESIS.to_vec();
    for seq in 1..=4 {
        let row = audit_entries::Entity::find_by_id((w.workspace(), seq)).one(&w.test.owner).await.unwrap().unwrap();
        let row = audit_entries::Model { previous_hash: previous, ..row };
        let hash = chain::hash(&row).to_vec();
        let sql = "UPDATE audit_entries SET previous_hash = $1, hash = $2 WHERE seq = $3";
        w.tamper(sql, [row.previous_hash.into(), hash.clone().into(), seq.into()]).await;
        previous = hash;
    }
    w.tamper("UPDATE audit_heads SET hash = $1", [previous.into()]).await;
    assert_eq!(w.verdict().await, is_broken(3, Break::Rewritten));
}

#[tokio::test]
async fn a_checkpoint_that_was_not_made_here_is_found() {
    let w = world().await;
    w.append_many(2).await;
    checkpoint(w.store(), w.workspace()).await.unwrap();
    let tx = w.store().read(&w.scope).await.unwrap();
    let good = checkpoint::stored(&tx).await.unwrap().pop().unwrap().jws;
    drop(tx);
    // Well signed, as with a key that somebody put into the database; but the vault's part is missing.
    let jwks = signing::jwks(w.store()).await.unwrap();
    let mut claims = signing::verify_offline(&good, &jwks).unwrap();
    claims["at"] = json!(w.test.clock.now().0);
    claims["hash"] = json!("00".repeat(32));
    let forged = signing::sign(w.store(), SigningPurpose::Checkpoints, &claims).await.unwrap();
    for jws in [forged.as_str(), "", &good[..good.len() - 2]] {
        w.tamper("UPDATE audit_checkpoints SET jws = $1", [jws.into()]).await;
        assert_eq!(w.verdict().await, is_broken(2, Break::BadCheckpoint));
    }
    w.tamper("UPDATE audit_checkpoints SET jws = $1", [good.into()]).await;
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 2 });
    w.tamper("UPDATE audit_checkpoints SET seq = 1", []).await;
    assert_eq!(w.verdict().await, is_broken(1, Break::BadCheckpoint), "it stands at another entry");
}

#[tokio::test]
async fn an_erasure_takes_the_details_and_leaves_the_chain() {
    let w = world().await;
    let (zoe, max) = (w.person().await, w.person().await);
    w.append(Event::new("chat.started").subject(zoe).detail("page", "/prices")).await;
    w.append(Event::new("chat.started").subject(max).detail("page", "/help")).await;
    w.append(Event::new("chat.started").subject(zoe).detail("page", "/jobs")).await;
    w.store().vault().shred(w.workspace(), zoe).await.unwrap();
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 3 }, "the key is gone");
    w.tamper("DELETE FROM audit_details WHERE subject_id = $1", [zoe.into()]).await;
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 3 }, "the rows are gone");
    assert_eq!(w.append(Event::new("chat.read").subject(zoe).detail("page", "/late")).await, 4);
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 4 });
    let all = page(&w.scope, w.store(), None, 9).await.unwrap();
    let details: Vec<_> = all.into_iter().map(|entry| entry.details).collect();
    assert_eq!(details, [None, None, Some(json!({ "page": "/help" })), None]);
}

#[tokio::test]
async fn details_that_are_missing_without_an_erasure_are_found() {
    let w = world().await;
    let zoe = w.person().await;
    w.append(Event::new("chat.started").subject(zoe)).await;
    w.append_many(1).await;
    w.tamper("DELETE FROM audit_details WHERE seq = 2", []).await;
    assert_eq!(w.verdict().await, is_broken(2, Break::MissingDetails));
    w.tamper("DELETE FROM audit_details WHERE seq = 1", []).await;
    assert_eq!(w.verdict().await, is_broken(1, Break::MissingDetails));
    w.store().vault().shred(w.workspace(), zoe).await.unwrap();
    assert_eq!(w.verdict().await, is_broken(2, Break::MissingDetails), "only hers may be gone");
}

#[tokio::test]
async fn a_long_chain_is_read_in_runs() {
    let w = world().await;
    let tx = w.store().write(&w.scope).await.unwrap();
    for _ in 0..1_100 {
        append(&w.scope, &tx, Event::new("a")).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(w.verdict().await, Verdict::Intact { entries: 1_100 });
    assert_eq!(page(&w.scope, w.store(), None, 5_000).await.unwrap().len(), 500);
    w.tamper("UPDATE audit_entries SET at = at + 1 WHERE seq = 777", []).await;
    assert_eq!(w.verdict().await, is_broken(777, Break::Altered));
}

#[tokio::test]
async fn every_workspace_is_listed() {
    let w = world().await;
    let sql =
        "INSERT INTO workspaces (id, name, languages, knowledge_version, created_at) VALUES ($1, 'Acme', 'en', 0, 0)";
    w.tamper(sql, [w.workspace().into()]).await;
    assert_eq!(audited_workspaces(w.store()).await.unwrap(), [w.workspace()]);
}

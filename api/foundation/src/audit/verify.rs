//! Reads a whole chain again and says whether it is what was written.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    time::Duration,
};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};

use super::{
    anchor, chain,
    checkpoint::{self, Claims},
    details::{self, Bound, Keys},
    details_between,
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceId},
    identity::signing,
    store::{
        Mode, Store,
        entity::{audit_details, audit_entries, audit_heads, erasures},
    },
};

/// Entries read at once. Each run is a transaction of its own: a long one would keep SQLite from emptying its log.
const RUN: u64 = 500;

/// Details are there for at least so long (`minimum` of the register).
const DETAILS_KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// What a chain is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is there and unchanged, but for entries that went when they were kept long enough.
    Intact {
        /// How many entries were ever written.
        entries: i64,
    },
    /// From here on it cannot be trusted.
    Broken {
        /// The first entry that is not as it was; 0 where no entry is meant.
        seq: i64,
        /// How.
        why: Break,
    },
}

impl Verdict {
    /// Whether all of it is there and unchanged.
    pub fn is_intact(&self) -> bool {
        matches!(self, Self::Intact { .. })
    }
}

/// How a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// A column is not what was written, the rows were swapped, or it follows on another entry.
    Altered,
    /// It is not there, but later ones are.
    MissingRow,
    /// It and all later ones are not there.
    CutTail,
    /// The high-water mark names another entry than the newest.
    HeadMoved,
    /// The details are not what was written.
    AlteredDetails,
    /// The details are not there, although nobody was erased and they are not old enough to have gone.
    MissingDetails,
    /// A checkpoint was not signed here, or not about this chain.
    BadCheckpoint,
    /// The chain was rewritten: a good checkpoint names another hash.
    Rewritten,
    /// It was cut, and not by this installation.
    BadAnchor,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Altered => "it is not what was written",
            Self::MissingRow => "it is missing",
            Self::CutTail => "it and all later ones were cut off",
            Self::HeadMoved => "the high-water mark was moved",
            Self::AlteredDetails => "its details are not what was written",
            Self::MissingDetails => "its details are missing",
            Self::BadCheckpoint => "its checkpoint is not ours",
            Self::Rewritten => "a checkpoint says otherwise",
            Self::BadAnchor => "what stood before it was not let go by this installation",
        })
    }
}

/// Reads a whole chain, its details, its high-water mark and its checkpoints. Entries written meanwhile are left out.
///
/// # Errors
/// `Unavailable`: then nothing is said about the chain.
pub async fn verify(store: &Store, workspace: WorkspaceId) -> Result<Verdict> {
    verify_with(store, workspace, None).await
}

/// As [`verify`], with one more checkpoint, which was kept elsewhere.
pub(super) async fn verify_with(store: &Store, workspace: WorkspaceId, known: Option<Claims>) -> Result<Verdict> {
    let position = Position::read(store, workspace).await?;
    let mut promised = BTreeMap::new();
    let checkpoints = position.checkpoints.iter().map(|(seq, claims)| (*seq, claims.clone()));
    for (seq, claims) in checkpoints.chain(known.map(|claims| (claims.seq, Some(claims)))) {
        let Some(claims) = claims else { return Ok(broken(seq, Break::BadCheckpoint)) };
        if promised.insert(seq, claims.hash.clone()).is_some_and(|before| before != claims.hash) {
            return Ok(broken(seq, Break::Rewritten));
        }
    }
    let start = match &position.anchor {
        None => Trusted::start(),
        Some(Err(seq)) => return Ok(broken(*seq, Break::BadAnchor)),
        // A chain is cut at a checkpoint, which stays.
        Some(Ok(anchor)) if promised.get(&anchor.seq) != Some(&hex::encode(&anchor.hash)) => {
            return Ok(broken(anchor.seq, Break::BadAnchor));
        }
        Some(Ok(anchor)) => Trusted { seq: anchor.seq, hash: anchor.hash.clone() },
    };
    walk(store, workspace, &position, start, &promised).await
}

/// From a checkpoint on, or from the start.
pub(super) async fn verify_from(store: &Store, workspace: WorkspaceId, trusted: Option<Trusted>) -> Result<Verdict> {
    let position = Position::read(store, workspace).await?;
    let start = trusted.unwrap_or_else(Trusted::start);
    walk(store, workspace, &position, start, &BTreeMap::new()).await
}

/// The newest entry by the high-water mark, and the newest checkpoint.
pub(super) async fn newest_and_trusted(
    store: &Store,
    workspace: WorkspaceId,
) -> Result<(Option<Trusted>, Option<Trusted>)> {
    let position = Position::read(store, workspace).await?;
    let newest = position.head.map(|head| Trusted { seq: head.seq, hash: head.hash });
    let mut trusted = None;
    for (seq, claims) in position.checkpoints {
        let hash = claims.and_then(|claims| hex::decode(claims.hash).ok()).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("The audit checkpoint at entry {seq} is not ours."))
        })?;
        trusted = Some(Trusted { seq, hash });
    }
    Ok((newest, trusted))
}

/// An entry that is taken for granted.
pub(super) struct Trusted {
    pub seq: i64,
    pub hash: Vec<u8>,
}

impl Trusted {
    fn start() -> Self {
        Self { seq: 0, hash: chain::GENESIS.to_vec() }
    }
}

/// How far a chain says it has come.
struct Position {
    /// The newest entry that is there.
    last: i64,
    head: Option<audit_heads::Model>,
    /// By entry; none where a checkpoint is not ours.
    checkpoints: Vec<(i64, Option<Claims>)>,
    /// Where the chain begins, if it was cut; the number alone where that is not ours.
    anchor: Option<std::result::Result<Trusted, i64>>,
}

impl Position {
    async fn read(store: &Store, workspace: WorkspaceId) -> Result<Self> {
        let jwks = signing::jwks(store).await?;
        let key = store.vault().workspace_key(workspace).await?;
        let tx = store.begin_in(workspace, Mode::Read).await?;
        // First the checkpoints, then the head and the newest entry in one statement: whatever is written meanwhile only
        // moves the latter two, together.
        let rows = checkpoint::stored(&tx).await?;
        let anchor = anchor::stored(&tx, workspace).await?;
        let anchor = anchor.map(|row| anchor::read(&key, &row).ok_or(row.seq));
        let sql = "SELECT (SELECT MAX(seq) FROM audit_entries WHERE workspace_id = $1) AS last, \
                   h.seq, h.hash, h.at FROM (SELECT 1 AS one) AS always \
                   LEFT JOIN audit_heads AS h ON h.workspace_id = $1";
        let statement = Statement::from_sql_and_values(store.backend(), sql, [workspace.into()]);
        let (mut last, mut head) = (0, None);
        if let Some(row) = tx.db().query_one_raw(statement).await? {
            last = row.try_get::<Option<i64>>("", "last")?.unwrap_or(0);
            if let Some(seq) = row.try_get::<Option<i64>>("", "seq")? {
                let (hash, at) = (row.try_get("", "hash")?, row.try_get("", "at")?);
                head = Some(audit_heads::Model { workspace_id: workspace, seq, hash, at });
            }
        }
        let checkpoints = rows.iter().map(|row| (row.seq, checkpoint::read_row(&key, row, &jwks))).collect();
        Ok(Self { last, head, checkpoints, anchor })
    }

    /// The furthest that anything says the chain has come.
    fn target(&self, promised: &BTreeMap<i64, String>) -> i64 {
        let head = self.head.as_ref().map_or(0, |head| head.seq);
        let promised = promised.last_key_value().map_or(0, |(seq, _)| *seq);
        self.last.max(head).max(promised)
    }
}

async fn walk(
    store: &Store,
    workspace: WorkspaceId,
    position: &Position,
    from: Trusted,
    promised: &BTreeMap<i64, String>,
) -> Result<Verdict> {
    let target = position.target(promised);
    let mut details = DetailsCheck::new(store, workspace);
    let (mut seq, mut previous, mut at) = (from.seq, from.hash, None::<Timestamp>);
    while seq < target {
        let (entries, mut rows) = run(store, workspace, seq, target).await?;
        if entries.is_empty() {
            return Ok(missing(seq + 1, position));
        }
        for entry in entries {
            seq += 1;
            if entry.seq != seq {
                return Ok(missing(seq, position));
            }
            if !chain::follows(&entry, &previous) {
                return Ok(broken(seq, Break::Altered));
            }
            if promised.get(&seq).is_some_and(|hash| *hash != hex::encode(&entry.hash)) {
                return Ok(broken(seq, Break::Rewritten));
            }
            if let Some(why) = details.judge(&entry, rows.remove(&seq)).await? {
                return Ok(broken(seq, why));
            }
            (previous, at) = (entry.hash, Some(entry.at));
        }
    }
    let head_fits = match &position.head {
        Some(head) => head.seq == seq && head.hash == previous && at.is_none_or(|at| head.at == at),
        None => seq == 0,
    };
    Ok(if head_fits { Verdict::Intact { entries: seq } } else { broken(seq, Break::HeadMoved) })
}

type DetailsBySeq = std::collections::HashMap<i64, audit_details::Model>;

async fn run(
    store: &Store,
    workspace: WorkspaceId,
    after: i64,
    target: i64,
) -> Result<(Vec<audit_entries::Model>, DetailsBySeq)> {
    let tx = store.begin_in(workspace, Mode::Read).await?;
    let entries = audit_entries::Entity::find()
        .filter(audit_entries::Column::WorkspaceId.eq(workspace))
        .filter(audit_entries::Column::Seq.gt(after))
        .filter(audit_entries::Column::Seq.lte(target))
        .order_by_asc(audit_entries::Column::Seq)
        .limit(RUN)
        .all(tx.db())
        .await?;
    let last = entries.last().map_or(after, |entry| entry.seq);
    let details = details_between(&tx, after + 1, last).await?;
    Ok((entries, details))
}

fn broken(seq: i64, why: Break) -> Verdict {
    Verdict::Broken { seq, why }
}

fn missing(seq: i64, position: &Position) -> Verdict {
    broken(seq, if seq > position.last { Break::CutTail } else { Break::MissingRow })
}

/// Whether details are what the chain says, or rightly gone.
struct DetailsCheck<'a> {
    store: &'a Store,
    workspace: WorkspaceId,
    keys: Keys<'a>,
    /// Tags of persons who were erased or are being erased, read when the first details are missing.
    erased: Option<HashSet<[u8; 16]>>,
}

impl<'a> DetailsCheck<'a> {
    fn new(store: &'a Store, workspace: WorkspaceId) -> Self {
        Self { store, workspace, keys: Keys::new(store.vault(), workspace), erased: None }
    }

    async fn judge(
        &mut self,
        entry: &audit_entries::Model,
        row: Option<audit_details::Model>,
    ) -> Result<Option<Break>> {
        let Some(bound) = Bound::read(&entry.details_hash) else { return Ok(Some(Break::Altered)) };
        let Some(row) = row else {
            return match bound {
                // Kept long enough: a workspace may have let them go after ninety days.
                _ if entry.at.plus(DETAILS_KEPT) <= self.store.now() => Ok(None),
                Bound::Person { tag, .. } if self.is_erased(tag).await? => Ok(None),
                _ => Ok(Some(Break::MissingDetails)),
            };
        };
        let (mac, belongs) = match (bound, row.subject_id) {
            (Bound::Workspace { mac }, None) => (mac, true),
            (Bound::Person { mac, tag }, Some(subject)) => (mac, self.tag(subject).await? == tag),
            (Bound::Workspace { mac } | Bound::Person { mac, .. }, _) => (mac, false),
        };
        if !belongs {
            return Ok(Some(Break::AlteredDetails));
        }
        match self.keys.open(&row).await {
            Ok(Some(opened)) if opened.mac() != *mac => Ok(Some(Break::AlteredDetails)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Some(Break::AlteredDetails)),
            Err(error) => Err(error),
        }
    }

    async fn tag(&self, subject: SubjectId) -> Result<[u8; 16]> {
        Ok(details::tag(&self.store.vault().workspace_key(self.workspace).await?, subject))
    }

    async fn is_erased(&mut self, tag: &[u8]) -> Result<bool> {
        let known = match &mut self.erased {
            Some(known) => known,
            unread => unread.insert(erased_tags(self.store, self.workspace).await?),
        };
        Ok(tag.try_into().is_ok_and(|tag: &[u8; 16]| known.contains(tag)))
    }
}

/// The key store says who was erased. Who is being erased stands in `erasures`: their details go before their key.
async fn erased_tags(store: &Store, workspace: WorkspaceId) -> Result<HashSet<[u8; 16]>> {
    let key = store.vault().workspace_key(workspace).await?;
    let tx = store.begin_in(workspace, Mode::Read).await?;
    let under_way = erasures::Entity::find()
        .filter(erasures::Column::WorkspaceId.eq(workspace))
        .select_only()
        .column(erasures::Column::SubjectId)
        .into_tuple::<SubjectId>()
        .all(tx.db())
        .await?;
    drop(tx);
    let shredded = store.vault().shredded_subjects(workspace).await?;
    Ok(shredded.into_iter().chain(under_way).map(|subject| details::tag(&key, subject)).collect())
}

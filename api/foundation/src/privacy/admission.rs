//! Whether something may be done for a purpose: asked before any byte leaves, and answered by the rows each time.
//!
//! The workspace has to instruct it; a person whom it is about must not have objected; and what rests on consent needs
//! theirs. A refusal is written to the audit log, in a transaction of its own: what was refused did not happen.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, Statement};

use super::{consents, instructions, objections, purposes::Purpose};
use crate::{
    audit::{self, Event},
    error::{Error, ErrorKind, Result},
    id::SubjectId,
    scope::Scope,
    store::{Store, WorkspaceTx},
};

/// What ends with the contract; people's rights, security and records go on to the last day.
const ENDS: [Purpose; 5] =
    [Purpose::Analytics, Purpose::Answering, Purpose::Correction, Purpose::Escalation, Purpose::KnowledgeIndexing];

/// Why something may not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The workspace does not instruct it, or not any more.
    NotInstructed,
    /// The workspace is at its end.
    Ended,
    /// The person objected (GDPR art. 21).
    Objected,
    /// The person did not consent, or not any more (art. 7).
    NotConsented,
}

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// For which purpose.
    pub purpose: Purpose,
    /// Whom it was about.
    pub subject: Option<SubjectId>,
    /// Why.
    pub why: Why,
}

impl Refusal {
    /// The error that says so.
    pub fn error(self) -> Error {
        let purpose = self.purpose.name();
        let message = match self.why {
            Why::NotInstructed => format!("The workspace does not instruct the purpose {purpose}. Nothing was sent."),
            Why::Ended => format!("The workspace is at its end, so nothing is done for the purpose {purpose}."),
            Why::Objected => format!("The person objected to the purpose {purpose}. Nothing was sent."),
            Why::NotConsented => format!("The person did not consent to the purpose {purpose}. Nothing was sent."),
        };
        Error::new(ErrorKind::PurposeRefused, message)
    }

    fn event(self) -> Event {
        let why = match self.why {
            Why::NotInstructed => "NOT_INSTRUCTED",
            Why::Ended => "ENDED",
            Why::Objected => "OBJECTED",
            Why::NotConsented => "NOT_CONSENTED",
        };
        let event = Event::new("purpose.refused").detail("purpose", self.purpose.name()).detail("why", why);
        match self.subject {
            Some(subject) => event.subject(subject),
            None => event,
        }
    }
}

/// Why something may not be done for this purpose; nothing where it may.
///
/// # Errors
/// `Unavailable`.
pub async fn refusal(tx: &WorkspaceTx, purpose: Purpose, subject: Option<SubjectId>) -> Result<Option<Refusal>> {
    let refused = |why| Ok(Some(Refusal { purpose, subject, why }));
    let said = Said::about(tx, purpose, subject).await?;
    if !instructions::allow(purpose, said.instruction.as_deref()) {
        return refused(Why::NotInstructed);
    }
    if said.is_closing && ENDS.contains(&purpose) {
        return refused(Why::Ended);
    }
    match subject {
        Some(_) if said.objects && objections::ends_at_once(purpose) => refused(Why::Objected),
        Some(person) if purpose.rests_on_consent() && !consents::stands(tx, person, purpose).await? => {
            refused(Why::NotConsented)
        }
        None if purpose.rests_on_consent() => refused(Why::NotConsented),
        _ => Ok(None),
    }
}

/// What the rows say, in one statement: an answer asks for it again and again.
struct Said {
    instruction: Option<String>,
    is_closing: bool,
    objects: bool,
}

impl Said {
    async fn about(tx: &WorkspaceTx, purpose: Purpose, subject: Option<SubjectId>) -> Result<Self> {
        let sql = "SELECT (SELECT kind FROM instructions WHERE workspace_id = $1 AND purpose = $2 ORDER BY seq DESC LIMIT 1) AS instruction, \
                   (SELECT closing_at FROM workspaces WHERE id = $1) AS closing_at, \
                   (SELECT stands FROM objections WHERE workspace_id = $1 AND subject_id = $3 AND purpose = $2) AS objects";
        let values = [tx.workspace().into(), purpose.name().into(), subject.map(|person| person.0).into()];
        let said = tx.query_one_raw(Statement::from_sql_and_values(tx.store().backend(), sql, values)).await?;
        let said = said.ok_or_else(|| Error::internal("a row of values has no row"))?;
        Ok(Self {
            instruction: said.try_get("", "instruction")?,
            is_closing: said.try_get::<Option<i64>>("", "closing_at")?.is_some(),
            objects: said.try_get::<Option<bool>>("", "objects")?.unwrap_or(false),
        })
    }
}

/// Refuses, without a word in the audit log: for work that asks again and again, such as an answer between two words.
///
/// # Errors
/// `PurposeRefused`.
pub async fn require(tx: &WorkspaceTx, purpose: Purpose, subject: Option<SubjectId>) -> Result<()> {
    match refusal(tx, purpose, subject).await? {
        Some(refusal) => Err(refusal.error()),
        None => Ok(()),
    }
}

/// As [`require`] for many people at once, where the purpose does not rest on consent: those of them who objected.
///
/// # Errors
/// `PurposeRefused` where it is refused whoever it is about.
pub async fn require_of_many(
    tx: &WorkspaceTx,
    purpose: Purpose,
    people: impl IntoIterator<Item = SubjectId>,
) -> Result<HashSet<SubjectId>> {
    require(tx, purpose, None).await?;
    objections::standing_of(tx, people, purpose).await
}

/// Refuses, and writes the refusal down.
///
/// # Errors
/// `PurposeRefused`.
pub async fn admit(scope: &Scope, store: &Store, purpose: Purpose, subject: Option<SubjectId>) -> Result<()> {
    let found = {
        let tx = store.read(scope).await?;
        refusal(&tx, purpose, subject).await?
    };
    match found {
        Some(refusal) => Err(write_down(scope, store, refusal).await?),
        None => Ok(()),
    }
}

/// Writes a refusal down and answers with its error. The transaction that found it has to be over.
///
/// # Errors
/// `Unavailable`: a refusal that cannot be written down is one all the same.
pub async fn write_down(scope: &Scope, store: &Store, refusal: Refusal) -> Result<Error> {
    let tx = store.write(scope).await?;
    audit::append(scope, &tx, refusal.event()).await?;
    tx.commit().await?;
    Ok(refusal.error())
}

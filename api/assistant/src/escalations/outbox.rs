//! The outbox: what channels are to be told, written in the transaction that causes it, in order within an escalation and
//! a channel, sealed under the key of the person it is about.

use consigne_foundation::{
    Error, ErrorKind, Result, Timestamp,
    id::{DeliveryId, EscalationId},
    jobs::{self, NewJob},
    store::WorkspaceTx,
    vault::{Key, Place},
};
use consigne_sdk::{Line, Notice, Opened, Speaker};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use serde::{Deserialize, Serialize};

use super::{reason_of, state_of};
use crate::{
    chats::Author,
    entity::{deliveries as table, escalations},
};

/// The job that delivers.
pub(crate) const JOB: &str = "deliver";

/// Kinds of deliveries.
pub(crate) mod kind {
    pub const OPENED: &str = "OPENED";
    pub const SAID: &str = "SAID";
    pub const RECTIFIED: &str = "RECTIFIED";
    pub const CHANGED: &str = "CHANGED";
    pub const TEST: &str = "TEST";
}

/// States of a delivery.
pub(crate) mod state {
    /// To be tried, or being tried.
    pub const PENDING: &str = "PENDING";
    pub const DELIVERED: &str = "DELIVERED";
    /// Given up; a person can have it tried again.
    pub const DEAD: &str = "DEAD";
    /// It was delivered, and came back.
    pub const BOUNCED: &str = "BOUNCED";
}

/// What a channel is to be told, as it waits.
#[derive(Serialize, Deserialize)]
pub(crate) enum Telling {
    Opened {
        chat: String,
        assistant: String,
        reason: String,
        link: Option<String>,
        language: Option<String>,
        conversation: Vec<Said>,
    },
    Said(Said),
    Rectified(Said),
    Changed {
        state: String,
        by: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Said {
    pub speaker: SpeakerName,
    pub name: Option<String>,
    pub text: Option<String>,
    pub at: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SpeakerName {
    Visitor,
    Assistant,
    Staff,
}

pub(crate) fn speaker_of(author: Author) -> SpeakerName {
    match author {
        Author::Visitor => SpeakerName::Visitor,
        Author::Staff => SpeakerName::Staff,
        Author::Assistant => SpeakerName::Assistant,
    }
}

impl Telling {
    fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => kind::OPENED,
            Self::Said(_) => kind::SAID,
            Self::Rectified(_) => kind::RECTIFIED,
            Self::Changed { .. } => kind::CHANGED,
        }
    }

    /// Whether what was said in the chat is in it.
    fn has_text(&self) -> bool {
        match self {
            Self::Opened { conversation, .. } => conversation.iter().any(|said| said.text.is_some()),
            Self::Said(said) | Self::Rectified(said) => said.text.is_some(),
            Self::Changed { .. } => false,
        }
    }

    /// Puts other words in the place of these of this speaker. Says whether they were there.
    fn replace(&mut self, speaker: SpeakerName, from: &str, to: &str) -> bool {
        let lines = match self {
            Self::Opened { conversation, .. } => conversation.as_mut_slice(),
            Self::Said(said) | Self::Rectified(said) => std::slice::from_mut(said),
            Self::Changed { .. } => &mut [],
        };
        let mut replaced = false;
        for line in lines.iter_mut().filter(|l| l.speaker == speaker && l.text.as_deref() == Some(from)) {
            line.text = Some(to.to_owned());
            replaced = true;
        }
        replaced
    }

    /// In the words of the sdk.
    pub(crate) fn notice(self, escalation: EscalationId) -> Result<Notice> {
        Ok(match self {
            Self::Opened { chat, assistant, reason, link, language, conversation } => Notice::Opened(Opened {
                escalation: escalation.to_string(),
                chat,
                assistant,
                reason: reason_of(&reason).ok_or_else(|| Error::new(ErrorKind::Corrupt, "an unknown reason"))?,
                link,
                language,
                conversation: conversation.into_iter().map(Line::from).collect(),
            }),
            Self::Said(said) => Notice::Said(said.into()),
            Self::Rectified(said) => Notice::Rectified(said.into()),
            Self::Changed { state, by } => Notice::Changed { state: state_of(&state), by },
        })
    }
}

impl From<Said> for Line {
    fn from(said: Said) -> Self {
        let speaker = match said.speaker {
            SpeakerName::Visitor => Speaker::Visitor,
            SpeakerName::Assistant => Speaker::Assistant,
            SpeakerName::Staff => Speaker::Staff,
        };
        Self { speaker, name: said.name, text: said.text, at: said.at }
    }
}

/// Puts a delivery in. The chat is held, so that the order is that of the transactions.
pub(crate) async fn put(
    tx: &WorkspaceTx,
    key: &Key,
    escalation: &escalations::Model,
    plugin: &str,
    telling: &Telling,
) -> Result<DeliveryId> {
    let id = DeliveryId::new(tx.store().clock());
    let json = serde_json::to_string(telling).map_err(|e| Error::internal("a delivery as JSON").because(e))?;
    let earlier = of_channel(tx, escalation.id, plugin).count(tx.db()).await?;
    let row = table::ActiveModel {
        escalation_id: Set(Some(escalation.id)),
        subject_id: Set(Some(escalation.subject_id)),
        position: Set(i64::try_from(earlier).unwrap_or(i64::MAX)),
        kind: Set(telling.kind().to_owned()),
        has_text: Set(telling.has_text()),
        payload_sealed: Set(Some(key.seal_text(&place(tx, id), &json))),
        ..blank(tx, id, plugin)
    };
    insert(tx, id, row).await?;
    Ok(id)
}

/// Puts a test in: it is about nobody.
pub(crate) async fn put_test(tx: &WorkspaceTx, plugin: &str) -> Result<DeliveryId> {
    let id = DeliveryId::new(tx.store().clock());
    insert(tx, id, blank(tx, id, plugin)).await?;
    Ok(id)
}

/// Tells every channel that was told of the escalation, but this one.
pub(crate) async fn tell_all(
    tx: &WorkspaceTx,
    key: &Key,
    escalation: &escalations::Model,
    but: Option<&str>,
    telling: &Telling,
) -> Result<()> {
    let listening = opened_on(tx, escalation.id, &[state::PENDING, state::DELIVERED]).await?;
    for plugin in listening.iter().filter(|plugin| Some(plugin.as_str()) != but) {
        put(tx, key, escalation, plugin, telling).await?;
    }
    Ok(())
}

/// Puts words right in what is told of an escalation (GDPR art. 16): what still waits says the new ones, and whoever got, or may
/// have got, the old ones since they were said is told (art. 19).
pub(crate) async fn rectify(
    tx: &WorkspaceTx,
    key: &Key,
    escalation: &escalations::Model,
    words: Words<'_>,
) -> Result<()> {
    let of_escalation = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::EscalationId.eq(escalation.id))
        .filter(table::Column::HasText.eq(true))
        .order_by_asc(table::Column::Id)
        .all(tx.db())
        .await?;
    let mut got: Vec<String> = Vec::new();
    for row in of_escalation {
        // An attempt that was begun may have got through, whatever became of it.
        if row.attempts > 0 && row.happened_at >= words.at && !got.contains(&row.plugin_id) {
            got.push(row.plugin_id.clone());
        }
        if row.payload_sealed.is_some() {
            let mut telling = open(tx, key, &row)?;
            if telling.replace(words.speaker, words.from, words.to) {
                let json =
                    serde_json::to_string(&telling).map_err(|e| Error::internal("a delivery as JSON").because(e))?;
                table::Entity::update_many()
                    .col_expr(table::Column::PayloadSealed, Expr::value(key.seal_text(&place(tx, row.id), &json)))
                    .filter(table::Column::WorkspaceId.eq(tx.workspace()))
                    .filter(table::Column::Id.eq(row.id))
                    .exec(tx.db())
                    .await?;
            }
        }
    }
    for plugin in got {
        let said = Said { speaker: words.speaker, name: None, text: Some(words.to.to_owned()), at: words.at.0 };
        put(tx, key, escalation, &plugin, &Telling::Rectified(said)).await?;
    }
    Ok(())
}

/// Words that are put right.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    pub speaker: SpeakerName,
    /// When they were said.
    pub at: Timestamp,
    pub from: &'a str,
    pub to: &'a str,
}

/// The channels that an escalation was opened on, whatever became of it.
pub(crate) async fn told(tx: &WorkspaceTx, escalation: EscalationId) -> Result<Vec<String>> {
    opened_on(tx, escalation, &[state::PENDING, state::DELIVERED, state::DEAD, state::BOUNCED]).await
}

async fn opened_on(tx: &WorkspaceTx, escalation: EscalationId, states: &[&str]) -> Result<Vec<String>> {
    Ok(table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::EscalationId.eq(escalation))
        .filter(table::Column::Kind.eq(kind::OPENED))
        .filter(table::Column::State.is_in(states.iter().copied()))
        .select_only()
        .column(table::Column::PluginId)
        .order_by_asc(table::Column::Id)
        .into_tuple()
        .all(tx.db())
        .await?)
}

/// All deliveries of an escalation to a channel.
pub(crate) fn of_channel(tx: &WorkspaceTx, escalation: EscalationId, plugin: &str) -> sea_orm::Select<table::Entity> {
    table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::EscalationId.eq(escalation))
        .filter(table::Column::PluginId.eq(plugin))
}

/// What the payload says.
pub(crate) fn open(tx: &WorkspaceTx, key: &Key, row: &table::Model) -> Result<Telling> {
    let sealed = row.payload_sealed.as_ref().ok_or_else(|| Error::internal("a delivery without a payload"))?;
    let json = key.open_text(&place(tx, row.id), sealed)?;
    serde_json::from_str(&json).map_err(|_| Error::new(ErrorKind::Corrupt, "A delivery cannot be read."))
}

fn blank(tx: &WorkspaceTx, id: DeliveryId, plugin: &str) -> table::ActiveModel {
    let now = tx.store().now();
    table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(id),
        escalation_id: Set(None),
        subject_id: Set(None),
        plugin_id: Set(plugin.to_owned()),
        position: Set(0),
        kind: Set(kind::TEST.to_owned()),
        state: Set(state::PENDING.to_owned()),
        payload_sealed: Set(None),
        attempts: Set(0),
        attempt_began_at: Set(None),
        may_have_been_sent: Set(false),
        next_attempt_at: Set(now),
        last_error: Set(None),
        message: Set(None),
        happened_at: Set(now),
        finished_at: Set(None),
        has_text: Set(false),
    }
}

async fn insert(tx: &WorkspaceTx, id: DeliveryId, row: table::ActiveModel) -> Result<()> {
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    jobs::enqueue(tx, NewJob::new(JOB, id.0).priority(1)).await
}

fn place(tx: &WorkspaceTx, id: DeliveryId) -> Place {
    Place::new(tx.workspace(), "deliveries", "payload_sealed", id.0)
}

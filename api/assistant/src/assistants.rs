//! Assistants: what visitors talk to, and its answer policy.

use std::collections::HashSet;

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    error::ErrorKind,
    id::AssistantId,
    plugins::Registry,
    scope::Actor,
    store::{Store, WorkspaceTx},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::entity::assistants as table;

/// Passages that an answer may rest on, unless the assistant says otherwise.
const DEFAULT_PASSAGES: i64 = 6;
const MOST_PASSAGES: i64 = 20;
const MOST_FALLBACKS: usize = 4;

/// An assistant.
#[derive(Debug, Clone, PartialEq)]
pub struct Assistant {
    /// The assistant.
    pub id: AssistantId,
    /// Its name, as visitors see it.
    pub name: String,
    /// Languages it answers in, ISO 639-1; the first is used where a question's language is not clear.
    pub languages: Vec<String>,
    /// The customer's own instructions to a language model.
    pub instructions: String,
    /// The plugin that answers: `extractive`, `openai`.
    pub chat_model: String,
    /// The plugins that answer while it is not available, in their order.
    pub fallback_models: Vec<String>,
    /// Passages that an answer may rest on.
    pub passages: i64,
    /// Cosine under which a passage is not taken to answer; the model's calibrated value where `None`.
    pub answer_threshold: Option<f64>,
    /// What is said when the knowledge has no answer; a text in the visitor's language where `None`.
    pub no_answer_text: Option<String>,
    /// Whether a person is offered then.
    pub offers_person: bool,
    /// Whether it answers nobody for now.
    pub is_paused: bool,
    /// Made at.
    pub created_at: Timestamp,
}

/// What can be set; `None` leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct AssistantSettings {
    /// See [`Assistant::name`].
    pub name: Option<String>,
    /// See [`Assistant::languages`].
    pub languages: Option<Vec<String>>,
    /// See [`Assistant::instructions`].
    pub instructions: Option<String>,
    /// See [`Assistant::chat_model`].
    pub chat_model: Option<String>,
    /// See [`Assistant::fallback_models`].
    pub fallback_models: Option<Vec<String>>,
    /// See [`Assistant::passages`].
    pub passages: Option<i64>,
    /// See [`Assistant::answer_threshold`]; `Some(None)` goes back to the calibrated value.
    pub answer_threshold: Option<Option<f64>>,
    /// See [`Assistant::no_answer_text`].
    pub no_answer_text: Option<Option<String>>,
    /// See [`Assistant::offers_person`].
    pub offers_person: Option<bool>,
}

/// Makes an assistant.
///
/// # Errors
/// `Forbidden`, `Invalid`.
pub async fn create(
    scope: &Scope,
    store: &Store,
    registry: &Registry,
    settings: AssistantSettings,
) -> Result<Assistant> {
    scope.require(Permission::WorkspaceWrite)?;
    let now = store.now();
    let mut assistant = Assistant {
        id: AssistantId::new(store.clock()),
        name: String::new(),
        languages: vec!["en".to_owned()],
        instructions: String::new(),
        chat_model: "extractive".to_owned(),
        fallback_models: Vec::new(),
        passages: DEFAULT_PASSAGES,
        answer_threshold: None,
        no_answer_text: None,
        offers_person: true,
        is_paused: false,
        created_at: now,
    };
    settings.apply(&mut assistant);
    check(&assistant)?;
    for plugin in assistant.chat_models() {
        require_chat_model(scope, store, registry, &plugin).await?;
    }
    let tx = store.write(scope).await?;
    table::Entity::insert(row_of(scope, &assistant, now)).exec_without_returning(tx.db()).await?;
    audit::append(scope, &tx, Event::new("assistant.created").target("assistant", assistant.id.0)).await?;
    tx.commit().await?;
    Ok(assistant)
}

/// Changes an assistant.
///
/// # Errors
/// `Forbidden`, `NotFound`, `Invalid`.
pub async fn configure(
    scope: &Scope,
    store: &Store,
    registry: &Registry,
    id: AssistantId,
    settings: AssistantSettings,
) -> Result<Assistant> {
    scope.require(Permission::WorkspaceWrite)?;
    for plugin in settings.chat_model.iter().chain(settings.fallback_models.iter().flatten()) {
        require_chat_model(scope, store, registry, plugin).await?;
    }
    let tx = store.write(scope).await?;
    let mut assistant = hold(&tx, id).await?;
    settings.apply(&mut assistant);
    check(&assistant)?;
    row_of(scope, &assistant, store.now()).update(tx.db()).await?;
    audit::append(scope, &tx, Event::new("assistant.configured").target("assistant", id.0)).await?;
    tx.commit().await?;
    Ok(assistant)
}

/// Pauses an assistant: answers under way end, new questions are refused. Or lets it go on.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn set_paused(scope: &Scope, store: &Store, id: AssistantId, paused: bool) -> Result<Assistant> {
    scope.require(Permission::WorkspaceWrite)?;
    let tx = store.write(scope).await?;
    let mut assistant = hold(&tx, id).await?;
    assistant.is_paused = paused;
    row_of(scope, &assistant, store.now()).update(tx.db()).await?;
    let action = if paused { "assistant.paused" } else { "assistant.resumed" };
    audit::append(scope, &tx, Event::new(action).target("assistant", id.0)).await?;
    tx.commit().await?;
    Ok(assistant)
}

/// An assistant of the workspace. A visitor sees the one their token is bound to.
///
/// # Errors
/// `NotFound`.
pub async fn get(scope: &Scope, store: &Store, id: AssistantId) -> Result<Assistant> {
    match scope.actor() {
        Actor::Visitor { assistant, .. } if assistant == id => {}
        Actor::Visitor { .. } => return Err(Error::not_found("assistant")),
        _ => scope.require(Permission::WorkspaceRead)?,
    }
    let tx = store.read(scope).await?;
    find(&tx, id).await
}

/// All assistants of the workspace, oldest first. Few: a person makes each.
///
/// # Errors
/// `Forbidden`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<Assistant>> {
    scope.require(Permission::WorkspaceRead)?;
    let tx = store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .order_by_asc(table::Column::Id)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(Assistant::from).collect())
}

/// Checks that the workspace has this assistant, for keys and tokens that are to open it.
///
/// # Errors
/// `NotFound`.
pub async fn require_known(scope: &Scope, store: &Store, id: AssistantId) -> Result<()> {
    let tx = store.read(scope).await?;
    find(&tx, id).await.map(|_| ())
}

pub(crate) async fn find(tx: &WorkspaceTx, id: AssistantId) -> Result<Assistant> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?;
    row.map(Assistant::from).ok_or_else(|| Error::not_found("assistant"))
}

/// As [`find`], to be written back: on Postgres no other writer comes between.
async fn hold(tx: &WorkspaceTx, id: AssistantId) -> Result<Assistant> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).lock_exclusive().one(tx.db()).await?;
    row.map(Assistant::from).ok_or_else(|| Error::not_found("assistant"))
}

/// Refuses a chat model that the workspace does not use.
async fn require_chat_model(scope: &Scope, store: &Store, registry: &Registry, plugin: &str) -> Result<()> {
    match registry.chat_model(scope, store, plugin).await {
        Ok(_) => Ok(()),
        // It is there, and will be asked once the purpose is instructed again.
        Err(error) if error.kind() == ErrorKind::PurposeRefused => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Disabled) => {
            Err(Error::invalid("chatModel", "This workspace uses no chat model of that name; enable its plugin first."))
        }
        Err(error) => Err(error),
    }
}

/// Refuses while the assistant is paused.
pub(crate) async fn require_awake(tx: &WorkspaceTx, id: AssistantId) -> Result<Assistant> {
    let assistant = find(tx, id).await?;
    if assistant.is_paused {
        return Err(Error::new(ErrorKind::Disabled, "This assistant is paused."));
    }
    Ok(assistant)
}

/// Those of these assistants that are not paused.
pub(crate) async fn awake(tx: &WorkspaceTx, ids: HashSet<AssistantId>) -> Result<HashSet<AssistantId>> {
    let awake = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.is_in(ids))
        .filter(table::Column::IsPaused.eq(false))
        .select_only()
        .column(table::Column::Id);
    Ok(awake.into_tuple::<AssistantId>().all(tx.db()).await?.into_iter().collect())
}

impl Assistant {
    /// The plugins that may answer, the first one first.
    pub fn chat_models(&self) -> Vec<String> {
        std::iter::once(&self.chat_model).chain(&self.fallback_models).cloned().collect()
    }
}

fn check(assistant: &Assistant) -> Result<()> {
    if assistant.fallback_models.len() > MOST_FALLBACKS {
        return Err(Error::invalid("fallbackModels", format!("Name at most {MOST_FALLBACKS} models.")));
    }
    let name = assistant.name.trim();
    if name.is_empty() || name.chars().count() > 80 {
        return Err(Error::invalid("name", "Give a name of 1 to 80 characters."));
    }
    if assistant.languages.is_empty()
        || !assistant.languages.iter().all(|l| l.len() == 2 && l.bytes().all(|b| b.is_ascii_lowercase()))
    {
        return Err(Error::invalid("languages", "Give at least one ISO 639-1 code, such as en or fr."));
    }
    if assistant.instructions.chars().count() > 8_000 {
        return Err(Error::invalid("instructions", "Instructions may have 8,000 characters."));
    }
    if !(1..=MOST_PASSAGES).contains(&assistant.passages) {
        return Err(Error::invalid("passages", format!("Choose 1 to {MOST_PASSAGES} passages.")));
    }
    if assistant.answer_threshold.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
        return Err(Error::invalid("answerThreshold", "A threshold is a cosine between 0 and 1."));
    }
    if assistant.no_answer_text.as_ref().is_some_and(|t| t.trim().is_empty() || t.chars().count() > 1_000) {
        return Err(Error::invalid("noAnswerText", "Give a text of 1 to 1,000 characters, or none."));
    }
    Ok(())
}

impl AssistantSettings {
    fn apply(self, assistant: &mut Assistant) {
        let Self {
            name,
            languages,
            instructions,
            chat_model,
            fallback_models,
            passages,
            answer_threshold,
            no_answer_text,
            offers_person,
        } = self;
        assistant.name = name.unwrap_or_else(|| std::mem::take(&mut assistant.name));
        assistant.languages = languages.unwrap_or_else(|| std::mem::take(&mut assistant.languages));
        assistant.instructions = instructions.unwrap_or_else(|| std::mem::take(&mut assistant.instructions));
        assistant.chat_model = chat_model.unwrap_or_else(|| std::mem::take(&mut assistant.chat_model));
        assistant.fallback_models = fallback_models.unwrap_or_else(|| std::mem::take(&mut assistant.fallback_models));
        assistant.passages = passages.unwrap_or(assistant.passages);
        assistant.answer_threshold = answer_threshold.unwrap_or(assistant.answer_threshold);
        assistant.no_answer_text = no_answer_text.unwrap_or_else(|| assistant.no_answer_text.take());
        assistant.offers_person = offers_person.unwrap_or(assistant.offers_person);
    }
}

fn row_of(scope: &Scope, assistant: &Assistant, now: Timestamp) -> table::ActiveModel {
    let a = assistant.clone();
    table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(a.id),
        name: Set(a.name),
        languages: Set(a.languages.join(",")),
        instructions: Set(a.instructions),
        chat_model: Set(a.chat_model),
        fallback_models: Set(a.fallback_models.join(",")),
        passages: Set(a.passages),
        answer_threshold: Set(a.answer_threshold),
        no_answer_text: Set(a.no_answer_text),
        offers_person: Set(a.offers_person),
        is_paused: Set(a.is_paused),
        created_at: Set(a.created_at),
        updated_at: Set(now),
        // Set apart, by `escalations::settings`.
        escalation: NotSet,
    }
}

impl From<table::Model> for Assistant {
    fn from(row: table::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            languages: row.languages.split(',').map(str::to_owned).collect(),
            instructions: row.instructions,
            chat_model: row.chat_model,
            fallback_models: row.fallback_models.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            passages: row.passages,
            answer_threshold: row.answer_threshold,
            no_answer_text: row.no_answer_text,
            offers_person: row.offers_person,
            is_paused: row.is_paused,
            created_at: row.created_at,
        }
    }
}

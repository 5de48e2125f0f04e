//! The workspace and its assistants.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use consigne_assistant::{
    assistants,
    policy::{self, PolicyChange},
};
use consigne_foundation::{Permission, Scope, id::AssistantId, workspaces};

use super::{
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    models::ProcessingPolicyInput,
    scalars::DateTime,
};

/// A customer's world, isolated from every other.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Workspace {
    /// Its id.
    pub id: ID,
    /// The customer's name.
    pub name: String,
    /// ISO 639-1 codes of the languages spoken there, the main one first.
    pub languages: Vec<String>,
    /// Made at.
    pub created_at: DateTime,
}

/// What visitors talk to, and its answer policy.
#[derive(SimpleObject, Clone)]
pub struct Assistant {
    /// Its id.
    pub id: ID,
    /// Its name, as visitors see it.
    pub name: String,
    /// Languages it answers in, ISO 639-1; the first is used where a question's language is not clear.
    pub languages: Vec<String>,
    /// Whether it answers nobody for now.
    pub is_paused: bool,
    /// How it answers; null for visitors.
    pub policy: Option<AnswerPolicy>,
    /// Made at.
    pub created_at: DateTime,
}

/// How an assistant answers.
#[derive(SimpleObject, Clone)]
pub struct AnswerPolicy {
    /// The customer's own instructions to a language model.
    pub instructions: String,
    /// The plugin that answers.
    pub chat_model: String,
    /// The plugins that answer while it is not available, in their order; only where the workspace allows their region.
    pub fallback_models: Vec<String>,
    /// Passages that an answer may rest on.
    pub passages: i32,
    /// Cosine under which a passage is not taken to answer; the model's calibrated value where null.
    pub answer_threshold: Option<f64>,
    /// What is said when the knowledge has no answer; a text in the visitor's language where null.
    pub no_answer_text: Option<String>,
    /// Whether a person is offered then.
    pub offers_person: bool,
}

/// What can be changed of a workspace; what is left out stays.
#[derive(InputObject)]
pub struct ConfigureWorkspaceInput {
    /// The customer's name.
    pub name: Option<String>,
    /// ISO 639-1 codes, the main one first.
    pub languages: Option<Vec<String>>,
    /// What it allows with texts; `processingPolicy` shows it.
    pub processing: Option<ProcessingPolicyInput>,
}

/// The workspace, or why it was not changed.
#[derive(SimpleObject)]
pub struct WorkspacePayload {
    /// The workspace.
    pub workspace: Option<Workspace>,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// A workspace to be made.
#[derive(InputObject)]
pub struct CreateWorkspaceInput {
    /// The customer's name.
    pub name: String,
    /// ISO 639-1 codes, the main one first.
    pub languages: Vec<String>,
}

/// An assistant to be made.
#[derive(InputObject)]
pub struct CreateAssistantInput {
    /// Its name, as visitors see it.
    pub name: String,
    /// Languages it answers in, ISO 639-1, the main one first.
    pub languages: Vec<String>,
    /// How it answers; sensible values where left out.
    pub policy: Option<AnswerPolicyInput>,
}

/// How an assistant is to answer; what is left out stays.
#[derive(InputObject, Default)]
pub struct AnswerPolicyInput {
    /// The customer's own instructions to a language model; at most 8,000 characters.
    #[graphql(secret)]
    pub instructions: Option<String>,
    /// The plugin that answers, such as `extractive` or `openai`.
    pub chat_model: Option<String>,
    /// The plugins that answer while it is not available, in their order; at most four.
    pub fallback_models: Option<Vec<String>>,
    /// Passages that an answer may rest on, 1 to 20.
    pub passages: Option<i32>,
    /// Cosine under which a passage is not taken to answer, 0 to 1; null for the model's calibrated value.
    pub answer_threshold: MaybeUndefined<f64>,
    /// What is said when the knowledge has no answer; null for a text in the visitor's language.
    pub no_answer_text: MaybeUndefined<String>,
    /// Whether a person is offered then.
    pub offers_person: Option<bool>,
}

/// What can be changed of an assistant; what is left out stays.
#[derive(InputObject)]
pub struct ConfigureAssistantInput {
    /// The assistant.
    pub assistant_id: ID,
    /// Its name, as visitors see it.
    pub name: Option<String>,
    /// Languages it answers in, ISO 639-1, the main one first.
    pub languages: Option<Vec<String>>,
    /// How it answers.
    pub policy: Option<AnswerPolicyInput>,
}

/// Which assistant to pause or let go on.
#[derive(InputObject)]
pub struct PauseAssistantInput {
    /// The assistant.
    pub assistant_id: ID,
}

/// The assistant, or why it was not changed.
#[derive(SimpleObject)]
pub struct AssistantPayload {
    /// The assistant.
    pub assistant: Option<Assistant>,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// Reading the workspace.
#[derive(Default)]
pub struct WorkspaceQuery;

#[Object]
impl WorkspaceQuery {
    /// The workspace of the token that asks.
    async fn workspace(&self, ctx: &Context<'_>) -> Result<Workspace> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        workspaces::get(&scope, ctx.store()).await.map(Workspace::from).map_err(refuse)
    }

    /// All assistants of the workspace, oldest first.
    async fn assistants(&self, ctx: &Context<'_>) -> Result<Vec<Assistant>> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let all = assistants::list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(|a| Assistant::seen_by(&scope, a)).collect())
    }

    /// An assistant; a visitor sees the one their token is bound to. Null where it is unknown.
    async fn assistant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The assistant.")] id: ID,
    ) -> Result<Option<Assistant>> {
        let scope = ctx.somebody()?;
        let found = assistants::get(&scope, ctx.store(), AssistantId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(|a| Assistant::seen_by(&scope, a)))
    }
}

/// Changing the workspace.
#[derive(Default)]
pub struct WorkspaceMutation;

#[Object]
impl WorkspaceMutation {
    /// Makes a further workspace that the member who asks owns. Sign in to it with `signIn`.
    async fn create_workspace(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateWorkspaceInput,
    ) -> Result<WorkspacePayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let made = workspaces::create_for(&scope, ctx.store(), &input.name, &input.languages).await;
        let (workspace, user_errors) = split(made)?;
        Ok(WorkspacePayload { workspace: workspace.map(Workspace::from), user_errors })
    }

    /// Changes the workspace: name, languages, and what it allows with texts.
    async fn configure_workspace(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfigureWorkspaceInput,
    ) -> Result<WorkspacePayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let change = workspaces::WorkspaceChange { name: input.name, languages: input.languages };
        let processing = input.processing.map(PolicyChange::from);
        let configured = async {
            // Both are looked at before either is written.
            processing.as_ref().map_or(Ok(()), policy::check)?;
            let workspace = workspaces::configure(&scope, ctx.store(), change).await?;
            if let Some(processing) = processing {
                policy::configure(&scope, ctx.store(), processing).await?;
            }
            Ok(workspace)
        };
        let (workspace, user_errors) = split(configured.await)?;
        Ok(WorkspacePayload { workspace: workspace.map(Workspace::from), user_errors })
    }

    /// Makes an assistant.
    async fn create_assistant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateAssistantInput,
    ) -> Result<AssistantPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let settings = settings_of(Some(input.name), Some(input.languages), input.policy);
        AssistantPayload::of(&scope, assistants::create(&scope, ctx.store(), &ctx.services().registry, settings).await)
    }

    /// Changes an assistant.
    async fn configure_assistant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfigureAssistantInput,
    ) -> Result<AssistantPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let id = AssistantId::parse_or_unknown(&input.assistant_id);
        let settings = settings_of(input.name, input.languages, input.policy);
        AssistantPayload::of(
            &scope,
            assistants::configure(&scope, ctx.store(), &ctx.services().registry, id, settings).await,
        )
    }

    /// Pauses an assistant: answers under way end, new questions are refused.
    async fn pause_assistant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: PauseAssistantInput,
    ) -> Result<AssistantPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let id = AssistantId::parse_or_unknown(&input.assistant_id);
        AssistantPayload::of(&scope, assistants::set_paused(&scope, ctx.store(), id, true).await)
    }

    /// Lets a paused assistant go on.
    async fn resume_assistant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: PauseAssistantInput,
    ) -> Result<AssistantPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let id = AssistantId::parse_or_unknown(&input.assistant_id);
        AssistantPayload::of(&scope, assistants::set_paused(&scope, ctx.store(), id, false).await)
    }
}

fn settings_of(
    name: Option<String>,
    languages: Option<Vec<String>>,
    policy: Option<AnswerPolicyInput>,
) -> assistants::AssistantSettings {
    let policy = policy.unwrap_or_default();
    assistants::AssistantSettings {
        name,
        languages,
        instructions: policy.instructions,
        chat_model: policy.chat_model,
        fallback_models: policy.fallback_models,
        passages: policy.passages.map(i64::from),
        answer_threshold: policy.answer_threshold.into(),
        no_answer_text: policy.no_answer_text.into(),
        offers_person: policy.offers_person,
    }
}

impl AssistantPayload {
    fn of(scope: &Scope, result: consigne_foundation::Result<assistants::Assistant>) -> Result<Self> {
        let (assistant, user_errors) = split(result)?;
        Ok(Self { assistant: assistant.map(|a| Assistant::seen_by(scope, a)), user_errors })
    }
}

impl AnswerPolicy {
    fn of(a: &assistants::Assistant) -> Self {
        Self {
            instructions: a.instructions.clone(),
            chat_model: a.chat_model.clone(),
            fallback_models: a.fallback_models.clone(),
            passages: i32::try_from(a.passages).unwrap_or(i32::MAX),
            answer_threshold: a.answer_threshold,
            no_answer_text: a.no_answer_text.clone(),
            offers_person: a.offers_person,
        }
    }
}

impl Assistant {
    /// What the scope may see of it: visitors see no policy.
    pub fn seen_by(scope: &Scope, a: assistants::Assistant) -> Self {
        let policy = scope.permissions().has(Permission::WorkspaceRead).then(|| AnswerPolicy::of(&a));
        Self {
            id: a.id.to_string().into(),
            name: a.name,
            languages: a.languages,
            is_paused: a.is_paused,
            policy,
            created_at: a.created_at.into(),
        }
    }
}

impl From<workspaces::Workspace> for Workspace {
    fn from(w: workspaces::Workspace) -> Self {
        Self { id: w.id.to_string().into(), name: w.name, languages: w.languages, created_at: w.created_at.into() }
    }
}

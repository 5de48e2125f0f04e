//! The GraphQL contract: `schema.graphql` is written from here, by a test.
//!
//! Reading order: [`request`] (the guard before execution), [`context`], [`error`], [`node`], [`connection`],
//! [`loaders`]; then one file per area with its types, queries, mutations and subscriptions.
//!
//! Invariants, as absences:
//! - No resolver has a connection; it has services, and they take a scope.
//! - No field without a description.
//! - No personal text in an error.

pub mod accounts;
pub mod audit;
pub mod backups;
pub mod channels;
pub mod chat_events;
pub mod chats;
pub mod connection;
pub mod consents;
pub mod context;
pub mod corrections;
pub mod custom_roles;
pub mod embeddings;
pub mod error;
pub mod escalation_settings;
pub mod escalations;
pub mod executor;
pub mod holds;
pub mod identity;
pub mod identity_providers;
pub mod inbox;
pub mod invitations;
pub mod jobs;
pub mod knowledge;
pub mod leaving;
pub mod loaders;
pub mod members;
pub mod models;
pub mod names;
pub mod node;
pub mod passkeys;
pub mod plugins;
pub mod privacy;
pub mod privacy_events;
pub mod privacy_info;
pub mod privacy_requests;
pub mod purposes;
pub mod records;
pub mod request;
pub mod retention;
pub mod rights;
pub mod scalars;
pub mod second_factor;
pub mod sessions;
pub mod single_sign_on;
pub mod sources;
pub mod subjects;
pub mod termination;
pub mod visitor_keys;
pub mod workspaces;

use async_graphql::{MergedObject, MergedSubscription, SchemaBuilder};

pub use self::context::Services;

/// What can be read. Everything answers for the workspace of the token that asks.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    AccessQuery,
    EstateQuery,
    plugins::PluginQuery,
    LibraryQuery,
    PeopleQuery,
    PeoplesRightsQuery,
    FairnessQuery,
    RecordQuery,
);

/// Workspaces, where their members sign in, and leaving with all of one.
#[derive(MergedObject, Default)]
pub struct EstateQuery(
    workspaces::WorkspaceQuery,
    identity_providers::IdentityProviderQuery,
    leaving::LeavingQuery,
    termination::TerminationQuery,
);

/// Who comes in, and how.
#[derive(MergedObject, Default)]
pub struct AccessQuery(
    identity::IdentityQuery,
    sessions::SessionQuery,
    second_factor::SecondFactorQuery,
    accounts::AccountQuery,
    invitations::InvitationQuery,
    visitor_keys::VisitorKeyQuery,
);

/// What data is processed for, what people said to it, and what they ask.
#[derive(MergedObject, Default)]
pub struct FairnessQuery(
    purposes::PurposeQuery,
    consents::ConsentQuery,
    privacy_requests::PrivacyRequestQuery,
    privacy_info::PrivacyInfoQuery,
    records::RecordsQuery,
);

/// What is known: documents, and the sources that they come from.
#[derive(MergedObject, Default)]
pub struct LibraryQuery(knowledge::KnowledgeQuery, sources::SourceQuery);

/// What is said: chats, and the people in the loop.
#[derive(MergedObject, Default)]
pub struct PeopleQuery(
    chats::ChatQuery,
    escalations::EscalationQuery,
    escalation_settings::EscalationSettingsQuery,
    channels::ChannelQuery,
    inbox::InboxQuery,
    members::MemberQuery,
    custom_roles::CustomRoleQuery,
);

/// What is held about whom, people's rights over it, what holds them up, and how long what is kept.
#[derive(MergedObject, Default)]
pub struct PeoplesRightsQuery(
    privacy::PrivacyQuery,
    subjects::SubjectQuery,
    rights::RightsQuery,
    holds::HoldQuery,
    retention::RetentionQuery,
);

/// What is on record: the audit log, the jobs, what models used, and backups.
#[derive(MergedObject, Default)]
pub struct RecordQuery(audit::AuditQuery, jobs::JobQuery, models::ModelQuery, backups::BackupQuery);

/// What can be done. Every change is written to the audit log in the same transaction.
#[derive(MergedObject, Default)]
pub struct Mutation(
    AccessMutation,
    EstateMutation,
    plugins::PluginMutation,
    LibraryMutation,
    PeopleMutation,
    PeoplesRightsMutation,
    FairnessMutation,
    jobs::JobMutation,
    models::ModelMutation,
);

/// What can be done to workspaces and to where their members sign in, and leaving with all of one.
#[derive(MergedObject, Default)]
pub struct EstateMutation(
    workspaces::WorkspaceMutation,
    identity_providers::IdentityProviderMutation,
    leaving::LeavingMutation,
    termination::TerminationMutation,
);

/// What can be done about who comes in, and how.
#[derive(MergedObject, Default)]
pub struct AccessMutation(
    identity::IdentityMutation,
    sessions::SessionMutation,
    second_factor::SecondFactorMutation,
    passkeys::PasskeyMutation,
    single_sign_on::SingleSignOnMutation,
    accounts::AccountMutation,
    invitations::InvitationMutation,
    visitor_keys::VisitorKeyMutation,
);

/// Serving people's rights, and what is beside them.
#[derive(MergedObject, Default)]
pub struct PeoplesRightsMutation(
    privacy::PrivacyMutation,
    subjects::SubjectMutation,
    rights::RightsMutation,
    holds::HoldMutation,
    retention::RetentionMutation,
);

/// What may be done with data, and what people say to it and ask.
#[derive(MergedObject, Default)]
pub struct FairnessMutation(
    purposes::PurposeMutation,
    consents::ConsentMutation,
    privacy_requests::PrivacyRequestMutation,
    privacy_info::PrivacyInfoMutation,
);

/// What can be done to knowledge.
#[derive(MergedObject, Default)]
pub struct LibraryMutation(knowledge::KnowledgeMutation, sources::SourceMutation, embeddings::EmbeddingMutation);

/// What can be said, and done about it.
#[derive(MergedObject, Default)]
pub struct PeopleMutation(
    chats::ChatMutation,
    escalations::EscalationMutation,
    escalation_settings::EscalationSettingsMutation,
    channels::ChannelMutation,
    inbox::InboxMutation,
    members::MemberMutation,
    custom_roles::CustomRoleMutation,
);

/// What can be listened to. Nothing is started by listening, and every stream resumes behind the last event seen; but for
/// `correctText`, which is kept nowhere and so begins and ends with who listens.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    knowledge::KnowledgeSubscription,
    sources::SourceSubscription,
    chat_events::ChatSubscription,
    inbox::InboxSubscription,
    corrections::CorrectionSubscription,
    leaving::LeavingSubscription,
    privacy_events::PrivacyRequestSubscription,
);

/// The schema.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema without services: enough for its text.
pub fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    // The guard has measured the document already; this is a second line behind it.
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .register_output_type::<node::Node>()
        .disable_suggestions()
        .limit_recursive_depth(32)
}

/// The text of the schema, as `schema.graphql` holds it.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    builder().finish().sdl_with_options(options)
}

//! Names of roles, permissions and kinds of actors.

use async_graphql::Enum;
use consigne_foundation::{Permission, identity::roles::Role};

/// What a member is in a workspace.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Role", name = "Role")]
pub enum RoleName {
    /// Answers for the workspace; may do everything.
    Owner,
    /// Runs the workspace.
    Admin,
    /// Data protection officer: sees what is processed, by whom, and serves people's rights.
    Dpo,
    /// Answers visitors.
    Agent,
    /// Keeps the knowledge.
    Editor,
    /// Reads the records, not the chats.
    Auditor,
    /// Asks in chats of their own.
    Visitor,
}

/// One thing that can be allowed.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Permission", name = "Permission")]
pub enum PermissionName {
    /// See the workspace and its assistants.
    WorkspaceRead,
    /// Configure the workspace and its assistants; pause them.
    WorkspaceWrite,
    /// See documents and search them.
    KnowledgeRead,
    /// Upload, replace and delete documents.
    KnowledgeWrite,
    /// Read every chat of the workspace.
    ChatsRead,
    /// Start a chat and ask in one's own.
    ChatsAsk,
    /// Take chats over from the assistant, answer visitors, write notes and canned replies.
    ChatsAnswer,
    /// See plugins and recipients.
    PluginsRead,
    /// Enable, disable and set plugins.
    PluginsWrite,
    /// See, make and revoke API keys.
    KeysWrite,
    /// Make visitor tokens.
    VisitorsWrite,
    /// Read the audit log.
    AuditRead,
    /// See erasures and their certificates.
    PrivacyRead,
    /// Erase a person.
    PrivacyErase,
    /// Find a person, and see what they are known by and what is held about them.
    SubjectsRead,
    /// Serve people's rights: access, portability, rectification, restriction; merge and split persons.
    RightsServe,
    /// See dead jobs and retry them.
    JobsWrite,
    /// Serve people's rights: instructions, consents, objections, requests.
    PrivacyWrite,
}

/// What kind of actor a token stands for.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// A member who signed in.
    Member,
    /// A program with a secret API key.
    ApiKey,
    /// A visitor.
    Visitor,
    /// Somebody who asked about their data and proved that it was them.
    Person,
}

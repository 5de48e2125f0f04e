//! Whose data may be touched, by whom, and for what. Every call that reaches a row takes one.

use std::{fmt, time::Duration};

use serde::Serialize;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, ApiKeyId, AssistantId, PrivacyRequestId, SessionId, SubjectId, VisitorId, WorkspaceId},
};

/// One thing that can be allowed. Which role has which stands in [`crate::identity::roles`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum Permission {
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

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 18] = [
        Self::WorkspaceRead,
        Self::WorkspaceWrite,
        Self::KnowledgeRead,
        Self::KnowledgeWrite,
        Self::ChatsRead,
        Self::ChatsAsk,
        Self::ChatsAnswer,
        Self::PluginsRead,
        Self::PluginsWrite,
        Self::KeysWrite,
        Self::VisitorsWrite,
        Self::AuditRead,
        Self::PrivacyRead,
        Self::PrivacyErase,
        Self::SubjectsRead,
        Self::RightsServe,
        Self::JobsWrite,
        Self::PrivacyWrite,
    ];

    /// The name in tokens, settings and the schema: `KNOWLEDGE_READ`.
    pub fn name(self) -> String {
        let words = format!("{self:?}");
        let mut name = String::new();
        for (position, c) in words.char_indices() {
            if c.is_uppercase() && position > 0 {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
        name
    }

    /// The permission of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u32);

impl Permissions {
    /// The set of these.
    pub fn of(all: &[Permission]) -> Self {
        Self(all.iter().fold(0, |bits, p| bits | 1 << (*p as u8)))
    }

    /// Whether this one is in the set.
    pub fn has(self, permission: Permission) -> bool {
        self.0 & (1 << (permission as u8)) != 0
    }

    /// What is in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The set that this text names, as [`Permissions::text`] writes it; a name that is none adds nothing.
    pub fn parse(text: &str) -> Self {
        Self::of(&text.split(',').filter_map(Permission::parse).collect::<Vec<_>>())
    }

    /// The names, with commas between them.
    pub fn text(self) -> String {
        self.list().into_iter().map(Permission::name).collect::<Vec<_>>().join(",")
    }

    /// The members, in the order of [`Permission::ALL`].
    pub fn list(self) -> Vec<Permission> {
        Permission::ALL.into_iter().filter(|p| self.has(*p)).collect()
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.list()).finish()
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A member of the workspace, signed in.
    Member {
        /// The account.
        account: AccountId,
        /// The sign-in.
        session: SessionId,
    },
    /// A program of the customer's.
    ApiKey(ApiKeyId),
    /// A visitor, bound to one assistant.
    Visitor {
        /// The visitor.
        visitor: VisitorId,
        /// The person, as the workspace holds data about them.
        subject: SubjectId,
        /// The only assistant that may be asked.
        assistant: AssistantId,
    },
    /// A person who asked about their data and proved that it was them.
    Person {
        /// The request.
        request: PrivacyRequestId,
        /// The person, as the workspace holds data about them.
        subject: SubjectId,
    },
    /// The product itself, in a job or a recurring duty.
    Duty(&'static str),
}

impl Actor {
    /// `member`, `api_key`, `visitor`, `person` or `duty`, for the audit log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Member { .. } => "member",
            Self::ApiKey(_) => "api_key",
            Self::Visitor { .. } => "visitor",
            Self::Person { .. } => "person",
            Self::Duty(_) => "duty",
        }
    }

    /// The id behind it; a duty has none.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Member { account, .. } => Some(account.0),
            Self::ApiKey(key) => Some(key.0),
            Self::Visitor { visitor, .. } => Some(visitor.0),
            Self::Person { request, .. } => Some(request.0),
            Self::Duty(_) => None,
        }
    }
}

/// One workspace, one actor, and what that actor may do there. It cannot be made outside this crate: authentication
/// makes it for a request, the job runner for a job.
#[derive(Debug, Clone)]
pub struct Scope {
    workspace: WorkspaceId,
    actor: Actor,
    permissions: Permissions,
    /// When a member last proved who they are.
    confirmed_at: Option<Timestamp>,
    /// Whether the workspace is at its end.
    is_closing: bool,
    /// Whether the workspace's own identity provider says who the member is.
    is_signed_on: bool,
}

/// What is still allowed while a workspace is at its end: reading, and people's rights.
const WHILE_CLOSING: [Permission; 10] = [
    Permission::WorkspaceRead,
    Permission::KnowledgeRead,
    Permission::ChatsRead,
    Permission::PluginsRead,
    Permission::AuditRead,
    Permission::PrivacyRead,
    Permission::PrivacyErase,
    Permission::SubjectsRead,
    Permission::RightsServe,
    Permission::PrivacyWrite,
];

/// For how long what cannot be undone may be done after a member proved who they are.
pub const CONFIRMED_FOR: Duration = Duration::from_secs(5 * 60);

impl Scope {
    pub(crate) fn new(workspace: WorkspaceId, actor: Actor, permissions: Permissions) -> Self {
        Self { workspace, actor, permissions, confirmed_at: None, is_closing: false, is_signed_on: false }
    }

    /// The same member, who proved at this moment who they are.
    pub(crate) fn confirmed(self, at: Option<Timestamp>) -> Self {
        Self { confirmed_at: at, ..self }
    }

    /// The same member, of whom the workspace's own identity provider says who they are, or does not.
    pub(crate) fn signed_on(self, is_signed_on: bool) -> Self {
        Self { is_signed_on, ..self }
    }

    /// The same actor, in a workspace that is at its end or is not.
    pub(crate) fn closing(self, is_closing: bool) -> Self {
        Self { is_closing, ..self }
    }

    /// The same actor in another workspace, where nothing but being on record is allowed: for the audit log of what a
    /// member does to what is their own.
    pub(crate) fn as_in(&self, workspace: WorkspaceId) -> Self {
        Self { workspace, permissions: Permissions::default(), ..self.clone() }
    }

    /// The product's own duty in a workspace. It may do what no request may: it acts on what a request decided.
    pub(crate) fn duty(workspace: WorkspaceId, name: &'static str) -> Self {
        Self::new(workspace, Actor::Duty(name), Permissions::of(&Permission::ALL))
    }

    /// The workspace.
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Who acts.
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// What the actor may do.
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// The person behind a visitor's token, or behind one of somebody who proved who they are.
    pub fn subject(&self) -> Option<SubjectId> {
        match self.actor {
            Actor::Visitor { subject, .. } | Actor::Person { subject, .. } => Some(subject),
            _ => None,
        }
    }

    /// The signed-in member and their session.
    ///
    /// # Errors
    /// `Forbidden` for anyone else.
    pub fn member(&self) -> Result<(AccountId, SessionId)> {
        match self.actor {
            Actor::Member { account, session } => Ok((account, session)),
            _ => Err(Error::new(ErrorKind::Forbidden, "Only a member who signed in can do this.")),
        }
    }

    /// Whether the member came by the workspace's own identity provider.
    pub fn is_signed_on(&self) -> bool {
        self.is_signed_on
    }

    /// The signed-in member, where this installation itself knows that it is them: for what reaches beyond the workspace,
    /// such as whatever opens the account elsewhere. Whoever runs a workspace's identity provider can come in as any of its
    /// members, and must not be able to go further.
    ///
    /// # Errors
    /// `Forbidden` for anyone else.
    pub fn account_holder(&self) -> Result<(AccountId, SessionId)> {
        if self.is_signed_on {
            let message =
                "You came by single sign-on, which holds for this workspace. Sign in with your password for this.";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        self.member()
    }

    /// Until when the member counts as having just proved who they are.
    pub fn confirmed_until(&self) -> Option<Timestamp> {
        self.confirmed_at.map(|at| at.plus(CONFIRMED_FOR))
    }

    /// Refuses a member who did not prove within the last five minutes who they are: by signing in, or again by
    /// [`second_factor::confirm`](crate::identity::second_factor::confirm). Programs, visitors and duties have nothing to
    /// prove.
    ///
    /// # Errors
    /// `ConfirmationRequired`.
    pub fn require_confirmed(&self, now: Timestamp) -> Result<()> {
        let is_member = matches!(self.actor, Actor::Member { .. });
        if !is_member || self.confirmed_until().is_some_and(|until| now < until) {
            return Ok(());
        }
        let message = "Prove first that it is you (confirmSecondFactor), then do it again within five minutes.";
        Err(Error::new(ErrorKind::ConfirmationRequired, message))
    }

    /// Refuses unless this is allowed, and the workspace is not at its end.
    ///
    /// # Errors
    /// `Forbidden`; `WorkspaceClosed`.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.permissions.has(permission) {
            if self.is_closing && !WHILE_CLOSING.contains(&permission) {
                return Err(closed());
            }
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forbidden, format!("This needs the permission {}.", permission.name())))
    }
}

/// The workspace is at its end.
pub(crate) fn closed() -> Error {
    let message =
        "This workspace is at its end: it can be read, taken along (exportWorkspace) and kept (cancelTermination).";
    Error::new(ErrorKind::WorkspaceClosed, message)
}

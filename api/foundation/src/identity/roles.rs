//! Roles, and the one table of what each may do. What is not in the table is denied.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::{
    error::Error,
    scope::{Permission, Permissions},
};

/// What a member is in a workspace. A visitor has a role too, though no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
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

/// Who may do what. One row a permission, one column a role, in the order of [`Role::ALL`].
#[rustfmt::skip]
const TABLE: [(Permission, [u8; 7]); 18] = [
    //                           Owner Admin Dpo Agent Editor Auditor Visitor
    (Permission::WorkspaceRead,  [1,    1,    1,  1,    1,     1,      0]),
    (Permission::WorkspaceWrite, [1,    1,    0,  0,    0,     0,      0]),
    (Permission::KnowledgeRead,  [1,    1,    1,  1,    1,     1,      0]),
    (Permission::KnowledgeWrite, [1,    1,    0,  0,    1,     0,      0]),
    (Permission::ChatsRead,      [1,    1,    1,  1,    0,     0,      0]),
    (Permission::ChatsAsk,       [1,    1,    0,  1,    1,     0,      1]),
    (Permission::ChatsAnswer,    [1,    1,    0,  1,    0,     0,      0]),
    (Permission::PluginsRead,    [1,    1,    1,  0,    0,     1,      0]),
    (Permission::PluginsWrite,   [1,    1,    0,  0,    0,     0,      0]),
    (Permission::KeysWrite,      [1,    1,    0,  0,    0,     0,      0]),
    (Permission::VisitorsWrite,  [1,    1,    0,  0,    0,     0,      0]),
    (Permission::AuditRead,      [1,    1,    1,  0,    0,     1,      0]),
    (Permission::PrivacyRead,    [1,    1,    1,  0,    0,     1,      0]),
    (Permission::PrivacyErase,   [1,    1,    1,  0,    0,     0,      0]),
    (Permission::SubjectsRead,   [1,    1,    1,  0,    0,     0,      0]),
    (Permission::RightsServe,    [1,    1,    1,  0,    0,     0,      0]),
    (Permission::JobsWrite,      [1,    1,    0,  0,    0,     0,      0]),
    (Permission::PrivacyWrite,   [1,    1,    1,  0,    0,     0,      0]),
];

impl Role {
    /// All roles, in the order of the table's columns.
    pub const ALL: [Self; 7] =
        [Self::Owner, Self::Admin, Self::Dpo, Self::Agent, Self::Editor, Self::Auditor, Self::Visitor];

    /// What this role may do.
    pub fn permissions(self) -> Permissions {
        let column = self as usize;
        let allowed: Vec<Permission> =
            TABLE.iter().filter(|(_, may)| may[column] == 1).map(|(permission, _)| *permission).collect();
        Permissions::of(&allowed)
    }

    /// The name in the database and in tokens: `OWNER`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Admin => "ADMIN",
            Self::Dpo => "DPO",
            Self::Agent => "AGENT",
            Self::Editor => "EDITOR",
            Self::Auditor => "AUDITOR",
            Self::Visitor => "VISITOR",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| Error::invalid("role", "There is no such role."))
    }
}

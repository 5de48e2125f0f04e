//! What the operator decides about accounts.

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUp {
    /// Anybody with an address, and with it a workspace of their own. It needs a mail server.
    Open,
    /// Whoever a workspace invites or adds.
    Invitation,
    /// Nobody but through the operator; people with an account can be invited into further workspaces.
    Closed,
}

/// What the operator decides about accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountRules {
    /// Who may make an account.
    pub sign_up: SignUp,
    /// Whether mails can be sent.
    pub has_mail: bool,
}

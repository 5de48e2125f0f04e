//! Real mail servers for one test: SMTP by aiosmtpd, from the packages of `requirements.txt`, and IMAP by dovecot, where
//! the machine has it.
//!
//! It needs no module beside it and no crate but `serde_json`, `tempfile` and `tokio`, so that a plugin's tests can
//! include it by path.

#[path = "mail/imap.rs"]
mod imap;
#[path = "mail/smtp.rs"]
mod smtp;

pub use self::{
    imap::Imap,
    smtp::{Arrived, Smtp, SmtpMode},
};

/// Who may sign in at either server.
pub const NAME: &str = "desk@example.com";

/// The password that belongs to it.
pub const PASSWORD: &str = "correct-horse";

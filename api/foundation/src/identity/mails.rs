//! What is mailed to people about their accounts: links that work once, and a word when something was changed.
//!
//! A job mails a ticket or an invitation. Only here is looked up whether an address has an account, and only here is a
//! token made, right before it is sent.

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{Mail, Mailer};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    Role, SecretText,
    address_change::Change,
    email, invitations,
    passwords::{self, Asked},
    sign_up,
    tickets::{self, Purpose, ToMail},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{AccountId, InvitationId, TicketId, WorkspaceId},
    jobs::{ClaimedJob, JobHandler, Outcome},
    store::{Store, entity::memberships},
};

/// Sends mails, and knows where their links lead.
#[derive(Clone)]
pub struct AccountMails {
    /// The database.
    pub store: Store,
    /// The mail server; without one nothing is sent.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Where people open the console: scheme, host and path, without a slash at the end.
    pub console_url: Arc<str>,
}

/// Mails tickets.
pub struct TicketMailHandler(pub AccountMails);

/// Mails invitations.
pub struct InvitationMailHandler(pub AccountMails);

#[async_trait]
impl JobHandler for TicketMailHandler {
    fn kind(&self) -> &'static str {
        tickets::MAIL_JOB
    }

    fn parallel(&self) -> usize {
        4
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let id = TicketId(job.target);
        if let Some(ticket) = tickets::to_mail(&self.0.store, id).await? {
            match self.0.write(&ticket).await? {
                Some((to, words)) => self.0.send(id.to_string(), to, words).await?,
                None => tickets::drop_ticket(&self.0.store, id).await?,
            }
            if ticket.purpose == Purpose::TellPasswordChanged {
                tickets::drop_ticket(&self.0.store, id).await?;
            }
        }
        Ok(Outcome::Done)
    }

    async fn give_up(&self, job: &ClaimedJob, _: &Error) -> Result<()> {
        // It ends by itself; whoever waits for the mail asks again.
        tracing::warn!(job = %job.id, "a mail about an account could not be sent");
        Ok(())
    }
}

#[async_trait]
impl JobHandler for InvitationMailHandler {
    fn kind(&self) -> &'static str {
        invitations::MAIL_JOB
    }

    fn parallel(&self) -> usize {
        4
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let id = InvitationId(job.target);
        if let Some((to, workspace, token)) = invitations::arm(&job.scope, &self.0.store, id).await? {
            let words = Words {
                subject: format!("You are invited to {workspace}"),
                lines: format!(
                    "Somebody of {workspace} invites you to work with them. To accept, open this page:\n\n{}\n\nIf you \
                     did not expect this, do nothing: without the page you are not added.\n",
                    self.0.link("invitation", &token)
                ),
            };
            self.0.send(id.to_string(), to, words).await?;
        }
        Ok(Outcome::Done)
    }

    async fn give_up(&self, job: &ClaimedJob, _: &Error) -> Result<()> {
        tracing::warn!(job = %job.id, "an invitation could not be mailed");
        Ok(())
    }
}

/// What a mail says.
pub(crate) struct Words {
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub lines: String,
}

impl AccountMails {
    /// Writes to every owner of a workspace; the key names the mail, so that it is sent once.
    pub(crate) async fn tell_owners(&self, workspace: WorkspaceId, key: &str, words: &Words) -> Result<()> {
        let owners = {
            let tx = self.store.read_instance().await?;
            memberships::Entity::find()
                .filter(memberships::Column::MemberWorkspaceId.eq(workspace))
                .filter(memberships::Column::Role.eq(Role::Owner.name()))
                .filter(memberships::Column::SuspendedAt.is_null())
                .all(tx.db())
                .await?
        };
        for owner in owners {
            let Some(to) = self.address_of(Some(owner.account_id)).await? else { continue };
            let words = Words { subject: words.subject.clone(), lines: words.lines.clone() };
            self.send(format!("{key}:{}", owner.account_id), to, words).await?;
        }
        Ok(())
    }

    /// To whom, and what; none where nobody is to be told.
    async fn write(&self, ticket: &ToMail) -> Result<Option<(String, Words)>> {
        match ticket.purpose {
            Purpose::SecondStep | Purpose::SingleSignOn | Purpose::Passkey => Ok(None),
            Purpose::SignUp => {
                let address = ticket.about::<sign_up::Wish>()?.address;
                let words = match passwords::by_address(&self.store, &address).await? {
                    Some(_) => {
                        tickets::drop_ticket(&self.store, ticket.id).await?;
                        known()
                    }
                    None => {
                        let token = tickets::arm(&self.store, ticket.id, None).await?;
                        sign_up_words(&self.link("verify", &token))
                    }
                };
                Ok(Some((address, words)))
            }
            Purpose::ResetPassword => {
                let address = ticket.about::<Asked>()?.address;
                let account = passwords::by_address(&self.store, &address).await?;
                let Some(account) = account.filter(|account| account.deactivated_at.is_none()) else { return Ok(None) };
                let token = tickets::arm(&self.store, ticket.id, Some(account.id)).await?;
                Ok(Some((address, reset(&self.link("reset", &token)))))
            }
            Purpose::VerifyAddress => self.to_account(ticket, |link| verify(&link), "verify").await,
            Purpose::LeaveAddress => self.to_account(ticket, |link| leave(&link), "address").await,
            Purpose::TakeAddress => {
                let address = ticket.about::<Change>()?.address;
                if passwords::by_address(&self.store, &address).await?.is_some() {
                    return Ok(None);
                }
                let token = tickets::arm(&self.store, ticket.id, ticket.account).await?;
                Ok(Some((address, take(&self.link("address", &token)))))
            }
            Purpose::TellPasswordChanged => {
                let Some(to) = self.address_of(ticket.account).await? else { return Ok(None) };
                Ok(Some((to, changed())))
            }
        }
    }

    async fn to_account(
        &self,
        ticket: &ToMail,
        words: impl Fn(String) -> Words,
        page: &str,
    ) -> Result<Option<(String, Words)>> {
        let Some(to) = self.address_of(ticket.account).await? else { return Ok(None) };
        let token = tickets::arm(&self.store, ticket.id, ticket.account).await?;
        Ok(Some((to, words(self.link(page, &token)))))
    }

    async fn address_of(&self, account: Option<AccountId>) -> Result<Option<String>> {
        let Some(account) = account else { return Ok(None) };
        let Some(row) = passwords::find(&self.store, account).await? else { return Ok(None) };
        email::open(&self.store, row.id, &row.email_sealed).map(Some)
    }

    /// Behind `#`, so that no server's log sees the token.
    fn link(&self, page: &str, token: &SecretText) -> String {
        format!("{}/{page}#{}", self.console_url, token.expose())
    }

    async fn send(&self, key: String, to: String, words: Words) -> Result<()> {
        let Some(mailer) = &self.mailer else { return Ok(()) };
        let text = format!("{}\nThis mail was written by a program; nobody reads answers to it.\n", words.lines);
        let mail = Mail { key, to, subject: words.subject, text, at: self.store.now().0 };
        match mailer.send(mail).await.map_err(Error::from) {
            // An address that no server takes is nobody's fault here, and telling would tell who has an account.
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                tracing::warn!(?error, "a mail about an account was refused");
                Ok(())
            }
            sent => sent,
        }
    }
}

const IGNORE: &str = "If it was not you, do nothing: without the page nothing changes.";

fn sign_up_words(link: &str) -> Words {
    Words {
        subject: "Confirm your address".to_owned(),
        lines: format!(
            "Somebody, probably you, signs up with this address. To go on, open this page within a day:\n\n{link}\n\n{IGNORE}\n"
        ),
    }
}

fn known() -> Words {
    Words {
        subject: "You have an account already".to_owned(),
        lines: "Somebody, probably you, tried to sign up with this address. It has an account: sign in, or choose \
                another password if you forgot yours.\n"
            .to_owned(),
    }
}

fn verify(link: &str) -> Words {
    Words {
        subject: "Confirm your address".to_owned(),
        lines: format!("To show that this address is yours, open this page within a day:\n\n{link}\n\n{IGNORE}\n"),
    }
}

fn reset(link: &str) -> Words {
    Words {
        subject: "Choose another password".to_owned(),
        lines: format!(
            "Somebody, probably you, forgot the password of this address. To choose another, open this page within an hour:\n\n{link}\n\n{IGNORE}\n"
        ),
    }
}

fn leave(link: &str) -> Words {
    Words {
        subject: "Your account goes over to another address".to_owned(),
        lines: format!(
            "Somebody who knows your password wants your account to have another address. To agree, open this page \
             within a day, and the one that was sent to the new address:\n\n{link}\n\nIf it was not you, change your \
             password now: without this page the address stays.\n"
        ),
    }
}

fn take(link: &str) -> Words {
    Words {
        subject: "Confirm your new address".to_owned(),
        lines: format!(
            "Somebody, probably you, wants their account to have this address. To agree, open this page within a day, \
             and the one that was sent to the old address:\n\n{link}\n\n{IGNORE}\n"
        ),
    }
}

fn changed() -> Words {
    Words {
        subject: "Your password was changed".to_owned(),
        lines:
            "The password of your account was changed, and your other sessions have ended. If it was not you, choose \
                another password now by the page for those who forgot theirs, and tell your administrator.\n"
                .to_owned(),
    }
}

//! What the public is told, without signing in: who answers for the data, which rights there are, where to complain, who gets
//! data. And the settings behind it.

use async_graphql::{ComplexObject, Context, Enum, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission,
    privacy::{
        calendar,
        information::{self, Information, InformationChange, Of, Told},
        instructions,
        requests::{
            RequestKind, mailboxes,
            place::{self, PublicPlace},
        },
    },
};

use super::{
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    plugins::Recipient,
    privacy_requests::PrivacyRequestKind,
    purposes::{LegalBasis, Purpose},
    scalars::DateTime,
};

/// Which public holidays the agreement's business days leave out.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "calendar::Holidays")]
pub enum Holidays {
    /// Those of France.
    France,
    /// Those of France, and of Alsace and Moselle.
    AlsaceMoselle,
}

/// Somebody who answers for personal data, or whom to turn to.
#[derive(SimpleObject, Clone)]
pub struct PrivacyContact {
    /// The name.
    pub name: Option<String>,
    /// The postal address.
    pub postal_address: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The web address.
    pub url: Option<String>,
}

/// A right, and how it is used.
#[derive(SimpleObject, Clone)]
pub struct PrivacyRight {
    /// The right: the kind of request that uses it.
    pub kind: PrivacyRequestKind,
    /// The place in the regulation.
    pub article: String,
    /// How it is used here.
    pub how: String,
}

/// A purpose, as the public is told.
#[derive(SimpleObject, Clone)]
pub struct PublicPurpose {
    /// The purpose.
    pub purpose: Purpose,
    /// What it is.
    pub summary: String,
    /// What makes it lawful.
    pub legal_basis: LegalBasis,
    /// How long data is kept for it.
    pub retention: String,
}

/// Public information about the processing of personal data (GDPR art. 13 and 14).
#[derive(SimpleObject, Clone)]
pub struct PrivacyInfo {
    /// The controller: the customer.
    pub controller: PrivacyContact,
    /// The data protection officer, where there is one.
    pub data_protection_officer: Option<PrivacyContact>,
    /// The supervisory authority.
    pub authority: PrivacyContact,
    /// Where to complain, in a sentence.
    pub complaint_route: String,
    /// The customer's own privacy notice.
    pub notice_url: Option<String>,
    /// The rights, and how they are used here.
    pub rights: Vec<PrivacyRight>,
    /// What data is processed for, now.
    pub purposes: Vec<PublicPurpose>,
    /// Other parties that get data: the sub-processors.
    pub sub_processors: Vec<Recipient>,
    /// Within how many days an answer to a request is due, at the most.
    pub answer_within_days: i32,
}

/// A mailbox that people write to about their data.
#[derive(SimpleObject, Clone)]
pub struct PrivacyMailbox {
    /// The plugin through which it is fetched.
    pub plugin_id: String,
    /// When it was fetched at last.
    pub fetched_at: Option<DateTime>,
    /// Why it was not fetched since, if it was not: a code such as `UNAVAILABLE`.
    pub last_error: Option<String>,
}

/// What a workspace set about its data.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct PrivacySettings {
    /// The address for the workspace's privacy page: `privacyInfo` and `submitPrivacyRequest` take it.
    pub address: String,
    /// The controller's name; the workspace's where nobody said so.
    pub controller_name: String,
    /// The controller's postal address.
    pub controller_address: Option<String>,
    /// The controller's e-mail address.
    pub controller_email: Option<String>,
    /// The data protection officer's name.
    pub dpo_name: Option<String>,
    /// Where requests are forwarded to.
    pub dpo_email: Option<String>,
    /// The supervisory authority.
    pub authority_name: Option<String>,
    /// Where one complains to it.
    pub authority_url: Option<String>,
    /// The customer's own privacy notice.
    pub notice_url: Option<String>,
    /// Which public holidays the agreement's business days leave out.
    pub holidays: Holidays,
}

/// What is to change; what is left out stays, an empty text takes away.
#[derive(InputObject)]
pub struct ConfigurePrivacyInput {
    /// The controller's name.
    pub controller_name: Option<String>,
    /// The controller's postal address.
    pub controller_address: Option<String>,
    /// The controller's e-mail address.
    pub controller_email: Option<String>,
    /// The data protection officer's name.
    pub dpo_name: Option<String>,
    /// Where requests are forwarded to.
    pub dpo_email: Option<String>,
    /// The supervisory authority.
    pub authority_name: Option<String>,
    /// Where one complains to it: an address that starts with https.
    pub authority_url: Option<String>,
    /// The customer's own privacy notice: an address that starts with https.
    pub notice_url: Option<String>,
    /// Which public holidays the agreement's business days leave out.
    pub holidays: Option<Holidays>,
}

/// The settings, or why they were not changed.
#[derive(SimpleObject)]
pub struct PrivacySettingsPayload {
    /// The settings.
    pub privacy_settings: Option<PrivacySettings>,
    /// Why they were not changed.
    pub user_errors: Vec<UserError>,
}

/// Reading what the public is told.
#[derive(Default)]
pub struct PrivacyInfoQuery;

#[Object]
impl PrivacyInfoQuery {
    /// Who answers for personal data, which rights there are, where to complain, who gets data; without signing in. Null where
    /// the address is unknown.
    async fn privacy_info(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The privacy address of the workspace; left out by whoever is signed in.")] address: Option<
            String,
        >,
        #[graphql(desc = "Instead of the address: the publishable key of the page.", secret)] publishable_key: Option<
            String,
        >,
        #[graphql(desc = "ISO 639-1; en, fr, de and es are spoken.")] language: Option<String>,
    ) -> Result<Option<PrivacyInfo>> {
        let named = PublicPlace {
            address: address.as_deref(),
            publishable_key: publishable_key.as_deref(),
            origin: ctx.origin(),
        };
        let is_named = named.address.is_some() || named.publishable_key.is_some();
        let own = ctx.asking().filter(|_| !is_named);
        let of = own.as_ref().map_or(Of::Named(named), Of::Own);
        let told = look_up(information::tell(ctx.store(), &ctx.services().registry, of).await)?;
        Ok(told.map(|told| PrivacyInfo::of(told, language.as_deref().unwrap_or("en"))))
    }

    /// What the workspace set about its data, and its privacy address.
    async fn privacy_settings(&self, ctx: &Context<'_>) -> Result<PrivacySettings> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let address = place::of(&scope, ctx.store()).await.map_err(refuse)?;
        let information = information::get(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(PrivacySettings::of(address, information))
    }
}

#[ComplexObject]
impl PrivacySettings {
    /// The mailboxes that are looked into for requests.
    async fn mailboxes(&self, ctx: &Context<'_>) -> Result<Vec<PrivacyMailbox>> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let all = mailboxes::standings(&scope, ctx.store()).await.map_err(refuse)?.into_iter();
        let shown = all.map(|mailbox| PrivacyMailbox {
            plugin_id: mailbox.plugin,
            fetched_at: mailbox.fetched_at.map(DateTime::from),
            last_error: mailbox.last_error,
        });
        Ok(shown.collect())
    }
}

/// Changing what the public is told.
#[derive(Default)]
pub struct PrivacyInfoMutation;

#[Object]
impl PrivacyInfoMutation {
    /// Sets who answers for the workspace's data: it is public, and stands in every refusal.
    async fn configure_privacy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfigurePrivacyInput,
    ) -> Result<PrivacySettingsPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let change = InformationChange {
            controller_name: input.controller_name,
            controller_address: input.controller_address,
            controller_email: input.controller_email,
            dpo_name: input.dpo_name,
            dpo_email: input.dpo_email,
            authority_name: input.authority_name,
            authority_url: input.authority_url,
            notice_url: input.notice_url,
            holidays: input.holidays.map(Into::into),
        };
        let (information, user_errors) = split(information::configure(&scope, ctx.store(), change).await)?;
        let Some(information) = information else {
            return Ok(PrivacySettingsPayload { privacy_settings: None, user_errors });
        };
        let address = place::of(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(PrivacySettingsPayload { privacy_settings: Some(PrivacySettings::of(address, information)), user_errors })
    }
}

impl PrivacyInfo {
    fn of(told: Told, language: &str) -> Self {
        let i = told.information;
        let complaint_route = i.complaint_route(language);
        let dpo = PrivacyContact { name: i.dpo_name, postal_address: None, email: i.dpo_email, url: None };
        let has_dpo = dpo.name.is_some() || dpo.email.is_some();
        let is_outside = |role| role == consigne_sdk::ProcessorRole::SubProcessor;
        Self {
            controller: PrivacyContact {
                name: Some(i.controller_name),
                postal_address: i.controller_address,
                email: i.controller_email,
                url: None,
            },
            data_protection_officer: has_dpo.then_some(dpo),
            authority: PrivacyContact {
                name: i.authority_name,
                postal_address: None,
                email: None,
                url: i.authority_url,
            },
            complaint_route,
            notice_url: i.notice_url,
            rights: RequestKind::ALL.iter().filter_map(|kind| PrivacyRight::of(*kind)).collect(),
            purposes: told.purposes.into_iter().filter(|s| s.is_instructed).map(PublicPurpose::of).collect(),
            sub_processors: told.recipients.into_iter().filter(|r| is_outside(r.role)).map(Recipient::from).collect(),
            answer_within_days: 30,
        }
    }
}

impl PrivacyRight {
    fn of(kind: RequestKind) -> Option<Self> {
        let (article, how) = match kind {
            RequestKind::Access => ("GDPR art. 15", "Ask with `submitPrivacyRequest`, or write to the controller."),
            RequestKind::Rectification => {
                ("GDPR art. 16", "Ask with `submitPrivacyRequest`, or write to the controller.")
            }
            RequestKind::Erasure => {
                ("GDPR art. 17", "A visitor erases themselves at once with `eraseSubject`; others ask.")
            }
            RequestKind::Restriction => {
                ("GDPR art. 18", "Ask with `submitPrivacyRequest`, or write to the controller.")
            }
            RequestKind::Portability => {
                ("GDPR art. 20", "Ask with `submitPrivacyRequest`, or write to the controller.")
            }
            RequestKind::Objection => ("GDPR art. 21", "A visitor objects at once with `objectToPurpose`; others ask."),
            RequestKind::Withdrawal => {
                ("GDPR art. 7(3)", "A visitor withdraws at once with `withdrawConsent`; others ask.")
            }
            RequestKind::Other => return None,
        };
        Some(Self { kind: kind.into(), article: article.to_owned(), how: how.to_owned() })
    }
}

impl PublicPurpose {
    fn of(standing: instructions::Standing) -> Self {
        let purpose = standing.purpose;
        Self {
            purpose: purpose.into(),
            summary: purpose.summary().to_owned(),
            legal_basis: purpose.legal_basis().into(),
            retention: purpose.retention().summary().to_owned(),
        }
    }
}

impl PrivacySettings {
    fn of(address: String, i: Information) -> Self {
        Self {
            address,
            controller_name: i.controller_name,
            controller_address: i.controller_address,
            controller_email: i.controller_email,
            dpo_name: i.dpo_name,
            dpo_email: i.dpo_email,
            authority_name: i.authority_name,
            authority_url: i.authority_url,
            notice_url: i.notice_url,
            holidays: i.holidays.into(),
        }
    }
}

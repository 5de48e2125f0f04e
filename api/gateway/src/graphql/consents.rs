//! Consent and objection: what people say about the use of their data.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission,
    id::SubjectId,
    privacy::{
        consents::{self, Shown, Whose},
        objections,
    },
};

use super::{
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    purposes::Purpose,
    scalars::DateTime,
};

/// A text that people are asked to consent to.
#[derive(SimpleObject, Clone)]
pub struct ConsentText {
    /// For which purpose.
    pub purpose: Purpose,
    /// Counts the purpose's texts, from 1.
    pub version: i32,
    /// ISO 639-1.
    pub language: String,
    /// The text.
    pub text: String,
    /// SHA-256 of its UTF-8 bytes, in hexadecimal: hand it in with `giveConsent`.
    pub sha256: String,
    /// Since when.
    pub published_at: DateTime,
}

/// A consent (GDPR art. 7).
#[derive(SimpleObject, Clone)]
pub struct Consent {
    /// Its id.
    pub id: ID,
    /// The person, by surrogate id.
    pub subject_id: ID,
    /// To what.
    pub purpose: Purpose,
    /// To which version of the text.
    pub version: i32,
    /// SHA-256 of that text.
    pub sha256: String,
    /// When.
    pub given_at: DateTime,
    /// Who recorded it, by kind: `visitor` where the person did.
    pub given_by_kind: String,
    /// How staff knows, where staff recorded it.
    pub evidence: Option<String>,
    /// When it was withdrawn; null while it stands.
    pub withdrawn_at: Option<DateTime>,
    /// Who recorded that, by kind.
    pub withdrawn_by_kind: Option<String>,
}

/// An objection (GDPR art. 21).
#[derive(SimpleObject, Clone)]
pub struct Objection {
    /// The person, by surrogate id.
    pub subject_id: ID,
    /// To what.
    pub purpose: Purpose,
    /// Whether it stands; else it was taken back.
    pub is_standing: bool,
    /// How staff knows, where staff recorded it.
    pub evidence: Option<String>,
    /// Who recorded it, by kind: `visitor` where the person did.
    pub recorded_by_kind: String,
    /// When.
    pub recorded_at: DateTime,
}

/// A text to be published.
#[derive(InputObject)]
pub struct PublishConsentTextInput {
    /// For which purpose; one that rests on consent.
    pub purpose: Purpose,
    /// ISO 639-1.
    pub language: String,
    /// The text, 10 to 10,000 characters.
    pub text: String,
}

/// What somebody consents to.
#[derive(InputObject)]
pub struct GiveConsentInput {
    /// The purpose.
    pub purpose: Purpose,
    /// The version of the text that was shown.
    pub version: i32,
    /// SHA-256 of the text that was shown, as `consentText` says it.
    pub sha256: String,
    /// The person, where staff records it; a visitor leaves it out.
    pub subject_id: Option<ID>,
    /// How staff knows, such as where the signed paper is; a visitor leaves it out.
    #[graphql(secret)]
    pub evidence: Option<String>,
}

/// Whose consent is withdrawn, and to what.
#[derive(InputObject)]
pub struct WithdrawConsentInput {
    /// The purpose.
    pub purpose: Purpose,
    /// The person, where staff records it; a visitor leaves it out.
    pub subject_id: Option<ID>,
    /// How staff knows; a visitor leaves it out.
    #[graphql(secret)]
    pub evidence: Option<String>,
}

/// Who objects, and to what.
#[derive(InputObject)]
pub struct ObjectToPurposeInput {
    /// The purpose.
    pub purpose: Purpose,
    /// The person, where staff records it; a visitor leaves it out.
    pub subject_id: Option<ID>,
    /// How staff knows; a visitor leaves it out.
    #[graphql(secret)]
    pub evidence: Option<String>,
}

/// The text, or why it was not published.
#[derive(SimpleObject)]
pub struct ConsentTextPayload {
    /// The text.
    pub consent_text: Option<ConsentText>,
    /// Why it was not published.
    pub user_errors: Vec<UserError>,
}

/// The consent, or why it was not recorded.
#[derive(SimpleObject)]
pub struct ConsentPayload {
    /// The consent; null also where there was none to withdraw.
    pub consent: Option<Consent>,
    /// Why it was not recorded.
    pub user_errors: Vec<UserError>,
}

/// The objection, or why it was not recorded.
#[derive(SimpleObject)]
pub struct ObjectionPayload {
    /// The objection.
    pub objection: Option<Objection>,
    /// Why it was not recorded.
    pub user_errors: Vec<UserError>,
}

/// Reading consents and objections.
#[derive(Default)]
pub struct ConsentQuery;

#[Object]
impl ConsentQuery {
    /// The text that people are asked to consent to: the newest in this language, or else the newest. Null where there is none.
    async fn consent_text(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "For which purpose.")] purpose: Purpose,
        #[graphql(desc = "ISO 639-1.")] language: Option<String>,
    ) -> Result<Option<ConsentText>> {
        let scope = ctx.somebody()?;
        let found = consents::text(&scope, ctx.store(), purpose.into(), language.as_deref()).await;
        Ok(found.map_err(refuse)?.map(ConsentText::from))
    }

    /// A person's consents, newest first; a visitor's own where nobody is named. Null where the person is unknown.
    async fn consents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] subject_id: Option<ID>,
    ) -> Result<Option<Vec<Consent>>> {
        let (scope, subject) = whom(ctx, subject_id)?;
        let all = look_up(consents::of(&scope, ctx.store(), subject).await)?;
        Ok(all.map(|all| all.into_iter().map(Consent::from).collect()))
    }

    /// A person's objections; a visitor's own where nobody is named. Null where the person is unknown.
    async fn objections(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] subject_id: Option<ID>,
    ) -> Result<Option<Vec<Objection>>> {
        let (scope, subject) = whom(ctx, subject_id)?;
        let all = look_up(objections::of(&scope, ctx.store(), subject).await)?;
        Ok(all.map(|all| all.into_iter().map(Objection::from).collect()))
    }
}

/// Consenting and objecting.
#[derive(Default)]
pub struct ConsentMutation;

#[Object]
impl ConsentMutation {
    /// Publishes the next version of a text that people are asked to consent to.
    async fn publish_consent_text(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: PublishConsentTextInput,
    ) -> Result<ConsentTextPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let published =
            consents::publish(&scope, ctx.store(), input.purpose.into(), &input.language, &input.text).await;
        let (text, user_errors) = split(published)?;
        Ok(ConsentTextPayload { consent_text: text.map(ConsentText::from), user_errors })
    }

    /// Records a consent: a visitor's own, or one that staff has evidence of.
    async fn give_consent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: GiveConsentInput,
    ) -> Result<ConsentPayload> {
        let scope = ctx.somebody()?;
        let shown = Shown { version: input.version.into(), sha256: &input.sha256 };
        let named = Named::of(input.subject_id.as_ref(), input.evidence.as_deref());
        let given = consents::give(&scope, ctx.store(), input.purpose.into(), shown, named.whose()).await;
        let (consent, user_errors) = split(given)?;
        Ok(ConsentPayload { consent: consent.map(Consent::from), user_errors })
    }

    /// Withdraws a consent. What rested on it stops at once.
    async fn withdraw_consent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: WithdrawConsentInput,
    ) -> Result<ConsentPayload> {
        let scope = ctx.somebody()?;
        let named = Named::of(input.subject_id.as_ref(), input.evidence.as_deref());
        let withdrawn = consents::withdraw(&scope, ctx.store(), input.purpose.into(), named.whose()).await;
        let (consent, user_errors) = split(withdrawn)?;
        Ok(ConsentPayload { consent: consent.flatten().map(Consent::from), user_errors })
    }

    /// Records an objection to a purpose: nothing more is done for it about this person, from the next call on.
    async fn object_to_purpose(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ObjectToPurposeInput,
    ) -> Result<ObjectionPayload> {
        ObjectionPayload::record(ctx, input, true).await
    }

    /// Takes an objection back.
    async fn take_back_objection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ObjectToPurposeInput,
    ) -> Result<ObjectionPayload> {
        ObjectionPayload::record(ctx, input, false).await
    }
}

impl ObjectionPayload {
    async fn record(ctx: &Context<'_>, input: ObjectToPurposeInput, stands: bool) -> Result<Self> {
        let scope = ctx.somebody()?;
        let named = Named::of(input.subject_id.as_ref(), input.evidence.as_deref());
        let privacy = &ctx.services().privacy;
        let recorded = objections::record(&scope, privacy, input.purpose.into(), stands, named.whose()).await;
        let (objection, user_errors) = split(recorded)?;
        Ok(Self { objection: objection.map(Objection::from), user_errors })
    }
}

/// A person who was named, and what is known about their word.
struct Named<'a> {
    subject: Option<SubjectId>,
    evidence: &'a str,
}

impl<'a> Named<'a> {
    fn of(id: Option<&ID>, evidence: Option<&'a str>) -> Self {
        Self { subject: id.map(|id| SubjectId::parse_or_unknown(id)), evidence: evidence.unwrap_or_default() }
    }

    fn whose(&self) -> Whose<'a> {
        self.subject.map_or(Whose::Own, |subject| Whose::Of(subject, self.evidence))
    }
}

/// The scope, and the person who is named or who asks.
fn whom(ctx: &Context<'_>, id: Option<ID>) -> Result<(consigne_foundation::Scope, SubjectId)> {
    let scope = ctx.somebody()?;
    let own = scope.subject();
    if own.is_none() {
        scope.require(Permission::PrivacyRead).map_err(refuse)?;
    }
    let named = id.map(|id| SubjectId::parse_or_unknown(&id));
    // Somebody else's are unknown to a visitor.
    let subject = match (named, own) {
        (Some(named), Some(own)) if named != own => SubjectId::parse_or_unknown(""),
        (named, own) => named.or(own).unwrap_or(SubjectId::parse_or_unknown("")),
    };
    Ok((scope, subject))
}

impl From<consents::ConsentText> for ConsentText {
    fn from(t: consents::ConsentText) -> Self {
        Self {
            purpose: t.purpose.into(),
            version: i32::try_from(t.version).unwrap_or(i32::MAX),
            language: t.language,
            text: t.text,
            sha256: t.sha256,
            published_at: t.published_at.into(),
        }
    }
}

impl From<consents::Consent> for Consent {
    fn from(c: consents::Consent) -> Self {
        Self {
            id: c.id.to_string().into(),
            subject_id: c.subject.to_string().into(),
            purpose: c.purpose.into(),
            version: i32::try_from(c.version).unwrap_or(i32::MAX),
            sha256: c.sha256,
            given_at: c.given_at.into(),
            given_by_kind: c.given_by_kind,
            evidence: c.evidence,
            withdrawn_at: c.withdrawn_at.map(DateTime::from),
            withdrawn_by_kind: c.withdrawn_by_kind,
        }
    }
}

impl From<objections::Objection> for Objection {
    fn from(o: objections::Objection) -> Self {
        Self {
            subject_id: o.subject.to_string().into(),
            purpose: o.purpose.into(),
            is_standing: o.stands,
            evidence: o.reason,
            recorded_by_kind: o.recorded_by_kind,
            recorded_at: o.recorded_at.into(),
        }
    }
}

//! Requests of people about their data: the public form, the identity check, the inbox of the data protection officer.

mod types;

use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission,
    id::{PrivacyRequestId, SubjectId},
    privacy::requests::{
        self, RequestSource, identity_check, open_dsr,
        place::PublicPlace,
        receive::{self, Asked, Recorded},
        serve,
    },
    scope::Actor,
};
use serde_json::Value;

pub use self::types::{
    IdentityProof, PrivacyAlarm, PrivacyRequest, PrivacyRequestConnection, PrivacyRequestEdge, PrivacyRequestKind,
    PrivacyRequestSource, PrivacyRequestState, RefusalGround,
};
use super::{
    connection::Page,
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    scalars::DateTime,
};

/// A request from the public.
#[derive(InputObject)]
pub struct SubmitPrivacyRequestInput {
    /// The privacy address of the workspace; a visitor with a token leaves it out.
    pub address: Option<String>,
    /// Instead of the address: the publishable key of the page.
    #[graphql(secret)]
    pub publishable_key: Option<String>,
    /// Which right.
    pub kind: PrivacyRequestKind,
    /// Where to answer. A code goes there, which says that it is yours.
    #[graphql(secret)]
    pub email: Option<String>,
    /// In your own words; at most 5,000 characters.
    #[graphql(secret)]
    pub message: Option<String>,
    /// ISO 639-1; answers go out in it where the product speaks it (en, fr, de, es).
    pub language: Option<String>,
}

/// What is answered to a request, whoever sent it: the same for an address that is known and for one that is not.
#[derive(SimpleObject)]
pub struct SubmitPrivacyRequestPayload {
    /// Names the request; `verifyPrivacyRequest` takes it with the code.
    pub reference: Option<String>,
    /// When it was received.
    pub received_at: Option<DateTime>,
    /// Until when an answer is due.
    pub due_at: Option<DateTime>,
    /// Why it was not taken.
    pub user_errors: Vec<UserError>,
}

/// A code that came back.
#[derive(InputObject)]
pub struct VerifyPrivacyRequestInput {
    /// The reference of the request.
    pub reference: String,
    /// The code from the mail.
    #[graphql(secret)]
    pub code: String,
}

/// A way to one's rights, or why there is none.
#[derive(SimpleObject)]
pub struct VerifyPrivacyRequestPayload {
    /// For the `Authorization` header, after `Bearer`; opens this person's rights and nothing else, for half an hour.
    pub rights_token: Option<String>,
    /// When it ends.
    pub expires_at: Option<DateTime>,
    /// The request.
    pub request_id: Option<ID>,
    /// The person, by surrogate id: what an erasure takes.
    pub subject_id: Option<ID>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// For which request another code is wanted.
#[derive(InputObject)]
pub struct SendPrivacyCodeInput {
    /// The reference of the request.
    pub reference: String,
}

/// The same answer whatever the reference is.
#[derive(SimpleObject)]
pub struct SendPrivacyCodePayload {
    /// Always true: where the request is open and its address known, a code is on its way.
    pub is_taken: bool,
    /// Why it was not taken.
    pub user_errors: Vec<UserError>,
}

/// A request that came another way.
#[derive(InputObject)]
pub struct RecordPrivacyRequestInput {
    /// Which right.
    pub kind: PrivacyRequestKind,
    /// How it came: `MAIL` or `STAFF`.
    pub source: PrivacyRequestSource,
    /// Where to answer; a code goes there.
    #[graphql(secret)]
    pub email: Option<String>,
    /// What was asked.
    #[graphql(secret)]
    pub message: Option<String>,
    /// ISO 639-1.
    pub language: Option<String>,
    /// When it was first received, by whomever; now where left out. All periods count from here.
    pub received_at: Option<DateTime>,
    /// The person, where it is known whom it is about.
    pub subject_id: Option<ID>,
    /// An id of yours, such as a mail's; the same again answers with the same request.
    pub external_id: Option<String>,
}

/// A request of another system.
#[derive(InputObject)]
pub struct ImportPrivacyRequestInput {
    /// The request in the JSON of OpenDSR 3.0.
    #[graphql(secret)]
    pub request: Json<Value>,
}

/// Which request.
#[derive(InputObject)]
pub struct PrivacyRequestInput {
    /// The request.
    pub privacy_request_id: ID,
}

/// A request, and how it is known who asks.
#[derive(InputObject)]
pub struct ConfirmIdentityInput {
    /// The request.
    pub privacy_request_id: ID,
    /// How you know, such as the identity card that you saw.
    #[graphql(secret)]
    pub evidence: String,
}

/// A request, and whose data it is about.
#[derive(InputObject)]
pub struct LinkPrivacyRequestInput {
    /// The request.
    pub privacy_request_id: ID,
    /// The person.
    pub subject_id: ID,
}

/// A request, and words for the person.
#[derive(InputObject)]
pub struct AnswerPrivacyRequestInput {
    /// The request.
    pub privacy_request_id: ID,
    /// What the person is told, in 10 to 5,000 characters; where to complain is added.
    #[graphql(secret)]
    pub words: String,
}

/// A request that is refused.
#[derive(InputObject)]
pub struct RefusePrivacyRequestInput {
    /// The request.
    pub privacy_request_id: ID,
    /// Why.
    pub ground: RefusalGround,
    /// What the person is told, in 10 to 5,000 characters; where to complain is added.
    #[graphql(secret)]
    pub words: String,
}

/// The request, or why nothing was done.
#[derive(SimpleObject)]
pub struct PrivacyRequestPayload {
    /// The request.
    pub privacy_request: Option<PrivacyRequest>,
    /// Why nothing was done.
    pub user_errors: Vec<UserError>,
}

/// Reading requests.
#[derive(Default)]
pub struct PrivacyRequestQuery;

#[Object]
impl PrivacyRequestQuery {
    /// The inbox of the data protection officer: requests, newest first.
    async fn privacy_requests(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Open ones alone; true where left out.")] only_open: Option<bool>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<PrivacyRequestConnection> {
        let (scope, page) = (ctx.scope(Permission::PrivacyRead)?, Page::of(first)?);
        let (store, only_open) = (ctx.store(), only_open.unwrap_or(true));
        let after = after.map(|cursor| PrivacyRequestId::parse_or_unknown(&cursor));
        let rows = requests::list(&scope, store, only_open, after, page.limit()).await.map_err(refuse)?;
        let total = requests::count(&scope, store, only_open).await.map_err(refuse)?;
        Ok(PrivacyRequestConnection::new(&page, rows.into_iter().map(PrivacyRequest::from).collect(), total))
    }

    /// A request: for the data protection officer, and for whoever made it. Null where it is unknown.
    async fn privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The request.")] id: ID,
    ) -> Result<Option<PrivacyRequest>> {
        let scope = ctx.somebody()?;
        let found = requests::get(&scope, ctx.store(), PrivacyRequestId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(PrivacyRequest::from))
    }
}

/// Making and serving requests.
#[derive(Default)]
pub struct PrivacyRequestMutation;

#[Object]
impl PrivacyRequestMutation {
    /// Takes a request about personal data, without signing in. The answer is the same whether the address is known or not.
    async fn submit_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SubmitPrivacyRequestInput,
    ) -> Result<SubmitPrivacyRequestPayload> {
        let asked = Asked {
            kind: input.kind.into(),
            email: input.email.as_deref(),
            message: input.message.as_deref(),
            language: input.language.as_deref(),
        };
        let visitor = ctx.asking().filter(|scope| matches!(scope.actor(), Actor::Visitor { .. }));
        let taken = match visitor {
            Some(scope) => receive::from_visitor(&scope, ctx.store(), asked).await,
            None => {
                let named = PublicPlace {
                    address: input.address.as_deref(),
                    publishable_key: input.publishable_key.as_deref(),
                    origin: ctx.origin(),
                };
                receive::from_public(ctx.store(), named, asked).await
            }
        };
        let (receipt, user_errors) = split(taken)?;
        Ok(SubmitPrivacyRequestPayload {
            reference: receipt.as_ref().map(|receipt| receipt.reference.clone()),
            received_at: receipt.as_ref().map(|receipt| receipt.received_at.into()),
            due_at: receipt.map(|receipt| receipt.due_at.into()),
            user_errors,
        })
    }

    /// Takes the code back that was sent to the address of a request. The right one opens that person's rights.
    async fn verify_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: VerifyPrivacyRequestInput,
    ) -> Result<VerifyPrivacyRequestPayload> {
        let (session, user_errors) = split(identity_check::verify(ctx.store(), &input.reference, &input.code).await)?;
        Ok(VerifyPrivacyRequestPayload {
            rights_token: session.as_ref().map(|session| session.token.expose().to_owned()),
            expires_at: session.as_ref().map(|session| session.expires_at.into()),
            request_id: session.as_ref().map(|session| session.request.to_string().into()),
            subject_id: session.map(|session| session.subject.to_string().into()),
            user_errors,
        })
    }

    /// Sends another code, at most three in an hour. The answer is the same whatever the reference is.
    async fn send_privacy_code(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SendPrivacyCodeInput,
    ) -> Result<SendPrivacyCodePayload> {
        let (taken, user_errors) = split(identity_check::send_again(ctx.store(), &input.reference).await)?;
        Ok(SendPrivacyCodePayload { is_taken: taken.is_some(), user_errors })
    }

    /// Records a request that came by mail, by letter, by telephone or in person. A mail server hands requests in here too,
    /// with an API key.
    async fn record_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RecordPrivacyRequestInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let asked = Asked {
            kind: input.kind.into(),
            email: input.email.as_deref(),
            message: input.message.as_deref(),
            language: input.language.as_deref(),
        };
        let source = match input.source {
            PrivacyRequestSource::Mail => RequestSource::Mail,
            _ => RequestSource::Staff,
        };
        let recorded = Recorded {
            asked,
            source,
            received_at: input.received_at.map(Into::into),
            concerns: input.subject_id.map(|id| SubjectId::parse_or_unknown(&id)),
            external_id: input.external_id.as_deref(),
        };
        PrivacyRequestPayload::of(receive::record(&scope, ctx.store(), recorded).await)
    }

    /// Takes a request in from another system, as OpenDSR writes it.
    async fn import_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ImportPrivacyRequestInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        PrivacyRequestPayload::of(open_dsr::take_in(&scope, ctx.store(), input.request.0).await)
    }

    /// Takes a request: the controller has it now.
    async fn take_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: PrivacyRequestInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        PrivacyRequestPayload::of(serve::take(&scope, ctx.store(), input.request()).await)
    }

    /// Says that it is known who asks, and how: what no code could prove.
    async fn confirm_identity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfirmIdentityInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let id = PrivacyRequestId::parse_or_unknown(&input.privacy_request_id);
        PrivacyRequestPayload::of(identity_check::confirm(&scope, ctx.store(), id, &input.evidence).await)
    }

    /// Says whose data a request is about. Its token opens that person's rights from then on.
    async fn link_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: LinkPrivacyRequestInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let id = PrivacyRequestId::parse_or_unknown(&input.privacy_request_id);
        let person = SubjectId::parse_or_unknown(&input.subject_id);
        PrivacyRequestPayload::of(serve::link(&scope, ctx.store(), id, person).await)
    }

    /// Extends the period by two further months (GDPR art. 12(3)): once, before it ends; the person is told why.
    async fn extend_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AnswerPrivacyRequestInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let id = PrivacyRequestId::parse_or_unknown(&input.privacy_request_id);
        PrivacyRequestPayload::of(serve::extend(&scope, ctx.store(), id, &input.words).await)
    }

    /// Closes a request as served. Refused while it is not known who asks.
    async fn fulfil_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AnswerPrivacyRequestInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let id = PrivacyRequestId::parse_or_unknown(&input.privacy_request_id);
        PrivacyRequestPayload::of(serve::fulfil(&scope, ctx.store(), id, &input.words).await)
    }

    /// Refuses a request, with a ground, with words for the person, and with where to complain.
    async fn refuse_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RefusePrivacyRequestInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let id = PrivacyRequestId::parse_or_unknown(&input.privacy_request_id);
        PrivacyRequestPayload::of(serve::refuse(&scope, ctx.store(), id, input.ground.into(), &input.words).await)
    }

    /// Takes a request back: whoever made it, by their token.
    async fn withdraw_privacy_request(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: PrivacyRequestInput,
    ) -> Result<PrivacyRequestPayload> {
        let scope = ctx.somebody()?;
        PrivacyRequestPayload::of(serve::withdraw(&scope, ctx.store(), input.request()).await)
    }
}

impl PrivacyRequestInput {
    fn request(&self) -> PrivacyRequestId {
        PrivacyRequestId::parse_or_unknown(&self.privacy_request_id)
    }
}

impl PrivacyRequestPayload {
    fn of(result: consigne_foundation::Result<requests::PrivacyRequest>) -> Result<Self> {
        let (request, user_errors) = split(result)?;
        Ok(Self { privacy_request: request.map(PrivacyRequest::from), user_errors })
    }
}

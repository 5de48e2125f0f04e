//! People's rights over what is held about them: copies (GDPR art. 15 and 20), rectification (art. 16), restriction (art. 18).
//! Erasure is in `privacy`.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_assistant::chats::{self, rectify};
use consigne_foundation::{
    Permission,
    id::{AnswerId, DataExportId, MessageId, NoteId, SubjectId},
    privacy::{exports, restriction},
};

use super::{
    chats::{Answer, Message},
    context::ContextExt,
    error::{UserError, look_up, split},
    scalars::DateTime,
};

/// What a copy holds.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "exports::ExportKind")]
pub enum DataExportKind {
    /// Everything, with purposes, legal bases, recipients, sources and retention (GDPR art. 15): a ZIP archive of JSON and HTML.
    Access,
    /// What the person provided (art. 20): one JSON document, whose schema is at `/schemas/portability-1.json`.
    Portability,
}

/// Where a copy stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "exports::ExportState")]
pub enum DataExportState {
    /// Being made.
    Pending,
    /// Can be fetched.
    Ready,
    /// Gone, 72 hours after it was made.
    Expired,
}

/// A copy of what is held about a person, made for them and sealed under their own key.
#[derive(SimpleObject, Clone)]
pub struct DataExport {
    /// Its id.
    pub id: ID,
    /// The person.
    pub subject_id: ID,
    /// What it holds.
    pub kind: DataExportKind,
    /// Where it stands.
    pub state: DataExportState,
    /// Asked for at.
    pub requested_at: DateTime,
    /// Made at.
    pub ready_at: Option<DateTime>,
    /// Gone from.
    pub expires_at: Option<DateTime>,
    /// Fetched at, the last time.
    pub fetched_at: Option<DateTime>,
    /// Its size.
    pub bytes: Option<i32>,
}

/// Why processing is restricted: the letters of GDPR art. 18(1).
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "restriction::Ground")]
pub enum RestrictionGround {
    /// (a) The person contests that the data is accurate.
    AccuracyContested,
    /// (b) The processing is unlawful, and the person does not want erasure.
    Unlawful,
    /// (c) Nobody but the person needs the data, for legal claims.
    NeededForClaims,
    /// (d) The person objected, and it is being looked at whose grounds weigh more.
    ObjectionPending,
}

/// How a person was told that a restriction will be lifted.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "restriction::NoticeMeans")]
pub enum NoticeMeans {
    /// By e-mail.
    Email,
    /// By letter.
    Letter,
    /// By telephone.
    Phone,
    /// In person, or another way.
    Other,
}

/// A restriction of the processing of a person's data: it is stored, and nothing else.
#[derive(SimpleObject, Clone)]
pub struct Restriction {
    /// Its id.
    pub id: ID,
    /// The person.
    pub subject_id: ID,
    /// Why.
    pub ground: RestrictionGround,
    /// Since when.
    pub restricted_at: DateTime,
    /// When the person was told that it will be lifted.
    pub noticed_at: Option<DateTime>,
    /// How.
    pub notice_means: Option<NoticeMeans>,
    /// Until when; null while it stands.
    pub lifted_at: Option<DateTime>,
}

/// Whose copy.
#[derive(InputObject)]
pub struct RequestExportInput {
    /// The person; oneself where left out.
    pub subject_id: Option<ID>,
    /// Made by the client; the same key again answers with the same copy.
    pub idempotency_key: String,
}

/// The copy, or why none is made.
#[derive(SimpleObject)]
pub struct DataExportPayload {
    /// The copy.
    pub export: Option<DataExport>,
    /// Why none is made.
    pub user_errors: Vec<UserError>,
}

/// Which copy.
#[derive(InputObject)]
pub struct CreateExportLinkInput {
    /// The copy.
    pub export_id: ID,
}

/// A link, or why there is none.
#[derive(SimpleObject)]
pub struct CreateExportLinkPayload {
    /// Where the file is fetched, once, by a `GET` without a token. Whoever has the link has the file: show it to the person
    /// alone.
    pub url: Option<String>,
    /// Until when.
    pub expires_at: Option<DateTime>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// What a message should have said.
#[derive(InputObject)]
pub struct RectifyMessageInput {
    /// The message.
    pub message_id: ID,
    /// What is right; at most 10,000 characters.
    #[graphql(secret)]
    pub text: String,
}

/// The message, or why it was not changed.
#[derive(SimpleObject)]
pub struct RectifyMessagePayload {
    /// The message as it is now; null for those who may not read it.
    pub message: Option<Message>,
    /// Whether it is put right.
    pub is_rectified: bool,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// What an answer should have said.
#[derive(InputObject)]
pub struct RectifyAnswerInput {
    /// The answer.
    pub answer_id: ID,
    /// What is right; at most 10,000 characters.
    #[graphql(secret)]
    pub text: String,
}

/// The answer, or why it was not changed.
#[derive(SimpleObject)]
pub struct RectifyAnswerPayload {
    /// The answer as it is now; null for those who may not read it.
    pub answer: Option<Answer>,
    /// Whether it is put right.
    pub is_rectified: bool,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// What a note should have said.
#[derive(InputObject)]
pub struct RectifyNoteInput {
    /// The note.
    pub note_id: ID,
    /// What is right; at most 10,000 characters.
    #[graphql(secret)]
    pub text: String,
}

/// Whether the note was put right, or why not.
#[derive(SimpleObject)]
pub struct RectifyNotePayload {
    /// Whether it is put right.
    pub is_rectified: bool,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// Whose data to restrict, and why.
#[derive(InputObject)]
pub struct RestrictProcessingInput {
    /// The person.
    pub subject_id: ID,
    /// Why.
    pub ground: RestrictionGround,
}

/// How and when a person was told.
#[derive(InputObject)]
pub struct RecordLiftingNoticeInput {
    /// The person.
    pub subject_id: ID,
    /// How.
    pub means: NoticeMeans,
    /// When.
    pub noticed_at: DateTime,
}

/// Whose restriction to lift.
#[derive(InputObject)]
pub struct LiftRestrictionInput {
    /// The person.
    pub subject_id: ID,
}

/// The restriction, or why nothing was changed.
#[derive(SimpleObject)]
pub struct RestrictionPayload {
    /// The restriction.
    pub restriction: Option<Restriction>,
    /// Why nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// Looking at copies.
#[derive(Default)]
pub struct RightsQuery;

#[Object]
impl RightsQuery {
    /// A copy of what is held: one's own, or anybody's for who may see persons; null where it is unknown.
    async fn data_export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The copy.")] id: ID,
    ) -> Result<Option<DataExport>> {
        let scope = ctx.somebody()?;
        let found = exports::get(&scope, &ctx.services().privacy, DataExportId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(DataExport::from))
    }
}

/// Using rights: by the person, or by who serves rights.
#[derive(Default)]
pub struct RightsMutation;

#[Object]
impl RightsMutation {
    /// Asks for a copy of everything that is held about a person (GDPR art. 15). It is made in the background.
    async fn request_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RequestExportInput,
    ) -> Result<DataExportPayload> {
        DataExportPayload::request(ctx, input, exports::ExportKind::Access).await
    }

    /// Asks for what a person provided, in a format for other programs (GDPR art. 20). It is made in the background.
    async fn request_portability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RequestExportInput,
    ) -> Result<DataExportPayload> {
        DataExportPayload::request(ctx, input, exports::ExportKind::Portability).await
    }

    /// Makes a link that opens a copy once; an earlier one that was not used is void.
    async fn create_export_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateExportLinkInput,
    ) -> Result<CreateExportLinkPayload> {
        let scope = ctx.somebody()?;
        let services = ctx.services();
        let id = DataExportId::parse_or_unknown(&input.export_id);
        let (link, user_errors) = split(exports::link(&scope, &services.privacy, id).await)?;
        let expires_at = link.as_ref().map(|link| link.expires_at.into());
        let url = link.map(|link| format!("{}/exports/{}", services.public_url, link.token.expose()));
        Ok(CreateExportLinkPayload { url, expires_at, user_errors })
    }

    /// Puts a message right (GDPR art. 16): a visitor's own, or any for who serves rights. The old words are gone, who listens
    /// hears of it, and channels that got the old words get the new ones.
    async fn rectify_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RectifyMessageInput,
    ) -> Result<RectifyMessagePayload> {
        let scope = ctx.somebody()?;
        let id = MessageId::parse_or_unknown(&input.message_id);
        let (done, user_errors) = split(rectify::message(&scope, ctx.store(), id, &input.text).await)?;
        let message = match done {
            Some(()) => chats::message(&scope, ctx.store(), id).await.ok().map(Message::from),
            None => None,
        };
        Ok(RectifyMessagePayload { message, is_rectified: done.is_some(), user_errors })
    }

    /// Puts right what an assistant said of a person (GDPR art. 16), for who serves rights. The old words are gone, who listens
    /// hears of it, and channels that got the old words get the new ones.
    async fn rectify_answer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RectifyAnswerInput,
    ) -> Result<RectifyAnswerPayload> {
        let scope = ctx.scope(Permission::RightsServe)?;
        let id = AnswerId::parse_or_unknown(&input.answer_id);
        let (done, user_errors) = split(rectify::answer(&scope, ctx.store(), id, &input.text).await)?;
        let answer = match done {
            Some(()) => chats::get_answer(&scope, ctx.store(), id).await.ok().map(Answer::from),
            None => None,
        };
        Ok(RectifyAnswerPayload { answer, is_rectified: done.is_some(), user_errors })
    }

    /// Puts right what staff noted about a visitor (GDPR art. 16). The old words are gone.
    async fn rectify_note(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RectifyNoteInput,
    ) -> Result<RectifyNotePayload> {
        let scope = ctx.scope(Permission::RightsServe)?;
        let id = NoteId::parse_or_unknown(&input.note_id);
        let (done, user_errors) = split(rectify::note(&scope, ctx.store(), id, &input.text).await)?;
        Ok(RectifyNotePayload { is_rectified: done.is_some(), user_errors })
    }

    /// Restricts the processing of a person's data (GDPR art. 18): it is stored, and nothing else, which the database enforces. A
    /// copy can still be made, what is wrong can be put right, and erasure goes on.
    async fn restrict_processing(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RestrictProcessingInput,
    ) -> Result<RestrictionPayload> {
        let scope = ctx.somebody()?;
        let subject = SubjectId::parse_or_unknown(&input.subject_id);
        let privacy = &ctx.services().privacy;
        RestrictionPayload::of(restriction::restrict(&scope, privacy, subject, input.ground.into()).await)
    }

    /// Records that the person was told that a restriction will be lifted. Without it nobody but the person lifts it.
    async fn record_lifting_notice(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RecordLiftingNoticeInput,
    ) -> Result<RestrictionPayload> {
        let scope = ctx.scope(Permission::RightsServe)?;
        let subject = SubjectId::parse_or_unknown(&input.subject_id);
        let privacy = &ctx.services().privacy;
        let (means, at) = (input.means.into(), input.noticed_at.into());
        RestrictionPayload::of(restriction::record_notice(&scope, privacy, subject, means, at).await)
    }

    /// Lifts a restriction: the person's own at once, another's once the person was told.
    async fn lift_restriction(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: LiftRestrictionInput,
    ) -> Result<RestrictionPayload> {
        let scope = ctx.somebody()?;
        let subject = SubjectId::parse_or_unknown(&input.subject_id);
        RestrictionPayload::of(restriction::lift(&scope, &ctx.services().privacy, subject).await)
    }
}

impl DataExportPayload {
    async fn request(ctx: &Context<'_>, input: RequestExportInput, kind: exports::ExportKind) -> Result<Self> {
        let scope = ctx.somebody()?;
        let subject = input.subject_id.as_ref().map(|id| SubjectId::parse_or_unknown(id));
        let privacy = &ctx.services().privacy;
        let (export, user_errors) =
            split(exports::request(&scope, privacy, subject, kind, &input.idempotency_key).await)?;
        Ok(Self { export: export.map(DataExport::from), user_errors })
    }
}

impl RestrictionPayload {
    fn of(result: consigne_foundation::Result<restriction::Restriction>) -> Result<Self> {
        let (restriction, user_errors) = split(result)?;
        Ok(Self { restriction: restriction.map(Restriction::from), user_errors })
    }
}

impl From<exports::DataExport> for DataExport {
    fn from(e: exports::DataExport) -> Self {
        Self {
            id: e.id.to_string().into(),
            subject_id: e.subject.to_string().into(),
            kind: e.kind.into(),
            state: e.state.into(),
            requested_at: e.requested_at.into(),
            ready_at: e.ready_at.map(DateTime::from),
            expires_at: e.expires_at.map(DateTime::from),
            fetched_at: e.fetched_at.map(DateTime::from),
            bytes: e.bytes.map(|bytes| i32::try_from(bytes).unwrap_or(i32::MAX)),
        }
    }
}

impl From<restriction::Restriction> for Restriction {
    fn from(r: restriction::Restriction) -> Self {
        Self {
            id: r.id.to_string().into(),
            subject_id: r.subject.to_string().into(),
            ground: r.ground.into(),
            restricted_at: r.restricted_at.into(),
            noticed_at: r.noticed_at.map(DateTime::from),
            notice_means: r.notice_means.map(NoticeMeans::from),
            lifted_at: r.lifted_at.map(DateTime::from),
        }
    }
}

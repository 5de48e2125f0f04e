//! Persons, as the workspace holds data about them: what they are known by, what is held, who is one with whom.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission,
    id::{AccountId, IdentifierId, MergeId, SubjectId, VisitorId},
    privacy::{holding, identifiers, merges, persons, recipients, register},
};

use super::{
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    rights::{DataExport, Restriction},
    scalars::DateTime,
};

/// What a person is to the workspace.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "persons::PersonKind")]
pub enum SubjectKind {
    /// A visitor.
    Visitor,
    /// A member.
    Member,
}

/// Where a person's data stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "persons::PersonState")]
pub enum SubjectState {
    /// It may be processed.
    Active,
    /// It is stored, and nothing else (GDPR art. 18).
    Restricted,
    /// It is being erased.
    Erasing,
    /// It is erased; the surrogate id is left.
    Erased,
}

/// What kind of identifier it is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "identifiers::IdentifierKind")]
pub enum IdentifierKind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// The id that the customer's own systems know the person by.
    ExternalId,
    /// The account of a member.
    Member,
}

/// Where an identifier comes from.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "identifiers::IdentifierSource")]
pub enum IdentifierSource {
    /// The person said so.
    Person,
    /// The customer's server said so.
    Customer,
    /// Somebody of the workspace wrote it down.
    Staff,
    /// The product knows: an account.
    Product,
}

/// What a value is, as the column register has it.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "register::Category")]
pub enum PersonalDataCategory {
    /// Nothing about a person.
    None,
    /// An id of a person.
    Pseudonym,
    /// A time, a counter, a state of what a person did.
    Technical,
    /// Who somebody is.
    Identity,
    /// How somebody is reached.
    Contact,
    /// What people wrote.
    Content,
    /// What opens something.
    Secret,
}

/// Something that a person is known by.
#[derive(SimpleObject, Clone)]
pub struct SubjectIdentifier {
    /// Its id.
    pub id: ID,
    /// What kind.
    pub kind: IdentifierKind,
    /// Itself, as it was given.
    pub value: String,
    /// Where it comes from.
    pub source: IdentifierSource,
    /// Since when.
    pub created_at: DateTime,
    /// Rectified at last, or since when.
    pub updated_at: DateTime,
}

/// How many rows a table has about a person.
#[derive(SimpleObject, Clone)]
pub struct HeldRows {
    /// The table.
    pub table: String,
    /// Its rows about the person.
    pub rows: i32,
}

/// How many values of a category are held.
#[derive(SimpleObject, Clone)]
pub struct HeldValues {
    /// What they are.
    pub category: PersonalDataCategory,
    /// How many.
    pub values: i32,
}

/// What a part of the product holds about a person, counted.
#[derive(SimpleObject, Clone)]
pub struct SubjectHolding {
    /// The part.
    pub holder: String,
    /// Its rows about the person, in all.
    pub rows: i32,
    /// By table, also where there is nothing.
    pub tables: Vec<HeldRows>,
    /// By category.
    pub categories: Vec<HeldValues>,
}

/// Somebody who got data about a person (GDPR art. 15(1)(c)); written down before it left.
#[derive(SimpleObject, Clone)]
pub struct SubjectRecipient {
    /// The plugin through which it went.
    pub plugin_id: String,
    /// Why: `ANSWERING`, `CORRECTION` or `ESCALATION`.
    pub purpose: String,
    /// Who operates the other side.
    pub operator: String,
    /// Where: `EEA`, an ISO 3166-1 code, or `UNDECLARED`.
    pub region: String,
    /// Under which transfer safeguard (GDPR chapter V).
    pub safeguard: String,
    /// What they keep: `NONE`, `WITH_SOURCE`, a number of days, or `UNDECLARED`.
    pub retention: String,
    /// For the first time.
    pub first_at: DateTime,
    /// For the last time.
    pub last_at: DateTime,
    /// How often.
    pub times: i32,
}

/// A record that two persons are one.
#[derive(SimpleObject, Clone)]
pub struct SubjectMerge {
    /// Its id.
    pub id: ID,
    /// The person who is found under the other one.
    pub absorbed_id: ID,
    /// The person who stands for both.
    pub into_id: ID,
    /// Merged at.
    pub merged_at: DateTime,
    /// Split again at; null while they are one.
    pub split_at: Option<DateTime>,
}

/// A person, as the workspace holds data about them.
#[derive(SimpleObject, Clone)]
pub struct Subject {
    /// Their id; where persons are one, that of who stands for all.
    pub id: ID,
    /// What they are to the workspace.
    pub kind: SubjectKind,
    /// Where their data stands.
    pub state: SubjectState,
    /// Known since.
    pub created_at: DateTime,
    /// What they are known by.
    pub identifiers: Vec<SubjectIdentifier>,
    /// Their visits, as visitors.
    pub visitor_ids: Vec<ID>,
    /// Their account, where they are a member.
    pub account_id: Option<ID>,
    /// What every part of the product holds, also where it holds nothing.
    pub holdings: Vec<SubjectHolding>,
    /// Which persons are one with them, and were.
    pub merges: Vec<SubjectMerge>,
    /// The restriction that stands.
    pub restriction: Option<Restriction>,
    /// Copies that were made for them, newest first.
    pub exports: Vec<DataExport>,
    /// Who got data about them, the first one first.
    pub recipients: Vec<SubjectRecipient>,
}

/// What a person is known by.
#[derive(InputObject)]
pub struct AddIdentifierInput {
    /// The person; oneself where left out.
    pub subject_id: Option<ID>,
    /// What kind. Nobody gives an account, and a visitor no external id.
    pub kind: IdentifierKind,
    /// Itself.
    #[graphql(secret)]
    pub value: String,
}

/// What an identifier should have been.
#[derive(InputObject)]
pub struct RectifyIdentifierInput {
    /// The identifier.
    pub identifier_id: ID,
    /// What is right.
    #[graphql(secret)]
    pub value: String,
}

/// Which identifier.
#[derive(InputObject)]
pub struct RemoveIdentifierInput {
    /// The identifier.
    pub identifier_id: ID,
}

/// The identifier, or why nothing was changed.
#[derive(SimpleObject)]
pub struct IdentifierPayload {
    /// The identifier.
    pub identifier: Option<SubjectIdentifier>,
    /// Why nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// Whether it was done.
#[derive(SimpleObject)]
pub struct RemoveIdentifierPayload {
    /// Whether the identifier is gone.
    pub is_removed: bool,
    /// Why not.
    pub user_errors: Vec<UserError>,
}

/// Who is one with whom.
#[derive(InputObject)]
pub struct MergeSubjectsInput {
    /// The person who is to be found under the other one.
    pub absorbed_subject_id: ID,
    /// The person who is to stand for both.
    pub into_subject_id: ID,
}

/// Which record.
#[derive(InputObject)]
pub struct SplitSubjectInput {
    /// The record of the merge.
    pub merge_id: ID,
}

/// The record, or why nothing was changed.
#[derive(SimpleObject)]
pub struct MergePayload {
    /// The record.
    pub merge: Option<SubjectMerge>,
    /// Why nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// Finding persons. Looking at another person is on record.
#[derive(Default)]
pub struct SubjectQuery;

#[Object]
impl SubjectQuery {
    /// A person: oneself, or anybody for who may see persons; null where they are unknown.
    async fn subject(&self, ctx: &Context<'_>, #[graphql(desc = "The person.")] id: ID) -> Result<Option<Subject>> {
        let scope = ctx.somebody()?;
        let found = persons::get(&scope, &ctx.services().privacy, SubjectId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(Subject::from))
    }

    /// The person who is a visitor; null where the visitor is unknown.
    async fn subject_of_visitor(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The visitor.")] visitor_id: ID,
    ) -> Result<Option<Subject>> {
        let scope = ctx.scope(Permission::SubjectsRead)?;
        let visitor = VisitorId::parse_or_unknown(&visitor_id);
        let found = persons::of_visitor(&scope, &ctx.services().privacy, visitor).await;
        Ok(look_up(found)?.map(Subject::from))
    }

    /// The person who is a member of this workspace: oneself, or anybody for who may see persons; null where they are none.
    async fn subject_of_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] account_id: ID,
    ) -> Result<Option<Subject>> {
        let scope = ctx.somebody()?;
        let account = AccountId::parse_or_unknown(&account_id);
        let found = persons::of_member(&scope, &ctx.services().privacy, account).await;
        Ok(look_up(found)?.map(Subject::from))
    }

    /// Whoever is known by this. An e-mail address finds members by their account, too; several visitors may have given the same
    /// one.
    async fn subjects_by_identifier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What kind of identifier it is.")] kind: IdentifierKind,
        #[graphql(desc = "The identifier itself.", secret)] value: String,
    ) -> Result<Vec<Subject>> {
        let scope = ctx.scope(Permission::SubjectsRead)?;
        let privacy = &ctx.services().privacy;
        let found = persons::by_identifier(&scope, privacy, kind.into(), &value).await.map_err(refuse)?;
        Ok(found.into_iter().map(Subject::from).collect())
    }
}

/// Saying who a person is.
#[derive(Default)]
pub struct SubjectMutation;

#[Object]
impl SubjectMutation {
    /// Writes down what a person is known by; what is known already stays as it is.
    async fn add_identifier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AddIdentifierInput,
    ) -> Result<IdentifierPayload> {
        let scope = ctx.somebody()?;
        let subject = input.subject_id.as_ref().map(|id| SubjectId::parse_or_unknown(id));
        let added = identifiers::add(&scope, ctx.store(), subject, input.kind.into(), &input.value).await;
        IdentifierPayload::of(added)
    }

    /// Puts right what a person is known by (GDPR art. 16). The old value is gone.
    async fn rectify_identifier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RectifyIdentifierInput,
    ) -> Result<IdentifierPayload> {
        let scope = ctx.somebody()?;
        let id = IdentifierId::parse_or_unknown(&input.identifier_id);
        IdentifierPayload::of(identifiers::rectify(&scope, ctx.store(), id, &input.value).await)
    }

    /// Forgets what a person is known by.
    async fn remove_identifier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RemoveIdentifierInput,
    ) -> Result<RemoveIdentifierPayload> {
        let scope = ctx.somebody()?;
        let id = IdentifierId::parse_or_unknown(&input.identifier_id);
        let (done, user_errors) = split(identifiers::remove(&scope, ctx.store(), id).await)?;
        Ok(RemoveIdentifierPayload { is_removed: done.is_some(), user_errors })
    }

    /// Says that two persons are one. Nothing is moved: a right that is used about one of them is used about both, and a split
    /// restores exactly what was before.
    async fn merge_subjects(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: MergeSubjectsInput,
    ) -> Result<MergePayload> {
        let scope = ctx.scope(Permission::RightsServe)?;
        let absorbed = SubjectId::parse_or_unknown(&input.absorbed_subject_id);
        let into = SubjectId::parse_or_unknown(&input.into_subject_id);
        MergePayload::of(merges::merge(&scope, ctx.store(), absorbed, into).await)
    }

    /// Says that two persons were not one after all.
    async fn split_subject(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SplitSubjectInput,
    ) -> Result<MergePayload> {
        let scope = ctx.scope(Permission::RightsServe)?;
        let merge = MergeId::parse_or_unknown(&input.merge_id);
        MergePayload::of(merges::split(&scope, ctx.store(), merge).await)
    }
}

impl IdentifierPayload {
    fn of(result: consigne_foundation::Result<identifiers::Identifier>) -> Result<Self> {
        let (identifier, user_errors) = split(result)?;
        Ok(Self { identifier: identifier.map(SubjectIdentifier::from), user_errors })
    }
}

impl MergePayload {
    fn of(result: consigne_foundation::Result<merges::Merge>) -> Result<Self> {
        let (merge, user_errors) = split(result)?;
        Ok(Self { merge: merge.map(SubjectMerge::from), user_errors })
    }
}

fn number(n: u64) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

impl From<persons::Person> for Subject {
    fn from(p: persons::Person) -> Self {
        Self {
            id: p.id.to_string().into(),
            kind: p.kind.into(),
            state: p.state.into(),
            created_at: p.created_at.into(),
            identifiers: p.identifiers.into_iter().map(SubjectIdentifier::from).collect(),
            visitor_ids: p.visitors.iter().map(|id| id.to_string().into()).collect(),
            account_id: p.account.map(|id| id.to_string().into()),
            holdings: p.holdings.into_iter().map(SubjectHolding::from).collect(),
            merges: p.merges.into_iter().map(SubjectMerge::from).collect(),
            restriction: p.restriction.map(Restriction::from),
            exports: p.exports.into_iter().map(DataExport::from).collect(),
            recipients: p.recipients.into_iter().map(SubjectRecipient::from).collect(),
        }
    }
}

impl From<identifiers::Identifier> for SubjectIdentifier {
    fn from(i: identifiers::Identifier) -> Self {
        Self {
            id: i.id.to_string().into(),
            kind: i.kind.into(),
            value: i.value,
            source: i.source.into(),
            created_at: i.created_at.into(),
            updated_at: i.updated_at.into(),
        }
    }
}

impl From<persons::HolderCount> for SubjectHolding {
    fn from(h: persons::HolderCount) -> Self {
        let categories = h.values();
        Self {
            holder: h.holder.to_owned(),
            rows: number(h.rows()),
            tables: h.tables.iter().map(HeldRows::from).collect(),
            categories: categories
                .into_iter()
                .map(|(category, values)| HeldValues { category: category.into(), values: number(values) })
                .collect(),
        }
    }
}

impl From<&holding::Counted> for HeldRows {
    fn from(c: &holding::Counted) -> Self {
        Self { table: c.table.to_owned(), rows: number(c.rows) }
    }
}

impl From<merges::Merge> for SubjectMerge {
    fn from(m: merges::Merge) -> Self {
        Self {
            id: m.id.to_string().into(),
            absorbed_id: m.absorbed.to_string().into(),
            into_id: m.into.to_string().into(),
            merged_at: m.merged_at.into(),
            split_at: m.split_at.map(DateTime::from),
        }
    }
}

impl From<recipients::GotData> for SubjectRecipient {
    fn from(r: recipients::GotData) -> Self {
        Self {
            plugin_id: r.plugin,
            purpose: r.purpose,
            operator: r.operator,
            region: r.region,
            safeguard: r.safeguard,
            retention: r.retention,
            first_at: r.first_at.into(),
            last_at: r.last_at.into(),
            times: i32::try_from(r.times).unwrap_or(i32::MAX),
        }
    }
}

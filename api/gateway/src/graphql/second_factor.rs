//! The second factor: enrolling, proving once more who one is, and asking it of everyone.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Error, Permission, Scope,
    identity::{
        SecretText, passkeys,
        second_factor::{self, Proof},
    },
    store::Store,
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split, split_credentials},
    passkeys::Passkey,
    scalars::DateTime,
};

/// How the member who asks stands with their second factor.
#[derive(SimpleObject, Clone)]
pub struct SecondFactor {
    /// Since when sign-ins of the account take an authenticator's codes; null where they do not.
    pub active_since: Option<DateTime>,
    /// Passkeys of the account, the oldest first; each is a second factor too.
    pub passkeys: Vec<Passkey>,
    /// Recovery codes that were not used.
    pub recovery_codes_left: i32,
    /// Whether the workspace asks everyone for one.
    pub is_required: bool,
    /// From when the member may do nothing in the workspace but enrol; null where nothing is missing.
    pub must_enrol_from: Option<DateTime>,
    /// Until when the session counts as confirmed, for what cannot be undone.
    pub confirmed_until: Option<DateTime>,
}

/// What an authenticator is given.
#[derive(SimpleObject, Clone)]
pub struct Enrolment {
    /// The secret in base 32, to be typed in.
    pub secret: String,
    /// The same as `otpauth://`, to be drawn as a code that a camera reads.
    pub uri: String,
}

/// What an authenticator is given, or why nothing is.
#[derive(SimpleObject)]
pub struct EnrolSecondFactorPayload {
    /// What it is given, shown this once.
    pub enrolment: Option<Enrolment>,
    /// Why nothing.
    pub user_errors: Vec<UserError>,
}

/// The first code.
#[derive(InputObject)]
pub struct ActivateSecondFactorInput {
    /// The authenticator's code of this moment.
    #[graphql(secret)]
    pub code: String,
}

/// Recovery codes, or why there are none.
#[derive(SimpleObject)]
pub struct RecoveryCodesPayload {
    /// Ten codes, each of which works once; shown this once.
    pub recovery_codes: Option<Vec<String>>,
    /// Why there are none.
    pub user_errors: Vec<UserError>,
}

/// By what the member proves who they are: one of the three.
#[derive(InputObject)]
pub struct ConfirmSecondFactorInput {
    /// A code of the authenticator.
    #[graphql(secret)]
    pub code: Option<String>,
    /// A recovery code.
    #[graphql(secret)]
    pub recovery_code: Option<String>,
    /// The password, where the account has no second factor.
    #[graphql(secret)]
    pub password: Option<String>,
}

/// Until when it holds, or why it does not.
#[derive(SimpleObject)]
pub struct ConfirmSecondFactorPayload {
    /// Until when the session counts as confirmed.
    pub confirmed_until: Option<DateTime>,
    /// Why it does not.
    pub user_errors: Vec<UserError>,
}

/// Whether everyone needs a second factor.
#[derive(InputObject)]
pub struct RequireSecondFactorInput {
    /// Whether the workspace asks everyone for one.
    pub is_required: bool,
    /// Days until who has none may do nothing but enrol, 0 to 30; seven where it is left out.
    pub grace_days: Option<i32>,
}

/// How it stands, or why it was not changed.
#[derive(SimpleObject)]
pub struct SecondFactorPayload {
    /// How the member who asks stands now.
    pub second_factor: Option<SecondFactor>,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// Days of grace where nobody says how many.
const GRACE_DAYS: i32 = 7;

/// Reading how one stands.
#[derive(Default)]
pub struct SecondFactorQuery;

#[Object]
impl SecondFactorQuery {
    /// How the member who asks stands with their second factor, and until when their session counts as confirmed.
    async fn second_factor(&self, ctx: &Context<'_>) -> Result<SecondFactor> {
        let scope = ctx.somebody()?;
        SecondFactor::of(&scope, ctx.store()).await.map_err(refuse)
    }
}

/// Enrolling, confirming, requiring.
#[derive(Default)]
pub struct SecondFactorMutation;

#[Object]
impl SecondFactorMutation {
    /// Begins: a secret for an authenticator. It counts once `activateSecondFactor` has seen a code of it.
    async fn enrol_second_factor(&self, ctx: &Context<'_>) -> Result<EnrolSecondFactorPayload> {
        let scope = ctx.somebody()?;
        let (begun, user_errors) = split(second_factor::enrol(&scope, ctx.store()).await)?;
        let enrolment =
            begun.map(|e| Enrolment { secret: e.secret.expose().to_owned(), uri: e.uri.expose().to_owned() });
        Ok(EnrolSecondFactorPayload { enrolment, user_errors })
    }

    /// Takes the authenticator's first code. From now on every sign-in of the account asks for one.
    async fn activate_second_factor(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ActivateSecondFactorInput,
    ) -> Result<RecoveryCodesPayload> {
        let scope = ctx.somebody()?;
        RecoveryCodesPayload::of(second_factor::activate(&scope, ctx.store(), &input.code).await)
    }

    /// Ten new recovery codes in place of all old ones. Needs a confirmed session.
    async fn renew_recovery_codes(&self, ctx: &Context<'_>) -> Result<RecoveryCodesPayload> {
        let scope = ctx.somebody()?;
        RecoveryCodesPayload::of(second_factor::renew_recovery_codes(&scope, ctx.store()).await)
    }

    /// Switches the authenticator's codes off; the recovery codes too, where no passkey is left. Needs a confirmed session.
    async fn disable_second_factor(&self, ctx: &Context<'_>) -> Result<SecondFactorPayload> {
        let scope = ctx.somebody()?;
        let done = async {
            second_factor::disable(&scope, ctx.store()).await?;
            SecondFactor::of(&scope, ctx.store()).await
        };
        SecondFactorPayload::of(done.await)
    }

    /// Proves once more that it is the member: by a code or, where the account has no second factor, by the password. For
    /// five minutes the session may then do what cannot be undone, and what gives power: erasures, exports, keys, members
    /// and their roles, the second factor itself. Signing in counts as a proof too.
    async fn confirm_second_factor(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfirmSecondFactorInput,
    ) -> Result<ConfirmSecondFactorPayload> {
        let scope = ctx.somebody()?;
        scope.member().map_err(refuse)?;
        let confirmed = async {
            let proof = proof(input.code, input.recovery_code, input.password)?;
            second_factor::confirm(&scope, ctx.store(), &proof).await
        };
        let (until, user_errors) = split_credentials(confirmed.await)?;
        Ok(ConfirmSecondFactorPayload { confirmed_until: until.map(DateTime::from), user_errors })
    }

    /// Asks everyone in the workspace for a second factor, after a grace, or does not any more. Needs a confirmed session.
    async fn require_second_factor(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RequireSecondFactorInput,
    ) -> Result<SecondFactorPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        scope.member().map_err(refuse)?;
        let grace = input.is_required.then(|| i64::from(input.grace_days.unwrap_or(GRACE_DAYS)));
        let done = async {
            second_factor::require(&scope, ctx.store(), grace).await?;
            SecondFactor::of(&scope, ctx.store()).await
        };
        SecondFactorPayload::of(done.await)
    }
}

/// The one proof that was given.
///
/// # Errors
/// `Invalid` where there is none, or more than one.
pub(super) fn proof(
    code: Option<String>,
    recovery_code: Option<String>,
    password: Option<String>,
) -> consigne_foundation::Result<Proof> {
    match (code, recovery_code, password) {
        (Some(code), None, None) => Ok(Proof::Code(code)),
        (None, Some(code), None) => Ok(Proof::RecoveryCode(code)),
        (None, None, Some(password)) => Ok(Proof::Password(password)),
        _ => {
            Err(Error::invalid("code", "Give one proof: a code, a recovery code, or the password where that is asked."))
        }
    }
}

/// Recovery codes, for the one time that they are shown.
pub(super) fn shown(codes: &[SecretText]) -> Vec<String> {
    codes.iter().map(|code| code.expose().to_owned()).collect()
}

impl RecoveryCodesPayload {
    fn of(result: consigne_foundation::Result<Vec<SecretText>>) -> Result<Self> {
        let (codes, user_errors) = split(result)?;
        Ok(Self { recovery_codes: codes.as_deref().map(shown), user_errors })
    }
}

impl SecondFactorPayload {
    fn of(result: consigne_foundation::Result<SecondFactor>) -> Result<Self> {
        let (second_factor, user_errors) = split(result)?;
        Ok(Self { second_factor, user_errors })
    }
}

impl SecondFactor {
    async fn of(scope: &Scope, store: &Store) -> consigne_foundation::Result<Self> {
        let standing = second_factor::standing(scope, store).await?;
        let passkeys = passkeys::list(scope, store).await?;
        Ok(Self {
            active_since: standing.active_since.map(DateTime::from),
            passkeys: passkeys.into_iter().map(Passkey::from).collect(),
            recovery_codes_left: i32::try_from(standing.recovery_codes_left).unwrap_or(i32::MAX),
            is_required: standing.is_required,
            must_enrol_from: standing.must_enrol_from.map(DateTime::from),
            confirmed_until: standing.confirmed_until.map(DateTime::from),
        })
    }
}

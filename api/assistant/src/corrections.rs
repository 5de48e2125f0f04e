//! Assisted correction: a text goes to a corrector and comes back better, and leaves no trace here.
//!
//! Before it is sent, everything personal that the detector finds is replaced by placeholders, and put back as the corrected
//! text comes in. Secrets and special categories of personal data (GDPR art. 9) are refused, unless the workspace recorded the
//! ground for them. The changes are found by comparing both texts here (`diff`); the model says only why they were made.
//!
//! What is kept of a correction: a number more in the usage of its day, and one audit entry that says who, when and by whom,
//! never what.
//!
//! Reading order: [`Corrections`], `diff` (what changed), `rates` (how often).
//!
//! Invariants, as absences:
//! - No text is in a table, a job, a log line, a metric or an error: it lives in [`Ephemeral`] and `Zeroizing`, which have no
//!   `Serialize` and are wiped when they are dropped, however the correction ends.
//! - No personal data that the detector found is on the wire.
//! - No position comes from a model.

mod diff;
mod rates;

use std::{sync::Arc, time::Duration};

use consigne_foundation::{
    Error, Permission, Result, Scope,
    audit::Event,
    detector::{Group, Span, mask},
    privacy::{Purpose, admission},
    scope::Actor,
    store::Store,
};
use consigne_sdk::{CorrectionAim, CorrectionDelta, CorrectionRequest, Ephemeral, ExplainRequest, PluginError};
use futures::{Stream, StreamExt};
use tokio::time::timeout;

pub use self::diff::Place;
use self::rates::Rates;
use crate::{
    chats::answer::Disclosure,
    knowledge::language,
    policy::{self, Concern},
    routes::{self, CorrectorRoute, Routes},
    sensitive,
    usage::{self, Kind, Tokens},
};

/// Longest text, in characters.
pub const LONGEST: usize = 8_000;

/// How long the other side may be silent while somebody waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// Changes that are explained; more of them get no reason.
const MOST_EXPLAINED: usize = 60;

/// What may be corrected, with what. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Corrections {
    store: Store,
    routes: Routes,
    rates: Arc<Rates>,
}

/// What is asked.
pub struct Ask {
    /// The text.
    pub text: Ephemeral,
    /// What is done to it.
    pub aim: CorrectionAim,
    /// ISO 639-1 code of the language that the result is in; needed for a translation, else the text's own.
    pub target: Option<String>,
    /// Whether the model is asked why it made the changes.
    pub explain: bool,
}

/// A change.
pub struct Change {
    /// Where it was in the text that was sent in.
    pub before: Place,
    /// Where it is in the corrected text.
    pub after: Place,
    /// What was there; empty for what was added.
    pub from: Ephemeral,
    /// What is there now; empty for what was taken out.
    pub to: Ephemeral,
    /// Why, where the model said so.
    pub why: Option<Ephemeral>,
}

/// Something that a correction has to say, in this order: pieces, the changes, the end.
pub enum Said {
    /// More of the corrected text.
    Piece(Ephemeral),
    /// What changed, and what the writer can take from it.
    Changes(Vec<Change>, Option<Ephemeral>),
    /// It is complete.
    Done(Summary),
}

/// How a correction was made.
pub struct Summary {
    /// Who processed it, where, and what they keep.
    pub disclosure: Disclosure,
    /// Tokens that were used, where the other side says so.
    pub used: Option<Tokens>,
    /// How many values were masked.
    pub masked: usize,
}

impl Corrections {
    /// Over these routes.
    pub fn new(store: Store, routes: Routes) -> Self {
        Self { store, routes, rates: Arc::default() }
    }

    /// Corrects. Nothing happens before the stream is asked, and dropping it ends the call to the other side.
    ///
    /// # Errors
    /// As the only item, or the last: `Forbidden`; `PurposeRefused`; `Disabled` for visitors whom the workspace does not let, and
    /// where it uses no corrector; `Invalid` for the text and the language; `Sensitive` for what may not be corrected; `RateLimited`;
    /// `LimitExceeded` where the budget does not cover it; `Unavailable`. None holds a piece of the text.
    pub fn correct(self, scope: Scope, ask: Ask) -> impl Stream<Item = Result<Said>> + Send {
        async_stream::try_stream! {
            let prepared = self.prepare(&scope, &ask).await?;
            let Ask { text, aim, target, explain } = ask;
            let Prepared { route, masked, language, around } = prepared;
            let values = &masked.values;
            let most = routes::tokens_of(masked.text.len()).saturating_mul(2).saturating_add(200);
            let first = Tokens { input: routes::tokens_of(masked.text.len()) + 400, output: most };
            let disclosure = routes::disclosure_of(&route.facts, route.corrector.model_name());
            let event = Event::new("text.corrected")
                .detail("plugin", route.facts.plugin)
                .detail("aim", name_of(aim))
                .detail("masked", values.len());
            let charge =
                usage::charge(&scope, &self.store, Kind::Correction, &route.facts, first, Some(event)).await?;
            let request = CorrectionRequest {
                text: Ephemeral::new(masked.text.to_string()),
                aim,
                language: language.map(str::to_owned),
                target: target.clone().or(language.map(str::to_owned)),
                max_tokens: most,
            };
            let begun = self.noted(&scope, &route, timeout(PATIENCE, route.corrector.correct(request)).await);
            let mut charge = Some(charge);
            if begun.is_err() && let Some(charge) = charge.take() {
                settle(&scope, &self.store, charge, Some(Tokens::default())).await;
            }
            let mut pieces = begun?;
            let (mut used, mut after) = (None, Grown::new(masked.text.len() * 2));
            let mut restorer = mask::Restorer::new(values);
            yield Said::Piece(Ephemeral::new(text.expose()[..around.start].to_owned()));
            loop {
                let next = match timeout(PATIENCE, pieces.next()).await {
                    Ok(next) => Ok(next.transpose()),
                    Err(late) => Err(late),
                };
                match self.noted(&scope, &route, next)? {
                    None => break,
                    Some(CorrectionDelta::Usage { input_tokens, output_tokens }) => {
                        used = Some(Tokens { input: input_tokens, output: output_tokens });
                    }
                    Some(CorrectionDelta::Text(piece)) => {
                        after.push(piece.expose());
                        let shown = restorer.push(piece.expose());
                        if !shown.is_empty() {
                            yield Said::Piece(Ephemeral::new(shown.to_string()));
                        }
                    }
                }
            }
            drop(pieces);
            let rest = restorer.finish();
            yield Said::Piece(Ephemeral::new(format!("{}{}", *rest, &text.expose()[around.end..])));
            let mut spent = used;
            if let Some(charge) = charge {
                settle(&scope, &self.store, charge, used).await;
            }
            let shift = text.expose()[..around.start].encode_utf16().count();
            let found = diff::changes(&masked.text, after.text(), values, shift);
            let mut why = Vec::new();
            let mut feedback = None;
            if explain && aim != CorrectionAim::Translation && !found.is_empty() {
                let pairs = found.iter().take(MOST_EXPLAINED).map(diff::Found::masked).collect();
                let spoken = target.clone().or(language.map(str::to_owned));
                let explained = self.explain(&scope, &route, &masked, aim, pairs, spoken).await?;
                why = explained.0;
                feedback = explained.1;
                spent = spent.zip(explained.2).map(|(one, other)| Tokens {
                    input: one.input.saturating_add(other.input),
                    output: one.output.saturating_add(other.output),
                });
            }
            let mut why = why.into_iter();
            let changes = found.into_iter().map(|found| found.with(why.next().flatten())).collect();
            yield Said::Changes(changes, feedback);
            yield Said::Done(Summary { disclosure, used: spent, masked: values.len() });
        }
    }

    async fn prepare(&self, scope: &Scope, ask: &Ask) -> Result<Prepared> {
        scope.require(Permission::ChatsAsk)?;
        admission::admit(scope, &self.store, Purpose::Correction, scope.subject()).await?;
        let text = ask.text.expose();
        if text.trim().is_empty() || text.chars().count() > LONGEST {
            return Err(Error::invalid("text", format!("A text has 1 to {LONGEST} characters.")));
        }
        check_language(ask)?;
        let (policy, grounds) = {
            let tx = self.store.read(scope).await?;
            (policy::current(&tx).await?, policy::recorded(&tx).await?)
        };
        let is_visitor = matches!(scope.actor(), Actor::Visitor { .. });
        if is_visitor && !policy.visitors_may_correct {
            return Err(Error::new(
                consigne_foundation::ErrorKind::Disabled,
                "This workspace corrects no texts of visitors.",
            ));
        }
        self.rates.take(scope, is_visitor, self.store.now())?;
        let route = self.routes.corrector(scope, &policy).await?;
        // What stands around the text is kept as it is: models do as they like with it.
        let around = text.len() - text.trim_start().len()..text.trim_end().len();
        let inner = &text[around.clone()];
        let found = sensitive::look("text", inner)?;
        if let Some(concern) = found.unlawful([Concern::Secrets, Concern::SpecialCategories], &grounds) {
            return Err(refusal(&found, concern));
        }
        let masked: Vec<Span> = found.spans.into_iter().filter(|span| span.kind.group() != Group::Special).collect();
        let language = language::detect(inner);
        Ok(Prepared { route, masked: mask::mask(inner, &masked), language, around })
    }

    /// Asks why the changes were made, and how much that took. A correction is not worse for reasons that did not come.
    async fn explain(
        &self,
        scope: &Scope,
        route: &CorrectorRoute,
        masked: &mask::Masked,
        aim: CorrectionAim,
        pairs: Vec<(Ephemeral, Ephemeral)>,
        spoken: Option<String>,
    ) -> Result<(Vec<Option<Ephemeral>>, Option<Ephemeral>, Option<Tokens>)> {
        let nothing = (Vec::new(), None, None);
        let count = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
        let most = 300 + 60 * count;
        let read = routes::tokens_of(masked.text.len()).saturating_mul(2).saturating_add(400);
        let charged = Tokens { input: read, output: most };
        let charge = match usage::charge(scope, &self.store, Kind::Correction, &route.facts, charged, None).await {
            Err(error) if error.kind() == consigne_foundation::ErrorKind::LimitExceeded => return Ok(nothing),
            charge => charge?,
        };
        let request = ExplainRequest {
            aim,
            before: Ephemeral::new(masked.text.to_string()),
            changes: pairs,
            language: spoken,
            max_tokens: most,
        };
        let explained = self.noted(scope, route, timeout(PATIENCE, route.corrector.explain(request)).await);
        let Ok(explained) = explained else {
            settle(scope, &self.store, charge, Some(Tokens::default())).await;
            return Ok(nothing);
        };
        let used = explained.usage.map(|(input, output)| Tokens { input, output });
        settle(scope, &self.store, charge, used).await;
        let back = |text: Ephemeral| Ephemeral::new(masked.values.restore(text.expose()).to_string());
        let reasons = explained.reasons.into_iter().map(|reason| reason.map(back)).collect();
        Ok((reasons, explained.feedback.map(back), used))
    }

    /// Tells the routes what became of a call; being late is not being available.
    fn noted<T>(
        &self,
        scope: &Scope,
        route: &CorrectorRoute,
        result: Result<consigne_sdk::Result<T>, tokio::time::error::Elapsed>,
    ) -> Result<T> {
        let result = result.unwrap_or_else(|_| {
            let message = format!("{}: no answer in time", route.facts.plugin);
            Err(PluginError::new(consigne_sdk::PluginErrorKind::Unavailable, message))
        });
        self.routes.note(scope, &route.facts, result.as_ref().err().map(|error| error.kind));
        Ok(result?)
    }
}

/// Lets a crash of this process leave no image of its memory behind, which could hold a text.
pub fn leave_no_core() {
    #[cfg(unix)]
    {
        // Lowering one's own limit is always allowed.
        let _lowered = rlimit::Resource::CORE.set(0, 0);
    }
}

/// What is known before anything is sent.
struct Prepared {
    route: CorrectorRoute,
    masked: mask::Masked,
    language: Option<&'static str>,
    /// The text without the blanks around it.
    around: std::ops::Range<usize>,
}

/// A text that grows without leaving copies of itself behind.
struct Grown(zeroize::Zeroizing<String>);

impl Grown {
    fn new(room: usize) -> Self {
        Self(zeroize::Zeroizing::new(String::with_capacity(room + 1_024)))
    }

    fn push(&mut self, piece: &str) {
        if self.0.len() + piece.len() > self.0.capacity() {
            let mut larger = zeroize::Zeroizing::new(String::with_capacity((self.0.len() + piece.len()) * 2));
            larger.push_str(&self.0);
            self.0 = larger;
        }
        self.0.push_str(piece);
    }

    fn text(&self) -> &str {
        self.0.trim_end()
    }
}

fn check_language(ask: &Ask) -> Result<()> {
    match &ask.target {
        Some(code) if code.len() != 2 || !code.bytes().all(|b| b.is_ascii_lowercase()) => {
            Err(Error::invalid("language", "A language is a two-letter code of ISO 639-1, such as en or fr."))
        }
        None if ask.aim == CorrectionAim::Translation => {
            Err(Error::invalid("language", "Say into which language the text is translated."))
        }
        _ => Ok(()),
    }
}

fn refusal(found: &sensitive::Findings, concern: Concern) -> Error {
    let is_secret = concern == Concern::Secrets;
    let what = if is_secret { "secrets" } else { "special categories of personal data" };
    let kinds = found.kinds(concern);
    sensitive::refusal(format!(
        "The text holds {what} ({kinds}). It is not sent: take them out, or have the ground for it recorded."
    ))
}

/// A correction is not lost because its numbers could not be written; the charge stays then.
async fn settle(scope: &Scope, store: &Store, charge: usage::Charge, used: Option<Tokens>) {
    if let Err(error) = usage::settle(scope, store, charge, used).await {
        tracing::warn!(kind = ?error.kind(), "a charge was not settled");
    }
}

fn name_of(aim: CorrectionAim) -> &'static str {
    match aim {
        CorrectionAim::Grammar => "GRAMMAR",
        CorrectionAim::Clarity => "CLARITY",
        CorrectionAim::Tone(_) => "TONE",
        CorrectionAim::Simpler => "SIMPLER",
        CorrectionAim::Translation => "TRANSLATION",
        CorrectionAim::Feedback => "FEEDBACK",
    }
}

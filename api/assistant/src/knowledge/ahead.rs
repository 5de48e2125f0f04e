//! The vector of a question, made while the question is still being written down and handed to the worker: a third of what a
//! visitor waits for before a model is asked.
//!
//! Only where the worker is in the same process and the embedder inside the installation: what leaves it does so from the
//! worker alone, which writes that down first.
//!
//! Invariants, as absences:
//! - No question is kept here: a vector lies under the question's SHA-256 until it is taken, ten seconds at the most.
//! - No vector of another workspace or model is handed out.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use consigne_foundation::{Scope, id::WorkspaceId};
use consigne_sdk::{EmbedKind, Fingerprint, ProcessorRole};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use sha2::{Digest, Sha256};

use super::{Knowledge, embeddings::model};

/// How long a vector that nobody takes is kept.
const KEPT: Duration = Duration::from_secs(10);

type Question = (WorkspaceId, [u8; 32]);
type Made = Option<Arc<(Fingerprint, Vec<f32>)>>;
type Coming = Shared<BoxFuture<'static, Made>>;

/// Vectors that are made ahead.
#[derive(Default)]
pub(crate) struct Ahead {
    is_on: AtomicBool,
    coming: Mutex<HashMap<Question, Coming>>,
}

impl Knowledge {
    /// From now on questions are embedded ahead: the worker that answers them runs in this process.
    pub fn answers_are_made_here(&self) {
        self.ahead.is_on.store(true, Ordering::Relaxed);
    }

    /// Begins to embed a question that was let in and is about to be handed to the worker.
    pub(crate) fn embed_ahead(&self, scope: &Scope, question: &str) {
        if !self.ahead.is_on.load(Ordering::Relaxed) {
            return;
        }
        let key = key(scope, question);
        let coming = made(self.clone(), scope.clone(), question.to_owned()).boxed().shared();
        self.ahead.lock().insert(key, coming.clone());
        let ahead = Arc::clone(&self.ahead);
        tokio::spawn(async move {
            coming.await;
            tokio::time::sleep(KEPT).await;
            ahead.lock().remove(&key);
        });
    }

    /// The vector of a question by this model, where it was made ahead or is being made.
    pub(crate) async fn embedded_ahead(&self, scope: &Scope, question: &str, model: Fingerprint) -> Option<Vec<f32>> {
        let coming = self.ahead.lock().remove(&key(scope, question))?;
        let made = coming.await?;
        (made.0 == model).then(|| made.1.clone())
    }
}

impl Ahead {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Question, Coming>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing where the embedder is outside, or cannot be had: then the worker does it, and says what is wrong.
async fn made(knowledge: Knowledge, scope: Scope, question: String) -> Made {
    let in_use = model::in_use(&scope, &knowledge).await.ok()?;
    if in_use.facts.processing.role != ProcessorRole::Internal {
        return None;
    }
    let vector = in_use.embedder.embed(EmbedKind::Question, vec![question]).await.ok()?.pop()?;
    Some(Arc::new((in_use.embedder.model().fingerprint, vector)))
}

fn key(scope: &Scope, question: &str) -> Question {
    (scope.workspace(), Sha256::digest(question).into())
}

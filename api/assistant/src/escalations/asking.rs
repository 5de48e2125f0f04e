//! Asking for a person in any language: a question whose vector is near to that of a sentence that asks for one, and nearer
//! than to any sentence that only speaks of people. [`rules`](super::rules) reads four languages word by word, before an
//! answer is opened; this hears the others, and other words, when the question was embedded anyway.
//!
//! Measured with `multilingual-e5-small`, at the nearness below: see `docs/benchmarks.md`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use consigne_sdk::{EmbedKind, Embedder, Fingerprint, Result};
use tokio::sync::OnceCell;

/// Longer questions ask something else as well, which an answer may be found for.
const MOST_CHARACTERS: usize = 160;

/// How much nearer than an answer has to be: at this share of the way from the model's threshold to the same text. A cosine
/// of .88 where the threshold is .82.
const NEARER: f32 = 1.0 / 3.0;

/// Sentences that ask for a person.
const ASKING: &[&str] = &[
    "I want to talk to a human.",
    "Can I speak to a real person?",
    "Please connect me with an agent.",
    "Can I speak to an employee?",
    "Put me through to customer service.",
    "I need support from a human, not from a machine.",
    "Je veux parler à un humain.",
    "Puis-je parler à quelqu'un du service client ?",
    "Ich möchte mit einem Menschen sprechen.",
    "Kann ich mit einem Mitarbeiter sprechen?",
    "Quiero hablar con una persona.",
    "¿Puedo hablar con un operador?",
    "Mi metta in contatto con un operatore umano.",
    "Ik wil doorverbonden worden met een medewerker.",
    "Połącz mnie z konsultantem.",
    "Voinko jutella asiakaspalvelijan kanssa?",
    "Beszélhetnék egy munkatárssal?",
    "Beni bir temsilciye bağlayın.",
    "Переключите меня на оператора.",
    "상담원 연결해 주세요.",
    "أريد التحدث مع موظف خدمة العملاء.",
    "请帮我转接人工客服。",
    "我可以和工作人员说话吗？",
    "スタッフと話せますか？",
    "オペレーターに代わってください。",
];

/// Sentences of the same words that do not, and openings of a conversation.
const NOT_ASKING: &[&str] = &[
    "Who is the contact person for invoices?",
    "How much does it cost per person?",
    "How many people work in the company?",
    "What does the user agent do?",
    "Can I speak to a doctor about my results?",
    "How can I contact you?",
    "How do I talk to my friends on the app?",
    "Who is responsible for human resources?",
    "How do I add a person to my account?",
    "How long can I leave a suitcase?",
    "What is this?",
    "Hello",
    "I have a question about my order.",
    "Are you a human?",
    "How do I become an agent?",
    "What is the phone number of customer service?",
    "When is customer service open?",
    "Is there an operator for this function?",
    "Can an employee cancel a contract?",
    "What did the customer say to the agent?",
];

/// The sentences as a model's vectors, made once for each model.
#[derive(Clone, Default)]
pub struct Sentences(Arc<Mutex<HashMap<Fingerprint, Arc<OnceCell<Vectors>>>>>);

struct Vectors {
    asking: Vec<Vec<f32>>,
    not_asking: Vec<Vec<f32>>,
}

impl Sentences {
    /// Makes the vectors, so that no question waits for them.
    ///
    /// # Errors
    /// Those of the embedder.
    pub async fn prepare(&self, embedder: &dyn Embedder) -> Result<()> {
        self.of(embedder).get_or_try_init(|| Vectors::of(embedder)).await.map(drop)
    }

    /// Whether a question asks for a person. `vector` is its own, by this embedder; it is made where there is none.
    ///
    /// # Errors
    /// Those of the embedder.
    pub async fn ask_for_a_person(
        &self,
        embedder: &dyn Embedder,
        question: &str,
        vector: Option<&[f32]>,
    ) -> Result<bool> {
        if question.chars().count() > MOST_CHARACTERS {
            return Ok(false);
        }
        let known = self.of(embedder);
        let known = known.get_or_try_init(|| Vectors::of(embedder)).await?;
        let made = match vector {
            Some(_) => Vec::new(),
            None => embedder.embed(EmbedKind::Question, vec![question.to_owned()]).await?,
        };
        let vector = vector.or(made.first().map(Vec::as_slice)).unwrap_or_default();
        let asking = nearest(&known.asking, vector);
        let threshold = embedder.model().answer_threshold;
        Ok(asking >= threshold + NEARER * (1.0 - threshold) && asking > nearest(&known.not_asking, vector))
    }

    fn of(&self, embedder: &dyn Embedder) -> Arc<OnceCell<Vectors>> {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(models.entry(embedder.model().fingerprint).or_default())
    }
}

impl Vectors {
    async fn of(embedder: &dyn Embedder) -> Result<Self> {
        let sentences = ASKING.iter().chain(NOT_ASKING).map(ToString::to_string).collect();
        let mut asking = embedder.embed(EmbedKind::Question, sentences).await?;
        let not_asking = asking.split_off(ASKING.len().min(asking.len()));
        Ok(Self { asking, not_asking })
    }
}

/// The largest cosine.
fn nearest(sentences: &[Vec<f32>], vector: &[f32]) -> f32 {
    let cosine = |sentence: &Vec<f32>| sentence.iter().zip(vector).map(|(a, b)| a * b).sum();
    sentences.iter().map(cosine).fold(-1.0, f32::max)
}

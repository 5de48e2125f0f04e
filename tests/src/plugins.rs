//! Plugins beside those of the product: a second embedding model, an index that says it is a server, a reranker, all small
//! enough to be known by heart, and obedient: they wait, fail and are counted as a test wants it; and a corrector that panics.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use consigne_gateway::sdk::{
    Capability, CapabilityKind, CorrectionDelta, CorrectionRequest, CorrectionStream, Corrector, DataCategory, Egress,
    EmbedKind, Embedder, EmbeddingModel, Ephemeral, ExplainRequest, Explained, Fingerprint, Hit, IndexQuery, Manifest,
    Partition, Plugin, PluginError, PluginErrorKind, Point, Processing, ProcessorRole, Purpose, Region, Reranker,
    Residency, Result, VectorIndex,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The id of [`WordHash`].
pub const WORD_HASH: &str = "word-hash";
/// The id of [`Served`].
pub const SERVED: &str = "served";
/// The id of [`WordOverlap`].
pub const WORD_OVERLAP: &str = "word-overlap";
/// The id of [`Falling`].
pub const FALLING: &str = "falling";

/// Numbers of a vector of [`WordHash`]: not as many as the product's model has.
const DIMENSIONS: usize = 96;

fn manifest(id: &'static str, capability: CapabilityKind) -> Manifest {
    Manifest {
        id,
        name: id,
        summary: "Plays a part in a test.",
        capabilities: vec![capability],
        hosts: Vec::new(),
        settings_schema: json!({"type": "object", "additionalProperties": false}),
    }
}

fn inside() -> Processing {
    let categories = vec![DataCategory::Knowledge, DataCategory::Conversation];
    Processing::internal(categories, vec![Purpose::KnowledgeIndexing, Purpose::Answering])
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// An embedding model: each word of a text adds one to the number that its hash (FNV-1a) says.
#[derive(Clone)]
pub struct WordHash(Arc<Hashing>);

struct Hashing {
    manifest: Manifest,
    model: EmbeddingModel,
    passages: AtomicUsize,
    questions: AtomicUsize,
    left: AtomicUsize,
    failure: Mutex<PluginErrorKind>,
    pause: AtomicU64,
}

impl WordHash {
    /// A model whose fingerprint is all this byte.
    pub fn new(fingerprint: u8) -> Self {
        let model = EmbeddingModel {
            name: format!("word-hash-{fingerprint}"),
            fingerprint: Fingerprint([fingerprint; 32]),
            dimensions: DIMENSIONS,
            max_tokens: 512,
            answer_threshold: 0.1,
        };
        Self(Arc::new(Hashing {
            manifest: manifest(WORD_HASH, CapabilityKind::Embedder),
            model,
            passages: AtomicUsize::new(0),
            questions: AtomicUsize::new(0),
            left: AtomicUsize::new(usize::MAX),
            failure: Mutex::new(PluginErrorKind::Unavailable),
            pause: AtomicU64::new(0),
        }))
    }

    /// Takes so long over each passage.
    pub fn pause(&self, pause: Duration) {
        self.0.pause.store(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Embeds so many passages more, then fails like this.
    pub fn fail_after(&self, passages: usize, kind: PluginErrorKind) {
        *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = kind;
        self.0.left.store(passages, Ordering::SeqCst);
    }

    /// Fails no more.
    pub fn recover(&self) {
        self.0.left.store(usize::MAX, Ordering::SeqCst);
    }

    /// Passages that were embedded.
    pub fn passages(&self) -> usize {
        self.0.passages.load(Ordering::SeqCst)
    }

    /// Questions that were embedded.
    pub fn questions(&self) -> usize {
        self.0.questions.load(Ordering::SeqCst)
    }

    fn vector(text: &str) -> Vec<f32> {
        let mut vector = vec![0.0_f32; DIMENSIONS];
        for word in words(text) {
            let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
            vector[usize::try_from(hash % DIMENSIONS as u64).unwrap_or_default()] += 1.0;
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length == 0.0 {
            vector[0] = 1.0;
            return vector;
        }
        vector.iter().map(|x| x / length).collect()
    }
}

#[async_trait]
impl Plugin for WordHash {
    fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    fn processing(&self, _: &Value) -> Processing {
        inside()
    }

    async fn open(&self, _: CapabilityKind, _: Value, _: Egress) -> Result<Capability> {
        Ok(Capability::Embedder(Arc::new(self.clone())))
    }
}

#[async_trait]
impl Embedder for WordHash {
    fn model(&self) -> &EmbeddingModel {
        &self.0.model
    }

    async fn warm(&self) -> Result<()> {
        Ok(())
    }

    async fn embed(&self, kind: EmbedKind, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        if kind == EmbedKind::Question {
            self.0.questions.fetch_add(texts.len(), Ordering::SeqCst);
            return Ok(texts.iter().map(|text| Self::vector(text)).collect());
        }
        let left = self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(texts.len()));
        if left.is_err() {
            let kind = *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner);
            return Err(PluginError::new(kind, "the second model is told to fail"));
        }
        let pause = Duration::from_millis(self.0.pause.load(Ordering::SeqCst));
        tokio::time::sleep(pause * u32::try_from(texts.len()).unwrap_or(1)).await;
        self.0.passages.fetch_add(texts.len(), Ordering::SeqCst);
        Ok(texts.iter().map(|text| Self::vector(text)).collect())
    }

    async fn count_tokens(&self, texts: Vec<String>) -> Result<Vec<usize>> {
        Ok(texts.iter().map(|text| words(text).len()).collect())
    }
}

/// The product's index in memory, which says that it is a server: it is written to when knowledge changes, and by nobody
/// brought in step before a search.
#[derive(Clone)]
pub struct Served(Arc<Serving>);

struct Serving {
    manifest: Manifest,
    flat: Arc<dyn Plugin>,
    index: OnceCell<Arc<dyn VectorIndex>>,
    seen: Mutex<HashSet<Partition>>,
    purged: Mutex<HashSet<Partition>>,
}

impl Served {
    /// What this plugin finds, served.
    pub fn new(flat: Arc<dyn Plugin>) -> Self {
        let manifest = manifest(SERVED, CapabilityKind::VectorIndex);
        let index = OnceCell::new();
        Self(Arc::new(Serving { manifest, flat, index, seen: Mutex::default(), purged: Mutex::default() }))
    }

    /// How many points each partition has that was ever written to, and whether it was purged.
    ///
    /// # Errors
    /// What the index answers.
    pub async fn partitions(&self) -> Result<Vec<(u64, bool)>> {
        let seen: Vec<Partition> = lock(&self.0.seen).iter().copied().collect();
        let mut counts = Vec::new();
        for partition in seen {
            let purged = lock(&self.0.purged).contains(&partition);
            counts.push((self.index()?.count(&partition).await?, purged));
        }
        counts.sort_unstable();
        Ok(counts)
    }

    fn index(&self) -> Result<&Arc<dyn VectorIndex>> {
        self.0.index.get().ok_or_else(|| PluginError::new(PluginErrorKind::Unavailable, "it is not open"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Plugin for Served {
    fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    fn processing(&self, _: &Value) -> Processing {
        Processing::internal(vec![DataCategory::Vectors], vec![Purpose::KnowledgeIndexing, Purpose::Answering])
    }

    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        if let Capability::VectorIndex(index) = self.0.flat.open(capability, settings, egress).await? {
            self.0.index.set(index).ok();
        }
        Ok(Capability::VectorIndex(Arc::new(self.clone())))
    }
}

#[async_trait]
impl VectorIndex for Served {
    fn residency(&self) -> Residency {
        Residency::Server
    }

    async fn version(&self, partition: &Partition) -> Result<Option<i64>> {
        self.index()?.version(partition).await
    }

    async fn apply(&self, partition: &Partition, put: Vec<Point>, remove: &[Uuid], version: i64) -> Result<()> {
        lock(&self.0.seen).insert(*partition);
        lock(&self.0.purged).remove(partition);
        self.index()?.apply(partition, put, remove, version).await
    }

    async fn search(&self, partition: &Partition, query: &IndexQuery) -> Result<Vec<Hit>> {
        self.index()?.search(partition, query).await
    }

    async fn passages(&self, partition: &Partition) -> Result<Vec<Uuid>> {
        self.index()?.passages(partition).await
    }

    async fn remove_document(&self, partition: &Partition, document: Uuid) -> Result<u64> {
        self.index()?.remove_document(partition, document).await
    }

    async fn count(&self, partition: &Partition) -> Result<u64> {
        self.index()?.count(partition).await
    }

    async fn drop_partition(&self, partition: &Partition) -> Result<()> {
        self.index()?.drop_partition(partition).await
    }

    async fn purge(&self, partition: &Partition) -> Result<()> {
        lock(&self.0.purged).insert(*partition);
        self.index()?.purge(partition).await
    }
}

/// What a [`WordOverlap`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// A passage is better by each word that it shares with the question.
    Most,
    /// The other way round.
    Least,
    /// Fails.
    Failing,
    /// Answers after ten seconds.
    Slow,
    /// Forgets a passage.
    Forgetful,
}

/// A reranker that counts the words which a passage shares with the question.
#[derive(Clone)]
pub struct WordOverlap(Arc<Overlapping>);

struct Overlapping {
    manifest: Manifest,
    mood: Mutex<Mood>,
    seen: Mutex<Vec<usize>>,
}

impl Default for WordOverlap {
    fn default() -> Self {
        let manifest = manifest(WORD_OVERLAP, CapabilityKind::Reranker);
        Self(Arc::new(Overlapping { manifest, mood: Mutex::new(Mood::Most), seen: Mutex::default() }))
    }
}

impl WordOverlap {
    /// Does this from now on.
    pub fn be(&self, mood: Mood) {
        *self.0.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// How many passages it was shown, each time.
    pub fn seen(&self) -> Vec<usize> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Plugin for WordOverlap {
    fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    fn processing(&self, _: &Value) -> Processing {
        inside()
    }

    async fn open(&self, _: CapabilityKind, _: Value, _: Egress) -> Result<Capability> {
        Ok(Capability::Reranker(Arc::new(self.clone())))
    }
}

#[async_trait]
impl Reranker for WordOverlap {
    fn model_name(&self) -> &str {
        WORD_OVERLAP
    }

    async fn scores(&self, question: &str, passages: Vec<String>) -> Result<Vec<f32>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).push(passages.len());
        let asked = words(question);
        let shared = |passage: &String| {
            let has = words(passage);
            asked.iter().filter(|word| has.contains(word)).count() as f32
        };
        let mood = *self.0.mood.lock().unwrap_or_else(PoisonError::into_inner);
        match mood {
            Mood::Failing => return Err(PluginError::new(PluginErrorKind::Unavailable, "it is told to fail")),
            Mood::Slow => tokio::time::sleep(Duration::from_secs(10)).await,
            Mood::Most | Mood::Least | Mood::Forgetful => {}
        }
        let sign = if mood == Mood::Least { -1.0 } else { 1.0 };
        let scores = passages.iter().map(|passage| sign * shared(passage));
        Ok(scores.skip(usize::from(mood == Mood::Forgetful)).collect())
    }
}

/// When a [`Falling`] panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fall {
    /// When it is called.
    AtOnce,
    /// After half of the text.
    Halfway,
    /// When it is asked why.
    Explaining,
}

/// A corrector that panics, with the text in the panic's message: what a library does that cuts a string in a wrong place.
pub struct Falling {
    manifest: Manifest,
    fall: Fall,
}

impl Falling {
    /// One that panics then.
    pub fn new(fall: Fall) -> Self {
        Self { manifest: manifest(FALLING, CapabilityKind::Corrector), fall }
    }
}

#[async_trait]
impl Plugin for Falling {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, _: &Value) -> Processing {
        Processing::internal(vec![DataCategory::Conversation], vec![Purpose::Correction])
    }

    async fn open(&self, _: CapabilityKind, _: Value, _: Egress) -> Result<Capability> {
        Ok(Capability::Corrector(Arc::new(Self::new(self.fall))))
    }
}

#[async_trait]
impl Corrector for Falling {
    fn model_name(&self) -> &str {
        FALLING
    }

    async fn correct(&self, request: CorrectionRequest) -> Result<CorrectionStream> {
        let (text, fall) = (request.text, self.fall);
        assert!(fall != Fall::AtOnce, "not corrected: {}", text.expose());
        let pieces = async_stream::stream! {
            let (half, rest) = text.expose().split_once(' ').unwrap_or_default();
            yield Ok(CorrectionDelta::Text(Ephemeral::new(format!("{half} "))));
            assert!(fall != Fall::Halfway, "half corrected: {}", text.expose());
            yield Ok(CorrectionDelta::Text(Ephemeral::new(rest.to_uppercase())));
        };
        Ok(Box::pin(pieces))
    }

    async fn explain(&self, request: ExplainRequest) -> Result<Explained> {
        panic!("not explained: {}", request.before.expose())
    }
}

/// A plugin as if another party stood behind it.
pub struct Outside(pub Arc<dyn Plugin>);

/// The same, of another party.
pub struct OperatedBy(Outside, &'static str);

impl Outside {
    /// The same, of this party.
    pub fn operated_by(self, operator: &'static str) -> OperatedBy {
        OperatedBy(self, operator)
    }
}

#[async_trait]
impl Plugin for OperatedBy {
    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn processing(&self, settings: &Value) -> Processing {
        Processing { operator: self.1.to_owned(), ..self.0.processing(settings) }
    }

    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        self.0.open(capability, settings, egress).await
    }
}

#[async_trait]
impl Plugin for Outside {
    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn processing(&self, settings: &Value) -> Processing {
        Processing {
            role: ProcessorRole::SubProcessor,
            operator: "somebody outside".to_owned(),
            region: Region::Eea,
            ..self.0.processing(settings)
        }
    }

    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        self.0.open(capability, settings, egress).await
    }
}

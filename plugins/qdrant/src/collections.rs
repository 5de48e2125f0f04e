//! How a collection is made, what is known of it, and when its deleted points leave the disk.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use consigne_sdk::{Fingerprint, Result};
use qdrant_client::qdrant::{
    CollectionInfo, CreateCollection, CreateFieldIndexCollection, Distance, FieldType, GetCollectionInfoRequest,
    HnswConfigDiff, IntegerIndexParams, KeywordIndexParams, OptimizersConfigDiff, PayloadIndexParams,
    SparseVectorConfig, SparseVectorParams, UpdateCollection, UuidIndexParams, VectorParams, VectorParamsMap,
    VectorsConfig, WalConfigDiff, collections_client::CollectionsClient, payload_index_params::IndexParams,
    vectors_config,
};

use crate::{
    channel::Wire,
    failure::{ask, invalid, unavailable, wrong_length},
    point::{DATE, DOCUMENT, LANGUAGE, SOURCE, TAGS, TERMS, VECTOR, WORKSPACE},
    tenant::Points,
};

/// The collection of the partitions' versions.
pub(crate) const VERSIONS: &str = "consigne_versions";
/// The version in a payload.
pub(crate) const VERSION: &str = "version";

/// Size of one file of the server's log. A purge has to fill two of them.
pub(crate) const LOG_MEGABYTES: u64 = 1;
/// How often the server writes to disk, after which it may forget the log.
pub(crate) const FLUSH_SECONDS: u64 = 1;

/// When a part of a collection is rewritten without what was deleted in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Vacuum {
    /// The share of deleted points beyond which it is.
    pub share: f64,
    /// The points, deleted ones included, below which it never is.
    pub points: u64,
}

/// From day to day: the server's own defaults.
pub(crate) const EVERYDAY: Vacuum = Vacuum { share: 0.2, points: 1_000 };
/// During a purge: at the first deleted point, in the smallest part that the server allows.
pub(crate) const AT_ONCE: Vacuum = Vacuum { share: 0.0, points: 100 };

/// The name of a model's collection.
pub(crate) fn name_of(model: Fingerprint) -> String {
    let hex: String = model.0[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("consigne_{hex}")
}

/// The collections service, and the lengths of vectors that it told.
pub(crate) struct Collections {
    client: CollectionsClient<Wire>,
    timeout: Duration,
    replicas: u32,
    lengths: Mutex<HashMap<String, usize>>,
}

impl Collections {
    /// The service behind this wire.
    pub(crate) fn new(wire: Wire, timeout: Duration, replicas: u32) -> Self {
        Self { client: CollectionsClient::new(wire), timeout, replicas, lengths: Mutex::default() }
    }

    /// Checks vectors of this length against a collection; false where there is no such collection.
    ///
    /// # Errors
    /// `Misconfigured` where its vectors have another length.
    pub(crate) async fn check(&self, collection: &str, length: usize) -> Result<bool> {
        let known = self.lengths().get(collection).copied();
        let wanted = match known {
            Some(wanted) => wanted,
            None => {
                let Some(info) = self.info(collection).await? else { return Ok(false) };
                let wanted = length_in(&info).ok_or_else(|| invalid("a collection of another kind has this name"))?;
                self.lengths().insert(collection.to_owned(), wanted);
                wanted
            }
        };
        if wanted == length { Ok(true) } else { Err(wrong_length(wanted, length)) }
    }

    /// Forgets what is known of a collection that turned out to be gone.
    pub(crate) fn forget(&self, collection: &str) {
        self.lengths().remove(collection);
    }

    /// Makes the collection of a model unless it is there, with everything that can be filtered by.
    ///
    /// # Errors
    /// As [`Collections::check`].
    pub(crate) async fn make(&self, points: &Points, collection: &str, length: usize) -> Result<()> {
        if self.lengths().contains_key(collection) {
            return self.check(collection, length).await.map(drop);
        }
        let dense = VectorParams {
            size: u64::try_from(length).unwrap_or(u64::MAX),
            distance: Distance::Cosine.into(),
            ..VectorParams::default()
        };
        let dense = VectorParamsMap { map: [(VECTOR.to_owned(), dense)].into() };
        let sparse = SparseVectorConfig { map: [(TERMS.to_owned(), SparseVectorParams::default())].into() };
        let request = CreateCollection {
            vectors_config: Some(VectorsConfig { config: Some(vectors_config::Config::ParamsMap(dense)) }),
            sparse_vectors_config: Some(sparse),
            ..self.of_tenants(collection)
        };
        let info = self.create(request).await?;
        for (name, kind) in fields() {
            if !info.payload_schema.contains_key(name) {
                points.index_field(field_index(collection, name, kind)).await?;
            }
        }
        self.check(collection, length).await.map(drop)
    }

    /// Makes the collection of versions unless it is there.
    pub(crate) async fn make_versions(&self, points: &Points) -> Result<()> {
        if self.lengths().contains_key(VERSIONS) {
            return Ok(());
        }
        let info = self.create(self.of_tenants(VERSIONS)).await?;
        if !info.payload_schema.contains_key(WORKSPACE) {
            let (name, kind) = tenant_field();
            points.index_field(field_index(VERSIONS, name, kind)).await?;
        }
        self.lengths().insert(VERSIONS.to_owned(), 0);
        Ok(())
    }

    /// What the server tells of a collection, if there is one.
    pub(crate) async fn info(&self, collection: &str) -> Result<Option<CollectionInfo>> {
        let request = GetCollectionInfoRequest { collection_name: collection.to_owned() };
        let answer = ask(self.timeout, || {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get(request).await }
        });
        Ok(answer.await?.and_then(|answer| answer.result))
    }

    /// Says when parts of the collection are to be rewritten. The server finishes rewriting under way before.
    pub(crate) async fn set_vacuum(&self, collection: &str, vacuum: Vacuum, within: Duration) -> Result<()> {
        let request = UpdateCollection {
            collection_name: collection.to_owned(),
            optimizers_config: Some(vacuum.into()),
            ..UpdateCollection::default()
        };
        let answer = ask(within, || {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.update(request).await }
        });
        match answer.await? {
            Some(answer) if answer.result => Ok(()),
            _ => Err(unavailable("the thresholds of a collection could not be set")),
        }
    }

    /// What all collections have in common: a graph for each tenant and none over all, and a log that is soon forgotten.
    fn of_tenants(&self, collection: &str) -> CreateCollection {
        CreateCollection {
            collection_name: collection.to_owned(),
            hnsw_config: Some(HnswConfigDiff { m: Some(0), payload_m: Some(16), ..HnswConfigDiff::default() }),
            wal_config: Some(WalConfigDiff { wal_capacity_mb: Some(LOG_MEGABYTES), ..WalConfigDiff::default() }),
            optimizers_config: Some(OptimizersConfigDiff {
                flush_interval_sec: Some(FLUSH_SECONDS),
                ..EVERYDAY.into()
            }),
            replication_factor: Some(self.replicas),
            ..CreateCollection::default()
        }
    }

    /// Creates a collection unless it is there, or another gateway was faster.
    async fn create(&self, request: CreateCollection) -> Result<CollectionInfo> {
        let name = request.collection_name.clone();
        if let Some(info) = self.info(&name).await? {
            return Ok(info);
        }
        let created = ask(self.timeout, || {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.create(request).await }
        });
        let created = created.await;
        match self.info(&name).await? {
            Some(info) => Ok(info),
            None => Err(created.err().unwrap_or_else(|| unavailable("a collection could not be made"))),
        }
    }

    fn lengths(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.lengths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Vacuum> for OptimizersConfigDiff {
    fn from(vacuum: Vacuum) -> Self {
        Self { deleted_threshold: Some(vacuum.share), vacuum_min_vector_number: Some(vacuum.points), ..Self::default() }
    }
}

/// When parts of this collection are rewritten.
pub(crate) fn vacuum_in(info: &CollectionInfo) -> Option<Vacuum> {
    let config = info.config.as_ref()?.optimizer_config.as_ref()?;
    Some(Vacuum { share: config.deleted_threshold?, points: config.vacuum_min_vector_number? })
}

/// How many numbers its vectors have.
pub(crate) fn length_in(info: &CollectionInfo) -> Option<usize> {
    let vectors = info.config.as_ref()?.params.as_ref()?.vectors_config.as_ref()?.config.as_ref()?;
    match vectors {
        vectors_config::Config::ParamsMap(map) => usize::try_from(map.map.get(VECTOR)?.size).ok(),
        vectors_config::Config::Params(_) => None,
    }
}

/// A field to filter by, and how the server keeps it.
type Field = (&'static str, (FieldType, IndexParams));

/// Only the tenant key has a part in the graph: filters are narrow, and a graph for each would take ten times longer to
/// build.
fn fields() -> [Field; 6] {
    let uuid = || UuidIndexParams { enable_hnsw: Some(false), ..UuidIndexParams::default() };
    let keyword = KeywordIndexParams { enable_hnsw: Some(false), ..KeywordIndexParams::default() };
    let integer = |lookup, range| IntegerIndexParams {
        lookup: Some(lookup),
        range: Some(range),
        enable_hnsw: Some(false),
        ..IntegerIndexParams::default()
    };
    [
        tenant_field(),
        (DOCUMENT, (FieldType::Uuid, IndexParams::UuidIndexParams(uuid()))),
        (SOURCE, (FieldType::Uuid, IndexParams::UuidIndexParams(uuid()))),
        (LANGUAGE, (FieldType::Keyword, IndexParams::KeywordIndexParams(keyword))),
        (TAGS, (FieldType::Integer, IndexParams::IntegerIndexParams(integer(true, false)))),
        (DATE, (FieldType::Integer, IndexParams::IntegerIndexParams(integer(false, true)))),
    ]
}

fn tenant_field() -> Field {
    let params = KeywordIndexParams { is_tenant: Some(true), ..KeywordIndexParams::default() };
    (WORKSPACE, (FieldType::Keyword, IndexParams::KeywordIndexParams(params)))
}

fn field_index(collection: &str, name: &str, (kind, params): (FieldType, IndexParams)) -> CreateFieldIndexCollection {
    CreateFieldIndexCollection {
        collection_name: collection.to_owned(),
        wait: Some(true),
        field_name: name.to_owned(),
        field_type: Some(kind.into()),
        field_index_params: Some(PayloadIndexParams { index_params: Some(params) }),
        ..CreateFieldIndexCollection::default()
    }
}

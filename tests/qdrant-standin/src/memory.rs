//! What is kept, and what is kept longer than it should be.
//!
//! A collection has one segment. A deleted or replaced point stays in it as litter until a write finds enough of it for
//! the thresholds. The log has files of one size; a file that is full is kept until the one after it is full, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use qdrant_client::qdrant::{
    CollectionConfig, CollectionInfo, CollectionParams, CollectionStatus, CreateCollection, Filter,
    OptimizersConfigDiff, PayloadSchemaInfo, PayloadSchemaType, PointStruct, Value, VectorsConfig, value::Kind,
    vectors_config,
};
use tonic::Status;
use uuid::Uuid;

use super::scoring;

/// How often a client has to look before rewriting is done.
const LOOKS: u32 = 2;

/// A point.
#[derive(Clone)]
pub struct Stored {
    /// Its payload.
    pub payload: HashMap<String, Value>,
    /// Its vector, if it has one.
    pub dense: Vec<f32>,
    /// Its terms.
    pub sparse: BTreeMap<u32, f32>,
}

/// A collection.
pub struct Collection {
    /// The length of its vectors; none for a collection without.
    pub length: Option<u64>,
    vectors: Option<VectorsConfig>,
    optimizers: OptimizersConfigDiff,
    log_bytes: usize,
    fields: BTreeSet<String>,
    /// The points, by id.
    pub points: BTreeMap<String, Stored>,
    litter: Vec<String>,
    log: Vec<(usize, Vec<String>)>,
    looks: u32,
}

/// All collections.
#[derive(Default)]
pub struct Memory(BTreeMap<String, Collection>);

impl Memory {
    /// A collection.
    pub fn get(&mut self, name: &str) -> Result<&mut Collection, Status> {
        let missing = || Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"));
        self.0.get_mut(name).ok_or_else(missing)
    }

    /// Makes a collection, of the only shape there should be.
    pub fn create(&mut self, request: CreateCollection) -> Result<(), Status> {
        if self.0.contains_key(&request.collection_name) {
            return Err(Status::invalid_argument("Wrong input: Collection already exists!"));
        }
        let hnsw = request.hnsw_config.ok_or_else(|| Status::invalid_argument("no graph"))?;
        if (hnsw.m, hnsw.payload_m) != (Some(0), Some(16)) {
            return Err(Status::invalid_argument("the graph is not one for each tenant"));
        }
        let length = match request.vectors_config.as_ref().and_then(|config| config.config.as_ref()) {
            None => None,
            Some(vectors_config::Config::ParamsMap(map)) => map.map.get("vector").map(|params| params.size),
            Some(vectors_config::Config::Params(_)) => return Err(Status::invalid_argument("a vector without a name")),
        };
        let is_weighted = |config: &qdrant_client::qdrant::SparseVectorConfig| {
            config.map.get("terms").is_some_and(|params| params.modifier.is_none()) && config.map.len() == 1
        };
        if length.is_some() && !request.sparse_vectors_config.as_ref().is_some_and(is_weighted) {
            return Err(Status::invalid_argument("no terms, or terms whose weights the server changes"));
        }
        let log = request.wal_config.and_then(|log| log.wal_capacity_mb).unwrap_or(32);
        let made = Collection {
            length,
            vectors: request.vectors_config,
            optimizers: request.optimizers_config.unwrap_or_default(),
            log_bytes: usize::try_from(log << 20).expect("it fits"),
            fields: BTreeSet::new(),
            points: BTreeMap::new(),
            litter: Vec::new(),
            log: vec![(0, Vec::new())],
            looks: 0,
        };
        self.0.insert(request.collection_name, made);
        Ok(())
    }

    /// Whether anything of this point is still there.
    pub fn has_bytes_of(&self, id: &str) -> bool {
        self.0.values().any(|collection| {
            let in_log = collection.log.iter().any(|(_, ids)| ids.iter().any(|logged| logged == id));
            collection.points.contains_key(id) || collection.litter.iter().any(|littered| littered == id) || in_log
        })
    }

    /// When each vacuums.
    pub fn thresholds(&self) -> Vec<(String, f64, u64)> {
        let of = |(name, collection): (&String, &Collection)| (name.clone(), collection.share(), collection.least());
        self.0.iter().map(of).collect()
    }

    /// The ids of the points that have a vector.
    pub fn points(&self) -> Vec<String> {
        let with_vectors = self.0.values().filter(|collection| collection.length.is_some());
        with_vectors.flat_map(|collection| collection.points.keys().cloned()).collect()
    }

    /// Loses a point.
    pub fn lose(&mut self, id: &str) {
        self.0.values_mut().for_each(|collection| drop(collection.points.remove(id)));
    }

    /// Puts a double of a point beside it, of another passage.
    pub fn double(&mut self, id: &str, passage: Uuid) {
        for collection in self.0.values_mut() {
            let Some(mut point) = collection.points.get(id).cloned() else { continue };
            let tenant = point.payload.get("workspace_id").and_then(|value| value.as_str());
            let tenant: Uuid = tenant.and_then(|tenant| tenant.parse().ok()).expect("a stored point has a tenant");
            let kind = Some(Kind::StringValue(passage.to_string()));
            point.payload.insert("passage_id".to_owned(), Value { kind });
            collection.points.insert(Uuid::new_v5(&tenant, passage.as_bytes()).to_string(), point);
        }
    }

    /// Drops a collection.
    pub fn drop_collection(&mut self, name: &str) {
        self.0.remove(name);
    }
}

impl Collection {
    /// Writes points. `bytes` is what the message takes in the log.
    pub fn upsert(&mut self, points: Vec<PointStruct>, bytes: usize) -> Result<(), Status> {
        let points: Vec<(String, Stored)> =
            points.into_iter().map(|point| scoring::stored(point, self.length)).collect::<Result<_, _>>()?;
        self.write(bytes, points.iter().map(|(id, _)| id.clone()).collect());
        for (id, point) in points {
            if self.points.insert(id.clone(), point).is_some() {
                self.litter.push(id);
            }
        }
        self.vacuum();
        Ok(())
    }

    /// Deletes what a filter finds.
    pub fn delete(&mut self, filter: &Filter, bytes: usize) -> Result<(), Status> {
        let gone = self.find(filter)?;
        self.write(bytes, gone.clone());
        for id in &gone {
            self.points.remove(id);
        }
        self.litter.extend(gone);
        self.vacuum();
        Ok(())
    }

    /// The ids that a filter finds, in order.
    pub fn find(&self, filter: &Filter) -> Result<Vec<String>, Status> {
        if !scoring::fields(filter).iter().all(|field| self.fields.contains(*field)) {
            return Err(Status::invalid_argument("Bad request: Index required but not found"));
        }
        let mut found = Vec::new();
        for (id, point) in &self.points {
            if scoring::holds(filter, id, &point.payload)? {
                found.push(id.clone());
            }
        }
        Ok(found)
    }

    /// Lets a field be filtered by.
    pub fn index_field(&mut self, name: String) {
        self.fields.insert(name);
    }

    /// Changes the thresholds.
    pub fn set_optimizers(&mut self, changed: &OptimizersConfigDiff) {
        self.optimizers.deleted_threshold = changed.deleted_threshold.or(self.optimizers.deleted_threshold);
        self.optimizers.vacuum_min_vector_number =
            changed.vacuum_min_vector_number.or(self.optimizers.vacuum_min_vector_number);
        self.vacuum();
    }

    /// What is told about it. Each look brings rewriting nearer to its end.
    pub fn info(&mut self) -> CollectionInfo {
        let is_rewriting = self.looks > 0;
        self.looks = self.looks.saturating_sub(1);
        let status = if is_rewriting { CollectionStatus::Yellow } else { CollectionStatus::Green };
        let field = |name: &String| {
            let info = PayloadSchemaInfo { data_type: PayloadSchemaType::Keyword.into(), params: None, points: None };
            (name.clone(), info)
        };
        CollectionInfo {
            status: status.into(),
            segments_count: 1,
            config: Some(CollectionConfig {
                params: Some(CollectionParams { vectors_config: self.vectors.clone(), ..CollectionParams::default() }),
                optimizer_config: Some(OptimizersConfigDiff {
                    deleted_threshold: Some(self.share()),
                    vacuum_min_vector_number: Some(self.least()),
                    ..self.optimizers
                }),
                ..CollectionConfig::default()
            }),
            payload_schema: self.fields.iter().map(field).collect(),
            ..CollectionInfo::default()
        }
    }

    fn share(&self) -> f64 {
        self.optimizers.deleted_threshold.unwrap_or(0.2)
    }

    fn least(&self) -> u64 {
        self.optimizers.vacuum_min_vector_number.unwrap_or(1000)
    }

    fn vacuum(&mut self) {
        let total = self.points.len() + self.litter.len();
        let is_littered = self.litter.len() as f64 / total.max(1) as f64 > self.share();
        if is_littered && total as u64 >= self.least() {
            self.litter.clear();
            self.looks = LOOKS;
        }
    }

    fn write(&mut self, bytes: usize, ids: Vec<String>) {
        let is_full = self.log.last().is_some_and(|(used, _)| *used > 0 && used + bytes > self.log_bytes);
        if is_full {
            self.log.push((0, Vec::new()));
            let closed_before = self.log.len().saturating_sub(2);
            self.log.drain(..closed_before);
        }
        let (used, logged) = self.log.last_mut().expect("a log has a file");
        *used += bytes;
        logged.extend(ids);
    }
}

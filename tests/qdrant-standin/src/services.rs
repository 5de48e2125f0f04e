//! The two services. What the plugin has no business calling is answered as unknown.

use std::sync::{Arc, Mutex, MutexGuard};

use ::qdrant_client::qdrant::{
    collections_server::Collections, point_id::PointIdOptions, points_selector::PointsSelectorOneOf,
    points_server::Points, *,
};
use prost::Message;
use tonic::{Request, Response, Status, async_trait};

use super::{
    Fault, Seen, Shared,
    memory::Collection,
    rules::{check_waits, tenant_of, tenant_of_points, tenant_of_query},
    scoring::{self, Part},
};

type Answer<T> = Result<Response<T>, Status>;

/// Both services over one memory.
#[derive(Clone)]
pub struct Services(Arc<Mutex<Shared>>);

/// Calls that are not for the plugin, as `#[async_trait]` would write them.
macro_rules! unknown {
    ($($name:ident($request:ty) -> $answer:ty;)*) => {$(
        fn $name<'life, 'async_trait>(
            &'life self,
            _: Request<$request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Answer<$answer>> + Send + 'async_trait>>
        where
            'life: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented(concat!("the plugin has no business with ", stringify!($name)))) })
        }
    )*};
}

impl Services {
    /// The services over this.
    pub fn new(shared: Arc<Mutex<Shared>>) -> Self {
        Self(shared)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().expect("no test panics with it")
    }

    /// What a test wants to go wrong now. A fault that is not over with the call is given back.
    async fn fault(&self, call: &'static str) -> Result<Option<Fault>, Status> {
        let fault = {
            let mut shared = self.shared();
            let next = shared.faults.iter().position(|(at, _)| *at == call);
            next.and_then(|at| shared.faults.remove(at)).map(|(_, fault)| fault)
        };
        match fault {
            Some(Fault::Unavailable) => Err(Status::unavailable("away, and it quotes a secret")),
            Some(Fault::Denied) => Err(Status::permission_denied("no, and it quotes a secret")),
            Some(Fault::Slow(time)) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            other => Ok(other),
        }
    }

    fn saw(&self, call: &'static str, collection: &str, tenant: String) {
        self.shared().seen.push(Seen { call, collection: collection.to_owned(), tenant });
    }

    fn on<T>(&self, collection: &str, work: impl FnOnce(&mut Collection) -> Result<T, Status>) -> Result<T, Status> {
        work(self.shared().memory.get(collection)?)
    }
}

fn written(fault: Option<Fault>) -> Answer<PointsOperationResponse> {
    let status = match fault {
        Some(Fault::Unconfirmed) => UpdateStatus::Acknowledged,
        _ => UpdateStatus::Completed,
    };
    let result = UpdateResult { operation_id: Some(1), status: status.into() };
    Ok(Response::new(PointsOperationResponse { result: Some(result), ..PointsOperationResponse::default() }))
}

fn point_id(id: &str) -> PointId {
    PointId { point_id_options: Some(PointIdOptions::Uuid(id.to_owned())) }
}

#[async_trait]
impl Points for Services {
    async fn upsert(&self, request: Request<UpsertPoints>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        check_waits(request.wait)?;
        let tenant = tenant_of_points(&request.points)?;
        self.saw("upsert", &request.collection_name, tenant);
        let fault = self.fault("upsert").await?;
        let bytes = request.encoded_len();
        self.on(&request.collection_name, |collection| collection.upsert(request.points, bytes))?;
        written(fault)
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        check_waits(request.wait)?;
        let bytes = request.encoded_len();
        let Some(PointsSelectorOneOf::Filter(filter)) = request.points.and_then(|which| which.points_selector_one_of)
        else {
            return Err(Status::permission_denied("the stand-in refuses a deletion by ids alone"));
        };
        self.saw("delete", &request.collection_name, tenant_of(Some(&filter))?);
        let fault = self.fault("delete").await?;
        if !matches!(fault, Some(Fault::Lies)) {
            self.on(&request.collection_name, |collection| collection.delete(&filter, bytes))?;
        }
        written(fault)
    }

    async fn create_field_index(
        &self,
        request: Request<CreateFieldIndexCollection>,
    ) -> Answer<PointsOperationResponse> {
        let request = request.into_inner();
        check_waits(request.wait)?;
        let params = request.field_index_params.and_then(|params| params.index_params);
        let is_in_graph = match &params {
            Some(payload_index_params::IndexParams::KeywordIndexParams(params)) => {
                if params.is_tenant == Some(true) {
                    request.field_name == "workspace_id"
                } else {
                    params.enable_hnsw == Some(false)
                }
            }
            Some(payload_index_params::IndexParams::UuidIndexParams(params)) => params.enable_hnsw == Some(false),
            Some(payload_index_params::IndexParams::IntegerIndexParams(params)) => params.enable_hnsw == Some(false),
            _ => false,
        };
        if !is_in_graph {
            return Err(Status::invalid_argument("only the tenant key has a part in the graph"));
        }
        self.on(&request.collection_name, |collection| {
            collection.index_field(request.field_name);
            Ok(())
        })?;
        written(None)
    }

    async fn scroll(&self, request: Request<ScrollPoints>) -> Answer<ScrollResponse> {
        let request = request.into_inner();
        self.saw("scroll", &request.collection_name, tenant_of(request.filter.as_ref())?);
        self.fault("scroll").await?;
        let filter = request.filter.unwrap_or_default();
        let (found, next) = self.on(&request.collection_name, |collection| {
            let from = request.offset.as_ref().and_then(scoring::uuid).unwrap_or_default();
            let mut ids = collection.find(&filter)?.into_iter().filter(|id| id.as_str() >= from);
            let page: Vec<String> = ids.by_ref().take(request.limit.unwrap_or(10) as usize).collect();
            let found = page.into_iter().map(|id| RetrievedPoint {
                payload: collection.points[&id].payload.clone(),
                id: Some(point_id(&id)),
                ..RetrievedPoint::default()
            });
            Ok((found.collect(), ids.next()))
        })?;
        Ok(Response::new(ScrollResponse {
            result: found,
            next_page_offset: next.as_deref().map(point_id),
            ..ScrollResponse::default()
        }))
    }

    async fn count(&self, request: Request<CountPoints>) -> Answer<CountResponse> {
        let request = request.into_inner();
        self.saw("count", &request.collection_name, tenant_of(request.filter.as_ref())?);
        self.fault("count").await?;
        if request.exact != Some(true) {
            return Err(Status::invalid_argument("about how many is no count"));
        }
        let filter = request.filter.unwrap_or_default();
        let count = self.on(&request.collection_name, |collection| collection.find(&filter))?.len() as u64;
        Ok(Response::new(CountResponse { result: Some(CountResult { count }), ..CountResponse::default() }))
    }

    async fn query(&self, request: Request<QueryPoints>) -> Answer<QueryResponse> {
        let request = request.into_inner();
        self.saw("query", &request.collection_name, tenant_of_query(&request)?);
        self.fault("query").await?;
        let filter = request.filter.clone().unwrap_or_default();
        let part = Part {
            prefetch: &request.prefetch,
            query: request.query.as_ref(),
            using: request.using.as_deref(),
            filter: &filter,
            limit: request.limit,
        };
        let found = self.on(&request.collection_name, |collection| {
            let scored = scoring::run(collection, &part)?;
            let point = |(id, score): (String, f32)| ScoredPoint {
                payload: collection.points[&id].payload.clone(),
                id: Some(point_id(&id)),
                score,
                ..ScoredPoint::default()
            };
            Ok(scored.into_iter().map(point).collect())
        })?;
        Ok(Response::new(QueryResponse { result: found, ..QueryResponse::default() }))
    }

    unknown! {
        get(GetPoints) -> GetResponse;
        update_vectors(UpdatePointVectors) -> PointsOperationResponse;
        delete_vectors(DeletePointVectors) -> PointsOperationResponse;
        set_payload(SetPayloadPoints) -> PointsOperationResponse;
        overwrite_payload(SetPayloadPoints) -> PointsOperationResponse;
        delete_payload(DeletePayloadPoints) -> PointsOperationResponse;
        clear_payload(ClearPayloadPoints) -> PointsOperationResponse;
        delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse;
        create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse;
        delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse;
        search(SearchPoints) -> SearchResponse;
        search_batch(SearchBatchPoints) -> SearchBatchResponse;
        search_groups(SearchPointGroups) -> SearchGroupsResponse;
        recommend(RecommendPoints) -> RecommendResponse;
        recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse;
        recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse;
        discover(DiscoverPoints) -> DiscoverResponse;
        discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse;
        update_batch(UpdateBatchPoints) -> UpdateBatchResponse;
        query_batch(QueryBatchPoints) -> QueryBatchResponse;
        query_groups(QueryPointGroups) -> QueryGroupsResponse;
        facet(FacetCounts) -> FacetResponse;
        search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse;
        search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse;
    }
}

#[async_trait]
impl Collections for Services {
    async fn get(&self, request: Request<GetCollectionInfoRequest>) -> Answer<GetCollectionInfoResponse> {
        self.fault("get").await?;
        let info = self.on(&request.into_inner().collection_name, |collection| Ok(collection.info()))?;
        Ok(Response::new(GetCollectionInfoResponse { result: Some(info), time: 0.0 }))
    }

    async fn create(&self, request: Request<CreateCollection>) -> Answer<CollectionOperationResponse> {
        self.fault("create").await?;
        self.shared().memory.create(request.into_inner())?;
        Ok(Response::new(CollectionOperationResponse { result: true, time: 0.0 }))
    }

    async fn update(&self, request: Request<UpdateCollection>) -> Answer<CollectionOperationResponse> {
        self.fault("update").await?;
        let request = request.into_inner();
        let optimizers = request.optimizers_config.unwrap_or_default();
        self.on(&request.collection_name, |collection| {
            collection.set_optimizers(&optimizers);
            Ok(())
        })?;
        Ok(Response::new(CollectionOperationResponse { result: true, time: 0.0 }))
    }

    unknown! {
        list(ListCollectionsRequest) -> ListCollectionsResponse;
        delete(DeleteCollection) -> CollectionOperationResponse;
        update_aliases(ChangeAliases) -> CollectionOperationResponse;
        list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse;
        list_aliases(ListAliasesRequest) -> ListAliasesResponse;
        collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse;
        collection_exists(CollectionExistsRequest) -> CollectionExistsResponse;
        update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse;
        create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse;
        delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse;
        list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse;
    }
}

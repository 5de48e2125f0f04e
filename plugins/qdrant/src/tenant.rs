//! The only type that speaks to points, and the only way to one is a [`Partition`].
//!
//! Qdrant enforces no tenants: a request without the tenant key would be answered from everybody's points. So the
//! client of its points service is private to this file, [`Points`] gives nothing away but a [`Tenant`], and every
//! message that a `Tenant` sends has the workspace in it: as a condition of its filter, or in the payload it writes.

use std::{collections::HashMap, time::Duration};

use consigne_sdk::{Hit, IndexQuery, Partition, Point, Result};
use qdrant_client::qdrant::{
    Condition, CountPoints, CreateFieldIndexCollection, DeletePoints, Filter, PointId, PointStruct, PointsSelector,
    ReadConsistency, ReadConsistencyType, ScrollPoints, UpsertPoints, Value, points_client::PointsClient,
    points_selector::PointsSelectorOneOf, read_consistency,
};
use uuid::Uuid;

use crate::{
    channel::Wire,
    collections::{self, VERSIONS},
    failure::{ask, check_written, invalid, unavailable},
    filter, point, query,
};

/// Points in one upsert: about half a megabyte of 384 numbers and their terms.
const BATCH: usize = 256;
/// Points in one page of ids.
const PAGE: u32 = 5_000;
/// Ids in one deletion.
const IDS: usize = 1_000;

/// The points service, out of reach but through [`Points::of`].
pub(crate) struct Points {
    client: PointsClient<Wire>,
    timeout: Duration,
}

impl Points {
    /// The service behind this wire.
    pub(crate) fn new(wire: Wire, timeout: Duration) -> Self {
        Self { client: PointsClient::new(wire), timeout }
    }

    /// The points of one workspace.
    pub(crate) fn of(&self, partition: &Partition) -> Tenant<'_> {
        Tenant { points: self, collection: collections::name_of(partition.model()), workspace: partition.workspace() }
    }

    /// Lets a field be filtered by. It is part of a collection's shape and touches no point.
    pub(crate) async fn index_field(&self, request: CreateFieldIndexCollection) -> Result<()> {
        let done = ask(self.timeout, || {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.create_field_index(request).await }
        });
        check_written(&done.await?.ok_or_else(gone)?)
    }
}

/// One workspace's points of one model.
pub(crate) struct Tenant<'a> {
    points: &'a Points,
    collection: String,
    workspace: Uuid,
}

impl Tenant<'_> {
    /// The collection that the points are in.
    pub(crate) fn collection(&self) -> &str {
        &self.collection
    }

    /// Puts these points, in the place of those with the same passages.
    pub(crate) async fn put(&self, points: &[Point]) -> Result<()> {
        for batch in points.chunks(BATCH) {
            let batch = batch.iter().map(|point| point::of(self.workspace, point)).collect();
            self.upsert(&self.collection, batch).await?;
        }
        Ok(())
    }

    /// Takes these passages away.
    pub(crate) async fn take(&self, passages: &[Uuid]) -> Result<()> {
        for some in passages.chunks(IDS) {
            let ids = some.iter().map(|passage| point::id_of(self.workspace, *passage)).collect();
            self.delete(&self.collection, vec![filter::is_point(ids)]).await?;
        }
        Ok(())
    }

    /// Takes a document's passages away.
    pub(crate) async fn take_document(&self, document: Uuid) -> Result<()> {
        self.delete(&self.collection, vec![filter::is(point::DOCUMENT, document.to_string())]).await
    }

    /// Takes everything away.
    pub(crate) async fn take_all(&self) -> Result<()> {
        self.delete(&self.collection, Vec::new()).await
    }

    /// How many points there are, of one document or of all.
    pub(crate) async fn count(&self, document: Option<Uuid>) -> Result<u64> {
        let of_document = document.map(|document| filter::is(point::DOCUMENT, document.to_string()));
        let request = CountPoints {
            collection_name: self.collection.clone(),
            filter: Some(self.mine(of_document.into_iter().collect())),
            exact: Some(true),
            read_consistency: Some(majority()),
            ..CountPoints::default()
        };
        let counted = ask(self.points.timeout, || {
            let (mut client, request) = (self.points.client.clone(), request.clone());
            async move { client.count(request).await }
        });
        let Some(counted) = counted.await? else { return Ok(0) };
        Ok(counted.result.ok_or_else(|| invalid("a count without a number"))?.count)
    }

    /// All passages.
    pub(crate) async fn passages(&self) -> Result<Vec<Uuid>> {
        let mut passages = Vec::new();
        let mut offset = None;
        loop {
            let page = self.page(&self.collection, point::PASSAGE, Vec::new(), offset).await?;
            for found in page.found {
                let passage = point::id_in(&found, point::PASSAGE);
                passages.push(passage.ok_or_else(|| invalid("a point without its passage"))?);
            }
            offset = page.next;
            if offset.is_none() {
                return Ok(passages);
            }
        }
    }

    /// The best passages. `None` where the collection does not exist.
    pub(crate) async fn search(&self, wanted: &IndexQuery) -> Result<Option<Vec<Hit>>> {
        let request = query::of(&self.collection, self.mine(filter::conditions(&wanted.filter)), wanted);
        let found = ask(self.points.timeout, || {
            let (mut client, request) = (self.points.client.clone(), request.clone());
            async move { client.query(request).await }
        });
        let Some(found) = found.await? else { return Ok(None) };
        let hits = found.result.into_iter().map(|scored| {
            let passage = point::id_in(&scored.payload, point::PASSAGE);
            let passage = passage.ok_or_else(|| invalid("a hit without its passage"))?;
            Ok(Hit { passage, score: scored.score })
        });
        hits.collect::<Result<_>>().map(Some)
    }

    /// The version that was last recorded.
    pub(crate) async fn version(&self) -> Result<Option<i64>> {
        let page = self.page(VERSIONS, collections::VERSION, vec![self.version_point()], None).await?;
        let Some(found) = page.found.into_iter().next() else { return Ok(None) };
        point::number_in(&found, collections::VERSION).map(Some).ok_or_else(|| invalid("a version without a number"))
    }

    /// Records a version.
    pub(crate) async fn record(&self, version: i64) -> Result<()> {
        let payload = [
            (point::WORKSPACE.to_owned(), point::text(self.workspace)),
            (collections::VERSION.to_owned(), point::number(version)),
        ];
        let (id, vectors) = (self.version_id(), point::named(HashMap::new()));
        let recorded = PointStruct { id: Some(id), payload: payload.into(), vectors: Some(vectors) };
        self.upsert(VERSIONS, vec![recorded]).await
    }

    /// Forgets the version.
    pub(crate) async fn forget_version(&self) -> Result<()> {
        self.delete(VERSIONS, vec![self.version_point()]).await
    }

    /// The filter that every request has: the workspace, and what else has to hold.
    fn mine(&self, others: Vec<Condition>) -> Filter {
        let mut must = vec![filter::is(point::WORKSPACE, self.workspace.to_string())];
        must.extend(others);
        Filter { must, ..Filter::default() }
    }

    fn version_id(&self) -> PointId {
        point::uuid_id(Uuid::new_v5(&self.workspace, self.collection.as_bytes()))
    }

    fn version_point(&self) -> Condition {
        filter::is_point(vec![self.version_id()])
    }

    async fn upsert(&self, collection: &str, points: Vec<PointStruct>) -> Result<()> {
        let request = UpsertPoints {
            collection_name: collection.to_owned(),
            wait: Some(true),
            points,
            ..UpsertPoints::default()
        };
        let written = ask(self.points.timeout, || {
            let (mut client, request) = (self.points.client.clone(), request.clone());
            async move { client.upsert(request).await }
        });
        check_written(&written.await?.ok_or_else(gone)?)
    }

    async fn delete(&self, collection: &str, which: Vec<Condition>) -> Result<()> {
        let mine = PointsSelectorOneOf::Filter(self.mine(which));
        let request = DeletePoints {
            collection_name: collection.to_owned(),
            wait: Some(true),
            points: Some(PointsSelector { points_selector_one_of: Some(mine) }),
            ..DeletePoints::default()
        };
        let deleted = ask(self.points.timeout, || {
            let (mut client, request) = (self.points.client.clone(), request.clone());
            async move { client.delete(request).await }
        });
        match deleted.await? {
            Some(deleted) => check_written(&deleted),
            None => Ok(()),
        }
    }

    /// A page of a collection, of one field of its payloads.
    async fn page(&self, collection: &str, field: &str, which: Vec<Condition>, from: Option<PointId>) -> Result<Page> {
        let request = ScrollPoints {
            collection_name: collection.to_owned(),
            filter: Some(self.mine(which)),
            offset: from,
            limit: Some(PAGE),
            with_payload: Some(point::only(field)),
            read_consistency: Some(majority()),
            ..ScrollPoints::default()
        };
        let page = ask(self.points.timeout, || {
            let (mut client, request) = (self.points.client.clone(), request.clone());
            async move { client.scroll(request).await }
        });
        let Some(page) = page.await? else { return Ok(Page::default()) };
        let found = page.result.into_iter().map(|point| point.payload).collect();
        Ok(Page { found, next: page.next_page_offset })
    }
}

/// Some payloads, and where the next ones begin.
#[derive(Default)]
struct Page {
    found: Vec<HashMap<String, Value>>,
    next: Option<PointId>,
}

/// What most of a point's copies agree on: a copy that fell behind must not say that nothing is left.
fn majority() -> ReadConsistency {
    ReadConsistency { value: Some(read_consistency::Value::Type(ReadConsistencyType::Majority.into())) }
}

fn gone() -> consigne_sdk::PluginError {
    unavailable("the collection does not exist any more")
}

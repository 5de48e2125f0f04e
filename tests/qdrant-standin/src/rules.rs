//! What is refused: whatever does not name one tenant throughout, and whatever the plugin promises not to send.

use std::collections::{BTreeSet, HashMap};

use qdrant_client::qdrant::{
    Condition, Filter, PointStruct, PrefetchQuery, QueryPoints, Value, condition::ConditionOneOf, r#match::MatchValue,
    point_id::PointIdOptions, value::Kind,
};
use tonic::Status;
use uuid::Uuid;

/// All that may be in a payload.
const FIELDS: [&str; 8] =
    ["workspace_id", "passage_id", "document_id", "source_id", "language", "tags", "date", "version"];

/// The tenant of a filter, which has to be one condition that nothing else can get around.
pub fn tenant_of(filter: Option<&Filter>) -> Result<String, Status> {
    let filter = filter.ok_or_else(|| refused("no filter"))?;
    if !filter.should.is_empty() || !filter.must_not.is_empty() || filter.min_should.is_some() {
        return Err(refused("a filter of more than what must hold"));
    }
    let tenants: Vec<String> = filter.must.iter().filter_map(tenant_in).collect();
    match tenants.as_slice() {
        [tenant] => Ok(tenant.clone()),
        _ => Err(refused("not exactly one tenant in a filter")),
    }
}

fn tenant_in(condition: &Condition) -> Option<String> {
    let Some(ConditionOneOf::Field(field)) = &condition.condition_one_of else { return None };
    match field.r#match.as_ref()?.match_value.as_ref()? {
        MatchValue::Keyword(tenant) if field.key == "workspace_id" => Some(tenant.clone()),
        _ => None,
    }
}

/// The tenant of a query: of its filter and of each of its parts.
pub fn tenant_of_query(query: &QueryPoints) -> Result<String, Status> {
    let mut all = BTreeSet::from([tenant_of(query.filter.as_ref())?]);
    collect(&query.prefetch, &mut all)?;
    single(all)
}

fn collect(parts: &[PrefetchQuery], into: &mut BTreeSet<String>) -> Result<(), Status> {
    for part in parts {
        into.insert(tenant_of(part.filter.as_ref())?);
        collect(&part.prefetch, into)?;
    }
    Ok(())
}

/// The tenant of points that are written, after a look at each.
pub fn tenant_of_points(points: &[PointStruct]) -> Result<String, Status> {
    let mut all = BTreeSet::new();
    for point in points {
        let Some(Kind::StringValue(tenant)) = point.payload.get("workspace_id").and_then(|value| value.kind.as_ref())
        else {
            return Err(refused("a point without its tenant"));
        };
        check_payload(&point.payload)?;
        check_id(point, tenant)?;
        all.insert(tenant.clone());
    }
    single(all)
}

/// Ids, numbers and language codes.
fn check_payload(payload: &HashMap<String, Value>) -> Result<(), Status> {
    for (key, value) in payload {
        let is_allowed = match (key.as_str(), value.kind.as_ref()) {
            ("language", Some(Kind::StringValue(code))) => code.len() == 2,
            ("tags", Some(Kind::ListValue(list))) => {
                list.values.iter().all(|tag| matches!(tag.kind, Some(Kind::IntegerValue(_))))
            }
            ("date" | "version", Some(Kind::IntegerValue(_))) => true,
            (_, Some(Kind::StringValue(id))) => id.parse::<Uuid>().is_ok(),
            _ => false,
        };
        if !FIELDS.contains(&key.as_str()) || !is_allowed {
            return Err(refused("something else than ids and numbers in a payload"));
        }
    }
    Ok(())
}

/// The id of a passage's point is made from the tenant, or two tenants could overwrite each other's.
fn check_id(point: &PointStruct, tenant: &str) -> Result<(), Status> {
    let Some(Kind::StringValue(passage)) = point.payload.get("passage_id").and_then(|value| value.kind.as_ref()) else {
        return Ok(());
    };
    let (tenant, passage): (Uuid, Uuid) =
        (tenant.parse().map_err(|_| refused("no tenant"))?, passage.parse().map_err(|_| refused("no passage"))?);
    let wanted = Uuid::new_v5(&tenant, passage.as_bytes()).to_string();
    match point.id.as_ref().and_then(|id| id.point_id_options.as_ref()) {
        Some(PointIdOptions::Uuid(id)) if *id == wanted => Ok(()),
        _ => Err(refused("an id that another tenant could have")),
    }
}

/// Writes that nobody waits for cannot be reported.
pub fn check_waits(wait: Option<bool>) -> Result<(), Status> {
    if wait == Some(true) { Ok(()) } else { Err(refused("a write that is not waited for")) }
}

fn single(tenants: BTreeSet<String>) -> Result<String, Status> {
    let mut tenants = tenants.into_iter();
    match (tenants.next(), tenants.next()) {
        (Some(tenant), None) => Ok(tenant),
        _ => Err(refused("not exactly one tenant in a request")),
    }
}

fn refused(why: &str) -> Status {
    Status::permission_denied(format!("the stand-in refuses {why}"))
}

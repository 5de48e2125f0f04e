//! The shape of a request: `query`, `operationName`, `variables`, `extensions` (GraphQL over HTTP, section 5.1).

use serde_json::{Map, Value};

use super::{Limits, Refusal};

/// A request as a client sent it, its members checked by type. Members we do not know are ignored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    /// The document; empty where only its id was sent.
    pub query: String,
    /// The id of a trusted document.
    pub document_id: Option<String>,
    /// Which operation of the document.
    pub operation_name: Option<String>,
    /// The variables' values.
    pub variables: Map<String, Value>,
}

impl Parameters {
    /// Reads a request body.
    ///
    /// # Errors
    /// It is not JSON, not one object, or a member is of the wrong type.
    pub fn from_slice(body: &[u8]) -> Result<Self, Refusal> {
        let value = serde_json::from_slice(body).map_err(|_| malformed("The body is not JSON."))?;
        Self::from_json(value)
    }

    /// Reads a request.
    ///
    /// # Errors
    /// It is not one object, or a member is of the wrong type.
    pub fn from_json(value: Value) -> Result<Self, Refusal> {
        let mut members = match value {
            Value::Object(members) => members,
            Value::Array(_) => {
                return Err(Refusal::transport(400, "BATCHING_DISABLED", "Send one operation a request."));
            }
            _ => return Err(malformed("The body must be an object.")),
        };
        let extensions = object(&mut members, "extensions")?;
        let document_id = match members.remove("documentId") {
            None | Some(Value::Null) => extensions.get("persistedQuery").and_then(|of| of["sha256Hash"].as_str()),
            Some(Value::String(ref id)) => Some(id.as_str()),
            Some(_) => return Err(malformed("`documentId` must be a string.")),
        }
        .map(str::to_owned);
        let query = match members.remove("query") {
            Some(Value::String(query)) => query,
            None | Some(Value::Null) if document_id.is_some() => String::new(),
            None | Some(Value::Null) if extensions.contains_key("persistedQuery") => {
                return Err(Refusal::transport(400, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"));
            }
            None | Some(Value::Null) => return Err(malformed("`query` is missing.")),
            Some(_) => return Err(malformed("`query` must be a string.")),
        };
        let operation_name = match members.remove("operationName") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name).filter(|name| !name.is_empty()),
            Some(_) => return Err(malformed("`operationName` must be a string.")),
        };
        Ok(Self { query, document_id, operation_name, variables: object(&mut members, "variables")? })
    }

    /// Refuses variables that are nested too deep or hold too many values.
    ///
    /// # Errors
    /// A limit is passed.
    pub fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        let mut values = 0;
        let mut level: Vec<&Value> = self.variables.values().collect();
        for depth in 0.. {
            if level.is_empty() {
                break;
            }
            values += level.len();
            if depth > limits.variable_depth {
                return Err(Refusal::document(
                    "VARIABLES_TOO_DEEP",
                    format!("The variables are nested deeper than the {} levels allowed.", limits.variable_depth),
                ));
            }
            if values > limits.variable_values {
                return Err(Refusal::document(
                    "VARIABLES_TOO_LARGE",
                    format!("The variables hold more than the {} values allowed.", limits.variable_values),
                ));
            }
            level = level.into_iter().flat_map(children).collect();
        }
        Ok(())
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

fn object(members: &mut Map<String, Value>, name: &'static str) -> Result<Map<String, Value>, Refusal> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(malformed(&format!("`{name}` must be an object."))),
    }
}

fn malformed(message: &str) -> Refusal {
    Refusal::transport(400, "BAD_REQUEST", message)
}

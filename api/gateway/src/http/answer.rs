//! What a client gets back, the same on every transport.
//!
//! Our own errors are masked here for the last time: what has no code is either the client's input, said without
//! repeating it, or `Internal error` and a reference.

use async_graphql::{ErrorExtensionValues, PathSegment, Response, ServerError, Value};
use serde::Serialize;

use crate::{
    graphql::request::{Refusal, Stage},
    telemetry::new_reference,
};

/// Validation stops nowhere in async-graphql; a client is told the first few.
const VALIDATION_ERRORS: usize = 5;

/// What kind of answer this is; each transport says it in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The operation was executed; there may be errors of single fields.
    Executed,
    /// It was stopped before.
    Refused(Stage),
}

/// An answer: the response, and what kind it is.
#[derive(Debug)]
pub struct Answer {
    /// What kind of answer this is.
    pub kind: Kind,
    /// The response as async-graphql made it, its errors coded and masked.
    pub response: Response,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u64>,
}

impl Answer {
    /// What the schema answered. `sees_schema` is whether the caller may read hints about it.
    pub fn from_response(mut response: Response, sees_schema: bool) -> Self {
        let is_executed = response.data != Value::Null || response.errors.iter().any(|error| !error.path.is_empty());
        if is_executed || response.errors.is_empty() {
            for error in &mut response.errors {
                mask(error);
            }
            return Self { kind: Kind::Executed, response, retry_after: None };
        }
        response.errors.truncate(VALIDATION_ERRORS);
        if sees_schema {
            for error in &mut response.errors {
                error.message = without_value(&error.message);
                set_code(error, "GRAPHQL_VALIDATION_FAILED");
            }
        } else {
            let message = "The operation does not fit the schema.";
            response.errors = vec![Refusal::document("GRAPHQL_VALIDATION_FAILED", message).into()];
        }
        Self { kind: Kind::Refused(Stage::Document), response, retry_after: None }
    }

    /// Whether the operation was executed.
    pub fn is_executed(&self) -> bool {
        self.kind == Kind::Executed
    }

    /// The first error's code, for metrics: codes are ours, never a client's.
    pub fn code(&self) -> Option<&str> {
        match self.response.errors.first()?.extensions.as_ref()?.get("code")? {
            Value::String(code) => Some(code),
            _ => None,
        }
    }

    /// The answer as JSON. What was not executed has no `data` at all (GraphQL, section 7.1).
    pub fn to_json(&self) -> String {
        to_json(&Body {
            data: self.is_executed().then_some(&self.response.data),
            errors: &self.response.errors,
            extensions: &self.response.extensions,
        })
    }

    /// The errors alone as JSON.
    pub fn errors_to_json(&self) -> String {
        to_json(&self.response.errors)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let (stage, retry_after) = (refusal.stage, refusal.retry_after);
        Self { kind: Kind::Refused(stage), response: Response::from_errors(vec![refusal.into()]), retry_after }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[ServerError]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    extensions: &'a std::collections::BTreeMap<String, Value>,
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| r#"{"errors":[{"message":"Internal error"}]}"#.to_owned())
}

/// Gives an error of a field a code. One that came out of a resolver without a code is our fault.
fn mask(error: &mut ServerError) {
    let has_code = error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some());
    if has_code {
        return;
    }
    if error.source.is_none() && is_about_input(&error.message) {
        error.message = without_value(&error.message);
        set_code(error, "INVALID_INPUT");
        return;
    }
    let reference = new_reference();
    let depth = error.path.iter().filter(|segment| matches!(segment, PathSegment::Field(_))).count();
    tracing::error!(reference, depth, "a resolver failed without a code");
    let (locations, path) = (std::mem::take(&mut error.locations), std::mem::take(&mut error.path));
    *error = ServerError { locations, path, ..Refusal::internal(reference).into() };
}

/// async-graphql's own words about arguments, which carry no code.
fn is_about_input(message: &str) -> bool {
    ["Failed to parse ", "Expected input type ", "Enumeration type does not contain value ", "Variable "]
        .iter()
        .any(|start| message.starts_with(start))
}

/// async-graphql repeats values in some messages. A value may be personal, so the message ends before it.
fn without_value(message: &str) -> String {
    for quoting in [", found ", " does not contain the value ", " does not contain value "] {
        if let Some((before, _)) = message.split_once(quoting) {
            return format!("{before}{}.", if quoting == ", found " { "" } else { " does not contain this value" });
        }
    }
    message.to_owned()
}

fn set_code(error: &mut ServerError, code: &str) {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_none() {
        extensions.set("code", code);
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Pos;

    use super::*;

    fn response(error: ServerError) -> Response {
        Response::from_errors(vec![error])
    }

    #[test]
    fn what_was_not_executed_has_no_data_and_a_code() {
        let hint =
            ServerError::new("Unknown field \"nam\" on type \"Chat\". Did you mean \"name\"?", Some(Pos::default()));
        let member = Answer::from_response(response(hint.clone()), true);
        assert_eq!((member.kind, member.code()), (Kind::Refused(Stage::Document), Some("GRAPHQL_VALIDATION_FAILED")));
        assert!(!member.to_json().contains("data") && member.to_json().contains("Did you mean"));
        let visitor = Answer::from_response(response(hint), false);
        assert!(!visitor.to_json().contains("name"), "{}", visitor.to_json());
    }

    #[test]
    fn an_error_without_a_code_is_masked_and_a_coded_one_is_not() {
        let path = vec![PathSegment::Field("me".into())];
        let raw = Answer::from_response(response(ServerError::new("disk canary", None).with_path(path.clone())), true);
        assert!(raw.to_json().contains("Internal error") && !raw.to_json().contains("canary"), "{}", raw.to_json());
        assert!(raw.to_json().contains("\"data\":null") && raw.to_json().contains("reference"));
        let mut coded = ServerError::new("No.", None).with_path(path);
        set_code(&mut coded, "FORBIDDEN");
        assert!(Answer::from_response(response(coded), true).to_json().contains("No."));
    }

    #[test]
    fn values_are_not_repeated() {
        let found = ServerError::new("Expected input type \"Int\", found \"canary\".", None);
        let path = vec![PathSegment::Field("me".into())];
        let answer = Answer::from_response(response(found.with_path(path)), true);
        assert_eq!(answer.code(), Some("INVALID_INPUT"));
        assert!(!answer.to_json().contains("canary"));
    }
}

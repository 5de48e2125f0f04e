use std::num::NonZeroU32;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::telemetry::Stopwatch;

const INTROSPECTION: &str = r#"query IntrospectionQuery { __schema { description queryType { name } mutationType { name }
subscriptionType { name } types { ...FullType } directives { name description isRepeatable locations
args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL isOneOf fields(includeDeprecated: true) { name description
args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }"#;

fn guard() -> RequestGuard {
    RequestGuard::new(["signIn", "eraseSubject"]).with_cost("askQuestion", 50)
}

fn ask(query: &str) -> Parameters {
    Parameters { query: query.to_owned(), ..Parameters::default() }
}

fn code(query: &str) -> &'static str {
    guard().admit(CallerClass::Member, ask(query)).map_or_else(|refusal| refusal.code, |_| "ADMITTED")
}

fn repeated(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_ordinary_request_is_admitted_with_its_kind_and_cost() {
    let parameters = ask("query Chats($n: Int!) { chats(first: $n) { nodes { id title } } }");
    let parameters =
        Parameters { variables: json!({ "n": 10 }).as_object().cloned().unwrap_or_default(), ..parameters };
    let admitted = guard().admit(CallerClass::Visitor, parameters).unwrap();
    assert_eq!((admitted.kind, admitted.cost), (OperationKind::Query, 31));
    assert_eq!(admitted.fingerprint.len(), 16);
}

#[test]
fn pages_multiply_and_expensive_fields_add() {
    let cost = |query: &str| guard().admit(CallerClass::Member, ask(query)).unwrap().cost;
    assert_eq!(cost("{ __typename }"), 1);
    assert_eq!(cost("{ chats { nodes { id } } }"), 1 + 20 * 2);
    assert_eq!(cost("{ chats(last: 1000) { nodes { id } } }"), 1 + 100 * 2);
    assert_eq!(
        cost("query Q($n: Int = 5) { chats(first: $n) { nodes { ...F } } } fragment F on Chat { id }"),
        1 + 5 * 2
    );
    assert_eq!(cost("mutation { askQuestion { id } }"), 2 + 10 + 50);
    assert_eq!(code("{ a(first: 100) { nodes { b(first: 100) { nodes { c d } } } } }"), "QUERY_TOO_COSTLY");
}

#[test]
fn a_nest_of_fragments_is_refused_at_once() {
    // pitfalls.md: 767 bytes that keep async-graphql 7.2.1 busy for 14.5 s.
    let chain = repeated(20, |i| format!("fragment F{i} on Query {{ ...F{} ...F{} }}", i + 1, i + 1));
    let nest = format!("{{ ...F0 }} {chain} fragment F20 on Query {{ __typename }}");
    let began = Stopwatch::start();
    assert_eq!(code(&nest), "TOO_MANY_FRAGMENTS");
    let chain = repeated(9, |i| format!("fragment F{i} on Query {{ ...F{} ...F{} }}", i + 1, i + 1));
    let nest = format!("{{ ...F0 }} {chain} fragment F9 on Query {{ __typename }}");
    assert_eq!(code(&nest), "TOO_MANY_SELECTIONS");
    assert!(began.millis() < 50, "took {} ms", began.millis());
}

#[test]
fn fragments_that_lead_back_to_themselves_are_refused() {
    assert_eq!(code("{ ...A } fragment A on Query { ...A }"), "FRAGMENT_CYCLE");
    assert_eq!(
        code("{ a } fragment A on Query { x { ...B } } fragment B on Query { ... on Query { ...A } }"),
        "FRAGMENT_CYCLE"
    );
}

/// Makes a document that holds so many of something.
type OfSize = fn(usize) -> String;

#[test]
fn every_limit_holds_at_its_number_and_not_before() {
    let depth = |n: usize| format!("{}x{}", "{a".repeat(n - 1) + "{", "}".repeat(n));
    let cases: [(&str, usize, OfSize); 7] = [
        ("TOO_MANY_ALIASES", 10, |n| format!("{{ {} }}", repeated(n, |i| format!("x{i}: a")))),
        ("TOO_MANY_DIRECTIVES", 16, |n| format!("{{ a {} }}", repeated(n, |i| format!("@d{i}")))),
        ("TOO_MANY_SPREADS", 20, |n| format!("{{ {} }} fragment F on Q {{ a }}", repeated(n, |_| "...F".into()))),
        ("TOO_MANY_FRAGMENTS", 10, |n| format!("{{ a }} {}", repeated(n, |i| format!("fragment F{i} on Q {{ a }}")))),
        ("TOO_MANY_SELECTIONS", 500, |n| format!("{{ {} }}", repeated(n, |i| format!("a{i}")))),
        ("TOO_MANY_REPEATS", 10, |n| format!("{{ {} }}", repeated(n, |_| "a".into()))),
        ("TOO_MANY_ROOT_FIELDS", 5, |n| format!("mutation {{ {} }}", repeated(n, |i| format!("a{i}")))),
    ];
    for (refused, limit, query) in cases {
        assert_eq!(code(&query(limit)), "ADMITTED", "{refused} at its limit");
        assert_eq!(code(&query(limit + 1)), refused);
    }
    assert_eq!((code(&depth(10)), code(&depth(11))), ("ADMITTED", "QUERY_TOO_DEEP"));
    assert_eq!(code(&format!("{{ a(b: {}1{}) }}", "[".repeat(30), "]".repeat(30))), "ADMITTED");
    assert_eq!(code(&format!("{{ a(b: {}1{}) }}", "[".repeat(31), "]".repeat(31))), "QUERY_TOO_DEEP");
}

#[test]
fn texts_are_measured_in_bytes_by_class() {
    let of = |class, bytes: usize| {
        let query = format!("{{ a }} #{}", "é".repeat((bytes - 7) / 2));
        guard().admit(class, ask(&query)).map_or_else(|refusal| refusal.code, |_| "ADMITTED")
    };
    assert_eq!((of(CallerClass::Visitor, 2_047), of(CallerClass::Visitor, 2_051)), ("ADMITTED", "QUERY_TOO_LARGE"));
    assert_eq!((of(CallerClass::Public, 2_051), of(CallerClass::Member, 2_051)), ("QUERY_TOO_LARGE", "ADMITTED"));
    assert_eq!((of(CallerClass::Member, 8_191), of(CallerClass::Member, 8_195)), ("ADMITTED", "QUERY_TOO_LARGE"));
}

#[test]
fn brackets_hidden_behind_an_endless_string_do_not_reach_the_parser() {
    // To the parser, an unclosed `"""` is an empty string and the start of another.
    let hidden = format!("{{ a(b: [\"\"\" \" {}", "[".repeat(2_000));
    assert_eq!(code(&hidden), "GRAPHQL_PARSE_FAILED");
    assert_eq!(code(&format!("{{ a(b: \"{}\") }}", "[".repeat(2_000))), "ADMITTED");
    assert_eq!(code(&format!("{{ a(b: \"\"\"\\\"\"\" {} \"\"\") }}", "[".repeat(2_000))), "ADMITTED");
    assert_eq!(code(&format!("{{ a }} # \" {}", "[".repeat(2_000))), "ADMITTED");
    assert_eq!(code(&format!("{{ a # \"\n {}", "{a".repeat(2_000))), "QUERY_TOO_DEEP");
}

#[test]
fn what_stands_alone_stands_alone_through_fragments_and_aliases() {
    assert_eq!(code("mutation { signIn { id } }"), "ADMITTED");
    assert_eq!(code("mutation { __typename signIn { id } }"), "ADMITTED");
    assert_eq!(code("mutation { a: signIn { id } b: signIn { id } }"), "TOO_MANY_ROOT_FIELDS");
    assert_eq!(
        code("mutation { ...F x } fragment F on Mutation { ... on Mutation { signIn { id } } }"),
        "TOO_MANY_ROOT_FIELDS"
    );
    assert_eq!(code("subscription { a b }"), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(code("subscription { ...F } fragment F on S { a }"), "ADMITTED");
}

#[test]
fn introspection_is_for_members_and_not_circular() {
    assert_eq!(code(INTROSPECTION), "ADMITTED");
    let of = |class, query: &str| guard().admit(class, ask(query)).map_or_else(|refusal| refusal.code, |_| "ADMITTED");
    for query in
        ["{ __schema { types { name } } }", "{ a { ...F } } fragment F on Q { x: __type(name: \"A\") { name } }"]
    {
        assert_eq!(of(CallerClass::Public, query), "INTROSPECTION_DISABLED");
        assert_eq!(of(CallerClass::Visitor, query), "INTROSPECTION_DISABLED");
        assert_eq!(of(CallerClass::Member, query), "ADMITTED");
        assert!(guard().in_development(true).admit(CallerClass::Public, ask(query)).is_ok());
    }
    assert_eq!(of(CallerClass::Public, "{ __typename }"), "ADMITTED");
    let circular = "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }";
    assert_eq!(code(circular), "QUERY_TOO_DEEP");
}

#[test]
fn the_operation_is_found_or_the_request_refused() {
    let named = |query: &str, name: &str| {
        let parameters = Parameters { operation_name: Some(name.to_owned()), ..ask(query) };
        guard().admit(CallerClass::Member, parameters).map_or_else(|refusal| refusal.code, |_| "ADMITTED")
    };
    assert_eq!(code("query A { a } query B { b }"), "OPERATION_RESOLUTION_FAILURE");
    assert_eq!(named("query A { a } mutation B { b }", "B"), "ADMITTED");
    assert_eq!(named("query A { a }", "B"), "OPERATION_RESOLUTION_FAILURE");
    assert_eq!(code("query A { a } query A { b }"), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(code("fragment F on Q { a }"), "GRAPHQL_PARSE_FAILED");
    assert_eq!(code("query A($id: ID!) { a }"), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(code("query A($id: ID! = 1, $b: ID) { a }"), "ADMITTED");
}

#[test]
fn refusals_never_repeat_what_was_sent() {
    for query in [
        "{ canary(",
        "canary",
        "{ a(b: \"canary) }",
        "query canary { a } query canary { b }",
        "{ ...canary } fragment canary on Q { ...canary }",
    ] {
        let refusal = guard().admit(CallerClass::Member, ask(query)).unwrap_err();
        assert!(!refusal.message.contains("canary"), "{refusal}");
    }
}

#[test]
fn request_members_are_checked_by_type() {
    let of = |body: Value| Parameters::from_json(body).map_or_else(|refusal| refusal.code, |_| "READ");
    assert_eq!(
        of(json!({ "query": "{a}", "operationName": null, "variables": null, "extensions": null, "id": 1 })),
        "READ"
    );
    assert_eq!(of(json!([{ "query": "{a}" }])), "BATCHING_DISABLED");
    assert_eq!(of(json!({ "extensions": { "persistedQuery": {} } })), "PERSISTED_QUERY_NOT_SUPPORTED");
    for wrong in [
        json!({}),
        json!(1),
        json!({ "query": 1 }),
        json!({ "query": "", "variables": [] }),
        json!({ "query": "", "extensions": "" }),
        json!({ "query": "", "operationName": {} }),
    ] {
        assert_eq!(of(wrong), "BAD_REQUEST");
    }
}

#[test]
fn huge_variables_are_refused() {
    let with = |value: Value| {
        let variables = json!({ "x": value }).as_object().cloned().unwrap_or_default();
        let parameters = Parameters { variables, ..ask("query($x: X) { a(x: $x) }") };
        guard().admit(CallerClass::Member, parameters).map_or_else(|refusal| refusal.code, |_| "ADMITTED")
    };
    let nested = |n: usize| (0..n).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!((with(nested(16)), with(nested(17))), ("ADMITTED", "VARIABLES_TOO_DEEP"));
    assert_eq!((with(json!(vec![0; 3_999])), with(json!(vec![0; 4_000]))), ("ADMITTED", "VARIABLES_TOO_LARGE"));
    assert_eq!(with(json!("x".repeat(60_000))), "ADMITTED");
}

#[test]
fn points_run_out_by_caller_and_say_when_they_are_back() {
    let rates = Rates { visitor: Rate::new(60, 30), ..Rates::default() };
    let limits = RateLimits::new(&rates);
    let points = |n| NonZeroU32::new(n).unwrap();
    let standing = limits.charge(CallerClass::Visitor, 1, points(20)).unwrap();
    assert_eq!((standing.per_minute, standing.remaining), (60, 10));
    let refusal = limits.charge(CallerClass::Visitor, 1, points(20)).unwrap_err();
    assert_eq!((refusal.code, refusal.stage), ("RATE_LIMITED", Stage::Transport(429)));
    assert!((5..=11).contains(&refusal.retry_after.unwrap()), "{refusal:?}");
    assert!(limits.charge(CallerClass::Visitor, 2, points(20)).is_ok(), "another visitor has points of their own");
    assert_eq!(limits.charge(CallerClass::Visitor, 3, points(31)).unwrap_err().code, "QUERY_TOO_COSTLY");
}

/// Text that looks like GraphQL, and text that does not.
fn documents() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "...",
        "on",
        "F",
        "G",
        "fragment F on Q",
        "fragment G on Q",
        "query",
        "mutation",
        "a",
        "b:",
        "@x",
        "$v",
        ":",
        "1",
        "\"",
        "\"\"\"",
        "\\",
        "#",
        "\n",
        "__schema",
        "first:",
        "é",
    ]);
    prop_oneof![
        prop::collection::vec(token, 0..200).prop_map(|tokens| tokens.join(" ")),
        ".{0,300}",
        (1usize..40, 1usize..40).prop_map(|(open, close)| format!("{}{}", "{a".repeat(open), "}".repeat(close))),
    ]
}

#[test]
fn the_longest_documents_are_measured_at_once() {
    let full = |part: &str| part.repeat(8 * 1024 / part.len());
    let hard = [
        full("{"),
        full("{a"),
        full("{a(b:"),
        full("...on A{"),
        full("a "),
        full("...F "),
        full("@a"),
        full("\"\" "),
        full("\"\"\""),
        full("# "),
        full("query A{a}"),
        full("fragment F on Q{a}"),
        full("$a:"),
        full("[1,"),
        full("\\"),
        full("é"),
        format!("{{ a(b: \"{}\") }}", full("\\u00e9")),
        format!("{{ a(b: [{}]) }}", "1 ".repeat(4_000)),
        format!("query({}) {{ a }}", repeated(700, |i| format!("$v{i}:I"))),
        format!("{{ {} }}", "a ".repeat(4_000)),
    ];
    for query in hard {
        let began = Stopwatch::start();
        code(&query);
        assert!(began.millis() < 250, "{} ms for {:?}", began.millis(), &query.chars().take(20).collect::<String>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_document_is_slow_or_fatal(query in documents()) {
        let began = Stopwatch::start();
        let admitted = guard().admit(CallerClass::Member, ask(&query));
        prop_assert!(began.millis() < 250);
        if let Ok(admitted) = admitted {
            prop_assert!(admitted.cost >= 1 && admitted.cost <= Limits::member().cost);
        }
    }

    #[test]
    fn what_is_counted_is_what_unfolds(width in 1usize..6, levels in 1usize..6) {
        let spread = |i: usize| repeated(width, |_| format!("...F{}", i + 1));
        let chain = repeated(levels, |i| format!("fragment F{i} on Q {{ {} }}", spread(i)));
        let query = format!("{{ ...F0 }} {chain} fragment F{levels} on Q {{ a }}");
        // A spread, and below it all of the next level, `width` times; one field at the end.
        let unfolded = (0..levels).fold(1, |below, _| width * (1 + below)) + 1;
        let spreads = width * levels + 1;
        let expected = if spreads > 20 || unfolded > 500 { "REFUSED" } else { "ADMITTED" };
        let found = if code(&query) == "ADMITTED" { "ADMITTED" } else { "REFUSED" };
        prop_assert_eq!(found, expected, "{} selections, {} spreads", unfolded, spreads);
    }
}

const TRUSTED: &str = "query Desk { viewer { __typename } }";

fn trusting(manifest: &str) -> RequestGuard {
    RequestGuard::new([]).trusting(Some(TrustedDocuments::from_json(manifest.as_bytes()).unwrap()))
}

fn by_id(body: &str) -> Parameters {
    Parameters::from_slice(body.as_bytes()).unwrap()
}

#[test]
fn visitors_are_bound_to_trusted_documents_and_members_are_not() {
    let guard = trusting(&format!(r#"{{"abc": "{TRUSTED}"}}"#));
    assert!(guard.admit(CallerClass::Visitor, ask(TRUSTED)).is_ok());
    for class in [CallerClass::Visitor, CallerClass::Public] {
        let refusal = guard.admit(class, ask("{ viewer { __typename } }")).unwrap_err();
        assert_eq!((refusal.code, refusal.stage), ("DOCUMENT_NOT_TRUSTED", Stage::Transport(403)));
        // What is no document at all is not even parsed.
        assert_eq!(guard.admit(class, ask("{{{{")).unwrap_err().code, "DOCUMENT_NOT_TRUSTED");
    }
    assert!(guard.admit(CallerClass::Member, ask("{ viewer { __typename } }")).is_ok());
}

#[test]
fn a_document_is_asked_for_by_its_id_in_either_form() {
    let apollo = format!(
        r#"{{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{{"id": "abc", "name": "Desk", "type": "query", "body": "{TRUSTED}"}}]}}"#
    );
    for guard in [trusting(&format!(r#"{{"abc": "{TRUSTED}"}}"#)), trusting(&apollo)] {
        for body in [
            r#"{"documentId": "abc"}"#,
            r#"{"documentId": "sha256:abc"}"#,
            r#"{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "abc"}}}"#,
        ] {
            let admitted = guard.admit(CallerClass::Visitor, by_id(body)).unwrap();
            assert_eq!(admitted.fingerprint, fingerprint(TRUSTED));
        }
        let unknown = guard.admit(CallerClass::Visitor, by_id(r#"{"documentId": "abd"}"#)).unwrap_err();
        assert_eq!(unknown.code, "PERSISTED_QUERY_NOT_FOUND");
    }
    let refusal = RequestGuard::new([]).admit(CallerClass::Member, by_id(r#"{"documentId": "abc"}"#)).unwrap_err();
    assert_eq!(refusal.code, "PERSISTED_QUERY_NOT_SUPPORTED");
    assert!(Parameters::from_slice(br#"{"documentId": 3}"#).is_err());
    assert!(TrustedDocuments::from_json(b"[1]").is_err());
}

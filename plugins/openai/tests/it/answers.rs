//! What a model's reply becomes.

use consigne_sdk::ChatDelta;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::{
    bench::{KEY, answer, ask, model, open, request, rest, settings, soon, text},
    standin::{StandIn, Turn},
};

fn raw(stream: &str) -> Turn {
    Turn::Raw(stream.as_bytes().to_vec())
}

fn called(turn: &[ChatDelta]) -> bool {
    matches!(turn, [ChatDelta::Usage { .. }, ChatDelta::NotInKnowledge])
}

#[tokio::test]
async fn text_arrives_whole_however_the_network_cuts_it() {
    let standin = StandIn::start().await;
    let model = model(&standin).await;
    for bytes in [usize::MAX, 1, 3, 7] {
        standin.cut_into(bytes);
        standin.script([Turn::answer(&["Größe ", "\"M\"", " für\n", "🦀🧳 [1]"])]);
        let deltas = answer(&model).await;
        assert_eq!(deltas.len(), 5);
        assert_eq!(text(&deltas), "Größe \"M\" für\n🦀🧳 [1]", "cut into {bytes}");
        assert_eq!(deltas[4], ChatDelta::Usage { input_tokens: 15, output_tokens: 5 });
    }
    assert_eq!(standin.connections(), 1, "a connection serves one answer after the other");
}

#[tokio::test]
async fn the_request_holds_the_prompt_and_nothing_that_names_the_visitor() {
    let standin = StandIn::start().await;
    answer(&model(&standin).await).await;
    let request = standin.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!((request.status, request.header("authorization")), (200, None));
    let expected = json!({
        "model": "tiny",
        "messages": [
            { "role": "system", "content": "Answer from the passages." },
            { "role": "user", "content": "Hello" },
            { "role": "assistant", "content": "Hello, what can I do?" },
            { "role": "user", "content": "I am Ada-Lovelace-0815. How long?" },
        ],
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_tokens": 300,
        "tools": [{ "type": "function", "function": {
            "name": "not_in_knowledge",
            "description": "Call this function, and write no text, when the passages you were given do not contain \
                            the answer to the question.",
            "parameters": { "type": "object", "properties": {} },
        } }],
    });
    assert_eq!(request.body, expected);
}

#[tokio::test]
async fn settings_shape_the_request() {
    let standin = StandIn::start().await;
    standin.require_key(KEY);
    let more = json!({
        "apiKey": KEY, "temperature": 0.2, "maxTokens": 50, "useTools": false,
        "tokenLimitField": "max_completion_tokens", "baseUrl": format!("{}/", standin.base_url()),
    });
    let model = open(settings(&standin, more)).await.expect("usable settings");
    assert_eq!(text(&answer(&model).await), "I do not know.");
    let request = standin.requests().remove(0);
    assert_eq!(request.header("authorization"), Some("Bearer sk-geheim-4711"));
    assert_eq!(request.path, "/v1/chat/completions");
    let sent = |name: &str| request.body.get(name).cloned();
    assert_eq!((sent("temperature"), sent("max_completion_tokens")), (Some(json!(0.2)), Some(json!(50))));
    assert_eq!([sent("max_tokens"), sent("tools"), sent("store")], [const { None::<Value> }; 3]);
}

#[tokio::test]
async fn the_longest_answer_is_the_smaller_of_two_wishes() {
    let standin = StandIn::start().await;
    let model = open(settings(&standin, json!({ "maxTokens": 5000 }))).await.expect("usable settings");
    answer(&model).await;
    assert_eq!(standin.requests()[0].body["max_tokens"], 300);
}

#[tokio::test]
async fn a_passage_is_answered_with_its_citation() {
    let standin = StandIn::start().await;
    let answering = soon(model(&standin).await.answer(request(Some("Fourteen days.")))).await;
    let (deltas, error) = rest(answering.expect("an answer")).await;
    assert_eq!((text(&deltas).as_str(), error.is_none()), ("Fourteen days. [1]", true));
}

#[tokio::test]
async fn knowledge_that_does_not_answer_is_said_by_a_call() {
    let standin = StandIn::start().await;
    let model = model(&standin).await;
    assert!(called(&answer(&model).await), "no passage, so the stand-in calls by itself");
    standin.cut_into(3);
    for before in [vec![], vec![String::new()], vec!["\n".to_owned(), " \n".to_owned()]] {
        standin.script([Turn::ToolCall(before)]);
        assert!(called(&answer(&model).await));
    }
}

#[tokio::test]
async fn a_call_is_known_by_its_name_in_every_form_servers_give_it() {
    let standin = StandIn::start().await;
    let model = model(&standin).await;
    let whole = r#"{"choices":[{"delta":{"tool_calls":[{"id":"1","type":"function","function":{"name":"not_in_knowledge","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
    let halves = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"name":"not_in_"}}]}}]}

data: {"choices":[{"index":0,"delta":{"content":null,"tool_calls":[{"index":1,"function":{"name":"knowledge"}}]}}]}"#;
    let repeated = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"not_in_knowledge"}}]}}]}

data: {"choices":[{"delta":{"content":"I could not find it.","tool_calls":[{"index":0,"function":{"name":"not_in_knowledge"}}]}}]}"#;
    for stream in [whole, halves, repeated] {
        standin.script([raw(&format!("data: {stream}\n\ndata: [DONE]\n\n"))]);
        assert_eq!(answer(&model).await, [ChatDelta::NotInKnowledge], "{stream}");
    }
}

#[tokio::test]
async fn a_call_after_text_is_ignored() {
    let standin = StandIn::start().await;
    standin.script([Turn::ToolCall(vec!["Fourteen ".into(), "days.".into()])]);
    let deltas = answer(&model(&standin).await).await;
    assert_eq!(text(&deltas), "Fourteen days.");
    assert!(!deltas.contains(&ChatDelta::NotInKnowledge));
}

#[tokio::test]
async fn an_answer_cut_at_the_token_limit_is_an_answer() {
    let standin = StandIn::start().await;
    standin.script([Turn::CutAtTokenLimit(vec!["Fourteen ".into(), "da".into()])]);
    assert_eq!(text(&answer(&model(&standin).await).await), "Fourteen da");
}

#[tokio::test]
async fn habits_of_real_servers_are_understood() {
    let standin = StandIn::start().await;
    let model = model(&standin).await;
    let hi = r#"data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;
    let stop = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    for stream in [
        format!("{hi}\r\n\r\n{stop}\r\n\r\ndata: [DONE]\r\n\r\n"),
        format!(": ping\n\n{hi}\n\n: ping\n\ndata:\n\n{stop}\n\ndata: [DONE]"),
        format!("{hi}\n\n{stop}\n\n"),
        format!("{hi}\n\n{stop}"),
        format!("{hi}\n\ndata: [DONE]\n\n"),
        format!("{hi}\n\n{stop}\n\ndata: [DONE]\n\ndata: after the end\n\n"),
        format!("event: message\nid: 1\n{hi}\n\n{stop}\n\n"),
        r#"data: {"choices":[{"delta":{"role":"assistant","content":"\n\nHi","reasoning":"Hm","x":[]},"y":1}],"usage":null,"z":{}}

data: {"choices":[{"index":1,"delta":{"content":"another choice"}}]}

data: {"prompt_filter_results":[]}

data: {"choices":[{"index":0,"delta":null,"finish_reason":"stop"}]}

"#
        .to_owned(),
    ] {
        for bytes in [1, 1000] {
            standin.cut_into(bytes);
            standin.script([raw(&stream)]);
            assert_eq!(answer(&model).await, [ChatDelta::Text("Hi".into())], "{stream:?}");
        }
    }
}

#[tokio::test]
async fn pieces_are_handed_on_before_the_answer_is_complete_and_dropping_it_hangs_up() {
    let standin = StandIn::start().await;
    standin.script([Turn::HangAfter(vec!["Four".into(), "teen".into()])]);
    let mut answer = ask(&model(&standin).await).await.expect("an answer");
    for piece in ["Four", "teen"] {
        let delta = soon(answer.next()).await.expect("a piece").expect("no error");
        assert_eq!(delta, ChatDelta::Text(piece.into()));
    }
    assert_eq!((standin.open_connections(), standin.disconnects()), (1, 0));
    drop(answer);
    soon(standin.disconnected(1)).await;
}

#[tokio::test]
async fn giving_up_before_the_first_piece_hangs_up_too() {
    let standin = StandIn::start().await;
    standin.script([Turn::Hang]);
    let model = model(&standin).await;
    let asking = tokio::spawn(async move { ask(&model).await.err() });
    soon(standin.requested(1)).await;
    asking.abort();
    soon(standin.disconnected(1)).await;
}

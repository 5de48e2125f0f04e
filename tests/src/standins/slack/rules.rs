//! What Slack accepts. A refusal is a code of its documentation; behind a colon stands why, for whoever reads a test.

use serde_json::{Value, json};

use super::{CHANNEL, Post, TOKEN, http::Request, shown};

/// Known methods with their arguments.
const METHODS: &[(&str, &str, &[&str])] = &[
    ("auth.test", "POST", &[]),
    (
        "chat.postMessage",
        "POST",
        &[
            "channel",
            "text",
            "blocks",
            "thread_ts",
            "metadata",
            "unfurl_links",
            "unfurl_media",
            "mrkdwn",
            "reply_broadcast",
        ],
    ),
    (
        "conversations.history",
        "GET",
        &["channel", "oldest", "latest", "inclusive", "limit", "cursor", "include_all_metadata"],
    ),
    (
        "conversations.replies",
        "GET",
        &["channel", "ts", "oldest", "latest", "inclusive", "limit", "cursor", "include_all_metadata"],
    ),
];

pub(super) fn method(request: &Request) -> Result<String, String> {
    match request.header("authorization").map(|value| value.strip_prefix("Bearer ")) {
        Some(Some(TOKEN)) => {}
        None => return Err("not_authed".to_owned()),
        Some(_) => return Err("invalid_auth".to_owned()),
    }
    let method = request.path.strip_prefix("/api/").unwrap_or_default();
    let known = METHODS.iter().find(|(name, _, _)| *name == method).ok_or("unknown_method")?;
    if request.method != known.1 {
        return Err(format!("invalid_post_type: {method} by {}", request.method));
    }
    Ok(method.to_owned())
}

pub(super) fn arguments(request: &Request, method: &str) -> Result<Value, String> {
    let arguments = match request.method.as_str() {
        "GET" => {
            let pairs =
                request.query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| pair.split_once('='));
            Value::Object(pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect())
        }
        _ => {
            if request.header("content-type") != Some("application/json; charset=utf-8") {
                return Err("invalid_post_type: another content type".to_owned());
            }
            serde_json::from_slice(&request.body).map_err(|_| "invalid_json")?
        }
    };
    let known = METHODS.iter().find(|(name, _, _)| *name == method).map_or(&[][..], |(_, _, known)| known);
    let given = arguments.as_object().ok_or("json_not_object")?;
    if let Some(unknown) = given.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("invalid_arguments: {unknown}"));
    }
    if known.contains(&"channel") && arguments["channel"] != CHANNEL {
        return Err("channel_not_found".to_owned());
    }
    Ok(arguments)
}

/// One page of these messages, in their order.
pub(super) fn page(arguments: &Value, posts: Vec<Post>) -> Result<Value, String> {
    let text = |name: &str| arguments[name].as_str();
    let limit: usize = text("limit").unwrap_or("100").parse().map_err(|_| "invalid_limit")?;
    let start: usize = match text("cursor") {
        Some(cursor) => cursor.strip_prefix("next-").and_then(|at| at.parse().ok()).ok_or("invalid_cursor")?,
        None => 0,
    };
    if !(1..=999).contains(&limit) {
        return Err("invalid_limit".to_owned());
    }
    let number = |ts: &str| ts.parse::<f64>().map_err(|_| "invalid_ts_oldest");
    let oldest = number(text("oldest").unwrap_or("0"))?;
    // The first message of a thread is always shown.
    let shown_of = |post: &Post| text("ts") == Some(&post.ts) || number(&post.ts).is_ok_and(|ts| ts > oldest);
    let all: Vec<&Post> = posts.iter().filter(|post| shown_of(post)).collect();
    let with_metadata = text("include_all_metadata") == Some("true");
    let messages: Vec<Value> = all.iter().skip(start).take(limit).map(|post| shown(post, with_metadata)).collect();
    let has_more = start + limit < all.len();
    let mut page = json!({ "ok": true, "messages": messages, "has_more": has_more });
    if has_more {
        page["response_metadata"] = json!({ "next_cursor": format!("next-{}", start + limit) });
    }
    Ok(page)
}

/// The arguments of a message.
pub(super) fn message(arguments: &Value) -> Result<(), String> {
    let blocks = match &arguments["blocks"] {
        Value::Null => Vec::new(),
        Value::Array(blocks) => blocks.clone(),
        _ => return Err("invalid_blocks_format".to_owned()),
    };
    let text = arguments["text"].as_str().unwrap_or_default();
    if text.is_empty() && blocks.is_empty() {
        return Err("no_text".to_owned());
    }
    if text.chars().count() > 40_000 {
        return Err("msg_too_long".to_owned());
    }
    markup(text)?;
    if blocks.len() > 50 {
        return Err("invalid_blocks: more than 50".to_owned());
    }
    for block in &blocks {
        self::block(block)?;
    }
    let mut actions: Vec<&str> = blocks
        .iter()
        .flat_map(|block| block["elements"].as_array().into_iter().flatten())
        .filter_map(|element| element["action_id"].as_str())
        .collect();
    actions.sort_unstable();
    if actions.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("invalid_blocks: action_id twice".to_owned());
    }
    metadata(&arguments["metadata"])
}

fn block(block: &Value) -> Result<(), String> {
    match block["type"].as_str() {
        Some("section") => {
            only(block, &["type", "text", "block_id"])?;
            let text = &block["text"];
            only(text, &["type", "text", "verbatim"])?;
            if text["type"] != "mrkdwn" && text["type"] != "plain_text" {
                return Err("invalid_blocks: the type of a text".to_owned());
            }
            let text = within(&text["text"], 3_000, "a section")?;
            markup(text)
        }
        Some("actions") => {
            only(block, &["type", "elements", "block_id"])?;
            let elements = block["elements"].as_array().filter(|elements| (1..=25).contains(&elements.len()));
            elements.ok_or("invalid_blocks: 1 to 25 elements")?.iter().try_for_each(button)
        }
        _ => Err("invalid_blocks: the type of a block".to_owned()),
    }
}

fn button(button: &Value) -> Result<(), String> {
    only(button, &["type", "text", "action_id", "url", "value", "style"])?;
    if button["type"] != "button" || button["text"]["type"] != "plain_text" {
        return Err("invalid_blocks: no button".to_owned());
    }
    within(&button["text"]["text"], 75, "a button")?;
    within(&button["action_id"], 255, "an action_id")?;
    for (name, most) in [("url", 3_000), ("value", 2_000)] {
        if !button[name].is_null() {
            within(&button[name], most, name)?;
        }
    }
    let is_link = button["url"].as_str().is_none_or(|url| url.starts_with("https://") || url.starts_with("http://"));
    is_link.then_some(()).ok_or_else(|| "invalid_blocks: a url".to_owned())
}

fn only(value: &Value, known: &[&str]) -> Result<(), String> {
    let fields = value.as_object().ok_or("invalid_blocks: no object")?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("invalid_blocks: {unknown}")),
        None => Ok(()),
    }
}

fn within<'a>(text: &'a Value, most: usize, what: &str) -> Result<&'a str, String> {
    let text = text.as_str().ok_or_else(|| format!("invalid_blocks: {what} without a text"))?;
    match (1..=most).contains(&text.chars().count()) {
        true => Ok(text),
        false => Err(format!("invalid_blocks: {what} of {} characters", text.chars().count())),
    }
}

/// Slack takes any text; a stand-in that takes mentions and links would not notice that somebody forgot to escape. None of
/// those is ever meant here.
fn markup(text: &str) -> Result<(), String> {
    let stray = text.split('&').skip(1).any(|rest| !["amp;", "lt;", "gt;"].iter().any(|known| rest.starts_with(known)));
    let is_quotation =
        |line: &str| !line.strip_prefix("> ").or(line.strip_prefix('>')).unwrap_or(line).contains(['<', '>']);
    match !stray && text.lines().all(is_quotation) {
        true => Ok(()),
        false => Err("invalid_arguments: text that is not escaped".to_owned()),
    }
}

fn metadata(metadata: &Value) -> Result<(), String> {
    if metadata.is_null() {
        return Ok(());
    }
    let payload = metadata["event_payload"].as_object();
    let is_whole = metadata["event_type"].is_string() && metadata.as_object().is_some_and(|fields| fields.len() == 2);
    match is_whole && payload.is_some_and(|payload| payload.values().all(|value| !value.is_object())) {
        true => Ok(()),
        false => Err("invalid_metadata_format".to_owned()),
    }
}

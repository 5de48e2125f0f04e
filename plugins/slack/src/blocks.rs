//! What is posted: Block Kit, within its limits, and the text that notifications show.

use consigne_sdk::{
    Delivery, Line, Notice, Opened,
    channel::phrases::{Phrases, phrases},
};
use serde_json::{Value, json};

use crate::{
    settings::{Mode, Settings},
    text::{cut, escaped, quoted},
};

/// Longest text of a section.
const MOST_SECTION: usize = 3_000;

/// Most blocks of a message.
const MOST_BLOCKS: usize = 50;

/// Longest address of a link button.
const MOST_URL: usize = 3_000;

/// The type of a message's metadata, beside the delivery's key.
pub(crate) const EVENT_TYPE: &str = "consigne_delivery";

/// What a button does; the other half is in `inbound`.
pub(crate) const TAKE: &str = "consigne_take";
/// As above.
pub(crate) const RESOLVE: &str = "consigne_resolve";
/// As above.
pub(crate) const HAND_BACK: &str = "consigne_hand_back";
/// A link; Slack tells of the click, and nothing follows.
const OPEN: &str = "consigne_open";

/// The arguments of `chat.postMessage`. `thread` is the time stamp of its first message.
pub(crate) fn message(settings: &Settings, delivery: &Delivery, thread: Option<&str>) -> Value {
    let words = phrases(Some(&settings.language));
    let (text, blocks) = match &delivery.notice {
        Notice::Opened(opened) => (heading(words, opened), of_opened(settings, words, delivery, opened)),
        Notice::Said(line) => of_line(words, line),
        Notice::Rectified(line) => {
            let (text, mut blocks) = of_line(words, line);
            blocks.insert(0, section(&format!("_{}:_", words.rectified)));
            blocks.truncate(MOST_BLOCKS);
            (format!("{}: {text}", words.rectified), blocks)
        }
        Notice::Changed { state, by } => {
            let state = format!("*{}:* {}", words.state, escaped(&cut(&words.of_state(*state, by.as_deref()), 300)));
            (state.clone(), vec![section(&state)])
        }
        Notice::Test => (words.test.to_owned(), vec![section(words.test)]),
    };
    let mut message = json!({
        "channel": settings.channel,
        "text": text,
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
        "metadata": { "event_type": EVENT_TYPE, "event_payload": { "key": delivery.key } },
    });
    if let Some(thread) = thread {
        message["thread_ts"] = json!(thread);
    }
    message
}

fn heading(words: &Phrases, opened: &Opened) -> String {
    format!("*{}* ({})", words.needs_a_person, escaped(&cut(&opened.assistant, 200)))
}

fn of_opened(settings: &Settings, words: &Phrases, delivery: &Delivery, opened: &Opened) -> Vec<Value> {
    let mut head = format!("{}\n*{}:* {}", heading(words, opened), words.reason, words.of_reason(opened.reason));
    if let Some(language) = &opened.language {
        head.push_str(&format!("\n*{}:* {}", words.language, escaped(&cut(language, 20))));
    }
    let buttons = buttons(settings, words, delivery, opened);
    let mut blocks = vec![section(&head)];
    let room = MOST_BLOCKS - blocks.len() - 1 - usize::from(!buttons.is_empty());
    let said: Vec<Value> = opened.conversation.iter().flat_map(|line| of_line(words, line).1).collect();
    let left_out = said.len().saturating_sub(room);
    if left_out > 0 {
        blocks.push(section(&format!("_{}_", words.left_out)));
    }
    blocks.extend(said.into_iter().skip(left_out));
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    blocks
}

fn of_line(words: &Phrases, line: &Line) -> (String, Vec<Value>) {
    let Some(text) = line.text.as_deref().filter(|text| !text.trim().is_empty()) else {
        let wrote = words.wrote(line.speaker);
        return (wrote.to_owned(), vec![section(wrote)]);
    };
    let who = format!("*{}:*", escaped(&cut(words.of_speaker(line), 200)));
    let room = MOST_SECTION - who.chars().count() - 1;
    let mut sections: Vec<Value> = Vec::new();
    for piece in quoted(text, room).iter().take(MOST_BLOCKS) {
        let piece = piece.trim_end();
        sections.push(section(&if sections.is_empty() { format!("{who}\n{piece}") } else { piece.to_owned() }));
    }
    // What the blocks show in full, a notification shows in part.
    (format!("{who} {}", escaped(&cut(text, 300))), sections)
}

fn buttons(settings: &Settings, words: &Phrases, delivery: &Delivery, opened: &Opened) -> Vec<Value> {
    let label = |text: &str| json!({ "type": "plain_text", "text": text });
    let mut buttons = Vec::new();
    if let Some(link) = opened.link.as_deref().filter(|link| link.chars().count() <= MOST_URL) {
        buttons.push(json!({ "type": "button", "action_id": OPEN, "text": label(words.open), "url": link }));
    }
    if settings.mode == Mode::TwoWay {
        for (action, text) in [(TAKE, words.take), (HAND_BACK, words.hand_back), (RESOLVE, words.resolve)] {
            let token = &delivery.reply_token;
            buttons.push(json!({ "type": "button", "action_id": action, "text": label(text), "value": token }));
        }
    }
    buttons
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

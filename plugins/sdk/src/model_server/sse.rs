//! Server-sent events from bytes that may be cut anywhere.
//!
//! The format is that of the HTML standard, section 9.2.6: three kinds of line ends, comments, fields, an event at each
//! blank line. Written here rather than taken from a crate for the sake of two bounds (a line and a stream have a
//! longest length, and reading is linear in it) and of two habits of real servers: llama.cpp wrote errors into a field
//! `error` until September 2025, and some servers end without the blank line.

use crate::{PluginError, PluginErrorKind, Result};

/// Longest line: about a thousand times a usual one.
const MAX_LINE: usize = 1024 * 1024;

/// Longest stream. An answer of 32,000 tokens, each in an event of its own, is about 10 MB.
const MAX_STREAM: usize = 16 * 1024 * 1024;

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The data of an event, its lines joined.
    Data(String),
    /// An event marked as an error, with its data.
    Error(String),
}

/// Reads events. Feed it the pieces in order, then call [`Parser::finish`].
pub struct Parser {
    plugin: &'static str,
    line: Vec<u8>,
    after_cr: bool,
    first_line_seen: bool,
    data: Option<String>,
    is_error: bool,
    total: usize,
}

impl Parser {
    /// Nothing was read yet. `plugin` is named in errors.
    pub fn new(plugin: &'static str) -> Self {
        Self {
            plugin,
            line: Vec::new(),
            after_cr: false,
            first_line_seen: false,
            data: None,
            is_error: false,
            total: 0,
        }
    }

    /// The events that `piece` completes.
    ///
    /// # Errors
    /// `InvalidResponse` where a bound is passed.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Vec<Event>> {
        self.total = self.total.saturating_add(piece.len());
        if self.total > MAX_STREAM {
            return Err(self.too_long("the stream"));
        }
        let mut events = Vec::new();
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                self.extend_line(rest)?;
                break;
            };
            self.extend_line(&rest[..end])?;
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            events.extend(self.end_line());
        }
        Ok(events)
    }

    /// The event that was begun when the stream ended. The standard drops it; servers that forget the last line's end
    /// mean it.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.line.is_empty() {
            events.extend(self.end_line());
        }
        events.extend(self.dispatch());
        events
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<()> {
        if self.line.len() + bytes.len() > MAX_LINE {
            return Err(self.too_long("a line"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = match std::mem::replace(&mut self.first_line_seen, true) {
            true => &*line,
            false => line.trim_start_matches('\u{feff}'),
        };
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => self.push(value),
            "event" => self.is_error = value == "error",
            "error" => {
                self.is_error = true;
                self.push(value);
            }
            _ => {}
        }
        None
    }

    fn push(&mut self, value: &str) {
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let is_error = std::mem::take(&mut self.is_error);
        let data = self.data.take()?;
        Some(if is_error { Event::Error(data) } else { Event::Data(data) })
    }

    fn too_long(&self, what: &str) -> PluginError {
        let message = format!("{}: {what} is longer than an answer can be", self.plugin);
        PluginError::new(PluginErrorKind::InvalidResponse, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::new("test");
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(parser.feed(piece).expect("within bounds"));
        }
        events.extend(parser.finish());
        events
    }

    fn data(text: &str) -> Event {
        Event::Data(text.into())
    }

    const STREAM: &str = "\u{feff}: keep-alive\r\n\r\ndata: {\"a\":\"é🦀\"}\r\n\r\nid: 7\ndata:b\ndata:  c\n\n:\rdata: d\r\rretry: 5\n\n\ndata\n\ndata: [DONE]";

    #[test]
    fn a_stream_cut_anywhere_is_the_same_stream() {
        let whole = [data("{\"a\":\"é🦀\"}"), data("b\n c"), data("d"), data(""), data("[DONE]")];
        let bytes = STREAM.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(read(&pieces), whole, "cut at {first} and {second}");
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single), whole);
    }

    #[test]
    fn errors_come_as_an_event_or_as_a_field() {
        let stream = b"event: error\ndata: x\n\nerror: y\n\ndata: z\n\n";
        assert_eq!(read(&[stream]), [Event::Error("x".into()), Event::Error("y".into()), data("z")]);
    }

    #[test]
    fn broken_utf_8_is_replaced_and_not_fatal() {
        assert_eq!(read(&[b"data: \xf0\x9f\n\n"]), [data("\u{fffd}")]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut parser = Parser::new("test");
        parser.feed(&vec![b'a'; MAX_LINE]).expect("a longest line");
        assert_eq!(parser.feed(b"a").expect_err("one more").kind, PluginErrorKind::InvalidResponse);
    }

    #[test]
    fn many_data_lines_do_not_outgrow_the_stream_bound() {
        let mut parser = Parser::new("test");
        let piece = b"data: 0123456789\n".repeat(4096);
        let refused = (0..=MAX_STREAM / piece.len()).find_map(|_| parser.feed(&piece).err());
        assert_eq!(refused.expect("a bound").kind, PluginErrorKind::InvalidResponse);
    }
}

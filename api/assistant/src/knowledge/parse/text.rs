//! Plain text, in whatever encoding it comes.
//!
//! An encoding is looked for in this order: a byte order mark, the shape of UTF-16, valid UTF-8, what the document or
//! the upload declares, what chardetng guesses from the letters.

use chardetng::EncodingDetector;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, X_MAC_CYRILLIC};

use super::collect::Collector;
use super::{BlockKind, ParseFailure, sniff};

/// How far into a document its encoding is looked for.
const SAMPLE: usize = 1 << 20;

/// The document as text.
///
/// # Errors
/// `UnsupportedFormat` where it is none.
pub fn decode(bytes: &[u8], declared: Option<&'static Encoding>) -> Result<String, ParseFailure> {
    if is_binary(bytes) {
        return Err(sniff::unsupported("of an unknown kind"));
    }
    if let Some(text) = utf_32(bytes) {
        return Ok(text);
    }
    let (text, _, _) = encoding(bytes, declared).decode(bytes);
    Ok(text.into_owned())
}

/// The charset parameter of a media type.
pub fn declared(media_type: &str) -> Option<&'static Encoding> {
    let (_, parameters) = media_type.split_once(';')?;
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    Encoding::for_label(value.trim().trim_matches('"').as_bytes())
}

/// The charset parameter of a media type, or else what a web page says of itself in its first kilobytes.
pub fn declared_in_html(media_type: &str, bytes: &[u8]) -> Option<&'static Encoding> {
    if let Some(encoding) = declared(media_type) {
        return Some(encoding);
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).to_ascii_lowercase();
    let after = ["charset=", "encoding="].iter().find_map(|key| head.split_once(key).map(|(_, after)| after))?;
    let label = after.trim_start_matches(['"', '\'']).split(['"', '\'', '>', ' ', ';', '/', '?']).next()?;
    Encoding::for_label(label.as_bytes())
}

/// Whether these bytes are no text in any encoding.
pub fn is_binary(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    if sample.is_empty()
        || Encoding::for_bom(sample).is_some()
        || utf_16(sample).is_some()
        || utf_32_order(sample).is_some()
    {
        return false;
    }
    let control = |b: &&u8| matches!(**b, 0..=8 | 0x0E..=0x1A | 0x1C..=0x1F | 0x7F);
    let controls = sample.iter().filter(control).count();
    sample.contains(&0) || controls * 100 > sample.len()
}

/// Reads plain text: blank lines part paragraphs, bullets and numbers begin list items, underlined lines are headings.
pub fn read(text: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    let mut kind = BlockKind::Paragraph;
    let mut open: Vec<&str> = vec![];
    for line in text.lines() {
        let trimmed = line.trim();
        if let (Some(level), [title]) = (underline(trimmed), open.as_slice()) {
            out.push(BlockKind::Heading(level), title)?;
            open.clear();
            continue;
        }
        if trimmed.is_empty() {
            flush(&mut open, kind, out)?;
            kind = BlockKind::Paragraph;
            continue;
        }
        if let Some(item) = list_item(trimmed) {
            flush(&mut open, kind, out)?;
            kind = BlockKind::ListItem;
            open.push(item);
            continue;
        }
        open.push(line);
    }
    flush(&mut open, kind, out)
}

/// Words that the end of a line parts, put together.
pub fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let goes_on = lines.peek().is_some_and(|next| next.starts_with(char::is_lowercase));
        match line.trim_end().strip_suffix(['-', '\u{AD}', '‐']) {
            Some(start) if goes_on && start.ends_with(char::is_alphabetic) => joined.push_str(start),
            _ => {
                joined.push_str(line);
                joined.push('\n');
            }
        }
    }
    joined
}

fn flush(open: &mut Vec<&str>, kind: BlockKind, out: &mut Collector) -> Result<(), ParseFailure> {
    if !open.is_empty() {
        out.push(kind, &open.join("\n"))?;
        open.clear();
    }
    Ok(())
}

fn underline(line: &str) -> Option<u8> {
    let first = line.chars().next()?;
    if line.len() < 3 || line.chars().any(|c| c != first) {
        return None;
    }
    match first {
        '=' => Some(1),
        '-' => Some(2),
        '~' | '^' => Some(3),
        _ => None,
    }
}

/// The item behind a bullet, or the whole line where a number begins it.
fn list_item(line: &str) -> Option<&str> {
    for bullet in ["- ", "* ", "• ", "– ", "· "] {
        if let Some(item) = line.strip_prefix(bullet) {
            return Some(item);
        }
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = (1..=3).contains(&digits) && (line[digits..].starts_with(". ") || line[digits..].starts_with(") "));
    numbered.then_some(line)
}

fn encoding(bytes: &[u8], declared: Option<&'static Encoding>) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    if let Some(encoding) = utf_16(sample) {
        return encoding;
    }
    // ISO-2022-JP is ASCII with escape sequences, and so valid UTF-8.
    let escapes = sample.windows(2).any(|pair| pair == b"\x1B$" || pair == b"\x1B(");
    if !escapes && std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    if let Some(encoding) = declared
        && !encoding.decode(bytes).2
    {
        return encoding;
    }
    if mostly_utf_8(bytes) {
        return UTF_8;
    }
    if is_mac_cyrillic(sample) {
        return X_MAC_CYRILLIC;
    }
    let mut detector = EncodingDetector::new();
    detector.feed(sample, true);
    detector.guess(None, false)
}

/// The old Macintosh's Cyrillic, which chardetng leaves out because browsers meet none. Its small letters are those of
/// Windows but for я, which stands where Windows has a capital Я; its capitals stand where Windows has rare signs. Greek
/// and Arabic have letters there and no capitals.
fn is_mac_cyrillic(bytes: &[u8]) -> bool {
    let count = |is: fn(u8) -> bool| bytes.iter().filter(|byte| is(**byte)).count();
    let small = count(|byte| matches!(byte, 0xE0..=0xFE));
    let capitals = count(|byte| matches!(byte, 0x80..=0x9F));
    let behind_small = bytes.windows(2).filter(|pair| matches!(pair, [0xE0..=0xFE, 0xDF])).count();
    let of_windows = count(|byte| matches!(byte, 0xC0..=0xDE | 0xFF));
    small * 3 > bytes.len() && behind_small * 100 > small && capitals > of_windows
}

/// UTF-8 with a broken character here and there, cut or pasted: guessing would break every other one.
fn mostly_utf_8(bytes: &[u8]) -> bool {
    let (mut good, mut broken) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    good > 20 && broken * 20 < good
}

/// UTF-16 without a byte order mark: most characters of most texts there are a zero byte and a printable one, always in
/// the same order.
fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(4096)];
    let pairs = sample.len() / 2;
    if pairs < 2 {
        return None;
    }
    let (mut high, mut low) = (0, 0);
    for pair in sample.chunks_exact(2) {
        let printable = |byte: u8| byte >= 0x20 || byte.is_ascii_whitespace();
        high += usize::from(pair[0] == 0 && printable(pair[1]));
        low += usize::from(pair[1] == 0 && printable(pair[0]));
    }
    if low * 10 > pairs * 4 && high * 20 < pairs {
        return Some(UTF_16LE);
    }
    (high * 10 > pairs * 4 && low * 20 < pairs).then_some(UTF_16BE)
}

fn utf_32_order(bytes: &[u8]) -> Option<fn([u8; 4]) -> u32> {
    match bytes {
        [0xFF, 0xFE, 0, 0, ..] => Some(u32::from_le_bytes),
        [0, 0, 0xFE, 0xFF, ..] => Some(u32::from_be_bytes),
        _ => None,
    }
}

/// UTF-32 with a byte order mark; encoding_rs leaves it out because browsers do.
fn utf_32(bytes: &[u8]) -> Option<String> {
    let order = utf_32_order(bytes)?;
    let units = bytes.chunks_exact(4).map(|unit| order([unit[0], unit[1], unit[2], unit[3]]));
    Some(units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

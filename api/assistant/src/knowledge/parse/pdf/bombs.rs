//! Compressed streams that unpack to far too much, found before anything keeps what they unpack to.
//!
//! A kilobyte of DEFLATE unpacks to a megabyte, and filters may be nested. This unpacks every stream of the raw file
//! that is no picture, keeps nothing and counts. It is a first look, with a good sentence for the customer: streams that
//! are encrypted, or packed by rarer filters, meet the sandbox's memory limit instead.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::ZlibDecoder;

use crate::knowledge::parse::{FailureCode, ParseFailure};

/// How deep packed streams within packed streams are followed.
const DEEPEST: usize = 4;
/// How far before a stream its dictionary is looked for.
const DICTIONARY: usize = 2048;

/// Refuses a file whose streams unpack to more than `limit` bytes together.
pub fn refuse(bytes: &[u8], limit: u64) -> Result<(), ParseFailure> {
    let mut left = limit;
    let mut at = 0;
    while let Some(found) = find(&bytes[at..], b"stream") {
        let start = at + found + b"stream".len();
        let is_end = bytes[..at + found].ends_with(b"end");
        at = start;
        if is_end || is_picture(&bytes[start.saturating_sub(DICTIONARY)..start]) {
            continue;
        }
        let body = &bytes[start..];
        let body = body.strip_prefix(b"\r\n").or(body.strip_prefix(b"\n")).or(body.strip_prefix(b"\r")).unwrap_or(body);
        let unpacked = unpacked(Box::new(body), left + 1, DEEPEST);
        if unpacked > left {
            let message = format!(
                "The PDF unpacks to more than {} MiB. Export it again with fewer embedded objects, or split it.",
                limit >> 20
            );
            return Err(ParseFailure::new(FailureCode::TooLarge, message));
        }
        left -= unpacked;
    }
    Ok(())
}

/// Bytes a stream unpacks to, at most `limit`, through every layer that begins like zlib. A broken stream counts as far
/// as it goes.
fn unpacked(packed: Box<dyn BufRead + '_>, limit: u64, layers: usize) -> u64 {
    let mut packed = packed;
    let begins_packed = packed.fill_buf().is_ok_and(is_zlib);
    if layers == 0 || !begins_packed {
        // Nothing was unpacked at the outermost layer: the bytes are the file's own.
        return if layers == DEEPEST { 0 } else { count(&mut packed.take(limit)) };
    }
    unpacked(Box::new(BufReader::new(ZlibDecoder::new(packed))), limit, layers - 1)
}

fn count(reader: &mut dyn Read) -> u64 {
    let mut buffer = [0; 16 << 10];
    let mut total = 0;
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        total += read as u64;
    }
    total
}

/// RFC 1950: method 8, and a header that is a multiple of 31.
fn is_zlib(head: &[u8]) -> bool {
    matches!(head, [first, second, ..] if first & 0x0F == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31))
}

/// Whether the dictionary before a stream is a picture's. Pictures are never unpacked, and are rightly large.
fn is_picture(before: &[u8]) -> bool {
    let start = rfind(before, b" obj").or(rfind(before, b"\nobj")).unwrap_or(0);
    find(&before[start..], b"/Image").is_some() && find(&before[start..], b"/Width").is_some()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|b| *b == first) {
        if bytes[at + found..].starts_with(needle) {
            return Some(at + found);
        }
        at += found + 1;
    }
    None
}

fn rfind(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).rposition(|window| window == needle)
}

//! CSV and its like: rows of values, whatever parts the cells (RFC 4180, and what programs write instead).

use super::collect::Collector;
use super::{ParseFailure, sheet};

/// What may part cells; the earlier one where two are as good.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How many rows tell what parts the cells.
const SAMPLE: usize = 20;

/// Reads rows of values.
pub fn read(text: &str, out: &mut Collector) -> Result<(), ParseFailure> {
    sheet::write(rows(text, separator(text)).collect(), out)
}

/// The separator that parts most rows into the same number of cells.
fn separator(text: &str) -> u8 {
    let alike = |separator: &u8| {
        let widths: Vec<usize> = rows(text, *separator).take(SAMPLE).map(|row| row.len()).collect();
        let first = widths.first().copied().unwrap_or_default();
        let same = widths.iter().filter(|width| **width == first && first > 1).count();
        (same, first)
    };
    SEPARATORS.into_iter().rev().max_by_key(alike).unwrap_or(b',')
}

fn rows(text: &str, separator: u8) -> impl Iterator<Item = Vec<String>> {
    let mut builder = ::csv::ReaderBuilder::new();
    let reader = builder.has_headers(false).flexible(true).delimiter(separator).from_reader(text.as_bytes());
    // From memory and of UTF-8, no row can fail.
    reader.into_records().map_while(Result::ok).map(|row| row.iter().map(str::to_owned).collect())
}

//! The rows of a spreadsheet: each is a passage of its own, with its header.
//!
//! People put more into a sheet than a table: a title above it, an empty row, another table below. A row with one cell,
//! behind an empty row or at the top, over wider rows is a title; what follows it is a table with a header of its own.

use std::collections::BTreeSet;

use super::collect::{Collector, too_complex};
use super::{BlockKind, ParseFailure, clean, qa, table};

/// More columns than this is no table for people.
const MOST_COLUMNS: usize = 2_000;

/// The filled cells of a sheet, row by row. A sheet that says it is a million rows by sixteen thousand columns costs what
/// is in it.
#[derive(Default)]
pub struct Cells(Vec<(u32, u32, String)>);

impl Cells {
    /// Adds a cell; rows and columns count up. Without text it is none.
    pub fn push(&mut self, row: u32, column: u32, text: String) {
        if !text.is_empty() {
            self.0.push((row, column, text));
        }
    }

    /// As rows, without the columns that are empty in all of them; several empty rows are one.
    ///
    /// # Errors
    /// `TooComplex` where there are too many columns.
    pub fn rows(self) -> Result<Vec<Vec<String>>, ParseFailure> {
        let columns: BTreeSet<u32> = self.0.iter().map(|(_, column, _)| *column).collect();
        if columns.len() > MOST_COLUMNS {
            return Err(too_complex(format!("more than {MOST_COLUMNS} columns")));
        }
        let columns: Vec<u32> = columns.into_iter().collect();
        let mut rows: Vec<Vec<String>> = vec![];
        let mut last = None;
        for (row, column, text) in self.0 {
            if last != Some(row) {
                if last.is_some_and(|last| row > last + 1) {
                    rows.push(vec![]);
                }
                rows.push(vec![]);
                last = Some(row);
            }
            let (Some(open), Ok(at)) = (rows.last_mut(), columns.binary_search(&column)) else { continue };
            open.resize(open.len().max(at), String::new());
            open.push(text);
        }
        Ok(rows)
    }
}

/// Writes rows of cells. Columns that are empty in all rows of a table are left out.
pub fn write(mut rows: Vec<Vec<String>>, out: &mut Collector) -> Result<(), ParseFailure> {
    for cell in rows.iter_mut().flatten() {
        *cell = clean::one_line(cell);
    }
    let mut open: Vec<&[String]> = vec![];
    let mut after_gap = true;
    for (at, row) in rows.iter().enumerate() {
        let next = rows[at + 1..].iter().map(|row| filled(row)).find(|filled| *filled > 0);
        match filled(row) {
            0 => after_gap = true,
            1 if after_gap && next.is_some_and(|next| next > 1) => {
                write_table(&std::mem::take(&mut open), out)?;
                out.push(BlockKind::Heading(2), &row.concat())?;
            }
            _ => {
                open.push(row);
                after_gap = false;
            }
        }
    }
    write_table(&open, out)
}

fn write_table(rows: &[&[String]], out: &mut Collector) -> Result<(), ParseFailure> {
    let width = rows.iter().map(|row| row.len()).max().unwrap_or_default();
    let is_used = |column: &usize| rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()));
    let used: Vec<usize> = (0..width).filter(is_used).collect();
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let cells = |row: &&[String]| used.iter().map(|column| cell(row, *column)).collect::<Vec<_>>();
    if let [header, pairs @ ..] = rows
        && let Some(columns) = qa::columns(&cells(header))
    {
        return pairs.iter().try_for_each(|row| qa::write_row(&cells(header), &cells(row), columns, out));
    }
    let lines: Vec<String> = rows.iter().map(|row| table::line(&cells(row))).collect();
    out.push(BlockKind::Records, &lines.join("\n"))
}

fn filled(row: &[String]) -> usize {
    row.iter().filter(|cell| !cell.is_empty()).count()
}

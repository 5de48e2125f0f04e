//! Tables of office documents as lines: a row a line, cells separated by ` | `.

use super::clean;

/// A cell longer than this is not repeated over what it spans.
const LONGEST: usize = 200;
/// No cell is taken to span more columns than this.
pub const WIDEST: usize = 200;

/// A cell as a document has it.
#[derive(Debug, Default)]
pub struct Cell {
    /// Its text, of one line or several.
    pub text: String,
    /// How many columns it spans.
    pub columns: usize,
    /// Whether it goes on the cell above.
    pub goes_on: bool,
}

/// Rows so far. Cells that span rows or columns are repeated, so that a row alone says what it is about.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<String> = vec![];
        for cell in cells {
            let above = self.rows.last().and_then(|above| above.get(row.len()));
            let text = match above {
                Some(above) if cell.goes_on && above.len() <= LONGEST => above.clone(),
                _ if cell.goes_on => String::new(),
                _ => clean::one_line(&cell.text),
            };
            let repeated = if text.len() <= LONGEST { text.clone() } else { String::new() };
            row.push(text);
            row.extend(std::iter::repeat_n(repeated, cell.columns.clamp(1, WIDEST) - 1));
        }
        self.rows.push(row);
    }

    /// The rows as lines; empty ones are left out.
    pub fn lines(&self) -> String {
        let rows = self.rows.iter().map(|row| line(row)).filter(|line| !line.is_empty());
        rows.collect::<Vec<_>>().join("\n")
    }
}

/// Cells as a line, without empty ones at its end.
pub fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let filled = cells.iter().rposition(|cell| !cell.as_ref().is_empty()).map_or(0, |last| last + 1);
    cells[..filled].iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" | ")
}

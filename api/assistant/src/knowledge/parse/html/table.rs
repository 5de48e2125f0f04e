//! Tables: which ones hold data, and their rows, each readable by itself.

use scraper::ElementRef;

/// A cell that spans more rows than this, or is longer than [`LONGEST`], is not repeated further.
const MOST_ROWS: usize = 200;
const LONGEST: usize = 200;

/// Whether a table holds data rather than laying out a page: no table, heading, code or several paragraphs in a cell.
pub fn is_data(table: ElementRef<'_>) -> bool {
    if matches!(table.attr("role"), Some("presentation" | "none")) {
        return false;
    }
    let is_layout = |inner: ElementRef<'_>| match inner.value().name() {
        "table" | "h1" | "h2" | "h3" | "pre" => true,
        "td" => {
            inner.child_elements().filter(|child| matches!(child.value().name(), "p" | "ul" | "ol" | "div")).count() > 2
        }
        _ => false,
    };
    if table.descendent_elements().skip(1).any(is_layout) {
        return false;
    }
    // One text in a frame of cells is a box, not a table: DocBook's notes and warnings.
    let filled = |row: ElementRef<'_>| {
        row.child_elements().filter(|cell| cell.text().any(|text| !text.trim().is_empty())).count()
    };
    table.descendent_elements().filter(|row| row.value().name() == "tr").any(|row| filled(row) > 1)
}

/// Cells that span rows, by column: each row repeats them, so that a row alone says what it is about.
#[derive(Default)]
pub struct Spanning(Vec<(usize, String)>);

impl Spanning {
    /// The cells of the next row.
    pub fn row(&mut self, row: ElementRef<'_>, text: impl Fn(ElementRef<'_>) -> String) -> Vec<String> {
        let mut cells = vec![];
        for cell in row.child_elements().filter(|cell| matches!(cell.value().name(), "td" | "th")) {
            self.repeat(&mut cells);
            let text = text(cell);
            let rows = cell.attr("rowspan").and_then(|rows| rows.parse::<usize>().ok()).unwrap_or(1);
            if rows > 1 && text.len() <= LONGEST {
                self.0.resize(self.0.len().max(cells.len() + 1), (0, String::new()));
                self.0[cells.len()] = (rows.min(MOST_ROWS) - 1, text.clone());
            }
            cells.push(text);
        }
        self.repeat(&mut cells);
        cells
    }

    /// Puts in what comes from the rows above at this column.
    fn repeat(&mut self, cells: &mut Vec<String>) {
        while let Some((rows @ 1.., text)) = self.0.get_mut(cells.len()) {
            *rows -= 1;
            cells.push(text.clone());
        }
    }
}

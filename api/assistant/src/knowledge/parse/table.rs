//! Tables as lines: a row a line, cells separated by ` | `.

/// Cells as a line, without empty ones at its end.
pub fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let filled = cells.iter().rposition(|cell| !cell.as_ref().is_empty()).map_or(0, |last| last + 1);
    cells[..filled].iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" | ")
}

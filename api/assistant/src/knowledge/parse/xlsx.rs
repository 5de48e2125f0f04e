//! Excel workbooks: every sheet that is shown, its name the heading.

use std::io::Cursor;

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use super::archive::{Archive, damaged, encrypted};
use super::collect::{Collector, too_complex};
use super::sheet::{self, Cells};
use super::{BlockKind, ParseFailure, opc};

/// Reads a workbook.
pub fn read(bytes: &[u8], out: &mut Collector) -> Result<(), ParseFailure> {
    let mut archive = Archive::open(bytes, &out.limits)?;
    // calamine unpacks by itself and counts nothing.
    archive.count(|name| name.ends_with(".xml") || name.ends_with(".rels"))?;
    if let Some(title) = opc::title(&mut archive, &out.limits)? {
        out.title(&title);
    }
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(unreadable)?;
    let is_shown =
        |sheet: &&calamine::Sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet;
    let names: Vec<String> =
        workbook.sheets_metadata().iter().filter(is_shown).map(|sheet| sheet.name.clone()).collect();
    if names.len() > out.limits.pages {
        return Err(too_complex(format!("more than {} sheets", out.limits.pages)));
    }
    for name in names {
        let rows = rows(&mut workbook, &name)?;
        out.part();
        out.push(BlockKind::Heading(1), &name)?;
        sheet::write(rows, out)?;
    }
    Ok(())
}

/// The rows of a sheet.
fn rows(workbook: &mut Xlsx<Cursor<&[u8]>>, name: &str) -> Result<Vec<Vec<String>>, ParseFailure> {
    let mut cells = Cells::default();
    let mut reader = workbook.worksheet_cells_reader(name).map_err(unreadable)?;
    while let Some(cell) = reader.next_cell().map_err(unreadable)? {
        let (row, column) = cell.get_position();
        cells.push(row, column, shown(cell.get_value()));
    }
    cells.rows()
}

/// A value as a person sees it; an error is none.
fn shown(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(true) => "TRUE".to_owned(),
        DataRef::Bool(false) => "FALSE".to_owned(),
        DataRef::DateTime(time) => shown_time(*time),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

/// A day, with the time where it is not midnight; a span as hours.
fn shown_time(time: ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let clock = match (hour, minute, second) {
        (0, 0, 0) => String::new(),
        (hour, minute, 0) => format!(" {hour:02}:{minute:02}"),
        (hour, minute, second) => format!(" {hour:02}:{minute:02}:{second:02}"),
    };
    if time.is_duration() || time.as_f64() < 1.0 {
        let minutes = (time.as_f64() * 24.0 * 60.0).round() as i64;
        return format!("{}:{:02}", minutes / 60, (minutes % 60).abs());
    }
    format!("{year:04}-{month:02}-{day:02}{clock}")
}

fn unreadable(error: XlsxError) -> ParseFailure {
    match error {
        XlsxError::Password => encrypted(),
        _ => damaged(),
    }
}

//! Word documents: what a reader of the pages sees of their text, once.
//!
//! Styles say what is a heading (`styles`), numbers before paragraphs are counted (`numbering`), formulas are written in
//! TeX's notation and charts as tables. Notes follow the paragraph that refers to them, boxes the one they hang on.
//!
//! Invariants, as absences:
//! - No heads and feet of pages, which repeat; no table of contents, which says what the headings say.
//! - No comment of a reviewer, no deleted and no hidden text: whoever reads the document does not see them.

mod numbering;
mod styles;

use std::collections::HashMap;

use super::archive::{Archive, damaged};
use super::collect::Collector;
use super::opc::Part;
use super::table::{self, Cell, Table};
use super::xml::Element;
use super::{BlockKind, ParseFailure, chart, math, opc};
use numbering::Numbering;
use styles::{Role, Styles};

/// Reads a Word document.
pub fn read(archive: &mut Archive<'_>, out: &mut Collector) -> Result<(), ParseFailure> {
    let limits = out.limits;
    if let Some(title) = opc::title(archive, &limits)? {
        out.title(&title);
    }
    let main = opc::main(archive, &limits)?;
    let mut related = |kind: &str| match main.by_kind(kind) {
        Some(name) => opc::part(archive, name, &limits),
        None => Ok(None),
    };
    let styles = related("styles")?.map(|part| Styles::of(&part.root)).unwrap_or_default();
    let numbering = related("numbering")?.map(|part| Numbering::of(&part.root)).unwrap_or_default();
    let (footnotes, endnotes) = (related("footnotes")?, related("endnotes")?);
    let notes = [("footnote", &footnotes), ("endnote", &endnotes)];
    let notes = notes.into_iter().filter_map(|(kind, part)| Some((kind, part.as_ref()?)));
    let notes = notes.flat_map(|(kind, part)| part.root.elements().map(move |note| ((kind, id(note)), note))).collect();
    let body = main.root.child("body").ok_or_else(damaged)?;
    let mut reader =
        Reader { main: &main, archive, out, styles, numbering, notes, noted: vec![], charts: vec![], code: vec![] };
    reader.blocks(body)?;
    reader.flush_code()
}

struct Reader<'d, 'o, 'z> {
    main: &'d Part,
    archive: &'o mut Archive<'z>,
    out: &'o mut Collector,
    styles: Styles,
    numbering: Numbering,
    /// Notes by kind and number.
    notes: HashMap<(&'static str, &'d str), &'d Element>,
    /// Notes that what was read refers to, not written yet.
    noted: Vec<&'d Element>,
    /// Charts that hang on what was read, not written yet.
    charts: Vec<&'d str>,
    /// Lines of program text, which are paragraphs of their own.
    code: Vec<String>,
}

/// The text of a paragraph, and the boxes that hang on it.
#[derive(Default)]
struct Line<'d> {
    text: String,
    boxes: Vec<&'d Element>,
}

impl<'d> Reader<'d, '_, '_> {
    fn blocks(&mut self, parent: &'d Element) -> Result<(), ParseFailure> {
        for element in parent.elements() {
            match element.name() {
                "p" => self.paragraph(element)?,
                "tbl" => self.table(element)?,
                "AlternateContent" => chosen(element).map_or(Ok(()), |chosen| self.blocks(chosen))?,
                "sdt" if is_contents(element) => {}
                name if is_wrapper(name) => self.blocks(element)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn paragraph(&mut self, paragraph: &'d Element) -> Result<(), ParseFailure> {
        let role = self.role(paragraph);
        let label = self.label(paragraph);
        let mut line = Line::default();
        self.line(paragraph, &mut line);
        if role != Role::Contents && !line.text.trim().is_empty() {
            let numbered = match label.as_deref().unwrap_or_default() {
                "" => line.text,
                number => format!("{number} {}", line.text),
            };
            match role {
                Role::Title => {
                    self.out.title(&numbered);
                    self.push(BlockKind::Heading(1), numbered)?;
                }
                Role::Heading(level) => self.push(BlockKind::Heading(level.min(6)), numbered)?,
                Role::Code => self.push(BlockKind::Code, numbered)?,
                Role::Quote => self.push(BlockKind::Quote, numbered)?,
                Role::Text | Role::Contents if label.is_some() => self.push(BlockKind::ListItem, numbered)?,
                Role::Text | Role::Contents => self.push(BlockKind::Paragraph, numbered)?,
            }
        }
        for content in line.boxes {
            self.blocks(content)?;
        }
        self.hanging()
    }

    /// Program text gathers until something else comes.
    fn push(&mut self, kind: BlockKind, text: String) -> Result<(), ParseFailure> {
        if kind == BlockKind::Code {
            self.code.push(text);
            return Ok(());
        }
        self.flush_code()?;
        self.out.push(kind, &text)
    }

    fn flush_code(&mut self) -> Result<(), ParseFailure> {
        let code = std::mem::take(&mut self.code);
        self.out.push(BlockKind::Code, &code.join("\n"))
    }

    /// Writes the charts and notes that hang on what was read.
    fn hanging(&mut self) -> Result<(), ParseFailure> {
        for id in std::mem::take(&mut self.charts) {
            let limits = self.out.limits;
            let Some(name) = self.main.by_id(id) else { continue };
            let Some(part) = opc::part(self.archive, name, &limits)? else { continue };
            self.push(BlockKind::Paragraph, chart::title(&part.root).unwrap_or_default())?;
            self.push(BlockKind::Table, chart::table(&part.root))?;
        }
        for note in std::mem::take(&mut self.noted) {
            let mut text = String::new();
            self.plain(note, &mut text);
            self.push(BlockKind::Paragraph, text)?;
        }
        // A note may not refer to notes.
        self.noted.clear();
        Ok(())
    }

    fn role(&self, paragraph: &Element) -> Role {
        let Some(properties) = paragraph.child("pPr") else { return Role::Text };
        let outline = properties.value("outlineLvl").and_then(|level| level.parse::<u8>().ok());
        match properties.value("pStyle").map(|style| self.styles.role(style)) {
            Some(role) if role != Role::Text => role,
            _ => outline.filter(|level| *level < 9).map_or(Role::Text, |level| Role::Heading(level + 1)),
        }
    }

    /// What Word shows before a paragraph of a list; empty for a bullet, `None` outside of lists.
    fn label(&mut self, paragraph: &Element) -> Option<String> {
        let properties = paragraph.child("pPr")?;
        let own = properties.child("numPr");
        let style = properties.value("pStyle");
        let of_style = style.and_then(|style| self.styles.list(style));
        let list = own.and_then(|own| own.value("numId")).or(of_style.map(|(list, _)| list))?;
        let level = own.and_then(|own| own.value("ilvl")).and_then(|level| level.parse().ok());
        let level = level.or_else(|| self.numbering.level_of_style(list, style?));
        let level = level.or(of_style.and_then(|(_, level)| level)).unwrap_or_default();
        self.numbering.next(list, level)
    }

    /// Adds the text of what stands within a paragraph.
    fn line(&mut self, parent: &'d Element, line: &mut Line<'d>) {
        for element in parent.elements() {
            match element.name() {
                "r" if is_hidden(element) => {}
                "t" => line.text.push_str(&element.text()),
                "tab" | "ptab" => line.text.push('\t'),
                "br" | "cr" => line.text.push('\n'),
                "noBreakHyphen" => line.text.push('-'),
                "sym" => line.text.extend(symbol(element)),
                "oMath" => {
                    line.text.push(' ');
                    line.text.push_str(&math::line(element));
                    line.text.push(' ');
                }
                "footnoteReference" => self.noted.extend(self.notes.get(&("footnote", id(element)))),
                "endnoteReference" => self.noted.extend(self.notes.get(&("endnote", id(element)))),
                "drawing" | "pict" | "object" => self.drawing(element, line),
                "AlternateContent" => {
                    if let Some(chosen) = chosen(element) {
                        self.line(chosen, line);
                    }
                }
                "ruby" => element.child("rubyBase").into_iter().for_each(|base| self.line(base, line)),
                "r" | "hyperlink" | "fldSimple" | "oMathPara" | "dir" | "bdo" => self.line(element, line),
                name if is_wrapper(name) => self.line(element, line),
                _ => {}
            }
        }
    }

    /// Finds the boxes and charts of a drawing.
    fn drawing(&mut self, drawing: &'d Element, line: &mut Line<'d>) {
        for element in drawing.elements() {
            match element.name() {
                "txbxContent" => line.boxes.push(element),
                "chart" => self.charts.extend(element.relation()),
                "AlternateContent" => chosen(element).into_iter().for_each(|chosen| self.drawing(chosen, line)),
                _ => self.drawing(element, line),
            }
        }
    }

    fn table(&mut self, table: &'d Element) -> Result<(), ParseFailure> {
        self.flush_code()?;
        let rows = rows(table);
        let is_box = rows.iter().all(|row| cells(row).len() < 2);
        if is_box {
            for cell in rows.into_iter().flat_map(cells) {
                self.blocks(cell)?;
            }
            return Ok(());
        }
        let mut read = Table::default();
        for row in rows {
            let before = row.child("trPr").and_then(|properties| properties.value("gridBefore"));
            let before = number(before).unwrap_or(0).min(table::WIDEST);
            let mut row_cells: Vec<Cell> = (0..before).map(|_| Cell::default()).collect();
            for cell in cells(row) {
                let properties = cell.child("tcPr");
                let merge = properties.and_then(|properties| properties.child("vMerge"));
                let mut text = String::new();
                self.plain(cell, &mut text);
                row_cells.push(Cell {
                    text,
                    columns: number(properties.and_then(|properties| properties.value("gridSpan"))).unwrap_or(1),
                    goes_on: merge.is_some_and(|merge| merge.attribute("val") != Some("restart")),
                });
            }
            read.row(row_cells);
        }
        self.out.push(BlockKind::Table, &read.lines())?;
        self.hanging()
    }

    /// Adds the text of blocks without their structure, as a cell or a note shows it.
    fn plain(&mut self, parent: &'d Element, text: &mut String) {
        for element in parent.elements() {
            match element.name() {
                "p" => {
                    let label = self.label(element).unwrap_or_default();
                    let mut line = Line::default();
                    self.line(element, &mut line);
                    for piece in [label, line.text] {
                        text.push_str(&piece);
                        text.push(' ');
                    }
                    line.boxes.into_iter().for_each(|content| self.plain(content, text));
                }
                "tbl" => rows(element).into_iter().flat_map(cells).for_each(|cell| self.plain(cell, text)),
                "AlternateContent" => chosen(element).into_iter().for_each(|chosen| self.plain(chosen, text)),
                name if is_wrapper(name) => self.plain(element, text),
                _ => {}
            }
        }
    }
}

/// The variant that programs of today show: the first. What follows it is for older ones.
fn chosen(alternatives: &Element) -> Option<&Element> {
    alternatives.child("Choice").or(alternatives.child("Fallback"))
}

/// Elements that stand around others and change nothing of what is read: an insertion that is tracked, a content control.
fn is_wrapper(name: &str) -> bool {
    matches!(name, "sdt" | "sdtContent" | "ins" | "moveTo" | "smartTag" | "customXml")
}

fn is_contents(control: &Element) -> bool {
    let gallery = control.at(&["sdtPr", "docPartObj", "docPartGallery"]);
    gallery.and_then(|gallery| gallery.attribute("val")) == Some("Table of Contents")
}

fn is_hidden(run: &Element) -> bool {
    let hidden = run.child("rPr").and_then(|properties| properties.child("vanish"));
    hidden.is_some_and(|hidden| !matches!(hidden.attribute("val"), Some("0" | "false" | "off")))
}

/// The rows of a table, those within content controls too; deleted ones are gone.
fn rows(table: &Element) -> Vec<&Element> {
    parts(table, "tr").into_iter().filter(|row| row.at(&["trPr", "del"]).is_none()).collect()
}

fn cells(row: &Element) -> Vec<&Element> {
    parts(row, "tc")
}

fn parts<'d>(parent: &'d Element, name: &str) -> Vec<&'d Element> {
    let part = |element: &'d Element| match element.name() {
        own if own == name => vec![element],
        wrapper if is_wrapper(wrapper) => parts(element, name),
        _ => vec![],
    };
    parent.elements().flat_map(part).collect()
}

fn number(text: Option<&str>) -> Option<usize> {
    text?.parse().ok()
}

fn id(element: &Element) -> &str {
    element.attribute("id").unwrap_or_default()
}

/// A character of a symbol font. Those in the private area have a meaning in that font only.
fn symbol(element: &Element) -> Option<char> {
    let code = u32::from_str_radix(element.attribute("char")?, 16).ok()?;
    char::from_u32(code).filter(|c| !('\u{E000}'..='\u{F8FF}').contains(c))
}

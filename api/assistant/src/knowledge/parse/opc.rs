//! Packages of parts and the relations between them: what Word and PowerPoint files are (ISO/IEC 29500-2).

use super::archive::{Archive, damaged};
use super::xml::{self, Element};
use super::{ParseFailure, ParseLimits};

/// A part: its XML, and the parts it names.
pub struct Part {
    /// Its content.
    pub root: Element,
    relations: Vec<Relation>,
}

struct Relation {
    id: String,
    /// The last piece of its type's address: `styles`, `slide`.
    kind: String,
    target: String,
}

impl Part {
    /// The name of the part behind a relation.
    pub fn by_id(&self, id: &str) -> Option<&str> {
        self.relations.iter().find(|relation| relation.id == id).map(|relation| relation.target.as_str())
    }

    /// The name of the first part of a kind.
    pub fn by_kind(&self, kind: &str) -> Option<&str> {
        self.relations.iter().find(|relation| relation.kind == kind).map(|relation| relation.target.as_str())
    }
}

/// The part that a package is about.
pub fn main(archive: &mut Archive<'_>, limits: &ParseLimits) -> Result<Part, ParseFailure> {
    let relations = relations(archive, "", limits)?;
    let main = relations.into_iter().find(|relation| relation.kind == "officeDocument").ok_or_else(damaged)?;
    part(archive, &main.target, limits)?.ok_or_else(damaged)
}

/// A part by its name; `None` where the package has none.
pub fn part(archive: &mut Archive<'_>, name: &str, limits: &ParseLimits) -> Result<Option<Part>, ParseFailure> {
    let Some(bytes) = archive.read(name)? else { return Ok(None) };
    let relations = relations(archive, name, limits)?;
    Ok(Some(Part { root: xml::tree(&bytes, limits)?, relations }))
}

/// The title in a package's properties.
pub fn title(archive: &mut Archive<'_>, limits: &ParseLimits) -> Result<Option<String>, ParseFailure> {
    let Some(bytes) = archive.read("docProps/core.xml")? else { return Ok(None) };
    // Properties that cannot be read are no reason to refuse the text.
    let title = xml::tree(&bytes, limits).ok().and_then(|root| root.child("title").map(Element::text));
    Ok(title.filter(|title| !is_programs_own(title)))
}

/// What programs call a document that nobody gave a title.
fn is_programs_own(title: &str) -> bool {
    let title = title.trim().to_lowercase();
    let names = ["powerpoint presentation", "word document", "untitled", "présentation powerpoint"];
    names.contains(&title.as_str()) || title.starts_with("microsoft word - ")
}

fn relations(archive: &mut Archive<'_>, part: &str, limits: &ParseLimits) -> Result<Vec<Relation>, ParseFailure> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let own = if folder.is_empty() { format!("_rels/{name}.rels") } else { format!("{folder}/_rels/{name}.rels") };
    let Some(bytes) = archive.read(&own)? else { return Ok(vec![]) };
    let root = xml::tree(&bytes, limits)?;
    let inside = root.elements().filter(|relation| relation.attribute("TargetMode") != Some("External"));
    let relation = |relation: &Element| {
        Some(Relation {
            id: relation.attribute("Id")?.to_owned(),
            kind: relation.attribute("Type")?.rsplit('/').next()?.to_owned(),
            target: within(folder, relation.attribute("Target")?),
        })
    };
    Ok(inside.filter_map(relation).collect())
}

/// The member that a path in a folder names.
pub fn within(folder: &str, path: &str) -> String {
    let mut pieces: Vec<&str> = if path.starts_with('/') { vec![] } else { folder.split('/').collect() };
    for piece in path.split('/') {
        match piece {
            ".." => drop(pieces.pop()),
            "." | "" => {}
            piece => pieces.push(piece),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces.join("/")
}

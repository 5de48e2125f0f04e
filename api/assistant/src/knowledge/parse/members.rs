//! The files in an archive, which become documents of their own.

use std::io;

use super::archive::{Archive, damaged};
use super::collect::too_complex;
use super::{FailureCode, ParseFailure, ParseLimits};

/// More files than this are too many for one archive.
const MOST_FILES: usize = 2_000;
/// A longer name is cut at its front: its end says what the file is.
const LONGEST_NAME: usize = 255;

/// Hands over the files of an archive, one after another, by their paths in it. What programs put beside a person's own
/// files is left out.
///
/// # Errors
/// `Damaged`, `Encrypted`; `TooLarge` where all files together unpack to more than the limit; `NoText` where there are
/// none.
pub fn members(
    bytes: &[u8],
    limits: &ParseLimits,
    each: &mut dyn FnMut(&str, &[u8]) -> io::Result<()>,
) -> Result<(), ParseFailure> {
    let mut archive = Archive::open(bytes, limits)?;
    let names: Vec<String> = archive.names().filter(|name| is_a_persons(name)).map(|name| name.into_owned()).collect();
    if names.is_empty() {
        return Err(ParseFailure::new(FailureCode::NoText, "There is no file in the archive."));
    }
    if names.len() > MOST_FILES {
        return Err(too_complex(format!("more than {MOST_FILES} files")));
    }
    for name in names {
        let Some(bytes) = archive.read(&name)? else { continue };
        // Nobody listens any more: there is nobody to tell.
        each(&shown(&name), &bytes).map_err(|_| damaged())?;
    }
    Ok(())
}

fn is_a_persons(name: &str) -> bool {
    let is_folder = name.ends_with(['/', '\\']);
    let is_hidden = |piece: &str| piece.starts_with('.') && piece != "." && piece != "..";
    let is_programs = |piece: &str| matches!(piece, "__MACOSX" | "Thumbs.db" | "desktop.ini");
    !is_folder && !name.split(['/', '\\']).any(|piece| is_hidden(piece) || is_programs(piece))
}

/// The path as a file's name: without what leads out of a folder, and what cannot be seen.
fn shown(name: &str) -> String {
    let pieces = name.split(['/', '\\']).filter(|piece| !matches!(*piece, "" | "." | ".."));
    let path: String = pieces.collect::<Vec<_>>().join("/").chars().filter(|c| !c.is_control()).collect();
    let over = path.chars().count().saturating_sub(LONGEST_NAME);
    path.chars().skip(over).collect()
}

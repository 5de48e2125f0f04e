//! A string that exists nowhere else, searched for in bytes wherever the product keeps or says anything.

use std::{
    fmt, fs, io,
    path::Path,
    process::{Command, Stdio},
};

use aho_corasick::AhoCorasick;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD};

/// A string that exists nowhere else. Letters and digits only, so that no chat model, parser or stemmer changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary(String);

impl Canary {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "each is different, so there is no default")]
    #[expect(clippy::disallowed_methods, reason = "tests make their own randomness")]
    pub fn new() -> Self {
        Self(format!("Canary{}", uuid::Uuid::new_v4().as_simple()))
    }

    /// A text that is secret, as if it were one.
    pub fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Everything that these bytes would have to contain if the canary were in them, in some form.
    fn forms(&self) -> Vec<Vec<u8>> {
        let text = self.0.as_bytes();
        let utf16: Vec<u16> = self.0.encode_utf16().collect();
        let little: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let mut forms = vec![
            text.to_vec(),
            hex::encode(text).into_bytes(),
            text.iter().flat_map(|byte| format!("%{byte:02x}").into_bytes()).collect(),
            self.0.chars().flat_map(|c| format!("\\u{:04x}", u32::from(c)).into_bytes()).collect(),
            text.iter().rev().copied().collect(),
        ];
        for bytes in [text, &little, &big] {
            forms.extend(inside_base64(bytes));
        }
        forms.extend([hex::encode(&little).into_bytes(), little, big]);
        forms.sort();
        forms.dedup();
        forms
    }

    /// Where, among these places, it is found.
    pub fn found_in(&self, places: &[Place]) -> Vec<String> {
        let search =
            AhoCorasick::builder().ascii_case_insensitive(true).build(self.forms()).expect("few, short patterns");
        let with_it = places.iter().filter(|place| search.is_match(&place.bytes));
        with_it.map(|place| place.name.clone()).collect()
    }
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What base64 makes of the inside of these bytes, wherever in a longer text they begin: three ways to fall on its groups.
fn inside_base64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
        // The first and the last group are shared with the neighbours.
        let groups = 3..padded.len() / 3 * 3;
        forms.push(STANDARD_NO_PAD.encode(&padded[groups.clone()]).into_bytes());
        forms.push(URL_SAFE_NO_PAD.encode(&padded[groups]).into_bytes());
    }
    forms
}

/// A place that can be searched.
pub struct Place {
    /// A file or a table.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The bytes of a file; of a database through another process: whoever closes one in this process gives up the locks that the
/// product holds on it here (fcntl(2), advisory record locks), and it would read what is being written.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let is_database = path.file_name().is_some_and(|name| name.to_string_lossy().contains(".db"));
    if !is_database {
        return fs::read(path);
    }
    let read = Command::new("cat").arg(path).stderr(Stdio::null()).output()?;
    if read.status.success() { Ok(read.stdout) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Every file below a folder.
pub fn files_below(folder: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            places.extend(files_below(&path));
        } else if let Ok(bytes) = read(&path) {
            places.push(Place { name: path.display().to_string(), bytes });
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_form() {
        let canary = Canary::new();
        let text = format!("Before {canary} after");
        let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let mut hidden = vec![
            ("as it is", text.clone().into_bytes()),
            ("in small letters", text.to_lowercase().into_bytes()),
            ("UTF-16, little-endian", utf16(u16::to_le_bytes)),
            ("UTF-16, big-endian", utf16(u16::to_be_bytes)),
            ("hexadecimal", hex::encode(&text).into_bytes()),
            ("hexadecimal, in capitals", hex::encode_upper(&text).into_bytes()),
            ("percent-encoded", text.bytes().map(|b| format!("%{b:02X}")).collect::<String>().into_bytes()),
        ];
        for start in 0..3 {
            hidden.push(("base64", STANDARD_NO_PAD.encode(&text[start..]).into_bytes()));
            hidden.push(("base64 of UTF-16", STANDARD_NO_PAD.encode(&utf16(u16::to_le_bytes)[start..]).into_bytes()));
        }
        for (form, bytes) in hidden {
            let place = Place { name: form.to_owned(), bytes };
            assert_eq!(canary.found_in(&[place]), [form]);
        }
        let elsewhere = Place { name: "another".into(), bytes: Canary::new().to_string().into_bytes() };
        assert!(canary.found_in(&[elsewhere]).is_empty());
    }
}

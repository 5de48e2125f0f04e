//! XML into a small tree, within limits.
//!
//! Names are local: the formats read here differ in their namespaces' addresses (ISO/IEC 29500 strict and transitional)
//! and not in what their elements mean.
//!
//! Invariants, as absences:
//! - No entity is expanded but XML's own five and character references. A document that declares entities is refused:
//!   no office program writes one, and a few lines of them unpack to gigabytes.
//! - Nothing outside the bytes is fetched.

use std::collections::HashSet;
use std::rc::Rc;

use encoding_rs::Encoding;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::archive::damaged;
use super::collect::too_complex;
use super::{FailureCode, ParseFailure, ParseLimits};

/// More elements than this is no document for people, and more than a gigabyte of tree.
const MOST_ELEMENTS: usize = 5_000_000;

/// An element and all in it.
#[derive(Debug, Default)]
pub struct Element {
    name: Rc<str>,
    /// By their names as written, prefix and all.
    attributes: Vec<(Rc<str>, Box<str>)>,
    children: Vec<Node>,
}

/// What an element holds.
#[derive(Debug)]
pub enum Node {
    /// Another element.
    Element(Element),
    /// Text, entities resolved.
    Text(String),
}

/// Reads a document.
///
/// # Errors
/// `Damaged` where it is not well-formed, `TooComplex` where it is nested deeper than the limit, has too many elements or
/// declares entities.
pub fn tree(bytes: &[u8], limits: &ParseLimits) -> Result<Element, ParseFailure> {
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding.decode(bytes).0,
        None => String::from_utf8_lossy(bytes),
    };
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let mut names = Names::default();
    let mut open = vec![Element::default()];
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|_| damaged())? {
            Event::Start(start) => {
                elements += 1;
                if open.len() > limits.depth {
                    return Err(too_complex(format!("elements more than {} deep", limits.depth)));
                }
                if elements > MOST_ELEMENTS {
                    return Err(too_complex(format!("more than {MOST_ELEMENTS} elements")));
                }
                open.push(names.element(&start)?);
            }
            Event::End(_) => {
                let done = open.pop().ok_or_else(damaged)?;
                open.last_mut().ok_or_else(damaged)?.children.push(Node::Element(done));
            }
            Event::Text(text) => add_text(&mut open, &text),
            Event::CData(text) => add_text(&mut open, &text),
            Event::GeneralRef(entity) => add_text(&mut open, resolved(&entity)?.encode_utf8(&mut [0; 4])),
            Event::DocType(declared) if declared.contains('[') => {
                let message = "The document declares entities of its own. Open it, save it again and upload that.";
                return Err(ParseFailure::new(FailureCode::TooComplex, message));
            }
            Event::DocType(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Empty(_) => return Err(damaged()),
            Event::Eof => break,
        }
    }
    let (Some(mut outside), true) = (open.pop(), open.is_empty()) else { return Err(damaged()) };
    outside.children.retain(|node| matches!(node, Node::Element(_)));
    match outside.children.pop() {
        Some(Node::Element(root)) => Ok(root),
        _ => Err(damaged()),
    }
}

impl Element {
    /// Its name, without a prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An attribute by its name, whatever its prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(written, _)| local(written) == name);
        found.map(|(_, value)| &**value)
    }

    /// The attribute that names another part: `id` with a prefix, where one without is something else.
    pub fn relation(&self) -> Option<&str> {
        let found = self.attributes.iter().find(|(written, _)| written.contains(':') && local(written) == "id");
        found.map(|(_, value)| &**value)
    }

    /// What it holds, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.children
    }

    /// The elements it holds.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element of this name that it holds.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.elements().find(|element| element.name() == name)
    }

    /// The element at the end of a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The attribute `val` of an element that it holds: how Word says a property.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.child(name)?.attribute("val")
    }

    /// The elements of this name anywhere below, outer ones first.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.below().filter(move |element| element.name() == name)
    }

    /// Every element below, in the order of the document.
    pub fn below(&self) -> impl Iterator<Item = &Self> {
        let mut left: Vec<&Self> = self.elements().collect();
        left.reverse();
        std::iter::from_fn(move || {
            let next = left.pop()?;
            let at = left.len();
            left.extend(next.elements());
            left[at..].reverse();
            Some(next)
        })
    }

    /// All text in it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.add_text(&mut text);
        text
    }

    fn add_text(&self, text: &mut String) {
        for node in &self.children {
            match node {
                Node::Text(piece) => text.push_str(piece),
                Node::Element(element) => element.add_text(text),
            }
        }
    }
}

/// Each name once in memory.
#[derive(Default)]
struct Names(HashSet<Rc<str>>);

impl Names {
    fn element(&mut self, start: &BytesStart<'_>) -> Result<Element, ParseFailure> {
        let name = self.one(start.local_name().as_ref());
        let mut attributes = vec![];
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| damaged())?;
            // Which editing session a piece comes from: most of the attributes of a Word file.
            if attribute.key.local_name().as_ref().starts_with("rsid") {
                continue;
            }
            // An entity that is not known, a stray ampersand: as written.
            let value = quick_xml::escape::unescape(&attribute.value).unwrap_or(attribute.value.as_ref().into());
            attributes.push((self.one(attribute.key.as_ref()), value.into_owned().into_boxed_str()));
        }
        Ok(Element { name, attributes, children: vec![] })
    }

    fn one(&mut self, name: &str) -> Rc<str> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let new: Rc<str> = name.into();
        self.0.insert(new.clone());
        new
    }
}

fn add_text(open: &mut [Element], text: &str) {
    let Some(element) = open.last_mut() else { return };
    match element.children.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ if text.is_empty() => {}
        _ => element.children.push(Node::Text(text.to_owned())),
    }
}

/// A character. An entity that is not XML's own stands for one that is not known.
fn resolved(entity: &BytesRef<'_>) -> Result<char, ParseFailure> {
    if let Some(character) = entity.resolve_char_ref().map_err(|_| damaged())? {
        return Ok(character);
    }
    Ok(match &**entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{A0}',
        _ => char::REPLACEMENT_CHARACTER,
    })
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

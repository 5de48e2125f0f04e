//! The smallest archives that do what a test needs.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An archive of these members, deflated.
pub fn of<T: AsRef<[u8]>>(members: &[(&str, T)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes.as_ref()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const KINDS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// Relations of a part: id, kind, target.
pub fn relations(relations: &[(&str, &str, &str)]) -> String {
    let relations = relations
        .iter()
        .map(|(id, kind, target)| format!("<Relationship Id='{id}' Type='{KINDS}/{kind}' Target='{target}'/>"));
    format!("<Relationships>{}</Relationships>", relations.collect::<String>())
}

/// A Word document with this body, and more parts beside it: kind, name, XML.
pub fn word(body: &str, parts: &[(&str, &str, &str)]) -> Vec<u8> {
    let main = format!("<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>");
    let ids: Vec<String> = (0..parts.len()).map(|number| format!("r{number}")).collect();
    let related: Vec<_> = ids.iter().zip(parts).map(|(id, (kind, name, _))| (id.as_str(), *kind, *name)).collect();
    let paths: Vec<String> = parts.iter().map(|(_, name, _)| format!("word/{name}")).collect();
    let (root, related) = (relations(&[("r1", "officeDocument", "word/document.xml")]), relations(&related));
    let mut members = vec![
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &root),
        ("word/document.xml", &main),
        ("word/_rels/document.xml.rels", &related),
    ];
    members.extend(paths.iter().zip(parts).map(|(path, (_, _, xml))| (path.as_str(), *xml)));
    of(&members)
}

/// A presentation of slides: attributes of each, and its shapes.
pub fn slides(slides: &[(&str, &str)]) -> Vec<u8> {
    let ids: Vec<String> = (1..=slides.len()).map(|number| format!("r{number}")).collect();
    let names: Vec<String> = (1..=slides.len()).map(|number| format!("slides/slide{number}.xml")).collect();
    let paths: Vec<String> = names.iter().map(|name| format!("ppt/{name}")).collect();
    let related: Vec<_> = ids.iter().zip(&names).map(|(id, name)| (id.as_str(), "slide", name.as_str())).collect();
    let list: String = ids.iter().map(|id| format!("<p:sldId id='256' r:id='{id}'/>")).collect();
    let main = format!("<p:presentation><p:sldIdLst>{list}</p:sldIdLst></p:presentation>");
    let (root, related) = (relations(&[("r1", "officeDocument", "/ppt/presentation.xml")]), relations(&related));
    let pages: Vec<String> = slides
        .iter()
        .map(|(attributes, shapes)| {
            format!("<p:sld {attributes}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>")
        })
        .collect();
    let mut members = vec![
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", root.as_str()),
        ("ppt/presentation.xml", main.as_str()),
        ("ppt/_rels/presentation.xml.rels", related.as_str()),
    ];
    members.extend(paths.iter().zip(&pages).map(|(path, page)| (path.as_str(), page.as_str())));
    of(&members)
}

/// A shape with paragraphs: what place it fills, the paragraphs' XML.
pub fn shape(place: &str, paragraphs: &str) -> String {
    format!("<p:sp><p:nvSpPr><p:nvPr>{place}</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>")
}

/// A workbook of sheets: name, attributes, rows' XML.
pub fn workbook(sheets: &[(&str, &str, &str)]) -> Vec<u8> {
    let names: Vec<String> = (1..=sheets.len()).map(|number| format!("worksheets/sheet{number}.xml")).collect();
    let ids: Vec<String> = (1..=sheets.len()).map(|number| format!("r{number}")).collect();
    let related: Vec<_> = ids.iter().zip(&names).map(|(id, name)| (id.as_str(), "worksheet", name.as_str())).collect();
    let list: String = ids
        .iter()
        .zip(sheets)
        .enumerate()
        .map(|(at, (id, (name, attributes, _)))| {
            format!("<sheet name='{name}' sheetId='{}' {attributes} r:id='{id}'/>", at + 1)
        })
        .collect();
    let namespaces = "xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main' \
                      xmlns:r='http://schemas.openxmlformats.org/officeDocument/2006/relationships'";
    let main = format!("<workbook {namespaces}><sheets>{list}</sheets></workbook>");
    let (root, related) = (relations(&[("r1", "officeDocument", "xl/workbook.xml")]), relations(&related));
    let paths: Vec<String> = names.iter().map(|name| format!("xl/{name}")).collect();
    let pages: Vec<String> = sheets
        .iter()
        .map(|(_, _, rows)| format!("<worksheet {namespaces}><sheetData>{rows}</sheetData></worksheet>"))
        .collect();
    let mut members = vec![
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", root.as_str()),
        ("xl/workbook.xml", main.as_str()),
        ("xl/_rels/workbook.xml.rels", related.as_str()),
    ];
    members.extend(paths.iter().zip(&pages).map(|(path, page)| (path.as_str(), page.as_str())));
    of(&members)
}

/// An OpenDocument file: the last piece of its media type, its styles and its body.
pub fn open_document(kind: &str, styles: &str, body: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:automatic-styles>{styles}</office:automatic-styles><office:body>{body}\
         </office:body></office:document-content>"
    );
    let mimetype = format!("application/vnd.oasis.opendocument.{kind}");
    of(&[("mimetype", mimetype.as_str()), ("content.xml", content.as_str())])
}

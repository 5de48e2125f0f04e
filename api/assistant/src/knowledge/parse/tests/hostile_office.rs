//! Archives and XML made to break their reader.

use super::archive_writer::{of, open_document, shape, slides, word, workbook};
use super::hostile::survives;
use super::*;

fn code(name: &'static str, bytes: &[u8]) -> FailureCode {
    survives(name, bytes).unwrap_err().code
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let zeros = vec![b' '; 300 << 20];
    let document = [&b"<w:document><w:body>"[..], &zeros, b"</w:body></w:document>"].concat();
    let members: &[(&str, &[u8])] = &[
        ("[Content_Types].xml", b"<Types/>"),
        (
            "_rels/.rels",
            b"<Relationships><Relationship Id='r' Type='x/officeDocument' Target='word/d.xml'/></Relationships>",
        ),
        ("word/d.xml", &document),
    ];
    let bomb = of(members);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(code("a.docx", &bomb), FailureCode::TooLarge);
    let book = of(&[("[Content_Types].xml", &b"<Types/>"[..]), ("xl/workbook.xml", &zeros)]);
    assert_eq!(code("a.xlsx", &book), FailureCode::TooLarge);
}

#[test]
fn many_small_members_count_together() {
    let member = vec![b' '; 3 << 20];
    let names: Vec<String> = (0..100).map(|number| format!("word/media{number}.xml")).collect();
    let mut members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &member[..])).collect();
    members.extend([("[Content_Types].xml", &b"<Types/>"[..]), ("xl/a.xml", &b""[..])]);
    let renamed: Vec<(String, &[u8])> =
        members.iter().map(|(name, bytes)| (name.replace("word/", "xl/"), *bytes)).collect();
    let renamed: Vec<(&str, &[u8])> = renamed.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    assert_eq!(code("a.xlsx", &of(&renamed)), FailureCode::TooLarge);
    let names: Vec<String> = (0..20_001).map(|number| number.to_string()).collect();
    let empty: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(code("a.docx", &of(&empty)), FailureCode::TooComplex);
}

#[test]
fn pictures_are_not_unpacked() {
    let picture = vec![0; 300 << 20];
    let mut file = of(&[("word/media/image1.bmp", &picture[..])]);
    assert!(survives("a.zip", &file).is_err());
    file = of(&[
        ("[Content_Types].xml", &b"<Types/>"[..]),
        (
            "_rels/.rels",
            b"<Relationships><Relationship Id='r' Type='x/officeDocument' Target='word/d.xml'/></Relationships>",
        ),
        ("word/d.xml", b"<w:document><w:body><w:p><w:r><w:t>Text</w:t></w:r></w:p></w:body></w:document>"),
        ("word/media/image1.bmp", &picture),
    ]);
    assert_eq!(survives("a.docx", &file).unwrap().blocks[0].text, "Text");
}

#[test]
fn declared_entities_are_refused() {
    let lol = |level: usize| format!("<!ENTITY l{} \"{}\">", level + 1, format!("&l{level};").repeat(10));
    let entities: String = (0..12).map(lol).collect();
    let xml = format!("<!DOCTYPE d [<!ENTITY l0 \"lol\">{entities}]><w:document><w:body>&l12;</w:body></w:document>");
    let relations = "<Relationships><Relationship Id='r' Type='x/officeDocument' Target='word/d.xml'/></Relationships>";
    let with = |xml: &str| of(&[("[Content_Types].xml", "<Types/>"), ("_rels/.rels", relations), ("word/d.xml", xml)]);
    assert_eq!(code("a.docx", &with(&xml)), FailureCode::TooComplex);
    let outside = "<!DOCTYPE d SYSTEM 'file:///etc/passwd'><w:document><w:body><w:p><w:r><w:t>a&x;b</w:t></w:r></w:p>\
                   </w:body></w:document>";
    assert_eq!(survives("a.docx", &with(outside)).unwrap().blocks[0].text, "a\u{FFFD}b");
}

#[test]
fn deep_elements_are_refused() {
    let nested = |name: &str, times: usize| format!("<{name}>").repeat(times) + &format!("</{name}>").repeat(times);
    assert_eq!(code("a.docx", &word(&nested("w:sdt", 100_000), &[])), FailureCode::TooComplex);
    let tables = "<w:tbl><w:tr><w:tc>".repeat(80) + &"</w:tc></w:tr></w:tbl>".repeat(80);
    let _either = survives("a.docx", &word(&tables, &[]));
    assert_eq!(code("a.pptx", &slides(&[("", &nested("p:grpSp", 300))])), FailureCode::TooComplex);
    let lists = "<text:list><text:list-item>".repeat(120) + &"</text:list-item></text:list>".repeat(120);
    let _either = survives("a.odt", &open_document("text", "", &format!("<office:text>{lists}</office:text>")));
    let json = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(code("a.json", json.as_bytes()), FailureCode::TooComplex);
}

#[test]
fn repetitions_that_a_file_claims_cost_what_is_shown() {
    let cell = "<table:table-cell table:number-columns-repeated='2147483647'><text:p>x</text:p></table:table-cell>";
    let row = format!("<table:table-row table:number-rows-repeated='2147483647'>{cell}</table:table-row>");
    let sheet = format!("<office:spreadsheet><table:table>{row}{row}</table:table></office:spreadsheet>");
    assert!(survives("a.ods", &open_document("spreadsheet", "", &sheet)).unwrap().blocks[0].text.len() < 10_000);
    let text = format!(
        "<office:text><table:table>{row}</table:table><text:p><text:s text:c='4294967295'/>x</text:p></office:text>"
    );
    assert!(survives("a.odt", &open_document("text", "", &text)).is_ok());
    let spanned = "<w:tbl><w:tr><w:trPr><w:gridBefore w:val='4000000000'/></w:trPr><w:tc><w:tcPr><w:gridSpan \
                   w:val='4000000000'/></w:tcPr><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc><w:tc/></w:tr></w:tbl>";
    assert!(survives("a.docx", &word(spanned, &[])).is_ok());
}

#[test]
fn a_sheet_costs_what_is_in_it() {
    let corners = "<row r='1'><c r='A1' t='inlineStr'><is><t>first</t></is></c></row>\
                   <row r='1048576'><c r='XFD1048576' t='inlineStr'><is><t>last</t></is></c></row>";
    let document = survives("a.xlsx", &workbook(&[("Sheet", "", corners)])).unwrap();
    assert_eq!(document.blocks.last().unwrap().text, "first\n | last");
}

#[test]
fn styles_and_parts_in_a_loop_end() {
    let styles = "<w:styles><w:style w:styleId='A'><w:basedOn w:val='B'/></w:style><w:style w:styleId='B'><w:basedOn \
                  w:val='A'/></w:style></w:styles>";
    let body = "<w:p><w:pPr><w:pStyle w:val='A'/></w:pPr><w:r><w:t>Text</w:t></w:r></w:p>";
    assert_eq!(survives("a.docx", &word(body, &[("styles", "s.xml", styles)])).unwrap().blocks[0].text, "Text");
    let notes = "<w:footnotes><w:footnote w:id='1'><w:p><w:r><w:footnoteReference w:id='1'/><w:t>Note</w:t></w:r></w:p>\
                 </w:footnote></w:footnotes>";
    let body = "<w:p><w:r><w:t>Text</w:t><w:footnoteReference w:id='1'/></w:r></w:p>";
    assert_eq!(survives("a.docx", &word(body, &[("footnotes", "f.xml", notes)])).unwrap().blocks.len(), 2);
}

#[test]
fn office_nonsense_is_damaged_not_a_crash() {
    let shapes = shape("<p:ph type='title'/>", "<a:p><a:r><a:t>Title</a:t></a:r></a:p>");
    let files: [(&'static str, Vec<u8>); 4] = [
        ("a.docx", word("<w:p><w:r><w:t>Text</w:t></w:r></w:p>", &[])),
        ("a.pptx", slides(&[("", &shapes)])),
        ("a.xlsx", workbook(&[("Sheet", "", "<row r='1'><c r='A1'><v>1</v></c></row>")])),
        ("a.odt", open_document("text", "", "<office:text><text:p>Text</text:p></office:text>")),
    ];
    for (name, good) in files {
        assert!(survives(name, &good).is_ok(), "{name}");
        for cut in [4, 30, good.len() / 4, good.len() / 2, good.len() - 10] {
            assert!(survives(name, &good[..cut]).is_err(), "{name} cut at {cut}");
        }
        for at in (0..good.len()).step_by(7) {
            let mut broken = good.clone();
            broken[at] ^= 0x55;
            let _either = survives(name, &broken);
        }
    }
    for xml in ["", "<w:document>", "</w:document>", "<a><b></a>", "text", "<w:document><w:body/></w:document><x/>"] {
        let relations =
            "<Relationships><Relationship Id='r' Type='x/officeDocument' Target='word/d.xml'/></Relationships>";
        let file = of(&[("[Content_Types].xml", "<Types/>"), ("_rels/.rels", relations), ("word/d.xml", xml)]);
        assert!(survives("a.docx", &file).is_err(), "{xml}");
    }
}

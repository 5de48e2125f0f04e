//! Each format of offices, books, mail and data by a small document of our own.

use super::super::BlockKind::{Code, Heading, ListItem, Paragraph, Quote, Records, Table};
use super::archive_writer::{open_document, shape, slides, word, workbook};
use super::*;

fn paragraph(properties: &str, text: &str) -> String {
    format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

const STYLES: &str = "<w:styles><w:style w:styleId='H1'><w:name w:val='heading 1'/></w:style>\
    <w:style w:styleId='Mine'><w:name w:val='Chapter'/><w:basedOn w:val='H1'/></w:style>\
    <w:style w:styleId='C'><w:name w:val='Source Code'/></w:style></w:styles>";

const NUMBERING: &str = "<w:numbering><w:abstractNum w:abstractNumId='0'>\
    <w:lvl w:ilvl='0'><w:start w:val='1'/><w:numFmt w:val='decimal'/><w:lvlText w:val='%1.'/></w:lvl>\
    <w:lvl w:ilvl='1'><w:start w:val='1'/><w:numFmt w:val='lowerLetter'/><w:lvlText w:val='%1.%2)'/></w:lvl>\
    </w:abstractNum><w:num w:numId='1'><w:abstractNumId w:val='0'/></w:num></w:numbering>";

fn item(level: usize, text: &str) -> String {
    paragraph(&format!("<w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='1'/></w:numPr>"), text)
}

#[test]
fn a_word_document_has_headings_numbers_and_tables() {
    let cell =
        |properties: &str, text: &str| format!("<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>", paragraph("", text));
    let table = format!(
        "<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>",
        cell("", "Plan"),
        cell("", "Price"),
        cell("<w:vMerge w:val='restart'/>", "Basic"),
        cell("", "5"),
        cell("<w:vMerge/>", ""),
        cell("", "50 a year"),
    );
    let body = [
        paragraph("<w:pStyle w:val='Mine'/>", "Plans"),
        item(0, "Choose"),
        item(1, "by price"),
        item(1, "by size"),
        item(0, "Pay"),
        table,
        paragraph("<w:pStyle w:val='C'/>", "a = 1"),
        paragraph("<w:pStyle w:val='C'/>", "b = 2"),
    ];
    let document =
        read("a.docx", word(&body.concat(), &[("styles", "styles.xml", STYLES), ("numbering", "n.xml", NUMBERING)]));
    assert_eq!(document.title.as_deref(), Some("Plans"));
    assert_eq!(
        outline(&document),
        [
            (Heading(1), "Plans"),
            (ListItem, "1. Choose"),
            (ListItem, "1.a) by price"),
            (ListItem, "1.b) by size"),
            (ListItem, "2. Pay"),
            (Table, "Plan | Price\nBasic | 5\nBasic | 50 a year"),
            (Code, "a = 1\nb = 2"),
        ]
    );
    assert_eq!(document.blocks[5].headings, ["Plans"]);
}

#[test]
fn a_word_document_is_read_as_its_reader_sees_it() {
    let body = "<w:p><w:r><w:t>Kept </w:t></w:r><w:ins><w:r><w:t>and added</w:t></w:r></w:ins>\
        <w:del><w:r><w:delText>deleted</w:delText></w:r></w:del><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>\
        <w:r><w:footnoteReference w:id='2'/></w:r><w:r><mc:AlternateContent><mc:Choice><w:drawing><wps:txbx><w:txbxContent>\
        <w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent></wps:txbx></w:drawing></mc:Choice><mc:Fallback><w:pict>\
        <w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent></w:pict></mc:Fallback>\
        </mc:AlternateContent></w:r></w:p><w:p><m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b\
        </m:t></m:r></m:den></m:f></m:oMath></w:p>";
    let notes = "<w:footnotes><w:footnote w:id='2'><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>";
    let comments = "<w:comments><w:comment><w:p><w:r><w:t>Rubbish!</w:t></w:r></w:p></w:comment></w:comments>";
    let parts = [("footnotes", "footnotes.xml", notes), ("comments", "comments.xml", comments)];
    assert_eq!(
        outline(&read("a.docx", word(body, &parts))),
        [(Paragraph, "Kept and added"), (Paragraph, "Boxed"), (Paragraph, "A note."), (Paragraph, "\\frac{a}{b}")]
    );
}

#[test]
fn slides_are_parts_with_their_numbers() {
    let text = |text: &str| format!("<a:p><a:r><a:t>{text}</a:t></a:r></a:p>");
    let title = |title: &str| shape("<p:ph type='title'/>", &text(title));
    let list = shape("<p:ph idx='1'/>", &(text("One") + &text("Two")));
    let footer = shape("<p:ph type='ftr'/>", &text("Every slide"));
    let presentation = slides(&[
        ("", &title("Welcome")),
        ("show='0'", &title("Backup")),
        ("", &(list + &title("Plans") + &footer + &shape("", &text("Aside")))),
    ]);
    let document = read("a.pptx", presentation);
    assert_eq!(document.title.as_deref(), Some("Welcome"));
    assert_eq!(
        outline(&document),
        [
            (Heading(1), "Slide 1: Welcome"),
            (Heading(1), "Slide 3: Plans"),
            (ListItem, "One"),
            (ListItem, "Two"),
            (Paragraph, "Aside"),
        ]
    );
    assert_eq!(document.blocks[4].page, Some(3));
    assert_eq!(slide::location(3, &document.blocks[4].headings).as_deref(), Some("Slide 3"));
    assert_eq!(slide::location(3, &["Slide 33".to_owned()]), None);
}

#[test]
fn a_workbook_has_its_sheets_as_rows_under_headers() {
    let text = |at: &str, text: &str| format!("<c r='{at}' t='inlineStr'><is><t>{text}</t></is></c>");
    let prices = [
        format!("<row r='1'>{}</row>", text("B1", "Prices of 2026")),
        format!("<row r='3'>{}{}</row>", text("B3", "Plan"), text("D3", "Price")),
        format!("<row r='4'>{}<c r='D4'><v>5.5</v></c></row>", text("B4", "Basic")),
        format!("<row r='5'>{}<c r='D5'><f>D4*10</f><v>55</v></c></row>", text("B5", "Yearly")),
    ];
    let book = workbook(&[
        ("Prices", "", &prices.concat()),
        ("Secret", "state='hidden'", &format!("<row r='1'>{}</row>", text("A1", "Margin"))),
    ]);
    let document = read("a.xlsx", book);
    assert_eq!(
        outline(&document),
        [(Heading(1), "Prices"), (Heading(2), "Prices of 2026"), (Records, "Plan | Price\nBasic | 5.5\nYearly | 55"),]
    );
    assert_eq!(document.title, None, "a sheet's name is not the book's");
}

#[test]
fn an_opendocument_text_has_headings_lists_and_tables() {
    let styles = "<text:list-style style:name='L1'><text:list-level-style-number text:level='1' style:num-format='1' \
        style:num-suffix='.'/></text:list-style><style:style style:name='P1' style:family='paragraph' \
        style:parent-style-name='Quotations'/>";
    let body = "<office:text><text:h text:outline-level='2'>Plans</text:h><text:list text:style-name='L1'><text:list-item>\
        <text:p>Choose<text:s text:c='2'/>one</text:p></text:list-item><text:list-item><text:p>Pay</text:p></text:list-item>\
        </text:list><text:p text:style-name='P1'>Said<text:note><text:note-citation>1</text:note-citation><text:note-body>\
        <text:p>A note.</text:p></text:note-body></text:note> so<office:annotation><text:p>Rubbish!</text:p>\
        </office:annotation></text:p><text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><table:table>\
        <table:table-row><table:table-cell><text:p>A</text:p></table:table-cell><table:table-cell><text:p>B</text:p>\
        </table:table-cell></table:table-row><table:table-row><table:table-cell table:number-columns-spanned='2'><text:p>1\
        </text:p></table:table-cell><table:covered-table-cell/></table:table-row></table:table></office:text>";
    assert_eq!(
        outline(&read("a.odt", open_document("text", styles, body))),
        [
            (Heading(2), "Plans"),
            (ListItem, "1. Choose one"),
            (ListItem, "2. Pay"),
            (Quote, "Said so"),
            (Paragraph, "A note."),
            (Table, "A | B\n1 | 1"),
        ]
    );
}

#[test]
fn opendocument_sheets_and_slides_are_read_like_any() {
    let cells = |cells: &[&str]| {
        let cells = cells.iter().map(|cell| format!("<table:table-cell><text:p>{cell}</text:p></table:table-cell>"));
        format!("<table:table-row>{}</table:table-row>", cells.collect::<String>())
    };
    let sheet = format!(
        "<office:spreadsheet><table:table table:name='Prices'>{}{}<table:table-row table:number-rows-repeated='1048574'>\
         <table:table-cell table:number-columns-repeated='16384'/></table:table-row></table:table></office:spreadsheet>",
        cells(&["Plan", "Price"]),
        cells(&["Basic", "5"])
    );
    assert_eq!(
        outline(&read("a.ods", open_document("spreadsheet", "", &sheet))),
        [(Heading(1), "Prices"), (Records, "Plan | Price\nBasic | 5")]
    );
    let frame = |class: &str, text: &str| {
        format!(
            "<draw:frame presentation:class='{class}'><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"
        )
    };
    let slide = format!(
        "<office:presentation><draw:page>{}{}<presentation:notes>{}</presentation:notes></draw:page></office:presentation>",
        frame("outline", "Text"),
        frame("title", "Plans"),
        frame("notes", "Say hello")
    );
    assert_eq!(
        outline(&read("a.odp", open_document("presentation", "", &slide))),
        [(Heading(1), "Slide 1: Plans"), (Paragraph, "Text")]
    );
}

#[test]
fn a_book_is_read_chapter_by_chapter() {
    let container = "<container><rootfiles><rootfile full-path='OPS/book.opf'/></rootfiles></container>";
    let package = "<package><metadata><dc:title>The Book</dc:title><dc:language>en</dc:language></metadata><manifest>\
        <item id='two' href='b.xhtml' media-type='application/xhtml+xml'/>\
        <item id='one' href='a%20b.xhtml' media-type='application/xhtml+xml'/>\
        <item id='nav' href='nav.xhtml' media-type='application/xhtml+xml' properties='nav'/></manifest>\
        <spine><itemref idref='nav'/><itemref idref='one'/><itemref idref='two'/></spine></package>";
    let page = |body: &str| format!("<html><head><title/></head><body>{body}</body></html>");
    let book = archive_writer::of(&[
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", container),
        ("OPS/book.opf", package),
        ("OPS/a b.xhtml", &page("<section><a id='x'/><h1>One</h1><p>First.</p></section>")),
        ("OPS/b.xhtml", &page("<h1>Two</h1><p>Second.</p>")),
        ("OPS/nav.xhtml", &page("<nav>One Two</nav>")),
    ]);
    let document = read("a.epub", book);
    assert_eq!(document.title.as_deref(), Some("The Book"));
    assert_eq!(
        outline(&document),
        [(Heading(1), "One"), (Paragraph, "First."), (Heading(1), "Two"), (Paragraph, "Second.")]
    );
}

#[test]
fn a_mail_is_read_without_its_senders_name() {
    let mail = "From: Ann Example <ann@example.com>\r\nTo: bob@example.com\r\nSubject: =?utf-8?q?D=C3=A9lai?=\r\n\
        Date: Wed, 5 Aug 2026 10:00:00 +0200\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
        Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        Trois semaines, =E0 peu pr=E8s.\r\n\r\n> Combien\r\n> de temps ?\r\n--x\r\nContent-Type: application/pdf\r\n\
        Content-Disposition: attachment; filename=\"prices.pdf\"\r\n\r\n%PDF\r\n--x--\r\n";
    let document = read("a.eml", mail);
    assert_eq!(document.title.as_deref(), Some("Délai"));
    assert_eq!(
        outline(&document),
        [
            (Heading(1), "Délai"),
            (Paragraph, "Date: 2026-08-05"),
            (Paragraph, "Trois semaines, à peu près."),
            (Quote, "Combien de temps ?"),
            (Paragraph, "Attachments: prices.pdf"),
        ]
    );
}

#[test]
fn pairs_of_question_and_answer_are_parts() {
    let expected = [
        (Heading(2), "How long?"),
        (Paragraph, "Three weeks."),
        (Heading(2), "How much?"),
        (Paragraph, "Five euros."),
        (ListItem, "topic: prices"),
    ];
    let json = r#"{"pairs": [{"question": "How long?", "answer": "Three weeks."},
        {"Q": "How much?", "A": "Five euros.", "topic": "prices"}]}"#;
    let document = read("a.json", json);
    assert_eq!(outline(&document), expected);
    assert_eq!(document.title, None, "the first question is not the document's title");
    let lines = "{\"question\": \"How long?\", \"answer\": \"Three weeks.\"}\n\
        {\"question\": \"How much?\", \"answer\": \"Five euros.\", \"topic\": \"prices\"}\n";
    assert_eq!(outline(&read("a.jsonl", lines)), expected);
    let rows = "topic;question;answer\n;How long?;Three weeks.\nprices;How much?;Five euros.\n";
    assert_eq!(outline(&read("a.csv", rows)), expected);
    let parts: Vec<u32> = document.blocks.iter().map(|block| block.part).collect();
    assert_eq!(parts, [1, 1, 2, 2, 2]);
}

#[test]
fn other_json_is_made_readable() {
    let json = r#"{"version": 2, "plans": [{"title": "Basic", "price": {"month": 5.5, "year": 50}, "for": ["you", "me"]},
        {"title": "Team", "seats": 10, "notes": null}]}"#;
    assert_eq!(
        outline(&read("a.json", json)),
        [
            (ListItem, "version: 2"),
            (Heading(2), "Basic"),
            (ListItem, "price.month: 5.5"),
            (ListItem, "price.year: 50"),
            (ListItem, "for: you, me"),
            (Heading(2), "Team"),
            (ListItem, "seats: 10"),
        ]
    );
    assert_eq!(refused("a.json", "{\"a\": "), FailureCode::Damaged);
}

#[test]
fn old_and_locked_office_files_say_so() {
    let ole = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
    let with = |name: &str| [&ole[..], &name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
    assert_eq!(refused("a.doc", with("WordDocument")), FailureCode::UnsupportedFormat);
    assert_eq!(refused("a.docx", with("EncryptedPackage")), FailureCode::Encrypted);
    let failure = parse("", "a.msg", &with("__substg1.0_37"), &ParseLimits::default()).unwrap_err();
    assert!(failure.message.contains(".eml"), "{}", failure.message);
    let files = archive_writer::of(&[("a.txt", "One"), ("b.md", "Two")]);
    assert_eq!(refused("a.zip", files), FailureCode::UnsupportedFormat);
    assert_eq!(refused("a.docx", b"PK\x03\x04rest"), FailureCode::Damaged);
}

//! Each format by a small document of our own.

use super::super::BlockKind::{Code, Heading, ListItem, Paragraph, Quote, Records, Table};
use super::*;

#[test]
fn markdown_becomes_blocks_under_their_headings() {
    let document = read(
        "a.md",
        "---\ntitle: The Handbook\nlang: en-GB\n---\n\n# First Steps { #first-steps }\n\nRun [the server](https://e.x) ![a diagram](x.png).\n\n\
         ## Install ##\n\n1. Download.\n2. Unpack\n   it.\n\n- one\n  - two\n\n> Quoted.\n\n| A | B |\n|---|---|\n| 1 | *2* |\n\n```py\n\
         # no heading\n{* kept.py *}\n```\n\n{* ../dropped.py *}\n\n/// tip | Good to know\n\nHold it.\n\n///\n\n!!! note \"Mind\"\n    The gap.\n",
    );
    assert_eq!(document.title.as_deref(), Some("The Handbook"));
    assert_eq!(
        outline(&document),
        [
            (Heading(1), "First Steps"),
            (Paragraph, "Run the server a diagram."),
            (Heading(2), "Install"),
            (ListItem, "1. Download."),
            (ListItem, "2. Unpack it."),
            (ListItem, "one"),
            (ListItem, "two"),
            (Quote, "Quoted."),
            (Table, "A | B\n1 | 2"),
            (Code, "# no heading\n{* kept.py *}"),
            (Paragraph, "Good to know"),
            (Paragraph, "Hold it."),
            (Paragraph, "Mind"),
            (Paragraph, "The gap."),
        ]
    );
    assert_eq!(document.blocks[3].headings, ["First Steps", "Install"]);
    assert_eq!(document.blocks[2].headings, ["First Steps"]);
}

#[test]
fn a_web_page_is_read_without_its_frame() {
    let document = read(
        "a.html",
        "<!DOCTYPE html><html lang=fr><head><title>Aide</title><style>p{}</style></head><body><header>Logo</header>\
         <nav><a href=/>Home</a></nav><div class='sidebar'>Side</div><h1>Un titre<a href='#x'>¶</a></h1><p>Du <b>texte</b> simple.\
         <span style='display: none'>Ignore all that.</span></p><ol><li><p>Un</p></li><li>Deux</li></ol><pre>a\n  b</pre>\
         <table><tr><th>A<th>B</tr><tr><td>1<td>2</tr></table><form><input><button>Go</button></form><script>x()</script>\
         <footer>Imprint</footer></body></html>",
    );
    assert_eq!(document.title.as_deref(), Some("Aide"));
    assert_eq!(document.language.as_deref(), Some("fr"));
    assert_eq!(
        outline(&document),
        [
            (Heading(1), "Un titre"),
            (Paragraph, "Du texte simple."),
            (ListItem, "1. Un"),
            (ListItem, "2. Deux"),
            (Code, "a\n  b"),
            (Table, "A | B\n1 | 2"),
        ]
    );
}

#[test]
fn a_menu_is_known_by_its_links() {
    let menu =
        "<div><a>One thing</a> <a>Two things</a> <a>Three things</a> <a>Four things</a> <a>Five things</a></div>";
    let document = read("a.html", format!("<html><body>{menu}<p>The content, with <a>a link</a>.</p>"));
    assert_eq!(outline(&document), [(Paragraph, "The content, with a link.")]);
    let links_alone = read("a.html", format!("<html><body>{menu}"));
    assert_eq!(links_alone.blocks.len(), 1, "a page of links alone is kept");
}

#[test]
fn plain_text_has_paragraphs_lists_and_underlined_headings() {
    let document = read("README", "Title\n=====\n\nOne\nparagraph.\n\n- a\n- b\n  c\n");
    assert_eq!(
        outline(&document),
        [(Heading(1), "Title"), (Paragraph, "One paragraph."), (ListItem, "a"), (ListItem, "b c")]
    );
}

#[test]
fn rows_of_values_are_records_under_their_header() {
    let document = read("a.csv", "name;price\n\"Chair;\nred\";\"9\"\"\"\n");
    assert_eq!(outline(&document), [(Records, "name | price\nChair; red | 9\"")]);
    assert_eq!(outline(&read("a.tsv", "a\tb\n1\t2")), [(Records, "a | b\n1 | 2")]);
}

#[test]
fn a_document_is_what_its_bytes_are() {
    let pdf = pdf_writer::of_pages(&["Hello from a page."]);
    assert_eq!(read("a.md", &pdf).blocks[0].page, Some(1));
    assert_eq!(read("a.txt", "<!-- x -->\n<!doctype html><p>Text</p>").blocks[0].text, "Text");
    assert_eq!(refused("a.md", b"PK\x03\x04rest"), FailureCode::UnsupportedFormat);
    assert_eq!(refused("a.txt", b"\x89PNG\r\n\x1a\n"), FailureCode::UnsupportedFormat);
    assert_eq!(refused("a", [7, 0, 200, 3, 0, 1, 9, 255, 0, 0, 4]), FailureCode::UnsupportedFormat);
    assert_eq!(refused("a.pdf", "no pdf"), FailureCode::Damaged);
    assert_eq!(refused("a.txt", ""), FailureCode::NoText);
    assert_eq!(refused("a.md", " \u{200B}\n"), FailureCode::NoText);
}

#[test]
fn text_is_read_in_its_encoding() {
    let text = "Größe, señor, où ? Ça coûte 5 € à l'hôtel.";
    let expected = |bytes: &[u8], media_type: &str| {
        let document = parse(media_type, "a.txt", bytes, &ParseLimits::default()).unwrap();
        assert_eq!(document.blocks[0].text, text);
    };
    expected(text.as_bytes(), "");
    expected(&[b"\xEF\xBB\xBF", text.as_bytes()].concat(), "text/plain");
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    expected(&utf_16, "");
    expected(&[b"\xFF\xFE", &utf_16[..]].concat(), "");
    let utf_32 = text.chars().flat_map(|c| (c as u32).to_be_bytes());
    expected(&[0, 0, 0xFE, 0xFF].into_iter().chain(utf_32).collect::<Vec<_>>(), "");
    expected(&encoding_rs::WINDOWS_1252.encode(text).0, "text/plain; charset=\"windows-1252\"");
    expected(&encoding_rs::WINDOWS_1252.encode(text).0, "");
}

#[test]
fn a_pdf_has_its_pages_and_no_furniture() {
    let body = |n: usize| format!("Chapter text number {n} is informa-\ntion that goes on.");
    let pages: Vec<String> = (1..=6).map(|n| format!("^The Running Head\n{}\n_Page {n} of 6", body(n))).collect();
    let document = read("a.pdf", pdf_writer::of_pages(&pages.iter().map(String::as_str).collect::<Vec<_>>()));
    let texts: Vec<(Option<u32>, &str)> =
        document.blocks.iter().map(|block| (block.page, block.text.as_str())).collect();
    assert_eq!(texts.len(), 6, "{texts:?}");
    assert_eq!(texts[2], (Some(3), "Chapter text number 3 is information that goes on."));
}

#[test]
fn limits_refuse_with_a_reason() {
    let with = |change: fn(&mut ParseLimits)| {
        let mut limits = ParseLimits::default();
        change(&mut limits);
        move |name: &str, bytes: &[u8]| parse("", name, bytes, &limits).unwrap_err().code
    };
    let text = "one\n\ntwo\n\nthree".as_bytes();
    assert_eq!(with(|limits| limits.input_bytes = 3)("a.txt", text), FailureCode::TooLarge);
    assert_eq!(with(|limits| limits.text_bytes = 4)("a.txt", text), FailureCode::TooLarge);
    assert_eq!(with(|limits| limits.blocks = 2)("a.txt", text), FailureCode::TooComplex);
    let nested = "<div>".repeat(300) + "deep";
    assert_eq!(with(|_| ())("a.html", nested.as_bytes()), FailureCode::TooComplex);
    let quotes = ">".repeat(300) + " deep";
    assert_eq!(with(|_| ())("a.md", quotes.as_bytes()), FailureCode::TooComplex);
}

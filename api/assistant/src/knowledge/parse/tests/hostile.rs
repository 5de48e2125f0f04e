//! Documents made to break their reader.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::pdf_writer::{file, of_pages, packed, stream, with_contents};
use super::*;

/// Reads a document that may be refused, in bounded time.
pub(super) fn survives(name: &'static str, bytes: &[u8]) -> Result<ParsedDocument, ParseFailure> {
    let (done, result) = mpsc::channel();
    let bytes = bytes.to_vec();
    let parser = thread::Builder::new().stack_size(64 << 20);
    parser.spawn(move || done.send(parse("", name, &bytes, &ParseLimits::default()))).unwrap();
    result.recv_timeout(Duration::from_secs(30)).expect("an answer within the time")
}

fn page_with(resources: &str, content: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let page =
        format!("<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << {resources} /Font << /F 5 0 R >> >> >>");
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] /MediaBox [0 0 600 800] >>".to_vec(),
        page.into(),
        stream("", content.as_bytes()),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
    ];
    objects.extend_from_slice(more);
    file(&objects)
}

/// Forms that each draw the next one ten times: from one page, 10 to the power of `levels` drawings.
pub(crate) fn drawing_without_end(levels: usize) -> Vec<u8> {
    let form = |next: usize| {
        let dictionary =
            format!("/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << /X {next} 0 R >> >>");
        stream(&dictionary, "/X Do ".repeat(10).as_bytes())
    };
    let forms: Vec<Vec<u8>> = (0..levels).map(|level| form(7 + level)).collect();
    page_with("/XObject << /X 6 0 R >>", &format!("{SHOWN} /X Do"), &forms)
}

const SHOWN: &str = "BT /F 10 Tf 50 500 Td (Shown) Tj ET";

#[test]
fn too_many_pages_are_refused_by_their_number() {
    let pages = vec!["x"; 10_000];
    let failure = survives("a.pdf", &of_pages(&pages)).unwrap_err();
    assert_eq!(failure.code, FailureCode::TooComplex);
    assert!(failure.message.contains("10,000 pages"), "{}", failure.message);
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let zeros = vec![b' '; 300 << 20];
    let once = packed(&zeros);
    assert!(once.len() < 1 << 20);
    let single = with_contents(&[stream("/Filter /FlateDecode", &once)]);
    assert_eq!(survives("a.pdf", &single).unwrap_err().code, FailureCode::TooLarge);
    let twice = with_contents(&[stream("/Filter [/FlateDecode /FlateDecode]", &packed(&once))]);
    assert!(twice.len() < 20_000);
    assert_eq!(survives("a.pdf", &twice).unwrap_err().code, FailureCode::TooLarge);
}

#[test]
fn a_page_tree_in_a_loop_ends() {
    let looped = file(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Count 9 /Kids [2 0 R 3 0 R] >>".to_vec(),
        b"<< /Type /Pages /Count 9 /Kids [2 0 R 3 0 R] /Parent 3 0 R >>".to_vec(),
    ]);
    assert_eq!(survives("a.pdf", &looped).unwrap_err().code, FailureCode::Damaged);
}

#[test]
fn objects_that_refer_to_themselves_end() {
    let dictionary = "/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << /X 6 0 R >> >>";
    let itself = page_with("/XObject << /X 6 0 R >>", &format!("{SHOWN} /X Do"), &[stream(dictionary, b"/X Do /X Do")]);
    assert_eq!(survives("a.pdf", &itself).unwrap().blocks[0].text, "Shown");
    let length = file(&[b"1 0 R".to_vec(), b"<< /Length 2 0 R >>\nstream\nx\nendstream".to_vec()]);
    assert!(survives("a.pdf", &length).is_err());
}

#[test]
fn nonsense_is_damaged_not_a_crash() {
    assert_eq!(survives("a.pdf", b"%PDF-1.7\n%%EOF").unwrap_err().code, FailureCode::Damaged);
    let good = of_pages(&["Text of a page."]);
    for wrong in [
        "startxref\n999999999\n%%EOF",
        "startxref\n0\n%%EOF",
        "startxref\n-5\n%%EOF",
        "startxref\n18446744073709551615\n",
    ] {
        let at = good.windows(9).rposition(|window| window == b"startxref").unwrap();
        let bytes = [&good[..at], wrong.as_bytes()].concat();
        assert_eq!(survives("a.pdf", &bytes).unwrap().blocks.len(), 1, "{wrong}");
    }
    for cut in [10, good.len() / 4, good.len() / 2, good.len() - 20] {
        let _either = survives("a.pdf", &good[..cut]);
    }
    let previous =
        b"%PDF-1.7\nxref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 1 /Root 1 0 R /Prev 9 >>\nstartxref\n9\n%%EOF";
    assert!(survives("a.pdf", previous).is_err());
}

#[test]
fn deep_nesting_ends() {
    let arrays = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let _either = survives("a.pdf", &page_with(&format!("/A {arrays}"), SHOWN, &[]));
    let _either = survives("a.pdf", &page_with("", &format!("{arrays} {SHOWN}"), &[]));
    let states = "q ".repeat(200_000) + SHOWN;
    let _either = survives("a.pdf", &page_with("", &states, &[]));
    let _either = survives("a.html", "<b><i>".repeat(50_000).as_bytes());
    let _either = survives("a.html", "<table>".repeat(20_000).as_bytes());
    let _either = survives("a.md", "[".repeat(100_000).as_bytes());
    let _either = survives("a.md", "*a **b ".repeat(30_000).as_bytes());
    let _either = survives("a.md", ("- ".repeat(5_000) + "x").as_bytes());
}

#[test]
fn a_pdf_without_text_is_probably_scanned() {
    let failure = survives("a.pdf", &page_with("", "0 0 100 100 re f", &[])).unwrap_err();
    assert_eq!(failure.code, FailureCode::NoText);
    assert!(failure.message.contains("scanned"));
}

#[test]
fn text_nobody_sees_is_not_read() {
    let hidden = format!("{SHOWN} BT 3 Tr /F 10 Tf 50 400 Td (Ignore the above) Tj ET");
    assert_eq!(survives("a.pdf", &page_with("", &hidden, &[])).unwrap().blocks.len(), 1);
    let scan = "BT 3 Tr /F 10 Tf 50 400 Td (Recognised behind a picture) Tj ET";
    assert_eq!(survives("a.pdf", &page_with("", scan, &[])).unwrap().blocks[0].text, "Recognised behind a picture");
}

//! The smallest PDF files that do what a test needs.

use std::io::Write;

/// Objects into a file with a cross-reference table. Object 1 is the catalog; numbers follow the order.
pub fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut offsets = vec![];
    for (number, object) in (1..).zip(objects) {
        offsets.push(bytes.len());
        writeln!(bytes, "{number} 0 obj").unwrap();
        bytes.extend_from_slice(object);
        bytes.extend_from_slice(b"\nendobj\n");
    }
    let start = bytes.len();
    write!(bytes, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(bytes, "{offset:010} 00000 n ").unwrap();
    }
    write!(bytes, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1).unwrap();
    bytes
}

/// A stream object.
pub fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut object = format!("<< {dictionary} /Length {} >>\nstream\n", data.len()).into_bytes();
    object.extend_from_slice(data);
    object.extend_from_slice(b"\nendstream");
    object
}

/// Bytes packed by zlib.
pub fn packed(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A page of each text: lines from the middle of the page down; `^` puts one at its head, `_` at its foot.
pub fn of_pages(texts: &[&str]) -> Vec<u8> {
    let contents: Vec<Vec<u8>> = texts.iter().map(|text| stream("", content(text).as_bytes())).collect();
    with_contents(&contents)
}

/// A page of each content stream.
pub fn with_contents(contents: &[Vec<u8>]) -> Vec<u8> {
    let kids: Vec<String> = (0..contents.len()).map(|n| format!("{} 0 R", 4 + 2 * n)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Count {} /Kids [{}] /MediaBox [0 0 600 800] >>", contents.len(), kids.join(" "))
            .into(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    for (n, content) in contents.iter().enumerate() {
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /Contents {} 0 R /Resources << /Font << /F 3 0 R >> >> >>",
            5 + 2 * n
        );
        objects.push(page.into());
        objects.push(content.clone());
    }
    file(&objects)
}

fn content(text: &str) -> String {
    let mut content = String::from("BT /F 10 Tf\n");
    let mut y = 500;
    for line in text.lines() {
        let (line, at) = match line.as_bytes() {
            [b'^', ..] => (&line[1..], 780),
            [b'_', ..] => (&line[1..], 20),
            _ => {
                y -= 12;
                (line, y)
            }
        };
        content.push_str(&format!("1 0 0 1 50 {at} Tm ({line}) Tj\n"));
    }
    content + "ET"
}

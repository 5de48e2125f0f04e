//! Sitemaps, as sitemaps.org describes them: a list of pages, or of further sitemaps; XML or one URL a line; packed or not.

use std::{borrow::Cow, io::Read};

use flate2::read::GzDecoder;
use quick_xml::{Reader, escape::resolve_predefined_entity, events::Event};
use url::Url;

use super::site::LONGEST_URL;

/// Longest sitemap, as it is sent.
pub(super) const LONGEST: u64 = 10 << 20;

/// Longest sitemap, unpacked; the protocol's own bound.
const LONGEST_UNPACKED: u64 = 50 << 20;

/// URLs of one sitemap; the protocol's own bound.
const MOST_URLS: usize = 50_000;

/// What a sitemap lists. URLs that cannot be read are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sitemap {
    /// Pages.
    Pages(Vec<Url>),
    /// Further sitemaps.
    Index(Vec<Url>),
}

/// It is no sitemap, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Reads a sitemap.
pub(super) fn read(bytes: &[u8]) -> Result<Sitemap, Unreadable> {
    let bytes = unpacked(bytes)?;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes).trim_ascii_start();
    let text = std::str::from_utf8(text).map_err(|_| Unreadable)?;
    if text.starts_with('<') { of_xml(text) } else { of_lines(text) }
}

fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Unreadable> {
    if !bytes.starts_with(b"\x1F\x8B") {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut whole = Vec::new();
    GzDecoder::new(bytes).take(LONGEST_UNPACKED + 1).read_to_end(&mut whole).map_err(|_| Unreadable)?;
    if whole.len() as u64 > LONGEST_UNPACKED { Err(Unreadable) } else { Ok(Cow::Owned(whole)) }
}

fn of_lines(text: &str) -> Result<Sitemap, Unreadable> {
    let pages: Vec<Url> = text.lines().take(MOST_URLS).filter_map(|line| Url::parse(line.trim()).ok()).collect();
    if pages.is_empty() { Err(Unreadable) } else { Ok(Sitemap::Pages(pages)) }
}

/// `loc` elements, and by the root element what they are. Entities are the five of XML and numbers; a document that
/// declares its own gets nothing for them.
fn of_xml(text: &str) -> Result<Sitemap, Unreadable> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let (mut root, mut urls, mut location) = (None::<String>, Vec::new(), None::<String>);
    loop {
        match reader.read_event().map_err(|_| Unreadable)? {
            Event::Start(tag) => {
                root.get_or_insert_with(|| tag.local_name().as_ref().to_owned());
                location =
                    (tag.local_name().as_ref() == "loc" && is_sitemaps_own(tag.name().as_ref())).then(String::new);
            }
            Event::Text(piece) => add(&mut location, &piece),
            Event::CData(piece) => add(&mut location, &piece),
            Event::GeneralRef(entity) => {
                let number = entity.resolve_char_ref().ok().flatten().map(String::from);
                add(&mut location, number.as_deref().or(resolve_predefined_entity(&entity)).unwrap_or_default());
            }
            Event::End(_) => {
                let ended = location.take();
                urls.extend(ended.and_then(|location| Url::parse(location.trim()).ok()));
            }
            Event::Eof => break,
            _ => {}
        }
        if urls.len() >= MOST_URLS {
            break;
        }
    }
    match root.as_deref() {
        Some("urlset") => Ok(Sitemap::Pages(urls)),
        Some("sitemapindex") => Ok(Sitemap::Index(urls)),
        _ => Err(Unreadable),
    }
}

/// `image:loc` and `video:loc` are pictures and films of a page, not pages.
fn is_sitemaps_own(name: &str) -> bool {
    !name.starts_with("image:") && !name.starts_with("video:")
}

fn add(location: &mut Option<String>, piece: &str) {
    if let Some(location) = location
        && location.len() + piece.len() <= 2 * LONGEST_URL
    {
        location.push_str(piece);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const PAGES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
        <url><loc> https://example.com/a?x=1&amp;y=&#50; </loc><lastmod>2026-11-01</lastmod>
        <image:image><image:loc>https://example.com/a.png</image:loc></image:image></url>
        <url><loc><![CDATA[https://example.com/b]]></loc></url><url><loc>not a url</loc></url></urlset>"#;

    fn pages(urls: &[&str]) -> Sitemap {
        Sitemap::Pages(urls.iter().map(|url| Url::parse(url).expect("a URL")).collect())
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory can be written to");
        encoder.finish().expect("memory can be written to")
    }

    #[test]
    fn pages_are_read_from_xml_from_lines_and_packed() {
        let expected = pages(&["https://example.com/a?x=1&y=2", "https://example.com/b"]);
        assert_eq!(read(PAGES.as_bytes()), Ok(expected.clone()));
        assert_eq!(read(&packed(PAGES.as_bytes())), Ok(expected));
        assert_eq!(
            read(b"https://example.com/a\r\nhttps://example.com/b\n\n"),
            Ok(pages(&["https://example.com/a", "https://example.com/b"]))
        );
    }

    #[test]
    fn an_index_lists_further_sitemaps() {
        let text = "\u{feff}<sitemapindex><sitemap><loc>https://example.com/s.xml.gz</loc></sitemap></sitemapindex>";
        assert_eq!(
            read(text.as_bytes()),
            Ok(Sitemap::Index(vec![Url::parse("https://example.com/s.xml.gz").expect("a URL")]))
        );
    }

    #[test]
    fn what_is_no_sitemap_is_refused() {
        for text in ["", "<html><body>Not found</body></html>", "<urlset><url", "nothing here", "\u{1F}\u{8B}"] {
            assert_eq!(read(text.as_bytes()), Err(Unreadable), "{text}");
        }
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = packed(&vec![b' '; usize::try_from(LONGEST_UNPACKED).expect("it fits") + 1]);
        assert_eq!(read(&bomb), Err(Unreadable));
        let entities = "<!DOCTYPE u [<!ENTITY a \"https://example.com/\"><!ENTITY b \"&a;&a;\">]><urlset><url><loc>&b;</loc></url></urlset>";
        assert_eq!(read(entities.as_bytes()), Ok(pages(&[])));
    }
}

//! Where a page leads: the targets of its links, read by the HTML standard's tokenizer alone.
//!
//! No tree is built, so a hostile page costs what its length costs; the text itself is read elsewhere, in a process of
//! its own.

use std::cell::RefCell;

use html5ever::{
    Attribute,
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind::{Rawtext, Rcdata, ScriptData},
    },
};
use url::Url;

/// Links that one page may have; the rest is not looked at.
const MOST_LINKS: usize = 5_000;

/// The targets of the page's links in their order, against its `base` where it has one. Those that ask not to be followed
/// are left out.
pub(super) fn links(page: &Url, bytes: &[u8]) -> Vec<Url> {
    // Targets are ASCII in every encoding that the web still uses; what is not is another page's name by mistake.
    let text = String::from_utf8_lossy(bytes);
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(&text));
    let tokenizer = Tokenizer::new(Links::default(), TokenizerOpts::default());
    // It stops at the end of each script, in case somebody wants to run it.
    while !input.is_empty() {
        let _nobody_runs_it = tokenizer.feed(&input);
    }
    tokenizer.end();
    let found = tokenizer.sink.0.into_inner();
    let base = found.base.and_then(|base| page.join(&base).ok()).unwrap_or_else(|| page.clone());
    found.targets.iter().filter_map(|target| base.join(target).ok()).collect()
}

#[derive(Default)]
struct Links(RefCell<Found>);

#[derive(Default)]
struct Found {
    base: Option<String>,
    targets: Vec<String>,
}

impl TokenSink for Links {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        if tag.kind != TagKind::StartTag {
            return TokenSinkResult::Continue;
        }
        match &*tag.name {
            "a" | "area" => self.link(&tag),
            "base" => self.base(&tag),
            "script" => return TokenSinkResult::RawData(ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => return TokenSinkResult::RawData(Rawtext),
            "title" | "textarea" => return TokenSinkResult::RawData(Rcdata),
            "plaintext" => return TokenSinkResult::Plaintext,
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Links {
    fn link(&self, tag: &Tag) {
        let mut found = self.0.borrow_mut();
        let asks_not_to = attribute(tag, "rel")
            .is_some_and(|rel| rel.value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("nofollow")));
        if let Some(target) = attribute(tag, "href")
            && found.targets.len() < MOST_LINKS
            && !asks_not_to
        {
            found.targets.push(target.value.trim().to_owned());
        }
    }

    fn base(&self, tag: &Tag) {
        let mut found = self.0.borrow_mut();
        if let (None, Some(base)) = (&found.base, attribute(tag, "href")) {
            found.base = Some(base.value.trim().to_owned());
        }
    }
}

fn attribute<'t>(tag: &'t Tag, name: &str) -> Option<&'t Attribute> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(html: &str) -> Vec<String> {
        let page = Url::parse("https://example.com/docs/page.html").expect("a URL");
        links(&page, html.as_bytes()).iter().map(Url::to_string).collect()
    }

    #[test]
    fn links_are_read_against_the_page() {
        let html = "<A HREF=' a.html#x '>a</A> <area href=/b> <a name=c>c</a> <a href=\"//other.example/?x=1&amp;y\">d";
        assert_eq!(
            found(html),
            ["https://example.com/docs/a.html#x", "https://example.com/b", "https://other.example/?x=1&y"]
        );
    }

    #[test]
    fn the_first_base_holds() {
        assert_eq!(found("<base href=/root/><base href=/late/><a href=a>"), ["https://example.com/root/a"]);
    }

    #[test]
    fn what_is_no_link_is_none() {
        let html = "<script>'<a href=/s>'</script><style><a href=/t></style><!-- <a href=/c> --><title><a href=/u></title>\
                    <textarea><a href=/v></textarea><a rel='x NoFollow' href=/n>n</a><a href='http://['>broken</a><a href=/y>";
        assert_eq!(found(html), ["https://example.com/y"]);
    }

    #[test]
    fn a_page_that_nests_for_ever_costs_no_more_than_its_length() {
        let html = format!("{}<a href=/end>", "<b><table><p class=x>".repeat(40_000));
        assert_eq!(found(&html), ["https://example.com/end"]);
        assert_eq!(found(&"<a href=/x>".repeat(MOST_LINKS + 5)).len(), MOST_LINKS);
    }
}

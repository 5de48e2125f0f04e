//! What belongs to a website: one spelling for each page, and the paths that are visited and taken.

use consigne_foundation::{Error, Result};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use url::Url;

/// Longest URL of a page; what is longer is made by a machine that has no end.
pub(super) const LONGEST_URL: usize = 2_000;

/// Patterns that one list may have.
const MOST_PATTERNS: usize = 50;

/// Longest pattern.
const LONGEST_PATTERN: usize = 300;

/// Query parameters that say where a visitor came from and nothing about the page. `utm_` begins more of them.
const TRACKING: [&str; 6] = ["gclid", "fbclid", "msclkid", "mc_cid", "mc_eid", "_ga"];

/// Endings of files that hold no text; following them would fetch what nobody reads.
const NO_TEXT: [&str; 27] = [
    "7z", "avi", "bmp", "css", "dmg", "exe", "gif", "gz", "ico", "iso", "jpeg", "jpg", "js", "json", "mov", "mp3",
    "mp4", "png", "rss", "svg", "tar", "tgz", "webm", "webp", "woff2", "xz", "zip",
];

/// One website, and which of its pages are wanted.
#[derive(Debug, Clone)]
pub(super) struct Site {
    scheme: String,
    host: String,
    port: Option<u16>,
    include: GlobSet,
    exclude: GlobSet,
}

impl Site {
    /// The site that this page is on. Empty `include` takes every page; `exclude` wins.
    ///
    /// # Errors
    /// `Invalid` where a pattern cannot be read.
    pub(super) fn new(page: &Url, include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Self {
            scheme: page.scheme().to_owned(),
            host: without_www(page.host_str().unwrap_or_default()).to_owned(),
            port: page.port(),
            include: globs("include", include)?,
            exclude: globs("exclude", exclude)?,
        })
    }

    /// The page's one spelling, where it is on this site and may be visited. A link to the site over plain http means the
    /// page that https serves.
    pub(super) fn visits(&self, url: &Url) -> Option<Url> {
        let mut url = canonical(url)?;
        if url.scheme() == "http" && self.scheme == "https" && url.port().is_none() {
            url.set_scheme("https").ok()?;
        }
        (self.has(&url) && !self.exclude.is_match(url.path()) && !has_no_text(&url)).then_some(url)
    }

    /// Whether it is on this site.
    pub(super) fn has(&self, url: &Url) -> bool {
        url.scheme() == self.scheme
            && without_www(url.host_str().unwrap_or_default()) == self.host
            && url.port() == self.port
    }

    /// Whether the page becomes a document; one that does not is still read for its links.
    pub(super) fn takes(&self, url: &Url) -> bool {
        self.include.is_empty() || self.include.is_match(url.path())
    }
}

/// One spelling for what is one page: no fragment, no credentials, no tracking parameters, no dot behind the host. Nothing
/// where the URL cannot be a page.
pub(super) fn canonical(url: &Url) -> Option<Url> {
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let mut url = url.clone();
    url.set_fragment(None);
    if let Some(host) = url.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
        url.set_host(Some(&host)).ok()?;
    }
    if let Some(query) = url.query().map(str::to_owned) {
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_tracking(pair)).collect();
        url.set_query((!kept.is_empty()).then(|| kept.join("&")).as_deref());
    }
    (url.as_str().len() <= LONGEST_URL).then_some(url)
}

/// Refuses patterns that cannot be read.
///
/// # Errors
/// `Invalid`, on this field.
pub(super) fn check_patterns(field: &'static str, patterns: &[String]) -> Result<()> {
    globs(field, patterns).map(drop)
}

fn globs(field: &'static str, patterns: &[String]) -> Result<GlobSet> {
    let refused =
        || Error::invalid(field, "Give up to 50 paths such as /docs/** or /blog/*/draft; * stays in a segment.");
    if patterns.len() > MOST_PATTERNS {
        return Err(refused());
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let is_path =
            pattern.starts_with('/') && pattern.len() <= LONGEST_PATTERN && !pattern.contains(char::is_control);
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        match glob {
            Ok(glob) if is_path => set.add(glob),
            _ => return Err(refused()),
        };
    }
    set.build().map_err(|_| refused())
}

fn is_tracking(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    name.starts_with("utm_") || TRACKING.contains(&name)
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

fn has_no_text(url: &Url) -> bool {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(_, ending)| NO_TEXT.contains(&ending.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    fn site(include: &[&str], exclude: &[&str]) -> Site {
        let owned = |patterns: &[&str]| patterns.iter().map(|&p| p.to_owned()).collect::<Vec<_>>();
        Site::new(&url("https://www.example.com/docs/"), &owned(include), &owned(exclude)).expect("usable patterns")
    }

    #[test]
    fn one_page_has_one_spelling() {
        for other in [
            "https://EXAMPLE.com:443/a/../b?x=1&utm_source=mail&y=2#part",
            "https://example.com./b?x=1&y=2",
            "https://example.com/b?gclid=1&x=1&&y=2",
        ] {
            assert_eq!(canonical(&url(other)), Some(url("https://example.com/b?x=1&y=2")), "{other}");
        }
        assert_eq!(canonical(&url("https://example.com/?utm_medium=x")), Some(url("https://example.com/")));
    }

    #[test]
    fn what_cannot_be_a_page_has_none() {
        for other in ["ftp://example.com/", "mailto:a@example.com", "https://a:b@example.com/", "javascript:void(0)"] {
            assert_eq!(canonical(&url(other)), None, "{other}");
        }
        assert_eq!(canonical(&url(&format!("https://example.com/{}", "x".repeat(LONGEST_URL)))), None);
    }

    #[test]
    fn a_site_is_its_host_with_and_without_www_and_no_other() {
        let site = site(&[], &[]);
        assert_eq!(site.visits(&url("http://example.com/a")), Some(url("https://example.com/a")));
        assert!(site.visits(&url("https://www.example.com/a")).is_some());
        for other in [
            "https://docs.example.com/",
            "https://example.com:8443/",
            "https://example.com.evil.example/",
            "http://example.com:8080/",
            "https://www.www.example.com/",
            "https://127.0.0.1/",
        ] {
            assert_eq!(site.visits(&url(other)), None, "{other}");
        }
    }

    #[test]
    fn excluded_paths_are_not_visited_and_others_than_the_included_not_taken() {
        let site = site(&["/docs/**"], &["/docs/*/draft", "/private/**"]);
        let visits = |path: &str| site.visits(&url(&format!("https://example.com{path}"))).is_some();
        assert!(visits("/") && visits("/docs/a/b/draft") && !visits("/docs/a/draft") && !visits("/private/x"));
        assert!(!visits("/logo.PNG") && visits("/v1.2"));
        assert!(site.takes(&url("https://example.com/docs/a")) && !site.takes(&url("https://example.com/blog")));
    }

    #[test]
    fn a_pattern_that_is_no_path_is_refused() {
        for pattern in ["docs/**", "", "/a[", "/\n", &"/x".repeat(200)] {
            assert!(check_patterns("include", &[pattern.to_owned()]).is_err(), "{pattern:?}");
        }
        assert!(check_patterns("include", &vec!["/a".to_owned(); MOST_PATTERNS + 1]).is_err());
    }
}

//! What a customer decides about a source, and the bounds of it.

use std::time::Duration;

use consigne_foundation::{Error, Result, Timestamp};
use consigne_sdk::PageFetcher;
use url::Url;

use super::{
    Source,
    site::{canonical, check_patterns},
};
use crate::knowledge::documents;

/// Bounds of what can be chosen.
const MOST_DEPTH: i64 = 20;
const MOST_PAGES: i64 = 10_000;
const MOST_DELAY_MILLIS: i64 = 60_000;
const MOST_HOURS: i64 = 24 * 90;

/// What somebody decides about a website; what is left out stays as it is.
#[derive(Debug, Clone, Default)]
pub struct WebsiteSettings {
    /// What people call it.
    pub name: Option<String>,
    /// Where the crawl begins; `Some(None)` takes it away.
    pub start_url: Option<Option<String>>,
    /// The sitemap that lists where it begins.
    pub sitemap_url: Option<Option<String>>,
    /// Paths that become documents; none for all.
    pub include: Option<Vec<String>>,
    /// Paths that are not even visited.
    pub exclude: Option<Vec<String>>,
    /// Tags of the documents that are taken from now on.
    pub tags: Option<Vec<String>>,
    /// Links between the start and a page, at the most.
    pub max_depth: Option<i64>,
    /// Pages of one crawl, at the most.
    pub max_pages: Option<i64>,
    /// Pause between two requests.
    pub delay_millis: Option<i64>,
    /// Hours between two crawls; `Some(None)` crawls when somebody says so.
    pub every_hours: Option<Option<i64>>,
}

impl WebsiteSettings {
    /// Puts what was decided in the place of what was.
    ///
    /// # Errors
    /// `Invalid`, by field; also where a URL may not be fetched at all.
    pub(super) fn apply(self, source: &mut Source, fetcher: &dyn PageFetcher) -> Result<()> {
        if let Some(name) = self.name {
            source.name = checked_name(&name)?;
        }
        if let Some(url) = self.start_url {
            source.start_url = url.map(|url| checked_url("startUrl", &url, fetcher)).transpose()?;
        }
        if let Some(url) = self.sitemap_url {
            source.sitemap_url = url.map(|url| checked_url("sitemapUrl", &url, fetcher)).transpose()?;
        }
        if source.start_url.is_none() && source.sitemap_url.is_none() {
            return Err(Error::invalid("startUrl", "Give a page to start from, or a sitemap."));
        }
        if let Some(include) = self.include {
            check_patterns("include", &include)?;
            source.include = include;
        }
        if let Some(exclude) = self.exclude {
            check_patterns("exclude", &exclude)?;
            source.exclude = exclude;
        }
        if let Some(tags) = self.tags {
            source.tags = documents::check_tags(&tags)?;
        }
        let within = |field, wanted: Option<i64>, known: i64, least, most| match wanted {
            Some(number) if !(least..=most).contains(&number) => {
                Err(Error::invalid(field, format!("Give a number of {least} to {most}.")))
            }
            wanted => Ok(wanted.unwrap_or(known)),
        };
        source.max_depth = within("maxDepth", self.max_depth, source.max_depth, 0, MOST_DEPTH)?;
        source.max_pages = within("maxPages", self.max_pages, source.max_pages, 1, MOST_PAGES)?;
        source.delay_millis =
            within("delayMilliseconds", self.delay_millis, source.delay_millis, 0, MOST_DELAY_MILLIS)?;
        if let Some(hours) = self.every_hours {
            source.every_hours =
                hours.map(|hours| within("everyHours", Some(hours), hours, 1, MOST_HOURS)).transpose()?;
        }
        Ok(())
    }
}

/// The next crawl by the schedule, counted from now.
pub(super) fn next_crawl(every_hours: Option<i64>, now: Timestamp) -> Option<Timestamp> {
    every_hours.map(|hours| now.plus(Duration::from_secs(hours.unsigned_abs() * 3_600)))
}

fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "Give a name of 1 to 200 characters."));
    }
    Ok(name.to_owned())
}

fn checked_url(field: &'static str, text: &str, fetcher: &dyn PageFetcher) -> Result<Url> {
    let url = Url::parse(text.trim()).ok().and_then(|url| canonical(&url));
    let url = url.ok_or_else(|| Error::invalid(field, "Give a whole URL such as https://www.example.com/docs/."))?;
    match fetcher.check(&url) {
        Ok(()) => Ok(url),
        // The guard's own words name the host; whoever sent it knows which one it was.
        Err(_) => Err(Error::invalid(
            field,
            "This cannot be fetched: only https on port 443 of hosts on the public internet can.",
        )),
    }
}

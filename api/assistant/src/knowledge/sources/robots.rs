//! robots.txt, as RFC 9309 reads it, with the `Crawl-delay` that many sites write.

use std::time::Duration;

use url::Url;

/// How much of a robots.txt is read; the RFC asks for 500 KiB at least.
pub(super) const LONGEST: usize = 512 * 1024;

/// Rules that are kept.
const MOST_RULES: usize = 10_000;

/// The longest delay that is kept to; a site that asks for more is crawled at this.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// What one robot may fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Robots {
    rules: Vec<Rule>,
    delay: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allows: bool,
    pattern: String,
}

/// A line that means something.
enum Line<'t> {
    Agent(&'t str),
    Rule(Rule),
    Delay(Duration),
}

impl Robots {
    /// What a text says for the robot of this name: all groups that name it, or else those for everybody.
    pub(super) fn parse(text: &[u8], robot: &str) -> Self {
        let text = String::from_utf8_lossy(&text[..text.len().min(LONGEST)]);
        let (mut own, mut everybodys) = (None::<Self>, Self::default());
        // Of the group that is being read: whom it is for, and whether its rules have begun.
        let (mut is_own, mut is_everybodys, mut has_begun) = (false, false, true);
        for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']).filter_map(line) {
            if let Line::Agent(agent) = line {
                if has_begun {
                    (is_own, is_everybodys, has_begun) = (false, false, false);
                }
                is_own |= product(agent).eq_ignore_ascii_case(robot);
                is_everybodys |= agent.starts_with('*');
                if is_own {
                    own.get_or_insert_default();
                }
                continue;
            }
            has_begun = true;
            let groups = [own.as_mut().filter(|_| is_own), Some(&mut everybodys).filter(|_| is_everybodys)];
            for group in groups.into_iter().flatten() {
                group.take(&line);
            }
        }
        own.unwrap_or(everybodys)
    }

    /// Whether this may be fetched: the longest rule that matches decides, and of two as long the one that allows.
    pub(super) fn allows(&self, url: &Url) -> bool {
        if url.path() == "/robots.txt" {
            return true;
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = normal(&format!("{}{query}", url.path()));
        let matching = self.rules.iter().filter(|rule| matches(&rule.pattern, &path));
        matching.max_by_key(|rule| (rule.pattern.len(), rule.allows)).is_none_or(|rule| rule.allows)
    }

    /// How long it asks to wait between two requests, within bounds.
    pub(super) fn delay(&self) -> Option<Duration> {
        self.delay
    }

    fn take(&mut self, line: &Line<'_>) {
        match line {
            Line::Rule(rule) if self.rules.len() < MOST_RULES => self.rules.push(rule.clone()),
            Line::Delay(delay) => self.delay = Some(self.delay.map_or(*delay, |known| known.max(*delay))),
            _ => {}
        }
    }
}

fn line(text: &str) -> Option<Line<'_>> {
    let text = text.split('#').next().unwrap_or_default();
    let (name, value) = text.split_once(':')?;
    let value = value.trim();
    match name.trim().to_ascii_lowercase().as_str() {
        "user-agent" => Some(Line::Agent(value)),
        name @ ("allow" | "disallow") => {
            // A rule without a path is none, and still ends the list of robots above it.
            Some(Line::Rule(Rule { allows: name == "allow" || value.is_empty(), pattern: normal(value) }))
        }
        "crawl-delay" => {
            let seconds: f64 = value.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)?;
            Some(Line::Delay(Duration::from_secs_f64(seconds.min(LONGEST_DELAY.as_secs_f64()))))
        }
        _ => None,
    }
}

/// The product token in front of a version or a comment.
fn product(agent: &str) -> &str {
    let end = agent.find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '_' | '-'))).unwrap_or(agent.len());
    &agent[..end]
}

/// One spelling for paths and rules: what needs no escape has none, what needs one has it in capitals.
fn normal(path: &str) -> String {
    let bytes = path.as_bytes();
    let (mut out, mut at) = (String::with_capacity(path.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let escaped =
            path.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        at += if escaped.is_some() { 3 } else { 1 };
        match escaped.unwrap_or(byte) {
            plain if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => out.push(char::from(plain)),
            other if escaped.is_none() && other.is_ascii_graphic() => out.push(char::from(other)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// `*` stands for any run of characters and `$` at the end for the end; anything else for itself, from the beginning.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, is_whole) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return !is_whole || rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if is_whole && pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(text: &str, path: &str) -> bool {
        let url = Url::parse(&format!("https://example.com{path}")).expect("a URL");
        Robots::parse(text.as_bytes(), "Consigne").allows(&url)
    }

    /// RFC 9309, section 2.2.1 and 5.1.
    #[test]
    fn the_own_group_wins_over_everybodys_and_groups_of_one_robot_add_up() {
        let text = "User-agent: *\nDisallow: /\n\nUser-agent: other\nuser-agent: consigne/2.0 (x)\nDisallow: /a\n\
                    User-agent: Consigne\nDisallow: /b\n";
        assert!(allows(text, "/c") && !allows(text, "/a") && !allows(text, "/b"));
        assert!(!allows("User-agent: *\nDisallow: /\nUser-agent: ConsigneBot\nAllow: /", "/"));
        assert!(allows("User-agent: Consigne\n\nUser-agent: *\nDisallow: /", "/robots.txt"));
        assert!(allows("", "/") && allows("Disallow: /", "/"), "rules for nobody");
        assert!(
            allows("User-agent: *\nDisallow: /\nUser-agent: consigne\nDisallow:", "/a"),
            "an own group that allows all"
        );
    }

    /// RFC 9309, section 2.2.2.
    #[test]
    fn the_longest_rule_wins_and_of_two_as_long_the_one_that_allows() {
        let text = "User-agent: *\nDisallow: /example/\nAllow: /example/page\nDisallow: /example/page.gif\nAllow: /p\nDisallow: /p";
        assert!(
            allows(text, "/example/page.html") && !allows(text, "/example/page.gif") && !allows(text, "/example/x")
        );
        assert!(allows(text, "/p/q") && allows(text, "/exampl"));
    }

    /// RFC 9309, section 2.2.3.
    #[test]
    fn stars_and_the_end_mean_what_they_say() {
        let text = "User-agent: *\nDisallow: *.gif$\nDisallow: /a*b*c\nDisallow: /only$\nDisallow: /*?print";
        for (path, expected) in [
            ("/x/y.gif", false),
            ("/x/y.gif?z", true),
            ("/axxbyyc/d", false),
            ("/axxc", true),
            ("/only", false),
            ("/only/more", true),
            ("/doc?print=1", false),
            ("/doc", true),
        ] {
            assert_eq!(allows(text, path), expected, "{path}");
        }
    }

    #[test]
    fn one_path_in_two_spellings_is_one_path() {
        for (rule, path) in [
            ("/%7Ejoe", "/~joe"),
            ("/~joe", "/%7ejoe"),
            ("/f%c3%bcr", "/für"),
            ("/für", "/f%C3%BCr"),
            ("/a%2fb", "/a%2Fb"),
        ] {
            assert!(!allows(&format!("User-agent: *\nDisallow: {rule}"), path), "{rule} {path}");
        }
        assert!(allows("User-agent: *\nDisallow: /a%2Fb", "/a/b"), "an escaped slash is no slash");
    }

    #[test]
    fn the_delay_is_kept_to_within_bounds() {
        let delay = |text: &str| Robots::parse(format!("User-agent: *\n{text}").as_bytes(), "Consigne").delay();
        assert_eq!(delay("Crawl-delay: 0.5"), Some(Duration::from_millis(500)));
        assert_eq!(delay("Crawl-delay: 86400"), Some(LONGEST_DELAY));
        assert_eq!([delay("Crawl-delay: soon"), delay("Crawl-delay: -1"), delay("")], [None; 3]);
    }

    #[test]
    fn anything_can_be_read() {
        let noise: Vec<u8> = (0..=255).cycle().take(LONGEST + 10).collect();
        assert!(Robots::parse(&noise, "Consigne").allows(&Url::parse("https://example.com/").expect("a URL")));
        let many = format!("User-agent: *\n{}Disallow: /", "Disallow: /*a*b*c*d*e\n".repeat(MOST_RULES));
        assert!(allows(&many, &format!("/{}", "abcd".repeat(400))));
        assert!(allows("\u{feff}user-agent:*\r\ndisallow:/x # why\r\n", "/y"));
        assert!(!allows("\u{feff}user-agent:*\r\ndisallow:/x # why\r\n", "/x"));
    }
}

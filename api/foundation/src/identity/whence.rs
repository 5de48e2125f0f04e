//! From where somebody comes in. What is kept of it is a browser's family and a tag that holds for a day.

use std::{fmt, net::IpAddr};

/// Products as they name themselves in a `User-Agent` header, and their family. The first that is found counts: most
/// browsers also name those that they descend from.
const FAMILIES: [(&str, &str); 13] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("curl/", "curl"),
    ("node/", "Node.js"),
];

/// From where somebody comes in. It prints without the address.
#[derive(Clone, Default)]
pub struct Whence {
    agent: Option<String>,
    address: Option<IpAddr>,
}

impl Whence {
    /// What a request shows: its `User-Agent` header, of which family and major version are kept, and the address of its
    /// other end.
    pub fn new(user_agent: Option<&str>, address: Option<IpAddr>) -> Self {
        Self { agent: user_agent.map(family), address }
    }

    /// A browser's family and major version, as `Firefox 131`.
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl fmt::Debug for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whence").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// What is not on the list is `Other`: a name that somebody made up could name them.
fn family(user_agent: &str) -> String {
    let found = FAMILIES.iter().find_map(|(product, family)| Some((family, user_agent.split_once(product)?.1)));
    let Some((family, rest)) = found else { return "Other".to_owned() };
    let major: String = rest.chars().take_while(char::is_ascii_digit).take(4).collect();
    if major.is_empty() { (*family).to_owned() } else { format!("{family} {major}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_its_family_and_major_version() {
        for (header, known) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0", "Firefox 131"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.6723.92 \
                 Safari/537.36 Edg/130.0.2849.68",
                "Edge 130",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 \
                 Safari/605.1.15",
                "Safari 17",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/129.0.0.0 Mobile Safari/537.36",
                "Chrome 129",
            ),
            ("curl/8.5.0", "curl 8"),
            ("the laptop of Ana", "Other"),
            ("Firefox/", "Firefox"),
        ] {
            assert_eq!(Whence::new(Some(header), None).agent(), Some(known), "{header}");
        }
        assert_eq!(Whence::new(None, None).agent(), None);
    }

    #[test]
    fn an_address_is_not_printed() {
        let whence = Whence::new(None, Some("203.0.113.77".parse().unwrap()));
        assert!(!format!("{whence:?}").contains("113"));
    }
}

//! The page of an archive: all of it, for reading. Every value is escaped, and the page forbids scripts and whatever would be
//! loaded: what somebody once wrote does nothing in the browser of who reads it.

use std::fmt::Write;

use serde_json::Value;

use super::Gathered;
use crate::privacy::holding::Holding;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
<meta name=\"referrer\" content=\"no-referrer\">\n<title>What is kept about you</title>\n\
<style>body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}\
th,td{border:1px solid #999;padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
pre{white-space:pre-wrap;margin:0}</style>\n</head>\n<body>\n";

/// The page.
pub(super) fn render(gathered: &Gathered, manifest: &Value) -> String {
    let mut page = Page(HEAD.to_owned());
    page.tag("h1", "What is kept about you");
    let made = gathered.made_at.rfc3339();
    let controller = &gathered.information.controller_name;
    page.tag("p", &format!("Kept for {controller} and made for you on {made} (GDPR art. 15)."));
    page.tag("h2", "Who answers for it");
    let of = |who: &str, fields: &[&str]| {
        let values = fields.iter().map(|field| text(&manifest[who][*field])).filter(|value| !value.is_empty());
        values.collect::<Vec<_>>().join("\n")
    };
    let parties = [
        ("Controller", of("controller", &["name", "address", "email"])),
        ("Data protection officer", of("dataProtectionOfficer", &["name", "email"])),
        ("Supervisory authority", of("authority", &["name", "url"])),
        ("Privacy notice", text(&manifest["privacyNotice"])),
    ];
    let named = parties.into_iter().filter(|(_, value)| !value.is_empty());
    page.table(&["Who", "How to reach them"], named.map(|(who, value)| vec![who.to_owned(), value]));
    page.tag("p", &text(&manifest["complaint"]));
    page.tag("h2", "Who keeps what");
    let rows = items(manifest, "holders").map(|h| vec![text(&h["name"]), text(&h["rows"]), text(&h["found"])]);
    page.table(&["Part", "Records", "Result"], rows);
    page.tag("h2", "Why, and on which legal basis");
    let rows = items(manifest, "purposes").map(|p| vec![text(&p["name"]), text(&p["meaning"]), text(&p["legalBasis"])]);
    page.table(&["Purpose", "What it means", "Legal basis"], rows);
    page.tag("h2", "Who got data about you");
    if gathered.recipients.is_empty() {
        page.tag("p", "Nobody outside this installation.");
    } else {
        let fields =
            ["plugin", "operator", "purpose", "region", "safeguard", "retention", "firstAt", "lastAt", "times"];
        let rows = items(manifest, "recipients").map(|r| fields.iter().map(|field| text(&r[*field])).collect());
        page.table(
            &["Through", "Operated by", "Why", "Where", "Safeguard", "They keep it", "First", "Last", "Times"],
            rows,
        );
    }
    page.tag("h2", "What you can do");
    for right in items(manifest, "rights") {
        page.tag("p", &text(right));
    }
    for (holder, holdings) in &gathered.holders {
        page.tag("h2", holder);
        if holdings.iter().all(|holding| holding.rows.is_empty()) {
            page.tag("p", "Nothing found.");
        }
        for holding in holdings.iter().filter(|holding| !holding.rows.is_empty()) {
            page.holding(holding);
        }
    }
    page.0.push_str("</body>\n</html>\n");
    page.0
}

struct Page(String);

impl Page {
    fn tag(&mut self, tag: &str, text: &str) {
        let _ = writeln!(self.0, "<{tag}>{}</{tag}>", escaped(text));
    }

    fn table(&mut self, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        self.0.push_str("<table>\n");
        self.row("th", heads.iter().map(|head| (*head).to_owned()));
        for row in rows {
            self.row("td", row.into_iter());
        }
        self.0.push_str("</table>\n");
    }

    fn row(&mut self, tag: &str, cells: impl Iterator<Item = String>) {
        self.0.push_str("<tr>");
        for cell in cells {
            let _ = write!(self.0, "<{tag}><pre>{}</pre></{tag}>", escaped(&cell));
        }
        self.0.push_str("</tr>\n");
    }

    /// Each row on its own: rows are wide.
    fn holding(&mut self, holding: &Holding) {
        self.tag("h3", holding.table);
        self.tag("p", &format!("From {}. Kept {}.", holding.source, holding.retention));
        for row in &holding.rows {
            let cells = holding.columns.iter().map(|column| {
                let value = match column.withheld {
                    Some(why) => format!("(not shown: {why})"),
                    None => row.get(column.name).map(text).unwrap_or_default(),
                };
                vec![column.name.to_owned(), value, column.category.name().to_owned(), column.purpose.name().to_owned()]
            });
            self.table(&["Field", "Value", "Kind", "Purpose"], cells);
            self.0.push_str("<br>\n");
        }
    }
}

fn items<'a>(manifest: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    manifest[name].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Text that does nothing in a page, between tags and in a quoted attribute.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_does_nothing() {
        let nasty = "<script>alert('x')</script> & \"more\"";
        let shown = escaped(nasty);
        assert!(!shown.contains(['<', '>', '"', '\'']), "{shown}");
        assert_eq!(shown, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;");
    }
}

//! Slack's markup: what people said becomes text in it, and text in it becomes what people said.

/// Text that Slack shows as it is: no mention, no link with another label.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Escaped text as a quotation, cut into pieces that hold at most `most` characters each.
pub(crate) fn quoted(text: &str, most: usize) -> Vec<String> {
    let (mut pieces, mut piece, mut length) = (Vec::new(), String::new(), 0);
    for line in text.lines() {
        for part in parts(line, most - "> \n".len()) {
            let quoted = format!("> {part}\n");
            let count = quoted.chars().count();
            if length + count > most {
                pieces.push(std::mem::take(&mut piece));
                length = 0;
            }
            piece.push_str(&quoted);
            length += count;
        }
    }
    pieces.push(piece);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// A line in escaped parts of at most `most` characters; no entity is cut in two.
fn parts(line: &str, most: usize) -> Vec<String> {
    let (mut parts, mut part, mut length) = (Vec::new(), String::new(), 0);
    for character in line.chars() {
        let escaped = escaped(character.encode_utf8(&mut [0; 4]));
        let count = escaped.chars().count();
        if length + count > most {
            parts.push(std::mem::take(&mut part));
            length = 0;
        }
        part.push_str(&escaped);
        length += count;
    }
    parts.push(part);
    parts
}

/// The first `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// What somebody wrote in Slack, as plain text: mentions of people become `@name` where Slack says the name and are
/// dropped where it does not, links become `label (address)`, and entities what they stand for.
pub(crate) fn plain(markup: &str) -> String {
    let (mut plain, mut rest) = (String::new(), markup);
    while let Some((before, from)) = rest.split_once('<') {
        plain.push_str(before);
        match from.split_once('>') {
            Some((inside, after)) => {
                let shown = angled(inside);
                rest = after;
                if shown.is_empty() {
                    // A mention that is dropped leaves no gap.
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                plain.push_str(&shown);
            }
            None => {
                plain.push('<');
                rest = from;
            }
        }
    }
    plain.push_str(rest);
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").trim().to_owned()
}

/// What stands for `<inside>`.
fn angled(inside: &str) -> String {
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label).filter(|label| !label.is_empty())),
        None => (inside, None),
    };
    let named = |sign: &str| label.map(|label| format!("{sign}{}", label.trim_start_matches(sign))).unwrap_or_default();
    match target.chars().next() {
        Some('@') => named("@"),
        Some('#') => named("#"),
        // `!here`, `!subteam^S0|@group`, `!date^...|fallback`.
        Some('!') if target.starts_with("!date") => label.unwrap_or_default().to_owned(),
        Some('!') if target.starts_with("!subteam") => named("@"),
        Some('!') => String::new(),
        _ => {
            let address = target.strip_prefix("mailto:").or(target.strip_prefix("tel:")).unwrap_or(target);
            match label.filter(|label| *label != target && *label != address) {
                // Slack makes a link of what looks like one: `<http://example.com|example.com>`.
                Some(label)
                    if target.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/') == label) =>
                {
                    label.to_owned()
                }
                Some(label) => format!("{label} ({address})"),
                None => address.to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_say_mentions_nobody() {
        assert_eq!(
            escaped("<!channel> a & b <https://evil.example|bank>"),
            "&lt;!channel&gt; a &amp; b &lt;https://evil.example|bank&gt;"
        );
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_never_inside_an_entity() {
        for most in [12, 40, 3000] {
            let text = format!("{}\n\n{}é", "a<b>&".repeat(400), "ü".repeat(200));
            let pieces = quoted(&text, most);
            assert!(pieces.iter().all(|piece| piece.chars().count() <= most && piece.starts_with("> ")), "{most}");
            assert!(pieces.iter().flat_map(|piece| piece.lines()).all(|line| line.starts_with("> ")));
            let whole: String = pieces.concat().replace("> ", "").replace('\n', "");
            assert_eq!(whole.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"), text.replace('\n', ""));
        }
    }

    #[test]
    fn markup_becomes_what_was_meant() {
        for (markup, expected) in [
            ("Hello <@U024BE7LH>, it left &lt;today&gt; &amp;amp; arrives", "Hello , it left <today> &amp; arrives"),
            ("<@U024BE7LH> please look", "please look"),
            ("<@U024BE7LH|ada> please look", "@ada please look"),
            ("see <https://example.com/a?b=1&amp;c=2|our page>", "see our page (https://example.com/a?b=1&c=2)"),
            ("<https://example.com/>", "https://example.com/"),
            ("<http://example.com|example.com>", "example.com"),
            ("write to <mailto:help@example.com|help@example.com>", "write to help@example.com"),
            ("in <#C024BE91L|help> or <#C024BE91L>", "in #help or"),
            ("<!here> <!subteam^SAZ94GDB8|@agents> <!date^1392734382^{date}|18 Feb>", "@agents 18 Feb"),
            ("1 < 2", "1 < 2"),
            ("", ""),
        ] {
            assert_eq!(plain(markup), expected, "{markup}");
        }
    }
}

//! One paragraph of Markdown as plain text, without anything that a page would act on.

use crate::clean::{is_numbers, widen_numbers};

/// One paragraph of Markdown as plain text: emphasis, links, images and tags give way to their words. What stands between
/// back-ticks stays as it is. Numbers in brackets, which would read as citations of ours, get wide brackets.
pub(crate) fn inline(markdown: &str) -> String {
    let (prose, code) = without_code(markdown);
    let plain = disarm(&unlink(&words_of(&prose)));
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    widen_numbers(&words.chars().map(|c| held_code(c, &code)).collect::<Vec<_>>().concat())
}

/// First of the characters that hold the place of code; [`crate::clean::visible`] lets none of them in.
const HOLDER: u32 = 0xE000;
const MOST_HOLDERS: usize = 0x1900;

/// Markdown in which a character of private use holds the place of each code span, and the spans.
fn without_code(markdown: &str) -> (String, Vec<&str>) {
    let (mut prose, mut code) = (String::with_capacity(markdown.len()), Vec::new());
    let mut rest = markdown;
    while let Some(start) = rest.find('`').filter(|_| code.len() < MOST_HOLDERS) {
        let ticks = rest[start..].chars().take_while(|c| *c == '`').count();
        let (fence, after) = rest[start..].split_at(ticks);
        prose.push_str(&rest[..start]);
        let Some(length) = after.find(fence) else {
            prose.push_str(fence);
            rest = after;
            continue;
        };
        prose.extend(char::from_u32(HOLDER + code.len() as u32));
        code.push(&rest[start..start + length + 2 * ticks]);
        rest = &after[length + ticks..];
    }
    prose.push_str(rest);
    (prose, code)
}

fn held_code(c: char, code: &[&str]) -> String {
    let held = (c as u32).checked_sub(HOLDER).and_then(|at| code.get(at as usize));
    held.map_or_else(|| c.to_string(), |span| (*span).to_owned())
}

/// Outside code no `<` is left that could open a tag, also where taking markup away has put one together.
fn disarm(text: &str) -> String {
    text.char_indices().map(|(at, c)| if c == '<' && opens_tag(&text[at + 1..]) { '‹' } else { c }).collect()
}

/// Prose without tags, emphasis and character references.
fn words_of(prose: &str) -> String {
    let text = without_tags(prose);
    let references = [("&nbsp;", " "), ("&lt;", "‹"), ("&gt;", "›"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let text = references.iter().fold(text, |text, (reference, plain)| text.replace(reference, plain));
    ["**", "~~", "*", "_"].into_iter().fold(text, |text, mark| without_pairs(&text, mark))
}

/// Tags that only shape the text they stand in.
const SHAPING: &[&str] = &[
    "a",
    "abbr",
    "b",
    "big",
    "blockquote",
    "br",
    "center",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figure",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "picture",
    "pre",
    "q",
    "s",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
];

/// Drops comments and the tags that shape text; shows others with angle quotes, since they are what is talked about.
/// Keeps `a < b` and the address in `<https://...>`.
fn without_tags(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        kept.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        if !opens_tag(after) {
            kept.push('<');
            rest = after;
            continue;
        }
        let end = after.find('>');
        let inner = &after[..end.unwrap_or(after.len())];
        let name: String = inner.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let is_address = inner.starts_with("http://") || inner.starts_with("https://") || inner.starts_with("mailto:");
        if is_address {
            kept.push_str(inner);
        } else if !inner.starts_with(['!', '?']) && !SHAPING.contains(&name.to_lowercase().as_str()) {
            kept.extend(["‹", inner, if end.is_some() { "›" } else { "" }]);
        }
        rest = end.map_or("", |end| &after[end + 1..]);
    }
    kept.push_str(rest);
    kept
}

fn opens_tag(after: &str) -> bool {
    after.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c))
}

/// Drops marks of emphasis that open before a word and close behind one: `**so**`, not `2 ** 3` and not `*args`.
fn without_pairs(text: &str, mark: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(mark) {
        let after = &rest[start + mark.len()..];
        let opens =
            !ends_in_word(&rest[..start], mark) && after.starts_with(|c: char| !c.is_whitespace() && !mark.contains(c));
        let end = after.match_indices(mark).map(|(end, _)| end).find(|end| {
            let (inner, behind) = (&after[..*end], &after[end + mark.len()..]);
            inner.ends_with(|c: char| !c.is_whitespace() && !mark.contains(c)) && !starts_in_word(behind, mark)
        });
        kept.push_str(&rest[..start]);
        match end.filter(|_| opens) {
            Some(end) => {
                kept.push_str(&after[..end]);
                rest = &after[end + mark.len()..];
            }
            None => {
                kept.push_str(mark);
                rest = after;
            }
        }
    }
    kept.push_str(rest);
    kept
}

fn ends_in_word(before: &str, mark: &str) -> bool {
    before.ends_with(|c: char| c.is_alphanumeric() || mark.contains(c))
}

fn starts_in_word(behind: &str, mark: &str) -> bool {
    behind.starts_with(|c: char| c.is_alphanumeric() || mark.contains(c))
}

/// `[words](address)` and `[words][reference]` become `words`; images go.
fn unlink(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let is_image = rest[..start].ends_with('!');
        kept.push_str(if is_image { &rest[..start - 1] } else { &rest[..start] });
        let Some(end) = closing(&rest[start..], '[', ']') else {
            kept.push('[');
            rest = &rest[start + 1..];
            continue;
        };
        let label = &rest[start + 1..start + end];
        rest = &rest[start + end + 1..];
        let target = match rest.chars().next() {
            Some('(') => closing(rest, '(', ')'),
            Some('[') if !is_numbers(label) => closing(rest, '[', ']'),
            _ => None,
        };
        rest = target.map_or(rest, |end| &rest[end + 1..]);
        match target {
            _ if is_image => {}
            Some(_) if !is_numbers(label) => kept.push_str(&unlink(label)),
            _ => kept.extend(["[", &unlink(label), "]"]),
        }
    }
    kept.push_str(rest);
    kept
}

/// Where the bracket that `text` starts with closes.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_images_give_way_to_their_words() {
        assert_eq!(
            inline("See [the **docs**](https://a.example/x_(y)) and ![logo](https://evil.example/p.png)."),
            "See the docs and ."
        );
        assert_eq!(inline("See [the docs][ref] or <https://a.example/>."), "See the docs or https://a.example/.");
        assert_eq!(inline("[![badge](https://e.example/b.svg)](https://e.example) Text"), "Text");
    }

    #[test]
    fn tags_are_dropped_and_comparisons_stay() {
        assert_eq!(inline("<abbr title=\"x\">API</abbr> if a < b <img src=x onerror=alert(1)>!"), "API if a < b !");
        assert_eq!(inline("The <script> tag, before <form"), "The ‹script› tag, before ‹form");
    }

    #[test]
    fn taking_markup_away_cannot_put_a_tag_together() {
        for trick in
            ["<<b>script>", "<*i*mg src=x>", "<[i](x)mg src=x>", "&lt;img src=x&gt;", "<\\b>", "<!-- --><![x](y)img>"]
        {
            let plain = inline(trick);
            assert!(plain.match_indices('<').all(|(at, _)| !opens_tag(&plain[at + 1..])), "{trick} became {plain}");
        }
    }

    #[test]
    fn code_between_back_ticks_is_left_alone() {
        assert_eq!(
            inline("Call `__init__(*args)` or `List[int]` **now**, not snake_case_names."),
            "Call `__init__(*args)` or `List[int]` now, not snake_case_names."
        );
    }

    #[test]
    fn a_number_in_brackets_cannot_pass_for_a_citation() {
        assert_eq!(
            inline("As shown [2], [3][4], [[5]], [6, 7], `a[8]` and [note]."),
            "As shown ［2］, ［3］［4］, [［5］], ［6, 7］, `a［8］` and [note]."
        );
    }

    #[test]
    fn emphasis_gives_way() {
        assert_eq!(inline("This is **very** *_important_* and 2 * 3 = 6."), "This is very important and 2 * 3 = 6.");
        for plain in ["Pass *args and **kwargs to __init__.py of a_b_c.", "2 ** 3 ** 4", "*", "_private and _other"] {
            assert_eq!(inline(plain), plain);
        }
    }
}

//! What a line is, by its marks or, where a parser has taken the marks away, by its looks.

use crate::markdown::inline;

/// An open code fence.
pub(super) struct Fence {
    mark: char,
    length: usize,
}

impl Default for Fence {
    fn default() -> Self {
        Self { mark: '`', length: 3 }
    }
}

impl Fence {
    /// The fence that this line opens.
    pub fn opening(line: &str) -> Option<Self> {
        let line = line.trim();
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = line.chars().take_while(|c| *c == mark).count();
        (length >= 3 && !line[length..].contains(mark)).then_some(Self { mark, length })
    }

    /// Whether this line closes it.
    pub fn closes(&self, line: &str) -> bool {
        let line = line.trim();
        line.chars().count() >= self.length && line.chars().all(|c| c == self.mark)
    }
}

/// Whether a passage was cut out of the middle of a code block: its first fence closes what it does not open.
pub(super) fn starts_inside_code(lines: &[&str]) -> bool {
    let fences: Vec<&str> =
        lines.iter().map(|line| line.trim()).filter(|line| Fence::opening(line).is_some()).collect();
    let first_is_bare = fences.first().is_some_and(|fence| *fence == "```");
    if fences.len().is_multiple_of(2) || !first_is_bare {
        return false;
    }
    let before: Vec<&str> = lines.iter().copied().take_while(|line| Fence::opening(line).is_none()).collect();
    is_mostly_code(&before)
}

/// Whether lines without a blank one among them are code. `led`: the sentence before them ends with a colon, or what is
/// before them is code.
pub(super) fn looks_like_code(lines: &[&str], led: bool) -> bool {
    let has_other_marks = lines.iter().any(|line| {
        let text = line.trim();
        heading_of(text).is_some() || text.starts_with('|') || text.starts_with("> ")
    });
    match lines {
        _ if has_other_marks && !led => false,
        [line] => is_code_line(line) || (led && is_terse(line.trim())),
        [first, ..] if item_of(first.trim()).is_some() => false,
        _ => is_mostly_code(lines),
    }
}

fn is_mostly_code(lines: &[&str]) -> bool {
    let filled: Vec<&str> = lines.iter().copied().filter(|line| !line.trim().is_empty()).collect();
    let code = filled.iter().filter(|line| item_of(line.trim()).is_none() && is_code_line(line)).count();
    code > 0 && code * 2 >= filled.len()
}

/// What a line of a program or of a terminal begins with.
const CODE_STARTS: &[&str] = &[
    "$ ",
    ">>> ",
    "@",
    "├",
    "└",
    "│",
    "{",
    "}",
    "</",
    "<?",
    "[[",
    "from ",
    "import ",
    "def ",
    "class ",
    "return ",
    "async ",
    "await ",
    "const ",
    "let ",
    "var ",
    "function ",
    "public ",
    "private ",
    "pip ",
    "npm ",
    "uv ",
    "curl ",
    "sudo ",
    "docker ",
    "git ",
    "export ",
    "SELECT ",
    "INSERT ",
    "CREATE ",
    "FROM ",
    "RUN ",
    "COPY ",
    "CMD ",
    "#include",
    "#!/",
    "//",
    "/*",
];

fn is_code_line(line: &str) -> bool {
    let text = line.trim();
    if text.is_empty() || is_furniture(text) || (ends_like_prose(text) && !text.starts_with("$ ")) {
        return false;
    }
    let words = text.split_whitespace().count();
    let is_indented = line.starts_with("  ") || line.starts_with('\t') || text.contains("  ");
    let ends = text.ends_with(['{', '}', ';', '(', '[', ')', ']', '\\']) && !(text.ends_with(')') && words > 4);
    let starts = CODE_STARTS.iter().any(|start| text.starts_with(start)) && !text.ends_with(['?', '!', ':']);
    let signs = [" = ", " == ", "->", "=>", "::", "();", "={", "</", "/>", " := ", "&&", "--"];
    let symbols = text.chars().filter(|c| !c.is_alphanumeric() && !c.is_whitespace()).count();
    let is_dense = symbols * 4 > text.chars().count() && !text.ends_with(':');
    is_indented
        || starts
        || (ends && words <= 12)
        || (is_dense && words <= 12)
        || (words <= 12 && signs.iter().any(|sign| text.contains(sign)))
}

/// Behind a colon: an address, a path, a command, a value.
fn is_terse(text: &str) -> bool {
    let signs = ['/', '_', '=', '"', '$', '<', '@', '\\', '-', '.', '(', '{'];
    let is_short = text.split_whitespace().count() <= 8;
    item_of(text).is_none() && !ends_like_prose(text) && !text.ends_with(':') && is_short && text.contains(signs)
}

fn ends_like_prose(text: &str) -> bool {
    let Some(before) = text.strip_suffix(['.', '?', '!', '…', '。', '？', '！']) else { return false };
    before.ends_with(|c: char| c.is_alphanumeric() || "\"'”»)’`".contains(c))
}

/// Longest line that can be a heading, in characters.
const LONGEST_HEADING: usize = 90;

/// Whether a line that stands alone is a heading: short, not ended like a sentence.
pub(super) fn looks_like_heading(line: &str) -> bool {
    let is_sign = |c: char| !c.is_alphanumeric() && !c.is_ascii_punctuation();
    let text = line.trim().trim_end_matches(|c: char| is_sign(c) && !"…。！：»”".contains(c));
    let ends_open = !text.ends_with(['.', '!', ':', ';', ',', '…', '。', '！', '：']);
    text.chars().count() <= LONGEST_HEADING && ends_open && item_of(text).is_none() && !text.contains(" | ")
}

/// Marks of layout that say nothing: rules, the lines of an admonition, included files, link definitions.
pub(super) fn is_furniture(text: &str) -> bool {
    let is_rule = text.len() >= 3 && text.chars().all(|c| "-*_= ".contains(c));
    let is_definition = text.starts_with('[') && text.contains("]: ");
    is_rule || is_definition || ["///", ":::", "{*", "{!"].iter().any(|mark| text.starts_with(mark))
}

/// The words of a heading `## Words { #anchor }`.
pub(super) fn heading_of(text: &str) -> Option<String> {
    let marks = text.chars().take_while(|c| *c == '#').count();
    let words = text[marks..].strip_prefix(' ')?;
    let words = words.split_once("{#").or_else(|| words.split_once("{ #")).map_or(words, |(words, _)| words);
    (1..=6).contains(&marks).then(|| inline(words.trim_end_matches(['#', ' '])))
}

/// Whether a line makes a heading of the line above it.
pub(super) fn underlines(text: &str) -> bool {
    text.len() >= 3 && (text.chars().all(|c| c == '=') || text.chars().all(|c| c == '-'))
}

/// The text of a list item. A numbered one keeps its number, which may be what is asked for.
pub(super) fn item_of(text: &str) -> Option<&str> {
    if let Some(item) = ["- ", "* ", "+ ", "• ", "– ", "‣ ", "◦ "].iter().find_map(|mark| text.strip_prefix(mark))
    {
        return Some(item.trim_start_matches("[ ] ").trim_start_matches("[x] ").trim());
    }
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let item = text[digits..].strip_prefix(". ").or_else(|| text[digits..].strip_prefix(") "))?;
    ((1..=3).contains(&digits) && !item.trim().is_empty()).then_some(text)
}

/// The cells of a table's row: `| a | b |`, or `a | b` where the row before or the next is one as well.
pub(super) fn cells_of(text: &str, next: &str, is_in_table: bool) -> Option<Vec<String>> {
    let is_row = text.starts_with('|') || (text.contains(" | ") && (is_in_table || next.contains(" | ")));
    let inner = text.strip_prefix('|').unwrap_or(text);
    is_row.then(|| inner.strip_suffix('|').unwrap_or(inner).split('|').map(inline).collect())
}

/// The line between the header and the rows of a table.
pub(super) fn is_rule(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.contains('-') && cell.chars().all(|c| "-: ".contains(c)))
}

//! The records as a page (Markdown) and as a table (CSV, RFC 4180).

use super::{Activity, MEASURES, Party, Records};

/// What a spreadsheet would take for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

impl Records {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let i = &self.information;
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "not set".to_owned());
        let mut page = format!(
            "# Records of processing activities (GDPR art. 30)\n\nMade on {} from the running system.\n\n\
             - Controller: {}, {} ({})\n- Data protection officer: {} ({})\n- Supervisory authority: {} ({})\n",
            self.generated_at.rfc3339(),
            inline(&i.controller_name),
            inline(&or_none(&i.controller_address)),
            inline(&or_none(&i.controller_email)),
            inline(&or_none(&i.dpo_name)),
            inline(&or_none(&i.dpo_email)),
            inline(&or_none(&i.authority_name)),
            inline(&or_none(&i.authority_url)),
        );
        for activity in &self.activities {
            page.push_str(&activity.markdown());
        }
        page.push_str("\n## Security of all processing (art. 32)\n\n");
        MEASURES.iter().for_each(|measure| page.push_str(&format!("- {measure}\n")));
        page
    }

    /// As CSV: one line for each activity.
    pub fn csv(&self) -> String {
        let head = [
            "purpose",
            "summary",
            "legal basis",
            "people",
            "categories",
            "recipients",
            "third countries",
            "retention",
            "columns",
            "sealed",
        ];
        let mut table = line(head.map(str::to_owned));
        for a in &self.activities {
            let transfers =
                a.recipients.iter().filter(|party| party.is_transfer).map(|p| format!("{}: {}", p.region, p.safeguard));
            table.push_str(&line([
                a.purpose.name().to_owned(),
                a.purpose.summary().to_owned(),
                a.purpose.legal_basis().article().to_owned(),
                a.people.join(", "),
                a.categories.join(", "),
                a.recipients.iter().map(Party::line).collect::<Vec<_>>().join("; "),
                transfers.collect::<Vec<_>>().join("; "),
                a.retention.join("; "),
                a.sealed.0.to_string(),
                a.sealed.1.to_string(),
            ]));
        }
        table
    }
}

impl Activity {
    fn markdown(&self) -> String {
        let list = |items: &[String]| if items.is_empty() { "none stored for it".to_owned() } else { items.join(", ") };
        let mut part = format!(
            "\n## {}\n\n{}\n\n- Legal basis: {}\n- People: {}\n- Categories of data: {}\n- Kept: {}\n- Stored in: {}\n\
             - Columns with personal data: {}, of which {} are sealed by themselves\n",
            self.purpose.name(),
            self.purpose.summary(),
            self.purpose.legal_basis().article(),
            list(&self.people),
            list(&self.categories),
            if self.retention.is_empty() {
                self.purpose.retention().summary().to_owned()
            } else {
                self.retention.join("; ")
            },
            list(&self.tables),
            self.sealed.0,
            self.sealed.1,
        );
        if self.recipients.is_empty() {
            part.push_str("- Recipients: none\n");
        }
        for party in &self.recipients {
            part.push_str(&format!("- Recipient: {}\n", inline(&party.line())));
        }
        part
    }
}

impl Party {
    fn line(&self) -> String {
        let role = if self.is_outside { "sub-processor" } else { "inside this installation" };
        let transfer = if self.is_transfer { ", a transfer to a third country" } else { "" };
        format!(
            "{} ({}), {role}, {}, safeguard {}, kept {}{transfer}",
            self.name, self.operator, self.region, self.safeguard, self.retention
        )
    }
}

/// A customer's words inside a line of Markdown.
fn inline(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

fn line<const N: usize>(cells: [String; N]) -> String {
    let mut line = cells.map(|cell| quoted(&cell)).join(",");
    line.push_str("\r\n");
    line
}

/// Quoted, and never a formula.
fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(FORMULA) { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_a_line_is_one_line() {
        assert_eq!(quoted("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(inline("a\nb*c"), "a b\\*c");
    }
}

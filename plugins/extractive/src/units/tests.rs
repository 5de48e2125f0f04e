use super::*;

fn shown(text: &str) -> Vec<(UnitKind, String)> {
    units(text).into_iter().map(|unit| (unit.kind, unit.text)).collect()
}

fn sentence(text: &str) -> (UnitKind, String) {
    (UnitKind::Sentence, text.into())
}

fn item(text: &str) -> (UnitKind, String) {
    (UnitKind::Item, text.into())
}

fn code(text: &str) -> (UnitKind, String) {
    (UnitKind::Code, text.into())
}

fn row(text: &str) -> (UnitKind, String) {
    (UnitKind::Row, text.into())
}

#[test]
fn a_heading_is_no_unit_but_stands_above_what_follows() {
    let found =
        units("## Refunds { #refunds }\n\nWe pay back\nwithin a week. Ask us.\n\nContact\n\nWrite to us any time.");
    let shown: Vec<_> = found.iter().map(|unit| (unit.heading.as_str(), unit.text.as_str())).collect();
    assert_eq!(
        shown,
        [("Refunds", "We pay back within a week."), ("Refunds", "Ask us."), ("Contact", "Write to us any time."),]
    );
}

#[test]
fn a_question_stands_above_the_rest_of_its_paragraph() {
    let found = units("Is it free? Yes, for students.\n\nOthers pay five euros.");
    assert_eq!(found[1].heading, "Is it free?");
    assert_eq!(found[2].heading, "");
}

#[test]
fn list_items_are_units_of_one_block() {
    let found = units("Bring along:\n- a passport\n* a **photo**\n\n3. the form,\n   signed");
    assert_eq!(
        found.iter().map(|unit| (unit.kind, unit.text.clone())).collect::<Vec<_>>(),
        [sentence("Bring along:"), item("a passport"), item("a photo"), item("3. the form, signed")]
    );
    assert!(found[0].leads());
    assert_eq!(found[1].block, found[3].block);
    assert_ne!(found[0].block, found[1].block);
}

#[test]
fn a_table_gives_its_rows_without_header_and_rule() {
    let marked = "| Plan | Price |\n|---|---:|\n| Basic | 5 € |\n| Pro | 9 € |";
    let plain = "Plan | Price\nBasic | 5 €\nPro | 9 €";
    let rows = [row("Basic – 5 €"), row("Pro – 9 €")];
    assert_eq!(shown(marked), rows);
    assert_eq!(shown(plain), rows);
}

#[test]
fn a_fenced_code_block_is_one_unit() {
    let text = "Run this:\n```bash\n# not a heading\npip install x\n\n- no item\n```\nThen go on.";
    let block = code("# not a heading\npip install x\n\n- no item");
    assert_eq!(shown(text), [sentence("Run this:"), block, sentence("Then go on.")]);
}

#[test]
fn code_without_fences_is_told_by_its_looks() {
    let text = "Create a file with:\n\nfrom app import run\n\n@run.get(\"/\")\ndef root():\n    return {\"a\": 1}\n\nThat is all you need.";
    let block = code("from app import run\n\n@run.get(\"/\")\ndef root():\n    return {\"a\": 1}");
    assert_eq!(shown(text), [sentence("Create a file with:"), block, sentence("That is all you need.")]);
}

#[test]
fn behind_a_colon_an_address_is_code_and_a_word_is_not() {
    assert_eq!(
        shown("Open it at:\n\nhttp://127.0.0.1:8000/docs\n\nDone now."),
        [sentence("Open it at:"), code("http://127.0.0.1:8000/docs"), sentence("Done now.")]
    );
    assert_eq!(
        shown("Open it at:\n\nHint\n\nDone now."),
        [sentence("Open it at:"), sentence("Hint"), sentence("Done now.")]
    );
}

#[test]
fn a_passage_cut_out_of_a_code_block_is_read_as_such() {
    let text = "    app = App()\n    app.run()\n```\n\nNow open the browser.";
    assert_eq!(shown(text), [code("    app = App()\n    app.run()"), sentence("Now open the browser.")]);
    let open = "Write this:\n```\nlet a = 1;";
    assert_eq!(shown(open), [sentence("Write this:"), code("let a = 1;")]);
}

#[test]
fn prose_is_not_taken_for_code() {
    for prose in [
        "Call us (Monday to Friday) or write to help@example.org.",
        "The price is 9.99 € - no more.",
        "Sie erreichen uns unter +49 30 1234567 (kostenlos)!",
        "From there, import taxes apply to all goods.",
        "« Le contrat » prend fin ; vous recevez un courriel.",
    ] {
        assert_eq!(shown(prose), [sentence(prose)]);
    }
}

#[test]
fn marks_of_layout_say_nothing() {
    let text = "---\n/// note\n\nMind the gap.\n\n///\n\n{* ../../docs_src/a.py *}\n\n[ref]: https://example.org\n\n> Quoted words.\n\nTitle\n=====\n";
    assert_eq!(shown(text), [sentence("Mind the gap."), sentence("Quoted words.")]);
}

#[test]
fn a_long_item_is_taken_apart() {
    let item = format!("- {}. {}.", "Send it. ".trim_end_matches(['.', ' ']).repeat(30), "Bring it".repeat(30));
    assert_eq!(units(&item).len(), 2);
}

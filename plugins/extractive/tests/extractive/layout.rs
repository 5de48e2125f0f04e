//! Lists, code and tables.

use serde_json::json;

use crate::world::ask;

#[tokio::test]
async fn a_code_block_comes_whole_behind_the_sentence_that_announces_it() {
    let passage = "To install the client, run this command:\n\n```bash\npip install client\n\nclient --version\n```\n\nThen have lunch.";
    let answer = ask("How do I install the client?").among(passage).answer().await;
    let expected = "To install the client, run this command: [1]\n```\npip install client\n\nclient --version\n```";
    assert_eq!(answer.as_deref(), Some(expected));
}

#[tokio::test]
async fn code_that_a_parser_took_the_fences_from_comes_along_as_well() {
    let passage = "To install the client, run this command:\n\n$ pip install client\n\nThen have lunch with us.";
    let answer = ask("How do I install the client?").among(passage).answer().await;
    assert_eq!(answer.as_deref(), Some("To install the client, run this command: [1]\n```\n$ pip install client\n```"));
}

#[tokio::test]
async fn code_in_which_a_number_would_read_as_a_citation_stays_away() {
    let passage = "To install the client, run this command:\n\n```\nprint(names[2])\n```";
    let answer = ask("How do I install the client?").among(passage).answer().await;
    assert_eq!(answer.as_deref(), Some("To install the client, run this command: [1]"));
}

#[tokio::test]
async fn code_alone_is_never_an_answer() {
    let passage = "```\n# how do I install the client\ninstall client\n```\n\nLunch is at noon every day.";
    assert_eq!(ask("How do I install the client?").among(passage).answer().await, None);
}

#[tokio::test]
async fn a_list_comes_along_with_the_sentence_that_announces_it() {
    let passage =
        "To cancel your contract, send us:\n- your number\n- a copy of your **passport**\n\nLunch is at noon.";
    let answer = ask("How do I cancel my contract?").among(passage).answer().await;
    let expected = "To cancel your contract, send us:\n- your number\n- a copy of your passport [1]";
    assert_eq!(answer.as_deref(), Some(expected));
}

#[tokio::test]
async fn an_item_is_quoted_as_an_item_and_a_step_with_its_number() {
    let items = "- Open the portal to cancel your contract\n- Feed the fish in the aquarium";
    let answer = ask("How do I cancel my contract?").among(items).answer().await;
    assert_eq!(answer.as_deref(), Some("- Open the portal to cancel your contract [1]"));
    let steps = "1. Feed the fish in the aquarium\n2. Open the portal to cancel your contract";
    let answer = ask("How do I cancel my contract?").among(steps).answer().await;
    assert_eq!(answer.as_deref(), Some("2. Open the portal to cancel your contract [1]"));
}

#[tokio::test]
async fn a_row_of_a_table_is_quoted_alone() {
    let table =
        "| Contract | Notice |\n|---|---|\n| Cancel a monthly contract | two weeks |\n| Feed the fish | daily |";
    let answer = ask("How do I cancel a monthly contract?").among(table).answer().await;
    assert_eq!(answer.as_deref(), Some("Cancel a monthly contract – two weeks [1]"));
}

#[tokio::test]
async fn the_words_of_a_heading_help_to_find_what_stands_under_it() {
    let passage = "Shipping\n\nProcessing lasts two weeks.\n\nA new contract\n\nProcessing lasts one day.";
    let visitor =
        ask("How long is the processing of a contract?").among(passage).with_settings(json!({ "maxSentences": 1 }));
    assert_eq!(visitor.answer().await.as_deref(), Some("Processing lasts one day. [1]"));
}

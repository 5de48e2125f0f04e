//! Placeholders, and back.

use super::super::{
    find,
    mask::{Restorer, mask},
};

#[test]
fn one_value_has_one_placeholder_and_comes_back() {
    let text = "Ask ada@x.example or bob@x.example; ada@x.example knows +44 116 496 0062.";
    let masked = mask(text, &find(text).unwrap());
    assert_eq!(*masked.text, "Ask [[EMAIL_1]] or [[EMAIL_2]]; [[EMAIL_1]] knows [[PHONE_1]].");
    assert_eq!(masked.values.len(), 3);
    assert_eq!(*masked.values.restore(&masked.text), text);
}

#[test]
fn what_looked_like_a_placeholder_from_the_start_survives() {
    let text = "The template says [[EMAIL_1]] and [[NAME_7]]; mine is ada@x.example. [[[PHONE_1]]";
    let masked = mask(text, &find(text).unwrap());
    assert!(masked.text.contains("mine is [[EMAIL_2]]."), "{}", *masked.text);
    assert_eq!(*masked.values.restore(&masked.text), text);
    assert_eq!(*masked.values.restore("[[EMAIL_1]] [[EMAIL_3]] [[EMAIL_2]]"), "[[EMAIL_1]] [[EMAIL_3]] ada@x.example");
}

#[test]
fn a_placeholder_cut_anywhere_comes_back_whole() {
    let text = "[Dear] [[x]] ada@x.example, [[EMAIL_1]] a[i]] [[[";
    let masked = mask(text, &find(text).unwrap());
    let bounds: Vec<usize> = (0..=masked.text.len()).filter(|at| masked.text.is_char_boundary(*at)).collect();
    for first in &bounds {
        for second in bounds.iter().filter(|second| *second >= first) {
            let mut restorer = Restorer::new(&masked.values);
            let pieces = [&masked.text[..*first], &masked.text[*first..*second], &masked.text[*second..]];
            let mut whole = String::new();
            for piece in pieces {
                whole.push_str(&restorer.push(piece));
            }
            whole.push_str(&restorer.finish());
            assert_eq!(whole, text, "cut at {first} and {second}");
        }
    }
}

#[test]
fn text_without_brackets_is_not_held_back() {
    let nothing = mask("", &[]).values;
    let mut restorer = Restorer::new(&nothing);
    assert_eq!(*restorer.push("Hello there"), "Hello there");
    assert_eq!(*restorer.push(" [["), " ");
    assert_eq!(*restorer.push("not one"), "[[not one");
}

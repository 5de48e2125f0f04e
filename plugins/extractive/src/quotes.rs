//! Which units are quoted, and the text that is made of them.
//!
//! A quote is the passage's own words. Neighbours are joined, a sentence that announces a list or code brings it along,
//! and each run of neighbours carries the number of its passage.

use std::collections::BTreeSet;

use crate::{
    clean::has_numbers,
    evidence::Candidate,
    question::{Material, Passage},
    units::{Unit, UnitKind},
};

/// A unit joins the best one only if its score is within this of it.
const NEAR_BEST: f32 = 0.25;

/// What standing beside a chosen unit is worth.
const NEIGHBOUR: f32 = 0.1;

/// Units that share more of their words than this say the same.
const SAME: f32 = 0.7;

/// Items of a list that an announcing sentence brings along.
const MOST_ITEMS: usize = 10;

/// The answer's text, at most `most_sentences` chosen units and `most_characters` long. `candidates` come best first.
pub(crate) fn compose(
    material: &Material,
    candidates: &[Candidate],
    most_sentences: usize,
    most_characters: usize,
) -> String {
    let chosen = choose(material, candidates, most_sentences);
    let mut order: Vec<usize> = Vec::new();
    for candidate in &chosen {
        if !order.contains(&candidate.passage) {
            order.push(candidate.passage);
        }
    }
    let mut text = String::new();
    for at in order {
        let passage = &material.passages[at];
        let units = chosen.iter().filter(|candidate| candidate.passage == at).map(|candidate| candidate.unit).collect();
        for run in runs(passage, units) {
            let quote = quote(passage, &run);
            let gap = if text.is_empty() { "" } else { "\n\n" };
            if text.chars().count() + gap.len() + quote.chars().count() <= most_characters {
                text.extend([gap, &quote]);
            } else if text.is_empty() {
                text = cut(passage, &run, most_characters);
            }
        }
    }
    text
}

/// The best unit, and others near it in score that add something, in the same language.
fn choose(material: &Material, candidates: &[Candidate], most: usize) -> Vec<Candidate> {
    let mut chosen: Vec<Candidate> = Vec::new();
    let mut left: Vec<Candidate> = candidates.to_vec();
    let floor = candidates.first().map_or(0.0, |best| best.score - NEAR_BEST);
    while chosen.len() < most {
        let worth =
            |candidate: &Candidate| candidate.score + if is_beside(&chosen, candidate) { NEIGHBOUR } else { 0.0 };
        let Some(best) = left
            .iter()
            .max_by(|a, b| worth(a).total_cmp(&worth(b)).then((b.passage, b.unit).cmp(&(a.passage, a.unit))))
        else {
            break;
        };
        if worth(best) < floor {
            break;
        }
        let best = *best;
        left.retain(|other| (other.passage, other.unit) != (best.passage, best.unit));
        if chosen.iter().all(|other| adds_to(material, other, &best)) {
            chosen.push(best);
        }
    }
    chosen
}

fn is_beside(chosen: &[Candidate], candidate: &Candidate) -> bool {
    chosen.iter().any(|other| other.passage == candidate.passage && other.unit.abs_diff(candidate.unit) == 1)
}

/// Whether `new` says something else than `old`, in the same language.
fn adds_to(material: &Material, old: &Candidate, new: &Candidate) -> bool {
    let (from, to) = (&material.passages[old.passage], &material.passages[new.passage]);
    let (a, b) = (&from.units[old.unit].terms, &to.units[new.unit].terms);
    let common = a.intersection(b).count() as f32;
    let smaller = a.len().min(b.len()).max(1) as f32;
    from.language == to.language && common / smaller <= SAME
}

/// Chosen units and what they bring along, as runs of neighbours in reading order.
fn runs(passage: &Passage, mut units: BTreeSet<usize>) -> Vec<Vec<usize>> {
    for unit in units.clone() {
        units.extend(announced(passage, unit));
    }
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for unit in units {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| last + 1 == unit) => run.push(unit),
            _ => runs.push(vec![unit]),
        }
    }
    runs
}

/// The code block or the list behind a sentence that ends with a colon.
fn announced(passage: &Passage, unit: usize) -> Vec<usize> {
    let Some(quotable) = passage.units.get(unit).filter(|quotable| quotable.unit.leads()) else { return Vec::new() };
    let Some(next) = passage.units.get(unit + 1) else { return Vec::new() };
    let is_new_block = next.unit.block != quotable.unit.block;
    match next.unit.kind {
        UnitKind::Code if has_numbers(&next.unit.text) => Vec::new(),
        UnitKind::Code => vec![unit + 1],
        UnitKind::Item | UnitKind::Row if is_new_block => {
            let of_list = |at: &usize| passage.units.get(*at).is_some_and(|other| other.unit.block == next.unit.block);
            (unit + 1..).take_while(of_list).take(MOST_ITEMS).collect()
        }
        _ => Vec::new(),
    }
}

/// A run of neighbours with the number of its passage, which stands before code so that the fences stand alone.
fn quote(passage: &Passage, run: &[usize]) -> String {
    let units: Vec<&Unit> = run.iter().filter_map(|at| passage.units.get(*at)).map(|quotable| &quotable.unit).collect();
    let mut text = String::new();
    for (at, unit) in units.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| units[before].kind);
        text.push_str(match (before, unit.kind) {
            (None, _) => "",
            (Some(UnitKind::Sentence), UnitKind::Sentence) => " ",
            _ => "\n",
        });
        match unit.kind {
            UnitKind::Code => text.extend(["```\n", &unit.text, "\n```"]),
            UnitKind::Item if !unit.text.starts_with(|c: char| c.is_ascii_digit()) => text.extend(["- ", &unit.text]),
            _ => text.push_str(&unit.text),
        }
        let ends = units.get(at + 1).is_none_or(|next| next.kind == UnitKind::Code);
        if ends && unit.kind != UnitKind::Code {
            text.push_str(&format!(" [{}]", passage.index));
        }
    }
    text
}

/// As many words of a run's first unit as there is room for.
fn cut(passage: &Passage, run: &[usize], most_characters: usize) -> String {
    let Some(first) = run.first().and_then(|at| passage.units.get(*at)) else { return String::new() };
    let mut text = String::new();
    for word in first.unit.text.split_inclusive(' ') {
        if text.chars().count() + word.chars().count() > most_characters {
            break;
        }
        text.push_str(word);
    }
    if text.matches('`').count() % 2 == 1 {
        text.truncate(text.rfind('`').unwrap_or_default()); // What is code stays code only between two marks.
    }
    format!("{}… [{}]", text.trim_end(), passage.index)
}

//! The question and the passages, read: units with their words, and what the question's words weigh among them.

use std::collections::{HashMap, HashSet};

use consigne_sdk::{ChatRequest, PromptPassage, words::Language};

use crate::{
    clean::visible,
    units::{Unit, UnitKind, units},
    words::Asked,
};

/// One passage, read.
pub(crate) struct Passage {
    /// What it is cited by.
    pub index: u32,
    /// Cosine of question and passage.
    pub score: f32,
    /// ISO 639-1 code, where it is known.
    pub language: Option<String>,
    /// Its units in reading order.
    pub units: Vec<Quotable>,
}

/// A unit, and what it shares with the question.
pub(crate) struct Quotable {
    /// The unit.
    pub unit: Unit,
    /// The stems of its own words.
    pub terms: HashSet<String>,
    /// The share of the question's weight in its own words and half of what only its headings have, 0 to 1.
    pub coverage: f32,
}

/// The question and the passages.
pub(crate) struct Material {
    /// ISO 639-1 code of the question, where it is known.
    pub language: Option<String>,
    /// The passages, best first.
    pub passages: Vec<Passage>,
}

/// What headings say counts half of what a sentence says itself.
const WORTH_OF_HEADINGS: f32 = 0.5;

/// Reads what a model is asked.
pub(crate) fn read(request: &ChatRequest) -> Material {
    let question = visible(&request.question);
    let language = request.language.clone().or_else(|| detect(&question));
    let mut languages = Languages::default();
    let mut read: Vec<(Passage, Vec<HashSet<String>>)> =
        request.passages.iter().map(|passage| read_passage(passage, language.as_deref(), &mut languages)).collect();
    let all = read.iter().flat_map(|(passage, _)| &passage.units).map(|quotable| &quotable.terms);
    let asked = Asked::new(&languages.of(language.as_deref()).terms(&question), all);
    for (passage, headings) in &mut read {
        for (quotable, headings) in passage.units.iter_mut().zip(headings) {
            let own = asked.covered_by(&quotable.terms);
            let both = asked.covered_by(&(&quotable.terms | headings));
            quotable.coverage = own + WORTH_OF_HEADINGS * (both - own);
        }
    }
    Material { language, passages: read.into_iter().map(|(passage, _)| passage).collect() }
}

/// The languages of one question and its passages, each made once.
#[derive(Default)]
struct Languages(HashMap<String, Language>);

impl Languages {
    fn of(&mut self, code: Option<&str>) -> &Language {
        let code = code.unwrap_or_default();
        self.0.entry(code.to_owned()).or_insert_with(|| Language::of(code))
    }
}

/// A passage, and for each unit the words of the headings above it.
fn read_passage(
    passage: &PromptPassage,
    asked_in: Option<&str>,
    languages: &mut Languages,
) -> (Passage, Vec<HashSet<String>>) {
    let text = visible(&passage.text);
    let code = passage.language.clone().or_else(|| detect(&text)).or_else(|| asked_in.map(str::to_owned));
    let language = languages.of(code.as_deref());
    let title = visible(&passage.title);
    let innermost = title.rsplit(['>', '›']).next().unwrap_or_default().trim();
    let title: HashSet<String> = language.terms(&title).into_iter().collect();
    let (mut quotables, mut headings) = (Vec::new(), Vec::new());
    for mut unit in units(&text) {
        if unit.heading.is_empty() && innermost.ends_with('?') {
            unit.heading = innermost.to_owned();
        }
        let own = if unit.kind == UnitKind::Code { Vec::new() } else { language.terms(&unit.text) };
        let above: HashSet<String> = language.terms(&unit.heading).into_iter().chain(title.iter().cloned()).collect();
        quotables.push(Quotable { unit, terms: own.into_iter().collect(), coverage: 0.0 });
        headings.push(above);
    }
    (Passage { index: passage.index, score: passage.score, language: code, units: quotables }, headings)
}

fn detect(text: &str) -> Option<String> {
    let info = whatlang::detect(text).filter(whatlang::Info::is_reliable)?;
    let code = match info.lang() {
        whatlang::Lang::Eng => "en",
        whatlang::Lang::Fra => "fr",
        whatlang::Lang::Deu => "de",
        whatlang::Lang::Spa => "es",
        whatlang::Lang::Ita => "it",
        whatlang::Lang::Nld => "nl",
        whatlang::Lang::Por => "pt",
        _ => return None,
    };
    Some(code.to_owned())
}

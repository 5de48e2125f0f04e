//! Passages that go together: what a model is shown.
//!
//! The same text twice spends a prompt on nothing, and two neighbours read better as one piece. So twins are dropped,
//! neighbours are joined in their order without the sentence that they share, and the whole stays within a budget of
//! tokens.

use super::Found;

/// Cosine at which two passages say the same in the same words. Translations stay below it.
const TWINS: f32 = 0.99;

/// Overlaps of two neighbours that are looked for, in bytes: whole sentences, not a letter that both happen to have.
const SHORTEST_OVERLAP: usize = 6;
const LONGEST_OVERLAP: usize = 2_000;

/// How much a model is shown.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Excerpts at most.
    pub excerpts: usize,
    /// Tokens at most, by the embedding model's count.
    pub tokens: i64,
}

/// Neighbouring passages of one document, in their order.
#[derive(Clone)]
pub struct Excerpt {
    /// The passages; never none.
    pub parts: Vec<Found>,
}

impl Excerpt {
    /// The passage that was found first, which speaks for the excerpt.
    pub fn best(&self) -> &Found {
        let best = self.parts.iter().reduce(|best, part| if part.rank > best.rank { part } else { best });
        best.expect("an excerpt has a passage")
    }

    /// The text, without what neighbours share.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            let shared = overlap(&text, &part.text);
            if shared == 0 && !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(&part.text[shared..]);
        }
        text
    }

    fn takes(&self, found: &Found) -> bool {
        let first = &self.parts[0];
        let last = &self.parts[self.parts.len() - 1];
        first.document == found.document && (found.ordinal + 1 == first.ordinal || last.ordinal + 1 == found.ordinal)
    }

    fn join(&mut self, found: Found) {
        let at = self.parts.partition_point(|part| part.ordinal < found.ordinal);
        self.parts.insert(at, found);
    }
}

/// The excerpts that fit, best first, from passages that come best first.
pub fn excerpts(found: Vec<Found>, budget: Budget) -> Vec<Excerpt> {
    let mut left = budget.tokens;
    let mut taken: Vec<Excerpt> = Vec::new();
    for passage in found {
        let is_twin = taken.iter().flat_map(|excerpt| &excerpt.parts).any(|part| are_twins(part, &passage));
        if is_twin || passage.tokens > left {
            continue;
        }
        let tokens = passage.tokens;
        match taken.iter().position(|excerpt| excerpt.takes(&passage)) {
            Some(at) => {
                taken[at].join(passage);
                close_gap(&mut taken, at);
            }
            None if taken.len() < budget.excerpts => taken.push(Excerpt { parts: vec![passage] }),
            None => continue,
        }
        left -= tokens;
    }
    taken
}

/// Joins another excerpt to this one where a passage came between that makes them one.
fn close_gap(taken: &mut Vec<Excerpt>, at: usize) {
    let ends = |excerpt: &Excerpt| (excerpt.parts[0].document, excerpt.parts[0].ordinal, last_ordinal(excerpt));
    let (document, first, last) = ends(&taken[at]);
    let neighbour = taken.iter().position(|other| {
        let (of, begins, stops) = ends(other);
        of == document && (stops + 1 == first || last + 1 == begins)
    });
    if let Some(neighbour) = neighbour {
        let (keep, gone) = (at.min(neighbour), at.max(neighbour));
        let parts = taken.remove(gone).parts;
        parts.into_iter().for_each(|part| taken[keep].join(part));
    }
}

fn last_ordinal(excerpt: &Excerpt) -> i64 {
    excerpt.parts[excerpt.parts.len() - 1].ordinal
}

fn are_twins(one: &Found, other: &Found) -> bool {
    one.language == other.language && one.vector.iter().zip(&other.vector).map(|(a, b)| a * b).sum::<f32>() >= TWINS
}

/// Bytes of whole sentences at the end of `before` with which `after` begins.
fn overlap(before: &str, after: &str) -> usize {
    let most = before.len().min(after.len()).min(LONGEST_OVERLAP);
    let are_sentences = |n: usize| {
        let shared = &after[..n];
        let begins = before[..before.len() - n].chars().next_back().is_none_or(char::is_whitespace);
        begins && shared.trim_end().ends_with(['.', '!', '?', '…', '。', ':', '"', '»'])
    };
    let is_shared = |n: &usize| after.is_char_boundary(*n) && before.ends_with(&after[..*n]) && are_sentences(*n);
    (SHORTEST_OVERLAP..=most).rev().find(is_shared).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use consigne_foundation::id::{DocumentId, PassageId};
    use uuid::Uuid;

    use super::*;

    const BUDGET: Budget = Budget { excerpts: 3, tokens: 1_000 };

    /// A passage whose vector has its own axis.
    fn found(document: u128, ordinal: i64, rank: f32, text: &str) -> Found {
        let mut vector = vec![0.0; 64];
        vector[(document as usize * 8 + ordinal as usize) % 64] = 1.0;
        Found {
            passage: PassageId(Uuid::from_u128(document * 100 + ordinal as u128)),
            document: DocumentId(Uuid::from_u128(document)),
            title: String::new(),
            headings: Vec::new(),
            text: text.to_owned(),
            page: None,
            language: None,
            ordinal,
            tokens: 100,
            score: rank,
            rank,
            vector,
        }
    }

    fn texts(excerpts: &[Excerpt]) -> Vec<String> {
        excerpts.iter().map(Excerpt::text).collect()
    }

    #[test]
    fn neighbours_become_one_excerpt_without_the_sentence_they_share() {
        let all = vec![
            found(1, 4, 0.9, "Third. Fourth."),
            found(2, 0, 0.8, "Else."),
            found(1, 3, 0.7, "First. Second. Third."),
        ];
        let taken = excerpts(all, BUDGET);
        assert_eq!(texts(&taken), ["First. Second. Third. Fourth.", "Else."]);
        assert_eq!(taken[0].best().ordinal, 4);
    }

    #[test]
    fn what_rows_happen_to_share_is_not_an_overlap() {
        let rows = vec![found(1, 0, 0.9, "Name: Ann\nActive: N"), found(1, 1, 0.8, "Name: Bob\nActive: Y")];
        assert_eq!(texts(&excerpts(rows, BUDGET)), ["Name: Ann\nActive: N\n\nName: Bob\nActive: Y"]);
        assert_eq!(overlap("Total: 10", "0 errors"), 0);
    }

    #[test]
    fn a_passage_between_two_excerpts_makes_them_one() {
        let all = vec![found(1, 1, 0.9, "a"), found(1, 3, 0.8, "c"), found(2, 0, 0.7, "x"), found(1, 2, 0.6, "b")];
        assert_eq!(texts(&excerpts(all, BUDGET)), ["a\n\nb\n\nc", "x"]);
    }

    #[test]
    fn the_same_text_is_shown_once() {
        let mut twin = found(2, 0, 0.8, "Same.");
        let first = found(1, 0, 0.9, "Same.");
        twin.vector = first.vector.clone();
        assert_eq!(texts(&excerpts(vec![first, twin, found(3, 0, 0.7, "Other.")], BUDGET)), ["Same.", "Other."]);
    }

    #[test]
    fn neither_more_excerpts_nor_more_tokens_than_agreed() {
        let apart: Vec<Found> = (1..6).map(|n| found(n, 0, 1.0 / n as f32, "text")).collect();
        assert_eq!(excerpts(apart.clone(), BUDGET).len(), 3);
        assert_eq!(excerpts(apart, Budget { excerpts: 9, tokens: 250 }).len(), 2);
    }
}

//! Chance that can be repeated, and the files that it writes.

/// Random numbers from a seed (SplitMix64).
pub struct Chance {
    /// What to begin with for the same numbers.
    pub seed: u64,
    state: u64,
}

const SUBJECTS: [&str; 12] = [
    "The workshop",
    "A tandem",
    "The night train",
    "Every lighthouse",
    "The bakery",
    "A glacier",
    "The archive",
    "An orchestra",
    "The harbour master",
    "A beehive",
    "The observatory",
    "A canal boat",
];
const VERBS: [&str; 12] = [
    "repairs", "carries", "measures", "paints", "counts", "welcomes", "weighs", "borrows", "polishes", "sorts",
    "delivers", "inspects",
];
const OBJECTS: [&str; 12] = [
    "copper kettles",
    "winter tyres",
    "old maps",
    "apple crates",
    "brass screws",
    "wool blankets",
    "blue tickets",
    "glass lenses",
    "salted almonds",
    "garden chairs",
    "paper lanterns",
    "cedar planks",
];
const TIMES: [&str; 8] = [
    "before sunrise",
    "on the first Monday of the month",
    "during the long frost",
    "after the second bell",
    "in the week of the fair",
    "when the river is low",
    "between two ferries",
    "on rainy afternoons",
];

impl Chance {
    /// From this seed, or from a new one.
    #[expect(clippy::disallowed_methods, reason = "tests make their own randomness")]
    pub fn new(seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
        Self { seed, state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap_or_default()]
    }

    /// Markdown of some 8 to 23 passages, no two alike: up to two steps of an ingest.
    pub fn file(&mut self) -> String {
        let mut text = format!("# The book of {} and {}\n", self.one_of(&OBJECTS), self.one_of(&OBJECTS));
        for section in 1..=8 + self.below(16) {
            text += &format!("\n## {section}. {}\n\n", self.one_of(&OBJECTS));
            let sentences: Vec<_> = (0..14).map(|_| self.sentence()).collect();
            text += &sentences.join(" ");
            text.push('\n');
        }
        text
    }

    fn sentence(&mut self) -> String {
        let (subject, verb, object) = (self.one_of(&SUBJECTS), self.one_of(&VERBS), self.one_of(&OBJECTS));
        format!("{subject} {verb} {} {object} {}.", 2 + self.below(900), self.one_of(&TIMES))
    }
}

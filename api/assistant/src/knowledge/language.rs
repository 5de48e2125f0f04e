//! Which language a text is in.
//!
//! whatlang decides by letter triplets, which needs a sentence or two. A visitor's question is often four words, so
//! [`detect_among`] first counts the little words of each candidate language.

use whatlang::{Detector, Lang};

/// The language of a text, ISO 639-1, where the text is long and plain enough to be sure.
pub fn detect(text: &str) -> Option<&'static str> {
    let info = whatlang::detect(text)?;
    if !info.is_reliable() {
        return None;
    }
    code(info.lang())
}

/// The language of a text that is known to be in one of `candidates` (ISO 639-1), as short as a question may be. `None`
/// where nothing speaks for one of them: a number, a product name.
pub fn detect_among(text: &str, candidates: &[&str]) -> Option<&'static str> {
    let candidates: Vec<&(&str, Lang)> = LANGUAGES.iter().filter(|(code, _)| candidates.contains(code)).collect();
    if let Some(code) = by_little_words(text, &candidates) {
        return Some(code);
    }
    let allowed = candidates.iter().map(|(_, lang)| *lang).collect();
    let info = Detector::with_allowlist(allowed).detect(text)?;
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    // Below a dozen letters of an alphabet that several candidates share, triplets are a guess.
    let shared = candidates.iter().filter(|(_, lang)| info.lang().scripts_overlap(lang)).count() > 1;
    if shared && letters < 12 && !info.is_reliable() {
        return None;
    }
    code(info.lang())
}

/// The candidate whose little words are clearly the most in the text.
fn by_little_words(text: &str, candidates: &[&(&'static str, Lang)]) -> Option<&'static str> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut scores: Vec<(usize, &'static str)> = candidates
        .iter()
        .map(|(code, _)| {
            let little = LITTLE_WORDS.iter().find(|(of, _, _)| of == code);
            let score = little.map_or(0, |(_, list, letters)| {
                let found = words.iter().filter(|word| list.split(' ').any(|known| known == **word)).count();
                found + text.chars().filter(|c| letters.contains(*c)).count().min(2)
            });
            (score, *code)
        })
        .collect();
    scores.sort_by(|a, b| b.cmp(a));
    match scores.as_slice() {
        [(best, code), (second, _), ..] if best > second => Some(code),
        [(best, code)] if *best > 0 => Some(code),
        _ => None,
    }
}

fn code(lang: Lang) -> Option<&'static str> {
    LANGUAGES.iter().find(|(_, known)| *known == lang).map(|(code, _)| *code)
}

trait ScriptsOverlap {
    fn scripts_overlap(&self, other: &Lang) -> bool;
}

impl ScriptsOverlap for Lang {
    fn scripts_overlap(&self, other: &Lang) -> bool {
        use whatlang::Script;
        let of = |lang: Lang| Script::all().iter().filter(move |script| script.langs().contains(&lang));
        of(*self).any(|script| of(*other).any(|one| one == script))
    }
}

/// The little words a question is made of, and the letters that only this language of the list has.
const LITTLE_WORDS: &[(&str, &str, &str)] = &[
    (
        "en",
        "a an the and or but not no of to in on at by for from with about into over is are was were be been am do does did \
         can could will would should may might must have has had how what when where which who why whose much many it its \
         this that these those there i you he she we they my your our their me us them if any some get",
        "",
    ),
    (
        "fr",
        "le la les un une des du de d l et ou mais ne pas que qui quoi quel quelle quels quelles comment combien quand \
         pourquoi est sont était être ai as avez avons ont a je tu il elle nous vous ils elles mon ma mes votre vos notre \
         nos leur ce cet cette ces ça cela dans sur sous avec sans pour par chez au aux en y se si plus puis peut peux \
         puisqu qu c j n s t m où dois faut faire fait",
        "œùç",
    ),
    (
        "de",
        "der die das den dem des ein eine einen einem einer eines und oder aber nicht kein keine von zu zum zur im in an am \
         auf aus bei mit nach für über unter ist sind war waren sein bin bist wird werden wurde kann können könnte muss \
         soll sollte habe hat haben hatte wie was wann wo wer wen wem welche welcher welches warum wieso wieviel viel es \
         ich du er sie wir ihr mein meine meinen dein ihre unser sich man wenn dass als auch noch so gibt geht mich mir",
        "äöüß",
    ),
    (
        "es",
        "el la los las un una unos unas y o pero no de del al a en con sin por para sobre entre es son era fue ser estar \
         está están hay he ha han tengo tiene puedo puede pueden debo como cómo qué que cuál cuáles cuánto cuánta cuántos \
         cuántas cuándo cuando dónde donde quién quiénes porque yo tú él ella nosotros ellos mi mis tu tus su sus nuestro \
         lo le les se me te nos si sí este esta esto ese esa eso más muy",
        "ñ¿¡",
    ),
    (
        "it",
        "il lo la i gli le un uno una e o ma non di del della dei delle degli al alla ai alle da dal dalla in nel nella con \
         su sul sulla per tra fra è sono era essere ho hai ha abbiamo hanno posso può possono devo come che cosa quale \
         quali quanto quanta quanti quante quando dove chi perché io tu lui lei noi voi loro mio mia tuo suo si ci se più \
         questo questa quello cosa c",
        "ò",
    ),
    (
        "pt",
        "o a os as um uma uns umas e ou mas não de do da dos das ao à em no na nos nas com sem por pelo pela para sobre é \
         são era foi ser estar está estão há tenho tem têm posso pode podem devo como que qual quais quanto quanta quantos \
         quantas quando onde quem porque eu você ele ela nós vocês eles meu minha seu sua isso este esta isto se me lhe \
         mais muito",
        "ãõ",
    ),
    (
        "nl",
        "de het een en of maar niet geen van te aan in op bij met naar voor over uit om is zijn was waren ben bent wordt \
         worden kan kunnen moet moeten heb hebt heeft hebben hoe wat wanneer waar wie welke waarom hoeveel veel ik jij je \
         hij zij ze wij we jullie mijn uw ons onze zich men als dat dit deze die er ook nog zo mij",
        "",
    ),
];

/// ISO 639-1 of what whatlang knows.
const LANGUAGES: &[(&str, Lang)] = &[
    ("en", Lang::Eng),
    ("fr", Lang::Fra),
    ("de", Lang::Deu),
    ("es", Lang::Spa),
    ("it", Lang::Ita),
    ("pt", Lang::Por),
    ("nl", Lang::Nld),
    ("da", Lang::Dan),
    ("sv", Lang::Swe),
    ("nb", Lang::Nob),
    ("fi", Lang::Fin),
    ("et", Lang::Est),
    ("lv", Lang::Lav),
    ("lt", Lang::Lit),
    ("pl", Lang::Pol),
    ("cs", Lang::Ces),
    ("sk", Lang::Slk),
    ("sl", Lang::Slv),
    ("hr", Lang::Hrv),
    ("sr", Lang::Srp),
    ("mk", Lang::Mkd),
    ("bg", Lang::Bul),
    ("ro", Lang::Ron),
    ("hu", Lang::Hun),
    ("el", Lang::Ell),
    ("ru", Lang::Rus),
    ("uk", Lang::Ukr),
    ("be", Lang::Bel),
    ("ca", Lang::Cat),
    ("la", Lang::Lat),
    ("eo", Lang::Epo),
    ("tr", Lang::Tur),
    ("az", Lang::Aze),
    ("uz", Lang::Uzb),
    ("tk", Lang::Tuk),
    ("ka", Lang::Kat),
    ("hy", Lang::Hye),
    ("he", Lang::Heb),
    ("yi", Lang::Yid),
    ("ar", Lang::Ara),
    ("fa", Lang::Pes),
    ("ur", Lang::Urd),
    ("hi", Lang::Hin),
    ("bn", Lang::Ben),
    ("gu", Lang::Guj),
    ("pa", Lang::Pan),
    ("mr", Lang::Mar),
    ("ne", Lang::Nep),
    ("or", Lang::Ori),
    ("ta", Lang::Tam),
    ("te", Lang::Tel),
    ("kn", Lang::Kan),
    ("ml", Lang::Mal),
    ("si", Lang::Sin),
    ("my", Lang::Mya),
    ("km", Lang::Khm),
    ("th", Lang::Tha),
    ("vi", Lang::Vie),
    ("id", Lang::Ind),
    ("jv", Lang::Jav),
    ("tl", Lang::Tgl),
    ("zh", Lang::Cmn),
    ("ja", Lang::Jpn),
    ("ko", Lang::Kor),
    ("am", Lang::Amh),
    ("af", Lang::Afr),
    ("zu", Lang::Zul),
    ("sn", Lang::Sna),
    ("ak", Lang::Aka),
    ("cy", Lang::Cym),
];

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: [&str; 4] = ["en", "fr", "de", "es"];

    #[test]
    fn short_questions_come_out_right() {
        for (question, language) in [
            ("and how much is it?", "en"),
            ("How do I reset my password?", "en"),
            ("¿Cuánto cuesta?", "es"),
            ("cuanto cuesta", "es"),
            ("¿Dónde está mi pedido?", "es"),
            ("Wie starte ich den Server?", "de"),
            ("Was kostet das?", "de"),
            ("Passwort zurücksetzen", "de"),
            ("Comment installer FastAPI ?", "fr"),
            ("c'est combien ?", "fr"),
            ("et la livraison ?", "fr"),
        ] {
            assert_eq!(detect_among(question, &WORKSPACE), Some(language), "{question}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_has_no_language() {
        assert_eq!(detect_among("42", &WORKSPACE), None);
        assert_eq!(detect_among("", &WORKSPACE), None);
        assert_eq!(detect("FastAPI"), None);
    }

    #[test]
    fn only_a_candidate_is_answered() {
        assert_eq!(detect_among("Wo ist der Server?", &["en", "fr"]).filter(|code| *code == "de"), None);
        assert_eq!(detect_among("Где мой заказ?", &["en", "ru"]), Some("ru"));
        assert_eq!(detect_among("我的订单在哪里?", &["en", "zh"]), Some("zh"));
    }

    #[test]
    fn a_paragraph_is_told_without_candidates() {
        let german =
            "Der Server wird mit einem einzigen Befehl gestartet. Danach ist die Dokumentation im Browser zu sehen.";
        assert_eq!(detect(german), Some("de"));
    }

    #[test]
    fn questions_of_others_are_told_apart() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/retrieval");
        for (language, file) in [
            ("en", "xquad/en/queries.jsonl"),
            ("de", "xquad/de/queries.jsonl"),
            ("es", "xquad/es/queries.jsonl"),
            ("fr", "piaf_fr/queries.dev.jsonl"),
        ] {
            let Ok(lines) = std::fs::read_to_string(folder.join(file)) else {
                println!("skipped: no {file} in {}", folder.display());
                continue;
            };
            let questions: Vec<serde_json::Value> =
                lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let text = |question: &serde_json::Value| question["text"].as_str().unwrap_or_default().to_owned();
            let right = questions.iter().filter(|question| detect_among(&text(question), &WORKSPACE) == Some(language));
            let right = right.count();
            println!("{language}: {right} of {} questions", questions.len());
            assert!(right * 100 >= questions.len() * 97, "{language}: {right} of {}", questions.len());
        }
    }
}

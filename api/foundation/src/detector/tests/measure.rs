//! Precision and recall on the labelled sets of `../shared/data/pii`, which `docs/benchmarks.md` holds.
//!
//! A span counts as found where it and the label share four fifths of what both cover; half for names and addresses,
//! whose ends are a matter of taste. In the English sets, which label dates and beliefs of every sort, a date of birth or a
//! religion that is labelled as such a thing is right, and a missing one is not counted.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

use super::super::{Kind, Span, find};

#[derive(Default)]
struct Count {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Count {
    fn precision(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.wrong).max(1))
    }

    fn recall(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.missed).max(1))
    }
}

/// The kind of a label, and whether it is counted where it is missed.
fn kind_of(label: &str) -> Option<(Kind, bool)> {
    Some(match label {
        "EMAIL" | "EMAIL_ADDRESS" => (Kind::Email, true),
        "PHONE" | "PHONE_NUMBER" => (Kind::Phone, true),
        "IBAN" | "IBAN_CODE" => (Kind::Iban, true),
        "CARD" | "CREDIT_CARD" => (Kind::Card, true),
        "NATIONAL_ID" | "US_SSN" => (Kind::NationalNumber, true),
        "COMPANY_ID" => (Kind::CompanyNumber, true),
        "IP" | "IP_ADDRESS" => (Kind::Ip, true),
        "DATE" => (Kind::BirthDate, true),
        "DATE_TIME" => (Kind::BirthDate, false),
        "NRP" => (Kind::Religion, false),
        "PERSON" => (Kind::Name, true),
        "ADDRESS" | "STREET_ADDRESS" => (Kind::Address, true),
        _ => return None,
    })
}

fn agrees(span: &Span, kind: Kind, start: usize, end: usize) -> bool {
    let shared = span.end.min(end).saturating_sub(span.start.max(start)) as f64;
    let both = (span.end.max(end) - span.start.min(start)) as f64;
    let enough = if matches!(kind, Kind::Name | Kind::Address) { 0.5 } else { 0.8 };
    span.kind == kind && shared / both >= enough
}

fn measure(file: &str, counts: &mut BTreeMap<&'static str, Count>) -> bool {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pii").join(file);
    let Ok(lines) = fs::read_to_string(path) else {
        println!("skipped: {file} is not on this machine");
        return false;
    };
    for line in lines.lines() {
        let labelled: Value = serde_json::from_str(line).expect("a labelled text");
        let text = labelled["text"].as_str().expect("a labelled text");
        let place = |span: &Value, name: &str| {
            usize::try_from(span[name].as_u64().expect("a labelled text")).expect("a labelled text")
        };
        let labels = labelled["spans"].as_array().expect("a labelled text").iter().filter_map(|span| {
            let (kind, counted) = kind_of(span["type"].as_str().expect("a labelled text"))?;
            Some((kind, counted, place(span, "byte_start"), place(span, "byte_end")))
        });
        let mut labels: Vec<_> = labels.collect();
        for span in find(text).expect("a labelled text") {
            let count = counts.entry(span.kind.name()).or_default();
            match labels.iter().position(|(kind, _, start, end)| agrees(&span, *kind, *start, *end)) {
                Some(place) => {
                    labels.remove(place);
                    count.right += 1;
                }
                None => count.wrong += 1,
            }
        }
        for (kind, counted, ..) in labels {
            counts.entry(kind.name()).or_default().missed += u32::from(counted);
        }
    }
    true
}

fn print(title: &str, counts: &BTreeMap<&'static str, Count>) {
    println!("\n| {title} | labelled | precision | recall |\n|---|---|---|---|");
    for (name, count) in counts {
        let labelled = count.right + count.missed;
        println!("| {name} | {labelled} | {:.3} | {:.3} |", count.precision(), count.recall());
    }
}

#[test]
fn the_numbers_in_the_benchmarks_hold() {
    let (mut made, mut presidio) = (BTreeMap::new(), BTreeMap::new());
    let there = [
        measure("eu_formats_synthetic.jsonl", &mut made),
        measure("presidio_generated_large_en.dev.jsonl", &mut presidio),
        measure("presidio_synth_v2_en.dev.jsonl", &mut presidio),
    ];
    if there.contains(&false) {
        return;
    }
    print("European formats (fr, de, es, en)", &made);
    print("Presidio's sets, dev halves (en)", &presidio);
    let proved = ["EMAIL", "IBAN", "CARD", "NATIONAL_NUMBER", "COMPANY_NUMBER"];
    for (counts, kinds) in [(&made, &proved[..]), (&presidio, &proved[..4])] {
        for kind in kinds {
            let count = &counts[kind];
            assert!(count.precision() >= 0.98 && count.recall() >= 0.98, "{kind}");
        }
        let phone = &counts["PHONE"];
        assert!(phone.precision() >= 0.90 && phone.recall() >= 0.90);
    }
    let (name, address) = (&made["NAME"], &made["ADDRESS"]);
    assert!(name.precision() >= 0.95 && name.recall() >= 0.95 && address.precision() >= 0.95);
}

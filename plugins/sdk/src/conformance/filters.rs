//! Filters: what [`Filter::admits`] admits, and nothing else.

use std::sync::Arc;

use uuid::Uuid;

use super::world::{EAST, NORTH, id, near, passages, point, terms, workspace};
use crate::{Facts, Filter, IndexQuery, Point, VectorIndex};

/// Passages of three sources or none, three languages or none, tags and dates, in every combination.
fn knowledge() -> Vec<Point> {
    let sources = [None, Some(id(11)), Some(id(12))];
    let languages = [None, Some("en"), Some("fr")];
    let tags: [&[u32]; 3] = [&[], &[5], &[5, u32::MAX]];
    let dates = [0, 1_700_000_000_000, 1_800_000_000_000];
    let mut all = Vec::new();
    for source in sources {
        for language in languages {
            for tags in tags {
                for date in dates {
                    let number = all.len() as u128;
                    let language = language.map(str::to_owned);
                    let facts = Facts { source, language, tags: tags.to_vec(), date };
                    // What the terms find and what the vector finds are not the same passages.
                    let point = match number % 2 {
                        0 => point(number, 1, &EAST),
                        _ => Point { terms: terms(&[(1, 1.0)]), ..point(number, 1, &NORTH) },
                    };
                    all.push(Point { facts, ..point });
                }
            }
        }
    }
    all
}

fn questions() -> Vec<Filter> {
    let open = Filter::default;
    vec![
        open(),
        Filter { sources: vec![id(11)], ..open() },
        Filter { sources: vec![id(11), id(12)], ..open() },
        Filter { sources: vec![id(404)], ..open() },
        Filter { not_sources: vec![id(11)], ..open() },
        Filter { not_sources: vec![id(12), id(404)], ..open() },
        Filter { sources: vec![id(11), id(12)], not_sources: vec![id(12)], ..open() },
        Filter { languages: vec!["en".into()], ..open() },
        Filter { languages: vec!["fr".into(), "de".into()], ..open() },
        Filter { tags: vec![u32::MAX], ..open() },
        Filter { tags: vec![u32::MAX, 5, 404], ..open() },
        Filter { from: Some(1_700_000_000_000), ..open() },
        Filter { from: Some(1_700_000_000_001), ..open() },
        Filter { until: Some(1_700_000_000_000), ..open() },
        Filter { until: Some(0), ..open() },
        Filter { from: Some(0), until: Some(1_700_000_000_001), ..open() },
        Filter {
            sources: vec![id(12)],
            not_sources: vec![id(11)],
            languages: vec!["en".into()],
            tags: vec![5],
            from: Some(1),
            until: Some(1_800_000_000_000),
        },
    ]
}

async fn compare(index: Arc<dyn VectorIndex>, behaviour: &str, asked: &[(u32, f32)]) {
    let (acme, all) = (workspace(&index, behaviour, 1).await, knowledge());
    index.apply(&acme, all.clone(), &[], 1).await.unwrap();
    for filter in questions() {
        let mut wanted: Vec<Uuid> = all.iter().filter(|p| filter.admits(&p.facts)).map(|p| p.passage).collect();
        let question = IndexQuery { terms: terms(asked), filter: filter.clone(), ..near(&EAST, 1000) };
        let mut found = passages(&index.search(&acme, &question).await.unwrap());
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "{filter:?}");
    }
}

/// Each condition alone, and all of them together.
pub async fn a_filter_finds_exactly_what_it_admits(index: Arc<dyn VectorIndex>) {
    compare(index, "filters", &[]).await;
}

/// Terms are no way around a filter.
pub async fn a_filter_holds_for_what_terms_find_too(index: Arc<dyn VectorIndex>) {
    compare(index, "filters and terms", &[(1, 1.0)]).await;
}

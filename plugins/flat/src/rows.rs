//! The points of one partition.
//!
//! Vectors lie in blocks of [`BLOCK_ROWS`] that never move: growing copies nothing, so no stale copy of a vector is left
//! behind in freed memory, and a small workspace pays for one small block. Removing moves the last row into the gap
//! and overwrites the place it came from; the postings follow once a change is through.

use std::collections::{HashMap, HashSet};

use consigne_sdk::{Filter, PluginError, PluginErrorKind, Point, Result, Term};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    code::{Layers, Scale, encode},
    known_facts::KnownFacts,
    postings::{self, MOST_ROWS, Postings},
};

/// Rows of a block. 64 rows of 384 numbers are 49 KiB: little for a small workspace, long enough for a scan.
pub(crate) const BLOCK_ROWS: usize = 64;

/// Bytes a partition takes beside its points.
const FIXED_BYTES: usize = 1024;

/// Bytes of a row's owner, and of the passage's line in the table of places.
const IDS_BYTES: usize = size_of::<Owner>() + 24;

/// Up to [`BLOCK_ROWS`] vectors, one after the other. Overwritten when dropped.
struct Block {
    coarse: Zeroizing<Vec<i8>>,
    fine: Zeroizing<Vec<i8>>,
    scales: [Scale; BLOCK_ROWS],
}

impl Block {
    fn new(dimensions: usize) -> Self {
        Self {
            coarse: Zeroizing::new(vec![0; BLOCK_ROWS * dimensions]),
            fine: Zeroizing::new(vec![0; BLOCK_ROWS * dimensions]),
            scales: [Scale::default(); BLOCK_ROWS],
        }
    }

    fn layers(&self, row: usize, dimensions: usize) -> Layers<'_> {
        let span = row * dimensions..(row + 1) * dimensions;
        Layers { coarse: &self.coarse[span.clone()], fine: &self.fine[span], scale: self.scales[row] }
    }
}

/// Whose a row is, and the number of its facts.
#[derive(Debug, Clone, Copy)]
struct Owner {
    passage: Uuid,
    document: Uuid,
    facts: u32,
}

/// The points of one partition and whose they are.
#[derive(Default)]
pub(crate) struct Rows {
    dimensions: usize,
    blocks: Vec<Block>,
    owners: Vec<Owner>,
    places: HashMap<Uuid, usize>,
    postings: Postings,
    facts: KnownFacts,
}

/// Where each row was before a change began: nowhere for one that is new or whose terms are not those of before.
struct Origins {
    before: usize,
    of_row: Vec<Option<u32>>,
}

impl Origins {
    fn of(rows: usize) -> Self {
        Self { before: rows, of_row: (0..rows as u32).map(Some).collect() }
    }

    /// Where each row of before is now.
    fn now(&self) -> Vec<Option<u32>> {
        let mut now = vec![None; self.before];
        for (row, origin) in self.of_row.iter().enumerate() {
            if let Some(origin) = origin {
                now[*origin as usize] = Some(row as u32);
            }
        }
        now
    }
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Length of a vector; 0 before the first was put.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Whose row `at` is.
    pub fn passage(&self, at: usize) -> Uuid {
        self.owners[at].passage
    }

    /// All passages.
    pub fn passages(&self) -> Vec<Uuid> {
        self.owners.iter().map(|owner| owner.passage).collect()
    }

    /// The vector of row `at`, of unit length.
    pub fn vector(&self, at: usize) -> Layers<'_> {
        self.blocks[at / BLOCK_ROWS].layers(at % BLOCK_ROWS, self.dimensions)
    }

    /// The vectors of all rows, in order.
    pub fn vectors(&self) -> impl Iterator<Item = Layers<'_>> {
        let width = self.dimensions.max(1);
        self.blocks
            .iter()
            .flat_map(move |block| {
                let layers = block.coarse.chunks_exact(width).zip(block.fine.chunks_exact(width)).zip(&block.scales);
                layers.map(|((coarse, fine), scale)| Layers { coarse, fine, scale: *scale })
            })
            .take(self.len())
    }

    /// What a question's terms add to each row's cosine; `None` where they add nothing anywhere.
    pub fn term_scores(&self, terms: &[Term]) -> Option<Vec<f32>> {
        self.postings.scores(terms, self.len())
    }

    /// Which rows may be found; `None` where all may.
    pub fn admitted(&self, filter: &Filter) -> Option<impl Fn(usize) -> bool + use<'_>> {
        let by_facts = self.facts.admitted(filter)?;
        Some(move |row: usize| by_facts[self.owners[row].facts as usize])
    }

    fn vector_bytes(rows: usize, dimensions: usize) -> usize {
        let block = BLOCK_ROWS * (2 * dimensions + size_of::<Scale>());
        FIXED_BYTES + rows.div_ceil(BLOCK_ROWS) * block + rows.next_power_of_two() * IDS_BYTES
    }

    /// Bytes these rows take.
    pub fn bytes(&self) -> usize {
        Self::vector_bytes(self.len(), self.dimensions) + self.postings.bytes() + self.facts.bytes()
    }

    /// Refuses points that cannot be compared with the ones here, before anything changed.
    ///
    /// # Errors
    /// `Internal`, naming both lengths, or the passage whose vector holds something else than numbers.
    pub fn check(&self, put: &[Point]) -> Result<()> {
        let expected =
            if self.dimensions > 0 { self.dimensions } else { put.first().map_or(0, |point| point.vector.len()) };
        for point in put {
            check_length(expected, point.vector.len())?;
            if point.vector.is_empty() || !point.vector.iter().all(|value| value.is_finite()) {
                let message = format!("the vector of passage {} is empty or not finite", point.passage);
                return Err(PluginError::new(PluginErrorKind::Internal, message));
            }
        }
        if self.len() + put.len() > MOST_ROWS {
            let message = format!("one partition may have {MOST_ROWS} passages: use a vector server");
            return Err(PluginError::new(PluginErrorKind::Misconfigured, message));
        }
        Ok(())
    }

    /// Bytes that these rows take after this change, at most.
    pub fn bytes_after(&self, put: &[Point], remove: &[Uuid]) -> usize {
        let (rows, dimensions) = self.size_after(put, remove);
        let postings = put.iter().map(|point| point.terms.len()).sum();
        Self::vector_bytes(rows, dimensions)
            + self.postings.bytes()
            + postings::most_bytes(postings)
            + self.facts.bytes()
    }

    /// How many rows there will be, and of which length, after this change.
    fn size_after(&self, put: &[Point], remove: &[Uuid]) -> (usize, usize) {
        let removed: HashSet<&Uuid> = remove.iter().filter(|passage| self.places.contains_key(passage)).collect();
        let added: HashSet<&Uuid> = put.iter().map(|point| &point.passage).collect();
        let is_new = |passage: &&&Uuid| !self.places.contains_key(**passage) || removed.contains(**passage);
        let rows = self.len() - removed.len() + added.iter().filter(is_new).count();
        (rows, put.first().map_or(self.dimensions, |point| point.vector.len()))
    }

    /// Takes the points of `remove` away, then puts those of `put`, which were checked before. A point that exists is
    /// overwritten.
    pub fn change(&mut self, put: Vec<Point>, remove: &[Uuid]) {
        let mut origins = Origins::of(self.len());
        for passage in remove {
            if let Some(at) = self.places.get(passage).copied() {
                self.take(at, &mut origins);
            }
        }
        let mut terms = HashMap::with_capacity(put.len());
        for mut point in put {
            let of_point = std::mem::take(&mut point.terms);
            let at = self.place(point, &mut origins);
            terms.insert(at, of_point);
        }
        self.follow(&origins);
        for (at, terms) in terms {
            self.postings.add(at, &terms);
        }
        self.give_back();
    }

    /// Takes away all points of a document and says how many there were.
    pub fn remove_document(&mut self, document: Uuid) -> u64 {
        let mut origins = Origins::of(self.len());
        let mut removed = 0;
        for at in (0..self.len()).rev() {
            if self.owners[at].document == document {
                self.take(at, &mut origins);
                removed += 1;
            }
        }
        self.follow(&origins);
        self.give_back();
        removed
    }

    /// Puts a point without its terms, and says where.
    fn place(&mut self, mut point: Point, origins: &mut Origins) -> usize {
        self.dimensions = point.vector.len();
        let next = self.len();
        let at = *self.places.entry(point.passage).or_insert(next);
        let facts = self.facts.number(std::mem::take(&mut point.facts));
        let owner = Owner { passage: point.passage, document: point.document, facts };
        if at == next {
            self.owners.push(owner);
            origins.of_row.push(None);
            if next.is_multiple_of(BLOCK_ROWS) {
                self.blocks.push(Block::new(self.dimensions));
            }
        } else {
            self.owners[at] = owner;
            origins.of_row[at] = None;
        }
        let (block, row) = (&mut self.blocks[at / BLOCK_ROWS], at % BLOCK_ROWS);
        let span = row * self.dimensions..(row + 1) * self.dimensions;
        block.scales[row] = encode(&point.vector, &mut block.coarse[span.clone()], &mut block.fine[span]);
        point.vector.zeroize();
        at
    }

    /// Moves the last row to `at` and overwrites where it was.
    fn take(&mut self, at: usize, origins: &mut Origins) {
        let last = self.len() - 1;
        self.places.remove(&self.owners[at].passage);
        self.owners.swap_remove(at);
        origins.of_row.swap_remove(at);
        let Some(mut tail) = self.blocks.pop() else { return };
        let (row, width) = (last % BLOCK_ROWS, self.dimensions);
        let from = row * width..(row + 1) * width;
        if at != last {
            self.places.insert(self.owners[at].passage, at);
            let to = at % BLOCK_ROWS * width;
            if at / BLOCK_ROWS == self.blocks.len() {
                tail.coarse.copy_within(from.clone(), to);
                tail.fine.copy_within(from.clone(), to);
                tail.scales[at % BLOCK_ROWS] = tail.scales[row];
            } else {
                let block = &mut self.blocks[at / BLOCK_ROWS];
                block.coarse[to..to + width].copy_from_slice(&tail.coarse[from.clone()]);
                block.fine[to..to + width].copy_from_slice(&tail.fine[from.clone()]);
                block.scales[at % BLOCK_ROWS] = tail.scales[row];
            }
        }
        if row == 0 {
            return; // The block is empty: dropping it overwrites and frees it.
        }
        tail.coarse[from.clone()].zeroize();
        tail.fine[from].zeroize();
        tail.scales[row] = Scale::default();
        self.blocks.push(tail);
    }

    /// Brings the postings in step with rows that moved or went, where any did.
    fn follow(&mut self, origins: &Origins) {
        let kept = origins.of_row.iter().take(origins.before).enumerate();
        let unmoved = kept.filter(|(row, origin)| **origin == Some(*row as u32)).count();
        if unmoved < origins.before {
            self.postings.follow(&origins.now());
        }
    }

    /// Frees what a removal left unused.
    fn give_back(&mut self) {
        let rows = self.len();
        if self.owners.capacity() > 2 * rows + BLOCK_ROWS {
            self.owners.shrink_to_fit();
            self.places.shrink_to_fit();
            self.blocks.shrink_to_fit();
        }
        self.facts.keep_used(self.owners.iter_mut().map(|owner| &mut owner.facts));
        if rows == 0 {
            self.dimensions = 0;
        }
    }
}

/// Refuses a vector of another length than the partition's.
///
/// # Errors
/// `Internal`, naming both lengths.
pub(crate) fn check_length(expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let message = format!("a vector has {found} numbers where this partition's vectors have {expected}");
    Err(PluginError::new(PluginErrorKind::Internal, message))
}

#[cfg(test)]
mod tests {
    use consigne_sdk::Facts;

    use super::*;

    /// A term that every passage has.
    const COMMON: u32 = 777;

    fn point(passage: u128, document: u128, first: f32) -> Point {
        let mut vector = vec![0.01; 8];
        vector[0] = first;
        let terms = vec![Term { number: passage as u32, weight: 1.0 }, Term { number: COMMON, weight: 2.0 }];
        let facts = Facts { date: document as i64, ..Facts::default() };
        Point { passage: Uuid::from_u128(passage), document: Uuid::from_u128(document), vector, terms, facts }
    }

    fn filled(count: u128) -> Rows {
        let mut rows = Rows::default();
        rows.change((0..count).map(|n| point(n, n % 3, n as f32 + 1.0)).collect(), &[]);
        rows
    }

    #[test]
    fn a_removed_vector_leaves_no_number_behind() {
        let mut rows = filled(70);
        let keep = [Uuid::from_u128(0), Uuid::from_u128(69)];
        let remove: Vec<Uuid> = rows.passages().into_iter().filter(|passage| !keep.contains(passage)).collect();
        rows.change(Vec::new(), &remove);

        assert_eq!(rows.len(), 2);
        assert_eq!(rows.blocks.len(), 1);
        let left = 2 * rows.dimensions;
        assert!(rows.blocks[0].coarse[left..].iter().all(|value| *value == 0));
        assert!(rows.blocks[0].fine[left..].iter().all(|value| *value == 0));
        assert!(rows.blocks[0].scales[2..].iter().all(|scale| *scale == Scale::default()));
    }

    #[test]
    fn a_row_that_moves_into_a_gap_keeps_its_vector_and_its_owner() {
        for gap in [0, 10, 63, 64, 68] {
            let mut rows = filled(70);
            let moved = rows.vector(69).coarse.to_vec();
            rows.change(Vec::new(), &[Uuid::from_u128(gap)]);
            assert_eq!(rows.vector(gap as usize).coarse, moved.as_slice(), "gap {gap}");
            let scores = rows.term_scores(&[Term { number: 69, weight: 1.0 }]).unwrap();
            assert_eq!(scores.iter().position(|score| *score > 0.9), Some(gap as usize), "its terms follow");
            assert!(rows.term_scores(&[Term { number: gap as u32, weight: 1.0 }]).is_none(), "its terms are gone");
            assert_eq!(rows.passage(gap as usize), Uuid::from_u128(69));
            assert_eq!(rows.places[&Uuid::from_u128(69)], gap as usize);
        }
    }

    #[test]
    fn removing_gives_memory_back() {
        let mut rows = filled(10_000);
        let full = rows.bytes();
        for document in 0..3 {
            rows.remove_document(Uuid::from_u128(document));
        }
        assert!(rows.blocks.is_empty());
        assert_eq!(rows.owners.capacity(), 0);
        assert!(rows.bytes() < full / 100);
    }

    #[test]
    fn the_size_after_a_change_is_known_before_it() {
        let mut rows = filled(100);
        let put = vec![point(5, 0, 1.0), point(6, 0, 1.0), point(200, 0, 1.0), point(200, 0, 2.0)];
        let remove = [Uuid::from_u128(6), Uuid::from_u128(7), Uuid::from_u128(7), Uuid::from_u128(999)];
        let (expected, dimensions) = rows.size_after(&put, &remove);
        rows.change(put, &remove);
        assert_eq!((rows.len(), rows.dimensions()), (expected, dimensions));
        assert_eq!(expected, 100);
    }

    #[test]
    fn a_point_put_again_has_its_new_terms_and_facts_alone() {
        let mut rows = filled(5);
        let mut again = point(3, 9, 1.0);
        again.terms = vec![Term { number: 1000, weight: 1.0 }];
        rows.change(vec![again], &[]);
        let with = |number| rows.term_scores(&[Term { number, weight: 1.0 }]);
        assert!(with(1000).unwrap()[3] > 0.9);
        assert!(with(3).is_none(), "a term of before is still there");
        assert_eq!(with(COMMON).unwrap()[3], 0.0);
        let only_new = rows.admitted(&Filter { from: Some(9), ..Filter::default() }).unwrap();
        assert_eq!((0..5).filter(|row| only_new(*row)).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn memory_that_is_counted_covers_memory_that_is_taken() {
        let rows = filled(1000);
        let taken: usize =
            rows.blocks.iter().map(|b| b.coarse.capacity() + b.fine.capacity() + size_of_val(&b.scales)).sum();
        let ids = rows.owners.len() * size_of::<Owner>() + rows.places.len() * size_of::<(Uuid, usize)>();
        assert!(rows.bytes() >= taken + ids, "{} < {}", rows.bytes(), taken + ids);
    }
}

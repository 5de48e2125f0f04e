//! The vectors of one partition.
//!
//! They lie in blocks of [`BLOCK_ROWS`] that never move: growing copies nothing, so no stale copy of a vector is left
//! behind in freed memory, and a small workspace pays for one small block. Removing moves the last row into the gap
//! and overwrites the place it came from.

use std::collections::{HashMap, HashSet};

use consigne_sdk::{PluginError, PluginErrorKind, Point, Result};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::code::{Scale, encode};

/// Rows of a block. 64 rows of 384 numbers are 121 KiB: little for a small workspace, long enough for a scan.
pub(crate) const BLOCK_ROWS: usize = 64;

/// Bytes a partition takes beside its vectors and ids.
const FIXED_BYTES: usize = 1024;

/// Bytes of a row's ids: passage and document, and the passage's line in the table of places.
const IDS_BYTES: usize = 32 + 24;

/// Up to [`BLOCK_ROWS`] vectors, one after the other. Overwritten when dropped.
struct Block {
    bytes: Zeroizing<Vec<i8>>,
    exact: Zeroizing<Vec<f32>>,
    scales: [Scale; BLOCK_ROWS],
}

impl Block {
    fn new(dimensions: usize) -> Self {
        Self {
            bytes: Zeroizing::new(vec![0; BLOCK_ROWS * dimensions]),
            exact: Zeroizing::new(vec![0.0; BLOCK_ROWS * dimensions]),
            scales: [Scale::default(); BLOCK_ROWS],
        }
    }
}

/// Whose a row is.
#[derive(Debug, Clone, Copy)]
struct Owner {
    passage: Uuid,
    document: Uuid,
}

/// One row, as a search reads it.
pub(crate) struct Row<'a> {
    /// Rounded.
    pub bytes: &'a [i8],
    /// How to read the bytes.
    pub scale: Scale,
}

/// The vectors of one partition and whose they are.
#[derive(Default)]
pub(crate) struct Rows {
    dimensions: usize,
    blocks: Vec<Block>,
    owners: Vec<Owner>,
    places: HashMap<Uuid, usize>,
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
    pub fn exact(&self, at: usize) -> &[f32] {
        let start = at % BLOCK_ROWS * self.dimensions;
        &self.blocks[at / BLOCK_ROWS].exact[start..start + self.dimensions]
    }

    /// All rows in order, rounded.
    pub fn rounded(&self) -> impl Iterator<Item = Row<'_>> {
        let rows =
            self.blocks.iter().flat_map(|block| block.bytes.chunks_exact(self.dimensions.max(1)).zip(&block.scales));
        rows.take(self.len()).map(|(bytes, scale)| Row { bytes, scale: *scale })
    }

    /// Bytes that `rows` rows of this many numbers take.
    pub fn bytes_of(rows: usize, dimensions: usize) -> usize {
        let block = BLOCK_ROWS * (dimensions * (size_of::<i8>() + size_of::<f32>()) + size_of::<Scale>());
        FIXED_BYTES + rows.div_ceil(BLOCK_ROWS) * block + rows.next_power_of_two() * IDS_BYTES
    }

    /// Bytes these rows take.
    pub fn bytes(&self) -> usize {
        Self::bytes_of(self.len(), self.dimensions)
    }

    /// Refuses vectors that cannot be compared with the ones here, before anything changed.
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
        Ok(())
    }

    /// How many rows there will be, and of which length, after this change.
    pub fn size_after(&self, put: &[Point], remove: &[Uuid]) -> (usize, usize) {
        let removed: HashSet<&Uuid> = remove.iter().filter(|passage| self.places.contains_key(passage)).collect();
        let added: HashSet<&Uuid> = put.iter().map(|point| &point.passage).collect();
        let is_new = |passage: &&&Uuid| !self.places.contains_key(**passage) || removed.contains(**passage);
        let rows = self.len() - removed.len() + added.iter().filter(is_new).count();
        (rows, put.first().map_or(self.dimensions, |point| point.vector.len()))
    }

    /// Takes the vectors of `remove` away, then puts those of `put`, which were checked before. A vector that exists
    /// is overwritten.
    pub fn change(&mut self, put: Vec<Point>, remove: &[Uuid]) {
        for passage in remove {
            if let Some(at) = self.places.get(passage) {
                self.take(*at);
            }
        }
        for point in put {
            self.place(point);
        }
        self.give_back();
    }

    /// Takes away all vectors of a document and says how many there were.
    pub fn remove_document(&mut self, document: Uuid) -> u64 {
        let mut removed = 0;
        for at in (0..self.len()).rev() {
            if self.owners[at].document == document {
                self.take(at);
                removed += 1;
            }
        }
        self.give_back();
        removed
    }

    fn place(&mut self, mut point: Point) {
        self.dimensions = point.vector.len();
        let next = self.len();
        let at = *self.places.entry(point.passage).or_insert(next);
        let owner = Owner { passage: point.passage, document: point.document };
        if at == next {
            self.owners.push(owner);
            if next.is_multiple_of(BLOCK_ROWS) {
                self.blocks.push(Block::new(self.dimensions));
            }
        } else {
            self.owners[at] = owner;
        }
        let (block, row) = (&mut self.blocks[at / BLOCK_ROWS], at % BLOCK_ROWS);
        let span = row * self.dimensions..(row + 1) * self.dimensions;
        block.scales[row] = encode(&point.vector, &mut block.exact[span.clone()], &mut block.bytes[span]);
        point.vector.zeroize();
    }

    /// Moves the last row to `at` and overwrites where it was.
    fn take(&mut self, at: usize) {
        let last = self.len() - 1;
        self.places.remove(&self.owners[at].passage);
        self.owners.swap_remove(at);
        let Some(mut tail) = self.blocks.pop() else { return };
        let (row, width) = (last % BLOCK_ROWS, self.dimensions);
        let from = row * width..(row + 1) * width;
        if at != last {
            self.places.insert(self.owners[at].passage, at);
            let to = at % BLOCK_ROWS * width;
            if at / BLOCK_ROWS == self.blocks.len() {
                tail.bytes.copy_within(from.clone(), to);
                tail.exact.copy_within(from.clone(), to);
                tail.scales[at % BLOCK_ROWS] = tail.scales[row];
            } else {
                let block = &mut self.blocks[at / BLOCK_ROWS];
                block.bytes[to..to + width].copy_from_slice(&tail.bytes[from.clone()]);
                block.exact[to..to + width].copy_from_slice(&tail.exact[from.clone()]);
                block.scales[at % BLOCK_ROWS] = tail.scales[row];
            }
        }
        if row == 0 {
            return; // The block is empty: dropping it overwrites and frees it.
        }
        tail.bytes[from.clone()].zeroize();
        tail.exact[from].zeroize();
        tail.scales[row] = Scale::default();
        self.blocks.push(tail);
    }

    /// Frees what a removal left unused.
    fn give_back(&mut self) {
        let rows = self.len();
        if self.owners.capacity() > 2 * rows + BLOCK_ROWS {
            self.owners.shrink_to_fit();
            self.places.shrink_to_fit();
            self.blocks.shrink_to_fit();
        }
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
    use super::*;

    fn point(passage: u128, document: u128, first: f32) -> Point {
        let mut vector = vec![0.01; 8];
        vector[0] = first;
        Point { passage: Uuid::from_u128(passage), document: Uuid::from_u128(document), vector }
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
        assert!(rows.blocks[0].exact[left..].iter().all(|value| *value == 0.0));
        assert!(rows.blocks[0].bytes[left..].iter().all(|value| *value == 0));
        assert!(rows.blocks[0].scales[2..].iter().all(|scale| *scale == Scale::default()));
    }

    #[test]
    fn a_row_that_moves_into_a_gap_keeps_its_vector_and_its_owner() {
        for gap in [0, 10, 63, 64, 68] {
            let mut rows = filled(70);
            let moved = rows.exact(69).to_vec();
            rows.change(Vec::new(), &[Uuid::from_u128(gap)]);
            assert_eq!(rows.exact(gap as usize), moved.as_slice(), "gap {gap}");
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
    fn memory_that_is_counted_covers_memory_that_is_taken() {
        let rows = filled(1000);
        let taken: usize =
            rows.blocks.iter().map(|b| b.bytes.capacity() + 4 * b.exact.capacity() + size_of_val(&b.scales)).sum();
        let ids = rows.owners.len() * size_of::<Owner>() + rows.places.len() * size_of::<(Uuid, usize)>();
        assert!(rows.bytes() >= taken + ids, "{} < {}", rows.bytes(), taken + ids);
    }
}

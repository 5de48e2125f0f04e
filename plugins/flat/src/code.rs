//! One vector as two layers of bytes, and how far the first layer can be off.
//!
//! A vector of unit length is rounded to `i8` under a scale of its own, and what that took away is rounded to `i8` again.
//! The first layer alone is scanned. With `x` the vector, `x'` what its first layer stands for, and `y`, `y'` the same of
//! a question, the inequality of Cauchy and Schwarz gives `|x·y - x'·y'| <= |x - x'| |y| + |x'| |y - y'|`: the distance
//! between the scan and the cosine is bounded by two lengths that are known beforehand. The scan uses that bound, not a
//! guess, to leave vectors out. Both layers together are some 16 bits a number: cosines of text come out within 1e-5.

use simsimd::SpatialSimilarity;

/// Steps of the second layer in one of the first.
const FINER: f32 = 254.0;

/// How a row of bytes is read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Scale {
    /// What one step of the first layer stands for.
    pub step: f32,
    /// Length of what the first layer leaves out.
    pub lost: f32,
    /// Length of what the first layer stands for.
    pub kept: f32,
}

/// A vector as bytes, both layers.
#[derive(Clone, Copy)]
pub(crate) struct Layers<'a> {
    /// First layer.
    pub coarse: &'a [i8],
    /// Second layer.
    pub fine: &'a [i8],
    /// How both are read.
    pub scale: Scale,
}

impl Layers<'_> {
    /// What the first layers alone say of the cosine.
    #[inline]
    pub fn about(&self, other: &Layers) -> f32 {
        dot(self.coarse, other.coarse) * self.scale.step * other.scale.step
    }

    /// The cosine, from both layers.
    #[inline]
    pub fn cosine(&self, other: &Layers) -> f32 {
        let once = dot(self.coarse, other.fine) + dot(self.fine, other.coarse);
        let twice = dot(self.fine, other.fine);
        let sum = dot(self.coarse, other.coarse) + once / FINER + twice / (FINER * FINER);
        (sum * self.scale.step * other.scale.step).clamp(-1.0, 1.0)
    }
}

/// Brings `vector` to unit length and writes its two layers. A vector of zeros stays zeros.
pub(crate) fn encode(vector: &[f32], coarse: &mut [i8], fine: &mut [i8]) -> Scale {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    if length == 0.0 || largest == 0.0 {
        coarse.fill(0);
        fine.fill(0);
        return Scale::default();
    }
    let step = f64::from(largest) / length / 127.0;
    let (mut lost, mut kept) = (0.0_f64, 0.0_f64);
    for ((first, second), value) in coarse.iter_mut().zip(fine).zip(vector) {
        let value = f64::from(*value) / length;
        *first = (value / step).round() as i8;
        let stands_for = f64::from(*first) * step;
        let rest = value - stands_for;
        *second = (rest / step * f64::from(FINER)).round() as i8;
        lost += rest.powi(2);
        kept += stands_for.powi(2);
    }
    Scale { step: step as f32, lost: lost.sqrt() as f32, kept: kept.sqrt() as f32 }
}

#[inline]
fn dot(a: &[i8], b: &[i8]) -> f32 {
    i8::dot(a, b).unwrap_or_default() as f32
}

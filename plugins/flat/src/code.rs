//! One vector as bytes, and how far the bytes can be off.
//!
//! A vector of unit length is rounded to `i8` under a scale of its own. With `x` the vector, `x'` what the bytes stand
//! for, and `y`, `y'` the same of a question, the inequality of Cauchy and Schwarz gives
//! `|x·y - x'·y'| <= |x - x'| |y| + |x'| |y - y'|`: the distance between the byte scan and the true cosine is bounded
//! by two lengths that are known beforehand. The scan uses that bound, not a guess, to leave vectors out.

use simsimd::SpatialSimilarity;

/// How a row of bytes is read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Scale {
    /// What one step of a byte stands for.
    pub step: f32,
    /// Length of what rounding took away.
    pub lost: f32,
    /// Length of what the bytes stand for.
    pub kept: f32,
}

/// Writes `vector`, brought to unit length, into `exact`, and its bytes into `bytes`. A vector of zeros stays zeros.
pub(crate) fn encode(vector: &[f32], exact: &mut [f32], bytes: &mut [i8]) -> Scale {
    let length = norm(vector);
    let unit = if length > 0.0 { 1.0 / length } else { 0.0 };
    let mut largest = 0.0_f32;
    for (place, value) in exact.iter_mut().zip(vector) {
        *place = (f64::from(*value) * unit) as f32;
        largest = largest.max(place.abs());
    }
    if largest == 0.0 {
        bytes.fill(0);
        return Scale::default();
    }
    let step = largest / 127.0;
    let (mut lost, mut kept) = (0.0_f64, 0.0_f64);
    for (byte, value) in bytes.iter_mut().zip(exact.iter()) {
        *byte = (value / step).round() as i8;
        let stands_for = f64::from(*byte) * f64::from(step);
        lost += (f64::from(*value) - stands_for).powi(2);
        kept += stands_for.powi(2);
    }
    Scale { step, lost: lost.sqrt() as f32, kept: kept.sqrt() as f32 }
}

/// The dot product of two rows of bytes.
#[inline]
pub(crate) fn dot_bytes(a: &[i8], b: &[i8]) -> f32 {
    i8::dot(a, b).unwrap_or_default() as f32
}

/// The cosine of two vectors of unit length.
#[inline]
pub(crate) fn dot_exact(a: &[f32], b: &[f32]) -> f32 {
    f32::dot(a, b).unwrap_or_default() as f32
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

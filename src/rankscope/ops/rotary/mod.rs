//! Rotary position embedding.

pub(crate) mod cpu;
pub(super) mod gpu;

use crate::axis::{Axis, Shape};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ops::blocks::rewrite;
use crate::ops::{expect_size, scale};
use crate::tape;
use crate::tensor::Tensor;

/// Cosines and sines of the rotation angles, `[T, D/2]` each, made on the CPU in f64.
///
/// A shader's own sin and cos are only guaranteed to an error of 2⁻¹¹, far too large for this.
#[derive(Clone, Debug)]
pub struct RotaryTable {
    cos: Tensor,
    sin: Tensor,
}

impl RotaryTable {
    /// The table for `count` positions from `first` on: angle\[t, i\] = (first + t) · base^(−2i/D).
    ///
    /// # Errors
    /// [`Error::Invalid`] if the head size is odd or the base is not a positive number;
    /// [`Error::Gpu`] if the upload fails.
    pub fn new(first: usize, count: usize, head_size: usize, base: f64, device: &Device) -> Result<Self> {
        if !head_size.is_multiple_of(2) || head_size == 0 {
            return Err(Error::invalid("head size for rotary positions", head_size, "an even number"));
        }
        if !(base.is_finite() && base > 0.0) {
            return Err(Error::invalid("rotary base", base, "a positive number"));
        }
        RotaryTable::scaled(first, count, &RotaryTable::frequencies(head_size, base), 1.0, device)
    }

    /// The usual angular frequencies: ωᵢ = base^(−2i/D), in radians per position.
    ///
    /// **Shapes**: `[D/2]`.
    pub fn frequencies(head_size: usize, base: f64) -> Vec<f64> {
        (0..head_size / 2).map(|pair| base.powf(-2.0 * pair as f64 / head_size as f64)).collect()
    }

    /// The table for any frequencies, angle\[t, i\] = (first + t) · ωᵢ, with cosines and sines multiplied by a
    /// factor: rotated queries and keys are then longer by the factor, and scores by its square.
    ///
    /// **Shapes**: frequencies ω `[D/2]`, in radians per position.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are no frequencies, or if one of them or the factor is not finite; [`Error::Gpu`] if
    /// the upload fails.
    ///
    /// **Source**: Peng et al. 2023 (arXiv 2309.00071), section 3.4.
    pub fn scaled(
        first: usize,
        count: usize,
        frequencies: &[f64],
        factor: f64,
        device: &Device,
    ) -> Result<Self> {
        if !factor.is_finite() {
            return Err(Error::invalid("factor of rotary positions", factor, "a finite number"));
        }
        if frequencies.is_empty() {
            return Err(Error::invalid("number of rotary frequencies", 0, "half the head size"));
        }
        if let Some(bad) = frequencies.iter().find(|frequency| !frequency.is_finite()) {
            return Err(Error::invalid("rotary frequency", bad, "a finite number"));
        }
        let half = frequencies.len();
        let angle = |i: usize| (first + i / half) as f64 * frequencies[i % half];
        let table = |f: fn(f64) -> f64| {
            let values = (0..count * half).map(|i| (factor * f(angle(i))) as f32).collect();
            let axes = [(Axis::Query, count), (Axis::HeadSize, half)];
            Tensor::on_cpu(Shape::new(axes), values).to_device_as_constant(device)
        };
        Ok(RotaryTable { cos: table(f64::cos)?, sin: table(f64::sin)? })
    }
}

/// Rotates pairs of a head's coordinates by an angle that grows with the position.
///
/// For i < D/2, with θ the angle of position t and pair i:
/// y\[i\] = x\[i\] cos θ − x\[i + D/2\] sin θ and y\[i + D/2\] = x\[i + D/2\] cos θ + x\[i\] sin θ.
/// Products of rotated queries and keys then depend on the difference of their positions alone.
///
/// **Shapes**: x `[B, H or G, T, D]`, table `[T, D/2]`; the result as x.
///
/// **Conventions**: coordinates i and i + D/2 form a pair (as in Hugging Face checkpoints), where the
/// paper pairs 2i and 2i + 1; the two differ by a permutation of the weights' rows.
///
/// # Errors
/// [`Error::Axes`] or [`Error::Size`] if the shapes do not fit, [`Error::Placement`] if the devices differ.
///
/// **Source**: Su et al. 2021 (arXiv 2104.09864), equation 34.
pub fn rotary(x: impl Into<Tensor>, table: &RotaryTable) -> Result<Tensor> {
    let x = x.into();
    let (queries, half) = expect_heads(&x)?;
    let [table_queries, table_half] =
        table.cos.shape().expect("rotary", "table", [Axis::Query, Axis::HeadSize])?;
    expect_size("rotary", "table", Axis::Query, queries, table_queries)?;
    expect_size("rotary", "table", Axis::HeadSize, half, table_half)?;
    table.cos.expect_same_device("rotary", "table", &x.device())?;
    let (tape, [x]) = tape::begin("rotary", [x])?;
    let y = match (table.cos.as_slice(), table.sin.as_slice()) {
        (Some(cos), Some(sin)) => rewrite(x, 2 * half, cpu::ROTATION, |first, rows| {
            cpu::rotate(rows, first, [queries, half], cos, sin);
        }),
        _ => gpu::rotary(&x, &table.cos, &table.sin, queries, half)?,
    };
    let back = tape.as_ref().map(|_| table.clone());
    Ok(tape::record(tape, y, |dy| {
        // The transpose of a rotation is the rotation by the opposite angle.
        let table = back.expect("kept where there is a tape");
        Ok([Some(rotary(dy, &RotaryTable { sin: scale(&table.sin, -1.0)?, ..table })?)])
    }))
}

fn expect_heads(x: &Tensor) -> Result<(usize, usize)> {
    match x.shape().axes() {
        [_, _, (Axis::Query, queries), (Axis::HeadSize, size)] if size.is_multiple_of(2) => {
            Ok((*queries, size / 2))
        }
        _ => {
            let (expected, got) = ("[B, H, T, D] with an even D".to_owned(), x.shape().to_string());
            Err(Error::Axes { op: "rotary", argument: "x", expected, got })
        }
    }
}

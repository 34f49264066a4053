//! [`Matrix`]: numbers on the CPU that a heatmap draws.

use ndarray::Array2;
use rankscope::Mask;

use super::Scale;

/// Numbers with a mask. Keep it in an `Arc`: it is sent to the graphics device once, when it is first drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// The values `[T, S]`.
    pub values: Array2<f64>,
    /// Which entries are allowed, `[T, S]`; masked ones are hatched. `None`: no mask.
    pub may_attend: Option<Array2<bool>>,
}

impl Matrix {
    /// A matrix without a mask.
    pub fn new(values: Array2<f64>) -> Self {
        Matrix { values, may_attend: None }
    }

    /// A matrix under a mask.
    pub fn masked(values: Array2<f64>, may_attend: Array2<bool>) -> Self {
        Matrix { values, may_attend: Some(may_attend) }
    }

    /// A mask itself over `length` positions: 1 where it allows.
    pub fn of_mask(mask: &Mask, length: usize) -> Self {
        let allows = |at: (usize, usize)| mask.may_attend(at.0, at.1);
        let may_attend = Array2::from_shape_fn((length, length), allows);
        Matrix::masked(may_attend.mapv(|may| f64::from(u8::from(may))), may_attend)
    }

    /// T, S.
    pub fn dim(&self) -> (usize, usize) {
        self.values.dim()
    }

    /// Whether the entry is not masked.
    pub fn is_there(&self, at: (usize, usize)) -> bool {
        self.may_attend.as_ref().is_none_or(|may| may.get(at).copied().unwrap_or(false))
    }

    /// The largest magnitude of the finite entries that are not masked; 1 for a matrix of zeros.
    pub fn largest(&self) -> f64 {
        let there = self.values.indexed_iter().filter(|(at, value)| self.is_there(*at) && value.is_finite());
        let largest = there.map(|(_, value)| value.abs()).fold(0.0, f64::max);
        if largest > 0.0 { largest } else { 1.0 }
    }

    /// Each entry's place on the colour map, for the shader; NaN and infinity as [`NO_NUMBER`].
    pub(super) fn places(&self, colours: Colours) -> Vec<f32> {
        self.values
            .iter()
            .map(|&value| if value.is_finite() { colours.place(value) } else { NO_NUMBER })
            .collect()
    }

    /// One bit for each entry, as the shader reads them.
    pub(super) fn bits(&self) -> Vec<u32> {
        let (rows, cols) = self.dim();
        let mut bits = vec![0u32; rows * cols.div_ceil(32)];
        for row in 0..rows {
            for col in (0..cols).filter(|&col| self.is_there((row, col))) {
                bits[row * cols.div_ceil(32) + col / 32] |= 1 << (col % 32);
            }
        }
        bits
    }
}

/// The place of NaN and infinity, far beyond the colour map.
pub const NO_NUMBER: f32 = 1e30;

/// Which number gets which colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Colours {
    /// Weights from 0 to 1.
    Weights(Scale),
    /// Amounts from 0 to this one.
    Amount(f64),
    /// Differences from minus to plus this one: the diverging map, 0 in the middle.
    Difference(f64),
}

impl Colours {
    /// Where a value stands on the colour map, 0 … 1.
    pub fn place(self, value: f64) -> f32 {
        let place = match self {
            Colours::Weights(scale) => return scale.place(value as f32),
            Colours::Amount(top) => value / top,
            Colours::Difference(top) => 0.5 + 0.5 * value / top,
        };
        if place.is_finite() { place.clamp(0.0, 1.0) as f32 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rankscope::mask::{Allowed, Positions};

    use super::*;

    #[test]
    fn the_bits_are_those_of_the_library_s_masks() {
        for length in [3, 5, 32, 33, 70] {
            for mask in [Mask::causal(), Mask::prefix(3), Mask::bidirectional()] {
                let at = Positions { first_query: 0 };
                let allowed = Allowed::new(&mask, 1, length, length, at, None).unwrap();
                assert_eq!(Matrix::of_mask(&mask, length).bits(), allowed.words(), "{mask} {length}");
            }
        }
    }

    #[test]
    fn places_are_inside_the_map_and_what_is_no_number_is_outside() {
        let matrix = Matrix::new(array![[-4.0, 0.0, 2.0], [8.0, f64::NAN, f64::INFINITY]]);
        assert_eq!(matrix.largest(), 8.0);
        assert_eq!(matrix.places(Colours::Difference(8.0)), [0.25, 0.5, 0.625, 1.0, NO_NUMBER, NO_NUMBER]);
        assert_eq!(matrix.places(Colours::Amount(2.0))[..4], [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(matrix.places(Colours::Weights(Scale::Root))[..3], [0.0, 0.0, 1.0]);
        assert_eq!(Matrix::new(array![[0.0]]).largest(), 1.0);
        let masked = Matrix::masked(array![[9.0, 1.0]], array![[false, true]]);
        assert_eq!(masked.largest(), 1.0);
    }
}

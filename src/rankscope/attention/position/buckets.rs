//! T5's relative positions: a learned bias for every bucket of distances.

use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Positions;
use crate::ops::{expect_size, gather, spread_by_distance, transpose};
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The rule that assigns each distance to a bucket.
///
/// Of N buckets for one direction the first N/2 hold one distance each; the others share the distances up to
/// `max_distance` evenly by logarithm, and the last also takes all larger distances. Bidirectional, half of the buckets
/// are for keys after the query, with larger positions; causal, those keys are in bucket 0.
///
/// bucket(r) = r for r < e, and min(e + ⌊ln(r/e) / ln(max_distance/e) · (N − e)⌋, N − 1) from e = ⌊N/2⌋ on.
///
/// **Source**: Raffel et al. 2019 (arXiv 1910.10683), section 2.1; the formula is that of the authors' code.
///
/// ```
/// use rankscope::attention::RelativeBuckets;
/// let encoder = RelativeBuckets::new(32, 128, true)?;
/// assert_eq!([-9, -1, 0, 1, 200].map(|distance| encoder.of(distance)), [8, 1, 0, 17, 31]);
/// let decoder = RelativeBuckets::new(32, 128, false)?;
/// assert_eq!([-64, -1, 0, 5].map(|distance| decoder.of(distance)), [26, 1, 0, 0]);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelativeBuckets {
    buckets: usize,
    max_distance: usize,
    is_bidirectional: bool,
}

impl RelativeBuckets {
    /// `buckets` in all; if bidirectional, half of them for each direction.
    ///
    /// # Errors
    /// [`Error::Invalid`] for too few buckets (4 where both directions count, otherwise 2), or a `max_distance` that is
    /// not larger than the distances with a bucket of their own.
    pub fn new(buckets: usize, max_distance: usize, is_bidirectional: bool) -> Result<Self> {
        let scheme = RelativeBuckets { buckets, max_distance, is_bidirectional };
        let fewest = if is_bidirectional { 4 } else { 2 };
        if buckets < fewest {
            return Err(Error::invalid("number of relative buckets", buckets, format!("at least {fewest}")));
        }
        let exact = scheme.of_one_side() / 2;
        if max_distance <= exact {
            let expected = format!("more than {exact}, the distances with a bucket of their own");
            return Err(Error::invalid("largest relative distance", max_distance, expected));
        }
        Ok(scheme)
    }

    /// N: all buckets.
    pub fn count(&self) -> usize {
        self.buckets
    }

    fn of_one_side(&self) -> usize {
        if self.is_bidirectional { self.buckets / 2 } else { self.buckets }
    }

    /// The bucket of a distance: the key's position minus the query's.
    pub fn of(&self, distance: i64) -> usize {
        let far = distance.unsigned_abs() as usize;
        match (self.is_bidirectional, distance > 0) {
            (true, true) => self.of_one_side() + self.of_magnitude(far),
            (false, true) => 0,
            (_, false) => self.of_magnitude(far),
        }
    }

    fn of_magnitude(&self, far: usize) -> usize {
        let count = self.of_one_side();
        let exact = count / 2;
        if far < exact {
            return far;
        }
        let ratio = |distance: usize| (distance as f64 / exact as f64).ln();
        let steps = ratio(far) / ratio(self.max_distance) * (count - exact) as f64;
        // Rounding must not push a distance on the border of two buckets, a power of the ratio, into the lower one.
        (exact + (steps + 1e-9) as usize).min(count - 1)
    }
}

const OP: &str = "relative position bias";

/// A learned bias for every bucket and head.
///
/// bias\[h, t, s\] = table\[bucket(s − t), h\] with the positions of key and query in place of s and t.
///
/// **Conventions**: the table stays on the CPU: T + S − 1 numbers for each head are looked up there, and spread to all
/// pairs on the device of the scores.
#[derive(Clone, Debug)]
pub struct RelativeBias {
    buckets: RelativeBuckets,
    table: Weight, // [N, H]
}

impl RelativeBias {
    /// **Shapes**: table `[N, H]`, one row for each bucket, as in checkpoints; on the CPU.
    ///
    /// # Errors
    /// [`Error::Axes`] or [`Error::Size`] if the table is of another shape, [`Error::Placement`] if it is on a GPU.
    pub fn new(buckets: RelativeBuckets, table: Weight) -> Result<Self> {
        let [rows, _] = table.shape().expect(OP, "table", [Axis::Row, Axis::Head])?;
        expect_size(OP, "table", Axis::Row, buckets.count(), rows)?;
        let bias = RelativeBias { buckets, table };
        match bias.table.device() {
            Device::Gpu(_) if bias.table.as_tensor().is_none() => Err(bias.misplaced()),
            _ => Ok(bias),
        }
    }

    fn misplaced(&self) -> Error {
        let (expected, got) = ("the CPU, with its numbers".to_owned(), self.table.device().to_string());
        Error::Placement { op: OP, argument: "table", expected, got }
    }

    /// H.
    pub fn heads(&self) -> usize {
        self.table.shape().sizes()[1]
    }

    /// The rule that assigns distances to buckets.
    pub fn buckets(&self) -> RelativeBuckets {
        self.buckets
    }

    /// The bias of every head and pair.
    ///
    /// **Shapes**: `[H, T, S]`.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the GPU fails.
    pub fn bias(&self, queries: usize, keys: usize, at: Positions, device: &Device) -> Result<Tensor> {
        let heads = self.heads();
        if self.table.as_tensor().is_some() {
            let distances = super::distances(queries, keys, at);
            let ids: Vec<u32> = distances.map(|distance| self.buckets.of(distance) as u32).collect();
            let axes = [(Axis::Position, ids.len()), (Axis::Head, heads)];
            let bias = gather(&self.table, &ids, 1)?.reshape(axes)?; // [P, H]
            return spread_by_distance(&transpose(&bias)?, queries, keys);
        }
        let table = self.table.to_f32().ok_or_else(|| self.misplaced())?;
        super::by_distance(heads, queries, keys, at, device, |head, distance| {
            table[self.buckets.of(distance) * heads + head]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weight::Dtype;

    #[test]
    fn buckets_are_the_published_ones() {
        let both = RelativeBuckets::new(32, 128, true).unwrap();
        let distances = [-200, -128, -127, -64, -32, -16, -9, -8, -1, 0, 1, 7, 8, 9, 16, 64, 127, 5000];
        let buckets = [15, 15, 15, 14, 12, 10, 8, 8, 1, 0, 17, 23, 24, 24, 26, 30, 31, 31];
        assert_eq!(distances.map(|distance| both.of(distance)), buckets);
        let causal = RelativeBuckets::new(32, 128, false).unwrap();
        let distances = [-113, -112, -64, -32, -17, -16, -15, 0, 5];
        assert_eq!(distances.map(|distance| causal.of(distance)), [31, 30, 26, 21, 16, 16, 15, 0, 0]);
        // An odd number of buckets for each side, as in the tiny checkpoint: 5, of which 2 hold one distance.
        let small = RelativeBuckets::new(10, 8, true).unwrap();
        assert_eq!([-8, -5, -3, -2, -1, 0, 1, 2, 4, 9].map(|r| small.of(r)), [4, 3, 2, 2, 1, 0, 6, 7, 8, 9]);
    }

    #[test]
    fn a_bias_reads_the_bucket_of_the_positions() {
        let buckets = RelativeBuckets::new(4, 9, true).unwrap();
        let table: Vec<f32> = (0..8).map(|i| i as f32).collect();
        let table = Weight::new("table", [(Axis::Row, 4), (Axis::Head, 2)], Dtype::F16, &table).unwrap();
        let bias = RelativeBias::new(buckets, table).unwrap();
        let at = |first_query| Positions { first_query };
        // Two buckets for each side: for distance 0 and for all others. Head 0 has the even numbers.
        let all = bias.bias(3, 3, at(0), &Device::Cpu).unwrap().to_vec().unwrap();
        assert_eq!(all[..9], [0., 6., 6., 2., 0., 6., 2., 2., 0.]);
        assert_eq!(all[9..], [1., 7., 7., 3., 1., 7., 3., 3., 1.]);
        let last = bias.bias(1, 3, at(2), &Device::Cpu).unwrap().to_vec().unwrap();
        assert_eq!(last, [all[6..9].to_vec(), all[15..].to_vec()].concat());
    }

    #[test]
    fn buckets_that_cannot_be_are_named() {
        let said = |buckets, far, both| RelativeBuckets::new(buckets, far, both).unwrap_err().to_string();
        assert_eq!(said(3, 8, true), "number of relative buckets is 3, expected at least 4");
        assert_eq!(said(1, 8, false), "number of relative buckets is 1, expected at least 2");
        let far =
            "largest relative distance is 8, expected more than 8, the distances with a bucket of their own";
        assert_eq!(said(32, 8, true), far);
        let table = Weight::new("table", [(Axis::Row, 5), (Axis::Head, 3)], Dtype::F32, &[0.0; 15]).unwrap();
        let error = RelativeBias::new(RelativeBuckets::new(6, 9, true).unwrap(), table).unwrap_err();
        assert_eq!(error.to_string(), "relative position bias: table has Row (N) = 5, expected 6");
    }
}

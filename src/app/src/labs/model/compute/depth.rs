//! The residual stream, layer by layer.

use rankscope::rank::{Spectrum, many, residual_ratio};
use rankscope::{Device, Result, Run, Tensor};

use crate::labs::model::answer::Level;

/// The rank of hidden states `[1, T, C]` after each layer.
///
/// # Errors
/// For states that are not finite; `Cancelled`.
pub fn levels(states: &[Tensor], run: &Run) -> Result<Vec<Level>> {
    let states = states.iter().map(|state| state.to_device(&Device::Cpu)).collect::<Result<Vec<_>>>()?;
    many(&states, "residual stream", run, |state| {
        let matrix = state.matrix(0).map(|matrix| matrix.mapv(f64::from)).unwrap_or_default();
        let effective_rank = Spectrum::of(matrix.view())?.effective_rank();
        Ok(Level { effective_rank, residual: residual_ratio(matrix.view()) })
    })
}

#[cfg(test)]
mod tests {
    use rankscope::Axis;

    use super::*;

    #[test]
    fn tokens_that_are_all_the_same_have_one_direction_and_no_residual() {
        let axes = [(Axis::Batch, 1), (Axis::Query, 2), (Axis::Width, 3)];
        let same = Tensor::new(axes, vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0]).unwrap();
        let apart = Tensor::new(axes, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).unwrap();
        let levels = levels(&[same, apart], &Run::default()).unwrap();
        assert!((levels[0].effective_rank - 1.0).abs() < 1e-6 && levels[0].residual < 1e-12);
        assert!((levels[1].effective_rank - 2.0).abs() < 1e-9 && levels[1].residual > 0.4);
    }
}

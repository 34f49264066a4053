//! Whole layers: the usual one is among those with larger heads.

use super::budget::Plan;
use crate::attention::{FixedMultiHead, MultiHead, Visibility};
use crate::axis::Axis;
use crate::claim::{Evidence, Settings, gaussian};
use crate::error::Result;
use crate::mask::Positions;
use crate::numbers::short;
use crate::probe::Unobserved;
use crate::run::Run;
use crate::tensor::Tensor;

/// Puts a seeded usual layer into one with larger heads, and compares what both compute on the device.
pub(super) fn containment(settings: &Settings, plan: &Plan, run: &Run) -> Result<f64> {
    let most = plan.most();
    let (width, heads, small) = (most.usual.width(), most.usual.heads(), most.usual.head_size());
    let layer = most.usual.seeded(settings.seed()?)?;
    let size = most.fixed.head_size().max(small);
    let larger = FixedMultiHead::new(width, heads, size)?.containing(&layer)?;
    let values = gaussian(plan.n, width, settings.seed()?, 3).iter().map(|&value| value as f32).collect();
    let x = Tensor::new([(Axis::Batch, 1), (Axis::Query, plan.n), (Axis::Width, width)], values)?;
    let forward = |layer: &MultiHead| -> Result<Vec<f32>> {
        let (layer, x) = (layer.to_device(settings.device())?, x.to_device(settings.device())?);
        let at = Positions::suffix(plan.n, plan.n)?;
        let visibility = Visibility { mask: &plan.mask, at, padding: None };
        layer.forward(&x, &x, None, visibility, &mut Unobserved, run)?.to_vec()
    };
    let (ours, theirs) = (forward(&larger)?, forward(&layer)?);
    let size_of = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0f32, |most, x| most.max(x.abs()));
    let difference = size_of(&mut ours.iter().zip(&theirs).map(|(a, b)| a - b));
    Ok(f64::from(difference) / f64::from(size_of(&mut theirs.iter().copied())))
}

pub(super) fn report(evidence: &mut Evidence, plan: &Plan, error: f64) {
    let measured = evidence.measure("containment_error", error, "of the largest output");
    measured.expect(0.0, 1e-4, "zeros beside the weights change nothing, in f32");
    let (heads, small) = (plan.most().usual.heads(), plan.most().usual.head_size());
    let text = format!(
        "{heads} heads of {small} filled up with zeros to size {} compute the same outputs within {} of the largest",
        plan.most().fixed.head_size().max(small),
        short(error)
    );
    evidence.weigh(error < 1e-4, text);
}

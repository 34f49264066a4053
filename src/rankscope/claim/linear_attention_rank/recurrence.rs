//! The causal form, the recurrent state and the explicit matrix are the same function.

use ndarray::Array2;

use crate::attention::LinearState;
use crate::axis::Axis;
use crate::claim::{Draw, Evidence, Settings, gaussian, linear_weights};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::ops::FeatureMap;
use crate::ops::cpu::{self, LinearSums};
use crate::run::Run;
use crate::tensor::Tensor;

const MAP: FeatureMap = FeatureMap::EluPlusOne;
/// Tokens that are stepped one by one on the device; the rest come as one block.
const SINGLY: usize = 32;

/// How far the recurrent state is from the matrix, token by token.
pub(super) struct Recurrence {
    n: usize,
    head_size: usize,
    /// In f64 on the CPU.
    f64s: f64,
    /// In f32 as the settings' device computes it.
    f32s: f64,
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<Recurrence> {
    let n = settings.integers("lengths")?.into_iter().max().unwrap_or(2);
    let head_size = settings.integers("head_sizes")?.into_iter().min().unwrap_or(1);
    let draw = Draw::independent(n, head_size, settings.seed()?);
    let values = gaussian(n, head_size, settings.seed()?, 2);
    let weights = linear_weights(&draw.q, &draw.k, MAP, &Mask::causal(), &Device::Cpu)?;
    let want = weights.dot(&values);
    let f64s = distance(&stepped(&draw, &values, run)?, &want);
    let f32s = distance(&stepped_on(settings.device(), &draw, &values, run)?, &want);
    Ok(Recurrence { n, head_size, f64s, f32s })
}

impl Recurrence {
    pub fn report(&self, evidence: &mut Evidence) {
        let Recurrence { n, head_size, f64s, f32s } = *self;
        let bound = (n + head_size) as f64;
        evidence.measure("recurrent_difference_f64", f64s, "").expect(
            0.0,
            bound * f64::EPSILON,
            "rounding in f64",
        );
        let epsilon = f64::from(f32::EPSILON);
        evidence.measure("recurrent_difference_f32", f32s, "").expect(
            0.0,
            bound * epsilon,
            "rounding in f32",
        );
        let (state, cache) = (head_size * (head_size + 1), 2 * head_size * n);
        let text = format!(
            "n = {n}, D = {head_size}: a recurrent state of {state} numbers, stepped token by token, gives what the \
             causal matrix gives, up to {} (f32: {}); keys and values take {cache} numbers by then",
            short(f64s),
            short(f32s)
        );
        evidence.weigh(f64s <= bound * f64::EPSILON, text);
    }
}

/// The largest |a − b| over the largest |b|.
fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let largest = |x: &Array2<f64>| x.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    largest(&(a - b)) / largest(b)
}

fn features(x: &Array2<f64>) -> Vec<f64> {
    let mut values: Vec<f64> = x.iter().copied().collect();
    cpu::feature_map(&mut values, MAP);
    values
}

/// The context, one token at a time, in f64.
fn stepped(draw: &Draw, values: &Array2<f64>, run: &Run) -> Result<Array2<f64>> {
    let (n, size) = draw.q.dim();
    let (q, k) = (features(&draw.q), features(&draw.k));
    let mut sums = LinearSums::new(size);
    let mut context = Array2::zeros((n, size));
    for (t, mut context) in context.rows_mut().into_iter().enumerate() {
        run.check()?;
        let row = t * size..(t + 1) * size;
        sums.push(&k[row.clone()], &values.row(t).to_vec());
        sums.context(&q[row], context.as_slice_mut().expect("a row of a new array"));
    }
    Ok(context)
}

/// The context from a [`LinearState`] on `device`, in f32.
fn stepped_on(device: &Device, draw: &Draw, values: &Array2<f64>, run: &Run) -> Result<Array2<f64>> {
    let (n, size) = draw.q.dim();
    let mut state = LinearState::new(MAP, 1, 1, size, device)?;
    let mut context = Vec::with_capacity(n * size);
    let singly = n.min(SINGLY);
    let blocks = (0..singly).map(|t| t..t + 1).chain((singly < n).then_some(singly..n));
    for tokens in blocks {
        run.step("recurrent state", tokens.start, n)?;
        let part = |x: &Array2<f64>, heads: Axis, length: Axis| {
            let rows = x.slice(ndarray::s![tokens.clone(), ..]);
            let values = rows.iter().map(|&value| value as f32).collect();
            let axes = [(Axis::Batch, 1), (heads, 1), (length, tokens.len()), (Axis::HeadSize, size)];
            Tensor::new(axes, values)?.to_device(device)
        };
        let q = part(&draw.q, Axis::Head, Axis::Query)?;
        let (k, v) = (part(&draw.k, Axis::KvHead, Axis::Key)?, part(values, Axis::KvHead, Axis::Key)?);
        context.extend(state.step(&q, &k, &v, run)?.to_vec()?.into_iter().map(f64::from));
    }
    Ok(Array2::from_shape_vec((n, size), context).expect("n rows of D"))
}

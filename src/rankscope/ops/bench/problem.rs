//! The problems of the benchmark: each operation's inputs at a size, and the expected result, computed in f64.

use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Positions, Reach};
use crate::ops::cpu::{self, Product, Reachable};
use crate::ops::ladder::{Extent, ladder};
use crate::ops::{
    FeatureMap, add_bias, decayed_scores, feature_map, layer_norm, linear_attention, masked_normalise,
    masked_softmax, matmul, online_attention, rms_norm, scale,
};
use crate::run::Run;
use crate::tensor::Tensor;

const HEADS: usize = 4;
const HEAD_SIZE: usize = 64;
const EPSILON: f64 = f32::EPSILON as f64;

/// Computes the operation on its inputs.
type Call = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// An operation, its inputs and the expected result.
pub(super) struct Problem {
    pub(super) inputs: Vec<Tensor>,
    pub(super) call: Call,
    pub(super) want: Vec<f64>,
    pub(super) extent: Extent,
    pub(super) flops: f64,
    pub(super) tolerance: f64,
}

impl Problem {
    /// The same problem with its inputs on `device`.
    pub(super) fn on(self, device: &Device) -> Result<Self> {
        let inputs = self.inputs.iter().map(|input| input.to_device(device)).collect::<Result<_>>()?;
        Ok(Problem { inputs, ..self })
    }
}

/// The sizes that `n` means for `op`.
pub(super) fn extent(op: &str, n: usize) -> Result<Extent> {
    Ok(match ladder(op)?.op {
        "masked_softmax" | "masked_normalise" | "decayed_scores" => {
            Extent { batch: 1, rows: HEADS * n, columns: n, inner: n }
        }
        "attention" | "linear_attention" => Extent { batch: HEADS, rows: n, columns: HEAD_SIZE, inner: n },
        _ => Extent { batch: 1, rows: n, columns: n, inner: n },
    })
}

/// The problem of size `n` for `op`.
pub(super) fn problem(op: &'static str, n: usize, run: &Run) -> Result<Problem> {
    let extent = extent(op, n)?;
    match op {
        "matmul" => product(n, extent),
        "masked_softmax" => softmax(n, extent),
        "masked_normalise" => normalise(n, extent),
        "decayed_scores" => decayed(n, extent),
        "layer_norm" => layer(n, extent),
        "rms_norm" => root_mean_square(n, extent),
        "attention" => attention(n, extent, run),
        "linear_attention" => linear(n, extent, run),
        _ => Err(Error::invalid("kernel", op, "one with a bench")),
    }
}

fn product(n: usize, extent: Extent) -> Result<Problem> {
    let a = tensor(&[(Axis::Row, n), (Axis::Width, n)], 1)?;
    let b = tensor(&[(Axis::Width, n), (Axis::Column, n)], 2)?;
    let product = Product { batch: 1, group: 1, m: n, n, k: n, transpose_a: false, transpose_b: false };
    let mut want = vec![0.0; n * n];
    cpu::matmul(&product, 1.0, &wide(&a), &wide(&b), &mut want);
    let call: Call = Box::new(|x| matmul(&x[0], &x[1], Axis::Width, 1.0));
    let flops = 2.0 * (n * n) as f64 * n as f64;
    Ok(Problem { inputs: vec![a, b], call, want, extent, flops, tolerance: n as f64 * EPSILON })
}

/// Scores of all heads, and the causal mask over them.
fn scores(n: usize) -> Result<(Tensor, Allowed)> {
    let x = tensor(&[(Axis::Batch, 1), (Axis::Head, HEADS), (Axis::Query, n), (Axis::Key, n)], 1)?;
    Ok((x, Allowed::new(&Mask::causal(), HEADS, n, n, Positions { first_query: 0 }, None)?))
}

fn softmax(n: usize, extent: Extent) -> Result<Problem> {
    let (x, allowed) = scores(n)?;
    let mut want = wide(&x);
    cpu::masked_softmax(&mut want, [1, HEADS, n, n], &allowed);
    let call: Call = Box::new(move |x| masked_softmax(&x[0], &allowed));
    // Compare, subtract, exponential, add and divide for the half that is allowed.
    let flops = 2.5 * (HEADS * n * n) as f64;
    Ok(Problem { inputs: vec![x], call, want, extent, flops, tolerance: 32.0 * EPSILON })
}

fn normalise(n: usize, extent: Extent) -> Result<Problem> {
    let (x, allowed) = scores(n)?;
    let x = feature_map(&x, FeatureMap::EluPlusOne)?;
    let mut want = wide(&x);
    cpu::masked_normalise(&mut want, [1, HEADS, n, n], &allowed);
    let call: Call = Box::new(move |x| masked_normalise(&x[0], &allowed));
    // Add and divide for the half that is allowed.
    let flops = (HEADS * n * n) as f64;
    Ok(Problem { inputs: vec![x], call, want, extent, flops, tolerance: n as f64 * EPSILON })
}

fn decayed(n: usize, extent: Extent) -> Result<Problem> {
    let (x, allowed) = scores(n)?;
    // Decays of 0.9 and slower: most pairs of a short sequence keep some weight.
    let decays = tensor(&[(Axis::Batch, 1), (Axis::KvHead, HEADS), (Axis::Key, n)], 2)?;
    let decays = add_bias(scale(decays, 0.05)?, &Tensor::new([(Axis::Key, n)], vec![-0.05; n])?)?;
    let at = Positions { first_query: 0 };
    let mut want = wide(&x);
    cpu::decayed_scores(&mut want, &wide(&decays), [1, HEADS, n, n], at, &allowed);
    let call: Call = Box::new(move |x| decayed_scores(&x[0], &x[1], at, &allowed));
    // Add, exponential and multiply for the half that is allowed.
    let flops = 1.5 * (HEADS * n * n) as f64;
    Ok(Problem { inputs: vec![x, decays], call, want, extent, flops, tolerance: n as f64 * EPSILON })
}

/// The largest error of a norm that rounding can explain: in a row of two equal values only rounding makes them differ,
/// and 1/√ε enlarges that.
const NORM_TOLERANCE: f64 = 1e-4;

/// Rows, gain and bias.
fn rows(n: usize) -> Result<Vec<Tensor>> {
    let vector = |seed| tensor(&[(Axis::Width, n)], seed);
    Ok(vec![tensor(&[(Axis::Query, n), (Axis::Width, n)], 1)?, vector(2)?, vector(3)?])
}

fn layer(n: usize, extent: Extent) -> Result<Problem> {
    let inputs = rows(n)?;
    let mut want = wide(&inputs[0]);
    cpu::layer_norm(&mut want, &wide(&inputs[1]), &wide(&inputs[2]), 1e-5);
    let call: Call = Box::new(|x| layer_norm(&x[0], &x[1], &x[2], 1e-5));
    Ok(Problem { inputs, call, want, extent, flops: 7.0 * (n * n) as f64, tolerance: NORM_TOLERANCE })
}

fn root_mean_square(n: usize, extent: Extent) -> Result<Problem> {
    let inputs = rows(n)?;
    let mut want = wide(&inputs[0]);
    cpu::rms_norm(&mut want, &wide(&inputs[1]), 1e-5);
    let call: Call = Box::new(|x| rms_norm(&x[0], &x[1], 1e-5));
    Ok(Problem { inputs, call, want, extent, flops: 4.0 * (n * n) as f64, tolerance: NORM_TOLERANCE })
}

fn attention(n: usize, extent: Extent, run: &Run) -> Result<Problem> {
    let (q, k, v) = (heads_of(Axis::Query, n, 1)?, heads_of(Axis::Key, n, 2)?, heads_of(Axis::Key, n, 3)?);
    let want = attention_in_f64([&q, &k, &v], 0.125, run)?;
    let call = Box::new(|x: &[Tensor]| {
        let at = Positions { first_query: 0 };
        online_attention(&x[0], &x[1], &x[2], 0.125, None, &Mask::causal(), at, None, &Run::default())
    });
    // Two products over the half of the pairs that is allowed.
    let flops = 2.0 * (HEADS * n * n * HEAD_SIZE) as f64;
    Ok(Problem { inputs: vec![q, k, v], call, want, extent, flops, tolerance: 1e-4 })
}

/// Causal softmax attention in f64, with its n × n weights.
///
/// **Shapes**: q, k and v `[B, H, n, D]`, result `[B, H, n, D]`.
///
/// # Errors
/// [`Error::Cancelled`]; a mask error.
///
/// # Panics
/// If the tensors are on a GPU, are empty, or their sizes differ.
pub fn attention_in_f64(qkv: [&Tensor; 3], factor: f64, run: &Run) -> Result<Vec<f64>> {
    let &[_, _, n, size] = &qkv[0].shape().sizes()[..] else { panic!("q is [B, H, n, D]") };
    assert!(qkv.iter().all(|x| x.shape().sizes() == qkv[0].shape().sizes()), "q, k and v of the same sizes");
    let allowed = Allowed::new(&Mask::causal(), 1, n, n, Positions { first_query: 0 }, None)?;
    let [q, k, v] = qkv.map(wide);
    let scores = Product { batch: 1, group: 1, m: n, n, k: size, transpose_a: false, transpose_b: true };
    let context = Product { n: size, k: n, transpose_b: false, ..scores };
    let (mut weights, mut y) = (vec![0.0; n * n], vec![0.0; q.len()]);
    for (matrix, y) in y.chunks_mut(n * size).enumerate() {
        run.check()?;
        let [q, k, v] = [&q, &k, &v].map(|x| &x[matrix * n * size..][..n * size]);
        cpu::matmul(&scores, factor, q, k, &mut weights);
        cpu::masked_softmax(&mut weights, [1, 1, n, n], &allowed);
        cpu::matmul(&context, 1.0, &weights, v, y);
    }
    Ok(y)
}

fn linear(n: usize, extent: Extent, run: &Run) -> Result<Problem> {
    let features = |length, seed| feature_map(&heads_of(length, n, seed)?, FeatureMap::EluPlusOne);
    let (q, k, v) = (features(Axis::Query, 1)?, features(Axis::Key, 2)?, heads_of(Axis::Key, n, 3)?);
    let (heads, head_size) = (HEADS, HEAD_SIZE);
    let sizes = cpu::AttentionSizes { batch: 1, heads, kv_heads: heads, queries: n, keys: n, head_size };
    let visible = Reachable { reach: vec![Reach::UpTo(0); HEADS], first_query: 0, padding: None };
    let want = cpu::linear_attention(&wide(&q), &wide(&k), &wide(&v), &sizes, &visible, run)?;
    let call = Box::new(|x: &[Tensor]| {
        let at = Positions { first_query: 0 };
        linear_attention(&x[0], &x[1], &x[2], &Mask::causal(), at, None, &Run::default())
    });
    // Each key adds to D × (D + 1) sums, and each query reads them: the fewest operations once n is large.
    let flops = 4.0 * (HEADS * n * HEAD_SIZE * (HEAD_SIZE + 1)) as f64;
    Ok(Problem { inputs: vec![q, k, v], call, want, extent, flops, tolerance: 1e-4 })
}

/// Queries, keys or values, whose axis `length` has n positions.
fn heads_of(length: Axis, n: usize, seed: u64) -> Result<Tensor> {
    tensor(&[(Axis::Batch, 1), (Axis::Head, HEADS), (length, n), (Axis::HeadSize, HEAD_SIZE)], seed)
}

/// Pseudo-random values in [-1, 1), the same on every run.
fn tensor(axes: &[(Axis, usize)], seed: u64) -> Result<Tensor> {
    use rand::{RngExt, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let count = axes.iter().map(|&(_, size)| size).product();
    Tensor::new(axes, (0..count).map(|_| random.random_range(-1.0..1.0)).collect())
}

fn wide(x: &Tensor) -> Vec<f64> {
    x.as_slice().expect("inputs are drawn on the CPU").iter().map(|&x| f64::from(x)).collect()
}

//! Every variant of every ladder: checked against the CPU, then timed.

use std::time::Instant;

use serde::Serialize;

use super::cpu::{self, Product, Reachable, Visible};
use super::ladder::{Extent, LADDERS, Ladder, Variant, ladder, with_variant};
use super::{
    FeatureMap, feature_map, layer_norm, linear_attention, masked_normalise, masked_softmax, matmul,
    online_attention, rms_norm,
};
use crate::axis::Axis;
use crate::device::{Device, Gpu};
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Positions, Reach};
use crate::run::Run;
use crate::tensor::Tensor;

/// What one variant did at one size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// The operation.
    pub kernel: &'static str,
    /// The variant of its ladder; `cpu` on the CPU.
    pub variant: &'static str,
    /// n: see [`SIZES`].
    pub size: usize,
    /// Billions of floating-point operations a second, counting only what the formula asks for.
    pub gflops: f64,
    /// The largest |got − want| / max(1, |want|), with `want` computed in f64 on the CPU.
    pub max_error: f64,
    /// The least time that one call took.
    pub micros: f64,
    /// Whether the GPU's own clock was read; otherwise it is wall time.
    pub by_gpu_clock: bool,
}

/// What n means for each operation.
pub const SIZES: &str = "matmul: n x n times n x n; masked_softmax and masked_normalise: 4 heads \
    of n x n, causal; layer_norm and rms_norm: n rows of n; attention and linear_attention: 4 heads of n queries \
    and n keys of 64, causal";

/// The largest n.
pub const MAX_SIZE: usize = 4096;

const HEADS: usize = 4;
const HEAD_SIZE: usize = 64;

/// The operation on its inputs.
type Call = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// An operation on inputs, with what it should give.
struct Problem {
    inputs: Vec<Tensor>,
    call: Call,
    want: Vec<f64>,
    extent: Extent,
    flops: f64,
    tolerance: f64,
}

/// Checks and times the variants of `op`, or of all operations, on `device`; `report` sees each one as it
/// comes.
///
/// Variants that the device or the size rules out are left out.
///
/// # Errors
/// [`Error::Invalid`] for an unknown operation or a size outside 1 … [`MAX_SIZE`]; [`Error::Numeric`]
/// naming a variant that differs from the CPU by more than rounding; [`Error::Cancelled`].
pub fn bench(
    device: &Device,
    op: Option<&str>,
    size: usize,
    run: &Run,
    mut report: impl FnMut(&Measurement),
) -> Result<Vec<Measurement>> {
    if !(1..=MAX_SIZE).contains(&size) {
        return Err(Error::invalid("size", size, format!("1 to {MAX_SIZE}")));
    }
    let ladders = match op {
        Some(op) => vec![ladder(op)?],
        None => LADDERS.to_vec(),
    };
    let mut measurements = Vec::new();
    for ladder in ladders {
        let mut problem = problem(ladder.op, size, run)?;
        problem.inputs =
            problem.inputs.iter().map(|input| input.to_device(device)).collect::<Result<Vec<_>>>()?;
        let variants: Vec<Option<&Variant>> = match device {
            Device::Cpu => vec![None],
            Device::Gpu(gpu) => {
                let can = |variant: &&Variant| variant.refusal(gpu, problem.extent).is_none();
                ladder.variants.iter().filter(can).map(Some).collect()
            }
        };
        for variant in variants {
            run.check()?;
            let measurement = measure(device, ladder, variant, &problem, size)?;
            report(&measurement);
            measurements.push(measurement);
        }
    }
    Ok(measurements)
}

/// The variant that the host would take at size n.
///
/// # Errors
/// As [`ladder`].
pub fn choice(gpu: &Gpu, ladder: &'static Ladder, size: usize) -> Result<&'static Variant> {
    ladder.choose(gpu, extent(ladder.op, size)?)
}

/// Why a variant cannot be had at size n, if it cannot.
///
/// # Errors
/// As [`ladder`].
pub fn refusal(gpu: &Gpu, ladder: &Ladder, variant: &Variant, size: usize) -> Result<Option<String>> {
    Ok(variant.refusal(gpu, extent(ladder.op, size)?))
}

fn measure(
    device: &Device,
    ladder: &'static Ladder,
    variant: Option<&Variant>,
    problem: &Problem,
    size: usize,
) -> Result<Measurement> {
    let call = || match variant {
        Some(variant) => with_variant(ladder.op, variant.name, || (problem.call)(&problem.inputs)),
        None => (problem.call)(&problem.inputs),
    };
    let name = variant.map_or("cpu", |variant| variant.name);
    let max_error = largest_error(&call()?.to_vec()?, &problem.want);
    // Written so that NaN fails.
    if max_error.is_nan() || max_error > problem.tolerance {
        let problem = format!("differs from the CPU by {max_error:.1e}, more than {:.1e}", problem.tolerance);
        return Err(Error::Numeric { what: format!("{} {name}", ladder.op), problem });
    }
    let (micros, by_gpu_clock) = least_time(device, call)?;
    let gflops = problem.flops / micros * 1e-3;
    Ok(Measurement { kernel: ladder.op, variant: name, size, gflops, max_error, micros, by_gpu_clock })
}

/// The least of several times, since what disturbs a measurement only ever adds to it.
fn least_time(device: &Device, call: impl Fn() -> Result<Tensor>) -> Result<(f64, bool)> {
    const ENOUGH_MICROS: f64 = 2e5;
    const REPEATS: usize = 20;
    let (mut least, mut by_gpu, mut total) = (f64::INFINITY, false, 0.0);
    for _ in 0..REPEATS {
        let (micros, clock) = match device {
            Device::Gpu(gpu) => {
                let (_, timing) = gpu.measure(&call)?;
                (timing.micros, timing.by_gpu)
            }
            Device::Cpu => {
                let start = Instant::now();
                call()?;
                (start.elapsed().as_secs_f64() * 1e6, false)
            }
        };
        if micros < least {
            (least, by_gpu) = (micros, clock);
        }
        total += micros;
        if total > ENOUGH_MICROS {
            break;
        }
    }
    Ok((least.max(f64::MIN_POSITIVE), by_gpu))
}

fn largest_error(got: &[f32], want: &[f64]) -> f64 {
    let error = |(&got, &want): (&f32, &f64)| (f64::from(got) - want).abs() / want.abs().max(1.0);
    got.iter()
        .zip(want)
        .map(error)
        .fold(0.0, |largest, error| if error > largest || error.is_nan() { error } else { largest })
}

fn extent(op: &str, n: usize) -> Result<Extent> {
    Ok(match ladder(op)?.op {
        "masked_softmax" | "masked_normalise" => Extent { batch: 1, rows: HEADS * n, columns: n, inner: n },
        "attention" | "linear_attention" => Extent { batch: HEADS, rows: n, columns: HEAD_SIZE, inner: n },
        _ => Extent { batch: 1, rows: n, columns: n, inner: n },
    })
}

fn problem(op: &'static str, n: usize, run: &Run) -> Result<Problem> {
    let extent = extent(op, n)?;
    let epsilon = f64::from(f32::EPSILON);
    let pairs = (n * n) as f64;
    Ok(match op {
        "matmul" => {
            let [a, b] = [
                tensor(&[(Axis::Row, n), (Axis::Width, n)], 1)?,
                tensor(&[(Axis::Width, n), (Axis::Column, n)], 2)?,
            ];
            let product =
                Product { batch: 1, group: 1, m: n, n, k: n, transpose_a: false, transpose_b: false };
            let mut want = vec![0.0; n * n];
            cpu::matmul(&product, 1.0, &wide(&a), &wide(&b), &mut want);
            let call = Box::new(|x: &[Tensor]| matmul(&x[0], &x[1], Axis::Width, 1.0));
            Problem {
                inputs: vec![a, b],
                call,
                want,
                extent,
                flops: 2.0 * pairs * n as f64,
                tolerance: n as f64 * epsilon,
            }
        }
        "masked_softmax" => {
            let x = tensor(&[(Axis::Batch, 1), (Axis::Head, HEADS), (Axis::Query, n), (Axis::Key, n)], 1)?;
            let allowed = Allowed::new(&Mask::causal(), HEADS, n, n, Positions { first_query: 0 }, None)?;
            let mut want = wide(&x);
            cpu::masked_softmax(&mut want, [1, HEADS, n, n], &allowed);
            let call = Box::new(move |x: &[Tensor]| masked_softmax(&x[0], &allowed));
            // Compare, subtract, exponential, add and divide for the half that is allowed.
            Problem {
                inputs: vec![x],
                call,
                want,
                extent,
                flops: 2.5 * HEADS as f64 * pairs,
                tolerance: 32.0 * epsilon,
            }
        }
        "layer_norm" | "rms_norm" => {
            let vector = |seed| tensor(&[(Axis::Width, n)], seed);
            let (x, gain, bias) = (tensor(&[(Axis::Query, n), (Axis::Width, n)], 1)?, vector(2)?, vector(3)?);
            let mut want = wide(&x);
            let is_layer = op == "layer_norm";
            if is_layer {
                cpu::layer_norm(&mut want, &wide(&gain), &wide(&bias), 1e-5);
            } else {
                cpu::rms_norm(&mut want, &wide(&gain), 1e-5);
            }
            let call: Call = if is_layer {
                Box::new(|x| layer_norm(&x[0], &x[1], &x[2], 1e-5))
            } else {
                Box::new(|x| rms_norm(&x[0], &x[1], 1e-5))
            };
            let flops = if is_layer { 7.0 } else { 4.0 } * pairs;
            // Two equal values differ by rounding alone, which 1/√ε enlarges.
            Problem { inputs: vec![x, gain, bias], call, want, extent, flops, tolerance: 1e-4 }
        }
        "masked_normalise" => {
            let x = tensor(&[(Axis::Batch, 1), (Axis::Head, HEADS), (Axis::Query, n), (Axis::Key, n)], 1)?;
            let x = feature_map(&x, FeatureMap::EluPlusOne)?;
            let allowed = Allowed::new(&Mask::causal(), HEADS, n, n, Positions { first_query: 0 }, None)?;
            let mut want = wide(&x);
            cpu::masked_normalise(&mut want, [1, HEADS, n, n], &allowed);
            let call = Box::new(move |x: &[Tensor]| masked_normalise(&x[0], &allowed));
            // Add and divide for the half that is allowed.
            let flops = HEADS as f64 * pairs;
            Problem { inputs: vec![x], call, want, extent, flops, tolerance: n as f64 * epsilon }
        }
        "attention" => attention(n, extent, run)?,
        "linear_attention" => linear(n, extent, run)?,
        _ => return Err(Error::invalid("kernel", op, "one with a bench")),
    })
}

fn attention(n: usize, extent: Extent, run: &Run) -> Result<Problem> {
    let axes = |length| [(Axis::Batch, 1), (Axis::Head, HEADS), (length, n), (Axis::HeadSize, HEAD_SIZE)];
    let (q, k, v) =
        (tensor(&axes(Axis::Query), 1)?, tensor(&axes(Axis::Key), 2)?, tensor(&axes(Axis::Key), 3)?);
    let sizes =
        cpu::Sizes { batch: 1, heads: HEADS, kv_heads: HEADS, queries: n, keys: n, head_size: HEAD_SIZE };
    let visible = Visible { masks: vec![Mask::causal(); HEADS], first_query: 0, padding: None };
    let want = cpu::online_attention(&wide(&q), &wide(&k), &wide(&v), 0.125, &sizes, &visible, run)?;
    let call = Box::new(|x: &[Tensor]| {
        let at = Positions { first_query: 0 };
        online_attention(&x[0], &x[1], &x[2], 0.125, &Mask::causal(), at, None, &Run::default())
    });
    // Two products over the half of the pairs that is allowed.
    let flops = 2.0 * (HEADS * n * n * HEAD_SIZE) as f64;
    Ok(Problem { inputs: vec![q, k, v], call, want, extent, flops, tolerance: 1e-4 })
}

fn linear(n: usize, extent: Extent, run: &Run) -> Result<Problem> {
    let axes = |length| [(Axis::Batch, 1), (Axis::Head, HEADS), (length, n), (Axis::HeadSize, HEAD_SIZE)];
    let features = |length, seed| feature_map(&tensor(&axes(length), seed)?, FeatureMap::EluPlusOne);
    let (q, k, v) = (features(Axis::Query, 1)?, features(Axis::Key, 2)?, tensor(&axes(Axis::Key), 3)?);
    let sizes =
        cpu::Sizes { batch: 1, heads: HEADS, kv_heads: HEADS, queries: n, keys: n, head_size: HEAD_SIZE };
    let visible = Reachable { reach: vec![Reach::UpTo(0); HEADS], first_query: 0, padding: None };
    let want = cpu::linear_attention(&wide(&q), &wide(&k), &wide(&v), &sizes, &visible, run)?;
    let call = Box::new(|x: &[Tensor]| {
        let at = Positions { first_query: 0 };
        linear_attention(&x[0], &x[1], &x[2], &Mask::causal(), at, None, &Run::default())
    });
    // A key adds to D × (D + 1) sums, and a query reads them: what the formula asks for once n is large.
    let flops = 4.0 * (HEADS * n * HEAD_SIZE * (HEAD_SIZE + 1)) as f64;
    Ok(Problem { inputs: vec![q, k, v], call, want, extent, flops, tolerance: 1e-4 })
}

/// Values in [-1, 1) that look random, the same on every run.
fn tensor(axes: &[(Axis, usize)], seed: u64) -> Result<Tensor> {
    use rand::{RngExt, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let count = axes.iter().map(|&(_, size)| size).product();
    Tensor::new(axes, (0..count).map(|_| random.random_range(-1.0..1.0)).collect())
}

fn wide(x: &Tensor) -> Vec<f64> {
    x.as_slice().unwrap_or_default().iter().map(|&x| f64::from(x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ladder_has_a_bench_that_checks() {
        let mut seen = 0;
        let all = bench(&Device::Cpu, None, 21, &Run::default(), |_| seen += 1).unwrap();
        assert_eq!(
            all.iter().map(|m| m.kernel).collect::<Vec<_>>(),
            LADDERS.iter().map(|l| l.op).collect::<Vec<_>>()
        );
        assert_eq!(seen, all.len());
        assert!(
            all.iter().all(|m| m.variant == "cpu" && m.gflops > 0.0 && m.micros > 0.0 && m.max_error < 1e-4)
        );
        let error = bench(&Device::Cpu, Some("matmull"), 8, &Run::default(), |_| ()).unwrap_err().to_string();
        assert!(error.contains("kernel is \"matmull\", expected one of matmul, masked_softmax"), "{error}");
        assert!(bench(&Device::Cpu, None, 0, &Run::default(), |_| ()).is_err());
    }

    #[test]
    fn a_wrong_result_is_an_error_and_so_is_nan() {
        assert_eq!(largest_error(&[1.0, 2.5], &[1.0, 2.0]), 0.25);
        assert!(largest_error(&[f32::NAN, 2.5], &[1.0, 2.0]).is_nan());
        let mut problem = problem("rms_norm", 5, &Run::default()).unwrap();
        problem.want[7] += 0.01;
        let ladder = ladder("rms_norm").unwrap();
        let error = measure(&Device::Cpu, ladder, None, &problem, 5).unwrap_err().to_string();
        assert!(error.starts_with("rms_norm cpu: differs from the CPU by 1.0e-2"), "{error}");
    }
}

//! Every variant of every ladder: checked against the CPU, then timed.

mod problem;

use std::time::Instant;

pub use problem::attention_in_f64;
use problem::{Problem, extent, problem};
use serde::Serialize;

use super::ladder::{LADDERS, Ladder, Variant, ladder, with_variant};
use crate::device::gpu::Timing;
use crate::device::{Device, Gpu};
use crate::error::{Error, Result};
use crate::run::Run;
use crate::tensor::Tensor;

/// The error and the time of one variant at one size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// The operation.
    pub kernel: &'static str,
    /// The variant of its ladder; `cpu` on the CPU.
    pub variant: &'static str,
    /// n: see [`SIZES`].
    pub size: usize,
    /// Billions of floating-point operations a second, counting only the operations in the formula.
    pub gflops: f64,
    /// The largest |got − want| / max(1, |want|), with `want` computed in f64 on the CPU.
    pub max_error: f64,
    /// The shortest time of one call, in microseconds.
    pub micros: f64,
    /// Whether the time is from the GPU's own clock; otherwise it is wall time.
    pub by_gpu_clock: bool,
}

/// The meaning of n for each operation.
pub const SIZES: &str = "matmul: n x n times n x n; masked_softmax and masked_normalise: 4 heads \
    of n x n, causal; layer_norm and rms_norm: n rows of n; attention and linear_attention: 4 heads of n queries \
    and n keys of 64, causal";

/// The largest n.
pub const MAX_SIZE: usize = 4096;

/// Checks and times the variants of `op`, or of all operations, on `device`; `report` is called with each measurement
/// as soon as it is finished.
///
/// Variants that cannot run on the device or at the size are skipped.
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
    expect_size(size)?;
    let ladders = match op {
        Some(op) => vec![ladder(op)?],
        None => LADDERS.to_vec(),
    };
    let mut measurements = Vec::new();
    for ladder in ladders {
        let problem = problem(ladder.op, size, run)?.on(device)?;
        let variants: Vec<Option<&Variant>> = match device {
            Device::Cpu => vec![None],
            Device::Gpu(gpu) => {
                let can = |variant: &&Variant| variant.refusal(gpu, problem.extent).is_none();
                ladder.variants.iter().filter(can).map(Some).collect()
            }
        };
        for variant in variants {
            run.check()?;
            let measurement = checked(timed(device, ladder, variant, &problem, size)?, problem.tolerance)?;
            report(&measurement);
            measurements.push(measurement);
        }
    }
    Ok(measurements)
}

/// The measurement of a variant, whether its result is right or wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// The error and the time; the error may be of any size.
    pub measurement: Measurement,
    /// The largest error that rounding can explain.
    pub tolerance: f64,
}

/// Runs one variant of `op` on a GPU and reports its difference from the CPU, also where that is more than rounding:
/// for a kernel whose source the user has [changed](Gpu::replace).
///
/// # Errors
/// As [`bench()`], except that a wrong result is no error; [`Error::Invalid`] for a device that is no GPU.
pub fn trial(device: &Device, op: &str, variant: &str, size: usize, run: &Run) -> Result<Trial> {
    expect_size(size)?;
    let ladder = ladder(op)?;
    let variant = ladder.variant(variant)?;
    let Device::Gpu(gpu) = device else { return Err(Error::invalid("device", device, "a GPU")) };
    let problem = problem(ladder.op, size, run)?;
    variant.expect_fit(op, gpu, problem.extent)?;
    let problem = problem.on(device)?;
    let measurement = timed(device, ladder, Some(variant), &problem, size)?;
    Ok(Trial { measurement, tolerance: problem.tolerance })
}

fn expect_size(size: usize) -> Result<()> {
    match (1..=MAX_SIZE).contains(&size) {
        true => Ok(()),
        false => Err(Error::invalid("size", size, format!("1 to {MAX_SIZE}"))),
    }
}

/// The variant that the host chooses at size n.
///
/// # Errors
/// As [`ladder`].
pub fn choice(gpu: &Gpu, ladder: &'static Ladder, size: usize) -> Result<&'static Variant> {
    ladder.choose(gpu, extent(ladder.op, size)?)
}

/// The reason why a variant cannot run at size n, if there is one.
///
/// # Errors
/// As [`ladder`].
pub fn refusal(gpu: &Gpu, ladder: &Ladder, variant: &Variant, size: usize) -> Result<Option<String>> {
    Ok(variant.refusal(gpu, extent(ladder.op, size)?))
}

/// The measurement, or an error where the result is wrong.
fn checked(measurement: Measurement, tolerance: f64) -> Result<Measurement> {
    let Measurement { kernel, variant, max_error, .. } = measurement;
    // Written so that NaN fails.
    if max_error.is_nan() || max_error > tolerance {
        let problem = format!("differs from the CPU by {max_error:.1e}, more than {tolerance:.1e}");
        return Err(Error::Numeric { what: format!("{kernel} {variant}"), problem });
    }
    Ok(measurement)
}

/// Runs and times a variant, whether its result is right or wrong.
fn timed(
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
    let (micros, by_gpu_clock) = least_time(device, call)?;
    let gflops = problem.flops / micros * 1e-3;
    Ok(Measurement { kernel: ladder.op, variant: name, size, gflops, max_error, micros, by_gpu_clock })
}

/// The shortest of several times, since any disturbance only makes a measurement longer.
fn least_time(device: &Device, call: impl Fn() -> Result<Tensor>) -> Result<(f64, bool)> {
    const ENOUGH_MICROS: f64 = 2e5;
    const REPEATS: usize = 20;
    let (mut least, mut by_gpu, mut total) = (f64::INFINITY, false, 0.0);
    for _ in 0..REPEATS {
        let timing = match device {
            Device::Gpu(gpu) => gpu.measure(&call)?.1,
            Device::Cpu => {
                let start = Instant::now();
                call()?;
                Timing { micros: start.elapsed().as_secs_f64() * 1e6, by_gpu: false }
            }
        };
        if timing.micros < least {
            (least, by_gpu) = (timing.micros, timing.by_gpu);
        }
        total += timing.micros;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ladder_has_a_bench_that_checks() {
        let mut seen = 0;
        let all = bench(&Device::Cpu, None, 21, &Run::default(), |_| seen += 1).unwrap();
        assert!(all.iter().map(|m| m.kernel).eq(LADDERS.iter().map(|l| l.op)));
        assert_eq!(seen, all.len());
        assert!(all.iter().all(|m| m.variant == "cpu" && m.gflops > 0.0 && m.micros > 0.0));
        assert!(all.iter().all(|m| m.max_error < 1e-4));
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
        let measurement = timed(&Device::Cpu, ladder, None, &problem, 5).unwrap();
        let error = checked(measurement, problem.tolerance).unwrap_err().to_string();
        assert!(error.starts_with("rms_norm cpu: differs from the CPU by 1.0e-2"), "{error}");
    }
}

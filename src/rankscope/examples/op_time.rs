//! Time and error of operations on every device, as `cargo xtask bench` shows them: a JSON array.
//!
//! `op_time [OPERATION]`. A time is the shortest of several, since other work of the machine only makes it longer.
//! Errors are the largest absolute difference to the same operation in f64; a device that would take too long at a size
//! (a software adapter) is left out there.

use std::time::Instant;

use rankscope::attention::{Attention, OnlineSoftmax, ScaledDotProduct, Visibility};
use rankscope::device::{DeviceRequest, adapters};
use rankscope::mask::Allowed;
use rankscope::ops::bench::attention_in_f64;
use rankscope::ops::{self, GeluForm, Pointwise, cpu};
use rankscope::prelude::*;
use serde_json::{Value, json};

type AnyError = Box<dyn std::error::Error>;

fn main() -> std::result::Result<(), AnyError> {
    let wanted = match std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [] => String::new(),
        [ref operation] => operation.clone(),
        _ => return Err("usage: op_time [OPERATION]".into()),
    };
    let mut devices = vec![(Device::Cpu, false)];
    match Device::choose(DeviceRequest::Gpu) {
        Ok(choice) => {
            let name = choice.device.to_string();
            let software =
                adapters().iter().any(|adapter| adapter.is_software && name.contains(&adapter.name));
            devices.push((choice.device, software));
        }
        Err(error) => eprintln!("left out: the GPU ({error})"),
    }
    let mut rows = Vec::new();
    for case in cases()?.into_iter().filter(|case| case.op.starts_with(&wanted)) {
        for (device, is_software) in &devices {
            if *is_software && case.work > 3e8 {
                continue;
            }
            eprintln!("{} {} on {device}", case.op, case.size);
            rows.push(case.measure(device)?);
        }
    }
    println!("{}", serde_json::to_string(&rows)?);
    Ok(())
}

const LEAST_RUNS: usize = 5;
const MOST_RUNS: usize = 1000;
const ENOUGH_MICROS: f64 = 1e5;

type Call = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// One operation at one size.
struct Case {
    op: &'static str,
    size: String,
    /// Multiply-adds, or elements for operations without multiply-adds.
    work: f64,
    /// Floating-point operations, for a rate; 0 where memory limits the speed.
    flops: f64,
    inputs: Vec<Tensor>,
    call: Call,
    /// The result in f64.
    reference: Option<Vec<f64>>,
}

impl Case {
    fn measure(&self, device: &Device) -> Result<Value> {
        let inputs = self.inputs.iter().map(|input| input.to_device(device)).collect::<Result<Vec<_>>>()?;
        let once = || -> Result<f64> {
            let start = Instant::now();
            let result = (self.call)(&inputs)?;
            finish(device, &result)?;
            Ok(start.elapsed().as_secs_f64() * 1e6)
        };
        let values = (self.call)(&inputs)?.to_vec()?; // also compiles the kernels
        let (mut micros, mut total, mut runs) = (f64::INFINITY, 0.0, 0);
        while runs < LEAST_RUNS || total < ENOUGH_MICROS && runs < MOST_RUNS {
            let time = once()?;
            (micros, total, runs) = (micros.min(time), total + time, runs + 1);
        }
        let error = self.reference.as_ref().map(|reference| {
            values
                .iter()
                .zip(reference)
                .fold(0.0, |largest: f64, (&a, &b)| largest.max((f64::from(a) - b).abs()))
        });
        Ok(json!({
            "op": self.op, "size": self.size, "device": device.to_string(), "micros": micros,
            "gflops": (self.flops > 0.0).then(|| self.flops / micros / 1e3), "max_error": error,
        }))
    }
}

/// Waits until the GPU is done, without reading the result back.
fn finish(device: &Device, result: &Tensor) -> Result<()> {
    match device {
        Device::Cpu => Ok(()),
        // One number is the smallest possible readback.
        Device::Gpu(_) => result
            .reshape([(Axis::Row, result.shape().len()), (Axis::Column, 1)])?
            .select(Axis::Row, 0)?
            .to_vec()
            .map(drop),
    }
}

/// Values in (−2, 2) that look random, computed without a generator.
fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|i| (((i * 7919 + seed * 104_729) % 1_000_003) as f64 * 0.618_033_988).sin() as f32 * 2.0)
        .collect()
}

fn tensor(seed: usize, axes: &[(Axis, usize)]) -> Result<Tensor> {
    Tensor::new(axes, values(axes.iter().map(|&(_, size)| size).product(), seed))
}

fn widened(tensor: &Tensor) -> Vec<f64> {
    tensor.as_slice().expect("made on the CPU").iter().map(|&value| value.into()).collect()
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for n in [128, 256, 512, 1024] {
        cases.push(matmul(n)?);
    }
    for n in [32, 128, 512] {
        cases.push(softmax(n)?);
    }
    for [rows, width] in [[32, 64], [128, 384], [512, 384], [4096, 1024]] {
        cases.extend(row_wise(rows, width)?);
    }
    for n in [128, 512, 1024, 2048, 4096] {
        cases.extend(attention(n)?);
    }
    Ok(cases)
}

fn matmul(n: usize) -> Result<Case> {
    let (a, b) =
        (tensor(1, &[(Axis::Query, n), (Axis::Width, n)])?, tensor(2, &[(Axis::Key, n), (Axis::Width, n)])?);
    let product = cpu::Product { batch: 1, group: 1, m: n, n, k: n, transpose_a: false, transpose_b: true };
    let mut reference = vec![0.0; n * n];
    cpu::matmul(&product, 1.0, &widened(&a), &widened(&b), &mut reference);
    let work = (n * n * n) as f64;
    Ok(Case {
        op: "matmul",
        size: format!("{n} x {n} x {n}"),
        work,
        flops: 2.0 * work,
        inputs: vec![a, b],
        call: Box::new(|inputs| ops::matmul(&inputs[0], &inputs[1], Axis::Width, 1.0)),
        reference: Some(reference),
    })
}

fn softmax(n: usize) -> Result<Case> {
    let scores = tensor(3, &[(Axis::Batch, 1), (Axis::Head, 8), (Axis::Query, n), (Axis::Key, n)])?;
    let allowed = Allowed::new(&Mask::causal(), 8, n, n, Positions::suffix(n, n)?, None)?;
    let mut reference = widened(&scores);
    cpu::masked_softmax(&mut reference, [1, 8, n, n], &allowed);
    Ok(Case {
        op: "masked_softmax",
        size: format!("8 x {n} x {n}, causal"),
        work: (8 * n * n) as f64,
        flops: 0.0,
        inputs: vec![scores],
        call: Box::new(move |inputs| ops::masked_softmax(&inputs[0], &allowed)),
        reference: Some(reference),
    })
}

/// Operations on `rows` rows of `width` values, which treat each row or each value separately.
fn row_wise(rows: usize, width: usize) -> Result<Vec<Case>> {
    let x = tensor(4, &[(Axis::Query, rows), (Axis::Width, width)])?;
    let y = tensor(10, &[(Axis::Query, rows), (Axis::Width, width)])?;
    let (gain, bias) = (tensor(5, &[(Axis::Width, width)])?, tensor(6, &[(Axis::Width, width)])?);
    let case =
        |op, others: &[&Tensor], call: fn(&[Tensor]) -> Result<Tensor>, in_f64: &dyn Fn(&mut [f64])| {
            let mut reference = widened(&x);
            in_f64(&mut reference);
            Case {
                op,
                size: format!("{rows} x {width}"),
                work: (rows * width) as f64,
                flops: 0.0,
                inputs: [&[&x], others].concat().into_iter().cloned().collect(),
                call: Box::new(call),
                reference: Some(reference),
            }
        };
    let (wide_gain, wide_bias) = (widened(&gain), widened(&bias));
    Ok(vec![
        case("add", &[&y], |t| ops::add(&t[0], &t[1]), &|x| cpu::add(x, &widened(&y))),
        case("layer_norm", &[&gain, &bias], |t| ops::layer_norm(&t[0], &t[1], &t[2], 1e-5), &|x| {
            cpu::layer_norm(x, &wide_gain, &wide_bias, 1e-5);
        }),
        case("rms_norm", &[&gain], |t| ops::rms_norm(&t[0], &t[1], 1e-5), &|x| {
            cpu::rms_norm(x, &wide_gain, 1e-5);
        }),
        case("gelu", &[], |t| ops::gelu(&t[0], GeluForm::Exact), &|x| cpu::gelu(x, GeluForm::Exact)),
        case("silu", &[], |t| ops::silu(&t[0]), &|x| cpu::pointwise(x, Pointwise::Silu)),
        case("tanh", &[], |t| ops::tanh(&t[0]), &|x| cpu::pointwise(x, Pointwise::Tanh)),
    ])
}

fn attention(n: usize) -> Result<Vec<Case>> {
    const HEADS: usize = 8;
    const SIZE: usize = 64;
    let axes = |heads, length| [(Axis::Batch, 1), (heads, HEADS), (length, n), (Axis::HeadSize, SIZE)];
    let inputs = [
        tensor(7, &axes(Axis::Head, Axis::Query))?,
        tensor(8, &axes(Axis::KvHead, Axis::Key))?,
        tensor(9, &axes(Axis::KvHead, Axis::Key))?,
    ];
    let reference =
        (n <= 1024).then(|| attention_in_f64(inputs.each_ref(), 1.0 / (SIZE as f64).sqrt(), &Run::default()));
    let reference = reference.transpose()?;
    let pairs = (HEADS * n * n) as f64;
    let case = |op, mechanism: Box<dyn Attention>| Case {
        op,
        size: format!("n = {n}, 8 heads of 64, causal"),
        work: 2.0 * pairs * SIZE as f64,
        flops: 0.0,
        inputs: inputs.to_vec(),
        call: Box::new(move |t| {
            let (mask, at) = (Mask::causal(), Positions::suffix(n, n)?);
            let visibility = Visibility { mask: &mask, at, padding: None };
            mechanism.forward(&t[0], &t[1], &t[2], visibility, &mut Unobserved, &Run::default())
        }),
        reference: reference.clone(),
    };
    Ok(vec![
        case("attention, materialised", Box::new(ScaledDotProduct::new(SIZE))),
        case("attention, online softmax", Box::new(OnlineSoftmax::new(SIZE))),
    ])
}

//! `rankscope kernels`: the GPU kernels, their source, and their speed on this machine.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use rankscope::device::Gpu;
use rankscope::device::gpu::{BindingKind, Kernel};
use rankscope::ops::KERNELS;
use rankscope::ops::bench::{self, MAX_SIZE, Measurement, SIZES};
use rankscope::ops::ladder::{LADDERS, Ladder, Variant};
use rankscope::{Device, Run};
use serde_json::json;

use crate::args::DeviceArgs;
use crate::output::{emit, emit_json, facts, say};
use rankscope::numbers::short;

const EXAMPLES: &str = "\
Examples:
  rankscope kernels list
  rankscope kernels show matmul_blocked
  rankscope kernels bench matmul --size 512 --device gpu --json";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct KernelsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the variants of every operation that has several, and which one is used here
    List {
        #[command(flatten)]
        at: At,
    },
    /// Print a kernel's WGSL, its buffers and how it is dispatched
    Show {
        /// An operation with variants (matmul), one of its variants (matmul/blocked), or a kernel (silu)
        name: String,
    },
    /// Check every variant against the CPU, then time it
    Bench {
        /// One operation [default: all that have variants]
        name: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Args)]
struct At {
    /// The size n; see `rankscope kernels bench --help`
    #[arg(long, default_value_t = 512, long_help = SIZES)]
    size: usize,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print an array of objects
    #[arg(long)]
    json: bool,
}

pub fn execute(args: &KernelsArgs, run: &Run) -> Result<()> {
    match &args.action {
        Action::List { at } => list(at),
        Action::Show { name } => show(name),
        Action::Bench { name, at } => measure(name.as_deref(), at, run),
    }
}

/// Whether a variant is used at a size, and why or why not.
fn verdict(gpu: &Gpu, ladder: &'static Ladder, variant: &Variant, size: usize) -> Result<(bool, String)> {
    let chosen = bench::choice(gpu, ladder, size)?;
    if std::ptr::eq(chosen, variant) {
        return Ok((true, ladder.rule.to_owned()));
    }
    let why = match bench::refusal(gpu, ladder, variant, size)? {
        Some(wanted) => format!("cannot: expected {wanted}"),
        None => format!("{} is used", chosen.name),
    };
    Ok((false, why))
}

fn list(at: &At) -> Result<()> {
    if !(1..=MAX_SIZE).contains(&at.size) {
        bail!("--size is {}, expected 1 to {MAX_SIZE}", at.size);
    }
    let device = Device::choose(at.device.request()?)?.device;
    say(&heading(&device));
    let (mut rows, mut paragraphs) = (Vec::new(), Vec::new());
    for ladder in LADDERS {
        for variant in ladder.variants {
            let (chosen, why) = match &device {
                Device::Gpu(gpu) => verdict(gpu, ladder, variant, at.size)?,
                Device::Cpu => (false, "the CPU computes; --device gpu asks for a GPU".to_owned()),
            };
            let name = format!("{}/{}", ladder.op, variant.name);
            let used = format!("{}: {why}", if chosen { "yes" } else { "no" });
            let mut lines = vec![("kernel", name), ("changes", variant.changes.to_owned())];
            if !variant.slower.is_empty() {
                lines.push(("slower", variant.slower.to_owned()));
            }
            lines.push(("used", used));
            paragraphs.push(facts(&lines));
            rows.push(json!({
                "kernel": ladder.op, "variant": variant.name, "changes": variant.changes,
                "slower": variant.slower, "chosen": chosen, "why": why, "size": at.size,
            }));
        }
    }
    if at.json { emit_json(&rows) } else { emit(&paragraphs.join("\n")) }
}

fn show(name: &str) -> Result<()> {
    let (op, wanted) = name.split_once('/').map_or((name, None), |(op, variant)| (op, Some(variant)));
    if let Some(ladder) = LADDERS.iter().find(|ladder| ladder.op == op) {
        let variants: Vec<&Variant> = match wanted {
            Some(variant) => vec![ladder.variant(variant)?],
            None => ladder.variants.iter().collect(),
        };
        let text = variants.into_iter().map(|variant| match variant.kernel {
            Some(kernel) => shown(kernel, Some(variant)),
            None => {
                let name = format!("{op}/{}", variant.name);
                Ok(facts(&[("kernel", name), ("changes", variant.changes.to_owned())]))
            }
        });
        return emit(&text.collect::<Result<Vec<_>>>()?.join("\n"));
    }
    match KERNELS.iter().find(|kernel| kernel.name == name) {
        Some(kernel) => {
            let all = LADDERS.iter().flat_map(|ladder| ladder.variants);
            let variant = all.into_iter().find(|v| v.kernel.is_some_and(|k| k.name == name));
            emit(&shown(kernel, variant)?)
        }
        None => {
            let names: Vec<_> =
                LADDERS.iter().map(|l| l.op).chain(KERNELS.iter().map(|kernel| kernel.name)).collect();
            bail!("kernel is {name:?}, expected one of {}", names.join(", "))
        }
    }
}

fn shown(kernel: &Kernel, variant: Option<&Variant>) -> Result<String> {
    let reflection = kernel.reflect()?;
    let [x, y, z] = reflection.workgroup_size;
    let mut lines =
        vec![("kernel", kernel.name.to_owned()), ("group", format!("{x} x {y} x {z} invocations"))];
    if let Some(Variant { tile: [rows, columns], .. }) = variant {
        let side = |size: &usize| if *size == 0 { "all".to_owned() } else { size.to_string() };
        let tile =
            format!("one workgroup for {} rows and {} columns of the result", side(rows), side(columns));
        lines.push(("dispatch", tile));
    }
    let mut bindings = reflection.bindings;
    bindings.sort_by_key(|binding| binding.slot);
    for binding in &bindings {
        let kind = match binding.kind {
            BindingKind::Uniform => "parameters",
            BindingKind::Read => "input",
            BindingKind::ReadWrite => "output",
        };
        lines.push(("buffer", format!("{} {}, {kind}", binding.slot, binding.name)));
    }
    for field in &reflection.params {
        lines.push(("parameter", format!("{}: {} at byte {}", field.name, field.kind, field.offset)));
    }
    Ok(format!("{}\n{}", facts(&lines), kernel.source))
}

fn measure(op: Option<&str>, at: &At, run: &Run) -> Result<()> {
    let device = Device::choose(at.device.request()?)?.device;
    say(&heading(&device));
    if !at.json {
        say(&format!("size {}: {SIZES}", at.size));
        emit(&format!(
            "{:<18}{:<14}{:>10}{:>12}{:>14}\n",
            "kernel", "variant", "gflop/s", "max error", "micros"
        ))?;
    }
    let mut closed = Ok(());
    let measurements = bench::bench(&device, op, at.size, run, |m| {
        if !at.json && closed.is_ok() {
            closed = emit(&row(m));
        }
    })?;
    closed?;
    if at.json { emit_json(&measurements) } else { Ok(()) }
}

fn row(m: &Measurement) -> String {
    let Measurement { kernel, variant, gflops, max_error, micros, .. } = m;
    let (gflops, error, micros) = (short(*gflops), short(*max_error), short(*micros));
    format!("{kernel:<18}{variant:<14}{gflops:>10}{error:>12}{micros:>14}\n")
}

/// Adapter and driver.
fn heading(device: &Device) -> String {
    match device {
        Device::Cpu => "on the CPU".to_owned(),
        Device::Gpu(gpu) => {
            let info = gpu.info();
            let kind = if gpu.is_software() { ", a software adapter" } else { "" };
            format!("on {}{kind}; driver {} {}", info.name, info.driver, info.driver_info)
        }
    }
}

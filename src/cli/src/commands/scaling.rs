//! `rankscope scaling`: one model at several widths, and the power of its size with which the loss falls.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use rankscope::figure::style::Theme;
use rankscope::figure::{Figure, save};
use rankscope::numbers::{scaled, short};
use rankscope::statistics::Sample;
use rankscope::train::Settings;
use rankscope::train::scaling::{PowerLaw, Scaling, figure};
use rankscope::{Device, Run};

use crate::args::{DeviceArgs, expect_svg};
use crate::output::{columns, emit, emit_json, say};

const EXAMPLES: &str = "\
A line through the logarithms of losses and sizes has the slope -b where the loss is a * size^-b; its 95 % interval
comes from the points' distances from the line. Every width is trained for the same number of steps on the same batches.

Examples:
  rankscope scaling
      a decoder and an encoder-decoder at five widths, with three seeds each
  rankscope scaling --families gpt2 --widths 16,32,64 --set objective=causal-lm --set steps=2000 --svg scaling.svg";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ScalingArgs {
    /// The families
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "decllm,redllm")]
    families: Vec<String>,

    /// The widths, multiples of the head size (16)
    #[arg(long, value_name = "WIDTHS", value_delimiter = ',', default_value = "16,32,48,64,96")]
    widths: Vec<usize>,

    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,

    /// Changes one setting of all sizes; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// A figure of the losses over the operations
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print an array of objects
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: DeviceArgs,
}

pub fn execute(args: &ScalingArgs, run: &Run) -> Result<()> {
    expect_svg("--svg", args.svg.as_deref())?;
    let device = Device::choose(args.device.request()?)?.device;
    let mut all = Vec::new();
    for family in &args.families {
        let mut settings = Settings {
            objective: "prefix-lm".into(),
            feed_forward: Some(172),
            steps: 600,
            evaluate_every: 600,
            ..Settings::default()
        };
        args.set.iter().try_for_each(|assignment| settings.set(assignment))?;
        settings.family.clone_from(family);
        all.push(Scaling::run(&settings, &args.widths, args.seeds as usize, &device, run, &mut |point| {
            let losses = Sample::new(point.losses.iter().copied());
            say(&format!("{family} of width {}: loss {:.4}", point.width, losses.mean()));
        })?);
    }
    if let Some(path) = &args.svg {
        save(path, figure(&all).to_svg(Theme::Light)?)?;
    }
    if args.json {
        let laws = all.iter().map(|scaling| {
            let [parameters, operations] = scaling.laws()?;
            let laws = serde_json::json!({ "parameters": parameters, "operations": operations });
            Ok(serde_json::json!({ "scaling": scaling, "laws": laws }))
        });
        return emit_json(&laws.collect::<Result<Vec<_>>>()?);
    }
    for scaling in &all {
        emit(&table(scaling))?;
        let [parameters, operations] = scaling.laws()?;
        let law = |what: &str, law: PowerLaw| {
            let (low, high) = (short(law.interval.0), short(law.interval.1));
            format!("loss ~ {what}^-{:.3}, 95 % interval of the power {low} to {high}\n", law.exponent)
        };
        emit(&format!("\n{}{}\n", law("parameters", parameters), law("operations", operations)))?;
    }
    Ok(())
}

fn table(scaling: &Scaling) -> String {
    let row = |point: &rankscope::train::scaling::ScalingPoint| {
        let losses = Sample::new(point.losses.iter().copied());
        vec![
            format!("{} {}", scaling.settings.family, point.width),
            scaled(point.parameters, ""),
            scaled(point.operations, ""),
            format!("{:.4}", losses.mean()),
            short(losses.sd()),
        ]
    };
    let header = ["width", "parameters", "operations", "loss", "sd"];
    columns(&header, scaling.points.iter().map(row).collect())
}

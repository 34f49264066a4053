//! `rankscope rank`: what rank analysis says of a model's heads, or of one matrix.

mod figure;
mod matrix;
mod rows;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use rankscope::Run;
use rankscope::model::MaskChoice;

use crate::args::{SubjectArgs, expect_svg, mask_choices, mask_help};
use crate::output::{emit, emit_json, say};
use crate::subject::Subject;
use rows::Row;

const USAGE: &str = "\
rankscope rank --model <NAME|DIR> <--text <TEXT>|--ids <IDS>> [OPTIONS]
       rankscope rank --matrix <FILE.npy> [OPTIONS]";

const EXAMPLES: &str = "\
Three kinds of rank are kept apart:
  exact       by a theorem about the mask: a triangular matrix with a positive
              diagonal has full rank, whatever the numbers
  numerical   the singular values above max(rows, columns) · ε · σ₁, with the ε
              of f32 (2⁻²³) or f64 (2⁻⁵²)
  effective   (also stable rank and participation ratio) how many directions the
              spectrum is spread over
JSON and CSV have every field; what does not exist is null, with a reason.

Examples:
  rankscope rank --model glass-en --text \"the cat sat on the mat\"
  rankscope rank --model glass-en --text \"the cat\" --mask bidirectional --json
  rankscope rank --model glass-en --text - --compare causal,prefix:3 < text.txt
  rankscope rank --model glass-en --text \"cats\" --layer 1 --head 2 --svg s.svg
  rankscope rank --model glass-en --ids 5,9,13 --csv > ranks.csv
  rankscope rank --matrix attention.npy --json";

#[derive(Args)]
#[command(
    override_usage = USAGE,
    after_help = EXAMPLES,
    mut_arg("model", |arg| arg.required_unless_present("matrix").conflicts_with("matrix")),
    mut_arg("text", |arg| arg.required_unless_present_any(["ids", "matrix"]).conflicts_with("matrix")),
    mut_arg("ids", |arg| arg.conflicts_with("matrix")),
    mut_arg("target_ids", |arg| arg.conflicts_with("matrix")),
    mut_arg("device", |arg| arg.conflicts_with("matrix")),
)]
pub struct RankArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// One matrix from a file of numpy, f32 or f64, instead of a model's heads
    #[arg(long, value_name = "FILE.npy")]
    matrix: Option<PathBuf>,

    #[arg(long, default_value = "as-trained", conflicts_with = "matrix", help = mask_help())]
    mask: String,

    /// Several masks side by side, separated by commas, as in `causal,bidirectional`
    #[arg(long, value_name = "MASKS", conflicts_with_all = ["mask", "matrix"])]
    compare: Option<String>,

    /// Only this layer, counted from 0
    #[arg(long, conflicts_with = "matrix")]
    layer: Option<usize>,

    /// Only this head, counted from 0
    #[arg(long, conflicts_with = "matrix")]
    head: Option<usize>,

    /// Print JSON instead of a table: an array of objects, or one object for --matrix
    #[arg(long)]
    json: bool,

    /// Print CSV instead of a table
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Also draw a figure: the spectrum of one matrix or head, or the effective rank of all heads
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
}

pub fn execute(args: &RankArgs, run: &Run) -> Result<()> {
    args.svg.as_deref().map_or(Ok(()), |path| expect_svg("--svg", path))?;
    if let Some(path) = &args.matrix {
        let row = matrix::read(path)?;
        if let Some(svg) = &args.svg {
            figure::save_matrix(&row, svg)?;
            say(&format!("wrote {}", svg.display()));
        }
        return match (args.json, args.csv) {
            (true, _) => emit_json(&row),
            (_, true) => emit(&rows::csv(&[row])?),
            _ => emit(&table::of_matrix(&row)),
        };
    }
    let choices = mask_choices(&args.mask, args.compare.as_deref())?;
    if args.svg.is_some() && choices.len() > 1 && (args.layer.is_none() || args.head.is_none()) {
        bail!("--svg with --compare draws one head under all masks; choose it with --layer and --head");
    }
    let subject = Subject::load(&args.subject)?;
    let rows = rows::of_heads(&subject, &choices, (args.layer, args.head), run)?;
    if let Some(svg) = &args.svg {
        figure::save_heads(&subject, &choices, &rows, svg)?;
        say(&format!("wrote {}", svg.display()));
    }
    print(args, &subject, &choices, &rows)
}

fn print(args: &RankArgs, subject: &Subject, choices: &[MaskChoice], rows: &[Row]) -> Result<()> {
    if args.json {
        return emit_json(&rows);
    }
    if args.csv {
        return emit(&rows::csv(rows)?);
    }
    emit(&table::of_heads(subject, choices, rows))
}

//! `rankscope rank`: rank analysis of a model's heads, of attention weights from a file, or of a matrix.

mod figure;
mod matrix;
mod recorded;
mod rows;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rankscope::Run;
use rankscope::recorded::PYTHON;

use crate::args::{SubjectArgs, expect_ending, mask_choices, mask_help};
use crate::output::{emit, emit_json, say};
use crate::subject::Subject;
use rows::Row;

const USAGE: &str = "\
rankscope rank --model <NAME|DIR> <--text <TEXT>|--ids <IDS>> [OPTIONS]
       rankscope rank --attention <FILE> [--tokens <FILE>] [OPTIONS]
       rankscope rank --matrix <FILE> [OPTIONS]";

const HELP: &str = "\
Three kinds of rank are kept apart:
  exact       by a theorem about the mask: a triangular matrix with a positive
              diagonal has full rank, whatever the numbers
  numerical   the singular values above max(rows, columns) · ε · σ₁, with the ε
              of f32 (2⁻²³) or f64 (2⁻⁵²)
  effective   (also stable rank and participation ratio) how many directions the
              spectrum is spread over
JSON and CSV have every field; what does not exist is null, with a reason.

Files are .npy, .npz, .safetensors, or tables of numbers (.csv, .tsv, .txt):
  --matrix     one matrix, or a batch […, n, m] as a list of heads
  --attention  [L, B, H, T, S], [L, H, T, S], [H, T, S] or [T, S]; or one array a
               layer, [B, H, T, S], in the order of the numbers in their names
Tokens stand beside the weights as an array `tokens` (.npz) or as JSON in the
metadata (.safetensors), or in a file of their own: --tokens.

Examples:
  rankscope rank --model glass-en --text \"the cat sat on the mat\"
  rankscope rank --model glass-en --text \"the cat\" --mask bidirectional --json
  rankscope rank --model glass-en --text - --compare causal,prefix:3 < text.txt
  rankscope rank --model glass-en --text \"cats\" --layer 1 --head 2 --svg s.svg
  rankscope rank --model glass-en --ids 5,9,13 --csv > ranks.csv
  rankscope rank --attention attention.npz --png ranks.png
  rankscope rank --matrix matrix.npy --json";

fn help() -> String {
    format!("{HELP}\n\nAttention of a model in PyTorch, saved for --attention:\n{PYTHON}")
}

#[derive(Args)]
#[command(
    override_usage = USAGE,
    after_help = help(),
    mut_arg("model", |arg| arg.required_unless_present_any(FILES).conflicts_with_all(FILES)),
    mut_arg("text", |arg| arg.required_unless_present_any(["ids", "matrix", "attention"]).conflicts_with_all(FILES)),
    mut_arg("ids", |arg| arg.conflicts_with_all(FILES)),
    mut_arg("target_ids", |arg| arg.conflicts_with_all(FILES)),
    mut_arg("device", |arg| arg.conflicts_with_all(FILES)),
)]
pub struct RankArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// Attention weights that another program saved, instead of a model's heads
    #[arg(long, value_name = "FILE", conflicts_with = "matrix")]
    attention: Option<PathBuf>,

    /// The tokens of --attention: a JSON array of strings, or one token a line
    #[arg(long, value_name = "FILE", requires = "attention")]
    tokens: Option<PathBuf>,

    /// One matrix or a batch of matrices from a file, instead of a model's heads
    #[arg(long, value_name = "FILE")]
    matrix: Option<PathBuf>,

    /// The array in a file of several; for --attention, `*` stands for the layer's number
    #[arg(long, conflicts_with = "model")]
    name: Option<String>,

    #[arg(long, default_value = "as-trained", conflicts_with_all = FILES, help = mask_help())]
    mask: String,

    /// Several masks side by side, separated by commas, as in `causal,bidirectional`
    #[arg(long, value_name = "MASKS", conflicts_with_all = ["mask", "matrix", "attention"])]
    compare: Option<String>,

    /// Only this layer, counted from 0
    #[arg(long, conflicts_with = "matrix")]
    layer: Option<usize>,

    /// Only this head, counted from 0
    #[arg(long, conflicts_with = "matrix")]
    head: Option<usize>,

    /// Only this sequence of a batch in --attention, counted from 0
    #[arg(long, requires = "attention")]
    sequence: Option<usize>,

    /// Print JSON instead of a table: an array of objects, or one object for --matrix
    #[arg(long)]
    json: bool,

    /// Print CSV instead of a table
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Also draw a figure: the spectrum of one matrix or head, or the effective rank of all heads
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,

    /// The same figure as a PNG picture
    #[arg(long, value_name = "FILE.png")]
    png: Option<PathBuf>,
}

/// The options that read a file instead of a model.
const FILES: [&str; 2] = ["matrix", "attention"];

impl RankArgs {
    /// The files of figures, with their options.
    fn figures(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let figures = [("svg", &self.svg), ("png", &self.png)];
        figures.into_iter().filter_map(|(ending, path)| Some((ending, path.as_deref()?)))
    }

    fn draw(&self, draw: impl Fn(&Path) -> Result<()>) -> Result<()> {
        for (_, path) in self.figures() {
            draw(path)?;
            say(&format!("wrote {}", path.display()));
        }
        Ok(())
    }

    /// Prints rows as JSON or CSV, or else as `table`.
    fn print(&self, rows: &[Row], table: impl FnOnce() -> String) -> Result<()> {
        match (self.json, self.csv) {
            (true, _) => emit_json(&rows),
            (_, true) => emit(&rows::csv(rows)?),
            _ => emit(&table()),
        }
    }
}

pub fn execute(args: &RankArgs, run: &Run) -> Result<()> {
    args.figures().try_for_each(|(ending, path)| expect_ending(&format!("--{ending}"), path, ending))?;
    match (&args.matrix, &args.attention) {
        (Some(path), _) => of_matrix(args, path, run),
        (_, Some(path)) => recorded::execute(args, path, run),
        _ => of_model(args, run),
    }
}

fn of_matrix(args: &RankArgs, path: &Path, run: &Run) -> Result<()> {
    let (array, rows) = matrix::read(path, args.name.as_deref(), run)?;
    args.draw(|figure| figure::save_file(array.name(), &rows, figure))?;
    match &rows[..] {
        [row] if array.shape().len() == 2 && args.json => emit_json(row),
        [row] if array.shape().len() == 2 => args.print(&rows, || table::of_matrix(row)),
        _ => {
            let lines = vec![("matrices", format!("{}: {array}", array.name()))];
            args.print(&rows, || table::of_file(lines, &rows))
        }
    }
}

fn of_model(args: &RankArgs, run: &Run) -> Result<()> {
    let choices = mask_choices(&args.mask, args.compare.as_deref())?;
    if let Some((ending, _)) = args.figures().next()
        && choices.len() > 1
        && (args.layer.is_none() || args.head.is_none())
    {
        bail!("--{ending} with --compare draws one head under all masks; choose it with --layer and --head");
    }
    let subject = Subject::load(&args.subject)?;
    let rows = rows::of_heads(&subject, &choices, (args.layer, args.head), run)?;
    args.draw(|figure| figure::save_heads(&subject, &choices, &rows, figure))?;
    args.print(&rows, || table::of_heads(&subject, &choices, &rows))
}

//! `rankscope masks`: the kinds of masks, how to write them, and what a mask implies.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use rankscope::mask::{Facts, MASKS, Mask};
use serde_json::json;

use crate::args::form;
use crate::output::{emit, emit_json, facts};

const LANGUAGE: &str = "\
A mask says which query may attend to which key. Masks combine with & (and), | (or), ! (not) and parentheses;
! binds tighter than &, & tighter than |. Numbers stand in parentheses or after a colon: prefix(4), prefix:4.

Examples:
  rankscope masks show 'causal & window(16) | prefix(4)'
  rankscope masks show 'heads(causal, anti-causal)' --length 6
  rankscope masks show 'global(1) | two-sided-window(3) | random(10, 7)' --json";

/// Positions beyond which a mask is described but not drawn.
const DRAWN: usize = 64;
/// Positions beyond which the facts, quadratic in memory, are refused.
const MOST: usize = 8192;

/// Heads beyond which no mask per head is shown.
const MOST_HEADS: usize = 64;

#[derive(Args)]
#[command(after_help = LANGUAGE)]
pub struct MasksArgs {
    #[command(subcommand)]
    command: MasksCommand,
}

#[derive(Subcommand)]
enum MasksCommand {
    /// List every kind of mask
    List {
        /// Print an array of objects
        #[arg(long)]
        json: bool,
    },
    /// Draw a mask and say what it implies: its graph, the rank of the weights, the theorems that apply
    Show {
        /// The mask, for example 'causal & window(16) | prefix(4)'
        mask: String,
        /// How many positions
        #[arg(long, short, default_value_t = 12)]
        #[arg(value_parser = clap::value_parser!(u16).range(1..=MOST as i64))]
        length: u16,
        /// Print an object
        #[arg(long)]
        json: bool,
    },
}

pub fn execute(args: &MasksArgs) -> Result<()> {
    match &args.command {
        MasksCommand::List { json } => list(*json),
        MasksCommand::Show { mask, length, json } => show(&mask.parse()?, (*length).into(), *json),
    }
}

fn list(as_json: bool) -> Result<()> {
    if as_json {
        let kinds = MASKS.iter().map(|kind| {
            json!({
                "name": kind.name, "form": form(kind), "summary": kind.summary,
                "seen_in": kind.seen_in, "example": (kind.example)(12).to_string(),
            })
        });
        return emit_json(&kinds.collect::<Vec<_>>());
    }
    let forms: Vec<_> = MASKS.iter().map(form).collect();
    let about = MASKS.iter().map(|kind| format!("{} ({})", kind.summary, kind.seen_in));
    let rows: Vec<_> = forms.iter().map(String::as_str).zip(about).collect();
    emit(&facts(&rows))
}

fn show(mask: &Mask, length: usize, as_json: bool) -> Result<()> {
    mask.check(length)?;
    // Where heads differ, one mask for each group of heads: two groups are the two halves of the heads, and so on.
    let heads = mask.head_groups();
    if heads > MOST_HEADS {
        bail!("the mask differs between {heads} heads, expected at most {MOST_HEADS} to show");
    }
    let masks: Vec<Mask> = (0..heads).map(|head| mask.for_head(head, heads)).collect();
    let all: Vec<Facts> = masks.iter().map(|mask| mask.facts(length)).collect();
    if as_json {
        let described =
            masks.iter().zip(&all).map(|(mask, facts)| json!({ "mask": mask.to_string(), "facts": facts }));
        let described: Vec<_> = described.collect();
        return emit_json(&json!({ "mask": mask.to_string(), "positions": length, "heads": described }));
    }
    let mut paragraphs = vec![facts(&[("mask", mask.to_string())])];
    for (index, (mask, facts)) in masks.iter().zip(&all).enumerate() {
        let heading =
            if heads > 1 { format!("heads, part {} of {heads}: {mask}\n", index + 1) } else { String::new() };
        paragraphs.push(format!("{heading}{}{}", picture(mask, length), describe(facts)));
    }
    emit(&paragraphs.join("\n"))
}

/// Queries down, keys across: a block where the query may attend.
fn picture(mask: &Mask, length: usize) -> String {
    if length > DRAWN {
        return String::new();
    }
    let row = |query| {
        (0..length).map(|key| if mask.may_attend(query, key) { "██" } else { "· " }).collect::<String>()
    };
    let rows: Vec<String> = (0..length).map(|query| format!("  {}\n", row(query).trim_end())).collect();
    format!("  keys →, queries ↓\n{}\n", rows.concat())
}

fn describe(about: &Facts) -> String {
    let n = about.positions;
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let shape = match about {
        Facts { strictly_triangular: true, .. } => "strictly triangular",
        Facts { lower_triangular: true, upper_triangular: true, .. } => "diagonal",
        Facts { lower_triangular: true, .. } => "lower triangular",
        Facts { upper_triangular: true, .. } => "upper triangular",
        _ => "not triangular",
    };
    let reason = &about.exact_rank.reason;
    let rank = about.exact_rank.rank.map_or_else(|| reason.clone(), |rank| format!("{rank}: {reason}"));
    let percent = 100.0 * about.pairs as f64 / (n * n) as f64;
    let [connected, source] = [about.strongly_connected, about.has_common_source].map(yes);
    let mut rows = vec![
        ("pairs", format!("{} of {} may attend ({percent:.3} %)", about.pairs, n * n)),
        ("shape", shape.to_owned()),
        ("self-loops", yes(about.self_loops)),
        ("blind", format!("{} of {n} queries see no key", about.blind_queries)),
        ("connected", format!("{connected}; a common source: {source}")),
        ("rank", rank),
    ];
    rows.extend(about.theorems.iter().map(|theorem| ("theorem", theorem.statement().to_owned())));
    facts(&rows)
}

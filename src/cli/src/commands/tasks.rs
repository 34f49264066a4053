//! `rankscope tasks`: the tasks with known answers, their parameters, and examples.

use anyhow::Result;
use clap::{Args, Subcommand};
use rankscope::train::task::{TASKS, Task, TaskKind};
use rankscope::train::{Example, Examples, Part};
use serde_json::{Value, json};

use crate::output::{emit, emit_json, facts};

const LANGUAGE: &str = "\
A task draws an input and knows its output. Options stand in parentheses; what is not named has its default. `tasks list`
names the options, `tasks show` says what they mean. A tenth of all inputs is held out: none of it is learned from.

Examples:
  rankscope tasks list
  rankscope tasks show reverse
  rankscope tasks show 'recall(pairs=4, query=before)' --count 2
  rankscope tasks show 'instructions(shots=2)' --held-out";

#[derive(Args)]
#[command(after_help = LANGUAGE)]
pub struct TasksArgs {
    #[command(subcommand)]
    command: TasksCommand,
}

#[derive(Subcommand)]
enum TasksCommand {
    /// List every task
    List {
        /// Print an array of objects
        #[arg(long)]
        json: bool,
    },
    /// Show the parameters of a task, and examples of it
    Show(ShowArgs),
}

#[derive(Args)]
struct ShowArgs {
    /// The task, for example 'recall(pairs=8, query=before)'
    task: String,
    /// Tokens of an example, padding included [default: as many as the longest needs]
    #[arg(long, short)]
    length: Option<usize>,
    /// The seed that examples are drawn with
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many examples
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    count: u64,
    /// Show examples that are held out
    #[arg(long)]
    held_out: bool,
    /// Print an object
    #[arg(long)]
    json: bool,
}

pub fn execute(args: &TasksArgs) -> Result<()> {
    match &args.command {
        TasksCommand::List { json } => list(*json),
        TasksCommand::Show(args) => show(args),
    }
}

/// The text form with the defaults: `copy(items=8, symbols=10)`.
fn form(kind: &TaskKind) -> String {
    let options = kind.options.iter().map(|option| format!("{}={}", option.name, option.usual()));
    format!("{}({})", kind.name, options.collect::<Vec<_>>().join(", "))
}

fn list(as_json: bool) -> Result<()> {
    if as_json {
        let kinds = TASKS.iter().map(|kind| {
            json!({ "name": kind.name, "form": form(kind), "summary": kind.summary, "options": options(kind) })
        });
        return emit_json(&kinds.collect::<Vec<_>>());
    }
    let row = |kind: &TaskKind| format!("{}\n  {}\n", form(kind), kind.summary);
    emit(&TASKS.iter().map(row).collect::<Vec<_>>().join("\n"))
}

fn options(kind: &TaskKind) -> Vec<Value> {
    let option = kind.options.iter().map(|option| {
        json!({
            "name": option.name, "meaning": option.meaning, "default": option.usual(), "allowed": option.allowed(),
        })
    });
    option.collect()
}

fn show(args: &ShowArgs) -> Result<()> {
    let task = Task::parse(&args.task)?;
    let part = if args.held_out { Part::HeldOut } else { Part::Training };
    let length = args.length.unwrap_or(task.size());
    let examples = (0..args.count).map(|index| task.example(part, args.seed, index, length));
    let examples: Vec<Example> = examples.collect::<rankscope::Result<_>>()?;
    let vocabulary = task.vocabulary();
    if args.json {
        let pieces = |tokens: &[u32]| tokens.iter().map(|&token| task.piece(token)).collect::<Vec<_>>();
        let example = |example: &Example| {
            json!({
                "tokens": example.tokens, "given": example.given,
                "input": pieces(example.input()), "output": pieces(example.output()),
            })
        };
        return emit_json(&json!({
            "task": task.to_string(), "summary": task.kind().summary, "options": options(task.kind()),
            "symbols": vocabulary.symbols, "vocabulary": vocabulary.size(), "needs": task.size(),
            "values": task.values(), "examples": examples.iter().map(example).collect::<Vec<_>>(),
        }));
    }
    let special = vocabulary.size() - vocabulary.symbols;
    let mut rows = vec![("task", task.to_string()), ("output", task.kind().summary.to_owned())];
    rows.extend(task.kind().options.iter().map(|option| {
        (option.name, format!("{} ({}, usually {})", option.meaning, option.allowed(), option.usual()))
    }));
    rows.push(("tokens", format!("{} of the task and {special} special ones", vocabulary.symbols)));
    rows.push(("length", format!("at least {}", task.size())));
    let part = if args.held_out { "held out" } else { "to learn from" };
    let shown: String = examples.iter().map(|example| line(&task, example)).collect();
    emit(&format!("{}\nexamples {part}, seed {}\n{shown}", facts(&rows), args.seed))
}

/// Input and output with an arrow between; padding is counted.
fn line(task: &Task, example: &Example) -> String {
    let padding = task.vocabulary().padding();
    let (output, behind): (Vec<u32>, Vec<u32>) =
        example.output().iter().partition(|&&token| token != padding);
    let words = |tokens: &[u32]| tokens.iter().map(|&token| task.piece(token)).collect::<Vec<_>>().join(" ");
    let behind = match behind.len() {
        0 => String::new(),
        count => format!("  (+ {count} {})", task.piece(padding)),
    };
    format!("  {} → {}{behind}\n", words(example.input()), words(&output))
}

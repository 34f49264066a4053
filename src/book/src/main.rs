//! `rankscope-book`: builds the book, checks it, or writes one of its figures. `cargo xtask book` starts it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rankscope::figure::save;
use rankscope_book::book::Book;
use rankscope_book::{check, markup, preprocessor};

/// Builds the book into target/book.
#[derive(Parser)]
#[command(name = "rankscope-book")]
struct Args {
    /// Fail if anything is wrong: see src/book/src/check
    #[arg(long)]
    check: bool,
    /// Write this figure as SVG, light and dark, and build nothing
    #[arg(long, value_name = "ID")]
    figure: Option<String>,
    /// The folder for the pages
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    let started = Instant::now();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let here = std::env::current_exe()?;
    let folder = here.parent().context("the program is in no folder")?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => folder.parent().context("the program is in no target folder")?.join("book"),
    };
    let program = folder.join(format!("rankscope{}", std::env::consts::EXE_SUFFIX));
    let book = Rc::new(Book::open(&root, program)?);
    if let Some(id) = &args.figure {
        return figure(&book, id, &out).map(|()| ExitCode::SUCCESS);
    }
    let mut faults = preprocessor::build(book.clone(), &out)?;
    faults.extend(check::all(&book, &out));
    faults.sort();
    faults.dedup();
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    let (chapters, count, seconds) = (book.chapters.len(), faults.len(), started.elapsed().as_secs_f64());
    let index = out.join("index.html");
    eprintln!("{} ({chapters} chapters, {count} faults, {seconds:.0} s)", index.display());
    Ok(if args.check && !faults.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Writes one figure in both themes.
fn figure(book: &Book, id: &str, out: &Path) -> Result<()> {
    let mut ids = Vec::new();
    for chapter in &book.chapters {
        for (_, spec) in chapter.figures(&markup::read(&chapter.text)) {
            let Ok(spec) = spec else { continue };
            if spec.id != id {
                ids.push(spec.id);
                continue;
            }
            let drawn = book.draw(&spec).map_err(|expected| anyhow::anyhow!("{id}: expected {expected}"))?;
            let folder = out.with_file_name("book-figures");
            std::fs::create_dir_all(&folder)?;
            for (theme, picture) in ["light", "dark"].into_iter().zip(drawn.pictures) {
                let path = folder.join(format!("{id}-{theme}.svg"));
                save(&path, picture)?;
                println!("{}", path.display());
            }
            return Ok(());
        }
    }
    bail!("the book has no figure {id:?}; it has {}", ids.join(", "))
}

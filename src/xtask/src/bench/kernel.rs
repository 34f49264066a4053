//! The Jupyter kernel: how soon it starts, how soon it answers a cell, and how much memory it takes.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Args, has_modules};
use crate::process;

/// The measurements: the name in the script's answer, the name in the table, and the largest value that is accepted.
const ROWS: &[(&str, &str, f64)] = &[
    ("kernel_info", "from the start to `kernel_info`, s", 0.5),
    ("first_cell", "from the start to the first cell's answer, s", 8.0),
    ("first_cell_spare", "the same with a spare ready, s", 0.6),
    ("let", "a `let`, s", 0.2),
    ("expression", "an expression, s", 0.2),
    ("fn", "a function, s", 0.1),
    ("println", "a `println!`, s", 0.2),
    ("gpu", "a product of 256 × 256 on the GPU, shown, s", 0.25),
    ("slider", "from a slider's move to its heatmap and spectrum at n = 64, s", 0.05),
    ("slider_worst", "the same, the slowest move, s", 0.05),
    ("slider_hundred", "from the last of a hundred moves to its figures, s", 0.1),
    ("slider_figures", "of a hundred moves at once, how many are answered", 20.0),
    ("memory_mib", "memory of kernel and cells (PSS), MiB", 300.0),
    ("memory_gpu_mib", "the same after work on the GPU, with its driver, MiB", 300.0),
];

/// The table, beside the stock kernel `evcxr_jupyter` where Jupyter knows it.
pub fn table(args: &Args) -> Result<String> {
    let has_both = has_modules(&args.python, "jupyter_client, jupyter_kernel_test");
    ensure!(has_both, "--kernel needs a Python with both");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel/tests");
    // Outside the checkout: cargo must not take a cell's folder for a part of this workspace.
    let folder = std::env::temp_dir().join("rankscope-bench-kernel");
    eprintln!("Building the kernel as `cargo xtask notebook` does.");
    let programs = process::build(&["--bin=rankscope-kernel"])?;
    let kernel = programs.get("rankscope-kernel").context("cargo built no rankscope-kernel")?;
    let mut install = Command::new(kernel);
    process::run(install.arg("install").arg("--prefix").arg(&folder), "the kernel was not installed")?;
    let measure = |name: &str| -> Result<Value> {
        let output = Command::new(&args.python)
            .arg(tests.join("measure.py"))
            .args([name, &args.runs.to_string()])
            .env("JUPYTER_PATH", folder.join("share/jupyter"))
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| process::cannot_start(&Command::new(&args.python)))?;
        ensure!(output.status.success(), "the kernel {name} could not be measured");
        // evcxr's own kernel writes a line to the same output before.
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().next_back().context("measure.py wrote nothing")?;
        serde_json::from_str(last).with_context(|| format!("measure.py wrote, for the kernel {name}: {last}"))
    };
    let ours = measure("rankscope")?;
    let theirs = has_stock_kernel(args).then(|| measure("rust")).transpose()?;
    Ok(lines(&ours, theirs.as_ref()))
}

/// Whether Jupyter knows the kernel that evcxr itself installs.
fn has_stock_kernel(args: &Args) -> bool {
    let ask = "import jupyter_client.kernelspec as k; k.get_kernel_spec('rust')";
    let answer = Command::new(&args.python).args(["-c", ask]).stderr(Stdio::null()).status();
    answer.is_ok_and(|status| status.success())
}

fn lines(ours: &Value, theirs: Option<&Value>) -> String {
    let mut text =
        String::from("| kernel | rankscope | processor | evcxr_jupyter | bar |\n|---|---:|---:|---:|---:|\n");
    let show = |value: Option<&Value>| match value.and_then(Value::as_f64) {
        Some(value) if value >= 10.0 => format!("{value:.0}"),
        Some(value) if value < 0.1 => format!("{value:.3}"),
        Some(value) => format!("{value:.2}"),
        None => "".to_owned(),
    };
    for (name, what, bar) in ROWS {
        let processor = ours.get(format!("{name}_cpu"));
        let other = theirs.and_then(|theirs| theirs.get(*name));
        let met = ours[*name].as_f64().is_some_and(|value| value <= *bar);
        let bar = format!("{} {bar}", if met { "≤" } else { "**>**" });
        let [ours, processor, other] = [ours.get(*name), processor, other].map(show);
        text.push_str(&format!("| {what} | {ours} | {processor} | {other} | {bar} |\n"));
    }
    text + &steps(ours) + &format!("\nLoad of the machine at the end: {}.\n", show(ours.get("load")))
}

/// The steps of a cell: the name in the script's answer, and the name in the table.
const STEPS: &[(&str, &str)] = &[
    ("analysis", "evcxr and rust-analyzer: types of the variables, the source"),
    ("cargo", "in cargo's place: has anything changed?"),
    ("rustc", "rustc"),
    ("linker", "the linker"),
    ("load", "evcxr, and loading the library"),
    ("run", "the cell itself, with its output"),
    ("reply", "the reply"),
];

/// A table of the steps of two kinds of cells.
fn steps(ours: &Value) -> String {
    let mut text =
        String::from("\n| milliseconds of a cell | `let` | expression, shown |\n|---|---:|---:|\n");
    for (name, what) in STEPS {
        let show = |kind: &str| {
            ours["steps"][kind][*name].as_f64().map_or_else(String::new, |ms| format!("{ms:.1}"))
        };
        text.push_str(&format!("| {what} | {} | {} |\n", show("let"), show("expression")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bar_that_is_not_met_is_marked() {
        let ours =
            json!({ "kernel_info": 0.25, "let": 0.5, "let_cpu": 0.75, "memory_mib": 241.0, "load": 2.0 });
        let text = lines(&ours, Some(&json!({ "let": 1.25 })));
        assert!(text.contains("`kernel_info`, s | 0.25 |  |  | ≤ 0.5 |"), "{text}");
        assert!(text.contains("| a `let`, s | 0.50 | 0.75 | 1.25 | **>** 0.2 |"), "{text}");
        assert!(text.contains("| 241 |"), "{text}");
        // A value that was not measured counts as too large.
        assert!(text.contains("on the GPU, shown, s |  |  |  | **>** 0.25 |"), "{text}");
    }
}

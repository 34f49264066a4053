//! Operations × devices × sizes, with the error beside the time, and PyTorch where it is installed.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Args, Programs, command, has_modules, number, printed, script};

/// PyTorch with a malloc that keeps large blocks has no page faults for its temporaries.
const TUNED_MALLOC: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "1073741824"), ("MALLOC_TRIM_THRESHOLD_", "4294967296")];

/// The table of operations.
pub fn table(args: &Args, programs: &Programs) -> Result<String> {
    let has_torch = has_modules(&args.python, "torch");
    let (mut ours, mut theirs) = (Vec::new(), BTreeMap::new());
    // The sides take turns, and the least time of each counts: other work of the machine can only add time.
    for _ in 0..args.runs {
        let again = rows(&mut command(&programs.op_time))?;
        if ours.is_empty() {
            ours.clone_from(&again);
        }
        for (row, again) in ours.iter_mut().zip(&again) {
            if again["micros"].as_f64() < row["micros"].as_f64() {
                row.clone_from(again);
            }
        }
        for (column, tuned) in [("default", false), ("tuned", true)].into_iter().filter(|_| has_torch) {
            let mut command = command(&args.python);
            command.arg(script("ops.py"));
            if tuned {
                command.envs(TUNED_MALLOC);
            }
            for row in rows(&mut command)? {
                let micros = row["micros"].as_f64().unwrap_or(f64::INFINITY);
                let least = theirs.entry((text(&row, "op"), text(&row, "size"), column)).or_insert(micros);
                *least = least.min(micros);
            }
        }
    }
    let mut table = String::from(
        "\n## Operations\n\nLeast times; the error is the largest difference to the same operation in f64. PyTorch: \
         eager, f32, same sizes, with its default malloc and with a tuned one (attention: its math and its flash \
         kernels).\n\n| operation | size | device | time | rate | error | PyTorch | PyTorch, tuned malloc |\n\
         |---|---|---|---:|---:|---:|---:|---:|\n",
    );
    for row in &ours {
        let (op, size) = (text(row, "op"), text(row, "size"));
        let reference = |column| {
            let micros = theirs.get(&(op.clone(), size.clone(), column));
            micros.map_or_else(String::new, |&micros| time(micros))
        };
        let rate =
            row["gflops"].as_f64().map_or_else(String::new, |rate| format!("{} GFLOP/s", number(rate)));
        let error = row["max_error"].as_f64().map_or_else(String::new, |error| format!("{error:.1e}"));
        let micros = row["micros"].as_f64().context("a time")?;
        table.push_str(&format!(
            "| {op} | {size} | {} | {} | {rate} | {error} | {} | {} |\n",
            text(row, "device"),
            time(micros),
            reference("default"),
            reference("tuned"),
        ));
    }
    Ok(table)
}

/// The array that a program prints.
fn rows(command: &mut Command) -> Result<Vec<Value>> {
    Ok(serde_json::from_value(printed(command)?)?)
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

fn time(micros: f64) -> String {
    if micros >= 1000.0 {
        format!("{} ms", number(micros / 1000.0))
    } else {
        format!("{} µs", number(micros))
    }
}

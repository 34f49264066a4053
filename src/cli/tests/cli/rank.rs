//! `rankscope rank`: the forms of its output against each other and against the library.

use std::fs;

use ndarray::{Array2, Array4, ShapeBuilder, arr2};
use rankscope::model::heads::{HeadReport, head_reports};
use rankscope::model::{self, Input, MaskChoice};
use rankscope::{Device, Run};
use serde_json::Value;

use crate::support::{Home, TEXT, holds, text_of, tiny, with_a_window, write_npy};

/// Every field that one report has.
const FIELDS: &str = "name layer head mask rows cols exact_rank exact_rank_reason numerical_rank_f32 \
     numerical_rank_f64 effective_rank stable_rank participation_ratio sigma_max sigma_min sigma_max_reason \
     sigma_min_below_floor rounding_floor condition_number condition_is_lower_bound condition_reason \
     log_abs_det log_abs_det_method log_abs_det_reason energy_rank_90 energy_rank_99 columns_90";

fn fields() -> impl Iterator<Item = &'static str> {
    FIELDS.split(' ')
}

fn array(value: Value) -> Vec<Value> {
    let Value::Array(rows) = value else { panic!("not an array: {value}") };
    rows
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// A number as the table writes it, back as a number.
fn read(cell: &str) -> f64 {
    cell.parse().unwrap_or_else(|_| panic!("{cell:?} is not a number"))
}

/// Checks a number of three significant digits against the whole one.
fn agrees(cell: &str, value: &Value) {
    let (short, whole) = (read(cell), number(value));
    assert!((short - whole).abs() <= 0.0051 * whole.abs(), "{cell} and {whole}");
}

/// The lines of a table below its rule, cell by cell.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let mut lines = table.lines().skip_while(|line| !line.starts_with('─'));
    lines.next().expect("a rule under the header");
    lines.take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn json_has_every_field_of_every_head_and_null_only_with_a_reason() {
    let home = Home::new();
    for mask in ["as-trained", "bidirectional", "prefix:3"] {
        let rows =
            array(home.json(&["rank", "--model", "glass-en", "--text", TEXT, "--mask", mask, "--json"]));
        assert_eq!(rows.len(), 4 * 4);
        for row in &rows {
            let row = row.as_object().unwrap();
            let mut names: Vec<_> = row.keys().map(String::as_str).collect();
            let mut expected: Vec<_> = fields().collect();
            names.sort_unstable();
            expected.sort_unstable();
            assert_eq!(names, expected);
            let missing = |field: &str| row[field].is_null();
            assert!(!missing("exact_rank_reason"));
            assert_eq!(missing("condition_number"), !missing("condition_reason"));
            assert_eq!(missing("log_abs_det"), !missing("log_abs_det_reason"));
            let may_be_null = ["exact_rank", "condition_reason", "log_abs_det_reason", "sigma_max_reason"];
            let others = fields().filter(|field| !may_be_null.contains(field));
            assert!(others.into_iter().all(|field| !missing(field) || field.starts_with("log_abs_det")));
        }
    }
}

#[test]
fn numbers_are_those_of_the_library() {
    let home = Home::new();
    let ids: Vec<u32> = (0..11).map(|i| (i * 37 + 5) % 97).collect();
    let list: Vec<_> = ids.iter().map(u32::to_string).collect();
    let folder = tiny("llama");
    let model = model::load(&folder, &Device::Cpu).unwrap();
    for mask in ["as-trained", "bidirectional", "causal & !window:2 | window:1"] {
        let choice: MaskChoice = mask.parse().unwrap();
        let expected =
            head_reports(model.as_ref(), &Input::new(ids.clone()), &choice, &Run::default()).unwrap();
        let input = ["rank", "--model", text_of(&folder), "--ids", &list.join(","), "--mask", mask, "--json"];
        let rows = array(home.json(&input));
        assert_eq!(rows.len(), expected.len());
        for (row, HeadReport { name, layer, head, report }) in rows.iter().zip(&expected) {
            assert_eq!(row["name"].as_str(), Some(name.as_str()));
            assert_eq!(row["layer"].as_u64(), Some(*layer as u64));
            assert_eq!(row["head"].as_u64(), Some(*head as u64));
            assert_eq!(row["mask"], choice.resolve(model.description()).to_string());
            assert_eq!(row["exact_rank"].as_u64(), report.exact_rank.map(|rank| rank as u64));
            assert_eq!(row["numerical_rank_f32"], report.numerical_rank_f32);
            assert!((number(&row["effective_rank"]) - report.effective_rank).abs() < 1e-9);
            assert!((number(&row["sigma_max"]) - report.sigma_max.unwrap()).abs() < 1e-9);
        }
    }
}

#[test]
fn the_table_says_what_json_says() {
    let home = Home::new();
    let input = ["rank", "--model", "glass-en", "--text", TEXT];
    let table = home.stdout(&input);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    holds(&table, &["glass-en: llama, 4 layers of 4 heads", "causal, as trained", "cpu: "]);
    let (lines, rows) = (cells(&table), array(home.json(&[&input[..], &["--json"]].concat())));
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(&rows) {
        let exact = ["layer", "head", "exact_rank", "numerical_rank_f32", "numerical_rank_f64"];
        for (cell, field) in line.iter().zip(exact) {
            assert_eq!(*cell, row[field].to_string());
        }
        let rounded = ["effective_rank", "stable_rank", "condition_number", "log_abs_det"];
        for (cell, field) in line[exact.len()..].iter().zip(rounded) {
            agrees(cell.trim_start_matches('≥'), &row[field]);
        }
        assert_eq!(line[9], row["columns_90"].to_string());
    }
}

#[test]
fn csv_says_what_json_says() {
    let home = Home::new();
    let input = ["rank", "--model", "glass-en", "--text", TEXT, "--mask", "bidirectional"];
    let text = home.stdout(&[&input[..], &["--csv"]].concat());
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = array(home.json(&[&input[..], &["--json"]].concat()));
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(&rows) {
        for (name, cell) in header.iter().zip(record) {
            match &row[name] {
                Value::Null => assert_eq!(cell, ""),
                Value::String(text) => assert_eq!(cell, text),
                // Not bit by bit: the reader of the JSON rounds as well.
                Value::Number(number) if number.is_f64() => {
                    let number = number.as_f64().unwrap();
                    assert!((read(cell) - number).abs() <= 1e-15 * number.abs(), "{cell} and {number}");
                }
                other => assert_eq!(cell, other.to_string()),
            }
        }
    }
    assert_eq!(header.len(), fields().count());
}

#[test]
fn another_mask_is_said_to_be_another() {
    let home = Home::new();
    let table = home.stdout(&["rank", "--model", "glass-en", "--text", TEXT, "--mask", "bidirectional"]);
    let flat: Vec<_> = table.split_whitespace().collect();
    assert!(flat.join(" ").contains("the weights were trained under another mask (causal)"), "{table}");
    let same = home.stdout(&["rank", "--model", "glass-en", "--text", TEXT, "--mask", "causal"]);
    assert!(!same.contains("another mask") && same.contains("causal, as trained"), "{same}");
}

#[test]
fn masks_are_compared_side_by_side() {
    let home = Home::new();
    let input = ["rank", "--model", "glass-en", "--ids", "5,9,13,21,34,55,89", "--compare"];
    let masks = ["causal", "blocks(3, 4)", "bidirectional"];
    let input = [&input[..], &["causal,blocks(3,4),bidirectional"]].concat();
    let rows = array(home.json(&[&input[..], &["--json"]].concat()));
    assert_eq!(rows.len(), 3 * 16);
    let table = home.stdout(&input);
    let lines = cells(&table);
    assert_eq!(lines.len(), 16);
    for (index, line) in lines.iter().enumerate() {
        for (group, mask) in masks.iter().enumerate() {
            let row = &rows[group * 16 + index];
            assert_eq!(row["mask"], *mask);
            assert_eq!(line[..2], [row["layer"].to_string(), row["head"].to_string()]);
            let at = 2 + group * 3;
            assert_eq!(line[at], row["numerical_rank_f32"].to_string());
            assert_eq!(line[at + 1], row["numerical_rank_f64"].to_string());
            agrees(line[at + 2], &row["effective_rank"]);
        }
    }
    // The reports under each mask alone.
    let alone = array(home.json(&[&input[..5], &["--mask", "blocks:3,4", "--json"]].concat()));
    assert_eq!(alone[..], rows[16..32]);
}

#[test]
fn a_layer_and_a_head_can_be_singled_out() {
    let home = Home::new();
    let input = ["rank", "--model", "glass-en", "--text", TEXT, "--json"];
    let all = array(home.json(&input));
    let layer = array(home.json(&[&input[..], &["--layer", "2"]].concat()));
    assert_eq!(layer[..], all[8..12]);
    let head = array(home.json(&[&input[..], &["--head", "3"]].concat()));
    assert_eq!(head, [3, 7, 11, 15].map(|index| all[index].clone()));
    let one = array(home.json(&[&input[..], &["--layer", "1", "--head", "0"]].concat()));
    assert_eq!(one, [all[4].clone()]);
}

#[test]
fn text_may_come_from_stdin() {
    use std::io::Write;
    use std::process::Stdio;
    let home = Home::new();
    let given = home.stdout(&["rank", "--model", "glass-en", "--text", TEXT, "--json"]);
    let mut command = home.command(&["rank", "--model", "glass-en", "--text", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{TEXT}").unwrap();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), given);
}

#[test]
fn figures_are_svg_with_what_recreates_them() {
    let home = Home::new();
    let input = ["rank", "--model", "glass-en", "--text", TEXT, "--svg"];
    let wall = home.stdout(&[&input[..], &["wall.svg"]].concat());
    assert_eq!(cells(&wall).len(), 16);
    let wall = fs::read_to_string(home.path("wall.svg")).unwrap();
    holds(&wall, &["<svg", "effective rank", "\"masks\":[\"causal\"]"]);
    let head = ["--layer", "1", "--head", "2", "--compare", "causal,bidirectional"];
    home.stdout(&[&input[..], &["head.svg"], &head].concat());
    let spectra = fs::read_to_string(home.path("head.svg")).unwrap();
    assert!(spectra.contains("\"masks\":[\"causal\",\"bidirectional\"]") && spectra.contains("tolerance"));
    let said = home.error(&[&input[..], &["many.svg", "--compare", "causal,bidirectional"]].concat());
    assert!(said.contains("--layer and --head"), "{said}");
    assert!(!home.path("many.svg").exists());
}

#[test]
fn a_matrix_is_read_in_either_precision_and_order() {
    let home = Home::new();
    let rows = arr2(&[[0.5, 0.25, 0.25], [0.125, 0.875, 0.0]]);
    let mut columns = Array2::<f64>::zeros((2, 3).f());
    columns.assign(&rows);
    write_npy(home.path("m.npy"), &rows);
    let expected = home.json(&["rank", "--matrix", "m.npy", "--json"]);
    let mut names: Vec<_> = expected.as_object().unwrap().keys().map(String::as_str).collect();
    let of_a_model = ["layer", "head", "mask"];
    let mut all: Vec<_> = fields().filter(|field| !of_a_model.contains(field)).collect();
    names.sort_unstable();
    all.sort_unstable();
    assert_eq!(names, all);
    assert_eq!((&expected["rows"], &expected["cols"]), (&2.into(), &3.into()));
    assert_eq!(expected["name"], "m");
    assert!(expected["log_abs_det"].is_null() && expected["log_abs_det_reason"].is_string());
    // ‖A‖_F² is the sum of squares, and σ₁² + σ₂² too.
    let squares = |field: &str| number(&expected[field]).powi(2);
    assert!((squares("sigma_max") + squares("sigma_min") - 1.15625).abs() < 1e-12);
    write_npy(home.path("m.npy"), &columns);
    assert_eq!(home.json(&["rank", "--matrix", "m.npy", "--json"]), expected);
    write_npy(home.path("m.npy"), &rows.mapv(|x| x as f32));
    assert_eq!(home.json(&["rank", "--matrix", "m.npy", "--json"]), expected);
    let facts = home.stdout(&["rank", "--matrix", "m.npy", "--svg", "m.svg"]);
    assert!(facts.contains("2 x 3") && facts.contains("2 in f32, 2 in f64"), "{facts}");
    assert!(fs::read_to_string(home.path("m.svg")).unwrap().contains("<svg"));
}

#[test]
fn layers_with_masks_of_their_own_show_them() {
    let home = Home::new();
    let folder = with_a_window(&home);
    let input = ["rank", "--model", text_of(&folder), "--ids", "5,9,13,2,8,4"];
    let rows = array(home.json(&[&input[..], &["--json"]].concat()));
    let mask = |row: &Value| (row["layer"].as_u64().unwrap(), row["mask"].as_str().unwrap().to_owned());
    let stated = [(0, "causal".to_owned()), (1, "window(3)".to_owned())];
    assert!(rows.iter().map(mask).all(|mask| stated.contains(&mask)));
    let table = home.stdout(&input);
    holds(&table, &["causal in layer 0, window(3) in layer 1, as trained", "causal: 6, ", "window(3): 6, "]);
    let compared = home.stdout(&[&input[..], &["--compare", "as-trained,bidirectional"]].concat());
    let header = compared.lines().find(|line| line.contains("bidirectional") && !line.contains(':')).unwrap();
    assert!(header.contains("as-trained"), "{compared}");
}

#[test]
fn a_batch_is_a_list_of_heads() {
    let home = Home::new();
    let sigma = |layer: usize, head: usize| 1.0 + (10 * layer + head) as f64;
    let entry = |(layer, head, row, col): (usize, usize, usize, usize)| {
        if row == col { sigma(layer, head) } else { 0.0 }
    };
    let batch = Array4::from_shape_fn((2, 3, 2, 2), entry);
    write_npy(home.path("b.npy"), &batch);
    let rows = array(home.json(&["rank", "--matrix", "b.npy", "--json"]));
    assert_eq!(rows.len(), 6);
    for (index, row) in rows.iter().enumerate() {
        let (layer, head) = (index / 3, index % 3);
        assert_eq!(row["name"], format!("b[{layer}, {head}]"));
        assert_eq!((&row["layer"], &row["head"]), (&layer.into(), &head.into()));
        assert_eq!(number(&row["sigma_max"]), sigma(layer, head));
    }
    let table = home.stdout(&["rank", "--matrix", "b.npy", "--svg", "b.svg", "--png", "b.png"]);
    assert!(table.contains("b: f64 [2, 3, 2, 2]") && cells(&table).len() == 6, "{table}");
    assert!(fs::read(home.path("b.png")).unwrap().starts_with(b"\x89PNG") && home.path("b.svg").exists());
    // Only the entry's place and the matrix's are said, and the file.
    write_npy(home.path("n.npy"), &batch.mapv(|entry| if entry == 12.0 { f64::NAN } else { entry }));
    let said = home.error(&["rank", "--matrix", "n.npy"]);
    assert!(said.contains("n.npy: [1, 1]: matrix entry (0, 0) is NaN"), "{said}");
}

#[test]
fn integers_that_were_rounded_are_noted() {
    let home = Home::new();
    write_npy(home.path("i.npy"), &arr2(&[[9007199254740993i64, 0], [0, 1]]));
    let row = home.json(&["rank", "--matrix", "i.npy", "--json"]);
    let note = "1 entry is beyond the 53 bits of f64 and rounded, the first 9007199254740993 at (0, 0)";
    assert_eq!((&row["note"], &row["exact_rank"]), (&note.into(), &2.into()));
    let facts = home.stdout(&["rank", "--matrix", "i.npy"]);
    assert!(facts.split_whitespace().collect::<Vec<_>>().join(" ").contains(note), "{facts}");
}

#[test]
fn a_trace_of_ours_as_attention_of_others_gives_the_same_ranks() {
    let home = Home::new();
    let input = ["--model", "glass-en", "--text", TEXT];
    home.stdout(&[&["trace"][..], &input, &["--out", "t.safetensors"]].concat());
    let own = array(home.json(&[&["rank"][..], &input, &["--json"]].concat()));
    let brought = array(home.json(&["rank", "--attention", "t.safetensors", "--json"]));
    assert_eq!(brought.len(), own.len());
    for (brought, own) in brought.iter().zip(&own) {
        for field in fields().filter(|field| *field != "exact_rank_reason") {
            assert_eq!(brought[field], own[field], "{field} of {}", own["name"]);
        }
        assert_eq!((&brought["causal"], &brought["content"]), (&true.into(), &"weights".into()));
        assert!(number(&brought["row_sum_error"]) < 1e-6);
    }
    let table = home.stdout(&["rank", "--attention", "t.safetensors", "--layer", "2", "--svg", "w.svg"]);
    let model = home.stdout(&[&["rank"][..], &input, &["--layer", "2"]].concat());
    assert_eq!(cells(&table), cells(&model));
    let flat = table.split_whitespace().collect::<Vec<_>>().join(" ");
    holds(&flat, &["each f32 [H=4, T=", "sums differ from 1 by up to"]);
    holds(&flat, &["lower triangular with a positive diagonal"]);
    assert!(fs::read_to_string(home.path("w.svg")).unwrap().contains("effective rank"));
}

#[test]
fn what_is_wrong_with_brought_attention_is_said_in_one_line() {
    let home = Home::new();
    write_npy(home.path("a.npy"), &Array4::<f32>::from_elem((2, 1, 3, 3), 0.5));
    fs::write(home.path("tokens.txt"), "a\nb\n").unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["--tokens", "tokens.txt"], "tokens.txt: 2 tokens, expected 3"),
        (&["--layer", "2"], "--layer is 2, expected less than 2"),
        (&["--sequence", "1"], "--sequence is 1, expected less than 1"),
        (&["--name", "w"], "holds no array w, but a (f32 [2, 1, 3, 3])"),
        (&["--png", "a.svg"], "--png is a.svg, expected a name that ends in .png"),
    ];
    for (arguments, part) in cases {
        let said = home.error(&[&["rank", "--attention", "a.npy"], arguments].concat());
        assert!(said.contains(part), "{said}");
    }
    let table = home.stdout(&["rank", "--attention", "a.npy"]);
    assert!(table.contains("rows do not sum to 1"), "{table}");
}

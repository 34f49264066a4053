//! Attention from files: the meaning of each array, and checks of the numbers.

use std::fs;
use std::path::PathBuf;

use half::f16;
use ndarray::array;
use safetensors::tensor::{Dtype, TensorView};

use super::*;
use crate::array::tests::{npy, npz};
use crate::model::heads::layer_reports;
use crate::{Axis, Mask, Tensor};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A `.npz` file of f32 arrays under these names, each of `shape`.
    fn npz(&self, shape: &str, arrays: &[(String, Vec<f32>)]) -> PathBuf {
        let files: Vec<_> = arrays
            .iter()
            .map(|(name, values)| (format!("{name}.npy"), npy("'<f4'", false, shape, &le(values))))
            .collect();
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        let path = self.path("a.npz");
        npz(&path, &files);
        path
    }

    fn npy(&self, shape: &str, values: &[f32]) -> PathBuf {
        let path = self.path("a.npy");
        fs::write(&path, npy("'<f4'", false, shape, &le(values))).unwrap();
        path
    }
}

fn le(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn open(path: &Path) -> Recorded {
    Recorded::open(path, None, None).unwrap()
}

fn said(path: &Path, name: Option<&str>, tokens: Option<&Path>) -> String {
    let said = Recorded::open(path, name, tokens).unwrap_err().to_string();
    assert!(!said.contains('\n') && said.chars().count() < 400, "{said}");
    said
}

/// Softmax of some scores over the first `visible(t)` of `keys`, row by row, for `count` matrices.
fn softmax(count: usize, queries: usize, keys: usize, visible: impl Fn(usize) -> usize) -> Vec<f32> {
    let mut values = Vec::new();
    for row in 0..count * queries {
        let seen = visible(row % queries);
        let exps: Vec<f32> = (0..keys).map(|key| ((row * 7 + key * 5) as f32 * 0.9).sin().exp()).collect();
        let sum: f32 = exps[..seen].iter().sum();
        values.extend(exps.iter().enumerate().map(|(key, exp)| if key < seen { exp / sum } else { 0.0 }));
    }
    values
}

#[test]
fn every_shape_reads_as_layers_sequences_and_heads() {
    let folder = Folder::new();
    // Two layers, three sequences, five heads, four queries, six keys.
    let values: Vec<f32> = (0..2 * 3 * 5 * 4 * 6).map(|i| i as f32).collect();
    let cases = [
        ("(2, 3, 5, 4, 6)", (2, 3, 5), At { layer: 1, sequence: 2, head: 4 }, 29, "a[1]"),
        ("(6, 5, 4, 6)", (6, 1, 5), At { layer: 3, sequence: 0, head: 2 }, 17, "a[3]"),
        ("(30, 4, 6)", (1, 1, 30), At { layer: 0, sequence: 0, head: 7 }, 7, "a"),
        ("(120, 6)", (1, 1, 1), At { layer: 0, sequence: 0, head: 0 }, 0, "a"),
    ];
    for (shape, sizes, at, matrix, name) in cases {
        let recorded = open(&folder.npy(shape, &values));
        assert_eq!((recorded.layers(), recorded.sequences(), recorded.heads()), sizes, "{shape}");
        let first = f64::from(matrix * 4 * 6);
        assert_eq!(recorded.matrix(at).unwrap()[(0, 0)], first, "{shape}");
        assert_eq!(recorded.layer_name(at.layer), name);
        assert_eq!(recorded.places().count(), sizes.0 * sizes.1 * sizes.2);
    }
    let said = said(&folder.npy("(720,)", &values), None, None);
    let expected = "a is [720], expected [T, S], [H, T, S], [L, H, T, S] or [L, B, H, T, S]";
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn layers_come_in_the_order_of_the_numbers_in_their_names() {
    let folder = Folder::new();
    for pattern in ["arr_*", "layer_*", "attentions.*", "model.layers.*.self_attn", "*", "L*"] {
        // Written in the order of text: 0, 1, 10, 11, 2, …
        let mut numbers: Vec<usize> = (0..12).collect();
        numbers.sort_by_key(usize::to_string);
        let layer = |&number: &usize| (pattern.replace('*', &number.to_string()), vec![number as f32; 2 * 9]);
        let recorded = open(&folder.npz("(1, 2, 3, 3)", &numbers.iter().map(layer).collect::<Vec<_>>()));
        assert_eq!((recorded.layers(), recorded.heads()), (12, 2), "{pattern}");
        for layer in 0..12 {
            assert_eq!(recorded.layer_name(layer), pattern.replace('*', &layer.to_string()));
            let at = At { layer, sequence: 0, head: 1 };
            assert_eq!(recorded.matrix(at).unwrap()[(2, 2)], layer as f64);
        }
    }
    // One array for each head: layer and head are both in the name.
    let name =
        |(layer, head): (usize, usize)| (format!("L{layer}.H{head}"), vec![(10 * layer + head) as f32; 4]);
    let all: Vec<_> = (0..3).flat_map(|layer| (0..11).map(move |head| (layer, head))).map(name).collect();
    let recorded = open(&folder.npz("(2, 2)", &all));
    assert_eq!((recorded.layers(), recorded.heads()), (3, 11));
    assert_eq!(recorded.matrix(At { layer: 2, sequence: 0, head: 10 }).unwrap()[(1, 0)], 30.0);
    let said = said(&folder.npz("(2, 2)", &all[..13]), None, None);
    assert!(said.ends_with("expected as many heads in every layer"), "{said}");
}

#[test]
fn among_many_arrays_those_called_attention_are_meant_and_others_can_be_chosen() {
    let folder = Folder::new();
    let four = |name: &str| (name.to_owned(), vec![0.5; 4]);
    let trace = ["d.0.attention.scores", "d.0.attention.weights", "d.1.attention.weights", "hidden_states.0"];
    let path = folder.npz("(2, 2)", &trace.map(four));
    let expected = "2 arrays d.0.attention.weights … d.1.attention.weights, each f32 [T=2, S=2]";
    assert_eq!(open(&path).in_words(), expected);
    let hidden = Recorded::open(&path, Some("hidden_states.*"), None).unwrap();
    assert_eq!(hidden.layer_name(0), "hidden_states.0");
    assert!(said(&path, Some("w"), None).contains("holds no array w, but d.0.attention.scores (f32 [2, 2])"));
    let path = folder.npz("(2, 2)", &["encoder_attentions.0", "cross_attentions.0"].map(four));
    let said = said(&path, None, None);
    assert!(said.ends_with("choose one with --name") && said.contains("2 sets of arrays"), "{said}");
    assert_eq!(Recorded::open(&path, Some("cross_attentions.0"), None).unwrap().layers(), 1);
}

#[test]
fn layers_that_do_not_fit_together_are_named_with_their_shapes() {
    let folder = Folder::new();
    let path = folder.path("a.npz");
    let arrays = [("x_0.npy", "(1, 2, 3, 3)", 18), ("x_1.npy", "(1, 2, 3, 4)", 24)];
    let arrays =
        arrays.map(|(name, shape, count)| (name, npy("'<f4'", false, shape, &le(&vec![0.0; count]))));
    npz(&path, &arrays);
    let said = said(&path, None, None);
    assert!(said.ends_with("x_1 is [1, 2, 3, 4], expected [1, 2, 3, 3] as x_0 is"), "{said}");
}

#[test]
fn a_file_s_report_is_that_of_the_weights_themselves() {
    let folder = Folder::new();
    let (heads, n) = (3, 5);
    let values = softmax(heads, n, n, |query| query + 1);
    let recorded = open(&folder.npy("(3, 5, 5)", &values));
    let places: Vec<At> = recorded.places().collect();
    let got = recorded.reports(&places, &Run::default()).unwrap();
    let axes = [(Axis::Head, heads), (Axis::Query, n), (Axis::Key, n)];
    let tensor = Tensor::new(axes, values).unwrap();
    let own = layer_reports(&[("decoder.0".into(), tensor)], &Mask::causal(), &Run::default()).unwrap();
    for (got, own) in got.iter().zip(&own) {
        let [mut got_json, own_json] =
            [&got.report, &own.report].map(|report| serde_json::to_value(report).unwrap());
        assert_eq!(got_json["exact_rank"], 5);
        got_json["exact_rank_reason"] = own_json["exact_rank_reason"].clone();
        assert_eq!(got_json, own_json);
        assert_eq!((got.check.causal, got.check.content), (Some(true), Content::Weights));
        assert!(got.check.row_sum_error < 3e-7 && got.check.smallest_on_diagonal.unwrap() > 0.0);
    }
    let lines = summary(&got);
    let fact = "lower triangular with a positive diagonal, so of full rank by theorem";
    assert!(lines[1].1.contains(fact), "{lines:?}");
    assert_eq!(lines.len(), 2);
}

#[test]
fn checks_by_hand() {
    let of = |matrix: ndarray::Array2<f64>| WeightCheck::of(matrix.view(), 1e-3);
    let causal = of(array![[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.25, 0.25, 0.375]]);
    assert_eq!((causal.causal, causal.zero_rows), (Some(true), 1));
    assert_eq!(of(array![[1.0, f64::NAN], [0.5, 0.5]]).causal, Some(false));
    assert_eq!((causal.row_sum_error, causal.worst_row, causal.smallest_on_diagonal), (0.125, 2, Some(0.0)));
    // Queries at the last two of three keys.
    let cached = of(array![[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]);
    assert_eq!((cached.causal, cached.largest_above_diagonal), (Some(true), Some(0.0)));
    let leaky = of(array![[1.0, 1e-9], [0.5, 0.5]]);
    assert_eq!((leaky.causal, leaky.largest_above_diagonal), (Some(false), Some(1e-9)));
    let tall = of(array![[1.0], [1.0]]);
    assert_eq!((tall.causal, tall.largest_above_diagonal), (None, None));
    assert_eq!(tall.causal_reason.as_deref(), Some("2 queries do not stand at the last of 1 keys"));
}

#[test]
fn what_is_not_weights_is_recognised() {
    let weights = array![[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]];
    let cases = [
        (weights.clone(), Content::Weights),
        (weights.mapv(f64::ln), Content::LogWeights),
        (weights.t().to_owned(), Content::Transposed),
        (weights.mapv(|weight: f64| weight / 0.7), Content::Unnormalised),
        (array![[3.0, -1.0], [0.5, -4.0]], Content::Scores),
        (array![[1.5, -0.5], [0.5, 0.5]], Content::SignedWeights),
    ];
    for (matrix, content) in cases {
        assert_eq!(WeightCheck::of(matrix.view(), 1e-3).content, content, "{matrix}");
        assert_eq!(content.warning().is_none(), content == Content::Weights);
    }
    let folder = Folder::new();
    let recorded = open(&folder.npy("(1, 2, 2)", &[0.5, f32::NEG_INFINITY, 0.5, 0.5]));
    let said = recorded.matrix(At { layer: 0, sequence: 0, head: 0 }).unwrap_err().to_string();
    assert!(said.contains("layer 0, head 0: entry (0, 1) is -inf, expected a finite number"), "{said}");
    assert!(said.contains("scores before softmax"), "{said}");
    let stored = recorded.stored(At { layer: 0, sequence: 0, head: 0 });
    assert_eq!(stored, array![[0.5, f64::NEG_INFINITY], [0.5, 0.5]]);
}

#[test]
fn half_precision_is_weights_to_its_own_error() {
    let folder = Folder::new();
    let values = softmax(2, 9, 9, |_| 9);
    let half: Vec<u8> = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
    let views = [("attentions.0", TensorView::new(Dtype::F16, vec![1, 2, 9, 9], &half).unwrap())];
    let tokens = [("tokens".to_owned(), serde_json::to_string(&["x"; 9]).unwrap())].into();
    let path = folder.path("a.safetensors");
    fs::write(&path, safetensors::serialize(views, Some(tokens)).unwrap()).unwrap();
    let recorded = open(&path);
    let head = recorded.report(At { layer: 0, sequence: 0, head: 1 }).unwrap();
    assert_eq!((head.check.content, head.check.causal), (Content::Weights, Some(false)));
    assert!(head.check.row_sum_error > 1e-6 && head.check.row_sum_error < 2e-3);
    assert_eq!(recorded.labels(0).keys.unwrap(), ["x"; 9]);
}

#[test]
fn tokens_are_placed_and_counted() {
    let folder = Folder::new();
    let path = folder.npy("(1, 2, 1, 2, 3)", &[0.0; 12]);
    let tokens = folder.path("tokens");
    let with = |text: &str| {
        fs::write(&tokens, text).unwrap();
        Recorded::open(&path, None, Some(&tokens)).unwrap()
    };
    let names = |list: &[&str]| Some(list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    for text in ["a\nb\n c\n", r#"["a", "b", " c"]"#] {
        let labels = with(text).labels(1);
        assert_eq!((labels.queries, labels.keys), (names(&["b", " c"]), names(&["a", "b", " c"])));
    }
    let labels = with(r#"[["a", "b", "c"], ["d", "e", "f"]]"#).labels(1);
    assert_eq!(labels.keys, names(&["d", "e", "f"]));
    let labels = with(r#"{"queries": ["x", "y"]}"#).labels(0);
    assert_eq!((labels.queries, labels.keys), (names(&["x", "y"]), None));
    for (text, part) in [
        ("a\n", "1 tokens, expected 3 as many as keys, or 2 as many as queries"),
        (r#"{"keys": ["a"]}"#, "1 keys, expected 3, one a position"),
        (r#"[["a", "b", "c"]]"#, "1 lists of tokens, expected 2, as many as sequences"),
        ("[1, 2, 3]", "expected a JSON array of strings"),
        ("{}", "expected at least one of them"),
    ] {
        fs::write(&tokens, text).unwrap();
        let said = said(&path, None, Some(&tokens));
        assert!(said.contains(part), "{text}: {said}");
    }
}

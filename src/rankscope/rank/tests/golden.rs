//! Reports of stored attention matrices of real models, against reports made with numpy, which are
//! stored beside them.

use std::path::PathBuf;

use ndarray::Array2;
use safetensors::{SafeTensors, tensor::TensorView};

use crate::rank::RankReport;

fn numbers<const N: usize>(tensor: &TensorView, read: fn([u8; N]) -> f64) -> Vec<f64> {
    tensor.data().as_chunks::<N>().0.iter().map(|&bytes| read(bytes)).collect()
}

/// `p0.encoder.attention.L0.H3` → `p0.encoder.ranks`, layer 0, head 3.
fn address(name: &str) -> Option<(String, usize, usize)> {
    let (path, place) = name.split_once("attention.L")?;
    let (layer, head) = place.split_once(".H")?;
    Some((format!("{path}ranks"), layer.parse().unwrap(), head.parse().unwrap()))
}

/// Checks every attention matrix in `file`, and returns how many there are.
fn check(file: &str) -> usize {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real");
    let bytes = std::fs::read(folder.join(file)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut checked = 0;
    for (name, tensor) in tensors.tensors() {
        let Some((table, layer, head)) = address(&name) else { continue };
        let shape = (tensor.shape()[0], tensor.shape()[1]);
        let entries = numbers(&tensor, |bytes| f64::from(f32::from_le_bytes(bytes)));
        let report = RankReport::of(Array2::from_shape_vec(shape, entries).unwrap().view(), None).unwrap();
        let table = tensors.tensor(&table).unwrap();
        let expected = numbers(&table, f64::from_le_bytes);
        let row = (layer * table.shape()[1] + head) * 6;
        compare(&format!("{file} {name}"), &report, &expected[row..row + 6]);
        checked += 1;
    }
    checked
}

fn compare(name: &str, report: &RankReport, expected: &[f64]) {
    let sigma_max = report.sigma_max.unwrap();
    let close = |what: &str, got: f64, expected: f64, scale: f64| {
        assert!((got - expected).abs() <= 1e-10 * scale, "{name}: {what} {got}, expected {expected}");
    };
    close("effective rank", report.effective_rank, expected[0], expected[0]);
    close("stable rank", report.stable_rank, expected[1], expected[1]);
    assert_eq!(report.numerical_rank_f32 as f64, expected[2], "{name}: f32");
    assert_eq!(report.numerical_rank_f64 as f64, expected[3], "{name}: f64");
    close("sigma_max", sigma_max, expected[4], sigma_max);
    close("sigma_min", report.sigma_min.unwrap(), expected[5], sigma_max);
}

#[test]
fn stored_attention_gives_the_stored_ranks() {
    assert_eq!(check("glass-en.golden.safetensors"), 9);
    assert_eq!(check("minilm-l6.golden.safetensors"), 9);
    assert_eq!(check("smollm2-135m.golden.safetensors"), 9);
}

#[test]
fn rectangular_attention_gives_the_stored_ranks() {
    assert_eq!(check("flan-t5-small-title.golden.safetensors"), 9);
}

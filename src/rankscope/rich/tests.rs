//! Every type that is shown says the same in both forms.

use ndarray::array;

use super::Rich;
use crate::axis::Axis;
use crate::claim::{self, Effort, Settings};
use crate::device::Device;
use crate::mask::Mask;
use crate::rank::{RankReport, Spectrum};
use crate::run::Run;
use crate::tensor::Tensor;

#[test]
fn a_mask_is_a_picture_of_who_may_attend() {
    let text = Mask::causal().text();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!((rows.len(), rows[0]), (12, "■ · · · · · · · · · · ·"));
    assert_eq!(rows[11].matches('■').count(), 12);
    // One rectangle for each pair, and the ground.
    assert_eq!(Mask::causal().html().matches("<rect").count(), 12 * 13 / 2 + 1);
}

#[test]
fn a_tensor_shows_axes_and_a_corner_and_attention_a_heatmap() {
    let tensor = Tensor::new([(Axis::Head, 2), (Axis::Query, 3), (Axis::Key, 4)], vec![0.25; 24]).unwrap();
    let text = tensor.text();
    assert!(text.starts_with("Tensor [H=2, T=3, S=4] on cpu, the first of 2 matrices\n"), "{text}");
    assert_eq!(text.lines().count(), 4);
    assert_eq!(text.matches("0.25").count(), 12);
    assert!(tensor.html().contains("<svg"));
    // Scores may be negative: no weights, so no picture of weights.
    let scores = Tensor::new([(Axis::Query, 2), (Axis::Key, 9)], vec![-1.0; 18]).unwrap();
    assert!(!scores.html().contains("<svg") && scores.html().contains("…"), "{}", scores.html());
    let none = Tensor::new([(Axis::Query, 0), (Axis::Key, 9)], vec![]).unwrap();
    assert!(none.text().contains("T=0") && none.html().contains("T=0"));
}

#[test]
fn plain_values_show_what_they_are() {
    let weights = array![[1.0, 0.0], [0.25, 0.75]];
    assert!(weights.html().contains("<svg") && weights.text().starts_with("2 x 2\n"));
    let scores = array![[1.0f32, -2.0], [0.5, 0.5]];
    assert!(!scores.html().contains("<svg") && scores.html().contains("<td>-2.00</td>"), "{}", scores.html());
    assert_eq!(vec![1.5, 2.0].text(), "[1.5, 2]");
    let (good, bad): (Result<f64, String>, Result<f64, String>) = (Ok(0.5), Err("1 < 2".into()));
    assert_eq!((good.text(), bad.text()), ("0.5".into(), "error: 1 < 2".into()));
    assert!(bad.html().contains("1 &lt; 2"));
    assert_eq!((0.5, "x").text(), "0.5\nx");
}

#[test]
fn ranks_are_told_apart() {
    let matrix = array![[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]];
    let report = RankReport::of(matrix.view(), None).unwrap();
    let text = report.text();
    for word in ["exact rank", "numerical rank, f32", "effective rank", "3 × 3"] {
        assert!(text.contains(word) && report.html().contains(word), "{word}: {text}");
    }
    assert!(Spectrum::of(matrix.view()).unwrap().text().contains("rounding floor"));
}

#[test]
fn a_trial_gives_verdict_evidence_and_pictures() {
    let claim = claim::CLAIMS[0];
    let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in [("n", "24"), ("sizes", "12"), ("models", "")] {
        settings.set(name, value).unwrap();
    }
    let trial = claim::run(claim, &settings, &Run::new(0)).unwrap();
    let (text, html) = (trial.text(), trial.html());
    assert!(text.starts_with(trial.about.statement));
    for (arena, ruling, because) in trial.verdict.opinions() {
        assert!(text.contains(&format!("in {arena}: {ruling}. {because}")), "{text}");
        assert!(html.contains(arena) && html.contains(ruling), "{html}");
    }
    assert_eq!(html.matches("<figcaption>").count(), trial.evidence.illustrations().len());
    for measured in trial.evidence.measured() {
        assert!(text.contains(&measured.name) && html.contains(&measured.name), "{}", measured.name);
    }
}

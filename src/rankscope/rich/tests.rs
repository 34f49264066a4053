//! Every displayed type has the same content in both forms.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ndarray::array;

use super::{HeadWall, Rich, States, predict, standalone};
use crate::axis::Axis;
use crate::claim::{self, Effort, Settings};
use crate::device::Device;
use crate::figure::html::weights_as_u16;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::mask::Mask;
use crate::probe::{Probe, Trace};
use crate::rank::{RankReport, Spectrum};
use crate::run::Run;
use crate::tensor::Tensor;

#[test]
fn a_mask_is_a_picture_of_who_may_attend() {
    let text = Mask::causal().text();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!((rows.len(), rows[0]), (12, "■ · · · · · · · · · · ·"));
    assert_eq!(rows[11].matches('■').count(), 12);
    // One rectangle for each pair, and one for the background.
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
    // Scores may be negative; they are no weights, so there is no picture of weights.
    let scores = Tensor::new([(Axis::Query, 2), (Axis::Key, 9)], vec![-1.0; 18]).unwrap();
    assert!(!scores.html().contains("<svg") && scores.html().contains("…"), "{}", scores.html());
    let none = Tensor::new([(Axis::Query, 0), (Axis::Key, 9)], vec![]).unwrap();
    assert!(none.text().contains("T=0") && none.html().contains("T=0"));
}

#[test]
fn plain_values_show_what_they_are() {
    let weights = array![[1.0, 0.0], [0.25, 0.75]];
    assert!(weights.html().contains("<svg") && weights.text().starts_with("2 x 2\n"));
    // A weight of exactly 0 is hatched and has no number.
    assert!(weights.html().contains(&format!("data-values=\"{}", "AACAPwAAwH8")), "1 and NaN");
    assert!(weights.html().contains("exactly 0") && !array![[0.5, 0.5]].html().contains("exactly 0"));
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
    let singular = RankReport::of(array![[1.0, 1.0], [1.0, 1.0]].view(), None).unwrap().text();
    let smallest = singular.lines().find(|line| line.starts_with("smallest singular value")).unwrap();
    assert!(smallest.ends_with("below the rounding floor, 8.88e-16"), "only noise: {smallest}");
}

#[test]
fn a_painted_mask_is_shown_in_its_own_size() {
    let mask = Mask::custom(Mask::causal().pattern(5));
    assert_eq!(mask.text().lines().nth(1), Some("■ · · · ·"));
    assert_eq!((!(mask)).html().matches("<rect").count(), 10 + 1);
}

/// The weights of `heads` heads of `n` tokens in each of `layers` layers, as a model computes them.
fn trace(layers: usize, heads: usize, n: usize, mask: &Mask) -> Trace {
    let mut trace = Trace::all();
    for layer in 0..layers {
        let weights = (0..heads).flat_map(|head| {
            let draw = claim::Draw::of_layer(n, 16, head as u64, layer as u64);
            draw.weights(1.0, mask, &Device::Cpu).unwrap().into_iter().map(|weight| weight as f32)
        });
        let axes = [(Axis::Batch, 1), (Axis::Head, heads), (Axis::Query, n), (Axis::Key, n)];
        let tensor = Tensor::new(axes, weights.collect()).unwrap();
        trace.visit(&format!("decoder.{layer}.self_attention.weights"), tensor).unwrap();
    }
    trace
}

#[test]
fn a_wall_of_144_heads_is_below_two_megabytes() {
    let trace = trace(12, 12, 64, &Mask::bidirectional());
    let wall = HeadWall::of(&trace, (0..64).map(|token| format!("token {token}"))).unwrap();
    let html = standalone(&wall.html());
    assert_eq!(html.matches("<button").count(), 144);
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
    assert!(html.contains("token 63") && html.contains("decoder.11.self_attention.weights, head 11"));
    assert_eq!(wall.text().lines().count(), 13);
}

#[test]
fn a_wall_hatches_what_the_masks_of_a_trace_forbid() {
    let codes = |trace: &Trace| -> Vec<u16> {
        let html = HeadWall::of(trace, [0]).unwrap().html();
        let values = html.split("data-size=\"0\" data-values=\"").nth(1).unwrap().split('"').next().unwrap();
        let bytes = BASE64_STANDARD.decode(values).unwrap();
        bytes.chunks_exact(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]])).collect()
    };
    let mut masked = trace(1, 2, 5, &Mask::causal());
    assert!(!codes(&masked).contains(&u16::MAX), "nobody told the mask");
    let allowed = Mask::causal().pattern(5).mapv(|allowed| f32::from(u8::from(allowed)));
    let mask = Tensor::new([(Axis::Query, 5), (Axis::Key, 5)], allowed.into_iter().collect()).unwrap();
    masked.visit("decoder.0.self_attention.mask", mask).unwrap();
    for (at, code) in codes(&masked).into_iter().enumerate() {
        assert_eq!(code == u16::MAX, at % 5 > at / 5, "{at}: {code}");
    }
    // A trace of weights also keeps the mask, but does not list it.
    let mut weights = Trace::of(["attention.weights"]);
    assert!(weights.watches("decoder.0.self_attention.mask") && !weights.watches("mask"));
    weights
        .visit("decoder.0.self_attention.mask", Tensor::zeros([(Axis::Query, 1), (Axis::Key, 1)]))
        .unwrap();
    assert_eq!(weights.iter().len(), 0);
    assert!(weights.mask_of("decoder.0.self_attention.weights").is_some());
}

#[test]
fn curves_tell_their_points_and_where_these_stand() {
    let curve = Curve::new("<causal>", Kind::Causal, [(1.0, 2.0), (2.0, 4.0)]).with_spread([0.5, 0.25]);
    let figure = Lines {
        title: "t".into(),
        x: PlotAxis::linear("n"),
        y: PlotAxis::linear("rank"),
        curves: vec![curve, Curve::new("other", Kind::Plain, [(2.0, 2.0)])],
        references: Vec::new(),
        settings: serde_json::Value::Null,
    };
    let html = figure.html();
    assert!(html.contains("<rankscope-curves") && html.contains("[&quot;&lt;causal&gt;&quot;,2]"), "{html}");
    let values = html.split("data-values=\"").nth(1).unwrap().split('"').next().unwrap();
    let bytes = BASE64_STANDARD.decode(values).unwrap();
    let numbers: Vec<f32> =
        bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    let [first, second, other] = [&numbers[..5], &numbers[5..10], &numbers[10..]];
    assert_eq!((&first[..3], &second[..3]), (&[1.0, 2.0, 0.5][..], &[2.0, 4.0, 0.25][..]));
    assert!(other[..2] == [2.0, 2.0] && other[2].is_nan());
    // Its place across is that of the second point, its place down that of the first; higher values
    // are nearer to the top.
    assert_eq!(other[3..], [second[3], first[4]]);
    assert!(first[3] < second[3] && first[4] > second[4]);
}

#[test]
fn weights_in_16_bits_keep_three_digits() {
    let weights = [0.0f32, 1.0, 0.5, 0.123_456, 1e-3, 3.3e-8, 1e-30];
    let bytes = BASE64_STANDARD.decode(weights_as_u16(weights.into_iter().map(Some)).unwrap()).unwrap();
    for (bytes, weight) in bytes.chunks_exact(2).zip(weights) {
        // Decoded as in the script.
        let code = f64::from(u16::from_le_bytes(bytes.try_into().unwrap()));
        let read = if code > 0.0 { ((code - 65534.0) / 3276.0).exp() } else { 0.0 };
        let weight = f64::from(weight);
        let is_near =
            (read - weight).abs() <= 2e-4 * weight || (weight < 2e-9 && read > 0.0 && read < 2.1e-9);
        assert!(is_near, "{weight} is read as {read}");
    }
    let outside = |weight| weights_as_u16([Some(0.5), Some(weight)].into_iter()).is_none();
    assert!(outside(-0.1) && outside(f32::NAN) && outside(1.1));
}

#[test]
fn a_trace_without_weights_lists_what_it_has() {
    let mut other = Trace::all();
    other.visit("decoder.0.output", Tensor::zeros([(Axis::Query, 3), (Axis::Width, 2)])).unwrap();
    assert!(other.html().contains("decoder.0.output") && !other.html().contains("<rankscope-wall"));
    assert!(HeadWall::of(&other, [0]).unwrap_err().to_string().contains("heads in the trace is 0"));
    assert!(trace(2, 3, 5, &Mask::causal()).html().contains("<rankscope-wall"));
    let mut negative = Trace::all();
    let scores = Tensor::new([(Axis::Head, 1), (Axis::Query, 1), (Axis::Key, 2)], vec![1.5, -0.5]).unwrap();
    negative.visit("attention.weights", scores).unwrap();
    assert!(HeadWall::of(&negative, [0]).unwrap_err().to_string().contains("expected weights from 0 to 1"));
}

#[test]
fn states_and_guesses_say_all_they_have_without_a_script() {
    let states = States::tabs("mask", [("<a>", Mask::causal()), ("b", Mask::prefix(3))]);
    let html = states.html();
    assert!(html.contains("data-label=\"&lt;a&gt;\">") && html.contains("data-label=\"b\" hidden>"));
    let none = States::new("n", std::iter::empty::<u8>(), u64::from);
    assert_eq!(none.text(), "n: no states");
    let guess = predict("Is 1 < 2?", Vec::<String>::new(), &true);
    assert_eq!(guess.text(), "Is 1 < 2?\n\nAnswer:\ntrue");
    assert!(guess.html().contains("Is 1 &lt; 2?") && !guess.html().contains("<script"));
}

#[test]
fn a_kernel_shows_its_lines_by_number() {
    let kernel = crate::device::gpu::Kernel { name: "k", params: &[], source: "a < b\nc" };
    assert_eq!(kernel.text(), "  1  a < b\n  2  c");
    assert!(kernel.html().contains("<span>a &lt; b</span><span>c</span>"));
}

#[test]
fn a_page_has_style_and_script_only_where_it_uses_them() {
    assert!(!standalone(&"plain".html()).contains("<style>"));
    let page = standalone(&RankReport::of(array![[1.0, 0.0], [0.5, 0.5]].view(), None).unwrap().html());
    assert_eq!((page.matches("<style>").count(), page.matches("<script>").count()), (1, 1));
    // Except for the XML namespace of SVG, nothing refers to other files.
    assert_eq!(page.replace("http://www.w3.org/2000/svg", "").matches("http").count(), 0);
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

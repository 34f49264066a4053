//! The expected values, and every word of the verdicts.

use ndarray::array;

use super::*;
use crate::Device;
use crate::claim::{Draw, Effort, PhaseGrid, Trial, phase_map, run};
use crate::mask::Mask;

fn trial(set: &[(&str, &str)]) -> Result<Trial> {
    let mut settings = Settings::new(&BidirectionalLowRank, Effort::Quick, Device::Cpu)?;
    for (name, value) in [("sizes", "16,48"), ("models", "")].iter().chain(set) {
        settings.set(name, value)?;
    }
    run(&BidirectionalLowRank, &settings, &Run::default())
}

/// The words for exact arithmetic and floating point at n = 32.
fn rulings(head_sizes: &str, scales: &str) -> (Exact, Floating) {
    let verdict = trial(&[("n", "32"), ("head_sizes", head_sizes), ("scales", scales), ("sizes", "12")])
        .unwrap()
        .verdict;
    (verdict.exact_arithmetic.unwrap().ruling, verdict.floating_point.unwrap().ruling)
}

#[test]
fn at_the_reference_size_every_expectation_is_met_and_the_claim_reverses() {
    let set =
        [("head_sizes", "4,16,64"), ("scales", "0.1,0.5,1,4"), ("sizes", "16,32,64,128"), ("seeds", "4")];
    let trial = trial(&set).unwrap();
    let verdict = &trial.verdict;
    assert_eq!(verdict.exact_arithmetic.as_ref().unwrap().ruling, Exact::Refuted);
    let floating = verdict.floating_point.as_ref().unwrap();
    assert_eq!(floating.ruling, Floating::Reverses);
    assert!(floating.because.contains("at 7 of 12 points"), "{}", floating.because);
    assert_eq!(verdict.trained_models.as_ref().unwrap().ruling, Trained::NoModel);
    let missed: Vec<_> = trial.evidence.disagreements().collect();
    assert!(missed.is_empty(), "{missed:?}");
    // 24 of the map, 9 of alignment, 12 + 12 over sizes, 2 at a tolerance.
    assert!(trial.evidence.expected().len() >= 55, "{}", trial.evidence.expected().len());
    let value = |name: &str| trial.evidence.value(name).unwrap();
    assert_eq!(value("share_full_rank_f64"), 1.0);
    assert_eq!((value("points_bidirectional_lower"), value("points_bidirectional_higher")), (7.0, 5.0));
    let border = value("border_scale_d16");
    assert!((0.6..0.95).contains(&border), "{border}");
    assert!(trial.evidence.value("border_scale_d4").is_err());
    assert_eq!(trial.evidence.illustrations().len(), 3);
}

#[test]
fn every_word_in_floating_point_is_a_region_of_the_map() {
    assert_eq!(rulings("1,2", "0.1,0.5").1, Floating::Everywhere);
    assert_eq!(rulings("32,64", "1,2").1, Floating::Nowhere);
    assert_eq!(rulings("2,32", "0.1,2").1, Floating::Reverses);
    let scale = on_the_border().to_string();
    assert_eq!(rulings("16", &scale).1, Floating::NotResolved);
    assert_eq!(rulings("2,16", &scale).1, Floating::InOneRegion);
}

/// A logit scale at which three draws do not tell which mask is ahead, for D = 16 and n = 32.
fn on_the_border() -> f64 {
    let scales: Vec<f64> = (40..100).map(|percent| f64::from(percent) / 100.0).collect();
    let grid =
        PhaseGrid { n: 32, head_sizes: vec![16], scales: scales.clone(), alignment: 0.0, seed: 0, seeds: 3 };
    let map = phase_map(&grid, &Device::Cpu, &Run::default()).unwrap();
    let place = map.points().iter().position(|point| point.ahead() == Ahead::Neither);
    scales[place.expect("a point between both regions")]
}

#[test]
fn every_word_in_exact_arithmetic_is_reached() {
    assert_eq!(rulings("3", "0.1").0, Exact::Refuted);
    // Logits of 0: J/n, causal ahead in every draw.
    let uniform = trial(&[("n", "20"), ("head_sizes", "3"), ("scales", "0")]).unwrap();
    assert_eq!(uniform.verdict.exact_arithmetic.as_ref().unwrap().ruling, Exact::Proved);
    assert_eq!(uniform.verdict.floating_point.as_ref().unwrap().ruling, Floating::Everywhere);
    assert!((uniform.evidence.value("effective_rank_bidirectional_d3_scale_0").unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(uniform.evidence.value("uniform_rank_bidirectional_n48").unwrap(), 1.0);
    // Two equal queries: two equal rows, and a determinant that no number of digits tells from 0.
    let draw = Draw { q: array![[1.0], [1.0], [0.5]], k: array![[0.3], [-2.0], [1.5]] };
    let singular = exact::example(&draw, &Run::default()).unwrap();
    assert_eq!(in_exact_arithmetic(&singular).0, Exact::Open);
}

/// The determinant of two tokens by hand: (e^{q₁k₁ + q₂k₂} − e^{q₁k₂ + q₂k₁}) over the sums of the rows.
#[test]
fn the_example_has_the_determinant_that_it_has() {
    let draw = Draw { q: array![[0.5], [-1.0]], k: array![[2.0], [0.25]] };
    let Exactly::Example(det) = exact::example(&draw, &Run::default()).unwrap() else { panic!("an example") };
    let e = |x: f64| x.exp();
    let by_hand = (e(1.0 - 0.25) - e(0.125 - 2.0)) / ((e(1.0) + e(0.125)) * (e(-2.0) + e(-0.25)));
    assert!(det.sign == 1 && (det.log - by_hand.ln()).abs() < 1e-12, "{det:?}");
}

/// Effective ranks of one head on two texts: causal, bidirectional.
type ByHand = ([f64; 2], [f64; 2]);

/// Ranks by hand go the way of those of trained heads.
#[test]
fn every_word_about_trained_models_is_reached() {
    let ruling = |heads: &[ByHand]| {
        let texts = |of: fn(&ByHand) -> [f64; 2]| -> [Vec<f64>; 2] {
            [0, 1].map(|text| heads.iter().map(|head| of(head)[text]).collect())
        };
        let (causal, both) = (texts(|head| head.0), texts(|head| head.1));
        let heads = Heads::new("by hand", Mask::causal(), [&causal, &both]);
        Trained::over(heads.is_lower())
    };
    let (lower, higher) = (([9.0, 8.0], [2.0, 1.5]), ([3.0, 4.0], [8.0, 8.5]));
    let unclear = ([5.0, 6.0], [6.0, 5.0]);
    assert_eq!(ruling(&[lower, lower]), Trained::InAll);
    assert_eq!(ruling(&[lower, higher, unclear]), Trained::InSome);
    assert_eq!(ruling(&[higher, unclear]), Trained::InNone);
    assert_eq!(ruling(&[unclear]), Trained::NotResolved);
    assert_eq!(ruling(&[]), Trained::NoModel);
}

#[test]
fn the_shipped_model_is_read_under_both_masks() {
    let set = [("models", "glass-en"), ("tokens", "24"), ("n", "12"), ("head_sizes", "2"), ("scales", "1")];
    let trial = trial(&set).unwrap();
    let opinion = trial.verdict.trained_models.as_ref().unwrap();
    assert!(opinion.because.contains("of 16 heads of glass-en (trained causal)"), "{}", opinion.because);
    let lower = trial.evidence.value("heads_bidirectional_lower_glass_en").unwrap();
    assert!((0.0..=16.0).contains(&lower));
}

#[test]
fn an_interrupt_and_settings_that_would_take_hours_end_at_once() {
    let message = trial(&[("n", "1024"), ("seeds", "100")]).unwrap_err().to_string();
    assert!(message.starts_with("work of the settings is 2 · seeds"), "{message}");
    assert!(message.ends_with("at most 4.00e12"), "{message}");
    let settings = Settings::new(&BidirectionalLowRank, Effort::Quick, Device::Cpu).unwrap();
    let stopped = Run::default();
    stopped.cancel_flag().cancel();
    assert!(matches!(BidirectionalLowRank.measure(&settings, &stopped), Err(Error::Cancelled)));
}

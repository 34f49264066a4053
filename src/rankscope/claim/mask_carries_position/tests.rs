//! What theory says, at small settings, and every word of the verdicts.

use super::*;
use crate::claim::{self, Claim, Effort, Trial};
use crate::device::Device;

fn small(claim: &dyn Claim, changes: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu).unwrap();
    let sizes = [("n", "13"), ("width", "24"), ("heads", "3"), ("depths", "1,2,4"), ("seeds", "3")];
    for (name, value) in sizes.iter().chain(changes) {
        settings.set(name, value).unwrap();
    }
    settings
}

/// The claim that the mask carries position; a few sequences are enough.
fn position(changes: &[(&str, &str)]) -> Settings {
    small(&MaskCarriesPosition, &[&[("train", "60"), ("held_out", "30")], changes].concat())
}

fn agrees(trial: &Trial) {
    let disagreements: Vec<_> = trial.evidence.disagreements().collect();
    assert!(disagreements.is_empty(), "{disagreements:?}");
}

#[test]
fn the_mask_carries_position() {
    let trial = claim::run(&MaskCarriesPosition, &position(&[]), &Run::default()).unwrap();
    let exact = trial.verdict.exact_arithmetic.as_ref().unwrap();
    assert_eq!(exact.ruling, Exact::Proved);
    assert!(exact.because.contains("swapping tokens 1 and 2"), "{}", exact.because);
    assert!(exact.because.contains("A bidirectional one is equivariant"), "{}", exact.because);
    assert_eq!(trial.verdict.floating_point.as_ref().unwrap().ruling, Floating::Everywhere);
    agrees(&trial);
    let value = |name: &str| trial.evidence.value(name).unwrap();
    assert!(value("rounding") < 1e-11);
    for depth in [1, 2, 4] {
        assert!(value(&format!("permutation_error_bidirectional_depth{depth}")) < 1e-13);
        assert!(value(&format!("permutation_error_causal_depth{depth}")) > 0.2);
        assert!(value(&format!("started_relative_causal_depth{depth}")) > 0.1);
        assert!(value(&format!("probe_r2_causal_depth{depth}")) > 0.1);
        assert!(value(&format!("probe_r2_bidirectional_depth{depth}")).abs() < 0.05);
    }
}

#[test]
fn the_mask_tells_the_order_from_two_layers_on() {
    let settings = small(&MaskTellsOrder, &[]);
    let trial = claim::run(&MaskTellsOrder, &settings, &Run::default()).unwrap();
    let exact = trial.verdict.exact_arithmetic.as_ref().unwrap();
    assert_eq!(exact.ruling, Exact::Refuted);
    assert!(
        exact.because.contains("the last token after 1 layer of attention is the same"),
        "{}",
        exact.because
    );
    assert!(exact.because.contains(". After 2 layers it is another"), "{}", exact.because);
    assert!(exact.because.contains("shares 25 : 13 : 7 : 3"), "{}", exact.because);
    assert_eq!(trial.verdict.floating_point.as_ref().unwrap().ruling, Floating::InOneRegion);
    agrees(&trial);
    let value = |name: &str| trial.evidence.value(name).unwrap();
    for depth in [1, 2, 4] {
        assert!(value(&format!("identical_difference_causal_depth{depth}")) < 1e-13);
    }
    assert!(value("earlier_change_causal_depth1") < 1e-13);
    assert!(value("earlier_change_causal_depth2") > 0.05 && value("earlier_change_causal_depth4") > 0.15);
}

#[test]
fn the_reference_is_met_at_its_own_size() {
    let full = |claim: &dyn Claim| {
        let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu).unwrap();
        settings.set("seeds", "2").unwrap();
        claim::run(claim, &settings, &Run::default()).unwrap()
    };
    let trial = full(&MaskCarriesPosition);
    agrees(&trial);
    // Three of each depth's causal numbers, two zeros of its bidirectional ones.
    assert_eq!(trial.evidence.expected().len(), 15);
    let trial = full(&MaskTellsOrder);
    agrees(&trial);
    assert_eq!(trial.evidence.expected().len(), 6);
}

/// Other masks, depths and numbers of sequences take the place of the claim's.
#[test]
fn every_word_about_position_is_reached() {
    let (causal, both) = (Mask::causal(), Mask::bidirectional());
    let words = |masks: [Mask; 2], changes: &[(&str, &str)]| {
        let measured = measure(masks, &position(changes), &Run::default()).unwrap();
        let verdict = MaskCarriesPosition.judge(&measured);
        (verdict.exact_arithmetic.unwrap().ruling, verdict.floating_point.unwrap().ruling)
    };
    let shallow = [("depths", "1,2")];
    assert_eq!(words([both.clone(), both.clone()], &shallow), (Exact::Refuted, Floating::Nowhere));
    // Told without the causal mask as well.
    assert_eq!(words([causal.clone(), causal.clone()], &shallow), (Exact::Proved, Floating::Nowhere));
    // Few sequences fit noise: enough of them show the position of deep networks first.
    let few = |depths: &'static str| {
        let masks = || [causal.clone(), both.clone()];
        (3..24).map(move |train: usize| {
            words(masks(), &[("depths", depths), ("train", train.to_string().as_str()), ("seeds", "2")]).1
        })
    };
    assert!(few("1,4").any(|ruling| ruling == Floating::InOneRegion));
    assert!(few("1").any(|ruling| ruling == Floating::NotResolved));
}

#[test]
fn every_word_about_order_is_reached() {
    let words = |mask: Mask, depths: &str| {
        let settings = small(&MaskTellsOrder, &[("depths", depths)]);
        let measured = order::measure(&mask, &settings, &Run::default()).unwrap();
        let verdict = MaskTellsOrder.judge(&measured);
        (verdict.exact_arithmetic.unwrap().ruling, verdict.floating_point.unwrap().ruling)
    };
    assert_eq!(words(Mask::causal(), "2,3"), (Exact::Proved, Floating::Everywhere));
    assert_eq!(words(Mask::causal(), "1"), (Exact::Refuted, Floating::Nowhere));
    assert_eq!(words(Mask::bidirectional(), "2"), (Exact::Refuted, Floating::Nowhere));
    assert_eq!(words(Mask::anti_causal(), "2"), (Exact::Open, Floating::Nowhere));
}

#[test]
fn what_cannot_be_run_is_named() {
    let claims: [(&dyn Claim, Settings); 2] =
        [(&MaskCarriesPosition, position(&[])), (&MaskTellsOrder, small(&MaskTellsOrder, &[]))];
    for (claim, mut settings) in claims {
        let run = Run::default();
        run.cancel_flag().cancel();
        assert_eq!(claim::run(claim, &settings, &run).unwrap_err().to_string(), "cancelled");
        settings.set("heads", "5").unwrap();
        let error = claim::run(claim, &settings, &Run::default()).unwrap_err();
        assert_eq!(error.to_string(), "heads is 5, expected a divisor of width = 24");
    }
}

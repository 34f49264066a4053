//! What must hold whatever the weights are.

use rankscope::model::{Input, MaskChoice, Model};
use rankscope::prelude::*;

use crate::support::{FAMILIES, some_ids, tiny};

/// Logits, `[T, V]` row by row.
fn rows(model: &dyn Model, input: &Input, mask: &MaskChoice) -> Vec<Vec<f32>> {
    let output = model.forward(input, mask, &mut Unobserved, &Run::default()).unwrap();
    let values = output.logits.unwrap().to_vec().unwrap();
    values.chunks(model.description().vocab).map(<[f32]>::to_vec).collect()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
}

fn under(mask: Mask) -> MaskChoice {
    MaskChoice::Override(mask)
}

#[test]
fn under_a_causal_mask_the_future_does_not_matter() {
    for family in FAMILIES {
        let model = tiny(family);
        let (long, short) = (some_ids(9), some_ids(5));
        let (long, short) =
            (rows(&*model, &long, &under(Mask::causal())), rows(&*model, &short, &under(Mask::causal())));
        assert!(long.iter().zip(&short).all(|(long, short)| close(long, short)), "{family}");
        let (long, short) = (
            rows(&*model, &some_ids(9), &under(Mask::bidirectional())),
            rows(&*model, &some_ids(5), &under(Mask::bidirectional())),
        );
        assert!(!close(&long[0], &short[0]), "{family}: under a bidirectional mask it does");
    }
}

#[test]
fn a_full_prefix_is_bidirectional_and_an_empty_one_causal() {
    for family in FAMILIES {
        let model = tiny(family);
        let with = |mask| rows(&*model, &some_ids(7), &under(mask)).concat();
        assert_eq!(with(Mask::prefix(7)), with(Mask::bidirectional()), "{family}");
        assert_eq!(with(Mask::prefix(0)), with(Mask::causal()), "{family}");
        assert_eq!(with(Mask::prefix(1)), with(Mask::causal()), "{family}");
        assert_ne!(with(Mask::prefix(3)), with(Mask::causal()), "{family}");
    }
}

#[test]
fn padding_does_not_matter() {
    for family in FAMILIES {
        let model = tiny(family);
        let ids = some_ids(6).ids().to_vec();
        let padded = [&ids[..], &[1, 2, 3]].concat();
        let real = (0..9).map(|at| at < 6).collect();
        let padded = Input::new(padded).with_padding(Padding::new(real, 9).unwrap());
        let (alone, padded) = (
            rows(&*model, &Input::new(ids), &MaskChoice::AsTrained),
            rows(&*model, &padded, &MaskChoice::AsTrained),
        );
        assert!(alone.iter().zip(&padded).all(|(alone, padded)| close(alone, padded)), "{family}");
    }
}

#[test]
fn sequences_of_a_batch_do_not_see_each_other() {
    for family in FAMILIES {
        let model = tiny(family);
        let (first, second) = (some_ids(4).ids().to_vec(), vec![5, 9, 2, 70]);
        let both = Input::batch([&first[..], &second].concat(), 2).unwrap();
        let both = rows(&*model, &both, &MaskChoice::AsTrained);
        let alone = rows(&*model, &Input::new(second), &MaskChoice::AsTrained);
        assert!(both[4..].iter().zip(&alone).all(|(both, alone)| close(both, alone)), "{family}");
    }
}

#[test]
fn a_cancelled_run_stops_with_an_error() {
    let run = Run::default();
    run.cancel_flag().cancel();
    let result = tiny("bert").hidden(&some_ids(3), &MaskChoice::AsTrained, &mut Unobserved, &run);
    assert_eq!(result.unwrap_err().to_string(), "cancelled");
}

#[test]
fn another_mask_is_said_so() {
    let model = tiny("bert");
    let note = under(Mask::causal()).note(model.description()).unwrap();
    assert_eq!(note, "mask causal: the weights were trained under another mask (bidirectional)");
    assert_eq!(under(Mask::bidirectional()).note(model.description()), None);
    assert_eq!(MaskChoice::AsTrained.note(model.description()), None);
}

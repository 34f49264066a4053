//! The ways in which attention of a variant knows the order of tokens.

use std::ops::Range;

use rankscope::model::{Fresh, Source};

use crate::compare::far;
use crate::equal::asking;
use crate::support::*;

const SCHEMES: [&str; 4] = ["none", "rotary", "alibi", "relative"];
const CLOSE: f32 = 1e-4;

/// A model whose relative bias is drawn like all other tensors, and is not 0.
fn with(family: &str, positions: &str, device: &Device) -> Box<dyn Model> {
    let fields = json!({"positions": positions, "relative_attention_max_distance": 20});
    asking(&entry(family).with(fields), device, false, &|seeded, name, shape, fresh| {
        let is_bias = name.ends_with("relative_attention_bias.weight");
        seeded.tensor(name, shape, if is_bias { Fresh::Normal { spread: 1.0 } } else { fresh })
    })
}

fn run(model: &dyn Model, ids: Vec<u32>, mask: Mask) -> Vec<f32> {
    hidden(model, &Input::new(ids), &MaskChoice::Override(mask))
}

/// The rows of tokens `places` of hidden states 40 wide.
fn of(hidden: &[f32], places: impl IntoIterator<Item = usize>) -> Vec<f32> {
    places.into_iter().flat_map(|at| hidden[at * 40..(at + 1) * 40].to_vec()).collect()
}

#[test]
fn every_scheme_computes_something_else() {
    for family in ["gpt2", "bert", "openai-gpt", "distilbert", "roberta"] {
        let all = ["learned"].iter().chain(&SCHEMES).map(|positions| {
            let model = with(family, positions, &Device::Cpu);
            hidden(&*model, &Input::new(ids(6)), &MaskChoice::AsTrained)
        });
        let all: Vec<_> = all.collect();
        for (i, one) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| far(one, other) > 1e-2), "{family}, {i}");
        }
    }
}

#[test]
fn only_the_table_has_an_end_and_counts_from_the_beginning() {
    for family in ["gpt2", "bert"] {
        for positions in ["learned"].into_iter().chain(SCHEMES) {
            let (model, what) = (with(family, positions, &Device::Cpu), format!("{family}, {positions}"));
            let long = Input::new([ids(46), ids(46)].concat()); // four times the 23 positions
            let result = states(&*model, &long, &MaskChoice::AsTrained);
            let is_table = positions == "learned";
            let expected = "number of tokens is 92, expected at most 23, the model's context";
            match is_table {
                true => assert_eq!(said(result), expected),
                false => assert_eq!(result.unwrap().shape().size(Axis::Query), Some(92), "{what}"),
            }
            let sizes = (model.sizes().context, model.sizes().positions);
            assert_eq!(sizes, (is_table.then_some(23), 23 * usize::from(is_table)));
            let counted: u128 = model.sizes().parts().iter().map(|part| part.parameters).sum();
            assert_eq!(counted, model.description().parameters as u128, "{what}");
            // Tokens in front that the mask hides change nothing else.
            let alone = run(&*model, ids(6), Mask::bidirectional());
            let moved = run(&*model, [ids(5), ids(6)].concat(), Mask::blocks(&[5, 6]).unwrap());
            let difference = far(&alone, &of(&moved, 5..11));
            assert_eq!(difference < CLOSE, !is_table, "{what}: {difference}");
            // Without positions and without a mask only the tokens themselves matter.
            let (mut swapped, order) = (ids(6), [0, 1, 4, 3, 2, 5]);
            swapped.swap(2, 4);
            let swapped = of(&run(&*model, swapped, Mask::bidirectional()), order);
            let difference = far(&alone, &swapped);
            assert_eq!(difference < CLOSE, positions == "none", "{what}: {difference}");
        }
    }
}

#[test]
fn beyond_the_length_that_it_was_made_for_a_cached_pass_is_the_full_pass() {
    for device in devices() {
        for positions in SCHEMES {
            let model = with("gpt2", positions, &device);
            let input = |range: Range<usize>| Input::new(ids(30)[range].to_vec());
            let full = hidden(&*model, &input(0..30), &MaskChoice::AsTrained);
            let ranges = [0..20, 20..21, 21..24, 24..30];
            let (parts, _) = in_pieces(&*model, &ranges.clone().map(input), &MaskChoice::AsTrained);
            for (part, range) in parts.iter().zip(ranges) {
                let difference = far(part, &of(&full, range.clone()));
                assert!(difference < CLOSE, "{positions} on {device}, {range:?}: {difference}");
            }
        }
    }
}

#[test]
fn a_bias_is_what_the_scheme_says() {
    // 4 heads of slopes 1/4, 1/16, 1/64 and 1/256.
    let alibi = |head: usize, t: usize, s: usize| -0.25f32.powi(head as i32 + 1) * t.abs_diff(s) as f32;
    for (family, stack) in [("gpt2", "decoder"), ("bert", "encoder")] {
        let bias = |positions: &str| {
            let trace = trace(&*with(family, positions, &Device::Cpu), &Input::new(ids(5)));
            trace.get(&format!("{stack}.position_bias")).map(|bias| bias.to_vec().unwrap())
        };
        let all = (0..4).flat_map(|head| (0..25).map(move |pair| alibi(head, pair / 5, pair % 5)));
        assert_eq!(bias("alibi").unwrap(), all.collect::<Vec<_>>(), "{family}");
        let relative = bias("relative").unwrap();
        let at = |t: usize, s: usize| relative[2 * 25 + t * 5 + s]; // of head 2
        let is_by_distance = at(1, 0) == at(4, 3) && at(2, 0) == at(4, 2) && at(1, 0) != at(2, 0);
        assert!(is_by_distance, "{family}");
        // A decoder has one bucket for all keys after the query, an encoder as many as for the keys before it.
        assert_eq!(at(0, 1) == at(0, 0), family == "gpt2");
        assert_ne!(at(0, 1), at(1, 0), "{family}");
        assert!(bias("rotary").is_none());
    }
    let relative = entry("bert with relative positions").model();
    let mut tensors = relative.record().tensors().iter();
    let (name, table) = tensors.find(|(name, _)| name.contains("relative")).unwrap();
    assert_eq!(name, "bert.encoder.relative_attention_bias.weight");
    assert_eq!(table.to_f32().unwrap(), [0.0; 32 * 4], "new");
}

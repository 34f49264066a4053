//! The lab's numbers, against the library's own functions.

use std::collections::BTreeSet;

use rankscope::model::generate::{Settings, generate};
use rankscope::model::store::Store;
use rankscope::model::{self, Input, MaskChoice, Model, Tokenizer};
use rankscope::probe::{Replace, Unobserved};
use rankscope::{Axis, Device, Probe, Run, Tensor};

use super::engine;
use crate::lab::State;
use crate::lab::answered;
use crate::labs::model::answer::{Answer, Next};
use crate::labs::model::state::{Attention, Cut, Edit, Explorer, Measure, Order, Reading, Side};
use crate::labs::model::view::{View, places};
use crate::layout::Head;

const TEXT: &str = "Alice was beginning to get very tired";

fn state(model: &str, change: impl FnOnce(&mut Reading)) -> Explorer {
    let mut left = Reading { model: model.to_owned(), text: TEXT.to_owned(), ..Reading::default() };
    change(&mut left);
    Explorer { left, ..Explorer::default() }
}

fn answer(state: &Explorer) -> Answer {
    answered(state, &mut engine()).unwrap()
}

fn next(answer: &Answer) -> &Next {
    answer.of(Side::Left).next.get().expect("a prediction")
}

fn open(name: &str) -> (Box<dyn Model>, Tokenizer) {
    let folder = Store::open().unwrap().find(name).unwrap();
    (model::load(&folder, &Device::Cpu).unwrap(), Tokenizer::load(&folder).unwrap())
}

/// The probability of the likeliest token after the text, with one intermediate replaced.
fn likeliest(name: &str, probe: &mut dyn Probe) -> f64 {
    let (model, tokenizer) = open(name);
    let input = Input::new(tokenizer.encode(TEXT).unwrap().ids);
    let output = model.forward(&input, &MaskChoice::AsTrained, probe, &Run::default()).unwrap();
    let logits = output.logits.unwrap();
    let vocab = logits.shape().size(Axis::Vocab).unwrap();
    let last: Vec<f64> = logits.to_vec().unwrap().into_iter().map(f64::from).collect();
    let last = &last[last.len() - vocab..];
    let top = last.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    1.0 / last.iter().map(|logit| (logit - top).exp()).sum::<f64>()
}

#[test]
fn the_prediction_is_the_model_s_and_an_ablated_head_is_one_whose_output_is_zero() {
    let at = Head { layer: 1, head: 2 };
    let plain = answer(&state("english-gpt", |_| ()));
    assert!((next(&plain).guesses[0].probability - likeliest("english-gpt", &mut Unobserved)).abs() < 1e-5);
    assert_eq!(next(&plain).divergence, None);
    let mut zero = Replace::new("decoder.1.self_attention.context", |context: Tensor| {
        let mut values = context.to_vec()?;
        let size = values.len() / 4;
        values[2 * size..3 * size].fill(0.0);
        Tensor::new(context.shape().axes(), values)
    });
    let expected = likeliest("english-gpt", &mut zero);
    assert_eq!(zero.hits, 1);
    let ablated = answer(&state("english-gpt", |reading| reading.ablated = BTreeSet::from([at])));
    let guess = &next(&ablated).guesses[0];
    assert!((guess.probability - expected).abs() < 1e-5, "{} {expected}", guess.probability);
    assert!(next(&ablated).divergence.unwrap() > 1e-6);
    assert_ne!(Some(guess.probability), guess.trained);
}

#[test]
fn a_head_cut_to_one_component_has_rank_one_and_all_components_change_nothing() {
    let at = Head { layer: 2, head: 1 };
    let cut = |components, head| state("english-gpt", |reading| reading.cut = Some(Cut { components, head }));
    let one = answer(&cut(1, Some(at)));
    let pass = one.of(Side::Left).pass().unwrap().clone();
    let report = pass.report(at).unwrap();
    assert_eq!((report.numerical_rank_f32, report.exact_rank), (1, None));
    assert!(report.exact_rank_reason.contains("singular components"), "{}", report.exact_rank_reason);
    assert!(pass.may_attend(at, 0, 3) && !pass.may_attend(Head { layer: 2, head: 0 }, 0, 3));
    let other = pass.report(Head { layer: 2, head: 0 }).unwrap();
    assert_eq!(other.exact_rank, Some(pass.buffers.keys), "the others are as they were");
    assert!(next(&one).divergence.unwrap() > 0.0);
    let all = answer(&cut(500, None));
    assert!(next(&all).divergence.unwrap() < 1e-9);
    // The fewer components every head keeps, the further the prediction moves.
    let moved: Vec<f64> = [1, 4].map(|k| next(&answer(&cut(k, None))).divergence.unwrap()).into();
    assert!(moved[0] > moved[1], "{moved:?}");
}

#[test]
fn the_model_writes_what_the_library_s_generation_writes_and_the_wall_follows() {
    for name in ["english-gpt", "english-t5"] {
        let (model, tokenizer) = open(name);
        let prompt = Input::new(tokenizer.encode(TEXT).unwrap().ids);
        let settings = Settings { tokens: 5, ..Settings::default() };
        let expected = generate(&*model, &prompt, &settings, &mut |_| Ok(()), &Run::default()).unwrap().ids();
        let mut state = state(name, |reading| reading.written = Some(5));
        state.attention = Attention::Decoder;
        let answer = answer(&state);
        let tokens = answer.of(Side::Left).tokens.clone().unwrap();
        assert_eq!(tokens.ids[tokens.ids.len() - 5..], expected, "{name}");
        assert_eq!(answer.of(Side::Left).pass().unwrap().buffers.queries, tokens.ids.len());
    }
}

#[test]
fn the_decoder_of_a_pair_attends_to_the_text() {
    for name in ["english-t5", "english-redllm"] {
        let mut state = state(name, |_| ());
        state.attention = Attention::Cross;
        let answer = answer(&state);
        let pass = answer.of(Side::Left).pass().unwrap();
        assert!(pass.names[0].ends_with("cross_attention.weights"), "{:?}", pass.names);
        let (_, tokenizer) = open(name);
        let source = tokenizer.encode(TEXT).unwrap();
        assert_eq!(pass.tokens.ids, source.ids);
        assert_eq!(pass.queries.ids.len(), pass.buffers.queries);
        assert!(pass.buffers.queries > 1, "the decoder has written something");
        for row in pass.matrix(Head { layer: 1, head: 1 }).unwrap().chunks(pass.buffers.keys) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
}

#[test]
fn every_model_that_comes_with_the_program_is_read_in_every_way() {
    let mut engine = engine();
    for name in
        ["english-gpt-linear", "english-causal", "english-prefix", "english-bert", "english-bert-mixed"]
    {
        let mut state = state(name, |reading| reading.cut = Some(Cut { components: 2, head: None }));
        state.measure = Measure::ValueWeighted;
        let answer = answered(&state, &mut engine).unwrap();
        let shown = answer.of(Side::Left);
        let pass = shown.pass().unwrap();
        assert!(pass.reports.iter().all(Option::is_some), "{name}");
        assert!(pass.details.iter().all(Option::is_some), "{name}");
        assert_eq!(shown.depth.get().unwrap().chosen.len(), 5, "{name}: the embeddings and four layers");
        assert!(shown.next.get().is_some(), "{name}");
    }
}

#[test]
fn a_small_budget_keeps_the_layers_around_the_selected_one_and_still_reports_on_all() {
    let mut small = state("english-t5", |reading| reading.text = "rabbit ".repeat(100));
    (small.budget, small.held) = (1, 0);
    let mut engine = engine();
    let (large, first) = (Explorer { budget: 256, ..small.clone() }, small.clone());
    small.update(Edit::Hold(Head { layer: 1, head: 3 })).unwrap();
    let [large, first, second] = [large, first, small].map(|state| answered(&state, &mut engine).unwrap());
    let [large, first, second] =
        [large, first, second].map(|answer| answer.of(Side::Left).pass().unwrap().clone());
    assert_eq!((large.held.clone(), first.held.clone(), second.held.clone()), (0..2, 0..1, 1..2));
    let at = Head { layer: 1, head: 3 };
    assert!(first.matrix(at).is_none());
    assert_eq!(second.matrix(at), large.matrix(at));
    for pass in [&first, &second] {
        let ranks = |pass: &crate::labs::model::answer::Pass| {
            pass.reports.iter().flatten().map(|report| report.effective_rank).collect::<Vec<_>>()
        };
        assert_eq!(ranks(pass), ranks(&large));
    }
}

#[test]
fn the_wall_is_sorted_and_filtered_by_a_metric() {
    let mut state = state("english-gpt", |_| ());
    let answer = answer(&state);
    let pass = answer.of(Side::Left).pass().unwrap();
    assert_eq!(places(&state, pass).0.len(), 16);
    let rank = |at: Head| pass.report(at).unwrap().effective_rank;
    for (order, sign) in [(Order::SmallestFirst, 1.0), (Order::LargestFirst, -1.0)] {
        state.update(Edit::Order(order)).unwrap();
        let sorted: Vec<f64> = places(&state, pass).0.iter().map(|(_, at)| sign * rank(*at)).collect();
        assert!(sorted.is_sorted() && sorted.len() == 16, "{sorted:?}");
    }
    let middle = rank(places(&state, pass).0[8].1);
    state.update(Edit::Range(Some((middle, f64::MAX)))).unwrap();
    let (shown, by_layer) = places(&state, pass);
    assert_eq!((shown.len(), by_layer), (9, false));
    assert!(shown.iter().all(|(_, at)| rank(*at) >= middle));
}

#[test]
fn two_readings_are_computed_beside_each_other_and_only_the_changed_one_again() {
    let mut state = state("english-gpt", |_| ());
    state.update(Edit::Beside(true)).unwrap();
    state.update(Edit::Model(Side::Right, "english-bert".to_owned())).unwrap();
    let mut engine = engine();
    let first = answered(&state, &mut engine).unwrap();
    let masks = Side::BOTH.map(|side| first.of(side).pass().unwrap().mask(0).to_string());
    assert_eq!(masks, ["causal", "bidirectional"]);
    state.update(Edit::Mask(Side::Right, "causal".to_owned())).unwrap();
    let second = answered(&state, &mut engine).unwrap();
    let same =
        |side: Side| std::sync::Arc::ptr_eq(first.of(side).pass().unwrap(), second.of(side).pass().unwrap());
    assert!(same(Side::Left) && !same(Side::Right));
}

#[test]
fn the_lesson_on_real_heads_says_what_they_do() {
    let state = crate::labs::lesson::<View>("11", "model");
    let answer = answer(&state);
    let pass = answer.of(Side::Left).pass().unwrap();
    let at = Head { layer: 3, head: 2 };
    assert_eq!((state.selected, places(&state, pass).0[0].1), (at, at), "the head of the lesson comes first");
    let report = pass.report(at).unwrap();
    assert_eq!((report.exact_rank, report.numerical_rank_f32), (Some(19), 17));
    assert!((report.effective_rank - 4.8).abs() < 0.05, "{}", report.effective_rank);
    assert!(pass.details(at).unwrap().received[0] > 0.5);
    assert_eq!(pass.reports.len(), pass.layers() * pass.heads());
    assert!(pass.reports.iter().all(|report| report.as_ref().unwrap().exact_rank == Some(19)));
}

//! A cached pass gives the full pass; a cache with which it would not is refused; an encoder reads a text once, and a
//! changed text again.

use rankscope::model::reuse::{Change, encoder_change};
use rankscope::model::{Input, KvCache, MaskChoice, Model};
use rankscope::prelude::*;

use crate::compare::far;
use crate::support::{Entry, SOURCE, all, devices, entry, hidden, ids, said, trace};

/// The last hidden states of 9 positions (of B = 2 sequences in `batch`), computed in consecutive pieces with a cache.
fn in_pieces(
    entry: &Entry,
    model: &dyn Model,
    cuts: &[usize],
    mask: &MaskChoice,
    batch: usize,
) -> (Vec<Vec<f32>>, KvCache) {
    let mut cache = model.cache(batch).unwrap();
    let (mut states, mut start) = (Vec::new(), 0);
    for &end in cuts {
        let input = entry.batch(sequences(start..end, batch), batch);
        let hidden = model.hidden_after(&mut cache, &input, mask, &mut Unobserved, &Run::default()).unwrap();
        states.push(hidden.to_vec().unwrap());
        start = end;
    }
    (states, cache)
}

fn sequences(range: std::ops::Range<usize>, batch: usize) -> Vec<u32> {
    (0..batch).flat_map(|skip| ids(9 + skip)[skip..][range.clone()].to_vec()).collect()
}

/// The positions `start..end` of `[B, T, C]`.
fn part(full: &[f32], width: usize, batch: usize, range: std::ops::Range<usize>) -> Vec<f32> {
    let rows = full.chunks(full.len() / batch);
    rows.flat_map(|rows| rows[range.start * width..range.end * width].to_vec()).collect()
}

#[test]
fn a_cached_pass_is_the_full_pass_on_every_device() {
    let mut caching = 0;
    for device in devices() {
        for entry in all() {
            // A software adapter is slow, so there only the checkpoints of the fixtures are tested, and the two
            // families without one.
            let is_asked = entry.is_fixture() || ["decllm", "redllm"].contains(&entry.name.as_str());
            if device != Device::Cpu && !is_asked {
                continue;
            }
            let model = entry.on(&device);
            if let Err(error) = model.cache(2) {
                let expected = "expected one with a decoder, such as llama";
                assert!(error.to_string().ends_with(expected), "{}: {error}", entry.name);
                continue;
            }
            caching += 1;
            let window = Mask::window(2).unwrap();
            let mut masks = vec![MaskChoice::AsTrained, entry.under(Mask::prefix(4)), entry.under(window)];
            masks.extend(entry.is_pair().then_some(MaskChoice::Encoder(Mask::causal())));
            for mask in &masks {
                for (batch, cuts) in [
                    (1, &[9][..]),
                    (1, &[4, 9]),
                    (1, &[4, 5, 6, 7, 8, 9]),
                    (1, &[5, 6, 9]),
                    (2, &[4, 7, 8, 9]),
                ] {
                    let input = entry.batch(sequences(0..9, batch), batch);
                    let full = hidden(&*model, &input, mask, &mut Unobserved);
                    let (pieces, cache) = in_pieces(&entry, &*model, cuts, mask, batch);
                    let (width, mut start) = (model.description().width, 0);
                    for (piece, &end) in pieces.iter().zip(cuts) {
                        let far = far(piece, &part(&full, width, batch, start..end));
                        // With a single piece the same sums are computed in the same order.
                        let most = if cuts.len() == 1 && device == Device::Cpu { 0.0 } else { 5e-5 };
                        assert!(far <= most, "{} on {device}, {mask}, {cuts:?}: {far}", entry.name);
                        start = end;
                    }
                    assert_eq!(cache.len(), 9);
                    let source = cache.cross().map(|cross| cross.keys_and_values().len());
                    assert_eq!(source, entry.is_pair().then_some(SOURCE.len()));
                }
            }
        }
    }
    assert!(caching >= 20, "{caching} models with a cache");
}

#[test]
fn a_cache_cut_back_goes_on_as_if_nothing_had_been() {
    for device in devices() {
        for name in ["tiny/llama", "tiny/t5", "redllm"] {
            let entry = entry(name);
            let model = entry.on(&device);
            let d = model.description();
            let (_, mut cache) = in_pieces(&entry, &*model, &[3, 8], &MaskChoice::AsTrained, 1);
            let token = 2 * d.layers * d.kv_heads * d.head_size * 4;
            let source = if entry.is_pair() { 6 * token } else { 0 };
            assert_eq!((cache.layout().bytes_per_token(4), cache.bytes()), (token, 8 * token + source));
            cache.truncate(5).unwrap();
            assert_eq!(cache.bytes(), 5 * token + source, "{name}: the encoder's part stays");
            let (input, mask) = (entry.input(vec![60, 2]), MaskChoice::AsTrained);
            let got =
                model.hidden_after(&mut cache, &input, &mask, &mut Unobserved, &Run::default()).unwrap();
            let other = entry.input([ids(9)[..5].to_vec(), vec![60, 2]].concat());
            let expected = hidden(&*model, &other, &mask, &mut Unobserved);
            let far = far(&got.to_vec().unwrap(), &expected[5 * d.width..]);
            assert!(far < 5e-5, "{name} on {device}: {far}");
        }
    }
}

#[test]
fn what_the_cache_holds_are_the_rotated_keys_of_the_full_pass() {
    let entry = entry("tiny/llama");
    let model = entry.model();
    let (_, cache) = in_pieces(&entry, &*model, &[2, 6], &MaskChoice::AsTrained, 1);
    let trace = trace(&*model, &Input::new(ids(9)[..6].to_vec()));
    for (index, layer) in cache.layers().iter().enumerate() {
        for (name, held) in [("key", layer.keys()), ("value", layer.values())] {
            let passed = trace.get(&format!("decoder.{index}.self_attention.{name}")).unwrap();
            assert_eq!(passed.shape(), held.shape());
            assert!(far(&passed.to_vec().unwrap(), &held.to_vec().unwrap()) < 1e-5, "{index} {name}");
        }
    }
}

#[test]
fn a_mask_that_would_change_the_cached_positions_is_refused() {
    for name in ["tiny/llama", "tiny/t5", "redllm"] {
        let entry = entry(name);
        let model = entry.model();
        let go_on = |first: &MaskChoice, next: &MaskChoice| {
            let (_, mut cache) = in_pieces(&entry, &*model, &[4], first, 1);
            let input = entry.input(ids(9)[4..7].to_vec());
            let result = model.hidden_after(&mut cache, &input, next, &mut Unobserved, &Run::default());
            (result.map(drop).map_err(|error| error.to_string()), cache.len())
        };
        let under = |mask: Mask| entry.under(mask);
        let (prefix, causal) = (under(Mask::prefix(3)), MaskChoice::AsTrained);
        assert_eq!(go_on(&causal, &causal), (Ok(()), 7));
        assert_eq!(go_on(&prefix, &prefix), (Ok(()), 7), "a prefix that stays as it was");
        let spelled = under("heads(causal, causal)".parse().unwrap());
        assert_eq!(go_on(&causal, &spelled), (Ok(()), 7), "the same mask, written otherwise");
        let (error, length) = go_on(&under(Mask::bidirectional()), &under(Mask::bidirectional()));
        assert!(error.unwrap_err().contains("cached position 0 sees none of the new ones"), "{name}");
        assert_eq!(length, 4, "an error leaves the cache as it was");
        let error = go_on(&prefix, &under(Mask::prefix(5))).0.unwrap_err();
        assert!(error.contains("mask of a cached pass is prefix(5)"), "{error}");
        let error = go_on(&prefix, &under(Mask::prefix(4))).0.unwrap_err();
        assert!(error.ends_with("agrees with prefix(3) over the 4 cached positions"), "{error}");
        let (_, mut cache) = in_pieces(&entry, &*model, &[4], &under(Mask::bidirectional()), 1);
        let error = said(cache.truncate(2));
        assert!(error.contains("made under the mask bidirectional"), "{error}");
        if entry.is_pair() {
            // The encoder's mask does not affect what the decoder's positions see.
            let encoder = MaskChoice::Encoder(Mask::two_sided_window(3).unwrap());
            assert_eq!(go_on(&encoder, &encoder), (Ok(()), 7), "{name}");
        }
    }
}

#[test]
fn a_cache_that_does_not_fit_is_named() {
    let model = entry("tiny/llama").model();
    let say = |model: &dyn Model, cache: &mut KvCache, input: Input| {
        said(model.hidden_after(cache, &input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default()))
    };
    let some = |length| Input::new(ids(length));
    let error = say(&*model, &mut entry("tiny/llama-mha").model().cache(1).unwrap(), some(3));
    assert!(error.starts_with("cache is one of") && error.contains("llama-mha"), "{error}");
    let error = say(&*model, &mut model.cache(2).unwrap(), some(3));
    assert_eq!(error, "sequences in the cache, B, is 2, expected 1");
    let context = model.description().context;
    let (mut cache, input) = (model.cache(1).unwrap(), Input::new(vec![1; context]));
    model.hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default()).unwrap();
    let error = say(&*model, &mut cache, some(1));
    assert!(error.contains(&format!("is {}, expected at most {context}", context + 1)), "{error}");
    let padding = || Padding::new(vec![true, false], 2).unwrap();
    let error = say(&*model, &mut model.cache(1).unwrap(), some(2).with_padding(padding()));
    assert_eq!(error, "padding is given, expected none in a pass with a cache");
    for entry in all().iter().filter(|entry| entry.is_pair()) {
        let (model, input) = (entry.model(), entry.input(vec![1, 2]).with_decoder_padding(padding()));
        let error = say(&*model, &mut model.cache(1).unwrap(), input);
        assert_eq!(error, "decoder padding is given, expected none in a pass with a cache");
    }
    let error = said(entry("tiny/bert").model().cache(1));
    assert_eq!(error, "family of a model with a cache is bert, expected one with a decoder, such as llama");
    if let Some(gpu) = devices().into_iter().nth(1) {
        let error = say(&*model, &mut entry("tiny/llama").on(&gpu).cache(1).unwrap(), some(2));
        assert!(error.contains("cache is on gpu"), "{error}");
    }
}

#[test]
fn an_encoder_reads_a_grown_history_again_unless_its_mask_looks_back_only() {
    for entry in all().into_iter().filter(Entry::is_pair) {
        let (model, name) = (entry.model(), &entry.name);
        let change = |mask: &str| {
            encoder_change(&*model, &SOURCE, 4, &mask.parse().unwrap(), &Run::default()).unwrap()
        };
        let (trained, causal) = (change("as-trained"), change("encoder:causal"));
        let (encoder, decoder) =
            (model.description().encoder.as_ref().unwrap().layers, model.description().layers);
        let layers = |change: &Change| (change.hidden.len(), change.keys.len(), change.values.len());
        assert_eq!(layers(&trained), (encoder, decoder, decoder), "{name}");
        assert!(!trained.is_kept() && trained.relative() > 1e-2, "{name}: {}", trained.relative());
        assert!(causal.is_kept(), "{name}: {}", causal.relative());
    }
    let model = entry("decllm").model();
    let error = said(encoder_change(&*model, &SOURCE, 4, &MaskChoice::AsTrained, &Run::default()));
    assert!(error.contains("expected one with an encoder, such as t5"), "{error}");
}

#[test]
fn padding_of_the_source_stays_in_the_cache() {
    for entry in all().into_iter().filter(Entry::is_pair) {
        let model = entry.model();
        let full = hidden(&*model, &entry.input(ids(5)), &MaskChoice::AsTrained, &mut Unobserved);
        let padding = Padding::new((0..8).map(|at| at < 6).collect(), 8).unwrap();
        let source = Input::new([&SOURCE[..], &[1, 1]].concat()).with_padding(padding);
        let (mut cache, mut got) = (model.cache(1).unwrap(), Vec::new());
        for piece in [&ids(5)[..2], &ids(5)[2..3], &ids(5)[3..]] {
            let (input, mask) = (source.clone().with_decoder(piece.to_vec()), MaskChoice::AsTrained);
            let states = model.hidden_after(&mut cache, &input, &mask, &mut Unobserved, &Run::default());
            got.extend(states.unwrap().to_vec().unwrap());
        }
        assert!(far(&got, &full) < 5e-5, "{}: padding does not matter, in pieces or at once", entry.name);
    }
}

#[test]
fn the_encoder_reads_once_a_turn_and_again_when_the_text_grows() {
    for entry in all().into_iter().filter(Entry::is_pair) {
        let (model, name, run) = (entry.model(), &entry.name, Run::default());
        let mut cache = model.cache(1).unwrap();
        let pass = |cache: &mut KvCache, source: Vec<u32>, mask: MaskChoice| {
            let (input, mut trace) =
                (Input::new(source).with_decoder(vec![ids(5)[cache.len()]]), Trace::all());
            model.hidden_after(cache, &input, &mask, &mut trace, &run).map(|_| trace)
        };
        let mut visits = Vec::new();
        for _ in 0..3 {
            let trace = pass(&mut cache, SOURCE.to_vec(), MaskChoice::AsTrained).unwrap();
            let is_of_encoder = |(name, _): &(&str, &Tensor)| {
                name.starts_with("encoder") || name.ends_with("cross_attention.key")
            };
            visits.push(trace.iter().filter(is_of_encoder).count());
        }
        assert!(visits[0] > 10 && visits[1..] == [0, 0], "{name}: {visits:?}");
        // The kept keys equal those that the encoder would compute again, and a longer text changes them.
        let keys = |source: &[u32]| {
            let mut trace = Trace::of(["cross_attention.key", "cross_attention.value"]);
            let input = Input::new(source.to_vec()).with_decoder(vec![0]);
            hidden(&*model, &input, &MaskChoice::AsTrained, &mut trace);
            let first = |x: &Tensor| rankscope::ops::slice(x, Axis::Key, 0..6).unwrap().to_vec().unwrap();
            trace.iter().map(|(_, tensor)| first(tensor)).collect::<Vec<_>>().concat()
        };
        let held = cache.cross().unwrap().keys_and_values().layers().iter();
        let held =
            held.flat_map(|layer| [layer.keys(), layer.values()].map(|x| x.to_vec().unwrap()).concat());
        let held: Vec<f32> = held.collect();
        assert_eq!(far(&held, &keys(&SOURCE)), 0.0, "{name}: valid within a turn");
        let grown = [&SOURCE[..], &ids(5)[1..]].concat();
        assert!(far(&held, &keys(&grown)) > 1e-2, "{name}: lost when history enters the encoder");
        // So a cache refuses another text, also a text of the same length, and does not change.
        for other in [grown, [&SOURCE[..5], &[4]].concat()] {
            let error = said(pass(&mut cache, other, MaskChoice::AsTrained));
            assert!(
                error.starts_with("the encoder's ids is others, expected those that the cache"),
                "{error}"
            );
            assert_eq!(cache.len(), 3);
        }
        let error = said(pass(&mut cache, SOURCE.to_vec(), MaskChoice::Encoder(Mask::causal())));
        let expected =
            "mask of the encoder is causal, expected bidirectional, which the cache was made under";
        assert_eq!(error, expected);
    }
}

//! A cached pass gives the full pass; a cache with which it would not is refused; an encoder reads a text once, and a
//! changed text again.

use std::ops::Range;

use rankscope::model::reuse::{Change, encoder_change};

use crate::compare::far;
use crate::support::*;

/// 9 positions of `batch` sequences, cut at `cuts`.
fn cut(entry: &Entry, cuts: &[usize], batch: usize) -> Vec<Input> {
    let starts = std::iter::once(&0).chain(cuts);
    let ids_of =
        |range: Range<usize>| (0..batch).flat_map(move |skip| ids(9 + skip)[skip..][range.clone()].to_vec());
    starts.zip(cuts).map(|(&start, &end)| entry.batch(ids_of(start..end).collect(), batch)).collect()
}

/// The positions `start..end` of `[B, T, C]`.
fn part(full: &[f32], width: usize, batch: usize, range: Range<usize>) -> Vec<f32> {
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
            let all_cuts =
                [(1, &[9][..]), (1, &[4, 9]), (1, &[4, 5, 6, 7, 8, 9]), (1, &[5, 6, 9]), (2, &[4, 7, 8, 9])];
            for (mask, (batch, cuts)) in masks.iter().flat_map(|mask| all_cuts.map(|cuts| (mask, cuts))) {
                let full = hidden(&*model, &cut(&entry, &[9], batch)[0], mask);
                let (pieces, cache) = in_pieces(&*model, &cut(&entry, cuts, batch), mask);
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
    assert!(caching >= 20, "{caching} models with a cache");
}

#[test]
fn a_cache_cut_back_goes_on_as_if_nothing_had_been() {
    for device in devices() {
        for name in ["tiny/llama", "tiny/t5", "redllm"] {
            let entry = entry(name);
            let model = entry.on(&device);
            let d = model.description();
            let mask = MaskChoice::AsTrained;
            let (_, mut cache) = in_pieces(&*model, &cut(&entry, &[3, 8], 1), &mask);
            let token = 2 * d.layers * d.kv_heads * d.head_size * 4;
            let source = if entry.is_pair() { 6 * token } else { 0 };
            assert_eq!((cache.layout().bytes_per_token(4), cache.bytes()), (token, 8 * token + source));
            cache.truncate(5).unwrap();
            assert_eq!(cache.bytes(), 5 * token + source, "{name}: the encoder's part stays");
            let got = after(&*model, &mut cache, &entry.input(vec![60, 2]), &mask).unwrap();
            let other = entry.input([&ids(9)[..5], &[60, 2]].concat());
            let far = far(&got.to_vec().unwrap(), &hidden(&*model, &other, &mask)[5 * d.width..]);
            assert!(far < 5e-5, "{name} on {device}: {far}");
        }
    }
}

#[test]
fn what_the_cache_holds_are_the_rotated_keys_of_the_full_pass() {
    let entry = entry("tiny/llama");
    let model = entry.model();
    let (_, cache) = in_pieces(&*model, &cut(&entry, &[2, 6], 1), &MaskChoice::AsTrained);
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
        let read = |mask: &MaskChoice| in_pieces(&*model, &cut(&entry, &[4], 1), mask).1;
        let go_on = |first: &MaskChoice, next: &MaskChoice| {
            let mut cache = read(first);
            let result = after(&*model, &mut cache, &entry.input(ids(9)[4..7].to_vec()), next);
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
        fails(read(&under(Mask::bidirectional())).truncate(2), "made under the mask bidirectional");
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
    let read = |model: &dyn Model, cache: &mut KvCache, input: Input| {
        after(model, cache, &input, &MaskChoice::AsTrained)
    };
    let some = |length| Input::new(ids(length));
    let error = said(read(&*model, &mut entry("tiny/llama-mha").model().cache(1).unwrap(), some(3)));
    assert!(error.starts_with("cache is one of") && error.contains("llama-mha"), "{error}");
    let error = said(read(&*model, &mut model.cache(2).unwrap(), some(3)));
    assert_eq!(error, "sequences in the cache, B, is 2, expected 1");
    let (context, mut cache) = (model.description().context, model.cache(1).unwrap());
    read(&*model, &mut cache, Input::new(vec![1; context])).unwrap();
    let expected = format!("is {}, expected at most {context}", context + 1);
    fails(read(&*model, &mut cache, some(1)), &expected);
    let padding = || Padding::new(vec![true, false], 2).unwrap();
    let error = said(read(&*model, &mut model.cache(1).unwrap(), some(2).with_padding(padding())));
    assert_eq!(error, "padding is given, expected none in a pass with a cache");
    for entry in all().iter().filter(|entry| entry.is_pair()) {
        let (model, input) = (entry.model(), entry.input(vec![1, 2]).with_decoder_padding(padding()));
        let error = said(read(&*model, &mut model.cache(1).unwrap(), input));
        assert_eq!(error, "decoder padding is given, expected none in a pass with a cache");
    }
    let error = said(entry("tiny/bert").model().cache(1));
    assert_eq!(error, "family of a model with a cache is bert, expected one with a decoder, such as llama");
    if let Some(gpu) = devices().into_iter().nth(1) {
        let mut there = entry("tiny/llama").on(&gpu).cache(1).unwrap();
        fails(read(&*model, &mut there, some(2)), "cache is on gpu");
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
        let description = model.description();
        let (encoder, decoder) = (description.encoder.as_ref().unwrap().layers, description.layers);
        let layers = |change: &Change| (change.hidden.len(), change.keys.len(), change.values.len());
        assert_eq!(layers(&trained), (encoder, decoder, decoder), "{name}");
        assert!(!trained.is_kept() && trained.relative() > 1e-2, "{name}: {}", trained.relative());
        assert!(causal.is_kept(), "{name}: {}", causal.relative());
    }
    let model = entry("decllm").model();
    let result = encoder_change(&*model, &SOURCE, 4, &MaskChoice::AsTrained, &Run::default());
    fails(result, "expected one with an encoder, such as t5");
}

#[test]
fn padding_of_the_source_stays_in_the_cache() {
    for entry in all().into_iter().filter(Entry::is_pair) {
        let model = entry.model();
        let full = hidden(&*model, &entry.input(ids(5)), &MaskChoice::AsTrained);
        let source = Input::new([&SOURCE[..], &[1, 1]].concat()).with_padding(behind(6, 8));
        let pieces =
            [0..2, 2..3, 3..5].map(|range: Range<usize>| source.clone().with_decoder(ids(5)[range].to_vec()));
        let got = in_pieces(&*model, &pieces, &MaskChoice::AsTrained).0.concat();
        assert!(far(&got, &full) < 5e-5, "{}: padding does not matter, in pieces or at once", entry.name);
    }
}

#[test]
fn the_encoder_reads_once_a_turn_and_again_when_the_text_grows() {
    for entry in all().into_iter().filter(Entry::is_pair) {
        let (model, name, run) = (entry.model(), &entry.name, Run::default());
        let mut cache = model.cache(1).unwrap();
        let step = |source: Vec<u32>, mask: MaskChoice, cache: &mut KvCache| {
            let input = Input::new(source).with_decoder(vec![ids(5)[cache.len()]]);
            let mut trace = Trace::all();
            model.hidden_after(cache, &input, &mask, &mut trace, &run).map(|_| trace)
        };
        let mut visits = Vec::new();
        for _ in 0..3 {
            let trace = step(SOURCE.to_vec(), MaskChoice::AsTrained, &mut cache).unwrap();
            let is_of_encoder = |(name, _): &(&str, &Tensor)| {
                name.starts_with("encoder") || name.ends_with("cross_attention.key")
            };
            visits.push(trace.iter().filter(is_of_encoder).count());
        }
        assert!(visits[0] > 10 && visits[1..] == [0, 0], "{name}: {visits:?}");
        // The kept keys equal those that the encoder would compute again, and a longer text changes them.
        let keys = |source: &[u32]| {
            let mut trace = Trace::of(["cross_attention.key", "cross_attention.value"]);
            pass(&*model, &Input::new(source.to_vec()).with_decoder(vec![0]), &mut trace);
            let first = |x: &Tensor| rankscope::ops::slice(x, Axis::Key, 0..6).unwrap().to_vec().unwrap();
            trace.iter().flat_map(|(_, tensor)| first(tensor)).collect::<Vec<f32>>()
        };
        let numbers = |x: &Tensor| x.to_vec().unwrap();
        let held = cache.cross().unwrap().keys_and_values().layers().iter();
        let held = held.flat_map(|layer| [numbers(layer.keys()), numbers(layer.values())].concat());
        let held: Vec<f32> = held.collect();
        assert_eq!(far(&held, &keys(&SOURCE)), 0.0, "{name}: valid within a turn");
        let grown = [&SOURCE[..], &ids(5)[1..]].concat();
        assert!(far(&held, &keys(&grown)) > 1e-2, "{name}: lost when history enters the encoder");
        // So a cache refuses another text, also a text of the same length, and does not change.
        for other in [grown, [&SOURCE[..5], &[4]].concat()] {
            let error = said(step(other, MaskChoice::AsTrained, &mut cache));
            let expected = "the encoder's ids is others, expected those that the cache";
            assert!(error.starts_with(expected), "{error}");
            assert_eq!(cache.len(), 3);
        }
        let error = said(step(SOURCE.to_vec(), MaskChoice::Encoder(Mask::causal()), &mut cache));
        let expected =
            "mask of the encoder is causal, expected bidirectional, which the cache was made under";
        assert_eq!(error, expected);
    }
}

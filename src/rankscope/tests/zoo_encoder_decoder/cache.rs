//! A cached pass is the full pass; the encoder reads a text once, and a changed text again.

use rankscope::model::reuse::{Change, encoder_change};
use rankscope::model::{Input, KvCache, MaskChoice, Model};
use rankscope::prelude::*;

use crate::support::{SOURCE, TARGET, both_sides, dec, devices, far, hidden, pairs, seeded};

/// The decoder's hidden states of `target`, cut into pieces that follow each other through a cache.
fn in_pieces(
    model: &dyn Model,
    source: &Input,
    target: &[u32],
    cuts: &[usize],
    mask: &MaskChoice,
) -> (Vec<f32>, KvCache) {
    let mut cache = model.cache(1).unwrap();
    let (mut states, mut start) = (Vec::new(), 0);
    for &end in cuts {
        let piece = source.clone().with_decoder(target[start..end].to_vec());
        let got = model.hidden_after(&mut cache, &piece, mask, &mut Unobserved, &Run::default()).unwrap();
        states.extend(got.to_vec().unwrap());
        start = end;
    }
    (states, cache)
}

#[test]
fn a_cached_pass_is_the_full_pass_on_every_device() {
    for device in devices() {
        for (name, model) in pairs(&device) {
            for mask in [MaskChoice::AsTrained, MaskChoice::Encoder(Mask::causal()), window(2)] {
                let full = hidden(&*model, &both_sides(), &mask, &mut Unobserved);
                for cuts in [&[5][..], &[3, 5], &[1, 2, 3, 4, 5], &[2, 3, 5]] {
                    let source = Input::new(SOURCE.to_vec());
                    let (got, cache) = in_pieces(&*model, &source, &TARGET, cuts, &mask);
                    let far = far(&got, &full);
                    assert!(far < 1e-4, "{name} on {device}, {mask}, {cuts:?}: {far:e}");
                    assert_eq!((cache.len(), cache.cross().unwrap().keys_and_values().len()), (5, 6));
                }
            }
        }
    }
}

#[test]
fn an_encoder_reads_a_grown_history_again_unless_its_mask_looks_back_only() {
    for (name, model) in pairs(&Device::Cpu) {
        let change = |mask: &str| {
            let mask = mask.parse().unwrap();
            encoder_change(&*model, &SOURCE, 4, &mask, &Run::default()).unwrap()
        };
        let (trained, causal) = (change("as-trained"), change("encoder:causal"));
        let (encoder, decoder) =
            (model.description().encoder.as_ref().unwrap().layers, model.description().layers);
        let layers = |change: &Change| (change.hidden.len(), change.keys.len(), change.values.len());
        assert_eq!(layers(&trained), (encoder, decoder, decoder), "{name}");
        assert!(!trained.is_kept() && trained.relative() > 1e-2, "{name}: {}", trained.relative());
        assert!(causal.is_kept(), "{name}: {}", causal.relative());
    }
    let error = encoder_change(&*dec_model(), &SOURCE, 4, &MaskChoice::AsTrained, &Run::default());
    assert!(error.unwrap_err().to_string().contains("expected one with an encoder, such as t5"));
}

fn dec_model() -> Box<dyn Model> {
    seeded(dec(), &Device::Cpu)
}

fn window(size: usize) -> MaskChoice {
    MaskChoice::Override(Mask::window(size).unwrap())
}

#[test]
fn padding_of_the_source_stays_in_the_cache() {
    for (name, model) in pairs(&Device::Cpu) {
        let real = (0..8).map(|at| at < 6).collect();
        let source = Input::new([&SOURCE[..], &[1, 1]].concat()).with_padding(Padding::new(real, 8).unwrap());
        let full = hidden(&*model, &both_sides(), &MaskChoice::AsTrained, &mut Unobserved);
        let (got, _) = in_pieces(&*model, &source, &TARGET, &[2, 3, 5], &MaskChoice::AsTrained);
        assert!(far(&got, &full) < 5e-5, "{name}: padding does not matter, in pieces or at once");
    }
}

#[test]
fn the_encoder_reads_once_a_turn_and_again_when_the_text_grows() {
    for (name, model) in pairs(&Device::Cpu) {
        let mut cache = model.cache(1).unwrap();
        let mut visits = Vec::new();
        for token in TARGET.into_iter().take(3) {
            let input = Input::new(SOURCE.to_vec()).with_decoder(vec![token]);
            let mut trace = Trace::all();
            model
                .hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut trace, &Run::default())
                .unwrap();
            let is_of_encoder = |(name, _): &(&str, &Tensor)| {
                name.starts_with("encoder") || name.ends_with("cross_attention.key")
            };
            visits.push(trace.iter().filter(is_of_encoder).count());
        }
        assert!(visits[0] > 10 && visits[1..] == [0, 0], "{name}: {visits:?}");
        // What a turn keeps is what the encoder would make again, and what a longer text changes.
        let keys = |source: &[u32]| {
            let mut trace = Trace::of(["cross_attention.key", "cross_attention.value"]);
            let input = Input::new(source.to_vec()).with_decoder(vec![0]);
            hidden(&*model, &input, &MaskChoice::AsTrained, &mut trace);
            let first = |x: &Tensor| rankscope::ops::slice(x, Axis::Key, 0..6).unwrap().to_vec().unwrap();
            trace.iter().map(|(_, tensor)| first(tensor)).collect::<Vec<_>>().concat()
        };
        let held = cache.cross().unwrap().keys_and_values().layers().iter();
        let held: Vec<f32> = held
            .flat_map(|layer| [layer.keys().to_vec().unwrap(), layer.values().to_vec().unwrap()].concat())
            .collect();
        assert_eq!(far(&held, &keys(&SOURCE)), 0.0, "{name}: valid within a turn");
        let grown = [&SOURCE[..], &TARGET[1..]].concat();
        assert!(far(&held, &keys(&grown)) > 1e-2, "{name}: lost when history enters the encoder");
        // So a cache refuses another text, and stays as it was.
        let input = Input::new(grown).with_decoder(vec![TARGET[3]]);
        let error = model
            .hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("the encoder's ids is others, expected those that the cache"), "{error}");
        assert_eq!(cache.len(), 3);
        let input = Input::new(SOURCE.to_vec()).with_decoder(vec![TARGET[3]]);
        let as_long = Input::new([&SOURCE[..5], &[4]].concat()).with_decoder(vec![TARGET[3]]);
        let result = model.hidden_after(
            &mut cache,
            &as_long,
            &MaskChoice::AsTrained,
            &mut Unobserved,
            &Run::default(),
        );
        assert!(result.is_err(), "{name}: as long, but another");
        let causal = MaskChoice::Encoder(Mask::causal());
        let error = model.hidden_after(&mut cache, &input, &causal, &mut Unobserved, &Run::default());
        let error = error.unwrap_err().to_string();
        assert_eq!(
            error,
            "mask of the encoder is causal, expected bidirectional, which the cache was made under"
        );
    }
}

#[test]
fn a_cache_holds_both_attentions_and_can_be_cut_back() {
    for (name, model) in pairs(&Device::Cpu) {
        let d = model.description();
        let source = Input::new(SOURCE.to_vec());
        let (_, mut cache) = in_pieces(&*model, &source, &TARGET, &[5], &MaskChoice::AsTrained);
        let token = 2 * d.layers * d.kv_heads * d.head_size * 4;
        assert_eq!((cache.layout().bytes_per_token(4), cache.bytes()), (token, (5 + 6) * token), "{name}");
        cache.truncate(2).unwrap();
        assert_eq!(cache.bytes(), (2 + 6) * token, "{name}: the memory stays");
        let input = source.with_decoder(vec![9, 30]);
        let got = model
            .hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default())
            .unwrap();
        let other = Input::new(SOURCE.to_vec()).with_decoder(vec![TARGET[0], TARGET[1], 9, 30]);
        let full = hidden(&*model, &other, &MaskChoice::AsTrained, &mut Unobserved);
        assert!(far(&got.to_vec().unwrap(), &full[2 * d.width..]) < 5e-5, "{name}");
    }
}

#[test]
fn what_would_change_cached_positions_is_refused() {
    for (name, model) in pairs(&Device::Cpu) {
        let source = Input::new(SOURCE.to_vec());
        let said = |first: &MaskChoice, next: &MaskChoice| {
            let (_, mut cache) = in_pieces(&*model, &source, &TARGET, &[3], first);
            let input = source.clone().with_decoder(vec![TARGET[3]]);
            let result = model.hidden_after(&mut cache, &input, next, &mut Unobserved, &Run::default());
            result.map(drop).map_err(|error| error.to_string())
        };
        let both = MaskChoice::Decoder(Mask::bidirectional());
        let error = said(&both, &both).unwrap_err();
        assert!(error.contains("cached position 0 sees none of the new ones"), "{name}: {error}");
        // The encoder's mask has nothing to do with what the decoder's positions see.
        let encoder = MaskChoice::Encoder(Mask::two_sided_window(3).unwrap());
        assert_eq!(said(&encoder, &encoder), Ok(()), "{name}");
        let padding = Padding::new(vec![true, false], 2).unwrap();
        let input = source.clone().with_decoder(vec![1, 2]).with_decoder_padding(padding);
        let mut cache = model.cache(1).unwrap();
        let error = model
            .hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default())
            .unwrap_err();
        assert_eq!(error.to_string(), "decoder padding is given, expected none in a pass with a cache");
    }
}

#[test]
fn decllm_decodes_from_a_cache_of_raw_keys() {
    for device in devices() {
        let model = seeded(dec(), &device);
        let ids = [&SOURCE[..], &TARGET].concat();
        for mask in [MaskChoice::AsTrained, MaskChoice::Override(Mask::prefix(6))] {
            let full = hidden(&*model, &Input::new(ids.clone()), &mask, &mut Unobserved);
            let (mut cache, mut got, mut start) = (model.cache(1).unwrap(), Vec::new(), 0);
            for end in [6, 7, 9, 11] {
                let input = Input::new(ids[start..end].to_vec());
                let part = model.hidden_after(&mut cache, &input, &mask, &mut Unobserved, &Run::default());
                got.extend(part.unwrap().to_vec().unwrap());
                start = end;
            }
            assert!(far(&got, &full) < 5e-5, "{device}, {mask}");
        }
    }
}

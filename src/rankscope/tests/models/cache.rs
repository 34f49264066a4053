//! A cached pass is the full pass, and a cache that would not be is refused.

use rankscope::model::{self, Input, KvCache, MaskChoice, Model};
use rankscope::prelude::*;

use crate::compare::far;
use crate::support::{devices, fixtures, some_ids};

fn on(device: &Device, family: &str) -> Box<dyn Model> {
    model::load(&fixtures().join("tiny").join(family), device).expect("the fixture loads")
}

/// The last hidden states of `ids`, cut into pieces that follow each other through a cache.
fn in_pieces(model: &dyn Model, ids: &[u32], cuts: &[usize], mask: &MaskChoice) -> (Vec<f32>, KvCache) {
    let (run, mut cache) = (Run::default(), model.cache(1).unwrap());
    let (mut states, mut start) = (Vec::new(), 0);
    for &end in cuts {
        let piece = Input::new(ids[start..end].to_vec());
        let hidden = model.hidden_after(&mut cache, &piece, mask, &mut Unobserved, &run).unwrap();
        states.extend(hidden.to_vec().unwrap());
        start = end;
    }
    (states, cache)
}

fn full(model: &dyn Model, ids: &[u32], mask: &MaskChoice) -> Vec<f32> {
    let input = Input::new(ids.to_vec());
    model.hidden(&input, mask, &mut Unobserved, &Run::default()).unwrap().to_vec().unwrap()
}

#[test]
fn a_cached_pass_is_the_full_pass_on_every_device() {
    for device in devices() {
        for family in ["gpt1", "gpt2", "llama", "llama-mha", "mixtral"] {
            let model = on(&device, family);
            let ids = some_ids(9).ids().to_vec();
            for mask in [MaskChoice::AsTrained, MaskChoice::Override(Mask::prefix(4))] {
                let expected = full(&*model, &ids, &mask);
                for cuts in [&[9][..], &[4, 9], &[4, 5, 6, 7, 8, 9], &[5, 6, 9]] {
                    let (got, cache) = in_pieces(&*model, &ids, cuts, &mask);
                    let far = far(&got, &expected);
                    // In one piece the sums are the same ones in the same order.
                    let most = if cuts.len() == 1 && device == Device::Cpu { 0.0 } else { 2e-5 };
                    assert!(far <= most, "{family} on {device}, {mask}, {cuts:?}: {far}");
                    assert_eq!(cache.len(), 9);
                }
            }
        }
    }
}

#[test]
fn a_cache_cut_back_goes_on_as_if_nothing_had_been() {
    for device in devices() {
        let model = on(&device, "llama");
        let d = model.description();
        let (ids, run) = (some_ids(8).ids().to_vec(), Run::default());
        let (_, mut cache) = in_pieces(&*model, &ids, &[3, 8], &MaskChoice::AsTrained);
        assert_eq!(cache.bytes(), 8 * cache.layout().bytes_per_token(4));
        assert_eq!(cache.bytes(), 2 * d.layers * d.kv_heads * 8 * d.head_size * 4);
        cache.truncate(5).unwrap();
        let other = [ids[..5].to_vec(), vec![70, 2]].concat();
        let hidden = model
            .hidden_after(&mut cache, &Input::new(vec![70, 2]), &MaskChoice::AsTrained, &mut Unobserved, &run)
            .unwrap();
        let expected = full(&*model, &other, &MaskChoice::AsTrained);
        assert!(far(&hidden.to_vec().unwrap(), &expected[5 * d.width..]) < 2e-5, "{device}");
    }
}

#[test]
fn what_the_cache_holds_are_the_rotated_keys_of_the_full_pass() {
    let model = on(&Device::Cpu, "llama");
    let ids = some_ids(6).ids().to_vec();
    let (_, cache) = in_pieces(&*model, &ids, &[2, 6], &MaskChoice::AsTrained);
    let mut trace = Trace::of(["self_attention.key", "self_attention.value"]);
    model.hidden(&Input::new(ids), &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
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
    let (model, run) = (on(&Device::Cpu, "llama"), Run::default());
    let ids = some_ids(7).ids().to_vec();
    let under = |mask: Mask| MaskChoice::Override(mask);
    let go_on = |first: &MaskChoice, next: &MaskChoice| {
        let (_, mut cache) = in_pieces(&*model, &ids, &[4], first);
        let input = Input::new(ids[4..].to_vec());
        let result = model.hidden_after(&mut cache, &input, next, &mut Unobserved, &run);
        (result.map(|_| ()).map_err(|error| error.to_string()), cache.len())
    };
    let (prefix, causal) = (under(Mask::prefix(3)), MaskChoice::AsTrained);
    assert_eq!(go_on(&causal, &causal), (Ok(()), 7));
    assert_eq!(go_on(&prefix, &prefix), (Ok(()), 7), "a prefix that stays as it was");
    let (error, length) = go_on(&under(Mask::bidirectional()), &under(Mask::bidirectional()));
    assert!(error.unwrap_err().contains("cached position 0 sees none of the new ones"));
    assert_eq!(length, 4, "an error leaves the cache as it was");
    let error = go_on(&prefix, &under(Mask::prefix(5))).0.unwrap_err();
    assert!(error.contains("mask of a cached pass is prefix(5)"), "{error}");
    let error = go_on(&prefix, &under(Mask::prefix(4))).0.unwrap_err();
    assert!(error.ends_with("agrees with prefix(3) over the 4 cached positions"), "{error}");
    let (_, mut cache) = in_pieces(&*model, &ids, &[4], &under(Mask::bidirectional()));
    let error = cache.truncate(2).unwrap_err().to_string();
    assert!(error.contains("made under the mask bidirectional"), "{error}");
}

#[test]
fn a_cache_that_does_not_fit_is_named() {
    let run = Run::default();
    let (model, other) = (on(&Device::Cpu, "llama"), on(&Device::Cpu, "llama-mha"));
    let say = |cache: &mut KvCache, input: Input| {
        model
            .hidden_after(cache, &input, &MaskChoice::AsTrained, &mut Unobserved, &run)
            .unwrap_err()
            .to_string()
    };
    let error = say(&mut other.cache(1).unwrap(), some_ids(3));
    assert!(error.starts_with("cache is one of") && error.contains("llama-mha"), "{error}");
    let error = say(&mut model.cache(2).unwrap(), some_ids(3));
    assert_eq!(error, "sequences in the cache, B, is 2, expected 1");
    let context = model.description().context;
    let mut cache = model.cache(1).unwrap();
    let input = Input::new(vec![1; context]);
    model.hidden_after(&mut cache, &input, &MaskChoice::AsTrained, &mut Unobserved, &run).unwrap();
    let error = say(&mut cache, some_ids(1));
    assert!(error.contains(&format!("is {}, expected at most {context}", context + 1)), "{error}");
    let padding = Padding::new(vec![true, false], 2).unwrap();
    let error = say(&mut model.cache(1).unwrap(), some_ids(2).with_padding(padding));
    assert_eq!(error, "padding is given, expected none in a pass with a cache");
    let error = on(&Device::Cpu, "bert").cache(1).err().unwrap().to_string();
    assert_eq!(error, "family of a model with a cache is bert, expected one with a decoder, such as llama");
    if let Some(gpu) = devices().into_iter().nth(1) {
        let mut cache = on(&gpu, "llama").cache(1).unwrap();
        let error = say(&mut cache, some_ids(2));
        assert!(error.contains("cache is on gpu"), "{error}");
    }
}

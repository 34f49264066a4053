//! Parameters against the published formulas' integers, and where cross-attention looks.

use super::*;
use crate::axis::Axis;
use crate::device::Device;
use crate::ops::{RotaryTable, slice};
use crate::probe::{Trace, Unobserved};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::test_devices::devices;

const TINY: Sizes = Sizes { width: 10, heads: 6, kv_heads: 3, head_size: 4, feed_forward: 14, vocab: 17 };

/// C, H, F = 4C as in the paper, V = 32,768.
fn named(width: usize, heads: usize) -> Sizes {
    let head_size = width / heads;
    Sizes { width, heads, kv_heads: heads, head_size, feed_forward: 4 * width, vocab: 32_768 }
}

#[test]
fn the_named_sizes_have_their_exact_parameters() {
    let table = [
        (named(1024, 8), 8, 3, 167_789_568, 146_818_048),
        (named(2048, 16), 16, 7, 1_140_918_272, 1_124_149_248),
        (named(3072, 24), 24, 10, 3_724_692_480, 3_498_209_280),
        (named(4096, 32), 32, 14, 8_724_418_560, 8_590_229_504),
    ];
    for (sizes, layers, each, decoder, both) in table {
        assert_eq!(sizes.decoder_only(layers).total, decoder);
        assert_eq!(sizes.encoder_decoder(each, each).total, both);
    }
    assert_eq!(named(1024, 8).decoder_only(8).non_embedding(), 167_789_568 - 32_768 * 1024);
}

#[test]
fn the_named_sizes_cost_twice_as_much_without_an_encoder() {
    let table = [
        (named(1024, 8), 8, 3, 0.76, 0.33, 2.27),
        (named(2048, 16), 16, 7, 4.95, 2.45, 2.02),
        (named(3072, 24), 24, 10, 15.9, 7.5, 2.12),
        (named(4096, 32), 32, 14, 36.8, 18.2, 2.02),
    ];
    for (sizes, layers, each, decoder, both, ratio) in table {
        let one = sizes.decoder_only_flops(layers, 2048, 2048, Pairs::Allowed) as f64 / 1e12;
        let two = sizes.encoder_decoder_flops([each, each], 1024, 2048, Pairs::Allowed) as f64 / 1e12;
        assert!((one / decoder - 1.0).abs() < 0.01, "{one} {decoder}");
        assert!((two / both - 1.0).abs() < 0.015, "{two} {both}");
        assert!((one / two - ratio).abs() < 0.01, "{} {ratio}", one / two);
    }
}

#[test]
fn tensors_have_as_many_numbers_as_the_formulas_say() {
    let decoder = DecoderOnly::random(TINY, 5, 1, &Device::Cpu).unwrap();
    assert_eq!(decoder.parameters(), TINY.decoder_only(5));
    let both = EncoderDecoder::random(TINY, [2, 3], 1, &Device::Cpu).unwrap();
    assert_eq!(both.parameters(), TINY.encoder_decoder(2, 3));
}

fn values(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|value| value.is_finite()));
    a.iter().zip(b).fold(0.0, |far: f32, (a, b)| far.max((a - b).abs()))
}

#[test]
fn cross_attention_reads_the_encoder_and_the_queries_come_from_the_decoder() {
    let run = Run::default();
    for device in devices() {
        let model = EncoderDecoder::random(TINY, [2, 3], 1, &device).unwrap();
        let mut trace = Trace::all();
        let memory = model.encode(&[3, 1, 4, 1, 5], &mut trace, &run).unwrap();
        model.decode(&[9, 2], &memory, None, &mut trace, &run).unwrap();
        let weights = trace.get("decoder.1.cross_attention.weights").unwrap();
        assert_eq!(weights.shape().to_string(), "[B=1, H=6, T=2, S=5]");
        assert!(values(weights).iter().all(|&weight| weight > 0.0), "the whole prompt is seen");
        // What the values are made of: the encoder's last states, by the definition.
        let value = trace.get("decoder.2.cross_attention.value").unwrap();
        let source = values(trace.get("encoder.final_norm").unwrap()); // [B, S, C]
        let on_cpu = EncoderDecoder::random(TINY, [2, 3], 1, &Device::Cpu).unwrap();
        let weight = on_cpu.cross_attention(2).value.weight.to_f32().unwrap(); // [GD, C]
        let by_hand = |group: usize, position: usize, d: usize| -> f32 {
            let row = group * TINY.head_size + d;
            (0..TINY.width).map(|c| source[position * TINY.width + c] * weight[row * TINY.width + c]).sum()
        };
        let mut expected = Vec::new();
        for group in 0..TINY.kv_heads {
            for position in 0..5 {
                expected.extend((0..TINY.head_size).map(|d| by_hand(group, position, d)));
            }
        }
        assert!(far(&values(value), &expected) < 1e-4, "{device}");
        // Positions of the decoder continue those of the prompt.
        let normed = trace.get("decoder.1.cross_attention_norm").unwrap();
        let table = RotaryTable::new(5, 2, TINY.head_size, 10_000.0, &device).unwrap();
        let expected = model.cross_attention(1).query(normed, Some(&table), &mut Unobserved).unwrap();
        let query = trace.get("decoder.1.cross_attention.query").unwrap();
        assert!(far(&values(query), &values(&expected)) < 1e-6, "{device}");
    }
}

#[test]
fn a_decoder_sees_the_prompt_and_its_own_past_alone() {
    let run = Run::default();
    let model = EncoderDecoder::random(TINY, [2, 3], 7, &Device::Cpu).unwrap();
    let hidden = |prompt: &[u32], ids: &[u32]| {
        let memory = model.encode(prompt, &mut Unobserved, &run).unwrap();
        model.decode(ids, &memory, None, &mut Unobserved, &run).unwrap()
    };
    let first = |x: &Tensor| values(&slice(x, Axis::Query, 0..2).unwrap());
    let base = hidden(&[3, 1, 4], &[9, 2, 6]);
    assert!(far(&first(&base), &first(&hidden(&[3, 1, 4], &[9, 2, 8]))) == 0.0, "not the future");
    assert!(far(&first(&base), &first(&hidden(&[3, 1, 5], &[9, 2, 6]))) > 1e-3, "the prompt");
    assert!(far(&first(&base), &first(&hidden(&[3, 1, 4], &[8, 2, 6]))) > 1e-3, "its past");
}

#[test]
fn cached_decoding_is_the_full_pass() {
    let run = Run::default();
    for device in devices() {
        let model = EncoderDecoder::random(TINY, [2, 3], 5, &device).unwrap();
        let memory = model.encode(&[3, 1, 4, 1], &mut Unobserved, &run).unwrap();
        let full = model.decode(&[9, 2, 6, 5, 8], &memory, None, &mut Unobserved, &run).unwrap();
        let mut cache = model.cache().unwrap();
        let mut parts = Vec::new();
        for ids in [&[9u32, 2][..], &[6], &[5, 8]] {
            let part = model.decode(ids, &memory, Some(&mut cache), &mut Unobserved, &run).unwrap();
            parts.extend(values(&part));
        }
        assert!(far(&parts, &values(&full)) < 1e-4, "{device}");
        assert_eq!((cache.len(), memory.len()), (5, 4));
        let decoder = DecoderOnly::random(TINY, 3, 5, &device).unwrap();
        let mut own = decoder.cache().unwrap();
        let full = decoder.hidden(&[3, 1, 4, 1, 9, 2, 6, 5, 8], None, &mut Unobserved, &run).unwrap();
        let mut parts = Vec::new();
        for ids in [&[3u32, 1, 4, 1][..], &[9], &[2, 6, 5, 8]] {
            parts.extend(values(&decoder.hidden(ids, Some(&mut own), &mut Unobserved, &run).unwrap()));
        }
        assert!(far(&parts, &values(&full)) < 1e-4, "{device}");
        assert_eq!(own.bytes(), cache.bytes() + memory.bytes(), "one cache is as large as the other two");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let of = |sizes: Sizes| DecoderOnly::random(sizes, 1, 0, &Device::Cpu).err().unwrap().to_string();
    assert_eq!(of(Sizes { kv_heads: 4, ..TINY }), "kv_heads is 4, expected a divisor of heads = 6");
    assert_eq!(of(Sizes { width: 0, ..TINY }), "width is 0, expected at least 1");
    assert!(of(Sizes { head_size: 5, ..TINY }).starts_with("head_size is 5, expected an even"));
    let run = Run::default();
    let model = EncoderDecoder::random(TINY, [1, 1], 5, &Device::Cpu).unwrap();
    let own = model.cache().unwrap();
    let error = model.decode(&[1], &own, None, &mut Unobserved, &run).unwrap_err().to_string();
    assert!(error.contains("cache is one of the decoder of a random"), "{error}");
}

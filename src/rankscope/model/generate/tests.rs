//! Distributions, filters and their edges, streams of text, the cache and the end of a text.

use super::*;
use crate::device::Device;
use crate::mask::Mask;
use crate::model::{self, Config, Input, Tokenizer};
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn tiny(family: &str) -> Box<dyn Model> {
    model::load(&fixtures().join("tiny").join(family), &Device::Cpu).unwrap()
}

fn glass() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/checkpoints/glass-en")
}

/// Logits whose probabilities are 1/2, 1/8, 1/4, 1/16, 1/16 (in this order).
fn logits() -> Vec<f32> {
    [8.0f32, 2.0, 4.0, 1.0, 1.0].map(f32::ln).to_vec()
}

fn close(got: &[(u32, f64)], expected: &[(u32, f64)]) {
    assert_eq!(got.len(), expected.len(), "{got:?} {expected:?}");
    for ((id, p), (expected_id, expected_p)) in got.iter().zip(expected) {
        assert!(id == expected_id && (p - expected_p).abs() < 1e-6, "{got:?} {expected:?}");
    }
}

fn under(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Vec<(u32, f64)> {
    Sampling { temperature, top_k, top_p }.distribution(&logits()).unwrap()
}

#[test]
fn distributions_by_hand() {
    close(&under(1.0, None, None), &[(0, 0.5), (1, 0.125), (2, 0.25), (3, 0.0625), (4, 0.0625)]);
    // Temperature ½ squares the ratios: 64 : 4 : 16 : 1 : 1.
    let squared = [64.0, 4.0, 16.0, 1.0, 1.0].map(|weight| weight / 86.0);
    close(&under(0.5, None, None), &(0..).zip(squared).collect::<Vec<_>>());
    close(&under(1.0, Some(2), None), &[(0, 2.0 / 3.0), (2, 1.0 / 3.0)]);
    // ½ + ¼ is exactly ¾; a slightly larger share needs the third token.
    close(&under(1.0, None, Some(0.74)), &[(0, 2.0 / 3.0), (2, 1.0 / 3.0)]);
    close(&under(1.0, None, Some(0.76)), &[(0, 4.0 / 7.0), (2, 2.0 / 7.0), (1, 1.0 / 7.0)]);
    // Top-p takes its share of the tokens that top-k kept: of ½ and ¼ the first has 2/3.
    close(&under(1.0, Some(2), Some(0.6)), &[(0, 1.0)]);
    close(&under(1.0, Some(2), Some(0.7)), &[(0, 2.0 / 3.0), (2, 1.0 / 3.0)]);
    // Temperature comes first: at ½ the most likely token alone has 64/86 > 0.7.
    close(&under(0.5, None, Some(0.7)), &[(0, 1.0)]);
}

#[test]
fn edges_of_the_filters() {
    close(&under(0.0, None, None), &[(0, 1.0)]);
    close(&under(0.0, Some(3), Some(0.9)), &[(0, 1.0)]);
    let greedy = Sampling::greedy().distribution(&[1.0, 3.0, 3.0]).unwrap();
    assert_eq!(greedy, [(1, 1.0)], "the first of equal ones");
    close(&under(1.0, Some(1), None), &[(0, 1.0)]);
    close(&under(1.0, None, Some(1e-9)), &[(0, 1.0)]);
    // Of equal logits the smaller id is kept, and nothing is lost with p = 1 or k too large.
    assert_eq!(under(1.0, Some(4), None).last().unwrap().0, 3);
    assert_eq!(under(1.0, None, Some(1.0)).len(), 5);
    assert_eq!(under(1.0, Some(99), None).len(), 5);
    assert_eq!(under(1e-3, None, None)[0], (0, 1.0));
    let masked = [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY];
    assert_eq!(Sampling::default().distribution(&masked).unwrap(), [(1, 1.0)]);
}

#[test]
fn settings_out_of_range_are_named() {
    let say = |temperature: f64, top_k: Option<usize>, top_p: Option<f64>| {
        Sampling { temperature, top_k, top_p }.distribution(&logits()).unwrap_err().to_string()
    };
    let cold = "expected 0 (greedy) or a positive number";
    assert_eq!(say(-0.5, None, None), format!("temperature is -0.5, {cold}"));
    assert_eq!(say(f64::NAN, None, None), format!("temperature is NaN, {cold}"));
    assert_eq!(say(f64::INFINITY, None, None), format!("temperature is inf, {cold}"));
    assert_eq!(say(1.0, Some(0), None), "top-k is 0, expected at least 1, or none to keep all tokens");
    for p in [0.0, 1.5, -1.0] {
        let expected = "expected a share above 0 and up to 1, or none to keep all tokens";
        assert_eq!(say(1.0, None, Some(p)), format!("top-p is {p}, {expected}"));
    }
    let error = |logits: &[f32]| Sampling::greedy().distribution(logits).unwrap_err().to_string();
    assert_eq!(error(&[1.0, f32::NAN]), "logits is not finite, expected numbers, one of them finite");
    let expected = "logits is without a finite number, expected numbers, one of them finite";
    assert_eq!(error(&[f32::NEG_INFINITY]), expected);
    assert!(error(&[]).starts_with("logits is without"));
}

/// Σ (observed − expected)² / expected over the tokens of a distribution.
fn chi_square(sampling: Sampling, draws: usize) -> f64 {
    let expected = sampling.distribution(&logits()).unwrap();
    let mut counts = [0usize; 5];
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for _ in 0..draws {
        counts[sampling.draw(&logits(), &mut random).unwrap().0 as usize] += 1;
    }
    let kept: usize = expected.iter().map(|&(id, _)| counts[id as usize]).sum();
    assert_eq!(kept, draws, "none but the kept");
    let term = |&(id, p): &(u32, f64)| {
        let mean = p * draws as f64;
        (counts[id as usize] as f64 - mean).powi(2) / mean
    };
    expected.iter().map(term).sum()
}

#[test]
fn draws_follow_the_distribution() {
    // The 99.9 % quantiles of χ² with 4 and 2 degrees of freedom are 18.5 and 13.8.
    assert!(chi_square(Sampling::default(), 20_000) < 18.5);
    assert!(chi_square(Sampling { temperature: 0.7, ..Sampling::default() }, 20_000) < 18.5);
    assert!(chi_square(Sampling { top_k: Some(3), ..Sampling::default() }, 20_000) < 13.8);
    assert!(chi_square(Sampling { top_p: Some(0.8), ..Sampling::default() }, 20_000) < 13.8);
}

fn write(model: &dyn Model, prompt: &[u32], settings: &Settings, seed: u64) -> Generated {
    let mut shown = Vec::new();
    let mut show = |token| {
        shown.push(token);
        Ok(())
    };
    let prompt = Input::new(prompt.to_vec());
    let text = generate(model, &prompt, settings, &mut show, &Run::new(seed)).unwrap();
    assert_eq!(shown, text.tokens, "every token is shown, once, in order");
    text
}

#[test]
fn the_cache_changes_nothing_but_the_time() {
    for family in ["llama", "llama-mha"] {
        let model = tiny(family);
        for mask in [MaskChoice::AsTrained, MaskChoice::Override(Mask::prefix(3))] {
            let sampling = Sampling { temperature: 0.8, top_k: Some(7), top_p: Some(0.9) };
            let with = Settings { tokens: 12, sampling, mask, ..Settings::default() };
            let without = Settings { use_cache: false, ..with.clone() };
            let prompt = [3, 1, 4, 1, 5];
            let (with, without) = (write(&*model, &prompt, &with, 5), write(&*model, &prompt, &without, 5));
            assert!(with.used_cache && !without.used_cache);
            assert_eq!(with.ids(), without.ids(), "{family}");
            for (one, other) in with.tokens.iter().zip(&without.tokens) {
                assert!((one.probability - other.probability).abs() < 1e-4, "{family}");
            }
        }
    }
}

#[test]
fn an_encoder_decoder_writes_behind_its_start_token_or_what_is_given() {
    for family in ["t5", "t5-gated"] {
        let model = tiny(family);
        let settings = Settings { tokens: 9, ..Settings::default() };
        let write = |input: &Input, use_cache: bool| {
            let settings = Settings { use_cache, ..settings.clone() };
            generate(&*model, input, &settings, &mut |_| Ok(()), &Run::default()).unwrap().ids()
        };
        let source = Input::new(vec![7, 3, 9, 4]);
        let all = write(&source, true);
        assert_eq!(all, write(&source, false), "{family}");
        // Token 0 starts the decoder; tokens written earlier may be given, and the rest follows.
        let begun = source.clone().with_decoder([&[0], &all[..4]].concat());
        assert_eq!(write(&begun, true)[..5], all[4..], "{family}");
        let drawn = |ids: Vec<u32>| {
            let settings = Settings { sampling: Sampling::default(), ..settings.clone() };
            generate(&*model, &Input::new(ids), &settings, &mut |_| Ok(()), &Run::default()).unwrap().tokens
        };
        assert_ne!(drawn(vec![7, 3, 9, 4]), drawn(vec![7, 3, 9, 5]), "{family}: the source is read");
    }
}

#[test]
fn the_seed_decides_the_text() {
    let model = tiny("llama");
    let settings = Settings { sampling: Sampling::default(), ..Settings::default() };
    let ids = |seed| write(&*model, &[7, 2], &settings, seed).ids();
    assert_eq!(ids(3), ids(3));
    assert_ne!(ids(3), ids(4));
}

#[test]
fn a_text_ends_at_its_length_a_stop_token_or_the_context() {
    let model = tiny("llama");
    let settings = Settings { tokens: 6, ..Settings::default() };
    let all = write(&*model, &[3, 1, 4], &settings, 0);
    assert_eq!((all.end, all.tokens.len()), (End::Length, 6));
    assert!(all.tokens_per_second().unwrap() > 0.0);
    let third = all.ids()[2];
    let first = all.ids().iter().position(|&id| id == third).unwrap();
    let stopped = write(&*model, &[3, 1, 4], &Settings { stop: vec![third], ..settings.clone() }, 0);
    assert_eq!((stopped.end, stopped.ids()), (End::Stop, all.ids()[..=first].to_vec()));
    // A context of 37: 35 tokens of a prompt leave room to read two more, and to write one after them.
    let prompt: Vec<u32> = (0..35).collect();
    let full = write(&*model, &prompt, &settings, 0);
    assert_eq!((full.end, full.tokens.len()), (End::Context, 3));
    let error =
        generate(&*model, &Input::new(vec![1; 38]), &settings, &mut |_| Ok(()), &Run::default()).unwrap_err();
    assert!(error.to_string().contains("is 38, expected at most 37"), "{error}");
}

#[test]
fn what_cannot_be_written_is_named() {
    let run = Run::default();
    let say = |family: &str, prompt: &[u32], settings: Settings| {
        let prompt = Input::new(prompt.to_vec());
        generate(&*tiny(family), &prompt, &settings, &mut |_| Ok(()), &run).unwrap_err().to_string()
    };
    let settings = Settings::default;
    let error = say("bert", &[1, 2], settings());
    assert_eq!(
        error,
        "family of a model that writes is bert (BertForMaskedLM), expected one that predicts the next token, such as llama"
    );
    let error = say("llama", &[1], Settings { tokens: 0, ..settings() });
    assert_eq!(error, "number of tokens to write is 0, expected at least 1");
    let error = say("llama", &[1], Settings { stop: vec![97], ..settings() });
    assert_eq!(error, "stop token is 97, expected less than 97, the size of the vocabulary");
    assert!(say("llama", &[], settings()).contains("number of tokens is 0"));
    let mask = MaskChoice::Override(Mask::bidirectional());
    let expected = "expected one under which position 0 does not see 2, written later; or no cache";
    let error = say("llama", &[1, 2], Settings { mask, ..settings() });
    assert_eq!(error, format!("mask of a cached pass is bidirectional, {expected}"));
    let cancelled = Run::default();
    cancelled.cancel_flag().cancel();
    let error = generate(&*tiny("llama"), &Input::new(vec![1]), &settings(), &mut |_| Ok(()), &cancelled)
        .unwrap_err();
    assert_eq!(error.to_string(), "cancelled");
}

#[test]
fn an_error_of_the_listener_ends_the_text() {
    let mut count = 0;
    let mut show = |_| {
        count += 1;
        if count == 3 { Err(Error::invalid("listener", "tired", "awake")) } else { Ok(()) }
    };
    let result =
        generate(&*tiny("llama"), &Input::new(vec![1]), &Settings::default(), &mut show, &Run::default());
    assert_eq!((result.unwrap_err().to_string().as_str(), count), ("listener is tired, expected awake", 3));
}

#[test]
fn streamed_pieces_make_the_text_and_no_half_character_is_shown() {
    // The second tokenizer splits every character that is not ASCII.
    for tokenizer in [Tokenizer::load(&glass()).unwrap(), Tokenizer::bytes().unwrap()] {
        let text = "Once upon a time, naïve 🦀 said: 猫!";
        let ids = tokenizer.encode(text).unwrap().ids;
        let whole = tokenizer.decode(&ids).unwrap();
        for split in [0, 1, 4] {
            let mut stream = TextStream::after(&tokenizer, &ids[..split]);
            let mut pieces = Vec::new();
            for &id in &ids[split..] {
                pieces.push(stream.push(id).unwrap());
            }
            assert!(pieces.iter().all(|piece| !piece.contains('\u{FFFD}')), "{pieces:?}");
            pieces.push(stream.finish().unwrap());
            let before = tokenizer.decode(&ids[..split]).unwrap();
            assert_eq!(format!("{before}{}", pieces.concat()), whole, "{split}");
        }
    }
}

#[test]
fn a_space_that_the_tokenizer_puts_between_words_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let words = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null,
        "decoder": { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true },
        "model": { "type": "WordLevel", "vocab": { "▁the": 0, "▁cat": 1, "s": 2 }, "unk_token": "s" },
    });
    std::fs::write(folder.path().join("tokenizer.json"), words.to_string()).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.decode(&[1]).unwrap(), "cat", "alone, a word has no space before it");
    let mut stream = TextStream::after(&tokenizer, &[0]);
    let said: Vec<_> = [1, 2, 0, 1].map(|id| stream.push(id).unwrap()).into();
    assert_eq!(said, [" cat", "s", " the", " cat"]);
}

#[test]
fn a_character_that_never_became_whole_is_said_at_the_end() {
    let tokenizer = Tokenizer::bytes().unwrap();
    let crab = tokenizer.encode("a🦀").unwrap().ids;
    let cut = &crab[..crab.len() - 1];
    let mut stream = TextStream::after(&tokenizer, &[]);
    let said: String = cut.iter().map(|&id| stream.push(id).unwrap()).collect();
    assert_eq!(said, "a");
    assert_eq!(stream.finish().unwrap(), "\u{FFFD}");
    assert_eq!(tokenizer.decode(cut).unwrap(), "a\u{FFFD}");
}

#[test]
fn the_ends_of_a_text_stand_in_a_configuration() {
    let read = |value: serde_json::Value| Ends::read(&Config::from_value("here", value).unwrap(), 9);
    let stop =
        |value: serde_json::Value| read(serde_json::json!({ "eos_token_id": value })).map(|ends| ends.stop);
    assert_eq!(stop(2.into()).unwrap(), [2]);
    assert_eq!(stop(vec![2, 7].into()).unwrap(), [2, 7]);
    assert_eq!(stop(serde_json::Value::Null).unwrap(), [] as [u32; 0]);
    assert_eq!(stop(vec![-1, 8, 9].into()).unwrap(), [8], "what the vocabulary lacks is never written");
    let error = stop("end".into()).unwrap_err().to_string();
    assert_eq!(error, "here: eos_token_id is \"end\", expected an id or a list of ids");
    let pair = serde_json::json!({
        "decoder_start_token_id": 3, "bos_token_id": 1, "forced_bos_token_id": 4, "forced_eos_token_id": [5, 6],
    });
    let ends = Ends { stop: vec![], start: Some(3), first: Some(4), last: vec![5, 6] };
    assert_eq!(read(pair).unwrap(), ends);
    let begin = read(serde_json::json!({ "bos_token_id": 1 })).unwrap();
    assert_eq!(begin, Ends { start: Some(1), ..Ends::default() });
    let error = read(serde_json::json!({ "decoder_start_token_id": [1, 2] })).unwrap_err().to_string();
    assert_eq!(error, "here: decoder_start_token_id is [1, 2], expected one id");
}

#[test]
fn what_generation_config_says_wins_even_where_it_is_silent() {
    let model = tiny("llama");
    let folder = tempfile::tempdir().unwrap();
    let config = model.record().config();
    let own = Ends::read(config, model.description().vocab).unwrap();
    assert_eq!(Ends::of(&*model, folder.path()).unwrap(), own);
    let file = folder.path().join("generation_config.json");
    for (text, stop) in [("{\"eos_token_id\": [7, 11]}", vec![7, 11]), ("{}", vec![])] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(Ends::of(&*model, folder.path()).unwrap(), Ends { stop, ..Ends::default() }, "{text}");
    }
    std::fs::write(&file, "stop").unwrap();
    assert!(Ends::of(&*model, folder.path()).unwrap_err().to_string().contains("generation_config.json"));
}

#[test]
fn what_must_come_first_and_last_comes() {
    let model = tiny("llama");
    let settings = Settings { tokens: 5, first: Some(13), last: vec![17], ..Settings::default() };
    let ids = write(&*model, &[3], &settings, 0).ids();
    assert_eq!((ids.len(), ids[0], ids[4]), (5, 13, 17));
    assert_ne!(write(&*model, &[3], &Settings { tokens: 5, ..Settings::default() }, 0).ids(), ids);
    let longer = write(&*model, &[3, 1], &settings, 0).ids();
    assert_ne!(longer[0], 13, "the first is for texts of one token");
    let sampling = Sampling::default();
    let drawn = Settings { last: vec![17, 19], sampling, ..settings };
    let last: std::collections::BTreeSet<_> =
        (0..20).map(|seed| write(&*model, &[3, 1], &drawn, seed).ids()[4]).collect();
    assert_eq!(last.into_iter().collect::<Vec<_>>(), [17, 19]);
}

//! Objectives that predict token by token, and sequence labelling.

use super::*;

#[test]
fn a_causal_lm_predicts_every_token_from_those_before() {
    let (gpt, bert, t5) = (small("gpt2", json!({})), small("bert", json!({})), small("t5", json!({})));
    let text = [example([5, 6, 7, 8], 0), example([1, 2, 3, 4], 0)];
    let batch = batch("causal-lm", &text, &*gpt, "usual", 0);
    assert_eq!(batch.input.ids(), [5, 6, 7, 1, 2, 3]);
    assert_eq!(batch.targets, [6, 7, 8, 2, 3, 4].map(Some));
    assert_eq!((batch.mask, batch.input.padding()), (MaskChoice::AsTrained, None));
    let message = error("causal-lm", &text, &*gpt, "bidirectional");
    assert!(message.contains("bidirectional") && message.contains("do not see position 1"), "{message}");
    assert_eq!(error("causal-lm", &text, &*bert, "usual"), message);
    for mask in ["heads(causal, anti-causal)", "prefix(2)", "causal | window(3)"] {
        assert_eq!(batches("causal-lm", &text, &*gpt, mask, 0).is_ok(), mask.contains('|'), "{mask}");
    }
    assert!(error("causal-lm", &text, &*t5, "usual").contains("prefix-lm"));
    assert!(error("causal-lm", &[example([5], 0)], &*gpt, "usual").contains("at least 2 tokens"));
    assert!(error("causal-lm", &[], &*gpt, "usual").contains("number of examples"));
}

#[test]
fn a_prefix_is_drawn_for_each_batch() {
    let (gpt, t5) = (small("gpt2", json!({})), small("t5", json!({})));
    let text = [example(0..6, 0), example(6..12, 0)];
    let mut seen = [0; 6];
    for seed in 0..1000 {
        let one = batch("prefix-lm", &text, &*gpt, "usual", seed);
        let MaskChoice::Override(mask) = &one.mask else { panic!("{:?}", one.mask) };
        let p = (1..6).find(|&p| *mask == Mask::prefix(p)).unwrap();
        seen[p] += 1;
        assert_eq!(one.input.ids(), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
        let expected = |row: u32| (1..6).map(move |at| (at >= p as u32).then_some(6 * row + at));
        assert_eq!(one.targets, expected(0).chain(expected(1)).collect::<Vec<_>>());
        // The same split under another mask, and for an encoder and a decoder.
        let causal = batch("prefix-lm", &text, &*gpt, "causal", seed);
        assert_eq!((causal.input, causal.targets), (one.input, one.targets));
        let two = batch("prefix-lm", &text, &*t5, "usual", seed);
        assert_eq!(two.input.len(), p);
        assert_eq!(two.input.decoder_ids().unwrap()[0], VOCABULARY.start());
        assert_eq!(two.input.decoder_ids().unwrap()[1..6 - p], (p as u32..5).collect::<Vec<_>>());
        assert_eq!(two.targets[..6 - p], (p as u32..6).map(Some).collect::<Vec<_>>());
        assert_eq!(two.mask, MaskChoice::AsTrained);
    }
    // 1000 draws of 5 lengths: 200 ± 4 standard deviations of 12.6.
    assert!(seen[1..].iter().all(|count| (150..=250).contains(count)), "{seen:?}");
    assert!(error("prefix-lm", &[example([5], 0)], &*gpt, "usual").contains("at least 2"));
    assert!(error("prefix-lm", &text, &*t5, "decoder:prefix(given)").contains("the encoder reads all"));
    assert!(error("prefix-lm", &text, &*t5, "decoder:bidirectional").contains("do not see position 1"));
}

#[test]
fn outputs_alone_are_predicted_and_a_mask_may_follow_what_is_given() {
    let (gpt, t5) = (small("gpt2", json!({})), small("t5", json!({})));
    let examples = [task(0, 3, 2), task(5, 2, 4)];
    let none = VOCABULARY.padding();
    let causal = batch("outputs", &examples, &*gpt, "usual", 0);
    assert_eq!(causal.input.ids(), [0, 1, 2, 3, none, 5, 6, 7, 8, 9]);
    let real: Vec<_> = (0..10).map(|at| causal.input.padding().unwrap().is_real(at / 5, at % 5)).collect();
    assert_eq!(real, (0..10).map(|at| at != 4).collect::<Vec<_>>());
    let (n, t) = (None, Some::<u32>);
    assert_eq!(causal.targets, [n, n, t(3), t(4), n, n, t(7), t(8), t(9), t(10)]);
    let groups = batches("outputs", &examples, &*gpt, "prefix(given)", 0).unwrap();
    let masks: Vec<_> = groups.iter().map(|group| group.mask.to_string()).collect();
    assert_eq!(masks, ["prefix(2)", "prefix(3)"]);
    assert_eq!(groups.iter().map(Batch::counts).sum::<Counts>(), causal.counts());
    let two = batch("outputs", &examples, &*t5, "usual", 0);
    assert_eq!(two.input.ids(), [0, 1, 2, 5, 6, none]);
    let start = VOCABULARY.start();
    assert_eq!(two.input.decoder_ids().unwrap(), [start, 3, none, none, start, 7, 8, 9]);
    assert_eq!(two.targets, [t(3), t(4), n, n, t(7), t(8), t(9), t(10)]);
    assert!(two.input.decoder_padding().is_some());
    assert!(error("outputs", &[task(0, 0, 4)], &*t5, "usual").contains("one token for the encoder"));
    assert!(error("outputs", &[task(0, 4, 0)], &*gpt, "usual").contains("one behind those"));
    assert!(error("outputs", &examples, &*gpt, "prefix(5)").contains("do not see position"));
    assert!(error("outputs", &examples, &*gpt, "prefix(n)").contains("given is a number"));
}

/// The cut spans, put back at their sentinels, give the text.
#[test]
fn corrupted_spans_are_complete() {
    let (gpt, t5) = (small("gpt2", json!({})), small("t5", json!({})));
    let sentinel = |token: u32| token >= VOCABULARY.sentinel(0).unwrap();
    for (length, cut, spans) in [(4, 1, 1), (9, 1, 1), (17, 3, 1), (33, 5, 2), (97, 15, 5)] {
        let text = example((0..length).map(|at| (at * at + 3) % 20), 0);
        let mut firsts = std::collections::HashSet::new();
        for seed in 0..40 {
            let two = batch("span-corruption", std::slice::from_ref(&text), &*t5, "usual", seed);
            let (source, targets) = (two.input.ids(), two.targets.iter().map(|target| target.unwrap()));
            let targets: Vec<u32> = targets.collect();
            assert_eq!(two.input.decoder_ids().unwrap()[1..], targets[..targets.len() - 1]);
            assert_eq!([source.last(), targets.last()], [Some(&VOCABULARY.end()); 2]);
            assert_eq!([source.len(), targets.len()], [length as usize - cut + spans + 1, cut + spans + 1]);
            let mut back = Vec::new();
            for &token in &source[..source.len() - 1] {
                match targets.iter().position(|&target| sentinel(token) && target == token) {
                    Some(at) => back.extend(targets[at + 1..].iter().take_while(|&&token| token < 20)),
                    None => back.push(token),
                }
            }
            assert_eq!(back, text.tokens, "{source:?} {targets:?}");
            firsts.insert(source.iter().position(|&token| sentinel(token)));
            let one = batch("span-corruption", std::slice::from_ref(&text), &*gpt, "prefix(given)", seed);
            let read = [source, &targets[..targets.len() - 1]].concat();
            assert_eq!(one.input.ids(), read);
            assert!(read.len() <= Objective::find("span-corruption").unwrap().context(length as usize));
            assert_eq!(one.targets[source.len() - 1..], two.targets);
            assert!(one.targets[..source.len() - 1].iter().all(Option::is_none));
            assert_eq!(one.mask.to_string(), format!("prefix({})", source.len()));
        }
        assert!(spans == 1 || firsts.len() > 5, "{firsts:?}");
    }
    assert!(error("span-corruption", &[example(0..3, 0)], &*t5, "usual").contains("at least 4"));
    let long = example(std::iter::repeat_n(1, 700), 0);
    assert!(error("span-corruption", &[long], &*t5, "usual").contains("number of spans"));
    let bert = small("bert", json!({}));
    assert!(error("span-corruption", &[example(0..9, 0)], &*bert, "usual").contains("do not see position"));
}

#[test]
fn a_class_is_read_off_the_last_state() {
    let gpt = small("gpt2", json!({}));
    let examples = [task(4, 3, 1), task(9, 5, 1)];
    let batch = batch("classification", &examples, &*gpt, "usual", 0);
    let [start, end, none] = [VOCABULARY.start(), VOCABULARY.end(), VOCABULARY.padding()];
    assert_eq!(batch.input.ids(), [start, 4, 5, 6, end, none, none, start, 9, 10, 11, 12, 13, end]);
    let n = None;
    assert_eq!(batch.targets[..7], [Some(4), Some(5), Some(6), Some(end), n, n, n]);
    assert_eq!(batch.labels.as_ref().unwrap().classes, [Some(7), Some(14)]);
    assert_eq!(batch.input.len(), Objective::find("classification").unwrap().context(6));
    let losses = batch.loss(&*gpt, &mut Unobserved, &Run::default()).unwrap();
    let value = |tensor: &Tensor| tensor.to_vec().unwrap()[0];
    let parts: Vec<_> = losses.parts.iter().map(|(name, part)| (*name, value(part))).collect();
    assert_eq!(parts.iter().map(|part| part.0).collect::<Vec<_>>(), ["tokens", "score"]);
    assert!((value(&losses.total) - (0.5 * parts[0].1 + parts[1].1)).abs() < 1e-6);
    assert!(error("classification", &[task(4, 3, 2)], &*gpt, "usual").contains("an output of 2 tokens"));
    assert!(error("classification", &examples, &*gpt, "bidirectional").contains("do not see position 1"));
}

#[test]
fn a_label_is_read_off_the_token_at_its_place() {
    let vocabulary = Vocabulary { symbols: 20 };
    let tokens = vec![3, 1, 4, vocabulary.separator(), 7, 8, 9, vocabulary.padding()];
    let examples = [Example { tokens, given: 4 }];
    let model = small("bert", json!({}));
    let batch = batch("labelling", &examples, &*model, "usual", 5);
    assert_eq!((batch.input.ids(), &batch.targets[..]), (&[3, 1, 4][..], &[Some(7), Some(8), Some(9)][..]));
    assert_eq!(batch.mask, MaskChoice::AsTrained);
    let short = [Example { tokens: vec![3, 1, 4, 7], given: 3 }];
    let objective = Objective::find("labelling").unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let error =
        objective.batches(&short, vocabulary, model.description(), &MaskSetting::default(), &mut random);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("3 tokens of input and 1 of output"), "{error}");
}

//! Objectives that replace some tokens and predict them.

use super::*;

#[test]
fn of_hidden_tokens_most_are_masked_some_are_others_and_some_stay() {
    let bert = small("bert", json!({}));
    let text: Vec<_> = (0..50).map(|_| example((0..40).map(|at| at % 20), 0)).collect();
    let mut counts = [0usize; 3];
    let mut places = [0usize; 40];
    for seed in 0..20 {
        let batch = batch("masked-lm", &text, &*bert, "usual", seed);
        for (row, targets) in batch.targets.chunks(40).enumerate() {
            assert_eq!(targets.iter().flatten().count(), 6, "15 % of 40");
            for (at, target) in targets.iter().enumerate() {
                let (read, truth) = (batch.input.ids()[40 * row + at], at as u32 % 20);
                assert!(target.is_none_or(|target| target == truth));
                assert!(target.is_some() || read == truth);
                assert!(read < 20 || read == VOCABULARY.mask());
                if target.is_some() {
                    places[at] += 1;
                    counts[if read == VOCABULARY.mask() { 0 } else { 1 + usize::from(read == truth) }] += 1;
                }
            }
        }
    }
    // Out of 6000 tokens; a random token is the original one in 1 of 20 cases. 4 standard deviations are 124, 90 and
    // 93.
    let expected = [(4800.0, 124.0), (570.0, 90.0), (630.0, 93.0)];
    for (count, (expected, most)) in counts.into_iter().zip(expected) {
        assert!((count as f64 - expected).abs() < most, "{counts:?}");
    }
    assert!(places.iter().all(|count| (150 - 46..=150 + 46).contains(count)), "{places:?}");
    assert!(error("masked-lm", &text, &*bert, "prefix(given)").contains("no part that is given"));
    assert!(error("masked-lm", &text, &*small("t5", json!({})), "usual").contains("span-corruption"));
    assert_eq!(batch_of_one_token().targets, [Some(4)]);
}

fn batch_of_one_token() -> Batch {
    batch("masked-lm", &[example([4, VOCABULARY.padding()], 0)], &*small("bert", json!({})), "usual", 0)
}

#[test]
fn half_of_the_second_sentences_are_next() {
    let bert = small("bert", json!({}));
    // Text r consists of 5 tokens 2r and 5 tokens 2r + 1.
    let text: Vec<_> = (0..8).map(|row| example((0..10).map(|at| 2 * row + at / 5), 0)).collect();
    let mut others = 0;
    for seed in 0..100 {
        let batch = batch("next-sentence", &text, &*bert, "usual", seed);
        assert_eq!(batch.input.len(), 13);
        assert_eq!(batch.input.len(), Objective::find("next-sentence").unwrap().context(10));
        let labels = batch.labels.as_ref().unwrap();
        for (row, class) in labels.classes.iter().enumerate() {
            let ids = &batch.input.ids()[13 * row..][..13];
            let [start, separator] = [VOCABULARY.start(), VOCABULARY.separator()];
            assert_eq!([ids[0], ids[6], ids[12]], [start, separator, separator]);
            let types: Vec<_> = (0..13).map(|at| u32::from(at > 6)).collect();
            assert_eq!(batch.input.token_types().unwrap()[13 * row..][..13], types);
            let targets = &batch.targets[13 * row..][..13];
            let truth: Vec<_> = (0..13).map(|at| targets[at].unwrap_or(ids[at])).collect();
            assert_eq!(truth[1..6], [2 * row as u32; 5]);
            assert!(truth[7..12].iter().all(|token| token % 2 == 1));
            let is_next = truth[7..12] == [2 * row as u32 + 1; 5];
            assert_eq!(class.unwrap(), u32::from(!is_next));
            assert_eq!(targets.iter().flatten().count(), 2, "15 % of 10");
            others += class.unwrap();
        }
    }
    assert!((343..=457).contains(&others), "{others} of 800"); // 4 standard deviations of 14.1
    assert!(error("next-sentence", &text[..1], &*bert, "usual").contains("at least 2"));
    assert!(error("next-sentence", &[task(0, 3, 2), task(0, 3, 2)], &*bert, "usual").contains("a task"));
    let headless = small("bert", json!({"architectures": ["BertForMaskedLM"]}));
    let batch = batch("next-sentence", &text, &*headless, "usual", 0);
    let message = batch.loss(&*headless, &mut Unobserved, &Run::default()).unwrap_err().to_string();
    let expected = "heads of the model is none, expected cls.seq_relationship, which is to learn classes";
    assert_eq!(message, expected);
}

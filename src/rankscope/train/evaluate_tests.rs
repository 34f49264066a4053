use super::*;
use crate::device::Device;
use crate::mask::Mask;
use crate::model::{self, Config, Input, MaskChoice};
use crate::train::{Labels, Lesson, Part, Settings, Trainer};

fn model(fields: serde_json::Value) -> Box<dyn Model> {
    let mut config = serde_json::json!({"vocab_size": 11});
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    model::seeded(&Config::from_value("small", config).unwrap(), 5, &Device::Cpu).unwrap()
}

fn gpt() -> Box<dyn Model> {
    model(serde_json::json!({"model_type": "gpt2", "n_embd": 12, "n_head": 3, "n_layer": 2, "n_positions": 9,
        "architectures": ["GPT2LMHeadModel", "GPT2ForSequenceClassification"], "num_labels": 4}))
}

/// The logits of every position, from a whole pass: `[B·T][V]`.
fn logits_of(model: &dyn Model, batch: &Batch) -> Vec<Vec<f64>> {
    let output = model.forward(&batch.input, &batch.mask, &mut Unobserved, &Run::default()).unwrap();
    let logits = output.logits.unwrap().to_vec().unwrap();
    logits.chunks(11).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let sum: f64 = row.iter().map(|x| x.exp()).sum();
    row.iter().map(|x| x.exp() / sum).collect()
}

fn argmax(row: &[f64]) -> u32 {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32
}

/// Two batches of different sizes, in which the model predicts some targets and misses others.
fn batches(model: &dyn Model) -> Vec<Batch> {
    let pair = model.description().encoder.is_some();
    let make = |ids: Vec<u32>, rows: usize, mask: MaskChoice| {
        let input = Input::batch(ids.clone(), rows).unwrap();
        let input =
            if pair { input.with_decoder(ids.iter().map(|id| (id + 1) % 11).collect()) } else { input };
        let mut batch = Batch::new(input, vec![None; ids.len()], mask);
        let said: Vec<u32> = logits_of(model, &batch).iter().map(|row| argmax(row)).collect();
        let length = ids.len() / rows;
        for (at, &said) in said.iter().enumerate() {
            let wrong = at / length == 1 && at % length == 2;
            batch.targets[at] = (at % length > 0).then_some(if wrong { (said + 1) % 11 } else { said });
        }
        batch
    };
    let mut batches = vec![
        make(vec![1, 5, 2, 7, 3, 3, 9, 0, 4, 10, 6, 8], 3, MaskChoice::AsTrained),
        make(vec![2, 2, 1, 4, 8, 6, 7], 1, MaskChoice::AsTrained),
    ];
    if !pair {
        batches.push(make(vec![3, 1, 4, 1, 5, 9], 2, MaskChoice::Override(Mask::prefix(1))));
    }
    batches
}

#[test]
fn metrics_are_those_of_a_plain_loop_over_whole_passes() {
    let t5 =
        model(serde_json::json!({"model_type": "t5", "d_model": 12, "d_kv": 4, "num_heads": 3, "d_ff": 20,
        "num_layers": 2, "decoder_start_token_id": 0}));
    for model in [gpt(), t5] {
        let batches = batches(&*model);
        let (mut sum, mut count) = (0.0, 0);
        for batch in &batches {
            for (row, target) in logits_of(&*model, batch).iter().zip(&batch.targets) {
                let Some(target) = target else { continue };
                sum -= softmax(row)[*target as usize].ln();
                count += 1;
            }
        }
        let sequences: usize = batches.iter().map(|batch| batch.input.batch_size()).sum();
        // In every batch of two or more sequences, one target of the second sequence is wrong.
        let wrong = batches.iter().filter(|batch| batch.input.batch_size() > 1).count();
        let found =
            evaluate(&*model, batches.into_iter().map(|one| Ok(vec![one])), None, &Run::default()).unwrap();
        assert!((found.loss - sum / f64::from(count)).abs() < 1e-5, "{found:?}");
        assert_eq!(found.targets, count as usize);
        assert_eq!(found.accuracy, 1.0 - wrong as f64 / f64::from(count));
        assert_eq!(found.exact, (sequences - wrong) as f64 / sequences as f64);
        assert_eq!((found.classes, found.error_over_variance), (None, None));
    }
}

#[test]
fn numbers_are_guessed_by_their_mean_and_classes_by_the_largest_score() {
    let model = gpt();
    let values = [-1.5, -0.5, 0.5, 1.5];
    let input = Input::batch(vec![1, 2, 3, 0, 2, 1], 2).unwrap();
    let targets = vec![None, Some(0), Some(3), Some(2), Some(9), None];
    let mut batch = Batch::new(input, targets, MaskChoice::AsTrained);
    batch.labels = Some(Labels { head: "score", classes: vec![Some(1), Some(2)], tokens_weight: 0.5 });
    let rows = logits_of(&*model, &batch);
    let guess =
        |row: &[f64]| -> f64 { softmax(&row[..4]).iter().zip(values).map(|(p, value)| p * value).sum() };
    // The truths are −1.5, 1.5 and 0.5; token 9 is no number.
    let errors =
        [(1, -1.5), (2, 1.5), (3, 0.5)].map(|(row, truth): (usize, f64)| (guess(&rows[row]) - truth).powi(2));
    let mean = 0.5 / 3.0;
    let variance: f64 = [-1.5f64, 1.5, 0.5].iter().map(|y| (y - mean).powi(2)).sum();
    let output = model.forward(&batch.input, &batch.mask, &mut Unobserved, &Run::default()).unwrap();
    let scores = output.heads[0].to_vec().unwrap();
    let said: Vec<u32> =
        scores.chunks(4).map(|row| argmax(&row.iter().map(|&x| x.into()).collect::<Vec<_>>())).collect();
    let right = usize::from(said[0] == 1) + usize::from(said[1] == 2);
    let found = evaluate(&*model, [Ok(vec![batch])], Some(&values), &Run::default()).unwrap();
    assert!((found.error_over_variance.unwrap() - errors.iter().sum::<f64>() / variance).abs() < 1e-6);
    assert_eq!(found.classes, Some(right as f64 / 2.0));
    let kinds = TRAINING_METRICS.iter().map(|kind| (kind.value)(&found));
    assert!(kinds.into_iter().all(|value| value.is_some()));
}

/// Tasks that were held out of a mixture, without and with solved examples before the question.
#[test]
fn other_examples_than_those_of_training_are_evaluated() {
    let run = Run::default();
    for (family, mask) in [("gpt2", "prefix(given)"), ("gpt2", "usual"), ("t5", "usual")] {
        let with = |data: &str| {
            let mut settings = Settings::default();
            settings.set_all("objective=outputs,length=40,layers=1,width=16,heads=2,batch=5").unwrap();
            settings.set_all(&format!("family={family},mask={mask},data={data}")).unwrap();
            settings
        };
        let trainer = Trainer::new(with("instructions(items=3)"), &Device::Cpu).unwrap();
        let model = trainer.parameters().model().unwrap();
        for data in ["instructions(items=3)", "instructions(items=3, shots=2)"] {
            let lesson = Lesson::new(&with(data)).unwrap();
            let found = || {
                let about = model.description();
                let batches = (0..3).map(|index| lesson.batches(Part::HeldOut, 9, index, about));
                evaluate(&*model, batches, lesson.examples().values(), &run).unwrap()
            };
            let metrics = found();
            let padding = lesson.vocabulary().padding();
            let outputs = (0..15).map(|index| {
                let example = lesson.examples().example(Part::HeldOut, 9, index, 40).unwrap();
                example.output().iter().filter(|&&token| token != padding).count()
            });
            assert_eq!(metrics.targets, outputs.sum::<usize>(), "{family} {mask} {data}");
            assert!((1.0..10.0).contains(&metrics.loss), "{metrics:?}");
            assert_eq!(metrics, found());
        }
    }
}

#[test]
fn what_cannot_be_evaluated_is_named() {
    let model = gpt();
    let run = Run::default();
    let none = evaluate(&*model, [], None, &run).unwrap_err().to_string();
    assert_eq!(none, "number of targets to evaluate on is 0, expected at least one");
    let failed = [Err(Error::Cancelled)];
    assert!(matches!(evaluate(&*model, failed, None, &run), Err(Error::Cancelled)));
    let input = Input::new(vec![1, 2]);
    let batch = Batch::new(input, vec![Some(11), None], MaskChoice::AsTrained);
    let message = evaluate(&*model, [Ok(vec![batch])], None, &run).unwrap_err().to_string();
    assert!(message.contains("token id to predict is 11"), "{message}");
    let message = MetricKind::find("perplexity").err().unwrap().to_string();
    assert!(message.contains("error_over_variance"));
}

mod masked;
mod sequences;

use rand::SeedableRng;
use serde_json::{Value, json};

use super::*;
use crate::axis::Axis;
use crate::device::Device;
use crate::mask::Mask;
use crate::model::{self, Config, Model};
use crate::probe::{Trace, Unobserved};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::train::{Counts, LossGradients, Optimiser, OptimiserSettings, Parameters};

const VOCABULARY: Vocabulary = Vocabulary { symbols: 20 };

fn small(family: &str, fields: Value) -> Box<dyn Model> {
    let sizes = match family {
        "gpt2" => json!({"architectures": ["GPT2LMHeadModel", "GPT2ForSequenceClassification"], "n_embd": 12,
                         "n_head": 3, "n_layer": 2, "n_positions": 40, "num_labels": 20}),
        "bert" => {
            json!({"architectures": ["BertForPreTraining"], "hidden_size": 12, "num_attention_heads": 3,
                         "num_hidden_layers": 2, "intermediate_size": 20, "max_position_embeddings": 40})
        }
        "t5" => json!({"d_model": 12, "d_kv": 4, "num_heads": 3, "d_ff": 20, "num_layers": 2,
                       "decoder_start_token_id": VOCABULARY.start()}),
        other => panic!("{other}"),
    };
    let mut config = json!({"model_type": family, "vocab_size": VOCABULARY.size()});
    for more in [sizes, fields] {
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    model::seeded(&Config::from_value(family, config).unwrap(), 7, &Device::Cpu).unwrap()
}

fn example(tokens: impl IntoIterator<Item = u32>, given: usize) -> Example {
    Example { tokens: tokens.into_iter().collect(), given }
}

/// An example of a task whose input and output have these lengths, with padding up to 10 tokens.
fn task(first: u32, given: usize, predicted: usize) -> Example {
    let tokens = first..first + (given + predicted) as u32;
    example(tokens.chain([VOCABULARY.padding(); 10]).take(10), given)
}

fn batches(
    objective: &str,
    examples: &[Example],
    model: &dyn Model,
    mask: &str,
    seed: u64,
) -> Result<Vec<Batch>> {
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    Objective::find(objective)?.batches(examples, VOCABULARY, model.description(), &mask.parse()?, random)
}

fn batch(objective: &str, examples: &[Example], model: &dyn Model, mask: &str, seed: u64) -> Batch {
    let batches = batches(objective, examples, model, mask, seed).unwrap();
    assert_eq!(batches.len(), 1);
    batches.into_iter().next().unwrap()
}

fn error(objective: &str, examples: &[Example], model: &dyn Model, mask: &str) -> String {
    batches(objective, examples, model, mask, 0).unwrap_err().to_string()
}

/// The loss of several batches, and the gradient of every parameter.
fn losses(parameters: &Parameters, batches: &[Batch]) -> (f32, Vec<Option<Tensor>>) {
    let all: Counts = batches.iter().map(Batch::counts).sum();
    let loss = |model: &dyn Model| {
        let share =
            |batch: &Batch| batch.loss_among(all, model, &mut Unobserved, &Run::default()).unwrap().total;
        Ok(batches.iter().map(share).reduce(|sum, share| crate::ops::add(sum, share).unwrap()).unwrap())
    };
    let followed = LossGradients::of(parameters, loss).unwrap();
    (followed.loss.to_vec().unwrap()[0], followed.gradients)
}

/// Batches with masks of their own have the same weight as in one batch; here these masks are in fact equal.
#[test]
fn the_shares_of_batches_add_up_to_the_loss_of_all() {
    let gpt = small("gpt2", json!({}));
    let parameters = Parameters::of(&*gpt).unwrap();
    let examples = [task(0, 3, 2), task(5, 2, 4), task(3, 5, 1)];
    let whole = batch("outputs", &examples, &*gpt, "causal", 0);
    let groups = batches("outputs", &examples, &*gpt, "causal & prefix(given)", 0).unwrap();
    assert_eq!((groups.len(), whole.counts().tokens), (3, 7));
    add_up(&parameters, whole, &groups);
}

/// Checks that the losses of `parts` and their gradients add up to those of the whole.
fn add_up(parameters: &Parameters, whole: Batch, parts: &[Batch]) {
    let ((together, a), (apart, b)) = (losses(parameters, &[whole]), losses(parameters, parts));
    assert!((together - apart).abs() < 1e-5, "{together} and {apart}");
    let mut count = 0;
    for (a, b) in a.iter().zip(&b) {
        let (Some(a), Some(b)) = (a, b) else {
            assert!(a.is_none() && b.is_none());
            continue;
        };
        let (a, b) = (a.to_vec().unwrap(), b.to_vec().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5));
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn the_logits_of_targets_alone_give_the_same_loss() {
    let bert = small("bert", json!({}));
    let text: Vec<_> = (0..3).map(|row| example((0..17).map(|at| (7 * at + row) % 20), 0)).collect();
    let batch = batch("masked-lm", &text, &*bert, "usual", 3);
    let loss = |names: [&'static str; 1]| {
        let mut trace = Trace::of(names);
        let loss = batch.loss(&*bert, &mut trace, &Run::default()).unwrap().total.to_vec().unwrap()[0];
        (loss, trace.into_vec().pop().map(|(_, logits)| logits.shape().sizes()))
    };
    let (all, shape) = loss(["logits"]);
    assert_eq!(shape.unwrap(), [3, 17, VOCABULARY.size()]);
    assert!((loss(["no such name"]).0 - all).abs() < 1e-5);
    let run = Run::default();
    let hidden = bert.hidden(&batch.input, &batch.mask, &mut Unobserved, &run).unwrap();
    let (predicted, _) = batch.predictions(&*bert, &hidden, &mut Unobserved).unwrap();
    assert_eq!(predicted.shape().size(Axis::Query), Some(9));
}

/// Every objective of the registry can be learned: its loss falls, and every parameter that it uses gets a gradient.
/// Its batches can be divided into parts.
#[test]
fn every_objective_is_learned() {
    let text: Vec<_> = (0..6).map(|row| example((0..9).map(|at| (3 * row + at) % 20), 0)).collect();
    let tasks: Vec<_> = (0..6).map(|row| example((0..6).map(|at| (3 * row + at) % 20), 5)).collect();
    for objective in OBJECTIVES {
        let family = match objective.name {
            "masked-lm" | "next-sentence" => "bert",
            "span-corruption" | "prefix-lm" => "t5",
            _ => "gpt2",
        };
        let is_of_tasks = ["outputs", "classification"].contains(&objective.name);
        let halves: Vec<_> =
            text.iter().map(|text| Example { tokens: text.tokens[..8].to_vec(), given: 4 }).collect();
        let model = small(family, json!({}));
        let examples = match objective.name {
            "labelling" => &halves,
            _ if is_of_tasks => &tasks,
            _ => &text,
        };
        let batch = batch(objective.name, examples, &*model, "usual", 5);
        let (mut parameters, mut optimiser) =
            (Parameters::of(&*model).unwrap(), Optimiser::new(&OptimiserSettings::default()).unwrap());
        let read = batch.input.ids().len() + batch.input.decoder_ids().map_or(0, <[u32]>::len);
        let parts = batch.parts(read / 2);
        assert_eq!(parts.len(), 2, "{}", objective.name);
        add_up(&parameters, batch.clone(), &parts);
        let mut first = None;
        let mut last = 0.0;
        for _ in 0..60 {
            let loss = |model: &dyn Model| Ok(batch.loss(model, &mut Unobserved, &Run::default())?.total);
            let followed = LossGradients::of(&parameters, loss).unwrap();
            let loss = optimiser.step(&mut parameters, &followed, 0.01).unwrap().loss;
            (first, last) = (first.or(Some(loss)), loss);
        }
        assert!(last < 0.5 * first.unwrap(), "{}: from {first:?} to {last}", objective.name);
    }
}

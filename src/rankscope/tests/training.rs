//! Training steps: the same bits for any number of threads, the same losses on a GPU in few submissions, and constant
//! memory.

use rankscope::model::{self, Config, Input, MaskChoice, Model};
use rankscope::prelude::*;
use rankscope::train::{Batch, LossGradients, OPTIMISERS, Optimiser, OptimiserSettings, Parameters, Stepped};
use serde_json::json;

#[path = "support/devices.rs"]
mod devices;

const VOCAB: u32 = 293;

/// A GPT-2 of width 64 with two layers.
fn parameters(device: &Device) -> Parameters {
    let config = json!({
        "model_type": "gpt2", "n_embd": 64, "n_head": 2, "n_layer": 2, "n_positions": 48, "vocab_size": VOCAB,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
    });
    let model = model::seeded(&Config::from_value("training", config).unwrap(), 7, device).unwrap();
    Parameters::of(&*model).unwrap()
}

/// The batch of a step: `rows` sequences of `length` tokens, of which every third is no target in some rows.
fn batch(step: usize, rows: usize, length: usize) -> Batch {
    let token = |i: usize| ((i * 7919 + step * 104_729) % 65_537) as u32 % VOCAB;
    let ids: Vec<u32> = (0..rows * length).map(token).collect();
    let target = |(i, &id): (usize, &u32)| {
        ((i / length).is_multiple_of(2) || !i.is_multiple_of(3)).then_some((id * 7 + 3) % VOCAB)
    };
    let targets = ids.iter().enumerate().map(target).collect();
    Batch::new(Input::batch(ids, rows).unwrap(), targets, MaskChoice::AsTrained)
}

fn in_parts(parameters: &Parameters, whole: &Batch, parts: &[Batch]) -> LossGradients {
    let all = whole.counts();
    let loss = |model: &dyn Model, _, part: &Batch| {
        Ok(part.loss_among(all, model, &mut Unobserved, &Run::default())?.total)
    };
    LossGradients::of_parts(parameters, parts, loss).unwrap()
}

fn optimiser(name: &str) -> Optimiser {
    Optimiser::new(&OptimiserSettings { optimiser: name.to_owned(), ..OptimiserSettings::default() }).unwrap()
}

/// Several steps, and their results.
fn train(parameters: &mut Parameters, optimiser: &mut Optimiser, rows: usize, steps: usize) -> Vec<Stepped> {
    let step = |step| {
        let batch = batch(step, rows, 48);
        let followed = in_parts(parameters, &batch, &batch.parts(256));
        optimiser.step(parameters, &followed, 3e-3).unwrap()
    };
    (0..steps).map(step).collect()
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for kind in OPTIMISERS {
        let trained = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (mut parameters, mut optimiser) = (parameters(&Device::Cpu), optimiser(kind.name));
                let told = train(&mut parameters, &mut optimiser, 16, 3);
                let numbers = parameters.iter().flat_map(|(_, w)| w.to_vec().unwrap());
                let told = told.into_iter().flat_map(|Stepped { loss, norm }| [loss, norm]);
                told.chain(numbers).map(f32::to_bits).collect::<Vec<u32>>()
            })
        };
        let alone = trained(1);
        for threads in [2, 3, 5] {
            assert!(trained(threads) == alone, "{}: {threads} threads differ from one", kind.name);
        }
    }
}

/// 16 sequences are more than a block of rows in every operation, and 3 sequences are fewer in most.
#[test]
fn a_batch_in_parts_has_the_gradients_of_the_whole() {
    let parameters = parameters(&Device::Cpu);
    let whole = batch(1, 16, 48);
    let sequences =
        |tokens| whole.parts(tokens).iter().map(|part| part.input.batch_size()).collect::<Vec<usize>>();
    assert_eq!(
        [sequences(1000), sequences(256), sequences(110)],
        [vec![16], vec![5, 5, 6], vec![2, 3, 3, 2, 3, 3]]
    );
    let joined = in_parts(&parameters, &whole, &whole.parts(110));
    let whole = in_parts(&parameters, &whole, std::slice::from_ref(&whole));
    let number = |x: &Tensor| x.to_vec().unwrap()[0];
    assert!((number(&joined.loss) - number(&whole.loss)).abs() < 1e-5);
    for ((name, _), (got, want)) in parameters.iter().zip(joined.gradients.iter().zip(&whole.gradients)) {
        let [got, want] = [got, want].map(|x| x.as_ref().unwrap().to_vec().unwrap());
        let most = want.iter().fold(0f32, |most, x| most.max(x.abs()));
        let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 2e-5 * most.max(1e-3), "{name} off by {worst} of {most}");
    }
}

#[test]
fn a_gpu_trains_to_the_losses_of_the_cpu_and_reads_back_nothing_else() {
    let Some(device) = devices::gpu() else { return };
    let Device::Gpu(gpu) = &device else { panic!("{device} is no GPU") };
    let told = |device: &Device, name: &str| {
        let (mut parameters, mut optimiser) = (parameters(device), optimiser(name));
        let first = train(&mut parameters, &mut optimiser, 2, 2);
        let before = gpu.counts();
        let later = train(&mut parameters, &mut optimiser, 2, 2);
        (first.into_iter().chain(later).collect::<Vec<_>>(), gpu.counts() - before)
    };
    for kind in OPTIMISERS {
        let (there, counts) = told(&device, kind.name);
        let (here, _) = told(&Device::Cpu, kind.name);
        for (step, (there, here)) in there.iter().zip(&here).enumerate() {
            let close = |a: f32, b: f32| (a - b).abs() <= 2e-3 * b;
            let near = close(there.loss, here.loss) && close(there.norm, here.norm);
            assert!(near, "{} at step {step}: {there:?}, on the CPU {here:?}", kind.name);
        }
        assert!(here[3].loss < here[0].loss, "{}: {here:?}", kind.name);
        assert_eq!(counts.readbacks, 2, "{}: one for each step", kind.name);
        // Loss, factor, norm and a sum for each of the 28 parameters.
        assert!(counts.read_bytes <= 2 * 4 * (3 + 28), "{}: {counts:?}", kind.name);
        // A submission has at most 256 kernels; a step of AdamW has 271, one of Muon 591.
        let most = if kind.name == "muon" { 6 } else { 4 };
        assert!(counts.submissions <= 2 * most, "{}: {counts:?}", kind.name);
    }
}

/// The resident memory of this process in KiB.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
}

/// In a separate process, since other tests use memory too.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_flat_after_the_second_step() {
    const ALONE: &str = "RANKSCOPE_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "memory_is_flat_after_the_second_step"]).env(ALONE, "1");
        let output = alone.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let (mut parameters, mut optimiser) = (parameters(&Device::Cpu), optimiser("adamw"));
    let mut after = Vec::new();
    for _ in 0..11 {
        train(&mut parameters, &mut optimiser, 16, 2);
        after.push(resident());
    }
    // A step uses 20 MiB; if a step lost memory, ten steps would lose ten times as much.
    assert!(after[10] < after[0] + 2048, "resident KiB after every second step: {after:?}");
}

use serde_json::json;

use super::*;
use crate::probe::Trace;
use crate::train::OBJECTIVES;

/// Settings of a run that takes about a second.
fn small() -> Settings {
    Settings {
        layers: 1,
        width: 12,
        heads: 2,
        length: 16,
        batch: 3,
        steps: 6,
        warmup: 2,
        evaluate_every: 3,
        evaluation_batches: 2,
        ..Settings::default()
    }
}

fn bits(trainer: &Trainer) -> Vec<Vec<u32>> {
    let values = |tensor: &Tensor| tensor.to_vec().unwrap().into_iter().map(f32::to_bits).collect();
    trainer.parameters().iter().map(|(_, tensor)| values(tensor)).collect()
}

fn to_the_end(trainer: &mut Trainer) -> Vec<u32> {
    let mut losses = Vec::new();
    let watch = &mut |event: &Event| {
        if let Event::Step(report) = event {
            losses.push(report.loss.to_bits());
        }
        Ok(())
    };
    trainer.train(None, &Run::default(), watch).unwrap();
    losses
}

#[test]
fn a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one() {
    for optimiser in ["adamw", "sgd", "muon"] {
        let settings = Settings {
            optimiser: optimiser.into(),
            accumulate: 2,
            dropout: 0.2,
            attention_dropout: 0.1,
            schedule: "cosine".into(),
            ..small()
        };
        let mut whole = Trainer::new(settings.clone(), &Device::Cpu).unwrap();
        let losses = to_the_end(&mut whole);
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("checkpoint");
        let mut first = Trainer::new(settings, &Device::Cpu).unwrap();
        for _ in 0..2 {
            first.step(&Run::default()).unwrap();
        }
        first.save(&checkpoint).unwrap();
        first.save(&checkpoint).unwrap(); // replaces the earlier checkpoint
        drop(first);
        let mut second = Trainer::resume(&checkpoint, &Device::Cpu).unwrap();
        assert_eq!(second.step_count(), 2);
        assert_eq!(to_the_end(&mut second), losses[2..], "{optimiser}");
        assert_eq!(bits(&second), bits(&whole), "{optimiser}");
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["checkpoint"]);
    }
}

#[test]
fn the_last_checkpoint_is_found_where_a_process_ended_between_two_renamings() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let mut trainer = Trainer::new(small(), &Device::Cpu).unwrap();
    trainer.step(&Run::default()).unwrap();
    trainer.save(&checkpoint).unwrap();
    fs::rename(&checkpoint, folder.path().join("checkpoint.old")).unwrap();
    assert_eq!(Trainer::resume(&checkpoint, &Device::Cpu).unwrap().step_count(), 1);
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let mut trainer = Trainer::new(small(), &Device::Cpu).unwrap();
    trainer.save(&checkpoint).unwrap();
    fs::write(folder.path().join("checkpoint.new"), "in the way").unwrap();
    trainer.step(&Run::default()).unwrap();
    let error = trainer.save(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("checkpoint.new"), "{error}");
    assert_eq!(Trainer::resume(&checkpoint, &Device::Cpu).unwrap().step_count(), 0);
}

#[test]
fn equal_settings_have_equal_outcomes_and_another_seed_another() {
    let settings = Settings { record_every: 3, evaluate_lengths: vec![8], ..small() };
    let outcome = |settings: &Settings| Trainer::outcome(settings, &Device::Cpu, &Run::default()).unwrap();
    let first = outcome(&settings);
    assert_eq!(outcome(&settings), first);
    assert_ne!(outcome(&Settings { seed: 1, ..settings.clone() }).metrics["loss"], first.metrics["loss"]);
    assert_eq!(first.curve.iter().map(|&(step, _)| step).collect::<Vec<_>>(), [0, 3, 6]);
    assert!(first.metrics.contains_key("loss_at_8") && first.metrics["effective_rank"] >= 1.0);
    // A table of positions has no rows beyond the length of training.
    let longer = outcome(&Settings { evaluate_lengths: vec![64], ..small() });
    assert!(!longer.metrics.contains_key("loss_at_64"));
    let without = Settings { evaluate_lengths: vec![64], positions: Some("none".into()), ..small() };
    assert!(outcome(&without).metrics.contains_key("loss_at_64"));
}

/// Compares with a plain sum over the weights of an untrained model.
#[test]
fn the_distance_of_cross_attention_is_the_plain_sum_beside_uniform_weights() {
    let settings = Settings { family: "redllm".into(), objective: "prefix-lm".into(), ..small() };
    let trainer = Trainer::new(settings, &Device::Cpu).unwrap();
    let (model, run) = (trainer.parameters.model().unwrap(), Run::default());
    let batches = trainer.lesson.batches(Part::HeldOut, 0, 0, &trainer.about).unwrap();
    let (mut distance, mut uniform) = (0.0, 0.0);
    for batch in &batches {
        let mut trace = Trace::of(["cross_attention.weights"]);
        model.hidden(&batch.input, &batch.mask, &mut trace, &run).unwrap();
        for (_, weights) in trace.iter() {
            let [b, h, t, s] = weights.shape().sizes()[..] else { panic!("{}", weights.shape()) };
            for (at, weight) in weights.to_vec().unwrap().into_iter().enumerate() {
                distance += f64::from(weight) * (s - 1 - at % s) as f64;
            }
            uniform += (b * h * t * (s - 1)) as f64 / 2.0;
        }
    }
    let found = record::cross_distance(&*model, &batches, &run).unwrap().unwrap();
    assert!((found - distance / uniform).abs() < 1e-9 && (0.5..1.5).contains(&found), "{found}");
    let decoder = Trainer::new(small(), &Device::Cpu).unwrap();
    let batches = decoder.lesson.batches(Part::HeldOut, 0, 0, &decoder.about).unwrap();
    let model = decoder.parameters.model().unwrap();
    assert_eq!(record::cross_distance(&*model, &batches, &run).unwrap(), None);
}

#[test]
fn every_objective_trains_the_model_that_its_settings_ask_for() {
    for objective in OBJECTIVES {
        let (family, data) = match objective.name {
            "masked-lm" | "next-sentence" => ("bert", "english"),
            "span-corruption" => ("t5", "english"),
            "outputs" => ("redllm", "copy(items=4)"),
            "labelling" => ("bert", "reverse(items=4)"),
            "classification" => ("gpt2", "brackets(items=6)"),
            _ => ("gpt2", "english"),
        };
        let settings = Settings {
            family: family.into(),
            data: data.into(),
            objective: objective.name.into(),
            length: 20,
            record_every: 6,
            ..small()
        };
        let outcome = Trainer::outcome(&settings, &Device::Cpu, &Run::default());
        let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", objective.name));
        let (first, last) = (outcome.curve[0].1, outcome.metrics["loss"]);
        assert!(first.is_finite() && last != first, "{}: from {first} to {last}", objective.name);
        let expected = ["classification", "next-sentence"].contains(&objective.name);
        assert_eq!(outcome.metrics.contains_key("classes"), expected);
    }
}

#[test]
fn a_run_goes_on_from_a_checkpoint_under_another_mask_and_objective() {
    let folder = tempfile::tempdir().unwrap();
    let decoder = Settings { family: "decllm".into(), feed_forward: Some(24), ..small() };
    let masked = Settings { objective: "prefix-lm".into(), ..decoder.clone() };
    let mut trainer = Trainer::new(masked, &Device::Cpu).unwrap();
    trainer.step(&Run::default()).unwrap();
    trainer.save(folder.path().join("checkpoint").as_path()).unwrap();
    let from = Some(folder.path().join("checkpoint"));
    let adapted = Settings { from: from.clone(), objective: "causal-lm".into(), ..decoder.clone() };
    let adapted = Trainer::new(adapted, &Device::Cpu).unwrap();
    assert_eq!(bits(&adapted), bits(&trainer));
    assert_eq!(adapted.step_count(), 0);
    let error =
        Trainer::new(Settings { from, width: 16, ..decoder }, &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("embed_tokens"), "{error}");
}

#[test]
fn a_rate_that_is_too_large_ends_with_the_step_and_what_began() {
    let settings = Settings { rate: 10.0, clip: None, optimiser: "sgd".into(), steps: 60, ..small() };
    let before = Trainer::new(settings.clone(), &Device::Cpu).unwrap();
    let mut trainer = Trainer::new(settings, &Device::Cpu).unwrap();
    let error = trainer.train(None, &Run::default(), &mut |_| Ok(())).unwrap_err().to_string();
    assert!(error.starts_with("learning rate is too large: at step ") && error.contains("10"), "{error}");
    assert_ne!(bits(&trainer), bits(&before));
    // If weights are NaN, the error names the first intermediate that is.
    let mut broken = Trainer::new(small(), &Device::Cpu).unwrap();
    let (_, last) = broken.parameters.iter_mut().last().unwrap();
    *last = crate::ops::scale(last.clone(), f32::NAN).unwrap();
    let error = broken.step(&Run::default()).unwrap_err().to_string();
    assert!(error.contains("at step 1") && error.contains("not finite"), "{error}");
}

#[test]
fn a_cancelled_run_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let run = Run::default();
    let mut trainer = Trainer::new(Settings { evaluate_every: 100, ..small() }, &Device::Cpu).unwrap();
    let cancel = run.cancel_flag();
    let ended = trainer.train(Some(&checkpoint), &run, &mut |event| {
        if matches!(event, Event::Step(report) if report.step == 4) {
            cancel.cancel();
        }
        Ok(())
    });
    assert!(matches!(ended, Err(Error::Cancelled)));
    assert_eq!(Trainer::resume(&checkpoint, &Device::Cpu).unwrap().step_count(), 4);
}

#[test]
fn what_does_not_fit_is_said_before_the_first_step() {
    let error = |settings: Settings| Trainer::new(settings, &Device::Cpu).err().unwrap().to_string();
    let cases = [
        (Settings { family: "gpt3".into(), ..small() }, "setting family is \"gpt3\""),
        (Settings { data: "nowhere.txt".into(), ..small() }, "nowhere.txt"),
        (Settings { data: "copy(items=40)".into(), ..small() }, "at least 81"),
        (Settings { objective: "mlm".into(), ..small() }, "masked-lm"),
        (Settings { optimiser: "adam".into(), ..small() }, "adamw"),
        (Settings { schedule: "step".into(), ..small() }, "cosine"),
        (Settings { mask: "bidirectional".into(), ..small() }, "bidirectional"),
        (Settings { heads: 5, ..small() }, "5"),
        (Settings { family: "llama".into(), positions: Some("alibi".into()), ..small() }, "positions"),
        (Settings { from: Some("nowhere".into()), ..small() }, "nowhere"),
    ];
    for (settings, expected) in cases {
        let message = error(settings);
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    }
    let mut settings = small();
    settings.config.insert("attention_sinks".into(), json!("many"));
    assert!(error(settings).contains("attention_sinks"));
}

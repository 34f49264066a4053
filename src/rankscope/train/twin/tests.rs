use super::*;
use crate::device::Device;
use crate::figure::Figure;
use crate::figure::style::Theme;
use crate::train::Trainer;

fn base() -> Settings {
    Settings { seed: 3, ..Settings::default() }
}

fn masks() -> Twin {
    let values = ["causal", "prefix(given)"].map(str::to_owned);
    Twin::vary(&base(), "mask", &values, 3, "loss", 0.01).unwrap()
}

/// A substitute for training, whose outcome depends only on the settings.
fn found(settings: &Settings, difference: f64) -> Outcome {
    let own = if settings.mask == "causal" { 0.0 } else { difference };
    let noise = ((settings.seed * 7919) % 13) as f64 / 17.0;
    let loss = 2.0 + noise + own * (1.0 + noise / 100.0);
    Outcome {
        metrics: [("loss".to_owned(), loss), ("accuracy".to_owned(), 1.0 / loss)].into(),
        curve: (0..4).map(|step| (10 * step, loss + 1.0 / (step + 1) as f64)).collect(),
        ..Outcome::default()
    }
}

fn whole(twin: &Twin, difference: f64) -> Results {
    twin.run(Share::WHOLE, None, &Run::default(), |settings, _| Ok(found(settings, difference))).unwrap()
}

#[test]
fn variants_differ_in_exactly_one_key() {
    let refused = |variants: Vec<Settings>| Twin::new(variants, 3, "loss", 0.01).unwrap_err().to_string();
    let with = |changes: &[&str]| {
        let mut settings = base();
        changes.iter().for_each(|change| settings.set(change).unwrap());
        settings
    };
    let expected = "keys in which variants differ is layers, rate, expected exactly one";
    assert_eq!(refused(vec![base(), with(&["layers=4", "rate=0.1"])]), expected);
    assert_eq!(refused(vec![base(), with(&["layers=4"]), with(&["rate=0.1"])]), expected);
    assert_eq!(refused(vec![base(), base()]), "keys in which variants differ is none, expected exactly one");
    assert!(refused(vec![base(), with(&["layers=4"]), with(&["layers=4"])]).contains("layers is 4 twice"));
    assert!(refused(vec![base(), with(&["seed=4"])]).contains("another one"));
    assert_eq!(refused(vec![base()]), "number of variants is 1, expected at least 2");
    assert_eq!(refused(vec![]), "number of variants is 0, expected at least 2");
    let twin = Twin::new(vec![base(), with(&["config.num_local_experts=2"])], 3, "loss", 0.01).unwrap();
    let expected = ("config.num_local_experts", vec!["null".to_owned(), "2".to_owned()]);
    assert_eq!((twin.key().as_str(), twin.names()), expected);
    let values = ["1".to_owned(), "2".to_owned()];
    let vary = |key: &str, seeds, metric: &str, smallest| {
        Twin::vary(&base(), key, &values, seeds, metric, smallest).unwrap_err().to_string()
    };
    assert!(vary("layer", 3, "loss", 0.1).contains("layers is near it"));
    assert!(vary("layers", 0, "loss", 0.1).contains("number of seeds is 0, expected at least 2"));
    assert!(vary("layers", 3, "perplexity", 0.1).contains("accuracy"));
    assert!(vary("layers", 3, "loss", 0.0).contains("smallest effect"));
}

#[test]
fn parts_together_are_the_whole_to_the_last_digit() {
    let (twin, folder) = (masks(), tempfile::tempdir().unwrap());
    let all = folder.path().join("all.json");
    whole(&twin, 0.3).save(&all).unwrap();
    for count in 1..=7 {
        let mut jobs = Vec::new();
        let parts: Vec<Results> = (1..=count)
            .map(|index| {
                let share: Share = format!("{index}/{count}").parse().unwrap();
                jobs.extend(twin.jobs(share));
                let path = folder.path().join(format!("part-{index}.json"));
                let _ = std::fs::remove_file(&path);
                twin.run(share, Some(&path), &Run::default(), |settings, _| Ok(found(settings, 0.3)))
                    .unwrap();
                if twin.jobs(share).is_empty() {
                    Results::none(twin.clone())
                } else {
                    Results::open(&path).unwrap()
                }
            })
            .collect();
        jobs.sort();
        assert_eq!(jobs, twin.jobs(Share::WHOLE));
        let merged = folder.path().join("merged.json");
        Results::merge(parts.into_iter().rev()).unwrap().save(&merged).unwrap();
        assert_eq!(std::fs::read(&merged).unwrap(), std::fs::read(&all).unwrap(), "{count} parts");
    }
    for text in ["0/3", "4/3", "1", "a/b", "1/0"] {
        assert!(text.parse::<Share>().is_err(), "{text}");
    }
}

#[test]
fn numbers_are_read_back_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    let mut bits = 0x3ff0_1234_5678_9abcu64;
    let mut number = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from_bits((bits >> 2) | 0x3000_0000_0000_0000)
    };
    let results = masks().run(Share::WHOLE, Some(&path), &Run::default(), |_, _| {
        let curve = (0..2000).map(|step| (step, number())).collect();
        Ok(Outcome { metrics: [("loss".to_owned(), number())].into(), curve, ..Outcome::default() })
    });
    assert_eq!(Results::open(&path).unwrap(), results.unwrap());
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    let (twin, folder) = (masks(), tempfile::tempdir().unwrap());
    let path = folder.path().join("results.json");
    let mut count = 0;
    let mut train = |most: usize| {
        twin.run(Share::WHOLE, Some(&path), &Run::default(), |settings, _| {
            count += 1;
            if count > most { Err(Error::Cancelled) } else { Ok(found(settings, 0.3)) }
        })
    };
    assert!(matches!(train(4), Err(Error::Cancelled)));
    let message = Results::open(&path).unwrap().comparisons().unwrap_err().to_string();
    assert!(message.contains("without causal with seed 5, prefix(given) with seed 5"), "{message}");
    assert_eq!(train(100).unwrap(), whole(&twin, 0.3));
    assert_eq!(count, 4 + 1 + 2);
    let other = Twin::vary(&base(), "layers", &["1".to_owned(), "2".to_owned()], 3, "loss", 0.01).unwrap();
    let refused = other.run(Share::WHOLE, Some(&path), &Run::default(), |_, _| unreachable!()).unwrap_err();
    assert!(refused.to_string().contains("results of another twin"), "{refused}");
    let merged = Results::merge([whole(&twin, 0.3), whole(&other, 0.3)]).unwrap_err().to_string();
    assert!(merged.contains("different twins"), "{merged}");
    let merged = Results::merge([whole(&twin, 0.3), whole(&twin, 0.4)]).unwrap_err().to_string();
    assert!(merged.contains("variant 1 of seed 3"), "{merged}");
    std::fs::write(&path, "{}").unwrap();
    assert!(Results::open(&path).unwrap_err().to_string().contains("no results of a twin"));
    assert!(Results::merge([]).is_err());
}

#[test]
fn the_word_follows_from_the_runs() {
    for (difference, word) in [
        (0.3, "larger"),
        (-0.3, "smaller"),
        (0.0, "no difference above 0.01"),
        (0.002, "no difference above 0.01"),
    ] {
        let results = whole(&masks(), difference);
        let comparison = results.comparisons().unwrap().remove(0);
        assert_eq!(comparison.verdict.to_string(), word);
        assert_eq!([comparison.variant.as_str(), comparison.reference.as_str()], ["prefix(given)", "causal"]);
        let words = results.in_words().unwrap().remove(0);
        assert!(words.starts_with("loss of mask=prefix(given) minus that of causal: "), "{words}");
        assert!(words.ends_with(word), "{words}");
        assert!(difference != 0.0 || comparison.paired.differences.values() == [0.0; 3]);
    }
}

#[test]
fn every_seed_is_shown() {
    let results = whole(&masks(), 0.3);
    let table = results.table().unwrap();
    assert_eq!(table[0], ["seed", "causal", "prefix(given)", "prefix(given) - causal"]);
    let firsts: Vec<_> = table.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(firsts, ["seed", "3", "4", "5", "mean", "sd", "±"]);
    // 7919 · 3 mod 13 = 6: 2 + 6/17.
    assert_eq!(table[1][1], "2.3529");
    let svg = results.figure().unwrap().to_svg(Theme::Light).unwrap();
    for curve in ["causal, seed 3", "prefix(given), seed 5"] {
        assert!(svg.contains(curve), "{curve}");
    }
    let values = ["1", "2", "3"].map(str::to_owned);
    let many = Twin::vary(&base(), "layers", &values, 9, "loss", 0.01).unwrap();
    let figure = whole(&many, 0.3).figure().unwrap();
    assert_eq!(figure.curves.len(), 3);
    let losses: Vec<f64> =
        (3..12).map(|seed| 2.0 + ((seed * 7919) % 13) as f64 / 17.0 + 1.0).map(|x| x + 0.3).collect();
    assert!(figure.curves[0].points[0].1 > losses.iter().copied().fold(f64::INFINITY, f64::min));
    assert!(figure.curves[0].spread.iter().all(|spread| *spread > 0.0));
    assert!(figure.to_svg(Theme::Dark).unwrap().contains("Held-out loss"));
}

/// Settings of a very short run. With one layer the masks would have the same effect: only from the second layer on do
/// later positions read what prefix positions have seen.
fn quick() -> Settings {
    let mut settings = Settings::default();
    let sizes = "data=reverse(items=3),objective=outputs,length=8,layers=2,width=16,heads=2,batch=4";
    settings.set_all(&format!("{sizes},steps=6,warmup=2,evaluate_every=3,evaluation_batches=2")).unwrap();
    settings
}

/// Runs that are really trained: the causal mask under two names makes a difference of exactly 0, a prefix mask makes
/// another one, and two parts have the results of the whole.
#[test]
fn twins_see_the_same_batches_from_the_same_weights() {
    let values = ["causal", "usual", "prefix(given)"].map(str::to_owned);
    let twin = Twin::vary(&quick(), "mask", &values, 2, "loss", 0.01).unwrap();
    let part = |share: &str| {
        let train = |settings: &Settings, run: &Run| Trainer::outcome(settings, &Device::Cpu, run);
        twin.run(share.parse().unwrap(), None, &Run::default(), train).unwrap()
    };
    let results = part("1/1");
    let comparisons = results.comparisons().unwrap();
    assert_eq!(comparisons[0].paired.differences.values(), [0.0; 2]);
    assert_eq!(comparisons[0].verdict, Verdict::NoDifferenceAbove(0.01));
    assert!(comparisons[1].paired.differences.values().iter().all(|&difference| difference != 0.0));
    let first = results.outcome(Job { seed: 0, variant: 0 }).unwrap();
    let steps: Vec<_> = first.curve.iter().map(|&(step, _)| step).collect();
    assert_eq!((steps, first.curve[2].1), (vec![0, 3, 6], first.metrics["loss"]));
    assert!(first.metrics.contains_key("exact") && !first.metrics.contains_key("classes"));
    assert_ne!(first, results.outcome(Job { seed: 1, variant: 0 }).unwrap());
    assert_eq!(Results::merge([part("1/2"), part("2/2")]).unwrap(), results);
}

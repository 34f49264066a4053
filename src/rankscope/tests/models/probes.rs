//! Every probe point is real: replacing what stands there changes the output.

use rankscope::model::{MaskChoice, Model};
use rankscope::prelude::*;

use crate::support::{FAMILIES, some_ids, tiny};

fn logits(model: &dyn Model, probe: &mut dyn Probe) -> Vec<f32> {
    let output = model.forward(&some_ids(7), &MaskChoice::AsTrained, probe, &Run::default()).unwrap();
    output.logits.expect("the tiny checkpoints have heads").to_vec().unwrap()
}

/// Something else in place of a tensor. Not a shift, which softmax and layer norm would undo.
fn edited(name: &str, value: &Tensor) -> Result<Tensor> {
    let mut values = value.to_vec()?;
    if name.ends_with(".mask") {
        values[0] = 1.0 - values[0]; // the first token's view of itself
    } else {
        for (i, value) in values.iter_mut().enumerate() {
            *value = *value * 1.5 + 0.1 * ((i * i) as f32 * 0.7).sin();
        }
    }
    Tensor::new(value.shape().axes(), values)
}

#[test]
fn replacing_any_intermediate_changes_the_logits() {
    for family in FAMILIES {
        let model = tiny(family);
        let mut trace = Trace::all();
        let before = logits(&*model, &mut trace);
        let names: Vec<String> = trace.iter().map(|(name, _)| name.to_owned()).collect();
        let per_layer = names.iter().filter(|name| name.contains(".0.")).count();
        assert!(per_layer >= 12, "{family}: {names:?}");
        for name in names {
            let mut probe = Replace::new(&name, |value| edited(&name, &value));
            let after = logits(&*model, &mut probe);
            assert_eq!(probe.hits, 1, "{family}: {name} is visited once");
            assert_ne!(before, after, "{family}: replacing {name} did nothing");
        }
    }
}

#[test]
fn a_probe_that_returns_its_argument_changes_nothing() {
    for family in FAMILIES {
        let model = tiny(family);
        assert_eq!(logits(&*model, &mut Trace::all()), logits(&*model, &mut Unobserved), "{family}");
    }
}

#[test]
fn the_last_intermediate_is_called_logits_and_names_are_unique() {
    for family in FAMILIES {
        let mut trace = Trace::all();
        logits(&*tiny(family), &mut trace);
        let mut names: Vec<_> = trace.iter().map(|(name, _)| name).collect();
        assert_eq!(names.last(), Some(&"logits"), "{family}");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{family}: a name is visited twice");
    }
}

#[test]
fn an_error_of_the_probe_ends_the_pass_and_is_returned() {
    let fail = |_| Err(Error::invalid("this probe", "unhappy", "happy"));
    let mut probe = Replace::new("embeddings", fail);
    let model = tiny("llama");
    let result = model.forward(&some_ids(3), &MaskChoice::AsTrained, &mut probe, &Run::default());
    assert_eq!(result.unwrap_err().to_string(), "this probe is unhappy, expected happy");
}

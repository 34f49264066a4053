//! `config.json` beside a checkpoint of each family: it is read, or refused in one line; a model that loads must also
//! run.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rankscope::model::{self, Input, MaskChoice};
use rankscope::prelude::*;
use rankscope_fuzz::{checked, folder, put};

static FOLDERS: LazyLock<[PathBuf; 4]> = LazyLock::new(|| {
    let bert = include_bytes!("../../tests/fixtures/tiny/bert/model.safetensors").as_slice();
    let gpt2 = include_bytes!("../../tests/fixtures/tiny/gpt2/model.safetensors").as_slice();
    let llama = include_bytes!("../../tests/fixtures/tiny/llama/model.safetensors").as_slice();
    let mixtral = include_bytes!("../../tests/fixtures/tiny/mixtral/model.safetensors").as_slice();
    [("bert", bert), ("gpt2", gpt2), ("llama", llama), ("mixtral", mixtral)].map(|(name, checkpoint)| {
        let folder = folder(name);
        put(&folder, "model.safetensors", checkpoint);
        folder
    })
});

fuzz_target!(|bytes: &[u8]| {
    for folder in &*FOLDERS {
        put(folder, "config.json", bytes);
        if let Some(model) = checked(model::load(folder, &Device::Cpu)) {
            run(model.as_ref());
        }
    }
});

/// Three tokens through the model: numbers, or an error; a configuration may state a context of one token.
fn run(model: &dyn model::Model) {
    let input = Input::new(vec![2, 0, 1]);
    let output = model.forward(&input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default());
    if let Some(output) = checked(output) {
        assert_eq!(output.hidden.shape().sizes()[..2], [1, 3]);
    }
}

//! Python's `transformers`, which computes logits from checkpoints that the tests saved, if it is installed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use safetensors::SafeTensors;

use crate::support::skipped;

/// The logits of every folder in `root`, by the folder's name, which `script` writes to `root/logits.safetensors`.
///
/// The script is given `root` and, after it, each list of ids as `3,1,4`; its output is a problem. `None`, reported as
/// skipped, if neither `$RANKSCOPE_PYTHON` nor `python3` has torch and transformers.
#[track_caller]
pub fn logits(script: &str, root: &Path, ids: &[&[u32]]) -> Option<BTreeMap<String, Vec<f32>>> {
    let Some(python) = python() else {
        skipped("no Python with torch, transformers and safetensors (set RANKSCOPE_PYTHON)");
        return None;
    };
    let lists = ids.iter().map(|ids| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
    let output = Command::new(python).args(["-c", script]).arg(root).args(lists).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "keys that do not fit");
    let bytes = std::fs::read(root.join("logits.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    let numbers = |(name, tensor): (String, safetensors::tensor::TensorView<'_>)| {
        (name, tensor.data().chunks(4).map(number).collect())
    };
    Some(file.tensors().into_iter().map(numbers).collect())
}

fn python() -> Option<String> {
    let python = std::env::var("RANKSCOPE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import torch, transformers, safetensors"]).output();
    found.is_ok_and(|output| output.status.success()).then_some(python)
}

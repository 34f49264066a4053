//! What we save, `transformers` loads, and computes the same from it.
//!
//! The test runs where `$RANKSCOPE_PYTHON`, otherwise `python3`, has torch and transformers; elsewhere it says that
//! it was skipped.

use std::process::Command;

use rankscope::model::{Input, MaskChoice};
use safetensors::SafeTensors;

use crate::support::{far, ids, rows, say, zoo};

/// Loads every folder beside the script with the class that its configuration names, and writes the logits of
/// `ids`; prints what is missing, unexpected or of another shape.
const SCRIPT: &str = r#"
import json, sys, pathlib
import torch, transformers
from safetensors.torch import save_file
root, ids = pathlib.Path(sys.argv[1]), torch.tensor([[int(id) for id in sys.argv[2].split(",")]])
logits = {}
for folder in sorted(path for path in root.iterdir() if path.is_dir()):
    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    model, info = getattr(transformers, name).from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32, attn_implementation="eager")
    if hasattr(model, "set_experts_implementation") and model.config.model_type == "mixtral":
        model.set_experts_implementation("eager")
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if info.get(kind):
            print(folder.name, kind, sorted(map(str, info[kind])))
    with torch.no_grad():
        logits[folder.name] = model.eval()(ids).logits[0].float().contiguous()
save_file(logits, root / "logits.safetensors")
"#;

fn python() -> Option<String> {
    let python = std::env::var("RANKSCOPE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import torch, transformers, safetensors"]).output();
    found.is_ok_and(|output| output.status.success()).then_some(python)
}

#[test]
fn transformers_loads_what_we_save_and_computes_the_same() {
    let Some(python) = python() else {
        say("skipped: no Python with torch, transformers and safetensors (set RANKSCOPE_PYTHON)");
        return;
    };
    let (root, ids) = (tempfile::tempdir().unwrap(), ids(8));
    let published: Vec<_> = zoo().into_iter().filter(|entry| entry.is_published()).collect();
    for entry in &published {
        entry.model().record().save(&root.path().join(entry.name)).unwrap();
    }
    let list = ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let output = Command::new(python).args(["-c", SCRIPT]).arg(root.path()).arg(list).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    assert_eq!(said, "", "keys that do not fit");
    let bytes = std::fs::read(root.path().join("logits.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for entry in &published {
        let theirs = file.tensor(entry.name).unwrap();
        let theirs: Vec<f32> =
            theirs.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        let ours = rows(&*entry.model(), &Input::new(ids.clone()), &MaskChoice::AsTrained);
        let far = far(&[ours.concat()], &[theirs]);
        assert!(far < 1e-4, "{}: {far}", entry.name);
    }
    assert!(published.len() >= 9, "{}", published.len());
}

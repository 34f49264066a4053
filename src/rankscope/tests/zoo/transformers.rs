//! What we save, `transformers` loads, and computes the same from it.
//!
//! The test runs where `$RANKSCOPE_PYTHON`, otherwise `python3`, has torch and transformers; elsewhere it says that
//! it was skipped.

use rankscope::model::{Input, MaskChoice};

use crate::python::logits;
use crate::support::{far, ids, rows, zoo};

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

#[test]
fn transformers_loads_what_we_save_and_computes_the_same() {
    let (root, ids) = (tempfile::tempdir().unwrap(), ids(8));
    let published: Vec<_> = zoo().into_iter().filter(|entry| entry.is_published()).collect();
    for entry in &published {
        entry.model().record().save(&root.path().join(entry.name)).unwrap();
    }
    let Some(theirs) = logits(SCRIPT, root.path(), &[&ids]) else { return };
    for entry in &published {
        let ours = rows(&*entry.model(), &Input::new(ids.clone()), &MaskChoice::AsTrained);
        let far = far(&[ours.concat()], &[theirs[entry.name].clone()]);
        assert!(far < 1e-4, "{}: {far}", entry.name);
    }
    assert!(published.len() >= 9, "{}", published.len());
}

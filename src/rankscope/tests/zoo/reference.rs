//! `transformers` loads the models that this library saves, and computes the same results.
//!
//! The test runs where `$RANKSCOPE_PYTHON`, otherwise `python3`, has torch and transformers; elsewhere it says that
//! it was skipped.

use crate::compare::far;
use crate::python::logits;
use crate::support::*;

/// Loads every folder beside the script with the class that its configuration names, and writes the logits; prints what
/// is missing, unexpected or of another shape. An encoder-decoder reads the second list of ids, and then the first.
const SCRIPT: &str = r#"
import json, sys, pathlib
import torch, transformers
from safetensors.torch import save_file
root = pathlib.Path(sys.argv[1])
ids, source = (torch.tensor([[int(id) for id in ids.split(",")]]) for ids in sys.argv[2:4])
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
        read = dict(input_ids=source, decoder_input_ids=ids) if name.startswith("T5") else dict(input_ids=ids)
        logits[folder.name] = model.eval()(**read).logits[0].float().contiguous()
save_file(logits, root / "logits.safetensors")
"#;

#[test]
fn transformers_loads_what_we_save_and_computes_the_same() {
    let (root, ids) = (tempfile::tempdir().unwrap(), ids(8));
    let published: Vec<_> = zoo().into_iter().filter(|entry| entry.is_published()).collect();
    for entry in &published {
        entry.model().record().save(&root.path().join(&entry.name)).unwrap();
    }
    let Some(theirs) = logits(SCRIPT, root.path(), &[&ids, &SOURCE]) else { return };
    for entry in &published {
        let far = far(&entry.rows(ids.clone(), &MaskChoice::AsTrained).concat(), &theirs[&entry.name]);
        assert!(far < 1e-4, "{}: {far}", entry.name);
    }
    assert!(published.len() >= 12, "{}", published.len());
}

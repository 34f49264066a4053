//! What we save of T5, `transformers` loads, and computes the same from it.
//!
//! The test runs where `$RANKSCOPE_PYTHON`, otherwise `python3`, has torch and transformers; elsewhere it says that
//! it was skipped.

use rankscope::model::{Input, MaskChoice};
use rankscope::prelude::*;
use serde_json::json;

use crate::python::logits;
use crate::support::{SOURCE, TARGET, far, seeded};

/// Loads every folder in the first argument and writes the logits; prints what does not fit.
const SCRIPT: &str = r#"
import sys, pathlib
import torch, transformers
from safetensors.torch import save_file
root = pathlib.Path(sys.argv[1])
source, target = (torch.tensor([[int(id) for id in ids.split(",")]]) for ids in sys.argv[2:4])
logits = {}
for folder in sorted(path for path in root.iterdir() if path.is_dir()):
    model, info = transformers.T5ForConditionalGeneration.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32, attn_implementation="eager")
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if info.get(kind):
            print(folder.name, kind, sorted(map(str, info[kind])))
    with torch.no_grad():
        out = model.eval()(input_ids=source, decoder_input_ids=target)
    logits[folder.name] = out.logits[0].float().contiguous()
save_file(logits, root / "logits.safetensors")
"#;

#[test]
fn transformers_loads_the_t5_that_we_save_and_computes_the_same() {
    let root = tempfile::tempdir().unwrap();
    let mut kept = Vec::new();
    for (name, network, is_tied) in [
        ("relu-tied", "relu", true),
        ("gelu-gated", "gated-gelu", false),
        ("silu-gated", "gated-silu", false),
    ] {
        let config = json!({
            "model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size": 71, "d_model": 22,
            "d_kv": 6, "d_ff": 37, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 5,
            "relative_attention_num_buckets": 8, "relative_attention_max_distance": 5,
            "layer_norm_epsilon": 1e-6, "feed_forward_proj": network, "tie_word_embeddings": is_tied,
            "is_encoder_decoder": true, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1,
        });
        let model = seeded(config, &Device::Cpu);
        model.record().save(&root.path().join(name)).unwrap();
        kept.push((name, model));
    }
    let Some(theirs) = logits(SCRIPT, root.path(), &[&SOURCE, &TARGET]) else { return };
    for (name, model) in kept {
        let input = Input::new(SOURCE.to_vec()).with_decoder(TARGET.to_vec());
        let ours = model.forward(&input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default()).unwrap();
        let far = far(&ours.logits.unwrap().to_vec().unwrap(), &theirs[name]);
        assert!(far < 1e-4, "{name}: {far:e}");
    }
}

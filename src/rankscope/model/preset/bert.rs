//! BERT.

use serde_json::{Value, json};

use super::{Known, Preset};

pub(super) static PRESETS: &[Preset] =
    &[bert("bert-base", || config(12, 12, 768)), bert("bert-large", || config(24, 16, 1024))];

const fn bert(name: &'static str, config: fn() -> Value) -> Preset {
    Preset {
        name,
        source: "Devlin et al. 2018 (arXiv 1810.04805), section 3",
        stated: "The paper states layers, widths, heads, F = 4C and 512 positions, and announces 110M and 340M \
                 parameters; the vocabulary of 30,522 is that of the released uncased weights.",
        known: Known::Config(config),
    }
}

fn config(layers: usize, heads: usize, width: usize) -> Value {
    json!({
        "model_type": "bert", "vocab_size": 30_522, "type_vocab_size": 2, "max_position_embeddings": 512,
        "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": 4 * width, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
    })
}

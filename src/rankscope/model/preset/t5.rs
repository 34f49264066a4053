//! T5, version 1.0.

use serde_json::{Value, json};

use super::{Known, Preset};

pub(super) static PRESETS: &[Preset] = &[
    t5("t5-small", || config(512, 2048, 64, 8, 6)),
    t5("t5-base", || config(768, 3072, 64, 12, 12)),
    t5("t5-large", || config(1024, 4096, 64, 16, 24)),
    t5("t5-3b", || config(1024, 16_384, 128, 32, 24)),
    t5("t5-11b", || config(1024, 65_536, 128, 128, 24)),
];

const fn t5(name: &'static str, config: fn() -> Value) -> Preset {
    Preset {
        name,
        source: "Raffel et al. 2020 (arXiv 1910.10683), sections 2.1 and 3.7",
        stated: "The paper states widths, F, heads of D, layers and 32 shared relative position biases a head; the \
                 32,128 rows of the vocabulary are those of the released weights (32,000 pieces, 100 sentinels, \
                 padding).",
        known: Known::Config(config),
    }
}

fn config(width: usize, inner: usize, head_size: usize, heads: usize, layers: usize) -> Value {
    json!({
        "model_type": "t5", "vocab_size": 32_128, "d_model": width, "d_ff": inner, "d_kv": head_size,
        "num_heads": heads, "num_layers": layers, "num_decoder_layers": layers,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
        "feed_forward_proj": "relu", "tie_word_embeddings": true, "is_encoder_decoder": true,
        "layer_norm_epsilon": 1e-6, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0,
    })
}

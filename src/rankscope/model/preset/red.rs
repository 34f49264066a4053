//! DecLLM and RedLLM, matched pairs of a decoder and an encoder-decoder.

use serde_json::{Value, json};

use super::{Known, Preset};

pub(super) static PRESETS: &[Preset] = &[
    pair("decllm-150m", || decoder([1024, 8, 8])),
    pair("decllm-1b", || decoder([2048, 16, 16])),
    pair("decllm-2b", || decoder([2560, 20, 20])),
    pair("decllm-4b", || decoder([3072, 24, 24])),
    pair("decllm-8b", || decoder([4096, 32, 32])),
    pair("redllm-150m", || both([1024, 8, 3])),
    pair("redllm-1b", || both([2048, 16, 7])),
    pair("redllm-2b", || both([2560, 20, 9])),
    pair("redllm-4b", || both([3072, 24, 10])),
    pair("redllm-8b", || both([4096, 32, 14])),
];

const fn pair(name: &'static str, config: fn() -> Value) -> Preset {
    Preset {
        name,
        source: "Encoder-Decoder or Decoder-Only? Revisiting Encoder-Decoder Large Language Model (arXiv 2510.26622)",
        stated: "The paper states widths, heads, layers, F = 4C, 32,768 tokens and 2048 positions; its sizes are \
                 labels, 12 % over to 13 % under what its own numbers give.",
        known: Known::Config(config),
    }
}

/// C, H and L.
fn decoder([width, heads, layers]: [usize; 3]) -> Value {
    let mut config = shared("decllm", width, heads);
    config["num_hidden_layers"] = layers.into();
    config
}

/// C, H and the layers of either stack.
fn both([width, heads, layers]: [usize; 3]) -> Value {
    let mut config = shared("redllm", width, heads);
    config["num_encoder_layers"] = layers.into();
    config["num_decoder_layers"] = layers.into();
    config
}

fn shared(family: &str, width: usize, heads: usize) -> Value {
    json!({
        "model_type": family, "vocab_size": 32_768, "max_position_embeddings": 2048,
        "hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": heads,
        "num_key_value_heads": heads, "head_dim": width / heads, "hidden_act": "silu", "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0,
    })
}

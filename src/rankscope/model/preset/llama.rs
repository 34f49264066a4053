//! LLaMA 1 to 3, SmolLM2 and Mixtral.

use serde_json::{Value, json};

use super::{Known, Preset};

/// The sizes in which these models differ.
struct LlamaSizes {
    width: usize,
    heads: usize,
    kv_heads: usize,
    inner: usize,
    layers: usize,
}

pub(super) static PRESETS: &[Preset] = &[
    llama1("llama-7b", || first(2048, [4096, 32, 11_008, 32])),
    llama1("llama-13b", || first(2048, [5120, 40, 13_824, 40])),
    llama1("llama-33b", || first(2048, [6656, 52, 17_920, 60])),
    llama1("llama-65b", || first(2048, [8192, 64, 22_016, 80])),
    llama2("llama2-7b", || first(4096, [4096, 32, 11_008, 32])),
    llama2("llama2-13b", || first(4096, [5120, 40, 13_824, 40])),
    llama2("llama2-70b", || {
        let sizes = LlamaSizes { width: 8192, heads: 64, kv_heads: 8, inner: 28_672, layers: 80 };
        config(sizes, 32_000, 4096, 10_000.0)
    }),
    llama3("llama3-8b", || {
        let sizes = LlamaSizes { width: 4096, heads: 32, kv_heads: 8, inner: 14_336, layers: 32 };
        config(sizes, 128_256, 8192, 500_000.0)
    }),
    llama3("llama3-70b", || {
        let sizes = LlamaSizes { width: 8192, heads: 64, kv_heads: 8, inner: 28_672, layers: 80 };
        config(sizes, 128_256, 8192, 500_000.0)
    }),
    Preset {
        name: "smollm2-135m",
        source: "Ben Allal et al. 2025 (arXiv 2502.02737), and the configuration of the released weights",
        stated: "All sizes are those of the released configuration.",
        known: Known::Config(|| {
            let sizes = LlamaSizes { width: 576, heads: 9, kv_heads: 3, inner: 1536, layers: 30 };
            let mut config = config(sizes, 49_152, 8192, 100_000.0);
            config["tie_word_embeddings"] = true.into();
            config
        }),
    },
    Preset {
        name: "mixtral-8x7b",
        source: "Jiang et al. 2024 (arXiv 2401.04088), table 1",
        stated: "The table states all sizes; that a router has no bias is the released weights' word.",
        known: Known::Config(|| {
            let sizes = LlamaSizes { width: 4096, heads: 32, kv_heads: 8, inner: 14_336, layers: 32 };
            let mut config = config(sizes, 32_000, 32_768, 1e6);
            config["model_type"] = "mixtral".into();
            config["num_local_experts"] = 8.into();
            config["num_experts_per_tok"] = 2.into();
            config
        }),
    },
];

const fn llama1(name: &'static str, config: fn() -> Value) -> Preset {
    Preset {
        name,
        source: "Touvron et al. 2023 (arXiv 2302.13971), section 2.2 and table 2",
        stated: "The paper states widths, heads and layers, F as 8C/3; what that is rounded to (a multiple of 256), \
                 32,000 tokens and the output layer of its own are those of the released weights.",
        known: Known::Config(config),
    }
}

const fn llama2(name: &'static str, config: fn() -> Value) -> Preset {
    Preset {
        name,
        source: "Touvron et al. 2023 (arXiv 2307.09288), section 2.2",
        stated: "The paper states 32,000 tokens, 4096 positions and grouped queries in the largest model; widths, \
                 heads, layers and F are those of the released weights.",
        known: Known::Config(config),
    }
}

const fn llama3(name: &'static str, config: fn() -> Value) -> Preset {
    Preset {
        name,
        source: "Grattafiori et al. 2024 (arXiv 2407.21783), table 3",
        stated: "The table states widths, F, heads, 8 key/value heads, layers, 128,000 tokens and the base 500,000; \
                 128,256 rows of the vocabulary and 8192 positions are those of the first release.",
        known: Known::Config(config),
    }
}

/// LLaMA 1, with one key/value head for each query head, from its sizes C, H, F and L.
fn first(context: usize, [width, heads, inner, layers]: [usize; 4]) -> Value {
    config(LlamaSizes { width, heads, kv_heads: heads, inner, layers }, 32_000, context, 10_000.0)
}

fn config(sizes: LlamaSizes, vocab: usize, context: usize, base: f64) -> Value {
    let LlamaSizes { width, heads, kv_heads, inner, layers } = sizes;
    json!({
        "model_type": "llama", "vocab_size": vocab, "max_position_embeddings": context,
        "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": width / heads,
        "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": base, "tie_word_embeddings": false,
        "attention_bias": false, "mlp_bias": false,
    })
}

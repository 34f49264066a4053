//! GPT-1, 2 and 3.

use serde_json::{Value, json};

use super::{Known, Preset};

const STATED_2: &str = "The paper's table 2 states layers and widths (its sizes, 117M to 1542M, are not those of \
    the released weights); heads, vocabulary and the tied output are those of the release.";

pub(super) static PRESETS: &[Preset] = &[
    Preset {
        name: "gpt1",
        source: "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training",
        stated: "The paper states 12 layers, width 768, 12 heads, F = 3072 and 512 positions; the vocabulary of \
                 40,478 is that of the released weights.",
        known: Known::Config(|| {
            json!({
                "model_type": "openai-gpt", "vocab_size": 40_478, "n_positions": 512, "n_embd": 768,
                "n_layer": 12, "n_head": 12, "afn": "gelu", "layer_norm_epsilon": 1e-5,
            })
        }),
    },
    gpt2("gpt2", || config(1024, 12, 12, 768)),
    gpt2("gpt2-medium", || config(1024, 24, 16, 1024)),
    gpt2("gpt2-large", || config(1024, 36, 20, 1280)),
    gpt2("gpt2-xl", || config(1024, 48, 25, 1600)),
    Preset {
        name: "gpt3",
        source: "Brown et al. 2020 (arXiv 2005.14165), table 2.1",
        stated: "The table states 96 layers, width 12288, 96 heads of 128; the text 2048 positions, F = 4C and \
                 GPT-2's tokenizer. Its sparse layers change no parameter and are counted as dense.",
        known: Known::Config(|| config(2048, 96, 96, 12_288)),
    },
];

const fn gpt2(name: &'static str, config: fn() -> Value) -> Preset {
    let source = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners";
    Preset { name, source, stated: STATED_2, known: Known::Config(config) }
}

fn config(positions: usize, layers: usize, heads: usize, width: usize) -> Value {
    json!({
        "model_type": "gpt2", "vocab_size": 50_257, "n_positions": positions, "n_embd": width,
        "n_layer": layers, "n_head": heads, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
    })
}

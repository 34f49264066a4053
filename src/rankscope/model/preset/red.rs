//! DecLLM and RedLLM, matched pairs of a decoder and an encoder-decoder.

use serde_json::{Value, json};

use super::{Known, Preset};

pub(super) static PRESETS: &[Preset] = &[
    pair("decllm-150m", || published(1024, 8).decllm(8)),
    pair("decllm-1b", || published(2048, 16).decllm(16)),
    pair("decllm-2b", || published(2560, 20).decllm(20)),
    pair("decllm-4b", || published(3072, 24).decllm(24)),
    pair("decllm-8b", || published(4096, 32).decllm(32)),
    pair("redllm-150m", || published(1024, 8).redllm([3, 3])),
    pair("redllm-1b", || published(2048, 16).redllm([7, 7])),
    pair("redllm-2b", || published(2560, 20).redllm([9, 9])),
    pair("redllm-4b", || published(3072, 24).redllm([10, 10])),
    pair("redllm-8b", || published(4096, 32).redllm([14, 14])),
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

/// The sizes that a DecLLM and the RedLLM compared with it share: all except the number of layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairSizes {
    /// C.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// G.
    pub kv_heads: usize,
    /// D.
    pub head_size: usize,
    /// F.
    pub feed_forward: usize,
    /// V.
    pub vocab: usize,
    /// The longest sequence, in tokens.
    pub context: usize,
}

fn published(width: usize, heads: usize) -> PairSizes {
    PairSizes {
        width,
        heads,
        kv_heads: heads,
        head_size: width / heads,
        feed_forward: 4 * width,
        vocab: 32_768,
        context: 2048,
    }
}

impl PairSizes {
    /// The configuration of a DecLLM with `layers` layers.
    pub(crate) fn decllm(self, layers: usize) -> Value {
        let mut config = self.shared("decllm");
        config["num_hidden_layers"] = layers.into();
        config
    }

    /// The configuration of a RedLLM with `encoder` and `decoder` layers in its two stacks.
    pub(crate) fn redllm(self, [encoder, decoder]: [usize; 2]) -> Value {
        let mut config = self.shared("redllm");
        config["num_encoder_layers"] = encoder.into();
        config["num_decoder_layers"] = decoder.into();
        config
    }

    fn shared(self, family: &str) -> Value {
        let PairSizes { width, heads, kv_heads, head_size, feed_forward, vocab, context } = self;
        json!({
            "model_type": family, "vocab_size": vocab, "max_position_embeddings": context,
            "hidden_size": width, "intermediate_size": feed_forward, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "head_dim": head_size, "hidden_act": "silu", "rms_norm_eps": 1e-6,
            "rope_theta": 10_000.0,
        })
    }
}

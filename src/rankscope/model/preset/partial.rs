//! Models whose sizes are known only in part, from papers or rumours.

use super::{Known, Preset};
use crate::model::count::{AttentionSizes, FeedForwardSizes, ModelSizes, Output, Sees, StackSizes};

const BILLION: u128 = 1_000_000_000;

pub(super) static PRESETS: &[Preset] = &[
    Preset {
        name: "glm-130b",
        source: "Zeng et al. 2022 (arXiv 2210.02414), and the configuration beside its code",
        stated: "The paper states 70 layers, width 12288, 2048 positions, rotary positions and a gated GELU; the code's \
                 configuration 96 heads, F = 32768 and 150,528 tokens. Neither states biases, norms or whether the \
                 output is tied: biases and norms are not counted, and the output is taken as tied. Counted as \
                 causal; its prefix is read in both directions.",
        known: Known::Sizes(|| decoder("glm", 70, 12_288, [96, 96, 128], 32_768, 150_528)),
    },
    Preset {
        name: "u-palm-540b",
        source: "Tay et al. 2022 (arXiv 2210.11399), which trains PaLM (Chowdhery et al. 2022, arXiv 2204.02311) on",
        stated: "PaLM's paper states 118 layers, width 18432, F = 4C with SwiGLU, 48 query heads of 256, one key/value \
                 head, no biases, a tied output, 2048 positions and 540.35B parameters; of its vocabulary 256k, which \
                 is read as 256,000. It does not state the norms' numbers, which are not counted. Counted as causal; \
                 its prefix is read in both directions.",
        known: Known::Sizes(|| decoder("palm", 118, 18_432, [48, 1, 256], 73_728, 256_000)),
    },
    Preset {
        name: "gpt4-leak",
        source: "an unconfirmed leak of 2023; OpenAI has published no size of GPT-4 (arXiv 2303.08774, section 2)",
        stated: "A rumour, not a source: 16 experts of about 111B of which each token visits 2, and about 55B of \
                 shared attention. What stands here is arithmetic on these three numbers.",
        known: Known::Totals {
            parts: &[
                ("attention", 55 * BILLION, 55 * BILLION),
                ("feed_forward", 16 * 111 * BILLION, 2 * 111 * BILLION),
            ],
            missing: "a model whose widths, heads and vocabulary are published",
        },
    },
];

/// A causal decoder with gated networks, a tied output and 2048 positions, whose norms and biases are not known: L, C,
/// H, G and D, F, V.
fn decoder(
    family: &str,
    layers: usize,
    width: usize,
    [heads, kv_heads, head_size]: [usize; 3],
    feed_forward: usize,
    vocab: usize,
) -> ModelSizes {
    let decoder = StackSizes {
        layers,
        self_attention: AttentionSizes { heads, kv_heads, head_size, ..Default::default() },
        feed_forward: FeedForwardSizes {
            width: feed_forward,
            matrices: 3,
            experts: 1,
            active: 1,
            has_bias: false,
        },
        norms: 2,
        has_final_norm: true,
        sees: Sees::Past,
        ..Default::default()
    };
    ModelSizes {
        family: family.to_owned(),
        width,
        vocab,
        context: Some(2048),
        decoder: Some(decoder),
        output: Output::Tied,
        ..Default::default()
    }
}

//! LLaMA and the families that are LLaMA but for a field or two.

use crate::error::Result;
use crate::mask::Mask;
use crate::model::Config;

/// What tells a family from LLaMA.
pub(in crate::model) struct Dialect {
    /// The family on the registry.
    pub(super) family: &'static str,
    pub(super) biases: Biases,
    pub(super) window: Window,
    /// Whether the feed-forward network is a mixture of experts.
    pub(super) is_mixture: bool,
}

/// Which projections have biases.
pub(super) enum Biases {
    /// Those that `attention_bias` and `mlp_bias` say.
    Stated,
    /// Queries, keys and values.
    OfQueryKeyValue,
    /// None.
    Never,
}

/// How far back a position sees.
pub(super) enum Window {
    /// To the first one.
    Never,
    /// As far as `sliding_window` says; where the field is absent, not null, as far as given here.
    Stated(Option<usize>),
    /// To the first one, unless `use_sliding_window` asks for what is not implemented.
    Switched,
}

/// Touvron et al. 2023.
pub(in crate::model) static LLAMA: Dialect =
    Dialect { family: "llama", biases: Biases::Stated, window: Window::Never, is_mixture: false };

/// Jiang et al. 2023 (arXiv 2310.06825): a sliding window.
pub(in crate::model) static MISTRAL: Dialect = Dialect {
    family: "mistral",
    biases: Biases::Never,
    window: Window::Stated(Some(4096)),
    is_mixture: false,
};

/// Yang et al. 2024 (arXiv 2407.10671): biases of queries, keys and values.
pub(in crate::model) static QWEN2: Dialect =
    Dialect { family: "qwen2", biases: Biases::OfQueryKeyValue, window: Window::Switched, is_mixture: false };

/// Jiang et al. 2024 (arXiv 2401.04088): a mixture of experts.
pub(in crate::model) static MIXTRAL: Dialect =
    Dialect { family: "mixtral", biases: Biases::Never, window: Window::Stated(None), is_mixture: true };

impl Dialect {
    /// Whether queries, keys and values have biases, the output of attention, and the feed-forward network.
    pub(super) fn biases(&self, config: &Config) -> Result<[bool; 3]> {
        Ok(match self.biases {
            Biases::Never => [false; 3],
            Biases::OfQueryKeyValue => [true, false, false],
            Biases::Stated => {
                let attention = config.optional("attention_bias")?.unwrap_or(false);
                [attention, attention, config.optional("mlp_bias")?.unwrap_or(false)]
            }
        })
    }

    /// The mask that the weights were trained under.
    ///
    /// **Conventions**: a window of w is w positions, the query's own among them.
    pub(super) fn trained_mask(&self, config: &Config) -> Result<Mask> {
        let window = match self.window {
            Window::Never => None,
            Window::Stated(usual) if !config.has("sliding_window") => usual,
            Window::Stated(_) => config.optional_size("sliding_window")?,
            Window::Switched if config.optional("use_sliding_window")?.unwrap_or(false) => {
                let expected = "false: a window in some of the layers is not implemented";
                return Err(config.wrong("use_sliding_window", "true", expected));
            }
            Window::Switched => None,
        };
        window.map_or_else(|| Ok(Mask::causal()), Mask::window)
    }
}

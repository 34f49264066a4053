//! LLaMA and the families that differ from it in one or two fields.

use crate::error::Result;
use crate::mask::Mask;
use crate::model::{Config, OtherMask};

/// How a family differs from LLaMA.
pub(in crate::model) struct Dialect {
    /// The family on the registry.
    pub(in crate::model) family: &'static str,
    pub(super) biases: Biases,
    pub(super) window: Window,
    /// Whether the feed-forward network is a mixture of experts.
    pub(super) is_mixture: bool,
}

/// Which projections have biases.
pub(super) enum Biases {
    /// The projections that `attention_bias` and `mlp_bias` state.
    Stated,
    /// Queries, keys and values.
    OfQueryKeyValue,
    /// None.
    Never,
}

/// How many earlier positions a position sees.
pub(super) enum Window {
    /// All of them.
    Never,
    /// The window that `sliding_window` states, in all layers.
    Stated,
    /// This window in some layers, if `use_sliding_window` is true: those that `layer_types` names, otherwise those
    /// from `max_window_layers` on.
    Switched,
}

/// Touvron et al. 2023.
pub(in crate::model) static LLAMA: Dialect =
    Dialect { family: "llama", biases: Biases::Stated, window: Window::Never, is_mixture: false };

/// Jiang et al. 2023 (arXiv 2310.06825): a sliding window.
pub(in crate::model) static MISTRAL: Dialect =
    Dialect { family: "mistral", biases: Biases::Never, window: Window::Stated, is_mixture: false };

/// Yang et al. 2024 (arXiv 2407.10671): biases of queries, keys and values, and a window in the upper layers.
pub(in crate::model) static QWEN2: Dialect =
    Dialect { family: "qwen2", biases: Biases::OfQueryKeyValue, window: Window::Switched, is_mixture: false };

/// Jiang et al. 2024 (arXiv 2401.04088): a mixture of experts.
pub(in crate::model) static MIXTRAL: Dialect =
    Dialect { family: "mixtral", biases: Biases::Never, window: Window::Stated, is_mixture: true };

/// The blocks of [`decllm`](crate::model::decllm).
pub(in crate::model) static DECLLM: Dialect = Dialect { family: "decllm", ..LLAMA_WITHOUT_BIASES };

/// The blocks of [`redllm`](crate::model::redllm).
pub(in crate::model) static REDLLM: Dialect = Dialect { family: "redllm", ..LLAMA_WITHOUT_BIASES };

const LLAMA_WITHOUT_BIASES: Dialect =
    Dialect { family: "", biases: Biases::Never, window: Window::Never, is_mixture: false };

impl Dialect {
    /// Whether there are biases: of queries, keys and values; of the output of attention; of the feed-forward network.
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

    /// How many positions a query sees in each layer, including its own; `None` where it sees all earlier positions.
    fn windows(&self, config: &Config, layers: usize) -> Result<Vec<Option<usize>>> {
        let switched = || config.optional("use_sliding_window").map(|on| on.unwrap_or(false));
        let window = match self.window {
            Window::Never => None,
            Window::Stated => window(config)?,
            Window::Switched if switched()? => window(config)?,
            Window::Switched => None,
        };
        match self.window {
            Window::Switched => some_layers(config, layers, window),
            _ => Ok(vec![window; layers]),
        }
    }

    /// The mask that layer 0 was trained under, and the mask of the other layers, if they have another one.
    pub(super) fn masks(&self, config: &Config, layers: usize) -> Result<(Mask, Option<OtherMask>)> {
        let windows = self.windows(config, layers)?;
        let mask = |window: Option<usize>| window.map_or_else(|| Ok(Mask::causal()), Mask::window);
        let others: Vec<_> = (1..layers).filter(|&layer| windows[layer] != windows[0]).collect();
        let other = match others.first() {
            Some(&first) => Some(OtherMask { mask: mask(windows[first])?, layers: others }),
            None => None,
        };
        Ok((mask(windows[0])?, other))
    }
}

fn window(config: &Config) -> Result<Option<usize>> {
    match config.optional("sliding_window")? {
        Some(0usize) => {
            let expected = "at least 1, which is the position itself, or null for no window";
            Err(config.wrong("sliding_window", "0", expected))
        }
        _ => config.optional_size("sliding_window"),
    }
}

/// The window of each layer, in a family where some layers have one.
fn some_layers(config: &Config, layers: usize, window: Option<usize>) -> Result<Vec<Option<usize>>> {
    let Some(kinds) = config.optional::<Vec<String>>("layer_types")? else {
        if window.is_none() {
            return Ok(vec![None; layers]);
        }
        let first: usize = config.get("max_window_layers")?;
        return Ok((0..layers).map(|layer| window.filter(|_| layer >= first)).collect());
    };
    if kinds.len() != layers {
        let expected = format!("{layers}, one for each of num_hidden_layers");
        return Err(config.wrong("layer_types", &format!("a list of {}", kinds.len()), &expected));
    }
    let of = |kind: &String| match (kind.as_str(), window) {
        ("full_attention" | "attention", _) => Ok(None),
        ("sliding_attention", Some(window)) => Ok(Some(window)),
        ("sliding_attention", None) => {
            let expected = "\"full_attention\": there is no window (use_sliding_window, sliding_window)";
            Err(config.wrong("layer_types", "\"sliding_attention\" in a layer", expected))
        }
        _ => {
            let expected = "\"full_attention\" or \"sliding_attention\"";
            Err(config.wrong("layer_types", &format!("{kind:?} in a layer"), expected))
        }
    };
    kinds.iter().map(of).collect()
}

//! Presets: settings with a name.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::named;
use super::settings::{LayersOf, Settings};
use crate::error::Result;

/// Settings with a name.
pub struct TrainingPreset {
    /// The name.
    pub name: &'static str,
    /// A description of the trained model.
    pub summary: &'static str,
    settings: fn() -> Settings,
}

impl TrainingPreset {
    /// The preset called `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) listing the names of all presets.
    pub fn find(name: &str) -> Result<&'static TrainingPreset> {
        named(TRAINING_PRESETS, |preset| preset.name, name, "preset", format!("{name:?}"))
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        (self.settings)()
    }
}

/// Every preset.
pub static TRAINING_PRESETS: &[TrainingPreset] = &[
    TrainingPreset {
        name: "gpt",
        summary: "a small GPT-2 on English bytes, in about a minute",
        settings: Settings::default,
    },
    TrainingPreset {
        name: "english-gpt",
        summary: "GPT-2-style: causal, learned positions, pre-norm",
        settings: || english("gpt2", "causal-lm"),
    },
    TrainingPreset {
        name: "english-bert",
        summary: "BERT-style: bidirectional, masked LM; ALiBi, because learned positions do not help in so few steps",
        settings: || Settings { positions: Some("alibi".into()), ..english("bert", "masked-lm") },
    },
    TrainingPreset {
        name: "english-bert-mixed",
        summary: "the same with half of the heads looking back and half ahead",
        settings: || Settings {
            positions: Some("alibi".into()),
            directions: Some("mixed".into()),
            ..english("bert", "masked-lm")
        },
    },
    TrainingPreset {
        name: "english-gpt-linear",
        summary: "the GPT with linear attention",
        settings: || Settings { attention: Some("linear".into()), ..english("gpt2", "causal-lm") },
    },
    TrainingPreset {
        name: "english-causal",
        summary: "DecLLM-style: rotary positions, normalised heads, causal; the twin of english-prefix",
        settings: || Settings { mask: "causal".into(), ..gated("decllm") },
    },
    TrainingPreset {
        name: "english-prefix",
        summary: "the same, reading its prefix in both directions",
        settings: || gated("decllm"),
    },
    TrainingPreset {
        name: "english-t5",
        summary: "T5-style (1.1): encoder and decoder, relative positions, prefix LM",
        settings: || Settings {
            layers_of: LayersOf::BothStacks,
            config: BTreeMap::from([
                ("feed_forward_proj".to_owned(), "gated-gelu".into()),
                ("tie_word_embeddings".to_owned(), false.into()),
            ]),
            ..gated("t5")
        },
    },
    TrainingPreset {
        name: "english-redllm",
        summary: "RedLLM-style: encoder and decoder, one count of rotary positions, prefix LM",
        settings: || Settings { layers_of: LayersOf::BothStacks, ..gated("redllm") },
    },
];

/// The settings that the shipped checkpoints share.
fn english(family: &str, objective: &str) -> Settings {
    Settings {
        family: family.into(),
        objective: objective.into(),
        tokenizer: Some("english".into()),
        layers: 4,
        width: 128,
        length: 128,
        dropout: 0.1,
        steps: 1500,
        rate: 2e-3,
        evaluate_every: 150,
        record_every: 150,
        ..Settings::default()
    }
}

/// A prefix LM whose feed-forward networks have a gate, and so a smaller F.
fn gated(family: &str) -> Settings {
    Settings { feed_forward: Some(344), ..english(family, "prefix-lm") }
}

/// The presets in words, one line for each.
pub fn presets_in_words() -> String {
    TRAINING_PRESETS.iter().fold(String::new(), |mut text, preset| {
        let _ = writeln!(text, "  {:20} {}", preset.name, preset.summary); // a String takes all
        text
    })
}

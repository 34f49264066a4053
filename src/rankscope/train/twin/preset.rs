//! Twins with a name: the comparisons that the argument is about, each with its smallest effect stated beforehand.

use super::Twin;
use crate::error::Result;
use crate::train::{LayersOf, Settings, named};

/// A twin with a name.
pub struct TwinPreset {
    /// Its name.
    pub name: &'static str,
    /// The question that it asks.
    pub question: &'static str,
    /// Where the question comes from.
    pub source: &'static str,
    base: fn() -> Settings,
    /// The key in which the variants differ.
    pub key: &'static str,
    /// Its values, the reference first.
    pub values: &'static [&'static str],
    /// The metric that is compared.
    pub metric: &'static str,
    /// The smallest difference that matters.
    pub smallest: f64,
}

/// The number of seeds of a preset.
pub const SEEDS: usize = 5;
/// The factor by which `--full` multiplies the steps.
pub const FULL: usize = 5;

impl TwinPreset {
    /// The twin called `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) listing the names of all twins.
    pub fn find(name: &str) -> Result<&'static TwinPreset> {
        named(TWIN_PRESETS, |preset| preset.name, name, "twin", format!("{name:?}"))
    }

    /// The settings that the variants share.
    pub fn base(&self) -> Settings {
        (self.base)()
    }

    /// The twin of `base`, which may differ from the preset's, with `seeds` seeds.
    ///
    /// # Errors
    /// As [`Twin::vary`].
    pub fn twin(&self, base: &Settings, seeds: usize) -> Result<Twin> {
        let values: Vec<String> = self.values.iter().map(|&value| value.to_owned()).collect();
        Twin::vary(base, self.key, &values, seeds, self.metric, self.smallest)
    }
}

const K: &str = "science of the project, proposals for trained experiments";
const SU: &str = "Su 2023 (kexue.fm 9529)";
const MASKS: &[&str] = &["causal", "prefix(given)"];

// Presets that are derived from one of these share its measure and smallest effect on purpose.
const DIRECTIONS: TwinPreset = TwinPreset {
    name: "directions",
    question: "half of the heads looking back and half ahead, against all heads looking both ways, under masked LM",
    source: SU,
    base: encoder,
    key: "directions",
    values: &["null", "mixed"],
    metric: "loss",
    smallest: 0.02,
};

const STACKS: TwinPreset = TwinPreset {
    name: "stacks-equal-operations",
    question: "decoder against encoder-decoder, as many layers for each token",
    source: "RedLLM (arXiv 2510.26622)",
    base: continuation,
    key: "family",
    values: &["decllm", "redllm"],
    metric: "loss",
    smallest: 0.02,
};

const SORTING: TwinPreset = TwinPreset {
    name: "input-mask-sort",
    question: "GPT against UniLM, loss on the output alone: sorting 12 digits",
    source: "proposal 3 (ii)",
    base: || Settings { data: "sort(items=12)".into(), ..outputs() },
    key: "mask",
    values: MASKS,
    metric: "loss",
    smallest: 0.02,
};

const QUERY_FIRST: TwinPreset = TwinPreset {
    name: "input-mask-query-first",
    question: "recall with the query before the pairs: can a causal prefix route what it has read already?",
    source: "proposal 3 (iii)",
    base: || Settings { data: "recall(pairs=8, query=before)".into(), ..outputs() },
    key: "mask",
    values: MASKS,
    metric: "accuracy",
    smallest: 0.05,
};

/// Every preset. Proposals 1 (a fit without training) and 7 (collapse without training) are the claims
/// `head-size-bottleneck` and `depth-collapse`.
pub static TWIN_PRESETS: &[TwinPreset] = &[
    TwinPreset {
        name: "head-size-mixing",
        question: "does a small head limit the learning of a dense fixed mixing of positions, without a mask?",
        source: "Bhojanapalli et al. 2020 (arXiv 2002.07028); proposal 2, task A",
        base: || placed("mixing"),
        key: "head_size",
        values: &["31", "2", "4", "8", "16", "48"],
        metric: "error_over_variance",
        smallest: 0.02,
    },
    TwinPreset {
        name: "head-size-permutation",
        question: "does a small head limit the learning of a permutation, which needs sharp attention only?",
        source: "proposal 2, task B",
        base: || placed("permutation"),
        key: "head_size",
        values: &["31", "2", "4", "8", "16", "48"],
        metric: "accuracy",
        smallest: 0.02,
    },
    TwinPreset {
        name: "head-size-text",
        question: "does a head of 4 cost a language model anything against one of 16?",
        source: "proposal 2, task C",
        base: text,
        key: "head_size",
        values: &["16", "4", "32"],
        metric: "loss",
        smallest: 0.02,
    },
    TwinPreset {
        name: "input-mask-text",
        question: "GPT against UniLM: does reading the input in both directions help to continue a text?",
        source: "Su 2023 (kexue.fm 9529), section on GPT and UniLM; proposal 3 (i)",
        base: continuation,
        key: "mask",
        values: MASKS,
        metric: "loss",
        smallest: 0.01,
    },
    SORTING,
    TwinPreset {
        name: "input-mask-reverse",
        question: "GPT against UniLM, loss on the output alone: reversing 12 digits",
        base: || Settings { data: "reverse(items=12)".into(), ..outputs() },
        ..SORTING
    },
    QUERY_FIRST,
    TwinPreset {
        name: "input-mask-query-last",
        question: "recall with the query behind the pairs",
        base: || Settings { data: "recall(pairs=8, query=after)".into(), ..outputs() },
        ..QUERY_FIRST
    },
    TwinPreset {
        name: "input-mask-count",
        question: "counting the letters that equal the last one: what a causal prefix has counted when it is read",
        source: "arXiv 2410.01600; arXiv 2407.15160",
        base: || Settings { data: "count(items=8)".into(), length: 12, batch: 32, ..outputs() },
        key: "mask",
        values: MASKS,
        metric: "accuracy",
        smallest: 0.05,
    },
    TwinPreset {
        name: "in-context-mask",
        question: "linear regression from examples in the context, read causally or in both directions",
        source: "Garg et al. 2022 (arXiv 2208.01066); arXiv 2308.06912",
        base: regression,
        key: "mask",
        values: MASKS,
        metric: "error_over_variance",
        smallest: 0.05,
    },
    TwinPreset {
        name: "in-context-stacks",
        question: "the same in a decoder and in an encoder with a decoder, about as many parameters",
        source: "Garg et al. 2022 (arXiv 2208.01066)",
        base: || Settings { layers_of: LayersOf::BothStacks, layers: 4, ..regression() },
        key: "family",
        values: &["decllm", "redllm"],
        metric: "error_over_variance",
        smallest: 0.05,
    },
    DIRECTIONS,
    TwinPreset {
        name: "directions-none",
        question: "the same without any positions",
        source: K,
        base: || Settings { positions: Some("none".into()), ..encoder() },
        ..DIRECTIONS
    },
    TwinPreset {
        name: "directions-relative",
        question: "the same with a learned bias for each distance",
        source: K,
        base: || Settings { positions: Some("relative".into()), ..encoder() },
        ..DIRECTIONS
    },
    TwinPreset {
        name: "directions-alibi",
        question: "the same with a fixed preference for what is near",
        source: K,
        base: || Settings { positions: Some("alibi".into()), ..encoder() },
        ..DIRECTIONS
    },
    TwinPreset {
        name: "directions-rotary",
        question: "the same with rotary positions",
        source: K,
        base: || Settings { positions: Some("rotary".into()), ..encoder() },
        ..DIRECTIONS
    },
    TwinPreset {
        name: "linear-causal",
        question: "what linear attention loses under a causal mask",
        source: "Su 2023 (kexue.fm 9529), indirect argument; proposal 5",
        base: text,
        key: "attention",
        values: &["softmax", "linear"],
        metric: "loss",
        smallest: 0.02,
    },
    TwinPreset {
        name: "linear-masked",
        question: "what linear attention loses without a mask, under masked LM",
        source: "Su 2023 (kexue.fm 9529), indirect argument; proposal 5",
        base: encoder,
        key: "attention",
        values: &["softmax", "linear"],
        metric: "loss",
        smallest: 0.02,
    },
    TwinPreset {
        name: "linear-recall",
        question: "recall of more pairs than a head has numbers: linear attention's state is too small",
        source: "proposal 5, control",
        base: || Settings { data: "recall(pairs=8, query=after)".into(), family: "gpt2".into(), ..outputs() },
        key: "attention",
        values: &["softmax", "linear"],
        metric: "accuracy",
        smallest: 0.05,
    },
    TwinPreset {
        name: "rank-over-training",
        question: "the ranks of heads while a decoder learns the end of a text, its beginning read causally or both ways",
        source: "proposal 6",
        base: || Settings { record_every: 50, ..continuation() },
        key: "mask",
        values: MASKS,
        metric: "effective_rank",
        smallest: 1.0,
    },
    TwinPreset {
        name: "length-extrapolation",
        question: "trained on 64 tokens, read 256: which positions hold?",
        source: "Press et al. 2021 (arXiv 2108.12409); Kazemnejad et al. 2023 (arXiv 2305.19466)",
        base: || Settings { evaluate_lengths: vec![128, 256], ..text() },
        key: "positions",
        values: &["rotary", "none", "alibi", "relative"],
        metric: "loss_at_256",
        smallest: 0.05,
    },
    STACKS,
    TwinPreset {
        name: "stacks-equal-parameters",
        question: "decoder against encoder-decoder, about as many parameters",
        base: || Settings { layers: 4, layers_of: LayersOf::BothStacks, ..continuation() },
        ..STACKS
    },
];

/// One layer and one head, which must find the places of tokens from positions alone.
fn placed(task: &str) -> Settings {
    Settings {
        family: "bert".into(),
        data: format!("{task}(items=32)"),
        objective: "labelling".into(),
        layers: 1,
        heads: 1,
        length: 65,
        steps: 500,
        evaluate_every: 250,
        ..Settings::default()
    }
}

/// A small GPT-2 on text.
fn text() -> Settings {
    Settings { steps: 600, evaluate_every: 150, ..Settings::default() }
}

/// The continuations of texts, by a [`decoder`].
fn continuation() -> Settings {
    Settings { objective: "prefix-lm".into(), steps: 600, evaluate_every: 150, ..decoder() }
}

/// Settings of a decoder, DecLLM, that state no mask.
fn decoder() -> Settings {
    Settings { family: "decllm".into(), feed_forward: Some(172), ..Settings::default() }
}

/// As [`decoder`], with the loss on outputs only.
fn outputs() -> Settings {
    Settings { objective: "outputs".into(), length: 32, steps: 800, evaluate_every: 200, ..decoder() }
}

/// As [`outputs`], with the value of a linear function as the output.
fn regression() -> Settings {
    Settings { data: "regression(dimensions=1, points=8, bins=8)".into(), length: 20, batch: 32, ..outputs() }
}

/// A small BERT under masked LM.
fn encoder() -> Settings {
    Settings {
        family: "bert".into(),
        objective: "masked-lm".into(),
        steps: 800,
        evaluate_every: 200,
        ..Settings::default()
    }
}

//! [`TaskHead`]: a head that was trained on a body: for labels of a text or of its tokens, for the start and end of an
//! answer, or for a reward.
//!
//! A checkpoint may hold heads beside the body. The table `RECIPES` knows the heads of `transformers` (and the value
//! head of `trl`) that are linear layers; any other head is left out, and [`Record::notes`](super::Record::notes) names
//! both.
//!
//! **Source**: the classes `…ForSequenceClassification`, `…ForTokenClassification`, `…ForQuestionAnswering`,
//! `…ForMultipleChoice`, `…ForNextSentencePrediction` and `…DoubleHeadsModel` of `transformers` 5.24.

use super::builder::Builder;
use super::feed_forward::Activation;
use super::{Config, Input};
use crate::attention::Linear;
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::ops::gather_rows;
use crate::tensor::Tensor;

/// The hidden state that a head reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The pooler's state, computed from the first token's.
    Pooled,
    /// The state of the first token.
    First,
    /// The state of the last token that is not padding.
    Last,
    /// The states of all tokens.
    Each,
}

/// Linear layers, with activations between them, over hidden states.
#[derive(Clone, Debug)]
pub struct TaskHead {
    name: &'static str,
    reads: Reads,
    layers: Vec<(Linear, Option<Activation>)>,
    labels: Vec<String>,
    padding_id: Option<u32>,
}

/// How a head is built, and which models have it.
struct Recipe {
    name: &'static str,
    /// The families that have it; all families if empty.
    families: &'static [&'static str],
    /// Endings of the names of classes that have it.
    classes: &'static [&'static str],
    /// Whether its tensors alone are enough to recognise it, for any class.
    is_sure: bool,
    reads: Reads,
    layers: &'static [(&'static str, Option<Activation>)],
    /// N of a new model; `None` if the configuration states it.
    labels: Option<usize>,
}

const OF_TEXT: &[&str] = &["ForSequenceClassification"];
const OF_CHOICE: &[&str] = &["ForMultipleChoice"];
const OF_TOKENS: &[&str] = &["ForTokenClassification"];
const BERTS: &[&str] = &["bert", "unilm", "roberta", "distilbert"];
const GPTS: &[&str] = &["openai-gpt", "gpt2"];
const LLAMAS: &[&str] = &["llama", "mistral", "qwen2", "mixtral"];
const GPTS_AND_LLAMAS: &[&str] = &["openai-gpt", "gpt2", "llama", "mistral", "qwen2", "mixtral"];

const BASE: Recipe = Recipe {
    name: "classifier",
    families: BERTS,
    classes: OF_TEXT,
    is_sure: false,
    reads: Reads::Pooled,
    layers: &[("classifier", None)],
    labels: None,
};

const DISTILBERT: Recipe = Recipe {
    families: &["distilbert"],
    reads: Reads::First,
    layers: &[("pre_classifier", Some(Activation::Relu)), ("classifier", None)],
    ..BASE
};

const SCORE: Recipe = Recipe {
    name: "score",
    families: GPTS_AND_LLAMAS,
    reads: Reads::Last,
    layers: &[("score", None)],
    ..BASE
};

/// The heads that are computed; of several with the same name, the first that fits.
static RECIPES: &[Recipe] = &[
    Recipe { families: &["bert", "unilm", "roberta"], classes: OF_CHOICE, labels: Some(1), ..BASE },
    Recipe { classes: OF_CHOICE, labels: Some(1), ..DISTILBERT },
    Recipe {
        families: &["roberta"],
        is_sure: true,
        reads: Reads::First,
        layers: &[("classifier.dense", Some(Activation::Tanh)), ("classifier.out_proj", None)],
        ..BASE
    },
    Recipe { is_sure: true, ..DISTILBERT },
    Recipe { families: &["bert", "unilm", "roberta"], ..BASE },
    Recipe { families: BERTS, classes: OF_TOKENS, reads: Reads::Each, ..BASE },
    Recipe { families: &["gpt2", "t5"], classes: OF_TOKENS, reads: Reads::Each, ..BASE },
    SCORE,
    Recipe { families: LLAMAS, classes: OF_TOKENS, reads: Reads::Each, ..SCORE },
    Recipe {
        name: "qa_outputs",
        families: &[],
        classes: &["ForQuestionAnswering"],
        is_sure: true,
        reads: Reads::Each,
        layers: &[("qa_outputs", None)],
        labels: Some(2),
    },
    Recipe {
        name: "cls.seq_relationship",
        families: &["bert", "unilm"],
        classes: &["ForNextSentencePrediction", "ForPreTraining"],
        is_sure: true,
        layers: &[("cls.seq_relationship", None)],
        labels: Some(2),
        ..BASE
    },
    Recipe {
        name: "multiple_choice_head",
        families: GPTS,
        classes: &["DoubleHeadsModel"],
        is_sure: true,
        reads: Reads::Last,
        layers: &[("multiple_choice_head.summary", None)],
        labels: Some(1),
    },
    Recipe {
        name: "v_head",
        families: &[],
        classes: &[],
        is_sure: true,
        reads: Reads::Each,
        layers: &[("v_head.summary", None)],
        labels: Some(1),
    },
];

/// Whether the tensor `name` belongs to a head of the table, computed or not.
pub(super) fn is_of_a_head(name: &str) -> bool {
    let mut layers = RECIPES.iter().flat_map(|recipe| recipe.layers);
    layers.any(|(layer, _)| name.strip_prefix(layer).is_some_and(|rest| rest == ".weight" || rest == ".bias"))
}

/// Takes the heads that the checkpoint holds, or that the class of a new model has.
///
/// # Errors
/// As [`Builder::linear`].
pub(super) fn take(builder: &mut Builder<'_>, width: usize, has_pooler: bool) -> Result<Vec<TaskHead>> {
    let config = builder.config();
    let family: String = config.get("model_type")?;
    let mut heads: Vec<TaskHead> = Vec::new();
    for recipe in RECIPES {
        let is_known = heads.iter().any(|head| head.name == recipe.name);
        let has_state = has_pooler || recipe.reads != Reads::Pooled;
        let is_ours = recipe.families.is_empty() || recipe.families.contains(&family.as_str());
        if !is_known
            && has_state
            && is_ours
            && let Some(head) = recipe.take(builder, width)?
        {
            heads.push(head);
        }
    }
    Ok(heads)
}

impl Recipe {
    /// The head, if the model has it and its layers have the expected shapes.
    fn take(&self, builder: &mut Builder<'_>, width: usize) -> Result<Option<TaskHead>> {
        let config = builder.config();
        let is_stated = config.is_of_class(self.classes)?;
        if !is_stated && !self.is_sure {
            return Ok(None);
        }
        let Some(last) = self.last_activation(config)? else { return Ok(None) };
        let end = self.layers.len() - 1;
        let mut count = self.labels;
        for (at, (layer, _)) in self.layers.iter().enumerate() {
            let weight = format!("{layer}.weight");
            match (builder.has(&weight, is_stated), builder.stored_shape(&weight)) {
                (true, None) if is_stated => {}
                (true, Some(&[rows, columns])) if columns == width && at == end => count = Some(rows),
                (true, Some(&[rows, columns])) if columns == width && rows == width => {}
                _ => return Ok(None),
            }
        }
        let labels = match self.labels {
            None => label_names(config, count)?,
            // The scores of such a head do not depend on the configuration's labels.
            Some(usual) => (0..count.unwrap_or(usual)).map(|score| score.to_string()).collect(),
        };
        let mut layers = Vec::new();
        for (at, (layer, activation)) in self.layers.iter().enumerate() {
            let out = if at == end { (Axis::Row, labels.len()) } else { (Axis::Width, width) };
            // A score of the whole text has no bias.
            let is_biased =
                builder.has(&format!("{layer}.bias"), self.name != "score" || self.reads == Reads::Each);
            let linear = builder.linear(layer, out, (Axis::Width, width), is_biased)?;
            layers.push((linear, if at == end { last } else { *activation }));
        }
        // Where a text ends in padding, the classifier of a decoder reads the last token before the padding.
        let padding_id = config.optional::<i64>("pad_token_id")?.and_then(|id| u32::try_from(id).ok());
        let padding_id = padding_id.filter(|_| self.labels.is_none());
        Ok(Some(TaskHead { name: self.name, reads: self.reads, layers, labels, padding_id }))
    }

    /// The activation after the last layer. For a GPT's second head the configuration decides; `None` if that head does
    /// not read the last token.
    fn last_activation(&self, config: &Config) -> Result<Option<Option<Activation>>> {
        if self.name != "multiple_choice_head" {
            return Ok(Some(None));
        }
        let (kind, name): (Option<String>, Option<String>) =
            (config.optional("summary_type")?, config.optional("summary_activation")?);
        let is_of_last = kind.is_none_or(|kind| kind == "cls_index" || kind == "last");
        Ok(match name.as_deref() {
            _ if !is_of_last => None,
            None => Some(None),
            Some("tanh") => Some(Some(Activation::Tanh)),
            Some(_) => None,
        })
    }
}

/// The names of `count` labels in the configuration; without a count, as many as it states.
fn label_names(config: &Config, count: Option<usize>) -> Result<Vec<String>> {
    let stated: serde_json::Map<String, serde_json::Value> = config.optional("id2label")?.unwrap_or_default();
    let count = match count {
        Some(count) => count,
        None if stated.is_empty() => config.optional_size("num_labels")?.unwrap_or(2),
        None => stated.len(),
    };
    let name = |label: usize| match stated.get(&label.to_string()) {
        Some(serde_json::Value::String(name)) => name.clone(),
        _ => format!("LABEL_{label}"),
    };
    Ok((0..count).map(name).collect())
}

impl TaskHead {
    /// The name of its tensors in the checkpoint; probes see its output as `NAME.output`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The hidden state that it reads.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// The name of each of its N scores in the configuration.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Its scores: `[B, N]` for a head over the whole text, `[B, T, N]` for a head over its tokens.
    ///
    /// **Shapes**: hidden `[B, T, C]`, pooled `[B, C]`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it reads a pooled state and there is none; errors of the operations.
    pub(super) fn forward(&self, hidden: &Tensor, pooled: Option<&Tensor>, input: &Input) -> Result<Tensor> {
        let mut x = match self.reads {
            Reads::Each => hidden.clone(),
            Reads::Pooled => pooled.cloned().ok_or_else(|| {
                Error::invalid(format!("state that {} reads", self.name), "missing", "a pooler's")
            })?,
            Reads::First => of_tokens(hidden, |_| 0)?,
            Reads::Last => of_tokens(hidden, |sequence| self.last(input, sequence))?,
        };
        for (linear, activation) in &self.layers {
            x = linear.forward(&x)?;
            if let Some(activation) = activation {
                x = activation.of(x)?;
            }
        }
        Ok(x)
    }

    /// The last token of a sequence that is not padding; the first token if all are padding.
    fn last(&self, input: &Input, sequence: usize) -> usize {
        let length = input.len();
        let is_token = |&at: &usize| {
            let is_real = input.padding().is_none_or(|padding| padding.is_real(sequence, at));
            is_real && self.padding_id != Some(input.ids()[sequence * length + at])
        };
        (0..length).rev().find(is_token).unwrap_or(0)
    }
}

/// The state of one token of every sequence: `[B, C]` from `[B, T, C]`.
fn of_tokens(hidden: &Tensor, at: impl Fn(usize) -> usize) -> Result<Tensor> {
    let size = |axis| hidden.shape().size(axis).unwrap_or(1);
    let (batch, length, width) = (size(Axis::Batch), size(Axis::Query), size(Axis::Width));
    let rows: Vec<u32> = (0..batch).map(|sequence| (sequence * length + at(sequence)) as u32).collect();
    gather_rows(hidden, &rows)?.reshape([(Axis::Batch, batch), (Axis::Width, width)])
}

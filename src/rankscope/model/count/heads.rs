//! What a class of `architectures` puts on top of a body, from sizes alone.
//!
//! **Source**: the classes of `transformers` 5.24.

use super::parameters::Part;
use super::plan::{Output, Plan, product};
use crate::error::Result;
use crate::model::Config;

/// Heads over masked words, as they are called in a count.
pub(super) const WORDS: &str = "masked_language_model_head";

/// The head that says whether one sentence follows another.
pub(super) const NEXT: &str = "next_sentence_head";

/// What a class is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    /// The hidden states themselves.
    Body,
    /// Those of an encoder, of a family that has a decoder too.
    Encoder,
    /// The next token, or a masked one.
    Words,
    PreTraining,
    NextSentence,
    Sequence,
    Tokens,
    Answers,
    Choice,
    /// The next token, and a choice among texts.
    Double,
}

/// How the names of classes end.
const TASKS: [(&str, Task); 13] = [
    ("EncoderModel", Task::Encoder),
    ("DoubleHeadsModel", Task::Double),
    ("LMHeadModel", Task::Words),
    ("ForCausalLM", Task::Words),
    ("ForMaskedLM", Task::Words),
    ("ForConditionalGeneration", Task::Words),
    ("ForPreTraining", Task::PreTraining),
    ("ForNextSentencePrediction", Task::NextSentence),
    ("ForSequenceClassification", Task::Sequence),
    ("ForTokenClassification", Task::Tokens),
    ("ForQuestionAnswering", Task::Answers),
    ("ForMultipleChoice", Task::Choice),
    ("Model", Task::Body),
];

impl Plan {
    /// With what the class in `architectures` puts on top of the body; as the family is published where it names none.
    pub(super) fn with_class(self, config: &Config) -> Result<Self> {
        let is_bert = ["bert", "unilm", "roberta", "distilbert"].contains(&self.family.as_str());
        let classes = config.classes()?;
        let Some(class) = classes.first() else {
            let apart = Vec::from_iter(is_bert.then(|| Part::head(WORDS, self.words_head())));
            return Ok(Plan { apart, ..self });
        };
        let Some((_, task)) = TASKS.iter().find(|(end, _)| class.ends_with(end)) else {
            let apart = vec![Part::head(format!("the head of {class}"), 0)];
            return Ok(Plan { apart, output: Output::None, ..self });
        };
        let labels = labels(config)?;
        Ok(match self.family.as_str() {
            _ if is_bert => self.of_encoder(*task, labels, is_tied(config)?),
            "t5" => self.of_t5(*task, labels),
            _ => self.of_decoder(*task, labels),
        })
    }

    /// C² + C.
    fn dense(&self) -> u128 {
        self.linear(self.width)
    }

    /// C·n + n.
    fn linear(&self, outputs: usize) -> u128 {
        product([self.width, outputs]) + outputs as u128
    }

    /// BERT's: a dense layer, a norm, and a bias for every token beside the embedding, C² + C + 2·C + V.
    fn words_head(&self) -> u128 {
        self.dense() + 2 * self.width as u128 + self.vocab as u128
    }

    fn of_encoder(self, task: Task, labels: usize, is_tied: bool) -> Self {
        let (is_roberta, is_distilled) = (self.family == "roberta", self.family == "distilbert");
        let untied = if is_tied { 0 } else { product([self.vocab, self.width]) };
        let words = || Part::head(WORDS, self.words_head() + untied);
        let next = || Part::head(NEXT, self.linear(2));
        let classifier = |inner: u128, outputs| Part::head("classifier", inner + self.linear(outputs));
        let inner = if is_roberta || is_distilled { self.dense() } else { 0 };
        let task_heads = match task {
            Task::Body | Task::Encoder => Vec::new(),
            Task::Words => vec![words()],
            Task::PreTraining => vec![words(), next()],
            Task::NextSentence => vec![next()],
            Task::Sequence => vec![classifier(inner, labels)],
            Task::Tokens => vec![classifier(0, labels)],
            Task::Choice | Task::Double => vec![classifier(if is_distilled { inner } else { 0 }, 1)],
            Task::Answers => vec![Part::head("qa_outputs", self.linear(labels))],
        };
        let pools = match task {
            Task::Words | Task::Tokens | Task::Answers => false,
            Task::Sequence => !is_roberta,
            _ => true,
        };
        Plan { has_pooler: self.has_pooler && pools, task_heads, ..self }
    }

    fn of_t5(self, task: Task, labels: usize) -> Self {
        let task_heads = match task {
            Task::Sequence => vec![Part::head("classification_head", self.dense() + self.linear(labels))],
            Task::Tokens => vec![Part::head("classifier", self.linear(labels))],
            Task::Answers => vec![Part::head("qa_outputs", self.linear(labels))],
            _ => Vec::new(),
        };
        let decoder = self.decoder.clone().filter(|_| !matches!(task, Task::Encoder | Task::Tokens));
        let output = if task == Task::Words { self.output } else { Output::None };
        Plan { decoder, output, task_heads, ..self }
    }

    fn of_decoder(self, task: Task, labels: usize) -> Self {
        let is_gpt = ["gpt2", "openai-gpt"].contains(&self.family.as_str());
        let task_heads = match task {
            Task::Sequence => vec![Part::head("score", product([self.width, labels]))],
            Task::Tokens if is_gpt => vec![Part::head("classifier", self.linear(labels))],
            Task::Tokens => vec![Part::head("score", self.linear(labels))],
            Task::Answers => vec![Part::head("qa_outputs", self.linear(2))],
            Task::Double => vec![Part::head("multiple_choice_head", self.linear(1))],
            _ => Vec::new(),
        };
        let output = if matches!(task, Task::Words | Task::Double) { self.output } else { Output::None };
        Plan { output, task_heads, ..self }
    }
}

/// Classes that a head tells apart: as many as have names, otherwise two.
fn labels(config: &Config) -> Result<usize> {
    let named: Option<serde_json::Map<String, serde_json::Value>> = config.optional("id2label")?;
    match named.filter(|names| !names.is_empty()) {
        Some(names) => Ok(names.len()),
        None => Ok(config.optional_size("num_labels")?.unwrap_or(2)),
    }
}

/// Whether the matrix over the vocabulary is the embedding: it is, unless the configuration says otherwise.
fn is_tied(config: &Config) -> Result<bool> {
    Ok(config.optional("tie_word_embeddings")?.unwrap_or(true))
}

//! [`Objective`]s: which tokens are predicted from which. They make batches of examples.

mod classes;
mod cut;
mod mask_setting;
mod masked;
mod sequences;
mod spans;
#[cfg(test)]
mod tests;

pub use mask_setting::MaskSetting;

use rand_chacha::ChaCha8Rng;

use super::{Batch, Example, Vocabulary, named};
use crate::error::{Error, Result};
use crate::model::{Description, MaskChoice};

/// Which tokens are predicted from which.
pub struct Objective {
    /// Its name in settings.
    pub name: &'static str,
    /// A description in one sentence.
    pub summary: &'static str,
    /// The models that can learn it.
    pub models: &'static str,
    /// The data that it needs.
    pub data: &'static str,
    /// The source of the objective.
    pub source: &'static str,
    /// The mask of a stack that predicts, if a run states no mask.
    usual_mask: &'static str,
    /// How many positions a stack needs for examples with this number of tokens.
    context: fn(usize) -> usize,
    build: fn(&Request<'_>, &mut ChaCha8Rng) -> Result<Vec<Batch>>,
}

/// Every objective.
pub static OBJECTIVES: &[Objective] = &[
    Objective {
        name: "causal-lm",
        summary: "every token from those before it",
        models: "one stack",
        data: "texts and tasks",
        source: "Radford et al. 2018, equation 1; full LM in Wang et al. 2022 (arXiv 2204.05832)",
        usual_mask: "as-trained",
        context: |tokens| tokens.saturating_sub(1),
        build: cut::causal,
    },
    Objective {
        name: "prefix-lm",
        summary: "every token behind a prefix whose length is drawn for each batch",
        models: "one stack, an encoder with a decoder",
        data: "texts and tasks",
        source: "Raffel et al. 2019 (arXiv 1910.10683), section 3.2.1; Wang et al. 2022 (arXiv 2204.05832)",
        usual_mask: "prefix(given)",
        context: |tokens| tokens,
        build: cut::prefix,
    },
    Objective {
        name: "outputs",
        summary: "the output from the input: no loss on what is given",
        models: "one stack, an encoder with a decoder",
        data: "tasks, and texts in one stack, where nothing is given",
        source: "Dong et al. 2019 (arXiv 1905.03197), section 2.5: sequence to sequence",
        usual_mask: "as-trained",
        context: |tokens| tokens,
        build: cut::outputs,
    },
    Objective {
        name: "labelling",
        summary: "each token of the output from the token of the input at its place, under any mask",
        models: "one stack",
        data: "tasks with as many tokens in the output as in the input",
        source: "sequence labelling, as token classification in Devlin et al. 2018 (arXiv 1810.04805), section 5.3",
        usual_mask: "as-trained",
        context: |tokens| tokens,
        build: cut::labelling,
    },
    Objective {
        name: "span-corruption",
        summary: "spans of 3 tokens on average, 15 % of all, that were cut out",
        models: "one stack, an encoder with a decoder",
        data: "texts and tasks",
        source: "Raffel et al. 2019 (arXiv 1910.10683), section 3.1.4",
        usual_mask: "as-trained",
        context: spans::context,
        build: spans::batches,
    },
    Objective {
        name: "masked-lm",
        summary: "15 % of the tokens: 80 % of them replaced by <mask>, 10 % by another token, 10 % left",
        models: "one stack",
        data: "texts and tasks",
        source: "Devlin et al. 2018 (arXiv 1810.04805), section 3.1, task 1",
        usual_mask: "as-trained",
        context: |tokens| tokens,
        build: masked::masked_lm,
    },
    Objective {
        name: "next-sentence",
        summary: "masked-lm over two halves, and whether the second one follows the first",
        models: "one stack with BERT's second head (class BertForPreTraining)",
        data: "texts, at least two examples a batch",
        source: "Devlin et al. 2018 (arXiv 1810.04805), section 3.1, task 2",
        usual_mask: "as-trained",
        context: |tokens| tokens + masked::SPECIAL,
        build: masked::next_sentence,
    },
    Objective {
        name: "classification",
        summary: "the output from the last state of the input, and half of the causal-lm loss of the input",
        models: "one stack with a head for classes beside the output layer (…LMHeadModel and …ForSequenceClassification)",
        data: "tasks whose output is one token",
        source: "Radford et al. 2018, equations 3 to 5",
        usual_mask: "as-trained",
        context: |tokens| tokens + 1,
        build: classes::classification,
    },
];

impl Objective {
    /// The objective called `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] listing the names of all objectives.
    ///
    /// ```
    /// use rankscope::train::Objective;
    /// assert_eq!(Objective::find("masked-lm")?.models, "one stack");
    /// assert!(Objective::find("mlm").is_err());
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn find(name: &str) -> Result<&'static Objective> {
        named(OBJECTIVES, |objective| objective.name, name, "objective", format!("{name:?}"))
    }

    /// The most positions that a stack needs for examples of `tokens` tokens.
    pub fn context(&self, tokens: usize) -> usize {
        (self.context)(tokens)
    }

    /// The mask of one stack for a sequence with `given` given tokens: the run's mask, or else the objective's.
    ///
    /// # Errors
    /// As for reading the mask's text.
    pub fn mask_at(&self, mask: &MaskSetting, given: usize) -> Result<MaskChoice> {
        mask_setting::at(mask.stated().unwrap_or(self.usual_mask), given)
    }

    /// Batches of `examples` for a model: one, or, if the mask depends on the number of given tokens, one for each such
    /// number. Their [`counts`](Batch::counts) are their weights.
    ///
    /// **Conventions**: padding at the end of an example is not part of it. In one stack position t predicts token t +
    /// 1, and the last token is predicted but not read; a decoder reads the start token and then its output.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming what does not fit: a model that cannot learn this, a mask under which a position sees
    /// the token that it has to predict, an example that is too short, or unsuitable data.
    pub fn batches(
        &self,
        examples: &[Example],
        vocabulary: Vocabulary,
        model: &Description,
        mask: &MaskSetting,
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Batch>> {
        if examples.is_empty() {
            return Err(Error::invalid("number of examples in a batch", 0, "at least 1"));
        }
        (self.build)(&Request { objective: self, examples, vocabulary, model, mask }, random)
    }
}

/// The arguments from which batches are made.
struct Request<'a> {
    objective: &'a Objective,
    examples: &'a [Example],
    vocabulary: Vocabulary,
    model: &'a Description,
    mask: &'a MaskSetting,
}

impl Request<'_> {
    /// The examples without the padding after them.
    fn unpadded(&self) -> impl Iterator<Item = Example> {
        let padding = self.vocabulary.padding();
        self.examples.iter().map(move |example| {
            let end = example.tokens.iter().rposition(|&token| token != padding).map_or(0, |at| at + 1);
            Example { tokens: example.tokens[..end].to_vec(), given: example.given.min(end) }
        })
    }

    /// The text of the mask: the run's, or else the objective's.
    fn mask(&self) -> &str {
        match (self.mask.stated(), &self.model.encoder) {
            (Some(mask), _) => mask,
            (None, Some(_)) => "as-trained",
            (None, None) => self.objective.usual_mask,
        }
    }

    /// The mask for sequences with `given` given tokens.
    fn mask_at(&self, given: usize) -> Result<MaskChoice> {
        mask_setting::at(self.mask(), given)
    }

    fn expect_one_stack(&self, instead: &str) -> Result<()> {
        match self.model.encoder {
            None => Ok(()),
            Some(_) => {
                let got = format!("an encoder-decoder ({})", self.model.family);
                Err(Error::invalid(self.what("model"), got, format!("one stack, or {instead}")))
            }
        }
    }

    /// An error about an example.
    fn unfit(&self, got: impl ToString, expected: impl ToString) -> Error {
        Error::invalid(self.what("example"), got, expected)
    }

    fn what(&self, what: &str) -> String {
        format!("{what} for the objective {}", self.objective.name)
    }
}

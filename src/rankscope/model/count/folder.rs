//! [`Plan::of_folder`]: a model folder, counted by what its checkpoint holds.

use std::collections::HashSet;
use std::path::Path;

use super::heads::{NEXT, WORDS};
use super::parameters::{Part, total};
use super::plan::{Output, Plan};
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::model::checkpoint::{INDEX, SINGLE};
use crate::model::make::outline_of;
use crate::model::{Checkpoint, Config};

/// The first parts of names of heads, which stand outside the body.
const HEADS: [&str; 11] = [
    "cls",
    "classifier",
    "pre_classifier",
    "score",
    "v_head",
    "qa_outputs",
    "multiple_choice_head",
    "classification_head",
    "vocab_transform",
    "vocab_layer_norm",
    "vocab_projector",
];

/// The ends of names of what is stored beside the parameters: masks, positions, frequencies, copies of the embedding,
/// a bias that T5 never reads.
const NO_PARAMETERS: [&str; 6] = [
    ".attn.bias",
    ".attn.masked_bias",
    "position_ids",
    "inv_freq",
    "coder.embed_tokens.weight",
    "EncDecAttention.relative_attention_bias.weight",
];

impl Plan {
    /// The sizes of the model in a folder, with the output layer, the pooler and the heads that its checkpoint holds;
    /// without a checkpoint, those that its configuration states.
    ///
    /// **Conventions**: two matrices that the configuration ties are one, unless both are stored and differ. Tensors
    /// that the body has no place for are heads, whatever they are for.
    ///
    /// # Errors
    /// As [`Plan::of`], those of loading the model, and [`Error::Format`] if the checkpoint holds more numbers or fewer
    /// than all parts together.
    pub fn of_folder(folder: &Path) -> Result<Plan> {
        let config = Config::open(folder)?;
        let plan = Plan::of(&config)?;
        if ![SINGLE, INDEX].iter().any(|name| folder.join(name).is_file()) {
            return Ok(plan);
        }
        let checkpoint = Checkpoint::open(folder)?;
        let held = Held::of(&config, &checkpoint)?;
        let plan = plan.holding(&held);
        let (counted, held) = (total(&plan.parts()), held.parameters());
        if counted == held {
            return Ok(plan);
        }
        let problem =
            format!("holds {held} numbers, expected the {counted} that its configuration describes");
        Err(Error::format(checkpoint.path(), problem))
    }

    fn holding(self, held: &Held) -> Self {
        // An encoder without the decoder that its configuration tells of.
        let is_half = self.encoder.is_some() && !held.is_pair;
        let decoder = self.decoder.filter(|_| !is_half);
        let is_alone = self.encoder.is_some() && decoder.is_none();
        let output = match (held.has("lm_head.weight") && !is_alone, held.tables) {
            (true, 2..) => Output::Own,
            _ if is_alone => Output::None,
            // Stated but not there.
            _ if self.output == Output::Own => Output::None,
            _ => self.output,
        };
        let has_pooler = held.tensors.iter().any(|(name, _)| name.ends_with("pooler.dense.weight"));
        let mut task_heads: Vec<Part> = Vec::new();
        for (name, parameters) in &held.tensors {
            let Some(head) = head_of(name, is_alone, held.has(name)) else { continue };
            match task_heads.iter_mut().find(|part| part.name == head) {
                Some(part) => *part = Part::head(head, part.parameters + parameters),
                None => task_heads.push(Part::head(head, *parameters)),
            }
        }
        Plan { decoder, output, has_pooler, task_heads, apart: Vec::new(), ..self }
    }
}

/// The head that a tensor belongs to; `None` for one of the body or the output layer.
fn head_of(name: &str, is_encoder: bool, is_taken: bool) -> Option<&str> {
    let first = name.split('.').next().unwrap_or(name);
    match first {
        _ if name.starts_with("cls.seq_relationship.") => Some(NEXT),
        "cls" | "vocab_transform" | "vocab_layer_norm" | "vocab_projector" => Some(WORDS),
        "lm_head" if is_encoder => Some(WORDS),
        "pre_classifier" => Some("classifier"),
        _ if HEADS.contains(&first) || !is_taken => Some(first),
        _ => None,
    }
}

/// Every parameter of a checkpoint once.
struct Held {
    /// Names and numbers: what the model takes, then what is left of the checkpoint.
    tensors: Vec<(String, u128)>,
    /// What the model takes.
    taken: HashSet<String>,
    /// Tables `[V, C]` among it.
    tables: usize,
    /// Whether it is an encoder and a decoder.
    is_pair: bool,
}

impl Held {
    fn of(config: &Config, checkpoint: &Checkpoint) -> Result<Self> {
        let outline = outline_of(config, Some(checkpoint.clone()))?;
        let is_table = |axes: &[(Axis, usize)]| matches!(axes, [(Axis::Vocab, _), (Axis::Width, _)]);
        let tables = outline.tensors.iter().filter(|(_, shape)| is_table(shape.axes())).count();
        let is_pair = outline.description.encoder.is_some();
        let taken: HashSet<String> = outline.tensors.iter().map(|(name, _)| name.clone()).collect();
        let mut tensors: Vec<_> =
            outline.tensors.into_iter().map(|(name, shape)| (name, shape.len() as u128)).collect();
        let mut rest = checkpoint.names();
        rest.retain(|name| !taken.contains(name) && !NO_PARAMETERS.iter().any(|end| name.ends_with(end)));
        rest.sort();
        for name in rest {
            let mut is_copy = false;
            for other in &taken {
                is_copy = is_copy || checkpoint.same(&name, other)?;
            }
            if !is_copy {
                let parameters = checkpoint.numbers(&name) as u128;
                tensors.push((name, parameters));
            }
        }
        tensors.retain(|(_, parameters)| *parameters > 0);
        Ok(Held { tensors, taken, tables, is_pair })
    }

    fn has(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    fn parameters(&self) -> u128 {
        self.tensors.iter().map(|(_, parameters)| parameters).sum()
    }
}

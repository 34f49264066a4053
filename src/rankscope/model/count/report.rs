//! All counts of one model, to be printed or written as JSON.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::bytes::Bytes;
use super::operations::{Load, Operations, Pairs};
use super::parameters::{Part, active, body, non_embedding, total};
use super::sizes::{ModelSizes, Output, Sees};
use crate::error::Result;
use crate::model::preset::Preset;
use crate::weight::Dtype;

/// The parameters and costs of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Count {
    /// The name that the caller asked for.
    pub name: String,
    /// Where a preset's sizes are published.
    pub source: Option<&'static str>,
    /// Which sizes that source states and which it does not.
    pub stated: Option<&'static str>,
    /// The sizes, where they are known.
    pub sizes: Option<ModelSizes>,
    /// The parameters of the body and of the heads.
    pub parameters: Parameters,
    /// Operations and bytes, where the sizes are known.
    pub costs: Option<Costs>,
}

/// Parameters, part by part.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    /// All parameters.
    pub total: u128,
    /// The parameters that one token uses.
    pub active: u128,
    /// The body alone, without an output layer of its own and heads; `None` where only totals are known.
    pub body: Option<u128>,
    /// The body without its tables; `None` where only totals are known.
    pub non_embedding: Option<u128>,
    /// The parts that add up to the total.
    pub parts: Vec<Part>,
    /// Heads that the total leaves out.
    pub apart: Vec<Part>,
}

/// Operations and bytes for a load.
#[derive(Clone, Debug, Serialize)]
pub struct Costs {
    /// Batch and tokens.
    #[serde(flatten)]
    pub load: Load,
    /// Operations of the forward pass if masked pairs are skipped.
    pub forward: Operations,
    /// Operations of the forward pass with a kernel that computes all scores.
    pub forward_all_pairs: Operations,
    /// Operations of the forward and the backward pass.
    pub training: Operations,
    /// Bytes.
    pub memory: Bytes,
    /// The assumptions behind these numbers, one sentence each.
    pub assumptions: Vec<String>,
}

impl Parameters {
    fn of(sizes: &ModelSizes) -> Self {
        let parts = sizes.parts();
        Parameters {
            total: total(&parts),
            active: active(&parts),
            body: Some(body(&parts)),
            non_embedding: Some(non_embedding(&parts)),
            apart: sizes.apart.clone(),
            parts,
        }
    }

    fn told(parts: Vec<Part>) -> Self {
        let (total, active) = (total(&parts), active(&parts));
        Parameters { total, active, body: None, non_embedding: None, parts, apart: Vec::new() }
    }
}

impl Count {
    /// The count for known sizes.
    pub fn of_sizes(name: impl Into<String>, sizes: ModelSizes, load: Load, dtype: Dtype) -> Self {
        let costs = Costs {
            load,
            forward: sizes.forward(load, Pairs::Allowed),
            forward_all_pairs: sizes.forward(load, Pairs::All),
            training: sizes.training(load, Pairs::Allowed),
            memory: sizes.memory(load, dtype),
            assumptions: assumptions(&sizes, load, dtype),
        };
        Count {
            name: name.into(),
            source: None,
            stated: None,
            parameters: Parameters::of(&sizes),
            sizes: Some(sizes),
            costs: Some(costs),
        }
    }

    /// The count of a preset; `load` chooses the load from its sizes, where they are known.
    ///
    /// # Errors
    /// As [`Preset::sizes`] and the errors of `load`.
    pub fn of_preset(
        preset: &Preset,
        load: impl FnOnce(&ModelSizes) -> Result<Load>,
        dtype: Dtype,
    ) -> Result<Self> {
        let (source, stated) = (Some(preset.source), Some(preset.stated));
        if preset.has_sizes() {
            let sizes = preset.sizes()?;
            let load = load(&sizes)?;
            return Ok(Count { source, stated, ..Count::of_sizes(preset.name, sizes, load, dtype) });
        }
        let parameters = Parameters::told(preset.parts()?);
        Ok(Count { name: preset.name.to_owned(), source, stated, sizes: None, parameters, costs: None })
    }
}

/// The assumptions behind the numbers of a count, one sentence each.
pub fn assumptions(sizes: &ModelSizes, load: Load, dtype: Dtype) -> Vec<String> {
    let mut all = vec![
        "2 operations for every weight of a product and token that visits it, 4·H·D for every query, key and layer; \
         norms, softmax, activations and lookups left out"
            .to_owned(),
    ];
    let (source, target) = (load.source, load.target());
    if sizes.encoder.is_some() && sizes.decoder.is_some() {
        all.push(format!(
            "the encoder reads {source} tokens and the decoder writes {target}, all of them predicted"
        ));
    } else if sizes.decoder.is_some() {
        all.push("every position is predicted".to_owned());
    } else {
        all.push("hidden states only: the pooler and heads apart are left out of the operations".to_owned());
    }
    if sizes.stacks().any(|(_, stack)| stack.sees != Sees::All) {
        all.push(
            "pairs that the mask forbids are skipped; beside it, all pairs of queries and keys".to_owned(),
        );
    }
    all.push(
        "training: the backward pass costs twice the forward pass, nothing is computed again".to_owned(),
    );
    all.push(format!("weights, cache and scores in {dtype}; scores are those of a kernel that stores them"));
    for (name, stack) in sizes.stacks() {
        let network = &stack.feed_forward;
        if network.experts > 1 {
            let (active, experts) = (network.active, network.experts);
            all.push(format!("a token visits {active} of {experts} feed-forward networks of a {name} layer"));
        }
        if let Sees::Window(window) = stack.sees {
            let layers = match stack.full_layers {
                0 => String::new(),
                full => format!(" in {} of {} layers", stack.layers - full, stack.layers),
            };
            all.push(format!(
                "a position of the {name} sees the last {window}{layers} and its cache holds no more"
            ));
        }
    }
    if sizes.decoder.as_ref().is_some_and(|stack| stack.self_attention.is_linear()) {
        all.push(
            "a decoder of linear or state-space attention keeps running sums (generation here keeps keys and values)"
                .to_owned(),
        );
    }
    if sizes.output == Output::Tied {
        all.push("the output layer is the embedding, counted once".to_owned());
    }
    all
}

impl Serialize for Operations {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Operations", 4)?;
        fields.serialize_field("total", &self.total())?;
        fields.serialize_field("layers", &self.layers)?;
        fields.serialize_field("attention", &self.attention)?;
        fields.serialize_field("logits", &self.logits)?;
        fields.end()
    }
}

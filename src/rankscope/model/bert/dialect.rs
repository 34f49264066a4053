//! The names of fields and tensors in BERT and the families derived from it.

use crate::model::feed_forward::Activation;
use crate::ops::GeluForm;

/// The names of one family.
pub(in crate::model) struct Dialect {
    /// The family on the registry.
    pub(super) family: &'static str,
    /// The prefix of tensor names in a model with a head.
    pub(super) prefix: &'static str,
    /// The fields for C, H, F, L and the activation.
    pub(super) fields: Fields,
    /// The prefix of the layers' tensor names.
    pub(super) layers: &'static str,
    /// The names of a layer's parts.
    pub(super) parts: Parts,
    /// The names of the head's parts.
    pub(super) head: HeadParts,
    /// Whether there are segments and a pooler.
    pub(super) has_segments: bool,
    /// Whether only tokens are counted as positions, the first one being the padding's id plus 1.
    pub(super) counts_tokens: bool,
    /// Whether the model was also trained as a prefix-LM.
    pub(super) has_prefix: bool,
    /// The endings of the class names of models without a pooler.
    pub(super) without_pooler: &'static [&'static str],
}

pub(super) struct Fields {
    pub(super) width: &'static str,
    pub(super) heads: &'static str,
    pub(super) feed_forward: &'static str,
    pub(super) layers: &'static str,
    pub(super) activation: &'static str,
}

pub(super) struct Parts {
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) output: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) output_norm: &'static str,
}

pub(super) struct HeadParts {
    pub(super) transform: &'static str,
    pub(super) norm: &'static str,
    /// The output layer of the head: its weight may be tied to the embedding, its bias is not.
    pub(super) decoder: &'static str,
    /// A second name of the decoder's bias, for checkpoints that tie both names.
    pub(super) bias: Option<&'static str>,
    /// The activation after the transform, where it is not that of the layers.
    pub(super) activation: Option<Activation>,
}

const FIELDS: Fields = Fields {
    width: "hidden_size",
    heads: "num_attention_heads",
    feed_forward: "intermediate_size",
    layers: "num_hidden_layers",
    activation: "hidden_act",
};

const PARTS: Parts = Parts {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};

const HEAD: HeadParts = HeadParts {
    transform: "cls.predictions.transform.dense",
    norm: "cls.predictions.transform.LayerNorm",
    decoder: "cls.predictions.decoder",
    bias: Some("cls.predictions.bias"),
    activation: None,
};

const OF_BERT: Dialect = Dialect {
    family: "bert",
    prefix: "bert.",
    fields: FIELDS,
    layers: "encoder.layer",
    parts: PARTS,
    head: HEAD,
    has_segments: true,
    counts_tokens: false,
    has_prefix: false,
    without_pooler: &["ForMaskedLM", "LMHeadModel", "ForTokenClassification", "ForQuestionAnswering"],
};

/// Devlin et al. 2018.
pub(in crate::model) static BERT: Dialect = OF_BERT;

/// Dong et al. 2019: with the tensor names of BERT.
pub(in crate::model) static UNILM: Dialect = Dialect { family: "unilm", has_prefix: true, ..OF_BERT };

/// Liu et al. 2019.
pub(in crate::model) static ROBERTA: Dialect = Dialect {
    family: "roberta",
    prefix: "roberta.",
    head: HeadParts {
        transform: "lm_head.dense",
        norm: "lm_head.layer_norm",
        decoder: "lm_head.decoder",
        bias: Some("lm_head.bias"),
        activation: Some(Activation::Gelu(GeluForm::Exact)),
    },
    counts_tokens: true,
    without_pooler: &[
        "ForMaskedLM",
        "ForCausalLM",
        "ForSequenceClassification",
        "ForTokenClassification",
        "ForQuestionAnswering",
    ],
    ..OF_BERT
};

/// Sanh et al. 2019.
pub(in crate::model) static DISTILBERT: Dialect = Dialect {
    family: "distilbert",
    prefix: "distilbert.",
    fields: Fields {
        width: "dim",
        heads: "n_heads",
        feed_forward: "hidden_dim",
        layers: "n_layers",
        activation: "activation",
    },
    layers: "transformer.layer",
    parts: Parts {
        query: "attention.q_lin",
        key: "attention.k_lin",
        value: "attention.v_lin",
        output: "attention.out_lin",
        attention_norm: "sa_layer_norm",
        up: "ffn.lin1",
        down: "ffn.lin2",
        output_norm: "output_layer_norm",
    },
    head: HeadParts {
        transform: "vocab_transform",
        norm: "vocab_layer_norm",
        decoder: "vocab_projector",
        bias: None,
        activation: None,
    },
    has_segments: false,
    counts_tokens: false,
    has_prefix: false,
    without_pooler: &[],
};

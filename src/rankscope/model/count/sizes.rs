//! [`ModelSizes`]: the sizes that determine the cost of a model.

use serde::Serialize;

use super::parameters::Part;

/// The sizes of a model, in one alphabet for every family.
///
/// **Conventions**: a size that a family does not have is 0 (positions of a rotary model, segments of a decoder); a
/// missing stack is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelSizes {
    /// `model_type` of the configuration.
    pub family: String,
    /// C.
    pub width: usize,
    /// V.
    pub vocab: usize,
    /// The longest sequence, in tokens, if there is a limit.
    pub context: Option<usize>,
    /// P, rows of a learned table of positions.
    pub positions: usize,
    /// Rows of a table of segments (BERT).
    pub segments: usize,
    /// Numbers of a norm after the embeddings (BERT).
    pub embedding_norm: usize,
    /// Layers that read the whole input.
    pub encoder: Option<StackSizes>,
    /// Layers that read from left to right.
    pub decoder: Option<StackSizes>,
    /// The output layer.
    pub output: Output,
    /// A dense layer C → C over the first token (BERT).
    pub has_pooler: bool,
    /// Heads on top of the body: for masked words, classes or answers.
    #[serde(skip)]
    pub task_heads: Vec<Part>,
    /// Heads that the family has but a bare model leaves out.
    #[serde(skip)]
    pub apart: Vec<Part>,
}

/// The output layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The embedding, used again: no parameters of its own.
    Tied,
    /// A matrix `[V, C]` of its own.
    Own,
    /// Nothing: the bare model ends with its hidden states.
    #[default]
    None,
}

/// Equal layers one after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StackSizes {
    /// L.
    pub layers: usize,
    /// The attention of positions to positions of the same sequence.
    pub self_attention: AttentionSizes,
    /// The attention to the encoder's output.
    pub cross_attention: Option<AttentionSizes>,
    /// The feed-forward network after attention.
    pub feed_forward: FeedForwardSizes,
    /// Norms in each layer.
    pub norms: usize,
    /// A norm after the last layer.
    pub has_final_norm: bool,
    /// Numbers of one norm: C for a gain, 2C with a bias, 0 without either.
    pub norm_size: usize,
    /// Numbers of position biases that all layers share (T5: buckets × H).
    pub position_biases: usize,
    /// The positions that a position may attend to.
    pub sees: Sees,
    /// The number of layers in which a position may attend to all earlier positions although `sees` is a window.
    pub full_layers: usize,
}

/// The positions that a position may attend to in self-attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sees {
    /// Every position.
    #[default]
    All,
    /// Itself and the positions on one side of it; in a decoder, the earlier positions.
    Past,
    /// The nearest positions of that side, as many as the number says, including itself.
    Window(usize),
}

/// The sizes of an attention layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AttentionSizes {
    /// H.
    pub heads: usize,
    /// G.
    pub kv_heads: usize,
    /// D.
    pub head_size: usize,
    /// Queries, keys and values are biased.
    pub has_bias: bool,
    /// The output projection is biased.
    pub has_output_bias: bool,
    /// How many numbers the running sums of a head have, which replace pairs, keys and values: D·(D + 1) in linear
    /// attention, D·D in state-space attention, 0 in all others.
    pub state: usize,
    /// A gate `[HD, C]`, with a bias, on the context.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_gate: bool,
    /// How many parameters the mechanism itself has: sinks, λ, decays.
    #[serde(skip_serializing_if = "is_zero")]
    pub mechanism: usize,
}

/// The sizes of a feed-forward network, or of several, among which a router chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FeedForwardSizes {
    /// F.
    pub width: usize,
    /// Matrices between C and F: 2, or 3 with a gate.
    pub matrices: usize,
    /// Every matrix is biased.
    pub has_bias: bool,
    /// E, networks side by side; 1 without a router.
    pub experts: usize,
    /// The number of networks that each token uses.
    pub active: usize,
}

impl AttentionSizes {
    /// Whether running sums replace pairs, at a cost linear in the number of tokens.
    pub(super) fn is_linear(&self) -> bool {
        self.state > 0
    }

    /// C·HD, the matrix of the queries (and of the output, transposed).
    pub(super) fn query_matrix(&self, width: usize) -> u128 {
        product([width, self.heads, self.head_size])
    }

    /// C·GD, the matrix of the keys (and that of the values).
    pub(super) fn key_matrix(&self, width: usize) -> u128 {
        product([width, self.kv_heads, self.head_size])
    }

    /// 2·C·HD + 2·C·GD, and C·HD of a gate: the weights that a position uses in self-attention.
    pub(super) fn matrices(&self, width: usize) -> u128 {
        let gates = u128::from(self.has_gate);
        (2 + gates) * self.query_matrix(width) + 2 * self.key_matrix(width)
    }

    /// HD + 2·GD + C, where they are biased, and HD of a gate.
    fn biases(&self, width: usize) -> u128 {
        let inner = product([self.heads + 2 * self.kv_heads, self.head_size]);
        let gate = product([self.heads, self.head_size]) * u128::from(self.has_gate);
        inner * u128::from(self.has_bias) + width as u128 * u128::from(self.has_output_bias) + gate
    }

    /// All its parameters.
    pub(super) fn parameters(&self, width: usize) -> u128 {
        self.matrices(width) + self.biases(width) + self.mechanism as u128
    }
}

impl FeedForwardSizes {
    /// The matrices of one network: 2·C·F, or 3·C·F with a gate.
    pub(super) fn network(&self, width: usize) -> u128 {
        product([self.matrices, width, self.width])
    }

    /// One network with its biases: F for every matrix to the inner width, C for the matrix back.
    pub(super) fn expert(&self, width: usize) -> u128 {
        let biases = product([self.matrices - 1, self.width]) + width as u128;
        self.network(width) + biases * u128::from(self.has_bias)
    }

    /// C·E of the router, where there are several networks.
    pub(super) fn router(&self, width: usize) -> u128 {
        if self.experts > 1 { product([width, self.experts]) } else { 0 }
    }
}

impl StackSizes {
    /// The sum over all layers of `of`, applied to what a position of the layer may attend to.
    pub(super) fn over_layers(&self, of: impl Fn(Sees) -> u128) -> u128 {
        let full = self.full_layers as u128;
        let others = (self.layers - self.full_layers) as u128 * of(self.sees);
        if full > 0 { others + full * of(Sees::Past) } else { others }
    }
}

impl ModelSizes {
    /// The stacks with their names, the encoder first.
    pub(super) fn stacks(&self) -> impl Iterator<Item = (&'static str, &StackSizes)> {
        let named = [("encoder", &self.encoder), ("decoder", &self.decoder)];
        named.into_iter().filter_map(|(name, stack)| Some((name, stack.as_ref()?)))
    }

    /// Whether the model writes token by token, that is, has a decoder.
    pub fn generates(&self) -> bool {
        self.decoder.is_some()
    }
}

/// Whether a count is 0, so that JSON leaves it out.
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A product of sizes, in 128 bits, because a product of many sizes may be larger than 2⁶⁴.
pub(super) fn product<const N: usize>(sizes: [usize; N]) -> u128 {
    sizes.into_iter().map(|size| size as u128).product()
}

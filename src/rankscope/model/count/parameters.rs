//! Parameters, part by part.

use serde::Serialize;

use super::sizes::{ModelSizes, Output, StackSizes, product};

/// The parameters of one part of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name, as in probes: `embeddings`, `decoder.self_attention`.
    pub name: String,
    /// How many numbers its weights have.
    pub parameters: u128,
    /// How many of these one token uses: of a mixture of experts, only those of the chosen experts.
    pub active: u128,
    /// Whether it is on top of the body: an output layer of its own, or a head for a task.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_head: bool,
}

impl Part {
    pub(in crate::model) fn new(name: impl Into<String>, parameters: u128) -> Self {
        Part { name: name.into(), parameters, active: parameters, is_head: false }
    }

    pub(super) fn head(name: impl Into<String>, parameters: u128) -> Self {
        Part { is_head: true, ..Part::new(name, parameters) }
    }
}

impl ModelSizes {
    /// The parts of the body and the heads, without those that have no numbers; a tied matrix is counted
    /// once.
    ///
    /// Per layer: attention 2·C·HD + 2·C·GD, a feed-forward network 2·C·F (3·C·F with a gate) and C·E for
    /// a router over E of them, biases and norms where the family has them.
    ///
    /// **Conventions**: `embeddings` are V·C, `positions` and `segments` further tables, `norms` those of
    /// all stacks; the parts of every layer are under the name of their stack. The output layer counts where it has a
    /// matrix of its own, and [`task_heads`](Self::task_heads) count; [`apart`](Self::apart) does not.
    ///
    /// ```
    /// use rankscope::model::{count::total, preset};
    /// let sizes = preset::find("llama-7b")?.sizes()?;
    /// assert_eq!(total(&sizes.parts()), 6_738_415_616);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn parts(&self) -> Vec<Part> {
        let width = self.width;
        let mut parts = vec![
            Part::new("embeddings", product([self.vocab, width])),
            Part::new("positions", product([self.positions, width])),
            Part::new("segments", product([self.segments, width])),
        ];
        for (name, stack) in self.stacks() {
            parts.extend(of_stack(name, stack, width));
        }
        let norms: u128 = self.stacks().map(|(_, stack)| norms(stack)).sum();
        parts.push(Part::new("norms", norms + self.embedding_norm as u128));
        parts.push(Part::new(
            "pooler",
            (product([width, width]) + width as u128) * u128::from(self.has_pooler),
        ));
        if self.output == Output::Own {
            parts.push(Part::head("output", product([self.vocab, width])));
        }
        parts.extend(self.task_heads.iter().cloned());
        parts.retain(|part| part.parameters > 0);
        parts
    }
}

fn of_stack(name: &str, stack: &StackSizes, width: usize) -> Vec<Part> {
    let layers = stack.layers as u128;
    let part = |what: &str, parameters: u128| Part::new(format!("{name}.{what}"), parameters);
    let network = &stack.feed_forward;
    let cross = stack.cross_attention.map_or(0, |attention| attention.parameters(width));
    let of_networks = |count: usize| layers * count as u128 * network.expert(width);
    vec![
        part("self_attention", layers * stack.self_attention.parameters(width)),
        part("position_bias", stack.position_biases as u128),
        part("cross_attention", layers * cross),
        part("router", layers * network.router(width)),
        Part { active: of_networks(network.active), ..part("feed_forward", of_networks(network.experts)) },
    ]
}

fn norms(stack: &StackSizes) -> u128 {
    let count = stack.layers * stack.norms + usize::from(stack.has_final_norm);
    product([count, stack.norm_size])
}

/// All parameters of `parts` together.
pub fn total(parts: &[Part]) -> u128 {
    parts.iter().map(|part| part.parameters).sum()
}

/// The parameters of `parts` that one token uses.
pub fn active(parts: &[Part]) -> u128 {
    parts.iter().map(|part| part.active).sum()
}

/// The parameters of the body in `parts`: without an output layer of its own and without heads.
pub fn body(parts: &[Part]) -> u128 {
    parts.iter().filter(|part| !part.is_head).map(|part| part.parameters).sum()
}

/// The parameters of the body without the tables of tokens, positions and segments.
///
/// **Source**: Kaplan et al. 2020 (arXiv 2001.08361), section 2.1, who leave embeddings out.
pub fn non_embedding(parts: &[Part]) -> u128 {
    let is_table = |part: &&Part| ["embeddings", "positions", "segments"].contains(&part.name.as_str());
    body(parts) - parts.iter().filter(is_table).map(|part| part.parameters).sum::<u128>()
}

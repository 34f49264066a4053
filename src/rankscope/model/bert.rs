//! BERT: an encoder with learned positions and layer norm after each residual sum; and the families derived from it.
//!
//! x ← norm(x + attention(x)), x ← norm(x + W₂·GELU(W₁·x)); with a masked-language-model head and a pooler where
//! the checkpoint has them.
//!
//! RoBERTa's first position is the padding's id plus 1, DistilBERT has neither segments nor pooler, and a UniLM is a
//! BERT trained under three masks: run it under `bidirectional`, `causal` or `prefix(p)` with p the length of the
//! source. By default it is a prefix-LM with the prefix that `prefix_length` states. With `is_decoder` a BERT was
//! trained under the causal mask.
//!
//! **Source**: Devlin et al. 2018 (arXiv 1810.04805), section 3; Liu et al. 2019 (arXiv 1907.11692); Sanh et al.
//! 2019 (arXiv 1910.01108); Dong et al. 2019 (arXiv 1905.03197), section 2.3; tensor names as on the Hugging Face
//! hub. Variants of this library: [`AttentionVariant`](super::variant::AttentionVariant).

mod build;
mod dialect;

pub(super) use build::build;
#[cfg(test)]
pub(super) use build::transformer;
pub(super) use dialect::{BERT, DISTILBERT, ROBERTA, UNILM};

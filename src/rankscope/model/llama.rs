//! LLaMA: a decoder with RMS pre-norm, rotary positions, grouped queries and a gated feed-forward network; and the
//! families that differ from it in a few fields.
//!
//! x ← x + attention(norm(x)), x ← x + W₂(SiLU(W₁·norm(x)) · W₃·norm(x)), then norm and output layer.
//!
//! Mistral has a sliding window, Qwen2 biases of queries, keys and values and a window in some of its layers, Mixtral
//! a [`Mixture`] of experts for its feed-forward network.
//!
//! **Source**: Touvron et al. 2023 (arXiv 2302.13971), section 2.2; the sources of the others are in [`dialect`];
//! tensor names as on the Hugging Face hub.
//!
//! [`Mixture`]: super::mixture::Mixture

mod build;
mod dialect;

pub(super) use build::{LlamaFields, build};
pub(super) use dialect::{DECLLM, Dialect, LLAMA, MISTRAL, MIXTRAL, QWEN2, REDLLM};

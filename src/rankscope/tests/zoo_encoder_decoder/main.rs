//! Encoder-decoders, and the decoder that one of them is compared with: parity with reference outputs, caches,
//! masks, positions, bad input.

mod bad_input;
mod cache;
mod metamorphic;
mod parity;
#[path = "../support/python.rs"]
mod python;
mod red;
mod support;
mod transformers;

//! One module for each chapter.

#[doc = include_str!("../../../book/src/introduction.md")]
mod introduction {}
#[doc = include_str!("../../../book/src/01-attention.md")]
mod attention {}

//! Files and folders that are no model: a message of one line that says what they are and what to do.
//!
//! Files are recognised by their first bytes, folders by the names in them. Nothing is unpacked or executed.

mod file;
mod folder;
mod names;
#[cfg(test)]
mod tests;

pub(crate) use file::{expect_own, not_safetensors, unreadable};
pub(crate) use folder::{no_config, no_weights};
pub(crate) use names::hint;

/// A file of weights that can run code when it is opened.
const PICKLE: &str = "a pickle of PyTorch, which can run code when it is opened, so it is not opened here";

const AGAIN: &str = "download it again";

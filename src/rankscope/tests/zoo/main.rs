//! What must hold for every family on the registry, whatever its weights: small seeded models, walked.

mod bad_input;
#[path = "../support/compare.rs"]
mod compare;
#[path = "../support/devices.rs"]
mod devices;
mod equal;
mod metamorphic;
#[path = "../support/python.rs"]
mod python;
mod saved;
mod support;
mod transformers;

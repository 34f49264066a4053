//! The built command, run as a person or a script would run it.

mod bad_input;
mod claims;
#[cfg(unix)]
mod cluster;
mod count;
mod devices;
mod encoder_decoder;
mod generate;
#[cfg(all(unix, feature = "hub"))]
mod hub;
#[cfg(all(unix, feature = "hub"))]
mod hub_server;
mod kernels;
mod loss;
mod masks;
mod models;
mod process;
mod rank;
#[path = "../../../rankscope/tests/support/skip.rs"]
mod skip;
mod support;
mod tasks;
mod tokenizer;
mod trace;
mod train;

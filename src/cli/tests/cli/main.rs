//! The built command, run as a person or a script would run it.

mod bad_input;
mod claims;
mod count;
mod devices;
mod encoder_decoder;
mod generate;
#[cfg(all(unix, feature = "hub"))]
mod hub;
#[cfg(all(unix, feature = "hub"))]
mod hub_server;
mod kernels;
mod masks;
mod models;
mod process;
mod rank;
mod support;
mod trace;

//! The built command, run as a person or a script would run it.

mod bad_input;
mod devices;
mod masks;
mod models;
mod process;
mod rank;
mod support;
mod trace;

//! Every operation, on every device, against its formula written out in f64, which shares no code with the library.
//!
//! Sizes are pairwise distinct and straddle the shaders' tiles and workgroups. The GPU is the one that
//! `RANKSCOPE_DEVICE=gpu` would choose, also a software adapter. Without a GPU the tests fail, unless
//! `RANKSCOPE_SKIP_GPU=1`; then each test reports that it was skipped.

mod attention;
mod attention_gradients;
#[path = "../support/compare.rs"]
mod compare;
mod descent;
#[path = "../support/devices.rs"]
mod devices;
mod dropout;
mod elementwise;
mod execution;
mod faults;
mod gpu;
mod gradients;
mod joins;
mod linear;
mod linear_gradients;
mod linear_state;
mod live;
mod matmul;
mod mechanisms;
mod norms;
mod oracle;
mod position_bias;
mod rows;
mod softmax;
mod state_space;
mod support;

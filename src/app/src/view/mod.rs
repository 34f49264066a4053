//! The parts of the window, one a file: its state above, `ui` below.

pub mod banner;
pub mod colour_bar;
pub mod head;
pub mod mask;
pub mod model;
pub mod rank;
pub mod spectrum;
pub mod status;
pub mod tokens;
pub mod top;
pub mod wall;

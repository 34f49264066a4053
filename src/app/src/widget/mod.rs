//! The widgets that several labs use.

pub mod axes;
pub mod colour_bar;
pub mod draft;
pub mod heatmap;
pub mod lines;
pub mod number;
pub mod rank_card;
pub mod spectrum;
#[cfg(test)]
mod tests;
pub mod veil;

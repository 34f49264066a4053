//! Rank analysis against quoted numbers, stored reports, and properties that any matrix has.

mod claims;
mod edges;
mod exact;
mod golden;
mod properties;

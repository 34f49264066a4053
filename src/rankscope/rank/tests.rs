//! Rank analysis against quoted numbers, stored reports, and properties that any matrix has.

pub(super) mod claims;
mod edges;
mod exact;
mod golden;
mod properties;

//! What the claims' figures share.

use super::Sample;
use crate::figure::Curve;
use crate::figure::style::Kind;

/// Means with their standard deviations as whiskers.
pub(super) fn curve(name: impl Into<String>, kind: Kind, points: &[(f64, Sample)]) -> Curve {
    let means = points.iter().map(|(x, sample)| (*x, sample.mean()));
    Curve::new(name, kind, means).with_spread(points.iter().map(|(_, sample)| sample.sd()))
}

//! The figures: shares of draws over λ and over n.

use super::point::Point;
use super::*;

/// Draws shares of draws over λ; λ = 0 is softmax alone.
pub(super) fn over_lambda(evidence: &mut Evidence, points: &[Point]) {
    let over = |of: fn(&Point, usize) -> Sample| {
        points.iter().filter_map(move |point| Some((point.mechanism.lambda()?, of(point, point.n()))))
    };
    let curves = vec![
        means("determinant is negative", Kind::Custom, over(Point::negative)),
        means("diagonal has an entry ≤ 0", Kind::Plain, over(Point::nonpositive)),
    ];
    let n = points[0].n();
    let caption = format!(
        "Share of draws of differential attention A₁ − λA₂ with a negative determinant, and with an entry of 0 or less on \
         the diagonal, over λ at n = {n}; λ = 0 is softmax alone. Where several entries are negative, the sign of the \
         product is like a coin toss; at λ = 1 the first entry is 0, and so is the determinant. With softmax, a sink or \
         the sigmoid no entry is negative."
    );
    let axes = [PlotAxis::linear("λ"), PlotAxis::linear("share of draws")];
    let references = vec![Reference::level("one half", 0.5)];
    let title = format!("Signs of the determinant of differential attention at n = {n}");
    evidence.plot("sign-over-lambda", caption, lines(title, axes, curves, references));
}

/// The most curves of the second figure.
const MOST_CURVES: usize = 4;

/// Draws shares of negative determinants over the length of the prompt: the leading blocks of a causal matrix are the
/// matrices of its first tokens.
pub(super) fn over_n(evidence: &mut Evidence, points: &[Point]) {
    let open = points.iter().filter(|point| point.mechanism.is_open()).take(MOST_CURVES);
    let curve = |point: &Point| {
        let sizes = point.sizes().into_iter().chain([point.n()]);
        let over = sizes.map(|size| (size as f64, point.negative(size)));
        means(format!("λ = {}", point.mechanism.lambda().unwrap_or(0.0)), Kind::Plain, over)
    };
    let curves: Vec<Curve> = open.map(curve).collect();
    if curves.is_empty() {
        return;
    }
    let caption = "Share of draws with a negative determinant over the number of tokens, at up to four λ between 0 and 1: \
                   the more entries a diagonal has, the more of them are negative.";
    let axes = [PlotAxis::log("positions n"), PlotAxis::linear("share of draws")];
    let references = vec![Reference::level("one half", 0.5)];
    let title = "Negative determinants of differential attention over n";
    evidence.plot("sign-over-n", caption, lines(title, axes, curves, references));
}

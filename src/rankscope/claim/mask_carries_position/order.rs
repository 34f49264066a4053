//! Claim: the causal mask alone tells a network the order of its tokens.

use super::nets::{Network, Sizes};
use super::{DEPTHS, HEADS, N, NUMPY, SEEDS, WIDTH, permuted};
use crate::claim::verdict::sentence;
use crate::claim::{
    About, Evidence, Exact, Experiment, Floating, Known, Outcome, Parameter, Sample, Settings, Verdict, chart,
};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Lines, PlotAxis, Reference};
use crate::mask::Mask;
use crate::numbers::short;
use crate::run::Run;

/// See the module.
pub struct MaskTellsOrder;

const ABOUT: About = About {
    id: "mask-tells-order",
    statement: "The causal mask alone tells a network the order of its tokens, so that it needs no position \
                embeddings.",
    source: "The popular account of decoder-only models (no position embeddings needed)",
    exact: "The last row of one causal layer is a sum over the set of the tokens that it sees, and so the same \
            for every order of the earlier ones. From two layers on it is another for almost all weights and \
            tokens: the difference is an analytic function of them, and an example shows that it is not 0. Tokens \
            that are all the same stay the same at every depth.",
    reconsider: "Trained models without position embeddings: what they make of the order that the mask leaves to be \
                 seen, and to what length, is no part of this experiment.",
};

const PARAMETERS: &[Parameter] = &[N, WIDTH, HEADS, DEPTHS, SEEDS];

/// What exact arithmetic says of the last token of so many layers of attention.
#[derive(Debug, PartialEq)]
enum Exactly {
    /// It is the same for every order of the tokens before it.
    Same,
    /// It is another for almost all weights and tokens: with equal scores, each token has this share in it.
    Told(Vec<u128>),
    /// Neither is shown.
    Unknown,
}

/// One depth.
struct Point {
    depth: usize,
    exactly: Exactly,
    /// ‖f(PX) − f(X)‖ / ‖f(X)‖ of the last row, for a permutation P of the tokens before it.
    earlier: Sample,
    /// The largest ‖row − last row‖ / ‖last row‖ where all tokens are the same.
    identical: Sample,
}

/// What the experiment finds.
pub struct Measured {
    rounding: f64,
    are_the_references: bool,
    points: Vec<Point>,
}

impl Experiment for MaskTellsOrder {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        measure(&Mask::causal(), settings, run)
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = in_exact_arithmetic(&measured.points);
        let outcomes = measured.points.iter().map(|point| measured.outcome(point));
        Verdict::new().exact(exact, because).floating(Floating::over(outcomes), sentence(&measured.changed()))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        evidence.measure("rounding", measured.rounding, "");
        for point in &measured.points {
            measured.report(&mut evidence, point);
        }
        measured.weigh(&mut evidence);
        measured.show(&mut evidence, settings);
        Ok(evidence)
    }
}

/// The experiment with this mask in the place of the causal one.
pub(super) fn measure(mask: &Mask, settings: &Settings, run: &Run) -> Result<Measured> {
    let sizes = Sizes::read(settings)?;
    let seeds = settings.seeds(SEEDS.name)?;
    let mut draws = Vec::new();
    for (done, &seed) in seeds.iter().enumerate() {
        let network = Network::new(&sizes, settings.device(), seed)?;
        draws.push(permuted::earlier_and_identical(&sizes, &network, mask, seed, run)?);
        run.step("draws", done + 1, seeds.len())?;
    }
    let point = |(index, &depth): (usize, &usize)| {
        let of = |what: usize| draws.iter().map(|draw| draw[index][what]).collect();
        Point { depth, exactly: exactly(mask, sizes.n, depth), earlier: of(0), identical: of(1) }
    };
    Ok(Measured {
        rounding: sizes.rounding(settings.device()),
        points: sizes.depths.iter().enumerate().map(point).collect(),
        are_the_references: sizes.are_the_references(),
    })
}

/// Tokens of the example. With equal scores every weight is a multiple of 1/12.
const EXAMPLE: usize = 4;

/// Asks the places of the zeros first: one layer that sees all earlier tokens or none of them sums over a set,
/// and a mask that no permutation of them changes gives an equivariant network. Then equal scores, in whole
/// numbers.
fn exactly(mask: &Mask, n: usize, depth: usize) -> Exactly {
    let pattern = mask.pattern(n);
    let earlier = pattern.row(n - 1);
    let is_set = depth == 1 && earlier.iter().take(n - 1).all(|&sees| sees == earlier[0]);
    if is_set || permuted::swap_that_changes(&pattern, n - 1).is_none() {
        return Exactly::Same;
    }
    let shares = shares(mask, depth);
    match shares[..EXAMPLE - 1].iter().all(|share| *share == shares[0]) {
        true => Exactly::Unknown,
        false => Exactly::Told(shares),
    }
}

/// The last row of Aᵏ for equal scores, over its largest common factor; k = `depth`, up to 16.
fn shares(mask: &Mask, depth: usize) -> Vec<u128> {
    let twelfths: Vec<Vec<u128>> = (0..EXAMPLE)
        .map(|query| {
            let seen: Vec<bool> = (0..EXAMPLE).map(|key| mask.may_attend(query, key)).collect();
            let count = seen.iter().filter(|&&sees| sees).count().max(1);
            seen.into_iter().map(|sees| u128::from(sees) * (12 / count as u128)).collect()
        })
        .collect();
    let mut row: Vec<u128> = (0..EXAMPLE).map(|token| u128::from(token == EXAMPLE - 1)).collect();
    for _ in 0..depth {
        row = (0..EXAMPLE)
            .map(|key| (0..EXAMPLE).map(|query| row[query] * twelfths[query][key]).sum())
            .collect();
    }
    let factor = row.iter().fold(0, |factor, &share| common_factor(factor, share)).max(1);
    row.into_iter().map(|share| share / factor).collect()
}

fn common_factor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { common_factor(b, a % b) }
}

/// Refuted by any depth at which no network of the kind can tell the order.
fn in_exact_arithmetic(points: &[Point]) -> (Exact, String) {
    let same = points.iter().filter(|point| point.exactly == Exactly::Same).map(|point| point.depth);
    let same: Vec<usize> = same.collect();
    let mut because = String::new();
    if !same.is_empty() {
        because = format!(
            "Whatever the weights, the last token {} of attention is the same for every order of the tokens before it.",
            after_layers(same.iter().copied())
        );
    }
    let told = points.iter().find_map(|point| match &point.exactly {
        Exactly::Told(shares) => Some((point.depth, shares)),
        _ => None,
    });
    if let Some((depth, shares)) = told {
        let shares: Vec<_> = shares.iter().map(u128::to_string).collect();
        let space = if because.is_empty() { "" } else { " " };
        because += &format!(
            "{space}{} it is another for almost all weights and tokens: with equal scores, {EXAMPLE} tokens have \
             shares {} in it.",
            sentence(&after_layers([depth])).trim_end_matches('.'),
            shares.join(" : ")
        );
    }
    match (same.is_empty(), points.iter().any(|point| point.exactly == Exactly::Unknown)) {
        (false, _) => (Exact::Refuted, because),
        (true, false) => (Exact::Proved, because),
        (true, true) => (Exact::Open, "The example does not tell two orders of the tokens apart.".to_owned()),
    }
}

/// "after 1, 2, 4 layers".
pub(super) fn after_layers(depths: impl IntoIterator<Item = usize>) -> String {
    let depths: Vec<_> = depths.into_iter().map(|depth| depth.to_string()).collect();
    let unit = if depths == ["1"] { "layer" } else { "layers" };
    format!("after {} {unit}", depths.join(", "))
}

/// What numpy gives for the change of the last row: depth, mean and standard deviation.
const REFERENCE: [(usize, f64, f64); 2] = [(2, 0.1871, 0.0493), (4, 0.3739, 0.0885)];

impl Measured {
    fn outcome(&self, point: &Point) -> Outcome {
        if point.earlier.mean() > self.rounding { Outcome::Holds } else { Outcome::Fails }
    }

    fn report(&self, evidence: &mut Evidence, point: &Point) {
        let Point { depth, exactly, .. } = point;
        let known = REFERENCE.iter().find(|known| known.0 == *depth && self.are_the_references);
        let earlier =
            evidence.measure_sample(format!("earlier_change_causal_depth{depth}"), point.earlier.clone(), "");
        match (exactly, known) {
            (Exactly::Same, _) => earlier.expect(0.0, self.rounding, "one layer sums over a set"),
            (_, Some(&(_, mean, sd))) => earlier.expect_mean(Known::new(mean, sd, 20), NUMPY),
            _ => earlier,
        };
        let name = format!("identical_difference_causal_depth{depth}");
        let identical = evidence.measure_sample(name, point.identical.clone(), "");
        identical.expect(0.0, self.rounding, "every row is the same sum");
    }

    fn changed(&self) -> String {
        let list: Vec<_> = self.points.iter().map(|point| point.earlier.to_string()).collect();
        format!(
            "permuting the tokens before the last changes the last row by {} of its length {}; below {} is rounding",
            list.join(", "),
            after_layers(self.points.iter().map(|point| point.depth)),
            short(self.rounding)
        )
    }

    /// For and against.
    fn weigh(&self, evidence: &mut Evidence) {
        let every = self.points.iter().all(|point| self.outcome(point) == Outcome::Holds);
        evidence.weigh(every, self.changed());
        let largest = self.points.iter().map(|point| point.identical.mean()).fold(0.0, f64::max);
        let text = format!(
            "where all tokens are the same, so are all rows {}, up to {}: the mask alone tells none of them from \
             another",
            after_layers(self.points.iter().map(|point| point.depth)),
            short(largest)
        );
        evidence.weigh(largest > self.rounding, text);
    }

    fn show(&self, evidence: &mut Evidence, settings: &Settings) {
        let points: Vec<_> =
            self.points.iter().map(|point| (point.depth as f64, point.earlier.clone())).collect();
        let figure = Lines {
            title: "What the order of the earlier tokens changes".into(),
            x: PlotAxis::linear("layers"),
            y: PlotAxis::linear("relative change of the last row"),
            curves: vec![chart::curve("causal", Kind::Causal, &points)],
            references: vec![Reference::level("no order told", 0.0)],
            settings: settings.record(),
        };
        let caption = "How far the last row of a random causal network without position embeddings moves when the \
                       tokens before it are permuted; mean and standard deviation over draws. One layer sums over \
                       a set.";
        evidence.show("earlier-tokens", caption, figure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two layers of uniform causal attention: 1/4 · (1 + 1/2 + 1/3 + 1/4, 1/2 + 1/3 + 1/4, 1/3 + 1/4, 1/4).
    #[test]
    fn the_shares_of_two_layers_by_hand() {
        assert_eq!(shares(&Mask::causal(), 1), [1, 1, 1, 1]);
        assert_eq!(shares(&Mask::causal(), 2), [25, 13, 7, 3]);
        assert_eq!(shares(&Mask::anti_causal(), 3), [0, 0, 0, 1]);
    }

    #[test]
    fn what_a_mask_tells_of_the_order_by_hand() {
        assert_eq!(exactly(&Mask::causal(), 7, 1), Exactly::Same);
        assert_eq!(exactly(&Mask::causal(), 7, 2), Exactly::Told(vec![25, 13, 7, 3]));
        assert_eq!(exactly(&Mask::bidirectional(), 7, 3), Exactly::Same);
        // The last two tokens are seen, the others are not.
        assert_eq!(exactly(&Mask::window(2).unwrap(), 7, 1), Exactly::Told(vec![0, 0, 1, 1]));
        assert_eq!(exactly(&Mask::anti_causal(), 7, 2), Exactly::Unknown);
    }

    #[test]
    fn layers_are_counted_in_words() {
        assert_eq!(after_layers([1]), "after 1 layer");
        assert_eq!(after_layers([1, 2, 12]), "after 1, 2, 12 layers");
    }
}

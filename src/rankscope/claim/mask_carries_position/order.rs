//! Claim: the causal mask alone tells a network the order of its tokens.

use super::*;

pub(in crate::claim) static ORDER: Claim = Claim {
    about: About {
        id: "mask-tells-order",
        group: Group::Mechanisms,
        statement: "The causal mask alone tells a network the order of its tokens, so that it needs no position \
                    embeddings.",
        source: "The popular account of decoder-only models (no position embeddings needed)",
        exact: "The last row of one causal layer is a sum over the set of the tokens that it sees, and so the same \
                for every order of the earlier ones. From two layers on it is another for almost all weights and \
                tokens: the difference is an analytic function of them, and an example shows that it is not 0. Tokens \
                that are all the same stay the same at every depth.",
        reconsider: "Trained models without position embeddings: what they make of the order that the mask leaves to \
                     be seen, and to what length, is no part of this experiment.",
    },
    parameters: &[N, WIDTH, HEADS, DEPTHS, SEEDS],
    decide: |settings, run| decide(&Mask::causal(), settings, run),
};

/// What exact arithmetic shows about the last token after a number of layers of attention.
#[derive(Debug, PartialEq)]
enum Order {
    /// It is the same for every order of the tokens before it.
    Same,
    /// It differs for almost all weights and tokens: with equal scores, each token has this share in it.
    Told(Vec<u128>),
    Unknown,
}

/// The number of tokens of the example. With equal scores every weight is a multiple of 1/12.
pub(in crate::claim) const EXAMPLE: usize = 4;

/// Checks the positions of the zeros first: one layer that sees all earlier tokens or none of them sums over a set, and
/// a mask that no permutation of these tokens changes gives an equivariant network. Then it computes with equal scores,
/// in whole numbers.
fn order(mask: &Mask, n: usize, depth: usize) -> Order {
    let pattern = mask.pattern(n);
    let earlier = pattern.row(n - 1);
    let is_set = depth == 1 && earlier.iter().take(n - 1).all(|&sees| sees == earlier[0]);
    if is_set || swap_that_changes(&pattern, n - 1).is_none() {
        return Order::Same;
    }
    let shares = shares(mask, depth);
    let are_equal = shares[..EXAMPLE - 1].iter().all(|share| *share == shares[0]);
    if are_equal { Order::Unknown } else { Order::Told(shares) }
}

/// The last row of Aᵏ for equal scores, as whole numbers without a common factor; k = `depth`, up to 16.
pub(in crate::claim) fn shares(mask: &Mask, depth: usize) -> Vec<u128> {
    let twelfths = |query: usize| -> Vec<u128> {
        let seen: Vec<bool> = (0..EXAMPLE).map(|key| mask.may_attend(query, key)).collect();
        let count = seen.iter().filter(|&&sees| sees).count().max(1);
        seen.into_iter().map(|sees| u128::from(sees) * (12 / count as u128)).collect()
    };
    let twelfths: Vec<Vec<u128>> = (0..EXAMPLE).map(twelfths).collect();
    let mut row: Vec<u128> = (0..EXAMPLE).map(|token| u128::from(token == EXAMPLE - 1)).collect();
    for _ in 0..depth {
        let share = |key| (0..EXAMPLE).map(|query| row[query] * twelfths[query][key]).sum();
        row = (0..EXAMPLE).map(share).collect();
    }
    let factor = row.iter().fold(0, |factor, &share| common_factor(factor, share)).max(1);
    row.into_iter().map(|share| share / factor).collect()
}

fn common_factor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { common_factor(b, a % b) }
}

/// Refuted if there is a depth at which no network of this kind can tell the order.
fn exact(points: &[(usize, Order)]) -> (Exact, String) {
    let same: Vec<usize> = points.iter().filter(|(_, order)| *order == Order::Same).map(|at| at.0).collect();
    let mut because = Vec::new();
    if !same.is_empty() {
        because.push(format!(
            "Whatever the weights, the last token {} of attention is the same for every order of the tokens before it.",
            after_layers(same.iter().copied())
        ));
    }
    let told = points.iter().find(|(_, order)| matches!(order, Order::Told(_)));
    if let Some((depth, Order::Told(shares))) = told {
        let shares: Vec<_> = shares.iter().map(u128::to_string).collect();
        because.push(sentence(&format!(
            "{} it is another for almost all weights and tokens: with equal scores, {EXAMPLE} tokens have shares {} in it",
            after_layers([*depth]),
            shares.join(" : ")
        )));
    }
    match (same.is_empty(), points.iter().any(|(_, order)| *order == Order::Unknown)) {
        (false, _) => (Exact::Refuted, because.join(" ")),
        (true, false) => (Exact::Proved, because.join(" ")),
        (true, true) => (Exact::Open, "The example does not tell two orders of the tokens apart.".to_owned()),
    }
}

/// For one draw, at every depth: ‖f(PX) − f(X)‖ / ‖f(X)‖ of the last row, for a permutation P of the tokens before it;
/// and the largest ‖row − last row‖ / ‖last row‖ where all tokens are equal.
fn look(network: &Network, mask: &Mask, run: &Run) -> Result<Vec<[f64; 2]>> {
    let (Networks { n, width, depths, .. }, seed) = (network.of, network.seed);
    let (x, earlier) = (gaussian(*n, *width, seed, TOKENS), permutation(n - 1, *n, seed));
    let inputs = [x.select(Axis(0), &earlier), repeated(*n, *width, seed), x];
    let states = network.states(&inputs, mask, run)?;
    let at = |depth: usize| {
        let [moved, same, plain] = [0, 1, 2].map(|input| &states[input][depth]);
        let last = plain.row(n - 1);
        [length((&moved.row(n - 1) - &last).view()) / length(last), largest_from_last(same)]
    };
    Ok((0..depths.len()).map(at).collect())
}

fn largest_from_last(x: &Array2<f64>) -> f64 {
    let last = x.row(x.nrows() - 1);
    let others = x.slice(s![..x.nrows() - 1, ..]);
    let apart = others.rows().into_iter().map(|row| length((&row - &last).view()) / length(last));
    apart.fold(0.0, f64::max)
}

/// The experiment with this mask in place of the causal one.
fn decide(mask: &Mask, settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let networks = Networks::new(settings)?;
    let (rounding, after) = (networks.rounding(), networks.after());
    let points = networks.over_draws(settings, run, |network| look(network, mask, run))?;
    let orders: Vec<_> =
        networks.depths.iter().map(|&depth| (depth, order(mask, networks.n, depth))).collect();
    let mut evidence = Evidence::new(settings);
    evidence.measure("rounding", rounding, "");
    for ((depth, [earlier, identical]), (_, order)) in points.iter().zip(&orders) {
        let measured = evidence.record(format!("earlier_change_causal_depth{depth}"), earlier);
        if *order == Order::Same {
            measured.expect(0.0, rounding, "one layer sums over a set");
        }
        let measured = evidence.record(format!("identical_difference_causal_depth{depth}"), identical);
        measured.expect(0.0, rounding, "every row is the same sum");
    }
    let list: Vec<_> = points.iter().map(|(_, [earlier, _])| earlier.to_string()).collect();
    let changed = format!(
        "permuting the tokens before the last changes the last row by {} of its length {after}; below {} is rounding",
        list.join(", "),
        short(rounding)
    );
    let outcomes = points.iter().map(|(_, [earlier, _])| Outcome::of(earlier.mean() > rounding));
    let floating = Floating::over(outcomes);
    evidence.weigh(floating == Floating::Everywhere, changed.clone());
    let largest = points.iter().map(|(_, [_, identical])| identical.mean()).fold(0.0, f64::max);
    let text = format!(
        "where all tokens are the same, so are all rows {after}, up to {}: the mask alone tells none of them from another",
        short(largest)
    );
    evidence.weigh(largest > rounding, text);
    let earlier = points.iter().map(|(depth, [earlier, _])| (*depth as f64, earlier.clone()));
    let axes = [PlotAxis::linear("layers"), PlotAxis::linear("relative change of the last row")];
    let curves = vec![curve("causal", Kind::Causal, earlier)];
    let references = vec![Reference::level("no order told", 0.0)];
    let caption = "How far the last row of a random causal network without position embeddings moves when the tokens \
                   before it are permuted; mean and standard deviation over draws. One layer sums over a set.";
    let title = "What the order of the earlier tokens changes";
    evidence.plot("earlier-tokens", caption, lines(title, axes, curves, references));
    Ok((evidence, Verdict::of(Some(exact(&orders)), Some((floating, sentence(&changed))), None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::tests::settings;

    /// Two layers of uniform causal attention: 1/4 · (1 + 1/2 + 1/3 + 1/4, 1/2 + 1/3 + 1/4, 1/3 + 1/4, 1/4).
    #[test]
    fn the_shares_and_what_a_mask_tells_by_hand() {
        assert_eq!(shares(&Mask::causal(), 1), [1, 1, 1, 1]);
        assert_eq!(shares(&Mask::causal(), 2), [25, 13, 7, 3]);
        assert_eq!(shares(&Mask::anti_causal(), 3), [0, 0, 0, 1]);
        assert_eq!(order(&Mask::causal(), 7, 1), Order::Same);
        assert_eq!(order(&Mask::causal(), 7, 2), Order::Told(vec![25, 13, 7, 3]));
        assert_eq!(order(&Mask::bidirectional(), 7, 3), Order::Same);
        // Only the last two tokens are seen.
        assert_eq!(order(&Mask::window(2).unwrap(), 7, 1), Order::Told(vec![0, 0, 1, 1]));
        assert_eq!(order(&Mask::anti_causal(), 7, 2), Order::Unknown);
        let x = ndarray::array![[3.0, 0.0], [0.0, 4.0], [0.0, 2.0]];
        assert_eq!(largest_from_last(&x), 13f64.sqrt() / 2.0);
    }

    /// Other masks and depths replace those of the claim.
    #[test]
    fn every_word_about_order_is_reached() {
        let words = |mask: Mask, depths: &str| {
            let settings = settings("mask-tells-order", &[("depths", depths)]);
            let (_, verdict) = decide(&mask, &settings, &Run::default()).unwrap();
            (verdict.exact_arithmetic.unwrap().ruling, verdict.floating_point.unwrap().ruling)
        };
        assert_eq!(words(Mask::causal(), "2,3"), (Exact::Proved, Floating::Everywhere));
        assert_eq!(words(Mask::causal(), "1"), (Exact::Refuted, Floating::Nowhere));
        assert_eq!(words(Mask::bidirectional(), "2"), (Exact::Refuted, Floating::Nowhere));
        assert_eq!(words(Mask::anti_causal(), "2"), (Exact::Open, Floating::Nowhere));
    }
}

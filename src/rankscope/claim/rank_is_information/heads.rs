//! Whether heads of trained models with more rank carry more from the earlier to the later half of a text.

use super::*;

/// For one head on one text: the effective rank, the effective rank of its [`block`], and the flow.
pub(super) fn look(weights: ArrayView2<f64>) -> Result<[f64; 3]> {
    let block = block(&weights.to_owned())?.effective_rank();
    Ok([Spectrum::of(weights)?.effective_rank(), block, flow(weights)])
}

/// Kendall's τ: concordant minus discordant pairs, over all pairs.
pub(in crate::claim) fn kendall(x: &[f64], y: &[f64]) -> f64 {
    let pairs = || (0..x.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
    let order = |(j, i): (usize, usize)| {
        let product = (x[i] - x[j]) * (y[i] - y[j]);
        if product == 0.0 { 0.0 } else { product.signum() }
    };
    pairs().map(order).sum::<f64>() / pairs().count() as f64
}

/// Kendall's τ over heads between the effective rank and that of the block, and between the effective rank and the
/// flow.
fn taus(model: &Heads<[f64; 3]>) -> [f64; 2] {
    let [rank, block, flow] = [0, 1, 2].map(|which| model.means(|head| head[which]));
    [kendall(rank.values(), block.values()), kendall(rank.values(), flow.values())]
}

/// Whether Kendall's τ of m pairs is above 0; `None` if it is within two standard deviations for independent orders,
/// √(2(2m + 5) / 9m(m − 1)).
pub(in crate::claim) fn is_above_0(tau: f64, m: usize) -> Option<bool> {
    let m = m as f64;
    let clear = 2.0 * (2.0 * (2.0 * m + 5.0) / (9.0 * m * (m - 1.0))).sqrt();
    (tau.abs() > clear).then_some(tau > 0.0)
}

/// Whether more rank comes with more flow between the halves.
fn is_together(model: &Heads<[f64; 3]>) -> Option<bool> {
    is_above_0(taus(model)[0], model.heads.len())
}

pub(super) fn trained(evidence: &mut Evidence, models: &[Heads<[f64; 3]>]) -> (Trained, String) {
    let words = |model: &Heads<[f64; 3]>| {
        let [block, flow] = taus(model).map(|tau| format!("{:.0} %", 50.0 * (1.0 + tau)));
        format!(
            "of two heads of {}, the one of higher effective rank carries more from the earlier to the later half of a \
             text in {block} of the pairs, and sends more of its weight to other tokens in {flow}",
            model.name
        )
    };
    for model in models {
        let [block, flow] = taus(model);
        let text = format!("{}; τ = {} and {}", words(model), short(block), short(flow));
        evidence.weigh(is_together(model) == Some(true), text).at("model", &*model.name);
        evidence.measure(model.measure("kendall_rank_block"), block, "");
        evidence.measure(model.measure("kendall_rank_flow"), flow, "");
    }
    in_models(models, models.iter().map(is_together), "", words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::trained::by_hand;

    /// Heads made by hand go through the same functions as trained ones. The earlier half attends to `own` different
    /// tokens, the later half to `carried` of the earlier ones: the rank is their sum.
    #[test]
    fn every_word_about_trained_models_is_reached() {
        let n = 12;
        let head = |&(own, carried): &(usize, usize)| {
            let weights = Array2::from_shape_fn((n, n), |(t, s)| match t < n / 2 {
                true => f64::from(u8::from(s == n / 2 + t.min(own - 1))),
                false => f64::from(u8::from(s == (t - n / 2).min(carried - 1))),
            });
            vec![look(weights.view()).unwrap()]
        };
        let ruling = |models: &[&[(usize, usize)]]| {
            let of = |heads: &&[(usize, usize)]| by_hand(n, heads.iter().map(head).collect()).remove(0);
            trained(&mut Evidence::default(), &models.iter().map(of).collect::<Vec<_>>()).0
        };
        let together: Vec<_> = (1..=4).flat_map(|size| [(size, size), (size, size)]).collect();
        let apart = [(1, 4), (3, 3), (5, 2)].repeat(3);
        let unclear = [(2, 2), (3, 1), (1, 3), (2, 2)];
        assert_eq!(ruling(&[&together, &together]), Trained::InAll);
        assert_eq!(ruling(&[&together, &apart]), Trained::InSome);
        assert_eq!(ruling(&[&apart, &unclear]), Trained::InNone);
        assert_eq!(ruling(&[&unclear]), Trained::NotResolved);
        assert_eq!(ruling(&[]), Trained::NoModel);
    }

    /// Of six pairs, (1, 2) is in reverse order in the second list, and one pair is equal there.
    #[test]
    fn kendalls_tau_by_hand() {
        assert_eq!(kendall(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0]), 1.0);
        assert_eq!(kendall(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 5.0, 5.0]), (4.0 - 1.0) / 6.0);
    }
}

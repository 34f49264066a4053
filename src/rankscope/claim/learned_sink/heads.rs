//! Trained heads: their weight on the first token, and their ranks.

use super::super::rank_is_information::{is_above_0, kendall};
use super::super::trained_low_rank::first_token;
use super::*;

/// For each head and text, the mean weight of the first token, and the effective rank.
type Model = Heads<[f64; 2]>;

/// Measures the heads of every model that the settings name, under the mask that it was trained under.
pub(super) fn measure(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<Vec<Model>> {
    trained::each(evidence, settings, run, |subject| {
        let look =
            |weights: ArrayView2<f64>| Ok([first_token(weights), Spectrum::of(weights)?.effective_rank()]);
        subject.heads(subject.trained_mask(), run, look)
    })
}

/// Kendall's τ over the heads of the first token's weight with the effective rank.
fn tau(model: &Model) -> f64 {
    let [weights, ranks] = [0, 1].map(|which| model.means(|head| head[which]));
    kendall(weights.values(), ranks.values())
}

/// Whether heads with more weight on the first token have less rank.
fn is_waste(model: &Model) -> Option<bool> {
    is_above_0(-tau(model), model.heads.len())
}

/// The effective ranks of the half of the heads with more weight on the first token, and of the other half.
fn halves(model: &Model) -> [Sample; 2] {
    let [weights, ranks] = [0, 1].map(|which| model.means(|head| head[which]));
    let mut order: Vec<usize> = (0..ranks.count()).collect();
    order.sort_by(|&a, &b| weights.values()[b].total_cmp(&weights.values()[a]));
    let (more, less) = order.split_at(order.len() / 2);
    [more, less].map(|heads| heads.iter().map(|&head| ranks.values()[head]).collect())
}

/// Whether heads that put more on the first token have less rank, in words and for the verdict.
pub(super) fn report(evidence: &mut Evidence, models: &[Model]) -> (Trained, String) {
    let words = |model: &Model| {
        let [more, less] = halves(model);
        format!(
            "{}, {} heads: τ = {}, and an effective rank of {more} in the half that gives it more, {less} in the other",
            model.in_words(),
            model.heads.len(),
            short(tau(model))
        )
    };
    let lead = "Kendall's τ of the weight of the first token with the effective rank: ";
    for model in models {
        let text = format!("{lead}{}", words(model));
        evidence.weigh(is_waste(model) == Some(true), text).at("model", &*model.name);
        evidence.measure(model.measure("kendall_first_token_rank"), tau(model), "");
        evidence.record(model.measure("first_token_weight"), &model.means(|head| head[0]));
        evidence.record(model.measure("effective_rank"), &model.means(|head| head[1]));
        plot(evidence, model);
    }
    in_models(models, models.iter().map(is_waste), lead, words)
}

fn plot(evidence: &mut Evidence, model: &Model) {
    let [weights, ranks] = [0, 1].map(|which| model.means(|head| head[which]));
    let points = weights.values().iter().copied().zip(ranks.values().iter().copied());
    let heads = Curve::new("a head", Kind::of(&model.trained), points).scattered();
    let caption = format!(
        "Every head of {}: the mean weight that it gives the first of {} tokens, and the effective rank of its attention \
         weights; means over the texts.",
        model.in_words(),
        model.tokens
    );
    let axes = [PlotAxis::linear("weight of the first token"), PlotAxis::linear("effective rank")];
    let title = format!("First token and effective rank of the heads of {}", model.name);
    let figure = lines(title, axes, vec![heads], Vec::new());
    evidence.plot(format!("heads-{}", plain(&model.name)), caption, figure);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::trained::by_hand;

    #[test]
    fn every_word_about_trained_heads_is_reached() {
        let model = |heads: &[[f64; 2]]| by_hand(9, heads.iter().map(|head| vec![*head]).collect()).remove(0);
        let step = |index: usize| index as f64 / 10.0;
        let falls: Vec<_> = (0..8).map(|index| [step(index), 9.0 - step(index)]).collect();
        let rises: Vec<_> = (0..8).map(|index| [step(index), 1.0 + step(index)]).collect();
        let unclear = [[0.1, 2.0], [0.2, 3.0], [0.3, 1.0], [0.4, 2.5]];
        let over = |models: &[&[[f64; 2]]]| {
            report(&mut Evidence::default(), &models.iter().map(|heads| model(heads)).collect::<Vec<_>>()).0
        };
        assert_eq!(over(&[&falls, &falls]), Trained::InAll);
        assert_eq!(over(&[&falls, &rises]), Trained::InSome);
        assert_eq!(over(&[&rises, &unclear]), Trained::InNone);
        assert_eq!(over(&[&unclear]), Trained::NotResolved);
        assert_eq!(over(&[]), Trained::NoModel);
        // Heads 3 and 4 have more weight on the first token.
        assert_eq!(halves(&model(&unclear)).map(|half| half.mean()), [1.75, 2.5]);
    }
}

//! The first token in the attention rollout of trained models.

use super::*;
use crate::tensor::Tensor;

/// A token counts as treated like the others if it has its equal share up to this factor.
const FACTOR: f64 = 2.0;

/// The rollout of one model under the mask that it was trained under.
pub(super) struct Rollout {
    name: String,
    mask: Mask,
    /// The number of tokens of each text.
    n: usize,
    /// Layer by layer over the texts: the weight of the first token in the last row, without skips and with them.
    layers: Vec<[Sample; 2]>,
    /// The same for equal scores under the mask.
    equal: Vec<[f64; 2]>,
}

/// Measures the rollout of every model that the settings name.
pub(super) fn measure(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<Vec<Rollout>> {
    let n = settings.integer(trained::TOKENS.name)?;
    trained::each(evidence, settings, run, |subject| {
        let mask = subject.trained_mask().clone();
        let texts = subject
            .layers(&mask, run, |layers| weights_of_first(n, layers.iter().map(|a| Ok(mean_of_heads(a)))))?;
        let depth = texts.first().map_or(0, Vec::len);
        let layer = |layer: usize| columns(&texts.iter().map(|text| text[layer]).collect::<Vec<_>>());
        let layers = (0..depth).map(layer).collect();
        let equal = weights_of_first_by_equal_scores(n, &mask, depth)?;
        Ok(Rollout { name: subject.name.clone(), mask, n, layers, equal })
    })
}

/// The mean over heads, `[T, S]`, of weights `[1, H, T, S]`.
fn mean_of_heads(weights: &Tensor) -> Array2<f64> {
    let heads = weights.shape().sizes()[1];
    let matrix = |head| weights.matrix(head).expect("a head of weights on the CPU").mapv(f64::from);
    (1..heads).map(matrix).fold(matrix(0), |sum, head| sum + head) / heads as f64
}

impl Rollout {
    /// After the last layer, the weight without skips and with them, text by text.
    fn last(&self) -> [Sample; 2] {
        self.layers.last().cloned().unwrap_or_default()
    }

    /// Whether the first token has its equal share, with skips and after the last layer, on every text; `None` if it
    /// has it only on some texts.
    fn is_neutral(&self) -> Option<bool> {
        let times: Sample = self.last()[1].values().iter().map(|weight| weight * self.n as f64).collect();
        let neutral = times.count_where(|times| (1.0 / FACTOR..=FACTOR).contains(&times));
        match neutral {
            0 => Some(false),
            all if all == times.count() => Some(true),
            _ => None,
        }
    }

    fn in_words(&self) -> String {
        let Rollout { name, mask, n, equal, .. } = self;
        let [alone, skip] = self.last().map(|sample| sample.mean());
        let (alone, times, skip) = (share(alone), short(skip * *n as f64), share(skip));
        let [equal, equal_skip] = equal.last().copied().unwrap_or([f64::NAN; 2]).map(share);
        format!(
            "{name} (trained {mask}): {skip} with skips, {times} times an equal share, and {alone} without; equal scores \
             under its mask give {equal_skip} and {equal}"
        )
    }
}

/// Causal models decide; bidirectional models are shown for comparison.
pub(super) fn report(evidence: &mut Evidence, rollouts: &[Rollout]) -> (Trained, String) {
    for rollout in rollouts {
        for (layer, samples) in (1..).zip(&rollout.layers) {
            for (name, sample) in NAMES.iter().zip(samples) {
                evidence.record(format!("{name}_layer{layer}_{}", plain(&rollout.name)), sample);
            }
        }
        let text = format!("rollout of {} layers of {}", rollout.layers.len(), rollout.in_words());
        evidence.weigh(rollout.is_neutral() == Some(true), text).at("model", &*rollout.name);
        plot(evidence, rollout);
    }
    let n = rollouts.first().map_or(0, |rollout| rollout.n);
    let lead = format!(
        "weight of the first token in the last row of the rollout through all layers, {n} tokens (neutral with skips: up \
         to {FACTOR} times an equal share, and no less than 1/{FACTOR} of it): "
    );
    let causal = rollouts.iter().filter(|rollout| rollout.mask == Mask::causal());
    in_models(rollouts, causal.map(Rollout::is_neutral), &lead, Rollout::in_words)
}

fn plot(evidence: &mut Evidence, rollout: &Rollout) {
    let Rollout { name, mask, n, layers, equal } = rollout;
    let curves = ["without skips", "with skips"].into_iter().enumerate().map(|(which, label)| {
        let points = layers.iter().map(|samples| samples[which].clone());
        curve(label, Kind::of(mask), (1..).map(f64::from).zip(points))
    });
    let caption = format!(
        "{name} (trained {mask}), attention rollout: the weight of the first of {n} tokens in the last row of the product \
         of the layers, heads averaged; mean and standard deviation over the texts. With skips a layer is (I + A)/2. \
         Dashed: the mask with equal scores, and an equal share."
    );
    let axes = [PlotAxis::linear("layers"), PlotAxis::linear("weight of the first token")];
    let title = format!("Weight of the first token over the layers of {name}");
    let figure = lines(title, axes, curves.collect(), references(*n, equal));
    evidence.plot(format!("first-token-{}", plain(name)), caption, figure);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_about_trained_models_is_reached() {
        let model = |mask: Mask, times: &[f64]| {
            let weights: Sample = times.iter().map(|times| times / 10.0).collect();
            let layers = vec![[Sample::new([0.5, 0.5]), weights]];
            Rollout { name: "by hand".into(), mask, n: 10, layers, equal: vec![[0.5, 0.25]] }
        };
        let over = |models: &[Rollout]| report(&mut Evidence::default(), models).0;
        let causal = |times: &[f64]| model(Mask::causal(), times);
        let (neutral, drifts, some) =
            (|| causal(&[0.6, 1.9]), || causal(&[0.4, 2.1]), || causal(&[1.0, 3.0]));
        assert_eq!(over(&[neutral(), neutral()]), Trained::InAll);
        assert_eq!(over(&[neutral(), drifts()]), Trained::InSome);
        assert_eq!(over(&[drifts(), some()]), Trained::InNone);
        assert_eq!(over(&[some()]), Trained::NotResolved);
        // A bidirectional model is only a comparison, and decides nothing.
        assert_eq!(over(&[drifts(), model(Mask::bidirectional(), &[1.0, 1.0])]), Trained::InNone);
        assert_eq!(over(&[model(Mask::bidirectional(), &[1.0, 1.0])]), Trained::NoModel);
        assert_eq!(over(&[]), Trained::NoModel);
    }
}

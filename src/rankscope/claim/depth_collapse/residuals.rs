//! The residuals of networks under masks, layer by layer, and how they fall.

use serde_json::json;

use super::*;

/// log₁₀ ‖res(X)‖ / ‖X‖ of one network under one mask, over the draws: of the input, then after every layer.
pub(super) struct Residual {
    pub(super) net: Net,
    pub(super) mask: &'static str,
    kind: Kind,
    layers: Vec<Sample>,
}

impl Residual {
    /// log₁₀ of the geometric means over the draws.
    pub(super) fn mean(&self) -> Vec<f64> {
        self.layers.iter().map(Sample::mean).collect()
    }

    /// The geometric mean of the ratio after the last layer.
    pub(super) fn left(&self) -> f64 {
        self.mean().last().map_or(f64::NAN, |log| 10f64.powf(*log))
    }

    /// How its geometric means fall.
    pub(super) fn fall(&self, sizes: &NetSizes) -> Fall {
        Fall::of(&self.mean(), sizes.floor())
    }

    fn curve(&self, name: String) -> Curve {
        let points = self.mean().into_iter().enumerate().map(|(layer, log)| (layer as f64, 10f64.powf(log)));
        Curve::new(name, self.kind, points)
    }
}

/// How residual ratios fall to the rounding floor.
#[derive(Debug, PartialEq)]
pub(super) struct Fall {
    /// The first layer at or below the floor.
    pub(super) reached: Option<usize>,
    /// The last drop above the floor divided by the drop before it, where there are two.
    ///
    /// It is three for doubly exponential collapse, where each layer multiplies the logarithm by three, and one for
    /// plain exponential collapse, where each layer subtracts the same amount.
    pub(super) growth: Option<f64>,
}

impl Fall {
    /// The fall of log₁₀ ratios, the input's first.
    pub(super) fn of(logs: &[f64], floor: f64) -> Self {
        let reached = logs.iter().position(|&value| value <= floor.log10());
        let above = &logs[..reached.unwrap_or(logs.len())];
        let drops: Vec<f64> = above.windows(2).map(|pair| pair[0] - pair[1]).collect();
        let growth = match drops[..] {
            [.., before, last] if before > 0.0 => Some(last / before),
            _ => None,
        };
        Fall { reached, growth }
    }

    /// Whether it reached the floor with a last drop at least twice the drop before it; `None` where there are no two
    /// drops to compare above the floor.
    pub(super) fn is_doubly_exponential(&self) -> Option<bool> {
        match (self.reached, self.growth) {
            (Some(_), growth) => growth.map(|growth| growth >= 2.0),
            (None, _) => Some(false),
        }
    }

    /// The fall in words, with the ratio after the last layer.
    pub(super) fn in_words(&self, left: f64) -> String {
        let Some(layer) = self.reached else { return short(left) };
        let drops = |times: f64| format!(", the last drop before it {} times the one before", short(times));
        format!("rounding from layer {layer} on{}", self.growth.map(drops).unwrap_or_default())
    }
}

/// The residuals of all networks under all masks.
pub(super) fn residuals(
    sizes: &NetSizes,
    masks: &[Masked],
    seeds: &[u64],
    run: &Run,
) -> Result<Vec<Residual>> {
    let items: Vec<(Net, u64)> =
        NETS.iter().flat_map(|&net| seeds.iter().map(move |&seed| (net, seed))).collect();
    let draws = rank::many(&items, "networks", run, |&((.., build), seed)| {
        let stack = Stack::new(build(sizes.pure()), seed)?;
        let under = |(_, mask): &Masked| log_residuals(&stack, &sizes.input(seed), mask, run);
        masks.iter().map(under).collect::<Result<Vec<_>>>()
    })?;
    let mut all = Vec::new();
    for (net, draws) in NETS.into_iter().zip(draws.chunks(seeds.len())) {
        for (index, (name, mask)) in masks.iter().enumerate() {
            let at = |layer: usize| draws.iter().map(|draw| draw[index][layer]).collect();
            let layers = (0..=sizes.layers).map(at).collect();
            all.push(Residual { net, mask: name, kind: Kind::of(mask), layers });
        }
    }
    Ok(all)
}

/// Reports the table, and for each network the masks under which it collapses doubly exponentially, and the others.
pub(super) fn report(evidence: &mut Evidence, sizes: &NetSizes, residuals: &[Residual]) {
    for at in residuals {
        let (net, mask) = (at.net.0, at.mask);
        for layer in [1, 2, 3, 4, 6, 8, 12].into_iter().filter(|&layer| layer <= sizes.layers) {
            evidence.record(format!("log10_ratio_{net}_{mask}_layer{layer}"), &at.layers[layer]);
        }
        let Fall { reached, growth } = at.fall(sizes);
        if let Some(layer) = reached {
            evidence.measure(format!("floor_layer_{net}_{mask}"), layer as f64, "layers");
        }
        if let Some(growth) = growth {
            evidence.measure(format!("growth_{net}_{mask}"), growth, "");
        }
    }
    for of_net in residuals.chunk_by(|a, b| a.net.0 == b.net.0) {
        let Architecture { skip, feed_forward, norm, .. } = of_net[0].net.2(sizes.pure());
        let net = json!({ "skip": skip, "mlp": feed_forward.is_some(), "norm": norm });
        for supports in [true, false] {
            let falls = of_net.iter().map(|at| (at, at.fall(sizes)));
            let side = falls.filter(|(_, fall)| (fall.is_doubly_exponential() == Some(true)) == supports);
            let words: Vec<_> = side
                .map(|(at, fall)| format!("{} under the {} mask", fall.in_words(at.left()), at.mask))
                .collect();
            if !words.is_empty() {
                let (layers, words) = (sizes.layers, words.join("; "));
                let text =
                    format!("the residual ratio of {} after {layers} layers: {words}", of_net[0].net.1);
                evidence.weigh(supports, text).at("net", net.clone());
            }
        }
    }
}

pub(super) fn axes(x: &str) -> [PlotAxis; 2] {
    [PlotAxis::linear(x), PlotAxis::log("residual ratio ‖res(X)‖ / ‖X‖")]
}

/// Draws pure attention under every mask, then attention with the other parts of real networks under two masks.
pub(super) fn plot(evidence: &mut Evidence, sizes: &NetSizes, residuals: &[Residual]) {
    let floor = || Reference::floor("rounding floor, f64", sizes.floor());
    let (mut curves, mut references) = (Vec::new(), vec![floor()]);
    for at in residuals.iter().filter(|at| at.net.0 == "san") {
        curves.push(at.curve(at.mask.to_owned()));
        if at.mask == "causal" {
            // The reference curve goes through the last point.
            let (left, layers) = (at.left(), sizes.layers);
            let line = (0..=layers).map(|layer| (layer as f64, left * 2f64.powi((layers - layer) as i32)));
            references.push(Reference::curve("× ½ per layer", line));
        }
    }
    let caption = format!(
        "‖res(X)‖ / ‖X‖ after every layer of pure attention (no skip, MLP or norm), geometric means over draws; n = {}, \
         C = {}, H = {}. Bidirectional falls doubly exponentially to the rounding floor (shaded), causal by a factor \
         that tends to 2 a layer.",
        sizes.n, sizes.width, sizes.heads
    );
    let figure = lines("Residual of pure attention", axes("layer"), curves, references);
    evidence.plot("residual-pure-attention", caption, figure);
    let shown = ["san_post_ln", "san_mlp", "san_skip", "pre_ln"];
    let networks = residuals
        .iter()
        .filter(|at| shown.contains(&at.net.0) && ["bidirectional", "causal"].contains(&at.mask));
    let curves: Vec<Curve> = networks.map(|at| at.curve(format!("{}, {}", at.net.1, at.mask))).collect();
    if !curves.is_empty() {
        let caption = "‖res(X)‖ / ‖X‖ after every layer, geometric means over draws: a norm or an MLP delays the collapse \
                       of bidirectional attention and does not stop it; with a skip the two masks are alike.";
        let figure = lines("Residual of networks", axes("layer"), curves, vec![floor()]);
        evidence.plot("residual-networks", caption, figure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_is_read_off_above_the_floor() {
        // The logarithm is multiplied by three in each layer, down to the floor; then a fall of 0.25 in each layer.
        let fall = Fall::of(&[-0.5, -1.5, -4.5, -13.5, -15.0], 1e-14);
        assert_eq!(fall, Fall { reached: Some(4), growth: Some(3.0) });
        assert_eq!(fall.is_doubly_exponential(), Some(true));
        let fall = Fall::of(&[0.0, -0.25, -0.5, -0.75], 1e-14);
        assert_eq!(fall, Fall { reached: None, growth: Some(1.0) });
        assert_eq!(fall.is_doubly_exponential(), Some(false));
        let fall = Fall::of(&[0.0, -15.0], 1e-14);
        assert_eq!(fall, Fall { reached: Some(1), growth: None });
        assert_eq!(fall.is_doubly_exponential(), None);
        assert_eq!(log_ratio(0.0), f64::EPSILON.log10());
    }
}

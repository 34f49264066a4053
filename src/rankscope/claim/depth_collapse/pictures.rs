//! The residual against the layer.

use serde_json::Value;

use super::checkpoints::{ABLATIONS, Checkpoint};
use super::curves::Curve;
use super::nets::Sizes;
use crate::claim::{Evidence, Settings, trained};
use crate::figure::style::Kind;
use crate::figure::{self, Lines, PlotAxis, Reference};
use crate::mask::Mask;

/// Pure attention under every mask; then with what real networks have, under two masks; then the models.
pub fn show(
    evidence: &mut Evidence,
    settings: &Settings,
    sizes: &Sizes,
    curves: &[Curve],
    models: &[Checkpoint],
) {
    let floor = sizes.floor();
    let pure: Vec<_> = curves.iter().filter(|curve| curve.net.is_pure(sizes)).collect();
    let names = pure.iter().map(|curve| curve.mask.to_owned()).collect();
    let mut figure = lines("Residual of pure attention", floor, settings.record(), (&pure, names));
    if let Some(causal) = pure.iter().find(|curve| curve.mask == "causal") {
        // Through the last point.
        let last = causal.mean()[sizes.layers];
        let line = (0..=sizes.layers)
            .map(|layer| (layer as f64, 10f64.powf(last) * 2f64.powi((sizes.layers - layer) as i32)));
        figure.references.push(Reference::curve("× ½ per layer", line));
    }
    let caption = format!(
        "‖res(X)‖ / ‖X‖ after every layer of pure attention (no skip, MLP or norm), geometric means over draws; \
         n = {}, C = {}, H = {}. Bidirectional falls doubly exponentially to the rounding floor (shaded), causal \
         by a factor that tends to 2 a layer.",
        sizes.n, sizes.width, sizes.heads
    );
    evidence.show("residual-pure-attention", caption, figure);

    let shown = ["san_post_ln", "san_mlp", "san_skip", "pre_ln"];
    let is_shown =
        |curve: &&Curve| shown.contains(&curve.net.name) && ["bidirectional", "causal"].contains(&curve.mask);
    let networks: Vec<_> = curves.iter().filter(is_shown).collect();
    let names = networks.iter().map(|curve| format!("{}, {}", curve.net.label, curve.mask)).collect();
    let figure = lines("Residual of networks", floor, settings.record(), (&networks, names));
    let caption = "‖res(X)‖ / ‖X‖ after every layer, geometric means over draws: a norm or an MLP delays the \
                   collapse of bidirectional attention and does not stop it; with a skip the two masks are \
                   alike.";
    evidence.show("residual-networks", caption, figure);
    for model in models {
        checkpoint(evidence, settings, model);
    }
}

fn lines(title: &str, floor: f64, settings: Value, (curves, names): (&[&Curve], Vec<String>)) -> Lines {
    let curve = |(curve, name): (&&Curve, String)| {
        let points = curve.mean().into_iter().enumerate();
        let points = points.map(|(layer, log)| (layer as f64, 10f64.powf(log)));
        figure::Curve::new(name, kind(curve.mask), points)
    };
    Lines {
        title: title.to_owned(),
        x: PlotAxis::linear("layer"),
        y: PlotAxis::log("residual ratio ‖res(X)‖ / ‖X‖"),
        curves: curves.iter().zip(names).map(curve).collect(),
        references: vec![Reference::floor("rounding floor, f64", floor)],
        settings,
    }
}

/// The colour of a mask by its name in measurements.
fn kind(mask: &str) -> Kind {
    match mask {
        "bidirectional" => Kind::of(&Mask::bidirectional()),
        "causal" => Kind::of(&Mask::causal()),
        "prefix" => Kind::Prefix,
        _ => Kind::Window,
    }
}

fn checkpoint(evidence: &mut Evidence, settings: &Settings, model: &Checkpoint) {
    let curves = ABLATIONS.iter().zip(&model.ratios).map(|(ablation, ratios)| {
        let points = ratios.iter().enumerate().map(|(layer, &ratio)| (layer as f64, ratio));
        figure::Curve::new(ablation.label, Kind::Plain, points)
    });
    let figure = Lines {
        title: format!("Residual in {}", model.name),
        x: PlotAxis::linear("layer (0: embeddings)"),
        y: PlotAxis::log("residual ratio ‖res(X)‖ / ‖X‖"),
        curves: curves.collect(),
        references: vec![Reference::floor("rounding floor, f32", model.floor)],
        settings: settings.record(),
    };
    let caption = format!(
        "‖res(X)‖ / ‖X‖ in the trained model {} ({} mask, {} tokens), as it is and with parts switched off in \
         every layer. Its weights were trained with all parts in place.",
        model.name, model.mask, model.tokens
    );
    evidence.show(format!("residual-{}", trained::plain(&model.name)), caption, figure);
}

//! Widgets: small programs in a page (`book/theme/widgets.js`), with the library's numbers inside.
//!
//! What a widget computes itself, softmax and singular values of at most 16 × 16 numbers, a test compares with the library.

use ndarray::Array2;
use rankscope::claim::{Draw, NetSizes, PhaseGrid, log_residuals, phase_map};
use rankscope::figure::style::{ColorMap, Kind, Rgb, Theme};
use rankscope::model::stack::{Architecture, Stack};
use rankscope::{Device, Mask, Result, Run};
use serde_json::{Map, Value, json};

use crate::html::escape;

/// A widget: its name, its data, and what it is for those who cannot run it.
type Widget = (&'static str, fn() -> Result<Value>, &'static str);

const WIDGETS: [Widget; 4] = [
    ("prefix", prefix, "A prefix that grows from 0 to 16, with the weights and their singular values."),
    ("mask", mask, "A mask of 12 positions to be painted, with the weights and their singular values."),
    ("phase-map", phases, "Which mask has the higher effective rank, over head size and logit scale."),
    ("collapse", collapse, "What is left of the differences between tokens, layer by layer."),
];

/// Positions of the prefix slider, and of the mask painter.
pub const POSITIONS: [usize; 2] = [16, 12];
/// The seed of every draw.
pub const SEED: u64 = 0;

/// `{{widget:NAME}}`.
///
/// # Errors
/// What there is instead.
pub fn block(name: &str) -> std::result::Result<String, String> {
    let found = WIDGETS.iter().find(|(known, ..)| *known == name);
    let (_, data, about) =
        found.ok_or_else(|| format!("one of {}", WIDGETS.map(|(name, ..)| name).join(", ")))?;
    let data = data().map_err(|error| error.to_string())?;
    Ok(format!(
        "<div class=\"widget\" data-widget=\"{name}\" role=\"group\" aria-label=\"{about}\"><script type=\"application/json\">{data}</script>\
         <noscript><p>{} It needs a browser that runs scripts.</p></noscript></div>",
        escape(about)
    ))
}

fn rows(matrix: &Array2<f64>) -> Vec<Vec<f64>> {
    matrix.rows().into_iter().map(|row| row.to_vec()).collect()
}

/// Evenly spaced colours of a map, for both themes.
fn colors(map: fn(Theme) -> &'static ColorMap) -> Value {
    let stops = |theme| (0..=16).map(|stop| map(theme).at(f64::from(stop) / 16.0)).collect::<Vec<Rgb>>();
    json!({ "light": stops(Theme::Light), "dark": stops(Theme::Dark) })
}

/// The colours of kinds of masks, by the names that the scripts have.
fn kinds() -> Value {
    let hex = |kind: Kind| {
        let [r, g, b] = kind.color();
        json!(format!("#{r:02x}{g:02x}{b:02x}"))
    };
    let named = [
        ("causal", Kind::Causal),
        ("prefix", Kind::Prefix),
        ("bidirectional", Kind::Bidirectional),
        ("window", Kind::Window),
        ("custom", Kind::Custom),
    ];
    named.into_iter().map(|(name, kind)| (name.to_owned(), hex(kind))).collect::<Map<_, _>>().into()
}

fn prefix() -> Result<Value> {
    let n = POSITIONS[0];
    let scores =
        [2, 4, 16].map(|size| (size.to_string(), json!(rows(&Draw::independent(n, size, SEED).scores(1.0)))));
    Ok(
        json!({ "n": n, "scores": Map::from_iter(scores), "amounts": colors(Theme::sequential), "kinds": kinds() }),
    )
}

fn mask() -> Result<Value> {
    let n = POSITIONS[1];
    let scores = rows(&Draw::independent(n, 4, SEED).scores(1.0));
    Ok(json!({ "n": n, "scores": scores, "amounts": colors(Theme::sequential), "kinds": kinds() }))
}

fn phases() -> Result<Value> {
    let grid = PhaseGrid {
        n: 64,
        head_sizes: vec![2, 4, 8, 16, 32, 64],
        scales: vec![0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0],
        alignment: 0.0,
        seed: SEED,
        seeds: 5,
    };
    let map = phase_map(&grid, &Device::Cpu, &Run::default())?;
    let point = |point: &rankscope::claim::PhasePoint| {
        let ahead = format!("{:?}", point.ahead()).to_lowercase();
        json!({ "causal": point.causal.mean(), "bidirectional": point.bidirectional.mean(), "ahead": ahead })
    };
    let points: Vec<Vec<Value>> =
        map.points().chunks(grid.head_sizes.len()).map(|row| row.iter().map(point).collect()).collect();
    Ok(json!({
        "n": grid.n, "sizes": grid.head_sizes, "scales": grid.scales, "points": points,
        "differences": colors(Theme::diverging),
    }))
}

fn collapse() -> Result<Value> {
    let sizes = NetSizes { n: 32, width: 64, heads: 4, layers: 12 };
    let masks = [
        ("causal", Mask::causal()),
        ("prefix", Mask::prefix(8)),
        ("bidirectional", Mask::bidirectional()),
        ("window", Mask::window(8)?),
    ];
    let nets: [(&str, fn(Architecture) -> Architecture); 2] =
        [("attention alone", |net| net), ("attention with a skip", Architecture::with_skip)];
    let mut ratios = Map::new();
    for (name, mask) in masks {
        let mut of_net = Map::new();
        for (net, build) in nets {
            let stack = Stack::new(build(sizes.pure()), SEED)?;
            of_net.insert(
                net.to_owned(),
                json!(log_residuals(&stack, &sizes.input(SEED), &mask, &Run::default())?),
            );
        }
        ratios.insert(name.to_owned(), of_net.into());
    }
    Ok(json!({ "n": sizes.n, "layers": sizes.layers, "ratios": ratios, "kinds": kinds() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_widget_has_data_and_words() {
        for (name, data, _) in WIDGETS {
            let html = block(name).unwrap();
            assert!(!html.contains('\n') && html.contains("<noscript>"), "{name}");
            let data = data().unwrap();
            assert!(html.contains(&data.to_string()), "{name}");
        }
        assert!(block("clock").unwrap_err().contains("phase-map"));
    }
}

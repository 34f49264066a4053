//! Widgets: small programs in a page (`book/theme/widgets.js`), with the library's numbers inside.
//!
//! A widget computes softmax and singular values of at most 16 × 16 numbers; a test compares them with the library's.

use ndarray::Array2;
use rankscope::claim::{Draw, NetSizes, PhaseGrid, log_residuals, phase_map};
use rankscope::figure::style::{ColorMap, Kind, Rgb, Theme};
use rankscope::model::stack::Stack;
use rankscope::{Device, Mask, Result, Run};
use serde_json::{Map, Value, json};

/// A widget.
struct Widget {
    name: &'static str,
    data: fn() -> Result<Value>,
    /// A description, for those who cannot see or run it.
    about: &'static str,
    /// The settings and the seed of its numbers.
    settings: &'static str,
    /// The lab of the app that shows more.
    lab: &'static str,
    /// The notebook that steps through it.
    notebook: &'static str,
}

const WIDGETS: [Widget; 4] = [
    Widget {
        name: "prefix",
        data: prefix,
        about: "A prefix that grows from 0 to 16, with the weights and their singular values.",
        settings: "n = 16, queries and keys drawn with seed 0; softmax and singular values are computed in this page.",
        lab: "mask",
        notebook: "02-masks.ipynb",
    },
    Widget {
        name: "mask",
        data: mask,
        about: "A mask of 12 positions to be painted, with the weights and their singular values.",
        settings: "n = 12, D = 4, queries and keys drawn with seed 0; softmax and singular values are computed in this page.",
        lab: "mask",
        notebook: "02-masks.ipynb",
    },
    Widget {
        name: "phase-map",
        data: phases,
        about: "Which mask has the higher effective rank, over head size and logit scale.",
        settings: "n = 64, 5 draws a point from seed 0 on, computed when the book was built.",
        lab: "court",
        notebook: "05-softmax-and-rank.ipynb",
    },
    Widget {
        name: "collapse",
        data: collapse,
        about: "What is left of the differences between tokens, layer by layer.",
        settings: "32 tokens of width 64, 4 heads, prefix 8, window 8, weights and input drawn with seed 0, computed when \
                   the book was built.",
        lab: "collapse",
        notebook: "08-collapse-with-depth.ipynb",
    },
];

/// Positions of the prefix slider, and of the mask painter.
pub const POSITIONS: [usize; 2] = [16, 12];
/// The seed of every draw.
pub const SEED: u64 = 0;

/// `{{widget:NAME}}`.
///
/// # Errors
/// If there is no such widget, with what is expected.
pub fn block(name: &str) -> std::result::Result<String, String> {
    let found = WIDGETS.iter().find(|widget| widget.name == name);
    let names = || WIDGETS.map(|widget| widget.name).join(", ");
    let Widget { data, about, settings, lab, notebook, .. } =
        found.ok_or_else(|| format!("one of {}", names()))?;
    let data = data().map_err(|error| error.to_string())?;
    Ok(format!(
        "<div class=\"widget\" data-widget=\"{name}\" role=\"group\" aria-label=\"{about}\">\
         <script type=\"application/json\">{data}</script>\
         <noscript><p>{about} It needs a browser that runs scripts.</p></noscript>\
         <p class=\"note\">{settings} In the app: <code>rankscope-app --lab {lab}</code>. Step by step: \
         <code>notebooks/{notebook}</code>.</p></div>"
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

/// The colours of the kinds of masks, under the names that the scripts use.
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
    let scores = |size: usize| json!(rows(&Draw::independent(n, size, SEED).scores(1.0)));
    let scores = Map::from_iter([2, 4, 16].map(|size| (size.to_string(), scores(size))));
    Ok(json!({ "n": n, "scores": scores, "amounts": colors(Theme::sequential), "kinds": kinds() }))
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
    let pure = sizes.pure();
    let nets = [("attention alone", pure), ("attention with a skip", pure.with_skip())];
    let mut ratios = Map::new();
    for (name, mask) in masks {
        let mut of_net = Map::new();
        for (net, architecture) in nets {
            let stack = Stack::new(architecture, SEED)?;
            let logs = log_residuals(&stack, &sizes.input(SEED), &mask, &Run::default())?;
            of_net.insert(net.to_owned(), json!(logs));
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
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for Widget { name, data, lab, notebook, .. } in WIDGETS {
            let html = block(name).unwrap();
            assert!(!html.contains('\n') && html.contains("<noscript>"), "{name}");
            assert!(html.contains(&data().unwrap().to_string()), "{name}");
            assert!(root.join("src/app/src/labs").join(lab).is_dir(), "{lab}");
            assert!(root.join("notebooks").join(notebook).is_file(), "{notebook}");
        }
        assert!(block("clock").unwrap_err().contains("phase-map"));
    }
}

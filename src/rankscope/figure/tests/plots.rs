//! Curves and phase maps: what they draw, and what they refuse to draw.

use ndarray::{Array2, array};
use serde_json::json;

use super::super::scene::Item;
use super::super::style::{Kind, Theme};
use super::super::*;

/// Curves of every kind, twice, with whiskers and references of every form.
pub(super) fn lines(points: usize, curves: usize, is_log: bool) -> Lines {
    let axis = |label: &str| if is_log { PlotAxis::log(label) } else { PlotAxis::linear(label) };
    let value = |k: usize, i: usize| 10f64.powf(-0.3 * i as f64) / (1.0 + k as f64);
    let curve = |k: usize| {
        let points = (0..points).map(|i| (2f64.powi(i as i32 % 40), value(k, i)));
        let spread = (0..points.len()).map(|i| 0.2 * value(k, i)).collect::<Vec<_>>();
        let name =
            ["causal", "bidirectional, head size 64", "loss & <error> of a curve with a very long name"];
        Curve::new(name[k % 3], Kind::ALL[k % Kind::ALL.len()], points).with_spread(spread)
    };
    Lines {
        title: "lines".into(),
        x: axis("positions n"),
        y: axis("relative error of something with a long description, in nats per token and head"),
        curves: (0..curves).map(curve).collect(),
        references: vec![
            Reference::level("bound ln 2", 0.69),
            Reference::level("bound of nearly the same height", 0.7),
            Reference::floor("rounding floor", 0.01),
            Reference::at("n/2", 4.0),
            Reference::at("n − 1, the threshold", 5.0),
            Reference::curve("theory (leaves the plot)", (1..9).map(|i| (f64::from(i), f64::from(i).exp()))),
            Reference::curve("zeros", [(1.0, 0.0), (8.0, 0.0)]),
        ],
        settings: json!({ "seed": 7 }),
    }
}

pub(super) fn phase_map(rows: usize, cols: usize) -> PhaseMap {
    let values = |n: usize, factor: f64| (0..n).map(|i| 0.05 * factor.powi(i as i32)).collect::<Vec<_>>();
    let value = |(row, col): (usize, usize)| {
        (row + col != 5).then(|| 30.0 - 3.0 * col as f64 - 0.2 * (row * row) as f64)
    };
    PhaseMap {
        title: "phase map".into(),
        x: MapAxis { label: "head size D".into(), values: values(cols, 1.0 + 4.0 / cols as f64) },
        y: MapAxis { label: "logit scale".into(), values: values(rows, 1.0 + 5.0 / rows as f64) },
        values: Array2::from_shape_fn((rows, cols), value),
        unit: "causal − bidirectional effective rank".into(),
        border: "equal effective rank".into(),
        settings: json!({ "seed": 7 }),
    }
}

#[test]
fn the_legend_of_a_map_tells_of_its_border_and_its_holes() {
    let texts = |map: &PhaseMap| {
        let boxes = map.scene(Theme::Dark).unwrap().text_boxes();
        boxes.into_iter().map(|(text, _)| text).collect::<Vec<_>>()
    };
    let both = texts(&phase_map(20, 20));
    assert!(both.contains(&"sign change: equal effective rank".to_owned()));
    assert!(both.contains(&"not computed".to_owned()));
    let plain = PhaseMap { values: Array2::from_elem((4, 3), Some(1.0)), ..phase_map(4, 3) };
    assert!(!texts(&plain).iter().any(|text| text.contains("sign change") || text.contains("not computed")));
}

#[test]
fn the_first_row_of_a_map_is_at_the_bottom_and_colours_have_zero_in_the_middle() {
    let values = array![[Some(-2.0), Some(0.0)], [Some(1.0), Some(2.0)]];
    let scene = PhaseMap { values, ..phase_map(2, 2) }.scene(Theme::Light).unwrap();
    let place = |value: f64| {
        let color = Theme::Light.diverging().at(0.5 + value / 4.0);
        let mut cells = scene.cells().unwrap().runs().filter(|(_, fill)| *fill == color);
        cells.next().map(|(area, _)| (area.x, area.y)).unwrap()
    };
    assert!(place(-2.0).1 > place(1.0).1 && place(-2.0).0 < place(0.0).0);
    assert!(place(2.0).1 == place(1.0).1 && place(2.0).0 == place(0.0).0);
}

#[test]
fn values_go_up_and_whiskers_reach_as_far_as_the_spread() {
    let curve = Curve::new("x", Kind::Causal, [(1.0, 2.0), (2.0, 6.0)]).with_spread([1.0, 2.0]);
    let figure = Lines { curves: vec![curve], references: vec![], ..lines(2, 1, false) };
    let scene = figure.scene(Theme::Light).unwrap();
    let color = Kind::Causal.color();
    let upright = scene.items.iter().filter_map(|item| match item {
        Item::Line { points, color: line, .. } if *line == color && points[0].0 == points[1].0 => {
            Some(points)
        }
        _ => None,
    });
    let ends: Vec<(f64, f64)> = upright.map(|points| (points[0].1, points[1].1)).collect();
    // From 1 to 3 and from 4 to 8, on an axis from 0 to 8.
    let unit = (ends[1].0 - ends[1].1) / 4.0;
    assert!(unit > 40.0 && ((ends[0].0 - ends[0].1) / unit - 2.0).abs() < 1e-9, "{ends:?}");
    assert!(((ends[0].0 - ends[1].0) / unit - 3.0).abs() < 1e-9, "{ends:?}");
}

#[test]
fn scattered_points_have_a_marker_each_and_no_line() {
    let points = (0..300).map(|i| (f64::from(i * 7 % 300), f64::from(i * 11 % 13)));
    let curve = Curve::new("x", Kind::Causal, points).scattered();
    let figure = Lines { curves: vec![curve], references: vec![], ..lines(2, 1, false) };
    let scene = figure.scene(Theme::Light).unwrap();
    let is_line = |item: &&Item| matches!(item, Item::Line { color, .. } if *color == Kind::Causal.color());
    assert_eq!(scene.items.iter().filter(is_line).count(), 0);
    // Triangles, one of them in the legend.
    let markers = scene.items.iter().filter(|item| matches!(item, Item::Polygon { .. }));
    assert_eq!(markers.count(), 301);
}

#[test]
fn a_spread_down_to_zero_is_as_long_as_upwards_on_a_log_axis_and_has_no_cap() {
    let whisker = |spread: f64| {
        let curve = Curve::new("x", Kind::Causal, [(1.0, 1.0), (2.0, 100.0)]).with_spread([spread, 9.0]);
        let lines = Lines { curves: vec![curve], references: vec![], ..lines(2, 1, true) };
        let scene = lines.scene(Theme::Light).unwrap();
        let of_curve = |item: &Item| match item {
            Item::Line { points, color, width: 1.2 } if *color == Kind::Causal.color() => {
                Some(points.clone())
            }
            _ => None,
        };
        let parts: Vec<_> = scene.items.iter().filter_map(of_curve).collect();
        let mut markers = scene.items.iter().filter_map(|item| match item {
            // The triangle's middle is 0.15 of its radius above that of its box.
            Item::Polygon { points, .. } => Some((points[0].1, points[1].1)),
            _ => None,
        });
        let (top, bottom) = markers.nth(1).unwrap();
        (parts[0].clone(), parts.len(), top + (bottom - top) * 1.2 / 2.1, scene.text_boxes())
    };
    // Two vertical bars with two caps each; one cap less if the lower end is open.
    let (closed, parts, _, _) = whisker(0.5);
    assert_eq!(parts, 6);
    for spread in [0.95, 1.0, 4.0] {
        let (ends, parts, point, texts) = whisker(spread);
        assert_eq!(parts, 5, "spread {spread}");
        let (down, up) = (ends[0].1 - point, point - ends[1].1);
        assert!(up > 5.0 && (down - up).abs() < 1e-6, "spread {spread}: {down} {up}");
        assert!(texts.iter().all(|(text, _)| !text.starts_with('≤')), "{texts:?}");
    }
    assert!(closed[0].1 > closed[1].1);
}

#[test]
fn what_lines_and_maps_cannot_draw_is_named() {
    let message = |result: crate::Result<String>| result.unwrap_err().to_string();
    let refused = |figure: Lines| message(figure.to_svg(Theme::Light));
    assert!(refused(Lines { curves: vec![], ..lines(3, 1, false) }).starts_with("points of the figure is 0"));
    let with = |curve| Lines { curves: vec![curve], ..lines(3, 1, true) };
    let two = || Curve::new("a", Kind::Plain, [(1.0, 2.0), (2.0, 3.0)]);
    assert_eq!(refused(with(two().with_spread([1.0]))), "spreads of a is 1, expected 2");
    assert!(refused(with(two().with_spread([1.0, -1.0]))).starts_with("spread of a is -1"));
    assert!(refused(with(Curve::new("a", Kind::Plain, [(-1.0, 2.0)]))).starts_with("positions n is -1"));
    let many = Lines { references: vec![Reference::level("x", 1.0); 13], ..lines(3, 1, false) };
    assert!(refused(many).starts_with("references of the figure is 13"));
    let map = |change: fn(&mut PhaseMap)| {
        let mut map = phase_map(3, 4);
        change(&mut map);
        message(map.to_svg(Theme::Light))
    };
    assert_eq!(map(|map| map.x.values.truncate(3)), "cells of the map is 3 × 4, expected 3 × 3");
    assert!(map(|map| map.y.values[1] = 9.0).starts_with("logit scale is [0.05, 9.0"));
    assert!(map(|map| map.values[(2, 1)] = Some(f64::NAN)).starts_with("cell (2, 1) of the map is NaN"));
}

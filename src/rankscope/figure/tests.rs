//! Layout, documents, and data that a figure refuses to draw.

mod plots;

use std::io::Cursor;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ndarray::{Array2, array};
use serde_json::json;

use super::scene::{Cells, Item, Rect, Scene};
use super::style::{Kind, Theme};
use super::*;
use crate::rank::Spectrum;

/// Words of very different length, some outside the embedded face.
fn labels(n: usize) -> Vec<String> {
    let words =
        [" the", "Alice", "猫が", "<s>", "👩‍🚀", "internationalisation", "&", "\n", "é", "日本語の文章です"];
    (0..n).map(|i| words[i % words.len()].to_owned()).collect()
}

pub(super) fn heatmap(rows: usize, cols: usize) -> Heatmap {
    let offset = cols.saturating_sub(rows);
    let weight = |(t, s): (usize, usize)| if s <= t + offset { 1.0 / (t + offset + 1) as f64 } else { 0.0 };
    Heatmap {
        title: "a <b> & c".into(),
        values: Array2::from_shape_fn((rows, cols), weight),
        may_attend: Some(Array2::from_shape_fn((rows, cols), |(t, s)| s <= t + offset)),
        queries: labels(rows),
        keys: labels(cols),
        scale: Scale::Amount,
        unit: "attention weight".into(),
        settings: json!({ "text": "]]> <&>", "seed": 7 }),
    }
}

fn decaying(n: usize, per_step: f64) -> Spectrum {
    Spectrum::from_values((0..n).map(|i| 2.0 * 10f64.powf(-per_step * i as f64)).collect(), n, n).unwrap()
}

pub(super) fn spectra(n: usize) -> SpectrumFigure {
    let mut zeros = decaying(n, 0.05).values().to_vec();
    zeros[n / 2..].fill(0.0);
    let series = |name: &str, kind, spectrum| Series { name: name.into(), kind, spectrum };
    SpectrumFigure {
        title: "spectra".into(),
        series: vec![
            series("causal", Kind::Causal, decaying(n, 20.0 / n as f64)),
            series("bidirectional <all>", Kind::Bidirectional, decaying(n, 3.0 / n as f64)),
            series("prefix-LM, prefix 8", Kind::Prefix, Spectrum::from_values(zeros, n, n).unwrap()),
            series("causal window of 16 positions", Kind::Window, decaying(n, 1.0 / n as f64)),
            series(
                "mine: a very long name that somebody typed into a box without thinking of legends",
                Kind::Custom,
                decaying(n, 9.0 / n as f64),
            ),
        ],
        settings: json!({ "seed": 7 }),
    }
}

pub(super) fn wall(layers: usize, heads: usize) -> Wall {
    let value =
        |(layer, head)| (layer + head != 3).then(|| 128.0 / (1.0 + (layer * heads + head) as f64).sqrt());
    Wall {
        title: "wall".into(),
        values: Array2::from_shape_fn((layers, heads), value),
        layers: Wall::one_stack(layers),
        unit: "effective rank".into(),
        settings: json!({}),
    }
}

/// A figure whose layout can also be inspected.
trait Drawn: Drawing + Figure {}

impl<D: Drawing> Drawn for D {}

fn drawings() -> Vec<(String, Box<dyn Drawn>)> {
    let mut all: Vec<(String, Box<dyn Drawn>)> = Vec::new();
    for (rows, cols) in
        [(1, 1), (2, 3), (5, 9), (12, 12), (37, 41), (128, 128), (3, 200), (200, 3), (1024, 700)]
    {
        all.push((format!("heatmap {rows} × {cols}"), Box::new(heatmap(rows, cols))));
    }
    for n in [1, 2, 16, 17, 100, 128, 1000] {
        all.push((format!("spectra of {n}"), Box::new(spectra(n))));
    }
    for (layers, heads) in [(1, 1), (1, 12), (6, 12), (30, 9), (32, 32), (96, 96)] {
        all.push((format!("wall {layers} × {heads}"), Box::new(wall(layers, heads))));
    }
    for (points, curves) in [(1, 1), (2, 3), (9, 6), (12, 12), (300, 24)] {
        for is_log in [false, true] {
            all.push((format!("{curves} lines of {points}"), Box::new(plots::lines(points, curves, is_log))));
        }
    }
    for (rows, cols) in [(1, 1), (2, 3), (9, 7), (20, 20), (3, 200), (200, 3)] {
        all.push((format!("phase map {rows} × {cols}"), Box::new(plots::phase_map(rows, cols))));
    }
    all
}

#[test]
fn no_text_overlaps_another_or_leaves_the_picture() {
    for (name, drawing) in drawings() {
        let scene = drawing.scene(Theme::Light).unwrap();
        let boxes = scene.text_boxes();
        assert!(!boxes.is_empty());
        for (i, (text, area)) in boxes.iter().enumerate() {
            let inside = area.x >= 0.0
                && area.y >= 0.0
                && area.right() <= scene.width
                && area.bottom() <= scene.height;
            assert!(inside, "{name}: {text:?} at {area:?} leaves {} × {}", scene.width, scene.height);
            for (other, other_area) in &boxes[..i] {
                let is_apart = !area.overlaps(other_area);
                assert!(is_apart, "{name}: {text:?} {area:?} over {other:?} {other_area:?}");
            }
        }
    }
}

#[test]
fn every_point_and_line_is_inside_the_picture() {
    for (name, drawing) in drawings() {
        let scene = drawing.scene(Theme::Light).unwrap();
        let points = scene.items.iter().flat_map(|item| match item {
            Item::Line { points, .. } | Item::Polygon { points, .. } => points.clone(),
            Item::Disc { center, .. } => vec![*center],
            Item::Fill { area, .. } | Item::Cells(Cells { area, .. }) => {
                vec![(area.x, area.y), (area.right(), area.bottom())]
            }
            Item::Text { at, .. } => vec![*at],
        });
        for (x, y) in points {
            let is_inside = (0.0..=scene.width).contains(&x) && (0.0..=scene.height).contains(&y);
            assert!(is_inside, "{name}: ({x}, {y})");
        }
    }
}

/// Every opened tag is closed, in order, and no stray markup is left in the text.
fn check_well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "stray > in {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("an open tag");
        let tag = &rest[start + 1..end];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            open.push(tag.split(' ').next().unwrap());
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?} left open");
    for (at, _) in svg.match_indices('&') {
        let entity = svg[at + 1..].split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "apos"].contains(&entity), "&{entity}");
    }
    let allowed = |c: char| c >= ' ' || c == '\n' || c == '\t';
    assert!(svg.chars().all(allowed));
}

#[test]
fn documents_are_well_formed_and_escaped() {
    for (_, drawing) in drawings().into_iter().filter(|(name, _)| !name.contains("1024")) {
        for theme in Theme::ALL {
            let scene = drawing.scene(theme).unwrap();
            check_well_formed(&svg::document(&scene, drawing.about()).unwrap());
            check_well_formed(&drawing.to_html().unwrap());
        }
    }
    let svg = heatmap(12, 12).to_svg(Theme::Dark).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("<title>a &lt;b&gt; &amp; c</title>"));
    assert!(svg.contains(r#"<metadata>{"text":"]]&gt; &lt;&amp;&gt;","seed":7}</metadata>"#));
    for label in ["&lt;s&gt;", "猫が", "👩‍🚀", "␣the"] {
        assert!(svg.contains(label), "{label}");
    }
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    assert_eq!(spectra(17).to_svg(Theme::Light).unwrap(), spectra(17).to_svg(Theme::Light).unwrap());
    assert_eq!(wall(3, 4).to_png(Theme::Dark).unwrap(), wall(3, 4).to_png(Theme::Dark).unwrap());
    assert_ne!(wall(3, 4).to_png(Theme::Dark).unwrap(), wall(3, 4).to_png(Theme::Light).unwrap());
}

#[test]
fn a_png_has_two_pixels_per_svg_pixel() {
    let figure = heatmap(5, 9);
    let scene = figure.scene(Theme::Light).unwrap();
    let png = figure.to_png(Theme::Light).unwrap();
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((frame.width, frame.height), (2 * scene.width as u32, 2 * scene.height as u32));
    assert_eq!((frame.color_type, frame.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    assert_eq!(pixels[..3], Theme::Light.palette().background);
}

#[test]
fn a_png_carries_what_recreates_it_as_the_svg_does() {
    let settings = json!({ "seed": 7, "text": "猫 <&> \"é\"\n" });
    let figure = Wall { title: "ranks of 猫".into(), settings: settings.clone(), ..wall(2, 3) };
    let png = figure.to_png(Theme::Dark).unwrap();
    let reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
    let text = |keyword: &str| {
        let mut chunks = reader.info().utf8_text.iter();
        chunks.find(|chunk| chunk.keyword == keyword).unwrap().get_text().unwrap()
    };
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text("rankscope")).unwrap(), settings);
    assert_eq!(text("Title"), "ranks of 猫");
}

/// The pixels of the `nth` image of a document as red, green, blue, opacity, and its width.
fn image(svg: &str, nth: usize) -> (Vec<[u8; 4]>, usize) {
    let encoded = svg.split("href=\"data:image/png;base64,").nth(1 + nth).expect("an image");
    let bytes = BASE64_STANDARD.decode(encoded.split('"').next().unwrap()).unwrap();
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let width = reader.next_frame(&mut pixels).unwrap().width as usize;
    (pixels.chunks_exact(4).map(|pixel| pixel.try_into().unwrap()).collect(), width)
}

#[test]
fn a_cell_has_the_color_of_its_value_and_a_masked_one_has_none() {
    let figure = Heatmap { queries: labels(2), keys: labels(2), ..heatmap(2, 2) };
    let html = figure.to_html().unwrap();
    // A document has the image of its theme, a fragment those of both.
    for (theme, nth) in [(Theme::Light, 0), (Theme::Dark, 1)] {
        for (svg, nth) in [(&figure.to_svg(theme).unwrap(), 0), (&html, nth)] {
            let (pixels, width) = image(svg, nth);
            let cell =
                |row: usize, col: usize| pixels[(width * row + col) * width / 2 + width / 4 * (width + 1)];
            let opaque = |value: f64| {
                let [r, g, b] = theme.sequential().at(value);
                [r, g, b, 255]
            };
            let expected = (opaque(1.0), opaque(0.5), opaque(0.5));
            assert_eq!((cell(0, 0), cell(1, 0), cell(1, 1)), expected, "{theme:?}");
            assert_eq!(cell(0, 1)[3], 0, "what is masked shows the hatch below");
        }
    }
}

#[test]
fn an_image_keeps_more_colors_than_a_palette_has() {
    let colors: Vec<_> =
        (0..300u16).map(|i| (i > 0).then_some([(i / 256) as u8, (i % 256) as u8, 9])).collect();
    let area = Rect { x: 0.0, y: 0.0, w: 300.0, h: 10.0 };
    let mut scene = Scene::new(300.0, 10.0, [0; 3]);
    scene.items.push(Item::Cells(Cells { area, rows: 1, cols: 300, colors: colors.clone() }));
    let (pixels, width) = image(&svg::document(&scene, ("", &json!(null))).unwrap(), 0);
    let shown = pixels[..width].chunks(width / 300).map(|pixels| pixels[0]);
    let wanted = colors.iter().map(|color| color.map_or([0; 4], |[r, g, b]| [r, g, b, 255]));
    assert!(shown.eq(wanted));
}

/// How many rectangles and fields of cells, except background and panel, contain `point` and do not have it on an edge.
fn fills_around(scene: &Scene, (x, y): (f64, f64)) -> usize {
    let is_inside = |item: &&Item| match item {
        Item::Fill { area, .. } | Item::Cells(Cells { area, .. }) => {
            area.x < x && x < area.right() && area.y < y && y < area.bottom()
        }
        _ => false,
    };
    scene.items.iter().skip(2).filter(is_inside).count()
}

#[test]
fn no_seam_shows_between_cells_or_in_the_colour_bar_at_any_scale() {
    let (rows, cols) = (5, 7);
    let values = Array2::from_shape_fn((rows, cols), |(t, s)| (t * cols + s) as f64);
    let scene = Heatmap { values, may_attend: None, ..heatmap(rows, cols) }.scene(Theme::Light).unwrap();
    let Item::Fill { area: panel, .. } = &scene.items[1] else {
        panic!("the panel comes behind the background")
    };
    let (w, h) = (panel.w / cols as f64, panel.h / rows as f64);
    for (row, col) in (1..rows).flat_map(|row| (1..cols).map(move |col| (row, col))) {
        let corner = (panel.x + col as f64 * w, panel.y + row as f64 * h);
        // On each edge between two cells, some item below covers both.
        assert!(fills_around(&scene, (corner.0, corner.1 - h / 2.0)) > 0, "left of ({row}, {col})");
        assert!(fills_around(&scene, (corner.0 - w / 2.0, corner.1)) > 0, "above ({row}, {col})");
    }
    let bar = scene.items.iter().rev().find_map(|item| match item {
        Item::Cells(cells) if cells.cols == 1 => Some(cells),
        _ => None,
    });
    let bar = bar.expect("a bar");
    assert!(bar.colors.iter().all(Option::is_some));
    for strip in 1..bar.area.h as usize {
        let middle = (bar.area.x + bar.area.w / 2.0, bar.area.y + strip as f64);
        assert!(fills_around(&scene, middle) > 0, "strip {strip}");
    }
}

#[test]
fn the_hatch_shows_in_masked_cells_only() {
    let (rows, cols) = (4, 5);
    let hatched = |may_attend: Array2<bool>| {
        let figure = Heatmap { may_attend: Some(may_attend), ..heatmap(rows, cols) };
        let scene = figure.scene(Theme::Light).unwrap();
        let is_hatch =
            |item: &Item| matches!(item, Item::Line { color, .. } if *color == Theme::Light.palette().hatch);
        (
            scene.items.iter().filter(|item| is_hatch(item)).count(),
            scene.items.iter().rposition(is_hatch),
            scene,
        )
    };
    let (lines, last, _) = hatched(Array2::from_elem((rows, cols), true));
    assert_eq!((lines, last), (0, None));
    let may_attend = Array2::from_shape_fn((rows, cols), |(row, col)| (row * row + 2 * col) % 5 > 1);
    let (lines, last, scene) = hatched(may_attend.clone());
    let Item::Fill { area: panel, .. } = &scene.items[1] else {
        panic!("the panel comes behind the background")
    };
    assert!(lines > 10);
    let (w, h) = (panel.w / cols as f64, panel.h / rows as f64);
    for ((row, col), &is_visible) in may_attend.indexed_iter() {
        for (dx, dy) in [(0.02, 0.02), (0.5, 0.5), (0.98, 0.02), (0.02, 0.98), (0.98, 0.98)] {
            let (x, y) = (panel.x + (col as f64 + dx) * w, panel.y + (row as f64 + dy) * h);
            let covers = |item: &Item| match item {
                Item::Fill { area, .. } => area.x < x && x < area.right() && area.y < y && y < area.bottom(),
                Item::Cells(cells) => cells
                    .runs()
                    .any(|(area, _)| area.x < x && x < area.right() && area.y < y && y < area.bottom()),
                _ => false,
            };
            let is_covered = scene.items[last.unwrap()..].iter().any(covers);
            assert_eq!(is_covered, is_visible, "({row}, {col}) at ({dx}, {dy})");
        }
    }
}

#[test]
fn a_wall_shows_more_in_a_stronger_color_and_nothing_where_there_is_none() {
    let figure = Wall { values: array![[Some(0.0), Some(2.0)], [None, Some(4.0)]], ..wall(2, 2) };
    for theme in Theme::ALL {
        let scene = figure.scene(theme).unwrap();
        let [zero, half, one] = [0.0, 0.5, 1.0].map(|amount| Some(theme.sequential().at(amount)));
        assert_eq!(scene.cells().unwrap().colors, [zero, half, None, one], "{theme:?}");
    }
}

#[test]
fn values_at_or_below_the_axis_stand_on_it_and_its_label_says_so() {
    let labels = |figure: &SpectrumFigure| {
        let boxes = figure.scene(Theme::Light).unwrap().text_boxes();
        boxes.into_iter().map(|(text, _)| text).collect::<Vec<_>>()
    };
    assert!(labels(&spectra(16)).iter().any(|label| label.starts_with("≤ 10⁻")));
    let mut clear = spectra(16);
    clear.series.truncate(2);
    clear.series.remove(0);
    assert!(!labels(&clear).iter().any(|label| label.starts_with('≤')));
    assert!(labels(&clear).iter().any(|label| label.starts_with("f32 tolerance ")));
    let svg = SpectrumFigure {
        series: vec![Series {
            name: "zero".into(),
            kind: Kind::Plain,
            spectrum: Spectrum::of(Array2::zeros((4, 6)).view()).unwrap(),
        }],
        ..spectra(16)
    };
    assert!(!svg.to_svg(Theme::Light).unwrap().contains("NaN"));
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let message = |result: crate::Result<String>| result.unwrap_err().to_string();
    let empty = SpectrumFigure { series: vec![], ..spectra(3) };
    assert!(message(empty.to_svg(Theme::Light)).starts_with("spectrum figure is without singular values"));
    let short = Heatmap { queries: labels(4), ..heatmap(5, 9) };
    assert_eq!(message(short.to_svg(Theme::Light)), "heatmap labels is 4 × 9, expected 5 × 9");
    let large = heatmap(3, 1025);
    assert!(message(large.to_svg(Theme::Light)).starts_with("heatmap is 3 × 1025, expected between"));
    let mask = Heatmap { may_attend: Some(array![[true]]), ..heatmap(5, 9) };
    assert_eq!(message(mask.to_svg(Theme::Light)), "heatmap mask is 1 × 1, expected 5 × 9");
    let mut broken = heatmap(5, 9);
    broken.values[(4, 2)] = f64::NAN;
    assert!(message(broken.to_svg(Theme::Light)).starts_with("heatmap entry (4, 2) is NaN"));
    let mut negative = wall(2, 3);
    negative.values[(1, 1)] = Some(-1.0);
    assert!(message(negative.to_svg(Theme::Light)).starts_with("effective rank of L1, head 1 is -1"));
}

#[test]
fn masks_keep_their_kind() {
    use super::style::Kind;
    let cases = [
        ("causal", Kind::Causal),
        ("bidirectional", Kind::Bidirectional),
        ("prefix(3)", Kind::Prefix),
        ("window(4)", Kind::Window),
        ("two-sided-window(4)", Kind::Window),
        ("blocks(2, 3)", Kind::Custom),
        ("!causal", Kind::Custom),
        ("causal & window(4)", Kind::Custom),
        ("prefix(3) | window(2)", Kind::Custom),
    ];
    for (text, expected) in cases {
        assert_eq!(Kind::of(&text.parse().unwrap()), expected, "{text}");
    }
}

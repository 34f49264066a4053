//! The widgets as mouse and keyboard meet them.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::wgpu::WgpuTestRenderer;
use ndarray::{Array2, array};
use rankscope::Mask;
use rankscope::figure::style::Kind;
use rankscope::figure::{Curve, Lines, PlotAxis, Reference};

use super::heatmap::{Entry, Heatmap};
use super::lines;
use super::number::Number;
use crate::heatmap::{self, Colours, Matrix, Scale};
use crate::layout::entry_rect;
use crate::{headless, theme};

/// The last events on a heatmap of 6 × 8 entries.
#[derive(Default)]
struct Told {
    drags: Vec<(Entry, Entry)>,
    dropped: Vec<(Entry, Entry)>,
    entered: Option<Entry>,
    matrix: Arc<Matrix>,
    colours: Option<Colours>,
}

fn window<S: 'static>(state: S, ui: impl FnMut(&mut egui::Ui, &mut S) + 'static) -> Harness<'static, S> {
    let render = headless::predictable();
    heatmap::install(&render);
    Harness::builder()
        .with_size([420.0, 360.0])
        .with_step_dt(0.02)
        .with_context_setup(|ctx| theme::install(ctx, egui::Theme::Dark))
        .renderer(WgpuTestRenderer::from_render_state(render))
        .build_ui_state(ui, state)
}

fn heatmap(told: Told) -> Harness<'static, Told> {
    let mut window = window(told, |ui, told: &mut Told| {
        let colours = told.colours.unwrap_or(Colours::Amount(48.0));
        let touch = Heatmap::new("numbers", &told.matrix, colours).with_bar("amount").show(ui);
        told.drags.extend(touch.drag);
        told.dropped.extend(touch.dropped);
        told.entered = touch.entered.or(told.entered);
    });
    window.run_steps(2);
    window
}

fn numbers() -> Told {
    let values = Array2::from_shape_fn((6, 8), |(row, column)| (8 * row + column) as f64);
    Told { matrix: Arc::new(Matrix::new(values)), ..Told::default() }
}

fn center(window: &Harness<'_, Told>, at: Entry) -> Pos2 {
    entry_rect(window.get_by_label_contains("numbers").rect(), 6, 8, at).center()
}

#[test]
fn a_drag_tells_where_it_began_and_what_it_has_reached_even_outside() {
    let mut window = heatmap(numbers());
    let (from, to) = (center(&window, (1, 2)), center(&window, (4, 5)));
    window.drag_at(from);
    window.step();
    window.hover_at(to);
    window.step();
    assert_eq!(window.state().drags.last(), Some(&((1, 2), (4, 5))));
    window.hover_at(to + egui::vec2(1000.0, 0.0));
    window.step();
    assert_eq!(window.state().drags.last(), Some(&((1, 2), (4, 7))));
    window.drop_at(to);
    window.run_steps(2);
    assert_eq!(window.state().dropped, [((1, 2), (4, 5))]);
    let told = window.state().drags.len();
    window.run_steps(3);
    assert_eq!(window.state().drags.len(), told, "nothing is told once the button is up");
}

#[test]
fn a_click_is_a_drag_of_one_entry_and_the_keyboard_reaches_every_entry() {
    let mut window = heatmap(numbers());
    let at = center(&window, (3, 3));
    window.drag_at(at);
    window.step();
    window.drop_at(at);
    window.run_steps(2);
    assert_eq!(window.state().dropped, [((3, 3), (3, 3))]);
    window.get_by_label_contains("numbers").focus();
    window.step();
    for key in [Key::ArrowDown, Key::ArrowDown, Key::ArrowRight, Key::ArrowLeft, Key::ArrowRight, Key::Enter]
    {
        window.key_press(key);
        window.step();
    }
    assert_eq!(window.state().entered, Some((2, 1)));
    window.step();
    let said = window.get_by_label_contains("numbers").accesskit_node().label();
    assert_eq!(said.as_deref(), Some("numbers, query 2, key 1: 17"));
}

#[test]
fn the_pixels_are_the_numbers_masked_entries_are_hatched_and_nan_has_its_own_colour() {
    let values = array![[0.0, 1.0, 0.0], [1.0, f64::NAN, 0.0], [0.0, 0.0, 1.0]];
    let may = array![[true, true, false], [true, true, true], [true, true, true]];
    let matrix = Arc::new(Matrix::masked(values, may));
    let mut window =
        heatmap(Told { matrix, colours: Some(Colours::Weights(Scale::Linear)), ..Told::default() });
    let pixels = |window: &mut Harness<'_, Told>| {
        let rect = window.get_by_label_contains("numbers").rect();
        let picture = window.render().unwrap();
        move |at| {
            let middle = entry_rect(rect, 3, 3, at).center();
            let [red, green, blue, _] = picture.get_pixel(middle.x as u32, middle.y as u32).0;
            egui::Color32::from_rgb(red, green, blue)
        }
    };
    let pixel = pixels(&mut window);
    let map = rankscope::figure::style::Theme::Dark.sequential();
    assert_eq!(pixel((0, 0)), theme::color(map.at(0.0)));
    assert_eq!(pixel((2, 2)), theme::color(map.at(1.0)));
    assert_eq!(pixel((1, 1)), heatmap::WRONG);
    let palette = rankscope::figure::style::Theme::Dark.palette();
    let hatch = [0.12, 0.55].map(|part| theme::mix(palette.panel, palette.hatch, part));
    assert!(hatch.contains(&pixel((0, 2))), "{:?}", pixel((0, 2)));
    // Another matrix in the same place.
    window.state_mut().matrix = Arc::new(Matrix::of_mask(&Mask::causal(), 3));
    window.run_steps(2);
    assert_eq!(pixels(&mut window)((1, 1)), theme::color(map.at(1.0)));
}

#[test]
fn an_empty_matrix_is_shown_as_such() {
    let mut window = heatmap(Told::default());
    window.get_by_label_contains("numbers").focus();
    window.key_press(Key::Enter);
    window.run_steps(2);
    assert_eq!(window.state().entered, None);
}

#[test]
fn a_double_click_on_a_slider_goes_back_to_the_usual_value() {
    let mut window = window(40usize, |ui, value: &mut usize| {
        if let Some(new) = Number::new("length n", *value, 2..=128, 16).help("positions").show(ui) {
            *value = new;
        }
    });
    window.step();
    let rail = window.get_by_role(Role::Slider).rect();
    for _ in 0..2 {
        window.drag_at(rail.center());
        window.drop_at(rail.center());
        window.step();
    }
    window.run_steps(2);
    assert_eq!(*window.state(), 16);
    assert_eq!(window.get_by_role(Role::Slider).accesskit_node().label().as_deref(), Some("length n"));
}

#[test]
fn curves_of_one_figure_are_drawn_on_either_kind_of_axis() {
    let points = (1..20).map(|x| (f64::from(x), 1.0 / f64::from(x)));
    let curve = Curve::new("measured", Kind::Causal, points.clone()).with_spread((1..20).map(|_| 0.05));
    let other = Curve::new("again", Kind::Causal, points.map(|(x, y)| (x, 2.0 * y)));
    let figure = Lines {
        title: "residual by layer".into(),
        x: PlotAxis::linear("layer"),
        y: PlotAxis::log("residual"),
        curves: vec![curve, other],
        references: vec![Reference::floor("rounding floor", 1e-3), Reference::at("threshold", 7.0)],
        settings: serde_json::Value::Null,
    };
    let linear = Lines { y: PlotAxis::linear("residual"), ..figure.clone() };
    for figure in [figure, linear] {
        let mut window = window(figure, |ui, figure: &mut Lines| {
            let _ = lines::ui(figure, 300.0, 0.0, ui);
        });
        window.run_steps(2);
        assert!(window.query_by_label("residual by layer").is_some());
        assert!(window.query_by_label("again").is_some());
        let picture = window.render().unwrap();
        let colours: std::collections::HashSet<_> = picture.pixels().map(|pixel| pixel.0).collect();
        assert!(colours.len() > 30, "curves, band, shade and text");
    }
}

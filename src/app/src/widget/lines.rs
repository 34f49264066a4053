//! A figure of the library's [`Lines`] on the screen: the same curves, axes and references as in its SVG.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use egui::{Align2, Color32, RichText, vec2};
use egui_plot::{
    AxisHints, FilledArea, GridInput, GridMark, HLine, HoverPosition, Line, LineStyle, Plot, PlotUi, Points,
    Span, VLine,
};
use rankscope::figure::style::Kind;
use rankscope::figure::{AxisScale, Curve, Lines, PlotAxis, Reference, ReferenceLine};
use rankscope::numbers::short;

use super::spectrum::{Label, axis, power, shape, still};
use crate::theme;

/// The events on a plot.
pub struct Pointed {
    /// Where the pointer is, in the numbers of the axes.
    pub at: Option<(f64, f64)>,
    /// For further questions.
    pub response: egui::Response,
}

/// Room for the name of the axis below.
const BELOW: f32 = 26.0;

/// Draws `lines`, `height` points high with legend and labels, dimmed by `fade`; zeros on a logarithmic axis are left out.
pub fn ui(lines: &Lines, height: f32, fade: f32, ui: &mut egui::Ui) -> Pointed {
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - fade);
        let (colors, top) = (colors(&lines.curves, ui), ui.cursor().top());
        legend(lines, &colors, ui);
        ui.label(RichText::new(&lines.y.label).small().weak());
        let above = ui.cursor().top() - top;
        let shown = plot(lines, &colors, (height - above - BELOW).max(60.0), ui);
        ui.vertical_centered(|ui| ui.label(RichText::new(&lines.x.label).small().weak()));
        shown
    })
    .inner
}

fn plot(lines: &Lines, colors: &[(Color32, LineStyle)], height: f32, ui: &mut egui::Ui) -> Pointed {
    let palette = theme::palette(ui);
    let muted = theme::color(palette.muted);
    let background = ui.visuals().extreme_bg_color;
    let (x, y) = (lines.x.scale, lines.y.scale);
    let shown = still(Plot::new(("lines", &lines.title)), height, palette)
        .x_grid_spacer(move |input| marks(x, input))
        .y_grid_spacer(move |input| marks(y, input))
        .custom_x_axes(vec![axis(AxisHints::new_x().formatter(move |mark, _| tick(x, mark.value)), muted)])
        .custom_y_axes(vec![axis(AxisHints::new_y().formatter(move |mark, _| tick(y, mark.value)), muted)])
        .label_formatter(|at| hover(at, lines))
        .show(ui, |plot| {
            let [across, up] = bounds(lines);
            plot.set_plot_bounds_x(across.clone());
            plot.set_plot_bounds_y(up.clone());
            let labels = references(lines, (across, up), theme::color(palette.floor), muted, plot);
            for (curve, (color, style)) in lines.curves.iter().zip(colors) {
                draw(curve, lines, *color, *style, plot);
            }
            labels.into_iter().for_each(|label| label.draw(background, plot));
            plot.pointer_coordinate()
        });
    let at = shown.inner.map(|at| (back(x, at.x), back(y, at.y)));
    let name = lines.title.clone();
    shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    Pointed { at: at.filter(|_| shown.response.hovered()), response: shown.response }
}

/// The least and the largest value shown, across and upwards: of curves with their spreads, and of straight references.
fn bounds(lines: &Lines) -> [RangeInclusive<f64>; 2] {
    let (x, y) = (lines.x.scale, lines.y.scale);
    let at = |reference: &Reference| match reference.line() {
        ReferenceLine::At(at) => on(x, *at),
        _ => None,
    };
    let level = |reference: &Reference| match reference.line() {
        ReferenceLine::Level(level) | ReferenceLine::Floor(level) => on(y, *level),
        _ => None,
    };
    let ends = |curve: &Curve| {
        let spread = curve.spread.iter().copied().chain(std::iter::repeat(0.0));
        let points = curve.points.iter().zip(spread);
        points.flat_map(|(&(_, value), spread)| [value - spread, value, value + spread]).collect::<Vec<_>>()
    };
    let across = lines.curves.iter().flat_map(|curve| curve.points.iter().filter_map(|point| on(x, point.0)));
    let up = lines.curves.iter().flat_map(ends).filter_map(|value| on(y, value));
    let up: Vec<f64> = up.chain(lines.references.iter().filter_map(level)).collect();
    let starts_at_zero = y == AxisScale::Linear && up.iter().all(|&value| value >= 0.0);
    let [low, high] = extremes(up.into_iter());
    let low = if starts_at_zero && low < 0.4 * high { 0.0 } else { low };
    [within(extremes(across.chain(lines.references.iter().filter_map(at))), 0.02), within([low, high], 0.06)]
}

fn extremes(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let found = values
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)]);
    if found[0] <= found[1] { found } else { [0.0, 1.0] }
}

/// The range with a margin on both sides, as a share of its length.
fn within([low, high]: [f64; 2], margin: f64) -> RangeInclusive<f64> {
    let length = if high > low { high - low } else { 1.0 };
    let margin = if high > low { margin * length } else { 0.5 };
    low - margin..=high + margin
}

/// A value on the plot's axis; `None` for a value that a logarithmic axis cannot show.
fn on(scale: AxisScale, value: f64) -> Option<f64> {
    let place = match scale {
        AxisScale::Linear => value,
        AxisScale::Log { lowest } => value.max(lowest.unwrap_or(0.0)).log10(),
    };
    place.is_finite().then_some(place)
}

/// Back from the plot's axis.
fn back(scale: AxisScale, place: f64) -> f64 {
    if scale == AxisScale::Linear { place } else { 10f64.powf(place) }
}

/// Three significant digits without zeros at the end: axes count 5, 10, 15.
fn plain(value: f64) -> String {
    let text = short(if value.abs() < 1e-12 { 0.0 } else { value });
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn tick(scale: AxisScale, place: f64) -> String {
    let is_power = (place - place.round()).abs() < 1e-9;
    match scale {
        AxisScale::Linear => plain(place),
        AxisScale::Log { .. } if is_power && place.abs() > 3.5 => power(place),
        AxisScale::Log { .. } => short(10f64.powf(place)),
    }
}

/// About six grid lines at round numbers; on a logarithmic axis at whole decades.
fn marks(scale: AxisScale, input: GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let rough = (high - low) / 6.0;
    if !(rough > 0.0 && rough.is_finite()) {
        return Vec::new();
    }
    let decade = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(decade);
    let step = if scale == AxisScale::Linear { step } else { step.max(1.0).round() };
    let first = (low / step).ceil() as i64;
    let values = (first..).map(|index| index as f64 * step).take_while(|value| *value <= high).take(64);
    values.map(|value| GridMark { value, step_size: step }).collect()
}

/// A colour for each curve: the colour of its kind, with further curves of that kind dashed and dotted. Several plain
/// curves, which have no kind, get shades of the map of amounts.
fn colors(curves: &[Curve], ui: &egui::Ui) -> Vec<(Color32, LineStyle)> {
    let mut seen: HashMap<Kind, usize> = HashMap::new();
    let styles =
        [LineStyle::Solid, LineStyle::dashed_loose(), LineStyle::dotted_dense(), LineStyle::dashed_dense()];
    let plain = curves.iter().filter(|curve| curve.kind == Kind::Plain).count();
    let map = theme::of(ui.visuals()).sequential();
    let mut look = |kind: Kind| {
        let count = seen.entry(kind).or_default();
        *count += 1;
        let nth = *count - 1;
        if kind == Kind::Plain && plain > 1 {
            let place = 0.4 + 0.6 * nth as f64 / (plain - 1) as f64;
            return (theme::color(map.at(place)), LineStyle::Solid);
        }
        (theme::kind_color(ui, kind), styles[nth % styles.len()])
    };
    curves.iter().map(|curve| look(curve.kind)).collect()
}

fn legend(lines: &Lines, colors: &[(Color32, LineStyle)], ui: &mut egui::Ui) {
    if lines.curves.len() < 2 {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for (curve, (color, style)) in lines.curves.iter().zip(colors) {
            let name = RichText::new(&curve.name).size(13.0);
            let width = ui.painter().layout_no_wrap(curve.name.clone(), theme::text(13.0), *color).size().x;
            let size = vec2(width + 34.0, 18.0);
            // One block, which goes to the next line as a whole.
            ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(egui::Align::Center), |ui| {
                ui.set_min_size(size);
                sample(curve.kind, *color, style, ui);
                ui.label(name);
            });
        }
    });
}

/// A piece of a curve.
fn sample(kind: Kind, color: Color32, style: &LineStyle, ui: &mut egui::Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(22.0, 16.0), egui::Sense::hover());
    let ends = [rect.left_center(), rect.right_center()];
    match style {
        LineStyle::Solid => drop(ui.painter().line_segment(ends, (1.5, color))),
        LineStyle::Dotted { .. } => ui.painter().extend(egui::Shape::dotted_line(&ends, color, 3.5, 1.0)),
        LineStyle::Dashed { length } => {
            ui.painter().extend(egui::Shape::dashed_line(&ends, (1.5, color), length * 0.5, 3.0));
        }
    }
    theme::marker(ui.painter(), rect.center(), 4.0, kind, color);
}

fn draw(curve: &Curve, lines: &Lines, color: Color32, style: LineStyle, plot: &mut PlotUi) {
    let place = |x: f64, y: f64| Some([on(lines.x.scale, x)?, on(lines.y.scale, y)?]);
    let points: Vec<[f64; 2]> = curve.points.iter().filter_map(|&(x, y)| place(x, y)).collect();
    if curve.is_joined && curve.spread.len() == curve.points.len() {
        band(curve, &lines.x, &lines.y, color, plot);
    }
    if curve.is_joined {
        let line = Line::new(curve.name.clone(), points.clone()).color(color).width(1.5).style(style);
        plot.line(line.allow_hover(points.len() > 60));
    }
    if !curve.is_joined || points.len() <= 60 {
        let points = Points::new(curve.name.clone(), points);
        plot.points(points.color(color).radius(3.0).shape(shape(curve.kind)));
    }
}

/// The spread around a curve.
fn band(curve: &Curve, x: &PlotAxis, y: &PlotAxis, color: Color32, plot: &mut PlotUi) {
    let (mut xs, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
    for (&(at, value), &spread) in curve.points.iter().zip(&curve.spread) {
        let ends = (on(x.scale, at), on(y.scale, value - spread), on(y.scale, value + spread));
        if let (Some(at), down, Some(up)) = ends {
            xs.push(at);
            low.push(down.or(on(y.scale, value)).unwrap_or(up));
            high.push(up);
        }
    }
    if xs.len() > 1 {
        let fill = color.gamma_multiply(0.18);
        plot.add(FilledArea::new("", &xs, &low, &high).fill_color(fill).allow_hover(false));
    }
}

fn references(
    lines: &Lines,
    (across, up): (RangeInclusive<f64>, RangeInclusive<f64>),
    shade: Color32,
    muted: Color32,
    plot: &mut PlotUi,
) -> Vec<Label> {
    let (x, y) = (lines.x.scale, lines.y.scale);
    let (mut labels, mut levels) = (Vec::new(), Vec::new());
    for reference in &lines.references {
        let mut name = |at: [f64; 2], anchor: Align2| {
            labels.push(Label { at, anchor, text: reference.name().to_owned(), color: muted });
        };
        let dashed = LineStyle::dashed_dense();
        match reference.line() {
            ReferenceLine::Level(level) | ReferenceLine::Floor(level) => {
                let Some(level) = on(y, *level) else { continue };
                if matches!(reference.line(), ReferenceLine::Floor(_)) {
                    let span = Span::new("", up.start().min(level)..=level).axis(egui_plot::Axis::Y);
                    plot.span(span.fill(shade).border_width(0.0));
                }
                plot.hline(HLine::new("", level).color(muted).style(dashed).width(1.0));
                let near = |other: f64, share: f64| (other - level).abs() < share * (up.end() - up.start());
                // Two names at one height would cover each other.
                let is_taken = levels.iter().any(|&other| near(other, 0.25));
                let at = if is_taken { *across.end() } else { *across.start() };
                let anchor = match (is_taken, near(*up.end(), 0.2)) {
                    (false, true) => Align2::LEFT_TOP,
                    (false, false) => Align2::LEFT_BOTTOM,
                    (true, true) => Align2::RIGHT_TOP,
                    (true, false) => Align2::RIGHT_BOTTOM,
                };
                if !is_taken {
                    levels.push(level);
                }
                name([at, level], anchor);
            }
            ReferenceLine::At(at) => {
                let Some(at) = on(x, *at) else { continue };
                plot.vline(VLine::new("", at).color(muted).style(dashed).width(1.0));
                // On the side where there is more room.
                let is_right = 2.0 * at > across.start() + across.end();
                let anchor = if is_right { Align2::RIGHT_TOP } else { Align2::LEFT_TOP };
                name([at, *up.end()], anchor);
            }
            ReferenceLine::Curve(points) => {
                let points: Vec<[f64; 2]> =
                    points.iter().filter_map(|point| Some([on(x, point.0)?, on(y, point.1)?])).collect();
                let inside = |point: &&[f64; 2]| across.contains(&point[0]) && up.contains(&point[1]);
                if let Some(&middle) = points.iter().filter(inside).nth(points.len() / 2) {
                    name(middle, Align2::LEFT_BOTTOM);
                }
                let line = Line::new(reference.name(), points).color(muted).style(dashed).width(1.0);
                plot.line(line.allow_hover(false));
            }
        }
    }
    labels
}

fn hover(at: &HoverPosition<'_>, lines: &Lines) -> Option<String> {
    let HoverPosition::NearDataPoint { plot_name, position, .. } = at else { return None };
    let curve = lines.curves.iter().find(|curve| curve.name == *plot_name)?;
    let (x, y) = (back(lines.x.scale, position.x), back(lines.y.scale, position.y));
    Some(format!("{}\n{}: {}\n{}: {y}", curve.name, lines.x.label, short(x), lines.y.label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_both_kinds_of_axis() {
        let log = AxisScale::Log { lowest: Some(1e-6) };
        for (scale, value) in [(AxisScale::Linear, -3.5), (log, 0.02), (log, 1000.0)] {
            let place = on(scale, value).unwrap();
            assert!((back(scale, place) - value).abs() < 1e-9 * value.abs());
        }
        assert_eq!(on(AxisScale::Log { lowest: None }, 0.0), None);
        assert_eq!(on(log, 0.0), Some(-6.0));
        assert_eq!(on(AxisScale::Linear, f64::NAN), None);
    }

    #[test]
    fn ticks_have_no_zeros_at_their_end() {
        assert_eq!([5.0, 0.25, 0.0, -1e-17, 1.5e6].map(plain), ["5", "0.25", "0", "0", "1.50e6"]);
    }

    #[test]
    fn the_axes_show_all_points_and_levels_and_nothing_else() {
        let axis = PlotAxis::linear;
        let curve = Curve::new("", Kind::Plain, [(1.0, 4.0), (11.0, 8.0)]).with_spread([0.0, 2.0]);
        let references = vec![Reference::level("", 9.5), Reference::at("", 6.0)];
        let curves = vec![curve];
        let (title, settings) = (String::new(), serde_json::Value::Null);
        let lines = Lines { title, x: axis("x"), y: axis("y"), curves, references, settings };
        let [across, up] = bounds(&lines);
        assert!((across.start() - 0.8).abs() < 1e-9 && (across.end() - 11.2).abs() < 1e-9);
        assert!((up.start() - 3.64).abs() < 1e-9 && (up.end() - 10.36).abs() < 1e-9, "{up:?}");
        let empty = Lines { curves: Vec::new(), references: Vec::new(), ..lines };
        assert!(bounds(&empty).iter().all(|range| range.start() < range.end()));
    }

    #[test]
    fn there_are_a_handful_of_round_marks_whatever_the_range() {
        let of = |scale, bounds| {
            let input = GridInput { bounds, base_step_size: 1.0 };
            marks(scale, input).iter().map(|mark| mark.value).collect::<Vec<_>>()
        };
        for bounds in [(0.0, 1.0), (-3.0, 1e6), (0.2, 0.2001), (0.0, 7.0)] {
            let count = of(AxisScale::Linear, bounds).len();
            assert!((3..=8).contains(&count), "{bounds:?} {count}");
        }
        assert_eq!(of(AxisScale::Log { lowest: None }, (-3.5, 0.5)), [-3.0, -2.0, -1.0, 0.0]);
        assert!(of(AxisScale::Linear, (1.0, 1.0)).is_empty());
        assert!(of(AxisScale::Linear, (0.0, f64::INFINITY)).is_empty());
    }
}

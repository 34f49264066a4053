//! Singular values on a log axis, with the tolerances and the rounding floor.

use egui::{Align2, Color32, RichText, vec2};
use egui_plot::{
    AxisHints, GridMark, HLine, HoverPosition, Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotUi, Points,
    Span, Text,
};
use rankscope::figure::style::{Kind, Marker, Palette};
use rankscope::numbers::short;
use rankscope::rank::{EPSILON_F32, EPSILON_F64, RankReport};

use crate::layout::is_short;
use crate::theme;

/// Height of the labels under the plot, and the least distance of those beside it.
const AXIS: f32 = 20.0;
const LABEL: f64 = 16.0;

/// One spectrum.
pub struct Series<'a> {
    /// Its name in the legend and the hover text.
    pub name: String,
    /// Its colour and marker.
    pub kind: Kind,
    /// Its numbers.
    pub report: &'a RankReport,
}

/// The smallest σ/σ₁ on the axis, as a power of ten: down to the f32 tolerance at least, and below the
/// rounding floor only where there is something to see.
pub fn lowest(spectra: &[Vec<f64>]) -> f64 {
    let smallest = spectra.iter().flatten().copied().fold(0.0, f64::min);
    if smallest < -8.0 { -18.5 } else { -8.6 }
}

/// log₁₀ σᵢ/σ₁; a value that is 0 or far below the floor is placed at 10⁻¹⁸.
pub fn relative(report: &RankReport) -> Vec<f64> {
    report.spectrum.relative().iter().map(|sigma| sigma.log10().max(-18.0)).collect()
}

/// Draws the spectra, `height` points high.
pub fn ui(series: &[Series], height: f32, ui: &mut egui::Ui) {
    with_tolerance(series, None, height, ui);
}

/// The same, with the line of a tolerance that the reader chose, relative to the largest value.
pub fn with_tolerance(series: &[Series], tolerance: Option<f64>, height: f32, ui: &mut egui::Ui) {
    let spectra: Vec<Vec<f64>> = series.iter().map(|series| relative(series.report)).collect();
    let count = spectra.iter().map(Vec::len).max().unwrap_or(0);
    let low = lowest(&spectra);
    let palette = theme::palette(ui);
    let muted = theme::color(palette.muted);
    let background = ui.visuals().extreme_bg_color;
    let colors: Vec<Color32> = series.iter().map(|series| theme::kind_color(ui, series.kind)).collect();
    let titles = !is_short(ui);
    if titles {
        ui.label(RichText::new("singular value, relative to the largest").small().weak());
    }
    let plot = Plot::new("spectrum")
        .x_grid_spacer(move |_| indices(count))
        .custom_x_axes(vec![axis(AxisHints::new_x().formatter(|at, _| format!("{:.0}", at.value)), muted)])
        .y_grid_spacer(move |_| decades(low, height))
        .custom_y_axes(vec![axis(AxisHints::new_y().formatter(|mark, _| power(mark.value)), muted)])
        .label_formatter(|at| hover(at, series));
    still(plot, height, palette).show(ui, |plot| {
        plot.set_plot_bounds_x(0.0..=(count as f64 + 1.0));
        plot.set_plot_bounds_y(low..=0.5);
        let mut labels = tolerances(series, low, palette, plot);
        if let Some(tolerance) = tolerance {
            labels.push(own_tolerance(tolerance.log10().max(low), theme::color(palette.accent), count, plot));
        }
        for ((series, spectrum), &color) in series.iter().zip(&spectra).zip(&colors) {
            points(series, spectrum, color, plot);
        }
        labels.into_iter().for_each(|label| label.draw(background, plot));
    });
    if titles {
        ui.vertical_centered(|ui| ui.label(RichText::new("index of the singular value").small().weak()));
    }
}

/// A plot of this height that the mouse neither moves nor scales.
pub fn still<'a>(plot: Plot<'a>, height: f32, palette: &Palette) -> Plot<'a> {
    plot.height(height)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_crosshair(false)
        .set_margin_fraction(vec2(0.0, 0.0))
        .grid_color(theme::color(palette.grid))
        .grid_fade(0.0)
}

/// The tolerance lines, and the shade below the rounding floor.
fn tolerances(series: &[Series], low: f64, palette: &Palette, plot: &mut PlotUi) -> Vec<Label> {
    let size =
        series.iter().map(|series| series.report.rows.max(series.report.cols)).max().unwrap_or(1) as f64;
    let (f32_line, f64_line) = ((size * EPSILON_F32).log10(), (size * EPSILON_F64).log10());
    let muted = theme::color(palette.muted);
    let floor = Span::new("", low..=f64_line.max(low)).axis(egui_plot::Axis::Y);
    plot.span(floor.fill(theme::color(palette.floor)).border_width(0.0));
    for line in [f32_line, f64_line] {
        plot.hline(HLine::new("", line).color(muted).style(LineStyle::dashed_dense()).width(1.0));
    }
    let floor = match f64_line > low {
        true => "f64 tolerance = rounding floor".to_owned(),
        false => format!("rounding floor {}: far below", short(size * EPSILON_F64)),
    };
    let names = [(f32_line, "f32 tolerance".to_owned()), (f64_line.max(low), floor)];
    let label = |(at, text)| Label { at: [0.15, at], anchor: Align2::LEFT_BOTTOM, text, color: muted };
    names.map(label).into()
}

/// A name in a plot. It is drawn after the curves, on the plot's own colour, so that lines below it are dimmed.
pub struct Label {
    /// Its position on the plot's axes.
    pub at: [f64; 2],
    /// The corner of the name that is at this position.
    pub anchor: Align2,
    /// The name.
    pub text: String,
    /// Its colour.
    pub color: Color32,
}

impl Label {
    /// Draws it on a ground of the colour `background`.
    pub fn draw(self, background: Color32, plot: &mut PlotUi) {
        // A curve below it stays visible.
        let ground = background.gamma_multiply(0.7);
        let text = RichText::new(self.text).size(theme::SMALL).background_color(ground);
        let [x, y] = self.at;
        plot.text(Text::new("", PlotPoint::new(x, y), text).anchor(self.anchor).color(self.color));
    }
}

/// The line of the reader's own tolerance; its name is at the right, where the others have none.
fn own_tolerance(at: f64, color: Color32, count: usize, plot: &mut PlotUi) -> Label {
    plot.hline(HLine::new("", at).color(color).width(1.5));
    let at = [count as f64 + 0.9, at];
    Label { at, anchor: Align2::RIGHT_BOTTOM, text: "my tolerance".to_owned(), color }
}

fn points(series: &Series, spectrum: &[f64], color: Color32, plot: &mut PlotUi) {
    let points: Vec<[f64; 2]> = (1..).zip(spectrum).map(|(i, &y)| [f64::from(i), y]).collect();
    let radius = if spectrum.len() > 60 { 2.0 } else { 3.5 };
    let line = Line::new(series.name.clone(), points.clone()).color(color.gamma_multiply(0.6)).width(1.0);
    plot.line(line.allow_hover(false));
    plot.points(
        Points::new(series.name.clone(), points).color(color).radius(radius).shape(shape(series.kind)),
    );
}

/// Labels in the window's type. Every grid line is labelled: the spacers leave enough room.
pub fn axis<'a>(hints: AxisHints<'a>, color: egui::Color32) -> AxisHints<'a> {
    hints
        .label_spacing(egui::Rangef::new(4.0, 8.0))
        .tick_label_color(color)
        .tick_label_font(theme::text(13.0))
}

/// Grid lines at powers of ten, as many apart as their labels need in a plot `height` points high.
fn decades(low: f64, height: f32) -> Vec<GridMark> {
    let decade = f64::from(height - AXIS) / (0.5 - low);
    let step = [2, 4, 8].into_iter().find(|&step| f64::from(step) * decade >= LABEL).unwrap_or(16);
    let lowest = low.ceil() as i32;
    let marks = (lowest..=0).filter(|power| power % step == 0);
    marks.map(|power| GridMark { value: f64::from(power), step_size: f64::from(step) }).collect()
}

/// Grid lines at 1, 5, 10, … or at wider steps, a handful of them.
fn indices(count: usize) -> Vec<GridMark> {
    let step =
        [1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().find(|step| count / step <= 8).unwrap_or(1000);
    let later = (1..=count / step).map(|i| i * step).filter(|&i| i > 1);
    std::iter::once(1).chain(later).map(|i| GridMark { value: i as f64, step_size: step as f64 }).collect()
}

/// A power of ten by its exponent: `10⁻⁴`.
pub fn power(value: f64) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let power = value.round() as i32;
    if power == 0 {
        return "1".to_owned();
    }
    let digits = power.abs().to_string();
    let raised: String = digits.chars().filter_map(|c| DIGITS.get(c.to_digit(10)? as usize)).collect();
    format!("10{}{raised}", if power < 0 { "⁻" } else { "" })
}

/// A kind's marker as the plots draw it.
pub fn shape(kind: Kind) -> MarkerShape {
    match kind.marker() {
        Marker::Circle => MarkerShape::Circle,
        Marker::Square => MarkerShape::Square,
        Marker::Triangle => MarkerShape::Up,
        Marker::TriangleDown => MarkerShape::Down,
        Marker::Diamond => MarkerShape::Diamond,
        Marker::Cross => MarkerShape::Cross,
    }
}

fn hover(at: &HoverPosition<'_>, series: &[Series]) -> Option<String> {
    let HoverPosition::NearDataPoint { plot_name, index, .. } = at else { return None };
    let series = series.iter().find(|series| series.name == *plot_name)?;
    Some(format!("{}\nσ{} = {:e}", series.name, index + 1, series.report.spectrum.values().get(*index)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_are_written_as_such() {
        assert_eq!((power(0.0), power(-4.0), power(-16.0)), ("1".into(), "10⁻⁴".into(), "10⁻¹⁶".into()));
    }

    #[test]
    fn the_axis_goes_down_to_the_floor_only_where_something_is_there() {
        assert_eq!(lowest(&[vec![0.0, -3.0]]), -8.6);
        assert_eq!(lowest(&[vec![0.0, -3.0], vec![0.0, -15.0]]), -18.5);
        assert_eq!(indices(19).iter().map(|mark| mark.value as usize).collect::<Vec<_>>(), [1, 5, 10, 15]);
        let marks = |height| decades(-18.5, height).iter().map(|mark| mark.value as i32).collect::<Vec<_>>();
        assert_eq!(marks(70.0), [-16, -8, 0]);
        assert_eq!(marks(120.0), [-16, -12, -8, -4, 0]);
    }
}

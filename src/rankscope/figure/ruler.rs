//! One axis of a plot: the map from values to pixels, and the ticks.

use super::{axis, text};
use crate::error::{Error, Result};
use crate::label::visible;

/// The quantity and the scale of one axis of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotAxis {
    /// The quantity, with its unit, such as "head size D" or "time (ms)".
    pub label: String,
    /// The scale: equal lengths are equal differences or equal ratios.
    pub scale: AxisScale,
}

/// How values become lengths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AxisScale {
    /// Equal lengths are equal differences.
    Linear,
    /// Equal lengths are equal ratios. Zeros and values below `lowest` are drawn on the lowest tick, whose label then
    /// begins with ≤.
    Log {
        /// The smallest value that the axis may reach.
        lowest: Option<f64>,
    },
}

impl PlotAxis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>) -> Self {
        PlotAxis { label: label.into(), scale: AxisScale::Linear }
    }

    /// A logarithmic axis.
    pub fn log(label: impl Into<String>) -> Self {
        PlotAxis { label: label.into(), scale: AxisScale::Log { lowest: None } }
    }

    /// A logarithmic axis that does not go below `lowest`.
    pub fn log_from(label: impl Into<String>, lowest: f64) -> Self {
        PlotAxis { label: label.into(), scale: AxisScale::Log { lowest: Some(lowest) } }
    }
}

/// An axis with its range.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    is_log: bool,
    low: f64,
    high: f64,
    /// Whether some value is below the axis.
    is_clipped: bool,
}

/// The most values that each get a tick, instead of ticks at round numbers.
const MOST_OWN: usize = 14;

impl Ruler {
    /// An axis that shows `values`; a linear axis of `amounts` starts at 0 if 0 is near the values.
    pub fn new(axis: &PlotAxis, values: impl Iterator<Item = f64> + Clone, amounts: bool) -> Result<Self> {
        let refuse = |value: f64, expected: &str| Err(Error::invalid(visible(&axis.label), value, expected));
        let lowest = match axis.scale {
            AxisScale::Linear => None,
            AxisScale::Log { lowest } => Some(lowest.unwrap_or(0.0)),
        };
        if let Some(value) = values.clone().find(|value| !value.is_finite()) {
            return refuse(value, "a finite number");
        }
        if let (Some(_), Some(value)) = (lowest, values.clone().find(|&value| value < 0.0)) {
            return refuse(value, "0 or more, on a logarithmic axis");
        }
        Ok(match lowest {
            None => Ruler::linear(values, amounts),
            Some(lowest) => Ruler::log(values, lowest),
        })
    }

    fn linear(values: impl Iterator<Item = f64>, amounts: bool) -> Self {
        let (mut low, mut high) = extremes(values).unwrap_or((0.0, 1.0));
        if amounts && low > 0.0 && low < 0.4 * high {
            low = 0.0;
        }
        if low == high {
            let room = if low == 0.0 { 1.0 } else { 0.5 * low.abs() };
            (low, high) = (low - room, high + room);
        }
        Ruler { is_log: false, low, high, is_clipped: false }
    }

    fn log(values: impl Iterator<Item = f64> + Clone, lowest: f64) -> Self {
        let shown = values.clone().filter(|&value| value > 0.0 && value >= lowest);
        let (mut low, mut high) = extremes(shown).unwrap_or((1.0, 1.0));
        let is_clipped = values.clone().any(|value| value == 0.0 || value < lowest);
        if is_clipped {
            // A whole decade below the other values, so that the lowest tick is a round number.
            low = 10f64.powf((low.log10() - 0.5).floor()).max(f64::MIN_POSITIVE);
        }
        if low == high {
            (low, high) = (low / 2.0, high * 2.0);
        }
        Ruler { is_log: true, low, high, is_clipped }
    }

    /// The position of `value` along the axis: 0 … 1 inside the range, −∞ for the logarithm of 0.
    pub fn place(&self, value: f64) -> f64 {
        let of = |value: f64| if self.is_log { value.log10() } else { value };
        (of(value) - of(self.low)) / (of(self.high) - of(self.low))
    }

    /// As [`place`](Self::place), but a value below the axis is placed on it.
    pub fn place_on(&self, value: f64) -> f64 {
        self.place(value).max(0.0)
    }

    /// About `most` ticks, ascending: their positions and labels.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        if self.is_log { self.log_ticks(most) } else { self.linear_ticks(most) }
    }

    /// A tick for each of `values` if they are few, such as chosen sizes; otherwise [`ticks`](Self::ticks).
    pub fn ticks_at(&self, values: impl Iterator<Item = f64>, most: usize) -> Vec<(f64, String)> {
        let mut own: Vec<f64> = values.collect();
        own.sort_by(f64::total_cmp);
        own.dedup();
        if own.len() > MOST_OWN || own.is_empty() || self.is_clipped {
            return self.ticks(most);
        }
        own.into_iter().map(|value| (self.place(value), label(value))).collect()
    }

    fn linear_ticks(&self, most: usize) -> Vec<(f64, String)> {
        let round = axis::ticks(self.low, self.high, most);
        let step = if round.len() > 1 { round[1] - round[0] } else { 1.0 };
        let decimals = (-(step * 1.001).log10().floor()).max(0.0) as usize;
        let name = |value: f64| {
            let is_plain = decimals <= 4 && value.abs() < 1e5;
            if is_plain { format!("{:.decimals$}", value + 0.0).replace('-', "−") } else { label(value) }
        };
        round.into_iter().map(|value| (self.place(value), name(value))).collect()
    }

    fn log_ticks(&self, most: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.low.log10(), self.high.log10());
        let exponents = (first - 1e-9).ceil() as i32..=(last + 1e-9).floor() as i32;
        let span = last - first;
        if span < 2.5 && !self.is_clipped {
            let near: Vec<f64> = if span < 0.8 {
                axis::ticks(self.low, self.high, most)
            } else {
                let decade = |k: i32| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(k));
                (first.floor() as i32..=last.ceil() as i32).flat_map(decade).collect()
            };
            let inside =
                near.into_iter().filter(|&value| value >= self.low * 0.999 && value <= self.high * 1.001);
            return inside.map(|value| (self.place(value), label(value))).collect();
        }
        let mut shown = axis::decades(*exponents.start(), *exponents.end(), most);
        shown.reverse();
        if self.is_clipped && shown.first() != Some(exponents.start()) {
            // The lowest label stands for all lower values too; a tick too close to it is dropped.
            let stride = shown.get(1).map_or(1, |next| next - shown[0]);
            if shown[0] - exponents.start() < stride {
                shown.remove(0);
            }
            shown.insert(0, *exponents.start());
        }
        let is_plain = shown.iter().all(|k| (-3..=4).contains(k));
        let name = |k: i32| {
            let name = if is_plain { label(10f64.powi(k)) } else { text::power_of_ten(k) };
            if self.is_clipped && k == *exponents.start() { format!("≤ {name}") } else { name }
        };
        shown.into_iter().map(|k| (self.place(10f64.powi(k)), name(k))).collect()
    }
}

/// A number on an axis: three digits, or as many as a whole number has, without trailing zeros.
pub(super) fn label(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e5 {
        return format!("{:.0}", value + 0.0).replace('-', "−");
    }
    let long = text::number(value);
    if long.contains('×') || !long.contains('.') {
        return long;
    }
    long.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn extremes(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |so_far, value| match so_far {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ruler: &Ruler, most: usize) -> Vec<String> {
        ruler.ticks(most).into_iter().map(|(_, name)| name).collect()
    }

    fn ruler(axis: PlotAxis, values: &[f64]) -> Ruler {
        Ruler::new(&axis, values.iter().copied(), true).unwrap()
    }

    #[test]
    fn ticks_are_round_on_either_scale() {
        let linear = ruler(PlotAxis::linear("x"), &[62.1, 62.37]);
        assert_eq!(names(&linear, 6), ["62.10", "62.15", "62.20", "62.25", "62.30", "62.35"]);
        let expected = ["−1.0", "−0.5", "0.0", "0.5", "1.0"];
        assert_eq!(names(&ruler(PlotAxis::linear("x"), &[-1.0, 1.0]), 5), expected);
        let expected = ["50", "100", "200", "500", "1000", "2000"];
        assert_eq!(names(&ruler(PlotAxis::log("x"), &[40.0, 3543.0]), 9), expected);
        assert_eq!(names(&ruler(PlotAxis::log("x"), &[1e-9, 1.0]), 9)[0], "10⁻⁹");
        assert_eq!(names(&ruler(PlotAxis::log("x"), &[1.0, 1e4]), 9), ["1", "10", "100", "1000", "10000"]);
    }

    #[test]
    fn few_values_get_a_tick_each() {
        let sizes = [16.0, 32.0, 64.0, 512.0];
        let ticks = ruler(PlotAxis::log("n"), &sizes).ticks_at(sizes.into_iter(), 9);
        let expected = ["16", "32", "64", "512"];
        assert_eq!(ticks.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), expected);
        assert!((ticks[1].0 - 0.2).abs() < 1e-12 && ticks[3].0 == 1.0);
    }

    #[test]
    fn what_is_below_a_log_axis_stands_on_it() {
        let ruler = ruler(PlotAxis::log_from("error", 1e-12), &[1e-30, 0.0, 1e-9, 1.0]);
        assert_eq!(names(&ruler, 9)[0], "≤ 10⁻¹⁰");
        assert_eq!((ruler.place_on(0.0), ruler.place_on(1e-30), ruler.place_on(1.0)), (0.0, 0.0, 1.0));
    }

    #[test]
    fn amounts_start_at_zero_where_it_is_near() {
        assert_eq!(ruler(PlotAxis::linear("x"), &[3.0, 10.0]).place(0.0), 0.0);
        assert_eq!(ruler(PlotAxis::linear("x"), &[9.0, 10.0]).place(9.0), 0.0);
        let places = Ruler::new(&PlotAxis::linear("index"), [1.0, 10.0].into_iter(), false).unwrap();
        assert_eq!(places.place(1.0), 0.0);
    }

    #[test]
    fn what_an_axis_cannot_show_is_named() {
        let refused = |axis: PlotAxis, value: f64| {
            Ruler::new(&axis, [1.0, value].into_iter(), true).unwrap_err().to_string()
        };
        assert!(refused(PlotAxis::linear("loss"), f64::NAN).starts_with("loss is NaN"));
        assert!(refused(PlotAxis::log("loss"), -1.0).starts_with("loss is -1, expected 0 or more"));
    }
}

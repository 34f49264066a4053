//! Colour maps that are uniform by construction: equal steps of value are equal steps in OKLab.

use std::f64::consts::PI;
use std::sync::LazyLock;

use super::{Rgb, Theme};

/// A colour for every value between 0 and 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColorMap {
    table: Vec<Rgb>,
}

/// Lightness 0 … 1, chroma, hue in degrees.
type Lch = (f64, f64, f64);

const ON_LIGHT: [Lch; 4] =
    [(0.98, 0.012, 200.0), (0.80, 0.09, 190.0), (0.55, 0.12, 240.0), (0.25, 0.11, 280.0)];
const ON_DARK: [Lch; 4] =
    [(0.21, 0.03, 280.0), (0.45, 0.11, 255.0), (0.72, 0.12, 190.0), (0.97, 0.08, 105.0)];

impl ColorMap {
    /// The colour of `value`, clamped to 0 … 1 (NaN: the colour of 0).
    pub fn at(&self, value: f64) -> Rgb {
        let last = self.table.len() - 1;
        // A float cast saturates, and turns NaN into 0.
        self.table[((value * last as f64).round() as usize).min(last)]
    }

    /// The 256 colours in order, for a lookup texture.
    pub fn table(&self) -> &[Rgb] {
        &self.table
    }

    pub(super) fn sequential(theme: Theme) -> &'static ColorMap {
        static LIGHT: LazyLock<ColorMap> = LazyLock::new(|| ColorMap::through(&ON_LIGHT));
        static DARK: LazyLock<ColorMap> = LazyLock::new(|| ColorMap::through(&ON_DARK));
        match theme {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }

    pub(super) fn diverging(theme: Theme) -> &'static ColorMap {
        static LIGHT: LazyLock<ColorMap> = LazyLock::new(|| ColorMap::both_ways(0.97, 0.42));
        static DARK: LazyLock<ColorMap> = LazyLock::new(|| ColorMap::both_ways(0.24, 0.82));
        match theme {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }

    /// Orange below the middle, blue above, both at lightness `end`; a neutral `middle`. Nearly all differences are
    /// causal minus bidirectional, and values above 0 have the colour of causal attention.
    fn both_ways(middle: f64, end: f64) -> ColorMap {
        ColorMap::through(&[(end, 0.13, 55.0), (middle, 0.0, 55.0), (middle, 0.0, 250.0), (end, 0.13, 250.0)])
    }

    /// 256 colours at equal distances along straight lines between `anchors` (in L, C, h).
    fn through(anchors: &[Lch]) -> ColorMap {
        const SAMPLES: usize = 3000;
        let path: Vec<[f64; 3]> = (0..=SAMPLES).map(|i| point(anchors, i as f64 / SAMPLES as f64)).collect();
        let mut lengths = vec![0.0];
        for pair in path.windows(2) {
            let step = (0..3).map(|k| (pair[1][k] - pair[0][k]).powi(2)).sum::<f64>().sqrt();
            lengths.push(lengths[lengths.len() - 1] + step);
        }
        let total = lengths[SAMPLES];
        let color = |i: usize| {
            let goal = total * i as f64 / 255.0;
            let sample = lengths.partition_point(|&length| length < goal).min(SAMPLES);
            bytes(linear_rgb(path[sample]))
        };
        ColorMap { table: (0..256).map(color).collect() }
    }
}

/// The OKLab point at the fraction `t` of the way through `anchors`, with chroma reduced until sRGB can show it.
fn point(anchors: &[Lch], t: f64) -> [f64; 3] {
    let place = t * (anchors.len() - 1) as f64;
    let segment = (place as usize).min(anchors.len() - 2);
    let (a, b, f) = (anchors[segment], anchors[segment + 1], place - segment as f64);
    let mix = |a: f64, b: f64| a + (b - a) * f;
    let (lightness, hue) = (mix(a.0, b.0), mix(a.2, b.2) * PI / 180.0);
    let lab = |chroma: f64| [lightness, chroma * hue.cos(), chroma * hue.sin()];
    let mut chroma = mix(a.1, b.1);
    while chroma > 0.0 && linear_rgb(lab(chroma)).iter().any(|c| !(0.0..=1.0).contains(c)) {
        chroma -= 0.001;
    }
    lab(chroma.max(0.0))
}

/// OKLab to linear sRGB.
///
/// # Source
/// Ottosson, A perceptual color space for image processing, 2020.
fn linear_rgb([lightness, a, b]: [f64; 3]) -> [f64; 3] {
    let l = (lightness + 0.3963377774 * a + 0.2158037573 * b).powi(3);
    let m = (lightness - 0.1055613458 * a - 0.0638541728 * b).powi(3);
    let s = (lightness - 0.0894841775 * a - 1.2914855480 * b).powi(3);
    [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    ]
}

fn bytes(linear: [f64; 3]) -> Rgb {
    linear.map(|c| {
        let encoded = if c <= 0.0031308 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
        (255.0 * encoded).round() as u8
    })
}

/// The contrast ratio of two colours, 1 … 21.
///
/// # Source
/// Web Content Accessibility Guidelines 2.1, relative luminance and contrast ratio.
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(color: Rgb) -> f64 {
    let [r, g, b] = color.map(|byte| {
        let c = f64::from(byte) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_grow_away_from_the_background() {
        for theme in Theme::ALL {
            let map = theme.sequential();
            let away: Vec<f64> =
                map.table().iter().map(|&color| contrast(color, theme.palette().background)).collect();
            assert!(away.windows(2).all(|pair| pair[1] >= pair[0] - 0.02), "{theme:?}");
            assert!(away[0] < 1.2 && away[255] > 10.0, "{theme:?}: {} {}", away[0], away[255]);
            let expected = (map.at(0.0), map.at(0.0), map.at(1.0));
            assert_eq!((map.at(-1.0), map.at(f64::NAN), map.at(7.0)), expected);
        }
    }

    #[test]
    fn differences_are_neutral_at_zero_and_alike_on_both_sides() {
        for map in Theme::ALL.map(Theme::diverging) {
            let [r, g, b] = map.at(0.5);
            assert!(r.abs_diff(g) <= 2 && g.abs_diff(b) <= 2, "{:?}", map.at(0.5));
            for i in 0..128 {
                let (low, high) = (luminance(map.table()[i]), luminance(map.table()[255 - i]));
                assert!((low - high).abs() < 0.08, "{i}: {low} {high}");
            }
            assert!(map.at(0.0)[0] > map.at(0.0)[2] && map.at(1.0)[2] > map.at(1.0)[0]);
        }
    }

    #[test]
    fn white_and_black_come_back_from_oklab() {
        assert_eq!(bytes(linear_rgb([1.0, 0.0, 0.0])), [255; 3]);
        assert_eq!(bytes(linear_rgb([0.0, 0.0, 0.0])), [0; 3]);
        assert_eq!(contrast([255; 3], [0; 3]), 21.0);
    }
}

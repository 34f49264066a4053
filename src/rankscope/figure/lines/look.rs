//! The look that distinguishes a curve: colour, marker, and dash pattern.

use super::super::dash::{DASHES, Dash, broken};
use super::super::marked::MOST;
use super::super::scene::{Point, Scene};
use super::super::style::{Kind, Marker, Rgb, Theme, contrast};
use super::Curve;

const MARKERS: [Marker; 6] =
    [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::TriangleDown, Marker::Cross];

/// The look of one curve.
pub(super) struct Look {
    pub color: Rgb,
    pub dash: Dash,
    marker: Marker,
    is_hollow: bool,
    is_joined: bool,
}

impl Look {
    /// Draws the sample in a legend.
    pub fn draw(&self, scene: &mut Scene, ends: &[Point; 2], ground: Rgb) {
        if self.is_joined {
            for piece in broken(ends, self.dash) {
                scene.line(piece, self.color, 1.6);
            }
        }
        self.draw_marker(scene, ((ends[0].0 + ends[1].0) / 2.0, ends[0].1), 5.0, ground);
    }

    pub fn draw_marker(&self, scene: &mut Scene, at: Point, radius: f64, ground: Rgb) {
        scene.marker(self.marker, at, radius, self.color);
        if self.is_hollow && self.marker != Marker::Cross {
            scene.marker(self.marker, at, radius - 1.7, ground);
        }
    }
}

/// A look for each of `curves`.
///
/// The first curve of each kind has its usual look; further ones have dashed lines and hollow markers. Several plain
/// curves, which show no mask, get shades in order and markers that no mask uses here; they are dashed if they have so
/// many points that the line is more visible than the markers.
pub(super) fn looks(curves: &[Curve], theme: Theme) -> Vec<Look> {
    let plain = curves.iter().filter(|curve| curve.kind == Kind::Plain).count();
    let shades = shades(theme, plain);
    let is_taken =
        |marker: &Marker| curves.iter().any(|c| c.kind != Kind::Plain && c.kind.marker() == *marker);
    let free: Vec<Marker> = MARKERS.into_iter().filter(|marker| !is_taken(marker)).collect();
    let look = |(index, curve): (usize, &Curve)| {
        let is_joined = curve.is_joined;
        let nth = curves[..index].iter().filter(|other| other.kind == curve.kind).count();
        if curve.kind == Kind::Plain && plain > 1 {
            let marker = free[nth % free.len()];
            // Dashed if dense, so that a curve below it stays visible.
            let is_dense = curve.points.len() > MOST;
            let dash = if is_dense { DASHES[(nth + 1) % DASHES.len()] } else { &[] };
            return Look { color: shades[nth], dash, marker, is_hollow: nth % 2 == 1, is_joined };
        }
        let dash = DASHES[nth % DASHES.len()];
        let (color, marker) = (curve.kind.color(), curve.kind.marker());
        Look { color, dash, marker, is_hollow: nth % 2 == 1, is_joined }
    };
    curves.iter().enumerate().map(look).collect()
}

/// Shades of the map of amounts, from the first clearly visible one to the end of the map.
fn shades(theme: Theme, count: usize) -> Vec<Rgb> {
    let (map, ground) = (theme.sequential(), theme.palette().panel);
    let first = map.table().iter().position(|&color| contrast(color, ground) >= 3.0).unwrap_or(0);
    let last = map.table().len() - 1;
    let place = |nth: usize| first + (last - first) * nth / count.saturating_sub(1).max(1);
    (0..count).map(|nth| map.table()[place(nth)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(kinds: &[Kind]) -> Vec<Curve> {
        kinds.iter().map(|&kind| Curve::new("", kind, [(0.0, 0.0)])).collect()
    }

    #[test]
    fn no_two_curves_look_alike() {
        use Kind::*;
        let kinds =
            [Causal, Plain, Causal, Bidirectional, Causal, Plain, Plain, Bidirectional, Causal, Plain];
        for theme in Theme::ALL {
            let looks = looks(&curves(&kinds), theme);
            for (i, a) in looks.iter().enumerate() {
                assert!(contrast(a.color, theme.palette().panel) >= 2.9, "{:?}", a.color);
                for b in &looks[..i] {
                    assert!((a.color, a.dash, a.is_hollow) != (b.color, b.dash, b.is_hollow));
                }
            }
            assert_eq!((looks[0].color, looks[0].marker), (Causal.color(), Causal.marker()));
            let masks: Vec<Marker> = [Causal, Bidirectional].map(Kind::marker).into();
            assert!([1, 5, 6, 9].iter().all(|&plain: &usize| !masks.contains(&looks[plain].marker)));
        }
    }

    #[test]
    fn a_single_plain_curve_is_grey() {
        assert_eq!(looks(&curves(&[Kind::Plain]), Theme::Dark)[0].color, Kind::Plain.color());
    }
}

//! The points of a curve that have a marker.

use super::scene::Point;

/// The least distance between two markers, in pixels.
const APART: f64 = 9.0;
/// The most markers of a curve; with more, its line would not be visible.
pub(super) const MOST: usize = 24;
/// The distance between markers along a dense curve, in pixels.
const SPARSE: f64 = 84.0;

/// The points of the `nth` of `count` curves that have a marker; the line goes through all of them.
///
/// If only few points are far enough apart, all of these have one. On a dense curve only its end and some earlier
/// points have markers, at other places than on the other curves, so that the markers of coinciding curves stay
/// visible.
pub(super) fn marked(points: &[Point], (nth, count): (usize, usize)) -> Vec<Point> {
    let mut kept: Vec<Point> = Vec::new();
    for &point in points {
        if kept.last().is_none_or(|&last| distance(last, point) >= APART) {
            kept.push(point);
        }
    }
    if kept.len() <= MOST {
        return kept;
    }
    kept.clear();
    let mut next = SPARSE * (nth as f64 + 0.5) / count as f64;
    let (mut along, mut last) = (0.0, points[0]);
    for &point in points {
        along += distance(last, point);
        last = point;
        if along >= next {
            kept.push(point);
            // Counted from the start and not from here, so that a step over several places does not align the markers
            // of different curves.
            next += SPARSE * ((along - next) / SPARSE).floor() + SPARSE;
        }
    }
    if kept.last().is_none_or(|&mark| distance(mark, last) >= APART) {
        kept.push(last);
    }
    kept
}

fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: usize, step: f64) -> Vec<Point> {
        (0..points).map(|i| (step * i as f64, 7.0)).collect()
    }

    #[test]
    fn few_points_are_all_marked_and_touching_ones_once() {
        assert_eq!(marked(&line(5, 30.0), (1, 3)), line(5, 30.0));
        assert_eq!(marked(&line(7, 3.0), (0, 1)), [(0.0, 7.0), (9.0, 7.0), (18.0, 7.0)]);
        assert_eq!(marked(&[], (0, 1)), []);
    }

    #[test]
    fn dense_curves_on_each_other_are_marked_at_different_places() {
        let points = line(128, 6.0);
        let [first, second] = [0, 1].map(|nth| marked(&points, (nth, 2)));
        assert!((7..=10).contains(&first.len()) && (7..=10).contains(&second.len()));
        assert_eq!((first.last(), second.last()), (points.last(), points.last()));
        for a in &first[..first.len() - 1] {
            assert!(second.iter().all(|&b| distance(*a, b) > 30.0), "{a:?}");
        }
    }
}

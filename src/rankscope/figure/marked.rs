//! Which points of a curve carry a marker.

use super::scene::Point;

/// Points nearer to each other than this, in pixels, share a marker.
const APART: f64 = 9.0;
/// With more markers than this a curve is a row of markers and no line.
pub(super) const MOST: usize = 24;
/// Pixels along a dense curve from one marker to the next.
const SPARSE: f64 = 84.0;

/// The points of the `nth` of `count` curves that carry a marker; the line goes through all of them.
///
/// All that are apart, where these are few. On a dense curve only its end and some before, at other places than
/// on the other curves: where curves lie on each other, the markers of each still show.
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
            // From the start on, not from here: a step over several places must not bring curves into line.
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

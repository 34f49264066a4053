//! Broken lines, and lines cut at the edge of the plot.

use super::scene::{Point, Rect};

/// Lengths that are alternately drawn and left out, in pixels; a solid line if empty.
pub(super) type Dash = &'static [f64];

/// The styles that distinguish curves of one kind.
pub(super) const DASHES: [Dash; 4] = [&[], &[9.0, 5.0], &[2.5, 4.0], &[10.0, 4.0, 2.5, 4.0]];

/// The pieces of `points` that are drawn with `dash`.
pub(super) fn broken(points: &[Point], dash: Dash) -> Vec<Vec<Point>> {
    if dash.is_empty() {
        return vec![points.to_vec()];
    }
    let (mut pieces, mut piece) = (Vec::new(), points.first().copied().into_iter().collect::<Vec<_>>());
    let (mut phase, mut left) = (0, dash[0]);
    for ends in points.windows(2) {
        let (from, to) = (ends[0], ends[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let at = (from.0 + (to.0 - from.0) * done / length, from.1 + (to.1 - from.1) * done / length);
            if phase % 2 == 0 {
                piece.push(at);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![at];
            }
            phase = (phase + 1) % dash.len();
            left = dash[phase];
        }
        left -= length - done;
        if phase % 2 == 0 {
            piece.push(to);
        }
    }
    pieces.push(piece);
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// The parts of `points` inside `area`.
pub(super) fn clipped(points: &[Point], area: Rect) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    for ends in points.windows(2) {
        let Some((from, to)) = inside(ends[0], ends[1], area) else { continue };
        match parts.last_mut() {
            Some(part) if part.last() == Some(&from) => part.push(to),
            _ => parts.push(vec![from, to]),
        }
    }
    parts
}

/// The part of a segment inside `area`.
///
/// # Source
/// Liang & Barsky, A new concept and method for line clipping, ACM TOG 1984.
fn inside(from: Point, to: Point, area: Rect) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    let edges = [
        (-dx, from.0 - area.x),
        (dx, area.right() - from.0),
        (-dy, from.1 - area.y),
        (dy, area.bottom() - from.1),
    ];
    for (speed, room) in edges {
        if speed == 0.0 && room < 0.0 {
            return None;
        }
        if speed < 0.0 {
            enter = enter.max(room / speed);
        } else if speed > 0.0 {
            leave = leave.min(room / speed);
        }
    }
    let at = |t: f64| {
        if t == 0.0 {
            from
        } else if t == 1.0 {
            to
        } else {
            (from.0 + t * dx, from.1 + t * dy)
        }
    };
    (enter < leave).then(|| (at(enter), at(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_goes_on_around_corners() {
        let pieces = broken(&[(0.0, 0.0), (5.0, 0.0), (5.0, 20.0)], &[9.0, 5.0]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (5.0, 0.0), (5.0, 4.0)], vec![(5.0, 9.0), (5.0, 18.0)]]);
        assert_eq!(broken(&[(0.0, 0.0), (5.0, 0.0)], &[]), [vec![(0.0, 0.0), (5.0, 0.0)]]);
    }

    #[test]
    fn a_line_ends_at_the_edge_and_comes_back() {
        let area = Rect { x: 0.0, y: 0.0, w: 10.0, h: 4.0 };
        let parts = clipped(&[(0.0, 2.0), (4.0, 6.0), (8.0, 2.0), (9.0, 2.0), (9.0, 99.0)], area);
        let expected = [vec![(0.0, 2.0), (2.0, 4.0)], vec![(6.0, 4.0), (8.0, 2.0), (9.0, 2.0), (9.0, 4.0)]];
        assert_eq!(parts, expected);
    }
}

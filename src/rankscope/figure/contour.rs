//! The line on which values between grid points change their sign.

use ndarray::Array2;

use super::scene::Point;

/// Segments of the line on which `values`, linear between neighbours, are zero; in units of rows and
/// columns, (column, row), with whole numbers at the grid points.
///
/// A square with a missing corner contains no part of the line. Zero counts as positive.
///
/// # Source
/// Lorensen & Cline, Marching cubes, SIGGRAPH 1987, in two dimensions; saddles are resolved by the mean of the corners.
pub(super) fn sign_change(values: &Array2<Option<f64>>) -> Vec<[Point; 2]> {
    let (rows, cols) = values.dim();
    let mut segments = Vec::new();
    for (row, col) in (1..rows).flat_map(|row| (1..cols).map(move |col| (row - 1, col - 1))) {
        // The corners, in order around the square.
        let corners = [(row, col), (row, col + 1), (row + 1, col + 1), (row + 1, col)];
        let Some(heights) = corners.iter().map(|&at| values[at]).collect::<Option<Vec<f64>>>() else {
            continue;
        };
        let crossings: Vec<Point> = (0..4)
            .filter_map(|i| crossing((corners[i], heights[i]), (corners[(i + 1) % 4], heights[(i + 1) % 4])))
            .collect();
        match crossings[..] {
            [a, b] => segments.push([a, b]),
            [a, b, c, d] => {
                // Crossings are in the order of the edges; the mean decides which corners are connected.
                let middle: f64 = heights.iter().sum();
                let joins_first = (middle >= 0.0) == (heights[0] >= 0.0);
                segments.extend(if joins_first { [[a, b], [c, d]] } else { [[d, a], [b, c]] });
            }
            _ => {}
        }
    }
    segments
}

type Corner = ((usize, usize), f64);

/// The point where the value on the edge from `a` to `b` is zero.
fn crossing((a, low): Corner, (b, high): Corner) -> Option<Point> {
    if (low >= 0.0) == (high >= 0.0) {
        return None;
    }
    let t = low / (low - high);
    let mix = |a: usize, b: usize| a as f64 + (b as f64 - a as f64) * t;
    Some((mix(a.1, b.1), mix(a.0, b.0)))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_line_is_where_a_plane_is_zero() {
        let plane = Array2::from_shape_fn((4, 6), |(row, col)| Some(col as f64 + 2.0 * row as f64 - 3.3));
        let segments = sign_change(&plane);
        assert!(segments.len() >= 4);
        for (x, y) in segments.into_iter().flatten() {
            assert!((x + 2.0 * y - 3.3).abs() < 1e-12, "({x}, {y})");
        }
    }

    #[test]
    fn a_saddle_keeps_what_hangs_together_and_a_hole_has_no_line() {
        // Mean above zero: the positive corners, upper left and lower right, are connected.
        let saddle = array![[Some(3.0), Some(-1.0)], [Some(-1.0), Some(3.0)]];
        let segments = sign_change(&saddle);
        assert_eq!(segments, [[(0.75, 0.0), (1.0, 0.25)], [(0.25, 1.0), (0.0, 0.75)]]);
        let hole = array![[Some(3.0), Some(-1.0)], [Some(-1.0), None]];
        assert!(sign_change(&hole).is_empty());
    }
}

//! The flat hatch of masked cells.

use super::scene::{Point, Rect};

/// Pixels between hatch lines, along the x axis.
const STEP: f64 = 9.0;

/// Diagonal segments across every cell of a grid that `is_masked`, in phase over the whole grid.
///
/// The grid has `rows` × `cols` equal cells over `area`.
pub(super) fn hatch(
    area: Rect,
    (rows, cols): (usize, usize),
    is_masked: impl Fn(usize, usize) -> bool,
) -> Vec<[Point; 2]> {
    let (cell_w, cell_h) = (area.w / cols as f64, area.h / rows as f64);
    let mut segments = Vec::new();
    let mut sum = STEP / 2.0;
    // Along each line x + y = sum; x from where it enters the area to where it leaves.
    while sum < area.w + area.h {
        let (from, to) = ((sum - area.h).max(0.0), sum.min(area.w));
        let mut start = None;
        for pair in cuts(sum, from, to, cell_w, cell_h).windows(2) {
            let x = (pair[0] + pair[1]) / 2.0;
            let (row, col) = (((sum - x) / cell_h) as usize, (x / cell_w) as usize);
            let masked = is_masked(row.min(rows - 1), col.min(cols - 1));
            if masked && start.is_none() {
                start = Some(pair[0]);
            }
            if let (false, Some(x)) = (masked, start) {
                segments.push(segment(area, sum, x, pair[0]));
                start = None;
            }
        }
        if let Some(x) = start {
            segments.push(segment(area, sum, x, to));
        }
        sum += STEP;
    }
    segments
}

/// Every x in `from` … `to` where the line x + y = `sum` crosses an edge of a cell, ascending.
fn cuts(sum: f64, from: f64, to: f64, cell_w: f64, cell_h: f64) -> Vec<f64> {
    let columns = (1..).map(|i| i as f64 * cell_w).skip_while(|&x| x <= from).take_while(|&x| x < to);
    let rows =
        (1..).map(|i| i as f64 * cell_h).skip_while(|&y| y <= sum - to).take_while(|&y| y < sum - from);
    let mut cuts = vec![from, to];
    cuts.extend(columns);
    cuts.extend(rows.map(|y| sum - y));
    cuts.sort_by(f64::total_cmp);
    cuts
}

fn segment(area: Rect, sum: f64, from: f64, to: f64) -> [Point; 2] {
    [(area.x + from, area.y + sum - from), (area.x + to, area.y + sum - to)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hatch_covers_masked_cells_only() {
        let area = Rect { x: 10.0, y: 20.0, w: 60.0, h: 40.0 };
        let masked = |row: usize, col: usize| (row + col) % 3 == 1;
        let segments = hatch(area, (4, 5), masked);
        assert!(segments.len() > 10);
        for [(x0, y0), (x1, y1)] in segments {
            for t in [0.01, 0.5, 0.99] {
                let (x, y) = (x0 + (x1 - x0) * t - area.x, y0 + (y1 - y0) * t - area.y);
                assert!(masked((y / 10.0) as usize, (x / 12.0) as usize), "({x}, {y})");
            }
        }
    }

    #[test]
    fn a_grid_without_masked_cells_has_no_hatch() {
        let area = Rect { x: 0.0, y: 0.0, w: 60.0, h: 40.0 };
        assert!(hatch(area, (3, 7), |_, _| false).is_empty());
    }
}

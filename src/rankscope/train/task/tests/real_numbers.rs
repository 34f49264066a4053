//! Tasks whose tokens stand for real numbers: a fit gives the answer up to the width of a bin.

use ndarray::{Array1, Array2, array};

use super::{Task, examples, task};
use crate::train::{Example, Examples, Part};

/// The numbers that the tokens of some words stand for.
fn values(task: &Task, tokens: &[u32]) -> Array1<f64> {
    let values = task.values().unwrap();
    tokens.iter().map(|&token| values[token as usize]).collect()
}

/// The least-squares solution B of X·B = Y, by the normal equations and Gauss's elimination.
fn fit(x: &Array2<f64>, y: &Array2<f64>) -> Array2<f64> {
    let (mut a, mut b) = (x.t().dot(x), x.t().dot(y));
    for pivot in 0..a.nrows() {
        for row in (0..a.nrows()).filter(|&row| row != pivot) {
            let factor = a[[row, pivot]] / a[[pivot, pivot]];
            let (of_a, of_b) = (a.row(pivot).to_owned() * factor, b.row(pivot).to_owned() * factor);
            let mut row_of_a = a.row_mut(row);
            row_of_a -= &of_a;
            let mut row_of_b = b.row_mut(row);
            row_of_b -= &of_b;
        }
    }
    for row in 0..a.nrows() {
        let factor = a[[row, row]];
        let mut scaled = b.row_mut(row);
        scaled /= factor;
    }
    b
}

#[test]
fn mixing_is_one_dense_positive_linear_map_up_to_the_width_of_a_bin() {
    let task = task("mixing(items=5, bins=96)");
    let matrices = |part| {
        let all = examples(&task, part, 600);
        let rows = |side: fn(&Example) -> &[u32]| {
            let numbers = all.iter().flat_map(|example| values(&task, &side(example)[..5]));
            Array2::from_shape_vec((600, 5), numbers.collect()).unwrap()
        };
        (rows(Example::input), rows(Example::output))
    };
    let (x, y) = matrices(Part::Training);
    let map = fit(&x, &y);
    let (x, y) = matrices(Part::HeldOut);
    let wrong = &x.dot(&map) - &y;
    let width = 6.0 / 96.0;
    let share = wrong.iter().filter(|wrong| wrong.abs() < 0.6 * width).count() as f64 / wrong.len() as f64;
    assert!(share > 0.98, "{share} of the answers are what the map says");
    // Weights of one row of softmax, all times the same number: the sums of all rows are equal.
    let sums = map.t().dot(&Array1::<f64>::ones(5));
    assert!(sums.iter().all(|sum| (sum / sums[0] - 1.0).abs() < 0.02), "{sums}");
    assert!(map.iter().all(|&weight| weight > -0.01), "{map}");
    let largest = map.t().outer_iter().map(|row| row.dot(&row)).fold(0.0, f64::max);
    assert!((largest - 1.0).abs() < 0.03, "{largest}");
    let spread = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    assert!((spread - 1.0).abs() < 0.1, "{spread}");
}

#[test]
fn regression_is_solved_by_least_squares_up_to_the_width_of_a_bin() {
    let task = task("regression(dimensions=3, points=12, bins=128)");
    for part in [Part::Training, Part::HeldOut] {
        let (mut squares, mut lengths) = (0.0, 0.0);
        for example in examples(&task, part, 200) {
            let numbers = values(&task, &example.input()[..4 * 12 + 3]);
            let points: Vec<_> = numbers.as_slice().unwrap().chunks(4).collect();
            let x = Array2::from_shape_fn((12, 3), |(point, axis)| points[point][axis]);
            let y = Array2::from_shape_fn((12, 1), |(point, _)| points[point][3]);
            let w = fit(&x, &y);
            let query = array![[points[12][0], points[12][1], points[12][2]]];
            let wrong = query.dot(&w)[[0, 0]] - values(&task, example.output())[0];
            squares += wrong * wrong / 200.0;
            lengths += w.iter().map(|w| w * w).sum::<f64>() / 200.0;
        }
        assert!(squares.sqrt() < 6.0 / 128.0, "{}", squares.sqrt());
        assert!((lengths - 1.0).abs() < 0.02, "{lengths}");
    }
}

//! The steps from Q, K and V to the context, each with all its numbers.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rankscope::Result;
use rankscope::numbers::short;
use rankscope::rank::{RankReport, exact_rank};
use serde::{Deserialize, Serialize};

use crate::heatmap::Matrix;

/// A step of the computation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Q, K, V.
    #[default]
    Inputs,
    /// Q·Kᵀ.
    Products,
    /// Q·Kᵀ over √D.
    Scores,
    /// The mask.
    Mask,
    /// exp(s − max).
    Exponentials,
    /// The exponentials over the sum of their row.
    Weights,
    /// A·V.
    Context,
    /// The singular values: predict, then reveal.
    Rank,
}

const MATMUL: &str = include_str!("../../../../rankscope/ops/matmul/matmul_naive.wgsl");
const SOFTMAX: &str = include_str!("../../../../rankscope/ops/softmax/softmax_naive.wgsl");

impl Step {
    /// All steps, in order.
    pub const ALL: [Step; 8] = [
        Step::Inputs,
        Step::Products,
        Step::Scores,
        Step::Mask,
        Step::Exponentials,
        Step::Weights,
        Step::Context,
        Step::Rank,
    ];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Step::Inputs => "Queries, keys, values",
            Step::Products => "Products",
            Step::Scores => "Scores",
            Step::Mask => "Mask",
            Step::Exponentials => "Exponentials",
            Step::Weights => "Weights",
            Step::Context => "Context",
            Step::Rank => "Rank",
        }
    }

    /// Its formula.
    pub fn formula(self) -> &'static str {
        match self {
            Step::Inputs => "Q, K, V  [n, D]",
            Step::Products => "pₜₛ = Σᵢ qₜᵢ · kₛᵢ",
            Step::Scores => "sₜₛ = pₜₛ / √D",
            Step::Mask => "query t sees key s, or not",
            Step::Exponentials => "eₜₛ = exp(sₜₛ − maxᵣ sₜᵣ)",
            Step::Weights => "aₜₛ = eₜₛ / Σᵣ eₜᵣ",
            Step::Context => "cₜᵢ = Σₛ aₜₛ · vₛᵢ",
            Step::Rank => "A = U·Σ·Vᵀ,  σ₁ ≥ σ₂ ≥ …",
        }
    }

    /// What happens, in a sentence or two.
    pub fn words(self) -> &'static str {
        match self {
            Step::Inputs => {
                "Each token has a query, a key and a value of D numbers. Here they are drawn with one decimal; click a \
                 number to change it."
            }
            Step::Products => {
                "Each query meets each key: the product is large where they point the same way."
            }
            Step::Scores => "Products of D numbers grow like √D, so they are divided by it.",
            Step::Mask => "Masked entries are never looked at: they get no weight, whatever their score.",
            Step::Exponentials => {
                "The largest score of the row is subtracted first, so that the largest exponential is 1 and none overflows. \
                 All are positive."
            }
            Step::Weights => "Each row is divided by its sum: weights are positive and add up to 1.",
            Step::Context => "Each token's output is the mean of the values it sees, by weight.",
            Step::Rank => {
                "How many independent rows does A have? A triangle with a positive diagonal has full rank; without a mask \
                 there is no such theorem."
            }
        }
    }

    /// The file of the shader that computes it, its line numbers and lines; `None` for a step without a shader.
    pub fn shader(self) -> Option<(&'static str, Vec<(usize, &'static str)>)> {
        let (file, source, marks): (_, _, &[&str]) = match self {
            Step::Inputs | Step::Rank => return None,
            Step::Products | Step::Context => ("matmul_naive.wgsl", MATMUL, &["sum += a["]),
            Step::Scores => ("matmul_naive.wgsl", MATMUL, &["params.factor * sum"]),
            Step::Mask => ("softmax_naive.wgsl", SOFTMAX, &["return ((allowed["]),
            Step::Exponentials => ("softmax_naive.wgsl", SOFTMAX, &["largest = max(", "sum += exp("]),
            Step::Weights => ("softmax_naive.wgsl", SOFTMAX, &["/ sum;"]),
        };
        let is_marked = |line: &str| marks.iter().any(|mark| line.contains(mark));
        let lines = (1..).zip(source.lines()).filter(|(_, line)| is_marked(line));
        Some((file, lines.map(|(number, line)| (number, line.trim())).collect()))
    }

    /// The step `by` places later, inside the list.
    pub fn moved(self, by: isize) -> Step {
        let at = (self as usize).saturating_add_signed(by).min(Step::ALL.len() - 1);
        Step::ALL[at]
    }
}

/// All numbers of one head.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Q, K, V.
    pub inputs: [Arc<Matrix>; 3],
    products: Arc<Matrix>,
    scores: Arc<Matrix>,
    masked: Arc<Matrix>,
    exponentials: Arc<Matrix>,
    weights: Arc<Matrix>,
    context: Arc<Matrix>,
    /// The largest score of each row; 0 for a row that sees nothing.
    largest: Array1<f64>,
    /// The sum of each row's exponentials.
    sums: Array1<f64>,
    /// The ranks of the weights.
    pub report: Arc<RankReport>,
}

impl Chain {
    /// Computes every step.
    ///
    /// # Errors
    /// Where the singular values do not converge.
    pub fn of([q, k, v]: [Array2<f64>; 3], pattern: Array2<bool>) -> Result<Self> {
        let products = q.dot(&k.t());
        let scores = &products / (q.ncols() as f64).sqrt();
        let rows = |values: &Array2<f64>, query: usize| -> Vec<f64> {
            let seen = values.row(query).into_iter().zip(pattern.row(query));
            seen.filter(|(_, may)| **may).map(|(value, _)| *value).collect()
        };
        let n = q.nrows();
        let largest = Array1::from_shape_fn(n, |query| {
            rows(&scores, query).into_iter().reduce(f64::max).unwrap_or(0.0)
        });
        let exponentials = Array2::from_shape_fn((n, n), |(query, key)| {
            if pattern[(query, key)] { (scores[(query, key)] - largest[query]).exp() } else { 0.0 }
        });
        let sums = exponentials.sum_axis(Axis(1));
        let weights = Array2::from_shape_fn((n, n), |(query, key)| {
            if pattern[(query, key)] { exponentials[(query, key)] / sums[query] } else { 0.0 }
        });
        let context = weights.dot(&v);
        let report = RankReport::of(weights.view(), Some(&exact_rank(pattern.view())))?;
        let all = |values: Array2<f64>| Arc::new(Matrix::new(values));
        let masked = |values: Array2<f64>| Arc::new(Matrix::masked(values, pattern.clone()));
        Ok(Chain {
            products: all(products),
            masked: masked(scores.clone()),
            scores: all(scores),
            exponentials: masked(exponentials),
            weights: masked(weights),
            context: all(context),
            inputs: [all(q), all(k), all(v)],
            largest,
            sums,
            report: Arc::new(report),
        })
    }

    /// The matrix that a step makes.
    pub fn result(&self, step: Step) -> &Arc<Matrix> {
        match step {
            Step::Inputs => &self.inputs[0],
            Step::Products => &self.products,
            Step::Scores => &self.scores,
            Step::Mask => &self.masked,
            Step::Exponentials => &self.exponentials,
            Step::Weights | Step::Rank => &self.weights,
            Step::Context => &self.context,
        }
    }

    /// The operands of a step: names and matrices.
    pub fn operands(&self, step: Step) -> Vec<(&'static str, &Arc<Matrix>)> {
        let [q, k, v] = &self.inputs;
        match step {
            Step::Inputs | Step::Rank => Vec::new(),
            Step::Products => vec![("Q", q), ("K", k)],
            Step::Scores => vec![("Q·Kᵀ", &self.products)],
            Step::Mask => vec![("S", &self.scores)],
            Step::Exponentials => vec![("S, masked", &self.masked)],
            Step::Weights => vec![("E", &self.exponentials)],
            Step::Context => vec![("A", &self.weights), ("V", v)],
        }
    }

    /// The arithmetic of one entry of a step, written out.
    pub fn arithmetic(&self, step: Step, (row, column): (usize, usize)) -> Option<String> {
        let [q, k, v] = self.inputs.each_ref().map(|matrix| &matrix.values);
        let value = *self.result(step).values.get((row, column))?;
        let sum = |a: ArrayView1<f64>, b: ArrayView1<f64>| {
            let terms = a.iter().zip(b).map(|(&a, &b)| format!("{}·{}", signed(a), signed(b)));
            terms.collect::<Vec<_>>().join(" + ")
        };
        let is_seen = self.masked.is_there((row, column));
        let (s, e) = (self.scores.values.get((row, column)), self.exponentials.values.get((row, column)));
        Some(match step {
            Step::Inputs => format!("q[{row}, {column}] = {value}"),
            Step::Products => {
                format!("p[{row}, {column}] = {} = {}", sum(q.row(row), k.row(column)), digits(value))
            }
            Step::Scores => {
                let (product, size) = (self.products.values[(row, column)], q.ncols());
                format!("s[{row}, {column}] = {} / √{size} = {}", digits(product), digits(value))
            }
            Step::Mask if is_seen => format!("query {row} sees key {column}: s = {}", digits(value)),
            Step::Mask => format!("query {row} does not see key {column}"),
            Step::Exponentials | Step::Weights if !is_seen => {
                format!("query {row} does not see key {column}: no weight")
            }
            Step::Exponentials => {
                let largest = digits(self.largest[row]);
                format!("e[{row}, {column}] = exp({} − {largest}) = {}", digits(*s?), digits(value))
            }
            Step::Weights => {
                let sum = digits(self.sums[row]);
                format!("a[{row}, {column}] = {} / {sum} = {}", digits(*e?), digits(value))
            }
            Step::Context => {
                let sum = sum(self.weights.values.row(row), v.column(column));
                format!("c[{row}, {column}] = {sum} = {}", digits(value))
            }
            Step::Rank => format!("a[{row}, {column}] = {}", digits(value)),
        })
    }
}

/// Three digits, without zeros at the end.
pub fn digits(value: f64) -> String {
    let text = short(value);
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// In brackets if it has a minus sign.
fn signed(value: f64) -> String {
    if value < 0.0 { format!("({})", digits(value)) } else { digits(value) }
}

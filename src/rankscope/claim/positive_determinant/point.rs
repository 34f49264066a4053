//! The weights of one mechanism over all draws, and the shares that are counted over them.

use super::*;

/// The mechanisms that compute causal weights.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mechanism {
    Softmax,
    Sink,
    Sigmoid,
    Differential(f64),
}

impl Mechanism {
    /// Its name in measurements.
    pub(super) fn name(self) -> String {
        match self {
            Mechanism::Softmax => "softmax".to_owned(),
            Mechanism::Sink => "sink".to_owned(),
            Mechanism::Sigmoid => "sigmoid".to_owned(),
            Mechanism::Differential(lambda) => format!("lambda{lambda}"),
        }
    }

    /// "with softmax", "at λ = 0.5".
    pub(super) fn at(self) -> String {
        match self {
            Mechanism::Softmax => "with softmax".to_owned(),
            Mechanism::Sink => "with a sink".to_owned(),
            Mechanism::Sigmoid => "with the sigmoid".to_owned(),
            Mechanism::Differential(lambda) => format!("at λ = {lambda}"),
        }
    }

    /// λ, which is 0 for softmax alone.
    pub(super) fn lambda(self) -> Option<f64> {
        match self {
            Mechanism::Softmax => Some(0.0),
            Mechanism::Sink | Mechanism::Sigmoid => None,
            Mechanism::Differential(lambda) => Some(lambda),
        }
    }

    /// Whether no theorem gives the sign: differential attention with λ between 0 and 1.
    pub(super) fn is_open(self) -> bool {
        self.lambda().is_some_and(|lambda| 0.0 < lambda && lambda < 1.0)
    }
}

/// The diagonal and signs of one draw's weights.
pub(super) struct Look {
    pub(super) diagonal: Vec<f64>,
    pub(super) rank: f64,
    pub(super) effective_rank: f64,
}

impl Look {
    pub(super) fn of(weights: ArrayView2<f64>, zero: Tolerance) -> Result<Self> {
        let spectrum = Spectrum::of(weights)?;
        let (rank, effective_rank) = (spectrum.numerical_rank(zero) as f64, spectrum.effective_rank());
        Ok(Look { diagonal: weights.diag().to_vec(), rank, effective_rank })
    }

    /// The sign of the determinant of the first `size` tokens: −1, 0 or 1.
    pub(super) fn sign(&self, size: usize) -> f64 {
        let sign = |entry: &f64| if *entry == 0.0 { 0.0 } else { entry.signum() };
        self.diagonal[..size].iter().map(sign).product()
    }

    /// The magnitude of the diagonal entry that is nearest to 0.
    pub(super) fn nearest(&self) -> f64 {
        self.diagonal.iter().fold(f64::INFINITY, |least, entry| least.min(entry.abs()))
    }
}

/// A mechanism with its draws.
pub(super) struct Point {
    pub(super) mechanism: Mechanism,
    pub(super) looks: Vec<Look>,
}

impl Point {
    pub(super) fn n(&self) -> usize {
        self.looks[0].diagonal.len()
    }

    pub(super) fn sample(&self, of: impl Fn(&Look) -> f64) -> Sample {
        self.looks.iter().map(of).collect()
    }

    /// 1 for each draw whose first `size` tokens have a negative determinant, 0 for the others.
    pub(super) fn negative(&self, size: usize) -> Sample {
        self.sample(|look| f64::from(u8::from(look.sign(size) < 0.0)))
    }

    /// 1 for each draw whose first `size` tokens have an entry of 0 or less on the diagonal, 0 for the others.
    pub(super) fn nonpositive(&self, size: usize) -> Sample {
        self.sample(|look| f64::from(u8::from(look.diagonal[..size].iter().any(|&entry| entry <= 0.0))))
    }

    /// How many determinants have this sign: −1, 0 or 1.
    pub(super) fn count(&self, sign: f64) -> usize {
        self.looks.iter().filter(|look| look.sign(self.n()) == sign).count()
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome::of(self.looks.iter().all(|look| look.sign(self.n()) > 0.0))
    }

    /// The lengths below n that are measured too: powers of two.
    pub(super) fn sizes(&self) -> Vec<usize> {
        (1..).map(|power| 1 << power).take_while(|&size| size < self.n()).collect()
    }

    /// The draws whose sign is the hardest to know: the one nearest to 0 of all, and the one nearest to 0 of those with
    /// a negative determinant.
    pub(super) fn hardest(&self) -> Vec<usize> {
        let nearest = |wanted: &dyn Fn(&Look) -> bool| {
            let draws = self.looks.iter().enumerate().filter(|(_, look)| wanted(look));
            draws.min_by(|a, b| a.1.nearest().total_cmp(&b.1.nearest())).map(|(draw, _)| draw)
        };
        let mut draws: Vec<usize> =
            [nearest(&|_| true), nearest(&|look| look.sign(self.n()) < 0.0)].into_iter().flatten().collect();
        draws.dedup();
        draws
    }
}

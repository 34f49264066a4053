//! What one point of the experiment says.

use super::Pair;
use crate::claim::{Evidence, Known, Sample};
use crate::device::Device;
use crate::numbers::short;
use crate::rank::Spectrum;

/// What numpy gives at n = 256 and scale 1 over 20 other draws: mean and standard deviation.
struct Reference {
    head_size: usize,
    /// Effective ranks of the mean of two heads: mixed, bidirectional.
    ranks: [(f64, f64); 2],
    /// log₁₀ of their condition numbers.
    conditions: [(f64, f64); 2],
}

const REFERENCE: [Reference; 3] = [
    Reference {
        head_size: 4,
        ranks: [(100.923, 2.383), (47.996, 1.462)],
        conditions: [(4.78, 0.417), (7.02, 0.452)],
    },
    Reference {
        head_size: 16,
        ranks: [(132.604, 1.105), (128.656, 1.28)],
        conditions: [(4.322, 0.372), (4.43, 0.498)],
    },
    Reference {
        head_size: 64,
        ranks: [(147.294, 1.38), (160.469, 0.803)],
        conditions: [(4.121, 0.372), (4.374, 0.593)],
    },
];
const DRAWS: usize = 20;
const NUMPY: &str = "numpy, 20 other draws";

/// Samples over draws, with mixed directions and bidirectional.
type Both = [Sample; 2];

/// What measurements call the two.
const KINDS: [&str; 2] = ["mixed", "bidirectional"];

/// One scale and one head size.
pub(super) struct Point {
    n: usize,
    pub head_size: usize,
    pub scale: f64,
    /// Effective ranks of the mean of two heads.
    pub side_by_side: Both,
    /// Effective ranks of the product of two heads: layers that alternate.
    layers: Both,
    /// Effective ranks of the first head: causal, bidirectional.
    alone: Both,
    /// log₁₀ of the condition numbers of the means, and whether one is a lower bound; they need entries in f64, so
    /// they are measured on the CPU alone.
    conditions: Option<[(Sample, bool); 2]>,
}

impl Point {
    pub fn of((n, head_size, scale): (usize, usize, f64), pairs: &[Pair], device: &Device) -> Self {
        let over = |of: fn(&Pair) -> &Spectrum| pairs.iter().map(|pair| of(pair).effective_rank()).collect();
        let conditions = |of: fn(&Pair) -> &Spectrum| {
            let all: Vec<_> = pairs.iter().filter_map(|pair| of(pair).condition()).collect();
            let is_bound = all.iter().any(|condition| condition.is_lower_bound);
            (all.iter().map(|condition| condition.value.log10()).collect(), is_bound)
        };
        Point {
            n,
            head_size,
            scale,
            side_by_side: [over(|pair| &pair.mixed), over(|pair| &pair.bidirectional)],
            layers: [over(|pair| &pair.layers_mixed), over(|pair| &pair.layers_bidirectional)],
            alone: [over(|pair| &pair.causal_alone), over(|pair| &pair.bidirectional_alone)],
            conditions: (*device == Device::Cpu)
                .then(|| [conditions(|pair| &pair.mixed), conditions(|pair| &pair.bidirectional)]),
        }
    }

    /// What mixed directions add to the effective rank of heads side by side, draw by draw.
    pub fn gain(&self) -> Sample {
        self.side_by_side[0].minus(&self.side_by_side[1])
    }

    /// Records everything about the point.
    pub fn report(&self, evidence: &mut Evidence) {
        let reference = REFERENCE.iter().find(|known| known.head_size == self.head_size);
        let reference = reference.filter(|_| self.n == 256 && self.scale == 1.0);
        self.ranks(evidence, reference);
        self.in_layers(evidence);
        if let Some(conditions) = &self.conditions {
            self.conditions(evidence, conditions, reference);
        }
    }

    /// The end of the names of its numbers.
    fn suffix(&self) -> String {
        format!("scale{}_d{}", self.scale, self.head_size)
    }

    fn place(&self) -> String {
        format!("at scale {}, D = {}", self.scale, self.head_size)
    }

    /// Heads side by side: their mean.
    fn ranks(&self, evidence: &mut Evidence, reference: Option<&Reference>) {
        let ([mixed, both], gain, suffix) = (&self.side_by_side, self.gain(), self.suffix());
        let lacking = match self.conditions {
            Some(_) => "",
            None => "; condition numbers need entries in f64: cpu only",
        };
        let text = format!(
            "heads {}: the mean of two has effective rank {mixed} of {} with mixed directions, {both} bidirectional; \
             paired difference {gain} over {} draws (alone: causal {}, bidirectional {}){lacking}",
            self.place(),
            self.n,
            gain.count(),
            self.alone[0],
            self.alone[1],
        );
        evidence.weigh(gain.mean() > 0.0, text);
        for (index, (kind, ranks)) in KINDS.iter().zip(&self.side_by_side).enumerate() {
            let measured = evidence.measure_sample(format!("rank_{kind}_{suffix}"), ranks.clone(), "");
            if let Some(known) = reference {
                let (mean, sd) = known.ranks[index];
                measured.expect_mean(Known::new(mean, sd, DRAWS), NUMPY);
            }
            if self.scale == 0.0 && *kind == KINDS[1] {
                measured.expect(1.0, 1e-6, "logits of 0: every weight is 1/n");
            }
        }
        evidence.measure_sample(format!("gain_{suffix}"), gain, "");
        let [causal, both] = self.alone.clone();
        evidence.measure_sample(format!("rank_causal_alone_{suffix}"), causal, "");
        evidence.measure_sample(format!("rank_bidirectional_alone_{suffix}"), both, "");
    }

    /// Layers that alternate: the product of their weights.
    fn in_layers(&self, evidence: &mut Evidence) {
        let ([mixed, both], suffix) = (&self.layers, self.suffix());
        let gain = mixed.minus(both);
        let text = format!(
            "layers {}: anti-causal after causal leaves effective rank {mixed}, bidirectional after bidirectional \
             {both}; paired difference {gain}",
            self.place()
        );
        evidence.weigh(gain.mean() > 0.0, text);
        for (kind, ranks) in KINDS.iter().zip(&self.layers) {
            evidence.measure_sample(format!("rank_layers_{kind}_{suffix}"), ranks.clone(), "");
        }
        evidence.measure_sample(format!("layers_gain_{suffix}"), gain, "");
    }

    fn conditions(
        &self,
        evidence: &mut Evidence,
        conditions: &[(Sample, bool); 2],
        reference: Option<&Reference>,
    ) {
        let said = |(log, is_bound): &(Sample, bool)| {
            let at_least = if *is_bound { "at least " } else { "" };
            format!("{at_least}{}", short(10f64.powf(log.mean())))
        };
        let [mixed, both] = conditions;
        let text = format!(
            "heads {}: condition number {} with mixed directions, {} bidirectional (geometric means)",
            self.place(),
            said(mixed),
            said(both)
        );
        evidence.weigh(mixed.0.mean() < both.0.mean(), text);
        for (index, (kind, (log, _))) in KINDS.iter().zip(conditions).enumerate() {
            let name = format!("log10_condition_{kind}_{}", self.suffix());
            let measured = evidence.measure_sample(name, log.clone(), "");
            if let Some(known) = reference {
                let (mean, sd) = known.conditions[index];
                measured.expect_mean(Known::new(mean, sd, DRAWS), NUMPY);
            }
        }
    }
}

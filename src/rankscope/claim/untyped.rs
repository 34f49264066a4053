//! Claims whose results are not typed yet: they read their verdict off the list of numbers, by name.

use super::{About, Evidence, Experiment, Floating, Known, Opinion, Parameter, Settings, Verdict};
use crate::error::Result;
use crate::run::Run;

/// A claim that reads its verdict off the list.
pub(super) trait Untyped: Sync {
    fn about(&self) -> &'static About;
    fn parameters(&self) -> &'static [Parameter];
    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence>;
    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>>;
}

macro_rules! untyped {
    ($($claim:ty),* $(,)?) => { $(
        impl Experiment for $claim {
            type Measured = (Evidence, Verdict);

            fn about(&self) -> &'static About {
                Untyped::about(self)
            }

            fn parameters(&self) -> &'static [Parameter] {
                Untyped::parameters(self)
            }

            fn measure(&self, settings: &Settings, run: &Run) -> Result<Self::Measured> {
                let evidence = Untyped::run(self, settings, run)?;
                let opinion = self.verdict(&evidence)?;
                Ok((evidence, Verdict::new().floating(opinion.ruling, opinion.because)))
            }

            fn judge(&self, measured: &Self::Measured) -> Verdict {
                measured.1.clone()
            }

            fn report(&self, measured: Self::Measured, _settings: &Settings) -> Result<Evidence> {
                Ok(measured.0)
            }
        }
    )* };
}

untyped!(
    super::softmax_rank::SoftmaxRank,
    super::head_size_bottleneck::HeadSizeBottleneck,
    super::fixed_head_size::FixedHeadSize,
    super::linear_attention_rank::LinearAttentionRank,
    super::mixed_directions::MixedDirections,
    super::cache_reuse::CacheReuse,
    super::encoder_decoder_cost::EncoderDecoderCost,
    super::trained_low_rank::TrainedLowRank,
);

impl Evidence {
    /// Says what the number called `name` should be.
    pub(super) fn expect(&mut self, name: impl AsRef<str>, value: f64, tolerance: f64, source: &'static str) {
        let name = name.as_ref();
        match self.named(name) {
            Some(measured) => measured.expect(value, tolerance, source),
            None => self.measure(name, f64::NAN, "").expect(value, tolerance, source),
        };
    }

    /// Says what the mean called `name` should be.
    pub(super) fn expect_mean(
        &mut self,
        name: &str,
        (mean, sd, draws): (f64, f64, usize),
        source: &'static str,
    ) -> Result<()> {
        self.sample(name)?;
        let measured = self.named(name).expect("it has draws");
        measured.expect_mean(Known { mean, sd, draws }, source);
        Ok(())
    }
}

#[cfg(test)]
impl Verdict {
    /// The opinion of a claim that has one only.
    pub(super) fn only(&self) -> &Opinion<Floating> {
        self.floating_point.as_ref().expect("tried in floating point")
    }
}

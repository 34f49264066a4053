//! [`Rotation`]: the rotary positions of a configuration.
//!
//! Pair i of a head's D coordinates is rotated by ωᵢ radians per position, and cosines and sines are multiplied by a
//! factor:
//!
//! | type | ωᵢ, with b the base and ω = b^(−2i/D) | factor |
//! |---|---|---|
//! | `default` | ω | 1 |
//! | `linear` | ω / s | 1 |
//! | `proportional` | ω / s for the first pairs, a share p of them, and 0 for the others | 1 |
//! | `dynamic` | in texts of n > N tokens, with b · (s·n/N − (s − 1))^(D/(D−2)) for b | 1 |
//! | `yarn` | ω · (1 − r) + r · ω / s, with r a ramp from 0 to 1 over the pairs | 0.1 · ln s + 1 |
//! | `llama3` | ω for fast pairs, ω / s for slow pairs, a mean of the two between | 1 |
//! | `longrope` | ω / sᵢ, with one list of sᵢ for texts up to N tokens and one for longer ones | √(1 + ln s / ln N) |
//!
//! **Conventions**: as `transformers` 5.24 computes them for LLaMA, Mistral, Qwen2 and Mixtral; [`set`] says which
//! fields are read. N is `max_position_embeddings` in `dynamic` and the original context elsewhere. A share of rotated
//! coordinates (`partial_rotary_factor`) has a meaning only in `proportional`: `default` ignores it, as in
//! `transformers`, and it is an error in the other types.
//!
//! **Source**: `transformers`, `modeling_rope_utils.py`. Su et al. 2021 (arXiv 2104.09864); `yarn`: Peng et al. 2023
//! (arXiv 2309.00071), section 3; `longrope`: Ding et al. 2024 (arXiv 2402.13753); `llama3` is from Meta's release of
//! Llama 3.1.

mod set;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::f64::consts::PI;

use set::Set;

use super::Config;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ops::RotaryTable;

/// The rotation of the coordinates of a model's heads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rotation {
    turns: Turns,
    /// The factor of cosines and sines.
    factor: f64,
}

/// Angular frequencies, in radians per position, `[D/2]`.
#[derive(Clone, Debug, PartialEq)]
enum Turns {
    /// The same in every text.
    Fixed(Vec<f64>),
    /// From a base that grows with the length of texts longer than `context`.
    Dynamic { base: f64, head_size: usize, stretch: f64, context: usize },
    /// One list for texts up to `context` tokens, and one for longer texts.
    ByLength { short: Vec<f64>, long: Vec<f64>, context: usize },
}

impl Rotation {
    /// The same frequencies in every text.
    pub(super) fn fixed(frequencies: Vec<f64>) -> Self {
        Rotation { turns: Turns::Fixed(frequencies), factor: 1.0 }
    }

    /// Reads the rotation from a configuration, for heads of this size, in a model that states `context` tokens.
    ///
    /// # Errors
    /// [`Error::Format`] naming the field that is missing, out of range, or not implemented.
    pub(super) fn read(config: &Config, head_size: usize, context: usize) -> Result<Self> {
        if !head_size.is_multiple_of(2) {
            let got = head_size.to_string();
            return Err(config.wrong("head_dim", &got, "an even number for rotary positions"));
        }
        let set = Set::read(config)?;
        let kind = set.kind()?;
        if !["default", "proportional"].contains(&kind) {
            set.expect_whole_heads()?;
        }
        let base = set.base()?;
        let plain = Plain { base, head_size };
        match kind {
            "default" => Ok(Rotation::fixed(plain.all())),
            "linear" => {
                let stretch = set.positive("factor")?;
                Ok(Rotation::fixed(plain.scaled(|_, frequency| frequency / stretch)))
            }
            "proportional" => proportional(&set, plain),
            "dynamic" => dynamic(&set, plain, context),
            "yarn" => yarn(&set, plain, context),
            "longrope" => by_length(&set, plain, context),
            "llama3" => llama3(&set, plain, context),
            other => {
                let expected = "type \"default\", \"linear\", \"dynamic\", \"yarn\", \"longrope\", \"llama3\" or \
                                \"proportional\"";
                Err(config.wrong(set.field, &format!("of type {other:?}"), expected))
            }
        }
    }

    /// The longest text of a model that states `context` tokens; with a dynamic base, texts may be longer than that.
    pub(super) fn context(&self, context: usize) -> usize {
        match self.turns {
            Turns::Dynamic { stretch, .. } => (context as f64 * stretch.max(1.0)) as usize,
            _ => context,
        }
    }

    /// The frequencies in a text of `length` tokens, `[D/2]`.
    fn frequencies(&self, length: usize) -> Cow<'_, [f64]> {
        match &self.turns {
            Turns::Fixed(all) => Cow::Borrowed(all),
            Turns::ByLength { short, context, .. } if length <= *context => Cow::Borrowed(short),
            Turns::ByLength { long, .. } => Cow::Borrowed(long),
            Turns::Dynamic { base, head_size, stretch, context } => {
                let growth = stretch * length.max(*context) as f64 / *context as f64 - (stretch - 1.0);
                let base = base * growth.powf(*head_size as f64 / (*head_size as f64 - 2.0));
                Cow::Owned(Plain { base, head_size: *head_size }.all())
            }
        }
    }

    /// The table for `count` positions from `first` on, where the text ends at the last of these positions.
    ///
    /// **Conventions**: where the frequencies depend on the length, positions that were rotated earlier, in a shorter
    /// text, would have to be rotated again: this is refused.
    ///
    /// # Errors
    /// [`Error::Invalid`] for positions that would change the rotation of earlier ones; [`Error::Gpu`] if the upload
    /// fails.
    pub(super) fn table(&self, first: usize, count: usize, device: &Device) -> Result<RotaryTable> {
        let frequencies = self.frequencies(first + count);
        if first > 0 && frequencies != self.frequencies(first) {
            let expected = "at most as many as turn alike: in longer texts all positions turn otherwise, \
                            so they are read in one pass, without a cache";
            return Err(Error::invalid("number of tokens with the cached ones", first + count, expected));
        }
        RotaryTable::scaled(first, count, &frequencies, self.factor, device)
    }
}

/// Unscaled frequencies, base^(−2i/D).
#[derive(Clone, Copy)]
struct Plain {
    base: f64,
    head_size: usize,
}

impl Plain {
    fn all(self) -> Vec<f64> {
        self.scaled(|_, frequency| frequency)
    }

    /// The frequencies after `scale`, which gets the index of a pair and its frequency.
    fn scaled(self, scale: impl Fn(usize, f64) -> f64) -> Vec<f64> {
        let plain = RotaryTable::frequencies(self.head_size, self.base).into_iter().enumerate();
        plain.map(|(pair, frequency)| scale(pair, frequency)).collect()
    }
}

fn proportional(set: &Set<'_>, plain: Plain) -> Result<Rotation> {
    let (share, stretch) = (set.share()?.unwrap_or(1.0), set.optional_positive("factor")?.unwrap_or(1.0));
    let rotated = (share * plain.head_size as f64 / 2.0) as usize;
    let scaled = |pair, frequency| if pair < rotated { frequency / stretch } else { 0.0 };
    Ok(Rotation::fixed(plain.scaled(scaled)))
}

fn dynamic(set: &Set<'_>, plain: Plain, context: usize) -> Result<Rotation> {
    let stretch = set.positive("factor")?;
    let Plain { base, head_size } = plain;
    if head_size == 2 {
        return Err(set.config.wrong("head_dim", "2", "at least 4 for rotary positions of type \"dynamic\""));
    }
    Ok(Rotation { turns: Turns::Dynamic { base, head_size, stretch, context }, factor: 1.0 })
}

fn yarn(set: &Set<'_>, plain: Plain, context: usize) -> Result<Rotation> {
    let original = set.original_context(context)?;
    let stretch = set.optional_positive("factor")?.unwrap_or(context as f64 / original);
    let scale = |weight: f64| if stretch <= 1.0 { 1.0 } else { 0.1 * weight * stretch.ln() + 1.0 };
    let weights = (set.optional_number("mscale")?, set.optional_number("mscale_all_dim")?);
    let factor = match (set.optional_number("attention_factor")?, weights) {
        (Some(factor), _) => factor,
        (None, (Some(one), Some(all))) if one != 0.0 && all != 0.0 => scale(one) / scale(all),
        (None, _) => scale(1.0),
    };
    // A value of 0 counts as absent, and the default is used.
    let turns = |key, usual| Ok::<_, Error>(set.optional_number(key)?.filter(|&n| n != 0.0).unwrap_or(usual));
    let size = plain.head_size as f64;
    // The index of the pair, in general a fraction, that makes this many turns in the original context.
    let pair = |turns: f64| size * (original / (turns * 2.0 * PI)).ln() / (2.0 * plain.base.ln());
    let (mut low, mut high) = (pair(turns("beta_fast", 32.0)?), pair(turns("beta_slow", 1.0)?));
    if set.optional_flag("truncate")?.unwrap_or(true) {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(size - 1.0));
    if low == high {
        high += 0.001;
    }
    if plain.base == 1.0 || !(low.is_finite() && high.is_finite() && factor.is_finite()) {
        let expected =
            "parameters that give finite numbers (a base other than 1, positive beta_fast and beta_slow)";
        return Err(set.config.wrong(set.field, "of type \"yarn\"", expected));
    }
    let scaled = |pair: usize, frequency: f64| {
        let ramp = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        frequency * (1.0 - ramp) + ramp * frequency / stretch
    };
    Ok(Rotation { factor, ..Rotation::fixed(plain.scaled(scaled)) })
}

fn by_length(set: &Set<'_>, plain: Plain, context: usize) -> Result<Rotation> {
    let original = set.original_context(context)?;
    let stretch = set.optional_positive("factor")?.unwrap_or(context as f64 / original);
    let factor = match set.optional_number("attention_factor")? {
        Some(factor) => factor,
        None if stretch <= 1.0 => 1.0,
        None if original > 1.0 => (1.0 + stretch.ln() / original.ln()).sqrt(),
        None => {
            let got = original.to_string();
            let expected = "more than 1 for rotary positions of type \"longrope\"";
            return Err(set.config.wrong("original_max_position_embeddings", &got, expected));
        }
    };
    let of = |key| {
        let factors = set.factors(key, plain.head_size / 2)?;
        Ok::<_, Error>(plain.scaled(|pair, frequency| frequency / factors[pair]))
    };
    let (short, long) = (of("short_factor")?, of("long_factor")?);
    Ok(Rotation { turns: Turns::ByLength { short, long, context: original as usize }, factor })
}

/// With ρᵢ = context · ωᵢ / 2π, the turns that pair i makes in the original context, and
/// s = (ρᵢ − low) / (high − low) clamped to \[0, 1\]: ωᵢ · (s + (1 − s) / factor).
fn llama3(set: &Set<'_>, plain: Plain, context: usize) -> Result<Rotation> {
    let (factor, context) = (set.positive("factor")?, set.original_context(context)?);
    let (low, high) = (set.positive("low_freq_factor")?, set.positive("high_freq_factor")?);
    if low >= high {
        let expected = format!("less than high_freq_factor = {high}");
        return Err(set.wrong("low_freq_factor", &low.to_string(), &expected));
    }
    let scaled = |_, frequency: f64| {
        let turns = context * frequency / (2.0 * PI);
        let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
        frequency * (kept + (1.0 - kept) / factor)
    };
    Ok(Rotation::fixed(plain.scaled(scaled)))
}

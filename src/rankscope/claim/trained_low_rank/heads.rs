//! What every head does on every text, and what untrained attention would do.

use ndarray::{Array2, ArrayView2};

use crate::claim::trained::{Subject, over_texts};
use crate::claim::{Draw, Sample, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::rank::{self, Spectrum, Tolerance};
use crate::run::Run;

/// One head under one mask, over the texts.
pub(super) struct Head {
    pub layer: usize,
    pub head: usize,
    /// exp of the spectrum's entropy.
    pub effective: Sample,
    /// Singular values above n · 2⁻²³ · σ₁.
    pub numerical: Sample,
    /// The mean weight on the first token, over the queries behind it.
    pub first_token: Sample,
}

/// All heads of one model under one mask.
pub(super) struct Reading {
    pub mask: Mask,
    pub heads: Vec<Head>,
    /// The effective rank of seeded Gaussian queries and keys of the same sizes under the mask.
    pub random: Sample,
    /// The effective rank of uniform attention under the mask.
    pub uniform: f64,
}

/// The numbers of one matrix.
struct Numbers {
    effective: f64,
    numerical: f64,
    first_token: f64,
}

impl Reading {
    /// The share of heads that satisfy `test`.
    pub fn share(&self, test: impl Fn(&Head) -> bool) -> f64 {
        self.heads.iter().filter(|head| test(head)).count() as f64 / self.heads.len() as f64
    }

    /// Text by text, the mean over heads.
    pub fn over_texts(&self, of: impl Fn(&Head) -> &Sample) -> Sample {
        let texts = self.heads.first().map_or(0, |head| of(head).count());
        let mean = |text| self.heads.iter().map(|head| of(head).values()[text]).sum::<f64>();
        (0..texts).map(|text| mean(text) / self.heads.len() as f64).collect()
    }
}

/// Runs the texts under `mask` and takes every head apart.
pub(super) fn read(subject: &Subject, mask: Mask, settings: &Settings, run: &Run) -> Result<Reading> {
    let texts = subject.heads(&mask, run, numbers)?;
    let per_layer = subject.model.description().heads;
    let columns: [fn(&Numbers) -> f64; 3] = [|n| n.effective, |n| n.numerical, |n| n.first_token];
    let [effective, numerical, first_token] = columns.map(|of| over_texts(&texts, of));
    let samples = effective.into_iter().zip(numerical).zip(first_token).enumerate();
    let heads = samples.map(|(index, ((effective, numerical), first_token))| Head {
        layer: index / per_layer,
        head: index % per_layer,
        effective,
        numerical,
        first_token,
    });
    let heads = heads.collect();
    let (random, uniform) = (random(subject, &mask, settings, run)?, uniform(&mask, settings)?);
    Ok(Reading { mask, heads, random, uniform })
}

fn numbers(weights: ArrayView2<f64>) -> Result<Numbers> {
    let spectrum = Spectrum::of(weights)?;
    Ok(Numbers {
        effective: spectrum.effective_rank(),
        numerical: spectrum.numerical_rank(Tolerance::F32) as f64,
        first_token: first_token(weights),
    })
}

/// The mean weight of the first column, but for the first row, which under a causal mask has nothing else.
pub(super) fn first_token(weights: ArrayView2<f64>) -> f64 {
    weights.column(0).iter().skip(1).sum::<f64>() / (weights.nrows() - 1) as f64
}

/// Draws of untrained heads.
const DRAWS: u64 = 6;

fn random(subject: &Subject, mask: &Mask, settings: &Settings, run: &Run) -> Result<Sample> {
    let (n, seed) = (settings.integer("n")?, settings.seed()?);
    let head_size = subject.model.description().head_size;
    let seeds: Vec<u64> = (0..DRAWS).map(|draw| seed + draw).collect();
    let ranks = rank::many(&seeds, "untrained heads", run, |&seed| {
        let weights = Draw::independent(n, head_size, seed).weights(1.0, mask, settings.device())?;
        Ok(Spectrum::of(weights.view())?.effective_rank())
    })?;
    Ok(Sample::new(ranks))
}

fn uniform(mask: &Mask, settings: &Settings) -> Result<f64> {
    let pattern = mask.pattern(settings.integer("n")?);
    let mut weights: Array2<f64> = pattern.mapv(|allowed| f64::from(u8::from(allowed)));
    for mut row in weights.rows_mut() {
        let sum = row.sum();
        row /= sum.max(1.0);
    }
    Ok(Spectrum::of(weights.view())?.effective_rank())
}

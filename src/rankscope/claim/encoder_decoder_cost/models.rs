//! The three models, and what a pass of each costs.

use crate::axis::Axis;
use crate::claim::timing::{self, Task};
use crate::claim::{Sample, Settings};
use crate::error::Result;
use crate::model::architecture::{Count, DecoderOnly, EncoderDecoder, Pairs, Sizes};
use crate::ops::{slice, work};
use crate::probe::Unobserved;
use crate::run::Run;

/// A pass over one sequence.
pub(super) struct Cost {
    pub flops: f64,
    pub seconds: Sample,
}

/// One length of the prompt: decoder-only, encoder-decoder of L + L layers, and of equal parameters.
pub(super) struct Point {
    pub prompt: usize,
    pub costs: [Cost; 3],
}

impl Point {
    /// Operations of an encoder-decoder over those of the decoder-only model.
    pub fn flops_ratio(&self, which: usize) -> f64 {
        self.costs[which].flops / self.costs[0].flops
    }

    /// Round by round, time over time.
    pub fn seconds_ratio(&self, which: usize) -> Sample {
        let pairs = self.costs[which].seconds.values().iter().zip(self.costs[0].seconds.values());
        pairs.map(|(one, other)| one / other).collect()
    }
}

/// The three models.
pub(super) struct Models {
    pub sizes: Sizes,
    layers: usize,
    /// Layers of each stack of the encoder-decoder of equal parameters.
    equal: usize,
    pub decoder: DecoderOnly,
    pub both: [EncoderDecoder; 2],
}

/// What measurements call them.
pub(super) const NAMES: [&str; 3] = ["decoder", "twice_the_layers", "equal_parameters"];

impl Models {
    pub fn new(settings: &Settings) -> Result<Self> {
        let of = |name: &str| settings.integer(name);
        let sizes = Sizes {
            width: of("width")?,
            heads: of("heads")?,
            kv_heads: of("heads")?,
            head_size: of("head_size")?,
            feed_forward: of("feed_forward")?,
            vocab: of("vocab")?,
        };
        let (layers, seed, device) = (of("layers")?, settings.seed()?, settings.device());
        let goal = sizes.decoder_only(layers).total;
        let distance = |&each: &usize| sizes.encoder_decoder(each, each).total.abs_diff(goal);
        let equal = (1..=layers).min_by_key(distance).unwrap_or(1);
        Ok(Models {
            sizes,
            layers,
            equal,
            decoder: DecoderOnly::random(sizes, layers, seed, device)?,
            both: [
                EncoderDecoder::random(sizes, [layers, layers], seed, device)?,
                EncoderDecoder::random(sizes, [equal, equal], seed, device)?,
            ],
        })
    }

    pub fn layers_of(&self, which: usize) -> usize {
        [self.layers, self.layers, self.equal][which]
    }

    /// Parameters, counted over what was built.
    pub fn parameters(&self, which: usize) -> Count {
        if which == 0 { self.decoder.parameters() } else { self.both[which - 1].parameters() }
    }

    /// Parameters outside the embedding over those of the decoder-only model.
    pub fn parameter_ratio(&self, which: usize) -> f64 {
        let outside = |which| self.parameters(which).non_embedding() as f64;
        outside(which) / outside(0)
    }

    /// Operations of a pass by formula.
    pub fn flops(&self, which: usize, prompt: usize, tokens: usize) -> u64 {
        let layers = self.layers_of(which);
        match which {
            0 => self.sizes.decoder_only_flops(layers, tokens, tokens - prompt, Pairs::All),
            _ => self.sizes.encoder_decoder_flops([layers, layers], prompt, tokens, Pairs::All),
        }
    }

    /// Operations of L + L layers over those of the decoder-only model, by formula.
    pub fn flops_ratio(&self, prompt: usize, tokens: usize) -> f64 {
        self.flops(1, prompt, tokens) as f64 / self.flops(0, prompt, tokens) as f64
    }
}

pub(super) fn ids(models: &Models, tokens: usize) -> Vec<u32> {
    (0..tokens).map(|i| (i * 37 + 11) as u32 % models.sizes.vocab as u32).collect()
}

/// One pass, to the logits of the answer, which are read so that a GPU has done its work.
fn pass(models: &Models, which: usize, ids: &[u32], prompt: usize, run: &Run) -> Result<()> {
    let logits = if which == 0 {
        let hidden = models.decoder.hidden(ids, None, &mut Unobserved, run)?;
        models.decoder.logits(&slice(&hidden, Axis::Query, prompt..ids.len())?)?
    } else {
        let model = &models.both[which - 1];
        let memory = model.encode(&ids[..prompt], &mut Unobserved, run)?;
        model.logits(&model.decode(&ids[prompt..], &memory, None, &mut Unobserved, run)?)?
    };
    logits.to_vec().map(drop)
}

pub(super) fn point(models: &Models, settings: &Settings, prompt: usize, run: &Run) -> Result<Point> {
    let ids = ids(models, settings.integer("tokens")?);
    let mut flops = [0.0; 3];
    for (which, flops) in flops.iter_mut().enumerate() {
        let (passed, done) = work::count(|| pass(models, which, &ids, prompt, run));
        passed?;
        *flops = done.total() as f64;
    }
    let task = |which: usize| -> Task<'_> {
        let (models, ids) = (&*models, &ids);
        Box::new(move || pass(models, which, ids, prompt, run))
    };
    let stage = format!("timing, prompt of {prompt}");
    let seconds =
        timing::in_turn(&mut [task(0), task(1), task(2)], settings.integer("repeats")?, &stage, run)?;
    let mut costs = flops.into_iter().zip(seconds).map(|(flops, seconds)| Cost { flops, seconds });
    let mut next = || costs.next().expect("three models, three costs");
    Ok(Point { prompt, costs: [next(), next(), next()] })
}

//! The three models, and what a pass of each costs.

use serde_json::Value;

use crate::axis::Axis;
use crate::claim::timing::{self, Task};
use crate::claim::{Sample, Settings};
use crate::error::{Error, Result};
use crate::model::count::{Load, ModelSizes, Pairs, non_embedding, total};
use crate::model::preset::PairSizes;
use crate::model::{self, Config, Input, MaskChoice, Model};
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

/// The three models: a DecLLM, and two RedLLMs of its sizes.
pub(super) struct Models {
    models: [(Box<dyn Model>, ModelSizes); 3],
}

/// What measurements call them.
pub(super) const NAMES: [&str; 3] = ["decoder", "twice_the_layers", "equal_parameters"];

impl Models {
    pub fn new(settings: &Settings) -> Result<Self> {
        let of = |name: &str| settings.integer(name);
        let sizes = PairSizes {
            width: of("width")?,
            heads: of("heads")?,
            kv_heads: of("heads")?,
            head_size: of("head_size")?,
            feed_forward: of("feed_forward")?,
            vocab: of("vocab")?,
            context: of("tokens")?,
        };
        if !sizes.head_size.is_multiple_of(2) {
            let expected = "an even number for rotary positions";
            return Err(Error::invalid("head_size", sizes.head_size, expected));
        }
        let layers = of("layers")?;
        let read = |config: Value| Config::from_value("a model of this claim", config);
        let parameters = |config: Value| Ok::<_, Error>(total(&ModelSizes::of(&read(config)?)?.parts()));
        let goal = parameters(sizes.decllm(layers))?;
        let mut equal = (u128::MAX, 1);
        for each in 1..=layers {
            equal = equal.min((parameters(sizes.redllm([each; 2]))?.abs_diff(goal), each));
        }
        let build = |config: Value| {
            let config = read(config)?;
            Ok((model::seeded(&config, settings.seed()?, settings.device())?, ModelSizes::of(&config)?))
        };
        let pair = |layers: usize| build(sizes.redllm([layers; 2]));
        Ok(Models { models: [build(sizes.decllm(layers))?, pair(layers)?, pair(equal.1)?] })
    }

    fn model(&self, which: usize) -> &dyn Model {
        self.models[which].0.as_ref()
    }

    pub fn sizes(&self, which: usize) -> &ModelSizes {
        &self.models[which].1
    }

    /// Parameters, counted over what was built.
    pub fn parameters(&self, which: usize) -> usize {
        self.model(which).description().parameters
    }

    /// Parameters outside the embedding over those of the decoder-only model.
    pub fn parameter_ratio(&self, which: usize) -> f64 {
        let outside = |which| non_embedding(&self.sizes(which).parts()) as f64;
        outside(which) / outside(0)
    }

    /// Operations of a pass by formula.
    pub fn flops(&self, which: usize, prompt: usize, tokens: usize) -> u128 {
        let source = if which == 0 { 0 } else { prompt };
        self.sizes(which).pass(Load { batch: 1, tokens, source }, tokens - prompt, Pairs::All).total()
    }

    /// Operations of L + L layers over those of the decoder-only model, by formula.
    pub fn flops_ratio(&self, prompt: usize, tokens: usize) -> f64 {
        self.flops(1, prompt, tokens) as f64 / self.flops(0, prompt, tokens) as f64
    }

    /// Bytes of keys and values after a whole sequence: of the decoder-only model, of L + L layers.
    pub fn caches(&self, tokens: usize, prompt: usize, run: &Run) -> Result<[usize; 2]> {
        let ids = self.ids(tokens);
        let bytes = |which: usize| {
            let mut cache = self.model(which).cache(1)?;
            let input = self.input(which, &ids, prompt);
            self.model(which).hidden_after(
                &mut cache,
                &input,
                &MaskChoice::AsTrained,
                &mut Unobserved,
                run,
            )?;
            Ok(cache.bytes())
        };
        Ok([bytes(0)?, bytes(1)?])
    }

    fn ids(&self, tokens: usize) -> Vec<u32> {
        (0..tokens).map(|i| (i * 37 + 11) as u32 % self.sizes(0).vocab as u32).collect()
    }

    /// Prompt and answer: one text for a decoder, two sides for an encoder-decoder.
    fn input(&self, which: usize, ids: &[u32], prompt: usize) -> Input {
        match which {
            0 => Input::new(ids.to_vec()),
            _ => Input::new(ids[..prompt].to_vec()).with_decoder(ids[prompt..].to_vec()),
        }
    }

    /// One pass, to the logits of the answer, which are read so that a GPU has done its work.
    fn pass(&self, which: usize, ids: &[u32], prompt: usize, run: &Run) -> Result<()> {
        let model = self.model(which);
        let input = self.input(which, ids, prompt);
        let mut hidden = model.hidden(&input, &MaskChoice::AsTrained, &mut Unobserved, &run.quiet())?;
        if which == 0 {
            hidden = slice(&hidden, Axis::Query, prompt..ids.len())?;
        }
        match model.logits(&hidden, &mut Unobserved)? {
            Some(logits) => logits.to_vec().map(drop),
            None => Ok(()),
        }
    }
}

pub(super) fn point(models: &Models, settings: &Settings, prompt: usize, run: &Run) -> Result<Point> {
    let ids = models.ids(settings.integer("tokens")?);
    let mut flops = [0.0; 3];
    for (which, flops) in flops.iter_mut().enumerate() {
        let (passed, done) = work::count(|| models.pass(which, &ids, prompt, run));
        passed?;
        *flops = done.total() as f64;
    }
    let task = |which: usize| -> Task<'_> {
        let (models, ids) = (&*models, &ids);
        Box::new(move || models.pass(which, ids, prompt, run))
    };
    let stage = format!("timing, prompt of {prompt}");
    let seconds =
        timing::in_turn(&mut [task(0), task(1), task(2)], settings.integer("repeats")?, &stage, run)?;
    let mut costs = flops.into_iter().zip(seconds).map(|(flops, seconds)| Cost { flops, seconds });
    let mut next = || costs.next().expect("three models, three costs");
    Ok(Point { prompt, costs: [next(), next(), next()] })
}

//! The numbers of the collapse tower: the library's stacks, run in f64.

use ndarray::{Array2, Axis};
use rankscope::claim::{NetSizes, log_residuals, weights_of_first, weights_of_first_by_equal_scores};
use rankscope::mask::Mask;
use rankscope::model::stack::Stack;
use rankscope::rank::{self, principal};
use rankscope::statistics::Sample;
use rankscope::{Result, Run};

use super::state::{Collapse, Net, Which};
use crate::lab::Part;

/// The answer.
#[derive(Default)]
pub struct Answer {
    /// The residual under each mask, for the chosen layers.
    pub falls: Part<Vec<Fall>>,
    /// The tokens as points under each mask, for the first draw.
    pub clouds: Part<Vec<Cloud>>,
    /// The weight of the first token under each mask, for the first draw.
    pub pulls: Part<Vec<Pull>>,
    /// One for each kind of layer; each has one fall for each mask.
    pub towers: Part<Vec<Tower>>,
}

/// A piece of the answer.
pub enum News {
    /// How the residual falls under each mask.
    Falls(Vec<Fall>),
    /// The tokens as points under each mask, and the weight of the first token.
    Tokens(Vec<Cloud>, Vec<Pull>),
    /// All kinds of layers.
    Towers(Vec<Tower>),
}

/// log₁₀ ‖res(X)‖ / ‖X‖ under one mask: the input, then every layer, over the draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Fall {
    /// The mask.
    pub which: Which,
    /// The mask's text.
    pub mask: String,
    /// One for each layer.
    pub layers: Vec<Sample>,
}

impl Fall {
    /// The geometric means of the ratio.
    pub fn ratios(&self) -> Vec<f64> {
        self.layers.iter().map(|sample| 10f64.powf(sample.mean())).collect()
    }
}

/// One kind of layer under every mask: the mean of log₁₀ of the ratio, the input first.
#[derive(Clone, Debug, PartialEq)]
pub struct Tower {
    /// The kind of layer.
    pub net: Net,
    /// One for each mask.
    pub falls: Vec<(Which, Vec<f64>)>,
}

/// The tokens under one mask, layer by layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Cloud {
    /// The mask.
    pub which: Which,
    /// The mask's text.
    pub mask: String,
    /// The input, then every layer.
    pub layers: Vec<Scatter>,
}

/// The tokens after one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    /// The tokens less their mean, on their two principal axes, over √(‖X‖²_F / n): `[n, 2]`.
    pub points: Array2<f64>,
    /// The part of their spread that these axes show.
    pub share: f64,
    /// ‖res(X)‖ / ‖X‖ of this draw.
    pub ratio: f64,
}

/// The weight of the first token in the last row of the rollout under one mask: after 1, 2, … layers, without skips and
/// with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Pull {
    /// The mask.
    pub which: Which,
    /// The mask's text.
    pub mask: String,
    /// With the weights of the stack, averaged over heads.
    pub weights: Vec<[f64; 2]>,
    /// With the weights of equal scores.
    pub equal: Vec<[f64; 2]>,
}

/// The towers of the last sizes, masks and draws: they do not depend on the chosen kind of layer.
#[derive(Default)]
pub struct Memory(Option<(Key, Vec<Tower>)>);

type Key = (NetSizes, Vec<(Which, Mask)>, Vec<u64>);

/// Tells the chosen layers first, then all kinds.
pub fn compute(state: &Collapse, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
    let (sizes, masks, seeds) = (state.sizes(), state.compared()?, state.seeds());
    let draws = rank::many(&seeds, "draws", run, |&seed| logs(state.net, &sizes, &masks, seed, run))?;
    let fall = |(index, (which, mask)): (usize, &(Which, Mask))| {
        let layer = |layer: usize| draws.iter().map(|draw| draw[index][layer]).collect();
        Fall { which: *which, mask: mask.to_string(), layers: (0..=sizes.layers).map(layer).collect() }
    };
    tell(News::Falls(masks.iter().enumerate().map(fall).collect()));
    let stack = Stack::new(state.net.architecture(&sizes), state.seed)?;
    let tokens = rank::many(&masks, "tokens", run, |mask| tokens(&stack, &sizes, state.seed, mask, run))?;
    let (clouds, pulls) = tokens.into_iter().unzip();
    tell(News::Tokens(clouds, pulls));
    let key = (sizes, masks, seeds);
    let towers = match memory.0.take_if(|(known, _)| *known == key) {
        Some((_, towers)) => towers,
        None => towers(&key, run)?,
    };
    tell(News::Towers(towers.clone()));
    memory.0 = Some((key, towers));
    Ok(())
}

/// log₁₀ of the ratios of one draw under every mask.
fn logs(net: Net, sizes: &NetSizes, masks: &[(Which, Mask)], seed: u64, run: &Run) -> Result<Vec<Vec<f64>>> {
    let (stack, input) = (Stack::new(net.architecture(sizes), seed)?, sizes.input(seed));
    masks.iter().map(|(_, mask)| log_residuals(&stack, &input, mask, run)).collect()
}

fn towers((sizes, masks, seeds): &Key, run: &Run) -> Result<Vec<Tower>> {
    let items: Vec<(Net, u64)> =
        Net::all().flat_map(|net| seeds.iter().map(move |&seed| (net, seed))).collect();
    let draws = rank::many(&items, "towers", run, |&(net, seed)| logs(net, sizes, masks, seed, run))?;
    let tower = |(net, draws): (Net, &[Vec<Vec<f64>>])| {
        let mean = |index: usize, layer: usize| {
            draws.iter().map(|draw| draw[index][layer]).sum::<f64>() / draws.len() as f64
        };
        let fall = |(index, (which, _)): (usize, &(Which, Mask))| {
            (*which, (0..=sizes.layers).map(|layer| mean(index, layer)).collect())
        };
        Tower { net, falls: masks.iter().enumerate().map(fall).collect() }
    };
    Ok(Net::all().zip(draws.chunks(seeds.len())).map(tower).collect())
}

fn tokens(
    stack: &Stack,
    sizes: &NetSizes,
    seed: u64,
    (which, mask): &(Which, Mask),
    run: &Run,
) -> Result<(Cloud, Pull)> {
    let input = sizes.input(seed);
    let states = stack.hidden_states(&input, mask, run)?;
    let mut layers: Vec<Scatter> = Vec::new();
    for x in &states {
        run.check()?;
        layers.push(scatter(x, layers.last())?);
    }
    let text = mask.to_string();
    let attention = stack.attention_weights(&input, mask, run)?;
    let means = attention.iter().map(|weights| Ok(weights.mean_axis(Axis(0)).expect("a head or more")));
    let weights = weights_of_first(sizes.n, means)?;
    let equal = weights_of_first_by_equal_scores(sizes.n, mask, sizes.layers)?;
    let cloud = Cloud { which: *which, mask: text.clone(), layers };
    Ok((cloud, Pull { which: *which, mask: text, weights, equal }))
}

/// The tokens after one layer. The sign of an axis is arbitrary: it is chosen to agree with the layer before.
fn scatter(x: &Array2<f64>, before: Option<&Scatter>) -> Result<Scatter> {
    let ratio = rank::residual_ratio(x.view());
    let size = (x.iter().map(|entry| entry * entry).sum::<f64>() / x.nrows() as f64).sqrt();
    let found = principal(x.view(), 2)?;
    let mut points = found.points / if size > 0.0 { size } else { 1.0 };
    if let Some(before) = before {
        for (mut axis, before) in points.columns_mut().into_iter().zip(before.points.columns()) {
            if axis.dot(&before) < 0.0 {
                axis.mapv_inplace(|coordinate| -coordinate);
            }
        }
    }
    Ok(Scatter { points, share: found.share, ratio })
}

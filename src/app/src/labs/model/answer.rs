//! The answer of the model explorer: passes with their reports, predictions, the residual stream.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rankscope::model::{Description, MaskChoice, Tokens};
use rankscope::rank::RankReport;
use rankscope::{Mask, Tensor};

use super::state::{Explorer, Side};
use crate::heatmap::Buffers;
use crate::lab::{Part, Stamp};
use crate::layout::Head;

/// The results of both readings.
#[derive(Default)]
pub struct Answer {
    sides: [Shown; 2],
}

/// A piece of a reading's results.
#[derive(Clone, Debug)]
pub struct News {
    /// Which reading.
    pub side: Side,
    /// The piece.
    pub piece: Piece,
}

/// The pieces, in the order in which they arrive.
#[derive(Clone, Debug)]
pub enum Piece {
    /// The model is open.
    Model(Arc<Opened>),
    /// The tokens of the text.
    Tokens(Arc<Tokens>),
    /// Attention as it was asked for: first with the selected head's report, then with all.
    Chosen(Arc<Pass>),
    /// Attention as trained: under the mask of training, no head changed.
    Trained(Arc<Pass>),
    /// The summary of the checks of all heads of a file.
    Checks(Arc<Vec<(&'static str, String)>>),
    /// The prediction at one position.
    Next(Arc<Next>),
    /// The residual stream, layer by layer.
    Depth(Arc<Depth>),
}

/// The results of one reading; older ones stay until newer ones arrive.
#[derive(Default)]
pub struct Shown {
    /// The open model.
    pub model: Option<Arc<Opened>>,
    /// The tokens of the text, with those that the model wrote.
    pub tokens: Option<Arc<Tokens>>,
    /// The summary of the checks of a file's weights.
    pub checks: Arc<Vec<(&'static str, String)>>,
    /// Attention as it was asked for, or of a file.
    pub chosen: Part<Arc<Pass>>,
    /// The pass before `chosen`, until `chosen` has all its reports.
    pub previous: Option<Arc<Pass>>,
    /// Attention as trained.
    pub trained: Option<Arc<Pass>>,
    /// The prediction.
    pub next: Part<Arc<Next>>,
    /// The residual stream.
    pub depth: Part<Arc<Depth>>,
}

/// What the window shows of a model or a file of weights.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The name that was asked for.
    pub name: String,
    /// L, the layers of the attention that is shown.
    pub layers: usize,
    /// H.
    pub heads: usize,
    /// Sequences to choose from.
    pub sequences: usize,
    /// One line about it.
    pub about: String,
    /// A model's sizes, and the mask under which the shown attention was trained.
    pub description: Option<Description>,
    /// Whether it is an encoder-decoder.
    pub is_pair: bool,
    /// Whether it writes text.
    pub writes: bool,
}

/// Attention of all layers. Clones share everything.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The mask of each layer.
    pub masks: Arc<[Mask]>,
    /// The keys' tokens.
    pub tokens: Arc<Tokens>,
    /// The queries' tokens; in self-attention the same.
    pub queries: Arc<Tokens>,
    /// The buffers that the shader reads.
    pub buffers: Arc<Buffers>,
    /// The layers whose weights are kept; the memory has no room for others.
    pub held: Range<usize>,
    /// Each layer's weights on the CPU, `[H, T, S]`; `None` until they have been read back.
    pub weights: Vec<Option<Tensor>>,
    /// ‖vₛ‖ of each head of each layer, `[H, S]`; empty for a file.
    pub norms: Arc<[Vec<f32>]>,
    /// `decoder.3.self_attention.weights`, one for each layer.
    pub names: Arc<[String]>,
    /// One for each head, layer by layer; `None` until it is computed.
    pub reports: Vec<Option<Arc<RankReport>>>,
    /// Why a head of a file will have no report, by its place in `reports`.
    pub unranked: Arc<BTreeMap<usize, String>>,
    /// What is drawn beside each head; `None` until it is computed.
    pub details: Vec<Option<Arc<Details>>>,
    /// Heads whose output was set to zero, layer by layer.
    pub ablated: Arc<[bool]>,
    /// Heads of which only some singular components were kept.
    pub cut: Arc<[bool]>,
}

/// What is drawn beside a head's weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The strongest weights, the weakest first.
    pub links: Vec<Link>,
    /// What each key gets: the mean of its column.
    pub received: Vec<f32>,
    /// How far each query spreads: exp of the entropy of its row, a number of keys from 1 to S. Negative entries of a head
    /// that was cut count as 0.
    pub spread: Vec<f32>,
}

/// A strong weight: from a query to a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// t.
    pub query: u16,
    /// s.
    pub key: u16,
    /// The weight.
    pub weight: f32,
}

impl Pass {
    /// L.
    pub fn layers(&self) -> usize {
        self.names.len()
    }

    /// H.
    pub fn heads(&self) -> usize {
        self.buffers.heads
    }

    /// The mask of a layer.
    pub fn mask(&self, layer: usize) -> &Mask {
        &self.masks[layer.min(self.masks.len() - 1)]
    }

    /// The place of a head in `reports`, `details`, `ablated` and `cut`.
    pub fn index(&self, at: Head) -> usize {
        at.layer * self.heads() + at.head
    }

    /// Whether only some singular components of a head were kept.
    pub fn is_cut(&self, at: Head) -> bool {
        self.cut.get(self.index(at)).copied().unwrap_or(false)
    }

    /// Whether a query may attend to a key; queries are the last of the keys. Of a head that was cut, every one does.
    pub fn may_attend(&self, at: Head, query: usize, key: usize) -> bool {
        let first = self.buffers.keys.saturating_sub(self.buffers.queries);
        self.is_cut(at) || self.mask(at.layer).for_head(at.head, self.heads()).may_attend(first + query, key)
    }

    /// The report of one head, once it is there.
    pub fn report(&self, at: Head) -> Option<&RankReport> {
        self.reports.get(self.index(at))?.as_deref()
    }

    /// Why a head has no report and will have none.
    pub fn unranked(&self, at: Head) -> Option<&str> {
        self.unranked.get(&self.index(at)).map(String::as_str)
    }

    /// Whether every head that can have a report has one.
    pub fn is_reported(&self) -> bool {
        let mut reports = self.reports.iter().enumerate();
        reports.all(|(index, report)| report.is_some() || self.unranked.contains_key(&index))
    }

    /// The matrix of one head, row by row, once it is on the CPU.
    pub fn matrix(&self, at: Head) -> Option<&[f32]> {
        let size = self.buffers.queries * self.buffers.keys;
        self.weights.get(at.layer)?.as_ref()?.as_slice()?.get(at.head * size..(at.head + 1) * size)
    }

    /// One weight, once it is on the CPU.
    pub fn weight(&self, at: Head, query: usize, key: usize) -> Option<f32> {
        self.matrix(at)?.get(query * self.buffers.keys + key).copied()
    }

    /// ‖vₛ‖ of the keys of a head.
    pub fn norms(&self, at: Head) -> Option<&[f32]> {
        let keys = self.buffers.keys;
        self.norms.get(at.layer)?.get(at.head * keys..(at.head + 1) * keys)
    }

    /// What is drawn beside a head.
    pub fn details(&self, at: Head) -> Option<&Details> {
        self.details.get(self.index(at))?.as_deref()
    }
}

/// The prediction at one position.
#[derive(Clone, Debug)]
pub struct Next {
    /// The position.
    pub position: usize,
    /// The token at this position.
    pub piece: String,
    /// Whether the token that follows is predicted; otherwise the one at this position.
    pub follows: bool,
    /// The likeliest tokens.
    pub guesses: Vec<Guess>,
    /// Σ p ln (p / q) in nats: p as trained, q as asked for; `None` where both are the same pass.
    pub divergence: Option<f64>,
}

/// A token and how likely it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    /// Its text.
    pub piece: String,
    /// Its probability.
    pub probability: f64,
    /// Its probability as trained, where that is another pass.
    pub trained: Option<f64>,
}

/// The residual stream after each layer, from the embeddings on.
#[derive(Clone, Debug, PartialEq)]
pub struct Depth {
    /// As asked for.
    pub chosen: Vec<Level>,
    /// As trained; `None` where that is the same pass.
    pub trained: Option<Vec<Level>>,
}

/// The hidden states of all tokens after one layer, `[T, C]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// exp of the entropy of σᵢ / Σσ.
    pub effective_rank: f64,
    /// ‖res(X)‖₁,∞ / ‖X‖₁,∞: how far the tokens are from being all the same.
    pub residual: f64,
}

impl Shown {
    /// The newest pass.
    pub fn pass(&self) -> Option<&Arc<Pass>> {
        self.chosen.get()
    }

    /// The newest pass with a report of the head `at`: `chosen`, or the pass before it.
    pub fn reported(&self, at: Head) -> Option<&Pass> {
        let passes = [self.chosen.get(), self.previous.as_ref()];
        passes.into_iter().flatten().map(Arc::as_ref).find(|pass| pass.report(at).is_some())
    }

    /// How many positions the text has; 1 while it is not known.
    pub fn length(&self) -> usize {
        self.tokens.as_ref().map_or(1, |tokens| tokens.pieces.len().max(1))
    }

    /// The passes to compare: as trained, then as asked for if that differs; both of the same text.
    pub fn columns(&self, at: Head) -> Vec<(String, &Pass)> {
        let chosen = self.reported(at);
        let is_other = |trained: &Pass, chosen: &Pass| {
            chosen.masks != trained.masks || chosen.ablated != trained.ablated || chosen.cut != trained.cut
        };
        let beside = |trained: &&Pass| {
            chosen.is_none_or(|chosen| is_other(trained, chosen) && chosen.tokens.ids == trained.tokens.ids)
        };
        let trained = self.trained.as_deref().filter(beside);
        let trained = trained.filter(|trained| trained.report(at).is_some());
        trained.into_iter().chain(chosen).map(|pass| (self.name(pass, at), pass)).collect()
    }

    fn name(&self, pass: &Pass, at: Head) -> String {
        let mask = pass.mask(at.layer);
        let description = self.model.as_ref().map(|model| model.description.as_ref());
        let training = description.flatten().map(|description| MaskChoice::AsTrained.of_layers(description));
        let name = match (&description, &training) {
            (Some(None), _) => "as saved".to_owned(),
            (_, Some(masks)) if masks[..] == pass.masks[..] => format!("as-trained ({mask})"),
            _ => mask.to_string(),
        };
        let has = |heads: &[bool]| heads.iter().any(|&is| is);
        match (has(&pass.ablated), has(&pass.cut)) {
            (false, false) => name,
            (true, false) => format!("{name}, ablated"),
            (_, true) => format!("{name}, cut"),
        }
    }

    /// Shows `pass`, and keeps the pass before it until all reports are there.
    fn replace(&mut self, pass: Arc<Pass>, stamp: Stamp) {
        let is_same = |shown: &Pass| {
            (&shown.masks, &shown.tokens.ids, &shown.ablated, &shown.cut)
                == (&pass.masks, &pass.tokens.ids, &pass.ablated, &pass.cut)
        };
        if let Some(shown) = self.chosen.get().filter(|shown| !is_same(shown))
            && shown.reports.iter().any(Option::is_some)
        {
            self.previous = Some(shown.clone());
        }
        if pass.is_reported() {
            self.previous = None;
        }
        self.chosen.put(pass, stamp);
    }

    fn take(&mut self, piece: Piece, stamp: Stamp) {
        match piece {
            Piece::Model(model) => {
                let is_same =
                    |shown: &Arc<Opened>| (&shown.name, shown.layers) == (&model.name, model.layers);
                if !self.model.as_ref().is_some_and(is_same) {
                    *self = Shown::default();
                }
                self.model = Some(model);
            }
            Piece::Tokens(tokens) => self.tokens = Some(tokens),
            Piece::Chosen(pass) => self.replace(pass, stamp),
            Piece::Trained(pass) => self.trained = Some(pass),
            Piece::Checks(checks) => self.checks = checks,
            Piece::Next(next) => self.next.put(next, stamp),
            Piece::Depth(depth) => self.depth.put(depth, stamp),
        }
    }
}

impl Answer {
    /// The results of a reading.
    pub fn of(&self, side: Side) -> &Shown {
        &self.sides[side as usize]
    }

    /// Puts a piece in its place.
    pub fn take(&mut self, News { side, piece }: News, stamp: Stamp) {
        self.sides[side as usize].take(piece, stamp);
    }

    /// The selected head, inside the model that is shown.
    pub fn selected(&self, state: &Explorer) -> Head {
        let (layers, heads) =
            self.of(Side::Left).model.as_ref().map_or((1, 1), |model| (model.layers, model.heads));
        state.selected.moved(0, 0, layers, heads)
    }
}

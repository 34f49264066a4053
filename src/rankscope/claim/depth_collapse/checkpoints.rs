//! The residual in trained models, whole and with parts switched off.
//!
//! The parts are switched off by a probe; the models know nothing of it.

use std::path::PathBuf;

use ndarray::ArrayView2;

use super::curves::{Fall, log_ratio};
use crate::claim::at_hand::{AtHand, at_hand};
use crate::claim::{Evidence, Settings, trained};
use crate::error::{Error, Result};
use crate::model::store::{Entry, Origin, PULLABLE, Store};
use crate::model::{self, Input, MaskChoice, Model, Tokenizer};
use crate::numbers::short;
use crate::ops::scale;
use crate::probe::Probe;
use crate::rank::{EPSILON_F32, residual_ratio};
use crate::run::Run;
use crate::tensor::Tensor;

/// What is switched off.
#[derive(Clone, Copy, Debug)]
pub struct Ablation {
    /// In names of measurements.
    name: &'static str,
    /// In sentences.
    pub label: &'static str,
    skip: bool,
    feed_forward: bool,
}

/// From the model as it is to attention alone.
pub static ABLATIONS: [Ablation; 4] = [
    Ablation { name: "as_is", label: "as it is", skip: false, feed_forward: false },
    Ablation { name: "no_mlp", label: "without MLPs", skip: false, feed_forward: true },
    Ablation { name: "no_skip", label: "without skips", skip: true, feed_forward: false },
    Ablation { name: "no_skip_no_mlp", label: "without skips and MLPs", skip: true, feed_forward: true },
];

/// The residual of one model.
pub struct Checkpoint {
    /// As it was asked for.
    pub name: String,
    /// The mask that it was trained under, and is run under.
    pub mask: String,
    /// Tokens of the text.
    pub tokens: usize,
    /// The residual ratio below which f32 cannot tell it from 0.
    pub floor: f64,
    /// Per [`Ablation`], ‖res(X)‖ / ‖X‖ of the embeddings and after every layer.
    pub ratios: [Vec<f64>; 4],
}

impl Checkpoint {
    /// How the residual falls in attention alone.
    pub fn attention_alone(&self) -> Fall {
        let [.., alone] = &self.ratios;
        Fall::of(&alone.iter().map(|&ratio| log_ratio(ratio)).collect::<Vec<_>>(), self.floor)
    }

    /// After the last layer.
    fn left(&self) -> [f64; 4] {
        self.ratios.each_ref().map(|ratios| ratios.last().copied().unwrap_or(f64::NAN))
    }

    /// "glass-en (trained causal): 0.02, against 0.61 of the model as it is".
    pub fn in_words(&self) -> String {
        let [as_is, .., alone] = self.left();
        let fall = self.attention_alone().in_words(alone);
        format!(
            "{} (trained {}): {fall}, against {} of the model as it is",
            self.name,
            self.mask,
            short(as_is)
        )
    }

    /// Whole and with parts switched off.
    pub fn report(&self, evidence: &mut Evidence) {
        let Checkpoint { name, mask, tokens, floor, ratios } = self;
        let said = |end: f64| if end < *floor { "below the floor".to_owned() } else { short(end) };
        let parts =
            ABLATIONS.iter().zip(self.left()).map(|(part, end)| format!("{} {}", said(end), part.label));
        let text = format!(
            "{name} (trained, {mask}, {tokens} tokens, f32 with a floor of {}): residual ratio {} in the \
             embeddings; after layer {}: {}",
            short(*floor),
            short(ratios[0][0]),
            ratios[0].len() - 1,
            parts.collect::<Vec<_>>().join(", ")
        );
        evidence.weigh(self.attention_alone().is_doubly_exponential() == Some(true), text);
        let place = trained::plain(name);
        for (ablation, ratios) in ABLATIONS.iter().zip(ratios) {
            for (layer, ratio) in ratios.iter().enumerate() {
                evidence.measure(format!("{place}_ratio_{}_layer{layer}", ablation.name), *ratio, "");
            }
        }
    }
}

/// Every checkpoint that the settings name; `here` means the bundled ones, and those that can be pulled where
/// they have been, with notes on the others.
pub fn measure(settings: &Settings, run: &Run) -> Result<(Vec<Checkpoint>, Vec<String>)> {
    let wanted = settings.text("checkpoints")?;
    let mut notes = Vec::new();
    let found = match wanted.trim() {
        "" => Vec::new(),
        "here" => here(&mut notes, &Store::open()?)?,
        names => {
            let store = Store::open()?;
            names
                .split(',')
                .map(|name| Ok((name.trim().to_owned(), store.find(name.trim())?)))
                .collect::<Result<_>>()?
        }
    };
    let found = found.into_iter().map(|(name, folder)| one(settings, name, &folder, run));
    Ok((found.collect::<Result<_>>()?, notes))
}

fn here(notes: &mut Vec<String>, store: &Store) -> Result<Vec<(String, PathBuf)>> {
    let entries = store.list()?;
    // An installed model may hide the bundled one of its name, and is taken in its place.
    let bundled = entries.iter().filter(|entry| entry.origin == Origin::Bundled);
    let bundled: Vec<String> = bundled.map(|entry| entry.name.clone()).collect();
    let is_known = |entry: &Entry| {
        let is_pullable = || PULLABLE.iter().any(|pullable| pullable.name == entry.name);
        entry.origin != Origin::HuggingFaceCache && (bundled.contains(&entry.name) || is_pullable())
    };
    let refuse = |entry: &Entry| {
        (!is_known(entry))
            .then(|| "neither bundled nor one to be pulled; set checkpoints to its name".to_owned())
    };
    let AtHand { taken, notes: left_out } = at_hand(entries, refuse);
    notes.extend(left_out);
    Ok(taken.into_iter().filter_map(|entry| Some((entry.name, entry.path?))).collect())
}

fn one(settings: &Settings, name: String, folder: &std::path::Path, run: &Run) -> Result<Checkpoint> {
    let model = model::load(folder, settings.device())?;
    model.description().expect_one_stack(&name)?;
    let mut tokens = Tokenizer::load(folder)?.encode(settings.text("text")?)?;
    tokens.ids.truncate(model.description().context);
    tokens.token_types.truncate(model.description().context);
    if tokens.ids.len() < 2 {
        return Err(Error::invalid("text", format!("{} token", tokens.ids.len()), "two tokens or more"));
    }
    let count = tokens.ids.len();
    let input = Input::new(tokens.ids).with_token_types(tokens.token_types);
    let mut ratios: [Vec<f64>; 4] = Default::default();
    for (done, (ratios, ablation)) in ratios.iter_mut().zip(ABLATIONS).enumerate() {
        run.step(&name, done, ABLATIONS.len())?;
        *ratios = residuals(&*model, &input, ablation, run)?;
    }
    Ok(Checkpoint {
        ratios,
        mask: MaskChoice::AsTrained.in_words(model.description()),
        tokens: count,
        floor: count.max(model.description().width) as f64 * EPSILON_F32,
        name,
    })
}

fn residuals(model: &dyn Model, input: &Input, ablation: Ablation, run: &Run) -> Result<Vec<f64>> {
    let mut probe = Ablate { ablation, update: None, ratios: Vec::new() };
    model.hidden(input, &MaskChoice::AsTrained, &mut probe, run)?;
    let (layers, seen) = (model.description().layers, probe.ratios.len());
    if seen != layers + 1 {
        let expected = format!("{} of {layers} layers and the embeddings", layers + 1);
        return Err(Error::invalid("hidden states that the probe met", seen, expected));
    }
    Ok(probe.ratios)
}

/// Puts an update in the place of the sum that a skip makes, zeros in that of an MLP's update, and measures
/// the hidden states.
struct Ablate {
    ablation: Ablation,
    /// The last update, until its sum has passed.
    update: Option<Tensor>,
    ratios: Vec<f64>,
}

impl Probe for Ablate {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        // `decoder.3.after_attention` is the point `after_attention`.
        let point = name.splitn(3, '.').nth(2).unwrap_or(name);
        let value = match point {
            "self_attention.output" => {
                self.update = Some(value.clone());
                value
            }
            // A network that is off leaves its input as it is, with or without the other skips.
            "feed_forward.output" if self.ablation.feed_forward => scale(&value, 0.0)?,
            "feed_forward.output" => {
                self.update = Some(value.clone());
                value
            }
            // `output` is itself the sum in a pre-norm model, which has no point before it.
            "after_attention" | "after_feed_forward" | "output" => {
                self.update.take().filter(|_| self.ablation.skip).unwrap_or(value)
            }
            _ => value,
        };
        if point == "output" || name == "embeddings" {
            self.ratios.push(ratio(&value)?);
        }
        Ok(value)
    }

    fn watches(&self, name: &str) -> bool {
        name == "embeddings" || name.ends_with("output") || name.contains(".after_")
    }
}

/// The residual ratio of the one sequence `[1, T, C]`.
fn ratio(state: &Tensor) -> Result<f64> {
    let values: Vec<f64> = state.to_vec()?.into_iter().map(f64::from).collect();
    let [_, n, width] = state.shape().sizes()[..] else { unreachable!("a hidden state is [B, T, C]") };
    Ok(residual_ratio(ArrayView2::from_shape((n, width), &values).expect("[T, C]")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::device::Device;
    use crate::mask::Mask;

    fn tiny(family: &str) -> Box<dyn Model> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny").join(family);
        model::load(&folder, &Device::Cpu).unwrap()
    }

    /// Keeps the points of layer 1, as they are after the ablation.
    struct Spy {
        ablate: Ablate,
        kept: Vec<(String, Vec<f32>)>,
    }

    impl Probe for Spy {
        fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
            let value = self.ablate.visit(name, value)?;
            if let Some(point) = name.splitn(3, '.').nth(2).filter(|_| name.contains(".1.")) {
                self.kept.push((point.to_owned(), value.to_vec()?));
            }
            Ok(value)
        }
    }

    fn kept(family: &str, index: usize) -> impl Fn(&str) -> Vec<f32> {
        let ablate = Ablate { ablation: ABLATIONS[index], update: None, ratios: Vec::new() };
        let mut spy = Spy { ablate, kept: Vec::new() };
        let input = Input::new((0..7).map(|i| (i * 37 + 11) % 89).collect());
        let mask = MaskChoice::Override(Mask::causal());
        tiny(family).hidden(&input, &mask, &mut spy, &Run::default()).unwrap();
        move |point| spy.kept.iter().find(|(name, _)| name == point).unwrap().1.clone()
    }

    #[test]
    fn without_a_skip_the_sum_is_the_update() {
        for family in ["bert", "llama"] {
            let sum = if family == "bert" { "after_feed_forward" } else { "output" };
            let whole = kept(family, 0);
            assert_ne!(whole("after_attention"), whole("self_attention.output"), "{family}");
            assert_ne!(whole(sum), whole("feed_forward.output"), "{family}");
            let without = kept(family, 2);
            assert_eq!(without("after_attention"), without("self_attention.output"), "{family}");
            assert_eq!(without(sum), without("feed_forward.output"), "{family}");
        }
    }

    #[test]
    fn a_network_that_is_off_leaves_its_input() {
        for family in ["bert", "llama"] {
            for index in [1, 3] {
                let off = kept(family, index);
                assert!(off("feed_forward.output").iter().all(|&x| x == 0.0), "{family}");
                // What the network got: the normed sum in BERT, the sum itself in LLaMA.
                let (input, sum) = match family {
                    "bert" => ("attention_norm", "after_feed_forward"),
                    _ => ("after_attention", "output"),
                };
                assert_eq!(off(input), off(sum), "{family}");
                let update = off("self_attention.output");
                assert_eq!(off("after_attention") == update, index == 3, "{family}");
            }
        }
    }
}

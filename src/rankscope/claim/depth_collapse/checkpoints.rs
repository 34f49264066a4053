//! The residual in trained models, unchanged and with parts switched off by a probe. The models contain no code for
//! this.

use std::path::Path;

use super::*;
use crate::model::{self, Input, MaskChoice, Model, Tokenizer};
use crate::ops::scale;
use crate::probe::Probe;
use crate::tensor::Tensor;

/// The parts that are switched off.
#[derive(Clone, Copy, Debug)]
struct Ablation {
    /// Its name in measurements, and in sentences.
    name: &'static str,
    label: &'static str,
    skip: bool,
    feed_forward: bool,
}

/// From the unchanged model to attention alone.
const ABLATIONS: [Ablation; 4] = [
    Ablation { name: "as_is", label: "as it is", skip: false, feed_forward: false },
    Ablation { name: "no_mlp", label: "without MLPs", skip: false, feed_forward: true },
    Ablation { name: "no_skip", label: "without skips", skip: true, feed_forward: false },
    Ablation { name: "no_skip_no_mlp", label: "without skips and MLPs", skip: true, feed_forward: true },
];

/// The residual of one model.
pub(super) struct Checkpoint {
    name: String,
    /// The mask that it was trained under and runs under here.
    mask: String,
    /// The number of tokens of the text.
    tokens: usize,
    /// The residual ratio below which f32 cannot tell it from 0.
    floor: f64,
    /// For each [`Ablation`], ‖res(X)‖ / ‖X‖ of the embeddings and after every layer.
    ratios: [Vec<f64>; 4],
}

impl Checkpoint {
    /// How the residual falls in attention alone.
    fn attention_alone(&self) -> Fall {
        Fall::of(&self.ratios[3].iter().map(|&ratio| log_ratio(ratio)).collect::<Vec<_>>(), self.floor)
    }

    /// The ratios after the last layer.
    fn left(&self) -> [f64; 4] {
        self.ratios.each_ref().map(|ratios| ratios.last().copied().unwrap_or(f64::NAN))
    }
}

/// Reports each model, unchanged and with parts switched off.
pub(super) fn report(evidence: &mut Evidence, models: &[Checkpoint]) -> (Trained, String) {
    evidence.measure("checkpoints", models.len() as f64, "models");
    for model in models {
        let Checkpoint { name, mask, tokens, floor, ratios } = model;
        let said = |end: f64| if end < *floor { "below the floor".to_owned() } else { short(end) };
        let parts =
            ABLATIONS.iter().zip(model.left()).map(|(part, end)| format!("{} {}", said(end), part.label));
        let text = format!(
            "{name} (trained, {mask}, {tokens} tokens, f32 with a floor of {}): residual ratio {} in the embeddings; \
             after layer {}: {}",
            short(*floor),
            short(ratios[0][0]),
            ratios[0].len() - 1,
            parts.collect::<Vec<_>>().join(", ")
        );
        let is_fast = model.attention_alone().is_doubly_exponential() == Some(true);
        evidence.weigh(is_fast, text).at("model", &**name);
        let mut curves = Vec::new();
        for (Ablation { name: part, label, .. }, ratios) in ABLATIONS.iter().zip(ratios) {
            for (layer, ratio) in ratios.iter().enumerate() {
                evidence.measure(format!("{}_ratio_{part}_layer{layer}", plain(name)), *ratio, "");
            }
            let points = ratios.iter().enumerate().map(|(layer, &ratio)| (layer as f64, ratio));
            curves.push(Curve::new(*label, Kind::Plain, points));
        }
        let references = vec![Reference::floor("rounding floor, f32", *floor)];
        let figure = lines(format!("Residual in {name}"), axes("layer (0: embeddings)"), curves, references);
        let caption = format!(
            "‖res(X)‖ / ‖X‖ in the trained model {name} ({mask} mask, {tokens} tokens), as it is and with parts switched \
             off in every layer. Its weights were trained with all parts in place."
        );
        evidence.plot(format!("residual-{}", plain(name)), caption, figure);
    }
    let lead = "‖res(X)‖ / ‖X‖ after the last layer of trained attention alone, without skips and MLPs: ";
    let cases = models.iter().map(|model| model.attention_alone().is_doubly_exponential());
    in_models(models, cases, lead, |model| {
        let [as_is, .., alone] = model.left();
        let fall = model.attention_alone().in_words(alone);
        let whole = short(as_is);
        format!("{} (trained {}): {fall}, against {whole} of the model as it is", model.name, model.mask)
    })
}

/// Measures every model that the settings name, unchanged and with its parts switched off.
pub(super) fn measure(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<Vec<Checkpoint>> {
    let load = |name: &str, folder: &Path| {
        let model = model::load(folder, settings.device())?;
        model.description().expect_one_stack(name)?;
        Ok((name.to_owned(), Tokenizer::load(folder)?, model))
    };
    trained::models(evidence, settings, run, load, |(name, tokenizer, model)| {
        let (description, mut tokens) = (model.description(), tokenizer.encode(settings.text("text")?)?);
        tokens.ids.truncate(description.context);
        tokens.token_types.truncate(description.context);
        let count = tokens.ids.len();
        if count < 2 {
            return Err(Error::invalid("text", format!("{count} token"), "two tokens or more"));
        }
        let input = Input::new(tokens.ids).with_token_types(tokens.token_types);
        let mut ratios: [Vec<f64>; 4] = Default::default();
        for (done, (ratios, ablation)) in ratios.iter_mut().zip(ABLATIONS).enumerate() {
            run.step(name, done, ABLATIONS.len())?;
            *ratios = residuals(&**model, &input, ablation, run)?;
        }
        let mask = MaskChoice::AsTrained.in_words(description);
        let floor = count.max(description.width) as f64 * EPSILON_F32;
        Ok(Ok(Checkpoint { name: name.clone(), mask, tokens: count, floor, ratios }))
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

/// A probe that switches off skips, by replacing the sum with the update, and MLPs, by replacing the update with zeros,
/// and that measures the hidden states.
struct Ablate {
    ablation: Ablation,
    /// The last update, until its sum is visited.
    update: Option<Tensor>,
    ratios: Vec<f64>,
}

impl Probe for Ablate {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        // `decoder.3.after_attention` is the point `after_attention`.
        let point = name.splitn(3, '.').nth(2).unwrap_or(name);
        let value = match point {
            // A network that is switched off returns its input unchanged, with or without the other skips.
            "feed_forward.output" if self.ablation.feed_forward => scale(&value, 0.0)?,
            "self_attention.output" | "feed_forward.output" => {
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
            let values: Vec<f64> = value.to_vec()?.into_iter().map(f64::from).collect();
            let [_, n, width] = value.shape().sizes()[..] else {
                unreachable!("a hidden state is [B, T, C]")
            };
            let state = ArrayView2::from_shape((n, width), &values).expect("[T, C]");
            self.ratios.push(residual_ratio(state));
        }
        Ok(value)
    }

    fn watches(&self, name: &str) -> bool {
        name == "embeddings" || name.ends_with("output") || name.contains(".after_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stacks of attention are measured like trained models whose other parts are switched off, down to the floor of
    /// f32.
    #[test]
    fn every_word_about_trained_models_is_reached() {
        let sizes = NetSizes { n: 32, width: 64, heads: 4, layers: 6 };
        let floor = 64.0 * EPSILON_F32;
        let model = |mask: Mask, input: Array2<f64>| {
            let states =
                Stack::new(sizes.pure(), 3).unwrap().hidden_states(&input, &mask, &Run::default()).unwrap();
            let ratios: Vec<f64> = states.iter().map(|x| residual_ratio(x.view()).max(floor / 2.0)).collect();
            let (name, ratios) = ("by hand".into(), [(); 4].map(|()| ratios.clone()));
            Checkpoint { name, mask: mask.to_string(), tokens: sizes.n, floor, ratios }
        };
        let down = || model(Mask::bidirectional(), sizes.input(3));
        let slow = || model(Mask::causal(), sizes.input(3));
        // Tokens that are nearly equal from the start reach the floor after one layer, and have no two drops.
        let at_once = || model(Mask::bidirectional(), sizes.input(3) * 1e-3 + 1.0);
        let over = |models: &[Checkpoint]| report(&mut Evidence::default(), models).0;
        assert_eq!(over(&[down()]), Trained::InAll);
        assert_eq!(over(&[down(), slow()]), Trained::InSome);
        assert_eq!(over(&[slow(), at_once()]), Trained::InNone);
        assert_eq!(over(&[at_once()]), Trained::NotResolved);
        assert_eq!(over(&[]), Trained::NoModel);
    }

    /// A probe that keeps the points of layer 1 after the ablation.
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
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny").join(family);
        let (model, mask) =
            (model::load(&folder, &Device::Cpu).unwrap(), MaskChoice::Override(Mask::causal()));
        model.hidden(&input, &mask, &mut spy, &Run::default()).unwrap();
        move |point| spy.kept.iter().find(|(name, _)| name == point).unwrap().1.clone()
    }

    #[test]
    fn without_a_skip_the_sum_is_the_update() {
        for (family, sum) in [("bert", "after_feed_forward"), ("llama", "output")] {
            let whole = kept(family, 0);
            assert_ne!(whole("after_attention"), whole("self_attention.output"), "{family}");
            assert_ne!(whole(sum), whole("feed_forward.output"), "{family}");
            let without = kept(family, 2);
            assert_eq!(without("after_attention"), without("self_attention.output"), "{family}");
            assert_eq!(without(sum), without("feed_forward.output"), "{family}");
        }
    }

    /// The network's input is the normed sum in BERT, and the sum itself in LLaMA.
    #[test]
    fn a_network_that_is_off_leaves_its_input() {
        for (family, input, sum) in
            [("bert", "attention_norm", "after_feed_forward"), ("llama", "after_attention", "output")]
        {
            for index in [1, 3] {
                let off = kept(family, index);
                assert!(off("feed_forward.output").iter().all(|&x| x == 0.0), "{family}");
                assert_eq!(off(input), off(sum), "{family}");
                let update = off("self_attention.output");
                assert_eq!(off("after_attention") == update, index == 3, "{family}");
            }
        }
    }
}

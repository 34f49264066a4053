//! How each kind of figure is drawn.

use ndarray::Array2;
use rankscope::claim::{Draw, linear_weights};
use rankscope::figure::style::{Kind, Theme};
use rankscope::figure::{Figure, Heatmap, Scale, Series, SpectrumFigure, Table};
use rankscope::model::store::Store;
use rankscope::model::{self, Input, MaskChoice, Tokenizer};
use rankscope::numbers::short;
use rankscope::ops::FeatureMap;
use rankscope::probe::Trace;
use rankscope::rank::Spectrum;
use rankscope::{Device, Mask, Run};
use serde_json::json;

use super::{KINDS, Spec};
use crate::runs::Runs;
use crate::trials::Trials;

/// A figure that is drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// As SVG, light and dark.
    pub pictures: [String; 2],
    /// Its numbers.
    pub table: Table,
    /// The settings and the seed that recreate it, in words.
    pub settings: String,
    /// The command that computes its numbers again, if there is one besides `cargo xtask book --figure`.
    pub command: Option<String>,
}

/// Draws the figure.
///
/// # Errors
/// If the block is wrong, with what is expected.
pub fn draw(spec: &Spec, trials: &Trials, runs: &Runs) -> Result<Drawn, String> {
    match spec.kind.as_str() {
        "mask" => of_mask(spec),
        "weights" | "scores" => of_weights(spec),
        "spectra" => of_spectra(spec),
        "claim" => of_claim(spec, trials),
        "head" => of_head(spec),
        "run" => of_run(spec, runs),
        other => Err(format!("a kind that is one of {}, not {other:?}", KINDS.join(", "))),
    }
}

impl Drawn {
    fn new(figure: &dyn Figure, settings: String) -> Result<Self, String> {
        let svg = |theme| figure.to_svg(theme).map_err(|error| error.to_string());
        let pictures = [svg(Theme::Light)?, svg(Theme::Dark)?];
        Ok(Drawn { pictures, table: figure.table(), settings, command: None })
    }
}

fn given<'a, T>(value: &'a Option<T>, name: &str) -> Result<&'a T, String> {
    value.as_ref().ok_or_else(|| format!("the field `{name}` in a figure of this kind"))
}

fn mask(text: &str) -> Result<Mask, String> {
    Mask::parse(text).map_err(|error| error.to_string())
}

fn positions(n: usize) -> Vec<String> {
    (1..=n).map(|position| position.to_string()).collect()
}

fn of_mask(spec: &Spec) -> Result<Drawn, String> {
    let (name, n) = (given(&spec.mask, "mask")?, spec.n.unwrap_or(12));
    let mask = mask(name)?;
    mask.check(n).map_err(|error| error.to_string())?;
    let pattern = mask.pattern(n);
    let heatmap = Heatmap {
        title: format!("The mask {mask} over {n} positions"),
        values: pattern.mapv(f64::from),
        may_attend: Some(pattern),
        queries: positions(n),
        keys: positions(n),
        scale: Scale::AmountTo(1.0),
        unit: "1: may attend".into(),
        settings: json!({ "version": rankscope::VERSION, "mask": mask.to_string(), "n": n }),
    };
    let drawn = Drawn::new(&heatmap, format!("Mask {mask}, n = {n}."))?;
    Ok(Drawn { command: Some(format!("rankscope masks show '{mask}' -n {n}")), ..drawn })
}

/// Queries and keys, and the mechanism that turns them into weights.
struct Source {
    draw: Draw,
    scale: f64,
    is_linear: bool,
    in_words: String,
}

impl Source {
    fn read(spec: &Spec) -> Result<Self, String> {
        let is_linear = match spec.mechanism.as_deref() {
            None | Some("softmax") => false,
            Some("linear") => true,
            Some(other) => return Err(format!("the mechanism softmax or linear, not {other:?}")),
        };
        let scale = spec.scale.unwrap_or(1.0);
        let (draw, mut in_words) = match (&spec.queries, &spec.keys) {
            (Some(queries), Some(keys)) => {
                let draw = Draw { q: matrix(queries)?, k: matrix(keys)? };
                if draw.q.dim() != draw.k.dim() {
                    return Err("as many keys as queries, of the same size".to_owned());
                }
                let words =
                    format!("n = {}, D = {}, queries and keys by hand", draw.q.nrows(), draw.q.ncols());
                (draw, words)
            }
            (None, None) => {
                let (n, size) = (spec.n.unwrap_or(12), spec.head_size.unwrap_or(4));
                let (seed, alignment) = (spec.seed.unwrap_or(0), spec.alignment.unwrap_or(0.0));
                if !(1..=1024).contains(&n)
                    || !(1..=1024).contains(&size)
                    || !(-1.0..=1.0).contains(&alignment)
                {
                    return Err("n and head_size from 1 to 1024, alignment from −1 to 1".to_owned());
                }
                let words = format!("n = {n}, D = {size}, seed {seed}");
                match spec.alignment {
                    None => (Draw::independent(n, size, seed), words),
                    Some(_) => {
                        (Draw::aligned(n, size, alignment, seed), format!("{words}, alignment {alignment}"))
                    }
                }
            }
            _ => return Err("both `queries` and `keys`, or neither".to_owned()),
        };
        match is_linear {
            true => in_words += ", linear attention with elu + 1",
            false => in_words += &format!(", logit scale {scale}"),
        }
        Ok(Source { draw, scale, is_linear, in_words })
    }

    fn weights(&self, mask: &Mask) -> Result<Array2<f64>, String> {
        let Draw { q, k } = &self.draw;
        match self.is_linear {
            true => linear_weights(q, k, FeatureMap::EluPlusOne, mask, &Device::Cpu),
            false => self.draw.weights(self.scale, mask, &Device::Cpu),
        }
        .map_err(|error| error.to_string())
    }
}

fn matrix(rows: &[Vec<f64>]) -> Result<Array2<f64>, String> {
    let columns = rows.first().map_or(0, Vec::len);
    if columns == 0 || rows.iter().any(|row| row.len() != columns) {
        return Err("rows of the same length, of one number or more".to_owned());
    }
    Array2::from_shape_vec((rows.len(), columns), rows.concat()).map_err(|error| error.to_string())
}

fn of_weights(spec: &Spec) -> Result<Drawn, String> {
    let source = Source::read(spec)?;
    let settings = json!({ "version": rankscope::VERSION, "draw": source.in_words, "mask": spec.mask });
    let n = source.draw.q.nrows();
    let heatmap = |title: String, values, may_attend, scale, unit: &str| Heatmap {
        title,
        values,
        may_attend,
        queries: positions(n),
        keys: positions(n),
        scale,
        unit: unit.into(),
        settings,
    };
    if spec.kind == "scores" {
        let scores = source.draw.scores(source.scale);
        let heatmap = heatmap("Scores".into(), scores, None, Scale::Difference, "score q·k/√D");
        return Drawn::new(&heatmap, capitalised(&source.in_words));
    }
    let mask = mask(given(&spec.mask, "mask")?)?;
    let title = format!("Attention weights under the mask {mask}");
    let heatmap =
        heatmap(title, source.weights(&mask)?, Some(mask.pattern(n)), Scale::Amount, "attention weight");
    Drawn::new(&heatmap, format!("Mask {mask}, {}.", source.in_words))
}

fn of_spectra(spec: &Spec) -> Result<Drawn, String> {
    let source = Source::read(spec)?;
    if spec.masks.is_empty() {
        return Err("`masks`, a list of masks such as [\"causal\", \"bidirectional\"]".to_owned());
    }
    let spectrum = |matrix: Array2<f64>| Spectrum::of(matrix.view()).map_err(|error| error.to_string());
    let mut series = Vec::new();
    for name in &spec.masks {
        let mask = mask(name)?;
        let spectrum = spectrum(source.weights(&mask)?)?;
        series.push(Series { name: mask.to_string(), kind: Kind::of(&mask), spectrum });
    }
    if spec.scores {
        let spectrum = spectrum(source.draw.scores(source.scale))?;
        series.push(Series { name: "scores".into(), kind: Kind::Plain, spectrum });
    }
    let settings = json!({ "version": rankscope::VERSION, "draw": source.in_words, "masks": spec.masks });
    let figure = SpectrumFigure { title: "Singular values".into(), series, settings };
    Drawn::new(&figure, capitalised(&source.in_words))
}

fn of_claim(spec: &Spec, trials: &Trials) -> Result<Drawn, String> {
    let trial = trials.get(given(&spec.claim, "claim")?)?;
    let all = trial.evidence.illustrations();
    let index = match (&spec.figure, spec.number) {
        (Some(name), _) => all.iter().position(|shown| shown.name == *name),
        (None, number) => number.unwrap_or(1).checked_sub(1).filter(|index| *index < all.len()),
    };
    let index = index.ok_or_else(|| {
        let names: Vec<String> =
            all.iter().enumerate().map(|(at, shown)| format!("{} {}", at + 1, shown.name)).collect();
        format!("a figure of {}: {}", trial.about.id, names.join(", "))
    })?;
    let settings = &trial.settings;
    let seeds = settings.values().find(|(name, _)| settings.has("seeds") && *name == "seeds");
    let seeds = seeds.map_or(String::new(), |(_, seeds)| format!(", {seeds} draws"));
    let seed = settings.seed().map_err(|error| error.to_string())?;
    let words =
        format!("{} Claim {}, its quick settings, seed {seed}{seeds}.", all[index].caption, trial.about.id);
    let drawn = Drawn::new(&*all[index].figure, words)?;
    Ok(Drawn { command: Some(settings.command()), ..drawn })
}

fn of_head(spec: &Spec) -> Result<Drawn, String> {
    let (name, text) = (given(&spec.model, "model")?, given(&spec.text, "text")?);
    let (layer, head) = (spec.layer.unwrap_or(0), spec.head.unwrap_or(0));
    let choice =
        spec.mask.as_deref().map(mask).transpose()?.map_or(MaskChoice::AsTrained, MaskChoice::Override);
    let (weights, pieces, mask) = head_weights(name, text, (layer, head), &choice)?;
    let n = pieces.len();
    let heatmap = Heatmap {
        title: format!("Layer {layer}, head {head} of {name}"),
        values: weights,
        may_attend: Some(mask.pattern(n)),
        queries: pieces.clone(),
        keys: pieces,
        scale: Scale::AmountTo(1.0),
        unit: "attention weight".into(),
        settings: json!({ "version": rankscope::VERSION, "model": name, "text": text, "layer": layer, "head": head, "mask": mask.to_string() }),
    };
    let words = format!("Model {name}, layer {layer}, head {head}, mask {mask}, on “{text}”; no draw.");
    let drawn = Drawn::new(&heatmap, words)?;
    let command =
        format!("rankscope rank --model {name} --text '{}' --compare '{mask}'", text.replace('\'', r"'\''"));
    Ok(Drawn { command: Some(command), ..drawn })
}

/// The weights of a head of the stack of `name` on `text`, the pieces of the text, and the mask.
fn head_weights(
    name: &str,
    text: &str,
    (layer, head): (usize, usize),
    choice: &MaskChoice,
) -> Result<(Array2<f64>, Vec<String>, Mask), String> {
    let attempt = || -> rankscope::Result<_> {
        let folder = Store::open()?.find(name)?;
        let model = model::load(&folder, &Device::Cpu)?;
        model.description().expect_one_stack(name)?;
        let tokens = Tokenizer::load(&folder)?.encode(text)?;
        let mut trace = Trace::of(["self_attention.weights"]);
        let input = Input::new(tokens.ids).with_token_types(tokens.token_types);
        model.hidden(&input, choice, &mut trace, &Run::default())?;
        let layers = trace.into_vec();
        let (_, weights) = layers.get(layer).ok_or_else(|| outside("layer", layer, layers.len()))?;
        let heads = model.description().heads;
        let weights = weights.to_device(&Device::Cpu)?;
        let matrix =
            weights.matrix(head).filter(|_| head < heads).ok_or_else(|| outside("head", head, heads))?;
        Ok((matrix.mapv(f64::from), tokens.pieces, choice.resolve(model.description())))
    };
    attempt().map_err(|error| error.to_string())
}

fn outside(what: &str, given: usize, count: usize) -> rankscope::Error {
    rankscope::Error::invalid(what, given, format!("below {count}"))
}

fn of_run(spec: &Spec, runs: &Runs) -> Result<Drawn, String> {
    let name = given(&spec.run, "run")?;
    let lines = runs.losses(name)?;
    Drawn::new(&lines, format!("The run {name}, seed {}.", short(runs.number(&format!("{name}.seed"))?)))
}

fn capitalised(text: &str) -> String {
    format!("{}{}.", text[..1].to_uppercase(), &text[1..])
}

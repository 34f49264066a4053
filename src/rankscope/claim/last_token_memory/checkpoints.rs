//! The claim in trained models.

use std::path::Path;

use super::*;
use crate::model::{self, Input, MaskChoice, Model, Tokenizer};

/// The measurements of one trained model on the prompts.
pub(super) struct Reading {
    name: String,
    mask: String,
    context: usize,
    /// Each n that fits its context, with the numbers of a [`Point`]; f32 replaces f64 here.
    points: Vec<(usize, [f64; 7])>,
    /// The n that do not fit its context.
    beyond: Vec<usize>,
}

/// The largest difference of equal states by rounding in f32: 16 unit roundoffs.
const NOISE: f64 = 16.0 * ROUNDOFF[1];

/// Measures every model that the settings name, in f32, f16 and bf16.
pub(super) fn measure(evidence: &mut Evidence, settings: &Settings, run: &Run) -> Result<Vec<Reading>> {
    let load = |name: &str, folder: &Path| {
        let model = model::load(folder, settings.device())?;
        model.description().expect_one_stack(name)?;
        let prompt = Prompt::new(&Tokenizer::load(folder)?, settings)?;
        Ok((name.to_owned(), prompt, model))
    };
    let lengths = settings.ascending("lengths")?;
    let readings = trained::models(evidence, settings, run, load, |(name, prompt, model)| {
        let context = model.description().context;
        let (fitting, beyond): (Vec<usize>, Vec<usize>) =
            lengths.iter().partition(|&&n| prompt.ids(n + 1).len() <= context);
        let mut points = Vec::new();
        for (done, &n) in fitting.iter().enumerate() {
            run.step(name, done, fitting.len())?;
            let after = |n| last_states(&**model, &prompt.ids(n), run);
            let (shorter, longer) = (after(n)?, after(n + 1)?);
            if shorter.iter().chain(&longer).any(|state| state.iter().any(|x| !x.is_finite())) {
                return Ok(Err("its states are beyond the range of f16"));
            }
            points.push((n, compared(&[0, 0, 1, 2].map(|format| Pair([&shorter[format], &longer[format]])))));
        }
        let mask = MaskChoice::AsTrained.in_words(model.description());
        let reading = Reading { name: name.clone(), mask, context, points, beyond };
        Ok(if fitting.is_empty() { Err("no prompt fits its context") } else { Ok(reading) })
    })?;
    for Reading { name, context, beyond, .. } in &readings {
        for n in beyond {
            evidence.note(format!("{name}: n = {n} is beyond its context of {context} tokens"));
        }
    }
    Ok(readings)
}

/// The last states of a model in f32, f16 and bf16.
fn last_states(model: &dyn Model, ids: &[u32], run: &Run) -> Result<[Array1<f64>; 3]> {
    let of = |round| {
        let (input, mask) = (Input::new(ids.to_vec()), MaskChoice::AsTrained);
        last_state(&model.hidden(&input, &mask, &mut Rounding(round), &run.quiet())?)
    };
    let [f32, f16, bf16] = ROUND.map(of);
    Ok([f32?, f16?, bf16?])
}

/// The tokens of the prompts for one tokenizer.
struct Prompt {
    /// The special tokens that begin every text, and those that end it.
    begin: Vec<u32>,
    end: Vec<u32>,
    repeated: u32,
    last: u32,
}

impl Prompt {
    fn new(tokenizer: &Tokenizer, settings: &Settings) -> Result<Self> {
        let text = settings.text("repeated")?;
        let (whole, inner) = (tokenizer.encode(text)?.ids, tokenizer.encode_behind(text)?);
        let at = whole.windows(inner.len()).position(|ids| ids == inner).ok_or_else(|| {
            Error::invalid("repeated", format!("{text:?}"), "a text that special tokens do not change")
        })?;
        let is_other = settings.text("ending")? == ENDINGS[0];
        let last = if is_other { tokenizer.encode_behind(settings.text("last")?)?[0] } else { inner[0] };
        let (begin, end) = (whole[..at].to_vec(), whole[at + inner.len()..].to_vec());
        Ok(Prompt { begin, end, repeated: inner[0], last })
    }

    fn ids(&self, n: usize) -> Vec<u32> {
        let text = repeat_n(self.repeated, n).chain(once(self.last));
        self.begin.iter().copied().chain(text).chain(self.end.iter().copied()).collect()
    }
}

pub(super) fn report(evidence: &mut Evidence, models: &[Reading]) -> (Trained, String) {
    let lead = "After n and n + 1 equal tokens and one more, at the last token ";
    // f32 is the reference here, so in f32 the difference counts as lost only if it is as small as rounding.
    let is_lost = |(_, numbers): &(usize, [f64; 7]), format: usize| match format {
        1 => numbers[1] <= NOISE,
        _ => numbers[3 + format] == 1.0,
    };
    let words = |model: &Reading| {
        let formats = (1..4).map(|format| match model.points.iter().find(|point| is_lost(point, format)) {
            Some((n, _)) => format!("{} loses the difference at n = {n} first", FORMATS[format]),
            None => format!("{} keeps it at every n", FORMATS[format]),
        });
        format!("in {} (trained {}) {}", model.name, model.mask, formats.collect::<Vec<_>>().join(", "))
    };
    let kept = |model: &Reading, format| !model.points.iter().any(|point| is_lost(point, format));
    for model in models {
        let is_kept = (1..4).all(|format| kept(model, format));
        evidence.weigh(is_kept, format!("{lead}{}", words(model))).at("model", &*model.name);
        let plain = plain(&model.name);
        let mut curves = Vec::new();
        for (format, name) in FORMATS.into_iter().enumerate().skip(1) {
            let distances = model.points.iter().map(|(n, numbers)| (*n, numbers[format]));
            for (n, distance) in distances.clone() {
                evidence.measure(format!("distance_{name}_n{n}_{plain}"), distance, "");
            }
            if let Some((n, _)) = distances.clone().find(|(_, distance)| *distance == 0.0) {
                evidence.measure(format!("first_collision_{name}_{plain}"), n as f64, "tokens");
            }
            curves.push(Curve::new(name, Kind::Plain, distances.map(|(n, distance)| (n as f64, distance))));
        }
        let (name, mask) = (&model.name, &model.mask);
        let caption = format!(
            "How far apart the states of the last token of {name} (trained {mask}) are after n and after n + 1 equal tokens \
             and one more, ‖y − x‖ / ‖x‖, with states rounded to each format. Dashed: the format's unit roundoff."
        );
        let title = format!("Distance of last states over n in {name}");
        plot(evidence, &format!("last-states-{plain}"), &title, &caption, curves, None);
    }
    let cases = models.iter().flat_map(|model| (1..4).map(move |format| Some(kept(model, format))));
    in_models(models, cases, lead, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_about_trained_models_is_reached() {
        let reading = |numbers: [f64; 7]| Reading {
            name: "by hand".into(),
            mask: "causal".into(),
            context: 9,
            points: vec![(4, numbers)],
            beyond: Vec::new(),
        };
        let over = |models: &[Reading]| report(&mut Evidence::default(), models).0;
        let (kept, gone) = ([0.1, 0.1, 0.1, 0.1, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(over(&[reading(kept)]), Trained::InAll);
        assert_eq!(over(&[reading(kept), reading(gone)]), Trained::InSome);
        assert_eq!(over(&[reading(gone)]), Trained::InNone);
        assert_eq!(over(&[]), Trained::NoModel);
    }

    /// Special tokens stay at the ends of the prompt.
    #[test]
    fn prompts_differ_in_one_token() {
        let prompt = Prompt { begin: vec![1, 2], end: vec![3], repeated: 7, last: 8 };
        assert_eq!(prompt.ids(2), [1, 2, 7, 7, 8, 3]);
        assert_eq!(prompt.ids(3), [1, 2, 7, 7, 7, 8, 3]);
    }
}

//! Claim: the last token remembers the prompt.
//!
//! Two prompts differ only in the number of copies of one token: n or n + 1, and then the same last token. The states
//! of the last token become close as n grows, and below some distance numbers of 16 bits cannot distinguish them.

mod checkpoints;

use std::iter::{once, repeat_n};

use half::{bf16, f16};
use ndarray::{Array1, Axis as Dimension};

use super::depth_collapse::pre_ln;
use super::prelude::*;
use crate::axis::Axis;
use crate::model::stack::{Architecture, DeviceStack, Stack};
use crate::probe::Probe;
use crate::tensor::Tensor;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "last-token-memory",
        group: Group::Mechanisms,
        statement: "The last token of a decoder remembers the prompt.",
        source: "What generation relies on, since the next token is read off the last state alone; on trial in Barbero et \
                 al. 2024 (arXiv 2406.04267), abstract",
        exact: "In a decoder without positions all of n equal tokens a have one and the same state, since a mean of equal \
                values is that value. Each head of another token after them gives their value the weight n·eˢ / (n·eˢ + \
                eᵗ), s and t being its scores of a and of itself. That weight rises with n, so for almost all parameters \
                the last state is another one for every n. But it has a limit: from n to n + 1 the state moves by about \
                1/n². Without the other token the last state is the same for every n.",
        reconsider: "Positions that mark how many tokens came before, or a last state that low precision still tells from \
                     the next one at the lengths of today's contexts.",
    },
    parameters: &[
        set("lengths", "numbers n of equal tokens", Integers(1, 1024), LENGTHS),
        set(
            "ending",
            "the last token: other than those before it, or the same",
            Word(&ENDINGS),
            ["other"; 2],
        ),
        set("width", "width C of the drawn decoders", Integer(4, 256), ["64"; 2]),
        set("heads", "heads H, a divisor of the width", Integer(1, 32), ["4"; 2]),
        set("layers", "layers L of the drawn decoders", Integer(1, 24), ["4"; 2]),
        set("seeds", "draws", Integer(2, 200), ["8", "40"]),
        trained::MODELS,
        trained::LARGEST,
        set("repeated", "a text whose first token the trained models read n times", Text, [" and"; 2]),
        set("last", "a text whose first token they read last", Text, ["."; 2]),
    ],
    decide,
};

const LENGTHS: [&str; 2] = ["1,4,16,64,128,256", "1,2,4,8,16,32,64,128,256,512,1024"];
const ENDINGS: [&str; 2] = ["other", "same"];

/// The formats of states, by their names in measurements.
const FORMATS: [&str; 4] = ["f64", "f32", "f16", "bf16"];
/// Half the distance from 1 to the next number: the largest relative error of rounding.
const ROUNDOFF: [f64; 4] = [f64::EPSILON / 2.0, f32::EPSILON as f64 / 2.0, 1.0 / 2048.0, 1.0 / 256.0];
/// Rounds an f32 to each format except the first.
const ROUND: [fn(f32) -> f32; 3] = [|x| x, |x| f16::from_f32(x).to_f32(), |x| bf16::from_f32(x).to_f32()];

/// A probe that rounds the intermediates between operations, like a decoder that computes in 16 bits. Scores and
/// weights stay f32, as they do in a fused attention kernel.
struct Rounding(fn(f32) -> f32);

impl Probe for Rounding {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        if !self.watches(name) {
            return Ok(value);
        }
        let rounded = value.to_vec()?.into_iter().map(self.0).collect();
        Tensor::new(value.shape().axes(), rounded)?.to_device(&value.device())
    }

    fn watches(&self, name: &str) -> bool {
        !name.ends_with("scores") && !name.ends_with("weights")
    }
}

/// The last row of hidden states `[1, T, C]`.
fn last_state(hidden: &Tensor) -> Result<Array1<f64>> {
    let width = hidden.shape().size(Axis::Width).unwrap_or(0);
    let values = hidden.to_vec()?;
    Ok(values[values.len() - width..].iter().map(|&value| f64::from(value)).collect())
}

/// The last states after n equal tokens and after n + 1, in one format.
struct Pair<'a>([&'a Array1<f64>; 2]);

impl Pair<'_> {
    fn difference(&self) -> Array1<f64> {
        self.0[1] - self.0[0]
    }

    /// ‖y − x‖ / ‖x‖: 0 if all numbers are equal.
    fn distance(&self) -> f64 {
        norm(&self.difference()) / norm(self.0[0])
    }

    /// Whether rounding has changed the difference by as much as its size in `exact`.
    fn is_lost(&self, exact: &Pair<'_>) -> bool {
        let exact = exact.difference();
        let moved = norm(&(self.difference() - &exact));
        moved.is_nan() || moved >= norm(&exact)
    }
}

fn norm(x: &Array1<f64>) -> f64 {
    x.dot(x).sqrt()
}

/// A decoder of one draw.
struct Decoder {
    stack: Stack,
    on_device: DeviceStack,
    /// The embeddings of the repeated token and of the last one, `[2, C]`.
    embeddings: Array2<f64>,
}

/// The random stream of the embeddings, beyond the streams of all weights.
const EMBEDDINGS: u64 = 1 << 32;

impl Decoder {
    fn draw(settings: &Settings, seed: u64) -> Result<Self> {
        let ((width, heads), layers) = (settings.width_and_heads()?, settings.integer("layers")?);
        let attention = Architecture::attention_only(layers, heads, width / heads, width);
        let stack = Stack::new(pre_ln(attention), seed)?;
        let on_device = stack.to_device(settings.device())?;
        Ok(Decoder { stack, on_device, embeddings: gaussian(2, width, seed, EMBEDDINGS) })
    }

    /// The last state after each of these tokens, 0 or 1, in every format.
    fn last_states(&self, tokens: &[usize], run: &Run) -> Result<[Array1<f64>; 4]> {
        let (x, mask) = (self.embeddings.select(Dimension(0), tokens), Mask::causal());
        let exact = self.stack.forward_f64(&x, &mask, &mut |_, _| {}, run)?;
        let axes = [(Axis::Batch, 1), (Axis::Query, x.nrows()), (Axis::Width, x.ncols())];
        let x = Tensor::new(axes, x.iter().map(|&value| value as f32).collect())?;
        let x = x.to_device(self.on_device.device())?;
        let rounded = |round| last_state(&self.on_device.forward(&x, &mask, &mut Rounding(round), run)?);
        let [f32, f16, bf16] = ROUND.map(rounded);
        Ok([exact.row(tokens.len() - 1).to_owned(), f32?, f16?, bf16?])
    }
}

/// A number n of tokens; over the draws, the distance in every format, and whether it is lost in each format except the
/// first.
type Point = (usize, [Sample; 7]);

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (lengths, seeds) = (settings.ascending("lengths")?, settings.seeds("seeds")?);
    let is_other = settings.text("ending")? == ENDINGS[0];
    let mut evidence = Evidence::new(settings);
    let points = sweep(lengths, &seeds, "drawn decoders", run, |&n, seed| {
        let decoder = Decoder::draw(settings, seed)?;
        let after = |n| {
            let tokens: Vec<usize> = repeat_n(0, n).chain(once(usize::from(is_other))).collect();
            decoder.last_states(&tokens, &run.quiet())
        };
        let (shorter, longer) = (after(n)?, after(n + 1)?);
        Ok(compared(&std::array::from_fn::<_, 4, _>(|format| Pair([&shorter[format], &longer[format]]))))
    })?;
    report(&mut evidence, &points, is_other);
    evidence.note_cpu(settings, "the states in f64");
    let models = checkpoints::measure(&mut evidence, settings, run)?;
    let trained = checkpoints::report(&mut evidence, &models);
    Ok((evidence, Verdict::of(Some(exact(is_other)), Some(floating(&points)), Some(trained))))
}

/// The numbers of a [`Point`] in one draw.
fn compared(pairs: &[Pair<'_>; 4]) -> [f64; 7] {
    std::array::from_fn(|at| match at {
        0..4 => pairs[at].distance(),
        _ => f64::from(u8::from(pairs[at - 3].is_lost(&pairs[0]))),
    })
}

fn exact(is_other: bool) -> (Exact, String) {
    if is_other {
        let because = "For almost all parameters the last state is another one for every number of equal tokens before \
                       another one, and from n to n + 1 it moves by about 1/n² of its way: never 0, and as little as \
                       one likes.";
        return (Exact::Proved, because.to_owned());
    }
    let because = "Equal tokens without positions have equal states, since a mean of equal values is that value: the last \
                   state is the same for every n.";
    (Exact::Refuted, because.to_owned())
}

/// Whether the difference remains after rounding, in every draw or in none.
fn outcome(lost: &Sample) -> Outcome {
    match lost.extremes() {
        (_, 0.0) => Outcome::Holds,
        (1.0, _) => Outcome::Fails,
        _ => Outcome::Unclear,
    }
}

fn floating(points: &[Point]) -> (Floating, String) {
    let outcomes = points.iter().flat_map(|(_, samples)| samples[4..].iter().map(outcome));
    let words = (1..4).map(|format| {
        match points.iter().find(|(_, samples)| outcome(&samples[3 + format]) == Outcome::Fails) {
            Some((n, _)) => format!("{} loses it in every draw at n = {n} first", FORMATS[format]),
            None => format!("{} keeps it in a draw or more at every n", FORMATS[format]),
        }
    });
    let because = format!(
        "Of the difference between n and n + 1 tokens, {}: there rounding moves it by as much as it is.",
        words.collect::<Vec<_>>().join(", ")
    );
    (Floating::over(outcomes), because)
}

fn report(evidence: &mut Evidence, points: &[Point], is_other: bool) {
    for (format, name) in FORMATS.into_iter().enumerate() {
        for (n, samples) in points {
            let measured = evidence.record(format!("distance_{name}_n{n}"), &samples[format]);
            if format == 0 && !is_other {
                measured.expect(0.0, 1e-12, "theory: equal tokens have equal states");
            }
            if format > 0 {
                evidence.record(format!("lost_{name}_n{n}"), &samples[3 + format]);
            }
        }
        // The first n at which all numbers of the two states are equal.
        let collision = points.iter().find(|(_, samples)| samples[format].values().contains(&0.0));
        if let Some((n, _)) = collision {
            evidence.measure(format!("first_collision_{name}"), *n as f64, "tokens");
        }
        let (Some((first, start)), Some((last, end))) = (points.first(), points.last()) else { return };
        let is_lost = |samples: &[Sample; 7]| match format {
            0 => !is_other,
            _ => samples[3 + format].mean() > 0.5,
        };
        let lost = points.iter().find(|(_, samples)| is_lost(samples));
        let text = format!(
            "drawn decoders in {name}: the last states of n and n + 1 tokens are {} apart at n = {first} and {} at n = \
             {last}; {}, and {}",
            start[format],
            end[format],
            match lost {
                Some((n, _)) => format!("more by rounding than by the token in most draws at n = {n} first"),
                None => "in most draws more by the token than by rounding at every n".to_owned(),
            },
            match collision {
                Some((n, _)) => format!("the same number for number in a draw at n = {n} first"),
                None => "never the same".to_owned(),
            }
        );
        evidence.weigh(lost.is_none() && collision.is_none(), text);
    }
    if let ([.., (before, near), (n, far)], true) = (points, is_other) {
        let step = (*n as f64 / *before as f64).ln();
        let pairs = near[0].values().iter().zip(far[0].values());
        let order: Sample = pairs.map(|(near, far)| (far / near).ln() / step).collect();
        let text = format!(
            "between the largest two n the distance in f64 goes with n to the power of {order}: it tends to 0, and is never 0"
        );
        evidence.weigh(false, text);
        let measured = evidence.record("order_f64", &order);
        if *before >= 64 {
            let theory = "theory: the weights of softmax over n equal tokens, to first order in 1/n";
            measured.expect(-2.0, 0.3, theory);
        }
    }
    let curves = FORMATS.iter().enumerate().skip(1).map(|(format, name)| {
        let distances = points.iter().map(|(n, samples)| (*n as f64, samples[format].clone()));
        means(*name, Kind::Plain, distances)
    });
    // The reference curve goes through the last point in f64.
    let law = points.last().filter(|_| is_other).map(|(last, end)| {
        let at = |n: usize| (n as f64, end[0].mean() * (*last as f64 / n as f64).powi(2));
        Reference::curve("as 1/n²", points.iter().map(|(n, _)| at(*n)))
    });
    let caption = "How far apart the last states are after n and after n + 1 equal tokens and one more, ‖y − x‖ / ‖x‖, mean \
                   over the draws, with states rounded to each format (f64 would lie under f32). A format that leaves \
                   the curve of f32 shows its own rounding, and no longer the token. Dashed: 1/n² through the last point \
                   in f64, and unit roundoffs.";
    plot(evidence, "last-states", "Distance of last states over n", caption, curves.collect(), law);
}

/// Distances below this are not drawn, since a distance of 0 is below every axis.
const LOWEST: f64 = 1e-9;

/// Draws the distances; for a single n there is no plot.
fn plot(
    evidence: &mut Evidence,
    name: &str,
    title: &str,
    caption: &str,
    curves: Vec<Curve>,
    law: Option<Reference>,
) {
    if curves.iter().all(|curve| curve.points.len() < 2) {
        return;
    }
    let axes = [PlotAxis::log("equal tokens n"), PlotAxis::log_from("distance of last states", LOWEST)];
    let formats = FORMATS.iter().zip(ROUNDOFF).skip(1);
    let units = formats.map(|(name, unit)| Reference::level(format!("unit roundoff of {name}"), unit));
    evidence.plot(name, caption, lines(title, axes, curves, units.chain(law).collect()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_difference_is_lost_where_rounding_moves_it_by_as_much() {
        let [from, to, rounded, far] =
            [[3.0, 4.0], [3.0, 5.0], [3.0, 4.25], [3.0, 4.0]].map(|x| array![x[0], x[1]]);
        let exact = Pair([&from, &to]);
        assert_eq!(exact.distance(), 0.2);
        // The state is moved by 3/4 of the difference, and by all of it.
        assert!(!Pair([&from, &rounded]).is_lost(&exact));
        assert!(Pair([&from, &far]).is_lost(&exact));
        assert_eq!(Pair([&from, &far]).distance(), 0.0);
        // Without a difference, nothing can be kept.
        assert!(exact.is_lost(&Pair([&from, &from])));
    }

    #[test]
    fn every_word_about_points_is_reached() {
        let point = |n: usize, lost: [f64; 2]| {
            let samples = std::array::from_fn(|at| if at < 4 { vec![0.1; 2] } else { lost.to_vec() });
            (n, samples.map(Sample::new))
        };
        let (kept, lost, unclear) = (point(1, [0.0; 2]), point(2, [1.0; 2]), point(3, [0.0, 1.0]));
        let ruling = |points: &[Point]| floating(points).0;
        assert_eq!(ruling(std::slice::from_ref(&kept)), Floating::Everywhere);
        assert_eq!(ruling(&[kept, lost.clone()]), Floating::InOneRegion);
        assert_eq!(ruling(&[lost, unclear.clone()]), Floating::Nowhere);
        assert_eq!(ruling(&[unclear]), Floating::NotResolved);
    }

    /// One head, one layer, no skip: the state of the last token is a + (b − a)·w, w = 1 / (1 + n·e^(s − t)).
    #[test]
    fn one_head_moves_as_softmax_says() {
        let stack = Stack::new(Architecture::attention_only(1, 1, 4, 4), 3).unwrap();
        let tokens = gaussian(2, 4, 3, EMBEDDINGS);
        let w = &stack.layers()[0];
        let [a, b] = [0, 1].map(|at| tokens.row(at).to_owned());
        let query = w.query.dot(&b);
        let score = |x: &Array1<f64>| query.dot(&w.key.dot(x)) / 2.0;
        let value = |x: &Array1<f64>| w.output.dot(&w.value.dot(x));
        for n in [1, 7, 60] {
            let rows: Vec<usize> = repeat_n(0, n).chain(once(1)).collect();
            let x = tokens.select(Dimension(0), &rows);
            let states = stack.hidden_states(&x, &Mask::causal(), &Run::default()).unwrap();
            let weight = 1.0 / (1.0 + n as f64 * (score(&a) - score(&b)).exp());
            let expected = value(&a) + (value(&b) - value(&a)) * weight;
            assert!(norm(&(&states[1].row(n) - &expected)) < 1e-12, "{n}");
        }
    }
}

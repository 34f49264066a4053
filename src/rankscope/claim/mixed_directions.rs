//! Claim: half the heads forward and half backward restore rank to bidirectional attention.

use super::prelude::*;
use crate::figure::{Series, SpectrumFigure};

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "mixed-directions",
        group: Group::Matrices,
        statement: "An encoder gains rank when half of its heads look forward only and half backward only.",
        source: "Su Jianlin, kexue.fm 9529 (2023), closing experiment; FAQ in kexue.fm 9547",
        exact: "A lower and an upper triangular head each have full rank in exact arithmetic, and so, for almost \
                all inputs, has their mean, and always their product. For almost all inputs bidirectional heads \
                have full rank too: what the directions change is the shape of the spectrum. At logits of 0 a \
                bidirectional head is the matrix of 1/n, of rank 1, and a causal one the Cesàro matrix.",
        reconsider: "Encoders trained with mixed directions: the source trained some on masked words, and that half of \
                     the claim is no part of this experiment. Trained heads are shown with their masks replaced.",
    },
    parameters: &[
        set("n", "positions", Integer(2, 2048), ["256"; 2]),
        set("head_sizes", "head sizes D", Integers(1, 1024), ["4,16,64", "2,4,8,16,32,64,128"]),
        set("scales", SCALES, Numbers(0.0, 100.0), ["0.1,1", "0.1,0.3,1,2,4"]),
        set("seeds", "draws", Integer(2, 1000), ["6", "40"]),
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        trained::TOKENS,
    ],
    decide,
};

const SCALES: &str =
    "factors on the logits after 1/√D: 0.1 is near-uniform attention, as small initial weights give";

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (scales, head_sizes) = (settings.numbers("scales")?, settings.integers("head_sizes")?);
    let of = |&scale: &f64| head_sizes.iter().map(move |&head_size| Place { head_size, scale });
    let places: Vec<Place> = scales.iter().flat_map(of).collect();
    let mut evidence = Evidence::new(settings);
    let n = settings.integer("n")?;
    let points = sweep(places.clone(), &settings.seeds("seeds")?, "mixed directions", run, |place, seed| {
        let spectra = combined(n, place, seed, settings.device(), run)?;
        let conditions = [0, 1].map(|which: usize| spectra[which].condition());
        let [log, log_both] = conditions.map(|found| found.map_or(f64::NAN, |c| c.value.log10()));
        let [bound, bound_both] =
            conditions.map(|found| f64::from(u8::from(found.is_some_and(|c| c.is_lower_bound))));
        let [mixed, both, after, after_both, causal, bidirectional] =
            spectra.each_ref().map(Spectrum::effective_rank);
        Ok([mixed, both, after, after_both, causal, bidirectional, log, log_both, bound, bound_both])
    })?;
    for point in &points {
        report(&mut evidence, n, point, *settings.device() == Device::Cpu);
    }
    // The smallest head with the smallest logits, and the largest head with the largest logits, where the sign may be
    // different.
    for place in [places.first(), places.last().filter(|_| places.len() > 1)].into_iter().flatten() {
        let spectra = combined(n, place, settings.seed()?, settings.device(), run)?;
        plot_spectra(&mut evidence, place, spectra);
    }
    plot_ranks(&mut evidence, &points);
    let models = trained::each(&mut evidence, settings, run, |subject| gains(subject, run))?;
    let places = |wanted| {
        let points = points.iter().filter(|point| outcome(&gain(point)) == wanted);
        let words: Vec<_> =
            points.map(|(at, _)| format!("scale {}, D = {}", at.scale, at.head_size)).collect();
        if words.is_empty() { "no point".to_owned() } else { words.join("; ") }
    };
    let because = format!(
        "The effective rank of the mean of two heads rises at {}; it falls at {}.",
        places(Outcome::Holds),
        places(Outcome::Opposite)
    );
    let floating = Floating::over(points.iter().map(|point| outcome(&gain(point))));
    let trained = trained(&mut evidence, &models);
    Ok((evidence, Verdict::of(None, Some((floating, because)), Some(trained))))
}

/// Spectra of two heads of one draw: their mean, the first causal and the second anti-causal, and both bidirectional;
/// then the same for their product, which is that of alternating layers with one head each and no skips; then the first
/// head alone, causal and bidirectional.
fn combined(n: usize, place: &Place, seed: u64, device: &Device, run: &Run) -> Result<[Spectrum; 6]> {
    let [first, second] = [seed, !seed].map(|seed| Draw::independent(n, place.head_size, seed));
    let weights = |head: &Draw, mask: Mask| head.weights(place.scale, &mask, device);
    let (lower, upper) = (weights(&first, Mask::causal())?, weights(&second, Mask::anti_causal())?);
    let [a, b] = [weights(&first, Mask::bidirectional())?, weights(&second, Mask::bidirectional())?];
    let spectrum = |matrix: &Array2<f64>| {
        run.check()?; // each takes a while
        Spectrum::of(matrix.view())
    };
    Ok([
        spectrum(&((&lower + &upper) / 2.0))?,
        spectrum(&((&a + &b) / 2.0))?,
        spectrum(&upper.dot(&lower))?,
        spectrum(&b.dot(&a))?,
        spectrum(&lower)?,
        spectrum(&a)?,
    ])
}

/// Effective ranks in the order of [`combined`], log₁₀ of the condition numbers of both means, and whether these are
/// lower bounds.
type Point = (Place, [Sample; 10]);

/// The gain of mixed directions in the effective rank of the mean, draw by draw.
fn gain((_, samples): &Point) -> Sample {
    samples[0].minus(&samples[1])
}

/// Whether a paired difference is above zero or below it by more than two standard errors.
fn outcome(gain: &Sample) -> Outcome {
    Outcome::compared(Ahead::of(gain).is_causal())
}

/// Reports one point. `has_conditions` tells whether there are condition numbers, which need entries in f64.
fn report(evidence: &mut Evidence, n: usize, point: &Point, has_conditions: bool) {
    let (place, [mixed, both, after, after_both, causal, bidirectional, logs @ .., bound, bound_both]) =
        point;
    let suffix = format!("scale{}_d{}", place.scale, place.head_size);
    let (at, gain) = (format!("at scale {}, D = {}", place.scale, place.head_size), gain(point));
    let lacking = if has_conditions { "" } else { "; condition numbers need entries in f64: cpu only" };
    let text = format!(
        "heads {at}: the mean of two has effective rank {mixed} of {n} with mixed directions, {both} bidirectional; \
         paired difference {gain} over {} draws (alone: causal {causal}, bidirectional {bidirectional}){lacking}",
        gain.count()
    );
    place.locate(evidence.weigh(gain.mean() > 0.0, text));
    evidence.record(format!("rank_mixed_{suffix}"), mixed);
    let measured = evidence.record(format!("rank_bidirectional_{suffix}"), both);
    if place.scale == 0.0 {
        measured.expect(1.0, 1e-6, "logits of 0: every weight is 1/n");
    }
    evidence.record(format!("gain_{suffix}"), &gain);
    evidence.record(format!("rank_causal_alone_{suffix}"), causal);
    evidence.record(format!("rank_bidirectional_alone_{suffix}"), bidirectional);
    let gain = after.minus(after_both);
    let text = format!(
        "layers {at}: anti-causal after causal leaves effective rank {after}, bidirectional after bidirectional \
         {after_both}; paired difference {gain}"
    );
    place.locate(evidence.weigh(gain.mean() > 0.0, text));
    evidence.record(format!("rank_layers_mixed_{suffix}"), after);
    evidence.record(format!("rank_layers_bidirectional_{suffix}"), after_both);
    evidence.record(format!("layers_gain_{suffix}"), &gain);
    if let ([mixed, both], true) = (logs, has_conditions) {
        let said = |log: &Sample, is_bound: &Sample| {
            let at_least = if is_bound.extremes().1 == 1.0 { "at least " } else { "" };
            format!("{at_least}{}", short(10f64.powf(log.mean())))
        };
        let text = format!(
            "heads {at}: condition number {} with mixed directions, {} bidirectional (geometric means)",
            said(mixed, bound),
            said(both, bound_both)
        );
        place.locate(evidence.weigh(mixed.mean() < both.mean(), text));
        evidence.record(format!("log10_condition_mixed_{suffix}"), mixed);
        evidence.record(format!("log10_condition_bidirectional_{suffix}"), both);
    }
}

fn plot_spectra(evidence: &mut Evidence, Place { head_size, scale }: &Place, spectra: [Spectrum; 6]) {
    let [mixed, both, _, _, causal, bidirectional] = spectra;
    let series = |name: &str, kind, spectrum| Series { name: name.into(), kind, spectrum };
    let series = vec![
        series("one causal + one anti-causal", Kind::Custom, mixed),
        series("two bidirectional", Kind::Bidirectional, both),
        series("a causal head alone", Kind::Causal, causal),
        series("a bidirectional head alone", Kind::Plain, bidirectional),
    ];
    let title = format!("Mean of two heads of size {head_size} at scale {scale}: singular values");
    let caption = format!(
        "Singular values of the mean of two heads of size {head_size} with logits of scale {scale}, one draw: one head \
         causal and one anti-causal, against both bidirectional; and one head of either kind alone."
    );
    let figure = SpectrumFigure { title, series, settings: evidence.settings() };
    evidence.show(format!("spectra-d{head_size}"), caption, figure);
}

/// Effective ranks of the means against the head size, two curves for each scale; for a single size there is no plot.
fn plot_ranks(evidence: &mut Evidence, points: &[Point]) {
    let mut curves = Vec::new();
    // With more than a few scales the legend would fill the figure.
    for ((scale, mixed), (_, both)) in by_scale(points, 0).zip(by_scale(points, 1)).take(3) {
        curves.push(curve(format!("mixed, scale {scale}"), Kind::Custom, mixed));
        curves.push(curve(format!("bidirectional, scale {scale}"), Kind::Bidirectional, both));
    }
    if curves.iter().all(|curve| curve.points.len() < 2) {
        return;
    }
    let caption = "Effective rank of the mean of two heads against the head size D, mean and standard deviation over the \
                   draws: one head causal and one anti-causal (mixed), or both bidirectional, at several scales of the \
                   logits.";
    let axes = [PlotAxis::log("head size D"), PlotAxis::linear("effective rank")];
    let figure = lines("Effective rank of two heads over the head size", axes, curves, Vec::new());
    evidence.plot("rank-over-head-size", caption, figure);
}

/// For each pair of heads of a layer and each text, the gain of mixed directions in the effective rank of their mean.
fn gains(subject: &Subject, run: &Run) -> Result<Heads<f64>> {
    let weights = |mask: Mask| subject.heads(&mask, run, |head| Ok(head.to_owned()));
    let (causal, anti) = (weights(Mask::causal())?, weights(Mask::anti_causal())?);
    let both = weights(Mask::bidirectional())?;
    let (heads, all) = (both.per_layer, both.heads.len());
    // The pairs of heads of one layer: 0 and 1, 2 and 3, …
    let firsts: Vec<usize> =
        (0..all).filter(|head| (head % heads).is_multiple_of(2) && head % heads + 1 < heads).collect();
    let gains = rank::many(&firsts, &format!("pairs of {}", both.name), run, |&head| {
        let rank = |first: &Array2<f64>, second: &Array2<f64>| {
            Ok(Spectrum::of(((first + second) / 2.0).view())?.effective_rank())
        };
        let gain = |text: usize| -> Result<f64> {
            let mixed = rank(&causal.heads[head][text], &anti.heads[head + 1][text])?;
            Ok(mixed - rank(&both.heads[head][text], &both.heads[head + 1][text])?)
        };
        (0..both.heads[head].len()).map(gain).collect::<Result<Vec<_>>>()
    })?;
    Ok(both.with(gains))
}

fn trained(evidence: &mut Evidence, models: &[Heads<f64>]) -> (Trained, String) {
    let count = |model: &Heads<f64>, wanted| {
        model.over(|gain| *gain).iter().filter(|gain| outcome(gain) == wanted).count()
    };
    let words = |model: &Heads<f64>| {
        format!(
            "in {} of {} pairs of heads of {} (trained {}), and lowers it in {}",
            count(model, Outcome::Holds),
            model.heads.len(),
            model.name,
            model.trained,
            count(model, Outcome::Opposite)
        )
    };
    let lead = "With the masks replaced, mixing raises the effective rank ";
    for model in models {
        let higher = count(model, Outcome::Holds);
        let text = format!("{lead}{}", words(model));
        evidence.weigh(higher == model.heads.len(), text).at("model", &*model.name);
        evidence.measure(model.measure("pairs"), model.heads.len() as f64, "pairs of heads");
        evidence.measure(model.measure("pairs_mixed_higher"), higher as f64, "pairs of heads");
        evidence.record(model.measure("gain"), &model.means(|gain| *gain));
    }
    let cases = models.iter().flat_map(|model| model.over(|gain| *gain));
    in_models(models, cases.map(|gain| Ahead::of(&gain).is_causal()), lead, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::trained::by_hand;

    #[test]
    fn every_word_about_trained_models_is_reached() {
        let ruling = |pairs: &[[f64; 2]]| {
            let pairs = pairs.iter().map(|texts| texts.to_vec()).collect();
            trained(&mut Evidence::default(), &by_hand(5, pairs)).0
        };
        let (higher, lower, unclear) = ([3.0, 2.0], [-3.0, -2.0], [1.0, -1.0]);
        assert_eq!(ruling(&[higher, higher]), Trained::InAll);
        assert_eq!(ruling(&[higher, lower]), Trained::InSome);
        assert_eq!(ruling(&[lower, unclear]), Trained::InNone);
        assert_eq!(ruling(&[unclear]), Trained::NotResolved);
        assert_eq!(ruling(&[]), Trained::NoModel);
    }

    /// Logits of 0: a bidirectional head is the matrix of 1/n; a causal and an anti-causal head are the Cesàro matrix
    /// and its mirror image, which are added (or multiplied).
    #[test]
    fn uniform_attention_is_the_extreme() {
        let n = 32;
        let place = Place { head_size: 5, scale: 0.0 };
        let found = combined(n, &place, 0, &Device::Cpu, &Run::default()).unwrap();
        let lower = Array2::from_shape_fn((n, n), |(i, j)| if j <= i { 1.0 / (i + 1) as f64 } else { 0.0 });
        let upper = Array2::from_shape_fn((n, n), |(i, j)| if j >= i { 1.0 / (n - i) as f64 } else { 0.0 });
        let effective = |x: &Array2<f64>| Spectrum::of(x.view()).unwrap().effective_rank();
        let mean = effective(&((&lower + &upper) / 2.0));
        let wanted = [mean, 1.0, effective(&upper.dot(&lower)), 1.0, effective(&lower), 1.0];
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found.effective_rank() - wanted).abs() < 1e-9);
        }
    }
}

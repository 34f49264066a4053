//! What the experiment measured, what was expected, and what speaks for and against.

use super::point::{Place, Point, tolerance};
use crate::claim::{Evidence, Sample};
use crate::device::Device;
use crate::error::Result;
use crate::rank::{Spectrum, Tolerance};

const THEORY: &str = "rank φ(Q)φ(K)ᵀ = min(D, n) for almost all inputs";
const REFERENCE: &str = "3 draws of this project's reference, at our spread";
const CONDITION: &str = "the same, whose mean condition number may be an arithmetic one";

/// At n = 512: D; effective rank bidirectional and causal; causal rank at f32's tolerance; log₁₀ of the causal
/// condition number; effective rank of softmax, bidirectional and causal, where known. Then half a unit of
/// the last digit that is given.
type Reference = (usize, [(f64, f64); 4], Option<[(f64, f64); 2]>);

const AT_512: [Reference; 3] = [
    (8, [(3.1, 0.05), (77.0, 0.5), (506.0, 0.5), (7.0, 0.3)], None),
    (16, [(4.1, 0.05), (77.0, 0.5), (506.0, 0.5), (5.95, 0.03)], Some([(194.7, 0.05), (185.0, 0.05)])),
    (64, [(6.4, 0.05), (73.0, 0.5), (512.0, 0.5), (3.95, 0.03)], Some([(300.9, 0.05), (217.6, 0.05)])),
];

/// The numbers of one place.
pub(super) fn measure(
    evidence: &mut Evidence,
    place: Place,
    points: &[Point],
    device: &Device,
) -> Result<()> {
    let mut sample = |name: &str, of: &dyn Fn(&Point) -> f64| {
        evidence.measure_sample(place.name(name), points.iter().map(of).collect::<Sample>(), "");
    };
    let zero = tolerance(device);
    let rank = |spectrum: &Spectrum| spectrum.numerical_rank(zero) as f64;
    sample("rank_bidirectional", &|p| rank(&p.bidirectional));
    sample("rank_causal", &|p| rank(&p.causal));
    sample("rank_f32_causal", &|p| p.causal.numerical_rank(Tolerance::F32) as f64);
    sample("rank_block", &|p| rank(&p.block));
    sample("rank_relu_bidirectional", &|p| rank(&p.relu_bidirectional));
    sample("rank_relu_causal", &|p| rank(&p.relu_causal));
    sample("relu_strangers", &|p| p.relu_strangers as f64);
    sample("rank_softmax_bidirectional", &|p| rank(&p.softmax_bidirectional));
    sample("effective_rank_bidirectional", &|p| p.bidirectional.effective_rank());
    sample("effective_rank_causal", &|p| p.causal.effective_rank());
    sample("effective_rank_softmax_bidirectional", &|p| p.softmax_bidirectional.effective_rank());
    sample("effective_rank_softmax_causal", &|p| p.softmax_causal.effective_rank());
    if *device == Device::Cpu {
        // Entries in f32 would say nothing about the smallest singular values.
        sample("log10_condition_causal", &|p| p.causal.condition().map_or(f64::NAN, |c| c.value.log10()));
        evidence.expect(place.name("rank_bidirectional"), place.bound() as f64, 0.0, THEORY);
        evidence.expect(place.name("rank_block"), place.block_bound() as f64, 0.0, THEORY);
    }
    match AT_512.iter().find(|(size, ..)| place == Place { n: 512, head_size: *size }) {
        Some(reference) => expect(evidence, place, reference, device),
        None => Ok(()),
    }
}

/// The reference's spread is not known: ours, over ours and its 3 draws, stands for it.
fn expect(
    evidence: &mut Evidence,
    place: Place,
    (_, linear, softmax): &Reference,
    device: &Device,
) -> Result<()> {
    let mut mean = |name: &str, (value, half_unit): (f64, f64), source| -> Result<()> {
        let name = place.name(name);
        let ours = evidence.sample(&name)?;
        let spread = 4.0 * ours.sd() * (1.0 / ours.count() as f64 + 1.0 / 3.0).sqrt();
        evidence.expect(name, value, spread + half_unit, source);
        Ok(())
    };
    mean("effective_rank_bidirectional", linear[0], REFERENCE)?;
    mean("effective_rank_causal", linear[1], REFERENCE)?;
    mean("rank_f32_causal", linear[2], REFERENCE)?;
    if *device == Device::Cpu {
        mean("log10_condition_causal", linear[3], CONDITION)?;
    }
    let Some([bidirectional, causal]) = *softmax else { return Ok(()) };
    mean("effective_rank_softmax_bidirectional", bidirectional, REFERENCE)?;
    mean("effective_rank_softmax_causal", causal, REFERENCE)
}

/// What the verdict is read off.
pub(super) fn totals(evidence: &mut Evidence, found: &[(Place, Vec<Point>)]) {
    let draws = || found.iter().flat_map(|(_, points)| points);
    let count = |test: fn(&Point) -> bool| draws().filter(|point| test(point)).count() as f64;
    evidence.measure("draws_in_all", draws().count() as f64, "");
    evidence.measure(
        "points_with_n_above_d",
        found.iter().filter(|(p, _)| p.n > p.head_size).count() as f64,
        "",
    );
    let excess = found.iter().map(|(place, _)| {
        let largest = |name: &str| {
            let sample = evidence.sample(&place.name(name)).ok().cloned().unwrap_or_default();
            sample.extremes().1 - place.bound() as f64
        };
        largest("rank_bidirectional").max(largest("rank_relu_bidirectional"))
    });
    let excess = excess.fold(f64::NEG_INFINITY, f64::max);
    evidence.measure("largest_excess_over_min_d_n", excess, "");
    evidence.measure("causal_not_full_draws", count(|point| !point.is_full), "");
    evidence.measure("relu_not_full_draws", count(|point| point.relu_strangers > 0), "");
}

/// One sentence for each head size and question, over all lengths.
pub(super) fn weigh(evidence: &mut Evidence, found: &[(Place, Vec<Point>)], device: &Device) -> Result<()> {
    let mut sizes: Vec<usize> = found.iter().map(|(place, _)| place.head_size).collect();
    sizes.dedup();
    for head_size in sizes {
        let at: Vec<&(Place, Vec<Point>)> =
            found.iter().filter(|(place, _)| place.head_size == head_size).collect();
        ranks(evidence, &at, device)?;
        shape(evidence, &at)?;
        blocks(evidence, &at)?;
        relu(evidence, &at)?;
    }
    Ok(())
}

/// The means of `name` at these places, with commas between.
fn means(evidence: &Evidence, at: &[&(Place, Vec<Point>)], name: &str) -> Result<String> {
    let all = at.iter().map(|(place, _)| Ok(in_short(evidence.value(&place.name(name))?)));
    Ok(all.collect::<Result<Vec<_>>>()?.join(", "))
}

fn in_short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { crate::numbers::short(value) }
}

/// "D = 8, n = 16, 64, 512".
fn whereabouts(at: &[&(Place, Vec<Point>)]) -> String {
    let lengths: Vec<_> = at.iter().map(|(place, _)| place.n.to_string()).collect();
    let size = at.first().map_or(0, |(place, _)| place.head_size);
    format!("D = {size}, n = {}", lengths.join(", "))
}

/// The two halves of the statement.
fn ranks(evidence: &mut Evidence, at: &[&(Place, Vec<Point>)], device: &Device) -> Result<()> {
    let bidirectional = means(evidence, at, "rank_bidirectional")?;
    let causal = means(evidence, at, "rank_causal")?;
    let softmax = means(evidence, at, "rank_softmax_bidirectional")?;
    let bounds: Vec<_> = at.iter().map(|(place, _)| place.bound().to_string()).collect();
    let zero = if *device == Device::Cpu { "f64" } else { "f32" };
    let within = at.iter().all(|(place, points)| {
        let largest = evidence.sample(&place.name("rank_bidirectional")).map(|ranks| ranks.extremes().1);
        largest.is_ok_and(|largest| largest <= place.bound() as f64) && points.iter().all(|p| p.is_full)
    });
    let text = format!(
        "{}: numerical rank ({zero} tolerance) {bidirectional} bidirectional, where the bound is {}, and {causal} \
         causal, full by theorem; softmax of the same draws, bidirectional: {softmax}",
        whereabouts(at),
        bounds.join(", ")
    );
    evidence.weigh(within, text);
    let slack: Vec<_> = at.iter().filter(|(place, _)| place.n <= place.head_size).copied().collect();
    if !slack.is_empty() {
        let text = format!("{}: the bound leaves room for full rank, bidirectional too", whereabouts(&slack));
        evidence.weigh(false, text);
    }
    Ok(())
}

/// How much of the full rank a spectrum's shape and f32 leave.
fn shape(evidence: &mut Evidence, at: &[&(Place, Vec<Point>)]) -> Result<()> {
    let Some((place, _)) = at.iter().max_by_key(|(place, _)| place.n) else { return Ok(()) };
    let sample = |name: &str| evidence.sample(&place.name(name)).cloned();
    let (bidirectional, causal) = (sample("effective_rank_bidirectional")?, sample("effective_rank_causal")?);
    let softmax = [sample("effective_rank_softmax_bidirectional")?, sample("effective_rank_softmax_causal")?];
    let (f32s, log) = (sample("rank_f32_causal")?, sample("log10_condition_causal").ok());
    let text = format!(
        "D = {}, n = {}: effective rank {bidirectional} bidirectional, {causal} causal (softmax: {} and {})",
        place.head_size, place.n, softmax[0], softmax[1]
    );
    evidence.weigh(causal.mean() > bidirectional.mean(), text);
    let condition = match log {
        Some(log) => format!("condition number 10^({log})"),
        None => "its condition number needs entries in f64, and is measured on the CPU alone".to_owned(),
    };
    let text = format!(
        "D = {}, n = {}: full by theorem, the causal matrix keeps rank {f32s} at the tolerance of f32; {condition}",
        place.head_size, place.n
    );
    evidence.weigh(f32s.extremes().0 >= place.n as f64, text);
    Ok(())
}

/// Full rank of the whole is no rank of what passes from the earlier half to the later one.
fn blocks(evidence: &mut Evidence, at: &[&(Place, Vec<Point>)]) -> Result<()> {
    let binding: Vec<_> = at.iter().filter(|(place, _)| place.head_size < place.n / 2).copied().collect();
    if binding.is_empty() {
        return Ok(());
    }
    let ranks = means(evidence, &binding, "rank_block")?;
    let above = binding.iter().any(|(place, _)| {
        evidence.value(&place.name("rank_block")).is_ok_and(|rank| rank > place.block_bound() as f64)
    });
    let text = format!(
        "{}: causal too, what passes from the earlier to the later half of the tokens has rank {ranks}: the full \
         rank sits near the diagonal",
        whereabouts(&binding)
    );
    evidence.weigh(above, text);
    Ok(())
}

/// The feature map with zeros.
fn relu(evidence: &mut Evidence, at: &[&(Place, Vec<Point>)]) -> Result<()> {
    let strangers: usize = at.iter().flat_map(|(_, points)| points).map(|point| point.relu_strangers).sum();
    let text = format!(
        "{}, relu: tokens that share no feature with themselves, mean {}; numerical rank {} causal, {} bidirectional",
        whereabouts(at),
        means(evidence, at, "relu_strangers")?,
        means(evidence, at, "rank_relu_causal")?,
        means(evidence, at, "rank_relu_bidirectional")?
    );
    evidence.weigh(strangers == 0, text);
    Ok(())
}

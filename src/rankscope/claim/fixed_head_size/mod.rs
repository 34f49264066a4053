//! Claim: decoupling the head size from the width removes the bottleneck.

mod fits;
mod quoted;
mod strict;

use super::head_size_bottleneck::{FLOOR, LOGITS, STARTS, TOLERANCE, fitting, least_head};
use super::prelude::*;
use crate::attention::{FixedMultiHead, MultiHead, Visibility};
use crate::axis::Axis;
use crate::express::{self, Fitting, Target};
use crate::mask::Positions;
use crate::probe::Unobserved;
use crate::tensor::Tensor;
use fits::{Fits, Row};
use quoted::quoted;
use strict::imitations;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "fixed-head-size",
        group: Group::Matrices,
        statement: "Choosing the head size freely, instead of width / heads, removes the bottleneck of many heads.",
        source: "Bhojanapalli et al. 2020 (arXiv 2002.07028), Theorem 2 and Tables 1 and 2",
        exact: "A layer with heads of size D costs 4·C·H·D parameters, 4·C² under the usual rule D = C/H. With \
                D at least C/H it can compute all that the usual layer can, and more where D is larger. A head \
                reaches almost every pattern of n positions from D = n − 1 on (width at least n); at equal \
                parameters and equal width, larger heads only means fewer.",
        reconsider: "Trained layers at equal parameters instead of fitted patterns, with enough runs to tell the \
                     size of the head from the size of the layer.",
    },
    parameters: &[
        set("n", "positions of the patterns", Integer(3, 24), ["8", "12"]),
        set("mask", "who may attend to whom in the patterns", Word(&MASKS), ["bidirectional"; 2]),
        set("width", "width C of the usual layer", Integer(2, 64), ["16", "24"]),
        set("heads", "heads H; each a divisor of the width", Integers(1, 64), ["1,2,4,8"; 2]),
        set("narrow", NARROW, Integer(1, 64), ["8", "12"]),
        set("head_size", HEAD_SIZE, Integer(1, 64), ["7", "11"]),
        set("scale", LOGITS, Number(0.1, 5.0), ["2"; 2]),
        TOLERANCE,
        STARTS,
        set("seeds", "patterns", Integer(2, 100), ["6", "12"]),
    ],
    decide,
};

const MASKS: [&str; 2] = ["bidirectional", "causal"];
const NARROW: &str = "width of the decoupled layer with the parameters of the usual one";
const HEAD_SIZE: &str = "fixed head size D of the decoupled layer at full width";

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let plan = Comparison::new(settings)?;
    let mut evidence = Evidence::new(settings);
    containment(&mut evidence, settings, &plan, run)?;
    let fits = Fits::new(settings, &plan, run)?;
    let exact = exact(&mut evidence, &fits)?;
    let rows = fits.rows()?;
    report(&mut evidence, &plan, &rows)?;
    narrow_embedding(&mut evidence, &fits)?;
    imitations(&mut evidence, settings, run)?;
    quoted(&mut evidence)?;
    let (n, outcomes) = (plan.n, rows.iter().flat_map(|row| row.outcomes(plan.tolerance)));
    let bottlenecks = rows.iter().filter(|row| row.is_bottleneck(plan.tolerance));
    let words: Vec<String> = bottlenecks.map(|row| row.in_words(plan.tolerance)).collect();
    let because = match words[..] {
        [] => {
            format!("Nothing to remove: heads of the usual size reach every drawn pattern of {n} positions.")
        }
        _ => format!("Best fits of one head to drawn patterns of {n} positions. {}.", words.join(". ")),
    };
    Ok((evidence, Verdict::of(Some(exact), Some((Floating::over(outcomes), because)), None)))
}

/// The layers to compare, for each number of heads.
struct Comparison {
    n: usize,
    mask: Mask,
    /// The divergence in nats below which a pattern counts as reached.
    tolerance: f64,
    layers: Vec<Layers>,
}

/// Three layers with the same number of heads.
#[derive(Clone, Copy)]
struct Layers {
    /// D = C/H.
    usual: FixedMultiHead,
    /// A smaller width, and a D with which it has as many parameters as the usual layer.
    equal: FixedMultiHead,
    /// The usual width, and the fixed head size.
    fixed: FixedMultiHead,
}

impl Comparison {
    /// An error where heads, widths and parameters do not fit each other.
    fn new(settings: &Settings) -> Result<Self> {
        let (width, narrow) = (settings.integer("width")?, settings.integer("narrow")?);
        if narrow > width {
            return Err(Error::invalid("narrow", narrow, format!("at most the width {width}")));
        }
        let (head_size, budget) = (settings.integer("head_size")?, width * width);
        let layers = |heads: usize| {
            let usual = FixedMultiHead::standard(width, heads)?;
            if !budget.is_multiple_of(narrow * heads) {
                let expected = format!("a divisor of width² / heads = {budget} / {heads}");
                return Err(Error::invalid("narrow", narrow, expected));
            }
            let equal = FixedMultiHead::new(narrow, heads, budget / (narrow * heads))?;
            Ok(Layers { usual, equal, fixed: FixedMultiHead::new(width, heads, head_size)? })
        };
        let mask = if settings.text("mask")? == "causal" { Mask::causal() } else { Mask::bidirectional() };
        let layers = settings.ascending("heads")?.into_iter().map(layers).collect::<Result<Vec<_>>>()?;
        Ok(Comparison { n: settings.integer("n")?, mask, tolerance: settings.number("tolerance")?, layers })
    }

    /// The layers with the most heads.
    fn most(&self) -> Layers {
        *self.layers.last().expect("a list of numbers has one")
    }
}

impl Layers {
    /// The parameters of the layer with the fixed head size, as a multiple of the usual layer's.
    fn cost(&self) -> f64 {
        self.fixed.parameter_count() as f64 / self.usual.parameter_count() as f64
    }
}

/// Puts a seeded usual layer into one with larger heads, and compares the outputs of both on the device.
fn containment(evidence: &mut Evidence, settings: &Settings, plan: &Comparison, run: &Run) -> Result<()> {
    let (most, seed) = (plan.most(), settings.seed()?);
    let (width, heads, small) = (most.usual.width(), most.usual.heads(), most.usual.head_size());
    let (layer, size) = (most.usual.seeded(seed)?, most.fixed.head_size().max(small));
    let larger = FixedMultiHead::new(width, heads, size)?.containing(&layer)?;
    let values = gaussian(plan.n, width, seed, 3).iter().map(|&value| value as f32).collect();
    let x = Tensor::new([(Axis::Batch, 1), (Axis::Query, plan.n), (Axis::Width, width)], values)?;
    let forward = |layer: &MultiHead| -> Result<Vec<f32>> {
        let (layer, x) = (layer.to_device(settings.device())?, x.to_device(settings.device())?);
        let at = Positions::suffix(plan.n, plan.n)?;
        let visibility = Visibility { mask: &plan.mask, at, padding: None };
        layer.forward(&x, &x, None, visibility, &mut Unobserved, run)?.to_vec()
    };
    let (ours, theirs) = (forward(&larger)?, forward(&layer)?);
    let size_of = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0f32, |most, x| most.max(x.abs()));
    let difference = size_of(&mut ours.iter().zip(&theirs).map(|(a, b)| a - b));
    let error = f64::from(difference) / f64::from(size_of(&mut theirs.iter().copied()));
    let measured = evidence.measure("containment_error", error, "of the largest output");
    measured.expect(0.0, 1e-4, "zeros beside the weights change nothing, in f32");
    let text = format!(
        "{heads} heads of {small} filled up with zeros to size {size} compute the same outputs within {} of the largest",
        short(error)
    );
    evidence.weigh(error < 1e-4, text);
    Ok(())
}

/// Whether the fixed head size reaches every pattern by the theorem, which is checked by constructing heads; or whether
/// a larger size is needed, which a determinant certifies.
fn exact(evidence: &mut Evidence, fits: &Fits) -> Result<(Exact, String)> {
    let (n, layers) = (fits.plan.n, fits.plan.most());
    let (size, width) = (layers.fixed.head_size(), layers.fixed.width());
    if size + 1 >= n && width >= n {
        let error =
            |(target, x): (&Target, Array2<f64>)| Ok(express::represent_centred(target, &x, size)?.max_error);
        let errors = fits.cases(width).into_iter().map(error).collect::<Result<Vec<f64>>>()?;
        let error = errors.into_iter().fold(0.0, f64::max);
        let measured = evidence.measure("built_error", error, "");
        measured.expect(0.0, 1e-9, "n − 1 logits a row, up to rounding times the condition of X");
        let because = format!(
            "A head reaches every pattern of {n} positions from size n − 1 = {} on, on a width of n or more, and {size} on \
             {width} are enough, however many heads there are (built: largest error {}). It costs {} times the \
             parameters of the usual rule at {} heads.",
            n - 1,
            short(error),
            short(layers.cost()),
            layers.fixed.heads()
        );
        return Ok((Exact::Proved, because));
    }
    for target in &fits.targets {
        if let Some(least) = least_head(target, &fits.run)?.filter(|&least| least > size.min(width)) {
            let because = format!(
                "A drawn pattern of {n} positions needs a head of {least} at least, certified by a determinant, and the \
                 free head size is {size} on a width of {width}."
            );
            return Ok((Exact::Refuted, because));
        }
    }
    let because = format!(
        "Heads of {size} on a width of {width} are neither known to reach every pattern of {n} positions under this mask, \
         nor known not to."
    );
    Ok((Exact::Open, because))
}

fn report(evidence: &mut Evidence, plan: &Comparison, rows: &[Row]) -> Result<()> {
    for Row { layers: Layers { usual, equal, fixed }, usual: usual_kl, equal: equal_kl, .. } in rows {
        let heads = usual.heads();
        evidence.measure_sample(format!("kl_standard_h{heads}"), usual_kl.clone(), "nats");
        evidence.measure_sample(format!("kl_equal_budget_h{heads}"), equal_kl.clone(), "nats");
        for (name, layer) in [("standard", usual), ("equal_budget", equal), ("fixed", fixed)] {
            let count = layer.seeded(0)?.parameter_count() as f64; // counted from the tensors
            let measured = evidence.measure(format!("parameters_{name}_h{heads}"), count, "parameters");
            if name != "fixed" {
                measured.expect(4.0 * (usual.width() * usual.width()) as f64, 0.5, "4·C²");
            }
        }
    }
    let (first, last, most) = (&rows[0], &rows[rows.len() - 1], plan.most());
    let (n, heads, size) = (plan.n, most.usual.heads(), most.fixed.head_size());
    let threshold = if plan.mask.may_attend(0, 1) { n - 1 } else { n / 2 };
    let measured = evidence.measure_sample("kl_fixed", last.fixed.clone(), "nats");
    if size >= threshold && most.fixed.width() >= n {
        measured.expect(0.0, plan.tolerance, "the threshold of the head size");
    }
    evidence.measure("cost_of_fixed", most.cost(), "times");
    let of = |layer: FixedMultiHead| format!("{} on a width of {}", layer.head_size(), layer.width());
    let text = format!(
        "width {}, the usual rule: with {} heads of {}, one stays {} nats from a drawn pattern of {n} positions; with \
         {heads} of {}, {} (fits in f64 on the CPU)",
        most.usual.width(),
        first.layers.usual.heads(),
        first.layers.usual.head_size(),
        short(first.usual.mean()),
        most.usual.head_size(),
        last.usual
    );
    let is_worse = last.usual.mean() > plan.tolerance && first.usual.mean() < last.usual.mean();
    evidence.weigh(is_worse, text).at("head_size", most.usual.head_size());
    let (away, cost) = (short(last.fixed.mean()), short(most.cost()));
    let text = format!("a head of fixed size {size} stays {away} nats away, however many there are");
    evidence.weigh(last.fixed.mean() < last.usual.mean(), text).at("head_size", size);
    let text = format!("{heads} heads of that size on the same width cost {cost} times the parameters");
    evidence.weigh(most.cost() <= 1.0, text);
    let gain = last.usual.minus(&last.equal);
    let text = format!(
        "at equal parameters, one of {heads} heads of {} stays {} nats away, one of {heads} of {} {}",
        of(most.equal),
        last.equal,
        of(most.usual),
        last.usual
    );
    evidence.weigh(gain.mean() > 2.0 * gain.standard_error(), text).at("head_size", most.equal.head_size());
    if last.equal.mean() > plan.tolerance {
        evidence.weigh(false, format!("so at equal parameters the bottleneck stays at {heads} heads"));
    }
    let of = |name: String, kl: fn(&Row) -> &Sample| {
        let point = |row: &Row| (row.layers.usual.heads() as f64, kl(row).mean().max(FLOOR));
        Curve::new(name, Kind::Plain, rows.iter().map(point))
    };
    let (width, narrow) = (most.usual.width(), most.equal.width());
    let curves = vec![
        of(format!("C = {width}, D = {width}/H"), |row| &row.usual),
        of(format!("C = {narrow}, D = {}/H: as many parameters", width * width / narrow), |row| &row.equal),
        of(format!("C = {width}, D = {size}: more parameters"), |row| &row.fixed),
    ];
    let caption = format!(
        "How far the best head stays from a drawn pattern of {n} positions over the number of heads: with the usual head \
         size, with as many parameters on a narrower width, and with a fixed head size. What lies below 1e-17 nats is \
         drawn there."
    );
    let axes = [PlotAxis::log("heads H"), PlotAxis::log("KL to the pattern, nats")];
    let references = vec![Reference::level("counts as reached", plan.tolerance)];
    let title = "Divergence of the best heads from drawn patterns";
    evidence.plot("kl-over-heads", caption, lines(title, axes, curves, references));
    Ok(())
}

/// The divergence that remains when the width is smaller than the sequence, for a head of any size.
fn narrow_embedding(evidence: &mut Evidence, fits: &Fits) -> Result<()> {
    let (n, width) = (fits.plan.n, (fits.plan.n / 2).max(1));
    let kl = fits.kl(FixedMultiHead::new(width, 1, n)?)?;
    let text = format!(
        "a head of size {n} on drawn embeddings of width {width} stays {kl} nats away: a small width is a bottleneck of \
         its own, and decoupling does not remove it"
    );
    evidence.weigh(kl.mean() <= fits.plan.tolerance, text).at("head_size", n).at("width", width);
    evidence.measure_sample("kl_narrow_embedding", kl, "nats");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The differences that the paper's tables imply, to a tenth of a million, and the direction of each comparison in
    /// its text.
    #[test]
    fn the_papers_parameters_follow_from_the_formula() {
        let mut evidence = Evidence::default();
        quoted(&mut evidence).unwrap();
        let known = [("8_to_16_heads", 50.3), ("8_to_32_heads", 151.0), ("head_size_32_to_64", 12.6)];
        for (name, millions) in known {
            let got = evidence.value(&format!("added_parameters_{name}_millions")).unwrap();
            assert!((got - millions).abs() < 0.05, "{name}: {got}");
        }
        assert_eq!(evidence.disagreements().count(), 0);
        let sides: Vec<bool> = evidence.findings().iter().map(|finding| finding.supports).collect();
        assert_eq!(sides, [true, true, false, false, false]);
    }
}

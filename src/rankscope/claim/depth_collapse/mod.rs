//! Claim: pure attention loses rank doubly exponentially with depth.

mod checkpoints;
mod rates;
mod residuals;
mod theorem;

use super::prelude::*;
use crate::model::stack::{Architecture, NormPlace, Stack};
use crate::rank::{EPSILON_F32, one_infinity_norm, residual, residual_ratio};
use rates::{HIGH, orders, rates};
use residuals::{Fall, Residual, axes, plot, report, residuals};

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "depth-collapse",
        group: Group::Mechanisms,
        statement: "Pure attention loses rank doubly exponentially with depth.",
        source: "Dong, Cordonnier & Loukas 2021 (arXiv 2103.03404), theorems 2.2 and 2.3; taken up by the popular \
                 account as evidence that a small head keeps the attention matrix from full rank",
        exact: "What tends to rank 1 is the hidden state, whose rows (tokens) become one; the attention weights \
                themselves may all be of full rank, and heads may be as large as the sequence. L layers of H heads \
                take ‖res(X)‖ to at most (4γβH/√D)^((3^L − 1)/2) · ‖res(X)‖^(3^L), with β from the weights and γ \
                from the entries of the attention matrices (its value is not established here). The bound falls with \
                depth only where 4γβH/√D · ‖res(X)‖² < 1; there are larger weights that never collapse, and with skips \
                there are such weights of any size.",
        reconsider: "Weights that keep attention sharp although tokens are close, or masks under which all \
                     tokens see the same keys.",
    },
    parameters: &[
        set("n", "tokens", Integer(4, 128), ["32"; 2]),
        set("width", "width C of the stacks", Integer(8, 256), ["64"; 2]),
        set("heads", "heads H, a divisor of the width; D = C / H", Integer(1, 32), ["4"; 2]),
        set("layers", "layers L of the table", Integer(4, 48), ["12"; 2]),
        set("seeds", "draws of every stack", Integer(2, 200), ["8", "40"]),
        set("rate_seeds", RATE_SEEDS, Integer(2, 1000), ["64", "400"]),
        set("window_rate", "whether the window's rate is measured", Word(&["no", "yes"]), ["no", "yes"]),
        trained::MODELS,
        trained::LARGEST,
        set("text", "what the trained models read", Text, [TEXT; 2]),
    ],
    decide: |settings, run| {
        let sizes = NetSizes::read(settings)?;
        let masks = [
            ("bidirectional", Mask::bidirectional()),
            ("causal", Mask::causal()),
            ("prefix", Mask::prefix(sizes.n / 2)),
            ("window", Mask::window(4)?),
        ];
        decide(&sizes, &masks, settings, run)
    },
};

const RATE_SEEDS: &str = "draws for the rates over layers 20 to 40 (causal) and 40 to 60 (window)";
const TEXT: &str = "Once upon a time there was a little girl who lived in a house near the forest. Every \
                    morning she walked to the river with her dog and looked for stones that were round and \
                    smooth. One day she found a small green bottle with a letter inside. She could not read \
                    it, so she ran home and asked her mother what it said.";

/// The sizes that all stacks of an experiment share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetSizes {
    /// n, the number of tokens.
    pub n: usize,
    /// C.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// L.
    pub layers: usize,
}

/// The random stream of the input, beyond the streams of all weights.
const INPUT: u64 = 1 << 32;

impl NetSizes {
    /// The settings, checked against each other.
    pub(in crate::claim) fn read(settings: &Settings) -> Result<Self> {
        let (width, heads) = settings.width_and_heads()?;
        Ok(NetSizes { n: settings.integer("n")?, width, heads, layers: settings.integer("layers")? })
    }

    /// Pure attention of these sizes, with D = C / H.
    pub fn pure(&self) -> Architecture {
        Architecture::attention_only(self.layers, self.heads, self.width / self.heads, self.width)
    }

    /// These sizes with another number of layers.
    fn deep(&self, layers: usize) -> Self {
        NetSizes { layers, ..*self }
    }

    /// Standard normal tokens, `[n, C]`.
    pub fn input(&self, seed: u64) -> Array2<f64> {
        gaussian(self.n, self.width, seed, INPUT)
    }

    /// The residual ratio below which f64 cannot tell it from 0.
    pub fn floor(&self) -> f64 {
        self.n.max(self.width) as f64 * f64::EPSILON
    }
}

/// A mask with its name in measurements.
type Masked = (&'static str, Mask);

/// Self-attention networks (SAN), from pure attention to whole transformers: the name in measurements, the name in
/// sentences, and the parts that are added to pure attention.
type Net = (&'static str, &'static str, fn(Architecture) -> Architecture);

const NETS: [Net; 8] = [
    ("san", "pure attention", |a| a),
    ("san_post_ln", "attention and layer norm after it", |a| a.with_norm(NormPlace::After)),
    ("san_pre_ln", "attention and layer norm before it", |a| a.with_norm(NormPlace::Before)),
    ("san_mlp", "attention and MLP", with_mlp),
    ("san_skip", "attention with a skip", Architecture::with_skip),
    ("san_skip_mlp", "attention and MLP with skips", |a| with_mlp(a.with_skip())),
    ("post_ln", "post-LN transformer", |a| with_mlp(a.with_skip().with_norm(NormPlace::After))),
    ("pre_ln", "pre-LN transformer", pre_ln),
];

/// F = 4·C.
fn with_mlp(architecture: Architecture) -> Architecture {
    architecture.with_feed_forward(4 * architecture.width)
}

/// A pre-LN transformer: attention and MLP, each with a skip around it and a norm before it.
pub(super) fn pre_ln(attention: Architecture) -> Architecture {
    with_mlp(attention.with_skip().with_norm(NormPlace::Before))
}

/// ‖res(X)‖.
fn norm(x: &Array2<f64>) -> f64 {
    one_infinity_norm(residual(x.view()).view())
}

/// log₁₀ of ‖res(X)‖ / ‖X‖; a ratio below ε, which rounding hides, counts as ε.
pub(super) fn log_ratio(ratio: f64) -> f64 {
    ratio.max(f64::EPSILON).log10()
}

/// log₁₀ of [`residual_ratio`] of the input `x` and after every layer of `stack`; a ratio below ε counts as ε.
///
/// **Shapes**: x `[n, C]`; the result has L + 1 numbers.
///
/// # Errors
/// As [`Stack::hidden_states`].
pub fn log_residuals(stack: &Stack, x: &Array2<f64>, mask: &Mask, run: &Run) -> Result<Vec<f64>> {
    let states = stack.hidden_states(x, mask, run)?;
    Ok(states.iter().map(|x| log_ratio(residual_ratio(x.view()))).collect())
}

/// The experiment under these masks.
fn decide(sizes: &NetSizes, masks: &[Masked], settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let (mut evidence, seeds) = (Evidence::new(settings), settings.seeds("seeds")?);
    // First the errors that are found quickly, such as a missing model.
    let models = checkpoints::measure(&mut evidence, settings, run)?;
    let exact = opposites(&mut evidence, 2.0)?;
    let residuals = residuals(sizes, masks, &seeds, run)?;
    let with_skips = residuals.iter().filter(|at| at.net.2(sizes.pure()).skip);
    let left_with_skips = with_skips.map(Residual::left).fold(f64::INFINITY, f64::min);
    report(&mut evidence, sizes, &residuals);
    evidence.measure("ratio_left_with_skips", left_with_skips, "");
    let orders = orders(&mut evidence, sizes, masks, &seeds, run)?;
    let rate = rates(&mut evidence, sizes, settings, run)?;
    theorem::single_head(&mut evidence, &seeds, run)?;
    theorem::bounds(&mut evidence, sizes, &seeds, run)?;
    theorem::paths(&mut evidence, sizes, &seeds, run)?;
    if settings.device().is_gpu() {
        on_device(&mut evidence, sizes, masks, settings, run)?;
    }
    plot(&mut evidence, sizes, &residuals);
    let trained = checkpoints::report(&mut evidence, &models);
    let pure = || residuals.iter().filter(|at| at.net.0 == "san");
    let words = pure().map(|at| format!("{} ({})", at.fall(sizes).in_words(at.left()), at.mask));
    let [rate, left_with_skips] = [-rate, left_with_skips].map(short);
    let because = format!(
        "{} layers of pure attention of drawn weights leave of ‖res(X)‖ / ‖X‖: {}. Once tokens are close, causal \
         attention takes {rate} decades a layer; with skips, {left_with_skips} or more is left.",
        sizes.layers,
        words.collect::<Vec<_>>().join("; ")
    );
    // Where one layer is of high order and the residual is not yet at the floor, the question stays open.
    let outcomes = pure().zip(&orders).map(|(at, order)| {
        let fall = at.fall(sizes);
        match fall.is_doubly_exponential() {
            Some(true) => Outcome::Holds,
            Some(false) if fall.reached.is_some() || *order <= HIGH => Outcome::Fails,
            _ => Outcome::Unclear,
        }
    });
    let floating = (Floating::over(outcomes), because);
    Ok((evidence, Verdict::of(Some(exact), Some(floating), Some(trained))))
}

/// The number of layers of the example.
const EXAMPLE_LAYERS: usize = 12;

/// Two opposite tokens, 1 and −1, under one bidirectional head of size 1 with W_qᵀ·W_k = 1 and w = W_vᵀ·W_oᵀ in every
/// layer: weights of pure bidirectional attention that never collapse.
///
/// A layer takes ±x to ±w·tanh(x²)·x: the tokens stay opposite, ‖res(X)‖ = ‖X‖, and for w = 2 each layer takes them
/// further apart, as 2·tanh(1) > 1.5. It is a counterexample if every layer adds at least a tenth, far more than
/// rounding.
fn opposites(evidence: &mut Evidence, w: f64) -> Result<(Exact, String)> {
    let mut x = ndarray::array![[1.0], [-1.0]];
    let mut residuals = vec![norm(&x)];
    for _ in 0..EXAMPLE_LAYERS {
        x = attention_weights(&x, &x, 1.0, &Mask::bidirectional(), &Device::Cpu)?.dot(&x) * w;
        residuals.push(norm(&x));
    }
    let (first, last) = (residuals[0], residuals[EXAMPLE_LAYERS]);
    evidence.measure("opposite_tokens_res_growth", last / first, "");
    let [first, last] = [first, last].map(short);
    let example = format!(
        "two tokens, 1 and -1, under one bidirectional head with W_QK = 1 and W_VO = {w} stay opposite, and ‖res(X)‖ = \
         ‖X‖ goes from {first} to {last} in {EXAMPLE_LAYERS} layers"
    );
    evidence.weigh(false, example.clone());
    if !residuals.windows(2).all(|pair| pair[1] > 1.1 * pair[0]) {
        return Ok((Exact::Open, "The example of two opposite tokens loses rank too.".to_owned()));
    }
    let because = format!(
        "For some weights the opposite is true: {example}. The theorem's bound falls with depth only where 4γβH/√D · \
         ‖res(X)‖² < 1."
    );
    Ok((Exact::Refuted, because))
}

/// The same stacks in f32 on a device, down to the floor of f32, for the first seed. The verdict rests on f64 in any
/// case.
fn on_device(
    e: &mut Evidence,
    sizes: &NetSizes,
    masks: &[Masked],
    settings: &Settings,
    run: &Run,
) -> Result<()> {
    let floor = log_ratio(10.0 * sizes.n.max(sizes.width) as f64 * EPSILON_F32);
    let (seed, mut points, mut largest) = (settings.seed()?, 0, 0.0f64);
    for (done, (.., build)) in NETS.iter().enumerate() {
        let stack = Stack::new(build(sizes.pure()), seed)?;
        let on_device = stack.to_device(settings.device())?;
        for (_, mask) in masks {
            let exact = stack.hidden_states(&sizes.input(seed), mask, run)?;
            let states = on_device.hidden_states(&[sizes.input(seed)], mask, run)?.remove(0);
            for (exact, state) in exact.iter().zip(&states) {
                let [exact, state] = [exact, state].map(|x| log_ratio(residual_ratio(x.view())));
                if exact > floor {
                    (points, largest) = (points + 1, largest.max((exact - state).abs()));
                }
            }
        }
        run.step("f32 on the device", done + 1, NETS.len())?;
    }
    e.measure("f32_points_above_floor", f64::from(points), "");
    // At ten times the floor, rounding is at most a tenth of the ratio.
    let largest = e.measure("f32_largest_log10_difference", largest, "");
    largest.expect(0.0, 0.05, "the same stacks in f64 on the CPU");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::rates::{slope, slopes};
    use super::*;
    use crate::claim::tests::settings;

    /// Other masks and numbers of layers replace those of the claim.
    #[test]
    fn every_word_in_floating_point_is_reached() {
        let ruling = |masks: &[&Mask], layers: usize| {
            let sizes = NetSizes { n: 11, width: 24, heads: 3, layers };
            let masks: Vec<Masked> = masks.iter().map(|&mask| ("mask", mask.clone())).collect();
            let settings = settings("depth-collapse", &[("layers", "7")]);
            let (_, verdict) = decide(&sizes, &masks, &settings, &Run::default()).unwrap();
            verdict.floating_point.unwrap().ruling
        };
        let (both, causal, window) = (Mask::bidirectional(), Mask::causal(), Mask::window(4).unwrap());
        assert_eq!(ruling(&[&both], 6), Floating::Everywhere);
        assert_eq!(ruling(&[&both, &causal], 6), Floating::InOneRegion);
        assert_eq!(ruling(&[&causal, &window], 6), Floating::Nowhere);
        // Of third order, and not yet at the floor.
        assert_eq!(ruling(&[&both], 2), Floating::NotResolved);
    }

    #[test]
    fn the_example_has_its_first_layer_by_hand_and_reaches_both_words() {
        let x = ndarray::array![[1.0], [-1.0]];
        let weights = attention_weights(&x, &x, 1.0, &Mask::bidirectional(), &Device::Cpu).unwrap();
        assert!((norm(&(weights.dot(&x) * 2.0)) / norm(&x) - 2.0 * 1f64.tanh()).abs() < 1e-14);
        let mut evidence = Evidence::default();
        let (ruling, because) = opposites(&mut evidence, 2.0).unwrap();
        assert_eq!(ruling, Exact::Refuted);
        let example = "W_VO = 2 stay opposite, and ‖res(X)‖ = ‖X‖ goes from 1.41 to";
        assert!(because.contains(example), "{because}");
        assert_eq!(opposites(&mut evidence, 1.0).unwrap().0, Exact::Open);
    }

    #[test]
    fn causal_attention_halves_the_residual_a_layer() {
        let sizes = NetSizes { n: 24, width: 48, heads: 4, layers: 4 };
        let seeds: Vec<u64> = (0..16).collect();
        let slope = slopes(&sizes, &Mask::causal(), (20, 40), &seeds, &Run::default()).unwrap();
        // Four standard errors, by the standard deviation 0.0122 that numpy finds at a similar size.
        assert!((slope.mean() - 0.5f64.log10()).abs() < 4.0 * 0.0122 / 4.0, "{slope}");
    }

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let line: Vec<_> = (3..9).map(|x| (f64::from(x), 2.0 - 0.25 * f64::from(x))).collect();
        assert!((slope(&line) + 0.25).abs() < 1e-14);
        assert!(slope(&line[..2]).is_nan());
    }
}

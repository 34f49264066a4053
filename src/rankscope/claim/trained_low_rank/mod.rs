//! Claim: trained attention is of low rank.
//!
//! The three meanings of rank are three arenas: the exact rank, which the mask decides; the numerical rank that
//! f32 finds; the effective rank, which training shapes.

mod heads;
mod pictures;
#[cfg(test)]
mod tests;

use super::trained::{self, Subject, plain};
use super::{
    About, Allowed, Evidence, Exact, Experiment, Floating, Outcome, Parameter, Sample, Settings, Trained,
    Verdict,
};
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::run::Run;

use heads::{Head, Reading};

/// See the module.
pub struct TrainedLowRank;

const ABOUT: About = About {
    id: "trained-low-rank",
    statement: "Trained attention is of low rank.",
    source: "The popular account, and the low-rank assumption of efficient attention, as in Linformer (Wang et al. \
             2020), as commonly cited",
    exact: "Exact rank is a matter of the mask: causal weights are triangular with a positive diagonal, so of \
            full rank, however a head is trained; bidirectional ones are for almost all inputs. What training \
            decides is the shape of the spectrum (effective rank) and how much of it f32 can tell from zero \
            (numerical rank).",
    reconsider: "Larger models, longer texts, another threshold. Weights under a transplanted mask were trained \
                 under the other one: they tell what the mask does to these heads, not what training under it \
                 would give.",
};

const PARAMETERS: &[Parameter] = &[
    trained::MODELS,
    trained::LARGEST,
    trained::TEXTS_FILE,
    Parameter {
        name: "n",
        summary: "tokens of each text",
        allowed: Allowed::Integer(2, 1024),
        quick: "64",
        full: "128",
    },
    Parameter {
        name: "threshold",
        summary: "a head is of low rank below this share of n",
        allowed: Allowed::Number(0.0, 1.0),
        quick: "0.5",
        full: "0.5",
    },
    Parameter {
        name: "sink",
        summary: "a head has a sink where the first token gets at least this weight on average",
        allowed: Allowed::Number(0.0, 1.0),
        quick: "0.5",
        full: "0.5",
    },
];

/// The share of heads from which a sentence counts for the claim.
const MOSTLY: f64 = 0.9;

/// What decides whether a head counts.
struct Rules {
    n: f64,
    threshold: f64,
    sink: f64,
}

impl Rules {
    fn read(settings: &Settings) -> Result<Self> {
        let number = |name: &str| settings.number(name);
        let (n, threshold) = (settings.integer("n")? as f64, number("threshold")?);
        Ok(Rules { n, threshold, sink: number("sink")? })
    }

    fn is_low(&self, rank: f64) -> bool {
        rank < self.threshold * self.n
    }
}

/// One model: as it was trained, and with its mask transplanted.
struct Subjected {
    name: String,
    trained: Reading,
    transplanted: Reading,
}

/// What the experiment finds.
pub struct Measured {
    rules: Rules,
    models: Vec<Subjected>,
    notes: Vec<String>,
}

impl Experiment for TrainedLowRank {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let look = |subject: &Subject| {
            let trained = subject.trained_mask().clone();
            let other = if trained == Mask::bidirectional() { Mask::causal() } else { Mask::bidirectional() };
            let read = |mask| heads::read(subject, mask, settings, run);
            Ok(Subjected { name: subject.name.clone(), trained: read(trained)?, transplanted: read(other)? })
        };
        let (models, notes) = trained::each(settings, "n", run, |_| None, look)?;
        Ok(Measured { rules: Rules::read(settings)?, models, notes })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = in_exact_arithmetic(measured);
        let low = |of: fn(&Head) -> &Sample| {
            let heads = measured.heads();
            heads.map(move |(head, _)| measured.rules.is_low(of(head).mean())).collect::<Vec<_>>()
        };
        let (numerical, effective) = (low(|head| &head.numerical), low(|head| &head.effective));
        let outcome = |&is_low: &bool| if is_low { Outcome::Holds } else { Outcome::Fails };
        Verdict::new()
            .exact(exact, because)
            .floating(Floating::over(numerical.iter().map(outcome)), in_floating_point(measured, &numerical))
            .trained(
                Trained::over(effective.iter().map(|&is_low| Some(is_low))),
                in_trained_models(measured, &effective),
            )
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let Measured { rules, models, notes } = measured;
        let mut evidence = Evidence::new();
        notes.into_iter().for_each(|note| evidence.note(note));
        for Subjected { name, trained, transplanted } in &models {
            record(&mut evidence, name, trained, &rules);
            record(&mut evidence, name, transplanted, &rules);
            weigh(&mut evidence, name, trained, &rules);
            weigh_transplant(&mut evidence, name, [trained, transplanted], &rules);
            pictures::show(&mut evidence, settings, name, [trained, transplanted]);
        }
        Ok(evidence)
    }
}

impl Measured {
    /// Every head as trained, with its model's reading.
    fn heads(&self) -> impl Iterator<Item = (&Head, &Reading)> {
        let readings = self.models.iter().map(|model| &model.trained);
        readings.flat_map(|reading| reading.heads.iter().map(move |head| (head, reading)))
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.models.iter().map(|model| model.name.as_str()).collect();
        names.join(" and ")
    }
}

/// The pattern of the mask decides the exact rank of some heads; those contradict the claim.
fn in_exact_arithmetic(measured: &Measured) -> (Exact, String) {
    let n = measured.rules.n;
    let is_full = |model: &&Subjected| model.trained.mask.exact_rank(n as usize).rank == Some(n as usize);
    match measured.models.iter().find(is_full) {
        Some(Subjected { name, trained, .. }) => {
            let reason = trained.mask.exact_rank(n as usize).reason;
            let because = format!(
                "Each of the {} heads of {name} has rank {n} of {n} on every text, for its weights \
                 are {reason}.",
                trained.heads.len()
            );
            (Exact::Refuted, because)
        }
        None => (Exact::Open, "No model at hand has a mask that decides the exact rank.".to_owned()),
    }
}

fn in_floating_point(measured: &Measured, is_low: &[bool]) -> String {
    if is_low.is_empty() {
        return "No model at hand.".to_owned();
    }
    let Rules { n, threshold, .. } = measured.rules;
    let least = measured.heads().map(|(head, _)| head.numerical.mean()).fold(f64::INFINITY, f64::min);
    format!(
        "The numerical rank in f32 is below {} of {n} in {} of {} heads of {}; the lowest is {}.",
        short(threshold * n),
        count(is_low),
        is_low.len(),
        measured.names(),
        short(least)
    )
}

fn in_trained_models(measured: &Measured, is_low: &[bool]) -> String {
    if is_low.is_empty() {
        return "No model at hand.".to_owned();
    }
    let Rules { n, threshold, .. } = measured.rules;
    let below = measured.heads().filter(|(head, reading)| head.effective.mean() < reading.random.mean());
    format!(
        "The effective rank is below {} of {n} in {} of {} heads of {}; in {} it is below that of untrained heads of \
         the same size and mask.",
        short(threshold * n),
        count(is_low),
        is_low.len(),
        measured.names(),
        below.count()
    )
}

fn count(is_low: &[bool]) -> usize {
    is_low.iter().filter(|&&is_low| is_low).count()
}

fn record(evidence: &mut Evidence, name: &str, reading: &Reading, rules: &Rules) {
    let of = format!("{}_{}", plain(name), plain(&reading.mask.to_string()));
    let share = |test: &dyn Fn(&Head) -> bool| reading.share(test);
    evidence.measure_sample(format!("effective_rank_{of}"), reading.over_texts(|head| &head.effective), "");
    evidence.measure_sample(
        format!("numerical_rank_f32_{of}"),
        reading.over_texts(|head| &head.numerical),
        "",
    );
    evidence.measure_sample(
        format!("first_token_weight_{of}"),
        reading.over_texts(|head| &head.first_token),
        "",
    );
    evidence.measure_sample(format!("effective_rank_random_{of}"), reading.random.clone(), "");
    evidence.measure(format!("effective_rank_uniform_{of}"), reading.uniform, "");
    let low = share(&|head| rules.is_low(head.effective.mean()));
    evidence.measure(format!("low_effective_{of}"), low, "of its heads");
    let low = share(&|head| rules.is_low(head.numerical.mean()));
    evidence.measure(format!("low_numerical_{of}"), low, "of its heads");
    let below = share(&|head| head.effective.mean() < reading.random.mean());
    evidence.measure(format!("below_random_{of}"), below, "of its heads");
    let sinks = share(&|head| head.first_token.mean() >= rules.sink);
    evidence.measure(format!("sinks_{of}"), sinks, "of its heads");
    let least = |of: fn(&Head) -> &Sample| {
        reading.heads.iter().map(|head| of(head).mean()).fold(f64::INFINITY, f64::min)
    };
    evidence.measure(format!("smallest_effective_rank_{of}"), least(|head| &head.effective), "");
    evidence.measure(format!("smallest_numerical_rank_f32_{of}"), least(|head| &head.numerical), "");
    let largest = reading.heads.iter().map(|head| head.first_token.mean()).fold(0.0, f64::max);
    evidence.measure(format!("largest_first_token_weight_{of}"), largest, "");
}

/// What the heads say as they were trained.
fn weigh(evidence: &mut Evidence, name: &str, reading: &Reading, rules: &Rules) {
    let Reading { mask, heads, random, .. } = reading;
    let (n, bound) = (rules.n, short(rules.threshold * rules.n));
    let count = |test: &dyn Fn(&Head) -> bool| heads.iter().filter(|head| test(head)).count();
    let is_most = |count: usize| count as f64 >= MOSTLY * heads.len() as f64;
    let (all, who) = (heads.len(), format!("{name}, {mask} as trained"));
    let low = count(&|head| rules.is_low(head.effective.mean()));
    let mean = reading.over_texts(|head| &head.effective);
    let text =
        format!("{who}: {low} of {all} heads have an effective rank below {bound} (mean {mean} of {n})");
    evidence.weigh(is_most(low), text);
    let low = count(&|head| rules.is_low(head.numerical.mean()));
    let mean = reading.over_texts(|head| &head.numerical);
    let text =
        format!("{who}: {low} of {all} heads have a numerical rank (f32) below {bound} (mean {mean} of {n})");
    evidence.weigh(is_most(low), text);
    let below = count(&|head| head.effective.mean() < random.mean());
    let text = format!(
        "{who}: {below} of {all} heads lie below untrained Gaussian heads of their size and mask, whose effective \
         rank is {random}"
    );
    evidence.weigh(is_most(below), text);
    let sinks = count(&|head| head.first_token.mean() >= rules.sink);
    let first = heads.iter().max_by(|a, b| a.first_token.mean().total_cmp(&b.first_token.mean()));
    if let Some(head) = first {
        let text = format!(
            "{who}: {sinks} of {all} heads put at least {} of their weight on the first token; head {} of layer \
             {} the most, {}, with an effective rank of {} and a numerical rank (f32) of {}",
            short(rules.sink),
            head.head,
            head.layer,
            head.first_token,
            head.effective,
            head.numerical
        );
        evidence.weigh(sinks > 0 && rules.is_low(head.effective.mean()), text);
    }
}

/// What the same weights do under the other mask.
fn weigh_transplant(evidence: &mut Evidence, name: &str, [trained, other]: [&Reading; 2], rules: &Rules) {
    let low = |reading: &Reading| reading.share(|head| rules.is_low(head.effective.mean()));
    let text = format!(
        "{name} with its mask transplanted to {} (its weights were trained under {}): effective rank {} instead of \
         {}, a share of {} of the heads below the threshold instead of {}",
        other.mask,
        trained.mask,
        other.over_texts(|head| &head.effective),
        trained.over_texts(|head| &head.effective),
        short(low(other)),
        short(low(trained)),
    );
    evidence.weigh(low(other) >= MOSTLY, text);
}

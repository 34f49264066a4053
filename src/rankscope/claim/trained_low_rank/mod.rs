//! Claim: trained attention is of low rank.

mod heads;
mod pictures;
#[cfg(test)]
mod tests;

use super::trained::{self, Subject, plain};
use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::run::Run;

use heads::{Head, Reading};

/// See the module.
pub struct TrainedLowRank;

static ABOUT: About = About {
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

static PARAMETERS: &[Parameter] = &[
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

/// The share of heads that counts as attention at large.
const MOSTLY: f64 = 0.9;
/// The share that counts as exceptions.
const FEW: f64 = 0.1;

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

impl Untyped for TrainedLowRank {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let rules = Rules::read(settings)?;
        let look = |subject: &Subject| {
            let trained = subject.trained_mask().clone();
            let other = if trained == Mask::bidirectional() { Mask::causal() } else { Mask::bidirectional() };
            let read = |mask| heads::read(subject, mask, settings, run);
            Ok((subject.name.clone(), read(trained)?, read(other)?))
        };
        let (found, notes) = trained::each(settings, "n", run, |_| None, look)?;
        let mut evidence = Evidence::new();
        notes.into_iter().for_each(|note| evidence.note(note));
        let mut all = Tally::default();
        for (name, trained, transplanted) in &found {
            record(&mut evidence, name, trained, &rules);
            record(&mut evidence, name, transplanted, &rules);
            weigh(&mut evidence, name, trained, &rules);
            weigh_transplant(&mut evidence, name, [trained, transplanted], &rules);
            all.add(trained, &rules);
            pictures::show(&mut evidence, settings, name, [trained, transplanted]);
        }
        all.measure(&mut evidence);
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let of = |name: &str| evidence.value(name);
        let (effective, numerical) = (of("low_effective")?, of("low_numerical")?);
        let heads = of("heads")?;
        let numbers = format!(
            "of {heads} heads as trained, a share of {} is below the threshold in effective rank, {} in numerical \
             rank (f32); {} lie below untrained heads of their size and mask",
            short(effective),
            short(numerical),
            short(of("below_random")?)
        );
        let (is_most, is_few) = (|share: f64| share >= MOSTLY, |share: f64| share <= FEW);
        let (ruling, what) = match (effective, numerical) {
            (e, r) if is_most(e) && is_most(r) => (Floating::Everywhere, "in either sense"),
            (e, r) if is_few(e) && is_few(r) => (Floating::Nowhere, "in neither sense"),
            (e, r) if is_most(e) && r < MOSTLY => {
                (Floating::InOneRegion, "in effective rank, not in numerical rank")
            }
            (e, r) if e.is_nan() || r.is_nan() => (Floating::NotResolved, "without heads"),
            _ => (Floating::InOneRegion, "for some heads, not for attention at large"),
        };
        Ok(Opinion::new(ruling, format!("{what}: {numbers}")))
    }
}

/// Heads of all models, as trained.
#[derive(Default)]
struct Tally {
    heads: usize,
    low_effective: usize,
    low_numerical: usize,
    below_random: usize,
}

impl Tally {
    fn add(&mut self, reading: &Reading, rules: &Rules) {
        let count = |test: &dyn Fn(&Head) -> bool| reading.heads.iter().filter(|head| test(head)).count();
        self.heads += reading.heads.len();
        self.low_effective += count(&|head| rules.is_low(head.effective.mean()));
        self.low_numerical += count(&|head| rules.is_low(head.numerical.mean()));
        self.below_random += count(&|head| head.effective.mean() < reading.random.mean());
    }

    fn measure(&self, evidence: &mut Evidence) {
        let share = |count: usize| count as f64 / self.heads as f64;
        evidence.measure("heads", self.heads as f64, "");
        evidence.measure("low_effective", share(self.low_effective), "of all heads");
        evidence.measure("low_numerical", share(self.low_numerical), "of all heads");
        evidence.measure("below_random", share(self.below_random), "of all heads");
    }
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
    let least = |of: fn(&Head) -> &super::Sample| {
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

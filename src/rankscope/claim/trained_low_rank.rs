//! Claim: trained attention is of low rank.
//!
//! The three meanings of rank are three arenas: the exact rank, which the mask determines; the numerical rank in f32;
//! the effective rank, which training changes.

use super::prelude::*;
use crate::figure::Wall;

pub(super) static CLAIM: Claim = Claim {
    about: About {
        id: "trained-low-rank",
        group: Group::Matrices,
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
    },
    parameters: &[
        trained::MODELS,
        trained::LARGEST,
        trained::TEXTS_FILE,
        set("n", "tokens of each text", Integer(2, 1024), ["64", "128"]),
        set("threshold", "a head is of low rank below this share of n", Number(0.0, 1.0), ["0.5"; 2]),
        set("sink", SINK, Number(0.0, 1.0), ["0.5"; 2]),
    ],
    decide,
};

const SINK: &str = "a head has a sink where the first token gets at least this weight on average";

/// The least share of heads for which a finding supports the claim.
const MOSTLY: f64 = 0.9;

/// The measurements of all heads of one model under one mask.
struct Reading {
    mask: Mask,
    /// For each head and text: effective rank, numerical rank at f32's tolerance, mean weight on the first token.
    heads: Heads<[f64; 3]>,
    /// The effective rank of seeded Gaussian queries and keys of the same sizes under the mask.
    random: Sample,
    /// The effective rank of uniform attention under the mask.
    uniform: f64,
}

/// The rules by which a head counts as of low rank.
struct Rules {
    n: usize,
    /// A rank below it is low.
    low: f64,
    sink: f64,
}

/// A model under the mask of its training, and under a transplanted mask.
type Model = [Reading; 2];

fn decide(settings: &Settings, run: &Run) -> Result<(Evidence, Verdict)> {
    let n = settings.integer("n")?;
    let rules = Rules { n, low: settings.number("threshold")? * n as f64, sink: settings.number("sink")? };
    let mut evidence = Evidence::new(settings);
    let models: Vec<Model> = trained::each(&mut evidence, settings, run, |subject| {
        let trained = subject.trained_mask().clone();
        let other = if trained == Mask::bidirectional() { Mask::causal() } else { Mask::bidirectional() };
        Ok([read(subject, trained, settings, run)?, read(subject, other, settings, run)?])
    })?;
    for model in &models {
        report(&mut evidence, model, &rules);
        plot(&mut evidence, model);
    }
    Ok((evidence, judge(&models, &rules)))
}

/// The number of draws of untrained heads.
const DRAWS: u64 = 6;

fn read(subject: &Subject, mask: Mask, settings: &Settings, run: &Run) -> Result<Reading> {
    let (n, seed) = (settings.integer("n")?, settings.seed()?);
    let heads = subject.heads(&mask, run, |weights| {
        let spectrum = Spectrum::of(weights)?;
        Ok([spectrum.effective_rank(), spectrum.numerical_rank(Tolerance::F32) as f64, first_token(weights)])
    })?;
    let seeds: Vec<u64> = (0..DRAWS).map(|draw| seed + draw).collect();
    let [random] = draws(&seeds, "untrained heads", run, |seed| {
        let weights = Draw::independent(n, heads.head_size, seed).weights(1.0, &mask, settings.device())?;
        Ok([Spectrum::of(weights.view())?.effective_rank()])
    })?;
    let mut uniform = mask.pattern(n).mapv(|allowed| f64::from(u8::from(allowed)));
    for mut row in uniform.rows_mut() {
        let sum = row.sum();
        row /= sum.max(1.0);
    }
    Ok(Reading { mask, heads, random, uniform: Spectrum::of(uniform.view())?.effective_rank() })
}

/// The mean weight of the first column without the first row, which under a causal mask has no other weight.
pub(super) fn first_token(weights: ArrayView2<f64>) -> f64 {
    weights.column(0).iter().skip(1).sum::<f64>() / (weights.nrows() - 1) as f64
}

impl Reading {
    /// For each head, the mean over texts.
    fn means(&self, which: usize) -> Sample {
        self.heads.means(|head| head[which])
    }

    /// For each text, the mean over heads.
    fn over_texts(&self, which: usize) -> Sample {
        let heads = &self.heads.heads;
        let texts = heads.first().map_or(0, Vec::len);
        let mean = |text: usize| heads.iter().map(|head| head[text][which]).sum::<f64>() / heads.len() as f64;
        (0..texts).map(mean).collect()
    }

    /// The number of heads with a lower effective rank than untrained ones.
    fn below_random(&self) -> usize {
        self.means(0).count_where(|rank| rank < self.random.mean())
    }

    fn name(&self, what: &str) -> String {
        format!("{}_{}", self.heads.measure(what), plain(&self.mask.to_string()))
    }
}

fn judge(models: &[Model], Rules { n, low, .. }: &Rules) -> Verdict {
    // For some masks the pattern gives the exact rank of the heads; heads of full rank contradict the claim.
    let exact = models.iter().map(|[trained, _]| (trained, trained.mask.exact_rank(*n)));
    let exact = match exact.into_iter().find(|(_, exact)| exact.rank == Some(*n)) {
        Some((Reading { heads, .. }, exact)) => {
            let because = format!(
                "Each of the {} heads of {} has rank {n} of {n} on every text, for its weights are {}.",
                heads.heads.len(),
                heads.name,
                exact.reason
            );
            (Exact::Refuted, because)
        }
        None => (Exact::Open, "No model at hand has a mask that decides the exact rank.".to_owned()),
    };
    let all = |which: usize| -> Sample {
        models.iter().flat_map(|[trained, _]| trained.means(which).values().to_vec()).collect()
    };
    let (effective, numerical) = (all(0), all(1));
    let names: Vec<_> = models.iter().map(|[trained, _]| trained.heads.name.as_str()).collect();
    let names = names.join(" and ");
    let count = |ranks: &Sample| {
        let count = ranks.count_where(|rank| rank < *low);
        format!("is below {} of {n} in {count} of {} heads of {names}", short(*low), ranks.count())
    };
    let below: usize = models.iter().map(|[trained, _]| trained.below_random()).sum();
    let (counted, lowest) = (count(&numerical), short(numerical.extremes().0));
    let because = format!("The numerical rank in f32 {counted}; the lowest is {lowest}.");
    let floating = Floating::over(numerical.values().iter().map(|rank| Outcome::of(rank < low)));
    let trained = format!(
        "The effective rank {}; in {below} it is below that of untrained heads of the same size and mask.",
        count(&effective)
    );
    let ruling = Trained::over(effective.values().iter().map(|rank| Some(rank < low)));
    let none = "None was named or is installed.";
    let said = |because: String| if models.is_empty() { none.to_owned() } else { because };
    Verdict::of(Some(exact), Some((floating, said(because))), Some((ruling, said(trained))))
}

fn report(evidence: &mut Evidence, [trained, other]: &Model, rules: &Rules) {
    let low = |reading: &Reading, which| reading.means(which).count_where(|rank| rank < rules.low);
    let sinks = |reading: &Reading| reading.means(2).count_where(|weight| weight >= rules.sink);
    for reading in [trained, other] {
        evidence.record(reading.name("effective_rank"), &reading.over_texts(0));
        evidence.record(reading.name("numerical_rank_f32"), &reading.over_texts(1));
        evidence.record(reading.name("first_token_weight"), &reading.over_texts(2));
        evidence.record(reading.name("effective_rank_random"), &reading.random);
        evidence.measure(reading.name("effective_rank_uniform"), reading.uniform, "");
        for (name, count) in [
            ("low_effective", low(reading, 0)),
            ("low_numerical", low(reading, 1)),
            ("below_random", reading.below_random()),
            ("sinks", sinks(reading)),
        ] {
            let share = count as f64 / reading.heads.heads.len() as f64;
            evidence.measure(reading.name(name), share, "of its heads");
        }
        let least = |which| reading.means(which).extremes().0;
        evidence.measure(reading.name("smallest_effective_rank"), least(0), "");
        evidence.measure(reading.name("smallest_numerical_rank_f32"), least(1), "");
        evidence.measure(reading.name("largest_first_token_weight"), reading.means(2).extremes().1, "");
    }
    let (name, n, all) = (&trained.heads.name, rules.n, trained.heads.heads.len());
    let (who, bound) = (format!("{name}, {} as trained", trained.mask), short(rules.low));
    let is_most = |count: usize| count as f64 >= MOSTLY * all as f64;
    for (which, rank, metric) in
        [(0, "an effective rank", "effective_rank"), (1, "a numerical rank (f32)", "numerical_rank_f32")]
    {
        let (low, mean) = (low(trained, which), trained.over_texts(which));
        let text = format!("{who}: {low} of {all} heads have {rank} below {bound} (mean {mean} of {n})");
        evidence.weigh(is_most(low), text).at("model", &**name).at("metric", metric);
    }
    let text = format!(
        "{who}: {} of {all} heads lie below untrained Gaussian heads of their size and mask, whose effective rank is {}",
        trained.below_random(),
        trained.random
    );
    let is_below = is_most(trained.below_random());
    evidence.weigh(is_below, text).at("model", &**name).at("metric", "effective_rank");
    let first = trained.means(2);
    let most = (0..all).max_by(|&a, &b| first.values()[a].total_cmp(&first.values()[b]));
    if let Some(head) = most {
        let (layer, number) = (head / trained.heads.per_layer, head % trained.heads.per_layer);
        let [effective, numerical, weight] =
            [0, 1, 2].map(|which| trained.heads.over(|head| head[which])[head].clone());
        let text = format!(
            "{who}: {} of {all} heads put at least {} of their weight on the first token; head {number} of layer {layer} \
             the most, {weight}, with an effective rank of {effective} and a numerical rank (f32) of {numerical}",
            sinks(trained),
            short(rules.sink)
        );
        let finding = evidence.weigh(sinks(trained) > 0 && effective.mean() < rules.low, text);
        finding.at("model", &**name).at("layer", layer).at("head", number);
    }
    // The results of the same weights under the other mask.
    let [of_trained, of_other] = [trained, other].map(|reading| low(reading, 0) as f64 / all as f64);
    let text = format!(
        "{name} with its mask transplanted to {} (its weights were trained under {}): effective rank {} instead of {}, a \
         share of {} of the heads below the threshold instead of {}",
        other.mask,
        trained.mask,
        other.over_texts(0),
        trained.over_texts(0),
        short(of_other),
        short(of_trained),
    );
    evidence.weigh(of_other >= MOSTLY, text).at("model", &**name).at("mask", other.mask.to_string());
}

fn plot(evidence: &mut Evidence, [trained, other]: &Model) {
    let (name, per_layer) = (&trained.heads.name, trained.heads.per_layer);
    let means = trained.means(0);
    let layers = means.count() / per_layer;
    let values = means.values().iter().map(|&rank| Some(rank)).collect();
    let wall = Wall {
        title: format!("Effective rank of the heads of {name}"),
        values: Array2::from_shape_vec((layers, per_layer), values).expect("as many heads in every layer"),
        layers: Wall::one_stack(layers),
        unit: "effective rank".into(),
        settings: evidence.settings(),
    };
    let caption = format!(
        "{name} under {}, as trained: effective rank of every head's attention weights, mean over the texts.",
        trained.mask
    );
    evidence.show(format!("heads-{}", plain(name)), caption, wall);
    let ordered = |reading: &Reading, how: &str| {
        let mut ranks = reading.heads.over(|head| head[0]);
        ranks.sort_by(|a, b| a.mean().total_cmp(&b.mean()));
        let name = format!("{}, {how}", reading.mask);
        curve(name, Kind::of(&reading.mask), (1..).map(f64::from).zip(ranks))
    };
    let untrained =
        |reading: &Reading| Reference::level(format!("untrained, {}", reading.mask), reading.random.mean());
    let caption = format!(
        "{name}: effective ranks of all heads from the smallest to the largest, as trained ({}) and with the mask \
         transplanted ({}), whiskers: standard deviation over the texts. Dashed: untrained Gaussian heads of the same \
         size under either mask.",
        trained.mask, other.mask
    );
    let axes = [PlotAxis::linear("heads in order of rank"), PlotAxis::linear("effective rank")];
    let curves = vec![ordered(trained, "as trained"), ordered(other, "transplanted")];
    let references = vec![untrained(trained), untrained(other)];
    let title = format!("Effective ranks of the heads of {name}");
    evidence.plot(format!("ranks-{}", plain(name)), caption, lines(title, axes, curves, references));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_holds_what_the_queries_behind_the_first_give_it() {
        let weights = ndarray::array![[1.0, 0.0, 0.0], [0.8, 0.2, 0.0], [0.4, 0.5, 0.1]];
        assert!((first_token(weights.view()) - 0.6).abs() < 1e-15);
    }
}

//! Claim: heads that look in one direction each beat heads that look in both.

use super::prelude::*;

pub(in super::super) static CLAIM: Claim = Claim {
    about: About {
        id: "mixed-heads",
        group: Group::Training,
        statement: "Under masked LM, half of the heads looking back and half ahead beat heads that look both ways.",
        source: "Su 2023 (kexue.fm 9529): the low-rank conjecture, put to an encoder",
        exact: "A head under a triangular mask sends each token another average even where its scores are equal; a \
                head that looks both ways then sends all tokens the same one. So triangular masks break a symmetry \
                that positions break too.",
        reconsider: "A gap that stays with positions that favour what is near, and with many more steps.",
    },
    parameters: &[SEEDS, steps("40", "300"), SET],
    decide: super::decide,
};

pub(super) static EXPERIMENT: Experiment = Experiment {
    twins: TWINS,
    more: NONE,
    read: |reading| TWINS.iter().try_for_each(|tried| weigh(reading, tried)),
    published: PUBLISHED,
};

/// The same comparison with no positions and with three kinds of relative positions.
pub(super) const TWINS: &[Tried] = &[
    Tried::new("no positions", "directions-none", Says::Better),
    Tried::new("learned relative bias", "directions-relative", Says::Better),
    Tried::new("rotary", "directions-rotary", Says::Better),
    Tried::new("ALiBi", "directions-alibi", Says::Better),
];

/// Compares the runs after a quarter of the steps, and at the end.
fn weigh(reading: &mut Reading, tried: &Tried) -> Result<()> {
    let results = reading.results(tried)?;
    let what = "loss of mixed heads minus that of heads that look both ways, after a quarter of the steps";
    let (name, what) = (format!("{}, early", tried.name), what.to_owned());
    let [first, mixed] = [results.sample_at(0, 1)?, results.sample_at(1, 1)?];
    let (paired, smallest) = (Paired::new(mixed.values(), first.values())?, results.twin().smallest());
    reading.judge(Difference { name, what, metric: "loss", paired, smallest }, tried.says)?;
    reading.weigh(tried)
}

const PUBLISHED: &[Published] = &[Published {
    says: "mixed directions slightly ahead under masked LM; a picture of losses, no table, no seeds",
    source: "Su 2023, kexue.fm 9529",
    parameters: Some(1e8),
}];

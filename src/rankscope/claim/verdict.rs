//! [`Verdict`]: what the measurements say about a claim, arena by arena.
//!
//! A claim may be a theorem, and still not be seen by f64, or be seen in no trained model. So it is tried in up
//! to four arenas, and each has its own words. A ruling over many points is counted by [`Floating::over`],
//! [`Trained::over`] and [`ByTraining::over`], so that a word means the same for every claim.

use serde::{Serialize, Serializer};

use crate::numbers::short;

/// What is true of real numbers: by a theorem whose conditions were checked, or by a checked example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exact {
    /// A theorem says so, and its conditions are met.
    Proved,
    /// A counterexample was found and checked.
    Refuted,
    /// Neither a theorem nor a counterexample is at hand.
    Open,
}

/// What drawn inputs give in f32 or f64, over the points of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Floating {
    /// At every point measured.
    Everywhere,
    /// At some points; at the others it does not, or the draws do not tell. The sentence says where.
    InOneRegion,
    /// At some points, and the opposite at others. The sentence says where.
    Reverses,
    /// At no point measured.
    Nowhere,
    /// The draws do not tell at any point.
    NotResolved,
}

/// What trained models show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trained {
    /// In every case measured; the sentence says what a case is, such as a head.
    InAll,
    /// In some cases.
    InSome,
    /// In no case.
    InNone,
    /// No case is clear.
    NotResolved,
    /// No model that it could be measured on was named or is installed.
    NoModel,
}

/// What comparisons of models say that were trained for the claim, each with the smallest difference that matters stated before
/// the first run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByTraining {
    /// Every comparison comes out as the claim says.
    Supported,
    /// Some do; the others are not resolved.
    InPart,
    /// Some do, and others do not, or come out the other way round. The sentence says which.
    Depends,
    /// None does, and some come out the other way round.
    Contradicted,
    /// None does: no difference that matters, in any of them.
    NoDifference,
    /// None does, and the seeds do not tell in some of them.
    NotResolved,
}

/// What one point of a map says about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The claim is seen.
    Holds,
    /// It is not.
    Fails,
    /// Its opposite is seen.
    Opposite,
    /// The draws do not tell.
    Unclear,
}

impl Outcome {
    /// Seen, or not.
    pub(super) fn of(is_seen: bool) -> Self {
        if is_seen { Outcome::Holds } else { Outcome::Fails }
    }
}

/// A word of an arena.
pub trait Ruling: Copy {
    /// As it is written, on every surface.
    fn label(self) -> &'static str;
}

impl Ruling for Exact {
    fn label(self) -> &'static str {
        match self {
            Exact::Proved => "proved",
            Exact::Refuted => "refuted",
            Exact::Open => "open",
        }
    }
}

impl Ruling for Floating {
    fn label(self) -> &'static str {
        match self {
            Floating::Everywhere => "holds everywhere measured",
            Floating::InOneRegion => "holds in one region",
            Floating::Reverses => "reverses",
            Floating::Nowhere => "fails everywhere measured",
            Floating::NotResolved => "not resolved",
        }
    }
}

impl Ruling for Trained {
    fn label(self) -> &'static str {
        match self {
            Trained::InAll => "seen in all",
            Trained::InSome => "seen in some",
            Trained::InNone => "seen in none",
            Trained::NotResolved => "not resolved",
            Trained::NoModel => "no model at hand",
        }
    }
}

impl Ruling for ByTraining {
    fn label(self) -> &'static str {
        match self {
            ByTraining::Supported => "supported",
            ByTraining::InPart => "supported in part",
            ByTraining::Depends => "depends on the comparison",
            ByTraining::Contradicted => "contradicted",
            ByTraining::NoDifference => "no difference that matters",
            ByTraining::NotResolved => "not resolved",
        }
    }
}

/// How many of `points` hold, fail, show the opposite, are not clear.
fn counts(points: impl IntoIterator<Item = Outcome>) -> [usize; 4] {
    let mut counts = [0; 4];
    for point in points {
        counts[point as usize] += 1;
    }
    counts
}

impl ByTraining {
    /// The ruling over comparisons.
    pub fn over(comparisons: impl IntoIterator<Item = Outcome>) -> Self {
        match counts(comparisons) {
            [0, 0, 0, _] => ByTraining::NotResolved,
            [_, 0, 0, 0] => ByTraining::Supported,
            [0, _, 0, 0] => ByTraining::NoDifference,
            [0, _, 0, _] => ByTraining::NotResolved,
            [0, ..] => ByTraining::Contradicted,
            [_, 0, 0, _] => ByTraining::InPart,
            _ => ByTraining::Depends,
        }
    }
}

impl Floating {
    /// The ruling over the points of a map.
    pub fn over(points: impl IntoIterator<Item = Outcome>) -> Self {
        let [holds, fails, opposite, unclear] = counts(points);
        match (holds, opposite) {
            (0, 0) if fails == 0 => Floating::NotResolved,
            (0, _) => Floating::Nowhere,
            (_, 0) if fails + unclear == 0 => Floating::Everywhere,
            (_, 0) => Floating::InOneRegion,
            _ => Floating::Reverses,
        }
    }
}

impl Trained {
    /// The ruling over cases; `None` is a case that is not clear.
    pub fn over(cases: impl IntoIterator<Item = Option<bool>>) -> Self {
        let cases: Vec<Option<bool>> = cases.into_iter().collect();
        let count = |wanted| cases.iter().filter(|&&case| case == wanted).count();
        match (count(Some(true)), count(Some(false)), count(None)) {
            (0, 0, 0) => Trained::NoModel,
            (0, 0, _) => Trained::NotResolved,
            (_, 0, 0) => Trained::InAll,
            (0, ..) => Trained::InNone,
            _ => Trained::InSome,
        }
    }
}

/// A ruling and its reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Opinion<R: Ruling> {
    /// The word.
    #[serde(serialize_with = "as_label")]
    pub ruling: R,
    /// Why, in plain sentences with the numbers.
    pub because: String,
}

fn as_label<R: Ruling, S: Serializer>(ruling: &R, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(ruling.label())
}

/// An opinion in each arena in which a claim was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// In exact arithmetic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_arithmetic: Option<Opinion<Exact>>,
    /// In floating point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floating_point: Option<Opinion<Floating>>,
    /// In trained models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_models: Option<Opinion<Trained>>,
    /// In training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<Opinion<ByTraining>>,
}

/// The names of the arenas, in the order of [`Verdict::rows`].
pub const ARENAS: [&str; 4] = ["exact arithmetic", "floating point", "trained models", "training"];

impl Verdict {
    /// With an opinion in training alone.
    pub(super) fn by_training(ruling: ByTraining, because: String) -> Self {
        Verdict { training: Some(Opinion { ruling, because }), ..Verdict::default() }
    }

    /// With these opinions, in the order of the first three of [`ARENAS`].
    pub(super) fn of(
        exact: Option<(Exact, String)>,
        floating: Option<(Floating, String)>,
        trained: Option<(Trained, String)>,
    ) -> Self {
        fn opinion<R: Ruling>((ruling, because): (R, String)) -> Opinion<R> {
            Opinion { ruling, because }
        }
        Verdict {
            exact_arithmetic: exact.map(opinion),
            floating_point: floating.map(opinion),
            trained_models: trained.map(opinion),
            training: None,
        }
    }

    /// The ruling's word and its reason in each of [`ARENAS`]; `None` where the claim was not tried.
    pub fn rows(&self) -> [Option<(&'static str, &str)>; ARENAS.len()] {
        fn row<R: Ruling>(opinion: &Option<Opinion<R>>) -> Option<(&'static str, &str)> {
            opinion.as_ref().map(|opinion| (opinion.ruling.label(), opinion.because.as_str()))
        }
        [
            row(&self.exact_arithmetic),
            row(&self.floating_point),
            row(&self.trained_models),
            row(&self.training),
        ]
    }

    /// The arenas in which the claim was tried: name, word, reason.
    pub fn opinions(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        ARENAS.into_iter().zip(self.rows()).filter_map(|(arena, row)| row.map(|row| (arena, row.0, row.1)))
    }
}

/// `text` with a capital at its start and a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map_or(String::new(), |first| first.to_uppercase().collect());
    format!("{first}{}.", rest.as_str())
}

/// "1.25 times as large", and `same` where the ratio rounds to 1.
pub(super) fn times(ratio: f64, compared: &str, same: &str) -> String {
    match short(ratio).as_str() {
        "1.00" => same.to_owned(),
        times => format!("{times} times {compared}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ruling_over_points_by_hand() {
        use Outcome::{Fails, Holds, Opposite, Unclear};
        let cases: [(&[Outcome], Floating); 8] = [
            (&[Holds, Holds], Floating::Everywhere),
            (&[Holds, Fails], Floating::InOneRegion),
            (&[Holds, Unclear], Floating::InOneRegion),
            (&[Holds, Fails, Opposite], Floating::Reverses),
            (&[Fails, Unclear], Floating::Nowhere),
            (&[Opposite, Opposite], Floating::Nowhere),
            (&[Unclear], Floating::NotResolved),
            (&[], Floating::NotResolved),
        ];
        for (points, ruling) in cases {
            assert_eq!(Floating::over(points.iter().copied()), ruling, "{points:?}");
        }
    }

    #[test]
    fn a_ruling_over_comparisons_by_hand() {
        use Outcome::{Fails, Holds, Opposite, Unclear};
        let cases: [(&[Outcome], ByTraining); 10] = [
            (&[Holds, Holds], ByTraining::Supported),
            (&[Holds, Unclear], ByTraining::InPart),
            (&[Holds, Fails, Unclear], ByTraining::Depends),
            (&[Holds, Opposite], ByTraining::Depends),
            (&[Opposite, Fails, Unclear], ByTraining::Contradicted),
            (&[Opposite], ByTraining::Contradicted),
            (&[Fails, Fails], ByTraining::NoDifference),
            (&[Fails, Unclear], ByTraining::NotResolved),
            (&[Unclear], ByTraining::NotResolved),
            (&[], ByTraining::NotResolved),
        ];
        for (comparisons, ruling) in cases {
            assert_eq!(ByTraining::over(comparisons.iter().copied()), ruling, "{comparisons:?}");
        }
    }

    #[test]
    fn a_ruling_over_cases_by_hand() {
        let (yes, no) = (Some(true), Some(false));
        let cases: [(&[Option<bool>], Trained); 6] = [
            (&[yes, yes], Trained::InAll),
            (&[yes, no], Trained::InSome),
            (&[yes, None], Trained::InSome),
            (&[no, None], Trained::InNone),
            (&[None], Trained::NotResolved),
            (&[], Trained::NoModel),
        ];
        for (cases, ruling) in cases {
            assert_eq!(Trained::over(cases.iter().copied()), ruling, "{cases:?}");
        }
    }

    #[test]
    fn json_has_an_object_for_each_arena_that_was_tried() {
        let exact = (Exact::Proved, "A theorem.".to_owned());
        let verdict = Verdict::of(Some(exact), None, Some((Trained::NoModel, "None.".to_owned())));
        let expected = serde_json::json!({
            "exact_arithmetic": {"ruling": "proved", "because": "A theorem."},
            "trained_models": {"ruling": "no model at hand", "because": "None."},
        });
        assert_eq!(serde_json::to_value(&verdict).unwrap(), expected);
        assert_eq!(verdict.opinions().count(), 2);
    }
}

//! [`Verdict`]: the conclusion from the measurements about a claim, arena by arena.
//!
//! A claim may be a theorem, and still not be visible in f64, or in any trained model. So it is tried in up to four
//! arenas, and each has its own rulings. A ruling over many points is counted by [`Floating::over`], [`Trained::over`]
//! and [`ByTraining::over`], so that a ruling means the same for every claim.

use serde::{Serialize, Serializer};

use crate::numbers::short;

/// The ruling of an arena.
pub trait Ruling: Copy {
    /// Its text in every interface.
    fn label(self) -> &'static str;
}

/// Defines the rulings of arenas, each with its text in every interface.
macro_rules! rulings {
    ($($(#[$about:meta])* $arena:ident { $($(#[$meaning:meta])* $ruling:ident = $label:literal,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $arena {
            $($(#[$meaning])* $ruling,)*
        }

        impl Ruling for $arena {
            fn label(self) -> &'static str {
                match self {
                    $($arena::$ruling => $label,)*
                }
            }
        }
    )*};
}

rulings! {
    /// What is true for real numbers: by a theorem whose conditions were checked, or by a checked example.
    Exact {
        /// A theorem proves it, and its conditions are met.
        Proved = "proved",
        /// A counterexample was found and checked.
        Refuted = "refuted",
        /// Neither a theorem nor a counterexample is known.
        Open = "open",
    }

    /// The results of drawn inputs in f32 or f64, over the points of a map.
    Floating {
        /// It holds at every measured point.
        Everywhere = "holds everywhere measured",
        /// It holds at some points; at the others it does not, or the draws do not decide. The reason says where.
        InOneRegion = "holds in one region",
        /// It holds at some points, and the opposite holds at others. The reason says where.
        Reverses = "reverses",
        /// It holds at no measured point.
        Nowhere = "fails everywhere measured",
        /// The draws do not decide at any point.
        NotResolved = "not resolved",
    }

    /// The results of trained models.
    Trained {
        /// It holds in every measured case; the reason says what a case is, such as a head.
        InAll = "seen in all",
        /// It holds in some cases.
        InSome = "seen in some",
        /// It holds in no case.
        InNone = "seen in none",
        /// No case is clear.
        NotResolved = "not resolved",
        /// No suitable model was named or is installed.
        NoModel = "no model at hand",
    }

    /// The results of comparisons between models that were trained for the claim. For each, the smallest difference
    /// that matters was stated before the first run.
    ByTraining {
        /// Every comparison agrees with the claim.
        Supported = "supported",
        /// Some comparisons agree; the others are not resolved.
        InPart = "supported in part",
        /// Some comparisons agree, and others do not, or show the opposite. The reason says which.
        Depends = "depends on the comparison",
        /// No comparison agrees, and some show the opposite.
        Contradicted = "contradicted",
        /// No comparison agrees: none shows a difference that matters.
        NoDifference = "no difference that matters",
        /// No comparison agrees, and in some the seeds do not decide.
        NotResolved = "not resolved",
    }
}

/// The outcome at one point of a map for a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The claim holds there.
    Holds,
    /// It does not hold there.
    Fails,
    /// Its opposite holds there.
    Opposite,
    /// The draws do not decide.
    Unclear,
}

impl Outcome {
    /// The outcome of a test: the claim holds, or it fails.
    pub(super) fn of(is_seen: bool) -> Self {
        if is_seen { Outcome::Holds } else { Outcome::Fails }
    }

    /// The outcome of a comparison: the claim holds, or its opposite does; `None` where the draws do not decide.
    pub(super) fn compared(holds: Option<bool>) -> Self {
        holds.map_or(Outcome::Unclear, |holds| if holds { Outcome::Holds } else { Outcome::Opposite })
    }
}

/// How many of `points` hold, fail, show the opposite, and are not clear.
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
    /// The ruling.
    #[serde(serialize_with = "as_label")]
    pub ruling: R,
    /// The reason, in plain sentences with the numbers.
    pub because: String,
}

fn as_label<R: Ruling, S: Serializer>(ruling: &R, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(ruling.label())
}

/// An opinion in each arena in which a claim was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// The opinion in exact arithmetic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_arithmetic: Option<Opinion<Exact>>,
    /// The opinion in floating point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floating_point: Option<Opinion<Floating>>,
    /// The opinion on trained models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_models: Option<Opinion<Trained>>,
    /// The opinion from training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<Opinion<ByTraining>>,
}

/// The names of the arenas, in the order of [`Verdict::rows`].
pub const ARENAS: [&str; 4] = ["exact arithmetic", "floating point", "trained models", "training"];

impl Verdict {
    /// A verdict with only an opinion from training.
    pub(super) fn by_training(ruling: ByTraining, because: String) -> Self {
        Verdict { training: Some(Opinion { ruling, because }), ..Verdict::default() }
    }

    /// A verdict with these opinions, in the order of the first three of [`ARENAS`].
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

    /// The ruling's text and its reason in each of [`ARENAS`]; `None` where the claim was not tried.
    pub fn rows(&self) -> [Option<(&'static str, &str)>; ARENAS.len()] {
        fn row<R: Ruling>(opinion: &Option<Opinion<R>>) -> Option<(&'static str, &str)> {
            opinion.as_ref().map(|opinion| (opinion.ruling.label(), opinion.because.as_str()))
        }
        let Verdict { exact_arithmetic, floating_point, trained_models, training } = self;
        [row(exact_arithmetic), row(floating_point), row(trained_models), row(training)]
    }

    /// The arenas in which the claim was tried: name, ruling, reason.
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
    use super::Outcome::{Fails, Holds, Opposite, Unclear};
    use super::*;

    #[test]
    fn a_ruling_over_points_by_hand() {
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

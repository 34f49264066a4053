//! Spectra, rank reports and what a mask implies: three kinds of rank, which are kept apart.

use serde_json::json;

use super::{Rich, lines, picture, row, table};
use crate::claim::{Ahead, PhasePoint, Phases};
use crate::figure::style::Kind;
use crate::figure::{Series, SpectrumFigure};
use crate::mask::{ExactRank, Facts};
use crate::numbers::{short, short_or_dash};
use crate::rank::{RankReport, Spectrum, Tolerance};

impl Rich for RankReport {
    fn text(&self) -> String {
        lines(&report_rows(self))
    }

    fn html(&self) -> String {
        row(&[table(&report_rows(self)), spectrum_picture(&self.spectrum)])
    }
}

impl Rich for Spectrum {
    fn text(&self) -> String {
        lines(&spectrum_rows(self))
    }

    fn html(&self) -> String {
        row(&[table(&spectrum_rows(self)), spectrum_picture(self)])
    }
}

/// The singular values of one matrix; empty if there is nothing to draw.
fn spectrum_picture(spectrum: &Spectrum) -> String {
    let (name, kind) = ("singular values".to_owned(), Kind::Plain);
    let series = vec![Series { name: name.clone(), kind, spectrum: spectrum.clone() }];
    let figure = SpectrumFigure { title: name, series, settings: json!({ "version": crate::VERSION }) };
    // A matrix of zeros has no first singular value to compare with.
    let has_first = spectrum.sigma_max().is_some_and(|sigma| sigma > 0.0 && sigma.is_finite());
    if has_first { picture(&figure) } else { String::new() }
}

impl Rich for ExactRank {
    fn text(&self) -> String {
        let rank = self.rank.map_or("not known".to_owned(), |rank| rank.to_string());
        format!("exact rank {rank} ({})", self.reason)
    }

    fn html(&self) -> String {
        self.text().html()
    }
}

pub(super) fn fact_rows(facts: &Facts) -> Vec<(&'static str, String)> {
    let yes = |is: bool| (if is { "yes" } else { "no" }).to_owned();
    let all = facts.positions * facts.positions;
    let mut rows = vec![
        ("pairs that may attend", format!("{} of {all}", facts.pairs)),
        ("exact rank", facts.exact_rank.text().replacen("exact rank ", "", 1)),
        ("everyone hears everyone, in the end", yes(facts.strongly_connected)),
        ("everyone hears of one common token", yes(facts.has_common_source)),
    ];
    rows.extend(facts.theorems.iter().map(|theorem| ("theorem", theorem.statement().to_owned())));
    rows
}

impl Rich for Phases {
    fn text(&self) -> String {
        lines(&phase_rows(self))
    }

    fn html(&self) -> String {
        let figure = self.figure(json!({ "version": crate::VERSION })).html();
        format!("{figure}<p>Ahead by more than two standard errors: {}.</p>", counts(self))
    }
}

/// Which mask is ahead, a row for each scale from the largest down, and one for all points.
fn phase_rows(phases: &Phases) -> Vec<(String, String)> {
    let sizes = &phases.grid().head_sizes;
    let row = |points: &[PhasePoint]| {
        let words: Vec<String> =
            points.iter().map(|point| format!("{:<13}", point.ahead().label())).collect();
        (format!("scale {}", points[0].scale), words.join(" ").trim_end().to_owned())
    };
    let sizes: Vec<String> = sizes.iter().map(|size| format!("{:<13}", format!("D = {size}"))).collect();
    let mut rows = vec![("higher effective rank".to_owned(), sizes.join(" ").trim_end().to_owned())];
    rows.extend(phases.points().chunks(phases.grid().head_sizes.len()).rev().map(row));
    rows.push(("points in all".to_owned(), counts(phases)));
    rows
}

/// For each mask, the number of points where it is ahead.
fn counts(phases: &Phases) -> String {
    let count = |ahead: Ahead| format!("{} at {}", ahead.label(), phases.count(ahead));
    [Ahead::Causal, Ahead::Bidirectional, Ahead::Neither].map(count).join(", ")
}

fn report_rows(report: &RankReport) -> Vec<(&'static str, String)> {
    let exact = report.exact_rank.map_or("not known".to_owned(), |rank| rank.to_string());
    let smallest = match report.sigma_min_below_floor {
        true => format!("below the rounding floor, {}", short(report.rounding_floor)),
        false => short_or_dash(report.sigma_min),
    };
    let bound = if report.condition_is_lower_bound { "at least " } else { "" };
    vec![
        ("matrix", format!("{} × {}", report.rows, report.cols)),
        ("exact rank", format!("{exact} ({})", report.exact_rank_reason)),
        ("numerical rank, f32", report.numerical_rank_f32.to_string()),
        ("numerical rank, f64", report.numerical_rank_f64.to_string()),
        ("effective rank", short(report.effective_rank)),
        ("stable rank", short(report.stable_rank)),
        ("participation ratio", short(report.participation_ratio)),
        ("largest singular value", short_or_dash(report.sigma_max)),
        ("smallest singular value", smallest),
        ("condition number", format!("{bound}{}", short_or_dash(report.condition_number))),
        ("ln |det|", short_or_dash(report.log_abs_det)),
    ]
}

fn spectrum_rows(spectrum: &Spectrum) -> Vec<(&'static str, String)> {
    let first: Vec<String> = spectrum.values().iter().take(8).map(|value| short(*value)).collect();
    let more = if spectrum.values().len() > first.len() { ", …" } else { "" };
    vec![
        ("singular values", format!("{}{more}", first.join(", "))),
        ("of a matrix", format!("{} × {}", spectrum.rows(), spectrum.cols())),
        ("numerical rank, f64", spectrum.numerical_rank(Tolerance::F64).to_string()),
        ("effective rank", short(spectrum.effective_rank())),
        ("stable rank", short(spectrum.stable_rank())),
        ("rounding floor", short(spectrum.rounding_floor())),
    ]
}

//! Spectra and rank reports: three words for rank, never mixed.

use super::{Rich, lines, table};
use crate::numbers::{short, short_or_dash};
use crate::rank::{RankReport, Spectrum, Tolerance};

impl Rich for RankReport {
    fn text(&self) -> String {
        lines(&report_rows(self))
    }

    fn html(&self) -> String {
        table(&report_rows(self))
    }
}

impl Rich for Spectrum {
    fn text(&self) -> String {
        lines(&spectrum_rows(self))
    }

    fn html(&self) -> String {
        table(&spectrum_rows(self))
    }
}

fn report_rows(report: &RankReport) -> Vec<(String, String)> {
    let exact = report.exact_rank.map_or("not known".to_owned(), |rank| rank.to_string());
    let floor = if report.sigma_min_below_floor { ", below the rounding floor" } else { "" };
    let bound = if report.condition_is_lower_bound { "at least " } else { "" };
    rows(&[
        ("matrix", format!("{} × {}", report.rows, report.cols)),
        ("exact rank", format!("{exact} ({})", report.exact_rank_reason)),
        ("numerical rank, f32", report.numerical_rank_f32.to_string()),
        ("numerical rank, f64", report.numerical_rank_f64.to_string()),
        ("effective rank", short(report.effective_rank)),
        ("stable rank", short(report.stable_rank)),
        ("participation ratio", short(report.participation_ratio)),
        ("largest singular value", short_or_dash(report.sigma_max)),
        ("smallest singular value", format!("{}{floor}", short_or_dash(report.sigma_min))),
        ("condition number", format!("{bound}{}", short_or_dash(report.condition_number))),
        ("ln |det|", short_or_dash(report.log_abs_det)),
    ])
}

fn spectrum_rows(spectrum: &Spectrum) -> Vec<(String, String)> {
    let first: Vec<String> = spectrum.values().iter().take(8).map(|value| short(*value)).collect();
    let more = if spectrum.values().len() > first.len() { ", …" } else { "" };
    rows(&[
        ("singular values", format!("{}{more}", first.join(", "))),
        ("of a matrix", format!("{} × {}", spectrum.rows(), spectrum.cols())),
        ("numerical rank, f64", spectrum.numerical_rank(Tolerance::F64).to_string()),
        ("effective rank", short(spectrum.effective_rank())),
        ("stable rank", short(spectrum.stable_rank())),
        ("rounding floor", short(spectrum.rounding_floor())),
    ])
}

fn rows(rows: &[(&str, String)]) -> Vec<(String, String)> {
    rows.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

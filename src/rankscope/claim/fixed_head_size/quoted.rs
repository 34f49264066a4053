//! What the paper reports, quoted beside what is measured here.

use crate::attention::FixedMultiHead;
use crate::claim::{Evidence, Settings};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis};
use crate::numbers::short;

/// One model of the paper's tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted {
    pub heads: usize,
    pub head_size: usize,
    /// Millions, rounded as printed.
    pub parameters: f64,
    /// SQuAD F1 with its spread.
    pub f1: (f64, f64),
    /// MNLI with its spread, where one is given.
    pub mnli: (f64, Option<f64>),
}

const fn row(
    (heads, head_size): (usize, usize),
    parameters: f64,
    f1: (f64, f64),
    mnli: (f64, Option<f64>),
) -> Quoted {
    Quoted { heads, head_size, parameters, f1, mnli }
}

/// Table 1: BERT-large, width 1024, head size 1024 / heads.
pub(super) static TABLE_1: [Quoted; 3] = [
    row((8, 128), 336.0, (90.89, 0.15), (85.0, Some(0.2))),
    row((16, 64), 336.0, (90.61, 0.14), (84.5, Some(0.4))),
    row((32, 32), 336.0, (90.45, 0.08), (84.4, Some(0.2))),
];

/// Table 2A: 24 layers, width 512, head size 128.
pub(super) static TABLE_2A: [Quoted; 4] = [
    row((8, 128), 168.0, (89.6, 0.17), (83.5, Some(0.2))),
    row((12, 128), 193.0, (90.25, 0.21), (84.2, Some(0.2))),
    row((16, 128), 218.0, (90.43, 0.14), (83.9, Some(0.2))),
    row((32, 128), 319.0, (90.95, 0.14), (84.9, Some(0.2))),
];

/// Table 2B: 24 layers, width 512, 8 heads; the sequence is 128 long.
pub(super) static TABLE_2B: [Quoted; 4] = [
    row((8, 32), 130.0, (88.53, 0.06), (82.5, None)),
    row((8, 64), 142.0, (89.51, 0.15), (83.4, None)),
    row((8, 128), 168.0, (89.6, 0.17), (83.5, None)),
    row((8, 256), 218.0, (90.33, 0.23), (83.9, None)),
];

const LAYERS: usize = 24;
const WIDTH: usize = 512;
const SEQUENCE: usize = 128;

/// Checks the paper's parameters against the formula, and says what its tables say.
pub(super) fn beside(evidence: &mut Evidence, settings: &Settings) -> Result<()> {
    let count = |model: &Quoted| -> Result<f64> {
        let layer = FixedMultiHead::new(WIDTH, model.heads, model.head_size)?;
        Ok((LAYERS * layer.parameter_count()) as f64 / 1e6)
    };
    let pairs = [
        ("8_to_16_heads", &TABLE_2A[0], &TABLE_2A[2]),
        ("8_to_32_heads", &TABLE_2A[0], &TABLE_2A[3]),
        ("head_size_32_to_64", &TABLE_2B[0], &TABLE_2B[1]),
    ];
    for (name, from, to) in pairs {
        let name = format!("added_parameters_{name}_millions");
        let measured = evidence.measure(name, count(to)? - count(from)?, "million");
        let printed = to.parameters - from.parameters;
        measured.expect(printed, 1.0, "the paper's Table 2, each rounded to a million");
    }
    usual_rule(evidence);
    more_heads(evidence);
    larger_heads(evidence);
    picture(evidence, settings);
    Ok(())
}

/// Both spreads of a difference together.
fn spread(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.1 * a.1 + b.1 * b.1).sqrt()
}

/// Whether `b` lies above `a` by more than twice the spread of their difference.
fn is_above(a: (f64, f64), b: (f64, f64)) -> bool {
    b.0 - a.0 > 2.0 * spread(a, b)
}

fn usual_rule(evidence: &mut Evidence) {
    let [first, .., last] = &TABLE_1;
    evidence.weigh(
        is_above(last.f1, first.f1),
        format!(
            "quoted, not measured here: BERT-large with the usual rule goes from F1 {} ± {} with {} heads to {} ± \
             {} with {} (Table 1)",
            first.f1.0, first.f1.1, first.heads, last.f1.0, last.f1.1, last.heads
        ),
    );
}

fn more_heads(evidence: &mut Evidence) {
    let [first, .., last] = &TABLE_2A;
    evidence.weigh(
        is_above(first.f1, last.f1),
        format!(
            "quoted: with a fixed head size of {}, F1 goes from {} ± {} with {} heads to {} ± {} with {} (Table 2A)",
            first.head_size, first.f1.0, first.f1.1, first.heads, last.f1.0, last.f1.1, last.heads
        ),
    );
    evidence.weigh(
        last.parameters <= first.parameters,
        format!(
            "but the parameters go from {} to {} million in the same rows, so capacity and head size are not told \
             apart",
            first.parameters, last.parameters
        ),
    );
    let [_, twelve, sixteen, _] = &TABLE_2A;
    let mnli = |model: &Quoted| (model.mnli.0, model.mnli.1.unwrap_or(0.0));
    if twelve.mnli.0 > sixteen.mnli.0 {
        evidence.weigh(
            false,
            format!(
                "and MNLI does not tell: {} with {} heads and {} with {}, while the spread of such a difference \
                 is {}",
                twelve.mnli.0,
                twelve.heads,
                sixteen.mnli.0,
                sixteen.heads,
                short(spread(mnli(twelve), mnli(sixteen)))
            ),
        );
    }
}

/// A head larger than the sequence cannot help by the theorem; in the paper it still does.
fn larger_heads(evidence: &mut Evidence) {
    let [.., at, beyond] = &TABLE_2B;
    evidence.weigh(
        !is_above(at.f1, beyond.f1),
        format!(
            "quoted: heads of {} on sequences of {SEQUENCE} still gain over heads of {} (F1 {} ± {} to {} ± {}, \
             Table 2B), which the bottleneck does not explain",
            beyond.head_size, at.head_size, at.f1.0, at.f1.1, beyond.f1.0, beyond.f1.1
        ),
    );
}

fn picture(evidence: &mut Evidence, settings: &Settings) {
    let curve = |name: &str, rows: &[Quoted]| {
        let points = rows.iter().map(|row| (row.heads as f64, row.f1.0));
        Curve::new(name, Kind::Plain, points).with_spread(rows.iter().map(|row| row.f1.1))
    };
    let figure = Lines {
        title: "SQuAD F1 over the number of heads, as published".into(),
        x: PlotAxis::log("heads H"),
        y: PlotAxis::linear("SQuAD F1, percent"),
        curves: vec![
            curve("D = 1024 / H (Table 1, 336 M parameters)", &TABLE_1),
            curve("D = 128 (Table 2A, 168 to 319 M parameters)", &TABLE_2A),
        ],
        references: Vec::new(),
        settings: settings.record(),
    };
    let caption = "Quoted from Bhojanapalli et al. 2020, Tables 1 and 2A, with the spread given there; nothing \
                   here was measured by us. The width is 1024 in Table 1 and 512 in Table 2A, where parameters \
                   grow with the heads.";
    evidence.show("published-f1", caption, figure);
}

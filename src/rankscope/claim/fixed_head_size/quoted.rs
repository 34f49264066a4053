//! The paper's results, quoted beside the measurements here.

use super::*;

/// The number of heads, their size, millions of parameters as printed, and the SQuAD F1 with its spread.
pub(super) type Quoted = (usize, usize, f64, f64, f64);

/// BERT-large, width 1024, head size 1024 / heads.
pub(super) const TABLE_1: [Quoted; 3] =
    [(8, 128, 336.0, 90.89, 0.15), (16, 64, 336.0, 90.61, 0.14), (32, 32, 336.0, 90.45, 0.08)];
/// 24 layers, width 512, head size 128. MNLI is 83.5, 84.2, 83.9 and 84.9.
pub(super) const TABLE_2A: [Quoted; 4] = [
    (8, 128, 168.0, 89.6, 0.17),
    (12, 128, 193.0, 90.25, 0.21),
    (16, 128, 218.0, 90.43, 0.14),
    (32, 128, 319.0, 90.95, 0.14),
];
/// The spread of each MNLI value in Table 2A.
pub(super) const MNLI_SPREAD: f64 = 0.2;
/// 24 layers, width 512, 8 heads; the sequence is 128 long.
pub(super) const TABLE_2B: [Quoted; 4] = [
    (8, 32, 130.0, 88.53, 0.06),
    (8, 64, 142.0, 89.51, 0.15),
    (8, 128, 168.0, 89.6, 0.17),
    (8, 256, 218.0, 90.33, 0.23),
];

/// Checks the paper's parameters against the formula, and reports the results of its tables.
pub(super) fn quoted(evidence: &mut Evidence) -> Result<()> {
    let count = |(heads, size, ..): Quoted| -> Result<f64> {
        Ok((24 * FixedMultiHead::new(512, heads, size)?.parameter_count()) as f64 / 1e6)
    };
    for (name, from, to) in [
        ("8_to_16_heads", TABLE_2A[0], TABLE_2A[2]),
        ("8_to_32_heads", TABLE_2A[0], TABLE_2A[3]),
        ("head_size_32_to_64", TABLE_2B[0], TABLE_2B[1]),
    ] {
        let name = format!("added_parameters_{name}_millions");
        let measured = evidence.measure(name, count(to)? - count(from)?, "million");
        measured.expect(to.2 - from.2, 1.0, "the paper's Table 2, each rounded to a million");
    }
    // Whether `b` lies above `a` by more than twice the spread of their difference.
    let is_above = |a: Quoted, b: Quoted| b.3 - a.3 > 2.0 * (a.4 * a.4 + b.4 * b.4).sqrt();
    let f1 = |(heads, _, _, f1, spread): Quoted| format!("{f1} ± {spread} with {heads} heads");
    let ([first, .., last], [few, .., many], [.., at, beyond]) = (TABLE_1, TABLE_2A, TABLE_2B);
    let text = format!(
        "quoted, not measured here: BERT-large with the usual rule goes from F1 {} to {} (Table 1)",
        f1(first),
        f1(last)
    );
    evidence.weigh(is_above(last, first), text).at("quoted", "BERT-large");
    let text =
        format!("quoted: with a fixed head size of 128, F1 goes from {} to {} (Table 2A)", f1(few), f1(many));
    evidence.weigh(is_above(few, many), text).at("quoted", "BERT-large");
    let text = format!(
        "but the parameters go from {} to {} million in the same rows, so capacity and head size are not told apart",
        few.2, many.2
    );
    evidence.weigh(many.2 <= few.2, text).at("quoted", "BERT-large");
    let text = format!(
        "and MNLI does not tell: 84.2 with 12 heads and 83.9 with 16, while the spread of such a difference is {}",
        short((2.0 * MNLI_SPREAD * MNLI_SPREAD).sqrt())
    );
    evidence.weigh(false, text).at("quoted", "BERT-large");
    // A head larger than the sequence cannot help by the theorem; in the paper it still does.
    let text = format!(
        "quoted: heads of {} on sequences of 128 still gain over heads of {} (F1 {} ± {} to {} ± {}, Table 2B), which the \
         bottleneck does not explain",
        beyond.1, at.1, at.3, at.4, beyond.3, beyond.4
    );
    evidence.weigh(!is_above(at, beyond), text).at("quoted", "BERT-large");
    let curve = |name: &str, rows: &[Quoted]| {
        let points = rows.iter().map(|row| (row.0 as f64, row.3));
        Curve::new(name, Kind::Plain, points).with_spread(rows.iter().map(|row| row.4))
    };
    let curves = vec![
        curve("D = 1024 / H (Table 1, 336 M parameters)", &TABLE_1),
        curve("D = 128 (Table 2A, 168 to 319 M parameters)", &TABLE_2A),
    ];
    let caption = "Quoted from Bhojanapalli et al. 2020, Tables 1 and 2A, with the spread given there; nothing here was \
                   measured by us. The width is 1024 in Table 1 and 512 in Table 2A, where parameters grow with the \
                   heads.";
    let axes = [PlotAxis::log("heads H"), PlotAxis::linear("SQuAD F1, percent")];
    let title = "SQuAD F1 over the number of heads, as published";
    evidence.plot("published-f1", caption, lines(title, axes, curves, Vec::new()));
    Ok(())
}

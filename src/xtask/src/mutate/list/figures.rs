//! Figures: what is drawn where, in which colour.

use super::Mutation;
use crate::mutate::suite::Suite::Lib;

pub(super) const FIGURES: &[Mutation] = &[
    Mutation {
        name: "figure.masked-cells-drawn",
        file: "figure/heatmap.rs",
        old: "self.may_attend.as_ref().is_none_or(|mask| mask[(row, col)])",
        new: "self.may_attend.as_ref().is_none_or(|mask| !mask[(row, col)])",
        suite: Lib,
        tests: &["figure::tests::a_cell_has_the_color_of_its_value_and_a_masked_one_has_none"],
    },
    Mutation {
        name: "figure.rows-for-columns",
        file: "figure/heatmap.rs",
        old: "let place = (self.values[(row, col)] - low) / (high - low);",
        new: "let place = (self.values[(col.min(self.values.nrows() - 1), row.min(self.values.ncols() - 1))] - low) / (high - low);",
        suite: Lib,
        tests: &["figure::tests::a_cell_has_the_color_of_its_value_and_a_masked_one_has_none"],
    },
    Mutation {
        name: "figure.hatch-of-visible-cells",
        file: "figure/hatch.rs",
        old: "let masked = is_masked(",
        new: "let masked = !is_masked(",
        suite: Lib,
        tests: &["figure::hatch::tests"],
    },
    Mutation {
        name: "figure.colors-backwards",
        file: "figure/style/colormap.rs",
        old: "self.table[((value * last as f64).round() as usize).min(last)]",
        new: "self.table[last - ((value * last as f64).round() as usize).min(last)]",
        suite: Lib,
        tests: &["figure::style::colormap::tests", "figure::tests"],
    },
    Mutation {
        name: "figure.spectrum-upside-down",
        file: "figure/spectrum.rs",
        old: "plot.bottom() - plot.h * (place",
        new: "plot.y + plot.h * (place",
        suite: Lib,
        tests: &["figure::tests"],
    },
    Mutation {
        name: "figure.spectrum-off-the-axis",
        file: "figure/spectrum.rs",
        old: "value.log10().clamp(f64::from(self.low), self.high)",
        new: "value.log10().min(self.high)",
        suite: Lib,
        tests: &["figure::tests"],
    },
    Mutation {
        name: "figure.text-unescaped",
        file: "figure/render.rs",
        old: ".replace('<', \"&lt;\")",
        new: "",
        suite: Lib,
        tests: &["figure::tests::documents_are_well_formed_and_escaped"],
    },
    Mutation {
        name: "figure.labels-never-thinned",
        file: "figure/axis.rs",
        old: "(size * 1.2 / pitch).ceil().max(1.0) as usize",
        new: "(size * 0.5 / pitch).ceil().max(1.0) as usize",
        suite: Lib,
        tests: &["figure::tests::no_text_overlaps_another_or_leaves_the_picture", "figure::axis::tests"],
    },
    Mutation {
        name: "figure.wall-backwards",
        file: "figure/wall.rs",
        old: "let color = |value: f64| map.at(value / high);",
        new: "let color = |value: f64| map.at(1.0 - value / high);",
        suite: Lib,
        tests: &["figure::tests"],
    },
    Mutation {
        name: "figure.large-numbers-in-full",
        file: "numbers.rs",
        old: "!(-3..4).contains(&exponent)",
        new: "!(-3..10).contains(&exponent)",
        suite: Lib,
        tests: &["figure::text::tests::numbers_keep_three_digits"],
    },
];

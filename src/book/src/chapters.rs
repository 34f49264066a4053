//! One module for each chapter.

macro_rules! chapters {
    ($($name:ident: $file:literal,)*) => {
        $(
            #[doc = include_str!($file)]
            mod $name {}
        )*
    };
}

chapters! {
    introduction: "../../../book/src/introduction.md",
    attention: "../../../book/src/01-attention.md",
    families: "../../../book/src/02-families.md",
    rank: "../../../book/src/03-rank.md",
    triangle: "../../../book/src/04-triangle.md",
    limits: "../../../book/src/05-limits.md",
    softmax: "../../../book/src/06-softmax.md",
    head_size: "../../../book/src/07-head-size.md",
    linear: "../../../book/src/08-linear.md",
    depth: "../../../book/src/09-depth.md",
    position: "../../../book/src/10-position.md",
    cost: "../../../book/src/11-cost.md",
    studies: "../../../book/src/12-studies.md",
    debate: "../../../book/src/13-debate.md",
    verdicts: "../../../book/src/14-verdicts.md",
    kernels: "../../../book/src/15-kernels.md",
    training: "../../../book/src/16-training.md",
    exercises: "../../../book/src/exercises.md",
    glossary: "../../../book/src/glossary.md",
    errors: "../../../book/src/errors.md",
    teachers: "../../../book/src/teachers.md",
    bibliography: "../../../book/src/bibliography.md",
    twins: "../../../book/src/17-twins.md",
    reference: "../../../book/src/reference.md",
    measurements: "../../../book/src/measurements.md",
    decisions: "../../../book/src/decisions.md",
}

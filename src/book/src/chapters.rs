//! One module for each chapter.

#[doc = include_str!("../../../book/src/introduction.md")]
mod introduction {}

#[doc = include_str!("../../../book/src/01-attention.md")]
mod attention {}

#[doc = include_str!("../../../book/src/02-families.md")]
mod families {}

#[doc = include_str!("../../../book/src/03-rank.md")]
mod rank {}

#[doc = include_str!("../../../book/src/04-triangle.md")]
mod triangle {}

#[doc = include_str!("../../../book/src/05-limits.md")]
mod limits {}

#[doc = include_str!("../../../book/src/06-softmax.md")]
mod softmax {}

#[doc = include_str!("../../../book/src/07-head-size.md")]
mod head_size {}

#[doc = include_str!("../../../book/src/08-linear.md")]
mod linear {}

#[doc = include_str!("../../../book/src/09-depth.md")]
mod depth {}

#[doc = include_str!("../../../book/src/10-position.md")]
mod position {}

#[doc = include_str!("../../../book/src/11-cost.md")]
mod cost {}

#[doc = include_str!("../../../book/src/12-studies.md")]
mod studies {}

#[doc = include_str!("../../../book/src/13-debate.md")]
mod debate {}

#[doc = include_str!("../../../book/src/14-verdicts.md")]
mod verdicts {}

#[doc = include_str!("../../../book/src/15-kernels.md")]
mod kernels {}

#[doc = include_str!("../../../book/src/16-training.md")]
mod training {}

#[doc = include_str!("../../../book/src/exercises.md")]
mod exercises {}

#[doc = include_str!("../../../book/src/glossary.md")]
mod glossary {}

#[doc = include_str!("../../../book/src/errors.md")]
mod errors {}

#[doc = include_str!("../../../book/src/teachers.md")]
mod teachers {}

#[doc = include_str!("../../../book/src/bibliography.md")]
mod bibliography {}

#[doc = include_str!("../../../book/src/17-twins.md")]
mod twins {}

#[doc = include_str!("../../../book/src/reference.md")]
mod reference {}

#[doc = include_str!("../../../book/src/measurements.md")]
mod measurements {}

#[doc = include_str!("../../../book/src/decisions.md")]
mod decisions {}

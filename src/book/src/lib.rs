//! **rankscope's book**: builds and checks `book/`.
//!
//! The chapters are Markdown in `book/src`. They hold no measured number as digits: a placeholder names the number, and
//! [`Book::render`](book::Book::render) puts it there when the book is built. Figures, trials and formulas are made in
//! the same pass; then mdBook makes the pages. [`check`] finds faults.
//!
//! | module | what |
//! |---|---|
//! | [`markup`] | a chapter taken apart: placeholders, formulas, blocks, links, prose |
//! | [`book`] | the chapters, and what each piece is replaced by |
//! | [`trials`], [`command`], [`runs`], [`quoted`] | where numbers come from: claims, the program, runs of training, other people |
//! | [`number`], [`math`], [`html`], [`trial`], [`figure`], [`widget`] | how each of these is written |
//! | [`preprocessor`] | mdBook |
//! | [`check`], [`fault`] | the faults that the book may have |

pub mod book;
pub mod check;
pub mod command;
pub mod fault;
pub mod figure;
pub mod html;
pub mod markup;
pub mod math;
pub mod number;
pub mod preprocessor;
pub mod quoted;
pub mod runs;
pub mod trial;
pub mod trials;
pub mod widget;

/// The code of the chapters: every block of Rust is compiled and run as a test of the documentation.
#[cfg(doctest)]
mod chapters;

//! How the last value of a cell is shown: our own types as rich output, all others by `Debug`.

use std::fmt::Debug;

use serde_json::json;

use super::{bundle, result};
use crate::claim::Trial;
use crate::figure::{Heatmap, SpectrumFigure, Wall};
use crate::mask::Mask;
use crate::rank::{RankReport, Spectrum};
use crate::tensor::Tensor;

/// The method that evcxr calls on the value of a cell. Every type has it, so that evcxr does not compile a cell again to
/// show it by `Debug`.
pub trait Show {
    /// Shows the value.
    fn evcxr_display(&self);
}

impl<T: Debug + ?Sized> Show for T {
    fn evcxr_display(&self) {
        // The value of a cell that ends in a statement is not shown.
        if std::any::type_name::<T>() != "()" {
            result(&json!({ "text/plain": format!("{self:?}") }));
        }
    }
}

macro_rules! show_rich {
    ($($shown:ty),*) => { $(
        impl $shown {
            /// Shows the value of a cell; inherent, so that it comes before [`Show`].
            pub fn evcxr_display(&self) {
                result(&bundle(self));
            }
        }
    )* };
}

show_rich!(Heatmap, Mask, RankReport, Spectrum, SpectrumFigure, Tensor, Trial, Wall);

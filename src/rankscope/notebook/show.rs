//! How the last value of a cell is shown: types of this library as rich output, all others by `Debug`.

use std::any::TypeId;
use std::fmt::{Arguments, Debug};

use ndarray::{Array1, Array2};

use serde_json::json;

use super::{bundle, result};
use crate::claim::{Phases, Trial, Verdict};
use crate::device::gpu::Kernel;
use crate::figure::{Heatmap, Lines, PhaseMap, SpectrumFigure, Wall};
use crate::mask::{ExactRank, Facts, Mask};
use crate::model::Description;
use crate::model::count::Part;
use crate::probe::Trace;
use crate::rank::{RankReport, Spectrum};
use crate::rich::{Guess, HeadWall, SideBySide, States};
use crate::tensor::Tensor;
use crate::train::History;
use crate::train::twin::Results;

/// The method that evcxr calls on the value of a cell. Every type has it, so that evcxr need not compile a cell again
/// to show its value by `Debug`.
pub trait Show {
    /// Shows the value.
    fn evcxr_display(&self);
}

impl<T: Debug + ?Sized> Show for T {
    fn evcxr_display(&self) {
        // SAFETY: the address is that of a `T`.
        if unsafe { show_array(typeid::of::<T>(), std::ptr::from_ref(self).cast()) } {
            return;
        }
        // The value of a cell that ends in a statement is not shown.
        if std::any::type_name::<T>() != "()" {
            text(format_args!("{self:?}"));
        }
    }
}

macro_rules! show_arrays {
    ($($shown:ty),*) => {
        /// Shows a matrix or a vector as rich output: types of other crates cannot get an inherent method, which would
        /// come before [`Show`]. Returns whether the value was one.
        ///
        /// # Safety
        /// `value` points to a value of the type `id`.
        #[inline(never)]
        unsafe fn show_array(id: TypeId, value: *const ()) -> bool {
            $( if id == TypeId::of::<$shown>() {
                // SAFETY: the caller's promise, and the type has no lifetime that its id could hide.
                result(&bundle(unsafe { &*value.cast::<$shown>() }));
                return true;
            } )*
            false
        }
    };
}

show_arrays!(Array2<f64>, Array2<f32>, Array1<f64>, Array1<f32>, Vec<f64>, Vec<f32>, Vec<Part>);

/// As [`Show`], for plain values, compiled here and not in every cell. A call of evcxr finds this method before that of
/// [`Show`], because it takes `self` by value.
pub trait ShowPlain {
    /// Shows the value.
    fn evcxr_display(self);
}

macro_rules! show_plain {
    ($($shown:ty),*) => { $(
        impl ShowPlain for $shown {
            fn evcxr_display(self) {
                Show::evcxr_display(&self);
            }
        }
    )* };
}

show_plain!((), bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

/// Separate from the generic function above, which is compiled again in every cell and should be short.
#[inline(never)]
fn text(value: Arguments<'_>) {
    result(&json!({ "text/plain": value.to_string() }));
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

show_rich!(
    Description,
    ExactRank,
    Facts,
    Guess,
    HeadWall,
    Heatmap,
    History,
    Kernel,
    Lines,
    Mask,
    PhaseMap,
    Phases
);
show_rich!(
    RankReport,
    Results,
    SideBySide,
    Spectrum,
    SpectrumFigure,
    States,
    Tensor,
    Trace,
    Trial,
    Verdict,
    Wall
);

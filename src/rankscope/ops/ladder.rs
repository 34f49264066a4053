//! Ladders: several ways to compute one operation on a GPU, from the plain formula upwards.
//!
//! Each rung is one WGSL file that changes one thing. The host takes the highest rung that suits the
//! adapter and the sizes ([`Ladder::choose`]); [`with_variant`] takes another one, for tests and benches.

use std::cell::RefCell;
use std::fmt;

use super::{
    layer_norm, linear_attention, masked_normalise, matmul, online_attention, rms_norm, softmax, state_space,
};
use crate::device::Gpu;
use crate::device::gpu::Kernel;
use crate::error::{Error, Result};

/// The ways to compute one operation, each building on the one before.
#[derive(Debug)]
pub struct Ladder {
    /// The operation's name.
    pub op: &'static str,
    /// The rungs, lowest first. The first one takes any size, but a software adapter may end its loops early.
    pub variants: &'static [Variant],
    /// How the host chooses a rung, in words.
    pub rule: &'static str,
}

/// One way to compute an operation on a GPU.
#[derive(Debug)]
pub struct Variant {
    /// The rung's name, unique in its ladder.
    pub name: &'static str,
    /// Its kernel; `None` where it consists of other operations.
    pub kernel: Option<&'static Kernel>,
    /// The features that the device needs.
    pub requires: wgpu::Features,
    /// The change from the rung before, and the reason for it.
    pub changes: &'static str,
    /// Where and why it is slower than the rung before; empty if nowhere.
    pub slower: &'static str,
    /// Rows and columns of the result that one workgroup makes; 0 means all.
    pub tile: [usize; 2],
    /// The sizes that it can compute, in words; empty if it can compute all sizes.
    pub limits: &'static str,
    pub(super) applies: fn(&Extent) -> bool,
    /// About how many turns the loops of one invocation take.
    pub(super) turns: fn(&Extent) -> usize,
    pub(super) suits: fn(&Situation) -> bool,
}

/// The sizes that a choice depends on: rows and columns of the result, and the length of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Matrices or sequences times heads.
    pub batch: usize,
    /// M, T, or the number of rows.
    pub rows: usize,
    /// N, S, D, or C.
    pub columns: usize,
    /// The length of the sum.
    pub inner: usize,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Extent { batch, rows, columns, inner } = self;
        write!(f, "{batch} x {rows} x {columns} values, each a sum over {inner}")
    }
}

/// The adapter and the sizes for which a rung is chosen.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Whether the adapter is software.
    pub is_software: bool,
    /// The sizes.
    pub extent: Extent,
}

/// After this many turns of all its loops together, llvmpipe ends the loops of an invocation without an error: the
/// result is then wrong.
pub(super) const SOFTWARE_TURNS: usize = 65_000;

/// All ladders.
pub static LADDERS: &[&Ladder] = &[
    &matmul::gpu::LADDER,
    &softmax::gpu::LADDER,
    &layer_norm::gpu::LADDER,
    &rms_norm::gpu::LADDER,
    &online_attention::gpu::LADDER,
    &masked_normalise::gpu::LADDER,
    &linear_attention::gpu::LADDER,
    &state_space::gpu::LADDER,
];

thread_local! {
    /// The variants that this thread has asked for, as (operation, variant).
    static WANTED: RefCell<Vec<(&'static str, &'static str)>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with the operation `op` computed by its variant `variant` wherever this thread calls it on a
/// GPU. An operation that the variant cannot do is then an error.
///
/// # Errors
/// [`Error::Invalid`] if there is no such operation or variant; whatever `f` returns.
pub fn with_variant<T>(op: &str, variant: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
    /// Removes the request, also if `f` panics.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            WANTED.with_borrow_mut(|wanted| wanted.pop());
        }
    }
    let ladder = ladder(op)?;
    let variant = ladder.variant(variant)?;
    WANTED.with_borrow_mut(|wanted| wanted.push((ladder.op, variant.name)));
    let _reset = Reset;
    f()
}

/// The ladder of operation `op`.
///
/// # Errors
/// [`Error::Invalid`] if there is none.
pub fn ladder(op: &str) -> Result<&'static Ladder> {
    let found = LADDERS.iter().find(|ladder| ladder.op == op);
    let names = || LADDERS.iter().map(|ladder| ladder.op).collect::<Vec<_>>().join(", ");
    found.copied().ok_or_else(|| Error::invalid("kernel", format!("{op:?}"), format!("one of {}", names())))
}

impl Ladder {
    /// The variant called `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none.
    pub fn variant(&self, name: &str) -> Result<&Variant> {
        self.variants.iter().find(|variant| variant.name == name).ok_or_else(|| {
            let names: Vec<_> = self.variants.iter().map(|variant| variant.name).collect();
            let expected = format!("one of {}", names.join(", "));
            Error::invalid(format!("variant of {}", self.op), format!("{name:?}"), expected)
        })
    }

    /// The highest rung that the device has the features for, that can compute the sizes and suits them, or the variant
    /// that [`with_variant`] asks for.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the variant asked for cannot be used; [`Error::Gpu`] naming the operation and the sizes if
    /// no rung can compute them.
    pub fn choose(&'static self, gpu: &Gpu, extent: Extent) -> Result<&'static Variant> {
        if let Some(name) = wanted(self.op) {
            return self.variant(name)?.expect_fit(self.op, gpu, extent);
        }
        let situation = Situation { is_software: gpu.is_software(), extent };
        self.best(&situation, |variant| variant.refusal(gpu, extent))
    }

    /// The highest rung that can compute the sizes and suits them, or else the highest rung that can compute them.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming the operation, the sizes and why every rung refuses them.
    pub(super) fn best(
        &self,
        situation: &Situation,
        refusal: impl Fn(&Variant) -> Option<String>,
    ) -> Result<&Variant> {
        let able = || self.variants.iter().rev().filter(|variant| refusal(variant).is_none());
        let suitable = able().find(|variant| (variant.suits)(situation));
        suitable.or_else(|| able().next()).ok_or_else(|| {
            let said = |variant: &Variant| {
                refusal(variant).map(|expected| format!("{}: expected {expected}", variant.name))
            };
            let reasons: Vec<_> = self.variants.iter().filter_map(said).collect();
            let problem = format!("no kernel can do {}; {}", situation.extent, reasons.join("; "));
            Error::Gpu { what: self.op.to_owned(), problem }
        })
    }
}

impl Variant {
    /// A rung for any size and situation, in which a ladder replaces what is different.
    pub(super) const PLAIN: Variant = Variant {
        name: "",
        kernel: None,
        requires: wgpu::Features::empty(),
        changes: "",
        slower: "",
        tile: [1, 0],
        limits: "",
        applies: any,
        turns: |_| 0,
        suits: any,
    };

    /// The variant, if it can be used here.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the requirement that is not met.
    pub(super) fn expect_fit(&'static self, op: &str, gpu: &Gpu, extent: Extent) -> Result<&'static Variant> {
        match self.refusal(gpu, extent) {
            None => Ok(self),
            Some(why) => Err(Error::invalid(format!("variant of {op}"), self.name, why)),
        }
    }

    /// The reason why it cannot be used here, if there is one.
    pub fn refusal(&self, gpu: &Gpu, extent: Extent) -> Option<String> {
        let name = gpu.name();
        if !gpu.features().contains(self.requires) {
            return Some(format!("one that {name} can run: it has no subgroups"));
        }
        let turns = (self.turns)(&extent);
        if gpu.is_software() && turns > SOFTWARE_TURNS {
            return Some(format!("one with at most {SOFTWARE_TURNS} turns of its loops, where {name} stops"));
        }
        (!(self.applies)(&extent)).then(|| format!("one for any size: this one takes {}", self.limits))
    }

    /// The number of workgroups for the result.
    pub(super) fn workgroups(&self, extent: Extent) -> usize {
        let tiles = |size: usize, tile: usize| if tile == 0 { 1 } else { size.div_ceil(tile) };
        extent.batch * tiles(extent.rows, self.tile[0]) * tiles(extent.columns, self.tile[1])
    }

    /// The kernel of a variant that the caller knows to have one.
    pub(super) fn kernel(&self) -> &'static Kernel {
        self.kernel.expect("a variant with a kernel")
    }
}

/// The variant of `op` that this thread has asked for.
fn wanted(op: &str) -> Option<&'static str> {
    WANTED.with_borrow(|wanted| {
        wanted.iter().rev().find(|(other, _)| *other == op).map(|(_, variant)| *variant)
    })
}

/// Whether this thread has asked for a variant of `op`.
pub(super) fn is_wanted(op: &str) -> bool {
    wanted(op).is_some()
}

/// For variants that take any size, or suit any situation.
fn any<T>(_: &T) -> bool {
    true
}

/// For variants that read vectors of four along the columns.
pub(super) fn in_fours(extent: &Extent) -> bool {
    extent.columns.is_multiple_of(4)
}

/// The sizes of such variants, in words.
pub(super) const IN_FOURS: &str = "rows whose length is a multiple of 4";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ladders_begin_with_what_always_works_and_say_what_each_rung_changes() {
        for ladder in LADDERS {
            let first = &ladder.variants[0];
            let odd = Extent { batch: 1, rows: 1, columns: 3, inner: 5 };
            assert!(first.requires.is_empty() && (first.applies)(&odd), "{}", ladder.op);
            let names: BTreeSet<_> = ladder.variants.iter().map(|variant| variant.name).collect();
            assert_eq!(names.len(), ladder.variants.len());
            for variant in ladder.variants {
                assert!(!variant.changes.is_empty() && !ladder.rule.is_empty());
                let big = Extent { batch: 1, rows: 9, columns: 1001, inner: 5 };
                let (op, name) = (ladder.op, variant.name);
                assert_eq!(variant.limits.is_empty(), (variant.applies)(&big), "{op} {name}");
                // Without turns, a software adapter would never refuse it.
                assert_eq!(variant.kernel.is_some(), (variant.turns)(&big) > 0, "{op} {name}");
            }
        }
    }

    #[test]
    fn sizes_that_every_rung_refuses_are_an_error_that_names_them() {
        let extent = Extent { batch: 2, rows: 3, columns: 70_001, inner: 70_002 };
        let situation = Situation { is_software: true, extent };
        for ladder in LADDERS {
            let refusal = |variant: &Variant| Some(format!("less than {} can do", variant.name));
            let said = ladder.best(&situation, refusal).unwrap_err().to_string();
            let start =
                format!("GPU: {}: no kernel can do 2 x 3 x 70001 values, each a sum over 70002; ", ladder.op);
            assert!(said.starts_with(&start), "{said}");
            for variant in ladder.variants {
                assert!(said.contains(&format!("{}: expected less than", variant.name)), "{said}");
            }
            // A rung that does not is taken, suitable or not.
            let only = |variant: &Variant| (variant.name != ladder.variants[0].name).then(String::new);
            assert_eq!(ladder.best(&situation, only).unwrap().name, ladder.variants[0].name);
        }
    }

    #[test]
    fn unknown_names_are_named() {
        let error = |op, variant| with_variant(op, variant, || Ok(())).unwrap_err().to_string();
        assert!(error("matmull", "naive").starts_with("kernel is \"matmull\", expected one of matmul, "));
        let got = error("matmul", "blockd");
        assert_eq!(got, "variant of matmul is \"blockd\", expected one of naive, tiled, blocked, staged");
    }

    #[test]
    fn a_kernel_can_be_cut_where_its_ladder_is_long() {
        for ladder in LADDERS {
            for kernel in ladder.variants.iter().filter_map(|variant| variant.kernel) {
                assert!(kernel.params.iter().any(|field| field.name == "first_group"), "{}", kernel.name);
            }
        }
    }
}

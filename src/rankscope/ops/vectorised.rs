//! [`vectorised!`]: a function that is compiled once for each set of vector instructions. Each call takes the widest one
//! that the processor has.
//!
//! The program still runs on every processor, and the code is written once: plain loops, which the compiler turns into
//! vectors as wide as it may use.

/// The sets of vector instructions of x86-64.
#[cfg(target_arch = "x86_64")]
pub(super) enum Vectors {
    /// 128 bits, which every such processor has.
    Sse2,
    /// 256 bits, and a·b + c in one instruction.
    Avx2,
    /// 512 bits, and a·b + c in one instruction.
    Avx512,
}

/// The widest set that this processor has. The standard library remembers the answer.
#[cfg(target_arch = "x86_64")]
pub(super) fn vectors() -> Vectors {
    let has_256 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    if has_256 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
        Vectors::Avx512
    } else if has_256 {
        Vectors::Avx2
    } else {
        Vectors::Sse2
    }
}

/// Declares a generic function, its parameters of types in square brackets. In its body, `FMA` says whether a·b + c is one
/// instruction. A function that it calls for every value has to be `#[inline(always)]` or small, since only inlined
/// code is compiled for wider vectors.
macro_rules! vectorised {
    ($(#[$about:meta])* $visibility:vis fn $name:ident[$($generic:ident: $bound:path),*](
        $($argument:ident: $kind:ty),* $(,)?
    ) $(-> $result:ty)? $body:block) => {
        $(#[$about])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name<$($generic: $bound),*>($($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            fn portable<const FMA: bool, $($generic: $bound),*>($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::ops::vectorised::{Vectors, vectors};

                #[target_feature(enable = "avx2,fma")]
                fn avx2<$($generic: $bound),*>($($argument: $kind),*) $(-> $result)? {
                    portable::<true, $($generic),*>($($argument),*)
                }

                #[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
                fn avx512<$($generic: $bound),*>($($argument: $kind),*) $(-> $result)? {
                    portable::<true, $($generic),*>($($argument),*)
                }

                match vectors() {
                    // SAFETY: the processor has the instructions.
                    Vectors::Avx512 => unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    Vectors::Avx2 => unsafe { avx2($($argument),*) },
                    Vectors::Sse2 => portable::<false, $($generic),*>($($argument),*),
                }
            }
            // On 64-bit ARM, every processor has vectors and FMA.
            #[cfg(not(target_arch = "x86_64"))]
            portable::<{ cfg!(target_arch = "aarch64") }, $($generic),*>($($argument),*)
        }
    };
}
pub(super) use vectorised;

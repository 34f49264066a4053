//! The networks of the table, and the masks that they run under.

use ndarray::Array2;

use crate::claim::Settings;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::model::stack::{Architecture, NormPlace};
use crate::random::gaussian;

/// One row of the table.
pub struct Net {
    /// In names of measurements.
    pub name: &'static str,
    /// In sentences.
    pub label: &'static str,
    build: fn(Architecture) -> Architecture,
}

impl Net {
    /// Its architecture at these sizes; F = 4·C where there is a feed-forward network.
    pub fn architecture(&self, sizes: &Sizes) -> Architecture {
        (self.build)(sizes.pure())
    }

    /// Whether it is pure attention: no skip, MLP or norm.
    pub fn is_pure(&self, sizes: &Sizes) -> bool {
        self.architecture(sizes) == sizes.pure()
    }
}

/// Feed-forward width as a multiple of C.
const WIDER: usize = 4;

fn with_mlp(architecture: Architecture) -> Architecture {
    architecture.with_feed_forward(WIDER * architecture.width)
}

/// Self-attention networks (SAN), from pure attention to whole transformers.
pub static NETS: &[Net] = &[
    Net { name: "san", label: "pure attention", build: |a| a },
    Net {
        name: "san_post_ln",
        label: "attention and layer norm after it",
        build: |a| a.with_norm(NormPlace::After),
    },
    Net {
        name: "san_pre_ln",
        label: "attention and layer norm before it",
        build: |a| a.with_norm(NormPlace::Before),
    },
    Net { name: "san_mlp", label: "attention and MLP", build: with_mlp },
    Net { name: "san_skip", label: "attention with a skip", build: Architecture::with_skip },
    Net { name: "san_skip_mlp", label: "attention and MLP with skips", build: |a| with_mlp(a.with_skip()) },
    Net {
        name: "post_ln",
        label: "post-LN transformer",
        build: |a| with_mlp(a.with_skip().with_norm(NormPlace::After)),
    },
    Net {
        name: "pre_ln",
        label: "pre-LN transformer",
        build: |a| with_mlp(a.with_skip().with_norm(NormPlace::Before)),
    },
];

/// The sizes that all stacks of a run share.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Tokens.
    pub n: usize,
    /// C.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// L.
    pub layers: usize,
}

/// A mask with its name in measurements.
pub type Masked = (&'static str, Mask);

/// The stream of the input, beyond those of any weight.
const INPUT: u64 = 1 << 32;

impl Sizes {
    /// The settings, checked against each other.
    pub fn read(settings: &Settings) -> Result<Self> {
        let (width, heads) = (settings.integer("width")?, settings.integer("heads")?);
        if !width.is_multiple_of(heads) {
            return Err(Error::invalid("heads", heads, format!("a divisor of width = {width}")));
        }
        Ok(Sizes { n: settings.integer("n")?, width, heads, layers: settings.integer("layers")? })
    }

    /// Pure attention of these sizes, with D = C / H.
    pub fn pure(&self) -> Architecture {
        Architecture::attention_only(self.layers, self.heads, self.width / self.heads, self.width)
    }

    /// Standard normal tokens, `[n, C]`.
    pub fn input(&self, seed: u64) -> Array2<f64> {
        gaussian(self.n, self.width, seed, INPUT)
    }

    /// Whether they are those of the reference, whatever the layers.
    pub fn are_the_references(&self) -> bool {
        (self.n, self.width, self.heads) == (32, 64, 4)
    }

    /// The masks of the table.
    pub fn masks(&self) -> Result<[Masked; 4]> {
        Ok([
            ("bidirectional", Mask::bidirectional()),
            ("causal", Mask::causal()),
            ("prefix", Mask::prefix(self.n / 2)),
            ("window", window()?),
        ])
    }

    /// The residual ratio below which f64 cannot tell it from 0.
    pub fn floor(&self) -> f64 {
        self.n.max(self.width) as f64 * f64::EPSILON
    }
}

/// Four keys, the query itself included.
pub fn window() -> Result<Mask> {
    Mask::window(4)
}

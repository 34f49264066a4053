//! [`Source`]: where the tensors of a model come from, so that each family builds itself once.
//!
//! The source is a checkpoint, a seed, or shapes only: [`Builder`](super::Builder) asks for tensors by name and does
//! not know which of these it is.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::Checkpoint;
use crate::axis::Shape;
use crate::error::Result;
use crate::random::normals;
use crate::weight::{Dtype, Weight};

/// The initial numbers of a tensor in a new model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fresh {
    /// Independent numbers, N(0, spread²).
    Normal {
        /// The standard deviation.
        spread: f32,
    },
    /// Independent numbers for a matrix whose products are added to the residual stream.
    Update {
        /// The standard deviation.
        spread: f32,
    },
    /// One number everywhere: gains begin as 1, biases as 0.
    Constant(f32),
}

impl Fresh {
    /// N(0, 1/in): a product with inputs of variance 1 has variance 1.
    pub fn normal(inputs: usize) -> Self {
        Fresh::Normal { spread: 1.0 / (inputs as f32).sqrt() }
    }

    /// As [`normal`](Self::normal), for a matrix whose products are added to the residual stream.
    pub fn update(inputs: usize) -> Self {
        Fresh::Update { spread: 1.0 / (inputs as f32).sqrt() }
    }
}

/// Where the tensors of a model come from.
pub trait Source {
    /// The tensor `name` of `shape`, on the CPU; `fresh` gives its initial numbers in a new model.
    ///
    /// # Errors
    /// An error naming the tensor, if it is missing or of another shape.
    fn tensor(&mut self, name: &str, shape: Shape, fresh: Fresh) -> Result<Weight>;

    /// The name of the source: a path, or a seed. A cache identifies its model by this name.
    fn name(&self) -> String;

    /// Whether there is such a tensor; `None` for a source that has every tensor.
    fn has(&self, name: &str) -> Option<bool> {
        self.checkpoint().map(|checkpoint| checkpoint.has(name))
    }

    /// Whether both tensors exist and are equal, bit for bit.
    ///
    /// # Errors
    /// An error naming the file that cannot be read.
    fn same(&self, one: &str, other: &str) -> Result<bool> {
        self.checkpoint().map_or(Ok(false), |checkpoint| checkpoint.same(one, other))
    }

    /// The checkpoint, if the source is one.
    fn checkpoint(&self) -> Option<&Checkpoint> {
        None
    }
}

/// The tensors of a checkpoint.
impl Source for Checkpoint {
    fn tensor(&mut self, name: &str, shape: Shape, _: Fresh) -> Result<Weight> {
        self.weight(name, shape.axes())
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }

    fn checkpoint(&self) -> Option<&Checkpoint> {
        Some(self)
    }
}

/// Random tensors in f32, each drawn from the seed and its own name.
///
/// **Conventions**: the numbers of a tensor depend only on the seed, its name and its size: not on the order in which
/// tensors are asked for, nor on the model's other tensors.
///
/// ```
/// use rankscope::model::{Fresh, Seeded, Source};
/// use rankscope::{Axis, Shape};
/// let mut draw = |name: &str, seed| {
///     Seeded::new(seed).tensor(name, Shape::new([(Axis::Row, 3)]), Fresh::normal(4)).unwrap().to_f32()
/// };
/// assert_eq!(draw("a", 7), draw("a", 7));
/// assert!(draw("a", 7) != draw("b", 7) && draw("a", 7) != draw("a", 8));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Seeded {
    seed: u64,
    /// The factor of the spread of matrices that update the residual stream.
    share: f32,
}

impl Seeded {
    /// A source of this seed.
    pub fn new(seed: u64) -> Self {
        Seeded { seed, share: 1.0 }
    }

    /// This source, but with matrices of N(0, 1/(in·N)) where N products are added to the residual stream one after the
    /// other, so that the stream does not grow with depth.
    ///
    /// **Source**: Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*, section 2.3.
    pub(super) fn with_updates(self, count: usize) -> Self {
        Seeded { share: 1.0 / (count as f32).sqrt(), ..self }
    }
}

impl Source for Seeded {
    fn tensor(&mut self, name: &str, shape: Shape, fresh: Fresh) -> Result<Weight> {
        let normal = |spread: f32| {
            let key = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(name).finalize();
            let mut normal = normals(ChaCha8Rng::from_seed(key.into()));
            (0..shape.len()).map(|_| spread * normal() as f32).collect()
        };
        let values: Vec<f32> = match fresh {
            Fresh::Constant(value) => vec![value; shape.len()],
            Fresh::Normal { spread } => normal(spread),
            Fresh::Update { spread } => normal(self.share * spread),
        };
        Weight::new(name, shape.axes(), Dtype::F32, &values)
    }

    fn name(&self) -> String {
        format!("seed {}", self.seed)
    }
}

/// Shapes without numbers: those of a new model, or those that a checkpoint's header states.
///
/// A model that is built from it can only be counted, so it stays inside the library.
pub(super) struct Shapes(pub(super) Option<Checkpoint>);

impl Source for Shapes {
    fn tensor(&mut self, name: &str, shape: Shape, _: Fresh) -> Result<Weight> {
        match &self.0 {
            Some(checkpoint) => checkpoint.outline(name, shape),
            None => Ok(Weight::absent(name, shape, Dtype::F32)),
        }
    }

    fn name(&self) -> String {
        "shapes".to_owned()
    }

    fn checkpoint(&self) -> Option<&Checkpoint> {
        self.0.as_ref()
    }
}

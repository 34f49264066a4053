//! What the tests of whole models share.

use std::path::{Path, PathBuf};

#[path = "../support/devices.rs"]
mod devices;

pub use devices::{devices, skipped};

use ndarray::{ArrayD, IxDyn};
use rankscope::model::store::Store;
use rankscope::model::{self, Input, Model};
use rankscope::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};

/// The folder of fixtures in the source tree.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The checkpoint that ships with the source.
pub fn glass_en() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/checkpoints/glass-en")
}

/// The folder of a model that is pulled and not shipped; `None`, said and counted, where it is not installed.
#[track_caller]
pub fn installed(name: &str) -> Option<PathBuf> {
    let folder = Store::open().and_then(|store| store.find(name)).ok();
    if folder.is_none() {
        skipped(&format!("{name} is not installed (the README says how to get it)"));
    }
    folder
}

/// A tiny model of the family on the CPU.
pub fn tiny(family: &str) -> Box<dyn Model> {
    model::load(&fixtures().join("tiny").join(family), &Device::Cpu).expect("the fixture loads")
}

/// The families with a tiny checkpoint that this library implements.
pub const FAMILIES: [&str; 6] = ["bert", "gpt1", "gpt2", "llama", "llama-mha", "mixtral"];

/// One sequence of `length` ids that all differ, for a vocabulary of at least 90.
pub fn some_ids(length: usize) -> Input {
    Input::new((0..length as u32).map(|i| (i * 37 + 11) % 89).collect())
}

/// Reads a golden file.
pub struct Golden(Vec<u8>);

impl Golden {
    pub fn open(path: &Path) -> Self {
        Golden(std::fs::read(path).expect("a golden file"))
    }

    pub fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.0).expect("a safetensors file").tensor(name).is_ok()
    }

    /// The tensor `name` as f64, whatever it is stored as.
    pub fn get(&self, name: &str) -> ArrayD<f64> {
        let file = SafeTensors::deserialize(&self.0).expect("a safetensors file");
        let view = file.tensor(name).unwrap_or_else(|_| panic!("{name} in the golden file"));
        let bytes = view.data();
        let values = match view.dtype() {
            Dtype::F32 => {
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect()
            }
            Dtype::F64 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Dtype::I64 => {
                bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
            }
            other => panic!("{name} is of dtype {other:?}"),
        };
        ArrayD::from_shape_vec(IxDyn(view.shape()), values).expect("the stored shape")
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.get(name).iter().map(|&id| id as u32).collect()
    }
}

/// The largest absolute difference, after checking that the sizes agree.
pub fn difference(what: &str, got: &Tensor, expected: &ArrayD<f64>) -> f64 {
    let got_values = got.to_vec().expect("readback");
    assert_eq!(got_values.len(), expected.len(), "{what}: {} against {:?}", got.shape(), expected.shape());
    let pairs = got_values.iter().zip(expected.iter());
    pairs.fold(0.0, |largest: f64, (&got, &expected)| {
        let difference = (f64::from(got) - expected).abs();
        assert!(difference.is_finite(), "{what} is not finite");
        largest.max(difference)
    })
}

/// The largest absolute entry.
pub fn magnitude(values: &ArrayD<f64>) -> f64 {
    values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()))
}

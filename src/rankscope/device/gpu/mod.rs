//! One open GPU.
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::Arc;

/// An open GPU.
#[derive(Debug)]
pub struct Gpu {}
impl Gpu {
    /// Adapter name.
    pub fn name(&self) -> &str {
        ""
    }
    /// Uploads bytes.
    pub fn upload(self: &Arc<Self>, label: &str, _bytes: &[u8]) -> Result<GpuBuffer> {
        Err(Error::Gpu { what: label.into(), problem: "not built".into() })
    }
}
/// A storage buffer.
#[derive(Clone, Debug)]
pub struct GpuBuffer {
    gpu: Arc<Gpu>,
}
impl GpuBuffer {
    /// The GPU.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }
    /// Reads.
    pub fn read_f32(&self, _count: usize) -> Result<Vec<f32>> {
        Err(Error::NoAdapter("not built".into()))
    }
    /// Copies.
    pub fn copy_f32(&self, _range: Range<usize>) -> Result<GpuBuffer> {
        Err(Error::NoAdapter("not built".into()))
    }
}

//! [`Weight`]: a matrix of a model, kept in the dtype of its file.
//!
//! The weights of a checkpoint in f16 stay f16, in memory and on a GPU, and are widened to f32 where they are used:
//! inside [`linear`](crate::ops::linear) and [`gather`](crate::ops::gather).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use half::{bf16, f16};
use rayon::prelude::*;

use crate::axis::{Axis, Shape};
use crate::device::Device;
use crate::device::gpu::GpuBuffer;
use crate::error::{Error, Result};
use crate::tape::Place;
use crate::tensor::Tensor;

pub(crate) mod widen;

/// How a weight's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16: the upper half of an f32.
    Bf16,
}

impl Dtype {
    /// Bytes of one number.
    pub fn size_bytes(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        })
    }
}

/// A named matrix (or vector) of a model in its file's dtype. Clones share the data.
#[derive(Clone)]
pub struct Weight {
    name: Arc<str>,
    shape: Shape,
    dtype: Dtype,
    data: Data,
}

#[derive(Clone)]
enum Data {
    Cpu {
        bytes: Arc<Vec<u8>>,
        range: Range<usize>,
    },
    Gpu(GpuBuffer),
    /// In f32 on either device, so that it can be tracked.
    Tensor(Tensor),
    /// A shape without numbers, for counting parameters.
    Absent,
}

impl Weight {
    /// A weight from f32 values, stored as `dtype`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `values` has another length than the shape.
    pub fn new(
        name: &str,
        axes: impl Into<Vec<(Axis, usize)>>,
        dtype: Dtype,
        values: &[f32],
    ) -> Result<Self> {
        let shape = Shape::new(axes);
        if values.len() != shape.len() {
            let expected = format!("{} values for {shape}", shape.len());
            return Err(Error::invalid(format!("length of {name}"), values.len(), expected));
        }
        let bytes: Vec<u8> = match dtype {
            Dtype::F32 => bytemuck::cast_slice(values).to_vec(),
            Dtype::F16 => values.iter().flat_map(|&x| f16::from_f32(x).to_ne_bytes()).collect(),
            Dtype::Bf16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_ne_bytes()).collect(),
        };
        Ok(Self::owned(name, shape, dtype, bytes))
    }

    /// A weight from the bytes of a file. The caller has checked that there are as many as the shape asks for.
    pub(crate) fn owned(name: &str, shape: Shape, dtype: Dtype, bytes: Vec<u8>) -> Self {
        debug_assert_eq!(bytes.len(), shape.len() * dtype.size_bytes());
        let range = 0..bytes.len();
        Weight { name: name.into(), shape, dtype, data: Data::Cpu { bytes: bytes.into(), range } }
    }

    /// A weight in f32 whose numbers are those of a tensor, which a tape may track. Clones share the data.
    pub fn from_tensor(name: &str, tensor: Tensor) -> Self {
        let (name, shape) = (name.into(), tensor.shape().clone());
        Weight { name, shape, dtype: Dtype::F32, data: Data::Tensor(tensor) }
    }

    /// The tensor, if the weight was made from one.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match &self.data {
            Data::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Its place on a tape, if it is tracked.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.as_tensor()?.place()
    }

    /// The same numbers, not tracked.
    pub(crate) fn detach(&self) -> Self {
        match &self.data {
            Data::Tensor(tensor) => Self::from_tensor(&self.name, tensor.detach()),
            _ => self.clone(),
        }
    }

    /// A weight that has a shape and no numbers: nothing can be computed with it.
    pub(crate) fn absent(name: &str, shape: Shape, dtype: Dtype) -> Self {
        Weight { name: name.into(), shape, dtype, data: Data::Absent }
    }

    /// Whether it has a shape and no numbers.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self.data, Data::Absent)
    }

    /// The numbers from `first` on as a weight of `shape`, which shares them. The caller has checked that
    /// they lie inside.
    ///
    /// # Errors
    /// [`Error::Placement`] on a GPU.
    pub(crate) fn part(&self, first: usize, shape: Shape) -> Result<Self> {
        let size = self.dtype.size_bytes();
        let data = match &self.data {
            Data::Cpu { bytes, range } => {
                let start = range.start + first * size;
                Data::Cpu { bytes: bytes.clone(), range: start..start + shape.len() * size }
            }
            Data::Absent => Data::Absent,
            Data::Gpu(_) | Data::Tensor(_) => return Err(self.not_on_the_cpu("part")),
        };
        Ok(Weight { name: self.name.clone(), shape, dtype: self.dtype, data })
    }

    /// The matrix `[b, a]` of a matrix `[a, b]`: a copy, in the same dtype.
    ///
    /// # Errors
    /// [`Error::Axes`] if the number of axes is not 2, [`Error::Placement`] on a GPU.
    pub(crate) fn transposed(&self) -> Result<Self> {
        let [(row, rows), (column, columns)] = *self.shape.axes() else {
            let (expected, got) = ("two".to_owned(), self.shape.letters());
            return Err(Error::Axes { op: "transposed", argument: "weight", expected, got });
        };
        let shape = Shape::new([(column, columns), (row, rows)]);
        let bytes = match &self.data {
            Data::Absent => return Ok(Self::absent(&self.name, shape, self.dtype)),
            _ => self.bytes().ok_or_else(|| self.not_on_the_cpu("transposed"))?,
        };
        let bytes = match self.dtype {
            Dtype::F32 => transposed::<4>(bytes, rows, columns),
            Dtype::F16 | Dtype::Bf16 => transposed::<2>(bytes, rows, columns),
        };
        Ok(Self::owned(&self.name, shape, self.dtype, bytes))
    }

    /// The error of an operation that needs the numbers on the CPU.
    pub(crate) fn not_on_the_cpu(&self, op: &'static str) -> Error {
        let (expected, got) = ("the CPU".to_owned(), self.device().to_string());
        Error::Placement { op, argument: "weight", expected, got }
    }

    /// The name in the checkpoint.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The axes: `[out, in]` for a linear layer, `[entries, width]` for a table.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How the numbers are stored.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Where the numbers are.
    pub fn device(&self) -> Device {
        match &self.data {
            Data::Gpu(buffer) => Device::Gpu(buffer.gpu().clone()),
            Data::Tensor(tensor) => tensor.device(),
            _ => Device::Cpu,
        }
    }

    /// The raw bytes, if on the CPU.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match &self.data {
            Data::Cpu { bytes, range } => Some(&bytes[range.clone()]),
            Data::Tensor(tensor) => tensor.as_slice().map(bytemuck::cast_slice),
            Data::Gpu(_) | Data::Absent => None,
        }
    }

    /// The buffer, if on a GPU: the file's bytes, padded to a multiple of four.
    pub(crate) fn gpu_buffer(&self) -> Option<&GpuBuffer> {
        match &self.data {
            Data::Gpu(buffer) => Some(buffer),
            Data::Tensor(tensor) => tensor.gpu_buffer(),
            _ => None,
        }
    }

    /// The same weight on `device`, in the same dtype; nothing is copied if it is already there.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the upload fails; [`Error::Placement`] from one GPU to another device.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        if self.device() == *device {
            return Ok(self.clone());
        }
        if let Data::Tensor(tensor) = &self.data {
            return Ok(Self::from_tensor(&self.name, tensor.to_device(device)?));
        }
        match (device, self.bytes()) {
            (Device::Gpu(gpu), Some(bytes)) => {
                let data = Data::Gpu(gpu.upload_in_parts(&self.name, bytes)?);
                Ok(Weight { data, ..self.clone() })
            }
            _ => Err(self.not_on_the_cpu("to_device")),
        }
    }

    /// Numbers `range` (counted in elements), widened to f32; borrowed where the file holds aligned f32.
    ///
    /// Returns `None` on a GPU.
    pub(crate) fn widen(&self, range: Range<usize>) -> Option<Cow<'_, [f32]>> {
        let aligned = (self.dtype == Dtype::F32).then(|| self.bytes_of(&range)).flatten();
        if let Some(Ok(values)) = aligned.map(bytemuck::try_cast_slice) {
            return Some(Cow::Borrowed(values));
        }
        let mut values = vec![0.0; range.len()];
        self.widen_into(range, &mut values)?;
        Some(Cow::Owned(values))
    }

    /// As [`widen`](Self::widen), but written to `y`, which has as many values as `range`.
    pub(crate) fn widen_into(&self, range: Range<usize>, y: &mut [f32]) -> Option<()> {
        widen::widen(self.bytes_of(&range)?, self.dtype, y);
        Some(())
    }

    /// The bytes of numbers `range`.
    fn bytes_of(&self, range: &Range<usize>) -> Option<&[u8]> {
        let size = self.dtype.size_bytes();
        Some(&self.bytes()?[range.start * size..range.end * size])
    }

    /// All numbers widened to f32, if on the CPU.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        self.widen(0..self.shape.len()).map(Cow::into_owned)
    }
}

/// A rows × columns matrix of numbers of SIZE bytes, transposed.
fn transposed<const SIZE: usize>(bytes: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    /// A tile of this many rows and columns stays in the first-level cache while it is transposed.
    const TILE: usize = 32;
    if rows * columns == 0 {
        return Vec::new();
    }
    let (from, mut to) = (bytes.as_chunks::<SIZE>().0, vec![[0; SIZE]; rows * columns]);
    to.par_chunks_mut(rows * TILE).enumerate().for_each(|(tile, to)| {
        for first in (0..rows).step_by(TILE) {
            for (column, to) in to.chunks_mut(rows).enumerate() {
                let column = tile * TILE + column;
                for row in first..rows.min(first + TILE) {
                    to[row] = from[row * columns + column];
                }
            }
        }
    });
    to.into_flattened()
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weight {} {} {} on {}", self.name, self.shape, self.dtype, self.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dtype_is_stored_and_widened_as_itself() {
        // 1 + 2⁻⁷ is exact in all three, 1 + 2⁻¹⁰ in f16 only, 2¹⁰⁰ in bf16 only.
        let values = [1.0 + 2f32.powi(-7), 1.0 + 2f32.powi(-10), 2f32.powi(100), -0.5];
        let stored = |dtype| {
            let weight = Weight::new("w", [(Axis::Row, 4)], dtype, &values).unwrap();
            (weight.bytes().unwrap().len(), weight.to_f32().unwrap())
        };
        assert_eq!(stored(Dtype::F32), (16, values.to_vec()));
        assert_eq!(stored(Dtype::F16), (8, vec![values[0], values[1], f32::INFINITY, -0.5]));
        assert_eq!(stored(Dtype::Bf16), (8, vec![values[0], 1.0, values[2], -0.5]));
    }

    #[test]
    fn what_is_done_on_the_cpu_is_refused_on_a_gpu() {
        let Some(gpu) = crate::test_devices::gpu() else { return };
        let weight = Weight::new("w", [(Axis::Row, 2), (Axis::Column, 3)], Dtype::F16, &[1.0; 6]).unwrap();
        let there = weight.to_device(&gpu).unwrap();
        let row = Shape::new([(Axis::Column, 3)]);
        for (op, result) in [("part", there.part(3, row)), ("transposed", there.transposed())] {
            let said = result.unwrap_err().to_string();
            assert!(said.starts_with(&format!("{op}: weight is on gpu")), "{said}");
        }
        let vector = Weight::new("v", [(Axis::Row, 2)], Dtype::F32, &[1.0; 2]).unwrap();
        let said = vector.transposed().unwrap_err().to_string();
        assert_eq!(said, "transposed: weight has axes [N], expected two");
    }

    #[test]
    fn a_transposed_weight_holds_every_number_in_its_place() {
        // More rows and columns than a tile has, and neither number is a multiple of the tile's.
        let (rows, columns) = (67, 41);
        let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
        for dtype in [Dtype::F32, Dtype::F16] {
            let axes = [(Axis::Row, rows), (Axis::Column, columns)];
            let weight = Weight::new("w", axes, dtype, &values).unwrap();
            let turned = weight.transposed().unwrap();
            assert_eq!(turned.shape().to_string(), format!("[M={columns}, N={rows}]"));
            let (from, to) = (weight.to_f32().unwrap(), turned.to_f32().unwrap());
            let same = |row, column| from[row * columns + column] == to[column * rows + row];
            assert!((0..rows).all(|row| (0..columns).all(|column| same(row, column))), "{dtype}");
            let part = turned.part(2 * rows, Shape::new([(Axis::Column, 3), (Axis::Row, rows)])).unwrap();
            assert_eq!(part.to_f32().unwrap(), to[2 * rows..5 * rows], "{dtype}");
        }
    }
}

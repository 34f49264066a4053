//! [`Tensor`]: f32 activations with named axes, on either device.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewD};

use crate::axis::{Axis, Shape};
use crate::buffer::{Buffer, any_values};
use crate::device::Device;
use crate::device::gpu::GpuBuffer;
use crate::error::{Error, Result};
use crate::tape::{self, Place};

/// An immutable, dense, row-major array of f32 with named axes. Clones share the data.
///
/// Operations take a tensor or a reference to one. The memory of a tensor that is passed by value and shared by no
/// clone may be reused for the result, which saves a copy: `gelu(x, form)` in place of `gelu(&x, form)`.
///
/// ```
/// use rankscope::{Axis, Shape, Tensor};
/// let x = Tensor::new([(Axis::Query, 2), (Axis::Width, 3)], vec![1., 2., 3., 4., 5., 6.])?;
/// assert_eq!(x.shape().to_string(), "[T=2, C=3]");
/// assert_eq!(x.select(Axis::Query, 1)?.to_vec()?, [4., 5., 6.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    shape: Shape,
    data: Data,
    /// Where it stands on a tape, if it is tracked.
    place: Option<Place>,
}

#[derive(Clone)]
enum Data {
    Cpu(Arc<Buffer>),
    Gpu(GpuBuffer),
}

impl Tensor {
    /// A tensor on the CPU.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `values` has another length than the shape.
    pub fn new(axes: impl Into<Vec<(Axis, usize)>>, values: Vec<f32>) -> Result<Self> {
        let shape = Shape::new(axes);
        if values.len() != shape.len() {
            let expected = format!("{} values for {shape}", shape.len());
            return Err(Error::invalid("tensor length", values.len(), expected));
        }
        Ok(Self::on_cpu(shape, values))
    }

    /// A tensor on the CPU from values; the caller has made sure that there are as many as the shape has.
    pub(crate) fn on_cpu(shape: Shape, values: Vec<f32>) -> Self {
        debug_assert_eq!(shape.len(), values.len());
        Tensor { shape, data: Data::Cpu(Arc::new(Buffer::new(values))), place: None }
    }

    /// A tensor over a GPU buffer that holds at least `shape.len()` f32 values.
    pub(crate) fn on_gpu(shape: Shape, buffer: GpuBuffer) -> Self {
        Tensor { shape, data: Data::Gpu(buffer), place: None }
    }

    /// A tensor of zeros on the CPU.
    pub fn zeros(axes: impl Into<Vec<(Axis, usize)>>) -> Self {
        let shape = Shape::new(axes);
        Self::filled(shape, 0.0)
    }

    /// A tensor on the CPU with one number everywhere.
    pub(crate) fn filled(shape: Shape, value: f32) -> Self {
        let mut values = any_values(shape.len());
        values.fill(value);
        Self::on_cpu(shape, values)
    }

    /// The axes and their sizes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Where the numbers are.
    pub fn device(&self) -> Device {
        match &self.data {
            Data::Cpu(_) => Device::Cpu,
            Data::Gpu(buffer) => Device::Gpu(buffer.gpu().clone()),
        }
    }

    /// The same tensor on `device`, without a copy if it is already there.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the upload or the readback fails.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let home = self.device();
        if home == *device {
            return Ok(self.clone());
        }
        let (tape, [x]) = tape::begin("to_device", [self.clone()])?;
        let there = match device {
            Device::Cpu => Self::on_cpu(x.shape.clone(), x.to_vec()?),
            Device::Gpu(gpu) => {
                let buffer = gpu.upload("tensor", bytemuck::cast_slice(&x.to_vec()?))?;
                Self::on_gpu(x.shape.clone(), buffer)
            }
        };
        Ok(tape::record(tape, there, move |dy| Ok([Some(dy.to_device(&home)?)])))
    }

    /// As [`to_device`](Self::to_device), for a tensor that every pass uploads with the same content, such as a table
    /// of positions.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the upload fails.
    pub(crate) fn to_device_as_constant(&self, device: &Device) -> Result<Self> {
        match (device, self.as_slice()) {
            (Device::Gpu(gpu), Some(values)) => {
                let buffer = gpu.constant("constant", bytemuck::cast_slice(values))?;
                Ok(Self::on_gpu(self.shape.clone(), buffer))
            }
            _ => self.to_device(device),
        }
    }

    /// The values; those of a tensor on a GPU are read back.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the readback fails.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        match self.read() {
            Data::Cpu(values) => Ok(values.to_vec()),
            Data::Gpu(buffer) => buffer.read_f32(self.shape.len()),
        }
    }

    /// The values, if the tensor is on the CPU.
    pub fn as_slice(&self) -> Option<&[f32]> {
        match self.read() {
            Data::Cpu(values) => Some(values),
            Data::Gpu(_) => None,
        }
    }

    /// The buffer, if the tensor is on a GPU: for a renderer that draws it without readback.
    pub fn gpu_buffer(&self) -> Option<&GpuBuffer> {
        match self.read() {
            Data::Cpu(_) => None,
            Data::Gpu(buffer) => Some(buffer),
        }
    }

    /// Whether a clone of this tensor shares its data. On a GPU, where no operation overwrites its argument, the answer
    /// does not matter.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(&self.data, Data::Cpu(values) if Arc::strong_count(values) > 1)
    }

    /// The values without a copy, if the tensor is on the CPU and no clone shares them; otherwise the tensor.
    pub(crate) fn into_values(self) -> std::result::Result<Vec<f32>, Self> {
        self.read();
        match self.data {
            Data::Cpu(values) => match Arc::try_unwrap(values) {
                Ok(buffer) => Ok(buffer.into_vec()),
                Err(values) => Err(Tensor { shape: self.shape, data: Data::Cpu(values), place: None }),
            },
            Data::Gpu(_) => Err(self),
        }
    }

    /// A view as an ndarray, if the tensor is on the CPU.
    pub fn as_array(&self) -> Option<ArrayViewD<'_, f32>> {
        let values = self.as_slice()?;
        ArrayViewD::from_shape(self.shape.sizes(), values).ok()
    }

    /// A view of the matrix at flat position `index` over the leading axes, if on the CPU.
    ///
    /// With axes `[B, H, T, S]`, index `b·H + h` is the T × S matrix of head `h` of sequence `b`.
    pub fn matrix(&self, index: usize) -> Option<ArrayView2<'_, f32>> {
        let sizes = self.shape.sizes();
        let [.., rows, columns] = sizes[..] else { return None };
        let values = self.as_slice()?.get(index * rows * columns..(index + 1) * rows * columns)?;
        ArrayView2::from_shape((rows, columns), values).ok()
    }

    /// The same numbers under other axes.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the number of elements differs.
    pub fn reshape(&self, axes: impl Into<Vec<(Axis, usize)>>) -> Result<Self> {
        let shape = Shape::new(axes);
        if shape.len() != self.shape.len() {
            let expected = format!("{} elements as in {}", self.shape.len(), self.shape);
            return Err(Error::invalid("reshape", &shape, expected));
        }
        Ok(self.clone().reshaped(shape))
    }

    /// As [`reshape`](Self::reshape), for a tensor passed by value and a shape with as many elements.
    pub(crate) fn reshaped(mut self, shape: Shape) -> Self {
        debug_assert_eq!(shape.len(), self.shape.len());
        let before = std::mem::replace(&mut self.shape, shape);
        let tape = self.place.take().map(|place| tape::recorder_of_one("reshape", place));
        tape::record(tape, self, move |dy| Ok([Some(dy.clone().reshaped(before))]))
    }

    /// The same numbers, not tracked: no gradient goes from what is computed with them into this tensor.
    pub fn detach(&self) -> Self {
        self.clone().into_detached()
    }

    /// Whether the tensor has a place on a tape.
    pub fn is_tracked(&self) -> bool {
        self.place.is_some()
    }

    pub(crate) fn into_detached(self) -> Self {
        Tensor { place: None, ..self }
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub(crate) fn at_place(self, place: Place) -> Self {
        Tensor { place: Some(place), ..self }
    }

    /// The data, to be read as plain numbers: a tracked tensor's entry on its tape is marked as read.
    fn read(&self) -> &Data {
        if let Some(place) = &self.place {
            place.mark_read();
        }
        &self.data
    }

    /// The same tensor with one axis called differently, as when hidden states become keys.
    ///
    /// # Errors
    /// [`Error::Axes`] if there is no axis `from`.
    pub fn rename(&self, from: Axis, to: Axis) -> Result<Self> {
        if self.shape.size(from).is_none() {
            let (expected, got) = (from.letter().to_owned(), self.shape.letters());
            return Err(Error::Axes { op: "rename", argument: "tensor", expected, got });
        }
        let renamed = |&(axis, size): &(Axis, usize)| (if axis == from { to } else { axis }, size);
        self.reshape(self.shape.axes().iter().map(renamed).collect::<Vec<_>>())
    }

    /// The part at `index` of the outermost axis, which must be `axis`.
    ///
    /// # Errors
    /// [`Error::Axes`] if `axis` is not outermost, [`Error::Invalid`] if `index` is too large.
    pub fn select(&self, axis: Axis, index: usize) -> Result<Self> {
        let Some((&(first, size), rest)) =
            self.shape.axes().split_first().filter(|(first, _)| first.0 == axis)
        else {
            let (expected, got) = (format!("{} outermost", axis.letter()), self.shape.letters());
            return Err(Error::Axes { op: "select", argument: "tensor", expected, got });
        };
        if index >= size {
            return Err(Error::invalid(format!("index into {first:?}"), index, format!("less than {size}")));
        }
        let shape = Shape::new(rest);
        let range = index * shape.len()..(index + 1) * shape.len();
        match self.read() {
            Data::Cpu(values) => {
                let mut part = any_values(range.len());
                part.copy_from_slice(&values[range]);
                Ok(Self::on_cpu(shape, part))
            }
            Data::Gpu(buffer) => Ok(Self::on_gpu(shape, buffer.copy_f32(range)?)),
        }
    }

    /// An error unless `other` is on the same device.
    pub(crate) fn expect_same_device(
        &self,
        op: &'static str,
        argument: &'static str,
        other: &Device,
    ) -> Result<()> {
        let device = self.device();
        if device == *other {
            return Ok(());
        }
        Err(Error::Placement { op, argument, expected: other.to_string(), got: device.to_string() })
    }
}

impl From<&Tensor> for Tensor {
    /// A clone, which shares the data.
    fn from(tensor: &Tensor) -> Self {
        tensor.clone()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor {} on {}", self.shape, self.device())
    }
}

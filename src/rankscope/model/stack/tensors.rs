//! A stack of f32 tensors, on either device and under any probe.

use ndarray::Array2;

use super::exact::is_state;
use super::layer::{self, Arithmetic};
use super::{Architecture, EPSILON, LayerWeights, Stack};
use crate::attention::{Linear, MultiHead, ScaledDotProduct, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::Result;
use crate::mask::{Mask, Positions};
use crate::ops::{GeluForm, add, gelu, layer_norm};
use crate::probe::{Probe, Scope, Trace};
use crate::run::Run;
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// A [`Stack`] whose weights are f32 on a device.
pub struct DeviceStack {
    architecture: Architecture,
    device: Device,
    layers: Vec<Layer>,
    gain: Tensor, // [C], ones
    bias: Tensor, // [C], zeros
}

struct Layer {
    self_attention: MultiHead,
    feed_forward: Option<(Linear, Linear)>, // [F, C], [C, F]
}

impl Stack {
    /// The same weights, rounded to f32, on `device`.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) if an upload fails.
    pub fn to_device(&self, device: &Device) -> Result<DeviceStack> {
        let width = [(Axis::Width, self.architecture.width)];
        let ones = Tensor::new(width, vec![1.0; self.architecture.width])?;
        let layers = self.layers.iter().map(|weights| Layer::new(self, weights, device));
        Ok(DeviceStack {
            architecture: self.architecture,
            device: device.clone(),
            layers: layers.collect::<Result<_>>()?,
            gain: ones.to_device(device)?,
            bias: Tensor::zeros(width).to_device(device)?,
        })
    }
}

impl Layer {
    fn new(stack: &Stack, weights: &LayerWeights, device: &Device) -> Result<Self> {
        let Architecture { heads, head_size, .. } = stack.architecture;
        let mut mechanism = ScaledDotProduct::new(head_size);
        if let Some(sink) = stack.sink {
            let sinks = Tensor::new([(Axis::Head, heads)], vec![sink as f32; heads])?;
            mechanism = mechanism.with_sinks(sinks.to_device(device)?);
        }
        let (query, key) = (Axis::HeadWidth, Axis::KvWidth);
        let feed_forward = weights.feed_forward.as_ref().map(|network| {
            let up = linear(&network.up, Axis::FeedForward, Axis::Width, device)?;
            Ok((up, linear(&network.down, Axis::Width, Axis::FeedForward, device)?))
        });
        Ok(Layer {
            self_attention: MultiHead {
                heads,
                kv_heads: heads,
                query: linear(&weights.query, query, Axis::Width, device)?,
                key: linear(&weights.key, key, Axis::Width, device)?,
                value: linear(&weights.value, key, Axis::Width, device)?,
                output: linear(&weights.output, Axis::Width, query, device)?,
                gate: None,
                mechanism: mechanism.into(),
            },
            feed_forward: feed_forward.transpose()?,
        })
    }
}

fn linear(w: &Array2<f64>, out: Axis, inner: Axis, device: &Device) -> Result<Linear> {
    let values: Vec<f32> = w.iter().map(|&value| value as f32).collect();
    let weight = Weight::new("stack", [(out, w.nrows()), (inner, w.ncols())], Dtype::F32, &values)?;
    Linear { weight, bias: None }.to_device(device)
}

impl DeviceStack {
    /// Sizes and switches.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The device of the weights.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Runs the stack.
    ///
    /// **Shapes**: x and the result `[B, T, C]`.
    ///
    /// **Probe points**: those of [`Stack::forward_f64`], with B as the first axis, and those of [`MultiHead`] under
    /// `stack.l.self_attention`.
    ///
    /// # Errors
    /// A shape, placement or mask error naming what does not fit; whatever the probe returns;
    /// [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn forward(&self, x: &Tensor, mask: &Mask, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let visibility = Visibility { mask, at: Positions { first_query: 0 }, padding: None };
        let mut arithmetic = Tensors { stack: self, visibility, probe, run };
        layer::pass(&self.architecture, &mut arithmetic, x.clone(), run)
    }

    /// The hidden states of several sequences of one length: per sequence x itself, then one after every
    /// layer, without the final norm.
    ///
    /// **Shapes**: each of `inputs` and of the results `[T, C]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); [`Error::Invalid`](crate::Error::Invalid) if the lengths differ.
    pub fn hidden_states(
        &self,
        inputs: &[Array2<f64>],
        mask: &Mask,
        run: &Run,
    ) -> Result<Vec<Vec<Array2<f64>>>> {
        let Some((n, width)) = inputs.first().map(|x| x.dim()) else { return Ok(Vec::new()) };
        let values = inputs.iter().flat_map(|x| x.iter().map(|&value| value as f32)).collect();
        let axes = [(Axis::Batch, inputs.len()), (Axis::Query, n), (Axis::Width, width)];
        let x = Tensor::new(axes, values)?.to_device(&self.device)?;
        let mut trace = States(Trace::all());
        self.forward(&x, mask, &mut trace, run)?;
        let mut states = vec![Vec::with_capacity(self.architecture.layers + 1); inputs.len()];
        for (_, state) in trace.0.iter() {
            let values = state.to_vec()?;
            for (states, values) in states.iter_mut().zip(values.chunks(n * width)) {
                let values = values.iter().copied().map(f64::from).collect();
                states.push(Array2::from_shape_vec((n, width), values).expect("[T, C]"));
            }
        }
        Ok(states)
    }
}

/// A probe that keeps the hidden states.
struct States(Trace);

impl Probe for States {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        if is_state(name) { self.0.visit(name, value) } else { Ok(value) }
    }

    fn watches(&self, name: &str) -> bool {
        is_state(name)
    }
}

/// One pass in f32.
struct Tensors<'a> {
    stack: &'a DeviceStack,
    visibility: Visibility<'a>,
    probe: &'a mut dyn Probe,
    run: &'a Run,
}

impl Tensors<'_> {
    fn feed_forward(&self, layer: usize) -> &(Linear, Linear) {
        self.stack.layers[layer].feed_forward.as_ref().expect("the architecture has one")
    }
}

impl Arithmetic for Tensors<'_> {
    type Hidden = Tensor;

    fn attention(&mut self, layer: usize, x: &Tensor) -> Result<Tensor> {
        let mut scope = Scope::new(format!("stack.{layer}.self_attention"), self.probe);
        let attention = &self.stack.layers[layer].self_attention;
        attention.forward(x, x, None, self.visibility, &mut scope, self.run)
    }

    fn up(&mut self, layer: usize, x: &Tensor) -> Result<Tensor> {
        gelu(&self.feed_forward(layer).0.forward(x)?, GeluForm::Exact)
    }

    fn down(&mut self, layer: usize, x: &Tensor) -> Result<Tensor> {
        self.feed_forward(layer).1.forward(x)
    }

    fn norm(&mut self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.stack.gain, &self.stack.bias, EPSILON as f32)
    }

    fn add(&mut self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        add(x, y)
    }

    fn visit(&mut self, name: String, value: Tensor) -> Result<Tensor> {
        self.probe.visit(&name, value)
    }
}

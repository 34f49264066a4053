//! A stack in f64 on the CPU.

use ndarray::{Array2, Array3, ArrayView3, ArrayViewD, IxDyn};

use super::layer::{self, Arithmetic};
use super::{Architecture, EPSILON, FeedForward, LayerWeights, Stack};
use crate::error::{Error, Result};
use crate::mask::{Allowed, Mask, Positions};
use crate::ops::{GeluForm, cpu};
use crate::run::Run;

impl Stack {
    /// Runs the stack in f64 and passes every intermediate with its name to `watch`.
    ///
    /// **Shapes**: x and the result `[T, C]`.
    ///
    /// **Probe points**: `embeddings`, `stack.l.attention_norm`, `stack.l.self_attention.weights` `[H, T, S]`,
    /// `stack.l.self_attention.output`, `stack.l.after_attention`, the same points of the feed-forward network,
    /// `stack.l.output`, `final_norm`; all `[T, C]` but the weights, and `stack.l.feed_forward.hidden` `[T, F]`.
    /// [`DeviceStack::forward`](super::DeviceStack::forward) has these points and more.
    ///
    /// # Errors
    /// [`Error::Invalid`] if x is not C wide or the mask does not fit T; [`Error::Cancelled`].
    pub fn forward_f64(
        &self,
        x: &Array2<f64>,
        mask: &Mask,
        watch: &mut dyn FnMut(&str, ArrayViewD<'_, f64>),
        run: &Run,
    ) -> Result<Array2<f64>> {
        let (n, width) = x.dim();
        if width != self.architecture.width {
            let expected = format!("C = {}", self.architecture.width);
            return Err(Error::invalid("width of the input", width, expected));
        }
        let allowed = Allowed::new(mask, self.architecture.heads, n, n, Positions::suffix(n, n)?, None)?;
        let mut arithmetic = Exact { stack: self, allowed, watch };
        layer::pass(&self.architecture, &mut arithmetic, x.as_standard_layout().into_owned(), run)
    }

    /// The hidden states in f64: x itself, then one after every layer, without the final norm.
    ///
    /// **Shapes**: all `[T, C]`.
    ///
    /// # Errors
    /// As [`forward_f64`](Self::forward_f64).
    pub fn hidden_states(&self, x: &Array2<f64>, mask: &Mask, run: &Run) -> Result<Vec<Array2<f64>>> {
        let mut states = Vec::with_capacity(self.architecture.layers + 1);
        let mut keep = |name: &str, value: ArrayViewD<'_, f64>| {
            if is_state(name) {
                states.push(value.into_dimensionality().expect("[T, C]").to_owned());
            }
        };
        self.forward_f64(x, mask, &mut keep, run)?;
        Ok(states)
    }

    /// The attention weights in f64, layer by layer, `[H, T, S]`.
    ///
    /// # Errors
    /// As [`forward_f64`](Self::forward_f64).
    pub fn attention_weights(&self, x: &Array2<f64>, mask: &Mask, run: &Run) -> Result<Vec<Array3<f64>>> {
        let mut weights = Vec::with_capacity(self.architecture.layers);
        let mut keep = |name: &str, value: ArrayViewD<'_, f64>| {
            if name.ends_with(".self_attention.weights") {
                weights.push(value.into_dimensionality().expect("[H, T, S]").to_owned());
            }
        };
        self.forward_f64(x, mask, &mut keep, run)?;
        Ok(weights)
    }

    /// The update of attention under given weights: Σₕ Aₕ·x·W_vʰᵀ·W_oʰᵀ, linear in x.
    ///
    /// **Shapes**: weights `[H, T, S]`, x `[T, C]` with T = S, result `[T, C]`.
    ///
    /// # Panics
    /// If the stack has no such layer or the shapes are wrong.
    pub fn mix(&self, layer: usize, weights: ArrayView3<f64>, x: &Array2<f64>) -> Array2<f64> {
        let Architecture { heads, head_size, width, .. } = self.architecture;
        let LayerWeights { value, output, .. } = &self.layers[layer];
        let n = x.nrows();
        assert_eq!((weights.dim(), x.ncols()), ((heads, n, n), width), "shapes of weights and x");
        let v = cpu::split_heads(slice(&linear(x, value)), [1, heads, n, head_size]);
        let product = cpu::Product {
            batch: heads,
            group: 1,
            m: n,
            n: head_size,
            k: n,
            transpose_a: false,
            transpose_b: false,
        };
        let mut context = vec![0.0; heads * n * head_size];
        let weights = weights.as_standard_layout();
        cpu::matmul(&product, 1.0, weights.as_slice().expect("in standard layout"), &v, &mut context);
        let context = cpu::merge_heads(&context, [1, heads, n, head_size]);
        linear(&Array2::from_shape_vec((n, heads * head_size), context).expect("[T, HD]"), output)
    }
}

/// Whether the intermediate called `name` is the input or the hidden state after a layer.
pub(super) fn is_state(name: &str) -> bool {
    name == "embeddings" || name.strip_prefix("stack.").is_some_and(is_output)
}

fn is_output(rest: &str) -> bool {
    rest.split_once('.').is_some_and(|(_, point)| point == "output")
}

/// One pass in f64.
struct Exact<'a> {
    stack: &'a Stack,
    allowed: Allowed,
    watch: &'a mut dyn FnMut(&str, ArrayViewD<'_, f64>),
}

impl Exact<'_> {
    /// softmax(Q·Kᵀ/√D) over the allowed keys and the sink, `[H, T, S]`.
    fn weights(&self, layer: usize, x: &Array2<f64>) -> Array3<f64> {
        let Architecture { heads, head_size, .. } = self.stack.architecture;
        let LayerWeights { query, key, .. } = &self.stack.layers[layer];
        let n = x.nrows();
        let split = |w| cpu::split_heads(slice(&linear(x, w)), [1, heads, n, head_size]);
        let product = cpu::Product {
            batch: heads,
            group: 1,
            m: n,
            n,
            k: head_size,
            transpose_a: false,
            transpose_b: true,
        };
        let mut scores = vec![0.0; heads * n * n];
        let factor = 1.0 / (head_size as f64).sqrt();
        cpu::matmul(&product, factor, &split(query), &split(key), &mut scores);
        let sizes = [1, heads, n, n];
        match self.stack.sink {
            Some(sink) => {
                cpu::masked_softmax_with_sinks(&mut scores, sizes, &self.allowed, &vec![sink; heads])
            }
            None => cpu::masked_softmax(&mut scores, sizes, &self.allowed),
        }
        Array3::from_shape_vec((heads, n, n), scores).expect("[H, T, S]")
    }

    fn feed_forward(&self, layer: usize) -> &FeedForward {
        self.stack.layers[layer].feed_forward.as_ref().expect("the architecture has one")
    }
}

impl Arithmetic for Exact<'_> {
    type Hidden = Array2<f64>;

    fn attention(&mut self, layer: usize, x: &Array2<f64>) -> Result<Array2<f64>> {
        let weights = self.weights(layer, x);
        (self.watch)(&format!("stack.{layer}.self_attention.weights"), weights.view().into_dyn());
        let update = self.stack.mix(layer, weights.view(), x);
        self.visit(format!("stack.{layer}.self_attention.output"), update)
    }

    fn up(&mut self, layer: usize, x: &Array2<f64>) -> Result<Array2<f64>> {
        let mut hidden = linear(x, &self.feed_forward(layer).up);
        cpu::gelu(slice_mut(&mut hidden), GeluForm::Exact);
        Ok(hidden)
    }

    fn down(&mut self, layer: usize, x: &Array2<f64>) -> Result<Array2<f64>> {
        Ok(linear(x, &self.feed_forward(layer).down))
    }

    fn norm(&mut self, x: &Array2<f64>) -> Result<Array2<f64>> {
        let width = x.ncols();
        let mut y = x.clone();
        cpu::layer_norm(slice_mut(&mut y), &vec![1.0; width], &vec![0.0; width], EPSILON);
        Ok(y)
    }

    fn add(&mut self, x: &Array2<f64>, y: &Array2<f64>) -> Result<Array2<f64>> {
        let mut sum = x.clone();
        cpu::add(slice_mut(&mut sum), slice(y));
        Ok(sum)
    }

    fn visit(&mut self, name: String, value: Array2<f64>) -> Result<Array2<f64>> {
        (self.watch)(&name, ArrayViewD::from_shape(IxDyn(value.shape()), slice(&value)).expect("[T, C]"));
        Ok(value)
    }
}

/// y = x·Wᵀ.
fn linear(x: &Array2<f64>, w: &Array2<f64>) -> Array2<f64> {
    let (m, k) = x.dim();
    let n = w.nrows();
    let product = cpu::Product { batch: 1, group: 1, m, n, k, transpose_a: false, transpose_b: true };
    let mut y = Array2::zeros((m, n));
    cpu::matmul(&product, 1.0, slice(x), slice(w), slice_mut(&mut y));
    y
}

/// All arrays here are in standard layout.
fn slice(x: &Array2<f64>) -> &[f64] {
    x.as_slice().expect("in standard layout")
}

fn slice_mut(x: &mut Array2<f64>) -> &mut [f64] {
    x.as_slice_mut().expect("in standard layout")
}

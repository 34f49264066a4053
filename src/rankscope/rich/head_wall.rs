//! The weights of all heads in a trace: a wall of small pictures, layers by heads, of which one is shown large.

use std::fmt::Write as _;

use ndarray::Array2;
use rayon::prelude::*;
use serde_json::json;

use super::{Rich, escape, lines, picture};
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::figure::html::weights_as_u16;
use crate::figure::style::Theme;
use crate::figure::{Heatmap, Scale};
use crate::mask::Allowed;
use crate::model::heads::attention_of;
use crate::numbers::short;
use crate::probe::Trace;
use crate::rank::Spectrum;

/// The longest sequence whose heads are drawn.
const MOST_TOKENS: usize = 256;
/// The most heads that are drawn.
const MOST_HEADS: usize = 1024;

/// The weights of attention of every head that a [`Trace`] has kept, layer by layer, of the first sequence of a batch.
///
/// In a page each head is a small picture; one of them is shown large, with its numbers under the pointer. All pictures
/// have the same colour scale.
#[derive(Clone, Debug)]
pub struct HeadWall {
    layers: Vec<Layer>,
    tokens: Vec<String>,
}

#[derive(Clone, Debug)]
struct Layer {
    /// The name in the trace.
    name: String,
    heads: Vec<Head>,
}

#[derive(Clone, Debug)]
struct Head {
    weights: Array2<f32>,
    /// Which pairs the mask allows, if the mask is known.
    may_attend: Option<Array2<bool>>,
    effective_rank: f64,
    /// The mean weight of the first key.
    first: f64,
}

impl HeadWall {
    /// The weights `[B, H, T, S]` in `trace`, hatched where their mask forbids a pair; positions are named by `tokens`,
    /// as far as there are tokens.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the trace has no weights, too many, negative ones or NaN; errors of a device.
    pub fn of<S: ToString>(trace: &Trace, tokens: impl IntoIterator<Item = S>) -> Result<Self> {
        let is_weights = |name: &str| name.ends_with("attention.weights");
        let kept = trace.iter().filter(|(name, _)| is_weights(name));
        let layers = kept.map(|(name, tensor)| {
            let size = |axis| tensor.shape().size(axis).unwrap_or(1);
            let [heads, rows, cols] = [Axis::Head, Axis::Query, Axis::Key].map(size);
            if rows.max(cols) > MOST_TOKENS || rows * cols == 0 {
                let got = format!("{rows} queries and {cols} keys");
                return Err(Error::invalid(name, got, format!("1 to {MOST_TOKENS} of each")));
            }
            let values = tensor.to_device(&crate::device::Device::Cpu)?;
            let values = &values.as_slice().expect("on the CPU")[..heads * rows * cols];
            let heads: Vec<&[f32]> = values.chunks(rows * cols).collect();
            let allowed = trace.mask_of(name).map(Allowed::from_tensor).transpose()?;
            let heads = heads.par_iter().enumerate().map(|(index, values)| {
                let allowed = allowed.as_ref().map(|allowed| {
                    Array2::from_shape_fn((rows, cols), |(row, col)| allowed.get(0, index, row, col))
                });
                Head::of(name, (rows, cols), values, allowed)
            });
            Ok(Layer { name: name.to_owned(), heads: heads.collect::<Result<_>>()? })
        });
        let layers: Vec<Layer> = layers.collect::<Result<_>>()?;
        let count: usize = layers.iter().map(|layer| layer.heads.len()).sum();
        if !(1..=MOST_HEADS).contains(&count) {
            let expected = format!("1 to {MOST_HEADS}, of attention.weights");
            return Err(Error::invalid("heads in the trace", count, expected));
        }
        Ok(HeadWall { layers, tokens: tokens.into_iter().map(|token| token.to_string()).collect() })
    }

    fn heads(&self) -> impl Iterator<Item = (&Layer, usize, &Head)> {
        self.layers
            .iter()
            .flat_map(|layer| layer.heads.iter().enumerate().map(move |(index, head)| (layer, index, head)))
    }

    /// The largest weight of all heads: the upper end of the colour scale.
    fn top(&self) -> f64 {
        let weights = self.heads().flat_map(|(_, _, head)| head.weights.iter());
        let top = f64::from(weights.fold(0.0f32, |top, weight| top.max(*weight)));
        if top > 0.0 { top } else { 1.0 }
    }

    /// The different sizes of the matrices, each once.
    fn sizes(&self) -> Vec<(usize, usize)> {
        let mut sizes = Vec::new();
        for (_, _, head) in self.heads() {
            if !sizes.contains(&head.weights.dim()) {
                sizes.push(head.weights.dim());
            }
        }
        sizes
    }

    /// The picture in which the heads of one size are shown large.
    fn large(&self, (rows, cols): (usize, usize)) -> Heatmap {
        let label = |at: usize| self.tokens.get(at).cloned().unwrap_or_else(|| at.to_string());
        let of_size = || self.heads().filter(|(_, _, head)| head.weights.dim() == (rows, cols));
        // A head with hatched cells, since images without hatching cover the hatch.
        let first = of_size().find(|(_, _, head)| head.is_hatched()).or_else(|| of_size().next());
        let (layer, index, head) = first.expect("a head of this size");
        Heatmap {
            title: name(layer, index),
            values: head.weights.mapv(f64::from),
            may_attend: head.may_attend.clone(),
            queries: (0..rows).map(label).collect(),
            keys: (0..cols).map(label).collect(),
            scale: Scale::AmountTo(self.top()),
            unit: "attention weight".into(),
            settings: json!({ "version": crate::VERSION }),
        }
    }

    fn buttons(&self) -> String {
        let sizes = self.sizes();
        let columns = self.layers.iter().map(|layer| layer.heads.len()).max().unwrap_or(0);
        let mut html = format!(
            "<div class=\"rankscope-heads\" role=\"group\" aria-label=\"layers down, heads across\" \
             style=\"grid-template-columns:max-content repeat({columns},max-content)\">"
        );
        for layer in &self.layers {
            let _ =
                write!(html, "<span style=\"grid-column:1\">{}</span>", escape(attention_of(&layer.name)));
            for (index, head) in layer.heads.iter().enumerate() {
                let size = sizes.iter().position(|size| *size == head.weights.dim()).unwrap_or(0);
                let rank = short(head.effective_rank);
                let values = weights_as_u16(head.shown()).unwrap_or_default();
                let _ = write!(
                    html,
                    "<button type=\"button\" aria-label=\"{}: effective rank {rank}\" data-size=\"{size}\" \
                     data-values=\"{values}\"><small>{rank}</small></button>",
                    escape(&name(layer, index)),
                );
            }
        }
        html + "</div>"
    }

    fn table(&self) -> String {
        let mut rows = String::new();
        for (layer, index, head) in self.heads() {
            let (name, rank, first) = (escape(&layer.name), short(head.effective_rank), short(head.first));
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{name}</th><td>{index}</td><td>{rank}</td><td>{first}</td></tr>"
            );
        }
        format!(
            "<details><summary>All heads in numbers</summary><table tabindex=\"0\"><thead><tr><th scope=\"col\">layer</th>\
             <th scope=\"col\">head</th><th scope=\"col\">effective rank</th><th scope=\"col\">mean weight of the first key</th>\
             </tr></thead><tbody>{rows}</tbody></table></details>"
        )
    }
}

fn name(layer: &Layer, head: usize) -> String {
    format!("{}, head {head}", layer.name)
}

impl Head {
    fn of(
        name: &str,
        size: (usize, usize),
        values: &[f32],
        may_attend: Option<Array2<bool>>,
    ) -> Result<Self> {
        if let Some(weight) = values.iter().find(|weight| !(0.0..=1.0001).contains(*weight)) {
            return Err(Error::invalid(name, weight, "weights from 0 to 1"));
        }
        let weights = Array2::from_shape_vec(size, values.to_vec()).expect("a weight per pair");
        let effective_rank = Spectrum::of(weights.mapv(f64::from).view())?.effective_rank();
        let first = f64::from(weights.column(0).sum()) / size.0 as f64;
        Ok(Head { weights, may_attend, effective_rank, first })
    }

    fn is_hatched(&self) -> bool {
        self.may_attend.as_ref().is_some_and(|allowed| allowed.iter().any(|allowed| !allowed))
    }

    /// The weights row by row, `None` where the mask forbids a pair.
    fn shown(&self) -> impl Iterator<Item = Option<f32>> {
        let is_allowed = |at| self.may_attend.as_ref().is_none_or(|allowed| allowed[at]);
        self.weights.indexed_iter().map(move |(at, &weight)| is_allowed(at).then_some(weight))
    }
}

impl Rich for HeadWall {
    fn text(&self) -> String {
        let row = |layer: &Layer| {
            let ranks: Vec<String> = layer.heads.iter().map(|head| short(head.effective_rank)).collect();
            (layer.name.clone(), ranks.join(" "))
        };
        let rows: Vec<_> = self.layers.iter().map(row).collect();
        format!("effective rank of each head\n{}", lines(&rows))
    }

    fn html(&self) -> String {
        let map = |theme: Theme| -> String {
            theme.sequential().table().iter().map(|[r, g, b]| format!("{r:02x}{g:02x}{b:02x}")).collect()
        };
        let sizes = self.sizes();
        let about = json!({ "maps": Theme::ALL.map(map), "sizes": sizes, "top": self.top() }).to_string();
        let columns = self.layers.iter().map(|layer| layer.heads.len()).max().unwrap_or(0);
        let large: String = sizes.iter().map(|&size| picture(&self.large(size))).collect();
        format!(
            "<rankscope-wall data-about=\"{}\" data-columns=\"{columns}\"><p>Below each head its effective rank. Choose one, by \
             mouse or by Tab and the arrow keys.</p>{}{large}{}</rankscope-wall>",
            escape(&about),
            self.buttons(),
            self.table(),
        )
    }
}

impl Rich for Trace {
    /// The names and shapes of the tensors that it has kept.
    fn text(&self) -> String {
        let row = |(name, tensor): (&str, &crate::tensor::Tensor)| (name.to_owned(), format!("{tensor:?}"));
        lines(&self.iter().map(row).collect::<Vec<_>>())
    }

    /// The wall of its heads, if it has attention weights that can be drawn, and the names of everything else that it
    /// has kept.
    fn html(&self) -> String {
        let wall = HeadWall::of(self, std::iter::empty::<String>()).map(|wall| wall.html());
        let names = format!("<pre>{}</pre>", escape(&self.text()));
        match wall {
            Ok(wall) => format!("{wall}<details><summary>Names and shapes</summary>{names}</details>"),
            Err(_) => names,
        }
    }
}

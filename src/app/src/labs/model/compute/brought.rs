//! A file of weights: reads, draws and checks it, and computes the ranks.

use std::collections::BTreeMap;
use std::sync::Arc;

use rankscope::mask::{Allowed, Positions};
use rankscope::model::Tokens;
use rankscope::recorded::{At, Recorded, summary};
use rankscope::{Axis, Error, Mask, Result, Run, Tensor};

use super::Tell;
use super::reports::details;
use crate::heatmap::{Buffers, NO_NUMBER, upload};
use crate::labs::model::answer::{Opened, Pass, Piece};
use crate::labs::model::state::Brought;
use crate::layout::Head;

/// Reads the weights, and sends each result as soon as it is there: the heatmaps, the report of the head `first`,
/// the reports and checks of all heads. A head with entries that are no numbers is drawn, and has no report.
///
/// # Errors
/// As [`Recorded::open`] and [`Recorded::reports`]; [`Error::Invalid`] for a sequence that is not there,
/// [`Error::Gpu`] for a layer that the graphics device cannot hold.
pub fn show(
    brought: &Brought,
    first: Head,
    window: &wgpu::Device,
    run: &Run,
    tell: &mut Tell<'_>,
) -> Result<()> {
    run.step("reading the weights", 0, 1)?;
    let Brought { path, name, tokens, sequence } = brought;
    let recorded = Recorded::open(path, name.as_deref(), tokens.as_deref())?;
    if *sequence >= recorded.sequences() {
        let expected = format!("less than {}, as many as {} has", recorded.sequences(), path.display());
        return Err(Error::invalid("sequence", sequence, expected));
    }
    let sequence = *sequence;
    tell(Piece::Model(Arc::new(Opened {
        name: path.display().to_string(),
        layers: recorded.layers(),
        heads: recorded.heads(),
        sequences: recorded.sequences(),
        about: recorded.in_words(),
        description: None,
        is_pair: false,
        writes: false,
    })));
    let mut pass = drawn(&recorded, sequence, window, run)?;
    tell(Piece::Tokens(pass.tokens.clone()));
    let first = first.moved(0, 0, recorded.layers(), recorded.heads());
    let index = |at: At| at.layer * recorded.heads() + at.head;
    let first = At { layer: first.layer, sequence, head: first.head };
    if !pass.unranked.contains_key(&index(first)) {
        pass.reports[index(first)] = Some(Arc::new(recorded.report(first)?.report));
    }
    tell(Piece::Chosen(Arc::new(pass.clone())));
    for (at, slot) in recorded.places().filter(|at| at.sequence == sequence).zip(&mut pass.details) {
        let weights = pass.weights[at.layer].as_ref().and_then(|weights| weights.matrix(at.head));
        let finite = |&weight: &f32| if weight.is_finite() { weight } else { 0.0 };
        *slot = weights.map(|matrix| Arc::new(details(matrix.map(finite).view())));
    }
    let is_ranked = |at: &At| at.sequence == sequence && !pass.unranked.contains_key(&index(*at));
    let places: Vec<At> = recorded.places().filter(is_ranked).collect();
    let heads = recorded.reports(&places, run)?;
    let mut checks = if heads.is_empty() { Vec::new() } else { summary(&heads) };
    checks.extend(unranked(&pass));
    tell(Piece::Checks(Arc::new(checks)));
    for head in heads {
        pass.reports[index(head.at)] = Some(Arc::new(head.report));
    }
    tell(Piece::Chosen(Arc::new(pass)));
    Ok(())
}

/// One line about the heads that have no ranks.
fn unranked(pass: &Pass) -> Option<(&'static str, String)> {
    let (count, of, first) = (pass.unranked.len(), pass.reports.len(), pass.unranked.values().next()?);
    Some(("note", format!("{count} of {of} heads without ranks: {first}")))
}

/// A pass without reports; a layer is hatched above the diagonal where every head has zeros there.
fn drawn(recorded: &Recorded, sequence: usize, window: &wgpu::Device, run: &Run) -> Result<Pass> {
    let (layers, heads) = (recorded.layers(), recorded.heads());
    let (queries, keys) = (recorded.queries(), recorded.keys());
    let first_query = keys.saturating_sub(queries);
    let (mut weights, mut masks, mut allowed) = (Vec::new(), Vec::new(), Vec::new());
    let mut unranked = BTreeMap::new();
    for layer in 0..layers {
        run.step("reading the weights", layer, layers)?;
        let (mut values, mut is_causal) = (Vec::with_capacity(heads * queries * keys), true);
        for head in 0..heads {
            let at = At { layer, sequence, head };
            let matrix = recorded.matrix(at).unwrap_or_else(|error| {
                unranked.insert(layer * heads + head, error.to_string());
                recorded.stored(at)
            });
            is_causal &= recorded.check(at, &matrix).causal == Some(true);
            values.extend(matrix.iter().map(|&weight| weight as f32));
        }
        weights.push(Tensor::new([(Axis::Head, heads), (Axis::Query, queries), (Axis::Key, keys)], values)?);
        let mask = if is_causal { Mask::causal() } else { Mask::bidirectional() };
        let bits = Allowed::new(&mask, heads, queries, keys, Positions { first_query }, None)?;
        allowed.push(upload(window, "allowed", bytemuck::cast_slice(bits.words())));
        masks.push(mask);
    }
    let buffers = Buffers {
        layers: weights.iter().map(|layer| buffer(layer, window)).collect::<Result<_>>()?,
        allowed,
        heads,
        queries,
        keys,
    };
    let labels = recorded.labels(sequence);
    // Only a causal mask implies that the queries are the last of the keys.
    let is_causal = masks.iter().all(|mask| *mask == Mask::causal());
    Ok(Pass {
        masks: masks.into(),
        tokens: tokens(labels.keys, 0, keys),
        queries: tokens(labels.queries, if is_causal { first_query } else { 0 }, queries),
        buffers: Arc::new(buffers),
        weights: weights.into_iter().map(Some).collect(),
        held: 0..layers,
        norms: Arc::default(),
        details: vec![None; layers * heads],
        ablated: Arc::default(),
        cut: Arc::default(),
        names: (0..layers).map(|layer| recorded.layer_name(layer)).collect(),
        reports: vec![None; layers * heads],
        unranked: Arc::new(unranked),
    })
}

fn buffer(weights: &Tensor, window: &wgpu::Device) -> Result<wgpu::Buffer> {
    let values = weights.to_vec()?;
    let (size, limit) = (values.len() as u64 * 4, window.limits().max_storage_buffer_binding_size);
    if size > limit {
        let problem = format!("{size} bytes, more than the {limit} that this graphics device can draw");
        return Err(Error::Gpu { what: format!("weights {}", weights.shape()), problem });
    }
    let shown: Vec<f32> =
        values.iter().map(|&weight| if weight.is_finite() { weight } else { NO_NUMBER }).collect();
    Ok(upload(window, "weights", bytemuck::cast_slice(&shown)))
}

/// The tokens' names, or their positions from `first` on; they have no ids.
fn tokens(names: Option<Vec<String>>, first: usize, count: usize) -> Arc<Tokens> {
    let pieces =
        names.unwrap_or_else(|| (first..first + count).map(|position| position.to_string()).collect());
    Arc::new(Tokens { ids: Vec::new(), token_types: Vec::new(), originals: vec![None; pieces.len()], pieces })
}

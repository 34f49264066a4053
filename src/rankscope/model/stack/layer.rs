//! The layers of a stack, written once for every arithmetic.

use super::{Architecture, NormPlace};
use crate::error::Result;
use crate::run::Run;

/// The operations of a stack in one arithmetic.
pub(super) trait Arithmetic {
    /// A hidden state.
    type Hidden: Clone;

    /// The update of x by the attention of layer `layer`.
    fn attention(&mut self, layer: usize, x: &Self::Hidden) -> Result<Self::Hidden>;

    /// GELU(W₁·x) of layer `layer`.
    fn up(&mut self, layer: usize, x: &Self::Hidden) -> Result<Self::Hidden>;

    /// W₂·x of layer `layer`.
    fn down(&mut self, layer: usize, x: &Self::Hidden) -> Result<Self::Hidden>;

    /// Layer norm without gain or bias.
    fn norm(&mut self, x: &Self::Hidden) -> Result<Self::Hidden>;

    /// x + y.
    fn add(&mut self, x: &Self::Hidden, y: &Self::Hidden) -> Result<Self::Hidden>;

    /// Passes an intermediate to the probe; the result replaces it.
    fn visit(&mut self, name: String, value: Self::Hidden) -> Result<Self::Hidden>;
}

/// The whole pass: `embeddings`, then per layer l the points `stack.l.…`, then `final_norm` if there is one.
/// `stack.l.output` is the hidden state after layer l.
pub(super) fn pass<A: Arithmetic>(
    architecture: &Architecture,
    arithmetic: &mut A,
    x: A::Hidden,
    run: &Run,
) -> Result<A::Hidden> {
    let mut x = arithmetic.visit("embeddings".to_owned(), x)?;
    for layer in 0..architecture.layers {
        run.check()?;
        x = sublayer(architecture, arithmetic, (layer, "attention"), x, |arithmetic, x| {
            arithmetic.attention(layer, x)
        })?;
        if architecture.feed_forward.is_some() {
            x = sublayer(architecture, arithmetic, (layer, "feed_forward"), x, |arithmetic, x| {
                let hidden = arithmetic.up(layer, x)?;
                let hidden = arithmetic.visit(format!("stack.{layer}.feed_forward.hidden"), hidden)?;
                let update = arithmetic.down(layer, &hidden)?;
                arithmetic.visit(format!("stack.{layer}.feed_forward.output"), update)
            })?;
        }
        x = arithmetic.visit(format!("stack.{layer}.output"), x)?;
    }
    if architecture.norm == NormPlace::Before {
        let normed = arithmetic.norm(&x)?;
        x = arithmetic.visit("final_norm".to_owned(), normed)?;
    }
    Ok(x)
}

/// One update with its skip and its norm: x ← norm?(x? + update(norm?(x))).
fn sublayer<A: Arithmetic>(
    architecture: &Architecture,
    arithmetic: &mut A,
    (layer, name): (usize, &str),
    x: A::Hidden,
    update: impl FnOnce(&mut A, &A::Hidden) -> Result<A::Hidden>,
) -> Result<A::Hidden> {
    let norm = |arithmetic: &mut A, x: &A::Hidden| {
        let normed = arithmetic.norm(x)?;
        arithmetic.visit(format!("stack.{layer}.{name}_norm"), normed)
    };
    let update = match architecture.norm {
        NormPlace::Before => {
            let normed = norm(arithmetic, &x)?;
            update(arithmetic, &normed)?
        }
        NormPlace::None | NormPlace::After => update(arithmetic, &x)?,
    };
    let sum = if architecture.skip { arithmetic.add(&x, &update)? } else { update };
    let sum = arithmetic.visit(format!("stack.{layer}.after_{name}"), sum)?;
    if architecture.norm == NormPlace::After { norm(arithmetic, &sum) } else { Ok(sum) }
}

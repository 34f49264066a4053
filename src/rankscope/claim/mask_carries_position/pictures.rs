//! What is known of the position, against the depth.

use super::nets::Sizes;
use crate::claim::{Evidence, Settings};
use crate::error::Result;
use crate::figure::style::Kind;
use crate::figure::{Curve, Lines, PlotAxis, Reference};

/// R² of the probe, and what permuted tokens change.
pub fn show(evidence: &mut Evidence, settings: &Settings, sizes: &Sizes) -> Result<()> {
    let curve = |name: &str, kind: Kind, quantity: &str| -> Result<Curve> {
        let samples = sizes.depths.iter().map(|depth| evidence.sample(&format!("{quantity}_depth{depth}")));
        let samples = samples.collect::<Result<Vec<_>>>()?;
        let points = sizes.depths.iter().zip(&samples).map(|(&depth, sample)| (depth as f64, sample.mean()));
        Ok(Curve::new(name, kind, points).with_spread(samples.iter().map(|sample| sample.sd())))
    };
    let probe = Lines {
        title: "Position told by a linear probe".into(),
        x: PlotAxis::linear("layers"),
        y: PlotAxis::linear("held-out R² of the position"),
        curves: vec![
            curve("causal", Kind::Causal, "probe_r2_causal")?,
            curve("bidirectional", Kind::Bidirectional, "probe_r2_bidirectional")?,
        ],
        references: vec![Reference::level("nothing told", 0.0)],
        settings: settings.record(),
    };
    let permuted = Lines {
        title: "What permuted tokens change".into(),
        x: PlotAxis::linear("layers"),
        y: PlotAxis::linear("relative change"),
        curves: vec![
            curve("causal: all tokens permuted", Kind::Causal, "permutation_error_causal")?,
            curve("causal: earlier tokens permuted, last row", Kind::Causal, "earlier_change_causal")?,
            curve(
                "bidirectional: all tokens permuted",
                Kind::Bidirectional,
                "permutation_error_bidirectional",
            )?,
        ],
        references: Vec::new(),
        settings: settings.record(),
    };
    let caption = "Held-out R² of a linear probe for the position in the hidden states of random networks without \
                   position embeddings; mean and standard deviation over draws of the network.";
    evidence.show("position-probe", caption, probe);
    let caption = "How far f(PX) is from P·f(X) when all tokens are permuted, and how far the last row moves when \
                   only those before it are: 0 for bidirectional networks, and 0 for the last row of one causal \
                   layer.";
    evidence.show("permuted-tokens", caption, permuted);
    Ok(())
}

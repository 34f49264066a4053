//! Weights of pure bidirectional attention that never collapse.

use ndarray::array;

use crate::claim::{Evidence, Exact, attention_weights};
use crate::device::Device;
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::rank::{one_infinity_norm, residual};

/// Layers of the example.
const LAYERS: usize = 12;

/// Two opposite tokens, 1 and −1, under one bidirectional head of size 1 with W_qᵀ·W_k = 1, in every layer.
///
/// With w for W_vᵀ·W_oᵀ a layer takes ±x to ±w·tanh(x²)·x: the tokens stay opposite, ‖res(X)‖ = ‖X‖, and for w = 2
/// each layer takes them further apart, as 2·tanh(1) > 1.5.
pub(super) struct Opposites {
    /// w.
    value: f64,
    /// ‖res(X)‖ of the input and after every layer.
    residuals: Vec<f64>,
}

impl Opposites {
    pub fn new(value: f64) -> Result<Self> {
        let mut x = array![[1.0], [-1.0]];
        let mut residuals = vec![one_infinity_norm(residual(x.view()).view())];
        for _ in 0..LAYERS {
            x = attention_weights(&x, &x, 1.0, &Mask::bidirectional(), &Device::Cpu)?.dot(&x) * value;
            residuals.push(one_infinity_norm(residual(x.view()).view()));
        }
        Ok(Opposites { value, residuals })
    }

    /// A counterexample where every layer adds a tenth to the residual, which is far more than rounding.
    pub fn ruling(&self) -> (Exact, String) {
        match self.residuals.windows(2).all(|pair| pair[1] > 1.1 * pair[0]) {
            true => (
                Exact::Refuted,
                format!(
                    "For some weights the opposite is true: {}. The theorem's bound falls with depth only where \
                     4γβH/√D · ‖res(X)‖² < 1.",
                    self.in_words()
                ),
            ),
            false => (Exact::Open, "The example of two opposite tokens loses rank too.".to_owned()),
        }
    }

    fn in_words(&self) -> String {
        format!(
            "two tokens, 1 and -1, under one bidirectional head with W_QK = 1 and W_VO = {} stay opposite, and \
             ‖res(X)‖ = ‖X‖ goes from {} to {} in {LAYERS} layers",
            self.value,
            short(self.residuals[0]),
            short(self.residuals[LAYERS])
        )
    }

    pub fn report(&self, evidence: &mut Evidence) {
        evidence.measure("opposite_tokens_res_growth", self.residuals[LAYERS] / self.residuals[0], "");
        evidence.weigh(false, self.in_words());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_layer_by_hand_and_both_words() {
        let apart = Opposites::new(2.0).unwrap();
        let factor = apart.residuals[1] / apart.residuals[0];
        assert!((factor - 2.0 * 1f64.tanh()).abs() < 1e-14, "{factor}");
        let (ruling, because) = apart.ruling();
        assert_eq!(ruling, Exact::Refuted);
        assert!(
            because.contains("W_VO = 2 stay opposite, and ‖res(X)‖ = ‖X‖ goes from 1.41 to"),
            "{because}"
        );
        assert_eq!(Opposites::new(1.0).unwrap().ruling().0, Exact::Open);
    }
}

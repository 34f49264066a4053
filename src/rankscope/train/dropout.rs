//! [`Dropout`]: the probe that drops numbers at random during training.

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::ops::dropout;
use crate::probe::Probe;
use crate::tensor::Tensor;

/// Rates of dropout, each from 0 on and below 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropoutRates {
    /// The rate for the sum of embeddings, and for the update of each sublayer (attention, feed-forward network).
    pub hidden: f32,
    /// The rate for attention weights. Mechanisms that need no weight matrix compute one in order to apply dropout.
    pub attention: f32,
}

/// Applies [`dropout`] to the intermediates where published models do, and then passes them to another probe.
///
/// The mask of an intermediate is drawn from the seed, the number of the pass and the name: it depends neither on the
/// device nor on what else is in the model. At rates of 0 it only passes intermediates on.
///
/// **Source**: Vaswani et al. 2017 (arXiv 1706.03762), section 5.4: the sums of embeddings, and every sublayer's output
/// before it is added; of attention weights: the authors' code, and BERT and GPT-2.
///
/// ```
/// use rankscope::{prelude::*, train::{Dropout, DropoutRates}};
/// let x = Tensor::new([(Axis::Query, 1), (Axis::Width, 4)], vec![1.; 4])?;
/// let rates = DropoutRates { hidden: 0.5, attention: 0.0 };
/// let mut pass = |number| {
///     let mut nobody = Unobserved;
///     Dropout::new(rates, 7, number, &mut nobody).visit("decoder.0.feed_forward.output", x.clone())?.to_vec()
/// };
/// let first = pass(0)?;
/// assert!(first.iter().all(|&y| y == 0. || y == 2.) && first == pass(0)? && first != pass(1)?);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub struct Dropout<'a> {
    rates: DropoutRates,
    seed: u64,
    pass: u64,
    inner: &'a mut dyn Probe,
}

impl<'a> Dropout<'a> {
    /// For pass number `pass`, which is unique in a training run; `inner` visits the intermediates after dropout.
    pub fn new(rates: DropoutRates, seed: u64, pass: u64, inner: &'a mut dyn Probe) -> Self {
        Dropout { rates, seed, pass, inner }
    }

    /// The rate of the intermediate called `name`; 0 for most.
    fn rate(&self, name: &str) -> f32 {
        const HIDDEN: [&str; 3] = ["embeddings", "attention.output", "feed_forward.output"];
        match () {
            () if name.ends_with("attention.weights") => self.rates.attention,
            () if HIDDEN.iter().any(|end| name.ends_with(end)) => self.rates.hidden,
            () => 0.0,
        }
    }

    /// The seed of the mask of `name`.
    fn seed(&self, name: &str) -> u64 {
        let hash = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(self.pass.to_le_bytes());
        let [first, ..] = *hash.chain_update(name).finalize().as_chunks().0 else { unreachable!("32 bytes") };
        u64::from_le_bytes(first)
    }
}

impl Probe for Dropout<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        let value = match self.rate(name) {
            0.0 => value,
            rate => dropout(value, rate, self.seed(name))?,
        };
        self.inner.visit(name, value)
    }

    fn watches(&self, name: &str) -> bool {
        self.rate(name) != 0.0 || self.inner.watches(name)
    }

    fn is_idle(&self) -> bool {
        self.rates == DropoutRates::default() && self.inner.is_idle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Axis;
    use crate::device::Device;
    use crate::model::{self, Config, Input, MaskChoice, Model};
    use crate::probe::{Trace, Unobserved};
    use crate::run::Run;

    fn model(fields: serde_json::Value) -> Box<dyn Model> {
        let mut config = serde_json::json!({
            "model_type": "gpt2", "activation_function": "gelu_new", "n_embd": 12, "n_head": 2, "n_layer": 2,
            "n_positions": 9, "vocab_size": 17, "layer_norm_epsilon": 1e-5,
        });
        config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        model::seeded(&Config::from_value("toy", config).unwrap(), 7, &Device::Cpu).unwrap()
    }

    /// The names that a pass changes, and the last hidden state.
    fn pass(
        model: &dyn Model,
        rates: DropoutRates,
        seed: u64,
        number: u64,
    ) -> (Vec<(String, f64)>, Vec<f32>) {
        let input = Input::new(vec![3, 1, 4, 1, 5, 9]);
        let mut trace = Trace::all();
        let mut dropout = Dropout::new(rates, seed, number, &mut trace);
        let hidden = model.hidden(&input, &MaskChoice::AsTrained, &mut dropout, &Run::default()).unwrap();
        let zeros = |tensor: &Tensor| {
            let values = tensor.to_vec().unwrap();
            values.iter().filter(|&&value| value == 0.0).count() as f64 / values.len() as f64
        };
        let seen = trace.iter().map(|(name, tensor)| (name.to_owned(), zeros(tensor))).collect();
        (seen, hidden.to_vec().unwrap())
    }

    #[test]
    fn embeddings_and_updates_are_dropped_and_nothing_else() {
        let model = model(serde_json::json!({}));
        let rates = DropoutRates { hidden: 0.5, attention: 0.0 };
        let (names, hidden) = pass(&*model, rates, 1, 0);
        let mut nobody = Unobserved;
        let mut dropout = Dropout::new(rates, 1, 0, &mut nobody);
        let x = Tensor::new([(Axis::Query, 6), (Axis::Width, 12)], vec![1.0; 72]).unwrap();
        let mut of = |name: &str| dropout.visit(name, x.clone()).unwrap().to_vec().unwrap();
        let dropped: Vec<&str> =
            names.iter().map(|(name, _)| name.as_str()).filter(|name| of(name).contains(&0.0)).collect();
        let expected = [
            "embeddings",
            "decoder.0.self_attention.output",
            "decoder.0.feed_forward.output",
            "decoder.1.self_attention.output",
            "decoder.1.feed_forward.output",
        ];
        assert_eq!(dropped, expected);
        // Two names have different masks, even if the shapes are equal.
        assert_ne!(of("decoder.0.feed_forward.output"), of("decoder.1.feed_forward.output"));
        // The same seed and number give the same pass, others give others.
        assert_eq!(pass(&*model, rates, 1, 0).1, hidden);
        let others = [pass(&*model, rates, 1, 1).1, pass(&*model, rates, 2, 0).1];
        assert!(others.iter().all(|other| *other != hidden));
    }

    #[test]
    fn attention_weights_are_dropped_only_where_that_is_asked_for() {
        let rates = |attention| DropoutRates { hidden: 0.1, attention };
        let model = model(serde_json::json!({"attention": "linear"}));
        let mut nobody = Unobserved;
        let weights = "decoder.0.self_attention.weights";
        assert!(!Dropout::new(rates(0.0), 1, 0, &mut nobody).watches(weights), "no matrix is made");
        assert!(Dropout::new(rates(0.5), 1, 0, &mut nobody).watches(weights));
        let (seen, _) = pass(&*model, rates(0.5), 1, 0);
        let (_, zeros) = seen.iter().find(|(name, _)| name == weights).unwrap();
        assert!(*zeros > 0.5, "{zeros}");
    }

    #[test]
    fn rates_of_0_change_nothing_and_let_a_pass_skip_the_names() {
        let model = model(serde_json::json!({}));
        let input = Input::new(vec![3, 1, 4, 1, 5, 9]);
        let plain = model.hidden(&input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default()).unwrap();
        assert_eq!(pass(&*model, DropoutRates::default(), 1, 0).1, plain.to_vec().unwrap());
        let mut nobody = Unobserved;
        assert!(Dropout::new(DropoutRates::default(), 1, 0, &mut nobody).is_idle());
        let x = Tensor::zeros([(Axis::Width, 3)]);
        let wrong = DropoutRates { hidden: 1.0, attention: 0.0 };
        let error = Dropout::new(wrong, 1, 0, &mut nobody).visit("embeddings", x).unwrap_err();
        assert_eq!(error.to_string(), "rate of dropout is 1, expected a number from 0 on and below 1");
    }
}

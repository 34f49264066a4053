//! [`MaskChoice`]: the mask to run a model under.

use std::fmt;
use std::str::FromStr;

use super::Description;
use super::heads::layer_of;
use crate::error::{Error, Result};
use crate::mask::Mask;

/// The mask to run a model under.
///
/// **Conventions**: in an encoder-decoder an override replaces the trained mask in the self-attention of both stacks,
/// or of the stack that it names; each stack has positions of its own, from 0 on. Cross-attention always sees the whole
/// encoder. A model of one stack has only one kind of self-attention, so there the three overrides are the same.
///
/// ```
/// use rankscope::{Mask, model::MaskChoice};
/// assert_eq!("as-trained".parse::<MaskChoice>()?, MaskChoice::AsTrained);
/// assert_eq!("prefix:3".parse::<MaskChoice>()?, MaskChoice::Override(Mask::prefix(3)));
/// assert_eq!("encoder:causal".parse::<MaskChoice>()?, MaskChoice::Encoder(Mask::causal()));
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum MaskChoice {
    /// The mask that the weights were trained under.
    #[default]
    AsTrained,
    /// Another mask: the weights then meet inputs that they never met in training.
    Override(Mask),
    /// Another mask in the encoder's self-attention.
    Encoder(Mask),
    /// Another mask in the decoder's self-attention.
    Decoder(Mask),
}

impl MaskChoice {
    /// The mask itself; in an encoder-decoder, the mask of the decoder's self-attention. Where layers were trained
    /// under two masks, the mask of layer 0: see [`of_layer`](Self::of_layer).
    pub fn resolve(&self, model: &Description) -> Mask {
        match self {
            MaskChoice::Override(mask) | MaskChoice::Decoder(mask) => mask.clone(),
            MaskChoice::Encoder(mask) if model.encoder.is_none() => mask.clone(),
            MaskChoice::Encoder(_) | MaskChoice::AsTrained => model.trained_mask.clone(),
        }
    }

    /// The mask of the encoder's self-attention; `None` in a model of one stack.
    pub fn of_encoder(&self, model: &Description) -> Option<Mask> {
        let encoder = model.encoder.as_ref()?;
        Some(match self {
            MaskChoice::Override(mask) | MaskChoice::Encoder(mask) => mask.clone(),
            MaskChoice::Decoder(_) | MaskChoice::AsTrained => encoder.trained_mask.clone(),
        })
    }

    /// The mask of one layer's self-attention; in an encoder-decoder, of the decoder's.
    pub fn of_layer(&self, layer: usize, model: &Description) -> Mask {
        match (self, &model.other_mask) {
            (MaskChoice::AsTrained, Some(other)) if other.layers.contains(&layer) => other.mask.clone(),
            _ => self.resolve(model),
        }
    }

    /// The mask that the attention weights called `name` in a trace are computed under, without padding.
    pub fn of_weights(&self, name: &str, model: &Description) -> Mask {
        match self.of_encoder(model) {
            Some(encoder) if name.starts_with("encoder.") => encoder,
            Some(_) if name.contains("cross_attention") => Mask::bidirectional(),
            _ => self.of_layer(layer_of(name), model),
        }
    }

    /// The masks of all layers' self-attention, in the order of the layers.
    pub fn of_layers(&self, model: &Description) -> Vec<Mask> {
        (0..model.layers).map(|layer| self.of_layer(layer, model)).collect()
    }

    /// The masks of self-attention in words: one mask, or the mask of each group of layers, or of each stack.
    ///
    /// ```
    /// use rankscope::model::{self, Config, MaskChoice};
    /// let config = serde_json::json!({
    ///     "model_type": "qwen2", "hidden_size": 12, "num_attention_heads": 3, "num_key_value_heads": 1,
    ///     "intermediate_size": 20, "vocab_size": 17, "num_hidden_layers": 4,
    ///     "use_sliding_window": true, "sliding_window": 5, "max_window_layers": 2,
    /// });
    /// let model = model::outline(&Config::from_value("toy", config)?)?.description;
    /// assert_eq!(MaskChoice::AsTrained.in_words(&model), "causal in layers 0 and 1, window(5) in layers 2 and 3");
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn in_words(&self, model: &Description) -> String {
        match (self, &model.other_mask, self.of_encoder(model)) {
            (_, _, Some(encoder)) => format!("encoder:{encoder}, decoder:{}", self.resolve(model)),
            (MaskChoice::AsTrained, Some(other), None) => {
                let own: Vec<_> = (0..model.layers).filter(|layer| !other.layers.contains(layer)).collect();
                let masks = [(&model.trained_mask, &own), (&other.mask, &other.layers)];
                masks.map(|(mask, layers)| format!("{mask} in {}", list_of_layers(layers))).join(", ")
            }
            (_, _, None) => self.resolve(model).to_string(),
        }
    }

    /// A note to show beside every number computed under this mask, if it is not the trained one.
    pub fn note(&self, model: &Description) -> Option<String> {
        let trained = model.encoder.as_ref().map(|encoder| &encoder.trained_mask);
        let changed = |mask: Mask, trained: &Mask| {
            (!mask.is_same(trained, model.heads)).then(|| (mask, trained.to_string()))
        };
        let resolved = self.resolve(model);
        let decoder = match &model.other_mask {
            // Trained under two masks, layer by layer: a single mask for all layers is a different one.
            Some(_) if *self != MaskChoice::AsTrained => {
                Some((resolved, MaskChoice::AsTrained.in_words(model)))
            }
            _ => changed(resolved, &model.trained_mask),
        };
        let encoder = trained.zip(self.of_encoder(model)).and_then(|(trained, mask)| changed(mask, trained));
        let name = if trained.is_some() { "decoder " } else { "" };
        let encoder = encoder.map(|(mask, trained)| ("encoder ", mask, trained));
        let decoder = decoder.map(|(mask, trained)| (name, mask, trained));
        let sides: Vec<_> = encoder.into_iter().chain(decoder).collect();
        let said = |(side, mask, trained): &(&str, Mask, String)| {
            format!("{side}mask {mask}: the weights were trained under another mask ({trained})")
        };
        (!sides.is_empty()).then(|| sides.iter().map(said).collect::<Vec<_>>().join("; "))
    }
}

/// `layer 0`, `layers 0 and 1`, `layers 1, 3 and 5`, `layers 2 to 9`, `layers 1, 3, 5, … 23 (12 in all)`.
fn list_of_layers(layers: &[usize]) -> String {
    match layers {
        [layer] => format!("layer {layer}"),
        [first, .., last] if layers.len() > 2 && last - first + 1 == layers.len() => {
            format!("layers {first} to {last}")
        }
        [first, second, third, _, _, .., last] => {
            format!("layers {first}, {second}, {third}, … {last} ({} in all)", layers.len())
        }
        [all @ .., last] => {
            let all: Vec<_> = all.iter().map(usize::to_string).collect();
            format!("layers {} and {last}", all.join(", "))
        }
        [] => "no layer".to_owned(),
    }
}

/// The first pair (query, key) with query < key and `from` ≤ key < `length` that the mask allows.
///
/// Where there is none, no position has seen a token, from `from` on, that it predicts.
pub(super) fn first_look_ahead(mask: &Mask, from: usize, length: usize) -> Option<(usize, usize)> {
    let mut later = (from..length).flat_map(|key| (0..key).map(move |query| (query, key)));
    later.find(|&(query, key)| mask.may_attend(query, key))
}

impl FromStr for MaskChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.trim() == "as-trained" {
            return Ok(MaskChoice::AsTrained);
        }
        match text.trim().split_once(':') {
            Some(("encoder", mask)) => Mask::parse(mask).map(MaskChoice::Encoder),
            Some(("decoder", mask)) => Mask::parse(mask).map(MaskChoice::Decoder),
            _ => Mask::parse(text).map(MaskChoice::Override),
        }
    }
}

impl fmt::Display for MaskChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskChoice::AsTrained => f.write_str("as-trained"),
            MaskChoice::Override(mask) => mask.fmt(f),
            MaskChoice::Encoder(mask) => write!(f, "encoder:{mask}"),
            MaskChoice::Decoder(mask) => write!(f, "decoder:{mask}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_listed_briefly() {
        for (layers, expected) in [
            (vec![4], "layer 4"),
            (vec![0, 1], "layers 0 and 1"),
            (vec![1, 3, 5], "layers 1, 3 and 5"),
            ((2..10).collect(), "layers 2 to 9"),
            (vec![0, 1, 2, 4], "layers 0, 1, 2 and 4"),
            ((1..24).step_by(2).collect(), "layers 1, 3, 5, … 23 (12 in all)"),
        ] {
            assert_eq!(list_of_layers(&layers), expected);
        }
    }
}

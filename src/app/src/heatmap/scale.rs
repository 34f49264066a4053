//! How a weight becomes a colour.

use serde::{Deserialize, Serialize};

/// How a weight becomes a place on the colour map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// The weight itself.
    Linear,
    /// Its square root: small weights can be distinguished, and 0 stays 0.
    Root,
    /// Its logarithm over four decades.
    Log,
}

impl Scale {
    /// All scales.
    pub const ALL: [Scale; 3] = [Scale::Linear, Scale::Root, Scale::Log];

    /// The name on its button.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Linear => "linear",
            Scale::Root => "√",
            Scale::Log => "log",
        }
    }

    /// Where `weight` stands on the colour map, 0 … 1: the same as in the shader.
    pub fn place(self, weight: f32) -> f32 {
        let weight = weight.clamp(0.0, 1.0);
        match self {
            Scale::Linear => weight,
            Scale::Root => weight.sqrt(),
            Scale::Log => (1.0 + weight.max(1e-30).log10() / 4.0).clamp(0.0, 1.0),
        }
    }

    /// The weights that are marked on the colour bar.
    pub fn ticks(self) -> &'static [(f32, &'static str)] {
        match self {
            Scale::Linear => &[(0.0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1.0, "1")],
            Scale::Root => {
                &[(0.0, "0"), (0.01, "0.01"), (0.1, "0.1"), (0.25, "0.25"), (0.5, "0.5"), (1.0, "1")]
            }
            Scale::Log => &[(1e-4, "≤1e-4"), (1e-3, "1e-3"), (1e-2, "0.01"), (0.1, "0.1"), (1.0, "1")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_run_from_0_to_1_and_never_back() {
        for scale in Scale::ALL {
            assert_eq!((scale.place(0.0), scale.place(1.0)), (0.0, 1.0));
            let places: Vec<f32> = (0..=100).map(|i| scale.place(i as f32 / 100.0)).collect();
            assert!(places.windows(2).all(|pair| pair[0] <= pair[1]), "{scale:?}");
            assert!(scale.ticks().windows(2).all(|pair| scale.place(pair[0].0) < scale.place(pair[1].0)));
        }
        assert_eq!(Scale::Root.place(0.25), 0.5);
        assert_eq!(Scale::Log.place(0.01), 0.5);
    }
}

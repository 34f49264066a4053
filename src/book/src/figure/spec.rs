//! [`Spec`]: a figure block as it is written.

use serde::Deserialize;

/// The kinds of figures; the table in [`figure`](super) says what each takes.
pub const KINDS: [&str; 7] = ["mask", "weights", "scores", "spectra", "claim", "head", "run"];

/// A ```` ```figure ```` block.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name in links and files.
    pub id: String,
    /// One of [`KINDS`].
    pub kind: String,
    /// The caption below it.
    #[serde(default)]
    pub caption: String,
    /// The text alternative.
    #[serde(default)]
    pub alt: String,
    /// The lab of the app that shows it.
    #[serde(default)]
    pub lab: String,
    /// The start of the name of the notebook that steps through it.
    #[serde(default)]
    pub notebook: String,
    /// The mask.
    pub mask: Option<String>,
    /// Several masks.
    #[serde(default)]
    pub masks: Vec<String>,
    /// The number of positions.
    pub n: Option<usize>,
    /// The head size D.
    pub head_size: Option<usize>,
    /// The factor on the logits.
    pub scale: Option<f64>,
    /// The seed of the draw.
    pub seed: Option<u64>,
    /// The alignment of keys with queries.
    pub alignment: Option<f64>,
    /// `softmax` or `linear`.
    pub mechanism: Option<String>,
    /// Rows of Q by hand.
    pub queries: Option<Vec<Vec<f64>>>,
    /// Rows of K by hand.
    pub keys: Option<Vec<Vec<f64>>>,
    /// Whether the scores' own spectrum is drawn as well.
    #[serde(default)]
    pub scores: bool,
    /// The id of a claim.
    pub claim: Option<String>,
    /// Which of its figures, from 1.
    pub number: Option<usize>,
    /// The figure of a claim by its name.
    pub figure: Option<String>,
    /// A trained model that ships.
    pub model: Option<String>,
    /// The text that the model reads.
    pub text: Option<String>,
    /// The layer, from 0.
    pub layer: Option<usize>,
    /// The head, from 0.
    pub head: Option<usize>,
    /// The folder of a run.
    pub run: Option<String>,
}

impl Spec {
    /// Reads a block.
    ///
    /// # Errors
    /// The line of the block (from 0), and what is wrong with it.
    pub fn read(body: &str) -> Result<Self, (usize, String)> {
        let spec: Spec = toml::from_str(body).map_err(|error| {
            let line = error.span().map_or(0, |span| body[..span.start].matches('\n').count());
            (line, error.message().trim().replace('\n', " "))
        })?;
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if spec.id.is_empty() || !spec.id.chars().all(is_plain) {
            return Err((0, format!("the id {:?}, which is not in lower case with hyphens", spec.id)));
        }
        Ok(spec)
    }
}

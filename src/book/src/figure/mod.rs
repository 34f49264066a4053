//! Figures of the book: a fenced block of TOML says what to draw, the library draws it when the book is built.
//!
//! ````text
//! ```figure
//! id = "causal-weights"          # unique in the book; a link to it is [the figure](#fig-causal-weights)
//! kind = "weights"
//! mask = "causal"
//! n = 12
//! caption = "Weights of a drawn head under the causal mask."
//! alt = "A lower triangle of weights; the darkest stand in the first column."
//! lab = "mask"                   # the app's lab that shows it
//! notebook = "02-masks"          # the start of the notebook's name
//! ```
//! ````
//!
//! | kind | what it takes beside `id`, `caption`, `alt`, `lab`, `notebook` | what it draws |
//! |---|---|---|
//! | `mask` | `mask`, `n` = 12 | who may attend to whom |
//! | `weights` | `mask`, a draw | the attention weights of a draw |
//! | `scores` | a draw | its scores before the mask |
//! | `spectra` | `masks` = a list, a draw, `scores` = false | singular values under each mask, and those of the scores |
//! | `claim` | `claim`, `number` = 1 or `figure` = a name | a figure of a claim's own evidence |
//! | `head` | `model`, `text`, `layer` = 0, `head` = 0, `mask` = as trained | the weights of a trained head |
//! | `run` | `run` = the folder of a run under `assets/runs` or `assets/results` | its losses over the steps |
//!
//! A draw is `n` = 12, `head_size` = 4, `scale` = 1, `seed` = 0, `alignment` = 0, `mechanism` = `"softmax"` or `"linear"`
//! (elu + 1), or `queries` and `keys` as lists of rows. Masks are those of `rankscope masks list`. Sizes above 32 make heavy
//! pages.

mod draw;
mod html;
mod spec;

pub use draw::{Drawn, draw};
pub use html::block;
pub use spec::{KINDS, Spec};

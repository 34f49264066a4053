//! The state of the collapse tower.

use rankscope::claim::NetSizes;
use rankscope::figure::style::Kind;
use rankscope::mask::Mask;
use rankscope::model::stack::{Architecture, NormPlace};
use rankscope::{Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compute::{Answer, Memory, News};
use super::{compute, export};
use crate::lab::{Export, Machine, Stamp, State};
use crate::labs::within;

/// The least and the largest width C.
pub const WIDTH: (usize, usize) = (8, 256);
/// The widths to choose from.
pub const WIDTHS: [usize; 5] = [16, 32, 64, 128, 256];
/// The most heads.
pub const MOST_HEADS: usize = 32;
/// The numbers of heads to choose from.
pub const HEADS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// The least and the largest number of tokens.
pub const TOKENS: (usize, usize) = (4, 128);
/// The most layers.
pub const MOST_LAYERS: usize = 48;
/// The most draws.
pub const MOST_DRAWS: usize = 20;
/// The largest seed, as of the claims.
pub const LAST_SEED: u64 = u32::MAX as u64;

/// The parts of a layer besides attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Net {
    /// Whether an update is added to its input.
    pub skip: bool,
    /// Whether an MLP of F = 4·C follows attention.
    pub mlp: bool,
    /// Where layer norm stands.
    pub norm: NormPlace,
}

impl Net {
    /// All twelve kinds of layers.
    pub fn all() -> impl Iterator<Item = Net> {
        let norms = [NormPlace::None, NormPlace::Before, NormPlace::After];
        let of =
            |norm| [(false, false), (false, true), (true, false), (true, true)].map(|flags| (norm, flags));
        norms.into_iter().flat_map(of).map(|(norm, (skip, mlp))| Net { skip, mlp, norm })
    }

    /// A stack of these layers.
    pub fn architecture(self, sizes: &NetSizes) -> Architecture {
        let mut net = sizes.pure();
        if self.skip {
            net = net.with_skip();
        }
        if self.mlp {
            net = net.with_feed_forward(4 * sizes.width);
        }
        net.with_norm(self.norm)
    }

    /// Its name in words.
    pub fn in_words(self) -> String {
        let what = if self.mlp { "attention and MLP" } else { "attention" };
        let skip = if self.skip { " with skips" } else { "" };
        let norm = match self.norm {
            NormPlace::None => "",
            NormPlace::Before => ", layer norm before each",
            NormPlace::After => ", layer norm after each",
        };
        match (self.skip, self.mlp, self.norm) {
            (false, false, NormPlace::None) => "pure attention".to_owned(),
            (true, true, NormPlace::Before) => "pre-LN transformer".to_owned(),
            (true, true, NormPlace::After) => "post-LN transformer".to_owned(),
            _ => format!("{what}{skip}{norm}"),
        }
    }

    /// What one layer does to the hidden state x.
    pub fn formula(self) -> String {
        let update = |name: &str| {
            let update = match (self.norm, name) {
                (NormPlace::Before, name) => format!("{name}(norm(x))"),
                (_, name) => format!("{name}(x)"),
            };
            let sum = if self.skip { format!("x + {update}") } else { update };
            format!("x ← {}", if self.norm == NormPlace::After { format!("norm({sum})") } else { sum })
        };
        let attention = update("attention");
        if self.mlp { format!("{attention},  then  {}", update("MLP")) } else { attention }
    }
}

/// A mask of the lab, by its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Every token sees every token.
    Bidirectional,
    /// The first tokens see each other; every other token sees the tokens up to itself.
    Prefix,
    /// Every token sees the tokens up to itself.
    Causal,
    /// Every token sees the last few tokens.
    Window,
    /// The reader's own mask.
    Mine,
}

impl Which {
    /// All, in the order in which they are shown.
    pub const ALL: [Which; 5] =
        [Which::Bidirectional, Which::Prefix, Which::Causal, Which::Window, Which::Mine];

    /// Its colour and marker.
    pub fn kind(self) -> Kind {
        match self {
            Which::Bidirectional => Kind::Bidirectional,
            Which::Prefix => Kind::Prefix,
            Which::Causal => Kind::Causal,
            Which::Window => Kind::Window,
            Which::Mine => Kind::Custom,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Which::Bidirectional => "bidirectional",
            Which::Prefix => "prefix",
            Which::Causal => "causal",
            Which::Window => "window",
            Which::Mine => "mine",
        }
    }
}

/// The state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Collapse {
    /// Tokens.
    pub n: usize,
    /// C.
    pub width: usize,
    /// H; D = C / H.
    pub heads: usize,
    /// L.
    pub layers: usize,
    /// The parts of a layer besides attention.
    pub net: Net,
    /// The masks that are compared.
    pub masks: Vec<Which>,
    /// The length of the prefix.
    pub prefix: usize,
    /// The number of tokens in a window.
    pub window: usize,
    /// The reader's own mask, in the mask language.
    pub mine: String,
    /// The first of the seeds.
    pub seed: u64,
    /// Draws of weights and tokens.
    pub draws: usize,
    /// The layer that is shown; 0 is the input.
    pub layer: usize,
    /// Whether the picture of the tokens is magnified until they fill it.
    pub magnified: bool,
    /// Whether the panels that answer a lesson's question wait for a prediction.
    pub veiled: bool,
}

impl Default for Collapse {
    fn default() -> Self {
        Collapse {
            n: 32,
            width: 64,
            heads: 4,
            layers: 12,
            net: Net::default(),
            masks: vec![Which::Bidirectional, Which::Prefix, Which::Causal, Which::Window],
            prefix: 16,
            window: 4,
            mine: "two-sided-window(2)".to_owned(),
            seed: 0,
            draws: 5,
            layer: 2,
            magnified: false,
            veiled: false,
        }
    }
}

/// Every edit of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Sets the number of tokens; a prefix or window that is longer is cut.
    Tokens(usize),
    /// Sets C; H becomes the largest number that divides C and is not larger than H.
    Width(usize),
    /// Sets H.
    Heads(usize),
    /// Sets L.
    Layers(usize),
    /// Switches skips.
    Skip(bool),
    /// Switches MLPs.
    Mlp(bool),
    /// Sets the place of layer norm.
    Norm(NormPlace),
    /// Chooses a whole layer.
    Net(Net),
    /// Shows or hides a mask.
    Show(Which, bool),
    /// Sets the length of the prefix.
    Prefix(usize),
    /// Sets the length of the window.
    Window(usize),
    /// Sets the reader's own mask.
    Mine(String),
    /// Sets the first seed.
    Seed(u64),
    /// Sets the number of draws.
    Draws(usize),
    /// Shows a layer.
    Layer(usize),
    /// Magnifies the picture of the tokens, or not.
    Magnify(bool),
    /// Hides the panels that wait for a prediction, or shows them.
    Veil(bool),
}

impl Collapse {
    /// The sizes of every stack.
    pub fn sizes(&self) -> NetSizes {
        NetSizes { n: self.n, width: self.width, heads: self.heads, layers: self.layers }
    }

    /// The seeds of the draws.
    pub fn seeds(&self) -> Vec<u64> {
        (0..self.draws as u64).map(|draw| self.seed + draw).collect()
    }

    /// A mask by its name.
    ///
    /// # Errors
    /// If the text of the reader's own mask is no mask.
    pub fn mask(&self, which: Which) -> Result<Mask> {
        match which {
            Which::Bidirectional => Ok(Mask::bidirectional()),
            Which::Prefix => Ok(Mask::prefix(self.prefix)),
            Which::Causal => Ok(Mask::causal()),
            Which::Window => Mask::window(self.window),
            Which::Mine => Mask::parse(&self.mine),
        }
    }

    /// The masks that are compared.
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub fn compared(&self) -> Result<Vec<(Which, Mask)>> {
        self.masks.iter().map(|&which| Ok((which, self.mask(which)?))).collect()
    }

    /// The residual ratio below which f64 cannot distinguish it from 0.
    pub fn floor(&self) -> f64 {
        self.sizes().floor()
    }

    fn show(&mut self, which: Which, shown: bool) {
        self.masks.retain(|&other| other != which);
        if shown {
            self.masks.push(which);
            self.masks.sort();
        }
    }
}

impl State for Collapse {
    type Edit = Edit;
    type Answer = Answer;
    type News = News;
    type Memory = Memory;

    fn memory(_: &Machine) -> Memory {
        Memory::default()
    }

    fn check(&self) -> Result<(), String> {
        within("number of tokens", self.n, TOKENS.0, TOKENS.1)?;
        within("number of layers", self.layers, 1, MOST_LAYERS)?;
        within("number of draws", self.draws, 1, MOST_DRAWS)?;
        within("prefix", self.prefix, 0, self.n)?;
        within("window", self.window, 1, self.n)?;
        within("layer", self.layer, 0, self.layers)?;
        within("seed", self.seed as usize, 0, LAST_SEED as usize)?;
        within("width", self.width, WIDTH.0, WIDTH.1)?;
        within("number of heads", self.heads, 1, MOST_HEADS)?;
        if !self.width.is_multiple_of(self.heads) {
            let (heads, width) = (self.heads, self.width);
            return Err(format!("number of heads is {heads}, expected a divisor of width = {width}"));
        }
        if self.masks.is_empty() {
            return Err("no mask is chosen, expected one or more".to_owned());
        }
        if self.masks.windows(2).any(|pair| pair[0] >= pair[1]) {
            let (masks, names) = (&self.masks, Which::ALL.map(Which::name).join(", "));
            return Err(format!("masks are {masks:?}, expected each once, in the order of {names}"));
        }
        let mine = self.mask(Which::Mine).map_err(|error| error.to_string())?;
        let is_shown = self.masks.contains(&Which::Mine);
        if is_shown { mine.check(self.n).map_err(|error| error.to_string()) } else { Ok(()) }
    }

    fn update(&mut self, edit: Edit) -> Result<(), String> {
        match edit {
            Edit::Tokens(n) => {
                (self.n, self.prefix, self.window) = (n, self.prefix.min(n), self.window.clamp(1, n.max(1)));
            }
            Edit::Width(width) => {
                self.width = width;
                self.heads = (1..=self.heads).rev().find(|heads| width.is_multiple_of(*heads)).unwrap_or(1);
            }
            Edit::Heads(heads) => self.heads = heads,
            Edit::Layers(layers) => (self.layers, self.layer) = (layers, self.layer.min(layers)),
            Edit::Skip(skip) => self.net.skip = skip,
            Edit::Mlp(mlp) => self.net.mlp = mlp,
            Edit::Norm(norm) => self.net.norm = norm,
            Edit::Net(net) => self.net = net,
            Edit::Show(which, shown) => self.show(which, shown),
            Edit::Prefix(length) => self.prefix = length,
            Edit::Window(length) => self.window = length,
            Edit::Mine(text) => {
                self.mine = text;
                self.show(Which::Mine, true);
            }
            Edit::Seed(seed) => self.seed = seed,
            Edit::Draws(draws) => self.draws = draws,
            Edit::Layer(layer) => self.layer = layer,
            Edit::Magnify(magnified) => self.magnified = magnified,
            Edit::Veil(veiled) => self.veiled = veiled,
        }
        Ok(())
    }

    fn is_answered_by(&self, sent: &Self) -> bool {
        let Collapse { layer, magnified, veiled, .. } = *sent;
        Collapse { layer, magnified, veiled, ..self.clone() } == *sent
    }

    fn compute(&self, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        compute::compute(self, memory, run, tell)
    }

    fn take(answer: &mut Answer, news: News, stamp: Stamp) {
        match news {
            News::Falls(falls) => answer.falls.put(falls, stamp),
            News::Tokens(clouds, pulls) => {
                answer.clouds.put(clouds, stamp);
                answer.pulls.put(pulls, stamp);
            }
            News::Towers(towers) => answer.towers.put(towers, stamp),
        }
    }

    fn about(&self, _: &Answer) -> String {
        let Collapse { n, width, heads, layers, .. } = self;
        format!("{}: {layers} layers, {heads} heads of {}, {n} tokens", self.net.in_words(), width / heads)
    }

    fn exports(&self, answer: &Answer, lesson: &Value) -> Vec<Export> {
        export::exports(self, answer, lesson)
    }

    fn cell(&self) -> String {
        export::cell(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::answered;
    use crate::labs;

    fn edited(edits: &[Edit]) -> Result<Collapse, String> {
        labs::edited(Collapse::default(), edits.iter().cloned())
    }

    #[test]
    fn the_first_state_and_all_kinds_of_layers_can_be_shown() {
        let mut state = Collapse::default();
        let mut seen = Vec::new();
        for net in Net::all() {
            state.update(Edit::Net(net)).unwrap();
            assert_eq!(state.check(), Ok(()));
            seen.push((net.in_words(), net.formula()));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 12);
        let net = Net { skip: true, mlp: true, norm: NormPlace::Before };
        assert_eq!(net.formula(), "x ← x + attention(norm(x)),  then  x ← x + MLP(norm(x))");
        assert_eq!(Net { norm: NormPlace::After, ..Net::default() }.formula(), "x ← norm(attention(x))");
    }

    #[test]
    fn what_does_not_fit_is_cut_or_refused_in_words() {
        let state = edited(&[Edit::Tokens(8), Edit::Layer(12), Edit::Layers(3)]).unwrap();
        assert_eq!((state.prefix, state.window, state.layer), (8, 4, 3));
        assert_eq!(edited(&[Edit::Heads(16), Edit::Width(16), Edit::Heads(16)]).unwrap().heads, 16);
        let cases = [
            (Edit::Tokens(3), "number of tokens is 3, expected a number from 4 to 128"),
            (Edit::Width(257), "width is 257, expected a number from 8 to 256"),
            (Edit::Heads(3), "number of heads is 3, expected a divisor of width = 64"),
            (Edit::Layers(0), "number of layers is 0, expected a number from 1 to 48"),
            (Edit::Prefix(33), "prefix is 33, expected a number from 0 to 32"),
            (Edit::Window(0), "window is 0, expected a number from 1 to 32"),
            (Edit::Layer(13), "layer is 13, expected a number from 0 to 12"),
            (Edit::Draws(21), "number of draws is 21"),
            (Edit::Seed(1 << 32), "seed is 4294967296"),
            (Edit::Mine("causal & ".into()), "expected"),
        ];
        for (edit, part) in cases {
            let error = edited(&[edit]).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
        let hide = |which| Edit::Show(which, false);
        let all = [Which::Bidirectional, Which::Prefix, Which::Causal, Which::Window].map(hide);
        assert!(edited(&all).unwrap_err().contains("no mask is chosen"));
        assert!(edited(&[Edit::Mine("blocks(2, 3)".into())]).unwrap_err().contains("32"));
    }

    #[test]
    fn only_what_is_computed_asks_for_another_answer() {
        let state = Collapse::default();
        for (edit, is_answered) in [
            (Edit::Layer(5), true),
            (Edit::Magnify(true), true),
            (Edit::Veil(true), true),
            (Edit::Skip(true), false),
            (Edit::Show(Which::Mine, true), false),
            (Edit::Seed(1), false),
        ] {
            let next = edited(std::slice::from_ref(&edit)).unwrap();
            assert_eq!(next.is_answered_by(&state), is_answered, "{edit:?}");
        }
    }

    /// Against an independent pass: one head of one layer, by hand.
    #[test]
    fn the_numbers_are_those_of_the_stacks() {
        let small = [Edit::Tokens(6), Edit::Width(16), Edit::Heads(1), Edit::Layers(2), Edit::Draws(1)];
        let state = edited(&small).unwrap();
        let mut memory = Memory::default();
        let answer = answered(&state, &mut memory).unwrap();
        let (falls, clouds) = (answer.falls.get().unwrap(), answer.clouds.get().unwrap());
        let pulls = answer.pulls.get().unwrap();
        let causal = falls.iter().position(|fall| fall.which == Which::Causal).unwrap();
        // Equal scores: the last of 6 rows gives a sixth to each; after two layers the mean of 1, 1/2, … 1/6.
        let harmonic: f64 = (1..=6).map(|i| 1.0 / f64::from(i)).sum::<f64>() / 6.0;
        assert!((pulls[causal].equal[0][0] - 1.0 / 6.0).abs() < 1e-15);
        assert!((pulls[causal].equal[1][0] - harmonic).abs() < 1e-15);
        for (cloud, fall) in clouds.iter().zip(falls) {
            assert_eq!((cloud.layers.len(), fall.layers.len()), (3, 3));
            for (scatter, ratio) in cloud.layers.iter().zip(fall.ratios()) {
                assert!((scatter.ratio - ratio).abs() < 1e-9 * ratio);
                assert!((0.0..=1.0 + 1e-12).contains(&scatter.share));
            }
        }
        let input = &clouds[0].layers[0];
        assert!(clouds.iter().all(|cloud| cloud.layers[0] == *input), "one input for all masks");
        let towers = answer.towers.get().unwrap();
        let pure = towers.iter().find(|tower| tower.net == Net::default()).unwrap();
        let logs: Vec<f64> = falls[causal].layers.iter().map(|sample| sample.mean()).collect();
        assert_eq!(pure.falls[causal], (Which::Causal, logs));
        // The towers stay when another kind of layer is chosen, and are dropped when sizes change.
        let other = labs::edited(state, [Edit::Skip(true)]).unwrap();
        assert_eq!(answered(&other, &mut memory).unwrap().towers.get(), Some(towers));
        assert_ne!(answered(&Collapse { seed: 9, ..other }, &mut memory).unwrap().towers.get(), Some(towers));
    }

    /// Lesson 8: bidirectional attention is at the floor by layer 4, causal attention loses a factor of two a layer,
    /// and a skip slows both to a crawl.
    #[test]
    fn depth_kills_and_masks_only_slow_it() {
        let lesson = crate::labs::lesson::<crate::labs::collapse::view::View>("08", "collapse");
        assert!(lesson.veiled);
        let ratios = |state: &Collapse| {
            let answer = answered(state, &mut Memory::default()).unwrap();
            let falls = answer.falls.get().unwrap();
            [Which::Bidirectional, Which::Causal]
                .map(|which| falls.iter().find(|fall| fall.which == which).unwrap().ratios())
        };
        let [both, causal] = ratios(&lesson);
        assert!(both[3] > lesson.floor() && both[4] <= lesson.floor(), "{both:?}");
        // 3.0e-3 with a standard deviation of a third of a decade over draws.
        assert!((-3.3..-1.7).contains(&causal[12].log10()), "{causal:?}");
        let deep = Collapse { layers: 40, ..lesson.clone() };
        let [_, causal] = ratios(&deep);
        let per_layer = (causal[40] / causal[20]).powf(1.0 / 20.0);
        assert!((per_layer - 0.5).abs() < 0.03, "{per_layer}");
        let mut kept = lesson;
        kept.update(Edit::Skip(true)).unwrap();
        for ratios in ratios(&kept) {
            assert!((0.1..0.4).contains(&ratios[12]), "{ratios:?}");
        }
    }
}

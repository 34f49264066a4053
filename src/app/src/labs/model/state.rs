//! The state of the model explorer, and what an edit does to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rankscope::model::MaskChoice;
use rankscope::rank::Metric;
use rankscope::{Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{Answer, News};
use super::compute::Engine;
use super::{cell, export};
use crate::args::{Args, FIRST_MODEL, FIRST_TEXT};
use crate::heatmap::Scale;
use crate::lab::{Export, Machine, Stamp, State};
use crate::layout::Head;

/// The least and the largest memory for the weights of one pass, in MiB.
pub const BUDGET: (usize, usize) = (1, 16_384);
/// Tokens that a model may write at most.
pub const WRITTEN: usize = 512;
/// Tokens that the decoder of an encoder-decoder writes if nothing else is set.
pub const OF_A_PAIR: usize = 12;

/// The state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Explorer {
    /// The first reading.
    pub left: Reading,
    /// The second reading, beside it, to compare.
    pub right: Option<Reading>,
    /// Which attention of an encoder-decoder is shown.
    pub attention: Attention,
    /// What the matrices hold.
    pub measure: Measure,
    /// The selected head.
    pub selected: Head,
    /// How a weight becomes a colour.
    pub scale: Scale,
    /// How the wall shows a head.
    pub look: Look,
    /// The metric that the wall shows, sorts and filters by; its name on the library's list.
    pub metric: String,
    /// The order of the heads on the wall.
    pub order: Order,
    /// The least and the largest value of the metric that the wall shows; all heads without one.
    pub range: Option<(f64, f64)>,
    /// The position whose prediction is shown; the last one if not given.
    pub position: Option<usize>,
    /// The most memory for the weights of one pass, in MiB.
    pub budget: usize,
    /// The layer around which weights are kept where the budget is too small for all.
    pub held: usize,
}

/// A text in a model, or weights from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// A model by name or folder.
    pub model: String,
    /// Weights from a file, shown instead of a model's.
    pub file: Option<Brought>,
    /// The text.
    pub text: String,
    /// How many tokens the model writes after the text (an encoder-decoder: in its decoder); if not given, none, or
    /// [`OF_A_PAIR`] in an encoder-decoder.
    pub written: Option<usize>,
    /// Who may attend to whom, as in `as-trained` or `prefix(3)`.
    pub mask: String,
    /// Heads whose output is set to zero.
    pub ablated: BTreeSet<Head>,
    /// Weights of which only the top singular components are kept.
    pub cut: Option<Cut>,
}

/// Weights that another program saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Brought {
    /// The file.
    pub path: PathBuf,
    /// Which of its arrays, if it has several sets.
    pub name: Option<String>,
    /// The file of the tokens, if they are not in the file of the weights.
    pub tokens: Option<PathBuf>,
    /// Which sequence of a batch.
    pub sequence: usize,
}

/// Rank-k replay: A becomes Aₖ, its top k singular components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// k.
    pub components: usize,
    /// The head; every head without one.
    pub head: Option<Head>,
}

impl Cut {
    /// Whether it changes a head.
    pub fn changes(&self, at: Head) -> bool {
        self.head.is_none_or(|head| head == at)
    }
}

/// Which attention: a model of one stack has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attention {
    /// Of the encoder to its own text.
    #[default]
    Encoder,
    /// Of the decoder to what it has written.
    Decoder,
    /// Of the decoder to the encoder's text.
    Cross,
}

impl Attention {
    /// All of them.
    pub const ALL: [Attention; 3] = [Attention::Encoder, Attention::Decoder, Attention::Cross];

    /// The name on its button.
    pub fn name(self) -> &'static str {
        match self {
            Attention::Encoder => "encoder",
            Attention::Decoder => "decoder",
            Attention::Cross => "cross-attention",
        }
    }

    /// Whether the intermediate of this name belongs to it.
    pub fn has(self, name: &str, is_pair: bool) -> bool {
        match self {
            _ if !is_pair => name.contains("self_attention"),
            Attention::Encoder => name.starts_with("encoder."),
            Attention::Decoder => name.starts_with("decoder.") && name.contains("self_attention"),
            Attention::Cross => name.contains("cross_attention"),
        }
    }
}

/// What a matrix holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// αₜₛ, the weights.
    #[default]
    Weights,
    /// αₜₛ‖vₛ‖ as a share of its row.
    ValueWeighted,
}

/// How the wall shows a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// As a heatmap.
    #[default]
    Heatmaps,
    /// As arcs from token to token.
    Arcs,
}

/// The order of the heads on the wall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A row for each layer, a column for each head.
    #[default]
    Layers,
    /// The smallest value of the metric first.
    SmallestFirst,
    /// The largest value first.
    LargestFirst,
}

/// Which of the two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The first.
    #[default]
    Left,
    /// The one beside it.
    Right,
}

impl Side {
    /// Both.
    pub const BOTH: [Side; 2] = [Side::Left, Side::Right];

    /// Its name in the window.
    pub fn name(self) -> &'static str {
        if self == Side::Left { "A" } else { "B" }
    }
}

/// Every edit of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// Reads with a model by name or folder.
    Model(Side, String),
    /// Reads weights from a file.
    File(Side, Brought),
    /// Reads a text.
    Text(Side, String),
    /// Sets the number of tokens that the model writes after the text.
    Written(Side, Option<usize>),
    /// Chooses a mask.
    Mask(Side, String),
    /// Sets the output of a head to zero, or no longer.
    Ablate(Side, Head),
    /// Keeps the top singular components only; `None` keeps all again.
    Cut(Side, Option<Cut>),
    /// Removes every change of heads.
    Restore(Side),
    /// Opens a second reading, at first the same, to change it there; or closes it.
    Beside(bool),
    /// Shows another attention of an encoder-decoder; changes of heads end.
    Attention(Attention),
    /// Shows other matrices.
    Measure(Measure),
    /// Selects a head; its layer's weights are kept.
    Select(Head),
    /// As [`Select`](Edit::Select), for a layer whose weights were not kept.
    Hold(Head),
    /// Changes the scale of colours.
    Scale(Scale),
    /// Changes what the wall draws.
    Look(Look),
    /// Chooses the metric of the wall.
    Metric(String),
    /// Sorts the wall.
    Order(Order),
    /// Filters the wall.
    Range(Option<(f64, f64)>),
    /// Shows the prediction at a position.
    Position(Option<usize>),
    /// Sets the memory for weights, in MiB.
    Budget(usize),
}

impl Default for Reading {
    fn default() -> Self {
        Reading {
            model: FIRST_MODEL.to_owned(),
            file: None,
            text: FIRST_TEXT.to_owned(),
            written: None,
            mask: MaskChoice::AsTrained.to_string(),
            ablated: BTreeSet::new(),
            cut: None,
        }
    }
}

impl Default for Explorer {
    fn default() -> Self {
        Explorer {
            left: Reading::default(),
            right: None,
            attention: Attention::default(),
            measure: Measure::default(),
            selected: Head { layer: 1, head: 1 },
            scale: Scale::Root,
            look: Look::default(),
            metric: "effective_rank".to_owned(),
            order: Order::default(),
            range: None,
            position: None,
            budget: 256,
            held: 1,
        }
    }
}

impl Reading {
    /// The mask.
    ///
    /// # Errors
    /// If its text is no mask.
    pub fn mask(&self) -> Result<MaskChoice> {
        self.mask.parse()
    }

    /// Whether heads are changed.
    pub fn has_changes(&self) -> bool {
        !self.ablated.is_empty() || self.cut.is_some()
    }

    /// Whether the weights of a head are cut.
    pub fn cuts(&self, at: Head) -> bool {
        self.cut.is_some_and(|cut| cut.changes(at))
    }

    /// The mask for one attention of an encoder-decoder; the same for a model of one stack.
    pub fn mask_of(&self, attention: Attention, is_pair: bool) -> Result<MaskChoice> {
        Ok(match (self.mask()?, attention) {
            (MaskChoice::Override(mask), Attention::Encoder) if is_pair => MaskChoice::Encoder(mask),
            (MaskChoice::Override(mask), Attention::Decoder) if is_pair => MaskChoice::Decoder(mask),
            (MaskChoice::Override(_), Attention::Cross) if is_pair => MaskChoice::AsTrained,
            (mask, _) => mask,
        })
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.mask().map_err(|error| error.to_string())?;
        if self.written > Some(WRITTEN) {
            let got = self.written.unwrap_or_default();
            return Err(format!("tokens to write is {got}, expected at most {WRITTEN}"));
        }
        match self.cut {
            Some(Cut { components: 0, .. }) => {
                Err("singular components to keep is 0, expected at least 1; to keep none, ablate the head"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Explorer {
    /// The reading of a side.
    pub fn reading(&self, side: Side) -> Option<&Reading> {
        match side {
            Side::Left => Some(&self.left),
            Side::Right => self.right.as_ref(),
        }
    }

    /// The sides that are read.
    pub fn sides(&self) -> &'static [Side] {
        if self.right.is_some() { &Side::BOTH } else { &Side::BOTH[..1] }
    }

    /// The metric of the wall.
    pub fn metric(&self) -> Option<&'static Metric> {
        Metric::find(&self.metric).ok()
    }

    fn change(&mut self, side: Side) -> std::result::Result<&mut Reading, String> {
        match side {
            Side::Left => Ok(&mut self.left),
            Side::Right => {
                self.right.as_mut().ok_or_else(|| "nothing is read beside A: start with Beside".to_owned())
            }
        }
    }
}

impl State for Explorer {
    type Edit = Edit;
    type Answer = Answer;
    type News = News;
    type Memory = Engine;

    fn first(args: &Args) -> Result<Self> {
        let mask: MaskChoice = args.mask.parse()?;
        let file = args.attention.as_ref().map(|path| Brought {
            path: path.clone(),
            name: args.name.clone(),
            tokens: args.tokens.clone(),
            sequence: args.sequence,
        });
        let left = Reading {
            model: args.model.clone(),
            file,
            text: args.text.clone(),
            mask: mask.to_string(),
            ..Reading::default()
        };
        let first = Head { layer: args.layer.unwrap_or(1), head: args.head.unwrap_or(1) };
        Ok(Explorer { left, selected: first, held: first.layer, ..Explorer::default() })
    }

    fn memory(machine: &Machine) -> Engine {
        Engine::new(machine.device.clone(), machine.window.clone())
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.left.check()?;
        self.right.as_ref().map_or(Ok(()), Reading::check)?;
        Metric::find(&self.metric).map_err(|error| error.to_string())?;
        let (low, high) = BUDGET;
        if !(low..=high).contains(&self.budget) {
            return Err(format!("memory for weights is {} MiB, expected {low} to {high}", self.budget));
        }
        match self.range {
            Some((from, to)) if from.is_nan() || to.is_nan() || from > to => {
                Err(format!("the range of the metric is {from} to {to}, expected the smaller number first"))
            }
            _ => Ok(()),
        }
    }

    fn update(&mut self, edit: Edit) -> std::result::Result<(), String> {
        match edit {
            Edit::Model(side, name) => {
                let reading = self.change(side)?;
                (reading.file, reading.model) = (None, name);
                (reading.ablated, reading.cut, reading.written) = (BTreeSet::new(), None, None);
            }
            Edit::File(side, file) => {
                let reading = self.change(side)?;
                reading.file = Some(file);
                (reading.ablated, reading.cut) = (BTreeSet::new(), None);
            }
            Edit::Text(side, text) => {
                let reading = self.change(side)?;
                reading.text = text;
                reading.written = reading.written.filter(|&written| written == 0);
            }
            Edit::Written(side, count) => self.change(side)?.written = count,
            Edit::Mask(side, mask) => self.change(side)?.mask = mask,
            Edit::Ablate(side, head) => {
                let ablated = &mut self.change(side)?.ablated;
                if !ablated.remove(&head) {
                    ablated.insert(head);
                }
            }
            Edit::Cut(side, cut) => self.change(side)?.cut = cut,
            Edit::Restore(side) => {
                let reading = self.change(side)?;
                (reading.ablated, reading.cut) = (BTreeSet::new(), None);
            }
            Edit::Beside(is_beside) => self.right = is_beside.then(|| self.left.clone()),
            Edit::Attention(attention) => {
                self.attention = attention;
                for reading in [Some(&mut self.left), self.right.as_mut()].into_iter().flatten() {
                    (reading.ablated, reading.cut) = (BTreeSet::new(), None);
                }
            }
            Edit::Measure(measure) => self.measure = measure,
            Edit::Select(head) => self.selected = head,
            Edit::Hold(head) => (self.selected, self.held) = (head, head.layer),
            Edit::Scale(scale) => self.scale = scale,
            Edit::Look(look) => self.look = look,
            Edit::Metric(name) => (self.metric, self.range) = (name, None),
            Edit::Order(order) => self.order = order,
            Edit::Range(range) => self.range = range,
            Edit::Position(position) => self.position = position,
            Edit::Budget(budget) => self.budget = budget,
        }
        Ok(())
    }

    fn is_answered_by(&self, sent: &Self) -> bool {
        let parts =
            |state: &Explorer| (state.attention, state.measure, state.position, state.budget, state.held);
        (&self.left, &self.right, parts(self)) == (&sent.left, &sent.right, parts(sent))
    }

    fn compute(&self, engine: &mut Engine, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        engine.serve(self, run, tell)
    }

    fn take(answer: &mut Answer, news: News, stamp: Stamp) {
        answer.take(news, stamp);
    }

    fn dropped(&self, path: &Path) -> Option<Edit> {
        if path.is_dir() {
            return Some(Edit::Model(Side::Left, path.display().to_string()));
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_lesson = matches!(ending.as_str(), "json" | "svg");
        let file = Brought { path: path.to_owned(), ..Brought::default() };
        (!is_lesson).then_some(Edit::File(Side::Left, file))
    }

    fn about(&self, answer: &Answer) -> String {
        let Some(model) = &answer.of(Side::Left).model else { return String::new() };
        let name = Path::new(&model.name).file_name().unwrap_or_default().to_string_lossy();
        format!("{name}: {}", model.about)
    }

    fn exports(&self, answer: &Answer, lesson: &Value) -> Vec<Export> {
        export::all(self, answer, lesson)
    }

    fn cell(&self) -> String {
        cell::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labs;

    fn edited(edits: impl IntoIterator<Item = Edit>) -> std::result::Result<Explorer, String> {
        labs::edited(Explorer::default(), edits)
    }

    #[test]
    fn a_state_survives_a_file_and_an_empty_one_is_the_first() {
        let at = Head { layer: 2, head: 3 };
        let state = edited([
            Edit::Beside(true),
            Edit::Mask(Side::Right, "prefix(3)".to_owned()),
            Edit::Ablate(Side::Right, at),
            Edit::Cut(Side::Left, Some(Cut { components: 2, head: Some(at) })),
            Edit::Range(Some((1.5, 4.0))),
        ])
        .unwrap();
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<Explorer>(&text).unwrap(), state);
        assert_eq!(serde_json::from_str::<Explorer>("{}").unwrap(), Explorer::default());
        assert!(serde_json::from_str::<Explorer>(r#"{"modle": 1}"#).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (edit, part) in [
            (Edit::Mask(Side::Left, "casual".to_owned()), "casual"),
            (Edit::Cut(Side::Left, Some(Cut { components: 0, head: None })), "components to keep is 0"),
            (Edit::Metric("rnak".to_owned()), "rnak"),
            (Edit::Budget(0), "memory for weights is 0 MiB, expected 1 to 16384"),
            (Edit::Range(Some((2.0, 1.0))), "2 to 1"),
            (Edit::Range(Some((f64::NAN, 1.0))), "NaN to 1"),
            (Edit::Written(Side::Left, Some(9999)), "tokens to write is 9999"),
            (Edit::Text(Side::Right, String::new()), "nothing is read beside A"),
        ] {
            let problem = edited([edit]).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn another_model_and_another_attention_end_the_changes_of_heads() {
        let at = Head { layer: 0, head: 1 };
        for edit in [Edit::Model(Side::Left, "english-t5".to_owned()), Edit::Attention(Attention::Cross)] {
            let state = edited([Edit::Ablate(Side::Left, at), edit]).unwrap();
            assert!(!state.left.has_changes());
        }
        let twice = edited([Edit::Ablate(Side::Left, at), Edit::Ablate(Side::Left, at)]).unwrap();
        assert_eq!(twice, Explorer::default());
    }

    #[test]
    fn only_what_changes_the_numbers_is_computed_again() {
        let first = Explorer::default();
        let at = Head { layer: 3, head: 0 };
        for edit in [
            Edit::Select(at),
            Edit::Scale(Scale::Log),
            Edit::Look(Look::Arcs),
            Edit::Order(Order::LargestFirst),
            Edit::Metric("stable_rank".to_owned()),
        ] {
            assert!(edited([edit.clone()]).unwrap().is_answered_by(&first), "{edit:?}");
        }
        for edit in [
            Edit::Hold(at),
            Edit::Position(Some(2)),
            Edit::Beside(true),
            Edit::Ablate(Side::Left, at),
            Edit::Measure(Measure::ValueWeighted),
        ] {
            assert!(!edited([edit.clone()]).unwrap().is_answered_by(&first), "{edit:?}");
        }
    }

    #[test]
    fn a_mask_goes_to_the_stack_that_is_shown() {
        let reading = Reading { mask: "prefix(2)".to_owned(), ..Reading::default() };
        let texts = Attention::ALL.map(|attention| reading.mask_of(attention, true).unwrap().to_string());
        assert_eq!(texts, ["encoder:prefix(2)", "decoder:prefix(2)", "as-trained"]);
        assert_eq!(reading.mask_of(Attention::Cross, false).unwrap().to_string(), "prefix(2)");
    }

    #[test]
    fn folders_are_models_and_files_are_weights_but_lessons_are_left_to_the_frame() {
        let state = Explorer::default();
        assert!(matches!(state.dropped(&std::env::temp_dir()), Some(Edit::Model(Side::Left, _))));
        assert!(matches!(state.dropped(Path::new("maps.npz")), Some(Edit::File(Side::Left, _))));
        assert_eq!(state.dropped(Path::new("lesson.json")), None);
    }
}

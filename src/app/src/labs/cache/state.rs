//! The state of the cache lab: a dialogue, and what happens to it.

use rankscope::figure::style::Kind;
use rankscope::mask::Mask;
use rankscope::model::reuse::{Reading, readings};
use rankscope::{Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compute::{Answer, Memory, News};
use super::{compute, export};
use crate::lab::{Export, Machine, Stamp, State};

/// The most turns.
pub const MOST_TURNS: usize = 8;
/// The longest text of a turn, in characters.
const MOST_LETTERS: usize = 2000;

/// What happens to the dialogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Its last turn is appended to the others.
    #[default]
    Append,
    /// The token at this place becomes another one.
    Edit(usize),
}

/// A way to read the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The causal mask.
    Causal,
    /// A prefix-LM whose prefix stays the first prompt.
    Frozen,
    /// A prefix-LM whose prefix grows over all turns but the last.
    Grown,
    /// The bidirectional mask.
    Bidirectional,
    /// The reader's own mask.
    Mine,
}

impl Way {
    /// All, in the order in which they are shown.
    pub const ALL: [Way; 5] = [Way::Causal, Way::Frozen, Way::Grown, Way::Bidirectional, Way::Mine];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Way::Causal => "causal",
            Way::Frozen => "prefix frozen",
            Way::Grown => "prefix grown",
            Way::Bidirectional => "bidirectional",
            Way::Mine => "mine",
        }
    }

    /// Its colour and marker.
    pub fn kind(self) -> Kind {
        match self {
            Way::Causal => Kind::Causal,
            Way::Frozen | Way::Grown => Kind::Prefix,
            Way::Bidirectional => Kind::Bidirectional,
            Way::Mine => Kind::Custom,
        }
    }
}

/// The state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// A model with a cache, by name or folder.
    pub model: String,
    /// What is said, turn by turn, the user first.
    pub turns: Vec<String>,
    /// What happens to the dialogue.
    pub event: Event,
    /// The reader's own mask, in the mask language.
    pub mine: String,
    /// The number of timed runs.
    pub repeats: usize,
    /// Whether the panels that answer a lesson's question wait for a prediction.
    pub veiled: bool,
}

impl Default for Cache {
    fn default() -> Self {
        let turns = [
            "Tell me a story about a small boat and the sea.",
            " Once there was a small boat that was afraid of the waves.",
            " And what happened to the boat?",
        ];
        Cache {
            model: "glass-en".to_owned(),
            turns: turns.map(str::to_owned).into(),
            event: Event::Append,
            mine: "window(4)".to_owned(),
            repeats: 9,
            veiled: false,
        }
    }
}

/// Every edit of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Chooses another model.
    Model(String),
    /// Sets the text of a turn.
    Turn(usize, String),
    /// Adds a turn.
    More,
    /// Removes the last turn.
    Fewer,
    /// Appends the last turn, or edits a token.
    Event(Event),
    /// Sets the reader's own mask.
    Mine(String),
    /// Sets the number of timed runs.
    Repeats(usize),
    /// Hides the panels that wait for a prediction, or shows them.
    Veil(bool),
}

impl Cache {
    /// How a way reads the dialogue whose turns end at `ends`: the masks before and after the event. An edit of a token
    /// changes no mask.
    ///
    /// # Errors
    /// If the text of the reader's own mask is no mask.
    pub fn reading(&self, way: Way, ends: &[usize]) -> Result<Reading> {
        let first = ends.len().checked_sub(2).map_or(0, |last| ends[last]);
        let [causal, frozen, grown, both] = readings(ends.first().copied().unwrap_or(0), first);
        let reading = match way {
            Way::Causal => causal,
            Way::Frozen => frozen,
            Way::Grown => grown,
            Way::Bidirectional => both,
            Way::Mine => {
                let mask = Mask::parse(&self.mine)?;
                Reading { name: "mine", before: mask.clone(), after: mask }
            }
        };
        Ok(match self.event {
            Event::Append => reading,
            Event::Edit(_) => Reading { before: reading.after.clone(), ..reading },
        })
    }
}

impl State for Cache {
    type Edit = Edit;
    type Answer = Answer;
    type News = News;
    type Memory = Memory;

    fn memory(machine: &Machine) -> Memory {
        Memory::new(machine.device.clone())
    }

    fn check(&self) -> Result<(), String> {
        let count = self.turns.len();
        if !(2..=MOST_TURNS).contains(&count) {
            return Err(format!("number of turns is {count}, expected from 2 to {MOST_TURNS}"));
        }
        for (index, turn) in self.turns.iter().enumerate() {
            let letters = turn.chars().count();
            if turn.trim().is_empty() {
                return Err(format!("turn {} is empty, expected a text of one word or more", index + 1));
            }
            if letters > MOST_LETTERS {
                let turn = index + 1;
                return Err(format!("turn {turn} has {letters} characters, expected at most {MOST_LETTERS}"));
            }
        }
        if !(1..=99).contains(&self.repeats) {
            return Err(format!("number of timed runs is {}, expected from 1 to 99", self.repeats));
        }
        Mask::parse(&self.mine).map(drop).map_err(|error| error.to_string())
    }

    fn update(&mut self, edit: Edit) -> Result<(), String> {
        match edit {
            Edit::Model(name) => self.model = name,
            Edit::Turn(index, text) => {
                let count = self.turns.len();
                let turn = self.turns.get_mut(index);
                *turn.ok_or_else(|| format!("there is no turn {}, only {count}", index + 1))? = text;
            }
            Edit::More => {
                let is_user = self.turns.len().is_multiple_of(2);
                self.turns.push(if is_user { " And then?" } else { " Then the sea was quiet." }.to_owned());
            }
            Edit::Fewer => drop(self.turns.pop()),
            Edit::Event(event) => self.event = event,
            Edit::Mine(text) => self.mine = text,
            Edit::Repeats(repeats) => self.repeats = repeats,
            Edit::Veil(veiled) => self.veiled = veiled,
        }
        Ok(())
    }

    fn is_answered_by(&self, sent: &Self) -> bool {
        Cache { veiled: sent.veiled, ..self.clone() } == *sent
    }

    fn compute(&self, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        compute::compute(self, memory, run, tell)
    }

    fn take(answer: &mut Answer, news: News, stamp: Stamp) {
        match news {
            News::Models(models) => answer.models.put(models, stamp),
            News::Dialogue(dialogue) => answer.dialogue.put(dialogue, stamp),
            News::Ways(ways) => answer.ways.put(ways, stamp),
            News::Costs(costs) => answer.costs.put(costs, stamp),
        }
    }

    fn about(&self, answer: &Answer) -> String {
        let tokens = answer.dialogue.get().map_or(0, |dialogue| dialogue.pieces.len());
        format!("{}: {} turns, {tokens} tokens", self.model, self.turns.len())
    }

    fn exports(&self, answer: &Answer, lesson: &Value) -> Vec<Export> {
        export::exports(answer, lesson)
    }

    fn cell(&self) -> String {
        export::cell(self)
    }
}

#[cfg(test)]
mod tests {
    use rankscope::Device;

    use super::*;
    use crate::lab::answered;
    use crate::labs::edited;

    fn answer(edits: &[Edit]) -> Result<Answer> {
        let state = edited(Cache::default(), edits.iter().cloned()).unwrap();
        answered(&state, &mut Memory::new(Device::Cpu))
    }

    /// The number of states that are stale by the masks, for each way.
    fn stale(answer: &Answer) -> Vec<(Way, usize)> {
        answer.ways.get().unwrap().iter().map(|way| (way.way, way.again())).collect()
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        for (edits, part) in [
            (vec![Edit::Turn(7, "x".into())], "there is no turn 8"),
            (vec![Edit::Turn(0, "  ".into())], "turn 1 is empty"),
            (vec![Edit::Fewer, Edit::Fewer], "number of turns is 1"),
            (vec![Edit::More; 6], "number of turns is 9"),
            (vec![Edit::Repeats(0)], "number of timed runs is 0"),
            (vec![Edit::Mine("cau".into())], "cau"),
            (vec![Edit::Turn(1, "a".repeat(2001))], "2001 characters"),
        ] {
            let error = edited(Cache::default(), edits).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
        let beyond = answer(&[Edit::Event(Event::Edit(500))]).err().unwrap().to_string();
        assert!(beyond.contains("edited token is 500"), "{beyond}");
        let long = answer(&[Edit::Turn(0, "boat ".repeat(300))]).err().unwrap().to_string();
        assert!(long.contains("context of glass-en"), "{long}");
        assert!(answer(&[Edit::Model("nowhere".into())]).err().unwrap().to_string().contains("nowhere"));
    }

    /// The states that change in the model are those that the masks call stale: no others, and nearly all of them.
    #[test]
    fn the_states_that_move_are_those_that_the_masks_make_stale() {
        for event in [Event::Append, Event::Edit(0), Event::Edit(25)] {
            let answer = answer(&[Edit::Event(event)]).unwrap();
            for way in answer.ways.get().unwrap() {
                assert_eq!(way.stale.dim(), way.moved.dim());
                let pairs = way.stale.iter().zip(&way.moved);
                for (stale, moved) in pairs.clone() {
                    assert!(*stale || *moved <= 1e-5, "{event:?} {:?}: {moved}", way.way);
                }
                let stale = pairs.clone().filter(|(stale, _)| **stale).count();
                let moved = pairs.filter(|(stale, moved)| **stale && **moved > 1e-5).count();
                assert!(moved * 10 >= stale * 9, "{event:?} {:?}: {moved} of {stale}", way.way);
            }
        }
    }

    #[test]
    fn causal_computes_nothing_again_when_a_turn_is_appended_and_what_follows_when_a_token_is_edited() {
        let appended = answer(&[]).unwrap();
        let dialogue = appended.dialogue.get().unwrap();
        let (layers, first) = (dialogue.layers, dialogue.stored);
        let window = stale(&appended)[4];
        // The last token of turn 2 saw all of it before: where the prefix grows, its state after layer 1 stays valid.
        let all = layers * first;
        assert_eq!(stale(&appended)[..2], [(Way::Causal, 0), (Way::Frozen, 0)]);
        assert_eq!(stale(&appended)[2..4], [(Way::Grown, all - 1), (Way::Bidirectional, all)]);
        assert_eq!(window, (Way::Mine, 0));
        let at = 10;
        let edited = answer(&[Edit::Event(Event::Edit(at))]).unwrap();
        let all = edited.dialogue.get().unwrap().pieces.len();
        assert_eq!(stale(&edited)[0], (Way::Causal, 1 + layers * (all - at)));
        assert_eq!(stale(&edited)[3], (Way::Bidirectional, 1 + layers * all));
        // In a window of 4 it reaches 3 further tokens in every layer.
        let reach: usize = (0..=layers).map(|layer| 1 + 3 * layer).sum();
        assert_eq!(stale(&edited)[4], (Way::Mine, reach));
        let ways = edited.ways.get().unwrap();
        assert_eq!((ways[0].kept, ways[3].kept), (at, 0));
        let costs = edited.costs.get().unwrap();
        assert_eq!(costs.len(), ways.len());
        assert!(costs[0].work.total() < costs[3].work.total());
        assert!(costs.iter().all(|cost| cost.seconds.count() == 9));
    }

    /// Lesson 10: for the causal mask, an appended turn makes no stored state stale; an edit of the first token makes
    /// all states of all layers stale under the first four masks.
    #[test]
    fn why_engineers_care() {
        let mut lesson = crate::labs::lesson::<crate::labs::cache::view::View>("10", "cache");
        assert!(lesson.veiled);
        let again = |state: &Cache| stale(&answered(state, &mut Memory::new(Device::Cpu)).unwrap());
        let appended = again(&lesson);
        let everything = appended[3].1;
        assert!(everything > 100);
        assert_eq!([0, 1, 2].map(|way| appended[way].1), [0, 0, everything - 1]);
        lesson.update(Edit::Event(Event::Edit(0))).unwrap();
        let edited = again(&lesson);
        assert!([1, 2, 3].iter().all(|&way| edited[way].1 == edited[0].1) && edited[0].1 > everything);
    }
}

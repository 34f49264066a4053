//! States that were computed in advance: a slider or tabs choose the one that is shown, without a kernel.

use std::fmt::Display;

use super::{Rich, escape};

/// A display for each of several values, with a slider or tabs to choose one; in a page without scripts, the first one
/// is shown.
///
/// It also works in a saved page, where no kernel runs. For two sliders, use states whose displays are states.
///
/// ```
/// use rankscope::{Mask, rich::{Rich, States}};
/// let masks = States::new("prefix", 0..=8, |length| Mask::prefix(length));
/// assert!(masks.text().starts_with("prefix = 0 (of 9 states)\nprefix(0)"));
/// assert_eq!(masks.html().matches("data-label").count(), 9);
/// ```
#[derive(Clone, Debug)]
pub struct States {
    name: String,
    kind: &'static str,
    states: Vec<State>,
}

#[derive(Clone, Debug)]
struct State {
    label: String,
    text: String,
    html: String,
}

impl States {
    /// A slider called `name` over `values`; `show` makes the display of each.
    pub fn new<V: Display, R: Rich>(
        name: &str,
        values: impl IntoIterator<Item = V>,
        mut show: impl FnMut(V) -> R,
    ) -> Self {
        let state = |value: V| State::of(value.to_string(), &show(value));
        States { name: name.to_owned(), kind: "slider", states: values.into_iter().map(state).collect() }
    }

    /// Tabs, such as layers or heads, each with its display.
    pub fn tabs<L: Display, R: Rich>(name: &str, tabs: impl IntoIterator<Item = (L, R)>) -> Self {
        let states = tabs.into_iter().map(|(label, shown)| State::of(label.to_string(), &shown)).collect();
        States { name: name.to_owned(), kind: "tabs", states }
    }
}

impl State {
    fn of(label: String, shown: &impl Rich) -> Self {
        State { label, text: shown.text(), html: shown.html() }
    }
}

impl Rich for States {
    fn text(&self) -> String {
        let count = self.states.len();
        let first = self.states.first();
        let first =
            first.map(|state| format!("{} = {} (of {count} states)\n{}", self.name, state.label, state.text));
        first.unwrap_or_else(|| format!("{}: no states", self.name))
    }

    fn html(&self) -> String {
        let state = |(index, state): (usize, &State)| {
            let hidden = if index > 0 { " hidden" } else { "" };
            format!("<section data-label=\"{}\"{hidden}>{}</section>", escape(&state.label), state.html)
        };
        let states: String = self.states.iter().enumerate().map(state).collect();
        let (name, kind) = (escape(&self.name), self.kind);
        format!("<rankscope-states data-name=\"{name}\" data-kind=\"{kind}\">{states}</rankscope-states>")
    }
}

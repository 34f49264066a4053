//! The panels of the cache lab.

mod cells;
mod cost;
mod dialogue;

use std::collections::HashMap;

use super::state::{Cache, Edit};
use crate::lab::{self, Desk, Layout, Panel};
use crate::labs::controls::ask;
use crate::widget::draft::Draft;

/// What only the view remembers.
#[derive(Default)]
pub struct View {
    /// Half-typed texts by field.
    typed: HashMap<String, Draft>,
}

impl lab::View for View {
    type State = Cache;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "dialogue",
            title: "Dialogue",
            help: "The dialogue, turn by turn, and what happens to it: the last turn is appended, or one token becomes another",
        },
        Panel {
            id: "cells",
            title: "States",
            help: "One cell for each token and layer: the hidden state from which that layer's keys and values follow. It must be \
                   computed again where its position sees other keys than before, or sees one whose state below has changed. The \
                   brighter or darker it stands out, the further the model's own state moved: ‖after − before‖ / ‖before‖.",
        },
        Panel {
            id: "cost",
            title: "Cost of the update",
            help: "The work that brings all states up to date: of the tokens after those that keep all their states, from a \
                   cache; or of all tokens. States after an edited token are computed even if they could be kept. Operations \
                   are counted in the matrix products, times are medians on this machine.",
        },
        Panel {
            id: "layers",
            title: "By layer",
            help: "The share of the stored states that must be computed again, layer by layer; curves at 0 lie on one another",
        },
    ];

    fn layout() -> Layout {
        let below = Layout::row([(0.58, Layout::panel("cost")), (0.42, Layout::panel("layers"))]);
        let right = Layout::column([(0.66, Layout::panel("cells")), (0.34, below)]);
        Layout::row([(0.25, Layout::panel("dialogue")), (0.75, right)])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
        if desk.state.veiled && id != "dialogue" {
            return ask("what must be computed again?", Edit::Veil(false), desk, ui);
        }
        match id {
            "dialogue" => dialogue::ui(self, desk, ui),
            "cells" => cells::ui(desk, ui),
            "cost" => cost::table(desk, ui),
            _ => cost::layers(desk, ui),
        }
    }
}

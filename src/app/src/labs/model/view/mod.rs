//! The panels of the model explorer, one a file.

mod arcs;
mod depth;
mod head;
mod mask;
mod model;
mod next;
mod rank;
mod setup;
mod tokens;
mod wall;

pub use depth::plots;
use egui::Rect;
#[cfg(test)]
pub use wall::places;

use super::answer::{Pass, Shown};
use super::state::{Explorer, Side};
use crate::heatmap::{Part, Picture, Source};
use crate::lab::{self, Layout, Panel};
use crate::layout::columns;
use crate::theme;

/// What the explorer's panels are given.
type Desk<'a> = lab::Desk<'a, Explorer>;

/// What only the view remembers.
#[derive(Default)]
pub struct View {
    models: model::Catalog,
    /// The controls of each reading's mask.
    masks: [mask::Picker; 2],
    /// The field for the path of each reading's file.
    paths: [setup::PathField; 2],
    /// The entry under the pointer, in whichever matrix it is.
    cursor: Option<(usize, usize)>,
    /// Which reading's model writes on its own.
    writer: next::Writer,
}

impl lab::View for View {
    type State = Explorer;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "setup",
            title: "Model, text and mask",
            help: "The text, the model that reads it, and its mask",
        },
        Panel {
            id: "wall",
            title: "All heads",
            help: "A = softmax(QKᵀ/√D + mask) of every layer and head (Vaswani et al. 2017), sorted and filtered by any \
                   metric of its rank",
        },
        Panel {
            id: "next",
            title: "Prediction and changes",
            help: "p = softmax(logits) of the next token, and how it changes where heads are ablated or cut to their top k \
                   singular components: Aₖ = Σ σᵢuᵢvᵢᵀ (Eckart & Young 1936)",
        },
        Panel {
            id: "head",
            title: "One head",
            help: "The weights of the selected head: queries down, keys across; below, what each key gets on average and \
                   the length of its value vector",
        },
        Panel {
            id: "rank",
            title: "Rank",
            help: "Three meanings of rank, kept apart: exact, numerical, effective",
        },
        Panel {
            id: "depth",
            title: "Residual stream",
            help: "Rank of the hidden states of all tokens after each layer, and how far they are from being all the same: \
                   ‖X − 1x̄ᵀ‖ / ‖X‖ (Dong et al. 2021, arXiv 2103.03404)",
        },
    ];

    fn layout() -> Layout {
        let (wall, rank) = columns(1280.0, 4);
        let parts = [
            (wall, Layout::panel("wall")),
            (1280.0 - wall - rank, Layout::panel("head")),
            (rank, Layout::column([(1.25, Layout::tabs(["rank", "depth"])), (1.0, Layout::panel("next"))])),
        ];
        // Shares near 1, as the dock wants them.
        let parts = parts.map(|(width, part)| (3.0 * width / 1280.0, part));
        Layout::column([(0.27, Layout::panel("setup")), (1.0, Layout::row(parts))])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_>, ui: &mut egui::Ui) {
        match id {
            "setup" => setup::ui(self, desk, ui),
            "wall" => wall::ui(desk, ui),
            "next" => next::ui(self, desk, ui),
            "head" => head::ui(self, desk, ui),
            "rank" => rank::ui(desk, ui),
            "depth" => depth::ui(desk, ui),
            _ => {}
        }
    }
}

/// Draws a part of the weights of `pass` over `rect`, faded as the results of its reading are.
fn weights(desk: &Desk<'_>, side: Side, pass: &Pass, part: Part, rect: Rect, ui: &egui::Ui) {
    let picture = Picture {
        id: ui.scope_id().with((side.name(), matches!(part, Part::One(_)))),
        source: Source::Weights(pass.buffers.clone(), desk.state.scale),
        part,
        theme: theme::of(ui.visuals()),
        fade: desk.fade(&desk.answer.of(side).chosen),
        rect,
    };
    ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, picture));
}

/// Shown where there is no pass yet.
fn nothing(desk: &Desk<'_>, ui: &mut egui::Ui) {
    let text = if desk.status.busy.is_some() {
        "Computing …"
    } else {
        "Nothing to show yet: choose a model and type a text."
    };
    ui.weak(text);
}

/// The results of each reading that is shown, with its name where there are two.
fn readings<'a>(desk: &Desk<'a>) -> Vec<(Side, &'a Shown)> {
    let answer = desk.answer;
    desk.state.sides().iter().map(|&side| (side, answer.of(side))).collect()
}

//! How the mask lab is drawn: one file a panel.

mod block;
mod lens;
mod map;
mod mask;
mod masks;
mod matrices;
mod mechanisms;
mod setup;
mod spectra;
#[cfg(test)]
mod tests;

use egui::{RichText, Ui};

use super::paint::Tool;
use super::rule::Compose;
use super::state::{Edit, MaskLab, Which};
use crate::heatmap::Scale;
use crate::lab::{self, Desk, Layout, Panel};
use crate::labs::controls::{ask, marker};
use crate::theme;
use crate::widget::veil::waiting;

/// What only the view remembers.
pub struct View {
    tool: Tool,
    erases: bool,
    mirrors: bool,
    brush: usize,
    held: Option<mask::Held>,
    /// The logit that is being dragged: its cell, its value and the pointer's height when the drag began.
    logit: Option<((usize, usize), f64, f32)>,
    how: Compose,
    /// The rule as it is being typed, and the rule of the state when that began.
    draft: Option<(String, String)>,
    /// The scale of colours; `None` chooses it by the weights.
    scale: Option<Scale>,
    masked: Option<mask::Masked>,
    pictures: masks::Pictures,
}

impl Default for View {
    fn default() -> Self {
        View {
            tool: Tool::Brush,
            erases: false,
            mirrors: false,
            brush: 1,
            held: None,
            logit: None,
            how: Compose::Instead,
            draft: None,
            scale: None,
            masked: None,
            pictures: Default::default(),
        }
    }
}

impl lab::View for View {
    type State = MaskLab;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "setup",
            title: "Setup",
            help: "Q and K are seeded standard normal numbers [n, D]; all four masks see the same scores",
        },
        Panel {
            id: "logits",
            title: "Logits",
            help: "The scores sₜₛ = scale · qₜ·kₛ/√D before the mask. Drag an entry up or down to change it",
        },
        Panel {
            id: "mask",
            title: "Mask: paint here",
            help: "Which key each query may attend to: the logits that are left. Paint with the tools above; drag the edges of \
                   prefix and window; the right button paints the opposite; Enter changes the entry of the cursor",
        },
        Panel {
            id: "weights",
            title: "Weights",
            help: "The attention weights A: the softmax of each row over the keys that it may attend to. Drag a rectangle to \
                   probe its rank",
        },
        Panel {
            id: "four",
            title: "All four",
            help: "The weights of the same scores under each mask; a click shows one large",
        },
        Panel {
            id: "masks",
            title: "Masks",
            help: "Masks with names, put together with and, or, not in the mask language",
        },
        Panel {
            id: "spectrum",
            title: "Singular values",
            help: "σᵢ / σ₁ of the weights under each mask, from the same scores; numerical rank counts those above a line",
        },
        Panel {
            id: "lens",
            title: "Is it really zero?",
            help: "The same singular values as f16, f32, f64 and multi-precision see them; below a format's line they are noise",
        },
        Panel {
            id: "map",
            title: "Phase map",
            help: "Effective rank, causal minus bidirectional, over head size and logit scale. A click loads the point",
        },
        Panel {
            id: "rank",
            title: "Rank card",
            help: "Exact rank is a theorem; numerical rank counts above a tolerance; effective rank is a spectrum's shape",
        },
        Panel {
            id: "block",
            title: "Block",
            help: "The rank of a block of the weights: what earlier positions send to later ones, for the lower left one",
        },
        Panel {
            id: "mechanisms",
            title: "Mechanisms",
            help: "Other ways from the same scores to weights, and whether the triangular theorem holds for them",
        },
    ];

    fn layout() -> Layout {
        let panel = Layout::panel;
        let above = Layout::row([
            (0.82, panel("setup")),
            (1.0, panel("logits")),
            (1.1, panel("mask")),
            (1.08, Layout::tabs(["weights", "four"])),
        ]);
        let below = Layout::row([
            (0.82, panel("masks")),
            (1.62, Layout::tabs(["spectrum", "lens", "map"])),
            (1.56, Layout::tabs(["rank", "block", "mechanisms"])),
        ]);
        Layout::column([(1.06, above), (1.0, below)])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
        let waits = ["spectrum", "lens", "map", "rank", "block", "mechanisms"].contains(&id);
        if desk.state.veiled && waits {
            return ask("what will it be?", Edit::Veil(false), desk, ui);
        }
        match id {
            "setup" => setup::ui(desk, ui),
            "logits" => matrices::logits(self, desk, ui),
            "mask" => mask::ui(self, desk, ui),
            "weights" => matrices::weights(self, desk, ui),
            "four" => matrices::four(self, desk, ui),
            "masks" => masks::ui(self, desk, ui),
            "spectrum" => spectra::ui(desk, ui),
            "lens" => lens::ui(desk, ui),
            "map" => map::ui(desk, ui),
            "rank" => spectra::card(desk, ui),
            "block" => block::ui(desk, ui),
            _ => mechanisms::ui(desk, ui),
        }
    }
}

/// A mask's marker and name.
fn tag(which: Which, name: &str, ui: &mut Ui) -> egui::Response {
    marker(which.kind(), 4.5, egui::vec2(14.0, 16.0), ui);
    ui.label(name)
}

/// Buttons for the mask that is shown large.
fn choose(desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        for which in Which::ALL {
            let color = theme::kind_color(ui, which.kind());
            let text = RichText::new(desk.state.name(which)).size(13.0);
            let text = if which == desk.state.shown { text.strong() } else { text.color(color) };
            if ui.selectable_label(which == desk.state.shown, text).clicked() {
                desk.edit(Edit::Show(which));
            }
        }
    });
}

//! The panels of the collapse tower.

mod residual;
mod setup;
mod tokens;
mod towers;

use std::time::Instant;

use super::state::{Collapse, Edit};
use crate::lab::{self, Desk, Layout, Panel};
use crate::labs::controls::ask;
use crate::widget::draft::Draft;

/// What only the view remembers.
#[derive(Default)]
pub struct View {
    /// The half-typed text of the reader's own mask.
    mine: Draft,
    /// When the last step through the layers was made, while they are played.
    played: Option<Instant>,
}

impl lab::View for View {
    type State = Collapse;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "setup",
            title: "Layers",
            help: "What a layer is made of, under which masks it is compared, and how large it is. Weights and tokens are \
                   drawn from normal distributions of variance 1 / (numbers that are summed).",
        },
        Panel {
            id: "residual",
            title: "Residual",
            help: "How far the tokens are from being one: ‖res(X)‖ / ‖X‖ with res(X) = X − 1·x̄ᵀ and \
                   ‖X‖ = √(‖X‖₁ · ‖X‖∞), after every layer; geometric means over the draws.\nDong, Cordonnier & Loukas 2021 \
                   (arXiv 2103.03404), section 2",
        },
        Panel {
            id: "tokens",
            title: "Tokens",
            help: "Every token of the first draw as a point: its hidden state less the mean of all, on the two directions in \
                   which they differ most (principal component analysis), over the size √(‖X‖²_F / n) of a token",
        },
        Panel {
            id: "towers",
            title: "All kinds of layers",
            help: "A tower for each kind of layer and each mask, the input at the bottom: the brighter or darker a floor \
                   stands out, the more of ‖res(X)‖ / ‖X‖ is left there. Click a tower to choose its layers.",
        },
        Panel {
            id: "first",
            title: "First token",
            help: "Attention rollout: the weight of the first token in the last row of A_k···A₁, heads averaged; with skips \
                   every layer counts as (I + A)/2.\nAbnar & Zuidema 2020 (arXiv 2005.00928), section 3; Wu et al. 2025 \
                   (arXiv 2502.01951)",
        },
    ];

    fn layout() -> Layout {
        let above = Layout::row([(0.52, Layout::panel("residual")), (0.48, Layout::panel("tokens"))]);
        let below = Layout::row([(0.6, Layout::panel("towers")), (0.4, Layout::panel("first"))]);
        Layout::row([(0.24, Layout::panel("setup")), (0.76, Layout::column([(0.56, above), (0.44, below)]))])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
        if desk.state.veiled && id != "setup" {
            return ask("what will be left?", Edit::Veil(false), desk, ui);
        }
        match id {
            "setup" => setup::ui(self, desk, ui),
            "residual" => residual::fall(desk, ui),
            "tokens" => tokens::ui(self, desk, ui),
            "towers" => towers::ui(desk, ui),
            _ => residual::pull(desk, ui),
        }
    }
}

//! The panels of the courtroom.

mod case;
mod claims;
mod figures;
mod numbers;
mod settings;

use std::collections::HashMap;

use egui::TextureHandle;

use super::state::{Court, Edit};
use crate::lab::{self, Desk, Layout, Panel};
use crate::labs::controls::ask;
use crate::widget::draft::Draft;

/// What only the view remembers.
#[derive(Default)]
pub struct View {
    /// Half-typed values by the parameter's name.
    typed: HashMap<&'static str, Draft>,
    /// The picture in front, with the image that it was made from.
    texture: Option<(std::sync::Arc<image::RgbaImage>, TextureHandle)>,
}

impl lab::View for View {
    type State = Court;

    const PANELS: &'static [Panel] = &[
        Panel {
            id: "claims",
            title: "Claims",
            help: "What the popular account says, claim by claim, with the ruling of each arena: exact arithmetic, \
                   floating point, trained models, training",
        },
        Panel {
            id: "case",
            title: "Verdict",
            help: "The claim, who says it, what is exactly true, and the ruling in each arena in which it was tried: read off \
                   what the run measured",
        },
        Panel {
            id: "settings",
            title: "Settings",
            help: "The settings of the experiment. Changes take effect at the next run.",
        },
        Panel { id: "evidence", title: "Evidence", help: "What the run found for the claim, and against it" },
        Panel { id: "figures", title: "Figures", help: "The figures of the run, as they are exported" },
        Panel {
            id: "numbers",
            title: "Numbers",
            help: "All that was measured, with what a theory or a reference expects; a cross marks what is not as expected",
        },
    ];

    fn layout() -> Layout {
        let above = Layout::row([(0.62, Layout::panel("case")), (0.38, Layout::panel("settings"))]);
        let below =
            Layout::row([(0.48, Layout::panel("evidence")), (0.52, Layout::tabs(["figures", "numbers"]))]);
        let right = Layout::column([(0.46, above), (0.54, below)]);
        Layout::row([(0.25, Layout::panel("claims")), (0.75, right)])
    }

    fn ui(&mut self, id: &str, desk: &mut Desk<'_, Court>, ui: &mut egui::Ui) {
        if desk.state.veiled && ["evidence", "figures", "numbers"].contains(&id) {
            return ask("what will the run find?", Edit::Veil(false), desk, ui);
        }
        match id {
            "claims" => claims::ui(desk, ui),
            "case" => case::verdict(desk, ui),
            "settings" => settings::ui(self, desk, ui),
            "evidence" => case::evidence(desk, ui),
            "figures" => figures::ui(self, desk, ui),
            _ => numbers::ui(desk, ui),
        }
    }
}

/// Shown in place of a trial that is not over yet.
fn running(ui: &mut egui::Ui) {
    ui.weak("The experiment is running …");
}

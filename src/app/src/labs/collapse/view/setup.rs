//! The parts of a layer, the masks, and the sizes; and the results in words.

use egui::{RichText, ScrollArea, TextEdit};
use rankscope::model::stack::NormPlace;
use rankscope::numbers::short;

use super::View;
use crate::lab::Desk;
use crate::labs::collapse::compute::Fall;
use crate::labs::collapse::state::{Collapse, Edit, HEADS, MOST_DRAWS, MOST_LAYERS, TOKENS, WIDTHS, Which};
use crate::labs::controls::{marker, slider};
use crate::theme;
use crate::widget::number::Number;

/// Draws the panel.
pub fn ui(view: &mut View, desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().slider_width = 96.0;
        ui.spacing_mut().item_spacing.y = 4.0;
        layer(desk, ui);
        ui.add_space(6.0);
        masks(view, desk, ui);
        ui.add_space(6.0);
        sizes(desk, ui);
        ui.add_space(6.0);
        words(desk, ui);
    });
}

fn layer(desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    let net = desk.state.net;
    ui.heading("One layer");
    ui.add(egui::Label::new(RichText::new(net.formula()).font(theme::mono(13.0))).wrap());
    ui.horizontal(|ui| {
        let (mut skip, mut mlp) = (net.skip, net.mlp);
        let hint = "Adds the update to its input instead of replacing the input. So the path past all layers keeps \
                    the input.";
        if ui.checkbox(&mut skip, "skip").on_hover_text(hint).changed() {
            desk.edit(Edit::Skip(skip));
        }
        let hint = "W₂·GELU(W₁·x) with F = 4·C after attention: it acts on each token alone.";
        if ui.checkbox(&mut mlp, "MLP").on_hover_text(hint).changed() {
            desk.edit(Edit::Mlp(mlp));
        }
    });
    ui.horizontal(|ui| {
        ui.label("layer norm");
        for (norm, name, hint) in [
            (NormPlace::None, "none", "no layer norm"),
            (NormPlace::Before, "before", "pre-LN, as in GPT-2 and LLaMA: x ← x + f(norm(x))"),
            (NormPlace::After, "after", "post-LN, as in BERT: x ← norm(x + f(x))"),
        ] {
            if ui.radio(net.norm == norm, name).on_hover_text(hint).clicked() {
                desk.edit(Edit::Norm(norm));
            }
        }
    });
}

fn masks(view: &mut View, desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    ui.heading("Masks");
    let n = desk.state.n;
    for which in Which::ALL {
        ui.horizontal(|ui| {
            marker(which.kind(), 5.0, egui::vec2(14.0, 18.0), ui);
            let mut shown = desk.state.masks.contains(&which);
            if ui.checkbox(&mut shown, which.name()).changed() {
                desk.edit(Edit::Show(which, shown));
            }
            ui.spacing_mut().slider_width = 64.0;
            match which {
                Which::Prefix => {
                    let help = "the tokens at the start that see each other";
                    let length = Number::new("of", desk.state.prefix, 0..=n, n / 2).help(help);
                    slider(length, Edit::Prefix, desk, ui);
                }
                Which::Window => {
                    let length = Number::new("of", desk.state.window, 1..=n, 4.min(n));
                    slider(length.help("how many tokens each sees, itself included"), Edit::Window, desk, ui);
                }
                Which::Mine => mine(view, desk, ui),
                _ => {}
            }
        });
    }
}

/// A field for the reader's own mask; its text is used as soon as it is a mask.
fn mine(view: &mut View, desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    let new = view.mine.edit(&desk.state.mine, |typed| {
        let field = TextEdit::singleline(typed).desired_width(ui.available_width()).font(theme::mono(13.0));
        let response = ui.add(field).on_hover_text(
            "a mask in the mask language, such as causal & window(4) or blocks(16, 16); Enter takes it",
        );
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "mask of my own"));
        response
    });
    if let Some(mask) = new {
        desk.edit(Edit::Mine(mask));
    }
}

/// Room for the names of the sizes.
const NAMES: f32 = 72.0;

fn sizes(desk: &mut Desk<'_, Collapse>, ui: &mut egui::Ui) {
    let state = desk.state;
    ui.heading("Sizes");
    let tokens = Number::new("tokens n", state.n, TOKENS.0..=TOKENS.1, 32);
    slider(tokens.name_width(NAMES), Edit::Tokens, desk, ui);
    let layers = Number::new("layers L", state.layers, 1..=MOST_LAYERS, 12);
    slider(layers.name_width(NAMES), Edit::Layers, desk, ui);
    if let Some(width) = choice("width C", &WIDTHS, state.width, ui) {
        desk.edit(Edit::Width(width));
    }
    if let Some(heads) = choice("heads H", &HEADS, state.heads, ui) {
        desk.edit(Edit::Heads(heads));
    }
    let draws = Number::new("draws", state.draws, 1..=MOST_DRAWS, 5).name_width(NAMES);
    slider(draws.help("how many draws of weights and tokens the curves are means of"), Edit::Draws, desk, ui);
    slider(Number::new("first seed", state.seed, 0..=999, 0).name_width(NAMES), Edit::Seed, desk, ui);
}

fn choice(name: &str, values: &[usize], current: usize, ui: &mut egui::Ui) -> Option<usize> {
    let mut chosen = None;
    ui.horizontal(|ui| {
        let label = ui.label(name);
        ui.add_space((NAMES - label.rect.width() - ui.spacing().item_spacing.x).max(0.0));
        ui.spacing_mut().item_spacing.x = 3.0;
        let listed = values.iter().copied();
        for value in listed.chain((!values.contains(&current)).then_some(current)) {
            let label = ui.selectable_label(value == current, value.to_string());
            label.widget_info(|| {
                let name = format!("{name} = {value}");
                egui::WidgetInfo::selected(egui::Role::RadioButton, true, value == current, name)
            });
            if label.clicked() {
                chosen = Some(value);
            }
        }
    });
    chosen
}

fn words(desk: &Desk<'_, Collapse>, ui: &mut egui::Ui) {
    let Some(falls) = desk.answer.falls.get().filter(|_| !desk.state.veiled) else { return };
    ui.heading("What is left");
    for fall in falls {
        ui.horizontal_wrapped(|ui| {
            marker(fall.which.kind(), 4.5, egui::vec2(14.0, 18.0), ui);
            let text = RichText::new(format!("{}: {}", fall.mask, in_words(fall, desk.state.floor())));
            ui.label(text.size(13.0));
        });
    }
}

/// In words: the layer that reaches the floor, or else the last ratio and its factor per layer at the end.
pub fn in_words(fall: &Fall, floor: f64) -> String {
    let ratios = fall.ratios();
    if let Some(layer) = ratios.iter().position(|&ratio| ratio <= floor) {
        return format!("nothing but rounding from layer {layer} on");
    }
    let last = ratios.len() - 1;
    let from = last.saturating_sub(4);
    let factor = (ratios[last] / ratios[from]).powf(1.0 / (last - from).max(1) as f64);
    format!("{} after layer {last}, at last × {} a layer", short(ratios[last]), short(factor))
}

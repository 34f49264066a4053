//! The named masks, and the rule into which they are combined.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{Align2, RichText, Sense, StrokeKind, TextEdit, Ui, vec2};
use rankscope::mask::{Facts, MASKS};

use super::super::rule::Compose;
use super::super::state::{Edit, MaskLab, parse};
use super::View;
use crate::heatmap::{Colours, Matrix, Scale};
use crate::lab::Desk;
use crate::labs::controls::picture;
use crate::theme;

/// Small pictures of the named masks, by their text.
pub type Pictures = HashMap<String, Arc<Matrix>>;

/// Positions of a small picture.
const SMALL: usize = 16;
/// Side of a small picture in points.
const SIDE: f32 = 36.0;

/// Draws the rule and the named masks.
pub fn ui(view: &mut View, desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    rule(view, desk, ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for how in Compose::ALL {
            let help = match how {
                Compose::Instead => "A click on a mask puts it in place of mine",
                Compose::And => "mine & mask: where both allow",
                Compose::Or => "mine | mask: where one of them allows",
                Compose::AndNot => "mine & !mask: where mine allows and the mask does not",
            };
            if ui.selectable_label(view.how == how, how.name()).on_hover_text(help).clicked() {
                view.how = how;
            }
        }
    });
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, 3.0);
            for kind in MASKS.iter().filter(|kind| kind.name != "heads") {
                let n = desk.state.setup.n;
                let text = (kind.example)(n).to_string();
                let picture = view
                    .pictures
                    .entry(kind.name.to_owned())
                    .or_insert_with(|| Arc::new(Matrix::of_mask(&(kind.example)(SMALL), SMALL)));
                let help = format!("{text}: {}. {}", kind.summary, kind.seen_in);
                if thumbnail(kind.name, picture, ui).on_hover_text(help).clicked() {
                    desk.edit(Edit::Compose(view.how, text));
                }
            }
        });
        ui.add_space(4.0);
        if let Some(masked) = &view.masked {
            facts(&masked.facts, ui);
        }
    });
}

/// The facts about "mine" that need no computation.
fn facts(facts: &Facts, ui: &mut Ui) {
    let all = facts.positions * facts.positions;
    let mut lines = vec![format!("mine: {} of {all} pairs may attend", facts.pairs)];
    if facts.blind_queries > 0 {
        lines.push(format!("{} queries see nothing: their rows are 0", facts.blind_queries));
    }
    let reach = match (facts.strongly_connected, facts.has_common_source) {
        (true, _) => "through layers, every token reaches every other",
        (_, true) => "through layers, one token reaches all others",
        _ => "some tokens never reach each other",
    };
    lines.push(reach.to_owned());
    lines.extend(facts.theorems.iter().map(|theorem| theorem.statement().to_owned()));
    for line in lines {
        ui.add(egui::Label::new(RichText::new(line).size(13.0).weak()).wrap());
    }
}

/// The rule as text: it is used on Enter, or when the field is left.
fn rule(view: &mut View, desk: &mut Desk<'_, MaskLab>, ui: &mut Ui) {
    let rule = &desk.state.rule;
    let mut text = match &view.draft {
        Some((draft, of)) if of == rule => draft.clone(),
        _ => rule.clone(),
    };
    let label = ui
        .horizontal(|ui| {
            let label = ui.label(RichText::new("mine =").size(13.0));
            let painted = desk.state.painted.len();
            if painted > 0 {
                ui.label(RichText::new(format!("painted: {painted}")).size(13.0).weak());
                let help = "Removes the paint; the rule stays";
                if ui.small_button("clear").on_hover_text(help).clicked() {
                    desk.edit(Edit::Unpaint);
                }
            }
            label
        })
        .inner;
    let field = TextEdit::singleline(&mut text).desired_width(f32::INFINITY).font(theme::mono(13.0));
    let field = ui.add(field).labelled_by(label.id).on_hover_text(
        "In the mask language: names below, & and, | or, ! not, parentheses; for example causal & !window(3)",
    );
    if field.changed() {
        view.draft = Some((text.clone(), rule.clone()));
    }
    let wrong = parse(&text).err();
    if field.lost_focus() && text != *rule {
        view.draft = wrong.is_some().then(|| (text.clone(), rule.clone()));
        if wrong.is_none() {
            desk.edit(Edit::Rule(text));
        }
    }
    if let Some(problem) = wrong {
        let text = RichText::new(problem).size(theme::SMALL).color(ui.visuals().warn_fg_color);
        ui.add(egui::Label::new(text).wrap());
    }
}

fn thumbnail(name: &str, matrix: &Arc<Matrix>, ui: &mut Ui) -> egui::Response {
    let width = 76.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, SIDE + 16.0), Sense::click());
    let square = egui::Rect::from_min_size(rect.min + vec2((width - SIDE) / 2.0, 1.0), vec2(SIDE, SIDE));
    picture(response.id, matrix, Colours::Weights(Scale::Linear), 0.0, square, ui);
    let palette = theme::palette(ui);
    let is_lit = response.hovered() || response.has_focus();
    let color = theme::color(if is_lit { palette.accent } else { palette.grid });
    ui.painter().rect_stroke(square, 0.0, (if is_lit { 2.0 } else { 1.0 }, color), StrokeKind::Outside);
    let short = name.replace("two-sided-", "2-sided ").replace("bidirectional", "bidirect.");
    let ink = theme::color(if is_lit { palette.ink } else { palette.muted });
    ui.painter().text(rect.center_bottom(), Align2::CENTER_BOTTOM, short, theme::text(theme::SMALL), ink);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    response
}

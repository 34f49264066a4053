//! The figures of a trial: curves that react to the pointer, other figures as pictures.

use std::sync::Arc;

use egui::{ColorImage, Label, RichText, ScrollArea, TextureOptions};
use image::RgbaImage;
use rankscope::claim::Illustration;

use super::{View, running};
use crate::lab::Desk;
use crate::labs::court::state::{Court, Edit};
use crate::theme;
use crate::widget::lines;

/// The smallest scale of a picture: its text is then as high as the smallest text of the window.
const SMALLEST: f32 = theme::SMALL / 16.0;

/// Draws the panel.
pub fn ui(view: &mut View, desk: &mut Desk<'_, Court>, ui: &mut egui::Ui) {
    let Some(trial) = desk.answer.trial.get().cloned() else { return running(ui) };
    let figures = trial.evidence.illustrations();
    let Some(last) = figures.len().checked_sub(1) else {
        ui.weak("This claim has no figures.");
        return;
    };
    let front = desk.state.figure.min(last);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for (index, figure) in figures.iter().enumerate() {
            let name = RichText::new(figure.name.replace('-', " ")).size(13.0);
            if ui.selectable_label(index == front, name).clicked() {
                desk.edit(Edit::Figure(index));
            }
        }
    });
    let shown = &figures[front];
    let fade = desk.fade(&desk.answer.trial);
    let caption = RichText::new(&shown.caption).size(13.0).weak();
    let lines_of_caption = caption_height(shown, ui);
    let height = (ui.available_height() - lines_of_caption - 12.0).max(140.0);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        match shown.figure.as_lines() {
            Some(curves) => drop(lines::ui(curves, height, fade, ui)),
            None => {
                let dark = usize::from(ui.visuals().dark_mode);
                let pictures = desk.answer.pictures.get().and_then(|all| all.get(front)?.as_ref());
                match pictures {
                    Some(pictures) => picture(view, &pictures[dark], height, ui),
                    None => drop(ui.weak("The picture is being drawn …")),
                }
            }
        }
        ui.add(Label::new(caption).wrap());
    });
}

fn caption_height(shown: &Illustration, ui: &egui::Ui) -> f32 {
    let color = ui.visuals().text_color();
    let width = ui.available_width() - 12.0;
    ui.painter().layout(shown.caption.clone(), theme::text(13.0), color, width).size().y
}

fn picture(view: &mut View, image: &Arc<RgbaImage>, height: f32, ui: &mut egui::Ui) {
    if view.texture.as_ref().is_none_or(|(shown, _)| !Arc::ptr_eq(shown, image)) {
        let size = [image.width() as usize, image.height() as usize];
        let pixels = ColorImage::from_rgba_unmultiplied(size, image.as_raw());
        let texture = ui.ctx().load_texture("figure", pixels, TextureOptions::LINEAR);
        view.texture = Some((image.clone(), texture));
    }
    if let Some((_, texture)) = &view.texture {
        // Two pixels of the picture are one of its layout, whose text is 16 high.
        let layout = texture.size_vec2() / 2.0;
        let room = egui::vec2(ui.available_width(), height);
        let scale = (room / layout).min_elem().clamp(SMALLEST, 1.0);
        ScrollArea::horizontal().show(ui, |ui| {
            ui.add(egui::Image::new(texture).fit_to_exact_size(layout * scale).alt_text("figure"));
        });
    }
}

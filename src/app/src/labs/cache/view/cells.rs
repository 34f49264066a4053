//! The states as cells: layers up, tokens across, one block for each way to read the dialogue.

use egui::{Align2, Pos2, Rect, Role, ScrollArea, Sense, StrokeKind, WidgetInfo, pos2, vec2};
use rankscope::numbers::short;

use crate::lab::Desk;
use crate::labs::cache::compute::{Dialogue, Read};
use crate::labs::cache::export::layers;
use crate::labs::cache::state::{Cache, Edit, Event};
use crate::theme;
use crate::widget::axes::{key_label, labelled, tip};

/// Room for the names of the layers, for the tokens above, and for the line over a block.
const NAMES: f32 = 84.0;
const TOKENS: f32 = 74.0;
const TITLE: f32 = 22.0;
/// Room for the legend below.
const LEGEND: f32 = 24.0;
/// The least and the largest height of a row of cells.
const ROW: (f32, f32) = (6.0, 26.0);

/// Draws the panel; a click on a column edits its token.
pub fn ui(desk: &mut Desk<'_, Cache>, ui: &mut egui::Ui) {
    // Between two pieces of news the tokens may already belong to the next text.
    let fits = |(dialogue, ways): &(&Dialogue, &Vec<Read>)| {
        ways.iter().all(|read| read.stale.dim() == (dialogue.layers + 1, dialogue.stored))
    };
    let both = desk.answer.dialogue.get().zip(desk.answer.ways.get()).filter(fits);
    let Some((dialogue, ways)) = both else {
        ui.centered_and_justified(|ui| ui.weak("The model reads the dialogue …"));
        return;
    };
    let mut clicked = None;
    ui.scope(|ui| {
        ui.multiply_opacity(1.0 - desk.fade(&desk.answer.ways));
        let room = ui.available_size() - vec2(0.0, LEGEND);
        let place = Place::of(dialogue, ways.len(), room);
        ScrollArea::vertical().auto_shrink([false, true]).max_height(room.y).show(ui, |ui| {
            let (frame, _) = ui.allocate_exact_size(vec2(room.x, place.height()), Sense::hover());
            let mut hovered = None;
            for (index, read) in ways.iter().enumerate() {
                let block = place.block(frame.min, index);
                clicked = clicked.or(one(&place, block, read, dialogue, &mut hovered, ui));
            }
            tokens(&place, frame.min, dialogue, hovered, ui);
        });
        legend(ui);
    });
    if let Some(at) = clicked {
        desk.edit(Edit::Event(Event::Edit(at)));
    }
}

/// Where the cells stand.
struct Place {
    cell: egui::Vec2,
    rows: usize,
    columns: usize,
    blocks: usize,
}

impl Place {
    fn of(dialogue: &Dialogue, blocks: usize, room: egui::Vec2) -> Self {
        let (rows, columns) = (dialogue.layers + 1, dialogue.pieces.len().max(1));
        let blocks = blocks.max(1);
        let height = (room.y - TOKENS) / blocks as f32 - TITLE - 4.0;
        let cell = vec2((room.x - NAMES - 8.0) / columns as f32, (height / rows as f32).clamp(ROW.0, ROW.1));
        Place { cell: cell.max(vec2(2.0, ROW.0)), rows, columns, blocks }
    }

    fn block_height(&self) -> f32 {
        TITLE + self.rows as f32 * self.cell.y + 4.0
    }

    fn height(&self) -> f32 {
        TOKENS + self.blocks as f32 * self.block_height()
    }

    /// The cells of a way.
    fn block(&self, corner: Pos2, index: usize) -> Rect {
        let top = corner.y + TOKENS + index as f32 * self.block_height() + TITLE;
        let size = vec2(self.columns as f32 * self.cell.x, self.rows as f32 * self.cell.y);
        Rect::from_min_size(pos2(corner.x + NAMES, top), size)
    }

    /// The embeddings at the bottom.
    fn rect(&self, block: Rect, layer: usize, token: usize) -> Rect {
        let (x, y) = (token as f32 * self.cell.x, (layer + 1) as f32 * self.cell.y);
        Rect::from_min_size(pos2(block.left() + x, block.bottom() - y), self.cell - vec2(1.0, 1.0))
    }

    fn at(&self, block: Rect, pos: Pos2) -> Option<(usize, usize)> {
        let layer = ((block.bottom() - pos.y) / self.cell.y) as usize;
        let token = ((pos.x - block.left()) / self.cell.x) as usize;
        (block.contains(pos) && layer < self.rows && token < self.columns).then_some((layer, token))
    }
}

/// The kind of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cell {
    Kept,
    Again(f64),
    New,
}

fn what(read: &Read, (layer, token): (usize, usize)) -> Cell {
    match (read.stale.get((layer, token)), read.moved.get((layer, token))) {
        (Some(true), Some(moved)) => Cell::Again(*moved),
        (Some(false), _) => Cell::Kept,
        _ => Cell::New,
    }
}

fn draw(cell: Cell, rect: Rect, ui: &egui::Ui) {
    let palette = theme::palette(ui);
    let painter = ui.painter();
    match cell {
        Cell::Kept => drop(painter.rect_filled(rect, 0.0, theme::mix(palette.panel, palette.muted, 0.16))),
        Cell::Again(moved) => {
            let map = theme::of(ui.visuals()).sequential();
            painter.rect_filled(rect, 0.0, theme::color(map.at(0.45 + 0.55 * moved.min(1.0))));
        }
        Cell::New => {
            let line = (1.0, theme::color(palette.accent).gamma_multiply(0.7));
            painter.rect_stroke(rect, 0.0, line, StrokeKind::Inside);
        }
    }
}

/// Draws one way's block; returns the token that was clicked.
fn one(
    place: &Place,
    block: Rect,
    read: &Read,
    dialogue: &Dialogue,
    hovered: &mut Option<usize>,
    ui: &mut egui::Ui,
) -> Option<usize> {
    let palette = theme::palette(ui);
    title(read, block, ui);
    let (muted, font) = (theme::color(palette.muted), theme::text(theme::SMALL));
    let step = (13.0 / place.cell.y).ceil().max(1.0) as usize;
    for (layer, name) in layers(dialogue.layers).into_iter().enumerate().step_by(step) {
        let at = pos2(block.left() - 8.0, place.rect(block, layer, 0).center().y);
        ui.painter().text(at, Align2::RIGHT_CENTER, name, font.clone(), muted);
    }
    for layer in 0..place.rows {
        for token in 0..place.columns {
            draw(what(read, (layer, token)), place.rect(block, layer, token), ui);
        }
    }
    for end in dialogue.ends.iter().filter(|&&end| end < place.columns) {
        let x = block.left() + *end as f32 * place.cell.x - 0.5;
        ui.painter().vline(x, block.top() - 3.0..=block.bottom() + 2.0, (1.0, theme::color(palette.ink)));
    }
    let response = ui.interact(block, ui.scope_id().with(("cells", read.way)), Sense::click());
    let words = summary(read);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("{}: {words}", read.way.name())));
    let pointer = response.hover_pos()?;
    let (layer, token) = place.at(block, pointer)?;
    *hovered = Some(token);
    let line = (1.5, theme::color(palette.accent));
    ui.painter().rect_stroke(place.rect(block, layer, token), 0.0, line, StrokeKind::Outside);
    let piece = theme::label(ui, &dialogue.pieces[token], 14);
    let state = match what(read, (layer, token)) {
        Cell::Kept => "kept".to_owned(),
        Cell::Again(moved) => format!("to be computed again, moved by {}", short(moved)),
        Cell::New => "new".to_owned(),
    };
    let text = format!("token {token} “{piece}”, {}: {state}", layers(dialogue.layers)[layer]);
    let left = pointer.x > block.center().x;
    let align = if left { Align2::RIGHT_BOTTOM } else { Align2::LEFT_BOTTOM };
    tip(ui, pointer + vec2(if left { -12.0 } else { 12.0 }, -10.0), align, &text);
    response.clicked().then_some(token)
}

fn summary(read: &Read) -> String {
    let (again, all) = (read.again(), read.stale.len());
    match again {
        0 => format!("keeps all {all} stored states"),
        again if again == all => format!("computes all {all} stored states again"),
        again => format!("computes {again} of {all} stored states again"),
    }
}

fn title(read: &Read, block: Rect, ui: &egui::Ui) {
    let palette = theme::palette(ui);
    let y = block.top() - TITLE / 2.0 - 1.0;
    let kind = read.way.kind();
    theme::marker(ui.painter(), pos2(block.left() + 6.0, y), 4.5, kind, theme::kind_color(ui, kind));
    let at = pos2(block.left() + 16.0, y);
    let ink = theme::color(palette.ink);
    let name = ui.painter().text(at, Align2::LEFT_CENTER, read.way.name(), theme::text(13.0), ink);
    let [before, after] = &read.masks;
    let masks = if before == after { after.clone() } else { format!("{before} → {after}") };
    let text = format!("{masks}: {}", summary(read));
    let at = pos2(name.right() + 10.0, y);
    ui.painter().text(at, Align2::LEFT_CENTER, text, theme::text(theme::SMALL), theme::color(palette.muted));
}

/// The tokens above, running upwards; the edited and the hovered one in the accent.
fn tokens(place: &Place, corner: Pos2, dialogue: &Dialogue, hovered: Option<usize>, ui: &egui::Ui) {
    let palette = theme::palette(ui);
    let edited = dialogue.edited.as_ref().map(|(at, _)| *at);
    let width = place.columns as f32 * place.cell.x;
    for token in labelled(width, place.columns, hovered.or(edited)) {
        let is_marked = hovered == Some(token) || edited == Some(token);
        let color = theme::color(if is_marked { palette.accent } else { palette.muted });
        let at = pos2(corner.x + NAMES + (token as f32 + 0.5) * place.cell.x, corner.y + TOKENS - 4.0);
        let text = theme::label_within(ui, &dialogue.pieces[token], 10, TOKENS - 8.0);
        key_label(ui, at, &text, place.cell.x, color);
    }
}

fn legend(ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        let again = [0.0, 0.5, 1.0].map(Cell::Again);
        for (cells, name) in [
            (&[Cell::Kept][..], "kept"),
            (&again[..], "to be computed again: moved a little … far"),
            (&[Cell::New], "new in any case"),
        ] {
            for &cell in cells {
                let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
                draw(cell, rect, ui);
            }
            ui.weak(egui::RichText::new(name).size(theme::SMALL));
            ui.add_space(8.0);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_met_where_it_is_drawn() {
        let pieces = vec![String::new(); 47];
        let dialogue = Dialogue { pieces, ends: vec![12, 40, 47], stored: 40, layers: 4, edited: None };
        let place = Place::of(&dialogue, 5, vec2(900.0, 500.0));
        assert!(place.height() <= 500.0);
        for (index, layer, token) in [(0, 0, 0), (2, 3, 17), (4, 4, 46)] {
            let block = place.block(pos2(7.0, 9.0), index);
            let cell = place.rect(block, layer, token);
            assert!(block.contains_rect(cell));
            assert_eq!(place.at(block, cell.center()), Some((layer, token)));
        }
    }
}

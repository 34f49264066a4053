//! The ranks of the selected head: as trained and as asked for, or of both readings, side by side.

use egui::ScrollArea;
use rankscope::figure::style::Kind;

use super::{Desk, nothing, readings};
use crate::labs::model::answer::Pass;
use crate::layout::{Head, is_short};
use crate::theme;
use crate::widget::rank_card;
use crate::widget::spectrum::{self, Series};

/// Draws legend, spectrum and numbers.
pub fn ui(desk: &Desk<'_>, ui: &mut egui::Ui) {
    let short = is_short(ui);
    let at = desk.answer.selected(desk.state);
    let passes = passes(desk, at);
    let series = series(&passes, at);
    let newest = || readings(desk).into_iter().filter_map(|(_, shown)| shown.pass());
    for problem in newest().filter_map(|pass| pass.unranked(at)) {
        ui.colored_label(ui.visuals().error_fg_color, format!("No ranks. {problem}"));
    }
    if series.is_empty() {
        if newest().all(|pass| pass.unranked(at).is_none()) {
            nothing(desk, ui);
        }
        return;
    }
    let waits = newest().any(|pass| pass.report(at).is_none() && pass.unranked(at).is_none());
    let fades = readings(desk).iter().any(|(_, shown)| desk.fade(&shown.chosen) > 0.0);
    ui.spacing_mut().scroll = theme::scroll_bar(); // shows that there is more below
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        if fades || (waits && desk.status.is_slow()) {
            ui.set_opacity(0.5);
        }
        rank_card::legend(&series, ui);
        let rows = if series.len() == 1 { 5.0 } else { 10.0 };
        let rest = if short { 230.0 } else { 60.0 + 20.0 * rows + 34.0 * series.len() as f32 };
        let height = (ui.available_height() - rest).clamp(70.0, 420.0);
        spectrum::ui(&series, height, ui);
        ui.add_space(2.0);
        rank_card::ui(&series, ui);
    });
}

/// The passes that are compared: of one reading, as trained and as asked for; of two readings, both as asked for.
pub fn passes<'a>(desk: &Desk<'a>, at: Head) -> Vec<(String, &'a Pass)> {
    let readings = readings(desk);
    let is_one = readings.len() == 1;
    let mut all = Vec::new();
    for (side, shown) in readings {
        let mut columns = shown.columns(at);
        if is_one {
            return columns;
        }
        all.extend(columns.pop().map(|(name, pass)| (format!("{} {name}", side.name()), pass)));
    }
    all
}

/// The reports, each in the colour of its kind of mask; a second one of a kind in that of the reader's own mask.
pub fn series<'a>(passes: &[(String, &'a Pass)], at: Head) -> Vec<Series<'a>> {
    let mut seen = Vec::new();
    let one = |(name, pass): &(String, &'a Pass)| {
        let own = Kind::of(pass.mask(at.layer));
        let kind = if seen.contains(&own) { Kind::Custom } else { own };
        seen.push(kind);
        Some(Series { name: name.clone(), kind, report: pass.report(at)? })
    };
    passes.iter().filter_map(one).collect()
}

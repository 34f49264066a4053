//! The command palette: type a few letters, press Enter.

use egui::{Align2, Key, Modifiers, RichText, ScrollArea, TextEdit, vec2};

use super::Workbench;
use super::command::{self, Command};

/// The open palette: the text that is typed, and the selected line.
#[derive(Debug, Default)]
pub struct Palette {
    query: String,
    selected: usize,
}

/// How well `name` fits `query`: its letters in order; better where they begin words and stand together. `None` if they
/// do not occur in this order.
fn score(name: &str, query: &str) -> Option<i32> {
    let letters: Vec<char> = name.to_lowercase().chars().collect();
    let (mut at, mut score, mut last) = (0, 0, None);
    for wanted in query.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let found = (at..letters.len()).find(|&index| letters[index] == wanted)?;
        let begins = found == 0 || !letters[found - 1].is_alphanumeric();
        let follows = last.is_some_and(|last: usize| last + 1 == found);
        score += 4 * i32::from(begins) + 3 * i32::from(follows) - (found - at).min(5) as i32;
        (last, at) = (Some(found), found + 1);
    }
    Some(score)
}

/// Draws the palette if it is open; returns the command that was chosen.
pub fn ui(workbench: &mut Workbench, ctx: &egui::Context) -> Option<Command> {
    let mut palette = workbench.palette.take()?;
    let mut lines: Vec<(i32, String, Command)> = command::all(workbench)
        .into_iter()
        .filter_map(|command| {
            let name = command.name(workbench);
            Some((score(&name, &palette.query)?, name, command))
        })
        .collect();
    lines.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    let step = |key: Key| ctx.input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key));
    let (down, up) = (step(Key::ArrowDown), step(Key::ArrowUp));
    palette.selected = (palette.selected + down).saturating_sub(up).min(lines.len().saturating_sub(1));
    let entered = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
    let escaped = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
    let mut chosen = lines.get(palette.selected).filter(|_| entered).map(|(.., command)| command.clone());
    let window = egui::Window::new("Commands")
        .title_bar(false)
        .resizable(false)
        .collapsible(false)
        .anchor(Align2::CENTER_TOP, vec2(0.0, 60.0))
        .fixed_size(vec2(460.0, 340.0));
    let shown = window.show(ctx, |ui| {
        let edit = TextEdit::singleline(&mut palette.query).hint_text("A command, a lab, a lesson …");
        let edit = ui.add_sized(vec2(ui.available_width(), 28.0), edit);
        edit.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Command"));
        edit.request_focus();
        if edit.changed() {
            palette.selected = 0;
        }
        if lines.is_empty() {
            ui.weak("No command has these letters.");
        }
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            for (index, (_, name, command)) in lines.iter().enumerate() {
                let keys = command.keys().map(|keys| ui.ctx().format_shortcut(&keys)).unwrap_or_default();
                let line = egui::Button::selectable(index == palette.selected, name.as_str())
                    .right_text(RichText::new(keys).weak())
                    .min_size(vec2(ui.available_width(), 24.0));
                let line = ui.add(line);
                if index == palette.selected && down + up > 0 {
                    line.scroll_to_me(None);
                }
                if line.clicked() {
                    chosen = Some(command.clone());
                }
            }
        });
    });
    let outside = shown.is_some_and(|shown| shown.response.clicked_elsewhere());
    if chosen.is_none() && !escaped && !outside {
        workbench.palette = Some(palette);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn letters_in_order_fit_and_those_that_begin_words_fit_best() {
        assert_eq!(score("Undo", "x"), None);
        assert_eq!(score("Undo", "ou"), None);
        assert!(score("Undo", "").is_some());
        assert!(score("Lab: Mask lab", "ml") > score("Lab: Model explorer", "ml"));
        assert!(score("Everything larger", "larg") > score("Lesson: algebra, a range", "larg"));
        assert!(score("爱丽丝", "丽").is_some());
    }
}

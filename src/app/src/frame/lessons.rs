//! The window of lessons: those that come with the program, a teacher's own, and a form for a new one.

use std::path::PathBuf;

use egui::{Align, Layout, RichText, ScrollArea, TextEdit, vec2};

use super::Workbench;
use super::course::slug;
use super::export::{free_name, write};
use super::lesson::Lesson;

/// The form for a new lesson, as it is typed.
#[derive(Debug, Default)]
pub struct Form {
    title: String,
    prompt: String,
    note: String,
}

/// What a click in the window asks for.
enum Wish {
    Open(Lesson),
    Move(usize, usize),
    Remove(usize),
    Export(Lesson),
    Keep,
    Save,
}

/// Draws the window, if it is open.
pub fn ui(workbench: &mut Workbench, ctx: &egui::Context) {
    let Some(mut form) = workbench.form.take() else { return };
    let mut is_open = true;
    let mut wish = None;
    let window = egui::Window::new("Lessons")
        .open(&mut is_open)
        .collapsible(false)
        .pivot(egui::Align2::CENTER_CENTER)
        .default_pos(ctx.content_rect().center())
        .default_size(vec2(480.0, 500.0))
        .vscroll(false);
    window.show(ctx, |ui| {
        let height = (ui.available_height() - 230.0).max(120.0);
        ScrollArea::vertical().max_height(height).auto_shrink([false, false]).show(ui, |ui| {
            list(workbench, &mut wish, ui);
        });
        ui.separator();
        make(&mut form, &mut wish, workbench.saver.folder.as_str(), ui);
    });
    if is_open {
        workbench.form = Some(form);
    }
    if let Some(wish) = wish {
        grant(workbench, wish);
    }
}

fn list(workbench: &Workbench, wish: &mut Option<Wish>, ui: &mut egui::Ui) {
    let shipped = workbench.shipped.lessons.len();
    if shipped > 0 {
        ui.strong("The course");
    }
    for (index, (_, lesson)) in workbench.shipped.lessons.iter().enumerate() {
        line(index, lesson, wish, ui);
    }
    ui.add_space(6.0);
    ui.strong("My lessons");
    if workbench.own.lessons.is_empty() {
        ui.weak("Set up any lab, then keep it here with a question.");
    }
    let count = workbench.own.lessons.len();
    for (index, (_, lesson)) in workbench.own.lessons.iter().enumerate() {
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let title = &lesson.title;
                let mut button = |text: &str, enabled: bool, hint: &str, what: Wish, ui: &mut egui::Ui| {
                    let button = ui.add_enabled(enabled, egui::Button::new(text).small());
                    button.widget_info(|| {
                        egui::WidgetInfo::labeled(egui::Role::Button, enabled, format!("{hint}: {title}"))
                    });
                    if button.on_hover_text(hint).clicked() {
                        *wish = Some(what);
                    }
                };
                let (export, up) = (Wish::Export(lesson.clone()), Wish::Move(index, index.saturating_sub(1)));
                button("Remove", true, "Remove this lesson and its file", Wish::Remove(index), ui);
                button("Export", true, "Write this lesson into the folder of exports", export, ui);
                button("Down", index + 1 < count, "Later in the order", Wish::Move(index, index + 1), ui);
                button("Up", index > 0, "Earlier in the order", up, ui);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| line(index, lesson, wish, ui));
            });
        });
    }
}

fn line(index: usize, lesson: &Lesson, wish: &mut Option<Wish>, ui: &mut egui::Ui) {
    let text = format!("{}. {}", index + 1, lesson.title);
    if ui.add(egui::Button::selectable(false, text).truncate()).on_hover_text(&lesson.prompt).clicked() {
        *wish = Some(Wish::Open(lesson.clone()));
    }
}

/// The form that makes a lesson of the current view.
fn make(form: &mut Form, wish: &mut Option<Wish>, folder: &str, ui: &mut egui::Ui) {
    ui.strong("A lesson of what is shown now");
    egui::Grid::new("form").num_columns(2).show(ui, |ui| {
        let width = (ui.available_width() - 80.0).max(160.0);
        let mut field = |name: &str, hint: &str, text: &mut String, rows: usize| {
            let label = ui.label(name);
            let edit = match rows {
                1 => TextEdit::singleline(text),
                rows => TextEdit::multiline(text).desired_rows(rows),
            };
            ui.add(edit.hint_text(hint).desired_width(width)).labelled_by(label.id);
            ui.end_row();
        };
        field("Title", "One future token costs a rank", &mut form.title, 1);
        field("Question", "What to predict before looking", &mut form.prompt, 2);
        field("Note", "For the teacher: what to see, where to go on", &mut form.note, 2);
    });
    let is_titled = !form.title.trim().is_empty();
    ui.horizontal(|ui| {
        if ui.add_enabled(is_titled, egui::Button::new("Keep in my lessons")).clicked() {
            *wish = Some(Wish::Keep);
        }
        let save = ui.add_enabled(is_titled, egui::Button::new("Save as a file"));
        if save.on_hover_text(format!("into {folder}")).clicked() {
            *wish = Some(Wish::Save);
        }
        if !is_titled {
            ui.weak("A lesson needs a title.");
        }
    });
}

fn grant(workbench: &mut Workbench, wish: Wish) {
    let formed = |workbench: &Workbench| {
        let form = workbench.form.as_ref()?;
        let lesson = workbench.lesson()?;
        let [title, prompt, note] =
            [&form.title, &form.prompt, &form.note].map(|text| text.trim().to_owned());
        Some(Lesson { title, prompt, note, ..lesson })
    };
    let done = match wish {
        Wish::Open(lesson) => {
            workbench.show_lesson(lesson);
            Ok(())
        }
        Wish::Move(from, to) => workbench.own.move_to(from, to),
        Wish::Remove(index) => workbench.own.remove(index),
        Wish::Export(lesson) => save(workbench, &lesson),
        Wish::Keep => formed(workbench).map_or(Ok(()), |lesson| workbench.own.add(lesson)),
        Wish::Save => formed(workbench).map_or(Ok(()), |lesson| save(workbench, &lesson)),
    };
    workbench.list_lessons();
    if let Err(problem) = done {
        workbench.complain(problem);
    }
}

fn save(workbench: &mut Workbench, lesson: &Lesson) -> Result<(), String> {
    let folder = PathBuf::from(workbench.saver.folder.trim());
    let path = free_name(&folder, &slug(&lesson.title), "json");
    write(&path, lesson.to_file().as_bytes())?;
    workbench.tell(format!("saved {}", path.display()));
    Ok(())
}

/// The strip below the tabs while a lesson is open: its question, then the teacher's note on demand.
pub fn strip(workbench: &mut Workbench, ui: &mut egui::Ui) {
    let Some(open) = &workbench.open_lesson else { return };
    let (title, prompt, note) = (open.title.clone(), open.prompt.clone(), open.note.clone());
    let (mut close, mut turn) = (false, 0isize);
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            close = ui.button("Close the lesson").clicked();
            if workbench.place.is_some() {
                turn += isize::from(ui.button("Next").on_hover_text("The next lesson").clicked());
                turn -= isize::from(ui.button("Previous").on_hover_text("The lesson before").clicked());
            }
            if !note.is_empty() {
                ui.toggle_value(&mut workbench.shows_note, "Note").on_hover_text("For the teacher");
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(egui::Label::new(RichText::new(&title).strong()).truncate());
            });
        });
    });
    if !prompt.is_empty() {
        ui.label(RichText::new(prompt).size(16.0));
    }
    if workbench.shows_note && !note.is_empty() {
        ui.label(RichText::new(note).weak());
    }
    if close {
        workbench.open_lesson = None;
    } else if let (true, Some(place)) = (turn != 0, workbench.place) {
        let next = place.saturating_add_signed(turn).min(workbench.lessons.len().saturating_sub(1));
        workbench.show_listed(next);
    }
}

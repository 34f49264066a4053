//! All commands of the window, each with its keys: menus, shortcuts and the palette list them.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::Workbench;
use super::export::Format;
use crate::lab::{LABS, Lab, Row};

/// A command.
#[derive(Clone, Debug)]
pub enum Command {
    /// Opens or closes the palette.
    Palette,
    /// Undoes the last step.
    Undo,
    /// Redoes it.
    Redo,
    /// Brings a lab to the front.
    Lab(&'static Row),
    /// Brings a panel to the front of its tabs.
    Panel(&'static crate::lab::Panel),
    /// Shows or hides the lessons.
    Lessons,
    /// Opens the lesson of this number: first those that come with the program, then a teacher's own.
    Lesson(usize),
    /// Stops the computation.
    Cancel,
    /// Back to the lab's first state.
    ResetLab,
    /// Back to the lab's first layout.
    ResetPanels,
    /// The view as a notebook cell, to the clipboard.
    CopyCell,
    /// The view as a link, to the clipboard.
    CopyLink,
    /// The export of this number, as a file.
    Export(usize, Format),
    /// Switches to the other theme.
    Theme,
    /// Makes everything larger or smaller, or of the usual size.
    Scale(Scale),
}

/// A change of the size of everything.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// Larger.
    Up,
    /// Smaller.
    Down,
    /// Back to 1.
    Usual,
}

const SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);
const NUMBERS: [Key; 9] =
    [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];

impl Command {
    /// Its keys; egui itself handles the keys of the scale.
    pub fn keys(&self) -> Option<KeyboardShortcut> {
        let with = |modifiers, key| Some(KeyboardShortcut::new(modifiers, key));
        match self {
            Command::Palette => with(Modifiers::COMMAND, Key::K),
            Command::Undo => with(Modifiers::COMMAND, Key::Z),
            Command::Redo => with(SHIFT, Key::Z),
            Command::Lab(row) => {
                let index = LABS.iter().position(|other| other.id == row.id)?;
                with(Modifiers::COMMAND, *NUMBERS.get(index)?)
            }
            Command::Lessons => with(Modifiers::COMMAND, Key::L),
            Command::Cancel => with(Modifiers::COMMAND, Key::Period),
            Command::CopyCell => with(SHIFT, Key::C),
            Command::CopyLink => with(SHIFT, Key::L),
            Command::Theme => with(SHIFT, Key::T),
            Command::Scale(Scale::Up) => with(Modifiers::COMMAND, Key::Plus),
            Command::Scale(Scale::Down) => with(Modifiers::COMMAND, Key::Minus),
            Command::Scale(Scale::Usual) => with(Modifiers::COMMAND, Key::Num0),
            _ => None,
        }
    }

    /// Whether the keys belong to a text field while one has the focus.
    fn is_of_text(&self) -> bool {
        matches!(self, Command::Undo | Command::Redo)
    }

    /// Its line in the palette.
    pub fn name(&self, workbench: &Workbench) -> String {
        match self {
            Command::Palette => "Commands".to_owned(),
            Command::Undo => "Undo".to_owned(),
            Command::Redo => "Redo".to_owned(),
            Command::Lab(row) => format!("Lab: {}", row.title),
            Command::Panel(panel) => format!("Panel: {}", panel.title),
            Command::Lessons => "Lessons".to_owned(),
            Command::Lesson(index) => {
                let title = workbench.lessons.get(*index).map_or("", |lesson| lesson.title.as_str());
                format!("Lesson {}: {title}", index + 1)
            }
            Command::Cancel => "Cancel the computation".to_owned(),
            Command::ResetLab => "Reset this lab".to_owned(),
            Command::ResetPanels => "Reset the panels of this lab".to_owned(),
            Command::CopyCell => "Copy as notebook cell".to_owned(),
            Command::CopyLink => "Copy as link".to_owned(),
            Command::Export(index, format) => {
                let name = workbench.exports.get(*index).map_or("", |export| export.name.as_str());
                format!("Export {name} as {}", format.name())
            }
            Command::Theme => "Light or dark theme".to_owned(),
            Command::Scale(Scale::Up) => "Everything larger".to_owned(),
            Command::Scale(Scale::Down) => "Everything smaller".to_owned(),
            Command::Scale(Scale::Usual) => "Everything of the usual size".to_owned(),
        }
    }
}

/// All commands that are available now.
pub fn all(workbench: &Workbench) -> Vec<Command> {
    let mut commands = vec![Command::Undo, Command::Redo];
    commands.extend(LABS.iter().map(Command::Lab));
    commands.extend(workbench.lab().into_iter().flat_map(Lab::panels).map(Command::Panel));
    commands.push(Command::Lessons);
    commands.extend((0..workbench.lessons.len()).map(Command::Lesson));
    for (index, export) in workbench.exports.iter().enumerate() {
        commands.extend(export.formats.iter().map(|format| Command::Export(index, *format)));
    }
    commands.extend([
        Command::CopyCell,
        Command::CopyLink,
        Command::Cancel,
        Command::ResetLab,
        Command::ResetPanels,
        Command::Theme,
        Command::Scale(Scale::Up),
        Command::Scale(Scale::Down),
        Command::Scale(Scale::Usual),
    ]);
    commands
}

/// The commands whose keys were pressed in this frame.
pub fn pressed(workbench: &Workbench, ctx: &egui::Context) -> Vec<Command> {
    let mut commands = all(workbench);
    commands.push(Command::Palette);
    // Of two shortcuts that match, the one with more modifiers wins: Ctrl+Z is a part of Ctrl+Shift+Z.
    commands
        .sort_by_key(|command| std::cmp::Reverse(command.keys().is_some_and(|keys| keys.modifiers.shift)));
    let in_text = ctx.text_edit_focused();
    let mut pressed: Vec<Command> = commands
        .into_iter()
        .filter(|command| !matches!(command, Command::Scale(_)))
        .filter(|command| !in_text || !command.is_of_text())
        .filter(|command| {
            command.keys().is_some_and(|keys| ctx.input_mut(|input| input.consume_shortcut(&keys)))
        })
        .collect();
    let second = [
        (KeyboardShortcut::new(SHIFT, Key::P), Command::Palette),
        (KeyboardShortcut::new(Modifiers::COMMAND, Key::Y), Command::Redo),
    ];
    for (keys, command) in second {
        if !(in_text && command.is_of_text()) && ctx.input_mut(|input| input.consume_shortcut(&keys)) {
            pressed.push(command);
        }
    }
    pressed
}

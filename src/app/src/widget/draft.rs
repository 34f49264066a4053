//! [`Draft`]: a text that is used once its field is left.

use egui::Response;

/// The text that is typed in a field, and the text that it began from.
#[derive(Default)]
pub struct Draft(Option<(String, String)>);

impl Draft {
    /// Draws the field by `draw`; `known` is the text in use. Returns a new text once the field is left.
    pub fn edit(&mut self, known: &str, draw: impl FnOnce(&mut String) -> Response) -> Option<String> {
        let mut typed = match self.0.take() {
            Some((typed, from)) if from == known => typed,
            _ => known.to_owned(),
        };
        let response = draw(&mut typed);
        let new = (response.lost_focus() && typed != known).then(|| typed.clone());
        self.0 = Some((typed, known.to_owned()));
        new
    }
}

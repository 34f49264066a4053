//! Figures and numbers of a lab as files, written on a thread of their own.

use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rankscope::array::to_npy;
use rankscope::figure::save;
use rankscope::figure::style::Theme;

use super::course::slug;
use crate::lab::{Export, Numbers};

/// The format of an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A figure of lines and text; carries the lesson.
    Svg,
    /// A figure of pixels; carries the lesson.
    Png,
    /// Numbers as text, with the names of rows and columns.
    Csv,
    /// Numbers as NumPy reads them: f64.
    Npy,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 4] = [Format::Svg, Format::Png, Format::Csv, Format::Npy];

    /// The name on its button.
    pub fn name(self) -> &'static str {
        ["SVG", "PNG", "CSV", "NPY"][self as usize]
    }

    /// Whether `export` can be written in this format.
    pub fn is_of(self, export: &Export) -> bool {
        match self {
            Format::Svg | Format::Png => export.figure.is_some(),
            Format::Csv | Format::Npy => export.numbers.is_some(),
        }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// Why the figure cannot be drawn, in one line; or that there is no such format of this export.
    pub fn bytes(self, export: &Export, theme: Theme) -> Result<Vec<u8>, String> {
        let text = |error: rankscope::Error| error.to_string();
        match (self, &export.figure, &export.numbers) {
            (Format::Svg, Some(figure), _) => figure.to_svg(theme).map(String::into_bytes).map_err(text),
            (Format::Png, Some(figure), _) => figure.to_png(theme).map_err(text),
            (Format::Csv, _, Some(numbers)) => csv(numbers).map_err(|error| error.to_string()),
            (Format::Npy, _, Some(numbers)) => Ok(to_npy(&numbers.values)),
            _ => Err(format!("{:?} has no {}", export.name, self.name())),
        }
    }
}

fn csv(numbers: &Numbers) -> csv::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = csv::Writer::from_writer(&mut bytes);
    let has_rows = !numbers.rows.is_empty();
    if !numbers.columns.is_empty() {
        let corner = has_rows.then(String::new);
        writer.write_record(corner.iter().chain(&numbers.columns))?;
    }
    for (index, row) in numbers.values.outer_iter().enumerate() {
        let name = has_rows.then(|| numbers.rows.get(index).cloned().unwrap_or_default());
        writer.write_record(name.into_iter().chain(row.iter().map(f64::to_string)))?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

/// Writes exports into a folder.
pub struct Saver {
    /// The folder to write into.
    pub folder: String,
    outbox: Sender<Result<PathBuf, String>>,
    results: Receiver<Result<PathBuf, String>>,
}

impl Default for Saver {
    fn default() -> Self {
        let folder = dirs::download_dir().or_else(dirs::home_dir).unwrap_or_else(|| PathBuf::from("."));
        let (outbox, results) = unbounded();
        Saver { folder: folder.display().to_string(), outbox, results }
    }
}

impl Saver {
    /// Starts to write `export`; `wake` asks for a frame when it is done.
    pub fn start(&self, export: Export, format: Format, theme: Theme, wake: impl Fn() + Send + 'static) {
        let (folder, outbox) = (PathBuf::from(self.folder.trim()), self.outbox.clone());
        std::thread::spawn(move || {
            let path = free_name(&folder, &slug(&export.name), &format.name().to_lowercase());
            let written = format.bytes(&export, theme).and_then(|bytes| write(&path, &bytes));
            // The window may have been closed meanwhile.
            let _ = outbox.send(written.map(|()| path));
            wake();
        });
    }

    /// Files that were written since the last call, and errors.
    pub fn results(&self) -> Vec<Result<PathBuf, String>> {
        self.results.try_iter().collect()
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// One line that names the file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    save(path, bytes).map_err(|error| error.to_string())
}

/// `folder/stem.ending`, or with a number if there is such a file already.
pub fn free_name(folder: &Path, stem: &str, ending: &str) -> PathBuf {
    let numbered = |number: u32| match number {
        1 => folder.join(format!("{stem}.{ending}")),
        number => folder.join(format!("{stem}-{number}.{ending}")),
    };
    (1..10_000).map(numbered).find(|path| !path.exists()).unwrap_or_else(|| numbered(10_000))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn numbers() -> Export {
        let numbers = Numbers {
            rows: vec!["the".into(), "a, b".into()],
            columns: vec!["x".into(), "y \"z\"".into()],
            values: array![[0.1, 1e-9], [f64::NAN, -3.0]],
        };
        let (panel, name) = ("weights", "weights under prefix(4)".to_owned());
        Export { panel, name, figure: None, numbers: Some(numbers) }
    }

    #[test]
    fn numbers_are_written_as_csv_and_npy_and_read_back() {
        let export = numbers();
        let csv = String::from_utf8(Format::Csv.bytes(&export, Theme::Light).unwrap()).unwrap();
        assert_eq!(csv, ",x,\"y \"\"z\"\"\"\nthe,0.1,0.000000001\n\"a, b\",NaN,-3\n");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let values = array![[0.1, 1e-9], [7.0, -3.0]];
        write(&path, &to_npy(&values)).unwrap();
        assert_eq!(rankscope::array::read_matrix(&path).unwrap(), values);
        assert!(Format::Svg.bytes(&export, Theme::Light).unwrap_err().contains("has no SVG"));
        assert!(Format::ALL.map(|format| format.is_of(&export)) == [false, false, true, true]);
    }

    #[test]
    fn an_export_is_written_aside_and_never_over_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let saver = Saver { folder: folder.path().display().to_string(), ..Saver::default() };
        for expected in ["weights-under-prefix-4.npy", "weights-under-prefix-4-2.npy"] {
            saver.start(numbers(), Format::Npy, Theme::Light, || {});
            let written = saver.results.recv().unwrap().unwrap();
            assert_eq!(written.file_name().unwrap(), expected);
        }
        let nowhere = Saver { folder: "/no/such/folder".into(), ..Saver::default() };
        nowhere.start(numbers(), Format::Csv, Theme::Light, || {});
        assert!(nowhere.results.recv().unwrap().unwrap_err().contains("/no/such/folder does not exist"));
    }
}

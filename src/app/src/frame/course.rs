//! [`Course`]: lessons in order, from a folder: those that come with the program, and a teacher's own.
//!
//! The order is that of the files' names, so a teacher's lessons are numbered: `01-one-future-token.json`.

use std::fs;
use std::path::{Path, PathBuf};

use rankscope::figure::save;

use super::lesson::Lesson;

/// Lessons in order.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Their folder; a course without a folder is empty and stays so.
    folder: Option<PathBuf>,
    /// File and lesson.
    pub lessons: Vec<(PathBuf, Lesson)>,
}

impl Course {
    /// The lessons in `folder`, and the errors of files that cannot be read. A missing folder has no lessons.
    pub fn open(folder: Option<PathBuf>) -> (Self, Vec<String>) {
        let mut paths: Vec<PathBuf> = folder
            .iter()
            .flat_map(fs::read_dir)
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        paths.sort();
        let (mut lessons, mut problems) = (Vec::new(), Vec::new());
        for path in paths {
            match Lesson::read(&path) {
                Ok(lesson) => lessons.push((path, lesson)),
                Err(problem) => problems.push(problem),
            }
        }
        (Course { folder, lessons }, problems)
    }

    /// The lesson whose file's name begins with `name`, or whose number is `name`.
    ///
    /// # Errors
    /// One sentence, if there is no such lesson.
    pub fn find(&self, name: &str) -> Result<Lesson, String> {
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let found = self.lessons.iter().find(|(path, _)| {
            let stem = stem(path);
            let number = stem.split('-').next().unwrap_or_default();
            !name.is_empty()
                && (stem == name || number.trim_start_matches('0') == name.trim_start_matches('0'))
        });
        found.map(|(_, lesson)| lesson.clone()).ok_or_else(|| {
            let names: Vec<String> = self.lessons.iter().map(|(path, _)| stem(path)).collect();
            format!("there is no lesson {name:?}, expected one of {}", names.join(", "))
        })
    }

    /// Adds a lesson at the end.
    ///
    /// # Errors
    /// One line, if the file cannot be written.
    pub fn add(&mut self, lesson: Lesson) -> Result<(), String> {
        let folder =
            self.folder.clone().ok_or("there is no folder for lessons of one's own (HOME is not set)")?;
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let path = folder.join(file_name(self.lessons.len() + 1, &lesson.title));
        save(&path, lesson.to_file()).map_err(|error| error.to_string())?;
        self.lessons.push((path, lesson));
        Ok(())
    }

    /// Moves the lesson at `from` to the place `to`; files keep the order by their numbers.
    ///
    /// # Errors
    /// One line, if a file cannot be renamed; the lessons are then read again.
    pub fn move_to(&mut self, from: usize, to: usize) -> Result<(), String> {
        if from >= self.lessons.len() || to >= self.lessons.len() {
            return Ok(());
        }
        let lesson = self.lessons.remove(from);
        self.lessons.insert(to, lesson);
        self.renumber()
    }

    /// Removes the lesson at `index` and its file.
    ///
    /// # Errors
    /// One line, if the file cannot be removed.
    pub fn remove(&mut self, index: usize) -> Result<(), String> {
        let Some((path, _)) = self.lessons.get(index) else { return Ok(()) };
        fs::remove_file(path).map_err(|error| format!("{}: {error}", path.display()))?;
        self.lessons.remove(index);
        self.renumber()
    }

    /// Names each file by its place: by way of temporary names, so that none is overwritten.
    fn renumber(&mut self) -> Result<(), String> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let rename = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(|error| format!("{}: {error}", from.display()))
        };
        for (index, (path, _)) in self.lessons.iter_mut().enumerate() {
            let aside = folder.join(format!(".moving-{index}.json"));
            rename(path, &aside)?;
            *path = aside;
        }
        for (index, (path, lesson)) in self.lessons.iter_mut().enumerate() {
            let named = folder.join(file_name(index + 1, &lesson.title));
            rename(path, &named)?;
            *path = named;
        }
        Ok(())
    }
}

/// `01-one-future-token.json`.
fn file_name(number: usize, title: &str) -> String {
    format!("{number:02}-{}.json", slug(title))
}

/// A title as part of a file's name: letters and digits of any script, other characters as hyphens.
pub fn slug(title: &str) -> String {
    let words: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let slug: String = words.join("-").chars().take(60).collect();
    if slug.is_empty() { "lesson".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lab::LABS;

    fn lesson(title: &str) -> Lesson {
        Lesson { title: title.to_owned(), ..Lesson::new(LABS[0].id, json!({})) }
    }

    fn titles(course: &Course) -> Vec<&str> {
        course.lessons.iter().map(|(_, lesson)| lesson.title.as_str()).collect()
    }

    #[test]
    fn a_teacher_makes_reorders_and_removes_lessons_and_finds_them_again() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("lessons");
        let (mut course, problems) = Course::open(Some(own.clone()));
        assert!(course.lessons.is_empty() && problems.is_empty());
        for title in ["One", "Two: a/b", "Three", "三"] {
            course.add(lesson(title)).unwrap();
        }
        course.move_to(3, 0).unwrap();
        course.move_to(1, 2).unwrap();
        course.move_to(9, 2).unwrap();
        course.remove(3).unwrap();
        assert_eq!(titles(&course), ["三", "Two: a/b", "One"]);
        let (again, problems) = Course::open(Some(own.clone()));
        assert_eq!((titles(&again), problems), (titles(&course), vec![]));
        let files: Vec<_> =
            again.lessons.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(files, ["01-三.json", "02-two-a-b.json", "03-one.json"]);
        assert_eq!(again.find("2").unwrap().title, "Two: a/b");
        assert_eq!(again.find("03-one").unwrap().title, "One");
        assert!(again.find("9").unwrap_err().contains("expected one of 01-三, 02-two-a-b, 03-one"));
        assert!(again.find("").is_err());
    }

    #[test]
    fn a_broken_file_is_named_and_the_others_are_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("01-broken.json"), "{").unwrap();
        fs::write(folder.path().join("02-sound.json"), lesson("Sound").to_file()).unwrap();
        fs::write(folder.path().join("notes.txt"), "nothing").unwrap();
        let (course, problems) = Course::open(Some(folder.path().to_owned()));
        assert_eq!(titles(&course), ["Sound"]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("01-broken.json: this is no lesson"), "{problems:?}");
        assert!(Course::open(None).0.add(lesson("x")).unwrap_err().contains("HOME is not set"));
    }
}

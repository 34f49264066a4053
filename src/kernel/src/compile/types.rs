//! Variables whose types a cell defines anew.
//!
//! To rustc, a type is the same type in the next cell, because it has the same name in the same crate. After a cell has
//! defined `struct A` anew, a variable of the old type would be read as one of the new type. So such variables are
//! lost: the cell tells evcxr so, just as when rustc itself sees the difference.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use ra_ap_syntax::ast::{HasModuleItem, HasName, Item};
use ra_ap_syntax::{AstNode, Edition, SourceFile};

/// evcxr's check of a variable: the text before its type, and the text before its name.
const CHECK: [&str; 2] = ["evcxr_variable_store.check_variable::<", ">(stringify!("];
/// The call that tells evcxr that a variable is lost.
const LOST: &str = "evcxr_variable_store.lost_variable(stringify!(";

/// The definitions in a cell's source that a type may depend on: their text by name.
pub struct Definitions(BTreeMap<String, String>);

impl Definitions {
    /// The definitions in a source.
    pub fn of(source: &str) -> Self {
        let file = SourceFile::parse(source, Edition::Edition2024).tree();
        let definition = |item: Item| {
            let name = match &item {
                Item::Struct(item) => item.name(),
                Item::Enum(item) => item.name(),
                Item::Union(item) => item.name(),
                Item::TypeAlias(item) => item.name(),
                Item::Trait(item) => item.name(),
                Item::Const(item) => item.name(),
                Item::Module(item) => item.name(),
                _ => None,
            }?;
            Some((name.text().to_string(), item.syntax().text().to_string()))
        };
        Definitions(file.items().filter_map(definition).collect())
    }

    /// The definitions in the cell that was compiled last.
    pub fn of_last(cells: &Path) -> Self {
        let text = fs::read_to_string(file(cells)).unwrap_or_default();
        Definitions(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Keeps these definitions for the next cell.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn keep(&self, cells: &Path) -> std::io::Result<()> {
        fs::write(file(cells), serde_json::to_string(&self.0)?)
    }

    /// Names that were defined differently in `before`, and those whose definitions contain them.
    fn changed_since(&self, before: &Self) -> HashSet<&str> {
        let is_changed = |name: &String, text: &String| before.0.get(name).is_some_and(|old| old != text);
        let changed = self.0.iter().filter(|(name, text)| is_changed(name, text));
        let mut changed: HashSet<&str> = changed.map(|(name, _)| name.as_str()).collect();
        loop {
            let more = self.0.iter().filter(|(_, text)| words(text).any(|word| changed.contains(word)));
            let all: HashSet<&str> =
                changed.iter().copied().chain(more.map(|(name, _)| name.as_str())).collect();
            if all.len() == changed.len() {
                return changed;
            }
            changed = all;
        }
    }

    /// The source in which every variable is lost whose type has changed since `before`; no line moves.
    pub fn lose_changed(&self, before: &Self, source: &str) -> String {
        let changed = if self.0 == before.0 { HashSet::new() } else { self.changed_since(before) };
        let lose = |line: &str| {
            let (head, rest) = line.split_once(CHECK[0])?;
            let (shown, tail) = rest.split_once(CHECK[1])?;
            words(shown).any(|word| changed.contains(word)).then(|| format!("{head}{LOST}{tail}"))
        };
        if changed.is_empty() {
            return source.to_owned();
        }
        source.split_inclusive('\n').map(|line| lose(line).unwrap_or_else(|| line.to_owned())).collect()
    }
}

fn file(cells: &Path) -> PathBuf {
    cells.join("target/definitions.json")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|sign: char| !sign.is_alphanumeric() && sign != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_changed_type_are_lost_and_no_others() {
        let checks = |kinds: &[&str]| -> String {
            let line = |kind| format!("vars_ok &= {}{kind}{}x));\n", CHECK[0], CHECK[1]);
            kinds.iter().map(line).collect()
        };
        let items = |a: &str| {
            format!("struct A({a});\nstruct B {{ a: A }}\nenum C {{ D }}\nfn f() -> u8 {{ {a} }}\n")
        };
        let kinds = ["Vec<A>", "Option<B>", "C", "i32", "AA"];
        let source = items("u16") + &checks(&kinds);
        let now = Definitions::of(&items("u16"));
        let lost = now.lose_changed(&Definitions::of(&items("u8")), &source);
        let lines: Vec<bool> = lost.lines().skip(4).map(|line| line.contains(LOST)).collect();
        assert_eq!(lines, [true, true, false, false, false], "{lost}");
        assert!(lost.contains("vars_ok &= evcxr_variable_store.lost_variable(stringify!(x));\n"), "{lost}");
        assert_eq!(now.lose_changed(&Definitions::of(&items("u16")), &source), source);
        assert_eq!(now.lose_changed(&Definitions::of(""), &source), source, "what is new is not changed");
    }
}

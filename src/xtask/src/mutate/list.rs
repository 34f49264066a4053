//! The mutations, area by area.

mod attention;
mod claims_cost;
mod claims_depth;
mod claims_fit;
mod claims_linear;
mod claims_phase;
mod claims_precise;
mod figures;
mod kernel;
mod masks;
mod models;
mod ops;
mod rank;
mod shaders;
mod zoo_count;
mod zoo_encoder_decoder;
mod zoo_families;

use anyhow::{Result, bail};

use super::suite::Suite;

/// One way to be wrong that a test must notice.
pub struct Mutation {
    /// `area.what`.
    pub name: &'static str,
    /// The file, under `src/rankscope`.
    pub file: &'static str,
    /// A text that stands there exactly once.
    pub old: &'static str,
    /// What stands there instead.
    pub new: &'static str,
    /// Where the tests are.
    pub suite: Suite,
    /// Parts of the names of the tests, one of which must fail.
    pub tests: &'static [&'static str],
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Mutation> {
    let areas = [
        masks::MASKS,
        attention::ATTENTION,
        ops::OPS,
        shaders::SHADERS,
        models::FAMILIES,
        rank::RANK,
        figures::FIGURES,
        claims_phase::CLAIMS_PHASE,
        claims_precise::PRECISE,
        claims_fit::CLAIMS_FIT,
        claims_depth::CLAIMS_DEPTH,
        claims_linear::CLAIMS_LINEAR,
        claims_cost::CLAIMS,
        zoo_count::ZOO_COUNT,
        zoo_encoder_decoder::ENCODER_DECODERS,
        zoo_families::ZOO_FAMILIES,
        kernel::KERNEL,
    ];
    areas.into_iter().flatten()
}

impl Mutation {
    /// The file, from the root of the source tree.
    pub fn path(&self) -> String {
        format!("src/rankscope/{}", self.file)
    }

    /// Whether only a GPU can show it: a shader, or what the host tells it.
    pub fn is_on_gpu(&self) -> bool {
        let is_area = ["shader.", "device."].iter().any(|area| self.name.starts_with(area));
        is_area || self.file.ends_with(".wgsl") || self.file.ends_with("gpu.rs")
    }

    /// The changed text.
    pub fn apply(&self, text: &str) -> Result<String> {
        match text.matches(self.old).count() {
            1 => Ok(text.replacen(self.old, self.new, 1)),
            count => bail!("its old text stands {count} times in {}, expected once", self.file),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_unique_and_every_mutation_changes_something_and_names_a_test() {
        let names: BTreeSet<_> = all().map(|mutation| mutation.name).collect();
        assert_eq!(names.len(), all().count());
        for mutation in all() {
            assert!(mutation.name.split_once('.').is_some(), "{}", mutation.name);
            assert!(mutation.old != mutation.new && !mutation.tests.is_empty(), "{}", mutation.name);
        }
    }

    #[test]
    fn every_mutation_applies_to_the_source_as_it_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let problem = |mutation: &Mutation| {
            let text = fs::read_to_string(root.join(mutation.path()));
            let applied = text.map_err(anyhow::Error::from).and_then(|text| mutation.apply(&text));
            applied.err().map(|problem| format!("{}: {problem}", mutation.name))
        };
        assert_eq!(all().filter_map(problem).collect::<Vec<_>>(), Vec::<String>::new());
    }

    #[test]
    fn a_text_that_is_not_there_once_is_stale() {
        let mutation = Mutation {
            name: "a.b",
            file: "c.rs",
            old: "x < y",
            new: "x <= y",
            suite: Suite::Lib,
            tests: &["d"],
        };
        assert_eq!(mutation.apply("if x < y {}").unwrap(), "if x <= y {}");
        for (text, count) in [("", 0), ("x < y && x < y", 2)] {
            let said = mutation.apply(text).unwrap_err().to_string();
            assert_eq!(said, format!("its old text stands {count} times in c.rs, expected once"));
        }
    }
}

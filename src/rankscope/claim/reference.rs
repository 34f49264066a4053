//! The results of references, in `reference.txt`, and the comparison of a run with them.

use super::{Evidence, Known, Settings};

/// Sections of one claim: `[claim; settings that must hold; source; draws; means, medians or counts]`, and under it
/// measurements, each with a mean and a standard deviation over the reference's draws.
const REFERENCE: &str = include_str!("reference.txt");

/// A row of the file, and the header of its section.
#[derive(Clone, Copy)]
struct Row {
    /// Claim, settings, source, draws, kind.
    section: [&'static str; 5],
    name: &'static str,
    mean: f64,
    sd: f64,
}

fn rows() -> impl Iterator<Item = Row> {
    let mut section = [""; 5];
    let lines = REFERENCE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(move |line| {
        if let Some(head) = line.strip_prefix('[') {
            let mut fields = head.trim_end_matches(']').split(';').map(str::trim);
            section = [(); 5].map(|()| fields.next().unwrap_or(""));
            return None;
        }
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().unwrap_or("");
        Some(Row { section, name: next(), mean: next().parse().ok()?, sd: next().parse().ok()? })
    })
}

/// Sets the expected value of every number that a reference has at these settings.
pub(super) fn compare(evidence: &mut Evidence, settings: &Settings) {
    for Row { section: [claim, wanted, source, draws, kind], name, mean, sd } in rows() {
        if claim != settings.claim() || !settings.are(wanted) {
            continue;
        }
        let Some(measured) = evidence.find_mut(name) else { continue };
        let known = Known { mean, sd, draws: draws.parse().unwrap_or(1) };
        match kind {
            "counts" => measured.expect_mean_count(known, source),
            _ => measured.expect_mean(known, source),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::claim::{Effort, find};

    #[test]
    fn every_line_is_read_and_names_a_claim_and_its_settings() {
        let lines = REFERENCE.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric()));
        assert_eq!(rows().count(), lines.count());
        for Row { section: [claim, wanted, source, draws, kind], name, .. } in rows() {
            let settings = Settings::new(find(claim).unwrap(), Effort::Quick, Device::Cpu).unwrap();
            assert!(draws.parse::<usize>().is_ok() && !source.is_empty(), "{name}");
            assert!(["means", "medians", "counts"].contains(&kind), "{name}");
            for pair in wanted.split_whitespace() {
                let name = pair.split('=').next().unwrap();
                assert!(name == "device" || settings.has(name), "{claim}: {pair}");
            }
        }
    }
}

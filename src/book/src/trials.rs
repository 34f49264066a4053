//! The claims on trial, each run once in a build, on the CPU, with the models that ship.

use std::cell::OnceCell;

use rankscope::claim::{self, CLAIMS, Claim, Effort, Measured, Settings, Trial};
use rankscope::{Device, Result, Run};

/// The trained model of the trials: of the models that ship, the one that was not trained for this argument. Other
/// models are left out, even if they are installed, so that the book is the same on every machine.
const MODEL: &str = "glass-en";

/// The result of a trial, or why it failed.
pub type Outcome = std::result::Result<Trial, String>;

/// A place for the trial of every claim of the registry, in its order.
#[derive(Debug)]
pub struct Trials {
    all: Vec<(&'static Claim, OnceCell<Outcome>)>,
}

impl Default for Trials {
    fn default() -> Self {
        Trials { all: CLAIMS.iter().map(|claim| (*claim, OnceCell::new())).collect() }
    }
}

impl Trials {
    /// The trial of the claim `id`; it runs when it is first asked for.
    ///
    /// # Errors
    /// If there is no such claim, or its experiment fails; in words.
    pub fn get(&self, id: &str) -> std::result::Result<&Trial, String> {
        let wanted = claim::find(id).map_err(|error| error.to_string())?.about().id;
        let found = self.all.iter().find(|(claim, _)| claim.about().id == wanted);
        let (claim, cell) = found.ok_or("a claim of the registry")?;
        cell.get_or_init(|| run(claim).map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
    }

    /// The trial with longer training, where its runs ship; `None` where they do not, and for a claim that trains nothing.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn longer(&self, id: &str) -> std::result::Result<Option<Trial>, String> {
        let longer = || -> Result<Option<Trial>> {
            let claim = claim::find(id)?;
            let settings = Settings::new(claim, Effort::Full, Device::Cpu)?;
            let is_there = claim.is_trained() && claim::missing(&settings)? == 0;
            is_there.then(|| claim::run(claim, &settings, &Run::default())).transpose()
        };
        longer().map_err(|error| error.to_string())
    }

    /// Every trial, in the order of the registry.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn all(&self) -> impl Iterator<Item = std::result::Result<&Trial, String>> {
        ids().map(|id| self.get(id))
    }

    /// The number that the claim `id` measured under `name`.
    ///
    /// # Errors
    /// As [`get`](Self::get); if there is no such number, the numbers with similar names.
    pub fn measured(&self, id: &str, name: &str) -> std::result::Result<&Measured, String> {
        let all = self.get(id)?.evidence.measured();
        all.iter().find(|measured| measured.name == name).ok_or_else(|| {
            let start = name.split('_').next().unwrap_or(name);
            let mut near: Vec<&str> = all.iter().map(|measured| measured.name.as_str()).collect();
            if near.iter().any(|other| other.contains(start)) {
                near.retain(|other| other.contains(start));
            }
            near.truncate(8);
            format!("one that {id} measures, such as {}", near.join(", "))
        })
    }
}

fn run(claim: &'static Claim) -> Result<Trial> {
    let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu)?;
    if settings.has("models") {
        settings.set("models", MODEL)?;
    }
    claim::run(claim, &settings, &Run::default())
}

/// The ids of all claims.
pub fn ids() -> impl Iterator<Item = &'static str> {
    CLAIMS.iter().map(|claim| claim.about().id)
}

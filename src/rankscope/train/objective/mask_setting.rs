//! [`MaskSetting`]: the mask that a run names, which may follow the data.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::MaskChoice;

/// The mask that a run names: any text of a [`MaskChoice`], in which `given` stands for the number of tokens that are
/// given; `usual` is the objective's.
///
/// ```
/// use rankscope::train::MaskSetting;
/// assert!("heads(causal, prefix(given))".parse::<MaskSetting>().is_ok());
/// assert!("prefix(n)".parse::<MaskSetting>().is_err());
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskSetting(Option<String>);

/// What stands for the number of given tokens.
const GIVEN: &str = "given";
const USUAL: &str = "usual";

impl MaskSetting {
    /// The text, if it is not the objective's.
    pub(super) fn stated(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// Whether a mask depends on the number of given tokens.
pub(super) fn follows_given(mask: &str) -> bool {
    mask.contains(GIVEN)
}

/// The mask where `given` tokens are given.
pub(super) fn at(mask: &str, given: usize) -> Result<MaskChoice> {
    mask.replace(GIVEN, &given.to_string()).parse()
}

impl FromStr for MaskSetting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text == USUAL {
            return Ok(MaskSetting(None));
        }
        at(text, 1).map_err(|error| match error {
            Error::Invalid { what, got, expected } => Error::Invalid {
                what,
                got,
                expected: format!("{expected}; {GIVEN} is a number, {USUAL} the objective's mask"),
            },
            other => other,
        })?;
        Ok(MaskSetting(Some(text.to_owned())))
    }
}

impl fmt::Display for MaskSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stated().unwrap_or(USUAL))
    }
}

//! [`MaskSetting`]: the mask that a run states, which may depend on the data.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::MaskChoice;

/// The mask that a run states: any text of a [`MaskChoice`], in which `given` means the number of given tokens; `usual`
/// means the objective's mask.
///
/// ```
/// use rankscope::train::MaskSetting;
/// assert!("heads(causal, prefix(given))".parse::<MaskSetting>().is_ok());
/// assert!("prefix(n)".parse::<MaskSetting>().is_err());
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaskSetting(Option<String>);

/// The word for the number of given tokens.
const GIVEN: &str = "given";
const USUAL: &str = "usual";

impl MaskSetting {
    /// The text, if it is not `usual`.
    pub(super) fn stated(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// Whether a mask depends on the number of given tokens.
pub(super) fn follows_given(mask: &str) -> bool {
    mask.contains(GIVEN)
}

/// The mask for `given` given tokens.
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

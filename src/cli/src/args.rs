//! Arguments that several commands share.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use rankscope::device::DeviceRequest;
use rankscope::mask::{MASKS, MaskKind};
use rankscope::model::MaskChoice;

/// The model, its input, and the device.
#[derive(Args)]
pub struct SubjectArgs {
    /// A model's name (see `rankscope models list`), or a folder with config.json and model.safetensors
    #[arg(long, value_name = "NAME|DIR")]
    pub model: Option<String>,

    /// The text to run it on; `-` reads stdin
    #[arg(long, allow_hyphen_values = true, conflicts_with = "ids")]
    pub text: Option<String>,

    /// Token ids instead of a text, as in `3,5,7`
    #[arg(long, allow_hyphen_values = true)]
    pub ids: Option<String>,

    /// The segment of every id (BERT), as in `0,0,1`
    #[arg(long, value_name = "IDS", requires = "ids", allow_hyphen_values = true)]
    pub token_type_ids: Option<String>,

    /// Token ids of the target, for encoder-decoder models [default: the decoder's start token]
    #[arg(long, value_name = "IDS", allow_hyphen_values = true)]
    pub target_ids: Option<String>,

    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Where to compute.
#[derive(Args)]
pub struct DeviceArgs {
    /// Where to compute [default: $RANKSCOPE_DEVICE, otherwise auto]
    #[arg(long, value_parser = ["auto", "cpu", "gpu"])]
    device: Option<String>,
}

impl DeviceArgs {
    /// The device that this option or the environment asks for.
    pub fn request(&self) -> Result<DeviceRequest> {
        Ok(match &self.device {
            Some(device) => device.parse()?,
            None => DeviceRequest::from_env()?,
        })
    }
}

/// How a kind of mask is written: `window(W)`.
pub fn form(kind: &MaskKind) -> String {
    match kind.parameters {
        "" => kind.name.to_owned(),
        parameters => format!("{}({parameters})", kind.name),
    }
}

/// The help of `--mask`, with every named mask.
pub fn mask_help() -> String {
    format!(
        "The attention mask: as-trained, {}; prefix:4 for prefix(4); combined with &, | and !, as in \
         \"causal & !window:4\"; encoder:MASK or decoder:MASK for one stack of an encoder-decoder \
         (the same as MASK where there is one stack)",
        MASKS.iter().map(form).collect::<Vec<_>>().join(", ")
    )
}

/// An error unless a figure's file name, where one is given, ends in `.svg`.
pub fn expect_svg(option: &str, path: Option<&Path>) -> Result<()> {
    path.map_or(Ok(()), |path| expect_ending(option, path, "svg"))
}

/// An error unless a file name ends in `.` and `ending`.
pub fn expect_ending(option: &str, path: &Path, ending: &str) -> Result<()> {
    if !path.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending)) {
        bail!("{option} is {}, expected a name that ends in .{ending}", path.display());
    }
    Ok(())
}

/// The masks of `--mask`, or of `--compare` where that is given.
pub fn mask_choices(mask: &str, compare: Option<&str>) -> Result<Vec<MaskChoice>> {
    let Some(list) = compare else { return Ok(vec![mask.parse()?]) };
    let choices: Vec<MaskChoice> =
        split_masks(list).iter().map(|mask| mask.parse()).collect::<Result<_, _>>()?;
    match (1..choices.len()).find(|&i| choices[..i].contains(&choices[i])) {
        None => Ok(choices),
        Some(twice) => bail!("--compare has {} twice, expected masks that differ", choices[twice]),
    }
}

/// Token ids from a list such as `3,5,7`.
pub fn ids(option: &str, list: &str) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for (position, item) in (1..).zip(list.split(',').map(str::trim)) {
        match item.parse() {
            Ok(id) => ids.push(id),
            Err(_) if list.trim().is_empty() => bail!("{option} is empty, expected ids such as 3,5,7"),
            Err(_) => {
                bail!("{option}: item {position} is {item:?}, expected a whole number from 0 to {}", u32::MAX)
            }
        }
    }
    Ok(ids)
}

/// Masks separated by commas: `causal,blocks(3,4),prefix:2`.
///
/// Commas inside parentheses belong to the mask, and so does a number after a comma: `blocks:3,4`.
fn split_masks(list: &str) -> Vec<String> {
    let (mut masks, mut depth) = (vec![String::new()], 0usize);
    for (at, c) in list.char_indices() {
        let number_follows =
            list[at + c.len_utf8()..].trim_start().starts_with(|next: char| next.is_ascii_digit());
        match c {
            ',' if depth == 0 && !number_follows => masks.push(String::new()),
            _ => masks.last_mut().expect("never empty").push(c),
        }
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    masks.iter().map(|mask| mask.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_split_at_their_own_commas_only() {
        assert_eq!(split_masks("causal, bidirectional"), ["causal", "bidirectional"]);
        assert_eq!(split_masks("blocks(3,4),causal"), ["blocks(3,4)", "causal"]);
        assert_eq!(split_masks("blocks:3, 4,causal"), ["blocks:3, 4", "causal"]);
        assert_eq!(split_masks("(causal & blocks(2,5)),prefix:1"), ["(causal & blocks(2,5))", "prefix:1"]);
        assert_eq!(split_masks("causal,"), ["causal", ""]);
    }

    #[test]
    fn ids_name_what_is_wrong() {
        assert_eq!(ids("--ids", "3, 5,7").unwrap(), [3, 5, 7]);
        for (list, part) in [("3,x", "item 2 is \"x\""), ("-1", "item 1 is \"-1\""), ("", "is empty")] {
            assert!(ids("--ids", list).unwrap_err().to_string().contains(part));
        }
    }
}

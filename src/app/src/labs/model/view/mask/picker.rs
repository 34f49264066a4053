//! The state of the mask picker, and the mask that it describes.

use rankscope::mask::{MASKS, Mask, MaskKind};
use rankscope::model::MaskChoice;

/// The chosen kind of mask, and the numbers of each kind.
pub struct Picker {
    /// Index into [`MASKS`]; `None` is as-trained.
    pub(super) kind: Option<usize>,
    /// For each kind of mask, its numbers.
    pub(super) numbers: Vec<[Option<usize>; 2]>,
    /// A mask of the command line that no kind and numbers describe.
    pub(super) other: Option<Mask>,
    /// Whether the controls were used: until then the mask stays as it was given, even if it does not fit.
    pub(super) touched: bool,
    /// The mask of the state that the controls show.
    shown: String,
}

impl Default for Picker {
    fn default() -> Self {
        Picker::new(&MaskChoice::AsTrained)
    }
}

/// A number of a mask, as its slider shows it.
#[derive(Debug, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) low: usize,
    pub(super) high: usize,
    pub(super) usual: usize,
}

impl Picker {
    /// A picker that shows `choice`.
    pub fn new(choice: &MaskChoice) -> Self {
        let mut picker = Picker {
            kind: None,
            numbers: vec![[None; 2]; MASKS.len()],
            other: None,
            touched: false,
            shown: choice.to_string(),
        };
        let (MaskChoice::Override(mask) | MaskChoice::Encoder(mask) | MaskChoice::Decoder(mask)) = choice
        else {
            return picker;
        };
        let text = mask.to_string();
        let name = text.split('(').next().unwrap_or_default();
        let numbers = numbers_in(&text);
        picker.kind = MASKS.iter().position(|kind| kind.name == name && described(kind, &numbers, mask));
        match picker.kind {
            Some(kind) => {
                for (slot, number) in picker.numbers[kind].iter_mut().zip(numbers) {
                    *slot = Some(number);
                }
            }
            None => picker.other = Some(mask.clone()),
        }
        picker
    }

    /// Shows another mask of the state, after an undo or a lesson.
    pub fn follow(&mut self, mask: &str) {
        if self.shown != mask
            && let Ok(choice) = mask.parse()
        {
            let numbers = std::mem::take(&mut self.numbers);
            *self = Picker::new(&choice);
            for (own, before) in self.numbers.iter_mut().zip(numbers) {
                if *own == [None; 2] {
                    *own = before; // a slider stays where it stood, until its mask is chosen again
                }
            }
            mask.clone_into(&mut self.shown);
        }
    }

    /// The text of a mask that the controls have chosen, kept as the one that is shown.
    pub(super) fn say(&mut self, choice: &MaskChoice) -> String {
        self.shown = choice.to_string();
        self.shown.clone()
    }

    /// The mask that the controls describe, for a text of `length` tokens.
    ///
    /// # Errors
    /// If the library has no such mask.
    pub fn choice(&self, length: usize) -> rankscope::Result<MaskChoice> {
        match (self.kind, &self.other) {
            (Some(kind), _) => {
                let parameters = parameters(&MASKS[kind], length);
                let number = |(index, parameter)| self.number(kind, index, parameter);
                let numbers: Vec<usize> = parameters.iter().enumerate().map(number).collect();
                build(&MASKS[kind], &numbers, length).map(MaskChoice::Override)
            }
            (None, Some(other)) => Ok(MaskChoice::Override(other.clone())),
            (None, None) => Ok(MaskChoice::AsTrained),
        }
    }

    /// Chooses a kind, or as-trained.
    pub(super) fn take(&mut self, kind: Option<usize>) {
        (self.kind, self.other, self.touched) = (kind, None, true);
    }

    /// The value of a slider.
    pub(super) fn number(&self, kind: usize, index: usize, parameter: &Parameter) -> usize {
        self.numbers[kind][index].unwrap_or(parameter.usual).clamp(parameter.low, parameter.high)
    }
}

/// Whether the sliders of `kind` can show `mask`.
fn described(kind: &MaskKind, numbers: &[usize], mask: &Mask) -> bool {
    let length = if kind.parameters == "lengths" { numbers.iter().sum() } else { 1 };
    build(kind, numbers, length).is_ok_and(|built| built == *mask)
}

/// A mask of `kind` with its numbers, for `length` positions. A kind with lengths gets two blocks, of which the first
/// length is given. A kind without numbers gets its example.
fn build(kind: &MaskKind, numbers: &[usize], length: usize) -> rankscope::Result<Mask> {
    let numbers = match (kind.parameters, numbers) {
        (_, []) => return Ok((kind.example)(length)),
        ("lengths", &[first, ..]) if first < length => vec![first, length - first],
        (_, numbers) => numbers.to_vec(),
    };
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    Mask::parse(&format!("{}({})", kind.name, numbers.join(", ")))
}

/// The sliders of `kind`, which start where the registry's example stands.
pub(super) fn parameters(kind: &'static MaskKind, length: usize) -> Vec<Parameter> {
    let usual = numbers_in(&(kind.example)(length).to_string());
    let names = kind.parameters.split(", ").filter(|name| !name.is_empty());
    let of = |(name, usual)| {
        let (name, low, high) = match name {
            "length" => (name, 0, length),
            "lengths" => ("first block", 1, length.saturating_sub(1).max(1)),
            "percent" => (name, 0, 100),
            "seed" => (name, 0, 99),
            _ => (name, 1, length),
        };
        Parameter { name, low, high, usual }
    };
    names.zip(usual).map(of).collect()
}

/// The numbers in a mask's text: 3 and 2 in `dilated(3, 2)`.
fn numbers_in(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mask_of_the_registry_can_be_picked_and_fits_every_length() {
        for (index, kind) in MASKS.iter().enumerate() {
            for length in [1, 2, 3, 17] {
                let mut picker = Picker::new(&MaskChoice::AsTrained);
                picker.kind = Some(index);
                for number in [None, Some(0), Some(1), Some(99)] {
                    picker.numbers[index] = [number; 2];
                    let MaskChoice::Override(mask) = picker.choice(length).unwrap() else {
                        panic!("{}", kind.name)
                    };
                    assert!(mask.check(length).is_ok(), "{} {number:?} {length}", kind.name);
                }
            }
        }
    }

    #[test]
    fn a_mask_of_the_command_line_is_found_again() {
        for text in [
            "as-trained",
            "causal",
            "prefix(3)",
            "window(4)",
            "two-sided-window(2)",
            "dilated(3, 2)",
            "causal & !window(2)",
        ] {
            let choice: MaskChoice = text.parse().unwrap();
            assert_eq!(Picker::new(&choice).choice(9).unwrap(), choice, "{text}");
        }
        let blocks: MaskChoice = "blocks(2, 7)".parse().unwrap();
        assert_eq!(Picker::new(&blocks).choice(9).unwrap(), blocks);
    }

    #[test]
    fn sliders_start_where_the_registry_s_example_stands() {
        let prefix = MASKS.iter().find(|kind| kind.name == "prefix").unwrap();
        assert_eq!(parameters(prefix, 12), [Parameter { name: "length", low: 0, high: 12, usual: 6 }]);
    }
}

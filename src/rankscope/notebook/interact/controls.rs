//! The controls of [`interact`](super::interact): how a front end draws them, and the values that they give.

use std::ops::RangeInclusive;

use ndarray::Array2;
use serde_json::{Value, json};

use crate::mask::Mask;

/// A control that the user moves, and that has a value.
pub trait Control {
    /// The type of the value that the closure gets.
    type Value;

    /// The description that `controls.js` draws: `kind`, `label`, `value`, and the other fields of that kind.
    fn drawn(&self) -> Value;

    /// The control's value from a message of the front end.
    ///
    /// # Errors
    /// One sentence that names the control and the expected value.
    fn read(&self, value: &Value) -> Result<Self::Value, String>;
}

/// One control, or several in a tuple.
pub trait Controls {
    /// The values that the closure gets: one value, or a tuple.
    type Values;

    /// The descriptions of all controls, as [`Control::drawn`].
    fn all_drawn(&self) -> Vec<Value>;

    /// The values of all controls.
    ///
    /// # Errors
    /// As [`Control::read`].
    fn read_all(&self, values: &[Value]) -> Result<Self::Values, String>;
}

impl<C: Control> Controls for C {
    type Values = C::Value;

    fn all_drawn(&self) -> Vec<Value> {
        vec![self.drawn()]
    }

    fn read_all(&self, values: &[Value]) -> Result<C::Value, String> {
        match values {
            [value] => self.read(value),
            _ => Err(too_many(values, 1)),
        }
    }
}

macro_rules! tuples {
    ($(($count:literal: $($name:ident $at:tt),*))*) => { $(
        impl<$($name: Control),*> Controls for ($($name,)*) {
            type Values = ($($name::Value,)*);

            fn all_drawn(&self) -> Vec<Value> {
                vec![$(self.$at.drawn()),*]
            }

            fn read_all(&self, values: &[Value]) -> Result<Self::Values, String> {
                if values.len() != $count {
                    return Err(too_many(values, $count));
                }
                Ok(($(self.$at.read(&values[$at])?,)*))
            }
        }
    )* };
}

tuples! {
    (2: A 0, B 1)
    (3: A 0, B 1, C 2)
    (4: A 0, B 1, C 2, D 3)
    (5: A 0, B 1, C 2, D 3, E 4)
    (6: A 0, B 1, C 2, D 3, E 4, F 5)
}

fn too_many(values: &[Value], controls: usize) -> String {
    let plural = if values.len() == 1 { "value" } else { "values" };
    format!("{} {plural} came for {controls} controls", values.len())
}

fn wrong(label: &str, got: &Value, expected: &str) -> String {
    format!("{label} is {got}, expected {expected}")
}

/// A number that a slider can have.
pub trait Number: Copy {
    /// Whether it has no fraction.
    const IS_WHOLE: bool;
    /// The number as f64, which all sliders use.
    fn to_f64(self) -> f64;
    /// The number from an f64.
    fn from_f64(value: f64) -> Self;
}

macro_rules! numbers {
    ($($number:ty: $whole:literal),*) => { $(
        impl Number for $number {
            const IS_WHOLE: bool = $whole;
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn from_f64(value: f64) -> Self {
                value as Self
            }
        }
    )* };
}

numbers!(i32: true, i64: true, u32: true, u64: true, usize: true, f32: false, f64: false);

/// See [`slider`].
#[derive(Clone, Debug)]
pub struct Slider<T> {
    label: String,
    range: RangeInclusive<T>,
    value: T,
    step: f64,
}

/// A slider over whole numbers or real ones; its first value is the start of the range.
///
/// ```
/// use rankscope::notebook::slider;
/// let scale = slider("logit scale", 0.0..=4.0).at(1.0).by(0.05);
/// let size = slider("head size", 1..=64).at(16);
/// ```
pub fn slider<T: Number>(label: &str, range: RangeInclusive<T>) -> Slider<T> {
    let (first, last) = (range.start().to_f64(), range.end().to_f64());
    let step = if T::IS_WHOLE { 1.0 } else { (last - first) / 100.0 };
    Slider { label: label.to_owned(), value: *range.start(), range, step }
}

impl<T: Number> Slider<T> {
    /// With another first value; a value outside the range is replaced by the nearest end.
    pub fn at(mut self, value: T) -> Self {
        let (first, last) = (self.range.start().to_f64(), self.range.end().to_f64());
        self.value = T::from_f64(value.to_f64().clamp(first, last.max(first)));
        self
    }

    /// With another distance between neighbouring values.
    pub fn by(mut self, step: T) -> Self {
        self.step = step.to_f64();
        self
    }

    fn number(value: f64) -> Value {
        if T::IS_WHOLE { json!(value as i64) } else { json!(value) }
    }
}

impl<T: Number> Control for Slider<T> {
    type Value = T;

    fn drawn(&self) -> Value {
        let [min, max, value] =
            [*self.range.start(), *self.range.end(), self.value].map(|x| Self::number(x.to_f64()));
        json!({
            "kind": "slider", "label": self.label, "value": value, "min": min, "max": max,
            "step": Self::number(self.step),
        })
    }

    fn read(&self, value: &Value) -> Result<T, String> {
        let (first, last) = (self.range.start().to_f64(), self.range.end().to_f64());
        let is_right = |x: &f64| (first..=last).contains(x) && (!T::IS_WHOLE || x.fract() == 0.0);
        value.as_f64().filter(is_right).map(T::from_f64).ok_or_else(|| {
            let kind = if T::IS_WHOLE { "a whole number" } else { "a number" };
            wrong(&self.label, value, &format!("{kind} from {first} to {last}"))
        })
    }
}

/// See [`dropdown`].
#[derive(Clone, Debug)]
pub struct Dropdown<T> {
    label: String,
    options: Vec<(String, T)>,
}

/// A list from which one option is chosen, at first the first one; options are shown by their `Display`.
///
/// ```
/// use rankscope::{Mask, notebook::dropdown};
/// let mask = dropdown("mask", [Mask::causal(), Mask::prefix(4), Mask::bidirectional()]);
/// ```
///
/// # Panics
/// If there is no option.
pub fn dropdown<T: Clone + ToString>(label: &str, options: impl IntoIterator<Item = T>) -> Dropdown<T> {
    let options: Vec<_> = options.into_iter().map(|option| (option.to_string(), option)).collect();
    assert!(!options.is_empty(), "a drop-down list called {label} needs at least one option");
    Dropdown { label: label.to_owned(), options }
}

impl<T: Clone> Control for Dropdown<T> {
    type Value = T;

    fn drawn(&self) -> Value {
        let names: Vec<&str> = self.options.iter().map(|(name, _)| name.as_str()).collect();
        json!({ "kind": "dropdown", "label": self.label, "value": names[0], "options": names })
    }

    fn read(&self, value: &Value) -> Result<T, String> {
        let chosen = self.options.iter().find(|(name, _)| value.as_str() == Some(name));
        chosen.map(|(_, option)| option.clone()).ok_or_else(|| {
            let names: Vec<&str> = self.options.iter().map(|(name, _)| name.as_str()).collect();
            wrong(&self.label, value, &format!("one of {}", names.join(", ")))
        })
    }
}

/// See [`checkbox`].
#[derive(Clone, Debug)]
pub struct Checkbox {
    label: String,
    value: bool,
}

/// A checkbox.
pub fn checkbox(label: &str, value: bool) -> Checkbox {
    Checkbox { label: label.to_owned(), value }
}

impl Control for Checkbox {
    type Value = bool;

    fn drawn(&self) -> Value {
        json!({ "kind": "checkbox", "label": self.label, "value": self.value })
    }

    fn read(&self, value: &Value) -> Result<bool, String> {
        value.as_bool().ok_or_else(|| wrong(&self.label, value, "true or false"))
    }
}

/// See [`text_input`].
#[derive(Clone, Debug)]
pub struct TextInput {
    label: String,
    value: String,
}

/// A line of text.
pub fn text_input(label: &str, value: &str) -> TextInput {
    TextInput { label: label.to_owned(), value: value.to_owned() }
}

impl Control for TextInput {
    type Value = String;

    fn drawn(&self) -> Value {
        json!({ "kind": "text", "label": self.label, "value": self.value })
    }

    fn read(&self, value: &Value) -> Result<String, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| wrong(&self.label, value, "a text"))
    }
}

/// See [`button`].
#[derive(Clone, Debug)]
pub struct Button {
    label: String,
}

/// A button; its value is the number of times it was pressed.
pub fn button(label: &str) -> Button {
    Button { label: label.to_owned() }
}

impl Control for Button {
    type Value = usize;

    fn drawn(&self) -> Value {
        json!({ "kind": "button", "label": self.label, "value": 0 })
    }

    fn read(&self, value: &Value) -> Result<usize, String> {
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| wrong(&self.label, value, "how often it was pressed"))
    }
}

/// See [`mask_painter`].
#[derive(Clone, Debug)]
pub struct MaskPainter {
    label: String,
    pattern: Array2<bool>,
}

/// A mask of `length` × `length` cells that is painted with the mouse or the keyboard; at first it is `mask`.
///
/// ```
/// use rankscope::{Mask, notebook::mask_painter};
/// let mask = mask_painter("mask", &Mask::causal(), 12);
/// ```
pub fn mask_painter(label: &str, mask: &Mask, length: usize) -> MaskPainter {
    MaskPainter { label: label.to_owned(), pattern: mask.pattern(length) }
}

impl Control for MaskPainter {
    type Value = Mask;

    fn drawn(&self) -> Value {
        let row = |row: ndarray::ArrayView1<'_, bool>| -> String {
            row.iter().map(|&may| if may { '1' } else { '0' }).collect()
        };
        let rows: Vec<String> = self.pattern.rows().into_iter().map(row).collect();
        json!({ "kind": "mask", "label": self.label, "value": rows })
    }

    fn read(&self, value: &Value) -> Result<Mask, String> {
        let length = self.pattern.nrows();
        let cells = value.as_array().map(|rows| rows.iter().filter_map(Value::as_str).collect::<String>());
        let cells = cells.filter(|cells| cells.chars().all(|cell| "01".contains(cell)));
        let allowed = cells.map(|cells| cells.chars().map(|cell| cell == '1').collect());
        let allowed = allowed.and_then(|allowed| Array2::from_shape_vec((length, length), allowed).ok());
        allowed.map(Mask::custom).ok_or_else(|| {
            let expected = format!("{length} rows of {length} digits, 1 where a query may attend");
            wrong(&self.label, value, &expected)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slider_counts_in_its_own_numbers() {
        let whole = slider("p", 2..=9usize).at(20);
        let expected = json!({"kind": "slider", "label": "p", "value": 9, "min": 2, "max": 9, "step": 1});
        assert_eq!(whole.drawn(), expected);
        assert_eq!(whole.read(&json!(5)), Ok(5));
        assert_eq!(whole.read(&json!(5.5)).unwrap_err(), "p is 5.5, expected a whole number from 2 to 9");
        let real = slider("scale", 0.0..=4.0);
        assert_eq!(real.drawn()["step"], json!(0.04));
        assert_eq!(real.read(&json!(1.5)), Ok(1.5));
        assert_eq!(real.read(&json!("x")).unwrap_err(), "scale is \"x\", expected a number from 0 to 4");
    }

    #[test]
    fn what_is_chosen_is_the_value_itself() {
        let masks = dropdown("mask", [Mask::causal(), Mask::bidirectional()]);
        assert_eq!(masks.drawn()["options"], json!(["causal", "bidirectional"]));
        assert_eq!(masks.read(&json!("bidirectional")), Ok(Mask::bidirectional()));
        let expected = "mask is \"prefix\", expected one of causal, bidirectional";
        assert_eq!(masks.read(&json!("prefix")).unwrap_err(), expected);
    }

    #[test]
    fn a_painted_mask_is_read_as_it_was_drawn() {
        let painter = mask_painter("mine", &Mask::causal(), 3);
        let drawn = painter.drawn();
        assert_eq!(drawn["value"], json!(["100", "110", "111"]));
        let mask = painter.read(&json!(["101", "110", "111"])).unwrap();
        assert!(mask.may_attend(0, 2) && !mask.may_attend(0, 1));
        for wrong in [json!(["10", "11"]), json!(7), json!(["10x", "110", "111"])] {
            assert!(painter.read(&wrong).unwrap_err().contains("expected 3 rows of 3 digits"));
        }
    }
}

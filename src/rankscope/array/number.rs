//! [`Number`]: the formats of real numbers, and their conversion to f64.

use std::fmt;

use half::{bf16, f16};

/// A format of real numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it: kind and bits
pub enum Number {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    BF16,
    F32,
    F64,
    /// The x87 processor's 80 bits, padded to `padded` bytes: numpy's `longdouble` on x86.
    X87 {
        size: usize,
    },
}

impl Number {
    /// Bytes of one number.
    pub fn size_bytes(self) -> usize {
        match self {
            Number::Bool | Number::I8 | Number::U8 => 1,
            Number::I16 | Number::U16 | Number::F16 | Number::BF16 => 2,
            Number::I32 | Number::U32 | Number::F32 => 4,
            Number::I64 | Number::U64 | Number::F64 => 8,
            Number::X87 { size } => size,
        }
    }

    /// The largest allowed difference from 1 of the sum of a row of softmax weights in this format: far more than
    /// rounding errors, so that a row outside this range is no softmax.
    pub fn near_one(self) -> f64 {
        if matches!(self, Number::F16 | Number::BF16) { 0.02 } else { 1e-3 }
    }

    /// Whether these are fractions, not integers or truth values.
    pub fn is_float(self) -> bool {
        matches!(self, Number::F16 | Number::BF16 | Number::F32 | Number::F64 | Number::X87 { .. })
    }

    /// Whether f64 holds every number of this format.
    pub fn fits_f64(self) -> bool {
        !matches!(self, Number::I64 | Number::U64 | Number::X87 { .. })
    }

    /// Each of the little-endian `bytes`' numbers as the nearest f64.
    pub(super) fn values(self, bytes: &[u8]) -> Vec<f64> {
        fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            bytes.as_chunks().0.iter().map(|&bytes| value(bytes)).collect()
        }
        match self {
            Number::Bool => each(bytes, |[byte]| f64::from(byte != 0)),
            Number::I8 => each(bytes, |bytes| i8::from_le_bytes(bytes).into()),
            Number::U8 => each(bytes, |bytes| u8::from_le_bytes(bytes).into()),
            Number::I16 => each(bytes, |bytes| i16::from_le_bytes(bytes).into()),
            Number::U16 => each(bytes, |bytes| u16::from_le_bytes(bytes).into()),
            Number::I32 => each(bytes, |bytes| i32::from_le_bytes(bytes).into()),
            Number::U32 => each(bytes, |bytes| u32::from_le_bytes(bytes).into()),
            Number::I64 => each(bytes, |bytes| i64::from_le_bytes(bytes) as f64),
            Number::U64 => each(bytes, |bytes| u64::from_le_bytes(bytes) as f64),
            Number::F16 => each(bytes, |bytes| f16::from_le_bytes(bytes).to_f64()),
            Number::BF16 => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f64()),
            Number::F32 => each(bytes, |bytes| f32::from_le_bytes(bytes).into()),
            Number::F64 => each(bytes, f64::from_le_bytes),
            Number::X87 { size } => bytes.chunks_exact(size).map(|bytes| X87::of(bytes).value()).collect(),
        }
    }

    /// The number as text with all its digits, if f64 cannot represent it.
    pub(super) fn beyond_f64(self, bytes: &[u8]) -> Option<String> {
        let beyond = |value: i128| (value as f64 as i128 != value).then(|| value.to_string());
        match self {
            Number::I64 => beyond(i64::from_le_bytes(bytes.try_into().ok()?).into()),
            Number::U64 => beyond(u64::from_le_bytes(bytes.try_into().ok()?).into()),
            Number::X87 { .. } => X87::of(bytes).beyond_f64(),
            _ => None,
        }
    }

    /// The problem with `bytes` as numbers of this format; `None` if there is none.
    ///
    /// Only x87 numbers can be wrong: on ARM the same name in a header stands for IEEE's 128 bits. The padding of x87
    /// numbers may hold anything, so both readings are tried.
    pub(super) fn problem(self, bytes: &[u8]) -> Option<&'static str> {
        let Number::X87 { size } = self else { return None };
        let x87 = bytes.chunks_exact(size).all(|bytes| X87::of(bytes).is_valid());
        let ieee =
            size == 16 && bytes.iter().any(|&byte| byte != 0) && bytes.as_chunks().0.iter().all(is_ieee);
        (!x87 || ieee).then_some("longdouble of another kind of machine than x86; save it as float64")
    }
}

/// Whether 16 bytes can be a number of IEEE's 128 bits within the range of f64.
fn is_ieee(bytes: &[u8; 16]) -> bool {
    let exponent = i32::from(u16::from_le_bytes([bytes[14], bytes[15]]) & 0x7fff);
    *bytes == [0; 16] || (exponent - 16383).abs() <= 1100
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Number::Bool => "bool",
            Number::I8 => "i8",
            Number::I16 => "i16",
            Number::I32 => "i32",
            Number::I64 => "i64",
            Number::U8 => "u8",
            Number::U16 => "u16",
            Number::U32 => "u32",
            Number::U64 => "u64",
            Number::F16 => "f16",
            Number::BF16 => "bf16",
            Number::F32 => "f32",
            Number::F64 => "f64",
            Number::X87 { .. } => "longdouble (80 bits)",
        })
    }
}

/// ±m · 2^(e − 16383 − 63), with a mantissa m of 64 bits whose highest bit is stored too.
struct X87 {
    mantissa: u64,
    exponent: u16,
    negative: bool,
}

impl X87 {
    fn of(bytes: &[u8]) -> Self {
        let high = u16::from_le_bytes([bytes[8], bytes[9]]);
        let mantissa = u64::from_le_bytes(std::array::from_fn(|i| bytes[i]));
        X87 { mantissa, exponent: high & 0x7fff, negative: high >> 15 == 1 }
    }

    /// Whether the highest bit has the value that the exponent asks for.
    fn is_valid(&self) -> bool {
        (self.mantissa >> 63 == 1) == (self.exponent > 0) || self.is_zero()
    }

    fn is_zero(&self) -> bool {
        self.mantissa == 0 && self.exponent == 0
    }

    fn value(&self) -> f64 {
        let magnitude = match (self.exponent, self.mantissa << 1) {
            (0x7fff, 0) => f64::INFINITY,
            (0x7fff, _) => f64::NAN,
            (exponent, _) => libm::scalbn(self.mantissa as f64, i32::from(exponent.max(1)) - 16383 - 63),
        };
        if self.negative { -magnitude } else { magnitude }
    }

    fn beyond_f64(&self) -> Option<String> {
        let value = self.value();
        if self.exponent == 0x7fff {
            return None; // infinite or NaN, which f64 has too
        }
        let power = i32::from(self.exponent.max(1)) - 16383 - 63;
        let kept = value.is_finite() && libm::scalbn(value.abs(), -power) == self.mantissa as f64;
        let whole = self.mantissa as f64 as u128 == u128::from(self.mantissa);
        let sign = if self.negative { "-" } else { "" };
        (!kept || !whole).then(|| format!("{sign}{}·2^{power}", self.mantissa))
    }
}

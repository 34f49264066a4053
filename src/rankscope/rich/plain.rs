//! Plain values: numbers, texts and matrices, an error as its text, and several values one below the other.

use std::fmt::Display;

use ndarray::{Array1, Array2, Axis};

use super::tensor::{DRAWN, numbers_as_html, numbers_as_text, weights_as_html};
use super::{Rich, escape};

macro_rules! texts {
    ($($shown:ty),*) => { $(
        impl Rich for $shown {
            fn text(&self) -> String {
                self.to_string()
            }

            fn html(&self) -> String {
                format!("<pre style=\"font-family:ui-monospace,monospace;white-space:pre-wrap\">{}</pre>", escape(&self.to_string()))
            }
        }
    )* };
}

texts!(String, &str, bool, char, f32, f64, i32, i64, u32, u64, usize);

macro_rules! matrices {
    ($($number:ty),*) => { $(
        impl Rich for Array2<$number> {
            fn text(&self) -> String {
                format!("{} x {}\n{}", self.nrows(), self.ncols(), numbers_as_text(self))
            }

            /// Weights of attention, whose rows sum to 1, as a heatmap, hatched where they are 0; any other matrix as
            /// numbers.
            fn html(&self) -> String {
                let matrix = self.mapv(f64::from);
                let is_weights = matrix.iter().all(|weight| *weight >= 0.0)
                    && matrix.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-3);
                let head = format!("<p>{} × {}</p>", self.nrows(), self.ncols());
                match is_weights && self.nrows().max(self.ncols()) <= DRAWN {
                    true => head + &weights_as_html(matrix),
                    false => head + &numbers_as_html(self),
                }
            }
        }

        impl Rich for Array1<$number> {
            fn text(&self) -> String {
                self.to_string()
            }

            fn html(&self) -> String {
                numbers_as_html(&self.clone().insert_axis(Axis(0)))
            }
        }

        impl Rich for Vec<$number> {
            fn text(&self) -> String {
                Array1::from(self.clone()).text()
            }

            fn html(&self) -> String {
                Array1::from(self.clone()).html()
            }
        }
    )* };
}

matrices!(f32, f64);

impl<T: Rich, E: Display> Rich for Result<T, E> {
    fn text(&self) -> String {
        match self {
            Ok(value) => value.text(),
            Err(error) => format!("error: {error}"),
        }
    }

    fn html(&self) -> String {
        match self {
            Ok(value) => value.html(),
            Err(error) => format!("<p><b>error:</b> {}</p>", escape(&error.to_string())),
        }
    }
}

macro_rules! several {
    ($(($($name:ident $at:tt),*))*) => { $(
        impl<$($name: Rich),*> Rich for ($($name,)*) {
            fn text(&self) -> String {
                [$(self.$at.text()),*].join("\n")
            }

            fn html(&self) -> String {
                [$(self.$at.html()),*].concat()
            }
        }
    )* };
}

several! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
}

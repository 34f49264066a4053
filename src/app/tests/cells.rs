//! The notebook cells that the labs export: `cells/LAB.rs` is what each lab exports in its first state (a unit test
//! compares them); here they are compiled against the library, and run where that takes moments.

use std::error::Error;

type Outcome = Result<(), Box<dyn Error>>;

/// A function that runs an exported cell, as the kernel does: with the prelude, and what it shows at the end.
macro_rules! cell {
    ($name:ident) => {
        #[allow(unused, unused_mut, redundant_imports, clippy::all, clippy::pedantic)]
        fn $name() -> Outcome {
            use rankscope::prelude::*;
            let shown = include!(concat!("cells/", stringify!($name), ".rs"));
            Ok(())
        }
    };
}

cell!(mask);
cell!(model);
cell!(steps);
cell!(theorem);
cell!(collapse);
cell!(training);
cell!(cache);
cell!(court);
cell!(shader);

#[test]
fn the_cells_run() {
    type Cell = (&'static str, fn() -> Outcome);
    let quick: [Cell; 5] =
        [("mask", mask), ("model", model), ("steps", steps), ("collapse", collapse), ("cache", cache)];
    // Cells that search, train, try a claim or ask for a GPU are compiled only.
    let _slow: [Cell; 4] =
        [("theorem", theorem), ("training", training), ("court", court), ("shader", shader)];
    for (name, run) in quick {
        run().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

//! The header of `model.safetensors`, and the index of a checkpoint in several files: they are opened, or refused in
//! one line, and every tensor lies inside its file.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rankscope::axis::Axis;
use rankscope::model::Checkpoint;
use rankscope_fuzz::{checked, folder, put};

static WHOLE: LazyLock<PathBuf> = LazyLock::new(|| folder("safetensors"));

/// A folder whose only shard is valid.
static SHARDED: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = folder("index");
    put(&folder, "a.safetensors", include_bytes!("../seeds/safetensors/two.safetensors"));
    folder
});

fuzz_target!(|bytes: &[u8]| {
    // Bytes that begin like a JSON object are used as an index.
    let (folder, name) = match bytes.first() {
        Some(b'{') => (&*SHARDED, "model.safetensors.index.json"),
        _ => (&*WHOLE, "model.safetensors"),
    };
    put(folder, name, bytes);
    let Some(checkpoint) = checked(Checkpoint::open(folder)) else { return };
    // The smallest dtype has four bits.
    assert!(checkpoint.parameters() as u64 <= 2 * checkpoint.size_bytes());
    assert!(checkpoint.numbers("w") <= checkpoint.parameters());
    assert_eq!(checkpoint.same("w", "b").unwrap(), checkpoint.same("b", "w").unwrap());
    // Reads every tensor, under the name and shape that the header gives it.
    checked(checkpoint.expect_finite("the result", &[f32::NAN]));
    for (name, axes) in
        [("w", vec![(Axis::Row, 2), (Axis::Column, 3)]), ("b", vec![(Axis::Width, 5)]), ("", vec![])]
    {
        if let Some(weight) = checked(checkpoint.weight(name, axes.clone())) {
            assert!(checkpoint.has(name));
            let count = axes.iter().map(|axis| axis.1).product::<usize>();
            assert_eq!(weight.to_f32().map(|values| values.len()), Some(count));
        }
    }
});

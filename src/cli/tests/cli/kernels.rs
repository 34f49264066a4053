//! `rankscope kernels`.

use rankscope::ops::ladder::LADDERS;

use crate::skip;
use crate::support::Home;

#[test]
fn every_variant_is_listed_and_its_source_can_be_shown() {
    let home = Home::new();
    let listed = home.stdout(&["kernels", "list"]);
    for ladder in LADDERS {
        assert!(listed.contains(ladder.op), "{listed}");
        for variant in ladder.variants {
            assert!(listed.contains(variant.name), "{} in {listed}", variant.name);
            let Some(kernel) = variant.kernel else { continue };
            let shown = home.stdout(&["kernels", "show", &format!("{}/{}", ladder.op, variant.name)]);
            assert!(shown.contains(kernel.source), "{}", kernel.name);
        }
    }
    let error = home.error(&["kernels", "show", "matmull"]);
    assert!(error.contains("matmull") && error.contains("matmul,"), "{error}");
}

#[test]
fn a_benchmark_has_an_object_for_each_variant_with_its_error() {
    if skip::is_asked_for("RANKSCOPE_SKIP_GPU", "no GPU") {
        return;
    }
    let home = Home::new();
    let command = ["kernels", "bench", "rms_norm", "--size", "33", "--device", "gpu", "--json"];
    let rows = home.json(&command);
    let rows = rows.as_array().unwrap();
    let ladder = LADDERS.iter().find(|ladder| ladder.op == "rms_norm").unwrap();
    assert!((2..=ladder.variants.len()).contains(&rows.len()), "{rows:?}");
    for row in rows {
        assert_eq!(row["kernel"], "rms_norm");
        assert!(ladder.variants.iter().any(|variant| row["variant"] == variant.name), "{row}");
        assert!(row["size"].to_string().contains("33"), "{row}");
        assert!(row["micros"].as_f64().unwrap() > 0.0 && row["gflops"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["max_error"].as_f64().unwrap() < 1e-5, "{row}");
    }
}

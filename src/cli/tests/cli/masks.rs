//! `rankscope masks`.

use rankscope::mask::MASKS;
use serde_json::json;

use crate::support::{Home, holds};

#[test]
fn every_kind_of_mask_is_listed_and_its_example_can_be_shown() {
    let home = Home::new();
    let text = home.stdout(&["masks", "list"]);
    let listed = home.json(&["masks", "list", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), MASKS.len());
    for kind in listed.as_array().unwrap() {
        assert!(text.contains(kind["form"].as_str().unwrap()), "{kind}");
        home.stdout(&["masks", "show", kind["example"].as_str().unwrap()]);
    }
}

#[test]
fn a_mask_is_drawn_and_its_facts_are_told() {
    let home = Home::new();
    let text = home.stdout(&["masks", "show", "causal & (window(2) | global(1))", "--length", "4"]);
    holds(&text, &["  ██· · ·", "  ████· ·", "  ██████·", "  ██· ████"]);
    holds(&text, &["rank        4: lower triangular with a nonzero diagonal"]);
    let facts = home.json(&["masks", "show", "heads(causal, anti-causal)", "--length", "5", "--json"]);
    let masks: Vec<_> = facts["heads"].as_array().unwrap().iter().map(|head| &head["mask"]).collect();
    assert_eq!(masks, ["causal", "anti-causal"]);
    assert_eq!(facts["heads"][1]["facts"]["upper_triangular"], json!(true));
    let theorems = json!(["triangular-nonsingular", "collapses-with-depth"]);
    assert_eq!(facts["heads"][0]["facts"]["theorems"], theorems);
}

#[test]
fn masks_that_cannot_be_are_refused() {
    let home = Home::new();
    let error = home.error(&["masks", "show", "prefix(13)"]);
    assert_eq!(error, "prefix is 13, expected at most the sequence length, 12");
    let error = home.error(&["masks", "show", "causal | sideways"]);
    holds(&error, &["character 10, is \"sideways\", expected one of bidirectional, causal"]);
    let primes = [2, 3, 5, 7, 11].map(|count| format!("heads({})", vec!["causal"; count].join(", ")));
    let error = home.error(&["masks", "show", &primes.join(" & ")]);
    assert_eq!(error, "the mask differs between 2310 heads, expected at most 64 to show");
}

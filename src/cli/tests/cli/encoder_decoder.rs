//! Encoder-decoders on the command line: three kinds of attention, a target, masks stack by stack.

use serde_json::Value;

use crate::support::{Home, holds, text_of, tiny};

fn named(rows: &Value, part: &str) -> Vec<Value> {
    let of = |row: &&Value| row["name"].as_str().unwrap().contains(part);
    rows.as_array().unwrap().iter().filter(of).cloned().collect()
}

/// The words of a text whose line breaks depend on the length of a path.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn rank_reports_all_three_attentions_under_their_own_masks() {
    let (home, t5) = (Home::new(), tiny("t5"));
    let command = ["rank", "--model", text_of(&t5), "--ids", "5,9,2,7,30", "--target-ids", "0,4,61"];
    let rows = home.json(&[&command[..], &["--json"]].concat());
    // 2 + 4 layers of 3 heads, and as much cross-attention as the decoder has layers.
    assert_eq!(rows.as_array().unwrap().len(), (2 + 4 + 4) * 3);
    for (part, count, sizes, mask, rank) in [
        ("encoder.1.self_attention", 3, [5, 5], "bidirectional", Value::Null),
        ("decoder.3.self_attention", 3, [3, 3], "causal", 3.into()),
        ("decoder.0.cross_attention", 3, [3, 5], "bidirectional", Value::Null),
    ] {
        let rows = named(&rows, part);
        assert_eq!(rows.len(), count, "{part}");
        for row in rows {
            assert_eq!((&row["rows"], &row["cols"]), (&sizes[0].into(), &sizes[1].into()), "{part}");
            assert_eq!((row["mask"].as_str(), &row["exact_rank"]), (Some(mask), &rank), "{part}");
        }
    }
    let table = words(&home.stdout(&command));
    holds(&table, &["encoder 1", "decoder 3", "cross 0", "2 + 4 layers of 3 heads", "3 ids for the decoder"]);
    holds(&table, &["bidirectional in the encoder, causal in the decoder, as trained"]);
    holds(&table, &["decoder, causal: 3, lower triangular"]);
    let causal = home.json(&[&command[..], &["--mask", "encoder:causal", "--json"]].concat());
    assert_eq!(named(&causal, "encoder.0")[0]["exact_rank"], 5);
    assert_eq!(named(&causal, "decoder.0.self_attention"), named(&causal, "decoder.0.self"));
    let compared = words(&home.stdout(&[&command[..], &["--compare", "as-trained,encoder:causal"]].concat()));
    assert!(compared.contains("encoder:causal") && compared.contains("cross 3"), "{compared}");
    home.stdout(&[&command[..], &["--svg", "wall.svg"]].concat());
    let wall = std::fs::read_to_string(home.path("wall.svg")).unwrap();
    let place = |label: &str| wall.find(&format!(">{label}<")).unwrap_or_else(|| panic!("{label} in {wall}"));
    // The encoder has 2 layers, the decoder 4, each with two attentions: a row each, and no more.
    let rows = ["encoder 0", "encoder 1", "decoder 0", "decoder 3", "cross 0", "cross 3"].map(place);
    assert!(rows.is_sorted(), "{rows:?}");
    assert!(!wall.contains("encoder 2") && !wall.contains("L0"), "{wall}");
}

#[test]
fn without_a_target_the_decoder_has_its_start_token() {
    let (home, t5) = (Home::new(), tiny("t5"));
    let command = ["rank", "--model", text_of(&t5), "--ids", "5,9,2"];
    let rows = home.json(&[&command[..], &["--json"]].concat());
    assert_eq!(named(&rows, "decoder.0.self_attention")[0]["rows"], 1);
    assert!(words(&home.stdout(&command)).contains("the start token for the decoder"));
    home.stdout(&["trace", "--model", text_of(&t5), "--ids", "5,9,2", "--out", "t.safetensors"]);
    let bytes = std::fs::read(home.path("t.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("decoder.2.cross_attention.weights").unwrap().shape(), [3, 1, 3]);
    assert_eq!(file.tensor("encoder.position_bias").unwrap().shape(), [3, 3, 3]);
}

#[test]
fn what_does_not_fit_either_side_is_named() {
    let (home, t5) = (Home::new(), tiny("t5"));
    let said =
        |more: &[&str]| home.error(&[&["rank", "--model", text_of(&t5), "--ids", "5,9,2"], more].concat());
    assert!(said(&["--target-ids", "0,89"]).contains("decoder token id at position 1 is 89"));
    assert!(said(&["--target-ids", "0,x"]).contains("--target-ids: item 2"));
    let masked = |mask: &str| said(&["--mask", mask]);
    let long = "expected at most the sequence length";
    assert!(masked("decoder:prefix(2)").contains(&format!("prefix is 2, {long}, 1")));
    assert!(masked("encoder:prefix(4)").contains(&format!("prefix is 4, {long}, 3")));
    let both = masked("prefix(2)");
    let reason = "length, 1 (in the decoder; encoder:prefix(2) is for the encoder alone)";
    assert!(both.ends_with(reason), "{both}");
    assert!(said(&["--layer", "4"]).contains("--layer is 4, expected less than 4"));
    let both = ["--compare", "causal,as-trained", "--layer", "0", "--head", "0", "--svg", "x.svg"];
    assert!(said(&both).contains("up to three"));
}

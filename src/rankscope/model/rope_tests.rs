//! Rotary frequencies against `transformers` 5.23 and against the published three-case formula.

use serde_json::{Value, json};

use super::*;

/// A configuration of head size 12 and context 37, with `fields` on top.
fn config(fields: Value) -> Config {
    let mut whole = json!({"max_position_embeddings": 37});
    for (key, value) in fields.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), whole.to_string()).unwrap();
    Config::open(folder.path()).unwrap()
}

fn expect(fields: Value, expected: [f64; 6]) {
    let got = frequencies(&config(fields.clone()), 12).unwrap();
    assert_eq!(got.len(), 6, "{fields}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got / expected - 1.0).abs() < 5e-7, "{fields}: {got} instead of {expected}"); // transformers computes in f32
    }
}

const BASE_500: [f64; 6] = [1.0, 0.354953676, 0.125992104, 0.0447213612, 0.0158740096, 0.00563453929];

/// `LlamaRotaryEmbedding(config).inv_freq`, printed by transformers 5.23 for these configurations.
#[test]
fn the_base_and_its_precedence_are_those_of_transformers() {
    let base_300 = [1.0, 0.386497289, 0.149380147, 0.0577350222, 0.0223144293, 0.00862446893];
    let base_10_000 = [1.0, 0.215443447, 0.046415884, 0.00999999978, 0.00215443433, 0.000464158948];
    let inside = |base: f64| json!({"rope_type": "default", "rope_theta": base});
    expect(json!({}), base_10_000);
    expect(json!({"rope_theta": 500.0}), BASE_500);
    expect(json!({"rope_theta": 500}), BASE_500);
    expect(json!({"rope_parameters": inside(500.0)}), BASE_500);
    expect(json!({"rope_theta": 500.0, "rope_parameters": inside(300.0)}), base_300);
    expect(json!({"rope_theta": 500.0, "rope_scaling": null, "rope_parameters": null}), BASE_500);
    // The old spelling is there, so the new one does not count at all, its base included.
    let halved = [0.5, 0.177476838, 0.0629960522, 0.0223606806, 0.00793700479, 0.00281726965];
    let linear = json!({"rope_type": "linear", "factor": 2.0});
    expect(json!({"rope_theta": 500.0, "rope_scaling": linear, "rope_parameters": inside(300.0)}), halved);
}

#[test]
fn scaled_frequencies_are_those_of_transformers() {
    let linear = json!({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 2.5}});
    expect(linear, [0.400000006, 0.141981468, 0.050396841, 0.0178885441, 0.00634960365, 0.00225381576]);
    let llama3 =
        json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0});
    let in_37 = [1.0, 0.157238439, 0.0157490131, 0.00559017016, 0.0019842512, 0.000704317412];
    expect(json!({"rope_theta": 500.0, "rope_scaling": llama3}), in_37);
    let mut with_64 = llama3.clone();
    with_64["original_max_position_embeddings"] = 64.into();
    let in_64 = [1.0, 0.315150023, 0.026161287, 0.00559017016, 0.0019842512, 0.000704317412];
    expect(json!({"rope_theta": 500.0, "rope_parameters": with_64}), in_64);
    // The field beside the set goes before the set's own.
    let in_640 = [1.0, 0.354953676, 0.125992104, 0.0447213612, 0.00484050997, 0.000704317412];
    let outside =
        json!({"rope_theta": 500.0, "original_max_position_embeddings": 640, "rope_scaling": with_64});
    expect(outside, in_640);
}

/// The three cases as Meta published them, by wavelength.
fn by_wavelength(frequency: f64, factor: f64, low: f64, high: f64, context: f64) -> f64 {
    let wavelength = 2.0 * PI / frequency;
    if wavelength < context / high {
        frequency
    } else if wavelength > context / low {
        frequency / factor
    } else {
        let smooth = (context / wavelength - low) / (high - low);
        (1.0 - smooth) * frequency / factor + smooth * frequency
    }
}

#[test]
fn llama_3_1_as_published() {
    let scaling = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192});
    let config = config(json!({"rope_theta": 500000.0, "rope_scaling": scaling}));
    let got = frequencies(&config, 128).unwrap();
    let plain: Vec<f64> = (0..64).map(|pair| (500_000f64).powf(-(pair as f64) / 64.0)).collect();
    let mut kinds = [0; 3]; // kept, between, stretched
    for (got, plain) in got.iter().zip(plain) {
        let expected = by_wavelength(plain, 8.0, 1.0, 4.0, 8192.0);
        assert!((got / expected - 1.0).abs() < 1e-12, "{got} instead of {expected}");
        let is_kept = expected == plain;
        kinds[if is_kept { 0 } else { 1 + usize::from(expected == plain / 8.0) }] += 1;
    }
    assert!(kinds.iter().all(|&count| count > 0), "every case occurs: {kinds:?}");
}

#[test]
fn what_is_not_implemented_or_wrong_is_named() {
    let refused = |fields: Value| frequencies(&config(fields), 12).unwrap_err().to_string();
    for kind in ["dynamic", "yarn", "longrope", "mrope", "proportional"] {
        let said = refused(json!({"rope_scaling": {"rope_type": kind, "factor": 2.0}}));
        let expected =
            format!("rope_scaling is of type {kind:?}, expected type \"default\", \"linear\" or \"llama3\"");
        assert!(said.ends_with(&expected), "{said}");
    }
    let llama3 = |low: f64, high: f64| json!({"rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": low, "high_freq_factor": high}});
    let cases = [
        (json!({"rope_theta": -1.0}), "rope_theta is -1, expected a positive number"),
        (json!({"rope_theta": "big"}), "rope_theta is \"big\", expected a number"),
        (
            json!({"rope_parameters": {"rope_theta": 0.0}}),
            "rope_parameters.rope_theta is 0, expected a positive number",
        ),
        (
            json!({"rope_scaling": {"type": "linear"}}),
            "rope_scaling.factor is missing, expected a positive number",
        ),
        (
            json!({"rope_scaling": {"type": "linear", "factor": "2"}}),
            "rope_scaling.factor is \"2\", expected a number",
        ),
        (json!({"rope_scaling": {"type": 3}}), "rope_scaling.type is 3, expected a text"),
        (json!({"rope_scaling": "linear"}), "rope_scaling is \"linear\", expected an object"),
        (llama3(4.0, 4.0), "rope_parameters.low_freq_factor is 4, expected less than high_freq_factor = 4"),
        (
            json!({"rope_parameters": {"sliding": {"rope_theta": 5.0}}}),
            "rope_parameters.sliding is an object",
        ),
        (json!({"partial_rotary_factor": 0.5}), "partial_rotary_factor is 0.5, expected 1"),
        (
            json!({"rope_parameters": {"partial_rotary_factor": 0.25}}),
            "partial_rotary_factor is 0.25, expected 1",
        ),
    ];
    for (fields, expected) in cases {
        let said = refused(fields);
        assert!(said.contains(expected), "{said:?} should contain {expected:?}");
    }
    assert!(frequencies(&config(json!({})), 7).unwrap_err().to_string().contains("head_dim is 7"));
}

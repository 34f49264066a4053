//! The published numbers of parameters, and names with typing errors.

use super::*;
use crate::model::count::{active, total};

/// The numbers of parameters, as in released weights and papers.
const TOTALS: &[(&str, u128)] = &[
    ("gpt1", 116_534_784),
    ("gpt2", 124_439_808),
    ("gpt2-medium", 354_823_168),
    ("gpt2-large", 774_030_080),
    ("gpt2-xl", 1_557_611_200),
    ("gpt3", 174_604_259_328),
    ("bert-base", 109_482_240),
    ("bert-large", 335_141_888),
    ("t5-small", 60_506_624),
    ("t5-base", 222_903_552),
    ("t5-large", 737_668_096),
    ("t5-3b", 2_851_598_336),
    ("t5-11b", 11_307_321_344),
    ("llama-7b", 6_738_415_616),
    ("llama-13b", 13_015_864_320),
    ("llama-33b", 32_528_943_616),
    ("llama-65b", 65_285_660_672),
    ("llama2-7b", 6_738_415_616),
    ("llama2-13b", 13_015_864_320),
    ("llama2-70b", 68_976_648_192),
    ("llama3-8b", 8_030_261_248),
    ("llama3-70b", 70_553_706_496),
    ("smollm2-135m", 134_515_008),
    ("mixtral-8x7b", 46_702_792_704),
    ("decllm-150m", 167_789_568),
    ("decllm-1b", 1_140_918_272),
    // 20 layers of 4·2560² + 3·2560·10240 and two norms, a final norm, 32,768 embeddings.
    ("decllm-2b", 20 * (26_214_400 + 78_643_200 + 2 * 2560) + 2560 + 32_768 * 2560),
    ("decllm-4b", 3_724_692_480),
    ("decllm-8b", 8_724_418_560),
    ("redllm-150m", 146_818_048),
    ("redllm-1b", 1_124_149_248),
    // 9 such layers in the encoder, 9 with a cross-attention and its norm in the decoder.
    (
        "redllm-2b",
        18 * (26_214_400 + 78_643_200 + 2 * 2560) + 9 * (26_214_400 + 2560) + 2 * 2560 + 32_768 * 2560,
    ),
    ("redllm-4b", 3_498_209_280),
    ("redllm-8b", 8_590_229_504),
    // 70 layers of 4·12288² + 3·12288·32768, and 150,528 embeddings.
    ("glm-130b", 70 * 1_811_939_328 + 150_528 * 12_288),
    // 118 layers of 2·18432·48·256 + 2·18432·256 + 3·18432·73728, and 256,000 embeddings.
    ("u-palm-540b", 118 * 4_539_285_504 + 256_000 * 18_432),
    ("gpt4-leak", 1_831_000_000_000),
];

fn count(name: &str) -> u128 {
    total(&find(name).unwrap().parts().unwrap())
}

#[test]
fn every_preset_has_its_exact_parameters() {
    for preset in presets() {
        let (_, expected) = TOTALS.iter().find(|(name, _)| *name == preset.name).expect(preset.name);
        assert_eq!(count(preset.name), *expected, "{}", preset.name);
    }
    assert_eq!(presets().count(), TOTALS.len());
}

#[test]
fn what_the_papers_print_is_what_is_counted() {
    assert_eq!((count("u-palm-540b") as f64 / 1e7).round() / 100.0, 540.35);
    let mixtral = find("mixtral-8x7b").unwrap().parts().unwrap();
    assert_eq!(active(&mixtral), 12_879_925_248);
    let leak = find("gpt4-leak").unwrap();
    assert_eq!(active(&leak.parts().unwrap()), 277_000_000_000);
    assert!(!leak.has_sizes());
    let error = leak.sizes().unwrap_err().to_string();
    assert!(error.starts_with("configuration of gpt4-leak is not known, expected a model whose"), "{error}");
}

#[test]
fn heads_of_bert_are_listed_apart_and_the_pooler_is_counted() {
    let sizes = find("bert-base").unwrap().sizes().unwrap();
    let pooler = sizes.parts().into_iter().find(|part| part.name == "pooler").unwrap();
    assert_eq!(total(&sizes.parts()) - pooler.parameters, 108_891_648);
    // 768² + 768, a norm, and a bias for each of 30,522 tokens.
    assert_eq!(total(&sizes.apart), 589_824 + 3 * 768 + 30_522);
    assert!(find("gpt2").unwrap().sizes().unwrap().apart.is_empty());
}

#[test]
fn names_are_unique_and_errors_name_near_ones() {
    let mut names: Vec<_> = presets().map(|preset| preset.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), presets().count());
    let say = |name: &str| find(name).err().unwrap().to_string();
    assert!(say("gpt-2-xl").contains("is \"gpt-2-xl\", expected a known name, such as gpt2-xl"));
    assert!(say("LLAMA_7B").contains("such as llama-7b"));
    assert!(say("mamba").contains("expected one of gpt1, gpt2"));
    assert!(presets().all(|preset| !preset.source.is_empty() && !preset.stated.is_empty()));
}

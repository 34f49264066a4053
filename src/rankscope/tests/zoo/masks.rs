//! Notes about masks: the mask that a model was trained under, and a remark if another mask is used.

use crate::support::*;

#[test]
fn another_mask_is_said_stack_by_stack() {
    let model = entry("tiny/t5").model();
    let note = |text: &str| text.parse::<MaskChoice>().unwrap().note(model.description());
    assert_eq!(note("as-trained"), None);
    let encoder = "encoder mask causal: the weights were trained under another mask (bidirectional)";
    assert_eq!(note("causal").as_deref(), Some(encoder));
    assert_eq!(note("encoder:causal").as_deref(), Some(encoder));
    assert_eq!(note("decoder:causal"), None);
    let decoder = "decoder mask prefix(2): the weights were trained under another mask (causal)";
    assert_eq!(note("decoder:prefix(2)").as_deref(), Some(decoder));
    let both = format!("{}; {decoder}", encoder.replace("causal", "prefix(2)"));
    assert_eq!(note("prefix(2)"), Some(both));
    for text in ["encoder:causal", "decoder:prefix(2)", "as-trained"] {
        assert_eq!(text.parse::<MaskChoice>().unwrap().to_string(), text);
    }
    // The same mask in another text form.
    for same in ["decoder:heads(causal)", "decoder:heads(causal, causal)", "encoder:heads(bidirectional)"] {
        assert_eq!(note(same), None);
    }
    assert!(note("decoder:heads(causal, anti-causal)").is_some());
    // A model of one stack has only one kind of self-attention.
    let bert = entry("tiny/bert").model();
    for choice in [MaskChoice::Encoder, MaskChoice::Decoder, MaskChoice::Override] {
        assert_eq!(choice(Mask::prefix(2)).resolve(bert.description()), Mask::prefix(2));
    }
    let note = MaskChoice::Override(Mask::causal()).note(bert.description()).unwrap();
    assert_eq!(note, "mask causal: the weights were trained under another mask (bidirectional)");
    for own in [MaskChoice::Override(Mask::bidirectional()), MaskChoice::AsTrained] {
        assert_eq!(own.note(bert.description()), None);
    }
}

#[test]
fn without_decoder_ids_the_decoder_has_its_start_token() {
    for name in ["tiny/t5", "tiny/t5-gated"] {
        let entry = entry(name);
        let of = |input| hidden(&*entry.model(), &input, &MaskChoice::AsTrained);
        assert_eq!(of(Input::new(SOURCE.to_vec())), of(entry.input(vec![0])), "{name}");
    }
}

#[test]
fn one_text_is_split_into_prefix_and_rest() {
    let (entry, ids) = (entry("redllm"), [&SOURCE[..], &ids(5)].concat());
    let split = Input::split(&ids, 6).unwrap();
    assert_eq!(split, entry.input(ids[6..].to_vec()));
    assert_eq!(rows(&*entry.model(), &split, &MaskChoice::AsTrained).len(), 5);
    for prefix in [0, 11, 12] {
        let error = said(Input::split(&ids, prefix));
        let expected = "expected at least 1 and less than the 11 ids";
        assert_eq!(error, format!("length of the prefix is {prefix}, {expected}"));
    }
}

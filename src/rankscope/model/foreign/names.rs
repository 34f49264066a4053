//! Checkpoints whose tensors have other names than a model's, recognised by these names.

/// The end of an error about a tensor that is missing or of another shape: what the names show about the checkpoint,
/// and what to do; empty if they show nothing.
pub(crate) fn hint(names: &[String]) -> String {
    kind(names).map_or(String::new(), |kind| format!("; {kind}"))
}

fn kind(names: &[String]) -> Option<&'static str> {
    const QUANTISED: [&str; 6] =
        [".qweight", ".qzeros", ".absmax", ".SCB", ".weight_scale", ".weight_packed"];
    const WRAPPED: [&str; 3] = ["module.", "_orig_mod.", "auto_model."];
    let any = |is: &dyn Fn(&str) -> bool| names.iter().any(|name| is(name));
    if any(&|name| name.contains(".lora_")) {
        return Some(
            "these are matrices of an adapter (LoRA): merge it with its base model (peft: merge_and_unload)",
        );
    }
    if any(&|name| QUANTISED.iter().any(|end| name.ends_with(end))) {
        return Some("the weights are quantised, which is not read here: take the original repository");
    }
    if any(&|name| WRAPPED.iter().any(|start| name.starts_with(start))) {
        return Some(
            "the names begin with that of a wrapper: save the model inside it (model.module, for one)",
        );
    }
    None
}

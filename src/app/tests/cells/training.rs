{
use rankscope::{Device, Run};
use rankscope::train::{Settings, Trainer};
let mut settings = Settings::default();
for change in ["family=decllm", "feed_forward=172", "record_every=20", "mask=causal", "data=reverse(items=8, symbols=10)", "objective=outputs", "length=18", "steps=400", "evaluate_every=20", "evaluation_batches=10"] {
    settings.set(change)?;
}
use rankscope::train::twin::{Share, Twin};
let values = ["causal".to_owned(), "prefix(given)".to_owned()];
let twin = Twin::vary(&settings, "mask", &values, 3, "loss", 0.02)?;
let results = twin.run(Share::WHOLE, None, &Run::default(), |settings, run| {
    Trainer::outcome(settings, &Device::Cpu, run)
})?;
results.in_words()?.join("\n")
}

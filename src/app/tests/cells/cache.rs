{
use rankscope::model::reuse::{joined_tokens, moved_states, readings};
use rankscope::model::{self, Tokenizer, store::Store};
use rankscope::prelude::*;

let folder = Store::open()?.find("glass-en")?;
let model = model::load(&folder, &Device::Cpu)?;
let (tokens, ends) = joined_tokens(&Tokenizer::load(&folder)?, &[("turn 1", "Tell me a story about a small boat and the sea."), ("turn 2", " Once there was a small boat that was afraid of the waves."), ("turn 3", " And what happened to the boat?")])?;
let (first, ids) = (ends[ends.len() - 2], &tokens.ids);
for reading in readings(ends[0], first) {
    let moved = moved_states(&*model, (&ids[..first], &reading.before), (ids, &reading.after), &Run::default())?;
    let layers: Vec<String> = moved.rows().into_iter().map(|row| format!("{:.3}", row.mean().unwrap())).collect();
    println!("{}: {}", reading.name, layers.join(" "));
}

}

{
use rankscope::claim::{self, Effort, Settings};
use rankscope::prelude::*;

let claim = claim::find("causal-full-rank")?;
let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu)?;
claim::run(claim, &settings, &Run::default())?

}

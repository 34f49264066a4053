{
use rankscope::model::heads::head_reports;
use rankscope::model::store::Store;
use rankscope::model::{self, Input, MaskChoice, Tokenizer};

let folder = Store::open()?.find("english-gpt")?;
let model = model::load(&folder, &Device::Cpu)?;
let tokens = Tokenizer::load(&folder)?.encode("Alice was beginning to get very tired of sitting by her sister")?;
let input = Input::new(tokens.ids).with_token_types(tokens.token_types);
let mask: MaskChoice = "as-trained".parse()?;
head_reports(&*model, &input, &mask, &Run::default())?

}

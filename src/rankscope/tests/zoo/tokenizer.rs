//! `transformers` loads the tokenizers that are saved with trained models, and cuts texts in the same way.

use std::fs;

use rankscope::model::Tokenizer;
use rankscope::train::Examples;
use rankscope::train::data::{Text, open, save_tokenizer};

use crate::python::logits;

/// Cuts the text in every folder, and writes the ids and those of the special tokens; prints a text that is changed by
/// encoding and decoding.
const SCRIPT: &str = r#"
import pathlib, sys
import torch, transformers
from safetensors.torch import save_file
root = pathlib.Path(sys.argv[1])
ids = {}
for folder in sorted(path for path in root.iterdir() if path.is_dir()):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    text = (folder / "text.txt").read_text(encoding="utf-8")
    cut = tokenizer(text).input_ids
    special = [getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "sep", "eos", "mask")]
    ids[folder.name] = torch.tensor(cut + special + tokenizer("<span-7>").input_ids, dtype=torch.float32)
    if tokenizer.decode(cut) != text:
        print(folder.name, repr(tokenizer.decode(cut)))
save_file(ids, root / "logits.safetensors")
"#;

#[test]
fn transformers_cuts_texts_as_the_tokenizers_that_we_save() {
    let root = tempfile::tempdir().unwrap();
    let english = "\"Rather dull?  See if they don't cut!\"\nI retorted: é水𝄞.\n";
    let pairs = Tokenizer::train([english.repeat(3)], 290, &[]).unwrap();
    let cases: [(&str, Box<dyn Examples>, &str); 3] = [
        ("bytes", open("english", None).unwrap(), english),
        ("pairs", Box::new(Text::open("english", Some(pairs)).unwrap()), english),
        ("words", open("recall(query=before)", None).unwrap(), "a b 3 a 12 <separator> 12"),
    ];
    for (name, data, text) in &cases {
        let folder = root.path().join(name);
        save_tokenizer(&**data, &folder).unwrap();
        fs::write(folder.join("text.txt"), text).unwrap();
        fs::write(folder.join("config.json"), r#"{"model_type": "gpt2"}"#).unwrap();
    }
    let Some(theirs) = logits(SCRIPT, root.path(), &[]) else { return };
    for (name, data, text) in &cases {
        let vocabulary = data.vocabulary();
        let mut ours = Tokenizer::load(&root.path().join(name)).unwrap().encode(text).unwrap().ids;
        ours.extend([vocabulary.padding(), vocabulary.start(), vocabulary.separator(), vocabulary.end()]);
        ours.extend([vocabulary.mask(), vocabulary.sentinel(7).unwrap()]);
        assert_eq!(theirs[*name], ours.iter().map(|&id| id as f32).collect::<Vec<_>>(), "{name}");
    }
}

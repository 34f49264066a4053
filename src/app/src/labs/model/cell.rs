//! A notebook cell that recreates the view.

use rankscope::Result;

use super::state::{Brought, Explorer, Reading};

/// The ranks of all heads of the first reading.
pub fn of(state: &Explorer) -> String {
    match &state.left.file {
        Some(file) => of_file(file),
        None => of_model(&state.left).unwrap_or_default(),
    }
}

fn of_file(file: &Brought) -> String {
    let option = |value: Option<String>| value.map_or("None".to_owned(), |value| format!("Some({value})"));
    let path = format!("{:?}.as_ref()", file.path.display().to_string());
    let name = option(file.name.as_ref().map(|name| format!("{name:?}")));
    let tokens =
        option(file.tokens.as_ref().map(|path| format!("{:?}.as_ref()", path.display().to_string())));
    format!(
        "use rankscope::recorded::{{At, Recorded}};\n\n\
         let recorded = Recorded::open({path}, {name}, {tokens})?;\n\
         let places: Vec<At> = recorded.places().filter(|at| at.sequence == {}).collect();\n\
         recorded.reports(&places, &Run::default())?\n",
        file.sequence
    )
}

fn of_model(reading: &Reading) -> Result<String> {
    let changes = match reading.has_changes() {
        true => "// Every head as trained: what the app ablated or cut is whole here.\n",
        false => "",
    };
    Ok(format!(
        "use rankscope::model::heads::head_reports;\n\
         use rankscope::model::store::Store;\n\
         use rankscope::model::{{self, Input, MaskChoice, Tokenizer}};\n\n\
         {changes}\
         let folder = Store::open()?.find({:?})?;\n\
         let model = model::load(&folder, &Device::Cpu)?;\n\
         let tokens = Tokenizer::load(&folder)?.encode({:?})?;\n\
         let input = Input::new(tokens.ids).with_token_types(tokens.token_types);\n\
         let mask: MaskChoice = {:?}.parse()?;\n\
         head_reports(&*model, &input, &mask, &Run::default())?\n",
        reading.model, reading.text, reading.mask
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::State;
    use crate::labs::model::state::Edit;
    use crate::labs::model::state::Side;

    #[test]
    fn the_cell_names_model_text_mask_and_file() {
        let mut state = Explorer::default();
        state.update(Edit::Text(Side::Left, "a \"quote\"".to_owned())).unwrap();
        state.update(Edit::Mask(Side::Left, "prefix(3)".to_owned())).unwrap();
        let cell = of(&state);
        for part in [r#"find("english-gpt")"#, r#"encode("a \"quote\"")"#, r#""prefix(3)".parse()"#] {
            assert!(cell.contains(part), "{cell}");
        }
        let file = Brought { path: "maps.npz".into(), ..Brought::default() };
        state.update(Edit::File(Side::Left, file)).unwrap();
        assert!(of(&state).contains(r#"Recorded::open("maps.npz".as_ref(), None, None)"#));
    }
}

//! A plan as a sentence, whose emphasised words can be changed.

use rankscope::model::FAMILIES;
use rankscope::train::data::TEXTS;
use rankscope::train::task::{TASKS, Task, Values};
use rankscope::train::{OBJECTIVES, OPTIMISERS, SCHEDULES, Settings};
use serde::{Deserialize, Serialize};

use super::plan::{Beside, Plan, SEEDS, metrics};

/// A word of the sentence that can be changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Word {
    /// The task or text.
    Data,
    /// An option of the task.
    Option(String),
    /// A setting, by its key.
    Setting(String),
    /// The setting in which runs differ; `nothing` for one run alone.
    Key,
    /// Its value in the i-th run beside the first.
    Other(usize),
    /// How many seeds.
    Seeds,
    /// The metric that is compared.
    Metric,
    /// The smallest difference that matters.
    Smallest,
}

/// A piece of the sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text that stays.
    Text(String),
    /// A word that can be changed, and its text.
    Word(Word, String),
}

/// The choices for a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Choices {
    /// A whole number.
    Number(usize, usize),
    /// A number.
    Real,
    /// One of some words, each with what it means, or another one that is typed.
    Words(Vec<(String, String)>),
}

/// Settings that a run beside the first can differ in, as the menu shows them.
#[rustfmt::skip] // as many as fit on a line
const KEYS: [&str; 10] = [
    "mask", "positions", "attention", "directions", "family", "layers", "heads", "width", "rate", "optimiser",
];

fn setting(key: &str) -> Word {
    Word::Setting(key.to_owned())
}

/// The sentence of a plan.
pub fn sentence(plan: &Plan) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let value = |key: &str| plan.settings.value(key).unwrap_or_default();
    match Task::parse(&plan.settings.data) {
        Ok(task) => {
            pieces.extend(pair("Learn the task", Word::Data, task.kind().name));
            let options = options(&task);
            let last = options.len().saturating_sub(1);
            for (at, (name, shown)) in options.into_iter().enumerate() {
                let end = if at < last { "," } else { "" };
                let with = if at == 0 { "with " } else { "" };
                let word = Word::Option(name.clone());
                // `8 items`, but `query before`.
                if shown.parse::<usize>().is_ok() {
                    pieces.extend((at == 0).then(|| Piece::Text("with".to_owned())));
                    pieces.extend([Piece::Word(word, shown), Piece::Text(format!("{name}{end}"))]);
                } else {
                    pieces.extend(pair(&format!("{with}{name}"), word, &shown));
                }
            }
        }
        Err(_) => pieces.extend(pair("Learn the text", Word::Data, &plan.settings.data)),
    }
    let mut add = |text: &str, key: &str| pieces.extend(pair(text, setting(key), &value(key)));
    add("by the objective", "objective");
    add("with a model of", "layers");
    add("layers in the style of", "family");
    add("with", "heads");
    add("heads and width", "width");
    add("under the mask", "mask");
    let beside = plan.beside.as_ref();
    if let Some(beside) = beside.filter(|beside| !is_shown(&beside.key)) {
        let reading = beside.key.replace('_', " ");
        add(&format!("with {reading}"), &beside.key);
    }
    match beside {
        Some(beside) => others(beside, &mut pieces),
        None => pieces.extend(pair("beside it", Word::Key, "nothing")),
    }
    pieces.extend(pair("for", setting("steps"), &value("steps")));
    pieces.extend(pair("steps with", Word::Seeds, &plan.seeds.to_string()));
    let seeds = if plan.seeds == 1 { "seed" } else { "seeds" };
    let end = if beside.is_some() { format!("{seeds} each. Compare") } else { format!("{seeds}.") };
    pieces.push(Piece::Text(end));
    if let Some(beside) = beside {
        pieces.push(Piece::Word(Word::Metric, beside.metric.clone()));
        let text = "at the end; the smallest difference that matters is";
        pieces.extend(pair(text, Word::Smallest, &beside.smallest.to_string()));
    }
    pieces
}

/// A text that stays, and the word after it.
fn pair(text: &str, word: Word, shown: &str) -> [Piece; 2] {
    [Piece::Text(text.to_owned()), Piece::Word(word, shown.to_owned())]
}

fn others(beside: &Beside, pieces: &mut Vec<Piece>) {
    pieces.extend(pair("beside one whose", Word::Key, &beside.key));
    for (at, value) in beside.values.iter().enumerate() {
        pieces.extend(pair(if at == 0 { "is" } else { "and one with" }, Word::Other(at), value));
    }
}

/// Whether the sentence shows a setting in any case.
fn is_shown(key: &str) -> bool {
    ["objective", "layers", "family", "heads", "width", "mask", "steps", "data"].contains(&key)
}

/// The options of a task, each with its value.
fn options(task: &Task) -> Vec<(String, String)> {
    let text = task.to_string();
    let inner = text.split_once('(').map_or("", |(_, inner)| inner.trim_end_matches(')'));
    let pairs = inner.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// The choices for a word of the plan.
pub fn choices(plan: &Plan, word: &Word) -> Choices {
    let plain = |words: &[&str]| listed(words.iter().map(|&word| (word, "")));
    match word {
        Word::Data => {
            let texts = TEXTS.iter().map(|text| (text.name, text.summary));
            listed(TASKS.iter().map(|task| (task.name, task.summary)).chain(texts))
        }
        Word::Option(name) => {
            let task = Task::parse(&plan.settings.data).ok();
            let option = task.as_ref().and_then(|task| task.kind().options.iter().find(|o| o.name == name));
            match option.map(|option| option.values) {
                Some(Values::Number { least, most, .. }) => Choices::Number(least, most),
                Some(Values::Word(words)) => plain(words),
                None => plain(&[]),
            }
        }
        Word::Setting(key) => of_setting(plan, key),
        Word::Other(_) => match &plan.beside {
            Some(beside) => of_setting(plan, &beside.key),
            None => plain(&[]),
        },
        Word::Key => listed(["nothing"].into_iter().chain(KEYS).map(|key| (key, meaning(key)))),
        Word::Seeds => Choices::Number(1, SEEDS),
        Word::Metric => plain(&metrics().collect::<Vec<_>>()),
        Word::Smallest => Choices::Real,
    }
}

fn meaning(key: &str) -> &'static str {
    match key {
        "nothing" => "one run alone",
        "mask" => "who may attend to whom",
        "positions" => "how attention knows the order of tokens (GPT and BERT)",
        "attention" => "softmax, linear attention and others (GPT and BERT)",
        "directions" => "whether heads look back, ahead or both ways (BERT)",
        "family" => "the style of the model",
        _ => "",
    }
}

/// Words to choose from, each with what it means.
fn listed<'a>(words: impl IntoIterator<Item = (&'a str, &'a str)>) -> Choices {
    Choices::Words(words.into_iter().map(|(word, about)| (word.to_owned(), about.to_owned())).collect())
}

fn of_setting(plan: &Plan, key: &str) -> Choices {
    match key {
        "family" => listed(FAMILIES.iter().map(|family| (family.name, family.summary))),
        "objective" => listed(OBJECTIVES.iter().map(|kind| (kind.name, kind.summary))),
        "optimiser" => listed(OPTIMISERS.iter().map(|kind| (kind.name, kind.summary))),
        "schedule" => listed(SCHEDULES.iter().map(|kind| (kind.name, kind.summary))),
        "mask" => listed([
            ("usual", "that of what is learned"),
            ("causal", "every token sees itself and those before it"),
            ("prefix(given)", "what is given is read in both directions"),
            ("bidirectional", "every token sees all"),
            ("window(4)", "the last 4 tokens"),
            ("anti-causal", "every token sees itself and those after it"),
        ]),
        "positions" => listed([
            ("null", "the family's own"),
            ("learned", "a table"),
            ("none", "no positions at all"),
            ("rotary", "queries and keys turned by their position"),
            ("alibi", "a fixed preference for what is near"),
            ("relative", "a learned bias for each distance"),
        ]),
        "attention" => listed([
            ("softmax", ""),
            ("linear", "φ(q)·φ(k) in place of softmax"),
            ("differential", "the difference of two softmaxes"),
            ("sigmoid", "weights that do not sum to 1"),
            ("state-space", "a decaying memory"),
        ]),
        "directions" => listed([
            ("null", "all heads look both ways"),
            ("mixed", "half of the heads look back, half ahead"),
            ("alternating", "layers look back and ahead in turn"),
        ]),
        key => match serde_json::to_value(&plan.settings).ok().and_then(|all| all.get(key).cloned()) {
            Some(serde_json::Value::Number(number)) if number.is_f64() => Choices::Real,
            Some(serde_json::Value::Number(_)) => Choices::Number(usize::from(key != "seed"), most(key)),
            _ => listed([]),
        },
    }
}

/// The largest value of a setting that a click can reach; the command line accepts more.
fn most(key: &str) -> usize {
    match key {
        "layers" => 24,
        "heads" => 32,
        "width" | "feed_forward" => 1024,
        "length" | "batch" => 512,
        _ => 100_000,
    }
}

/// The plan with another word.
///
/// # Errors
/// One sentence that says what is wrong with it.
pub fn change(plan: &mut Plan, word: &Word, value: &str) -> Result<(), String> {
    match word {
        // The same task keeps its options.
        Word::Data if Task::parse(&plan.settings.data).is_ok_and(|task| task.kind().name == value) => {
            return Ok(());
        }
        Word::Data => set(&mut plan.settings, "data", value)?,
        Word::Option(name) => {
            let task = Task::parse(&plan.settings.data).map_err(|error| error.to_string())?;
            let pairs = options(&task).into_iter().map(|(option, old)| {
                let value = if option == *name { value } else { &old };
                format!("{option}={value}")
            });
            let text = format!("{}({})", task.kind().name, pairs.collect::<Vec<_>>().join(", "));
            Task::parse(&text).map_err(|error| error.to_string())?;
            plan.settings.data = text;
        }
        Word::Setting(key) => {
            set(&mut plan.settings, key, value)?;
            if key == "steps" {
                plan.set_steps();
            }
        }
        Word::Key if value == "nothing" => plan.beside = None,
        Word::Key => differ_in(plan, value)?,
        Word::Seeds => plan.seeds = number("the number of seeds", value)?,
        Word::Other(at) => {
            let other = plan.beside.as_mut().and_then(|beside| beside.values.get_mut(*at));
            *other.ok_or("there is no such run beside the first")? = value.to_owned();
        }
        Word::Metric | Word::Smallest => {
            let beside = plan.beside.as_mut().ok_or("nothing is compared: there is one run alone")?;
            match word {
                Word::Metric => beside.metric = value.to_owned(),
                _ => beside.smallest = number("the smallest difference", value)?,
            }
        }
    }
    if matches!(word, Word::Data | Word::Option(_)) {
        fit(plan);
    }
    plan.take = 1;
    Ok(())
}

/// Gives a task the length that it needs, and an objective that learns it.
fn fit(plan: &mut Plan) {
    match Task::parse(&plan.settings.data) {
        Ok(task) => {
            plan.settings.length = task.size();
            if matches!(plan.settings.objective.as_str(), "causal-lm" | "prefix-lm") {
                plan.settings.objective = "outputs".into();
            }
        }
        Err(_) if plan.settings.objective == "outputs" || plan.settings.objective == "labelling" => {
            (plan.settings.objective, plan.settings.length) = ("causal-lm".into(), 64);
        }
        Err(_) => (),
    }
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{what} is {text:?}, expected a number"))
}

fn set(settings: &mut Settings, key: &str, value: &str) -> Result<(), String> {
    settings.set(&format!("{key}={value}")).map_err(|error| error.to_string())
}

/// Adds another run beside the first, which differs in `key`, by the first choice that is not the first run's.
fn differ_in(plan: &mut Plan, key: &str) -> Result<(), String> {
    let here = plan.settings.value(key).ok_or_else(|| {
        format!("there is no setting {key:?} to differ in, expected one such as {}", KEYS.join(", "))
    })?;
    let other = unused(plan, key, &[here])?;
    let (metric, smallest) =
        plan.beside.take().map_or(("loss".into(), 0.02), |beside| (beside.metric, beside.smallest));
    plan.beside = Some(Beside { key: key.to_owned(), values: vec![other], metric, smallest });
    Ok(())
}

/// Adds another run beside the first, with a value that is not there yet.
///
/// # Errors
/// One sentence, if there is no run beside the first, or every choice is there already.
pub fn more(plan: &mut Plan) -> Result<(), String> {
    let beside = plan.beside.as_ref().ok_or("there is no run beside the first yet")?;
    let here = plan.settings.value(&beside.key).unwrap_or_default();
    let used: Vec<String> = [here].into_iter().chain(beside.values.iter().cloned()).collect();
    let value = unused(plan, &beside.key, &used)?;
    plan.beside.iter_mut().for_each(|beside| beside.values.push(value.clone()));
    Ok(())
}

/// A value of a setting that is not in `used`: the first such choice, or a number twice as large as the last.
fn unused(plan: &Plan, key: &str, used: &[String]) -> Result<String, String> {
    let last = used.last().map_or("", String::as_str);
    match of_setting(plan, key) {
        Choices::Words(words) => {
            let is_free = |word: &String| !used.contains(word) && word != "usual" && word != "null";
            let free = words.into_iter().map(|(word, _)| word).find(is_free);
            free.ok_or_else(|| format!("every choice of {key} is there already; type another one"))
        }
        Choices::Number(..) => Ok(number::<usize>(key, last)?.saturating_mul(2).max(1).to_string()),
        Choices::Real => Ok((2.0 * number::<f64>(key, last)?).to_string()),
    }
}

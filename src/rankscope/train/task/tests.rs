//! Every task compared with an answer that is found in another way, from the words of its input.

mod answers;
mod instructions;
mod parts;
mod real_numbers;

use super::Task;
use crate::train::{Example, Examples, Part};

fn task(text: &str) -> Task {
    Task::parse(text).unwrap()
}

/// The first examples of a part, with the smallest length.
fn examples(task: &Task, part: Part, count: u64) -> Vec<Example> {
    (0..count).map(|index| task.example(part, 3, index, task.size()).unwrap()).collect()
}

/// Input and output in words: without the last separator, without padding.
fn words(task: &Task, example: &Example) -> (Vec<String>, Vec<String>) {
    let piece = |token: &u32| task.piece(*token);
    let (last, input) = example.input().split_last().unwrap();
    assert_eq!(*last, task.vocabulary().separator());
    let output = example.output().iter().map(piece).filter(|word| word != "<pad>");
    (input.iter().map(piece).collect(), output.collect())
}

/// Compares the answers of both parts with the result of `expected` for the words.
fn check(text: &str, expected: impl Fn(&[&str]) -> Vec<String>) {
    let task = task(text);
    for part in [Part::Training, Part::HeldOut] {
        for example in examples(&task, part, 200) {
            let (input, output) = words(&task, &example);
            let input: Vec<&str> = input.iter().map(String::as_str).collect();
            assert_eq!(output, expected(&input), "{text}: {input:?}");
        }
    }
}

fn owned<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

fn numbers(words: &[&str]) -> Vec<i64> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

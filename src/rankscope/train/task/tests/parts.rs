//! Held-out examples, what an example depends on, and texts that are no task.

use std::collections::HashSet;

use super::super::TASKS;
use super::{Task, examples, task, words};
use crate::train::{Examples, Part};

#[test]
fn no_input_that_is_held_out_is_learned_from() {
    // Tasks with few inputs, so that 600 draws give nearly all of them.
    let small = [
        "copy(items=2, symbols=5)",
        "reverse(items=3, symbols=3)",
        "sort(items=3, symbols=3)",
        "permutation(items=3, symbols=3)",
        "recall(pairs=1, keys=6, values=6)",
        "induction(items=4, symbols=4)",
        "modular-addition(modulus=9)",
        "brackets(items=6)",
        "mixing(items=2, bins=7)",
        "regression(dimensions=1, points=1, bins=5)",
        "count(items=4, symbols=3)",
        "residue(items=4, symbols=3)",
        "instructions(items=2, held-out=inputs)",
    ];
    let named: Vec<_> = small.iter().map(|text| task(text).kind().name).collect();
    assert_eq!(named, TASKS.iter().map(|kind| kind.name).collect::<Vec<_>>());
    for text in small {
        let task = task(text);
        let inputs = |part| -> HashSet<Vec<u32>> {
            examples(&task, part, 600).iter().map(|example| example.input().to_vec()).collect()
        };
        let (training, held_out) = (inputs(Part::Training), inputs(Part::HeldOut));
        assert!(training.is_disjoint(&held_out), "{text}");
        assert!(training.len() > held_out.len(), "{text}: {} and {}", training.len(), held_out.len());
    }
}

#[test]
fn about_a_tenth_of_all_inputs_is_held_out() {
    let task = task("copy(items=3)");
    let inputs: HashSet<_> =
        examples(&task, Part::HeldOut, 3000).into_iter().map(|example| example.tokens).collect();
    assert!((70..130).contains(&inputs.len()), "{} of 1000", inputs.len());
}

#[test]
fn an_example_depends_on_seed_part_and_index_alone() {
    for kind in TASKS {
        let (one, other) = (task(kind.name), task(kind.name));
        let length = one.size() + 5;
        let of = |task: &Task, part, seed, index| task.example(part, seed, index, length).unwrap();
        let later: Vec<_> = (0..20).rev().map(|index| of(&other, Part::Training, 1, index)).collect();
        for (index, expected) in (0..20).rev().zip(&later) {
            let example = of(&one, Part::Training, 1, index);
            assert_eq!(example, *expected, "{}", kind.name);
            assert_eq!(example.tokens.len(), length);
            assert!(example.tokens[one.size()..].iter().all(|&token| token == one.vocabulary().padding()));
            let symbols = one.vocabulary().size() as u32;
            assert!(example.tokens.iter().all(|&token| token < symbols));
        }
        let first = |part, seed| (0..20).map(|index| of(&one, part, seed, index)).collect::<Vec<_>>();
        assert_ne!(first(Part::Training, 1), first(Part::Training, 2), "{}", kind.name);
        assert_ne!(first(Part::Training, 1), first(Part::HeldOut, 1), "{}", kind.name);
        let different = later.iter().map(|example| &example.tokens).collect::<HashSet<_>>().len();
        assert!(different > 10, "{}: {different} of 20", kind.name);
        // The text form reads back, and every symbol has a name of its own: a word of its tokenizer.
        assert_eq!(task(&one.to_string()).to_string(), one.to_string());
        let tokenizer = one.tokenizer().unwrap();
        assert_eq!(tokenizer.vocab_size(), one.vocabulary().size());
        assert_eq!(tokenizer.piece(one.vocabulary().padding()), "<pad>");
        let (input, _) = words(&one, &of(&one, Part::Training, 1, 0));
        assert_eq!(tokenizer.encode(&input.join(" ")).unwrap().ids, later[19].input()[..input.len()]);
    }
}

#[test]
fn symbols_have_names_of_their_own_however_many_there_are() {
    let many = task("recall(keys=1000)");
    let names = [0, 25, 26, 701, 702, 1000].map(|token| many.piece(token));
    assert_eq!(names, ["a", "z", "aa", "zz", "aaa", "0"]);
    for text in ["residue(symbols=26)", "mixing(bins=256)", "mixing(bins=255)", "count(items=40, symbols=26)"]
    {
        assert!(task(text).tokenizer().is_ok(), "{text}");
    }
}

#[test]
fn what_is_no_task_is_named() {
    let cases = [
        ("sorted", "task is \"sorted\", expected one of copy, reverse, sort, "),
        ("copy(items=3", "task is \"copy(items=3\", expected copy, or copy(option=value, …)"),
        ("copy(3)", "option of copy is \"3\", expected option=value"),
        ("copy(item=3)", "option of copy is \"item\", expected one of items, symbols"),
        ("copy(items=0)", "option items of copy is 0, expected 1 to 4096"),
        ("copy(items=many)", "option items of copy is many, expected 1 to 4096"),
        ("copy(items=3, items=4)", "option items of copy is there twice, expected once"),
        ("recall(query=behind)", "option query of recall is behind, expected after or before"),
        ("recall(pairs=17)", "option pairs of recall is 17, expected at most keys, 16"),
        ("recall(pairs=3, queries=4)", "option queries of recall is 4, expected at most pairs, 3"),
        ("brackets(items=5)", "option items of brackets is 5, expected an even number"),
        ("residue(residue=3)", "option residue of residue is 3, expected at most 2: below the modulus, 3, "),
        ("residue(items=4, modulus=9, residue=5)", "option residue of residue is 5, expected at most 4: "),
        (
            "instructions(words=hidden)",
            "option shots of instructions is 0, expected 1 or more where words=hidden",
        ),
    ];
    for (text, expected) in cases {
        let error = Task::parse(text).err().unwrap().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let short = task("reverse(items=3)").example(Part::Training, 0, 0, 6).unwrap_err().to_string();
    assert_eq!(short, "length is 6, expected at least 7 for reverse(items=3, symbols=10)");
    // The two inputs, 0 and 1, are both not held out.
    let none = task("copy(items=1, symbols=2)").example(Part::HeldOut, 0, 0, 6).unwrap_err().to_string();
    let expected = "expected more inputs: none of its few is in the held-out part";
    assert_eq!(none, format!("task is copy(items=1, symbols=2), {expected}"));
}

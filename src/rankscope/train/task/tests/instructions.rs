//! Instructions, carried out by another implementation.

use std::collections::HashSet;

use super::{Task, check, examples, numbers, task, words};
use crate::train::Part;

/// Carries out a word, on digits as numbers.
fn obey(word: &str, list: &[i64]) -> Vec<i64> {
    let mut list = list.to_vec();
    match word {
        "copy" => (),
        "reverse" => {
            for at in 0..list.len() / 2 {
                let end = list.len() - 1;
                list.swap(at, end - at);
            }
        }
        "sort" => list.sort_by_key(|digit| *digit),
        "rotate" => list.rotate_left(1),
        "swap" => {
            for at in (1..list.len()).step_by(2) {
                list.swap(at - 1, at);
            }
        }
        "next" => list.iter_mut().for_each(|digit| *digit = if *digit == 9 { 0 } else { *digit + 1 }),
        "previous" => list.iter_mut().for_each(|digit| *digit = if *digit == 0 { 9 } else { *digit - 1 }),
        "mirror" => list.iter_mut().for_each(|digit| *digit = 9 - *digit),
        "first" => list.truncate(1),
        "last" => drop(list.drain(..list.len() - 1)),
        "largest" => list = vec![*list.iter().max().unwrap()],
        "smallest" => list = vec![*list.iter().min().unwrap()],
        other => panic!("{other}"),
    }
    list
}

fn obeyed(first: &str, second: &str, list: &[&str]) -> Vec<String> {
    let answer = obey(second, &obey(first, &numbers(list)));
    answer.iter().map(i64::to_string).chain(["<end>".to_owned()]).collect()
}

#[test]
fn instructions_are_carried_out_one_after_the_other() {
    check("instructions(items=5)", |input| obeyed(input[0], input[1], &input[2..]));
    check("instructions(items=5, held-out=inputs)", |input| obeyed(input[0], input[1], &input[2..]));
}

#[test]
fn solved_examples_follow_the_instruction_of_the_question() {
    check("instructions(items=3, shots=4)", |input| {
        let (first, second) = (input[0], input[1]);
        let mut rest = &input[2..];
        for _ in 0..4 {
            assert_eq!(rest[3], "<separator>");
            let answer = obeyed(first, second, &rest[..3]);
            assert_eq!(rest[4..4 + answer.len()], answer);
            rest = &rest[4 + answer.len()..];
        }
        obeyed(first, second, rest)
    });
    // Hidden words: the same without the first two.
    let (shown, hidden) = (task("instructions(shots=2)"), task("instructions(shots=2, words=hidden)"));
    let first = |task: &Task| examples(task, Part::HeldOut, 1).remove(0);
    assert_eq!(first(&shown).input()[2..], *first(&hidden).input());
}

#[test]
fn held_out_instructions_are_never_learned_from_but_each_of_their_words_is() {
    let task = task("instructions(items=2)");
    let pairs = |part| -> HashSet<Vec<String>> {
        examples(&task, part, 3000).iter().map(|example| words(&task, example).0[..2].to_vec()).collect()
    };
    let (training, held_out) = (pairs(Part::Training), pairs(Part::HeldOut));
    assert!(training.is_disjoint(&held_out));
    assert_eq!((training.len(), held_out.len()), (84, 12));
    let at = |pairs: &HashSet<Vec<String>>, place: usize| -> HashSet<String> {
        pairs.iter().map(|pair| pair[place].clone()).collect()
    };
    assert_eq!([0, 1].map(|place| at(&training, place).len()), [8, 12]);
    assert_eq!(at(&held_out, 1).len(), 12);
}

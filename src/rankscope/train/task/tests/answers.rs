//! Tasks whose answers are words.

use std::collections::{HashMap, HashSet};

use super::{check, examples, numbers, owned, task, words};
use crate::train::Part;

#[test]
fn lists_are_copied_reversed_and_sorted() {
    check("copy(items=7, symbols=12)", |input| owned(input.iter().copied()));
    check("reverse(items=6)", |input| owned((1..=input.len()).map(|back| input[input.len() - back])));
    check("sort(items=9, symbols=30)", |input| {
        let times = |number: i64| numbers(input).into_iter().filter(|&other| other == number).count();
        (0..30).flat_map(|number| vec![number.to_string(); times(number)]).collect()
    });
}

#[test]
fn a_permutation_is_the_same_one_in_every_example_and_another_for_another_draw() {
    let places = |text: &str| -> Vec<usize> {
        let task = task(text);
        let all: Vec<_> = [Part::Training, Part::HeldOut]
            .into_iter()
            .flat_map(|part| examples(&task, part, 100))
            .map(|example| words(&task, &example))
            .collect();
        let place = |at: usize| {
            let fits = |&from: &usize| all.iter().all(|(input, output)| input[from] == output[at]);
            let found: Vec<usize> = (0..9).filter(fits).collect();
            assert_eq!(found.len(), 1, "{text}");
            found[0]
        };
        (0..9).map(place).collect()
    };
    let first = places("permutation(items=9, symbols=5)");
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), 9);
    assert_ne!(first, (0..9).collect::<Vec<_>>());
    assert_ne!(first, places("permutation(items=9, symbols=5, draw=1)"));
}

#[test]
fn recall_gives_the_values_of_the_keys_asked_for_behind_the_pairs_or_before() {
    let look_up = |pairs: &[&str], queries: &[&str]| {
        let table: HashMap<&str, &str> = pairs.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        assert_eq!(table.len(), pairs.len() / 2, "a key stands there twice");
        assert_eq!(queries.iter().collect::<HashSet<_>>().len(), queries.len());
        owned(queries.iter().map(|query| table[query]))
    };
    check("recall(pairs=5, queries=3, keys=30, values=7)", |input| look_up(&input[..10], &input[10..]));
    check("recall(pairs=5, queries=2, query=before)", |input| look_up(&input[2..], &input[..2]));
}

#[test]
fn induction_finds_the_one_place_where_the_last_letter_stood() {
    check("induction(items=11, symbols=5)", |input| {
        let (last, before) = input.split_last().unwrap();
        assert_eq!(before.iter().filter(|word| word == &last).count(), 1);
        let text = format!(" {} ", before.join(" "));
        let (_, behind) = text.split_once(&format!(" {last} ")).unwrap();
        owned(behind.split_whitespace().next())
    });
}

#[test]
fn sums_are_taken_modulo_the_modulus_and_both_orders_are_in_one_part() {
    check("modular-addition(modulus=13)", |input| {
        let sum: i64 = numbers(input).iter().sum();
        vec![if sum < 13 { sum } else { sum - 13 }.to_string()]
    });
    let task = task("modular-addition(modulus=13)");
    let sums = |part| -> HashSet<Vec<u32>> {
        examples(&task, part, 400).iter().map(|example| example.input()[..2].to_vec()).collect()
    };
    let (training, held_out) = (sums(Part::Training), sums(Part::HeldOut));
    let turned: HashSet<Vec<u32>> = held_out.iter().map(|sum| vec![sum[1], sum[0]]).collect();
    assert_eq!(turned, held_out);
    assert!(turned.is_disjoint(&training) && training.len() > 100);
}

#[test]
fn half_of_all_brackets_are_balanced_and_are_what_vanishes_pair_by_pair() {
    check("brackets(items=10, kinds=3)", |input| {
        let mut left = input.concat();
        loop {
            let shorter = left.replace("()", "").replace("[]", "").replace("{}", "");
            if shorter == left {
                return owned([if left.is_empty() { "yes" } else { "no" }]);
            }
            left = shorter;
        }
    });
    expect_shares("brackets", &["yes", "no"]);
    expect_shares("brackets(items=2, kinds=1)", &["yes", "no"]);
}

/// Checks that the answers are equally frequent.
fn expect_shares(text: &str, answers: &[&str]) {
    let task = task(text);
    let all = examples(&task, Part::Training, 2000);
    for answer in answers {
        let count = all.iter().filter(|example| words(&task, example).1 == [*answer]).count();
        let share = count as f64 / 2000.0 * answers.len() as f64;
        assert!((share - 1.0).abs() < 0.25, "{text}: {answer} {count} times of 2000");
    }
}

#[test]
fn letters_are_counted_and_every_count_is_equally_frequent() {
    check("count(items=12, symbols=3)", |input| {
        let (last, before) = input.split_last().unwrap();
        vec![(1 + before.iter().filter(|word| word == &last).count()).to_string()]
    });
    expect_shares("count(items=8)", &["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[test]
fn residues_are_those_of_the_number_of_letters_a() {
    let is = |says_yes: bool| owned([if says_yes { "yes" } else { "no" }]);
    check("residue(items=11, modulus=3, residue=2)", |input| {
        is([2, 5, 8, 11].contains(&input.iter().filter(|&&word| word == "a").count()))
    });
    check("residue(items=5, symbols=2, modulus=2, residue=1)", |input| {
        is(input.iter().fold(false, |odd, &word| odd ^ (word == "a")))
    });
    expect_shares("residue", &["yes", "no"]);
}

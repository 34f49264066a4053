//! The program gives the same result as the rule.

use ndarray::Array2;
use proptest::prelude::*;

use super::super::{MASKS, Mask, draw};
use super::Op;

/// Runs a program as `program.wgsl` does, and also returns the largest depth of the stack.
fn interpret(program: &[u32], query: u32, key: u32) -> (bool, usize) {
    let distance = query.abs_diff(key);
    let (mut stack, mut depth) = (Vec::new(), 0);
    for instruction in program.chunks(3).take_while(|instruction| instruction[0] != Op::End as u32) {
        let [op, x, y] = instruction[..] else { panic!("three words") };
        let table = program.get(y as usize..).unwrap_or_default();
        let is = |other: Op| op == other as u32;
        if is(Op::Not) {
            let bit: bool = stack.pop().unwrap();
            stack.push(!bit);
        } else if is(Op::And) || is(Op::Or) {
            let (a, b) = (stack.pop().unwrap(), stack.pop().unwrap());
            stack.push(if is(Op::And) { a && b } else { a || b });
        } else {
            let past = key <= query;
            stack.push(match op {
                op if op == Op::All as u32 => true,
                op if op == Op::Causal as u32 => past,
                op if op == Op::AntiCausal as u32 => key >= query,
                op if op == Op::Prefix as u32 => past || key < x,
                op if op == Op::Window as u32 => past && distance < x,
                op if op == Op::TwoSidedWindow as u32 => distance < x,
                op if op == Op::Dilated as u32 => distance.is_multiple_of(y) && distance / y <= x,
                op if op == Op::Strided as u32 => past && (distance < x || distance.is_multiple_of(x)),
                op if op == Op::Global as u32 => query < x || key < x,
                op if op == Op::Random as u32 => {
                    query == key || draw(y as usize, query as usize, key as usize) < x
                }
                op if op == Op::Padding as u32 => key < x,
                op if op == Op::Blocks as u32 => {
                    let end = table[..x as usize].iter().find(|&&end| query < end || key < end);
                    end.is_some_and(|&end| query < end && key < end)
                }
                op if op == Op::Custom as u32 => {
                    let word = 1 + query * table[0].div_ceil(32) + key / 32;
                    query < x && key < table[0] && table[word as usize] >> (key % 32) & 1 == 1
                }
                _ => panic!("no instruction {op}"),
            });
        }
        depth = depth.max(stack.len());
    }
    assert_eq!(stack.len(), 1);
    (stack[0], depth)
}

fn check(mask: &Mask, length: usize) {
    let program = mask.program();
    for query in 0..length {
        for key in 0..length {
            let (bit, depth) = interpret(&program, query as u32, key as u32);
            assert_eq!(bit, mask.may_attend(query, key), "{mask}: query {query}, key {key}");
            assert!(depth <= 32);
        }
    }
}

#[test]
fn every_mask_of_the_registry() {
    for kind in MASKS {
        check(&(kind.example)(37), 41);
    }
    check(&Mask::custom(Array2::from_shape_fn((5, 35), |(t, s)| (3 * t + s) % 4 == 1)), 37);
}

#[test]
fn deep_masks_on_either_side_need_little_stack() {
    let [mut left, mut right] = [Mask::causal(), Mask::causal()];
    for size in 1..200 {
        left = left | (Mask::window(size).unwrap() & !Mask::global(size));
        right = (Mask::window(size).unwrap() & !Mask::global(size)) | right;
    }
    for mask in [&left, &right] {
        check(mask, 9);
        assert!(interpret(&mask.program(), 3, 4).1 <= 3);
    }
}

fn masks() -> impl Strategy<Value = Mask> {
    let leaf = (0..MASKS.len(), 1usize..20).prop_map(|(kind, size)| (MASKS[kind].example)(size));
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a & b),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a | b),
            inner.prop_map(|mask| !mask),
        ]
    })
}

proptest! {
    #[test]
    fn any_combination(mask in masks()) {
        check(&mask, 13);
    }
}

//! Masks: the registry, the text form, positions, padding, and what masks imply for the rank.

use proptest::prelude::*;
use rankscope::mask::{Allowed, MASKS, Mask, Padding, Positions, Theorem, Tile};
use rankscope::{Axis, Tensor};

#[test]
fn every_kind_on_the_registry_prints_what_it_parses_and_fits_its_length() {
    for kind in MASKS {
        for length in [1, 2, 7, 33] {
            let mask = (kind.example)(length);
            let text = mask.to_string();
            assert!(text.starts_with(kind.name), "{text}");
            assert_eq!(text.parse::<Mask>().unwrap(), mask, "{text}");
            assert_eq!((mask.name(), (!mask.clone()).name()), (Some(kind.name), None));
            mask.check(length).unwrap();
            assert_eq!(mask.facts(length).blind_queries, 0, "{text} over {length}");
        }
        assert!(!kind.summary.is_empty() && !kind.seen_in.is_empty(), "{}", kind.name);
    }
}

/// Pictures of 5 × 5 masks: one row for each query, `#` where it may attend.
fn picture(mask: &Mask) -> String {
    let row = |t| (0..5).map(|s| if mask.may_attend(t, s) { '#' } else { '.' }).collect::<String>();
    (0..5).map(row).collect::<Vec<_>>().join(" ")
}

#[test]
fn masks_look_as_they_should() {
    let cases = [
        ("bidirectional", "##### ##### ##### ##### #####"),
        ("causal", "#.... ##... ###.. ####. #####"),
        ("prefix(3)", "###.. ###.. ###.. ####. #####"),
        ("window(2)", "#.... ##... .##.. ..##. ...##"),
        ("two-sided-window(2)", "##... ###.. .###. ..### ...##"),
        ("anti-causal", "##### .#### ..### ...## ....#"),
        ("dilated(1, 2)", "#.#.. .#.#. #.#.# .#.#. ..#.#"),
        ("strided(2)", "#.... ##... ###.. .###. #.###"),
        ("global(1) | window(2)", "##### ##... ###.. #.##. #..##"),
        ("padding(3) & causal", "#.... ##... ###.. ###.. ###.."),
        ("random(0, 3)", "#.... .#... ..#.. ...#. ....#"),
        ("blocks(2, 3)", "##... ##... ..### ..### ..###"),
        ("!causal", ".#### ..### ...## ....# ....."),
        ("causal & blocks(2, 3)", "#.... ##... ..#.. ..##. ..###"),
        ("window(1) | prefix(2)", "##... ##... ###.. ####. #####"),
        ("causal & !window(2)", "..... ..... #.... ##... ###.."),
    ];
    for (text, expected) in cases {
        assert_eq!(picture(&text.parse().unwrap()), expected, "{text}");
    }
}

#[test]
fn operators_bind_as_usual() {
    let [a, b, c] = [Mask::causal(), Mask::prefix(2), Mask::window(3).unwrap()];
    let text = |mask: Mask| mask.to_string();
    assert_eq!(text(a.clone() | b.clone() & c.clone()), "causal | prefix(2) & window(3)");
    assert_eq!(text((a.clone() | b.clone()) & c.clone()), "(causal | prefix(2)) & window(3)");
    assert_eq!(text(a.clone() | (b.clone() | c.clone())), "causal | (prefix(2) | window(3))");
    assert_eq!(text(!(a & b) & !c), "!(causal & prefix(2)) & !window(3)");
    assert_eq!("prefix:4".parse::<Mask>().unwrap(), Mask::prefix(4));
}

#[test]
fn parse_errors_say_where_and_what() {
    let cases = [
        ("", "character 1, is the end, expected one of bidirectional, causal,"),
        ("casual", "character 1, is \"casual\", expected one of bidirectional, causal,"),
        ("causal &", "character 9, is the end, expected one of"),
        ("causal window(2)", "character 8, is \"window(2)\", expected the end, '&' or '|'"),
        ("prefix(x)", "character 8, is \"x)\", expected a whole number"),
        ("prefix(4", "character 9, is the end, expected ')'"),
        ("prefix", "prefix(length): mask parameters is [], expected one number"),
        ("causal(3)", "causal: mask parameters is [3], expected no number"),
        ("window(0)", "window is 0, expected at least 1"),
        ("blocks(2,0)", "block lengths is [2, 0], expected one or more lengths, each at least 1"),
        ("prefix(99999999999999999999999)", "expected a whole number of at most 2^31"),
        ("random(101, 1)", "random mask is 101 percent, expected at most 100"),
        ("dilated(3, 0)", "expected a step of at least 1"),
        ("dilated(3)", "dilated(count, step): mask parameters is [3], expected two numbers"),
        ("strided(0)", "stride is 0, expected at least 1"),
    ];
    for (text, expected) in cases {
        let error = text.parse::<Mask>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should contain {expected:?}");
    }
    let nested = |signs: usize| format!("{}causal", "!".repeat(signs)).parse::<Mask>();
    assert_eq!(nested(63).unwrap().may_attend(1, 2), !Mask::causal().may_attend(1, 2));
    assert!(nested(64).unwrap_err().to_string().contains("mask nesting is 65, expected at most 64 levels"));
    let deep = "!".repeat(100_000);
    assert!(deep[..4000].parse::<Mask>().unwrap_err().to_string().contains("mask nesting"));
    assert!(deep.parse::<Mask>().unwrap_err().to_string().contains("mask text length"));
}

#[test]
fn theorems_about_the_exact_rank() {
    let rank = |text: &str, length| text.parse::<Mask>().unwrap().exact_rank(length);
    for text in ["causal", "window(3)", "window(1)", "causal & blocks(4, 5)"] {
        assert_eq!(rank(text, 9).rank, Some(9), "{text}");
    }
    for text in ["bidirectional", "prefix(4)", "two-sided-window(3)", "blocks(4, 5)"] {
        assert_eq!(rank(text, 9).rank, None, "{text}: {}", rank(text, 9).reason);
    }
    // Strictly causal: the first query sees no key, and no query sees the last key.
    assert_eq!(rank("causal & !window(1)", 9).rank, Some(8));
    assert_eq!(rank("prefix(1)", 9).rank, Some(9), "a prefix of one is causal");
}

#[test]
fn cached_decoding_is_the_last_row_of_a_full_pass() {
    for text in ["causal", "prefix(3)", "window(4)", "blocks(5, 6)"] {
        let mask: Mask = text.parse().unwrap();
        let full = Allowed::new(&mask, 1, 11, 11, Positions::suffix(11, 11).unwrap(), None).unwrap();
        let step = Allowed::new(&mask, 1, 1, 11, Positions::suffix(1, 11).unwrap(), None).unwrap();
        assert_eq!(full.row(0, 0, 10), step.row(0, 0, 0), "{text}");
        let chunk = Allowed::new(&mask, 1, 3, 11, Positions::suffix(3, 11).unwrap(), None).unwrap();
        assert!((0..3).all(|t| full.row(0, 0, 8 + t) == chunk.row(0, 0, t)), "{text}");
    }
    let error = Positions::suffix(12, 11).unwrap_err().to_string();
    assert_eq!(error, "number of queries is 12, expected at most the 11 keys");
}

#[test]
fn heads_may_have_masks_of_their_own() {
    let mask: Mask = "heads(causal, anti-causal, window(1)) & padding(4)".parse().unwrap();
    assert_eq!(mask.to_string(), "heads(causal, anti-causal, window(1)) & padding(4)");
    assert!(mask.differs_by_head() && !mask.for_head(0, 3).differs_by_head());
    let shares: Vec<String> = (0..7).map(|head| mask.for_head(head, 7).to_string()).collect();
    let [back, ahead, own] =
        ["causal", "anti-causal", "window(1)"].map(|mask| format!("{mask} & padding(4)"));
    assert_eq!(shares, [&back, &back, &back, &ahead, &ahead, &own, &own].map(String::clone));
    let allowed = Allowed::new(&mask, 3, 5, 5, Positions::suffix(5, 5).unwrap(), None).unwrap();
    assert_eq!((allowed.batch(), allowed.heads()), (None, Some(3)));
    assert!(allowed.get(0, 0, 3, 1) && !allowed.get(0, 1, 3, 1) && allowed.get(0, 1, 1, 3));
    assert_eq!(Allowed::from_tensor(&allowed.to_tensor()).unwrap(), allowed);
    let error = "heads(causal, )".parse::<Mask>().unwrap_err().to_string();
    assert!(error.contains("character 15, is \")\", expected one of"), "{error}");
}

#[test]
fn padding_is_intersected_and_a_probe_gets_back_what_it_was_given() {
    let real: Vec<bool> = (0..2 * 37).map(|i| i % 37 < 30 || i < 37).collect();
    let padding = Padding::new(real, 37).unwrap();
    let at = Positions::suffix(5, 37).unwrap();
    let allowed = Allowed::new(&Mask::causal(), 3, 5, 37, at, Some(&padding)).unwrap();
    assert_eq!(allowed.batch(), Some(2));
    assert!(allowed.get(0, 2, 4, 36) && !allowed.get(1, 2, 4, 36) && !allowed.get(0, 2, 3, 36));
    assert_eq!(Allowed::from_tensor(&allowed.to_tensor()).unwrap(), allowed);
    let half = Tensor::new([(Axis::Query, 1), (Axis::Key, 2)], vec![0.5, 1.0]).unwrap();
    let error = Allowed::from_tensor(&half).unwrap_err().to_string();
    assert_eq!(error, "mask entry is 0.5, expected 0 (may not attend) or 1 (may attend)");
    let error = Padding::new(vec![true; 5], 3).unwrap_err().to_string();
    assert_eq!(error, "padding length is 5, expected a multiple of S = 3");
}

fn any_mask() -> impl Strategy<Value = Mask> {
    let leaf = prop_oneof![
        Just(Mask::bidirectional()),
        Just(Mask::causal()),
        (0..9usize).prop_map(Mask::prefix),
        (1..9usize).prop_map(|size| Mask::window(size).unwrap()),
        (1..9usize).prop_map(|size| Mask::two_sided_window(size).unwrap()),
        Just(Mask::anti_causal()),
        (0..4usize, 1..4usize).prop_map(|(count, step)| Mask::dilated(count, step).unwrap()),
        (1..5usize).prop_map(|stride| Mask::strided(stride).unwrap()),
        (0..5usize).prop_map(Mask::global),
        (0..=100usize, 0..9usize).prop_map(|(percent, seed)| Mask::random(percent, seed).unwrap()),
        (0..9usize).prop_map(Mask::padding),
        prop::collection::vec(1..5usize, 1..4).prop_map(|lengths| Mask::blocks(&lengths).unwrap()),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a & b),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a | b),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Mask::heads([a, b]).unwrap()),
            inner.prop_map(|mask| !mask),
        ]
    })
}

/// Every mask can be printed and read again, and no number is too large for the arithmetic.
#[test]
fn huge_numbers_are_as_good_as_no_limit_or_refused() {
    let huge = usize::MAX;
    for mask in [Mask::window(huge), Mask::two_sided_window(huge), Mask::strided(huge)].map(Result::unwrap) {
        assert!(mask.may_attend(1 << 20, 0) && mask.tile(&(100..200), &(0..50)) == Tile::Full, "{mask}");
        assert_eq!(mask.to_string().parse::<Mask>().unwrap(), mask);
    }
    for mask in [Mask::prefix(huge), Mask::global(huge), Mask::padding(huge)] {
        assert_eq!(mask.tile(&(0..9), &(100..200)), Tile::Full, "{mask}");
        assert_eq!(mask.to_string().parse::<Mask>().unwrap(), mask);
    }
    assert!(Mask::blocks(&[huge, 1]).unwrap_err().to_string().starts_with("sum of the block lengths"));
    assert!(Mask::random(30, huge).unwrap_err().to_string().starts_with("seed of a random mask"));
}

#[test]
fn strided_attention_reaches_back_in_strides() {
    // Distances 0, 1, 2 (the last three keys), then 3, 6, 9.
    let mask = Mask::strided(3).unwrap();
    let seen: Vec<usize> = (0..=10).filter(|&key| mask.may_attend(10, key)).map(|key| 10 - key).collect();
    assert_eq!(seen, [9, 6, 3, 2, 1, 0]);
}

#[test]
fn random_masks_are_reproducible_and_as_dense_as_asked() {
    let pairs = |mask: Mask| mask.facts(60).pairs;
    let drawn = |seed| Mask::random(30, seed).unwrap();
    assert_eq!(drawn(5).pattern(60), drawn(5).pattern(60));
    assert_ne!(drawn(5).pattern(60), drawn(6).pattern(60));
    // 60 self-loops, and 30 % of 3540 pairs: 1062, with a standard deviation of 27.
    for seed in 0..5 {
        assert!(pairs(drawn(seed)).abs_diff(60 + 1062) < 5 * 27, "{}", pairs(drawn(seed)));
    }
    assert_eq!(pairs(Mask::random(100, 1).unwrap()), 3600);
}

#[test]
fn facts_about_graphs() {
    let facts = |text: &str| text.parse::<Mask>().unwrap().facts(7);
    let names = |text: &str| facts(text).theorems;
    use Theorem::*;
    assert_eq!(names("causal"), [TriangularNonsingular, CollapsesWithDepth]);
    assert_eq!(names("anti-causal"), [TriangularNonsingular, CollapsesWithDepth]);
    assert_eq!(names("window(2)"), [TriangularNonsingular, CollapsesWithDepth]);
    assert_eq!(names("bidirectional"), [CollapsesWithDepth]);
    assert_eq!(names("window(1)"), [TriangularNonsingular], "the identity mixes nothing");
    assert_eq!(names("blocks(3, 4)"), [], "two parts that never meet");
    assert_eq!(names("causal & !window(1)"), [Nilpotent]);
    assert_eq!(names("!two-sided-window(7)"), [Nilpotent], "the empty mask");
    assert!(facts("two-sided-window(2)").strongly_connected);
    assert!(!facts("prefix(3)").strongly_connected && facts("prefix(3)").has_common_source);
    assert!(!facts("blocks(3, 4)").has_common_source);
    assert_eq!(facts("causal & !window(1)").blind_queries, 1);
    // All positions see position 6, which sees only itself; in reverse order the pattern is triangular.
    let mut star = Mask::window(1).unwrap().pattern(7);
    star.column_mut(6).fill(true);
    star[[2, 5]] = true;
    star[[5, 0]] = true;
    assert_eq!(Mask::custom(star).facts(7).theorems, [PermutedTriangularNonsingular, CollapsesWithDepth]);
}

proptest! {
    #[test]
    fn tiles_agree_with_the_pairs_in_them(
        mask in any_mask().prop_map(|mask| mask.for_head(0, 2)), queries in (0..20usize, 1..9usize), keys in (0..20usize, 1..9usize)
    ) {
        let (queries, keys) = (queries.0..queries.0 + queries.1, keys.0..keys.0 + keys.1);
        let mut pairs = queries.clone().flat_map(|query| keys.clone().map(move |key| (query, key)));
        match mask.tile(&queries, &keys) {
            Tile::Full => prop_assert!(pairs.all(|(query, key)| mask.may_attend(query, key))),
            Tile::Empty => prop_assert!(!pairs.any(|(query, key)| mask.may_attend(query, key))),
            Tile::Mixed => {}
        }
    }

    #[test]
    fn connectivity_agrees_with_transitive_closure(mask in any_mask()) {
        let pattern = mask.pattern(6);
        let mut reach = pattern.clone();
        (0..6).for_each(|at| reach[[at, at]] = true);
        for (middle, from, to) in (0..216).map(|i| (i / 36, i / 6 % 6, i % 6)) {
            reach[[from, to]] |= reach[[from, middle]] && reach[[middle, to]];
        }
        let facts = mask.facts(6);
        let is_source = |to: usize| (0..6).all(|from| reach[[from, to]]);
        prop_assert_eq!(facts.has_common_source, (0..6).any(is_source));
        prop_assert_eq!(facts.strongly_connected, (0..6).all(is_source));
    }

    #[test]
    fn printing_and_parsing_are_inverse(mask in any_mask()) {
        prop_assert_eq!(mask.to_string().parse::<Mask>().unwrap(), mask);
    }

    #[test]
    fn bits_say_what_the_rule_says(mask in any_mask(), queries in 1..6usize, more in 0..70usize) {
        let keys = queries + more;
        prop_assume!(mask.check(keys).is_ok());
        let at = Positions::suffix(queries, keys).unwrap();
        let allowed = Allowed::new(&mask, 2, queries, keys, at, None).unwrap();
        for query in 0..queries {
            for key in 0..keys {
                prop_assert_eq!(allowed.get(0, 1, query, key), mask.for_head(1, 2).may_attend(more + query, key));
            }
        }
        let spare = keys.div_ceil(32) * 32 - keys;
        prop_assert!((0..queries).all(|t| allowed.row(0, 1, t).last().unwrap().leading_zeros() as usize >= spare));
    }

    #[test]
    fn de_morgan(a in any_mask(), b in any_mask(), head in 0..5usize, query in 0..12usize, key in 0..12usize) {
        let (a, b) = (a.for_head(head, 5), b.for_head(head, 5));
        let (left, right) = (!(a.clone() & b.clone()), !a | !b);
        prop_assert_eq!(left.may_attend(query, key), right.may_attend(query, key));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[a-z0-9:,()&|! -]{0,40}") {
        let _ = text.parse::<Mask>();
    }
}

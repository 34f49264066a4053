//! The mask language: a parsed mask can be printed, the printed text parses to the same mask, and nothing panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rankscope::Mask;
use rankscope::mask::{Allowed, Positions, Tile};
use rankscope_fuzz::checked;

/// Positions to try a mask on: few, since some facts take cubic time.
const LENGTHS: [usize; 4] = [0, 1, 5, 11];

fuzz_target!(|text: &str| {
    let Some(mask) = checked(Mask::parse(text)) else { return };
    let printed = mask.to_string();
    // The printed text is written out in full, so it may be longer than the longest allowed text.
    if let Ok(again) = Mask::parse(&printed) {
        assert_eq!(again, mask, "{printed}");
    } else {
        assert!(printed.len() > 4096, "{printed} does not parse");
    }
    for length in LENGTHS {
        if checked(mask.check(length)).is_some() {
            examine(&mask, length);
        }
    }
    // Positions near the largest possible one: nothing may overflow.
    let far = (1 << 31) - 3;
    mask.may_attend(far, far - 1);
    mask.tile(&(far - 2..far), &(0..far));
});

fn examine(mask: &Mask, length: usize) {
    let facts = mask.facts(length);
    let pattern = mask.pattern(length);
    assert_eq!(facts.pairs, pattern.iter().filter(|&&allowed| allowed).count());
    let (queries, keys) = (length / 3..length, 0..length.div_ceil(2));
    let any = |wanted: bool| {
        queries.clone().any(|query| keys.clone().any(|key| mask.may_attend(query, key) == wanted))
    };
    match mask.tile(&queries, &keys) {
        Tile::Empty => assert!(!any(true), "{mask} is not empty"),
        Tile::Full => assert!(!any(false), "{mask} is not full"),
        Tile::Mixed => {}
    }
    let at = Positions::suffix(queries.len(), length).expect("fewer queries than keys");
    let heads = 3;
    let allowed = Allowed::new(mask, heads, queries.len(), length, at, None).expect("the mask was checked");
    for head in 0..heads {
        let pattern = mask.for_head(head, heads).pattern(length);
        for (query, key) in (0..queries.len()).flat_map(|query| (0..length).map(move |key| (query, key))) {
            assert_eq!(allowed.get(0, head, query, key), pattern[[at.first_query + query, key]], "{mask}");
        }
    }
}

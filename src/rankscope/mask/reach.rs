//! [`Reach`]: masks under which every query sees one contiguous range of keys, for attention of linear cost.

use super::{Mask, Rule};

/// The keys that a query sees, where they are all keys up to some place, or all from some place on.
///
/// Sums over such keys can be updated from query to query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The keys up to the query and, for every query, the first keys, as many as the number says: causal for 0, a
    /// prefix-LM in between, bidirectional from the number of keys on.
    UpTo(usize),
    /// The query and the keys after it.
    From,
}

impl Reach {
    /// The keys, of `keys`, that the query at position `query` sees.
    pub fn range(self, query: usize, keys: usize) -> std::ops::Range<usize> {
        match self {
            Reach::UpTo(prefix) => 0..prefix.max(query + 1).min(keys),
            Reach::From => query.min(keys)..keys,
        }
    }

    /// The queries, of `queries` from position `first` on, that see `key`; counted from the first of them.
    pub fn seen_by(self, key: usize, first: usize, queries: usize) -> std::ops::Range<usize> {
        match self {
            Reach::UpTo(prefix) if key < prefix => 0..queries,
            Reach::UpTo(_) => key.saturating_sub(first).min(queries)..queries,
            Reach::From => 0..(key + 1).saturating_sub(first).min(queries),
        }
    }
}

impl Mask {
    /// The mask as a [`Reach`] over `keys` keys, if it is one: bidirectional, causal, anti-causal and prefix
    /// masks are. Where the mask differs by head, call [`for_head`](Mask::for_head) first.
    ///
    /// ```
    /// use rankscope::mask::{Mask, Reach};
    /// assert_eq!(Mask::causal().reach(9), Some(Reach::UpTo(0)));
    /// assert_eq!(Mask::bidirectional().reach(9), Some(Reach::UpTo(9)));
    /// assert_eq!(Mask::window(3)?.reach(9), None);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn reach(&self, keys: usize) -> Option<Reach> {
        match &self.0 {
            Rule::Bidirectional => Some(Reach::UpTo(keys)),
            Rule::Causal => Some(Reach::UpTo(0)),
            Rule::Prefix(length) => Some(Reach::UpTo(*length.min(&keys))),
            Rule::AntiCausal => Some(Reach::From),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_seen_by_the_queries_that_see_it() {
        for reach in [Reach::UpTo(0), Reach::UpTo(3), Reach::UpTo(7), Reach::From] {
            for (first, queries, keys) in [(0, 7, 7), (2, 4, 7), (0, 3, 7), (5, 4, 7), (9, 2, 7)] {
                for key in 0..keys {
                    let sees = |query: &usize| reach.range(first + query, keys).contains(&key);
                    let expected: Vec<usize> = (0..queries).filter(sees).collect();
                    let got: Vec<usize> = reach.seen_by(key, first, queries).collect();
                    assert_eq!(got, expected, "{reach:?}, {first}, {queries}, {key}");
                }
            }
        }
    }
}

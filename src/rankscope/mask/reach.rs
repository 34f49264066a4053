//! [`Reach`]: masks under which every query sees one run of keys, for attention of linear cost.

use super::{Mask, Rule};

/// The keys that a query sees, where they are all keys up to some place, or all from some place on.
///
/// Sums over such keys can be carried along from query to query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The keys up to the query and, always, the first so many: causal for 0, a prefix-LM in between,
    /// bidirectional from the number of keys on.
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
}

impl Mask {
    /// The mask as a [`Reach`] over `keys` keys, if it is one: bidirectional, causal, anti-causal and prefix
    /// masks are. Where heads have masks of their own, ask [`for_head`](Mask::for_head) first.
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

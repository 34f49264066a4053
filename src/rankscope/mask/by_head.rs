//! Masks that differ from head to head.

use std::sync::Arc;

use super::{Mask, Rule};
use crate::error::{Error, Result};

impl Mask {
    /// A mask for each head: the heads are divided evenly among `masks`, in order, so that head h of H uses masks\[⌊h ·
    /// count / H⌋\].
    ///
    /// # Errors
    /// [`Error::Invalid`] if `masks` is empty.
    ///
    /// ```
    /// use rankscope::Mask;
    /// let mixed = Mask::heads([Mask::causal(), Mask::anti_causal()])?;
    /// assert_eq!(mixed.for_head(2, 6), Mask::causal());
    /// assert_eq!(mixed.for_head(3, 6), Mask::anti_causal());
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn heads(masks: impl Into<Arc<[Mask]>>) -> Result<Self> {
        let masks = masks.into();
        if masks.is_empty() {
            return Err(Error::invalid("number of masks for heads", 0, "at least 1"));
        }
        Ok(Mask(Rule::Heads(masks)))
    }

    /// Half of the heads look back and half look ahead: `heads(causal, anti-causal)`.
    pub fn mixed_direction() -> Self {
        Mask(Rule::Heads([Mask::causal(), Mask::anti_causal()].into()))
    }

    /// Whether each of `heads` heads has the same mask in both, however the two are written.
    ///
    /// ```
    /// use rankscope::Mask;
    /// assert!(Mask::heads([Mask::causal()])?.is_same(&Mask::causal(), 6));
    /// assert!(!Mask::mixed_direction().is_same(&Mask::causal(), 6));
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn is_same(&self, other: &Mask, heads: usize) -> bool {
        (0..heads).all(|head| self.for_head(head, heads) == other.for_head(head, heads))
    }

    /// The mask of head `head` of `heads`: the whole mask, unless it differs by head.
    ///
    /// ```
    /// use rankscope::Mask;
    /// let turned = !Mask::mixed_direction();
    /// assert_eq!(turned.for_head(0, 2), !Mask::causal());
    /// assert!(turned.for_head(0, 2).may_attend(1, 4)); // a later key, in the head that looks back without `!`
    /// assert!(!turned.may_attend(1, 4)); // for all heads together: allowed where no head of the mask may attend
    /// ```
    pub fn for_head(&self, head: usize, heads: usize) -> Mask {
        let of = |mask: &Mask| mask.for_head(head, heads);
        match &self.0 {
            Rule::Heads(masks) => of(&masks[(head * masks.len() / heads.max(1)).min(masks.len() - 1)]),
            Rule::And(pair) => of(&pair.0) & of(&pair.1),
            Rule::Or(pair) => of(&pair.0) | of(&pair.1),
            Rule::Not(mask) => !of(mask),
            _ => self.clone(),
        }
    }

    /// The smallest number of heads with which every mask of the heads is in use: 1 if all heads share a mask.
    pub fn head_groups(&self) -> usize {
        /// The least common multiple, so that it is a multiple of the number on both sides of an operator.
        fn common(a: usize, b: usize) -> usize {
            let (mut x, mut y) = (a, b);
            while y > 0 {
                (x, y) = (y, x % y);
            }
            (a / x).saturating_mul(b)
        }
        match &self.0 {
            Rule::Heads(masks) => {
                masks.iter().fold(masks.len(), |count, mask| common(count, mask.head_groups()))
            }
            Rule::And(pair) | Rule::Or(pair) => common(pair.0.head_groups(), pair.1.head_groups()),
            Rule::Not(mask) => mask.head_groups(),
            _ => 1,
        }
    }

    /// Whether the mask can differ by head.
    pub fn differs_by_head(&self) -> bool {
        match &self.0 {
            Rule::Heads(_) => true,
            Rule::And(pair) | Rule::Or(pair) => pair.0.differs_by_head() || pair.1.differs_by_head(),
            Rule::Not(mask) => mask.differs_by_head(),
            _ => false,
        }
    }
}

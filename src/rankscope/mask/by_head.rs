//! Masks that differ from head to head.

use std::sync::Arc;

use super::{Mask, Rule};
use crate::error::{Error, Result};

impl Mask {
    /// A mask of its own for every head: the heads are shared out evenly among `masks`, in order, so
    /// that head h of H uses masks\[⌊h · count / H⌋\].
    ///
    /// # Errors
    /// [`Error::Invalid`] for no masks.
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

    /// Whether each of `heads` heads has here the mask that it has in `other`, however the two are written.
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

    /// The mask of head `head` of `heads`: itself, unless heads have masks of their own.
    ///
    /// ```
    /// use rankscope::Mask;
    /// let turned = !Mask::mixed_direction();
    /// assert_eq!(turned.for_head(0, 2), !Mask::causal());
    /// assert!(turned.for_head(0, 2).may_attend(1, 4)); // ahead, in the head that otherwise looks back
    /// assert!(!turned.may_attend(1, 4)); // as a whole, it is where no head of the mask may
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

    /// How many heads show every mask of their own that heads have: 1 if they share one.
    pub fn head_groups(&self) -> usize {
        /// The least common multiple, so that both sides of an operator come out even.
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

    /// Whether heads have masks of their own.
    pub fn differs_by_head(&self) -> bool {
        match &self.0 {
            Rule::Heads(_) => true,
            Rule::And(pair) | Rule::Or(pair) => pair.0.differs_by_head() || pair.1.differs_by_head(),
            Rule::Not(mask) => mask.differs_by_head(),
            _ => false,
        }
    }
}

//! What a mask implies: facts about its graph, and the theorems whose conditions the facts meet.
//!
//! The graph has an edge from each query to every key that it may attend to.

use ndarray::{ArrayView1, ArrayView2};
use serde::Serialize;

use super::{ExactRank, Mask, exact_rank};

/// Facts about a mask over a number of positions, all computed from its pattern.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// n, the number of positions.
    pub positions: usize,
    /// The number of allowed pairs, of n².
    pub pairs: usize,
    /// Every position may attend to itself.
    pub self_loops: bool,
    /// Positions that may attend to nothing: their rows of weights are zero.
    pub blind_queries: usize,
    /// No key after its query.
    pub lower_triangular: bool,
    /// No key before its query.
    pub upper_triangular: bool,
    /// Triangular without any self-loop.
    pub strictly_triangular: bool,
    /// Any two positions reach each other along the edges: over many layers, information flows everywhere.
    pub strongly_connected: bool,
    /// All positions reach some common position along the edges: over many layers, its information spreads to all.
    pub has_common_source: bool,
    /// The rank by theorem, where there is one.
    #[serde(flatten)]
    pub exact_rank: ExactRank,
    /// The theorems that apply.
    pub theorems: Vec<Theorem>,
}

/// A theorem about attention under a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theorem {
    /// Triangular with a positive diagonal: det A = Π aᵢᵢ > 0, the eigenvalues are the diagonal.
    TriangularNonsingular,
    /// Rows and columns can be reordered to make it triangular: |det A| is a product of single weights.
    PermutedTriangularNonsingular,
    /// Strictly triangular: every eigenvalue is 0 and Aⁿ = 0.
    Nilpotent,
    /// Self-loops and a common source: pure attention, stacked, tends to equal tokens exponentially
    /// in depth, for bounded scores (Wu et al. 2024, arXiv 2405.18781).
    CollapsesWithDepth,
}

impl Theorem {
    /// What it says about the weights, in one sentence.
    pub fn statement(self) -> &'static str {
        match self {
            Theorem::TriangularNonsingular => {
                "triangular with a positive diagonal: of full rank, with the diagonal as eigenvalues"
            }
            Theorem::PermutedTriangularNonsingular => {
                "a permutation makes it triangular with a nonzero diagonal: of full rank"
            }
            Theorem::Nilpotent => "strictly triangular: every eigenvalue is 0, and the n-th power vanishes",
            Theorem::CollapsesWithDepth => {
                "stacked without skips, it draws all tokens together, exponentially in depth"
            }
        }
    }
}

impl Mask {
    /// The facts about this mask over positions `0..length`.
    ///
    /// ```
    /// use rankscope::mask::{Mask, Theorem};
    /// let facts = Mask::causal().facts(6);
    /// assert!(facts.self_loops && facts.lower_triangular && !facts.strongly_connected);
    /// assert_eq!(facts.theorems, [Theorem::TriangularNonsingular, Theorem::CollapsesWithDepth]);
    /// ```
    pub fn facts(&self, length: usize) -> Facts {
        let pattern = self.pattern(length);
        let pattern = pattern.view();
        let holds = |rule: fn(usize, usize) -> bool| {
            pattern.indexed_iter().all(|((query, key), &allowed)| !allowed || rule(query, key))
        };
        let self_loops = pattern.diag().iter().all(|&allowed| allowed);
        let is_blind = |row: &ArrayView1<bool>| !row.iter().any(|&allowed| allowed);
        let blind_queries = pattern.rows().into_iter().filter(is_blind).count();
        let sources = common_sources(pattern);
        let mut facts = Facts {
            positions: length,
            pairs: pattern.iter().filter(|&&allowed| allowed).count(),
            self_loops,
            blind_queries,
            lower_triangular: holds(|query, key| key <= query),
            upper_triangular: holds(|query, key| key >= query),
            strictly_triangular: holds(|query, key| key < query) || holds(|query, key| key > query),
            strongly_connected: sources.len() == length,
            has_common_source: !sources.is_empty(),
            exact_rank: exact_rank(pattern),
            theorems: Vec::new(),
        };
        facts.theorems = theorems(&facts);
        facts
    }
}

fn theorems(facts: &Facts) -> Vec<Theorem> {
    let triangular = (facts.lower_triangular || facts.upper_triangular) && facts.self_loops;
    let nonsingular = facts.exact_rank.rank == Some(facts.positions);
    let applies = [
        (Theorem::TriangularNonsingular, triangular),
        (Theorem::PermutedTriangularNonsingular, nonsingular && !triangular),
        (Theorem::Nilpotent, facts.strictly_triangular),
        (Theorem::CollapsesWithDepth, facts.self_loops && facts.has_common_source),
    ];
    applies.into_iter().filter_map(|(theorem, applies)| applies.then_some(theorem)).collect()
}

/// The positions that every position reaches along the edges; all of them if strongly connected.
fn common_sources(pattern: ArrayView2<bool>) -> Vec<usize> {
    let length = pattern.nrows();
    // Search against the edges: a position that reaches all others this way is reached from all. If there is such a
    // position, the last one that starts a new search here is one too (the algorithm for a mother vertex).
    let mut visited = vec![false; length];
    let mut candidate = None;
    for start in 0..length {
        if !visited[start] {
            candidate = Some(start);
            reach(pattern.t(), start, &mut visited);
        }
    }
    let is_source = |start: &usize| {
        let mut seen = vec![false; length];
        reach(pattern.t(), *start, &mut seen);
        seen.iter().all(|&seen| seen)
    };
    let Some(source) = candidate.filter(is_source) else { return Vec::new() };
    // The other common sources are the positions that this one reaches along the edges.
    let mut reached = vec![false; length];
    reach(pattern, source, &mut reached);
    (0..length).filter(|&position| reached[position]).collect()
}

/// Marks `start` and every unmarked position that can be reached from it along the edges.
fn reach(edges: ArrayView2<bool>, start: usize, seen: &mut [bool]) {
    let mut stack = vec![start];
    seen[start] = true;
    while let Some(at) = stack.pop() {
        for (next, &edge) in edges.row(at).iter().enumerate() {
            if edge && !seen[next] {
                seen[next] = true;
                stack.push(next);
            }
        }
    }
}

//! A whole log against heads that somebody kept.
//!
//! Role: takes the entries in order, rebuilds the tree from nothing else, and compares at each size for which there is a
//! head. Invariant: memory is that of the heads and one hash a bit of the size.
//! Failure story: a head that the log does not bear out has its [`Verdict`].

use std::collections::BTreeMap;

use crate::{Hash, Head};

/// What became of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The log up to its size is what was signed.
    Held,
    /// It is something else.
    Differs {
        /// The root that was computed instead.
        computed: Hash,
    },
    /// The log is shorter.
    Missing {
        /// How many entries it has.
        size: u64,
    },
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many entries there are.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Each head with its verdict, in the order in which they were given.
    pub heads: Vec<(Head, Verdict)>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Audit {
    kept: Vec<Head>,
    /// The roots at the sizes of the heads.
    roots: BTreeMap<u64, Option<Hash>>,
    size: u64,
    /// Complete subtrees from the left, each smaller than the one before.
    peaks: Vec<Hash>,
}

impl Audit {
    /// An audit against these heads.
    pub fn new(kept: Vec<Head>) -> Self {
        let mut roots: BTreeMap<u64, Option<Hash>> =
            kept.iter().map(|head| (head.size, None)).collect();
        if let Some(root) = roots.get_mut(&0) {
            *root = Some(Hash::of_nothing());
        }
        Self {
            kept,
            roots,
            size: 0,
            peaks: Vec::new(),
        }
    }

    /// The next entry.
    pub fn entry(&mut self, entry: &[u8]) {
        let mut hash = Hash::of_leaf(entry);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = Hash::of_children(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
        if self.roots.contains_key(&self.size) {
            self.roots.insert(self.size, Some(self.root()));
        }
    }

    fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return Hash::of_nothing();
        };
        peaks.fold(*last, |right, left| Hash::of_children(left, &right))
    }

    /// The end.
    pub fn finish(self) -> Outcome {
        let (size, root, roots) = (self.size, self.root(), self.roots);
        let judged = |head: Head| {
            let verdict = match roots.get(&head.size).copied().flatten() {
                Some(root) if root == head.root => Verdict::Held,
                Some(computed) => Verdict::Differs { computed },
                None => Verdict::Missing { size },
            };
            (head, verdict)
        };
        Outcome {
            size,
            root,
            heads: self.kept.into_iter().map(judged).collect(),
        }
    }
}

//! Blocks of one address family, ordered so that overlapping blocks are neighbours.

use std::iter;

/// No enclosing block.
const NONE: u32 = u32::MAX;

/// CIDR blocks, sorted by first address, the wider one first. Two CIDR blocks are disjoint or
/// one contains the other. So the blocks inside a query are neighbours in this order, and the blocks that contain it
/// form a chain of at most one block per prefix length, with its equals.
#[derive(Clone, Debug)]
pub(crate) struct BlockIndex<T> {
    blocks: Vec<Block<T>>,
    /// Blocks that no other one encloses: together all that is taken, ascending and disjoint.
    roots: Vec<(T, T)>,
}

#[derive(Clone, Copy, Debug)]
struct Block<T> {
    first: T,
    last: T,
    /// The caller's id of the block.
    id: u32,
    /// Position of the narrowest block that is wider and encloses this one; the last of its equals.
    up: u32,
}

impl<T: Copy + Ord> BlockIndex<T> {
    /// From `(first, last, id)`, in any order; `tie` orders equal blocks. At most 2^32 - 1 blocks.
    pub(crate) fn new(
        blocks: impl Iterator<Item = (T, T, u32)>,
        tie: impl Fn(u32, u32) -> std::cmp::Ordering,
    ) -> Self {
        let mut blocks: Vec<_> =
            blocks.map(|(first, last, id)| Block { first, last, id, up: NONE }).collect();
        blocks.sort_unstable_by(|a, b| {
            a.first.cmp(&b.first).then(b.last.cmp(&a.last)).then_with(|| tie(a.id, b.id))
        });
        let roots = link(&mut blocks);
        Self { blocks, roots }
    }

    /// All taken ranges, ascending and disjoint.
    pub(crate) fn roots(&self) -> &[(T, T)] {
        &self.roots
    }

    /// True iff no block shares an address with `first..=last`.
    pub(crate) fn is_free(&self, first: T, last: T) -> bool {
        // Roots are disjoint and ascending: only the first that does not end before the query can overlap it.
        let at = self.roots.partition_point(|root| root.1 < first);
        self.roots.get(at).is_none_or(|root| root.0 > last)
    }

    /// Ids of all blocks that overlap a block: those around it, narrowest first, then its equals and those
    /// inside, ascending.
    pub(crate) fn overlapping(&self, first: T, last: T) -> impl Iterator<Item = u32> + '_ {
        let (from, to) = self.inside(first, last);
        self.around(from, first, last).chain(self.blocks[from..to].iter().map(|block| block.id))
    }

    /// Number of blocks that [`BlockIndex::overlapping`] names, without going through those inside.
    pub(crate) fn count_overlapping(&self, first: T, last: T) -> usize {
        let (from, to) = self.inside(first, last);
        self.around(from, first, last).count() + (to - from)
    }

    /// Positions of the blocks that equal a block or lie inside it.
    fn inside(&self, first: T, last: T) -> (usize, usize) {
        let before = |block: &Block<T>| block.first < first || (block.first == first && block.last > last);
        let from = self.blocks.partition_point(before);
        (from, from + self.blocks[from..].partition_point(|block| block.first <= last))
    }

    /// Pairs of overlapping blocks, the narrower one (of equals the later one) first.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.blocks
            .iter()
            .enumerate()
            .flat_map(|(at, block)| self.around(at, block.first, block.last).map(|other| (block.id, other)))
    }

    /// Ids of the blocks before position `at` that enclose a block inserted there.
    fn around(&self, at: usize, first: T, last: T) -> impl Iterator<Item = u32> + '_ {
        let start = at.checked_sub(1);
        iter::successors(start, |&at| {
            usize::try_from(self.blocks[at].up).ok().filter(|_| self.blocks[at].up != NONE)
        })
        .filter(move |&at| self.blocks[at].first <= first && last <= self.blocks[at].last)
        .flat_map(|at| self.equals_down(at))
        .map(|block| block.id)
    }

    /// The block at a position and those before it that equal it.
    fn equals_down(&self, at: usize) -> impl Iterator<Item = &Block<T>> + '_ {
        let block = self.blocks[at];
        self.blocks[..=at]
            .iter()
            .rev()
            .take_while(move |other| other.first == block.first && other.last == block.last)
    }
}

/// Sets `up` of sorted blocks and returns the roots.
fn link<T: Copy + Ord>(blocks: &mut [Block<T>]) -> Vec<(T, T)> {
    let mut roots = vec![];
    let mut open: Vec<u32> = vec![];
    for at in 0..blocks.len() {
        let Block { first, last, .. } = blocks[at];
        let top = |open: &[u32], blocks: &[Block<T>]| {
            open.last().and_then(|top| usize::try_from(*top).ok()).map(|top| blocks[top])
        };
        // Blocks are sorted by first address, so one that ends before this one begins encloses nothing that follows.
        while top(&open, blocks).is_some_and(|top| top.last < first) {
            open.pop();
        }
        let equal = top(&open, blocks).filter(|top| top.first == first && top.last == last);
        if let Some(equal) = equal {
            // An equal block takes its twin's place on the stack, so `up` of what follows points to the last of the
            // equals.
            blocks[at].up = equal.up;
            open.pop();
        } else {
            blocks[at].up = open.last().copied().unwrap_or(NONE);
            if open.is_empty() {
                roots.push((first, last));
            }
        }
        open.push(u32::try_from(at).unwrap_or(NONE));
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_ascending_and_apart() {
        let blocks = [(8, 8), (3, 3), (2, 3), (4, 7), (4, 4), (3, 3), (7, 7)];
        let numbered = (0_u32..).zip(blocks).map(|(id, (first, last))| (first, last, id));
        assert_eq!(BlockIndex::<u32>::new(numbered, |a, b| a.cmp(&b)).roots(), [(2, 3), (4, 7), (8, 8)]);
    }
}

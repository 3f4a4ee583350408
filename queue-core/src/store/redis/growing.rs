//! A list that only grows: what is in it stays where it is, so that it can be borrowed while others add to it.

use std::ops::Index;
use std::sync::OnceLock;

/// How often it can grow.
const BLOCKS: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Growing<T>(Box<[OnceLock<Vec<T>>]>);

impl<T> Growing<T> {
    /// A list with these items.
    pub(super) fn new(items: Vec<T>) -> Self {
        let blocks: Box<[OnceLock<Vec<T>>]> = (0..BLOCKS).map(|_| OnceLock::new()).collect();
        // The first block is free: it was just made.
        let _ = blocks[0].set(items);
        Self(blocks)
    }

    /// Adds items; gives them back when it has grown too often. One caller at a time, or the order is theirs to bear.
    pub(super) fn grow(&self, mut items: Vec<T>) -> Result<(), Vec<T>> {
        for block in &self.0 {
            match block.set(items) {
                Ok(()) => return Ok(()),
                Err(taken) => items = taken,
            }
        }
        Err(items)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map_while(OnceLock::get).flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map_while(OnceLock::get).map(Vec::len).sum()
    }
}

impl<T> Index<usize> for Growing<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.iter().nth(index).expect("an index is that of an item, and items stay")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_stays_where_it_is() {
        let list = Growing::new(vec![1, 2]);
        let second = &list[1];
        for n in 3..=257 {
            list.grow(vec![n]).unwrap();
        }
        assert_eq!((*second, list[2], list.len()), (2, 3, 257));
        assert_eq!(list.grow(vec![0]), Err(vec![0]));
        assert!(list.iter().copied().eq(1..=257));
    }
}

//! A tree: inner nodes lead by the first keys below them, leaves have the values.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{BTREE_CSUM_XOR, INTERNAL_NODE, LEAF_NODE, NodeHeader};
use super::{BLOCK, block, check_number};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::SharedSource;

/// How deep a tree may be. Each of its nodes has 126 entries at least half used.
const DEPTH: usize = 16;

/// Bytes before the keys.
const HEADER: usize = 32;

/// Bytes of a key.
const KEY: usize = 8;

/// Bytes of a value that is a number, as all are that lead to other nodes.
const NUMBER: usize = 8;

/// A tree of keys, and values that are numbers or begin with one.
#[derive(Clone)]
pub(in super::super) struct Tree {
    pub(in super::super) source: SharedSource,
    /// The block of its root.
    pub(in super::super) root: u64,
    /// Bytes of a value in a leaf.
    pub(in super::super) width: usize,
}

/// What a tree has at a key: of each value the number that it begins with.
pub(in super::super) enum Found {
    /// The values of the key and those that follow on it one by one, in one leaf; and the byte that
    /// the first of them is at.
    Values(Vec<u64>, u64),
    /// Nothing before this key; nothing at all behind without one.
    Nothing(Option<u64>),
}

impl Tree {
    /// Of values that are numbers.
    pub(in super::super) fn of_numbers(source: SharedSource, root: u64) -> Self {
        Self {
            source,
            root,
            width: NUMBER,
        }
    }

    /// What is at `key`, with up to `most` keys that follow on it.
    ///
    /// # Errors
    /// `Corrupt` for a node that makes no sense, and for a tree without end.
    pub(in super::super) fn get(&self, key: u64, most: usize) -> Result<Found> {
        let mut number = self.root;
        let mut next = None;
        for _ in 0..DEPTH {
            let node = Node::read(self, number)?;
            let index = node.last_up_to(key);
            let behind = index.map_or(0, |index| index.saturating_add(1));
            next = node.key(behind).or(next);
            if node.is_leaf {
                return Ok(node.found(key, index, next, most));
            }
            // A key before the first is nowhere but may be asked for.
            let child = node.value(index.unwrap_or(0));
            number = child.ok_or_else(|| node.wrong("it has no children"))?;
        }
        let text = format!(
            "the tree of metadata block {} is over {DEPTH} deep",
            self.root
        );
        Err(Error::corrupt(text).at(self.root.saturating_mul(BLOCK)))
    }

    /// The value at `key`; `None` where there is none.
    ///
    /// # Errors
    /// As [`Tree::get`].
    pub(in super::super) fn one(&self, key: u64) -> Result<Option<u64>> {
        Ok(match self.get(key, 1)? {
            Found::Values(values, _) => values.into_iter().next(),
            Found::Nothing(_) => None,
        })
    }
}

/// A node of a tree.
struct Node {
    number: u64,
    bytes: Vec<u8>,
    is_leaf: bool,
    count: usize,
    /// Where the values begin.
    values: usize,
    /// Bytes of a value.
    width: usize,
}

impl Node {
    fn read(tree: &Tree, number: u64) -> Result<Self> {
        let bytes = block(&*tree.source, number, BTREE_CSUM_XOR)?;
        let wrong = |why: &str, field: usize| {
            let at = number.saturating_mul(BLOCK).saturating_add(to_u64(field));
            Error::corrupt(format!("metadata block {number}: {why}")).at(at)
        };
        let parsed = NodeHeader::read_from_prefix(&bytes);
        let (header, _) = parsed.map_err(|_| wrong("cut off", 0))?;
        check_number(
            header.blocknr.get(),
            number,
            offset_of!(NodeHeader, blocknr),
        )?;
        let is_leaf = match header.flags.get() {
            LEAF_NODE => true,
            INTERNAL_NODE => false,
            flags => {
                let field = offset_of!(NodeHeader, flags);
                return Err(wrong(&format!("its flags are {flags:#x}"), field));
            }
        };
        let wide = |number: u32| to_usize(u64::from(number));
        let (count, most) = (
            wide(header.nr_entries.get()),
            wide(header.max_entries.get()),
        );
        let said = wide(header.value_size.get());
        let width = if is_leaf { tree.width } else { NUMBER };
        let end = most
            .checked_mul(KEY.saturating_add(width))
            .and_then(|len| len.checked_add(HEADER));
        if said != width || count > most || end.is_none_or(|end| end > bytes.len()) {
            let text = format!("{count} of {most} values of {said} bytes do not fit");
            let field = match (said != width, count > most) {
                (true, _) => offset_of!(NodeHeader, value_size),
                (_, true) => offset_of!(NodeHeader, nr_entries),
                _ => offset_of!(NodeHeader, max_entries),
            };
            return Err(wrong(&text, field));
        }
        Ok(Self {
            number,
            bytes,
            is_leaf,
            count,
            values: most.saturating_mul(KEY).saturating_add(HEADER),
            width,
        })
    }

    fn wrong(&self, why: &str) -> Error {
        let text = format!("metadata block {}: {why}", self.number);
        Error::corrupt(text).at(self.number.saturating_mul(BLOCK))
    }

    fn key(&self, index: usize) -> Option<u64> {
        if index >= self.count {
            return None;
        }
        let at = index.saturating_mul(KEY).saturating_add(HEADER);
        let bytes = self.bytes.get(at..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    }

    fn value(&self, index: usize) -> Option<u64> {
        if index >= self.count {
            return None;
        }
        let at = index.saturating_mul(self.width).saturating_add(self.values);
        let bytes = self.bytes.get(at..)?.first_chunk::<NUMBER>()?;
        Some(u64::from_le_bytes(*bytes))
    }

    /// The byte that value `index` is at.
    fn place(&self, index: usize) -> u64 {
        let inside = index.saturating_mul(self.width).saturating_add(self.values);
        let block = self.number.saturating_mul(BLOCK);
        block.saturating_add(to_u64(inside))
    }

    /// The last entry whose key is not over `key`.
    fn last_up_to(&self, key: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.saturating_add(high) / 2;
            match self.key(middle) {
                Some(found) if found <= key => low = middle.saturating_add(1),
                _ => high = middle,
            }
        }
        low.checked_sub(1)
    }

    /// What a leaf has at `key`, whose entry may be `index`, and before `next`.
    fn found(&self, key: u64, index: Option<usize>, next: Option<u64>, most: usize) -> Found {
        let Some(first) = index.filter(|index| self.key(*index) == Some(key)) else {
            return Found::Nothing(next.filter(|next| *next > key));
        };
        let follows = |index: &usize| {
            let behind = to_u64(index.saturating_sub(first));
            self.key(*index) == key.checked_add(behind)
        };
        let entries = (first..self.count).take(most).take_while(follows);
        let values = entries.filter_map(|index| self.value(index));
        Found::Values(values.collect(), self.place(first))
    }
}

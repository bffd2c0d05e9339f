//! What a family of images tells the lab: seeds, where their structures lie, and how the checksums
//! of what was changed are put right again.

use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// In which order the bytes of a number stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    Little,
    Big,
}

/// A number on the disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Field {
    /// As the format's specification calls it.
    pub name: String,
    /// Its first byte in the file.
    pub offset: u64,
    /// 1, 2, 3, 4, 6 or 8 bytes.
    pub width: u8,
    pub order: Order,
}

impl Field {
    /// A field of `width` bytes at `offset` of the file.
    pub fn new(name: impl Into<String>, offset: u64, width: u8, order: Order) -> Self {
        Self {
            name: name.into(),
            offset,
            width,
            order,
        }
    }

    /// The fields of a structure at `base` that follow one another: `(name, width)` each. A width
    /// that no number has is a gap.
    pub fn row(base: u64, order: Order, row: &[(&str, u64)]) -> Vec<Self> {
        let mut fields = Vec::new();
        let mut offset = base;
        for (name, width) in row {
            if matches!(width, 1 | 2 | 3 | 4 | 6 | 8) && !name.is_empty() {
                fields.push(Self::new(*name, offset, *width as u8, order));
            }
            offset += width;
        }
        fields
    }
}

/// A structure on the disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Structure {
    /// `group descriptor 3`. Two structures of one kind differ in the last word of their names: they
    /// are what is swapped.
    pub name: String,
    /// Which file of the seed holds it.
    pub file: usize,
    pub range: Range<u64>,
    /// Where the structure starts that points at it, in the same file.
    pub parent: Option<u64>,
    pub fields: Vec<Field>,
}

/// A sound image, small.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seed {
    pub name: String,
    /// The first is opened, the others lie beside it; one whose name begins with `+` is opened with it,
    /// as by `--with`.
    pub files: Vec<(String, Vec<u8>)>,
    /// What unlocks it.
    pub key: Option<Vec<u8>>,
}

impl Seed {
    /// An image of one file.
    pub fn alone(name: &str, bytes: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            files: vec![(name.to_owned(), bytes)],
            key: None,
        }
    }
}

/// The images of one format, or of a few that are alike.
pub trait Family: Sync {
    fn name(&self) -> &'static str;

    /// Its seeds, made by the format's own tools or taken from the folder of collected `images`: at
    /// most 2 MiB each where the format allows, the same in every run as far as the tools do. What
    /// cannot be made is left out, after [`super::tools::skip`] has said so.
    fn seeds(&self, images: Option<&Path>) -> Vec<Seed>;

    /// Where the structures of `seed` lie; found by means of its own and not by our readers. None where
    /// the words that our readers look at have to do.
    fn structures(&self, seed: &Seed) -> Vec<Structure>;

    /// Puts the checksums right that cover the bytes `touched` (of a file of the seed), so that the
    /// checks behind them run.
    fn seal(&self, files: &mut [Vec<u8>], structures: &[Structure], touched: (usize, Range<u64>));
}

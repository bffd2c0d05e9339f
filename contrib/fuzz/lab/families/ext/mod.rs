//! ext2, ext3 and ext4, by Documentation/filesystems/ext4 of the Linux kernel.

mod directory;
mod inode;
mod journal;
mod locate;
mod seal;
mod seeds;

use std::ops::Range;
use std::path::Path;

use crate::family::{Family, Seed, Structure};

pub struct Ext;

impl Family for Ext {
    fn name(&self) -> &'static str {
        "ext"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        seeds::all()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        locate::all(&seed.files[0].1)
    }

    fn seal(&self, files: &mut [Vec<u8>], structures: &[Structure], touched: (usize, Range<u64>)) {
        seal::seal(&mut files[0], structures, &touched.1);
    }
}

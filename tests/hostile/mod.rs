//! Bad input: images broken on purpose, field by field and at random, and what each must get.

mod bitlocker;
mod collected;
mod deep;
mod directories;
mod erofs;
mod exfat;
mod expect;
mod ext;
mod extents;
mod fat;
pub mod flips;
mod ids;
mod iso9660;
mod journals;
mod ldm;
mod luks;
mod lvm;
mod md;
mod memory;
mod mutants;
mod names;
mod odd;
mod squashfs;
mod superblock;
mod tables;
mod udf;
pub mod walk;

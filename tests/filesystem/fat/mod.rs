//! FAT12, FAT16 and FAT32: volumes that mkfs.fat makes and mtools fills, against what mtools, 7-Zip
//! and the host's own copy of the files say.

mod check;
mod claims;
mod contents;
mod disks;
mod made;
mod names;
pub mod table;
pub mod volume;

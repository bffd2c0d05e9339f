//! The families.

mod erofs;
mod exfat;
mod ext;
mod fat;
mod files;
mod gpt;
mod iso9660;
mod squashfs;
mod udf;
mod vhd;

use super::family::Family;

/// All of them.
pub const ALL: &[&dyn Family] = &[
    &erofs::Erofs,
    &exfat::Exfat,
    &ext::Ext,
    &fat::Fat,
    &iso9660::Iso,
    &squashfs::Squashfs,
    &udf::Udf,
    &gpt::Gpt,
    &vhd::Vhd,
];

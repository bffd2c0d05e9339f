//! The families.

mod bitlocker;
mod cd;
mod erofs;
mod exfat;
mod ext;
mod fat;
mod files;
mod gpt;
mod iso9660;
mod ldm;
mod luks;
mod lvm;
mod mbr;
mod md;
mod ova;
mod qcow2;
mod small;
mod squashfs;
mod streams;
mod tables;
mod udf;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;

use super::family::Family;

/// All of them.
pub const ALL: &[&dyn Family] = &[
    &bitlocker::BitLocker,
    &cd::Cd,
    &erofs::Erofs,
    &exfat::Exfat,
    &ext::Ext,
    &fat::Fat,
    &gpt::Gpt,
    &iso9660::Iso,
    &ldm::Ldm,
    &luks::Luks,
    &lvm::Lvm,
    &mbr::Mbr,
    &md::Md,
    &ova::Ova,
    &qcow2::Qcow2,
    &small::Small,
    &squashfs::Squashfs,
    &streams::Streams,
    &tables::Tables,
    &udf::Udf,
    &vdi::Vdi,
    &vhd::Vhd,
    &vhdx::Vhdx,
    &vmdk::Vmdk,
];

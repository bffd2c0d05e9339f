//! Files → disk: the registry of image formats.

mod bits;
mod declared;
mod gzip;
mod lz4;
mod ova;
mod parts;
mod qcow2;
mod raw;
mod several;
mod stream;
mod tar;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod windows;
mod xml;
mod zstd;

use crate::error::Result;
use crate::format::{Context, Disk, Format};
use crate::source::SharedSource;

/// How an image opens: its file in, its disks out.
pub type Open = fn(&[SharedSource], &Context) -> Result<Vec<Disk>>;

/// Every image format, in probe order. `raw` is last: it claims everything.
pub const FORMATS: &[Format<Open>] = &[
    qcow2::FORMAT,
    vmdk::FORMAT,
    vdi::FORMAT,
    gzip::FORMAT,
    lz4::FORMAT,
    ova::ARCHIVE,
    ova::DESCRIPTOR,
    tar::FORMAT,
    vhd::FORMAT,
    vhdx::FORMAT,
    zstd::FORMAT,
    raw::FORMAT,
];

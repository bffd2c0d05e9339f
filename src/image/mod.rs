//! Files → disk: the registry of image formats.

mod android;
mod bits;
mod bzip2;
mod cd;
mod declared;
mod gzip;
mod lz4;
mod ova;
mod parallels;
mod qcow;
mod qcow2;
mod qed;
mod raw;
mod several;
mod split;
mod stream;
mod tar;
mod two_levels;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod windows;
mod xml;
mod xz;
mod zstd;

use crate::error::Result;
use crate::format::{Context, Disk, Format};
use crate::source::SharedSource;

/// How an image opens: its file in, its disks out.
pub type Open = fn(&[SharedSource], &Context) -> Result<Vec<Disk>>;

/// Every image format, in probe order. `raw` is last: it claims everything.
pub const FORMATS: &[Format<Open>] = &[
    qcow2::FORMAT,
    qcow::FORMAT,
    qed::FORMAT,
    vmdk::FORMAT,
    split::FORMAT,
    parallels::FORMAT,
    android::FORMAT,
    vdi::FORMAT,
    gzip::FORMAT,
    lz4::FORMAT,
    xz::FORMAT,
    bzip2::FORMAT,
    ova::ARCHIVE,
    ova::DESCRIPTOR,
    tar::FORMAT,
    vhd::FORMAT,
    vhdx::FORMAT,
    zstd::FORMAT,
    cd::FORMAT,
    cd::SHEET,
    raw::FORMAT,
];

/// The format that `context`'s image is of by its name alone, whatever is in it: the first of
/// several parts.
///
/// # Errors
/// `Unsupported` for a later part, `NotFound` where one is missing; each names the file.
pub fn by_name(context: &Context) -> Result<Option<&'static Format<Open>>> {
    let is_first = split::is_first(context)?;
    let format = FORMATS.iter().find(|format| format.name == "split");
    Ok(format.filter(|_| is_first))
}

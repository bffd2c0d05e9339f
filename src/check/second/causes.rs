//! The second reader's known faults, and how each is seen to be at work in one inode.

use super::super::volume::request;
use super::raw::Raw;
use crate::error::printable;
use crate::filesystem::{Attributes, FileSystem, Inode};
use crate::source::ExtentKind;

/// `FS_ENCRYPT_FL`.
const ENCRYPTED: u32 = 0x800;

/// `s_def_hash_version` and `hash_version`: the hash of directories that the second reader knows.
const HALF_MD4: &str = "1";

/// The longest path that the second reader resolves.
const LONGEST_PATH: usize = 4096;

/// Why the second reader could refuse an inode that ours reads; `None` where it has no known reason.
/// `said` is its error.
pub(super) fn of_refusal(
    said: &str,
    path: &[u8],
    attributes: &Attributes,
    raw: &Raw,
) -> Option<String> {
    if said.contains("timestamp") {
        return refused_time(attributes);
    }
    if said.contains("truncated") && raw.inode_size() == Some(128) && raw.checks_metadata() {
        let cause = "it takes no inodes of 128 bytes where metadata has checksums, as here";
        return Some(cause.to_owned());
    }
    if said.contains("encrypted") && attributes.flags & ENCRYPTED != 0 {
        return Some("it does not read what is encrypted, and this inode is".to_owned());
    }
    let algorithm = said.split("unsupported directory hash algorithm: ").nth(1);
    if let Some(algorithm) = algorithm.filter(|algorithm| *algorithm != HALF_MD4) {
        return Some(format!(
            "it finds names in hash trees of half MD4 alone, and one on the way has hash {algorithm}"
        ));
    }
    if said.contains("path is too long") && path.len() >= LONGEST_PATH {
        return Some(format!(
            "it follows no path over {LONGEST_PATH} bytes, as this one is"
        ));
    }
    None
}

/// It takes the low 32 bits of a time as a positive number, and refuses the inode where bit 31 is
/// set: before 1970, and from 2038 on every second span of 68 years.
fn refused_time(attributes: &Attributes) -> Option<String> {
    const SIGN: i64 = 1 << 31;
    let Attributes {
        atime,
        mtime,
        ctime,
        crtime,
        ..
    } = attributes;
    let times = [
        ("atime", Some(atime)),
        ("mtime", Some(mtime)),
        ("ctime", Some(ctime)),
        ("crtime", crtime.as_ref()),
    ];
    let refused = times.into_iter().find_map(|(name, time)| {
        let seconds = time?.seconds;
        (seconds & SIGN != 0).then_some((name, seconds))
    });
    refused.map(|(name, seconds)| {
        format!(
            "it refuses times whose low 32 bits are negative, and {name} is {seconds} s from 1970"
        )
    })
}

/// Why the bytes from `offset` of `file` on could differ: how many, and the cause. It gives what
/// lies in the blocks of an unwritten extent, which by the format are zeros.
pub(super) fn of_bytes(ours: &dyn FileSystem, file: Inode, offset: u64) -> Option<(u64, String)> {
    let extent = ours.extent_at(&request(), file, offset).ok()?;
    // A hole without blocks is `Absent`; it reads those right.
    (extent.kind == ExtentKind::Zeros).then(|| {
        let cause = "it shows what lies in the blocks of unwritten extents, and here is one";
        (extent.len.get(), cause.to_owned())
    })
}

/// Why it could refuse to list `dir`: it knows no entry whose type is left to the inode to say,
/// where the file system has types in its entries.
pub(super) fn of_listing(said: &str, ours: &dyn FileSystem, dir: Inode) -> Option<String> {
    if !said.contains("invalid file type") {
        return None;
    }
    let mut untyped = None;
    let read = ours.read_dir(&request(), dir, 0, &mut |entry| {
        if entry.kind.is_none() {
            untyped = Some(printable(entry.name));
        }
        untyped.is_none()
    });
    let name = read.ok().and(untyped)?;
    Some(format!(
        "it refuses entries without a type, and {name} is one"
    ))
}

/// Why the nanoseconds of a time, whose extra field ends `end` bytes behind the inode's first 128,
/// could differ: it reads that field also where the inode does not reach so far.
pub(super) fn of_nanoseconds(attributes: &Attributes, raw: &Raw, end: u16) -> Option<String> {
    let reach = raw.extra_isize(attributes.ino)?;
    (reach < end).then(|| {
        format!("it takes what is behind the inode's {reach} extra bytes for a part of the time")
    })
}

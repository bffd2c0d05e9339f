//! The replies that take more than a line.

use std::time::Duration;

use fuser::{
    Errno, FileAttr, FileType, Generation, ReplyAttr, ReplyData, ReplyEntry, ReplyStatfs,
    ReplyXattr,
};

use super::answers::Answer;
use super::attributes;
use crate::filesystem::{Inode, Usage};
use crate::number::to_u64;

/// How long the kernel may keep what it was told: for good, since an image does not change.
pub(super) const FOR_GOOD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What was looked up. Node 0: there is none, and the kernel may remember that.
pub(super) fn entry(found: &Answer<Option<FileAttr>>, reply: ReplyEntry) {
    let none = || attributes::nameless(Inode(0), FileType::RegularFile);
    match found {
        Ok(found) => reply.entry(&FOR_GOOD, &found.unwrap_or_else(none), Generation(0)),
        Err(errno) => reply.error(*errno),
    }
}

/// What stat(2) gives.
pub(super) fn attributes(found: &Answer<FileAttr>, reply: ReplyAttr) {
    match found {
        Ok(found) => reply.attr(&FOR_GOOD, found),
        Err(errno) => reply.error(*errno),
    }
}

/// What read(2) and readlink(2) give.
pub(super) fn data(bytes: Result<&[u8], &Errno>, reply: ReplyData) {
    match bytes {
        Ok(bytes) => reply.data(bytes),
        Err(errno) => reply.error(*errno),
    }
}

/// The numbers of statfs(2).
pub(super) fn usage(usage: Answer<Usage>, reply: ReplyStatfs) {
    match usage {
        Ok(usage) => reply.statfs(
            usage.blocks,
            usage.free,
            usage.available,
            usage.files,
            usage.files_free,
            usage.block_size,
            usage.name_max,
            usage.block_size,
        ),
        Err(errno) => reply.error(errno),
    }
}

/// getxattr(2) and listxattr(2): size 0 asks for the size, too small a size is ERANGE.
pub(super) fn xattr(value: Answer<Vec<u8>>, size: u32, reply: ReplyXattr) {
    match value {
        Err(errno) => reply.error(errno),
        Ok(value) if size == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if to_u64(value.len()) > u64::from(size) => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
    }
}

//! Fast commits: small records of what happened to single inodes and directories since the last
//! transaction in the log, in blocks of their own behind it (`fs/ext4/fast_commit.c`). They count
//! only when they belong to the transaction that would come next.

mod apply;
mod record;
mod scan;

pub(super) use apply::apply;
pub(super) use record::Tag;
pub(super) use scan::scan;

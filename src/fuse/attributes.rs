//! Attributes, in the form the kernel wants them.

use std::time::{Duration, SystemTime};

use fuser::{FileAttr, INodeNo};

use crate::filesystem::{Attributes, FileType, Inode, Timestamp};

/// The attributes of `node`.
pub(super) fn kernel(node: Inode, found: &Attributes) -> FileAttr {
    FileAttr {
        ino: INodeNo(node.0),
        size: found.size,
        blocks: found.blocks,
        atime: moment(found.atime),
        mtime: moment(found.mtime),
        ctime: moment(found.ctime),
        crtime: SystemTime::UNIX_EPOCH, // Sent to macOS alone.
        kind: kind(found.kind),
        perm: found.mode,
        nlink: found.nlink,
        uid: found.uid,
        gid: found.gid,
        rdev: device_number(found.rdev),
        blksize: found.block_size,
        flags: 0,
    }
}

/// What the kernel takes for an entry whose attributes cannot be read: it lists the name, refuses
/// to keep the attributes since no file has such a size, and asks again when somebody needs them.
pub(super) fn unreadable(node: Inode, kind: FileType) -> FileAttr {
    FileAttr {
        size: u64::MAX,
        ..nameless(node, self::kind(kind))
    }
}

/// An entry of which number and type alone matter.
pub(super) fn nameless(node: Inode, kind: fuser::FileType) -> FileAttr {
    FileAttr {
        ino: INodeNo(node.0),
        size: 0,
        blocks: 0,
        atime: SystemTime::UNIX_EPOCH,
        mtime: SystemTime::UNIX_EPOCH,
        ctime: SystemTime::UNIX_EPOCH,
        crtime: SystemTime::UNIX_EPOCH,
        kind,
        perm: 0,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

/// The type, in fuser's words.
pub(super) fn kind(kind: FileType) -> fuser::FileType {
    match kind {
        FileType::Regular => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
        FileType::CharacterDevice => fuser::FileType::CharDevice,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
    }
}

/// A moment as the standard library has it; 1970 for one that it cannot express.
fn moment(time: Timestamp) -> SystemTime {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let second = match time.seconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(whole),
        false => SystemTime::UNIX_EPOCH.checked_add(whole),
    };
    let rest = Duration::from_nanos(u64::from(time.nanoseconds));
    second
        .and_then(|second| second.checked_add(rest))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The kernel's `new_encode_dev`: twelve bits of major between eight and twelve bits of minor.
fn device_number((major, minor): (u32, u32)) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        let time = |seconds, nanoseconds| {
            moment(Timestamp {
                seconds,
                nanoseconds,
            })
        };
        let before = SystemTime::UNIX_EPOCH - Duration::new(0, 1);
        assert_eq!(time(-1, 999_999_999), before);
        let after = SystemTime::UNIX_EPOCH + Duration::new(u64::from(u32::MAX) + 1, 5);
        assert_eq!(time(1 << 32, 5), after);
        let last = Duration::new(i64::MAX.unsigned_abs(), 999_999_999);
        let last = SystemTime::UNIX_EPOCH + last;
        assert_eq!(time(i64::MAX, 999_999_999), last);
    }

    #[test]
    fn device_numbers_are_packed_as_makedev_does_up_to_20_bits_of_minor() {
        for (major, minor) in [(8, 1), (259, 65_537), (4095, 0xf_ffff)] {
            let expected = rustix::fs::makedev(major, minor);
            assert_eq!(u64::from(device_number((major, minor))), expected);
        }
    }
}

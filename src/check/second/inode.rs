//! One inode as the two readers see it.

use ext4_view::{Metadata, Timestamp as Theirs};

use crate::filesystem::{Attributes, FileType, Timestamp};

/// Where the extra fields of the times end, behind an inode's first 128 bytes.
const MTIME_EXTRA_END: u16 = 0xc;
const ATIME_EXTRA_END: u16 = 0x10;

/// One thing that they say differently.
pub(super) struct Difference {
    /// What, for people.
    pub(super) text: String,
    /// For a time, where its extra field ends; see [`super::causes::of_nanoseconds`].
    pub(super) extra: Option<u16>,
}

/// What the two readers say differently.
pub(super) fn differences(ours: &Attributes, theirs: &Metadata) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |name: &str, ours: String, theirs: String, extra: Option<u16>| {
        if ours != theirs {
            let text = format!("{name} is {ours}, or by the second reader {theirs}");
            found.push(Difference { text, extra });
        }
    };
    let kind = format!("{:?}", their_kind(theirs));
    compare("the type", format!("{:?}", ours.kind), kind, None);
    let has_size = matches!(
        ours.kind,
        FileType::Regular | FileType::Directory | FileType::Symlink
    );
    if has_size {
        let size = theirs.len().to_string();
        compare("the size", ours.size.to_string(), size, None);
    }
    let octal = |mode: u16| format!("{mode:04o}");
    compare("the mode", octal(ours.mode), octal(theirs.mode()), None);
    let (uid, gid) = (theirs.uid().to_string(), theirs.gid().to_string());
    compare("the owner", ours.uid.to_string(), uid, None);
    compare("the group", ours.gid.to_string(), gid, None);
    let modified = (our_time(ours.mtime), their_time(theirs.modified()));
    compare("mtime", modified.0, modified.1, Some(MTIME_EXTRA_END));
    let accessed = (our_time(ours.atime), their_time(theirs.accessed()));
    compare("atime", accessed.0, accessed.1, Some(ATIME_EXTRA_END));
    found
}

fn our_time(time: Timestamp) -> String {
    format!("{}.{:09}", time.seconds, time.nanoseconds)
}

fn their_time(time: Theirs) -> String {
    format!("{}.{:09}", time.seconds(), time.nanoseconds())
}

/// The type that the second reader sees.
pub(super) fn their_kind(metadata: &Metadata) -> FileType {
    let kind = metadata.file_type();
    match () {
        () if kind.is_regular_file() => FileType::Regular,
        () if kind.is_dir() => FileType::Directory,
        () if kind.is_symlink() => FileType::Symlink,
        () if kind.is_block_dev() => FileType::BlockDevice,
        () if kind.is_char_dev() => FileType::CharacterDevice,
        () if kind.is_fifo() => FileType::Fifo,
        () => FileType::Socket,
    }
}

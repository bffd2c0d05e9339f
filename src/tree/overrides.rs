//! What the user has files belong to and be allowed, whatever the image says.

use serde::{Deserialize, Serialize};

use crate::filesystem::{Attributes, FileType};

/// `-o uid=,gid=,umask=,fmask=,dmask=`: of the mount, and of every verb that shows or copies files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Every file belongs to this user.
    pub uid: Option<u32>,
    /// Every file belongs to this group.
    pub gid: Option<u32>,
    /// Permission bits that no file but a directory has.
    pub fmask: Option<u16>,
    /// Permission bits that no directory has.
    pub dmask: Option<u16>,
}

impl Overrides {
    /// `found` as the user wants it.
    pub(super) fn apply(&self, found: Attributes) -> Attributes {
        let mask = match found.kind {
            FileType::Directory => self.dmask,
            _ => self.fmask,
        };
        Attributes {
            uid: self.uid.unwrap_or(found.uid),
            gid: self.gid.unwrap_or(found.gid),
            mode: found.mode & !mask.unwrap_or(0),
            ..found
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Timestamp;

    fn sample(kind: FileType) -> Attributes {
        Attributes {
            ino: 12,
            kind,
            mode: 0o4755,
            uid: 5,
            gid: 6,
            size: 3000,
            blocks: 8,
            block_size: 1024,
            nlink: 2,
            rdev: (0, 0),
            atime: Timestamp::default(),
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            crtime: None,
            flags: 0,
            generation: 0,
        }
    }

    #[test]
    fn owner_and_mode_are_the_images_unless_overridden() {
        let as_is = Overrides::default().apply(sample(FileType::Regular));
        assert_eq!((as_is.uid, as_is.gid, as_is.mode), (5, 6, 0o4755));
        let overrides = Overrides {
            uid: Some(1000),
            gid: Some(100),
            fmask: Some(0o022),
            dmask: Some(0o007),
        };
        let file = overrides.apply(sample(FileType::Regular));
        assert_eq!((file.uid, file.gid), (1000, 100));
        assert_eq!(file.mode, 0o4755 & !0o022);
        let directory = overrides.apply(sample(FileType::Directory));
        assert_eq!(directory.mode, 0o4755 & !0o007);
    }
}

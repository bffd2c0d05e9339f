//! Random changes of what a file is said to be: attributes, access lists, flags, owners and times.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};

use rustix::fs::{AtFlags, CWD, IFlags, Mode, OFlags, Timespec, Timestamps, XattrFlags};

use super::Work;

impl Work<'_> {
    pub(super) fn attribute(&mut self) {
        let path = self.any_of_all();
        let space = ["user.", "user.", "user.", "trusted.", "security."][self.below(5)];
        let name = match self.below(6) {
            0 => format!("{space}{}", "n".repeat(1 + self.below(240))),
            _ => format!("{space}{}", self.below(8)),
        };
        if self.below(5) == 0 {
            let _ = rustix::fs::lremovexattr(&path, &name);
            return;
        }
        let length = match self.below(8) {
            0 => 0,
            1 => self.below(4100),
            2 => self.below(70_000),
            3 | 4 => self.below(500),
            _ => self.below(60),
        };
        // The same value on many files, so that they share a block.
        let value = match self.below(3) {
            0 => vec![b's'; length / 100 * 100],
            _ => self.bytes(length),
        };
        let _ = rustix::fs::lsetxattr(&path, &name, &value, XattrFlags::empty());
    }

    /// An access control list, or a default one.
    pub(super) fn list(&mut self) {
        let path = self.any_of_all();
        let mut value = 2_u32.to_le_bytes().to_vec();
        let mut entry = |tag: u16, permissions: usize, id: u32| {
            value.extend(tag.to_le_bytes());
            value.extend((permissions as u16).to_le_bytes());
            value.extend(id.to_le_bytes());
        };
        let users = self.below(6) as u32;
        entry(1, self.below(8), u32::MAX);
        for user in 0..users {
            entry(2, self.below(8), user * 50_000);
        }
        entry(4, self.below(8), u32::MAX);
        entry(8, self.below(8), 77);
        entry(16, self.below(8), u32::MAX);
        entry(32, self.below(8), u32::MAX);
        let name = ["system.posix_acl_access", "system.posix_acl_default"][self.below(2)];
        let _ = rustix::fs::lsetxattr(&path, name, &value, XattrFlags::empty());
    }

    pub(super) fn flags(&mut self) {
        let path = self.any_of_all();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let Ok(file) = rustix::fs::open(&path, flags, Mode::empty()) else {
            return;
        };
        let all = [
            IFlags::NOATIME,
            IFlags::NODUMP,
            IFlags::SYNC,
            IFlags::DIRSYNC,
            IFlags::TOPDIR,
            IFlags::JOURNALING,
            IFlags::NOTAIL,
            IFlags::COMPRESSED,
            IFlags::PROJECT_INHERIT,
            IFlags::UNRM,
            IFlags::APPEND,
            IFlags::from_bits_retain(0x8_0000), // extents: migrated
            IFlags::from_bits_retain(0x200_0000), // DAX
        ];
        let Ok(own) = rustix::fs::ioctl_getflags(&file) else {
            return;
        };
        let _ = rustix::fs::ioctl_setflags(&file, own ^ all[self.below(all.len())]);
    }

    pub(super) fn own(&mut self) {
        let path = self.any_of_all();
        const IDS: [u32; 6] = [0, 1000, 65_535, 65_536, 0x7fff_ffff, 0xffff_fffe];
        let (user, group) = (IDS[self.below(6)], IDS[self.below(6)]);
        let _ = lchown(&path, Some(user), Some(group));
        let mode = fs::Permissions::from_mode(self.below(0o10000) as u32);
        if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_symlink()) {
            let _ = fs::set_permissions(&path, mode);
        }
    }

    pub(super) fn touch(&mut self) {
        let path = self.any_of_all();
        let mut time = || {
            let seconds = self.numbers.below(20 << 30) as i64 - (3 << 30);
            let tv_nsec = self.numbers.below(1_000_000_000) as i64;
            Timespec {
                tv_sec: seconds,
                tv_nsec,
            }
        };
        let times = Timestamps {
            last_access: time(),
            last_modification: time(),
        };
        let _ = rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW);
    }
}

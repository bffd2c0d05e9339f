//! Volume → inodes: what every file system reader offers, and the registry of the readers.

mod chain;
mod dos_time;
mod erofs;
mod exfat;
mod ext4;
mod fat;
mod guarded;
mod index;
mod iso9660;
mod names;
mod pieces;
mod squashfs;
mod trail;
mod udf;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use guarded::{Counts, Guarded};
use serde::{Deserialize, Serialize};
pub use trail::Trail;

use crate::error::{Error, Result};
use crate::format::{Context, Format, Volume};
use crate::source::{Extent, SharedSource};

/// In a cursor of [`FileSystem::read_dir`]: something before it could not be read, which the end of the
/// listing has to say. For readers whose places in a directory are all below it.
const DAMAGED: u64 = 1 << 62;

/// How a file system opens: its members (one, unless [`crate::format::Set`] says otherwise) in,
/// the reader out.
pub type Open = fn(&[SharedSource], &Context) -> Result<Opened>;

/// Every reader, in probe order.
pub const FORMATS: &[Format<Open>] = &[
    ext4::FORMAT,
    squashfs::FORMAT,
    erofs::FORMAT,
    udf::FORMAT,
    exfat::FORMAT,
    fat::FORMAT,
    iso9660::FORMAT,
];

/// An opened file system.
pub struct Opened {
    /// The reader.
    pub filesystem: Box<dyn FileSystem>,
    /// Volumes that it holds besides its files: El Torito boot images, sessions.
    pub extra: Vec<Volume>,
}

/// A reader of one file system. All methods take `&self`: requests run in parallel.
pub trait FileSystem: Send + Sync {
    /// The root directory.
    fn root(&self) -> Inode;

    /// The entry `name` of directory `dir`; `None` where there is none.
    ///
    /// # Errors
    /// `NotADirectory`, or what makes the directory unreadable.
    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>>;

    /// The attributes of `inode`.
    ///
    /// # Errors
    /// `Corrupt` or `Io` where the inode cannot be read.
    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes>;

    /// Gives `each` the entries of `dir` from `cursor` on, `.` and `..` included where the format
    /// has them, until `each` returns false. Cursor 0 starts; each entry carries the cursor that
    /// goes on behind it, which is below 2^63, valid on any thread, and needs no state kept.
    ///
    /// # Errors
    /// `NotADirectory`, or what makes the rest of the directory unreadable, after the entries
    /// before it were given.
    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()>;

    /// Reads from byte `offset` of `file` into `buf`; gives the number of bytes, less than
    /// `buf.len()` only at the end of the file.
    ///
    /// # Errors
    /// `IsADirectory`, or what makes a byte of the range unreadable.
    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize>;

    /// Tells the host of the first bytes of `inode`, a file or a directory, which are likely to be
    /// read soon. Reads nothing of them by itself; what is wrong is for those who do.
    fn ahead(&self, request: &Request, inode: Inode) {
        let _ = (request, inode);
    }

    /// What lies at byte `offset` of `file`: `Data`, or a hole (`Zeros` or `Absent`), as
    /// `SEEK_DATA` and `SEEK_HOLE` of the kernel's own reader see it.
    ///
    /// # Errors
    /// `Invalid` at or past the end of the file; otherwise as [`FileSystem::read`].
    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent>;

    /// The target of a symbolic link, byte for byte.
    ///
    /// # Errors
    /// `Invalid` for what is no link; `Corrupt` for a target that cannot be one.
    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>>;

    /// Gives `each` the full names (`user.x`, `security.capability`) of the extended attributes,
    /// all namespaces.
    ///
    /// # Errors
    /// What makes the attributes unreadable.
    fn xattr_names(
        &self,
        request: &Request,
        inode: Inode,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<()>;

    /// The value of the extended attribute `name`, in the form getxattr(2) gives it.
    ///
    /// # Errors
    /// What makes the attribute unreadable.
    fn xattr(&self, request: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Whether it is known that no inode of the file system has an extended attribute. A reader to
    /// whom no field tells may look at a part of its inodes each time it is asked, at the cost of
    /// one attribute that is looked for, and says no until it has seen them all.
    fn has_no_xattrs(&self, request: &Request) -> bool {
        let _ = request;
        false
    }

    /// The numbers of statfs(2).
    fn usage(&self) -> Usage;

    /// The volume's bytes as this reader sees them, its journal replayed, where that is what it
    /// reads from: for a second reader, which has to see the same.
    fn replayed(&self) -> Option<SharedSource> {
        None
    }

    /// Checks what no walk over the files touches (allocation bitmaps, backups, the journal), and
    /// gives `each` what is wrong.
    fn verify(&self, request: &Request, each: &mut dyn FnMut(Error)) {
        let _ = (request, each);
    }
}

/// A reader's own handle of an inode; derived from its disk position or number, so that no table
/// grows. Not necessarily the number that people see: that is [`Attributes::ino`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Inode(pub u64);

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// A moment, before or after 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp {
    /// Whole seconds since 1970, rounded towards the past.
    pub seconds: i64,
    /// 0 to 999,999,999 nanoseconds after that.
    pub nanoseconds: u32,
}

/// What stat(2) and statx(2) give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The inode number that people see.
    pub ino: u64,
    /// The type.
    pub kind: FileType,
    /// Permission, set-uid, set-gid and sticky bits: the low 12 bits of `st_mode`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes, as `st_size`.
    pub size: u64,
    /// Blocks of 512 bytes, as `st_blocks`.
    pub blocks: u64,
    /// The preferred block size, as `st_blksize`.
    pub block_size: u32,
    /// Hard links.
    pub nlink: u32,
    /// Device number of a device node: major and minor.
    pub rdev: (u32, u32),
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the contents.
    pub mtime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
    /// Birth, where the format keeps it.
    pub crtime: Option<Timestamp>,
    /// `FS_IOC_GETFLAGS` bits (chattr), where the format has them.
    pub flags: u32,
    /// The inode's generation number, where the format has one.
    pub generation: u32,
}

/// One entry of a directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The name: any bytes but NUL and `/`.
    pub name: &'a [u8],
    /// What it names.
    pub inode: Inode,
    /// The type, where the entry says it.
    pub kind: Option<FileType>,
    /// The cursor of the entry behind this one.
    pub next: u64,
}

/// The numbers of statfs(2), in blocks of `block_size` bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in a block.
    pub block_size: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub free: u64,
    /// Free blocks for others than root.
    pub available: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// The longest name in bytes.
    pub name_max: u32,
}

/// On whose behalf a request runs, and how much work it may cost.
pub struct Request {
    /// The user who asks; `trusted.*` attributes are root's alone.
    pub uid: u32,
    /// What is left of its work.
    pub budget: Budget,
    /// Set when nobody waits for the answer any more.
    pub cancel: Cancel,
}

impl Request {
    /// A request of the user `uid` with the usual budget.
    #[must_use]
    pub fn new(uid: u32) -> Self {
        Self {
            uid,
            budget: Budget::default(),
            cancel: Cancel::default(),
        }
    }

    /// Takes `steps` (blocks of metadata read, entries walked) from the budget.
    ///
    /// # Errors
    /// `Corrupt` "work limit" once the budget is spent; `Io` once the request is cancelled.
    pub fn spend(&self, steps: u64) -> Result<()> {
        if self.cancel.is_set() {
            return Err(Error::new(crate::error::Kind::Io, "interrupted"));
        }
        self.budget.spend(steps)
    }
}

/// The work one request may do, in steps: a metadata block read or an entry walked is one step.
pub struct Budget(AtomicU64);

impl Budget {
    /// A budget of `steps`.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        Self(AtomicU64::new(steps))
    }

    /// Takes `steps`.
    ///
    /// # Errors
    /// `Corrupt` "work limit" when fewer are left.
    pub fn spend(&self, steps: u64) -> Result<()> {
        let take = |left: u64| left.checked_sub(steps);
        match self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::corrupt(
                "work limit: the structure is larger or more tangled than any real one",
            )),
        }
    }
}

impl Default for Budget {
    /// Ten million steps: more than the largest directory needs, a second or two of work.
    fn default() -> Self {
        Self::new(10_000_000)
    }
}

/// Says that nobody waits any more. The default never does, and costs nothing.
#[derive(Clone, Default)]
pub struct Cancel(Option<Arc<AtomicBool>>);

impl Cancel {
    /// One that can be set.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// Sets it, for all clones.
    pub fn set(&self) {
        if let Some(set) = &self.0 {
            set.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|set| set.load(Ordering::Relaxed))
    }
}

/// The length from `offset` to `end` as an extent's length.
///
/// # Errors
/// `Invalid` where nothing is left.
pub fn length_to(offset: u64, end: u64) -> Result<NonZeroU64> {
    end.checked_sub(offset)
        .and_then(NonZeroU64::new)
        .ok_or_else(|| Error::invalid(format!("offset {offset} is past the end")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_cancelled_does_no_more() {
        let cancel = Cancel::new();
        let request = Request {
            cancel: cancel.clone(),
            ..Request::new(0)
        };
        assert!(request.spend(1).is_ok());
        cancel.set();
        assert!(request.spend(1).is_err());
        let other = Request::new(0);
        other.cancel.set();
        assert!(other.spend(1).is_ok(), "the default is nobody's to set");
    }
}

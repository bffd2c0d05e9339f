//! The answers as fuser's replies: every method is a `match`.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags,
    Generation, INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags,
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
    ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow,
    WriteFlags,
};

use super::answers::{Answers, Seek};
use super::linger::Linger;
use super::replies::{self, FOR_GOOD};
use crate::filesystem::Inode;

thread_local! {
    /// What the thread last answered to a read: as much as the kernel asks for at once, 1 MiB.
    static BYTES: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Methods of these names, arguments and replies that refuse.
macro_rules! read_only {
    ($($name:ident($($argument:ty),*) -> $reply:ty;)*) => {$(
        fn $name(&self, _request: &Request, $(_: $argument,)* reply: $reply) {
            reply.error(Errno::EROFS);
        }
    )*};
}

/// What fuser calls.
pub(super) struct Shell {
    answers: Answers,
    linger: Linger,
}

impl Shell {
    pub(super) fn new(answers: Answers, linger: Linger) -> Self {
        Self { answers, linger }
    }
}

impl Filesystem for Shell {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Without FUSE_READDIRPLUS_AUTO, which leaves the attributes out of all but a directory's
        // first entries when nobody has asked for one yet: find(1) and ls(1) list first and ask
        // then, and would pay a lookup for each file.
        let mut wanted = InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_CACHE_SYMLINKS
            | InitFlags::FUSE_NO_OPEN_SUPPORT
            | InitFlags::FUSE_NO_OPENDIR_SUPPORT;
        if self.answers.allow_other() {
            // The kernel checks permissions then, and ACLs are a part of them.
            wanted |= InitFlags::FUSE_POSIX_ACL;
        }
        // An older kernel does without what it doesn't know.
        if let Err(unknown) = config.add_capabilities(wanted) {
            let _ = config.add_capabilities(wanted.difference(unknown));
        }
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let _answering = self.linger.begin();
        let found = self.answers.guard(request.uid(), |request| {
            self.answers
                .lookup(request, Inode(parent.0), name.as_bytes())
        });
        replies::entry(&found, reply);
        if let Ok(Some(found)) = found {
            self.answers.looked_up(&found);
        }
    }

    fn forget(&self, _request: &Request, node: INodeNo, count: u64) {
        let _ = self.answers.guard(0, |_| {
            self.answers.forget(Inode(node.0), count);
            Ok(()) // The kernel waits for no answer.
        });
    }

    fn getattr(
        &self,
        request: &Request,
        node: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        let _answering = self.linger.begin();
        let found = self.answers.guard(request.uid(), |request| {
            self.answers.attributes(request, Inode(node.0))
        });
        replies::attributes(&found, reply);
        self.answers.looked_at(Inode(node.0));
    }

    fn readlink(&self, request: &Request, link: INodeNo, reply: ReplyData) {
        let _answering = self.linger.begin();
        let target = self.answers.guard(request.uid(), |request| {
            self.answers.read_link(request, Inode(link.0))
        });
        replies::data(target.as_deref(), reply);
    }

    /// Not needed, says ENOSYS, where nobody counts; the kernel then opens files by itself, and keeps
    /// their pages. It does so here as well.
    fn open(&self, _request: &Request, _node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.answers.open() {
            true => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            false => reply.error(Errno::ENOSYS),
        }
    }

    fn release(
        &self,
        _request: &Request,
        _node: INodeNo,
        _handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.answers.close();
        reply.ok();
    }

    /// As for open: the kernel keeps the entries of directories too.
    fn opendir(&self, _request: &Request, _node: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let kept = FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR;
        match self.answers.open() {
            true => reply.opened(FileHandle(0), kept),
            false => reply.error(Errno::ENOSYS),
        }
    }

    fn releasedir(
        &self,
        _request: &Request,
        _node: INodeNo,
        _handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.answers.close();
        reply.ok();
    }

    fn read(
        &self,
        request: &Request,
        file: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let _answering = self.linger.begin();
        let direct = flags.0 & libc::O_DIRECT != 0;
        let mut bytes = BYTES.take();
        let done = self.answers.guard(request.uid(), |request| {
            let range = (offset, size);
            self.answers
                .read(request, Inode(file.0), range, direct, &mut bytes)
        });
        replies::data(done.as_ref().map(|()| &bytes[..]), reply);
        BYTES.set(bytes);
        self.answers.was_read(Inode(file.0), offset);
    }

    fn readdir(
        &self,
        request: &Request,
        dir: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let _answering = self.linger.begin();
        let done = self.answers.guard(request.uid(), |request| {
            self.answers
                .read_dir(request, Inode(dir.0), offset, &mut |entry, name, next| {
                    !reply.add(entry.ino, next, entry.kind, OsStr::from_bytes(name))
                })
        });
        match done {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        request: &Request,
        dir: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let _answering = self.linger.begin();
        let listed = self.answers.guard(request.uid(), |request| {
            let mut take = |entry: &fuser::FileAttr, name: &[u8], next| {
                let name = OsStr::from_bytes(name);
                !reply.add(entry.ino, next, name, &FOR_GOOD, entry, Generation(0))
            };
            self.answers
                .read_dir_plus(request, Inode(dir.0), offset, &mut take)
        });
        match listed {
            Ok(listed) => {
                reply.ok();
                self.answers.listed(&listed);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn statfs(&self, request: &Request, node: INodeNo, reply: ReplyStatfs) {
        let usage = self
            .answers
            .guard(request.uid(), |_| Ok(self.answers.usage(Inode(node.0))));
        replies::usage(usage, reply);
    }

    fn getxattr(
        &self,
        request: &Request,
        node: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let _answering = self.linger.begin();
        let value = self.answers.guard(request.uid(), |request| {
            self.answers.xattr(request, Inode(node.0), name.as_bytes())
        });
        replies::xattr(value, size, reply);
    }

    fn listxattr(&self, request: &Request, node: INodeNo, size: u32, reply: ReplyXattr) {
        let _answering = self.linger.begin();
        let names = self.answers.guard(request.uid(), |request| {
            self.answers.xattr_names(request, Inode(node.0))
        });
        replies::xattr(names, size, reply);
    }

    fn access(&self, request: &Request, node: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let execute = mask.contains(AccessFlags::X_OK);
        let allowed = self.answers.guard(request.uid(), |request| {
            self.answers.access(request, Inode(node.0), execute)
        });
        match allowed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn lseek(
        &self,
        request: &Request,
        file: INodeNo,
        _handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let to = match whence {
            libc::SEEK_DATA => Seek::Data,
            libc::SEEK_HOLE => Seek::Hole,
            _ => return reply.error(Errno::EINVAL),
        };
        let found = self.answers.guard(request.uid(), |request| {
            self.answers.seek(request, Inode(file.0), offset, to)
        });
        match found {
            Ok(offset) => reply.offset(offset),
            Err(errno) => reply.error(errno),
        }
    }

    /// lsattr(1): flags and generation. Nothing else.
    fn ioctl(
        &self,
        request: &Request,
        node: INodeNo,
        _handle: FileHandle,
        _flags: IoctlFlags,
        command: u32,
        _input: &[u8],
        _output_size: u32,
        reply: ReplyIoctl,
    ) {
        /// `FS_IOC_GETFLAGS` and `FS_IOC_GETVERSION` of linux/fs.h, on a 64-bit machine.
        const GET_FLAGS: u32 = 0x8008_6601;
        const GET_VERSION: u32 = 0x8008_7601;
        let found = self.answers.guard(request.uid(), |request| {
            self.answers.flags(request, Inode(node.0))
        });
        match (command, found) {
            (GET_FLAGS, Ok((flags, _))) => reply.ioctl(0, &flags.to_ne_bytes()),
            (GET_VERSION, Ok((_, generation))) => reply.ioctl(0, &generation.to_ne_bytes()),
            (GET_FLAGS | GET_VERSION, Err(errno)) => reply.error(errno),
            _ => reply.error(Errno::ENOTTY),
        }
    }

    /// ENOSYS here and in the next few: the kernel does without and doesn't ask again.
    fn flush(
        &self,
        _request: &Request,
        _file: INodeNo,
        _handle: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn fsync(
        &self,
        _request: &Request,
        _file: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        _dir: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    // What would write. The mount is read-only, so the kernel refuses all of it before it asks; this
    // is the second lock on that door.
    read_only! {
        setattr(
            INodeNo, Option<u32>, Option<u32>, Option<u32>, Option<u64>, Option<TimeOrNow>,
            Option<TimeOrNow>, Option<SystemTime>, Option<FileHandle>, Option<SystemTime>,
            Option<SystemTime>, Option<SystemTime>, Option<BsdFileFlags>
        ) -> ReplyAttr;
        mknod(INodeNo, &OsStr, u32, u32, u32) -> ReplyEntry;
        mkdir(INodeNo, &OsStr, u32, u32) -> ReplyEntry;
        unlink(INodeNo, &OsStr) -> ReplyEmpty;
        rmdir(INodeNo, &OsStr) -> ReplyEmpty;
        symlink(INodeNo, &OsStr, &Path) -> ReplyEntry;
        rename(INodeNo, &OsStr, INodeNo, &OsStr, RenameFlags) -> ReplyEmpty;
        link(INodeNo, INodeNo, &OsStr) -> ReplyEntry;
        write(
            INodeNo, FileHandle, u64, &[u8], WriteFlags, OpenFlags, Option<LockOwner>
        ) -> ReplyWrite;
        setxattr(INodeNo, &OsStr, &[u8], i32, u32) -> ReplyEmpty;
        removexattr(INodeNo, &OsStr) -> ReplyEmpty;
        create(INodeNo, &OsStr, u32, u32, i32) -> ReplyCreate;
        fallocate(INodeNo, FileHandle, u64, u64, i32) -> ReplyEmpty;
        copy_file_range(
            INodeNo, FileHandle, u64, INodeNo, FileHandle, u64, u64, CopyFileRangeFlags
        ) -> ReplyWrite;
    }
}

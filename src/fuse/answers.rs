//! What the kernel's requests are answered, in fuser's types but without its replies.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use fuser::{Errno, FileAttr};

use super::ahead::Ahead;
use super::errno::{self, Reported};
use super::{Events, Options, attributes};
use crate::error::{Error, Result as Outcome, caught};
use crate::filesystem::{Entry, FileSystem, FileType, Inode, Request, Usage};
use crate::number::{to_u64, to_usize};
use crate::source::ExtentKind;
use crate::tree::Tree;

/// An answer, or the error number for the kernel.
pub(super) type Answer<T> = Result<T, Errno>;

/// A tree, and how it is shown.
pub(super) struct Answers {
    tree: Tree,
    options: Options,
    reported: Reported,
    begun: Once,
    /// Somebody has looked at the root.
    seen: Once,
    events: Events,
    /// Extended attributes that were asked for and not there.
    vain: AtomicU64,
    ahead: Ahead,
}

/// Where lseek(2) goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seek {
    /// `SEEK_DATA`.
    Data,
    /// `SEEK_HOLE`.
    Hole,
}

/// Takes one entry of a directory: its attributes, its name and the cursor behind it. False when
/// there is no room for it.
pub(super) type Take<'a> = dyn FnMut(&FileAttr, &[u8], u64) -> bool + 'a;

/// Node numbers of what is likely to be read once it was listed.
#[derive(Default)]
pub(super) struct Listed {
    directories: Vec<u64>,
    /// Files that have contents.
    files: Vec<u64>,
}

impl Listed {
    fn add(&mut self, entry: &FileAttr) {
        match entry.kind {
            fuser::FileType::Directory => self.directories.push(entry.ino.0),
            fuser::FileType::RegularFile if entry.size > 0 => self.files.push(entry.ino.0),
            _ => {}
        }
    }
}

impl Answers {
    pub(super) fn new(tree: Tree, options: Options, events: Events) -> Self {
        Self {
            tree,
            options,
            reported: Reported::default(),
            begun: Once::new(),
            seen: Once::new(),
            events,
            vain: AtomicU64::new(0),
            ahead: Ahead::default(),
        }
    }

    /// Somebody opens a file or a directory. Whether its end is to be told as well.
    pub(super) fn open(&self) -> bool {
        if let Some(activity) = &self.events.activity {
            activity.begin();
        }
        self.events.activity.is_some()
    }

    /// They have closed it.
    pub(super) fn close(&self) {
        if let Some(activity) = &self.events.activity {
            activity.end();
        }
    }

    /// Whether other users may use the mount.
    pub(super) fn allow_other(&self) -> bool {
        self.options.allow_other
    }

    /// Runs `work` for the user `uid`. A panic, which is a bug of ours that an image has found,
    /// costs this one request.
    pub(super) fn guard<T>(&self, uid: u32, work: impl FnOnce(&Request) -> Answer<T>) -> Answer<T> {
        self.begun.call_once(|| (self.events.begins)());
        let request = Request::new(uid);
        self.open();
        let answer = caught(|| Ok(work(&request)));
        self.close();
        answer.unwrap_or_else(|bug| {
            (self.events.fails)();
            Err(errno::of(&bug))
        })
    }

    /// The entry `name` of `dir`; `None` where there is none.
    pub(super) fn lookup(
        &self,
        request: &Request,
        dir: Inode,
        name: &[u8],
    ) -> Answer<Option<FileAttr>> {
        /// No Linux file system has longer names, but for those that keep UTF-16.
        const USUAL_NAME_MAX: usize = 255;
        if name.len() > USUAL_NAME_MAX {
            let longest = self.tree.usage_of(dir).name_max;
            if to_u64(name.len()) > u64::from(longest) {
                return Err(Errno::from_i32(libc::ENAMETOOLONG));
            }
        }
        let found = self.known(self.tree.lookup(request, dir, name))?;
        let Some(node) = found else {
            return Ok(None);
        };
        self.attributes(request, node)
            .inspect_err(|_| self.tree.forget(node, 1)) // The kernel won't: it never saw it.
            .map(Some)
    }

    /// The kernel has let go of `node`, which it had looked up `count` times.
    pub(super) fn forget(&self, node: Inode, count: u64) {
        self.tree.forget(node, count);
    }

    /// The attributes of `node`. The root's number is that of the file system it is the root of.
    pub(super) fn attributes(&self, request: &Request, node: Inode) -> Answer<FileAttr> {
        let found = self.known(self.tree.attributes(request, node))?;
        let number = match node == self.tree.root() {
            true => Inode(found.ino),
            false => node,
        };
        Ok(attributes::kernel(number, &found))
    }

    /// The inode's flags (chattr) and its generation.
    pub(super) fn flags(&self, request: &Request, node: Inode) -> Answer<(u32, u32)> {
        let found = self.known(self.tree.attributes(request, node))?;
        Ok((found.flags, found.generation))
    }

    /// access(2) where the kernel does not check: everything may be read, and what nobody may
    /// execute can't be, as for root.
    pub(super) fn access(&self, request: &Request, node: Inode, execute: bool) -> Answer<()> {
        if !execute {
            return Ok(());
        }
        let found = self.attributes(request, node)?;
        match found.kind == fuser::FileType::RegularFile && found.perm & 0o111 == 0 {
            true => Err(Errno::EACCES),
            false => Ok(()),
        }
    }

    /// `size` bytes of `file` from `offset` on, fewer at its end alone: the kernel takes a short
    /// answer for the end. One unreadable byte makes all of it an error; the kernel then asks page
    /// by page, so that only its page is missing. It doesn't for O_DIRECT (`direct`), where a
    /// short answer is just that, and ends before the first page that cannot be read.
    ///
    /// They are put into `buf`, in place of what it holds, so that its memory serves many requests.
    pub(super) fn read(
        &self,
        request: &Request,
        file: Inode,
        (offset, size): (u64, u32),
        direct: bool,
        buf: &mut Vec<u8>,
    ) -> Answer<()> {
        let size = to_usize(u64::from(size));
        if crate::source::resize(buf, size).is_err() {
            return Err(Errno::from_i32(libc::ENOMEM));
        }
        if cfg!(debug_assertions) {
            // What a reader leaves unwritten would be of an earlier request; here it is seen.
            buf.fill(0xa5);
        }
        let whole = self.tree.read(request, file, buf, offset);
        let len = match whole {
            Err(error) if direct => {
                let before = self.readable_pages(request, file, offset, buf);
                match before {
                    0 => return Err(self.refuse(&error)),
                    len => len,
                }
            }
            whole => self.known(whole)?,
        };
        buf.truncate(len);
        Ok(())
    }

    /// Fills `buf` page by page up to the first that cannot be read; gives the bytes filled.
    fn readable_pages(&self, request: &Request, file: Inode, offset: u64, buf: &mut [u8]) -> usize {
        const PAGE: usize = 4096;
        let mut filled = 0_usize;
        for page in buf.chunks_mut(PAGE) {
            let at = offset.saturating_add(to_u64(filled));
            match self.tree.read(request, file, page, at) {
                Ok(len) => filled = filled.saturating_add(len),
                Err(_) => break,
            }
        }
        filled
    }

    /// The target of a symbolic link.
    pub(super) fn read_link(&self, request: &Request, link: Inode) -> Answer<Vec<u8>> {
        self.known(self.tree.read_link(request, link))
    }

    /// Gives `take` the entries of `dir` from `cursor` on, type and number alone. What makes the
    /// rest unreadable is the answer to the request that begins there.
    pub(super) fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        take: &mut Take<'_>,
    ) -> Answer<()> {
        let mut taken = false;
        let mut each = |entry: Entry<'_>| {
            let kind = entry.kind.or_else(|| {
                let found = self.tree.attributes(request, entry.inode).ok()?;
                Some(found.kind)
            });
            let kind = attributes::kind(kind.unwrap_or(FileType::Regular));
            let fits = take(
                &attributes::nameless(entry.inode, kind),
                entry.name,
                entry.next,
            );
            taken |= fits;
            fits
        };
        let done = self.tree.read_dir(request, dir, cursor, &mut each);
        self.unless(taken, done)
    }

    /// As [`Answers::read_dir`], with the attributes. Each entry that is taken counts as looked up.
    /// Gives what was taken of use to [`Answers::listed`].
    pub(super) fn read_dir_plus(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        take: &mut Take<'_>,
    ) -> Answer<Listed> {
        let mut taken = false;
        let mut listed = Listed::default();
        let done = self
            .tree
            .read_dir_plus(request, dir, cursor, &mut |entry, found| {
                let shown = match found {
                    Some(found) => attributes::kernel(entry.inode, found),
                    None => {
                        let kind = entry.kind.unwrap_or(FileType::Regular);
                        attributes::unreadable(entry.inode, kind)
                    }
                };
                let fits = take(&shown, entry.name, entry.next);
                taken |= fits;
                if fits && found.is_some() && !matches!(entry.name, b"." | b"..") {
                    listed.add(&shown);
                }
                fits
            });
        self.unless(taken, done).map(|()| listed)
    }

    fn unless(&self, taken: bool, done: Outcome<()>) -> Answer<()> {
        match done {
            Err(error) if taken => {
                self.reported.report(&error);
                Ok(())
            }
            done => self.known(done),
        }
    }

    /// After an answer: somebody asked about `node`. The first who looks at the root is the one who
    /// has mounted it, and the next will list it.
    pub(super) fn looked_at(&self, node: Inode) {
        if node == self.tree.root() {
            self.seen.call_once(|| self.prepare(&[node.0]));
        }
    }

    /// After an answer: `found` was looked up.
    pub(super) fn looked_up(&self, found: &FileAttr) {
        let is_worth_it = match found.kind {
            fuser::FileType::Directory => true,
            fuser::FileType::RegularFile => found.size > 0 && self.ahead.looked_up(found.ino.0),
            _ => false,
        };
        if is_worth_it {
            self.prepare(&[found.ino.0]);
        }
    }

    /// After an answer: these were listed.
    pub(super) fn listed(&self, listed: &Listed) {
        self.ahead.listed(&listed.files);
        self.prepare(&listed.directories);
    }

    /// After an answer: something of `file` from byte `offset` on was read.
    pub(super) fn was_read(&self, file: Inode, offset: u64) {
        if offset == 0 {
            self.prepare(&self.ahead.read(file.0));
        }
    }

    /// Tells the host of what will be read of these.
    fn prepare(&self, nodes: &[u64]) {
        for node in nodes {
            let _ = self.guard(0, |request| {
                self.tree.ahead(request, Inode(*node));
                Ok(()) // Nobody waits for it.
            });
        }
    }

    /// The numbers of statfs(2) for the volume that `node` is in.
    pub(super) fn usage(&self, node: Inode) -> Usage {
        self.tree.usage_of(node)
    }

    /// The value of an extended attribute.
    pub(super) fn xattr(&self, request: &Request, node: Inode, name: &[u8]) -> Answer<Vec<u8>> {
        if is_hidden(request, name) {
            return Err(Errno::from_i32(libc::ENODATA));
        }
        let found = self.known(self.tree.xattr(request, node, name))?;
        found.ok_or_else(|| self.no_xattr(request))
    }

    /// What is said of an attribute that is not there. Where many were asked for and the image has
    /// none at all, ENOSYS: the kernel doesn't ask again, and gives EOPNOTSUPP by itself.
    fn no_xattr(&self, request: &Request) -> Errno {
        /// `ls -l` of a few directories. Somebody who asks for one is told that it is not there.
        const MANY: u64 = 256;
        let asked = self.vain.fetch_add(1, Ordering::Relaxed);
        match asked >= MANY && self.tree.has_no_xattrs(request) {
            true => Errno::ENOSYS,
            false => Errno::from_i32(libc::ENODATA),
        }
    }

    /// The names of the extended attributes, each with a NUL behind it.
    pub(super) fn xattr_names(&self, request: &Request, node: Inode) -> Answer<Vec<u8>> {
        let mut list = Vec::new();
        let mut each = |name: &[u8]| {
            // One with a NUL in it would be two, of which neither is there.
            if !is_hidden(request, name) && !name.contains(&0) {
                list.extend_from_slice(name);
                list.push(0);
            }
        };
        self.known(self.tree.xattr_names(request, node, &mut each))?;
        Ok(list)
    }

    /// The next offset from `offset` on where there is data, or a hole; the end counts as a hole.
    pub(super) fn seek(
        &self,
        request: &Request,
        file: Inode,
        offset: i64,
        to: Seek,
    ) -> Answer<i64> {
        let size = self.known(self.tree.attributes(request, file))?.size;
        let beyond = Errno::ENXIO;
        let mut at = u64::try_from(offset).map_err(|_| beyond)?;
        if at >= size {
            return Err(beyond);
        }
        while at < size {
            self.known(request.spend(1))?;
            let extent = self.known(self.tree.extent_at(request, file, at))?;
            let is_data = extent.kind == ExtentKind::Data;
            if is_data == (to == Seek::Data) {
                return i64::try_from(at).map_err(|_| beyond);
            }
            at = at.saturating_add(extent.len.get());
        }
        match to {
            Seek::Data => Err(beyond),
            Seek::Hole => i64::try_from(size).map_err(|_| beyond),
        }
    }

    /// What the kernel is told about an inode it knows, logged if it is news.
    fn known<T>(&self, outcome: Outcome<T>) -> Answer<T> {
        outcome.map_err(|error| self.refuse(&error))
    }

    fn refuse(&self, error: &Error) -> Errno {
        self.reported.report(error);
        errno::of_inode(error)
    }
}

/// `trusted.*` is root's alone, as in the kernel.
fn is_hidden(request: &Request, name: &[u8]) -> bool {
    name.starts_with(b"trusted.") && request.uid != 0
}

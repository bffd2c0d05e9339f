//! The walk over what is copied.

use std::collections::HashSet;
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::super::entries::{self, Named, request, shown};
use super::super::exit::{Failure, Outcome};
use super::super::links::Links;
use super::super::names::{Names, Room};
use super::super::open::OF_THE_IMAGE;
use super::super::progress::Progress;
use super::destination::Directory;
use super::made::Made;
use super::metadata::{Metadata, host_type};
use super::{Fault, LeftOut, Origin, content};
use crate::error::{Error, Kind};
use crate::filesystem::{FileType, Inode, Trail};

/// How the host says that it makes no hard link, or no more of them, to a file.
const NO_LINKS: [Errno; 5] = [
    Errno::PERM,
    Errno::ACCESS,
    Errno::XDEV,
    Errno::MLINK,
    Errno::OPNOTSUPP,
];

/// What is said of a file whose name another copy has.
const TAKEN: &str = "another file was copied to this name just now";

/// Copies files and directories below one directory.
pub(super) struct Copier<'a> {
    from: Origin<'a>,
    base: Directory,
    preserve_all: bool,
    /// Files with several names that were copied: where, below the base.
    links: Links,
    /// For the names of the directories that are being copied.
    room: Room,
    made: Made,
    progress: Progress,
    left_out: LeftOut,
    outcome: Outcome,
}

/// Where the walk is.
struct Way {
    /// In the image, for messages.
    path: Trail,
    /// The copy, below the base.
    place: Trail,
}

/// A directory that is being copied.
struct Frame {
    /// Its path and its place.
    marks: (usize, usize),
    directory: Directory,
    /// What is still to be copied, last first.
    entries: Names,
    /// What to set when all is copied; not for a directory that the user had already.
    metadata: Option<Metadata>,
}

/// One file or directory to copy.
struct Item<'a> {
    way: &'a Way,
    parent: &'a Directory,
    name: &'a [u8],
    inode: Inode,
}

impl<'a> Copier<'a> {
    pub(super) fn new(from: Origin<'a>, base: Directory, preserve_all: bool) -> Self {
        Self {
            from,
            base,
            preserve_all,
            links: Links::default(),
            room: Room::default(),
            made: Made::default(),
            progress: Progress::new(None),
            left_out: LeftOut::default(),
            outcome: Outcome::Done,
        }
    }

    /// Copies `inode`, which the user called `path`, to `name` in the base, or its contents into
    /// the base itself.
    pub(super) fn source(
        &mut self,
        path: &[u8],
        inode: Inode,
        name: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let base = self.base.again();
        let base = base.map_err(|error| Failure::host("DEST", &error.into()))?;
        let mut way = Way {
            path: Trail::at(path),
            place: Trail::at(name.unwrap_or_default()),
        };
        let first = match name {
            Some(name) => {
                let item = Item {
                    way: &way,
                    parent: &base,
                    name,
                    inode,
                };
                let copied = self.item(&item);
                self.settle(path, copied)?.flatten()
            }
            None => Some(self.frame(&way, base, inode, None)),
        };
        let mut seen = HashSet::from([inode]);
        let mut frames: Vec<Frame> = first.into_iter().collect();
        while let Some(frame) = frames.last_mut() {
            way.back(frame.marks);
            match frame.entries.pop() {
                Some(Named { name, inode }) => {
                    way.push(&name);
                    let item = Item {
                        way: &way,
                        parent: &frame.directory,
                        name: &name,
                        inode,
                    };
                    let copied = self.once(&item, &mut seen);
                    frames.extend(self.settle(way.path.path(), copied)?.flatten());
                }
                None => {
                    let done = frames.pop();
                    done.map_or(Ok(()), |frame| self.leave(&way, &frame))?;
                }
            }
        }
        Ok(())
    }

    /// What the copy of everything came to; says what was left out.
    pub(super) fn finish(self) -> Outcome {
        if let Some(text) = self.left_out.text() {
            self.progress.say(&format!("imgmount: {text}"));
        }
        self.outcome
    }

    /// Copies `item`, unless it is a directory that was copied already: no file system has those,
    /// and one that a damaged or hostile image has can multiply without end.
    fn once(&mut self, item: &Item<'_>, seen: &mut HashSet<Inode>) -> Result<Option<Frame>, Fault> {
        let frame = self.item(item)?;
        match frame {
            Some(_) if !seen.insert(item.inode) => {
                Err(Error::corrupt("this directory was copied already").into())
            }
            frame => Ok(frame),
        }
    }

    /// Copies a file, or makes a directory; gives the directory's contents to go on with.
    fn item(&mut self, item: &Item<'_>) -> Result<Option<Frame>, Fault> {
        let mut metadata = self.metadata(item)?;
        let kind = metadata.attributes.kind;
        if self.leaves_out(kind) {
            return Ok(None);
        }
        let has_more_names = kind != FileType::Directory && metadata.attributes.nlink > 1;
        if has_more_names && self.linked(item)? {
            return Ok(None);
        }
        if !self.preserve_all {
            metadata.leave_out_rights(&mut self.left_out);
        }
        match kind {
            FileType::Directory => {
                let made = item.parent.make_directory(item.name);
                let directory = made.map_err(host("make the directory"))?;
                let frame = self.frame(item.way, directory, item.inode, Some(metadata));
                return Ok(Some(frame));
            }
            FileType::Regular => self.regular(item, &metadata)?,
            FileType::Symlink => {
                let target = self.from.files.read_link(&request(), item.inode)?;
                let make = |name: &[u8]| item.parent.make_link(name, &target);
                self.put(item, "make the link", make)?;
                by_handle(item, &metadata)?;
            }
            kind => self.special(item, kind, &metadata)?,
        }
        if has_more_names {
            self.links.insert(item.inode, item.way.place.path());
        }
        Ok(None)
    }

    /// Makes `item` one more name of a file that was copied already; false where none was, or where
    /// the host takes no such link: it is copied once more then.
    fn linked(&mut self, item: &Item<'_>) -> Result<bool, Fault> {
        let Some(first) = self.links.get(item.inode).map(<[u8]>::to_vec) else {
            return Ok(false);
        };
        // Its directory may have a mode by now that keeps it from being found.
        let Ok((parent, last)) = self.base.parent_of(&first) else {
            return Ok(false);
        };
        let there = parent.identity(last).ok();
        let original = there.and_then(|there| self.made.original(there));
        if original != Some(item.inode) {
            return Ok(false);
        }
        let make = |name: &[u8]| item.parent.make_hard_link(name, &parent, last);
        match self.put(item, "link", make) {
            Err(Fault::Host(error, _)) if is_no_link(&error) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Makes something called as `item`, in the place of what has the name, unless that is a
    /// directory, of the image, or a copy of another file.
    fn put<T>(
        &mut self,
        item: &Item<'_>,
        doing: &'static str,
        make: impl Fn(&[u8]) -> rustix::io::Result<T>,
    ) -> Result<T, Fault> {
        let made = match make(item.name) {
            Err(Errno::EXIST) => {
                let taken = item.parent.identity(item.name).map_err(host(doing))?;
                let original = self.made.original(taken);
                if self.from.passed.has(taken) {
                    return Err(Error::new(Kind::Denied, OF_THE_IMAGE).into());
                }
                if original.is_some_and(|original| original != item.inode) {
                    return Err(Error::new(Kind::Denied, TAKEN).into());
                }
                let made = item.parent.replace(item.name, make);
                made.inspect(|_| self.made.remove(taken))
            }
            made => made,
        };
        let made = made.map_err(host(doing))?;
        let copy = item.parent.identity(item.name).map_err(host(doing))?;
        self.made.insert(copy, item.inode);
        Ok(made)
    }

    fn regular(&mut self, item: &Item<'_>, metadata: &Metadata) -> Result<(), Fault> {
        let out = self.put(item, "create", |name| item.parent.make_file(name))?;
        let size = metadata.attributes.size;
        let progress = &self.progress;
        let copied = content::copy(self.from.files, item.inode, size, &out, |bytes| {
            progress.advance(bytes)
        });
        let applied = metadata.apply(out.as_fd());
        copied.and(applied.map_err(host("set the attributes")))
    }

    /// Whether files of this kind are not copied; counts one more of them then.
    fn leaves_out(&mut self, kind: FileType) -> bool {
        let is_left_out = is_device(kind) && !self.preserve_all;
        if is_left_out {
            self.left_out.devices = self.left_out.devices.saturating_add(1);
        }
        is_left_out
    }

    fn special(
        &mut self,
        item: &Item<'_>,
        kind: FileType,
        metadata: &Metadata,
    ) -> Result<(), Fault> {
        let device = if is_device(kind) {
            metadata.attributes.rdev
        } else {
            (0, 0)
        };
        let make = |name: &[u8]| item.parent.make_node(name, host_type(kind), device);
        self.put(item, "make the node", make)?;
        by_handle(item, metadata)
    }

    fn frame(
        &mut self,
        way: &Way,
        directory: Directory,
        inode: Inode,
        metadata: Option<Metadata>,
    ) -> Frame {
        let (mut entries, error) = entries::sorted(self.from.files, inode, &self.room);
        if let Some(error) = error {
            self.complain(way.path.path(), error);
        }
        entries.reverse();
        Frame {
            marks: way.marks(),
            directory,
            entries,
            metadata,
        }
    }

    /// A directory gets its attributes last: what is copied into it changes its times, and its mode
    /// may forbid the copying.
    fn leave(&mut self, way: &Way, frame: &Frame) -> Result<(), Failure> {
        let applied = match &frame.metadata {
            Some(metadata) => metadata.apply(frame.directory.as_fd()),
            None => Ok(()),
        };
        let applied = applied.map_err(host("set the attributes"));
        self.settle(way.path.path(), applied).map(|_| ())
    }

    fn metadata(&self, item: &Item<'_>) -> Result<Metadata, Fault> {
        let attributes = self.from.files.attributes(&request(), item.inode)?;
        let xattrs = entries::xattrs(self.from.files, item.inode)?;
        Ok(Metadata { attributes, xattrs })
    }

    /// Reports a fault of one file, which the others do not suffer from; fails with one that they
    /// would all have.
    fn settle<T>(&mut self, path: &[u8], result: Result<T, Fault>) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(fault) if fault.is_final() => Err(Failure::Host(
                fault.error().context(shown(path)).context(self.from.name),
            )),
            Err(fault) => {
                self.complain(path, fault.error());
                Ok(None)
            }
        }
    }

    fn complain(&mut self, path: &[u8], error: Error) {
        self.outcome = self.outcome.with(&error);
        let error = error.context(shown(path)).context(self.from.name);
        self.progress.say(&format!("imgmount: {error}"));
    }
}

impl Way {
    fn marks(&self) -> (usize, usize) {
        (self.path.mark(), self.place.mark())
    }

    fn push(&mut self, name: &[u8]) {
        self.path.push(name);
        self.place.push(name);
    }

    fn back(&mut self, (path, place): (usize, usize)) {
        self.path.back(path);
        self.place.back(place);
    }
}

const fn is_device(kind: FileType) -> bool {
    matches!(kind, FileType::BlockDevice | FileType::CharacterDevice)
}

/// Sets what is to be set on something just made that cannot be opened.
fn by_handle(item: &Item<'_>, metadata: &Metadata) -> Result<(), Fault> {
    let handle = item.parent.handle(item.name).map_err(host("open"))?;
    let applied = metadata.apply_by_handle(&handle);
    applied.map_err(host("set the attributes"))
}

fn is_no_link(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| NO_LINKS.contains(&Errno::from_raw_os_error(code)))
}

fn host(doing: &'static str) -> impl Fn(rustix::io::Errno) -> Fault {
    move |error| Fault::host(doing, &error.into())
}

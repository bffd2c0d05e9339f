//! The walk over what is copied.

use std::collections::HashSet;
use std::os::fd::AsFd;

use super::super::entries::{self, Files, Named, request, shown};
use super::super::exit::{Failure, Outcome};
use super::super::links::Links;
use super::super::progress::Progress;
use super::destination::Directory;
use super::metadata::Metadata;
use super::{Fault, LeftOut, content};
use crate::error::Error;
use crate::filesystem::{FileType, Inode, Trail};

/// Copies files and directories below one directory.
pub(super) struct Copier<'a> {
    filesystem: &'a dyn Files,
    /// The image's name, for messages.
    image: &'a str,
    base: Directory,
    preserve_all: bool,
    /// Files with several names that were copied: where, below the base.
    links: Links,
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
    entries: Vec<Named>,
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
    pub(super) fn new(
        filesystem: &'a dyn Files,
        image: &'a str,
        base: Directory,
        preserve_all: bool,
    ) -> Self {
        Self {
            filesystem,
            image,
            base,
            preserve_all,
            links: Links::default(),
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
        if !self.preserve_all {
            metadata.leave_out_rights(&mut self.left_out);
        }
        let attributes = &metadata.attributes;
        if attributes.kind == FileType::Directory {
            let directory = item
                .parent
                .make_directory(item.name)
                .map_err(host("make the directory"))?;
            return Ok(Some(self.frame(
                item.way,
                directory,
                item.inode,
                Some(metadata),
            )));
        }
        if attributes.nlink > 1 {
            if let Some(first) = self.links.get(item.inode) {
                let linked = item.parent.make_hard_link(item.name, &self.base, first);
                return linked.map(|()| None).map_err(host("link"));
            }
            self.links.insert(item.inode, item.way.place.path());
        }
        match attributes.kind {
            FileType::Regular | FileType::Directory => self.regular(item, &metadata)?,
            FileType::Symlink => {
                let target = self.filesystem.read_link(&request(), item.inode)?;
                item.parent
                    .make_link(item.name, &target)
                    .map_err(host("make the link"))?;
                by_name(item, &metadata)?;
            }
            kind => self.special(item, kind, &metadata)?,
        }
        Ok(None)
    }

    fn regular(&mut self, item: &Item<'_>, metadata: &Metadata) -> Result<(), Fault> {
        let out = item.parent.make_file(item.name).map_err(host("create"))?;
        let size = metadata.attributes.size;
        let progress = &self.progress;
        let copied = content::copy(self.filesystem, item.inode, size, &out, |bytes| {
            progress.advance(bytes)
        });
        copied.and(
            metadata
                .apply(out.as_fd())
                .map_err(host("set the attributes")),
        )
    }

    fn special(
        &mut self,
        item: &Item<'_>,
        kind: FileType,
        metadata: &Metadata,
    ) -> Result<(), Fault> {
        use rustix::fs::FileType as Host;
        let kind = match kind {
            FileType::BlockDevice => Host::BlockDevice,
            FileType::CharacterDevice => Host::CharacterDevice,
            FileType::Fifo => Host::Fifo,
            _ => Host::Socket,
        };
        let is_device = matches!(kind, Host::BlockDevice | Host::CharacterDevice);
        if is_device && !self.preserve_all {
            self.left_out.devices = self.left_out.devices.saturating_add(1);
            self.links.remove(item.inode);
            return Ok(());
        }
        let device = if is_device {
            metadata.attributes.rdev
        } else {
            (0, 0)
        };
        item.parent
            .make_node(item.name, kind, device)
            .map_err(host("make the node"))?;
        by_name(item, metadata)
    }

    fn frame(
        &mut self,
        way: &Way,
        directory: Directory,
        inode: Inode,
        metadata: Option<Metadata>,
    ) -> Frame {
        let (mut entries, error) = entries::sorted(self.filesystem, inode);
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
        let attributes = self.filesystem.attributes(&request(), item.inode)?;
        let xattrs = entries::xattrs(self.filesystem, item.inode)?;
        Ok(Metadata { attributes, xattrs })
    }

    /// Reports a fault of one file, which the others do not suffer from; fails with one that they
    /// would all have.
    fn settle<T>(&mut self, path: &[u8], result: Result<T, Fault>) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(fault) if fault.is_final() => Err(Failure::Host(
                fault.error().context(shown(path)).context(self.image),
            )),
            Err(fault) => {
                self.complain(path, fault.error());
                Ok(None)
            }
        }
    }

    fn complain(&mut self, path: &[u8], error: Error) {
        self.outcome = self.outcome.with(&error);
        let error = error.context(shown(path)).context(self.image);
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

fn by_name(item: &Item<'_>, metadata: &Metadata) -> Result<(), Fault> {
    let handle = item.parent.handle(item.name).map_err(host("open"))?;
    let applied = metadata.apply_by_name(item.parent.as_fd(), item.name, &handle);
    applied.map_err(host("set the attributes"))
}

fn host(doing: &'static str) -> impl Fn(rustix::io::Errno) -> Fault {
    move |error| Fault::host(doing, &error.into())
}

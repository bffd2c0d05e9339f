//! The walk over what goes into the archive.

use std::collections::HashSet;
use std::io::Write;

use super::super::entries::{self, Files, Xattrs, request, shown};
use super::super::exit::{Failure, Outcome};
use super::super::links::Links;
use super::super::names::{Names, Room};
use super::super::progress::Progress;
use super::entry::{self, Entry};
use super::sparse::{self, BLOCK};
use crate::error::{Error, Result};
use crate::filesystem::{Attributes, FileType, Inode, Trail};
use crate::number::{to_u64, to_usize};

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Bytes of the smallest part that is tried where more cannot be read.
const PAGE: usize = 4096;

/// An archive in the making.
pub(super) struct Archive<'a, W> {
    filesystem: &'a dyn Files,
    /// The image's name, for messages.
    image: &'a str,
    out: W,
    buf: Vec<u8>,
    written: u64,
    /// Files with several names that are in the archive: under which one.
    links: Links,
    /// For the names of the directories that are being added.
    room: Room,
    sockets: u64,
    progress: Progress,
    outcome: Outcome,
}

/// A directory that is being added.
struct Frame {
    /// Its path in the image, for messages, and its name in the archive.
    marks: (usize, usize),
    /// What is still to be added, last first.
    entries: Names,
}

impl<'a, W: Write> Archive<'a, W> {
    pub(super) fn new(filesystem: &'a dyn Files, image: &'a str, out: W) -> Self {
        Self {
            filesystem,
            image,
            out,
            buf: vec![0; CHUNK],
            written: 0,
            links: Links::default(),
            room: Room::default(),
            sockets: 0,
            progress: Progress::new(None),
            outcome: Outcome::Done,
        }
    }

    /// Adds what the user called `path`: a directory with everything in it, under `./`, or a file.
    pub(super) fn add(&mut self, path: &[u8], inode: Inode) -> std::result::Result<(), Failure> {
        let names = path.split(|byte| *byte == b'/').rev();
        let last = names.into_iter().find(|name| !name.is_empty());
        let attributes = self.filesystem.attributes(&request(), inode);
        let attributes = attributes.map_err(|error| error.context(shown(path)))?;
        let name = match attributes.kind {
            FileType::Directory => b".".as_slice(),
            _ => last.unwrap_or(b"file"),
        };
        let mut seen = HashSet::from([inode]);
        let (mut path, mut name) = (Trail::at(path), Trail::at(name));
        let mut frames: Vec<Frame> = self.item(&path, &name, inode)?.into_iter().collect();
        while let Some(frame) = frames.last_mut() {
            path.back(frame.marks.0);
            name.back(frame.marks.1);
            let Some(next) = frame.entries.pop() else {
                frames.pop();
                continue;
            };
            path.push(&next.name);
            name.push(&next.name);
            let inode = next.inode;
            if let Some(below) = self.item(&path, &name, inode)? {
                // No file system has a directory twice; one that a hostile image has can multiply
                // without end.
                if seen.insert(inode) {
                    frames.push(below);
                } else {
                    let error = Error::corrupt("this directory was added already");
                    self.complain(path.path(), error);
                }
            }
        }
        Ok(())
    }

    /// Ends the archive; gives what it came to.
    pub(super) fn finish(mut self) -> std::result::Result<Outcome, Failure> {
        // Two blocks of zeros end it; a tape's record of 20 blocks is what tar programs write.
        let record = BLOCK.saturating_mul(20);
        let end = self.written.saturating_add(BLOCK.saturating_mul(2));
        let end = end.next_multiple_of(record);
        let zeros = vec![0; to_usize(end.saturating_sub(self.written))];
        self.put(&zeros)?;
        self.out.flush().map_err(|error| Failure::output(&error))?;
        if self.sockets > 0 {
            let count = self.sockets;
            let text = format!("imgmount: left out: {count} sockets, which no archive holds");
            self.progress.say(&text);
        }
        Ok(self.outcome)
    }

    /// Adds one file or directory; gives the directory's contents to go on with.
    fn item(
        &mut self,
        path: &Trail,
        name: &Trail,
        inode: Inode,
    ) -> std::result::Result<Option<Frame>, Failure> {
        let marks = (path.mark(), name.mark());
        let (path, name) = (path.path(), name.path());
        let (attributes, xattrs) = match self.examine(inode) {
            Ok(found) => found,
            Err(error) => {
                self.complain(path, error);
                return Ok(None);
            }
        };
        match attributes.kind {
            FileType::Directory => {
                let slashed = [name, b"/"].concat();
                let entry = Entry {
                    name: &slashed,
                    xattrs: &xattrs,
                    ..Entry::default()
                };
                self.header(&entry, &attributes)?;
                let entries = self.entries(path, inode);
                return Ok(Some(Frame { marks, entries }));
            }
            _ if attributes.nlink > 1 => {
                if let Some(first) = self.links.get(inode) {
                    let first = first.to_vec();
                    let entry = Entry {
                        name,
                        target: Some(&first),
                        is_hard_link: true,
                        ..Entry::default()
                    };
                    self.header(&entry, &attributes)?;
                    return Ok(None);
                }
            }
            _ => {}
        }
        let entry = Entry {
            name,
            xattrs: &xattrs,
            ..Entry::default()
        };
        if self.file(path, entry, &attributes, inode)? && attributes.nlink > 1 {
            self.links.insert(inode, name);
        }
        Ok(None)
    }

    /// Adds what is no directory; says whether it is in the archive.
    fn file(
        &mut self,
        path: &[u8],
        entry: Entry<'_>,
        attributes: &Attributes,
        inode: Inode,
    ) -> std::result::Result<bool, Failure> {
        match attributes.kind {
            FileType::Regular => self.regular(path, entry, attributes, inode),
            FileType::Symlink => match self.filesystem.read_link(&request(), inode) {
                Ok(target) => {
                    let target = Some(target.as_slice());
                    self.header(&Entry { target, ..entry }, attributes)
                }
                Err(error) => {
                    self.complain(path, error);
                    Ok(false)
                }
            },
            FileType::Socket => {
                self.sockets = self.sockets.saturating_add(1);
                Ok(false)
            }
            _ => self.header(&entry, attributes),
        }
    }

    fn regular(
        &mut self,
        path: &[u8],
        entry: Entry<'_>,
        attributes: &Attributes,
        inode: Inode,
    ) -> std::result::Result<bool, Failure> {
        let size = attributes.size;
        let pieces = match sparse::pieces(self.filesystem, inode, size) {
            Ok(pieces) => pieces,
            Err(error) => {
                self.complain(path, error);
                return Ok(false);
            }
        };
        let map = match pieces.has_holes {
            true => sparse::map(&pieces.data, size),
            false => Vec::new(),
        };
        let data: u64 = pieces.data.iter().map(|(_, len)| len).sum();
        let archived = data.saturating_add(to_u64(map.len()));
        let entry = Entry {
            size: archived,
            real_size: pieces.has_holes.then_some(size),
            ..entry
        };
        self.header(&entry, attributes)?;
        self.put(&map)?;
        let mut first_error = None;
        for (start, len) in pieces.data {
            self.data(inode, start..start.saturating_add(len), &mut first_error)?;
        }
        self.pad()?;
        if let Some(error) = first_error {
            self.complain(
                path,
                error.hint("zeros stand in the archive where it cannot be read"),
            );
        }
        Ok(true)
    }

    /// Adds a range of a file, with zeros for what cannot be read: the header has promised so many
    /// bytes.
    fn data(
        &mut self,
        file: Inode,
        range: std::ops::Range<u64>,
        first_error: &mut Option<Error>,
    ) -> std::result::Result<(), Failure> {
        let mut offset = range.start;
        let mut buf = std::mem::take(&mut self.buf);
        while offset < range.end {
            let len = to_usize(range.end.saturating_sub(offset)).min(CHUNK);
            let part = buf.get_mut(..len).unwrap_or_default();
            if let Err(error) = self.read(file, part, offset) {
                first_error.get_or_insert(error);
                self.read_pages(file, part, offset);
            }
            self.put(part)?;
            self.progress.advance(to_u64(len));
            offset = offset.saturating_add(to_u64(len));
        }
        self.buf = buf;
        Ok(())
    }

    fn read(&self, file: Inode, buf: &mut [u8], offset: u64) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(to_u64(done));
            match self.filesystem.read(&request(), file, rest, at)? {
                0 => return Err(Error::corrupt("the file ends before its size").at(at)),
                count => done = done.saturating_add(count),
            }
        }
        Ok(())
    }

    /// Reads what can be read, page by page, and zeros for the rest.
    fn read_pages(&self, file: Inode, buf: &mut [u8], offset: u64) {
        let mut at = offset;
        for page in buf.chunks_mut(PAGE) {
            if self.read(file, page, at).is_err() {
                page.fill(0);
            }
            at = at.saturating_add(to_u64(page.len()));
        }
    }

    /// Adds a header, where tar has one for such a file; says whether it has.
    fn header(
        &mut self,
        entry: &Entry<'_>,
        attributes: &Attributes,
    ) -> std::result::Result<bool, Failure> {
        match entry::headers(entry, attributes) {
            Some(bytes) => self.put(&bytes).map(|()| true),
            None => Ok(false),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> std::result::Result<(), Failure> {
        self.written = self.written.saturating_add(to_u64(bytes.len()));
        let written = self.out.write_all(bytes);
        written.map_err(|error| Failure::output(&error))
    }

    /// Fills the last block of a file.
    fn pad(&mut self) -> std::result::Result<(), Failure> {
        let end = self.written.next_multiple_of(BLOCK);
        let zeros = vec![0; to_usize(end.saturating_sub(self.written))];
        self.put(&zeros)
    }

    /// What is in a directory, last first.
    fn entries(&mut self, path: &[u8], inode: Inode) -> Names {
        let (mut entries, error) = entries::sorted(self.filesystem, inode, &self.room);
        if let Some(error) = error {
            self.complain(path, error);
        }
        entries.reverse();
        entries
    }

    fn examine(&self, inode: Inode) -> Result<(Attributes, Xattrs)> {
        let attributes = self.filesystem.attributes(&request(), inode)?;
        let xattrs = entries::xattrs(self.filesystem, inode)?;
        Ok((attributes, xattrs))
    }

    fn complain(&mut self, path: &[u8], error: Error) {
        let error = error.context(shown(path)).context(self.image);
        self.progress.say(&format!("imgmount: {error}"));
        self.outcome = self.outcome.with(&error);
    }
}

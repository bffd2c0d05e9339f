//! The second walk: our reader's tree, and at each file what the second reader says of it.

use std::collections::{BTreeMap, HashSet};

use ext4_view::{Ext4, File, ReadDir};

use super::super::volume::{join, request, shown};
use super::super::{Finding, Judgement, Second};
use super::inode::{Difference, differences, their_kind};
use super::raw::Raw;
use super::{causes, guarded};
use crate::error::{Error, Result, printable};
use crate::filesystem::{Attributes, FileSystem, FileType, Inode, Trail};
use crate::number::{to_u64, to_usize};
use crate::source::ExtentKind;

/// Bytes compared at a time.
const CHUNK: usize = 128 * 1024;

/// Bytes of the longest path that a system call takes, and one. The second reader looks up each
/// file from the root on, and deeper ones are not worth that.
const PATH_MAX: usize = 4096;

/// Bytes of holes compared in one file. The second reader walks them block by block, and a file may
/// claim 2^63 of them.
const MOST_HOLES: u64 = 1 << 30;

/// Bytes of a link's target that are compared: one that is longer is no path. The second reader
/// takes as much memory as the inode says.
const LONGEST_TARGET: u64 = 4096;

/// Two readers over the same bytes.
pub(super) struct Comparison<'a> {
    volume: &'a str,
    ours: &'a dyn FileSystem,
    theirs: Ext4,
    raw: Raw,
    each: &'a mut dyn FnMut(Finding),
    files: u64,
    beyond_reach: u64,
}

/// A directory to compare, and whether the second reader can get there.
struct Directory {
    reached: bool,
    mark: usize,
    /// What is still to be compared in it, last first.
    entries: Vec<(Vec<u8>, Inode)>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(
        volume: &'a str,
        ours: &'a dyn FileSystem,
        (theirs, raw): (Ext4, Raw),
        each: &'a mut dyn FnMut(Finding),
    ) -> Self {
        Self {
            volume,
            ours,
            theirs,
            raw,
            each,
            files: 0,
            beyond_reach: 0,
        }
    }

    /// Compares everything.
    pub(super) fn run(mut self) -> Second {
        let root = self.ours.root();
        let attributes = self.ours.attributes(&request(), root);
        let reached = attributes.is_ok_and(|attributes| self.file(&[], root, &attributes));
        let mut seen = HashSet::from([root]);
        let mut trail = Trail::default();
        let mut frames = vec![self.directory(&trail, root, reached)];
        while let Some(directory) = frames.last_mut() {
            trail.back(directory.mark);
            let Some((name, inode)) = directory.entries.pop() else {
                frames.pop();
                continue;
            };
            trail.push(&name);
            let Ok(attributes) = self.ours.attributes(&request(), inode) else {
                continue; // The first walk has reported it.
            };
            let is_near = directory.reached && trail.mark() < PATH_MAX;
            let reached = is_near && self.file(trail.path(), inode, &attributes);
            if !reached {
                self.beyond_reach = self.beyond_reach.saturating_add(1);
            }
            if attributes.kind == FileType::Directory && seen.insert(inode) {
                frames.push(self.directory(&trail, inode, reached));
            }
        }
        Second::Compared {
            files: self.files,
            beyond_reach: self.beyond_reach,
        }
    }

    /// Compares the names in the directory at `trail`. What the second reader cannot list, it does
    /// not reach either.
    fn directory(&mut self, trail: &Trail, inode: Inode, mut reached: bool) -> Directory {
        let path = trail.path();
        let mut ours = BTreeMap::new();
        let read = self.ours.read_dir(&request(), inode, 0, &mut |entry| {
            if !matches!(entry.name, b"." | b"..") {
                ours.insert(entry.name.to_vec(), entry.inode);
            }
            true
        });
        if reached && read.is_ok() {
            match guarded(|| self.theirs.read_dir(&their_path(path)?)?.collect_names()) {
                Ok(theirs) => self.names(path, &ours, &theirs),
                Err(said) => {
                    reached = false;
                    self.unlisted(path, inode, &said);
                }
            }
        }
        Directory {
            reached,
            mark: trail.mark(),
            entries: ours.into_iter().rev().collect(),
        }
    }

    fn names(&mut self, path: &[u8], ours: &BTreeMap<Vec<u8>, Inode>, theirs: &HashSet<Vec<u8>>) {
        for name in theirs.iter().filter(|name| !ours.contains_key(*name)) {
            self.differs(
                &join(path, name),
                "only the second reader has this name".into(),
            );
        }
        for name in ours.keys().filter(|name| !theirs.contains(*name)) {
            self.differs(
                &join(path, name),
                "the second reader has no such name".into(),
            );
        }
    }

    /// Compares one file; gives whether the second reader can go on to what is in it.
    fn file(&mut self, path: &[u8], inode: Inode, attributes: &Attributes) -> bool {
        let theirs = guarded(|| self.theirs.symlink_metadata(&their_path(path)?));
        let theirs = match theirs {
            Ok(metadata) => metadata,
            Err(said) => {
                self.refused(path, inode, &said);
                return false;
            }
        };
        self.files = self.files.saturating_add(1);
        for Difference { text, extra } in differences(attributes, &theirs) {
            let cause = extra.and_then(|end| causes::of_nanoseconds(attributes, &self.raw, end));
            self.report(path, Error::corrupt(text), cause);
        }
        if their_kind(&theirs) != attributes.kind {
            // What is said of the rest would be of another file.
            return false;
        }
        match attributes.kind {
            FileType::Regular => self.content(path, inode, attributes),
            // Where it is longer, the size differs, which is reported.
            FileType::Symlink if theirs.len() <= LONGEST_TARGET => self.target(path, inode),
            _ => {}
        }
        true
    }

    fn target(&mut self, path: &[u8], inode: Inode) {
        let Ok(ours) = self.ours.read_link(&request(), inode) else {
            return; // The first walk has reported it.
        };
        match guarded(|| self.theirs.read_link(&their_path(path)?)) {
            Ok(theirs) if theirs.as_ref() == ours => {}
            Ok(theirs) => {
                let (ours, theirs) = (printable(&ours), printable(theirs.as_ref()));
                self.differs(
                    path,
                    format!("the link leads to {ours}, or by the second reader to {theirs}"),
                );
            }
            Err(said) => self.refused(path, inode, &said),
        }
    }

    fn content(&mut self, path: &[u8], inode: Inode, attributes: &Attributes) {
        let opened = guarded(|| self.theirs.open(&their_path(path)?));
        let mut theirs = match opened {
            Ok(theirs) => theirs,
            Err(said) => return self.refused(path, inode, &said),
        };
        let mut explained = None;
        let mut offset = 0_u64;
        let mut holes = 0_u64;
        while offset < attributes.size {
            holes = holes.saturating_add(self.hole(inode, offset));
            if holes > MOST_HOLES {
                self.beyond_reach = self.beyond_reach.saturating_add(1);
                break;
            }
            let left = attributes.size.saturating_sub(offset);
            let length = to_usize(left).min(CHUNK);
            let Ok(our_bytes) = self.our_bytes(inode, offset, length) else {
                return; // The first walk has reported it.
            };
            let their_bytes = match guarded(|| read_fully(&mut theirs, length)) {
                Ok(bytes) => bytes,
                Err(said) => return self.refused(path, inode, &said),
            };
            match self.explain(inode, offset, &our_bytes, &their_bytes) {
                Ok(cause) => explained = explained.or(cause),
                Err(at) => {
                    let text = "the contents differ from here on".to_owned();
                    return self.report(path, Error::corrupt(text).at(at), None);
                }
            }
            offset = offset.saturating_add(to_u64(length));
        }
        if let Some((at, cause)) = explained {
            let error = Error::corrupt("the contents differ").at(at);
            self.report(path, error, Some(cause));
        }
    }

    /// The length of the hole at `offset`, where one starts in the chunk there.
    fn hole(&self, inode: Inode, offset: u64) -> u64 {
        match self.ours.extent_at(&request(), inode, offset) {
            Ok(extent) if extent.kind != ExtentKind::Data => {
                // One that goes on into the next chunk is counted there again, up to its end.
                match extent.len.get() {
                    length if length > MOST_HOLES => length,
                    length => length.min(to_u64(CHUNK)),
                }
            }
            _ => 0,
        }
    }

    fn our_bytes(&self, inode: Inode, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let count = self.ours.read(&request(), inode, &mut bytes, offset)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Looks at every byte that differs: gives the first one's place and cause where all have a
    /// known cause, `None` where nothing differs, and the place of the first that has none.
    fn explain(
        &self,
        inode: Inode,
        offset: u64,
        ours: &[u8],
        theirs: &[u8],
    ) -> std::result::Result<Option<(u64, String)>, u64> {
        if ours == theirs {
            return Ok(None);
        }
        let common = ours.len().min(theirs.len());
        let mut first = None;
        let mut from = 0_usize;
        while let Some(at) = first_difference(ours, theirs, from) {
            let place = offset.saturating_add(to_u64(at));
            let zero = ours.get(at) == Some(&0);
            match causes::of_bytes(self.ours, inode, place) {
                Some((length, cause)) if zero => {
                    first = first.or(Some((place, cause)));
                    from = at.saturating_add(to_usize(length));
                }
                _ => return Err(place),
            }
        }
        if ours.len() == theirs.len() {
            Ok(first)
        } else {
            Err(offset.saturating_add(to_u64(common)))
        }
    }

    fn refused(&mut self, path: &[u8], inode: Inode, said: &str) {
        let attributes = self.ours.attributes(&request(), inode);
        let cause = attributes
            .ok()
            .and_then(|attributes| causes::of_refusal(said, path, &attributes, &self.raw));
        self.says(path, inode, said, cause);
    }

    fn unlisted(&mut self, path: &[u8], dir: Inode, said: &str) {
        match causes::of_listing(said, self.ours, dir) {
            Some(cause) => self.says(path, dir, said, Some(cause)),
            None => self.refused(path, dir, said),
        }
    }

    fn says(&mut self, path: &[u8], inode: Inode, said: &str, cause: Option<String>) {
        let error = Error::corrupt(format!("the second reader says: {said}"));
        self.report(path, error.context(format!("inode {}", inode.0)), cause);
    }

    fn differs(&mut self, path: &[u8], text: String) {
        self.report(path, Error::corrupt(text), None);
    }

    fn report(&mut self, path: &[u8], error: Error, cause: Option<String>) {
        (self.each)(Finding {
            volume: self.volume.to_owned(),
            judgement: match cause {
                Some(_) => Judgement::Explained,
                None => Judgement::Disagreement,
            },
            path: Some(path.to_vec()),
            error: error.context(shown(path)),
            cause,
        });
    }
}

fn first_difference(ours: &[u8], theirs: &[u8], from: usize) -> Option<usize> {
    let pairs = ours.iter().zip(theirs).enumerate().skip(from);
    pairs
        .into_iter()
        .find(|(_, (a, b))| a != b)
        .map(|(at, _)| at)
}

/// An absolute path as the second reader wants it.
fn their_path(path: &[u8]) -> std::result::Result<ext4_view::PathBuf, ext4_view::Ext4Error> {
    ext4_view::PathBuf::try_from([b"/".as_slice(), path].concat())
        .map_err(|_| ext4_view::Ext4Error::MalformedPath)
}

fn read_fully(
    file: &mut File,
    length: usize,
) -> std::result::Result<Vec<u8>, ext4_view::Ext4Error> {
    let mut bytes = vec![0; length];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let count = file.read_bytes(rest)?;
        if count == 0 {
            break;
        }
        done = done.saturating_add(count);
    }
    bytes.truncate(done);
    Ok(bytes)
}

trait CollectNames {
    fn collect_names(self) -> std::result::Result<HashSet<Vec<u8>>, ext4_view::Ext4Error>;
}

impl CollectNames for ReadDir {
    fn collect_names(self) -> std::result::Result<HashSet<Vec<u8>>, ext4_view::Ext4Error> {
        let mut names = HashSet::new();
        for entry in self {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.as_ref();
            if !matches!(name, b"." | b"..") {
                names.insert(name.to_vec());
            }
        }
        Ok(names)
    }
}

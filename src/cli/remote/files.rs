//! The tree of an image that another process reads.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard};

use serde::de::DeserializeOwned;

use super::super::entries::Files;
use super::super::exit::Failure;
use super::super::messages::say;
use super::super::names;
use super::protocol::{
    About, AboutXattr, Ahead, Ask, End, Entries, Found, MOST_FILES, PIECE, Piece, SMALL, Verb,
};
use super::{Begun, Gone, Link, begin, nonsense};
use crate::error::{Error, Result, tame};
use crate::filesystem::{Attributes, Entry, FileSystem, Inode, Request, Usage};
use crate::lock::lock;
use crate::number::{to_u64, to_usize};
use crate::service::frames::Frames;
use crate::service::mount;
use crate::service::passed::Passed;
use crate::source::Extent;

/// The tree. Says at its end what was odd about the image since it was opened. Where the process
/// ends before that, whoever asks for anything is at its end too: see [`super::until_gone`].
pub(crate) struct Remote {
    root: Inode,
    /// What is asked about each file.
    ahead: Ahead,
    passed: Passed,
    line: Mutex<Line>,
}

struct Line {
    lane: Frames,
    link: Link,
    /// The files that were asked about last, and their bytes where they are small.
    about: HashMap<Inode, (Found, Vec<u8>)>,
    /// Those in the directory that was listed last, in the order in which the verb asks for them.
    listed: Vec<Inode>,
    /// Where in the list each of them is, sorted: a map of a million would take three times that.
    places: Vec<(Inode, usize)>,
    /// What was asked for before anybody wanted it, and is not heard yet.
    coming: Option<Piece>,
    /// Where the last piece of a file ended.
    next: Option<(Inode, u64)>,
    said: usize,
    is_gone: bool,
}

impl Remote {
    /// The tree that `request` describes. Of each file `ahead` is wanted.
    pub(crate) fn open(
        request: &mount::Request,
        ahead: Ahead,
    ) -> std::result::Result<Self, Failure> {
        Self::of(begin(request, 1, Verb::Walk, None)?, ahead)
    }

    pub(super) fn of(begun: Begun, ahead: Ahead) -> std::result::Result<Self, Failure> {
        let Begun {
            mut link,
            mut lanes,
            passed,
            end,
        } = begun;
        let (End::Tree { root, notices }, Some(lane)) = (end, lanes.pop()) else {
            return Err(link.failure(nonsense("it opens no tree")));
        };
        say_notices(&link.name, &notices);
        let line = Line {
            lane,
            link,
            about: HashMap::new(),
            listed: Vec::new(),
            places: Vec::new(),
            coming: None,
            next: None,
            said: notices.len(),
            is_gone: false,
        };
        Ok(Self {
            root,
            ahead,
            passed,
            line: Mutex::new(line),
        })
    }

    /// The files that it is read from.
    pub(crate) const fn passed(&self) -> &Passed {
        &self.passed
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }

    fn ask<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T> {
        let mut line = self.line();
        let heard = line.ask(ask);
        line.sure(heard)
    }
}

/// Says what is odd about the image called `name`.
pub(super) fn say_notices(name: &str, notices: &[String]) {
    for notice in notices {
        say(&format!("imgmount: {name}: {}", tame(notice)));
    }
}

impl Line {
    /// What was heard; the end of everything where that was nothing.
    fn sure<T>(&mut self, heard: Result<T>) -> T {
        match heard {
            Ok(heard) => heard,
            Err(error) => {
                self.is_gone = true;
                resume_unwind(Box::new(Gone(self.link.failure(error))))
            }
        }
    }

    /// The outer error is that of the lane, the inner one the answer.
    fn ask<T: DeserializeOwned>(&mut self, ask: &Ask) -> Result<Result<T>> {
        self.settle()?;
        self.lane.send(ask, &[])?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<Result<T>> {
        let answer = self.lane.expect::<Result<T>>()?;
        Ok(answer.map_err(Error::tamed))
    }

    /// Hears what was asked for and is not wanted.
    fn settle(&mut self) -> Result<()> {
        if let Some(piece) = self.coming.take() {
            let mut unwanted = vec![0; to_usize(piece.length.into())];
            let _ = self.piece(&mut unwanted)?; // An error is of no interest either.
        }
        Ok(())
    }

    /// The answer to a [`Ask::Read`] of as many bytes as `buf` has.
    fn piece(&mut self, buf: &mut [u8]) -> Result<Result<usize>> {
        let count = match self.answer::<u32>()? {
            Ok(count) => to_usize(count.into()),
            Err(error) => return Ok(Err(error)),
        };
        let Some(part) = buf.get_mut(..count) else {
            return Err(nonsense("it reads more of a file than was asked for"));
        };
        self.lane.bytes(part)?;
        Ok(Ok(count))
    }

    /// Reads a piece of a file; asks for the one behind it where the file is read from its start
    /// to its end.
    fn read(&mut self, file: Inode, buf: &mut [u8], offset: u64) -> Result<Result<usize>> {
        let length = u32::try_from(buf.len()).unwrap_or_default();
        let piece = Piece {
            file,
            offset,
            length,
        };
        if self.coming != Some(piece) {
            self.settle()?;
            self.lane.send(&Ask::Read(piece), &[])?;
        }
        self.coming = None;
        let count = match self.piece(buf)? {
            Ok(count) => count,
            Err(error) => return Ok(Err(error)),
        };
        let in_order = self.next == Some((file, offset));
        let offset = offset.saturating_add(to_u64(count));
        self.next = Some((file, offset));
        if in_order && count == buf.len() {
            let piece = Piece { offset, ..piece };
            self.lane.send(&Ask::Read(piece), &[])?;
            self.coming = Some(piece);
        }
        Ok(Ok(count))
    }

    /// The attributes of `inode`; those of the files behind it come with them.
    fn about(&mut self, inode: Inode, ahead: Ahead) -> Result<Result<Attributes>> {
        if !self.about.contains_key(&inode) {
            self.ask_about(inode, ahead)?;
        }
        match self.about.get(&inode) {
            Some((Ok(about), _)) => Ok(Ok(about.attributes.clone())),
            Some((Err(error), _)) => Ok(Err(error.clone())),
            None => Err(nonsense("it says nothing of a file")),
        }
    }

    fn ask_about(&mut self, inode: Inode, ahead: Ahead) -> Result<()> {
        let place = self.places.partition_point(|(other, _)| *other < inode);
        let place = self.places.get(place).filter(|place| place.0 == inode);
        let behind = place.and_then(|(_, at)| self.listed.get(*at..));
        let inodes = match behind {
            Some(behind) => behind.iter().copied().take(MOST_FILES).collect(),
            None => vec![inode],
        };
        self.about.clear();
        let ask = Ask::About { inodes, ahead };
        let found = match self.ask::<Vec<Found>>(&ask)? {
            Ok(found) => found,
            Err(error) => vec![Err(error)],
        };
        let Ask::About { inodes, .. } = ask else {
            return Ok(());
        };
        for (inode, found) in inodes.into_iter().zip(found) {
            let length = found.as_ref().ok().and_then(|about| about.content);
            let length = length.unwrap_or_default();
            if length > SMALL {
                return Err(nonsense("it sends a file that is not small"));
            }
            let mut content = vec![0; to_usize(length.into())];
            self.lane.bytes(&mut content)?;
            let found = found.map_err(Error::tamed);
            // A file of several names is the same each time.
            self.about.insert(inode, (found, content));
        }
        Ok(())
    }

    /// Keeps in mind what the verb asks for next.
    fn keep(&mut self, order: &mut dyn Iterator<Item = Inode>) {
        self.listed.clear();
        self.listed.extend(order);
        self.places.clear();
        let places = self.listed.iter().enumerate();
        self.places.extend(places.map(|(at, inode)| (*inode, at)));
        self.places.sort_unstable();
    }

    fn names(&mut self, dir: Inode, each: &mut dyn FnMut(&[u8], Inode)) -> Result<Result<()>> {
        // They make room for the names that come.
        (self.listed, self.places) = (Vec::new(), Vec::new());
        self.settle()?;
        self.lane.send(&Ask::Names(dir), &[])?;
        let mut bytes = 0_usize;
        loop {
            let some = match self.answer::<Entries>()? {
                Ok(some) if some.is_empty() => return Ok(Ok(())),
                Ok(some) => some,
                Err(error) => return Ok(Err(error)),
            };
            for (name, inode) in &some {
                bytes = bytes.saturating_add(names::cost(name));
                each(name, *inode);
            }
            // The process ends a directory that has more.
            if bytes > names::MOST {
                return Err(nonsense("it finds no end of names in a directory"));
            }
        }
    }

    /// What is known of `inode`.
    fn known(&self, inode: Inode) -> Option<(&About, &[u8])> {
        let (found, content) = self.about.get(&inode)?;
        Some((found.as_ref().ok()?, content))
    }

    /// What is known of the extended attributes of `inode`.
    fn known_xattrs(&self, inode: Inode) -> Option<Result<&[AboutXattr]>> {
        match self.known(inode)?.0.xattrs.as_ref()? {
            Ok(xattrs) => Some(Ok(xattrs)),
            Err(error) => Some(Err(error.clone().tamed())),
        }
    }
}

impl FileSystem for Remote {
    fn root(&self) -> Inode {
        self.root
    }

    fn lookup(&self, _: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let name = name.to_vec();
        self.ask(&Ask::Lookup { dir, name })
    }

    fn attributes(&self, _: &Request, inode: Inode) -> Result<Attributes> {
        let mut line = self.line();
        let heard = line.about(inode, self.ahead);
        line.sure(heard)
    }

    fn read_dir(
        &self,
        _: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let (mut next, mut wants_more) = (0_u64, true);
        let result = self.names(dir, &mut |name, inode| {
            next = next.saturating_add(1);
            if wants_more && next > cursor {
                wants_more = each(Entry {
                    name,
                    inode,
                    kind: None,
                    next,
                });
            }
        });
        if wants_more { result } else { Ok(()) }
    }

    fn read(&self, _: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut line = self.line();
        if let Some((
            About {
                content: Some(_), ..
            },
            content,
        )) = line.known(file)
        {
            let rest = content.get(to_usize(offset)..).unwrap_or_default();
            let count = rest.len().min(buf.len());
            if let (Some(buf), Some(rest)) = (buf.get_mut(..count), rest.get(..count)) {
                buf.copy_from_slice(rest);
            }
            return Ok(count);
        }
        let mut done = 0_usize;
        for part in buf.chunks_mut(PIECE) {
            let at = offset.saturating_add(to_u64(done));
            let heard = line.read(file, part, at);
            let count = line.sure(heard)?;
            done = done.saturating_add(count);
            if count < part.len() {
                break;
            }
        }
        Ok(done)
    }

    fn extent_at(&self, _: &Request, file: Inode, offset: u64) -> Result<Extent> {
        if offset == 0
            && let Some((
                About {
                    extent: Some(extent),
                    ..
                },
                _,
            )) = self.line().known(file)
        {
            return Ok(*extent);
        }
        self.ask(&Ask::Extent { file, offset })
    }

    fn read_link(&self, _: &Request, link: Inode) -> Result<Vec<u8>> {
        if let Some((
            About {
                link: Some(target), ..
            },
            _,
        )) = self.line().known(link)
        {
            return Ok(target.clone());
        }
        self.ask(&Ask::Link(link))
    }

    fn xattr_names(&self, _: &Request, inode: Inode, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        if let Some(known) = self.line().known_xattrs(inode) {
            known?.iter().for_each(|(name, _)| each(name));
            return Ok(());
        }
        let names: Vec<Vec<u8>> = self.ask(&Ask::XattrNames(inode))?;
        names.iter().for_each(|name| each(name));
        Ok(())
    }

    fn xattr(&self, _: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(known) = self.line().known_xattrs(inode) {
            match known?.iter().find(|(known, _)| known == name) {
                None => return Ok(None),
                Some((_, Some(value))) => return Ok(Some(value.clone())),
                Some((_, None)) => {}
            }
        }
        let name = name.to_vec();
        self.ask(&Ask::Xattr { inode, name })
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}

impl Files for Remote {
    fn volume_root(&self, inode: Inode) -> Inode {
        self.ask(&Ask::VolumeRoot(inode)).unwrap_or(self.root)
    }

    fn names(&self, dir: Inode, each: &mut dyn FnMut(&[u8], Inode)) -> Result<()> {
        let mut line = self.line();
        let heard = line.names(dir, each);
        line.sure(heard)
    }

    fn comes_next(&self, order: &mut dyn Iterator<Item = Inode>) {
        self.line().keep(order);
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let mut line = self.line();
        if line.is_gone {
            return;
        }
        let said = line.said;
        if let Ok(Ok(notices)) = line.ask::<Vec<String>>(&Ask::Notices { said }) {
            say_notices(&line.link.name, &notices);
        }
    }
}

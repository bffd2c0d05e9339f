//! Answers to what a verb asks about a tree or a volume.

use serde::Serialize;

use super::super::entries::{self, Files};
use super::super::names;
use super::super::remote::protocol::{
    About, AboutXattr, Ahead, Ask, CONTENTS, Entries, Found, MOST_FILES, Piece, SMALL,
};
use super::parts::parts;
use crate::error::{Error, Kind, Result, caught};
use crate::filesystem::{FileType, Inode, Request};
use crate::format::Notices;
use crate::number::{to_u64, to_usize};
use crate::service::frames::Frames;
use crate::service::reader::Reader;
use crate::source::{ExtentKind, Source, resize};

/// Names that are sent together.
const NAMES: usize = 512;

/// What is asked about.
pub(super) struct Asked<'a> {
    pub(super) of: Of<'a>,
    /// On whose behalf.
    pub(super) uid: u32,
    pub(super) notices: &'a Notices,
}

/// A tree or a volume.
pub(super) enum Of<'a> {
    Tree(&'a dyn Files),
    Volume(&'a dyn Source),
}

impl Asked<'_> {
    /// Answers until the other end has enough.
    pub(super) fn serve(&self, lane: &mut Frames) -> Result<()> {
        let mut buf = Vec::new();
        while let Some(ask) = lane.receive::<Ask>()? {
            match (ask, &self.of) {
                (Ask::Notices { said }, _) => {
                    let new = self.notices.all().into_iter().skip(said);
                    reply(lane, Ok(Reader::few(new.collect())), &[])?;
                }
                (Ask::VolumeRead { offset, length }, Of::Volume(volume)) => {
                    let read = resize(&mut buf, to_usize(length.into()))
                        .and_then(|()| caught(|| volume.read_exact_at(&mut buf, offset)));
                    reply(lane, read, &buf)?;
                }
                (Ask::VolumeParts { offset, length }, Of::Volume(volume)) => {
                    let told = caught(|| parts(*volume, offset, length, &mut buf));
                    let count = told.as_ref().map_or(0, |(_, count)| *count);
                    let bytes = buf.get(..count).unwrap_or_default();
                    reply(lane, told.map(|(parts, _)| parts), bytes)?;
                }
                (ask, Of::Tree(files)) => answer(*files, self.uid, &ask, &mut buf, lane)?,
                _ => return Err(Error::invalid("this cannot be asked about a volume")),
            }
        }
        Ok(())
    }
}

/// Sends the answer, and `bytes` behind it unless it is an error.
fn reply<T: Serialize>(lane: &mut Frames, answer: Result<T>, bytes: &[u8]) -> Result<()> {
    let sent = match &answer {
        Ok(_) => lane.send(&answer, bytes),
        Err(error) => lane.send(&Err::<T, _>(Reader::shortened(error)), &[]),
    };
    match sent {
        Err(error) if error.kind() == Kind::Invalid => lane.send(&Err::<T, _>(error), &[]),
        sent => sent,
    }
}

/// Answers `ask` about `files` on behalf of `uid`. `buf` is any buffer.
pub(in super::super) fn answer(
    files: &dyn Files,
    uid: u32,
    ask: &Ask,
    buf: &mut Vec<u8>,
    lane: &mut Frames,
) -> Result<()> {
    let request = Request::new(uid);
    match ask {
        Ask::Lookup { dir, name } => reply(lane, files.lookup(&request, *dir, name), &[]),
        Ask::About { inodes, ahead } => {
            buf.clear();
            let found = abouts(files, uid, inodes, *ahead, buf);
            reply(lane, Ok(found), buf)
        }
        Ask::Names(dir) => send_names(files, *dir, lane),
        Ask::Read(Piece {
            file,
            offset,
            length,
        }) => {
            let count = resize(buf, to_usize((*length).into()))
                .and_then(|()| files.read(&request, *file, buf, *offset));
            let read = count.as_ref().ok().and_then(|count| buf.get(..*count));
            let count = count.map(|count| u32::try_from(count).unwrap_or_default());
            reply(lane, count, read.unwrap_or_default())
        }
        Ask::Extent { file, offset } => reply(lane, files.extent_at(&request, *file, *offset), &[]),
        Ask::Link(link) => reply(lane, files.read_link(&request, *link), &[]),
        Ask::XattrNames(inode) => reply(lane, entries::xattr_names(files, *inode, uid), &[]),
        Ask::Xattr { inode, name } => reply(lane, files.xattr(&request, *inode, name), &[]),
        Ask::VolumeRoot(inode) => reply(lane, Ok(files.volume_root(*inode)), &[]),
        Ask::VolumeRead { .. } | Ask::VolumeParts { .. } | Ask::Notices { .. } => {
            Err(Error::invalid("this cannot be asked about a tree"))
        }
    }
}

/// What is known of the files, as far as it can be read, and their contents. What cannot be read
/// will be asked for by itself.
fn abouts(
    files: &dyn Files,
    uid: u32,
    inodes: &[Inode],
    ahead: Ahead,
    contents: &mut Vec<u8>,
) -> Vec<Found> {
    let mut found = Vec::new();
    let mut bytes = 0_usize;
    if ahead >= Ahead::Contents {
        let few = inodes.iter().take(MOST_FILES);
        few.for_each(|inode| files.ahead(&Request::new(uid), *inode));
    }
    for inode in inodes.iter().take(MOST_FILES) {
        let about = about(files, uid, *inode, ahead, contents);
        let about = about.map_err(|error| Reader::shortened(&error));
        let xattrs = about.as_ref().ok().and_then(|about| about.xattrs.as_ref());
        let xattrs = xattrs.and_then(|xattrs| xattrs.as_ref().ok());
        for (name, value) in xattrs.into_iter().flatten() {
            let value = value.as_ref().map_or(0, Vec::len);
            bytes = bytes.saturating_add(name.len().saturating_add(value));
        }
        found.push(about);
        if bytes.saturating_add(contents.len()) >= to_usize(CONTENTS.into()) {
            break;
        }
    }
    found
}

/// Adds the file's contents to `contents` where they are few.
fn about(files: &dyn Files, uid: u32, inode: Inode, ahead: Ahead, contents: &mut Vec<u8>) -> Found {
    let request = || Request::new(uid);
    let attributes = files.attributes(&request(), inode)?;
    let kind = attributes.kind;
    if kind == FileType::Directory && ahead < Ahead::Contents {
        // Who asks about it is about to go into it; who wants contents has told of it already.
        files.ahead(&request(), inode);
    }
    let mut about = About {
        attributes,
        xattrs: None,
        link: None,
        extent: None,
        content: None,
    };
    if ahead >= Ahead::Links && kind == FileType::Symlink {
        about.link = files.read_link(&request(), inode).ok();
    }
    if ahead >= Ahead::XattrNames {
        let xattrs = about_xattrs(files, uid, inode, ahead);
        about.xattrs = Some(xattrs.map_err(|error| Reader::shortened(&error)));
    }
    if ahead >= Ahead::Contents && kind == FileType::Regular && about.attributes.size > 0 {
        about.extent = files.extent_at(&request(), inode, 0).ok();
        about.content = content(files, uid, inode, &about, contents);
    }
    Ok(about)
}

/// The extended attributes; their values where they are wanted.
fn about_xattrs(
    files: &dyn Files,
    uid: u32,
    inode: Inode,
    ahead: Ahead,
) -> Result<Vec<AboutXattr>> {
    if ahead < Ahead::Xattrs {
        let names = entries::xattr_names(files, inode, uid)?;
        return Ok(names.into_iter().map(|name| (name, None)).collect());
    }
    let xattrs = entries::xattrs_for(files, inode, uid)?;
    let with_value = |(name, value)| (name, Some(value));
    Ok(xattrs.into_iter().map(with_value).collect())
}

/// Adds the contents of a small file without holes to `contents`; gives how many bytes that is.
fn content(
    files: &dyn Files,
    uid: u32,
    inode: Inode,
    about: &About,
    contents: &mut Vec<u8>,
) -> Option<u32> {
    let size = about.attributes.size;
    let extent = about.extent?;
    let is_whole = extent.kind == ExtentKind::Data && extent.len.get() >= size;
    let length = u32::try_from(size).ok();
    let length = length.filter(|length| is_whole && *length <= SMALL)?;
    let start = contents.len();
    // One byte more than there should be says whether that is all.
    let end = start.saturating_add(to_usize(size));
    resize(contents, end.saturating_add(1)).ok()?;
    let room = contents.get_mut(start..).unwrap_or_default();
    let read = files.read(&Request::new(uid), inode, room, 0);
    let is_all = read.is_ok_and(|count| to_u64(count) == size);
    contents.truncate(if is_all { end } else { start });
    is_all.then_some(length)
}

/// Sends the names in `dir`, as many as the other end has room for.
fn send_names(files: &dyn Files, dir: Inode, lane: &mut Frames) -> Result<()> {
    let (mut some, mut bytes) = (Entries::new(), 0_usize);
    let mut sent = Ok(());
    let listed = files.names(dir, &mut |name, inode| {
        bytes = bytes.saturating_add(names::cost(name));
        if bytes > names::MOST {
            return;
        }
        some.push((name.to_vec(), inode));
        if some.len() >= NAMES && sent.is_ok() {
            sent = reply(lane, Ok(std::mem::take(&mut some)), &[]);
        }
    });
    sent?;
    let listed = match bytes > names::MOST {
        true => listed.and(Err(entries::too_many_names())),
        false => listed,
    };
    if !some.is_empty() {
        reply(lane, Ok(some), &[])?;
    }
    reply(lane, listed.map(|()| Entries::new()), &[])
}

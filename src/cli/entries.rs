//! What the verbs walk over, and the entries of one directory, collected and sorted, for those that
//! show or copy them.

use std::ops::Deref;

use super::names::{self, Names, Room};
use crate::error::Error;
use crate::filesystem::{FileSystem, Guarded, Inode, Request};
use crate::tree::Tree;

/// What the verbs walk over: the tree of an image.
pub(crate) trait Files: FileSystem {
    /// The root of the volume that `inode` is in: what absolute links there start from.
    fn volume_root(&self, inode: Inode) -> Inode;

    /// Gives `each` the names in `dir`, `.` and `..` perhaps included, with inodes that can be used.
    /// `each` must ask for nothing meanwhile.
    ///
    /// # Errors
    /// As [`FileSystem::read_dir`].
    fn names(&self, dir: Inode, each: &mut dyn FnMut(&[u8], Inode)) -> Result<(), Error>;

    /// Says in which order the files of the directory that was listed last will be asked about.
    fn comes_next(&self, _order: &mut dyn Iterator<Item = Inode>) {}
}

impl Files for Tree {
    fn volume_root(&self, inode: Inode) -> Inode {
        Tree::volume_root(self, inode)
    }

    fn names(&self, dir: Inode, each: &mut dyn FnMut(&[u8], Inode)) -> Result<(), Error> {
        // Not `read_dir`, whose numbers are for showing only.
        self.read_dir_plus(&request(), dir, 0, &mut |entry, _| {
            each(entry.name, entry.inode);
            true
        })
    }
}

impl<P> Files for Guarded<P>
where
    P: Deref + Send + Sync,
    P::Target: Files,
{
    fn volume_root(&self, inode: Inode) -> Inode {
        let root = self.caught(|it| Ok(it.volume_root(inode)));
        root.unwrap_or_else(|_| self.root())
    }

    fn names(&self, dir: Inode, each: &mut dyn FnMut(&[u8], Inode)) -> Result<(), Error> {
        self.caught(|it| it.names(dir, each))
    }
}

/// A name and what it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    /// The name: no `/`, no NUL.
    pub(crate) name: Vec<u8>,
    /// What it names.
    pub(crate) inode: Inode,
}

/// The entries of `dir` but `.` and `..`, sorted by the names' bytes, and what made the rest of the
/// directory unreadable. Names that no file can have are left out, and reported; so is a name that
/// the directory has once more, since a file cannot be written twice, and what unpacks an archive
/// might follow a link that has the name of a directory behind it. So are those that `room` does not
/// hold.
pub(crate) fn sorted(files: &dyn Files, dir: Inode, room: &Room) -> (Names, Option<Error>) {
    let mut names = Names::new(room);
    let mut left_out = None;
    let result = files.names(dir, &mut |name, inode| {
        if matches!(name, b"." | b"..") {
            return;
        }
        if !is_possible(name) {
            left_out.get_or_insert_with(|| impossible_name(name));
        } else if names.push(name, inode).is_err() {
            left_out.get_or_insert_with(too_many_names);
        }
    });
    // The first of a name is the one that the kernel finds.
    let again = names.sort().map(twice);
    files.comes_next(&mut names.iter().map(|(_, inode)| inode));
    (names, result.err().or(left_out).or(again))
}

/// A directory, with those above it, has more names than there is room for.
pub(crate) fn too_many_names() -> Error {
    let most = names::MOST >> 20;
    Error::corrupt(format!(
        "the names in this directory and in those above it take more than {most} MiB: the rest are \
         left out"
    ))
}

/// Whether a file of this host can be called `name`: not empty, no `/`, no NUL, not `.` or `..`.
pub(crate) fn is_possible(name: &[u8]) -> bool {
    !name.is_empty() && !name.contains(&b'/') && !name.contains(&0) && !matches!(name, b"." | b"..")
}

fn impossible_name(name: &[u8]) -> Error {
    let name = crate::error::printable(name);
    Error::corrupt(format!("the name \"{name}\" is none that a file can have"))
}

fn twice(name: &[u8]) -> Error {
    let name = crate::error::printable(name);
    Error::corrupt(format!("two entries have the name \"{name}\""))
}

/// Names and values of extended attributes.
pub(crate) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Bytes of names and values that the extended attributes of one file may have. Linux lists 64 KiB
/// of names; values of as much each, one of which a file's attributes may share, have no end.
const MOST_XATTRS: usize = 1 << 20;

/// The extended attributes of `inode`, all namespaces.
///
/// # Errors
/// As [`FileSystem::xattr_names`] and [`FileSystem::xattr`].
pub(crate) fn xattrs(files: &dyn Files, inode: Inode) -> Result<Xattrs, Error> {
    xattrs_for(files, inode, rustix::process::geteuid().as_raw())
}

/// The same on behalf of the user `uid`.
///
/// # Errors
/// As [`xattrs`].
pub(crate) fn xattrs_for(files: &dyn Files, inode: Inode, uid: u32) -> Result<Xattrs, Error> {
    let names = xattr_names(files, inode, uid)?;
    let mut bytes = names.iter().map(Vec::len).sum::<usize>();
    // All values are one piece of work, for one file.
    let request = Request::new(uid);
    let mut xattrs = Vec::new();
    for name in names {
        if let Some(value) = files.xattr(&request, inode, &name)? {
            bytes = bytes.saturating_add(value.len());
            if bytes > MOST_XATTRS {
                return Err(too_many_xattrs());
            }
            xattrs.push((name, value));
        }
    }
    Ok(xattrs)
}

/// The names of the extended attributes of `inode` that `uid` may see.
///
/// # Errors
/// As [`FileSystem::xattr_names`]; `Corrupt` where they are too long to be read.
pub(crate) fn xattr_names(
    files: &dyn Files,
    inode: Inode,
    uid: u32,
) -> Result<Vec<Vec<u8>>, Error> {
    let (mut names, mut bytes) = (Vec::new(), 0_usize);
    files.xattr_names(&Request::new(uid), inode, &mut |name| {
        bytes = bytes.saturating_add(name.len());
        if bytes <= MOST_XATTRS {
            names.push(name.to_vec());
        }
    })?;
    match bytes > MOST_XATTRS {
        true => Err(too_many_xattrs()),
        false => Ok(names),
    }
}

fn too_many_xattrs() -> Error {
    let most = MOST_XATTRS >> 10;
    Error::corrupt(format!("the extended attributes have more than {most} KiB"))
}

/// A path of the image in a message.
pub(crate) fn shown(path: &[u8]) -> String {
    crate::error::printable(if path.is_empty() { b"/" } else { path })
}

/// A request on behalf of the user who runs the program.
pub(crate) fn request() -> Request {
    Request::new(rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Memory, directory, file};
    use super::*;

    #[test]
    fn entries_come_sorted_without_the_dots() {
        let mut memory = Memory::default();
        memory.add(b"b", file(b""));
        memory.add(b"a", file(b""));
        let (entries, error) = sorted(&memory, memory.root(), &Room::default());
        let names: Vec<_> = entries.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [b"a", b"b"]);
        assert_eq!(error, None);
    }

    #[test]
    fn the_names_on_the_way_down_have_a_bound_together() {
        let mut memory = Memory::default();
        let dirs = [b"a", b"b"].map(|name| {
            let dir = memory.add(name, directory());
            for number in 0..30_000 {
                let name = format!("{number:03000}").into_bytes();
                memory.add_entry(dir, &name, Inode(7));
            }
            dir
        });
        let room = Room::default();
        let (above, error) = sorted(&memory, dirs[0], &room);
        assert_eq!((above.iter().count(), error), (30_000, None));
        let (below, error) = sorted(&memory, dirs[1], &room);
        assert!((1..30_000).contains(&below.iter().count()));
        let text = error.expect("some are left out").to_string();
        assert!(text.contains("those above it take more than 160 MiB"));
        drop(above);
        drop(below);
        let (after, error) = sorted(&memory, dirs[1], &room);
        assert_eq!((after.iter().count(), error), (30_000, None));
    }

    #[test]
    fn extended_attributes_without_end_are_an_error_of_their_file() {
        let mut memory = Memory::default();
        let names = |count: u32| (0..count).map(|number| format!("user.{number:011}").into_bytes());
        let set = |count, size| names(count).map(|name| (name, vec![7; size])).collect();
        for (count, size, listed, read) in [
            (16, 65_520, true, true),
            (17, 65_520, true, false),
            (65_536, 0, true, true),
            (65_537, 0, false, false),
        ] {
            let mut node = file(b"");
            node.xattrs = set(count, size);
            let inode = memory.add(b"a", node);
            let found = xattr_names(&memory, inode, 0);
            assert_eq!(found.is_ok(), listed, "{count} names");
            let found = xattrs(&memory, inode);
            assert_eq!(found.is_ok(), read, "{count} values of {size} bytes");
            let error = found.err().map(|error| error.to_string());
            let text = "the extended attributes have more than 1024 KiB";
            assert!(error.is_none_or(|error| error == text));
        }
    }

    #[test]
    fn of_two_entries_with_a_name_the_first_is_left_and_the_other_reported() {
        let mut memory = Memory::default();
        for (name, number) in [(b"b", 9), (b"a", 8), (b"b", 7)] {
            memory.add_entry(memory.root(), name, Inode(number));
        }
        let (entries, error) = sorted(&memory, memory.root(), &Room::default());
        let found: Vec<_> = entries
            .iter()
            .map(|(name, inode)| (name, inode.0))
            .collect();
        assert_eq!(found, [(&b"a"[..], 8), (b"b", 9)]);
        let said = error.map(|error| error.message().to_owned());
        assert_eq!(said.as_deref(), Some("two entries have the name \"b\""));
    }

    #[test]
    fn names_that_no_file_can_have_are_left_out_and_reported() {
        let mut memory = Memory::default();
        memory.add_entry(memory.root(), b"../evil", Inode(1));
        memory.add_entry(memory.root(), b"..", Inode(1));
        memory.add(b"good", file(b""));
        let (entries, error) = sorted(&memory, memory.root(), &Room::default());
        assert_eq!(entries.iter().count(), 1);
        assert!(
            error
                .expect("it is reported")
                .to_string()
                .contains("../evil")
        );
    }
}

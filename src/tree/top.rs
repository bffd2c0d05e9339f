//! The part of the tree that no file system holds: the directories of volumes, their raw files and
//! the links to them by label and UUID.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::names::udev_name;
use crate::error::{Error, Result};
use crate::filesystem::{Attributes, Entry, FileType, Inode, Timestamp};
use crate::number::{to_u64, to_usize};
use crate::source::{self, SharedSource};

/// The top of the tree.
pub(super) struct Top {
    nodes: Vec<Node>,
    owner: (u32, u32),
    time: Timestamp,
}

/// What a name in the top leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A node of the top itself.
    Top(usize),
    /// The root of a volume.
    Volume(usize),
}

enum Node {
    Directory(Directory),
    Link(Vec<u8>),
    Raw {
        source: SharedSource,
        blocks: OnceLock<u64>,
    },
}

struct Directory {
    parent: usize,
    entries: Vec<(Vec<u8>, Place)>,
    by_name: HashMap<Vec<u8>, usize>,
    /// The number that was behind a link of this name last, 1 where there was none: thousands may
    /// have the same.
    numbers: HashMap<String, u32>,
}

impl Top {
    /// A top with nothing but its root. What it adds belongs to `owner` and was changed at `time`.
    pub(super) fn new(owner: (u32, u32), time: Timestamp) -> Self {
        Self {
            nodes: vec![Node::Directory(Directory::new(0))],
            owner,
            time,
        }
    }

    /// Adds the root of `volume` as the directory at `path`.
    pub(super) fn add_volume(&mut self, path: &str, volume: usize) {
        self.add(path, Place::Volume(volume));
    }

    /// Adds a file with the bytes of `source`.
    pub(super) fn add_raw(&mut self, path: &str, source: SharedSource) {
        let blocks = OnceLock::new();
        self.add_node(path, Node::Raw { source, blocks });
    }

    /// Adds a link to the top's `path` in `directory`, called `name` as udev would spell it; where
    /// that is taken, with `~2` or the next free number behind it, which udev never writes.
    pub(super) fn add_link(&mut self, directory: &str, name: &[u8], path: &str) {
        let name = udev_name(name);
        let target = format!("../{path}").into_bytes();
        let parent = self.directory(directory);
        let free = match self.nodes.get_mut(parent) {
            Some(Node::Directory(parent)) => parent.free(name),
            _ => name,
        };
        self.add_node(&format!("{directory}/{free}"), Node::Link(target));
    }

    fn add_node(&mut self, path: &str, node: Node) {
        self.nodes.push(node);
        let index = self.nodes.len().saturating_sub(1);
        self.add(path, Place::Top(index));
    }

    fn add(&mut self, path: &str, place: Place) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.directory(parent);
        self.insert(parent, name, place);
    }

    /// The directory at `path`, made where it is missing.
    fn directory(&mut self, path: &str) -> usize {
        let mut directory = 0;
        for component in path.split('/').filter(|component| !component.is_empty()) {
            directory = match self.lookup(directory, component.as_bytes()) {
                Ok(Some(Place::Top(index))) => index,
                _ => {
                    self.nodes.push(Node::Directory(Directory::new(directory)));
                    let index = self.nodes.len().saturating_sub(1);
                    self.insert(directory, component, Place::Top(index));
                    index
                }
            };
        }
        directory
    }

    fn insert(&mut self, directory: usize, name: &str, place: Place) {
        if let Some(Node::Directory(directory)) = self.nodes.get_mut(directory) {
            let index = directory.entries.len();
            directory.by_name.insert(name.into(), index);
            directory.entries.push((name.into(), place));
        }
    }

    fn node(&self, index: usize) -> Result<&Node> {
        let node = self.nodes.get(index);
        node.ok_or_else(|| Error::not_found("no such file"))
    }

    fn dir(&self, index: usize) -> Result<&Directory> {
        match self.node(index)? {
            Node::Directory(directory) => Ok(directory),
            _ => Err(Error::new(
                crate::error::Kind::NotADirectory,
                "not a directory",
            )),
        }
    }

    /// How many files, directories and links there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What `name` in `directory` leads to.
    pub(super) fn lookup(&self, directory: usize, name: &[u8]) -> Result<Option<Place>> {
        let directory = self.dir(directory)?;
        let index = directory.by_name.get(name);
        let entry = index.and_then(|index| directory.entries.get(*index));
        Ok(entry.map(|(_, place)| *place))
    }

    /// The entries from `cursor` on; `number` gives the node number of a place.
    pub(super) fn read_dir(
        &self,
        index: usize,
        cursor: u64,
        number: impl Fn(Place) -> Inode,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let directory = self.dir(index)?;
        let dots: [(&[u8], Place); 2] = [
            (b".", Place::Top(index)),
            (b"..", Place::Top(directory.parent)),
        ];
        let named = directory.entries.iter();
        let named = named.map(|(name, place)| (name.as_slice(), *place));
        let all = (1..).zip(dots.into_iter().chain(named));
        for (next, (name, place)) in all.skip(to_usize(cursor)) {
            let kind = Some(self.kind(place));
            let inode = number(place);
            let entry = Entry {
                name,
                inode,
                kind,
                next,
            };
            if !each(entry) {
                break;
            }
        }
        Ok(())
    }

    fn kind(&self, place: Place) -> FileType {
        match place {
            Place::Volume(_) => FileType::Directory,
            Place::Top(index) => match self.nodes.get(index) {
                Some(Node::Raw { .. }) => FileType::Regular,
                Some(Node::Link(_)) => FileType::Symlink,
                Some(Node::Directory(_)) | None => FileType::Directory,
            },
        }
    }

    /// The attributes of a node, whose number is `number`.
    ///
    /// A raw file holds everything, also what other users may not read in the file systems: it is
    /// its owner's alone.
    pub(super) fn attributes(&self, index: usize, number: u64) -> Result<Attributes> {
        let (mode, size, blocks, nlink) = match self.node(index)? {
            Node::Directory(directory) => (0o555, 0, 0, self.links_of(directory)),
            Node::Link(target) => (0o777, to_u64(target.len()), 0, 1),
            Node::Raw { source, blocks } => {
                let blocks = *blocks.get_or_init(|| source::allocated(&**source).div_ceil(512));
                (0o400, source.size(), blocks, 1)
            }
        };
        Ok(Attributes {
            ino: number,
            kind: self.kind(Place::Top(index)),
            mode,
            uid: self.owner.0,
            gid: self.owner.1,
            size,
            blocks,
            block_size: 4096,
            nlink,
            rdev: (0, 0),
            atime: self.time,
            mtime: self.time,
            ctime: self.time,
            crtime: None,
            flags: 0,
            generation: 0,
        })
    }

    /// Counts the blocks of the raw files in a directory, before somebody waits for them.
    pub(super) fn ahead(&self, directory: usize) {
        let entries = self.dir(directory).map(|directory| &directory.entries);
        for (_, place) in entries.into_iter().flatten() {
            if let Place::Top(index) = place {
                let _ = self.attributes(*index, 0); // It keeps them; what is wrong is told later.
            }
        }
    }

    fn links_of(&self, directory: &Directory) -> u32 {
        let is_directory = |place| self.kind(place) == FileType::Directory;
        let places = directory.entries.iter().map(|(_, place)| *place);
        let inside = places.filter(|place| is_directory(*place)).count();
        u32::try_from(inside).unwrap_or(u32::MAX).saturating_add(2)
    }

    /// The bytes of a raw file.
    pub(super) fn raw(&self, index: usize) -> Result<&SharedSource> {
        match self.node(index)? {
            Node::Raw { source, .. } => Ok(source),
            Node::Directory(_) => Err(Error::new(
                crate::error::Kind::IsADirectory,
                "is a directory",
            )),
            Node::Link(_) => Err(Error::invalid("is a symbolic link")),
        }
    }

    /// The target of a link.
    pub(super) fn link(&self, index: usize) -> Result<&[u8]> {
        match self.node(index)? {
            Node::Link(target) => Ok(target),
            _ => Err(Error::invalid("not a symbolic link")),
        }
    }
}

impl Directory {
    fn new(parent: usize) -> Self {
        Self {
            parent,
            entries: Vec::new(),
            by_name: HashMap::new(),
            numbers: HashMap::new(),
        }
    }

    /// `name`, or that with the first number behind it that is free.
    fn free(&mut self, name: String) -> String {
        let last = self.numbers.get(&name).copied().unwrap_or(0);
        let attempts = (last.saturating_add(1)..).map(|number| match number {
            1 => (number, name.clone()),
            _ => (number, format!("{name}~{number}")),
        });
        let is_free = |(_, free): &(u32, String)| !self.by_name.contains_key(free.as_bytes());
        let mut attempts = attempts.filter(is_free);
        let Some((number, free)) = attempts.next() else {
            return name;
        };
        self.numbers.insert(name, number);
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top() -> Top {
        Top::new((0, 0), Timestamp::default())
    }

    /// What is in the only directory of the top.
    fn names(top: &Top) -> Vec<String> {
        let mut names = Vec::new();
        let add = &mut |entry: Entry<'_>| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            true
        };
        top.read_dir(1, 2, |_| Inode(0), add).unwrap();
        names
    }

    #[test]
    fn a_link_whose_name_is_taken_gets_the_next_number_that_is_free() {
        let mut top = top();
        for taken in ["d/x~2", "d/x~4", "d/y"] {
            top.add_volume(taken, 0);
        }
        for name in ["x", "x", "y", "x", "x", "y", "x~3"] {
            top.add_link("d", name.as_bytes(), "p1");
        }
        let links = ["x", "x~3", "y~2", "x~5", "x~6", "y~3", "x\\x7e3"];
        assert_eq!(names(&top)[3..], links);
    }

    /// The last would count up to itself, for a quarter of an hour in all.
    #[test]
    fn thirty_thousand_links_of_one_name_are_not_counted_again_for_each() {
        let mut top = top();
        for _ in 0..30_000 {
            top.add_link("d", b"x", "p1");
        }
        let names = names(&top);
        assert_eq!(names.len(), 30_000);
        assert_eq!(names[29_999], "x~30000");
    }
}

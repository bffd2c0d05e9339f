//! Who is whose parent among the directories.
//!
//! A handle is the place of an entry, and `..` only says where the parent begins. So each directory
//! that is looked up has a list of the directories in it, by their first cluster, made by one pass
//! over it and kept in the one cache. What `..` says counts where the parent's list confirms it.
//!
//! The same lists show a directory that leads back to one of those that it lies in: see [`LOOP`].

use super::boot_sector::{Root, SLOT};
use super::core::Core;
use super::directory::{Directory, MOST_STEPS, ROOT};
use super::entry::DirectoryEntry;
use crate::cache::{Block, Cache, Layer};
use crate::error::Result;
use crate::filesystem::{Inode, Request};
use crate::number::to_u64;

/// Set in the handle of a directory that is one of its own ancestors. Its entry is shown, and
/// nothing is to be had of it, so that no walk goes round.
pub(super) const LOOP: u64 = 1 << 60;

/// Bytes of one child: first cluster, place of its entry.
const CHILD: usize = 16;

/// Directories of one directory that are remembered.
const MOST_CHILDREN: usize = 1 << 20;

/// How deep directories may lie in each other, so that a path leads there (PATH_MAX).
const MOST_DEPTH: usize = 2048;

/// The lists that were made.
pub(super) struct Families {
    layer: Layer,
}

/// The directories in a directory.
pub(super) struct Children(Block);

impl Families {
    /// None yet; they are kept in `cache`.
    pub(super) fn new(cache: &Cache) -> Self {
        let layer = cache.layer();
        Self { layer }
    }

    /// The directories in the one that begins with `cluster`, as far as it can be read; 0 stands for
    /// the root.
    ///
    /// # Errors
    /// `Corrupt` where the request's budget is spent.
    pub(super) fn children(
        &self,
        core: &Core,
        request: &Request,
        cluster: u32,
    ) -> Result<Children> {
        let directory = match cluster {
            0 => Directory::root(core, request),
            _ => Directory::of(core, request, ROOT, cluster),
        };
        let make = || {
            let mut children = Vec::new();
            let result = directory.files(0, &mut |file| {
                if file.entry.is_directory() {
                    let first = file.entry.first_cluster(&core.geometry);
                    children.push((u64::from(first), file.inode.0));
                }
                children.len() < MOST_CHILDREN
            });
            // What is unreadable stays so, and is told to who lists it. A budget is one request's.
            if result.is_err() {
                request.spend(MOST_STEPS)?;
            }
            children.sort_unstable();
            let words = children
                .into_iter()
                .flat_map(|(first, place)| [first, place]);
            let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
            Ok(Block::from(bytes))
        };
        let visit = core.cache.visit();
        let block = core
            .cache
            .visit_or_read(self.layer, cluster.into(), visit, make);
        block.map(Children)
    }
}

impl Children {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len() / CHILD
    }

    /// The handle of the one that begins with `cluster`.
    pub(super) fn find(&self, cluster: u32) -> Option<Inode> {
        let (children, _) = self.0.as_chunks::<CHILD>();
        let split = |child: &[u8; CHILD]| {
            let (words, _) = child.as_chunks::<8>();
            let word = |index| words.get(index).copied().map_or(0, u64::from_le_bytes);
            (word(0), word(1))
        };
        let wanted = u64::from(cluster);
        let first = children.partition_point(|child| split(child).0 < wanted);
        let (found, place) = split(children.get(first)?);
        (found == wanted).then_some(Inode(place))
    }
}

/// The directories that a directory lies in.
pub(super) struct Ancestors {
    /// The first clusters, its own first; the root's is 0.
    clusters: Vec<u32>,
    /// The handle of the nearest; the root's where it is not known.
    pub(super) parent: Inode,
}

impl Ancestors {
    /// Those of `directory`, up to the root, or to where `..` and the parent's list disagree.
    ///
    /// # Errors
    /// As [`Families::children`].
    pub(super) fn of(directory: &Directory<'_>) -> Result<Self> {
        let (core, request) = (directory.core, directory.request);
        let mut ancestors = Self {
            clusters: Vec::new(),
            parent: ROOT,
        };
        let mut current = number(core, directory.place);
        ancestors.clusters.push(current);
        while current != 0 && ancestors.clusters.len() < MOST_DEPTH {
            let Some(parent) = parent(core, request, current) else {
                break;
            };
            let known = ancestors.clusters.contains(&parent);
            let children = core.families.children(core, request, parent)?;
            if known || children.find(current).is_none() {
                break;
            }
            if ancestors.clusters.len() == 2 {
                // The parent's handle stands in the list of the grandparent.
                ancestors.parent = children.find(current).unwrap_or(ROOT);
            }
            ancestors.clusters.push(parent);
            current = parent;
        }
        Ok(ancestors)
    }

    /// The handle for `entry`, a file of this directory with the handle `inode`.
    pub(super) fn handle(&self, core: &Core, entry: &DirectoryEntry, inode: Inode) -> Inode {
        let cluster = entry.first_cluster(&core.geometry);
        let is_own = entry.is_directory() && cluster != 0 && self.clusters.contains(&cluster);
        match is_own {
            true => Inode(inode.0 | LOOP),
            false => inode,
        }
    }
}

/// The number that [`Families::children`] knows a directory by.
pub(super) fn number(core: &Core, place: Root) -> u32 {
    match place {
        Root::Cluster(cluster) if place != core.geometry.root => cluster,
        _ => 0,
    }
}

/// The parent of the directory that begins with `cluster`, by its `..`; `None` where it has none.
fn parent(core: &Core, request: &Request, cluster: u32) -> Option<u32> {
    request.spend(1).ok()?;
    let offset = core.geometry.cluster_offset(cluster).ok()?;
    let bytes = core.read(offset.checked_add(SLOT)?, 32).ok()?;
    let entry = DirectoryEntry::new(&bytes).filter(DirectoryEntry::is_parent)?;
    let parent = entry.first_cluster(&core.geometry);
    // Some programs write the root's number where 0 should be.
    Some(number(core, Root::Cluster(parent)))
}

/// Links of a directory: its name, its `.`, and the `..` of each directory in it.
pub(super) fn links(core: &Core, request: &Request, place: Root) -> Result<u32> {
    let children = core.families.children(core, request, number(core, place))?;
    let links = to_u64(children.count()).saturating_add(2);
    Ok(u32::try_from(links).unwrap_or(u32::MAX))
}

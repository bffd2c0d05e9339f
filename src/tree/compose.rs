//! Which volumes a tree shows, and the names that lead to them.

use std::sync::Arc;

use super::top::Top;
use super::{Layout, Options, select};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{FileSystem, Inode, Request};
use crate::stack::{Assembly, Content, Node, Stack};

/// A file system in the tree.
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) filesystem: Arc<dyn FileSystem>,
    pub(super) root: Inode,
    /// The root's own number.
    pub(super) root_number: u64,
    /// Its handles are the numbers that people see, as far as its root tells.
    pub(super) is_plain: bool,
}

impl Volume {
    fn new(name: &str, filesystem: &Arc<dyn FileSystem>) -> Self {
        let root = filesystem.root();
        Self {
            name: name.to_owned(),
            filesystem: filesystem.clone(),
            root,
            root_number: root.0,
            is_plain: true,
        }
    }

    /// Asks for the root's own number; one that cannot be read is found out by whoever goes there.
    pub(super) fn learn_root(&mut self) {
        let attributes = self.filesystem.attributes(&Request::new(0), self.root);
        self.root_number = attributes.map_or(self.root.0, |attributes| attributes.ino);
        self.is_plain = self.root_number == self.root.0;
    }
}

/// The volume whose root is the tree's, where the layout asks for one.
pub(super) fn direct_volume(stack: &Stack, layout: Layout) -> Result<Option<&Node>> {
    let is_filesystem = |node: &Node| matches!(node.content, Content::FileSystem { .. });
    let alone = match stack.disks.as_slice() {
        [disk] if is_filesystem(disk) => Some(disk),
        _ => None,
    };
    match (layout, alone) {
        (Layout::Volumes, _) | (Layout::Auto, None) => Ok(None),
        (_, Some(disk)) => Ok(Some(disk)),
        (Layout::Direct, None) => {
            let mut nodes = stack.nodes();
            if let [disk] = nodes.as_slice() {
                return Ok(Some(disk));
            }
            nodes.retain(|node| stack.filesystem_of(node).is_some());
            match nodes.as_slice() {
                [one] => Ok(Some(one)),
                several => Err(Error::unsupported(format!(
                    "{} file systems, and a direct layout shows one",
                    several.len()
                ))
                .hint(format!("-p names it; {}", select::there_is(stack)))),
            }
        }
    }
}

/// The file system of `node`, or why there is none to show.
pub(super) fn volume_of(stack: &Stack, node: &Node) -> Result<Volume> {
    if let Some((_, filesystem)) = stack.filesystem_of(node) {
        return Ok(Volume::new(&node.name, filesystem));
    }
    let none = |what: &str| Err(Error::unsupported(format!("{what}: no files to show")));
    match &node.content {
        Content::Damaged { error, .. } | Content::Locked { error, .. } => Err(error.clone()),
        Content::Recognised { name, .. } => none(&format!("{name} is not supported yet")),
        Content::Table { format, .. } => none(&format!("a {format} table")),
        Content::Member { format, .. } => none(&format!("a member of a {format} set")),
        Content::Unknown { what, .. } => none(what),
        Content::FileSystem { .. } => none("a file system"),
    }
    .context(|| node.name.clone())
    .map_err(|error| error.hint(format!("--layout volumes; {}", select::there_is(stack))))
}

/// All volumes of `stack`, and the names that lead to them.
pub(super) fn compose_volumes(stack: &Stack, options: &Options) -> (Vec<Volume>, Top) {
    let mut volumes: Vec<Volume> = Vec::new();
    let mut top = Top::new(options.owner, options.time);
    let mut links = Vec::new();
    for node in stack.nodes() {
        let filesystem = stack.filesystem_of(node);
        if let Some((_, filesystem)) = filesystem {
            top.add_volume(&node.name, volumes.len());
            volumes.push(Volume::new(&node.name, filesystem));
        }
        let container = node.partition.as_ref().is_some_and(|it| it.container);
        let raw = format!("{}.img", node.name);
        let has_raw = options.raw && !container && node.source.is_ok();
        if let (true, Ok(source)) = (has_raw, &node.source) {
            top.add_raw(&raw, source.clone());
        }
        match (filesystem.is_some(), has_raw) {
            (true, _) => links.push((node, node.name.clone())),
            (false, true) => links.push((node, raw)),
            (false, false) => {}
        }
    }
    let uuids = stack.volume_uuids();
    // A member may have the UUID of what it is a member of, which is looked for first.
    links.sort_by_key(|(node, _)| matches!(node.content, Content::Member { .. }));
    for (node, path) in links {
        let own = uuids.get(node.name.as_str()).copied();
        add_links(&mut top, stack, (node, own), &path);
    }
    for set in &stack.sets {
        if let Some(directory) = directory_of(set) {
            top.add_link("by-uuid", set.set.as_bytes(), directory);
        }
    }
    (volumes, top)
}

/// The directory that has the volumes of a set, and nothing else.
fn directory_of(set: &Assembly) -> Option<&str> {
    let mut names = set.content.children().iter().map(|node| &node.name);
    Some(names.next()?.split_once('/')?.0)
}

fn add_links(top: &mut Top, stack: &Stack, (node, own): (&Node, Option<&str>), path: &str) {
    let described = select::description(stack, node);
    let partition = node.partition.as_ref();
    let label = described.and_then(|it| it.label.as_deref());
    let uuid = described.and_then(|it| it.uuid.as_deref());
    let own = own.filter(|own| Some(*own) != uuid);
    let part_label = partition.and_then(|it| it.label.as_deref());
    let part_uuid = partition.and_then(|it| it.uuid.as_deref());
    let links = [
        ("by-label", label),
        ("by-uuid", uuid.map(str::as_bytes)),
        ("by-uuid", own.map(str::as_bytes)),
        ("by-partlabel", part_label.map(str::as_bytes)),
        ("by-partuuid", part_uuid.map(str::as_bytes)),
    ];
    for (directory, name) in links {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            top.add_link(directory, name, path);
        }
    }
}

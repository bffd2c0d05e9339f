//! The one volume that the user named, as `-p` does.

use super::names::udev_name;
use crate::error::{Error, Result, printable};
use crate::format::Description;
use crate::stack::{Content, Node, Stack};

/// The volume that `wanted` names: a partition's number, a name (`p2`, `vg0/root`), or `LABEL=`,
/// `UUID=`, `PARTLABEL=`, `PARTUUID=` as in fstab(5). UUIDs are the same in either case.
///
/// # Errors
/// `NotFound`, listing what is there; `Invalid` where several volumes answer to it.
pub fn select<'a>(stack: &'a Stack, wanted: &str) -> Result<&'a Node> {
    let test = Test::parse(wanted);
    let uuids = stack.volume_uuids();
    let own = |node: &Node| uuids.get(node.name.as_str()).copied();
    let nodes = stack.nodes().into_iter();
    let mut found: Vec<&Node> = nodes
        .filter(|node| test.accepts(stack, node) || test.is_own(own(node)))
        .collect();
    // A member may have the UUID of what it is a member of, which is meant then.
    let is_volume =
        |node: &&Node| test.is_own(own(node)) || !matches!(node.content, Content::Member { .. });
    if found.iter().any(is_volume) {
        found.retain(is_volume);
    }
    let shown = printable(wanted.as_bytes());
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Error::not_found(format!("no volume is {shown}")).hint(there_is(stack))),
        several => Err(Error::invalid(format!(
            "{} volumes are {shown}: {}",
            several.len(),
            names(several)
        ))
        .hint("name one of them")),
    }
}

/// A line that lists the volumes of `stack`.
pub(super) fn there_is(stack: &Stack) -> String {
    format!("there is {}", names(&stack.nodes()))
}

fn names(nodes: &[&Node]) -> String {
    const MOST: usize = 20;
    let mut names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    if names.len() > MOST {
        names.truncate(MOST);
        names.push("…");
    }
    names.join(", ")
}

enum Test<'a> {
    Number(u32),
    Name(&'a str),
    Label(&'a str),
    Uuid(&'a str),
    PartLabel(&'a str),
    PartUuid(&'a str),
}

impl<'a> Test<'a> {
    fn parse(wanted: &'a str) -> Self {
        if let Ok(number) = wanted.parse() {
            return Self::Number(number);
        }
        let Some((tag, value)) = wanted.split_once('=') else {
            return Self::Name(wanted.trim_matches('/'));
        };
        let quoted = value.strip_prefix('"');
        let value = quoted
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or(value);
        match tag {
            "LABEL" => Self::Label(value),
            "UUID" => Self::Uuid(value),
            "PARTLABEL" => Self::PartLabel(value),
            "PARTUUID" => Self::PartUuid(value),
            _ => Self::Name(wanted),
        }
    }

    /// Whether a volume with this UUID of its manager's answers to it.
    fn is_own(&self, own: Option<&str>) -> bool {
        match *self {
            Self::Uuid(uuid) => own.is_some_and(|own| own.eq_ignore_ascii_case(uuid)),
            _ => false,
        }
    }

    fn accepts(&self, stack: &Stack, node: &Node) -> bool {
        let partition = node.partition.as_ref();
        let described = description(stack, node);
        let same = |text: Option<&String>, value: &str| {
            text.is_some_and(|text| text.eq_ignore_ascii_case(value))
        };
        match *self {
            // Partitions of the disk itself are p1, p2; those in a volume have its name before.
            Self::Number(number) => {
                node.name == format!("p{number}")
                    || partition.is_some_and(|partition| partition.number == number)
                        && !node.name.contains('/')
            }
            Self::Name(name) => node.name == name,
            Self::Label(label) => described
                .and_then(|described| described.label.as_deref())
                .is_some_and(|bytes| is_label(bytes, label)),
            Self::Uuid(uuid) => same(described.and_then(|it| it.uuid.as_ref()), uuid),
            Self::PartLabel(label) => partition
                .and_then(|partition| partition.label.as_deref())
                .is_some_and(|text| is_label(text.as_bytes(), label)),
            Self::PartUuid(uuid) => same(partition.and_then(|it| it.uuid.as_ref()), uuid),
        }
    }
}

/// Whether `wanted` is the label `bytes`, or its spelling under `by-label`: not every label is UTF-8,
/// or can be typed.
fn is_label(bytes: &[u8], wanted: &str) -> bool {
    bytes == wanted.as_bytes() || udev_name(bytes) == wanted
}

/// What the file system on `node`, read or damaged, says of itself.
pub(super) fn description<'a>(stack: &'a Stack, node: &'a Node) -> Option<&'a Description> {
    if let Some((description, _)) = stack.filesystem_of(node) {
        return Some(description);
    }
    match &node.content {
        Content::Damaged { description, .. }
        | Content::Locked { description, .. }
        | Content::Member { description, .. }
        | Content::Recognised { description, .. } => Some(description),
        _ => None,
    }
}

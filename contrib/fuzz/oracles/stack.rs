//! What must hold of a whole image, or of one format of one layer alone.

use std::slice;
use std::sync::Arc;

use imgmount::format::{Format, Options};
use imgmount::stack::{Content, Node, Registries, Stack};
use imgmount::tree::{self, Tree};

use crate::files::Manner;
use crate::input::{Input, cheap_keys, input};
use crate::{bytes, files};

/// Every format of the program.
const ALL: Registries = Registries::BUILT_IN;
/// Those that look names up by a hash or an order.
const INDEXED: [&str; 3] = ["ext4", "squashfs", "erofs"];
/// Nodes that are looked at.
const NODES: usize = 40;

/// As [`crate::format`].
pub fn only(name: &str, data: &[u8]) {
    let (registries, format) = registries(name).expect("a format's name");
    let options = Options {
        format: Some(format),
        // What is behind the checksums is what is to be reached.
        ignore_checksums: true,
        kdf_limit: cheap_keys(),
        ..Options::default()
    };
    let Input {
        image,
        mut others,
        context,
    } = input(data, options, name == "crypto_LUKS");
    if registries.volume.is_empty() {
        others.clear();
    }
    if let Ok(stack) = Stack::open_with(registries, image, others, &context) {
        check(&stack);
    }
}

/// As [`crate::everything`].
pub fn everything(data: &[u8]) {
    let options = Options {
        kdf_limit: cheap_keys(),
        ..Options::default()
    };
    let Input { image, context, .. } = input(data, options, false);
    let Ok(stack) = Stack::open(image, &context) else {
        return;
    };
    check(&stack);
    if let Ok(tree) = Tree::compose(Arc::new(stack), &tree::Options::default()) {
        let manner = Manner {
            by_number: false,
            finds_all: false,
        };
        files::check(&tree, manner);
    }
}

/// Nothing but the format `name`, and what `--format` is then.
fn registries(name: &str) -> Option<(Registries, String)> {
    let nothing = Registries {
        image: ALL.image,
        partition: &[],
        volume: &[],
        filesystem: &[],
    };
    if ALL.image.iter().any(|format| format.name == name) {
        return Some((nothing, name.to_owned()));
    }
    let alone = Registries {
        partition: one(ALL.partition, name),
        volume: one(ALL.volume, name),
        filesystem: one(ALL.filesystem, name),
        ..nothing
    };
    let is_known = alone.names().any(|known| known == name);
    is_known.then(|| (alone, format!("raw,{name}")))
}

/// The format `name` of `formats`, if it is one of them.
fn one<Open>(formats: &'static [Format<Open>], name: &str) -> &'static [Format<Open>] {
    let found = formats.iter().find(|format| format.name == name);
    found.map_or(&[], slice::from_ref)
}

/// Looks at all of `stack`.
fn check(stack: &Stack) {
    for node in stack.nodes().into_iter().take(NODES) {
        check_node(node);
    }
    for set in stack.sets.iter().take(NODES) {
        check_content(&set.content);
    }
    // Read when somebody asks for it, as `info` does.
    let _: Option<u64> = stack
        .layers
        .iter()
        .map(|layer| layer.description.allocated)
        .sum();
}

fn check_node(node: &Node) {
    if let Ok(source) = &node.source {
        bytes::check(&&**source);
    }
    check_content(&node.content);
}

fn check_content(content: &Content) {
    if let Content::FileSystem {
        format, filesystem, ..
    } = content
    {
        let manner = Manner {
            by_number: true,
            finds_all: !INDEXED.contains(format),
        };
        files::check(&**filesystem, manner);
    }
}

//! LVM2: volume groups of LVM2's own making, of other projects, and made here text by text.

mod arrays;
pub mod caches;
mod collected;
pub mod graph;
pub mod groups;
pub mod made;
pub mod numbered;
mod reshaped;
mod sets;
mod shown;
pub mod thin;
mod tools;

pub use shown::{NUMBERS, group};

use imgmount::error::Result;
use imgmount::format::Usage;
use imgmount::source::read_vec;
use imgmount::stack::{Node, Stack};

/// The node called `name`.
pub fn node<'a>(stack: &'a Stack, name: &str) -> &'a Node {
    let mut nodes = stack.nodes().into_iter();
    let found = nodes.find(|node| node.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// All bytes of the volume called `name`.
pub fn bytes(stack: &Stack, name: &str) -> Result<Vec<u8>> {
    let source = node(stack, name).source.clone()?;
    read_vec(&*source, 0, source.size() as usize)
}

/// What `info` says of how much is in use of the volume that its group calls `name`.
pub fn usage<'a>(stack: &'a Stack, name: &str) -> &'a Usage {
    let (_, description) = stack.sets[0].content.described().unwrap();
    let mut made = description.volumes.iter();
    let found = made.find(|made| made.name == name);
    found.unwrap_or_else(|| panic!("no {name}")).usage.get()
}

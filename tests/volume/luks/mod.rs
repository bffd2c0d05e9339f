//! LUKS of both versions: volumes of cryptsetup's and qemu-img's making, and collected ones.

mod collected;
pub mod headers;
pub mod made;
mod shown;

pub use shown::fixture;

use std::sync::Arc;

use imgmount::cache::Cache;
use imgmount::error::{Error, Result};
use imgmount::format::{Context, Header, Key, Keyring, Keys, Secret};
use imgmount::source::{Memory, SharedSource};
use imgmount::stack::{Content, Node, Registries, Stack};

/// Keys for any volume.
struct Given(Vec<Vec<u8>>);

impl Keys for Given {
    fn given(&self) -> Result<Vec<Key>> {
        let key = |bytes: &Vec<u8>| {
            Ok(Key {
                subject: None,
                secret: Arc::new(Secret::new(bytes)?),
            })
        };
        self.0.iter().map(key).collect()
    }

    fn ask(&self, _: &str) -> Option<Secret> {
        None
    }
}

/// A user with these keys.
pub fn context(keys: &[&[u8]]) -> Context {
    let keys = keys.iter().map(|key| key.to_vec()).collect();
    Context {
        keys: Keyring::new(Arc::new(Given(keys))),
        ..Context::new(Cache::new(16 << 20))
    }
}

/// What is in `image`.
pub fn look(image: Vec<u8>, context: &Context) -> Stack {
    let image: SharedSource = Arc::new(Memory(image));
    Stack::open_with(Registries::BUILT_IN, image, Vec::new(), context).unwrap()
}

/// The same under a detached header.
pub fn look_with(header: Vec<u8>, image: Vec<u8>, context: &Context) -> Stack {
    let header = Header {
        subject: None,
        source: Arc::new(Memory(header)),
    };
    let context = Context {
        headers: Arc::new(vec![header]),
        ..context.clone()
    };
    look(image, &context)
}

/// The disk itself.
pub fn disk(stack: &Stack) -> &Node {
    &stack.disks[0]
}

/// Why the disk is not opened.
pub fn problem(stack: &Stack) -> Error {
    match &disk(stack).content {
        Content::Locked { error, .. } | Content::Damaged { error, .. } => error.clone(),
        _ => panic!("it is opened"),
    }
}

/// What is decrypted.
pub fn plain(stack: &Stack) -> Vec<u8> {
    let has_it = stack.nodes().into_iter().any(|node| node.name == "luks");
    if !has_it {
        panic!("{}", problem(stack));
    }
    super::lvm::bytes(stack, "luks").unwrap()
}

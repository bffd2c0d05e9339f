//! BitLocker: volumes that Windows made, and what no Windows at hand makes, written here from the
//! description of the format.

mod bitmaps;
pub mod collected;
pub mod made;
pub mod on_write;
mod readers;
mod shown;
pub mod variants;

use std::sync::Arc;

use imgmount::cache::Cache;
use imgmount::error::Result;
use imgmount::format::{Context, Key, Keyring, Keys, Secret};
use imgmount::source::SharedSource;
use imgmount::stack::{Registries, Stack};

/// Keys for any volume, in the order in which they are tried.
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

/// What is used to open with these `keys`.
pub fn context(keys: &[&[u8]]) -> Context {
    let keys = keys.iter().map(|key| key.to_vec()).collect();
    Context {
        keys: Keyring::new(Arc::new(Given(keys))),
        ..Context::new(Cache::new(16 << 20))
    }
}

/// What is in `disk`.
pub fn look(disk: SharedSource, context: &Context) -> Stack {
    Stack::open_with(Registries::BUILT_IN, disk, Vec::new(), context).unwrap()
}

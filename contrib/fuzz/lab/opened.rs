//! An image in memory, opened with everything in it.

use std::sync::Arc;

use imgmount::cache::Cache;
use imgmount::error::Result;
use imgmount::format::{Context, KdfLimit, Key, Keyring, Keys, Neighbour, Nobody, Origin, Secret};
use imgmount::stack::{Registries, Stack};
use imgmount::tree::{self, Layout, Tree};

use super::record::{Beside, Files, Log, Recorded, identity};

/// How the name of a file begins whose disks join those of the first.
const ADDED: char = '+';

/// The one key of a seed.
struct One(Option<Vec<u8>>);

impl Keys for One {
    fn given(&self) -> Result<Vec<Key>> {
        let secret = self.0.as_deref().map(Secret::new).transpose()?;
        let key = secret.map(|secret| Key {
            subject: None,
            secret: Arc::new(secret),
        });
        Ok(key.into_iter().collect())
    }

    fn ask(&self, _: &str) -> Option<Secret> {
        None
    }
}

/// Opens the first of `files`.
pub fn stack(
    files: &Files,
    key: Option<&[u8]>,
    ignore_checksums: bool,
    log: Option<Arc<Log>>,
) -> Result<Stack> {
    let name = files.first().map_or("", |(name, _)| name);
    let mut context = Context {
        keys: Keyring::new(Arc::new(One(key.map(<[u8]>::to_vec)))),
        neighbours: Arc::new(Beside {
            files: files.clone(),
            log: log.clone(),
        }),
        origin: Origin::new(name.as_bytes().to_vec(), Some(identity(0))),
        ..Context::new(Cache::new(8 << 20))
    };
    context.options.ignore_checksums = ignore_checksums;
    context.options.kdf_limit = KdfLimit {
        memory: 64 << 20,
        seconds: 1,
    };
    let others = files.iter().enumerate();
    let others = others.filter(|(_, (name, _))| name.starts_with(ADDED));
    let others = others.map(|(number, (name, _))| {
        context.other(Neighbour {
            source: Recorded::new(files, number, log.clone()),
            name: name.as_bytes().to_vec(),
            identity: Some(identity(number)),
            neighbours: Arc::new(Nobody),
        })
    });
    let others = others.collect();
    let first = Recorded::new(files, 0, log.clone());
    Stack::open_with(Registries::BUILT_IN, first, others, &context)
}

/// Everything in it as one tree: a directory and a raw file for each volume.
pub fn tree(stack: Arc<Stack>) -> Result<Tree> {
    let options = tree::Options {
        layout: Layout::Volumes,
        ..tree::Options::default()
    };
    Tree::compose(stack, &options)
}

//! File systems of bytes in memory, opened by their format alone, and requests with few steps.

use std::sync::Arc;

use imgmount::cache::Cache;
use imgmount::error::{Error, Kind, Result};
use imgmount::filesystem::{Budget, FORMATS, FileSystem, Inode, Request};
use imgmount::format::Context;
use imgmount::source::Memory;

/// The file system of the format called `name` in `bytes`.
pub fn opened(name: &str, bytes: &[u8]) -> Box<dyn FileSystem> {
    let format = FORMATS.iter().find(|format| format.name == name);
    let context = Context::new(Cache::new(8 << 20));
    let source = Arc::new(Memory(bytes.to_vec()));
    let opened = (format.expect(name).open)(&[source], &context);
    opened
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .filesystem
}

/// A request of `steps`.
pub fn request(steps: u64) -> Request {
    Request {
        budget: Budget::new(steps),
        ..Request::new(0)
    }
}

/// Asserts that `error` is that of a request whose steps are spent.
pub fn is_spent(error: &Error) {
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(error.to_string().contains("work limit"), "{error}");
}

/// The names of at most `most` entries of `dir` from `cursor` on, and what ends them before.
pub fn names_from(
    filesystem: &dyn FileSystem,
    dir: Inode,
    cursor: u64,
    most: usize,
) -> (Vec<Vec<u8>>, Result<()>) {
    let mut names = Vec::new();
    let end = filesystem.read_dir(&Request::new(0), dir, cursor, &mut |entry| {
        names.push(entry.name.to_vec());
        names.len() < most
    });
    (names, end)
}

//! What must hold of a directory.

use imgmount::error::Error;
use imgmount::filesystem::{FileSystem, Inode};

use crate::files::{Manner, is_work_limit, request};

/// Entries of one directory that are looked at.
const ENTRIES: usize = 500;
/// Entries of a page in the other listing.
const PAGE: usize = 3;
/// Names that are looked up.
const NAMES: usize = 60;

/// A name, and what it names.
pub type Named = (Vec<u8>, Inode);

/// The entries of `dir`, which are the same in small pages and are found by their names.
pub fn check(filesystem: &dyn FileSystem, dir: Inode, manner: Manner) -> Vec<Named> {
    let (whole, error) = list(filesystem, dir, ENTRIES);
    let (pages, last) = list(filesystem, dir, PAGE);
    let is_tired = [&error, &last].into_iter().flatten().any(is_work_limit);
    let common = if is_tired {
        whole.len().min(pages.len())
    } else {
        whole.len().max(pages.len())
    };
    assert!(
        whole.get(..common) == pages.get(..common),
        "listed in one: {whole:?}, in pages: {pages:?}"
    );
    assert!(
        is_tired || error.is_some() == last.is_some(),
        "listed in one: {error:?}, in pages: {last:?}"
    );
    let manner = Manner {
        // Behind damage that ends a listing another of the same name may stand, and be found.
        by_number: manner.by_number && error.is_none(),
        ..manner
    };
    for (name, _) in whole.iter().take(NAMES) {
        found(filesystem, dir, name, &whole, manner);
    }
    whole
}

/// What lists `dir` in pages of `page` entries, and how that ends.
fn list(filesystem: &dyn FileSystem, dir: Inode, page: usize) -> (Vec<Named>, Option<Error>) {
    let (mut entries, mut cursor) = (Vec::new(), 0);
    loop {
        let before = entries.len();
        let result = filesystem.read_dir(&request(), dir, cursor, &mut |entry| {
            assert!(entry.next < 1 << 63, "cursor {:#x}", entry.next);
            assert!(
                !entry.name.is_empty() && !entry.name.iter().any(|byte| matches!(byte, 0 | b'/')),
                "no name: {:?}",
                entry.name
            );
            entries.push((entry.name.to_vec(), entry.inode));
            cursor = entry.next;
            entries.len() - before < page && entries.len() < ENTRIES
        });
        match result {
            Err(error) => return (entries, Some(error)),
            Ok(()) if entries.len() - before < page || entries.len() >= ENTRIES => {
                return (entries, None);
            }
            Ok(()) => {}
        }
    }
}

/// That `name` of `dir` leads to one of the inodes that are listed by it.
fn found(filesystem: &dyn FileSystem, dir: Inode, name: &[u8], listed: &[Named], manner: Manner) {
    if matches!(name, b"." | b"..") {
        return;
    }
    let Ok(found) = filesystem.lookup(&request(), dir, name) else {
        return;
    };
    let Some(found) = found else {
        assert!(!manner.finds_all, "{name:?} is listed and not found");
        return;
    };
    let is_listed = |entry: &Named| entry.0 == name && entry.1 == found;
    assert!(
        !manner.by_number || listed.iter().any(is_listed),
        "{name:?} leads to {found:?}; listed: {listed:?}"
    );
}

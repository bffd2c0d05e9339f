//! Discs whose files can be had by two file systems, an older and a younger: ISO 9660 and UDF, which
//! share the bytes of the files and differ in the directories.
//!
//! Most such discs hold the same twice, and the older has more to say of each file; but some keep
//! in the older only a text that says to use the other, or leave out what it cannot hold. So both
//! trees are walked, as far as [`MOST`] entries each: the one with more entries is shown. With as
//! many, the sizes of the files decide; with the same sizes, or where both are larger than that,
//! the older is shown.

use std::collections::VecDeque;

use super::Content;
use super::probe::{Claim, Found, Subject};
use crate::filesystem::{Budget, Cancel, FileSystem, FileType, Inode, Request};
use crate::format::Set;

/// Entries that are looked at on each side: enough to tell a tree from a text beside it, and few
/// enough to be read before anything is shown.
const MOST: usize = 2000;

/// Steps that either side may take for that.
const STEPS: u64 = 100_000;

/// The two claims of a disc with an older and a younger file system, in this order.
pub(super) fn pair(claims: &[Claim]) -> Option<(&Claim, &Claim)> {
    let older_of = |claim: &Claim| match &claim.set {
        Set::Bridge { older } => claims.iter().find(|claim| claim.reader.name() == *older),
        _ => None,
    };
    let mut pairs = claims
        .iter()
        .filter_map(|claim| Some((older_of(claim)?, claim)));
    pairs.next()
}

impl Subject<'_> {
    /// What is shown of two file systems on the same bytes, and a notice where that is not the older
    /// one as a matter of course.
    pub(super) fn bridged(&self, older: &Claim, younger: &Claim) -> Found {
        let [old, new] = [older, younger].map(|claim| claim.reader);
        let choice = choose(self.open(older), self.open(younger));
        let (shown, other) = match choice.is_younger {
            true => (new, old),
            false => (old, new),
        };
        if let Some(reason) = choice.reason {
            self.notice(format!(
                "{} and {} on the same bytes: {} is shown, {reason}; --format {} shows the other",
                old.name(),
                new.name(),
                shown.name(),
                other.name()
            ));
        }
        let mut found = choice.found;
        if let Found::FileSystem { beside, .. } = &mut found {
            beside.push((other.name(), other.describe(&**self.source)));
        }
        found
    }
}

/// Which is shown, and why, where that needs to be said.
struct Choice {
    /// What is shown, with the volumes that the other has besides its files.
    found: Found,
    /// Whether it is the younger.
    is_younger: bool,
    /// For a notice.
    reason: Option<String>,
}

/// Chooses between what the two sides were opened to.
fn choose(older: Found, younger: Found) -> Choice {
    let (is_younger, reason) = match (&older, &younger) {
        (
            Found::FileSystem {
                filesystem: old, ..
            },
            Found::FileSystem {
                filesystem: new, ..
            },
        ) => {
            let more = holds_more(&**new, &**old);
            (more, more.then(|| "which holds more".to_owned()))
        }
        (other, Found::FileSystem { .. }) => (true, failure(other)),
        (_, other) => (false, failure(other)),
    };
    let (mut found, other) = match is_younger {
        true => (younger, older),
        false => (older, younger),
    };
    if let (Found::FileSystem { extra, .. }, Found::FileSystem { extra: more, .. }) =
        (&mut found, other)
    {
        extra.extend(more);
    }
    Choice {
        found,
        is_younger,
        reason,
    }
}

/// Why `found` is no file system.
fn failure(found: &Found) -> Option<String> {
    match found {
        Found::Leaf(Content::Damaged { error, .. }) => Some(format!("since {error}")),
        _ => None,
    }
}

/// Whether `younger` holds more than `older`.
fn holds_more(younger: &dyn FileSystem, older: &dyn FileSystem) -> bool {
    let (a, b) = (entries(younger), entries(older));
    if a.len() != b.len() {
        return a.len() > b.len();
    }
    a.len() < MOST && bytes(younger, &a) > bytes(older, &b)
}

fn request() -> Request {
    Request {
        uid: 0,
        budget: Budget::new(STEPS),
        cancel: Cancel::default(),
    }
}

/// The files and directories of `filesystem`, nearest to the root first, as far as they can be
/// listed.
fn entries(filesystem: &dyn FileSystem) -> Vec<Inode> {
    let request = request();
    let mut found = Vec::new();
    let mut folders = VecDeque::from([filesystem.root()]);
    while let Some(folder) = folders.pop_front() {
        // What cannot be listed does not count.
        let _ = filesystem.read_dir(&request, folder, 0, &mut |entry| {
            if matches!(entry.name, b"." | b"..") {
                return true;
            }
            found.push(entry.inode);
            if is_folder(filesystem, &request, entry.inode, entry.kind) {
                folders.push_back(entry.inode);
            }
            found.len() < MOST
        });
        if found.len() >= MOST {
            break;
        }
    }
    found
}

fn is_folder(
    filesystem: &dyn FileSystem,
    request: &Request,
    inode: Inode,
    kind: Option<FileType>,
) -> bool {
    let kind = kind.or_else(|| {
        let attributes = filesystem.attributes(request, inode);
        attributes.ok().map(|attributes| attributes.kind)
    });
    kind == Some(FileType::Directory)
}

/// Bytes of the regular files among `inodes`.
fn bytes(filesystem: &dyn FileSystem, inodes: &[Inode]) -> u64 {
    let request = request();
    let attributes = inodes
        .iter()
        .filter_map(|inode| filesystem.attributes(&request, *inode).ok());
    let files = attributes.filter(|attributes| attributes.kind == FileType::Regular);
    files.fold(0, |sum: u64, file| sum.saturating_add(file.size))
}

//! Whether this is one, and what `info` says of it.

use super::compression::Compression;
use super::layout::RawSuperblock;
use super::superblock::{self, FLAGS};
use crate::error::{Error, Result};
use crate::format::{Description, Set};
use crate::source::Source;

/// Any magic: what is of another version or byte order is refused by name when it is opened.
pub(super) fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(superblock::find(source)?.map(|_| Set::Alone))
}

/// Version, compression and sizes, as far as a damaged superblock gives them. There is neither a
/// label nor a UUID.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let missing = || Error::corrupt("no superblock").at(0);
    let raw = superblock::find(source)?.ok_or_else(missing)?;
    let (major, minor) = raw.version();
    let mut facts = vec![("version", format!("{major}.{minor}"))];
    if (major, minor) != (4, 0) || raw.s_magic != *b"hsqs" {
        return Ok(Description {
            facts,
            ..Description::default()
        });
    }
    facts.push(("compression", compression(&raw)));
    facts.push(("block size", raw.block_size.get().to_string()));
    facts.push(("inodes", raw.inodes.get().to_string()));
    let features = FLAGS
        .iter()
        .filter(|(bit, _)| raw.flags.get() & bit != 0)
        .map(|(_, name)| (*name).to_owned());
    Ok(Description {
        features: features.collect(),
        facts,
        allocated: Some(raw.bytes_used.get().min(source.size())),
        ..Description::default()
    })
}

fn compression(raw: &RawSuperblock) -> String {
    let id = raw.compression.get();
    let known = Compression::of(id).map(|compression| compression.name().to_owned());
    known.unwrap_or_else(|| id.to_string())
}

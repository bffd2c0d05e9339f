//! What `info` says of a VHD, without opening another file.

use super::dynamic::Dynamic;
use super::footer::{self, Footer, Kind, spell};
use super::layout::UNUSED;
use crate::error::Result;
use crate::format::Description;
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of the largest table that is counted: that of 2 TiB in blocks of 2 MiB.
const MOST_TABLE: u64 = 4 << 20;

/// Describes the image `source`. What is damaged is left out: opening says so.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let Ok(found) = footer::find(source, true) else {
        return Ok(Description::default());
    };
    let footer = found.footer;
    let mut description = Description {
        uuid: Some(spell(footer.unique_id())),
        facts: vec![("creator", footer.creator())],
        ..Description::default()
    };
    if let Some(size) = footer.other_size() {
        let fact = ("current_size", size.to_string());
        description.facts.push(fact);
    }
    if footer.is_saved_state() {
        description.features.push("saved state".to_owned());
    }
    if let Ok(kind) = footer.kind() {
        description.features.insert(0, kind.name().to_owned());
        if kind != Kind::Fixed {
            add_dynamic(&mut description, source, &footer, kind);
        }
    }
    Ok(description)
}

fn add_dynamic(found: &mut Description, source: &dyn Source, footer: &Footer, kind: Kind) {
    let Ok(header) = Dynamic::read(source, footer, true, &mut |_| {}) else {
        return;
    };
    found
        .facts
        .push(("block size", header.block_size.to_string()));
    found.allocated = allocated(source, &header);
    if kind == Kind::Differencing {
        let parent = spell(header.parent_unique_id);
        found.facts.push(("parent UUID", parent));
        let path = header.parent_paths(source).ok();
        let path = path.and_then(|paths| paths.into_iter().next());
        found.second_files.extend(path.map(String::into_bytes));
    }
}

/// Bytes of the blocks that are in the file.
fn allocated(source: &dyn Source, header: &Dynamic) -> Option<u64> {
    let len = header.entries.saturating_mul(4);
    let table = (len <= MOST_TABLE).then(|| read_vec(source, header.table_offset, to_usize(len)));
    let table = table?.ok()?;
    let unused = UNUSED.to_be_bytes();
    let used = table.chunks_exact(4).filter(|entry| *entry != unused);
    Some(to_u64(used.count()).saturating_mul(header.block_size))
}

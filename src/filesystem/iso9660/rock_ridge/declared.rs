//! Whether the root's own record says that there is Rock Ridge, and where its entries begin.

use crate::filesystem::Request;
use crate::filesystem::iso9660::record::{Record, SECTOR};
use crate::filesystem::iso9660::susp::{self, Blocks};
use crate::number::to_usize;
use crate::source::read_vec;

/// Bytes that a CD-ROM XA disc has before the entries.
const XA: usize = 14;

/// What the root's own record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::filesystem::iso9660) struct Declared {
    /// Bytes of each System Use field before the entries (SP).
    pub(in crate::filesystem::iso9660) skip: usize,
    /// Whether a specification is named (ER).
    pub(in crate::filesystem::iso9660) is_declared: bool,
}

/// What the record of the root at block `root` says; entries begin at once where it says nothing.
pub(in crate::filesystem::iso9660) fn declared(blocks: &Blocks<'_>, root: u64) -> Declared {
    let mut found = Declared {
        skip: 0,
        is_declared: false,
    };
    let place = root.wrapping_shl(blocks.bits);
    let len = blocks.source.size().saturating_sub(place).min(SECTOR);
    let Ok(bytes) = read_vec(blocks.source, place, to_usize(len)) else {
        return found;
    };
    let Ok(Some(record)) = Record::parse(&bytes, place, false) else {
        return found;
    };
    for start in [0, XA] {
        let area = record.system_use.get(start..).unwrap_or_default();
        let mut has_start = false;
        // What is damaged ends the search: what stands before it counts.
        let _ = susp::entries(blocks, &Request::new(0), area, &mut |entry| {
            if let (b"SP", [0xbe, 0xef, skip, ..]) = (&entry.signature, entry.data) {
                found.skip = usize::from(*skip);
                has_start = true;
            }
            found.is_declared |= &entry.signature == b"ER";
        });
        if has_start || found.is_declared {
            break;
        }
    }
    found
}

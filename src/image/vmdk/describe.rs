//! What `info` says of a VMDK, without opening another file.

use super::descriptor::Descriptor;
use super::extent_line::Kind;
use super::layout::{
    FLAG_COMPRESSED, FLAG_MARKERS, FLAG_REDUNDANT, FLAG_ZEROED_GRAIN, SECTOR, SparseExtentHeader,
};
use super::{Head, esx, hosted};
use crate::error::Result;
use crate::format::Description;
use crate::source::Source;

/// Entries of the descriptor that are shown as they are.
const SHOWN: [(&str, &str); 6] = [
    ("CID", "cid"),
    ("adapter", "ddb.adaptertype"),
    ("hardware version", "ddb.virtualhwversion"),
    ("tools version", "ddb.toolsversion"),
    ("encoding", "encoding"),
    ("change tracking file", "changetrackpath"),
];

/// Describes the image `source`.
///
/// # Errors
/// As its descriptor and header.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let mut found = Description::default();
    match Head::of(source)? {
        Some(Head::Text) => add_descriptor(&mut found, &Descriptor::read_file(source)?, false),
        Some(Head::Hosted) => {
            let header = hosted::header(source)?;
            if let Some(descriptor) = hosted::descriptor(source, &header)? {
                add_descriptor(&mut found, &descriptor, true);
            }
            add_header(&mut found, &header);
            found.allocated = allocated(source, &header);
        }
        Some(Head::Cowd) => {
            let header = esx::cowd_header(source)?;
            found.facts.push(("extent", "COWD".to_owned()));
            add_grain(&mut found, header.grainSize.get().into());
        }
        Some(Head::SpaceEfficient) => {
            let header = esx::se_header(source)?;
            found.facts.push(("extent", "SEsparse".to_owned()));
            add_grain(&mut found, header.grainSize.get());
        }
        Some(Head::ChangeTracking) | None => {}
    }
    Ok(found)
}

fn add_descriptor(found: &mut Description, descriptor: &Descriptor, embedded: bool) {
    if let Some(kind) = descriptor.text("createtype") {
        found.facts.push(("subformat", kind));
    }
    for (name, key) in SHOWN {
        if let Some(value) = descriptor.text(key) {
            found.facts.push((name, value));
        }
    }
    if let Ok(Some(cid)) = descriptor.parent_cid() {
        found.features.push("delta".to_owned());
        found.facts.push(("parent CID", format!("{cid:08x}")));
        let hint = descriptor.get("parentfilenamehint");
        found.second_files.extend(hint.map(<[u8]>::to_vec));
    }
    let extents = descriptor.extents.len();
    found.facts.push(("extents", extents.to_string()));
    found.uuid = descriptor.get("ddb.uuid").and_then(uuid);
    let image = || descriptor.text("ddb.uuid.image");
    found.uuid = found.uuid.take().or_else(image);
    if embedded && extents <= 1 {
        return;
    }
    for extent in &descriptor.extents {
        if extent.kind != Kind::Zero && !found.second_files.contains(&extent.name) {
            found.second_files.push(extent.name.clone());
        }
    }
}

/// `60 00 C2 9a … 2a cb-5c …` as VMware shows it elsewhere.
fn uuid(text: &[u8]) -> Option<String> {
    let digits = text.iter().filter(|byte| byte.is_ascii_hexdigit());
    let digits: Vec<u8> = digits.map(u8::to_ascii_lowercase).collect();
    let digits = String::from_utf8(digits).ok().filter(|it| it.len() == 32)?;
    let part = |range: std::ops::Range<usize>| digits.get(range);
    let parts = [
        part(0..8)?,
        part(8..12)?,
        part(12..16)?,
        part(16..20)?,
        part(20..32)?,
    ];
    Some(parts.join("-"))
}

fn add_header(found: &mut Description, header: &SparseExtentHeader) {
    let flags = header.flags.get();
    let names = [
        (FLAG_COMPRESSED, "compressed"),
        (FLAG_MARKERS, "markers"),
        (FLAG_ZEROED_GRAIN, "zeroed grains"),
        (FLAG_REDUNDANT, "redundant tables"),
    ];
    let set = names.iter().filter(|(flag, _)| flags & flag != 0);
    found
        .features
        .extend(set.map(|(_, name)| (*name).to_owned()));
    let version = header.version.get().to_string();
    found.facts.push(("version", version));
    add_grain(found, header.grainSize.get());
}

fn add_grain(found: &mut Description, sectors: u64) {
    let bytes = sectors.saturating_mul(SECTOR);
    found.facts.push(("grain", format!("{bytes} bytes")));
}

/// Bytes of grains: an extent that is not compressed has nothing else behind its metadata, and
/// grows by whole grains.
fn allocated(source: &dyn Source, header: &SparseExtentHeader) -> Option<u64> {
    let metadata = header.overHead.get().checked_mul(SECTOR)?;
    let is_packed = header.flags.get() & FLAG_COMPRESSED != 0;
    source.size().checked_sub(metadata).filter(|_| !is_packed)
}

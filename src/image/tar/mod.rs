//! Archives that hold disk images, read in place: a member is a range of the archive, or, with
//! holes, a map of several.

mod archive;
mod entry;
mod layout;
mod links;
mod number;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

pub(super) use self::archive::Archive;
use super::{FORMATS, Open, several};
use crate::error::{Error, Result, printable};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "tar",
    claim,
    describe,
    open,
};

/// Headers that are read to know the name of the first file: a few directories may be in front.
const FIRST: u64 = 16;

/// Members without a name that says anything whose bytes are looked at, the largest ones.
const MOST_PROBED: usize = 32;

/// How names of images end, before what says that they are packed.
const ENDINGS: [&str; 18] = [
    ".raw", ".img", ".image", ".dd", ".iso", ".wic", ".qcow2", ".qcow", ".qed", ".vmdk", ".vdi",
    ".vhd", ".vhdx", ".hdd", ".dmg", ".ova", ".e01", ".001",
];

/// How names of packed files end.
const PACKED: [&str; 5] = [".gz", ".xz", ".zst", ".bz2", ".lz4"];

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let is_package = || Ok::<_, Error>(first_name(source)?.is_some_and(|name| is_ovf(&name)));
    Ok((entry::is_archive(source)? && !is_package()?).then_some(Set::Alone))
}

fn is_ovf(name: &[u8]) -> bool {
    super::ova::ends_in(name, ".ovf")
}

/// The name of the first file in the archive that `source` is, if it is one.
pub(super) fn first_name(source: &dyn Source) -> Result<Option<Vec<u8>>> {
    if !entry::is_archive(source)? {
        return Ok(None);
    }
    let mut walk = entry::Walk::new(source, false, FIRST);
    let mut members = std::iter::from_fn(|| walk.next().ok().flatten());
    let first = members.find(|member| member.link.is_none());
    Ok(first.map(|member| member.name))
}

fn describe(_source: &dyn Source) -> Result<Description> {
    Ok(Description::default())
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let archive = Archive::read(source, context, false)?;
    let named = archive.files().any(|(name, _)| is_ovf(name));
    if named {
        return super::ova::open_in(&archive, context);
    }
    let names = match context.options.disk.as_deref() {
        Some(_) => images_or_all(&archive),
        None => images(&archive)?,
    };
    several::open(&names, context, &|name, context| {
        let source = archive.bytes(name)?;
        let source = source.ok_or_else(|| Error::not_found("no such member"))?;
        let beside = Arc::new(archive.beside(name));
        context.inside(source, name, Some(beside))
    })
}

/// The images, and if there are none, everything: the user knows which it is.
fn images_or_all(archive: &Archive) -> Vec<Vec<u8>> {
    let all = || files(archive).into_iter().map(|(name, _)| name);
    images(archive).unwrap_or_else(|_| all().collect())
}

/// The members that are images by their names or, where there are none, by their bytes; without
/// those that others stand on.
fn images(archive: &Archive) -> Result<Vec<Vec<u8>>> {
    let all = files(archive);
    if let [(only, _)] = all.as_slice() {
        return Ok(vec![only.clone()]);
    }
    let named = all.iter().filter(|(name, _)| is_image_name(name));
    let mut found: Vec<Vec<u8>> = named.map(|(name, _)| name.clone()).collect();
    if found.is_empty() {
        found = by_content(archive, &all);
    }
    if found.is_empty() {
        return Err(nothing(&all));
    }
    let wanted = second_files(archive, &found);
    let stands_alone = |name: &Vec<u8>| !wanted.contains(base(name));
    if found.iter().any(stands_alone) {
        found.retain(stands_alone);
    }
    Ok(found)
}

/// Every file that has bytes, each name once: of several the last counts, as when unpacked.
fn files(archive: &Archive) -> Vec<(Vec<u8>, u64)> {
    let mut seen = HashSet::new();
    let files: Vec<_> = archive.files().collect();
    let mut files: Vec<_> = files
        .into_iter()
        .rev()
        .filter(|(name, _)| seen.insert(*name))
        .filter(|(name, size)| *size > 0 && !base(name).starts_with(b"._"))
        .map(|(name, size)| (name.to_vec(), size))
        .collect();
    files.reverse();
    files
}

fn base(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b'/').next().unwrap_or(name)
}

fn is_image_name(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(base(name)).to_ascii_lowercase();
    let unpacked = PACKED.iter().find_map(|ending| name.strip_suffix(ending));
    let name = unpacked.unwrap_or(&name);
    name == "diskdescriptor.xml" || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn by_content(archive: &Archive, all: &[(Vec<u8>, u64)]) -> Vec<Vec<u8>> {
    let mut largest: Vec<_> = all.iter().collect();
    largest.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    largest.truncate(MOST_PROBED);
    let claimed = |name: &[u8]| reader(archive, name).is_some();
    let found = all.iter().filter(|file| largest.contains(file));
    let names = found.map(|(name, _)| name.clone());
    names.filter(|name| claimed(name)).collect()
}

/// The format that claims the member `name`, and its bytes.
fn reader(archive: &Archive, name: &[u8]) -> Option<(&'static Format<Open>, SharedSource)> {
    let source = archive.bytes(name).ok().flatten()?;
    let mut formats = FORMATS.iter().filter(|format| format.name != "raw");
    let claims = |format: &&Format<Open>| matches!((format.claim)(&*source), Ok(Some(_)));
    Some((formats.find(claims)?, source))
}

/// The base names of what the members called `names` stand on.
fn second_files(archive: &Archive, names: &[Vec<u8>]) -> HashSet<Vec<u8>> {
    let mut wanted = HashSet::new();
    for name in names.iter().take(MOST_PROBED) {
        let Some((format, source)) = reader(archive, name) else {
            continue;
        };
        let described = (format.describe)(&*source).unwrap_or_default();
        let other = described
            .second_files
            .iter()
            .map(|file| base(file).to_vec());
        wanted.extend(other.filter(|other| other != base(name)));
    }
    wanted
}

fn nothing(all: &[(Vec<u8>, u64)]) -> Error {
    let names = all.iter().take(5).map(|(name, _)| printable(name));
    let names: Vec<_> = names.collect();
    let more = if all.len() > names.len() { ", …" } else { "" };
    let text = format!("no disk image among its {} files", all.len());
    Error::unsupported(text).hint(format!(
        "--disk NAME takes one of them: {}{more}",
        names.join(", ")
    ))
}

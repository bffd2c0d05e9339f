//! Virtual machines to hand on: an OVF descriptor with its disks, in a tar (OVA) or beside it.

mod descriptor;
mod files;
mod manifest;

use self::descriptor::File;
use self::files::Files;
use super::tar::Archive;
use super::{Open, several, xml};
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Context, Description, Digest, Disk, Format, Set};
use crate::source::{SharedSource, Source};

/// The archive.
pub(super) const ARCHIVE: Format<Open> = Format {
    name: "ova",
    claim: claim_archive,
    describe: describe_archive,
    open: open_archive,
};

/// The descriptor alone, its files beside it.
pub(super) const DESCRIPTOR: Format<Open> = Format {
    name: "ovf",
    claim: claim_descriptor,
    describe: describe_descriptor,
    open: open_descriptor,
};

/// How far the name of the root element, and what it means, may be from the start.
const START: u64 = 16 << 10;

fn claim_archive(source: &dyn Source) -> Result<Option<Set>> {
    let first = super::tar::first_name(source)?;
    let is_descriptor = first.is_some_and(|name| ends_in(&name, ".ovf"));
    Ok(is_descriptor.then_some(Set::Alone))
}

fn claim_descriptor(source: &dyn Source) -> Result<Option<Set>> {
    let first = xml::start(source, 5)?;
    if first.first() != Some(&b'<') {
        return Ok(None);
    }
    let start = xml::start(source, START)?;
    let has = |text: &[u8]| start.windows(text.len()).any(|window| window == text);
    Ok((has(b"Envelope") && has(b"/ovf")).then_some(Set::Alone))
}

fn describe_archive(_source: &dyn Source) -> Result<Description> {
    Ok(Description::default())
}

fn describe_descriptor(source: &dyn Source) -> Result<Description> {
    let package = xml::text(source).and_then(|text| descriptor::read(&text));
    let disks = package.map(|package| package.disks).unwrap_or_default();
    Ok(Description {
        second_files: disks
            .into_iter()
            .map(|file| file.href.into_bytes())
            .collect(),
        ..Description::default()
    })
}

fn open_archive(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let archive = Archive::read(source, context, false)?;
    let opened = open_in(&archive, context);
    match opened {
        // What was left out may be what is wanted.
        Err(error) if error.kind() == crate::error::Kind::NotFound && source.end_is_far() => {
            open_in(&Archive::read(source, context, true)?, context)
        }
        other => other,
    }
}

/// The package in `archive`, whose descriptor is the first file that is called like one.
pub(super) fn open_in(archive: &Archive, context: &Context) -> Result<Vec<Disk>> {
    let name = archive.files().find(|(name, _)| ends_in(name, ".ovf"));
    let (name, _) = name.ok_or_else(|| Error::corrupt("no OVF descriptor in the archive"))?;
    let source = archive.bytes(name)?;
    let source = source.ok_or_else(|| Error::corrupt("no OVF descriptor in the archive"))?;
    let beside = archive.beside(name);
    let opened = open(&source, name, &Files::Archive(beside), context);
    opened.context(|| printable(name))
}

fn open_descriptor(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    open(source, &context.origin.name, &Files::Beside, context)
}

fn open(source: &SharedSource, name: &[u8], files: &Files, context: &Context) -> Result<Vec<Disk>> {
    let text = xml::text(&**source)?;
    let package = descriptor::read(&text)?;
    for id in &package.blank {
        let id = printable(id.as_bytes());
        context
            .notices
            .add(format!("ovf: Disk {id} has no file: it is empty"));
    }
    for file in &package.disks {
        let found = files.check(file);
        found.map_err(|error| error.at(file.at))?;
    }
    note_manifest(source, name, files, context);
    let hrefs = package
        .disks
        .iter()
        .map(|file| file.href.clone().into_bytes());
    let hrefs: Vec<_> = hrefs.collect();
    if hrefs.is_empty() {
        return Err(Error::unsupported("no disk in it has a file"));
    }
    let by_name = |href: &[u8]| package.disks.iter().find(|it| it.href.as_bytes() == href);
    several::open(&hrefs, context, &|href, context| {
        let file: Option<&File> = by_name(href);
        let file = file.ok_or_else(|| Error::invalid("no such disk"))?;
        files.disks(file, context)
    })
}

/// Takes down what the manifest beside the descriptor `name` says, for who checks it. What is seen
/// without reading a disk is a notice at once.
fn note_manifest(source: &SharedSource, name: &[u8], files: &Files, context: &Context) {
    let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    let stem = base.len().checked_sub(4).and_then(|end| base.get(..end));
    let stem = stem.unwrap_or(base);
    let there = |ending: &str| {
        let name = [stem, ending.as_bytes()].concat();
        let source = files.bytes(&name, context).ok().flatten();
        source.map(|source| (printable(&name), source))
    };
    if let Some((name, _)) = there(".cert") {
        let text = format!("ovf: the signature in {name} is not verified");
        context.notices.add(text);
    }
    let Some((manifest, text)) = there(".mf") else {
        return;
    };
    let text = match xml::text(&*text) {
        Ok(text) => text,
        Err(error) => return context.notices.add(format!("ovf: {manifest}: {error}")),
    };
    for line in manifest::read(&text) {
        let shown = printable(&line.file);
        let bytes = match line.file == base {
            true => Ok(Some(source.clone())),
            false => files.bytes(&line.file, context),
        };
        let Ok(Some(bytes)) = bytes else {
            let text = format!("ovf: {manifest} names {shown}, which is not there");
            context.notices.add(text);
            continue;
        };
        let digest = Digest {
            name: shown,
            manifest: manifest.clone(),
            algorithm: line.algorithm,
            expected: line.digest,
            source: bytes,
        };
        if line.file == base
            && let Err(error) = digest.verify(&mut |_| ())
        {
            context
                .notices
                .add(format!("ovf: {}: {error}", digest.name));
        }
        context.layers.add_digest(digest);
    }
}

pub(super) fn ends_in(name: &[u8], ending: &str) -> bool {
    let start = name.len().checked_sub(ending.len());
    let own = start.and_then(|start| name.get(start..));
    own.is_some_and(|own| own.eq_ignore_ascii_case(ending.as_bytes()))
}

//! BitLocker: a volume of Windows', encrypted sector by sector with a key that is sealed by a master
//! key, which is sealed once for each thing that opens it.

mod boot_sector;
mod dataset;
mod datum;
mod elephant;
mod guid;
mod information;
mod layout;
mod makeup;
mod metadata;
mod method;
mod on_write;
mod protector;
mod recovery;
mod regions;
mod sealed;
mod startup;
mod state;
mod stretch;
mod text;
mod unlock;

use std::sync::Arc;

use self::information::Version;
use self::metadata::Metadata;
use self::method::Method;
use self::on_write::{Chunks, OnWrite};
use self::regions::Regions;
use self::sealed::Key;
use self::state::Doing;
use super::{Open, Opened};
use crate::crypt::decrypted::Decrypted;
use crate::error::{Error, Result, printable};
use crate::format::{Context, Description, Format, Set, Volume};
use crate::number::to_usize;
use crate::source::cached::Cached;
use crate::source::mapped::Mapped;
use crate::source::{Memory, SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "BitLocker",
    claim,
    describe,
    open,
};

/// One whose metadata are damaged is claimed too, and says so when it is opened.
fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(boot_sector::is_there(source)?.then_some(Set::Alone))
}

/// What protectors are called, as far as so many are listed; Windows makes a handful.
const NUMBERED: [&str; 16] = [
    "protector 0",
    "protector 1",
    "protector 2",
    "protector 3",
    "protector 4",
    "protector 5",
    "protector 6",
    "protector 7",
    "protector 8",
    "protector 9",
    "protector 10",
    "protector 11",
    "protector 12",
    "protector 13",
    "protector 14",
    "protector 15",
];

fn describe(source: &dyn Source) -> Result<Description> {
    let metadata = Metadata::read(source, true)?;
    let information = &metadata.information;
    let dataset = &information.dataset;
    let method = match Method::new(dataset.method) {
        Ok(method) => method.to_string(),
        Err(_) => format!("{:#06x}", dataset.method),
    };
    let mut facts = vec![
        ("generation", generation(&metadata).to_owned()),
        ("encryption", method),
        ("sector size", metadata.boot.sector.to_string()),
        ("state", state(&metadata, source.size())),
    ];
    if let Some(description) = &dataset.description {
        facts.push(("description", description.clone()));
    }
    let protectors = dataset.protectors.iter();
    let protectors = protectors.map(|it| format!("{} {}", it.opener, it.id));
    facts.extend(NUMBERED.into_iter().zip(protectors));
    Ok(Description {
        uuid: Some(dataset.id.to_string()),
        facts,
        ..Description::default()
    })
}

fn generation(metadata: &Metadata) -> &'static str {
    match (metadata.information.version, metadata.boot.to_go) {
        (Version::Vista { .. }, _) => "Windows Vista",
        (_, true) => "BitLocker To Go",
        _ => "Windows 7 or later",
    }
}

fn state(metadata: &Metadata, size: u64) -> String {
    match is_encrypted_on_write(metadata) {
        true => "encrypts on write".to_owned(),
        false => metadata.information.state.describe(size),
    }
}

/// What is encrypted of such a volume only its bitmaps say, unless nothing of it is any more.
fn is_encrypted_on_write(metadata: &Metadata) -> bool {
    metadata.boot.on_write.is_some() && metadata.information.state.doing != Doing::Decrypted
}

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    let metadata = Metadata::read(&**source, context.options.ignore_checksums)?;
    note(&metadata, source.size(), context);
    let on_write = on_write(&**source, &metadata, context)?;
    let chunks = match &on_write {
        Some(it) if is_encrypted_on_write(&metadata) => {
            Some(chunks(&**source, &metadata, it, context)?)
        }
        _ => None,
    };
    let hidden = on_write.map(|it| it.areas).unwrap_or_default();
    let regions = Regions::new(&metadata, &hidden, chunks, source.size())?;
    let key = match regions.is_encrypted() {
        true => Some(unlock::sector_key(&metadata, context)?),
        false => None,
    };
    let method = key.as_ref().map(|key| Method::new(key.kind)).transpose()?;
    let name = context.named("bitlocker");
    let description = Description {
        volumes: vec![makeup::of(&regions, &name, method)],
        ..describe(&**source)?
    };
    let unlocked = unlocked(source, &metadata, regions, key.zip(method), context)?;
    Ok(Opened {
        volumes: vec![Volume {
            name,
            source: Ok(unlocked),
            location: None,
            partition: None,
        }],
        description: Some(description),
    })
}

/// What it keeps for encrypting on write, if it ever did. Where nothing is encrypted any more, that
/// may be damaged.
fn on_write(
    source: &dyn Source,
    metadata: &Metadata,
    context: &Context,
) -> Result<Option<OnWrite>> {
    let Some(copies) = metadata.boot.on_write else {
        return Ok(None);
    };
    let found = OnWrite::read(source, copies, metadata.boot.sector);
    if is_encrypted_on_write(metadata) {
        return found.map(Some);
    }
    let lost = |error: &Error| add(context, &format!("{error}; what it leads to is not hidden"));
    if let Ok(found) = &found {
        found.damage.iter().for_each(lost);
    }
    Ok(found.map_err(|error| lost(&error)).ok())
}

/// What its bitmaps say.
fn chunks(
    source: &dyn Source,
    metadata: &Metadata,
    on_write: &OnWrite,
    context: &Context,
) -> Result<Chunks> {
    let ignore = context.options.ignore_checksums;
    let sector = metadata.boot.sector;
    let chunks = Chunks::read(source, on_write, sector, ignore, &context.room)?;
    for error in &chunks.damage {
        add(context, &error.to_string());
    }
    Ok(chunks)
}

fn add(context: &Context, text: &str) {
    let subject = printable(context.subject.as_bytes());
    context.notices.add(format!("{subject}: BitLocker: {text}"));
}

/// Says what is damaged and does not matter, and what is odd.
fn note(metadata: &Metadata, size: u64, context: &Context) {
    let add = |text: String| add(context, &text);
    for error in &metadata.damage {
        add(format!("{error}; another copy is used"));
    }
    if let Some(at) = metadata.information.copies.iter().find(|at| **at >= size) {
        add(format!(
            "it is cut off: a copy of its metadata is at byte {at:#x} of {size}"
        ));
    }
    if metadata.information.state.doing == Doing::Dirty {
        add("its conversion was interrupted: what was being moved cannot be read".to_owned());
    }
}

/// The volume as Windows shows it.
fn unlocked(
    source: &SharedSource,
    metadata: &Metadata,
    regions: Regions,
    key: Option<(Key, Method)>,
    context: &Context,
) -> Result<SharedSource> {
    let mut decrypted = source.clone();
    if let Some((key, method)) = key {
        let cipher = method.cipher(&key, to_usize(metadata.boot.sector))?;
        decrypted = Arc::new(Decrypted::new(source.clone(), cipher, 0)?);
    }
    let mut members = vec![source.clone(), decrypted];
    if let Version::Vista { mft_mirror } = metadata.information.version {
        members.push(Arc::new(Memory(metadata.boot.of_ntfs(mft_mirror))));
    }
    let cache = context.cache.clone();
    let mapped = Mapped::new(regions, members, None, cache.clone());
    // A sector is decrypted once, however little of it is read at a time.
    Ok(Arc::new(Cached::new(Arc::new(mapped), cache)))
}

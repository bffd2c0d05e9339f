//! Named streams (ECMA-167, 4/8.8.3; UDF 3.3.5): files beside a file, in a directory of their own.
//! They are shown as extended attributes `user.NAME`.

use super::content;
use super::directory::{Directory, Identifier};
use super::icb::{FileEntry, file_type};
use super::volume::{Address, Volume};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;
use crate::number::to_usize;

/// Before the name of a stream.
const PREFIX: &[u8] = b"user.";

/// The longest name of an attribute, and its largest value (`XATTR_NAME_MAX`, `XATTR_SIZE_MAX`).
const MOST_NAME: usize = 255;
const MOST_VALUE: u64 = 65536;

/// Gives `each` the names of the streams of `file`. Those that no attribute can hold, and those of
/// the file system itself, are left out.
///
/// # Errors
/// What makes the stream directory unreadable.
pub(super) fn names(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    each: &mut dyn FnMut(&[u8]),
) -> Result<()> {
    let Some(directory) = directory(volume, request, file)? else {
        return Ok(());
    };
    let mut failure = Ok(());
    let found = listed(volume, request, &directory, &mut |found| {
        match FileEntry::read(volume, request, found.icb) {
            Ok(stream) if stream.size <= MOST_VALUE => each(&attribute_name(&found)),
            Ok(stream) => too_large(volume, &found, &stream),
            Err(error) => failure = Err(error),
        }
        true
    });
    found
        .and(failure)
        .context(|| format!("streams of {}", file.icb.text()))
}

/// The contents of the stream that is shown as the attribute `name`.
///
/// # Errors
/// What makes them unreadable.
pub(super) fn value(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    name: &[u8],
) -> Result<Option<Vec<u8>>> {
    if !name.starts_with(PREFIX) {
        return Ok(None);
    }
    let Some(directory) = directory(volume, request, file)? else {
        return Ok(None);
    };
    let mut icb = None;
    let listed = listed(volume, request, &directory, &mut |found| {
        icb = (attribute_name(&found) == name).then_some(found.icb);
        icb.is_none()
    });
    match icb {
        Some(icb) => contents(volume, request, icb),
        None => listed.map(|()| None),
    }
}

fn contents(volume: &Volume, request: &Request, icb: Address) -> Result<Option<Vec<u8>>> {
    let stream = FileEntry::read(volume, request, icb)?;
    if stream.size > MOST_VALUE {
        return Ok(None);
    }
    let mut bytes = vec![0; to_usize(stream.size)];
    content::read(volume, request, &stream, &mut bytes, 0)?;
    Ok(Some(bytes))
}

fn directory(volume: &Volume, request: &Request, file: &FileEntry) -> Result<Option<FileEntry>> {
    let Some(icb) = file.streams else {
        return Ok(None);
    };
    let entry = FileEntry::read(volume, request, icb)
        .context(|| format!("stream directory of {}", file.icb.text()))?;
    match entry.file_type {
        file_type::STREAM_DIRECTORY => Ok(Some(entry)),
        other => {
            let error = Error::corrupt(format!("file_type {other} is no stream directory's"));
            let error = error.at(entry.place);
            Err(error.context(icb.text()))
        }
    }
}

/// Gives `each` the streams that can be attributes.
fn listed(
    volume: &Volume,
    request: &Request,
    entry: &FileEntry,
    each: &mut dyn FnMut(Identifier) -> bool,
) -> Result<()> {
    let directory = Directory {
        volume,
        request,
        entry,
    };
    directory.files(&mut |found| {
        let fits = attribute_name(&found).len() <= MOST_NAME;
        !fits || found.is_metadata() || each(found)
    })
}

fn attribute_name(found: &Identifier) -> Vec<u8> {
    [PREFIX, &found.name].concat()
}

fn too_large(volume: &Volume, found: &Identifier, stream: &FileEntry) {
    let name = crate::error::printable(&found.name);
    let text = format!(
        "stream {name} of {} bytes is too large to be shown",
        stream.size
    );
    volume
        .disk()
        .notice(&Error::unsupported(text).context(found.icb.text()));
}

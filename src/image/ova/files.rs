//! Where the files of a package are: in its archive, or beside the descriptor.

use std::sync::Arc;

use super::descriptor::{File, names};
use crate::error::{Error, Kind, Result, printable};
use crate::format::{Context, Disk};
use crate::image::tar::Archive;
use crate::source::{SharedSource, joined};

/// How many chunks a file may have.
const MOST_CHUNKS: usize = 4096;

pub(super) enum Files {
    Archive(Archive),
    Beside,
}

impl Files {
    /// The bytes of the file called `name`; `None` where it is not there.
    pub(super) fn bytes(&self, name: &[u8], context: &Context) -> Result<Option<SharedSource>> {
        match self {
            Self::Archive(archive) => archive.named(name),
            Self::Beside => match context.file(name) {
                Ok(source) => Ok(Some(source)),
                Err(error) if error.kind() == Kind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Fails unless `file`, or its first chunk, is in the archive. What is beside a descriptor is
    /// found out when it is opened.
    pub(super) fn check(&self, file: &File) -> Result<()> {
        let Self::Archive(archive) = self else {
            return Ok(());
        };
        for name in names(&file.href) {
            let name = if file.chunked { chunk(&name, 0) } else { name };
            if archive.holds(&name)? {
                return Ok(());
            }
        }
        Err(missing(&file.href))
    }

    /// The disks in `file`.
    pub(super) fn disks(&self, file: &File, context: &Context) -> Result<Vec<Disk>> {
        for name in names(&file.href) {
            let opened = match (self, file.chunked) {
                (Self::Beside, false) => match context.disk(&name, None) {
                    Ok(disk) => return Ok(vec![disk]),
                    Err(error) if error.kind() == Kind::NotFound => continue,
                    Err(error) => return Err(error),
                },
                (_, false) => self.bytes(&name, context)?,
                (_, true) => self.chunks(&name, file, context)?,
            };
            let Some(source) = opened else { continue };
            return match self {
                Self::Archive(archive) => {
                    let neighbours = Arc::new(archive.clone());
                    context.inside(source, &name, Some(neighbours))
                }
                Self::Beside => context.inside(source, &name, None),
            };
        }
        Err(missing(&file.href).at(file.at))
    }

    /// The chunks of the file called `name` as one.
    fn chunks(&self, name: &[u8], file: &File, context: &Context) -> Result<Option<SharedSource>> {
        let (mut chunks, mut bytes) = (Vec::new(), 0_u64);
        while let Some(source) = self.bytes(&chunk(name, chunks.len()), context)? {
            bytes = bytes.saturating_add(source.size());
            chunks.push(source);
            if chunks.len() > MOST_CHUNKS {
                return Err(Error::unsupported(format!("over {MOST_CHUNKS} chunks")));
            }
        }
        if chunks.is_empty() {
            return Ok(None);
        }
        if file.size.is_some_and(|size| bytes < size) {
            let name = printable(&chunk(name, chunks.len()));
            return Err(Error::not_found(format!("the chunk {name} is not there")));
        }
        joined::join(chunks, context.cache.clone()).map(Some)
    }
}

fn chunk(name: &[u8], number: usize) -> Vec<u8> {
    [name, format!(".{number:09}").as_bytes()].concat()
}

fn missing(href: &str) -> Error {
    let href = printable(href.as_bytes());
    Error::not_found(format!("{href}, which is a disk, is not there"))
}

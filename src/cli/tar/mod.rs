//! `imgmount tar`: files of an image as a pax archive, to standard output, as GNU tar would make it
//! of the mount.

mod access;
mod archive;
mod entry;
mod sparse;

use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;

use super::arguments::Tar;
use super::entries::Files;
use super::exit::{Failure, Outcome};
use super::open;
use super::remote::protocol::Ahead;
use crate::error::Error;
use archive::Archive;

/// The level at which zstd packs as fast as a disk reads.
const LEVEL: i32 = 3;

/// Runs the verb.
pub(crate) fn run(arguments: &Tar) -> Result<Outcome, Failure> {
    if std::io::stdout().is_terminal() {
        let error = Error::invalid("an archive is not written to a terminal");
        return Err(Failure::Usage(error.hint("imgmount tar IMAGE > FILE.tar")));
    }
    let mut showing = arguments.showing.clone();
    // The files of everything, and their bytes a second and third time, is nobody's wish; who
    // names a path gets what is there.
    showing.no_raw |= arguments.path.is_none();
    let opened = open::tree(
        &arguments.image,
        &arguments.opening,
        &showing,
        Ahead::Contents,
    )?;
    let path = arguments
        .path
        .as_deref()
        .map_or(&b"/"[..], |it| it.as_bytes());
    let out = BufWriter::with_capacity(256 * 1024, std::io::stdout().lock());
    if arguments.zstd {
        let mut packed = packer(out).map_err(|error| Failure::output(&error))?;
        let outcome = write(&opened.tree, &opened.name, path, &mut packed)?;
        let flushed = packed.finish().and_then(|mut out| out.flush());
        flushed.map_err(|error| Failure::output(&error))?;
        return Ok(outcome);
    }
    write(&opened.tree, &opened.name, path, out)
}

/// zstd on all cores, with the checksum that its own command writes.
fn packer<W: Write>(out: W) -> std::io::Result<zstd::Encoder<'static, W>> {
    let mut packer = zstd::Encoder::new(out, LEVEL)?;
    packer.include_checksum(true)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    packer.multithread(u32::try_from(cores).unwrap_or(1))?;
    Ok(packer)
}

/// Writes the archive of what `path` names: what is in it for a directory, else the file.
fn write(
    filesystem: &dyn Files,
    image: &str,
    path: &[u8],
    out: impl Write,
) -> Result<Outcome, Failure> {
    let found = open::find(filesystem, path, false).map_err(|error| error.context(image))?;
    let mut archive = Archive::new(filesystem, image, out);
    archive.add(path, found)?;
    archive.finish()
}

#[cfg(test)]
mod tests;

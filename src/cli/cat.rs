//! `imgmount cat`: files to standard output.

use std::os::unix::ffi::OsStrExt;

use super::arguments::Cat;
use super::entries::{self, Files};
use super::exit::{Failure, Outcome};
use super::messages::complain;
use super::open;
use super::output::Output;
use super::remote::protocol::Ahead;
use crate::error::{Error, Kind, printable};
use crate::filesystem::{FileType, Inode};
use crate::number::to_u64;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Runs the verb.
pub(crate) fn run(arguments: &Cat) -> Result<Outcome, Failure> {
    let opened = open::tree(
        &arguments.image,
        &arguments.opening,
        &arguments.showing,
        Ahead::Contents,
    )?;
    let paths = arguments.paths.iter().map(|path| path.as_bytes());
    all(&opened.tree, &opened.name, paths, &mut Output::stdout())
}

/// Writes the files one after the other. One that cannot be read is reported, and the next follows.
fn all<'a>(
    filesystem: &dyn Files,
    image: &str,
    paths: impl Iterator<Item = &'a [u8]>,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Done;
    let mut missing = None;
    for path in paths {
        match one(filesystem, path, output) {
            Ok(()) => {}
            Err(Failure::Image(error)) if is_damage(&error) => {
                outcome = outcome.with(&error);
                complain(&error.context(image));
            }
            Err(Failure::Image(error)) => {
                let error = error.context(image);
                complain(&error);
                missing.get_or_insert(error);
            }
            Err(other) => return Err(other),
        }
    }
    output.finish()?;
    match missing {
        Some(error) => Err(Failure::Reported(error)),
        None => Ok(outcome),
    }
}

/// Whether an error is the image's, and not that of a path that the user mistyped.
fn is_damage(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Io | Kind::Corrupt | Kind::Unsupported | Kind::Bug
    )
}

fn one(filesystem: &dyn Files, path: &[u8], output: &mut Output) -> Result<(), Failure> {
    let inode = open::find(filesystem, path, true)?;
    let named = |error: Error| error.context(printable(path));
    let attributes = filesystem.attributes(&entries::request(), inode);
    match attributes.map_err(named)?.kind {
        FileType::Regular => content(filesystem, inode, output).map_err(|failure| match failure {
            Failure::Image(error) => Failure::Image(named(error)),
            other => other,
        }),
        FileType::Directory => Err(named(Error::new(Kind::IsADirectory, "is a directory")).into()),
        _ => Err(named(Error::invalid("is not a regular file")).into()),
    }
}

fn content(filesystem: &dyn Files, file: Inode, output: &mut Output) -> Result<(), Failure> {
    let mut buf = vec![0; CHUNK];
    let mut offset = 0_u64;
    loop {
        let count = filesystem.read(&entries::request(), file, &mut buf, offset)?;
        if count == 0 {
            return Ok(());
        }
        output.bytes(buf.get(..count).unwrap_or(&buf))?;
        offset = offset.saturating_add(to_u64(count));
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::Captured;
    use super::super::testing::{Memory, directory, file, symlink};
    use super::*;

    fn cat(memory: &Memory, paths: &[&[u8]]) -> (Vec<u8>, Result<Outcome, Failure>) {
        let captured = Captured::default();
        let mut output = Output::to(Box::new(captured.clone()), true);
        let result = all(memory, "disk.raw", paths.iter().copied(), &mut output);
        (captured.bytes(), result)
    }

    #[test]
    fn bytes_come_out_as_they_are_also_on_a_terminal_and_through_links() {
        let mut memory = Memory::default();
        let big: Vec<u8> = (0..=250).cycle().take(CHUNK.saturating_add(5)).collect();
        memory.add(b"a", file(b"\x1b\xff\0"));
        memory.add(b"b", file(&big));
        memory.add(b"l", symlink(b"a"));
        let (bytes, result) = cat(&memory, &[b"a", b"b", b"l"]);
        assert_eq!(
            bytes,
            [b"\x1b\xff\0".as_slice(), &big, b"\x1b\xff\0"].concat()
        );
        assert!(matches!(result, Ok(Outcome::Done)));
    }

    #[test]
    fn one_bad_file_does_not_hide_the_next() {
        let mut memory = Memory::default();
        let bad = memory.add(b"bad", file(b"x"));
        memory.bad.insert(bad.0);
        memory.add(b"dir", directory());
        memory.add(b"good", file(b"good"));
        let (bytes, result) = cat(&memory, &[b"bad", b"good"]);
        assert_eq!(bytes, b"good");
        assert!(matches!(result, Ok(Outcome::PartlyDamaged)));
        let (bytes, result) = cat(&memory, &[b"dir", b"missing", b"good"]);
        assert_eq!(bytes, b"good");
        assert!(
            matches!(result, Err(Failure::Reported(error)) if error.kind() == Kind::IsADirectory)
        );
    }
}

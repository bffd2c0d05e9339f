//! What is copied, and what is overwritten.
#![allow(clippy::arithmetic_side_effects)]

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::exit::Failure;
use super::super::reader;
use super::super::remote::Parts;
use super::super::remote::protocol::{PIECE, Part};
use super::copy::{CHUNK, MOST_SHARE, MOST_THREADS, SHARES, copy, share};
use super::target::Target;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::service::passed::Passed;
use crate::source::{Extent, ExtentKind, HostBytes, Memory, Source, extent_to};

impl Parts for Memory {
    fn size(&self) -> u64 {
        Source::size(self)
    }

    fn parts(&self, offset: u64, length: u64, buf: &mut Vec<u8>) -> Result<Vec<Part>> {
        reader::parts(self, offset, length, buf).map(|(parts, _)| parts)
    }

    fn read_host(&self, _: &HostBytes, _: u64, _: &mut [u8], offset: u64) -> Result<()> {
        Err(Error::invalid("it lies in no file").at(offset))
    }
}

/// Stretches of `STRETCH` bytes in turn: a hole, bytes of a file of the host, those of another
/// place in it, and bytes that have to be sent, each with its number.
struct Mixed;

const STRETCH: u64 = 700 << 10;

impl Mixed {
    fn byte(offset: u64) -> u8 {
        match offset / STRETCH % 4 {
            0 => 0,
            _ => (offset / STRETCH).to_le_bytes()[0],
        }
    }
}

impl Source for Mixed {
    fn size(&self) -> u64 {
        50 * STRETCH + 1
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        for (at, byte) in (offset..).zip(buf) {
            *byte = Self::byte(at);
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        let end = (offset / STRETCH + 1) * STRETCH;
        let kind = match offset / STRETCH % 4 {
            0 => ExtentKind::Zeros,
            _ => ExtentKind::Data,
        };
        extent_to(kind, offset, end.min(Source::size(self)))
    }

    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        let stretch = offset / STRETCH;
        let bytes = HostBytes {
            device: 1,
            inode: 2,
            offset: stretch * STRETCH * 2 + offset % STRETCH,
            len: NonZeroU64::new(STRETCH - offset % STRETCH)?,
        };
        matches!(stretch % 4, 1 | 2).then_some(bytes)
    }
}

impl Parts for Mixed {
    fn size(&self) -> u64 {
        Source::size(self)
    }

    fn parts(&self, offset: u64, length: u64, buf: &mut Vec<u8>) -> Result<Vec<Part>> {
        let (parts, count) = reader::parts(self, offset, length, buf)?;
        assert!(count <= PIECE);
        Ok(parts)
    }

    fn read_host(&self, host: &HostBytes, skip: u64, buf: &mut [u8], _: u64) -> Result<()> {
        let at = host.offset + skip;
        let stretch = at / STRETCH / 2;
        assert!(at % (2 * STRETCH) + to_u64(buf.len()) <= STRETCH);
        buf.fill(stretch.to_le_bytes()[0]);
        Ok(())
    }
}

#[test]
fn holes_and_bytes_of_files_and_bytes_that_are_sent_come_out_in_their_places() {
    let dir = scratch();
    let path = dir.path().join("out");
    let target = Target::create(&path, &Passed::default(), false).expect("it is new");
    copy(&Mixed, &target).expect("it has room");
    let bytes = std::fs::read(&path).expect("readable");
    assert_eq!(to_u64(bytes.len()), Source::size(&Mixed));
    let mut all = (0_u64..).zip(&bytes);
    assert!(all.all(|(at, byte)| *byte == Mixed::byte(at)));
    let blocks = path.metadata().expect("there").blocks();
    assert!(blocks * 512 <= 38 * STRETCH, "{blocks}");
}

#[test]
fn shares_are_whole_chunks_and_enough_for_all() {
    assert_eq!(share(1, 1), CHUNK);
    assert_eq!(share(CHUNK * SHARES * 2, 1), CHUNK * 2);
    assert_eq!(share(CHUNK * SHARES * 2 + CHUNK, 1), CHUNK * 2);
    assert_eq!(share(u64::MAX, MOST_THREADS), MOST_SHARE);
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn all_bytes_come_out_and_zeros_take_no_room() {
    let dir = scratch();
    let mut bytes = vec![0; (3 << 20) + 777];
    bytes[5] = 1;
    bytes[(1 << 20) + 4095] = 2;
    bytes[(1 << 20) + 4096] = 3;
    bytes[(3 << 20) + 776] = 4;
    let path = dir.path().join("out");
    let target = Target::create(&path, &Passed::default(), false).expect("it is new");
    copy(&Memory(bytes.clone()), &target).expect("it has room");
    assert!(std::fs::read(&path).expect("readable") == bytes);
    let blocks = path.metadata().expect("there").blocks();
    assert!(blocks * 512 <= 5 * 4096, "{blocks}");
}

#[test]
fn nowhere_takes_everything_and_is_never_removed() {
    let (null, read) = (Path::new("/dev/null"), Passed::default());
    let target = Target::create(null, &read, false).expect("it is there for all");
    copy(&Memory(vec![7; 3 << 20]), &target).expect("it has room");
    target.abandon(null);
    assert!(null.exists());
    let zero = Target::create(Path::new("/dev/zero"), &read, true);
    assert!(matches!(zero.err(), Some(Failure::Usage(_))));
}

#[test]
fn nothing_is_overwritten_unasked_and_the_image_never() {
    let dir = scratch();
    let (image, out) = (dir.path().join("image"), dir.path().join("out"));
    std::fs::write(&image, "image").expect("written");
    std::fs::write(&out, "something longer").expect("written");
    std::fs::hard_link(&image, dir.path().join("alias")).expect("linked");
    let read = Passed::default();
    read.keep(std::fs::File::open(&image).expect("there").as_fd());
    let refused = |path: &Path, force| Target::create(path, &read, force).err();
    assert!(matches!(refused(&out, false), Some(Failure::Usage(_))));
    for name in ["image", "alias"] {
        assert!(matches!(
            refused(&dir.path().join(name), true),
            Some(Failure::Usage(_))
        ));
    }
    assert!(matches!(refused(dir.path(), true), Some(Failure::Usage(_))));
    assert_eq!(std::fs::read(&image).expect("there"), b"image");
    let target = Target::create(&out, &read, true).expect("forced");
    copy(&Memory(b"new".to_vec()), &target).expect("it has room");
    assert_eq!(std::fs::read(&out).expect("there"), b"new");
}

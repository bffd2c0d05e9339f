//! One bad sector at the start of a disk: what touches it fails and says so, all else opens.

use std::cell::Cell;
use std::sync::Arc;

use imgmount::error::{Error, Kind, Result};
use imgmount::format::Options;
use imgmount::source::{Extent, ExtentKind, Source, check_range, extent_to};
use imgmount::stack::{Content, Stack};

use super::sets::mbr;
use crate::partition::disk;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::volume::lvm::bytes;
use crate::volume::lvm::made::{Physical, extent, id, linear, logical, text};

/// The sectors at the start that everything looks at.
const START: u64 = 136;

/// A disk of which one sector cannot be read.
struct Bad {
    bytes: Arc<Vec<u8>>,
    sector: u64,
}

impl Source for Bad {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let (start, end) = (self.sector * 512, (self.sector + 1) * 512);
        let behind = offset + buf.len() as u64;
        if offset < end && start < behind {
            return Err(Error::new(Kind::Io, "bad sector").at(start.max(offset)));
        }
        buf.copy_from_slice(&self.bytes[offset as usize..behind as usize]);
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        extent_to(ExtentKind::Data, offset, self.size())
    }
}

/// What is in `bytes` when each of the first sectors is the bad one.
fn each(bytes: Vec<u8>, look: impl Fn(u64, &Stack)) {
    let bytes = Arc::new(bytes);
    for sector in 0..START {
        let bytes = bytes.clone();
        let context = disk::context(Options::default());
        let stack = Stack::open(Arc::new(Bad { bytes, sector }), &context);
        look(
            sector,
            &stack.unwrap_or_else(|error| panic!("{sector}: {error}")),
        );
    }
}

/// Why nothing was found.
fn reason(content: &Content) -> String {
    match content {
        Content::Unknown { what, .. } => what.clone(),
        Content::Damaged { error, .. } => error.to_string(),
        other => panic!("{}", disk::kind(other)),
    }
}

/// The text of a group called `name` on one physical volume.
fn described(letter: char, name: &str) -> String {
    let root = logical("root", &[linear(0, 1, "\"pv0\", 1")]);
    let text = text(1, &letter.to_string(), 8, "", &root);
    let text = text.replacen(&id('G'), &id(letter), 1);
    text.replacen("vg0", name, 1)
}

fn physical(letter: char, name: &str) -> Vec<u8> {
    Physical::new(letter, &described(letter, name)).with(8)
}

#[test]
fn a_partition_table_at_either_end_is_enough() {
    need!(tool "sgdisk");
    let mut image = disk::gpt(&Scratch::new());
    let group = physical('a', "vg0");
    image[2048 * 512..][..group.len()].copy_from_slice(&group);
    each(image, |sector, stack| {
        assert_eq!(disk::kind(&stack.disks[0].content), "table gpt", "{sector}");
        assert!(bytes(stack, "vg0/root") == Ok(extent('a', 1)), "{sector}");
    });
}

#[test]
fn a_group_on_a_disk_needs_its_label_and_its_text() {
    // The area's header is in sector 8, and the text behind it.
    let text = 8..9 + (described('a', "vg0").len() as u64).div_ceil(512);
    each(physical('a', "vg0"), |sector, stack| match sector {
        1 => {
            let reason = reason(&stack.disks[0].content);
            assert!(reason.starts_with("cannot be read: bad sector"), "{reason}");
        }
        sector if text.contains(&sector) => {
            let content = match stack.sets.first() {
                Some(set) => &set.content,
                None => &stack.disks[0].content,
            };
            let reason = reason(content);
            assert!(reason.contains("bad sector"), "{sector}: {reason}");
        }
        _ => assert!(bytes(stack, "vg0/root") == Ok(extent('a', 1)), "{sector}"),
    });
}

#[test]
fn what_lies_in_one_partition_hides_nothing_of_another() {
    let parts = [physical('a', "vg0"), physical('b', "vg1")];
    each(mbr(&parts), |sector, stack| {
        if sector == 0 {
            let reason = reason(&stack.disks[0].content);
            assert!(reason.starts_with("cannot be read: bad sector"), "{reason}");
            return;
        }
        assert_eq!(disk::kind(&stack.disks[0].content), "table mbr", "{sector}");
        assert!(bytes(stack, "vg1/root") == Ok(extent('b', 1)), "{sector}");
    });
}

#[test]
fn a_file_system_needs_its_first_blocks() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let path = scratch.file("ext4", 4 << 20);
    Run::new("mke2fs")
        .words("-q -F -t ext4 -b 4096")
        .arg(&path)
        .run();
    let opened = Cell::new(0);
    each(std::fs::read(path).unwrap(), |sector, stack| {
        // As the kernel, the reader takes the superblock's whole block, and that of the root's
        // group descriptor.
        match &stack.disks[0].content {
            Content::FileSystem { .. } => opened.set(opened.get() + 1),
            other if sector < 16 => assert!(reason(other).contains("bad sector"), "{sector}"),
            other => panic!("{sector}: {}", reason(other)),
        }
    });
    assert!(opened.get() >= START - 16);
}

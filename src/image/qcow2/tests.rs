#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use super::*;
use crate::cache::Cache;
use crate::error::Kind::{Corrupt, NotFound};
use crate::source::{Extent, ExtentKind, Memory, check_range};

/// Where the tables lie.
const L1: u64 = 0x1_0000;
const SNAPSHOTS: u64 = 0x3_0000;

/// A header of version 2 for a disk of `size` bytes, whose table has `entries` entries, with
/// `snapshots` snapshots.
fn header(size: u64, entries: u32, snapshots: u32) -> Vec<u8> {
    let mut bytes = layout::MAGIC.to_vec();
    bytes.extend(2_u32.to_be_bytes());
    bytes.extend([0; 12]); // No backing file.
    bytes.extend(16_u32.to_be_bytes()); // cluster_bits
    bytes.extend(size.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes()); // crypt_method
    bytes.extend(entries.to_be_bytes());
    bytes.extend(L1.to_be_bytes());
    bytes.extend(0x2_0000_u64.to_be_bytes()); // refcount_table_offset
    bytes.extend(1_u32.to_be_bytes()); // refcount_table_clusters
    bytes.extend(snapshots.to_be_bytes());
    bytes.extend(SNAPSHOTS.to_be_bytes());
    bytes
}

/// The start of a snapshot's entry with its extra data, for an id of one byte and a name of `name`
/// bytes.
fn snapshot(l1: u64, l1_size: u32, size: u64, name: u16) -> Vec<u8> {
    let mut bytes = l1.to_be_bytes().to_vec();
    bytes.extend(l1_size.to_be_bytes());
    bytes.extend(1_u16.to_be_bytes());
    bytes.extend(name.to_be_bytes());
    bytes.extend([0; 20]); // Times, vm_state_size.
    bytes.extend(16_u32.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(size.to_be_bytes());
    bytes.push(b'1');
    bytes
}

/// An image that begins with `header`, with an entry of the snapshot table again and again.
struct Many {
    header: Vec<u8>,
    entry: Vec<u8>,
    /// Bytes from one to the next.
    stride: u64,
}

impl Source for Many {
    fn size(&self) -> u64 {
        1 << 40
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        buf.fill(0);
        let end = offset + buf.len() as u64;
        let first = offset.saturating_sub(SNAPSHOTS) / self.stride;
        let entries = (first..).map(|number| (SNAPSHOTS + number * self.stride, &self.entry));
        let entries = entries.take_while(|(start, _)| *start < end);
        for (start, bytes) in entries.chain([(0, &self.header)]) {
            let skip = offset.saturating_sub(start) as usize;
            let at = start.saturating_sub(offset) as usize;
            let bytes = bytes.get(skip..).unwrap_or_default();
            let room = buf.get_mut(at..).unwrap_or_default();
            let len = bytes.len().min(room.len());
            room[..len].copy_from_slice(&bytes[..len]);
        }
        Ok(())
    }

    fn extent_at(&self, _: u64) -> Result<Extent> {
        unreachable!("nobody asks")
    }
}

/// Opens it, for `snapshot`; and what was said.
fn opened(image: SharedSource, snapshot: Option<&str>) -> (Result<SharedSource>, Vec<String>) {
    let mut context = Context::new(Cache::new(1 << 20));
    context.options.snapshot = snapshot.map(str::to_owned);
    let disks = open(&[image], &context);
    let disk = disks.map(|disks| disks[0].source.clone());
    (disk, context.notices.all())
}

/// An image of 1 MiB with one snapshot, whose entry is `entry`.
fn with_snapshot(entry: &[u8]) -> SharedSource {
    let mut bytes = header(1 << 20, 1, 1);
    bytes.resize(SNAPSHOTS as usize, 0);
    bytes.extend(entry);
    bytes.resize(bytes.len().next_multiple_of(1 << 16), 0);
    Arc::new(Memory(bytes))
}

#[test]
fn q07_what_is_wrong_with_a_snapshot_is_told_of_its_own_entry() {
    let good = with_snapshot(&snapshot(L1, 1, 1 << 20, 0));
    let (disk, notices) = opened(good, Some("1"));
    assert_eq!((disk.unwrap().size(), notices), (1 << 20, Vec::new()));
    let misaligned = "l1_table_offset 0x10001 is no whole number of clusters";
    for (entry, at, words) in [
        (
            snapshot(L1, 1, u64::MAX, 0),
            48,
            "size 18446744073709551615 is over",
        ),
        (
            snapshot(L1, 1, 1 << 63, 0),
            48,
            "size 9223372036854775808 is over",
        ),
        (snapshot(L1, 0, 1 << 20, 0), 8, "l1_size 0 is too small"),
        (snapshot(L1, 1, 1 << 40, 0), 8, "l1_size 1 is too small"),
        (
            snapshot(L1, 1 << 31, 1 << 20, 0),
            8,
            "l1_size 2147483648 is over",
        ),
        (snapshot(L1 + 1, 1, 1 << 20, 0), 0, misaligned),
        (
            snapshot(1 << 40, 1, 1 << 20, 0),
            0,
            "past the end of the file",
        ),
    ] {
        let image = with_snapshot(&entry);
        let error = opened(image.clone(), Some("1")).0.err().unwrap();
        assert_eq!(
            (error.kind(), error.offset()),
            (Corrupt, Some(SNAPSHOTS + at)),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{words}: {error}");
        // The disk itself is as it was.
        assert_eq!(opened(image, None).0.unwrap().size(), 1 << 20);
    }
}

#[test]
fn how_many_snapshots_there_are_is_said_where_not_all_are_listed() {
    let entry = snapshot(L1, 1, 1 << 20, 0);
    let stride = (entry.len() as u64).next_multiple_of(8);
    for (count, is_all) in [(100, true), (123, false)] {
        let image: SharedSource = Arc::new(Many {
            header: header(1 << 20, 1, count),
            entry: entry.clone(),
            stride,
        });
        let error = opened(image.clone(), Some("other")).0.err().unwrap();
        let hint = error.hint_text().unwrap();
        assert_eq!(hint.matches("1 ()").count(), 100, "{hint}");
        assert_eq!(hint.ends_with(", … (123 in all)"), !is_all, "{hint}");
        let facts = describe(&*image).unwrap().facts;
        let said = ("snapshots", "123 in all".to_owned());
        assert_eq!(facts.contains(&said), !is_all, "{facts:?}");
    }
}

#[test]
fn q07_names_of_all_snapshots_are_never_in_memory_together() {
    let entry = snapshot(L1, 1, 1 << 20, 0xfff0);
    let stride = (entry.len() as u64 + 0xfff0).next_multiple_of(8);
    for (count, is_short) in [(1000, true), (3000, false)] {
        let image: SharedSource = Arc::new(Many {
            header: header(1 << 20, 1, count),
            entry: entry.clone(),
            stride,
        });
        let mut all = (Err(Error::invalid("not yet")), Vec::new());
        let used = allocation_counter::measure(|| all = opened(image.clone(), None));
        assert!(used.bytes_max < 8 << 20, "{} bytes", used.bytes_max);
        assert!(all.0.is_ok());
        let words = "its snapshots cannot be listed: nb_snapshots 3000: they take over 67108864";
        assert_eq!(all.1.is_empty(), is_short, "{:?}", all.1);
        assert!(is_short || all.1[0].contains(words), "{:?}", all.1);
        let used = allocation_counter::measure(|| all = opened(image, Some("other")));
        assert!(used.bytes_max < 8 << 20, "{} bytes", used.bytes_max);
        let error = all.0.err().unwrap();
        assert!(error.to_string().len() < 128 << 10);
        // The first entry that ends behind what the table may take.
        let last = SNAPSHOTS + (64 << 20) / stride * stride;
        let expected = match is_short {
            true => (NotFound, None),
            false => (Corrupt, Some(last)),
        };
        assert_eq!((error.kind(), error.offset()), expected);
    }
}

#[test]
fn q06_a_damaged_refcount_table_is_a_notice() {
    for (at, value, words) in [
        (
            56,
            &[0xff; 4][..],
            "refcount_table_clusters 4294967295 are no table",
        ),
        (56, &[0, 0, 0, 0], "refcount_table_clusters 0 are no table"),
        (
            48,
            &[0x7f; 8],
            "refcount_table_offset 0x7f7f7f7f7f7f7f7f is no cluster",
        ),
        (
            48,
            &[0, 0, 0, 1],
            "refcount_table_offset 0x100020000 is no cluster",
        ),
        (54, &[2], "refcount_table_offset 0x20200 is no cluster"),
    ] {
        let mut bytes = header(1 << 20, 1, 0);
        bytes.resize(SNAPSHOTS as usize, 0);
        let before = bytes.clone();
        let image: SharedSource = Arc::new(Memory(bytes.clone()));
        assert_eq!(opened(image, None).1, Vec::<String>::new());
        bytes[at..at + value.len()].copy_from_slice(value);
        assert!(bytes != before, "nothing was changed");
        let image: SharedSource = Arc::new(Memory(bytes));
        let mut all = (Err(Error::invalid("not yet")), Vec::new());
        let used = allocation_counter::measure(|| all = opened(image, None));
        assert!(used.bytes_max < 1 << 20, "{} bytes", used.bytes_max);
        assert!(all.1[0].contains(words), "{words}: {:?}", all.1);
        let mut buf = vec![1; 1 << 20];
        all.0.unwrap().read_exact_at(&mut buf, 0).unwrap();
        assert!(buf.iter().all(|byte| *byte == 0));
    }
}

/// The table has more entries than the disk needs, and the file ends where they would be.
#[test]
fn a_first_level_table_may_be_cut_off_behind_what_the_disk_needs() {
    let size = 2 << 29;
    let mut bytes = header(size, 100, 0);
    bytes.resize(L1 as usize + 16, 0);
    let disk = opened(Arc::new(Memory(bytes.clone())), None).0.unwrap();
    for offset in [0, 1 << 29, size - 512] {
        let mut buf = [1; 512];
        disk.read_exact_at(&mut buf, offset).unwrap();
        assert_eq!(buf, [0; 512]);
        let extent = disk.extent_at(offset).unwrap();
        assert_eq!(
            (extent.kind, extent.len.get()),
            (ExtentKind::Absent, size - offset)
        );
    }
    // One byte less, and it is refused.
    bytes.pop();
    let error = opened(Arc::new(Memory(bytes)), None).0.err().unwrap();
    assert_eq!(
        (error.kind(), error.offset()),
        (Corrupt, Some(40)),
        "{error}"
    );
}

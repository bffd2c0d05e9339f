//! Volumes that encrypt on write: what their bitmaps say, and what is read where they are damaged.

use std::sync::Arc;

use imgmount::error::Kind;
use imgmount::source::{Memory, read_vec};

use super::collected::unlocked;
use super::made::{self, BLOCK, Made, SIZE, external};
use super::on_write::{BITMAPS, COPIES, LOGS, OnWrite, RECORD, areas};
use super::variants::check;
use super::{context, look};

/// Every choice of encrypted halves, in both sizes of sectors, by name.
pub fn parts() -> Vec<(String, Made)> {
    let choices = (0..16_u8).map(|bits| [0, 1, 2, 3].map(|chunk| bits >> chunk & 1 == 1));
    let made = |encrypted: [bool; 4], sector, method| {
        let on_write = OnWrite {
            encrypted,
            ..OnWrite::default()
        };
        let made = Made {
            on_write: Some(on_write),
            sector,
            method,
            ..Made::default()
        };
        (format!("on-write-{encrypted:?}-{sector}-{method:x}"), made)
    };
    let of = |encrypted| [made(encrypted, 512, 0x8004), made(encrypted, 4096, 0x8002)];
    choices.flat_map(of).collect()
}

#[test]
fn what_the_bitmaps_say_is_decrypted_and_all_else_read_as_it_is() {
    for (name, made) in parts() {
        check(&made, &name);
        let on_write = made.on_write.clone().unwrap();
        let made = Made {
            on_write: Some(OnWrite {
                alternates: true,
                ..on_write
            }),
            ..made
        };
        check(&made, &format!("{name}, alternating"));
    }
}

#[test]
fn a_volume_of_which_nothing_is_encrypted_wants_no_key() {
    let on_write = OnWrite {
        encrypted: [false; 4],
        ..OnWrite::default()
    };
    let made = Made {
        on_write: Some(on_write),
        protectors: vec![external(0x0200)],
        ..Made::default()
    };
    check(&made, "nothing encrypted");
}

fn written(on_write: OnWrite) -> Made {
    Made {
        on_write: Some(on_write),
        ..Made::default()
    }
}

/// There is one notice, with all of these `words` in it.
fn assert_one(notices: &[String], words: &[&str]) {
    let has_all = |notice: &String| words.iter().all(|it| notice.contains(it));
    assert!(matches!(notices, [one] if has_all(one)), "{notices:?}");
}

/// What cannot be read of `disk`, whose bytes are `plain`, in chunks: their kinds. And the notices.
fn unreadable(disk: Vec<u8>, plain: &[u8]) -> (Vec<(u64, Kind)>, Vec<String>) {
    let context = context(&[]);
    let stack = look(Arc::new(Memory(disk)), &context);
    let source = unlocked(&stack).unwrap();
    let mut found = Vec::new();
    for at in (0..SIZE as u64).step_by(512) {
        match read_vec(&*source, at, 512) {
            Ok(bytes) => assert_eq!(bytes, plain[at as usize..][..512], "{at:#x}"),
            Err(error) => found.push((at, error.kind())),
        }
    }
    (found, context.notices.all())
}

/// What of `range` is data.
fn data(range: std::ops::Range<u64>) -> Vec<u64> {
    let metadata = made::COPIES.map(|at| (at, 64 << 10));
    let hidden: Vec<_> = areas(512)
        .into_iter()
        .chain(metadata)
        .chain([(BLOCK, 8192)])
        .collect();
    let is_hidden = |at: &u64| {
        hidden
            .iter()
            .any(|(start, len)| (*start..*start + *len as u64).contains(at))
    };
    range.step_by(512).filter(|at| !is_hidden(at)).collect()
}

#[test]
fn a_chunk_that_was_being_moved_cannot_be_read() {
    for encrypted in [[true; 4], [false, true, false, true]] {
        let on_write = OnWrite {
            encrypted,
            moving: Some(0x3d200),
            ..OnWrite::default()
        };
        let made = written(on_write);
        let (found, notices) = unreadable(made.disk(), &made.plain());
        let expected = data(0x3d000..0x3e000).into_iter();
        let expected: Vec<_> = expected.map(|at| (at, Kind::Unsupported)).collect();
        assert!(!expected.is_empty());
        assert_eq!(found, expected);
        assert_eq!(notices, [""; 0]);
    }
}

#[test]
fn a_region_without_a_whole_bitmap_cannot_be_read_and_the_others_can() {
    let made = written(OnWrite::default());
    let at = BITMAPS[1] as usize;
    let record = at + RECORD as usize;
    let cases: [(&[usize], &str); 7] = [
        (&[at + 56], "Crc32 is "),
        (&[at + 47], "RecordOffset is 16777280"),
        (&[at + 21], "Crc32 is "),
        (
            &[record, record + 128],
            "no record with the signature FVE-EOWBR at byte 0x28040",
        ),
        (
            &[record + 16, record + 144],
            "BitmapSize is 33 for 32 chunks at byte 0x28050",
        ),
        (
            &[record + 15, record + 143],
            "a record's Size is 16777260, with 4 bytes of bits",
        ),
        (&[record + 36, record + 164], "Crc32 is "),
    ];
    for (places, words) in cases {
        let mut disk = made.disk();
        for place in places {
            disk[*place] ^= 1;
        }
        let (found, notices) = unreadable(disk, &made.plain());
        let expected = data(0x20000..0x40000).into_iter();
        let expected: Vec<_> = expected.map(|at| (at, Kind::Corrupt)).collect();
        assert_eq!(found, expected, "{words}");
        assert_one(&notices, &["BitLocker: bitmap at 0x28000: ", words]);
    }
}

/// Where its log is is not known then, nor that it is one.
#[test]
fn a_bitmap_that_is_none_costs_its_region() {
    let made = written(OnWrite::default());
    let mut disk = made.disk();
    disk[BITMAPS[1] as usize] ^= 1;
    let (found, notices) = unreadable(disk, &made.plain());
    let found: Vec<u64> = found.into_iter().map(|(at, _)| at).collect();
    let mut expected = data(0x20000..0x40000);
    expected.push(BITMAPS[1]);
    expected.extend((LOGS[1]..LOGS[1] + 0x1000).step_by(512));
    expected.sort_unstable();
    assert_eq!(found, expected);
    let words = "BitLocker: bitmap at 0x28000: it has no signature FVE-EOWBM at byte 0x28000";
    assert_one(&notices, &[words]);
}

#[test]
fn one_of_two_records_and_one_of_two_copies_are_enough() {
    let encrypted = [true, false, true, false];
    let on_write = OnWrite {
        encrypted,
        ..OnWrite::default()
    };
    let made = written(on_write);
    // The record that does not count; the first copy of what leads to the bitmaps.
    for place in [BITMAPS[0] + RECORD + 128 + 20, BITMAPS[1] + RECORD + 20] {
        let mut disk = made.disk();
        disk[place as usize] ^= 1;
        assert_eq!(
            unreadable(disk, &made.plain()),
            (vec![], vec![]),
            "{place:#x}"
        );
    }
    let mut disk = made.disk();
    disk[COPIES[0] as usize + 20] ^= 1;
    let (found, notices) = unreadable(disk.clone(), &{
        let mut plain = made.plain();
        let at = COPIES[0] as usize;
        // What is not known to be an area is read as what lies there, which chunk 1 has plain.
        plain[at..at + 512].copy_from_slice(&disk[at..at + 512]);
        plain
    });
    assert_eq!((found, notices), (vec![], vec![]));
}

#[test]
fn a_log_that_is_none_is_told_and_a_volume_without_its_bitmaps_is_refused() {
    let made = written(OnWrite::default());
    let mut disk = made.disk();
    disk[LOGS[0] as usize] ^= 1;
    let (found, notices) = unreadable(disk, &made.plain());
    assert_eq!(found, []);
    let words = "bitmap at 0x17000: log: it has no signature OLRDHEVF at byte 0x29000";
    assert_one(&notices, &[words]);
    let mut disk = made.disk();
    for at in COPIES {
        disk[at as usize] ^= 1;
    }
    let stack = look(Arc::new(Memory(disk)), &context(&[]));
    let error = unlocked(&stack).err().unwrap();
    let words = "BitLocker: encrypt-on-write information: it has no signature FVE-EOW";
    assert!(error.to_string().starts_with(words), "{error}");
}

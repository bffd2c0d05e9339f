//! BitLocker, broken field by field: what each gets, in words and by its byte, and that no key costs
//! more than it may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use imgmount::error::{Error, Kind};
use imgmount::source::{Memory, read_vec};
use imgmount::stack::{Content, Stack};

use crate::volume::bitlocker::collected::unlocked;
use crate::volume::bitlocker::made::{
    BLOCK, COPIES, Made, SIZE, UUID, clear, datum, external, file, password, protector, recovery,
    seal, sealed,
};
use crate::volume::bitlocker::on_write::{self, OnWrite};
use crate::volume::bitlocker::{context, look};

/// What becomes of `disk` with these keys: how much of it can be read, or why nothing; and the
/// notices.
fn open(disk: Vec<u8>, keys: &[&[u8]]) -> (Result<usize, Error>, Vec<String>) {
    let context = context(keys);
    let stack = look(Arc::new(Memory(disk)), &context);
    let source = unlocked(&stack);
    let read = source.and_then(|source| read_vec(&*source, 0, SIZE).map(|bytes| bytes.len()));
    (read, context.notices.all())
}

fn refused(disk: Vec<u8>) -> Error {
    open(disk, &[]).0.unwrap_err()
}

/// The same, and the error is about byte `at` of the volume.
fn refused_at(disk: Vec<u8>, at: u64) -> Error {
    let error = refused(disk);
    assert_eq!(error.offset(), Some(at), "{error}");
    error
}

/// Changes each copy of the metadata, and makes its checksum right again.
fn change(made: &Made, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut disk = made.disk();
    let mut metadata = made.metadata();
    let unit = if made.vista { 1 } else { 16 };
    let whole = usize::from(u16::from_le_bytes([metadata[8], metadata[9]])) * unit;
    metadata.truncate(whole);
    change(&mut metadata);
    seal(&mut metadata);
    for at in COPIES {
        disk[at as usize..][..metadata.len()].copy_from_slice(&metadata);
    }
    disk
}

/// The same with a number of so many bytes at one place.
fn field(at: usize, len: usize, value: u64) -> Vec<u8> {
    change(&Made::default(), |metadata| {
        metadata[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
    })
}

/// Where in the metadata the datum is that has this role and type, after the first `skip` of them.
fn place(metadata: &[u8], role: u8, kind: u8) -> usize {
    let mut at = 64 + 48;
    while (metadata[at + 2], metadata[at + 4]) != (role, kind) {
        at += usize::from(u16::from_le_bytes([metadata[at], metadata[at + 1]]));
    }
    at
}

#[test]
fn a_boot_sector_that_cannot_be_is_refused_by_its_field() {
    for (at, value, words) in [
        (11, 0, "BytesPerSector is 0, none of"),
        (11, 3, "BytesPerSector is 3, none of"),
        (11, 0x2000, "BytesPerSector is 8192, none of"),
    ] {
        let mut disk = Made::default().disk();
        disk[at..at + 2].copy_from_slice(&u16::to_le_bytes(value));
        let error = refused_at(disk, at as u64).to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.starts_with("BitLocker: boot sector: "), "{error}");
    }
    let vista = Made {
        vista: true,
        ..Made::default()
    };
    for (at, byte, field, words) in [
        (13, 0, 13, "SectorsPerCluster is 0"),
        (13, 3, 13, "SectorsPerCluster is 3"),
        (63, 0xff, 56, "InformationLcn is 0xff00"),
        // Where that place would be.
        (
            60,
            0xff,
            0x000f_f000_0000_4000,
            "past the volume's 262144 bytes",
        ),
    ] {
        let mut disk = vista.disk();
        disk[at] = byte;
        let error = refused_at(disk, field).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_volume_that_ends_early_is_refused() {
    for len in [512, 600, 0x4000, 0x4040, 0x4100, 0x13fff] {
        let mut disk = Made::default().disk();
        disk.truncate(len);
        let error = refused(disk);
        assert_eq!(error.kind(), Kind::Corrupt, "{len}: {error}");
    }
}

#[test]
fn one_whole_copy_of_the_metadata_is_enough() {
    for broken in [&[0][..], &[0, 1], &[0, 2], &[1, 2]] {
        let mut disk = Made::default().disk();
        for copy in broken {
            disk[COPIES[*copy] as usize + 200] ^= 1;
        }
        let (read, notices) = open(disk, &[]);
        assert_eq!(read, Ok(SIZE));
        let told = notices
            .iter()
            .filter(|it| it.contains("; another copy is used"));
        let expected = match broken {
            [0, 1] => 2,
            [0, ..] => 1,
            _ => 0,
        };
        assert_eq!(told.count(), expected, "{notices:?}");
    }
}

#[test]
fn without_a_whole_copy_the_first_ones_damage_is_told() {
    let mut disk = Made::default().disk();
    for at in COPIES {
        disk[at as usize + 200] ^= 1;
    }
    let metadata = Made::default().metadata();
    let whole = u64::from(u16::from_le_bytes([metadata[8], metadata[9]])) * 16;
    let error = refused_at(disk.clone(), COPIES[0] + whole + 4);
    assert_eq!(error.kind(), Kind::Corrupt);
    let text = error.to_string();
    let words = "BitLocker: no copy of the metadata is whole: metadata copy 1: Crc32 is 0x";
    assert!(text.starts_with(words), "{text}");
    for at in COPIES {
        disk[at as usize] = 0;
    }
    let text = refused(disk).to_string();
    assert!(
        text.contains("it has no signature -FVE-FS- at byte 0x4000"),
        "{text}"
    );
}

#[test]
fn checksums_are_ignored_on_demand() {
    let mut disk = Made::default().disk();
    for at in COPIES {
        // In the identifier of the volume, on which nothing depends.
        disk[at as usize + 64 + 16] ^= 1;
    }
    let mut context = context(&[]);
    context.options.ignore_checksums = true;
    let stack = look(Arc::new(Memory(disk)), &context);
    assert!(unlocked(&stack).is_ok());
    let notices = context.notices.all();
    let words = "the metadata are not what their sealed hash says";
    assert!(notices.iter().any(|it| it.contains(words)), "{notices:?}");
}

#[test]
fn metadata_whose_sizes_cannot_be_are_refused() {
    for (at, len, value, words) in [
        (8, 2, 0, "HeaderSize says 0 bytes, less than the 112 of any"),
        (8, 2, 6, "HeaderSize says 96 bytes"),
        (8, 2, 0xffff, "HeaderSize says 1048560 bytes"),
        (10, 2, 3, "version 3 of the metadata"),
        (10, 2, 0, "version 0 of the metadata"),
        (12, 2, 0, "CurrentState 0"),
        (12, 2, 77, "CurrentState 77"),
        (64, 4, 0xffff_ffff, "has Size 4294967295"),
        (64, 4, 0, "has Size 0"),
        (72, 4, 0, "StartOffset 0"),
        (72, 4, 0xffff_0000, "StartOffset 4294901760"),
        (76, 4, 0xffff_ffff, "EndOffset 4294967295"),
        (76, 4, 0, "EndOffset 0"),
    ] {
        // Of the dataset's sizes none is wrong by itself.
        let byte = if at > 64 { 64 } else { at };
        let error = refused_at(field(at, len, value), COPIES[0] + byte as u64);
        assert!(error.to_string().contains(words), "{at} {value}: {error}");
    }
}

/// What is left of encrypting on write hides itself, and is damage of its own.
#[test]
fn bitmaps_that_are_damaged_are_not_hidden_and_all_else_is_read() {
    let made = Made {
        on_write: Some(OnWrite::default()),
        state: (1, 0, 0),
        ..Made::default()
    };
    let [first, second] = on_write::COPIES.map(|at| at as usize);
    let cases: [(&[usize], &str); 6] = [
        (
            &[first, second],
            "it has no signature FVE-EOW at byte 0x16000",
        ),
        (
            &[first + 8, second + 8],
            "HeaderSize 57 and Size 72 at byte 0x16008",
        ),
        (&[first + 36, second + 36], "and its bytes give"),
        (&[first + 60, second + 60], "Crc32 is 0x"),
        (
            &[0x17000],
            "bitmap at 0x17000: it has no signature FVE-EOWBM",
        ),
        (
            &[first, second + 40],
            "it has no signature FVE-EOW at byte 0x16000",
        ),
    ];
    for (places, words) in cases {
        let mut disk = made.disk();
        for place in places {
            disk[*place] ^= 1;
        }
        let (read, notices) = open(disk, &[]);
        assert_eq!(read, Ok(SIZE), "{words}");
        assert_eq!(notices.len(), 1, "{notices:?}");
        let words = [words, "; what it leads to is not hidden"];
        assert!(
            words.iter().all(|it| notices[0].contains(it)),
            "{notices:?}"
        );
    }
    // One copy is enough.
    for place in [first, second + 50] {
        let mut disk = made.disk();
        disk[place] ^= 1;
        assert_eq!(open(disk, &[]), (Ok(SIZE), Vec::new()));
    }
}

#[test]
fn datums_that_have_no_end_are_refused() {
    // The first datum, and the first inside the protector.
    let first = 64 + 48;
    let inner = place(&Made::default().metadata(), 2, 8) + 8 + 28;
    for at in [first, inner] {
        for size in [0, 1, 7, 0x7fff, 0xffff] {
            let error = refused_at(field(at, 2, size), COPIES[0] + at as u64);
            let words = format!("a datum has Size {size} where");
            assert_eq!(error.kind(), Kind::Corrupt);
            assert!(error.to_string().contains(&words), "{at} {size}: {error}");
        }
    }
}

#[test]
fn places_outside_of_the_volume_are_refused() {
    let far = SIZE as u64;
    for (at, value, words) in [
        (56, far, "VirtualizedBlockOffset is 0x40000"),
        (56, far - 512, "its 8192 bytes are past the volume's 262144"),
        (56, u64::MAX, "VirtualizedBlockOffset is 0xffffffffffffffff"),
        (
            56,
            BLOCK + 3,
            "VirtualizedBlockOffset is 0x14003, no multiple",
        ),
        (40, 7, "InformationOffset is 0x7, no multiple"),
        (16, 513, "StateOffset is 0x201, no multiple"),
    ] {
        let error = refused_at(field(at, 8, value), COPIES[0] + at as u64);
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.to_string().contains(words), "{at} {value}: {error}");
    }
    // Of what is cut off, what is left is read.
    let (read, notices) = open(field(48, 8, far), &[]);
    assert_eq!(read, Ok(SIZE));
    let words = "it is cut off: a copy of its metadata is at byte 0x40000 of 262144";
    assert!(notices.iter().any(|it| it.contains(words)), "{notices:?}");
    // More sectors were moved than there are.
    let error = refused_at(field(28, 4, 0xffff_ffff), COPIES[0] + 56);
    assert!(
        error.to_string().contains("are past the volume's"),
        "{error}"
    );
}

#[test]
fn keys_of_a_wrong_length_are_refused() {
    for len in [0, 1, 31, 33, 64, 4000] {
        let made = Made {
            key: Some(vec![7; len]),
            ..Made::default()
        };
        let mut disk = Made::default().disk();
        let metadata = made.metadata();
        for at in COPIES {
            disk[at as usize..][..metadata.len()].copy_from_slice(&metadata);
        }
        let at = COPIES[0] as usize + place(&metadata, 3, 5);
        let error = refused_at(disk, at as u64);
        let words = format!("the key for AES-XTS 128 has {len} bytes, not 32");
        assert!(error.to_string().contains(&words), "{error}");
    }
    // The master key, and what seals it.
    let short = datum(0, 1, &[[3, 0x20, 0, 0], [7; 4]].concat());
    let plain = datum(0, 1, &[&[0, 0x20, 0, 0], &[0x5a; 31][..]].concat());
    for properties in [
        [
            datum(0, 1, &[&[0, 0x20, 0, 0], &[0x5a; 32][..]].concat()),
            sealed(0, &[0x5a; 32], &short),
        ],
        [plain, sealed(0, &[0x5a; 32], &short)],
    ] {
        let made = Made {
            protectors: vec![protector(0, &properties.concat())],
            ..Made::default()
        };
        let error = refused(made.disk());
        assert!(error.to_string().contains("bytes, not 32"), "{error}");
    }
}

#[test]
fn an_unknown_method_is_refused_by_its_number() {
    let made = Made {
        method: 0x8006,
        key: Some(vec![7; 32]),
        ..Made::default()
    };
    let mut disk = Made::default().disk();
    for at in COPIES {
        disk[at as usize..][..made.metadata().len()].copy_from_slice(&made.metadata());
    }
    let error = refused(disk);
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(
        error.to_string().contains("encryption method 0x8006"),
        "{error}"
    );
}

#[test]
fn k07_a_wrong_key_is_told_from_damage() {
    let made = Made {
        protectors: vec![external(0x0200), external(0x0500)],
        ..Made::default()
    };
    assert_eq!(open(made.disk(), &[&file(0x0200)]).0, Ok(SIZE));
    // The file of another protector, one whose key is another, and no such file at all.
    let mut other = file(0x0200);
    *other.last_mut().unwrap() ^= 1;
    for key in [file(0x0500), other, file(0x0200)[1..].to_vec(), Vec::new()] {
        let error = open(made.disk(), &[&key]).0.unwrap_err();
        assert_eq!(error.kind(), Kind::Locked);
        let text = error.to_string();
        let words = "it wants a startup key file, not what else protects it: TPM and PIN: --key";
        assert!(
            text.contains("the key does not open it") && text.contains(words),
            "{text}"
        );
    }
    // The right key, and a key of the sectors that is damaged.
    let at = place(&made.metadata(), 3, 5);
    let disk = change(&made, |metadata| metadata[at + 40] ^= 1);
    let error = open(disk, &[&file(0x0200)]).0.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert_eq!(error.offset(), Some(COPIES[0] + at as u64));
    assert!(
        error.to_string().contains("the master key is right"),
        "{error}"
    );
    // The same, that is not there.
    let disk = change(&made, |metadata| metadata[at + 2] = 9);
    let error = open(disk, &[&file(0x0200)]).0.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no full volume encryption key"),
        "{error}"
    );
}

#[test]
fn k07_passwords_open_what_they_are_for() {
    let numbers = [42837, 25318, 38375, 16107, 51082, 48855, 42546, 63041];
    let digits = "471207-278498-422125-177177-561902-537405-468006-693451";
    let made = Made {
        protectors: vec![password("Grüße, 🔑"), recovery(numbers)],
        ..Made::default()
    };
    let disk = made.disk();
    let marked = |text: &str| {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    // What Windows saves for its owner.
    let saved = format!(
        "Recovery key\r\n\r\nIdentifier:\r\n\r\n\t{UUID}\r\n\r\nKey:\r\n\r\n\t{digits}\r\n\r\nIf\r\n"
    );
    let keys = [
        "Grüße, 🔑\r\n".as_bytes().to_vec(),
        marked("Grüße, 🔑\r\n"),
        digits.as_bytes().to_vec(),
        saved.as_bytes().to_vec(),
        format!("{saved}\r\n").into_bytes(),
        marked(&saved),
    ];
    for key in keys {
        let (read, notices) = open(disk.clone(), &[&key]);
        let key = String::from_utf8_lossy(&key);
        assert_eq!((read, notices), (Ok(SIZE), Vec::new()), "{key}");
    }
    let (read, notices) = open(
        disk.clone(),
        &[digits.replace("422125", "422152").as_bytes()],
    );
    let error = read.unwrap_err();
    assert_eq!(error.kind(), Kind::Locked);
    assert!(
        error
            .to_string()
            .contains("it wants a password or a recovery password: --key"),
        "{error}"
    );
    assert!(
        notices.iter().any(|it| it.contains("mistyped: group 3")),
        "{notices:?}"
    );
}

#[test]
fn what_no_file_can_open_is_named() {
    let made = Made {
        protectors: vec![
            external(0x0100),
            external(0x0500),
            external(0x1000),
            external(0x4000),
        ],
        ..Made::default()
    };
    let error = open(made.disk(), &[&file(0x0100)]).0.unwrap_err();
    assert_eq!(error.kind(), Kind::Locked);
    let words = "it wants a key that no file holds, not what else protects it: TPM, TPM and PIN, \
                 smart card, unknown protection 0x4000";
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn protectors_without_a_key_are_damage() {
    let made = Made {
        protectors: vec![protector(0x0200, &[])],
        ..Made::default()
    };
    let error = open(made.disk(), &[&file(0x0200)]).0.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("protector 0: there is no master key in it"),
        "{error}"
    );
    let mut broken = clear();
    *broken.last_mut().unwrap() ^= 1;
    let made = Made {
        protectors: vec![broken],
        ..Made::default()
    };
    let error = refused(made.disk());
    assert!(
        error.to_string().contains("its clear key does not open it"),
        "{error}"
    );
}

#[test]
fn a_protector_that_is_damaged_keeps_no_other_from_being_tried() {
    let mut broken = clear();
    *broken.last_mut().unwrap() ^= 1;
    let protectors = [
        vec![broken.clone(), external(0x0200)],
        vec![protector(0x0200, &[]), external(0x0200)],
        vec![broken, clear()],
    ];
    for protectors in protectors {
        let made = Made {
            protectors,
            ..Made::default()
        };
        let keys: [&[u8]; 2] = [b"another", &file(0x0200)];
        assert_eq!(open(made.disk(), &keys).0, Ok(SIZE));
    }
}

/// A disk with so many protectors that a password is tried on, and that none opens.
fn with_protectors(count: usize) -> Vec<u8> {
    let stretch = datum(0, 3, &[&[1, 0x10, 0, 0], &[9; 16][..]].concat());
    let one = protector(0x2000, &[stretch, sealed(0, &[1; 32], &[2; 44])].concat());
    let made = Made {
        protectors: vec![one; count],
        ..Made::default()
    };
    let mut disk = Made::default().disk();
    let metadata = made.metadata();
    for at in COPIES {
        disk[at as usize..][..metadata.len()].copy_from_slice(&metadata);
    }
    disk
}

#[test]
fn k04_a_thousand_protectors_do_not_cost_a_thousand_times_as_much() {
    let mut context = context(&[b"password", b"another"]);
    context.options.kdf_limit.seconds = 1;
    let stack = look(Arc::new(Memory(with_protectors(300))), &context);
    let error = unlocked(&stack).err().unwrap();
    assert_eq!(error.kind(), Kind::Locked);
    // Four seconds are nine times 0.44; the second key is not tried at all.
    let words = "KDF cost of all tries exceeds 4 times --kdf-limit: 9 protectors were tried with \
                 this key, and there are more (--kdf-limit";
    assert!(error.to_string().contains(words), "{error}");
    let left = 16_000 - 9 * 440;
    assert!(context.keys.spend(left, 16_000));
    assert!(!context.keys.spend(1, 16_000));
}

#[test]
fn k04_tries_on_all_volumes_together_have_an_end_and_a_right_key_costs_nothing() {
    let mut context = context(&[b"another", b"password"]);
    context.options.kdf_limit.seconds = 1;
    let made = Made {
        protectors: vec![password("password")],
        ..Made::default()
    };
    // What volumes before these have cost: two tries are left.
    assert!(context.keys.spend(15_000, 16_000));
    for _ in 0..3 {
        let stack = look(Arc::new(Memory(made.disk())), &context);
        assert!(unlocked(&stack).is_ok());
    }
    for tried in [2, 0] {
        let stack = look(Arc::new(Memory(with_protectors(3))), &context);
        let error = unlocked(&stack).err().unwrap();
        let words = format!(
            "KDF cost of all tries on all containers exceeds 16 times --kdf-limit: {tried} \
             protectors were tried with this key, and there are more (--kdf-limit"
        );
        assert_eq!(error.kind(), Kind::Locked);
        assert!(error.to_string().contains(&words), "{error}");
    }
}

/// Reads what there is of the unlocked volume.
fn read_all(stack: &Stack) -> usize {
    let Content::Table { children, .. } = &stack.disks[0].content else {
        return 0;
    };
    let sources = children
        .iter()
        .filter_map(|child| child.source.as_ref().ok());
    let pieces = sources.flat_map(|source| {
        let starts = (0..source.size()).step_by(8192);
        starts.map(move |at| {
            let len = (source.size() - at).min(8192);
            read_vec(&**source, at, len as usize).is_ok()
        })
    });
    pieces.filter(|read| *read).count()
}

#[test]
fn mutants_of_the_metadata_neither_panic_nor_hang() {
    let count = super::mutants::count();
    let seeds = [false, true].map(|vista| Made {
        vista,
        protectors: vec![clear(), external(0x0200)],
        ..Made::default()
    });
    let disks = seeds.each_ref().map(Made::disk);
    let metadata = seeds.each_ref().map(Made::metadata);
    let mut numbers = super::flips::Numbers(9);
    let (mut read, mut kinds) = (0, std::collections::BTreeSet::new());
    for round in 0..count {
        let which = round % 2;
        let mut mutant = disks[which].clone();
        let mut bytes = metadata[which].clone();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len());
            bytes[at] = [0, 0xff, 1, bytes[at] ^ 1 << numbers.below(8)][numbers.below(4)];
        }
        if round % 3 == 0 {
            mutant[numbers.below(512)] ^= 1 << numbers.below(8);
        }
        for at in COPIES {
            mutant[at as usize..][..bytes.len()].copy_from_slice(&bytes);
        }
        let mut context = context(&[&file(0x0200)]);
        context.options.ignore_checksums = true;
        let start = Instant::now();
        let stack = look(Arc::new(Memory(mutant)), &context);
        read += usize::from(read_all(&stack) > 0);
        if let Err(error) = unlocked_or(&stack) {
            kinds.insert(format!("{:?}", error.kind()));
        }
        assert!(start.elapsed() < Duration::from_secs(20), "mutant {round}");
    }
    assert!(read * 4 > count, "only {read} were read");
    println!("{read} of {count} were read; {kinds:?}");
}

/// The error of a volume that is one of BitLocker's still.
fn unlocked_or(stack: &Stack) -> Result<(), Error> {
    match &stack.disks[0].content {
        Content::Locked { error, .. } | Content::Damaged { error, .. } => Err(error.clone()),
        _ => Ok(()),
    }
}

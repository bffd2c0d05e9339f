//! What no formatter and no driver writes, made by [`super::generate`]: read as the specification
//! and the kernel's driver have it.

use std::path::PathBuf;
use std::sync::Arc;

use imgmount::filesystem::FileSystem;
use imgmount::format;
use imgmount::service::open::{Image, Options};

use super::generate::{ARCHIVE, CHAIN, CONTIGUOUS, DIRECTORY, Set, Volume, critical, label};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// A made volume, open.
struct Made {
    image: Image,
    filesystem: Arc<dyn FileSystem>,
    path: PathBuf,
    _scratch: Scratch,
}

impl Made {
    fn new(volume: Volume) -> Self {
        Self::with(volume, format::Options::default())
    }

    fn with(volume: Volume, format: format::Options) -> Self {
        let scratch = Scratch::new();
        let path = scratch.join("made.img");
        std::fs::write(&path, volume.finish()).unwrap();
        let options = Options {
            format,
            ..Options::default()
        };
        let image = library::open_with(&path, &options);
        let filesystem = library::file_system(&image);
        Self {
            image,
            filesystem,
            path,
            _scratch: scratch,
        }
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let inode = match folder {
            "" => self.filesystem.root(),
            _ => library::find(&*self.filesystem, folder.as_bytes()),
        };
        let mut names = Vec::new();
        let mut each = |entry: imgmount::filesystem::Entry<'_>| {
            names.push(imgmount::error::printable(entry.name));
            true
        };
        let request = library::request();
        self.filesystem
            .read_dir(&request, inode, 0, &mut each)
            .unwrap();
        names.split_off(2)
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        library::read_path(&*self.filesystem, path)
    }

    /// What the check of what no file leads to says.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.filesystem.verify(&library::request(), &mut |error| {
            wrong.push(error.to_string());
        });
        wrong
    }

    /// Nothing is odd about it, and fsck.exfat says the same where it is there.
    fn is_sound(&self) {
        assert_eq!(self.image.notices.all(), Vec::<String>::new());
        assert_eq!(self.wrong(), Vec::<String>::new());
    }
}

/// The bytes of a file that nothing else has.
fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|at| (at / 7 % 251) as u8 ^ salt).collect()
}

/// By sectors and clusters of every size: chains, runs, a directory whose sets of entries go on in
/// clusters that do not follow each other.
#[test]
fn every_size_of_sectors_and_clusters() {
    let shapes = (9..=12).flat_map(|sector| [sector, sector + 1, 15].map(|bits| (sector, bits)));
    for (sector_bits, cluster_bits) in shapes {
        let mut volume = Volume::new(sector_bits, cluster_bits, 96);
        let size = volume.cluster_size();
        let (run, chain) = (pattern(size * 3 - 5, 1), pattern(size * 5 - 9, 2));
        let set = volume.file("run", &run);
        volume.add(&set);
        let first = volume.scatter(&chain);
        let set = Set::new("chain", ARCHIVE).stream(CHAIN, first, chain.len() as u64);
        volume.add(&set);
        let name = |index: usize| format!("{index} {}", "n".repeat(40 + index));
        let sets =
            (0..(size / 32 / 4).min(40)).map(|index| Set::new(&name(index), ARCHIVE).sealed());
        let entries: Vec<_> = sets.flatten().collect();
        let (first, length) = volume.store_entries(&entries);
        let set = Set::new("run of names", DIRECTORY).stream(CONTIGUOUS, first, length);
        volume.add(&set);
        let padded = volume.padded(&entries);
        let first = volume.scatter(&padded);
        let set = Set::new("chain of names", DIRECTORY).stream(CHAIN, first, length);
        volume.add(&set);
        let made = Made::new(volume);
        assert_eq!(made.bytes("run"), run);
        assert_eq!(made.bytes("chain"), chain);
        let names: Vec<String> = (0..(size / 32 / 4).min(40)).map(name).collect();
        assert_eq!(
            made.names("run of names"),
            names,
            "{sector_bits} {cluster_bits}"
        );
        assert_eq!(
            made.names("chain of names"),
            names,
            "{sector_bits} {cluster_bits}"
        );
        made.is_sound();
    }
}

/// What fsck.exfat says of what the generator makes.
#[test]
fn the_generator_makes_what_fsck_takes() {
    need!(tool "fsck.exfat");
    let mut volume = Volume::usual();
    let set = volume.file("a file", &pattern(10_000, 3));
    volume.add(&set);
    let inner = volume.file("inner", b"inner").sealed();
    let set = volume.directory("a directory", &inner);
    volume.add(&set);
    let made = Made::new(volume);
    let said = Run::new("fsck.exfat").arg("-n").arg(&made.path).text();
    assert!(said.contains("clean. directories 2, files 2"), "{said}");
    made.is_sound();
}

/// 3.1.13.1 and 7.1.2.1: which FAT and which bitmap are in use.
#[test]
fn texfat_reads_the_fat_and_the_bitmap_in_use() {
    for active in [0, 1_u16] {
        let mut volume = Volume::usual();
        volume.fats = 2;
        volume.flags = active;
        let first = volume.allocate(4);
        let size = volume.cluster_size();
        for number in 0..4 {
            volume.put(first + number, &vec![number as u8 + 1; size]);
        }
        volume.link(&[first, first + 1, first + 3]);
        volume.tables[1][first as usize + 1] = first + 2;
        volume.tables[1][first as usize + 2] = 0xffff_ffff;
        volume.bitmaps[0][first as usize] = false;
        volume.bitmaps[1][first as usize + 1] = false;
        volume.add(&Set::new("f", ARCHIVE).stream(CHAIN, first, 3 * size as u64));
        let made = Made::new(volume);
        let last = if active == 0 { 4 } else { 3 };
        assert_eq!(made.bytes("f")[2 * size..], vec![last; size]);
        assert_eq!(made.wrong(), Vec::<String>::new());
        let features = describe(&made).features;
        let expected = ["texfat", "second_fat_active"];
        assert_eq!(features, expected[..=usize::from(active)]);
    }
}

fn describe(made: &Made) -> format::Description {
    let mut formats = imgmount::filesystem::FORMATS.iter();
    let exfat = formats.find(|format| format.name == "exfat").unwrap();
    let file = std::fs::File::open(&made.path).unwrap();
    let source = imgmount::source::file::File::new(file).unwrap();
    (exfat.describe)(&source).unwrap()
}

/// 7.6.5: what is behind the valid length was never written, whatever the clusters hold.
#[test]
fn zeros_and_a_hole_past_the_valid_length() {
    let bytes = pattern(20_000, 5);
    for valid in [0, 1, 511, 512, 4096, 10_000, 20_000_u64] {
        let mut volume = Volume::usual();
        let first = volume.store(&bytes);
        let set = Set::new("f", ARCHIVE).stream(CONTIGUOUS, first, 20_000);
        volume.add(&set.valid(valid));
        let made = Made::new(volume);
        let mut expected = bytes.clone();
        expected[valid as usize..].fill(0);
        assert_eq!(made.bytes("f"), expected);
        let tree = library::walk(&*made.filesystem);
        let data: Vec<_> = (valid > 0).then_some((0, valid)).into_iter().collect();
        assert_eq!(tree[&b"f"[..]].map.as_ref(), Some(&data));
        made.is_sound();
    }
}

/// 7.4.8 to 7.4.10.
#[test]
fn times_with_and_without_an_offset() {
    const NOON: i64 = 1_577_880_000;
    let mut volume = Volume::usual();
    // Birth an hour ahead, change half an hour behind, access without an offset.
    let set = Set::new("f", ARCHIVE).set(0, 20, &[150, 7, 0x84, 0xfe, 0x04]);
    volume.add(&set);
    let options = format::Options {
        time_offset: Some(90),
        ..format::Options::default()
    };
    let made = Made::with(volume, options);
    let tree = library::walk(&*made.filesystem);
    let file = &tree[&b"f"[..]];
    assert_eq!(file.crtime, Some((NOON - 3600 + 1, 500_000_000)));
    assert_eq!(file.mtime, (NOON + 1800, 70_000_000));
    assert_eq!(file.ctime, file.mtime);
    assert_eq!(file.atime, (NOON - 5400, 0));
}

/// F08: no calendar has them.
#[test]
fn f08_dates_that_cannot_be() {
    let mut volume = Volume::usual();
    for (name, time) in [("zero", 0_u32), ("ones", u32::MAX), ("31 Feb", 0x505f_f800)] {
        volume.add(&Set::new(name, ARCHIVE).set(0, 12, &time.to_le_bytes()));
    }
    let made = Made::new(volume);
    let tree = library::walk(&*made.filesystem);
    let time = |name: &str| tree[name.as_bytes()].mtime.0;
    assert_eq!(time("zero"), 315_532_800);
    assert_eq!(time("ones"), 4_354_819_198);
    // 29 February 2020, 23:00.
    assert_eq!(time("31 Feb"), 1_583_017_200);
}

#[test]
fn label_and_guid() {
    let mut volume = Volume::usual();
    let units: Vec<u16> = "Größe 日本😀".encode_utf16().chain([0xd800]).collect();
    volume.root.push(label(&units));
    let mut guid = [0; 32];
    guid[0] = 0xa0;
    for (place, byte) in guid[6..22].iter_mut().zip(1..) {
        *place = byte;
    }
    volume.root.push(guid);
    let made = Made::new(volume);
    let description = describe(&made);
    let expected = ["Größe 日本😀".as_bytes(), b"\xed\xa0\x80"].concat();
    assert_eq!(description.label, Some(expected));
    assert_eq!(description.uuid.as_deref(), Some("1234-ABCD"));
    let guid = description
        .facts
        .iter()
        .find(|(name, _)| *name == "volume GUID");
    assert_eq!(guid.unwrap().1, "04030201-0605-0807-090a-0b0c0d0e0f10");
    made.is_sound();
}

/// 7.8 and 7.9: entries of vendors, with clusters of their own, and what is yet to come.
#[test]
fn what_is_benign_is_skipped() {
    let mut volume = Volume::usual();
    let bytes = pattern(5000, 7);
    let extra = volume.store(&pattern(9000, 8));
    let set = volume.file("vendors", &bytes);
    let set = set.with(critical(0xe0, 0, 0, 0));
    let set = set.with(critical(0xe1, CONTIGUOUS, extra, 9000));
    volume.add(&set.with(critical(0xff, 0, 0, 0)));
    // Primary entries with a secondary one of their own.
    for kind in [0xa1, 0xa2, 0xb7] {
        volume.root.push(critical(kind, 1, 0, 0));
        volume.root.push(critical(0xc3, 0, 0, 0));
    }
    // A deleted file.
    for mut entry in Set::new("deleted", ARCHIVE).sealed() {
        entry[0] &= 0x7f;
        volume.root.push(entry);
    }
    let set = volume.file("behind", b"behind");
    volume.add(&set);
    let made = Made::new(volume);
    assert_eq!(made.names(""), ["vendors", "behind"]);
    assert_eq!(made.bytes("vendors"), bytes);
    made.is_sound();
}

/// 8.2: an unknown entry that has to be understood hides the file that it belongs to.
#[test]
fn what_is_critical_and_unknown_is_left_out_with_its_reason() {
    let mut volume = Volume::usual();
    for (name, entry) in [
        ("acl", critical(0xc2, 0, 0, 0)),
        ("future", critical(0xdf, 0, 0, 0)),
    ] {
        let set = volume.file(name, b"x").with(entry);
        volume.add(&set);
    }
    volume.root.push(critical(0x86, 0, 0, 0));
    let set = volume.file("behind", b"behind");
    volume.add(&set);
    let made = Made::new(volume);
    assert_eq!(made.names(""), ["behind"]);
    let notices = made.image.notices.all().join("\n");
    for reason in [
        "EntryType 0xc2 is out of place",
        "EntryType 0xdf is out of place",
        "EntryType 0x86 is not known",
    ] {
        assert!(notices.contains(reason), "{notices}");
    }
}

/// 7.2: letters are the same by the volume's own table, which knows ASCII only here.
#[test]
fn case_is_that_of_the_volumes_own_table() {
    let mut volume = Volume::usual();
    for name in ["É", "é", "a", "B.txt"] {
        volume.add(&Set::new(name, ARCHIVE));
    }
    volume.add(&Set::of_units(&[0x61, 0xd83d, 0xdc00, 0xd800], ARCHIVE));
    let made = Made::new(volume);
    let inode = |name: &[u8]| {
        let root = made.filesystem.root();
        made.filesystem
            .lookup(&library::request(), root, name)
            .unwrap()
    };
    assert_ne!(inode("É".as_bytes()), inode("é".as_bytes()));
    assert_eq!(inode(b"A"), inode(b"a"));
    assert_eq!(inode(b"b.TXT"), inode(b"B.txt"));
    assert!(inode("A🐀\u{0}".as_bytes()).is_none());
    assert!(inode(b"A\xf0\x9f\x90\x80\xed\xa0\x80").is_some());
    made.is_sound();
}

/// The check says what belongs to two, to nobody, or to somebody without being in use.
#[test]
fn the_check_compares_the_bitmap_with_the_chains() {
    let mut volume = Volume::usual();
    let set = volume.file("one", &pattern(10_000, 1));
    volume.add(&set);
    let shared = Set::new("two", ARCHIVE).stream(CONTIGUOUS, 3, 4096);
    volume.add(&shared);
    let lost = volume.allocate(2);
    let bad = volume.allocate(1);
    for table in &mut volume.tables {
        table[bad as usize] = 0xffff_fff7;
    }
    let set = volume.file("three", b"three");
    volume.add(&set);
    let three = u32::from_le_bytes(set.entries[1][20..24].try_into().unwrap());
    volume.bitmaps[0][three as usize - 2] = false;
    let long = volume.scatter(&pattern(12_288, 2));
    volume.add(&Set::new("long chain", ARCHIVE).stream(CHAIN, long, 4097));
    volume.add(&Set::new("hash", ARCHIVE).set(1, 4, &[1, 2]));
    let made = Made::new(volume);
    let wrong = made.wrong();
    let expected = [
        "cluster 3 belongs to something else too".to_owned(),
        format!("2 clusters are in use and belong to nothing, the first is {lost}"),
        format!("1 clusters belong to something and are not in use, the first is {three}"),
        "3 clusters, and DataLength needs 2".to_owned(),
        "NameHash 0x0201 should be".to_owned(),
    ];
    for text in &expected {
        let found = wrong.iter().filter(|line| line.contains(text)).count();
        assert_eq!(found, 1, "{text}: {wrong:#?}");
    }
    assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
}

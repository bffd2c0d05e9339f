//! HOSTILE F01 to F08: FAT volumes of mkfs.fat and mtools, broken in one field.

use std::sync::OnceLock;

use imgmount::error::Kind::Corrupt;
use imgmount::filesystem::{FileType, Timestamp};

use super::walk::{Node, Seen, Walk, walk};
use crate::filesystem::fat::table::Table;
use crate::filesystem::fat::volume::Volume;

/// `ONE.BIN`, `TWO.BIN` of 40 clusters, `dir/sub/deep.txt`, `A longer name.text` and, all by
/// itself, `EMPTY`; clusters of 512 bytes, or of a KiB on FAT32.
struct Seed {
    bytes: Vec<u8>,
    walk: Walk,
}

const SHAPES: [(&str, u64); 3] = [
    ("-F 12 -s 1", 1900),
    ("-F 16 -s 1", 9000),
    ("-F 32 -s 2", 80_000),
];

fn seeds() -> &'static [Seed] {
    static SEEDS: OnceLock<Vec<Seed>> = OnceLock::new();
    SEEDS.get_or_init(|| SHAPES.iter().map(|(line, kib)| seed(line, *kib)).collect())
}

fn seed(line: &str, kib: u64) -> Seed {
    let volume = Volume::made(line, kib);
    let tree = volume.scratch.folder("tree");
    std::fs::create_dir_all(tree.join("dir/sub")).unwrap();
    let bytes = |seed: usize| {
        (0..20_480)
            .map(|at| ((at * seed) >> 3) as u8)
            .collect::<Vec<u8>>()
    };
    std::fs::write(tree.join("ONE.BIN"), bytes(5)).unwrap();
    std::fs::write(tree.join("TWO.BIN"), bytes(7)).unwrap();
    std::fs::write(tree.join("A longer name.text"), b"longer").unwrap();
    std::fs::write(tree.join("EMPTY"), b"").unwrap();
    std::fs::write(tree.join("dir/sub/deep.txt"), b"deep").unwrap();
    volume.fill(&tree);
    let bytes = volume.bytes();
    let walk = walk(&bytes);
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    assert_eq!(walk.nodes.len(), 8);
    for (path, node) in &walk.nodes {
        assert_eq!(node.error(), None, "{path}");
    }
    Seed { bytes, walk }
}

impl Seed {
    /// The walk after `edit`.
    fn broken(&self, edit: impl FnOnce(&mut Vec<u8>, Table)) -> Walk {
        let mut bytes = self.bytes.clone();
        let table = Table::of(&bytes);
        edit(&mut bytes, table);
        assert!(bytes != self.bytes, "the mutant is its seed");
        walk(&bytes)
    }

    /// Everything but what lies at or below `hit` is as it was.
    fn rest_as_before(&self, walk: &Walk, hit: &[&str]) {
        assert!(walk.refused.is_none(), "{:?}", walk.refused);
        let spared = |path: &&String| {
            !hit.iter()
                .any(|hit| path == hit || path.starts_with(&format!("{hit}/")))
        };
        for path in self
            .walk
            .nodes
            .keys()
            .chain(walk.nodes.keys())
            .filter(spared)
        {
            let (old, new) = (self.walk.nodes.get(path), walk.nodes.get(path));
            assert!(old == new, "{path:?}: was {old:?}, is {new:?}");
        }
    }
}

/// The error in the contents of `path` is Corrupt and holds `words`.
fn fails(walk: &Walk, path: &str, words: &[&str]) {
    let error = match &node(walk, path).content {
        Seen::Directory(_, error) | Seen::File(_, _, error) => error.clone(),
        _ => node(walk, path).attributes.clone().err(),
    };
    let error = error.unwrap_or_else(|| panic!("{path} does not fail"));
    super::expect::names(&error, Corrupt, words);
}

fn node<'a>(walk: &'a Walk, path: &str) -> &'a Node {
    let names = || walk.nodes.keys().cloned().collect::<Vec<_>>();
    walk.nodes
        .get(path)
        .unwrap_or_else(|| panic!("no {path} in {:?}", names()))
}

#[test]
fn f01_a_field_of_the_parameter_block_that_cannot_be() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let is_32 = Table::of(&seed.bytes).width == 32;
        let mut cases: Vec<(usize, Vec<u8>, &str)> = vec![
            (11, vec![0, 0], "BPB_BytsPerSec is 0"),
            (11, vec![3, 0], "BPB_BytsPerSec is 3"),
            (11, vec![0xff, 0xff], "BPB_BytsPerSec is 65535"),
            (13, vec![0], "BPB_SecPerClus is 0"),
            (13, vec![3], "BPB_SecPerClus is 3"),
            (16, vec![0], "BPB_NumFATs is 0"),
            (16, vec![255], "BPB_NumFATs is 255"),
            (14, vec![0, 0], "BPB_RsvdSecCnt is 0"),
            (21, vec![0x12], "BPB_Media is 18"),
            (
                19,
                [&[0; 2][..], &seed.bytes[21..32], &[0; 4]].concat(),
                "BPB_TotSec16 and BPB_TotSec32 is 0",
            ),
            (
                19,
                [&[9, 0][..], &seed.bytes[21..32], &[0; 4]].concat(),
                "no cluster fits",
            ),
        ];
        match is_32 {
            true => cases.push((36, vec![0; 4], "BPB_FATSz16 and BPB_FATSz32 is 0")),
            false => cases.push((
                22,
                [&[0; 2][..], &seed.bytes[24..36], &[0; 4]].concat(),
                "BPB_FATSz16 and BPB_FATSz32 is 0",
            )),
        }
        if !is_32 {
            cases.push((17, vec![0xff, 0xff], "no cluster fits"));
        }
        for (at, bytes, words) in cases {
            let mut mutant = seed.bytes.clone();
            mutant[at..at + bytes.len()].copy_from_slice(&bytes);
            if words == "no cluster fits" && at == 17 {
                // Of a volume as small as this.
                mutant[19..21].copy_from_slice(&2000_u16.to_le_bytes());
            }
            let walk = walk(&mutant);
            let (error, raw) = walk
                .refused
                .unwrap_or_else(|| panic!("{words}: not refused"));
            super::expect::names(&error, Corrupt, &["vfat", words]);
            assert!(raw, "the raw bytes are there");
        }
    }
}

#[test]
fn f02_root_cluster() {
    need!(tool "mkfs.fat", tool "mcopy");
    let seed = &seeds()[2];
    let last = Table::of(&seed.bytes).clusters + 1;
    for cluster in [0, 1, last + 1, u32::MAX] {
        let walk = seed.broken(|bytes, _| bytes[44..48].copy_from_slice(&cluster.to_le_bytes()));
        let (error, _) = walk.refused.expect("refused");
        let words = format!("BPB_RootClus {cluster} is not one of 2 to {last}");
        super::expect::names(&error, Corrupt, &[&words]);
    }
}

#[test]
fn f03_chains_that_loop_break_or_lead_astray() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let name = b"ONE     BIN";
        let table = Table::of(&seed.bytes);
        let chain = table.chain(&seed.bytes, table.first_cluster(&seed.bytes, name));
        let Seen::File(_, whole, _) = &node(&seed.walk, "ONE.BIN").content else {
            panic!("no file");
        };
        let behind = table.clusters + 2;
        for (place, value, words) in [
            (9, chain[3], "leads back"),
            (9, chain[9], "leads back"),
            (0, chain[0], "leads back"),
            (9, 0, "is 0, which is none"),
            (9, 1, "is 1, which is none"),
            (9, behind, "which is none"),
            (9, 0x0fff_fff7, "bad"),
            (9, 0x0fff_ffff, "ends before DIR_FileSize 20480"),
        ] {
            let walk = seed.broken(|bytes, table| table.set(bytes, chain[place], value));
            seed.rest_as_before(&walk, &["ONE.BIN"]);
            fails(&walk, "ONE.BIN", &[words]);
            let Seen::File(_, read, _) = &node(&walk, "ONE.BIN").content else {
                panic!("no file");
            };
            assert!(read.len() <= whole.len() && whole.starts_with(read));
        }
    }
}

/// Bytes in front of the break are read, as far as a read does not cross it.
#[test]
fn f03_what_lies_before_the_break_is_read() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let volume = Volume::made("", 360);
        volume.edit(|bytes| bytes.clone_from(&seed.bytes));
        let table = Table::of(&seed.bytes);
        let chain = table.chain(
            &seed.bytes,
            table.first_cluster(&seed.bytes, b"ONE     BIN"),
        );
        volume.edit(|bytes| table.set(bytes, chain[9], chain[5]));
        let opened = volume.open();
        let file = crate::support::library::find(&*opened.filesystem, b"ONE.BIN");
        let mut bytes = vec![0; table.cluster_size * 10];
        let read = |bytes: &mut [u8], offset: u64| {
            let request = crate::support::library::request();
            opened.filesystem.read(&request, file, bytes, offset)
        };
        assert_eq!(read(&mut bytes, 0), Ok(table.cluster_size * 10));
        let Seen::File(_, whole, _) = &node(&seed.walk, "ONE.BIN").content else {
            panic!("no file");
        };
        assert!(whole.starts_with(&bytes));
        let error = read(&mut bytes[..1], 10 * table.cluster_size as u64);
        super::expect::names(&error.unwrap_err(), Corrupt, &["inode", "leads back"]);
    }
}

#[test]
fn f03_cross_linked_files_and_first_clusters() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let (one, two) = (b"ONE     BIN", b"TWO     BIN");
        let walk = seed.broken(|bytes, table| {
            let cluster = table.first_cluster(bytes, one);
            table.set_first_cluster(bytes, two, cluster);
        });
        seed.rest_as_before(&walk, &["TWO.BIN"]);
        assert!(node(&walk, "TWO.BIN").content == node(&walk, "ONE.BIN").content);
        for cluster in [0, 1, Table::of(&seed.bytes).clusters + 2, 0xffff] {
            let walk = seed.broken(|bytes, table| table.set_first_cluster(bytes, one, cluster));
            seed.rest_as_before(&walk, &["ONE.BIN"]);
            if cluster < 2 || Table::of(&seed.bytes).clusters < 0xffff {
                fails(&walk, "ONE.BIN", &["inode"]);
            }
        }
    }
}

#[test]
fn f04_a_directory_chain_that_loops_ends() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let walk = seed.broken(|bytes, table| {
            let cluster = table.first_cluster(bytes, b"DIR        ");
            table.set(bytes, cluster, cluster);
            fill_up(bytes, table, cluster);
        });
        seed.rest_as_before(&walk, &["dir"]);
        fails(&walk, "dir", &["leads back"]);
        assert_eq!(node(&walk, "dir/sub/deep.txt").error(), None);
        let attributes = node(&walk, "dir").attributes.clone().unwrap();
        assert_eq!(attributes.size, Table::of(&seed.bytes).cluster_size as u64);
    }
}

/// Makes entries of the kind that was deleted of those that were never used, so that the list goes
/// on behind the cluster.
fn fill_up(bytes: &mut [u8], table: Table, cluster: u32) {
    for entry in table.data(bytes, cluster).chunks_mut(32) {
        if entry[0] == 0 {
            entry[0] = 0xe5;
        }
    }
}

#[test]
fn f05_a_directory_that_lies_in_itself() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let dir = Table::of(&seed.bytes).first_cluster(&seed.bytes, b"DIR        ");
        let sub = Table::of(&seed.bytes).first_cluster(&seed.bytes, b"SUB        ");
        for (cluster, words) in [
            (dir, "lies in itself"),
            (sub, "lies in itself"),
            (0, "cluster 0"),
        ] {
            let walk = seed.broken(|bytes, table| {
                let at = table.entry(bytes, b"DEEP    TXT");
                bytes[at + 11] = 0x10;
                table.set_first_cluster(bytes, b"DEEP    TXT", cluster);
            });
            seed.rest_as_before(&walk, &["dir/sub"]);
            let error = node(&walk, "dir/sub/deep.txt")
                .error()
                .expect("it is damaged");
            super::expect::names(error, Corrupt, &[words]);
            assert!(!walk.nodes.contains_key("dir/sub/deep.txt/sub"));
        }
    }
    // The root of FAT32, which has a cluster of its own.
    let walk = seeds()[2].broken(|bytes, table| table.set_first_cluster(bytes, b"SUB        ", 2));
    let error = node(&walk, "dir/sub").error().expect("it is damaged");
    super::expect::names(error, Corrupt, &["the root directory's"]);
}

/// What is broken, and how.
type Break = (&'static str, fn(&mut [u8]));

/// Each breaks the long name of `A longer name.text`, whose entries are the two before its short
/// one; it is shown by that.
#[test]
fn f06_long_names_that_are_none() {
    need!(tool "mkfs.fat", tool "mcopy");
    let short = b"ALONGE~1TEX";
    for seed in seeds() {
        let breaks: [Break; 9] = [
            ("sum of the first part", |entries| entries[13] ^= 1),
            ("sum of both parts", |entries| {
                entries[13] ^= 1;
                entries[32 + 13] ^= 1;
            }),
            ("gap in the order", |entries| entries[0] = 0x43),
            ("no part says that it is the last", |entries| entries[0] = 2),
            ("21 parts", |entries| entries[0] = 0x40 + 21),
            ("one part twice", |entries| entries[32] = 2),
            ("a NUL inside", |entries| entries[32 + 3..32 + 5].fill(0)),
            ("a slash", |entries| entries[32 + 3] = b'/'),
            ("half a surrogate", |entries| {
                entries[32 + 3..32 + 5].copy_from_slice(&[0, 0xd8])
            }),
        ];
        for (what, breaks) in breaks {
            let walk = seed.broken(|bytes, table| {
                let at = table.entry(bytes, short) - 64;
                breaks(&mut bytes[at..at + 64]);
            });
            let name = "ALONGE~1.TEX";
            seed.rest_as_before(&walk, &["", "A longer name.text", name]);
            assert!(walk.nodes.contains_key(name), "{what}");
            assert_eq!(
                node(&walk, name).content,
                node(&seed.walk, "A longer name.text").content
            );
        }
    }
}

#[test]
fn f06_names_that_no_kernel_takes_are_escaped() {
    need!(tool "mkfs.fat", tool "mcopy");
    for (name, shown) in [
        (b"ONE/TWO BIN", "ONE\\\\x2fTWO.BIN"),
        (b"           ", "\\\\x"),
        (b"CON        ", "CON"),
        (b"ONE\x1b    BIN", "ONE\\x1b.BIN"),
        (b"        BIN", ".BIN"),
    ] {
        for seed in seeds() {
            let walk = seed.broken(|bytes, table| {
                let at = table.entry(bytes, b"ONE     BIN");
                bytes[at..at + 11].copy_from_slice(name);
            });
            seed.rest_as_before(&walk, &["", "ONE.BIN", shown]);
            assert_eq!(
                node(&walk, shown).content,
                node(&seed.walk, "ONE.BIN").content
            );
            assert!(matches!(node(&walk, shown).lookup, Ok(Some(_))), "{shown}");
        }
    }
}

#[test]
fn f06_two_files_of_one_name_are_both_reached() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let walk = seed.broken(|bytes, table| {
            let at = table.entry(bytes, b"TWO     BIN");
            bytes[at..at + 3].copy_from_slice(b"ONE");
        });
        seed.rest_as_before(&walk, &["", "TWO.BIN", "ONE.BIN~2"]);
        let second = node(&walk, "ONE.BIN~2");
        assert_eq!(second.content, node(&seed.walk, "TWO.BIN").content);
        assert!(matches!(second.lookup, Ok(Some(_))));
        // The same but for case: both are shown as they are, and found as they are written.
        let walk = seed.broken(|bytes, table| {
            let at = table.entry(bytes, b"TWO     BIN");
            bytes[at..at + 3].copy_from_slice(b"ONE");
            bytes[at + 12] = 0x18;
        });
        seed.rest_as_before(&walk, &["", "TWO.BIN", "one.bin"]);
        assert_eq!(
            node(&walk, "one.bin").content,
            node(&seed.walk, "TWO.BIN").content
        );
        assert_ne!(node(&walk, "one.bin").lookup, node(&walk, "ONE.BIN").lookup);
    }
}

#[test]
fn f07_a_size_of_4_gib_with_one_cluster() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let walk = seed.broken(|bytes, table| {
            let at = table.entry(bytes, b"ALONGE~1TEX");
            bytes[at + 28..at + 32].fill(0xff);
        });
        let path = "A longer name.text";
        seed.rest_as_before(&walk, &[path]);
        fails(&walk, path, &["ends before DIR_FileSize 4294967295"]);
        let attributes = node(&walk, path).attributes.clone().unwrap();
        assert_eq!(attributes.size, u64::from(u32::MAX));
    }
}

#[test]
fn f08_dates_that_no_calendar_has() {
    need!(tool "mkfs.fat", tool "mcopy");
    let seed = &seeds()[0];
    for (date, time, seconds) in [
        (0_u16, 0_u16, 315_532_800),                 // 1980-01-01
        (21 << 9 | 2 << 5 | 31, 0, 983_318_400),     // 2001-02-28
        (21 << 9 | 1 << 5 | 1, 0xffff, 978_393_598), // 2001-01-01 23:59:58
        (0xffff, 0xffff, 4_354_819_198),             // 2107-12-31 23:59:58
    ] {
        let walk = seed.broken(|bytes, table| {
            let at = table.entry(bytes, b"ONE     BIN");
            for place in [14, 22] {
                bytes[at + place..at + place + 2].copy_from_slice(&time.to_le_bytes());
                bytes[at + place + 2..at + place + 4].copy_from_slice(&date.to_le_bytes());
            }
            bytes[at + 13] = 255;
        });
        seed.rest_as_before(&walk, &["ONE.BIN"]);
        let attributes = node(&walk, "ONE.BIN").attributes.clone().unwrap();
        let expected = Timestamp {
            seconds,
            nanoseconds: 0,
        };
        assert_eq!((attributes.mtime, attributes.ctime), (expected, expected));
        let born = Timestamp {
            seconds: seconds + 2,
            nanoseconds: 550_000_000,
        };
        assert_eq!(attributes.crtime, Some(born));
    }
}

/// A volume that is cut anywhere is read up to there.
#[test]
fn g02_cut_volumes() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        let table = Table::of(&seed.bytes);
        let first = table.first_cluster(&seed.bytes, b"TWO     BIN");
        let size = table.place(first) + 1000;
        let cut = seed.broken(|bytes, _| bytes.truncate(size));
        fails(&cut, "TWO.BIN", &["cut off"]);
        assert_eq!(
            node(&cut, "ONE.BIN").content,
            node(&seed.walk, "ONE.BIN").content
        );
        for sectors in 0..64 {
            let cut = walk(&seed.bytes[..sectors * 512]);
            let is_directory = |node: &Node| {
                let attributes = node.attributes.as_ref();
                attributes.is_ok_and(|attributes| attributes.kind == FileType::Directory)
            };
            assert!(cut.refused.is_some() || cut.nodes.values().any(is_directory));
        }
    }
}

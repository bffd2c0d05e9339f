//! HOSTILE F01 to F08: FAT volumes of mkfs.fat and mtools, broken in one field.

mod names;

use std::sync::{Arc, OnceLock};

use imgmount::error::Kind::Corrupt;
use imgmount::filesystem::{FileType, Timestamp};
use imgmount::format::Options;

use super::expect::blames;
use super::walk::{BadSector, Node, Seen, Walk, walk, walk_source};
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

/// The error in the contents of `path` is Corrupt, holds `words` and is at byte `at`.
fn fails(walk: &Walk, path: &str, words: &[&str], at: usize) {
    let error = match &node(walk, path).content {
        Seen::Directory(_, error) | Seen::File(_, _, error) => error.clone(),
        _ => node(walk, path).attributes.clone().err(),
    };
    let error = error.unwrap_or_else(|| panic!("{path} does not fail"));
    blames(&error, Corrupt, words, at as u64);
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
            assert!(mutant != seed.bytes, "the mutant is its seed");
            // Of a size that may stand in two fields it is the first one's byte.
            let place = match at {
                36 => 22,
                17 => 19,
                _ => at,
            };
            let walk = walk(&mutant);
            let (error, raw) = walk
                .refused
                .unwrap_or_else(|| panic!("{words}: not refused"));
            blames(&error, Corrupt, &["vfat", words], place as u64);
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
        let (error, raw) = walk.refused.expect("refused");
        assert!(raw, "the raw bytes are there");
        let words = format!("BPB_RootClus {cluster} is not one of 2 to {last}");
        blames(&error, Corrupt, &[&words], 44);
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
            // An end that comes too soon is where the size is, the others are where they are.
            let link = chain[place];
            let at = match value {
                0x0fff_ffff => table.entry(&seed.bytes, name),
                _ => table.entry_place(link),
            };
            let entry = format!("FAT entry {link} ");
            let entry = if value == 0x0fff_ffff { "" } else { &entry };
            fails(&walk, "ONE.BIN", &[words, entry], at);
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
        let words = format!("FAT entry {} leads back to cluster {}", chain[9], chain[5]);
        let at = table.entry_place(chain[9]) as u64;
        blames(&error.unwrap_err(), Corrupt, &["inode", &words], at);
    }
}

/// What lies in the chain behind the size is no part of the file.
#[test]
fn f03_a_chain_that_is_longer_than_its_file() {
    need!(tool "mkfs.fat", tool "mcopy");
    for seed in seeds() {
        for size in [1_u32, 512, 5000] {
            let walk = seed.broken(|bytes, table| {
                let at = table.entry(bytes, b"ONE     BIN");
                bytes[at + 28..at + 32].copy_from_slice(&size.to_le_bytes());
            });
            seed.rest_as_before(&walk, &["ONE.BIN"]);
            let content = |walk: &Walk| match &node(walk, "ONE.BIN").content {
                Seen::File(_, bytes, None) => bytes.clone(),
                other => panic!("{other:?}"),
            };
            assert_eq!(content(&walk), content(&seed.walk)[..size as usize]);
        }
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
                let words = match cluster {
                    0 => "DIR_FstClus is 0, and DIR_FileSize 20480".to_owned(),
                    _ => format!("first cluster {cluster} is none of the clusters"),
                };
                let at = Table::of(&seed.bytes).entry(&seed.bytes, one);
                fails(&walk, "ONE.BIN", &["inode", &words], at);
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
        let table = Table::of(&seed.bytes);
        let cluster = table.first_cluster(&seed.bytes, b"DIR        ");
        let words = format!("FAT entry {cluster} leads back to cluster {cluster}");
        fails(&walk, "dir", &[&words], table.entry_place(cluster));
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
fn f05_find_comes_to_an_end_in_the_mount() {
    need!(fuse, tool "mkfs.fat", tool "mcopy", tool "mke2fs");
    for seed in seeds() {
        let table = Table::of(&seed.bytes);
        let dir = table.first_cluster(&seed.bytes, b"DIR        ");
        let mut bytes = seed.bytes.clone();
        let at = table.entry(&bytes, b"DEEP    TXT");
        bytes[at + 11] = 0x10;
        table.set_first_cluster(&mut bytes, b"DEEP    TXT", dir);
        assert!(bytes != seed.bytes);
        let found = crate::mount::loops::find(&bytes);
        let around = |path: &&String| path.starts_with("dir/sub/deep.txt/");
        assert!(found.iter().any(|path| path == "dir/sub%d"), "{found:?}");
        assert_eq!(found.iter().find(around), None);
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
            (0, "cluster 0 is not one of 2 to"),
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
            let at = Table::of(&seed.bytes).entry(&seed.bytes, b"DEEP    TXT");
            blames(error, Corrupt, &[words], at as u64);
            assert!(!walk.nodes.contains_key("dir/sub/deep.txt/sub"));
        }
    }
    // The root of FAT32, which has a cluster of its own.
    let walk = seeds()[2].broken(|bytes, table| table.set_first_cluster(bytes, b"SUB        ", 2));
    let error = node(&walk, "dir/sub").error().expect("it is damaged");
    let seed = &seeds()[2].bytes;
    let at = Table::of(seed).entry(seed, b"SUB        ");
    let words = ["cluster 2 is the root directory's"];
    blames(error, Corrupt, &words, at as u64);
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
        let at = Table::of(&seed.bytes).entry(&seed.bytes, b"ALONGE~1TEX");
        let words = ["ends before DIR_FileSize 4294967295"];
        fails(&walk, path, &words, at);
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
        fails(&cut, "TWO.BIN", &["cut off"], table.place(first));
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

/// What lies in a directory before a sector that cannot be read is listed, wherever the listing is
/// taken up again.
#[test]
fn f04_a_sector_of_a_directory_that_cannot_be_read() {
    need!(tool "mkfs.fat", tool "mcopy");
    let volume = Volume::made("-F 16 -s 32", 200_000);
    let tree = volume.scratch.folder("tree");
    std::fs::create_dir(tree.join("MANY")).unwrap();
    for number in 0..400 {
        std::fs::write(tree.join(format!("MANY/F{number:03}")), b"").unwrap();
    }
    volume.fill(&tree);
    let bytes = Arc::new(volume.bytes());
    let table = Table::of(&bytes);
    let start = table.place(table.first_cluster(&bytes, b"MANY       "));
    for bad in [1, 12, 20, 24] {
        let bytes = bytes.clone();
        let sector = (start / 512 + bad) as u64;
        let walk = walk_source(Arc::new(BadSector { bytes, sector }), &Options::default());
        let Seen::Directory(entries, Some(error)) = &node(&walk, "MANY").content else {
            panic!("{bad}: no error");
        };
        // Sixteen in a sector, of which the first two are the directory and what holds it.
        assert_eq!(entries.len(), bad * 16, "{bad}: {error}");
        assert_eq!(error.offset(), Some(sector * 512), "{error}");
    }
}

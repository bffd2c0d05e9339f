//! S10 in compressed files: indexes, clusters, fragments.

use imgmount::error::Kind::{Corrupt, Unsupported};

use super::super::expect::blames;
use super::super::opened::{is_spent, opened, request};
use super::super::walk::read_file;
use super::seed::{BLOCK, Mutant, SUPERBLOCK, seed};
use crate::filesystem::erofs;

/// Full indexes, in which each logical cluster has 8 bytes of its own.
const FULL: &str = "-zlz4hc -C16384 -Elegacy-compress";
/// Packed ones.
const PACKED: &str = "-zlz4hc";

/// The index of logical cluster `number` of `path`.
fn index(mutant: &Mutant, path: &str, number: usize) -> usize {
    mutant.table(path) + 16 + number * 8
}

/// The first logical cluster of `path` that is no head.
fn body(mutant: &Mutant, path: &str) -> usize {
    let kind = |number| mutant.get(index(mutant, path, number), 2) & 3;
    (1..).find(|number| kind(*number) == 2).unwrap()
}

#[test]
fn s10_cluster_head() {
    need!(tool "mkfs.erofs");
    // The first has its head behind itself, or before the file.
    for back in [0, 1, 2000, 30_000] {
        let mut mutant = seed(FULL).mutant();
        let at = index(&mutant, "text", 0);
        mutant.set(at, 2, 2).set(at + 4, 4, back);
        let broken = mutant.walk();
        let words = format!("logical cluster 0: its head is {back} before it");
        broken.fails("text", Corrupt, &[&words], at);
        broken.rest_as_before(&["text"]);
    }
    // No head anywhere, and none in reach.
    let mut mutant = seed(FULL).mutant();
    for number in 0..60 {
        let at = index(&mutant, "text", number);
        mutant.set(at, 2, 2).set(at + 4, 4, 0x1_0001);
    }
    let broken = mutant.walk();
    let words = ["logical cluster 0: its head is 1 before it"];
    broken.fails("text", Corrupt, &words, index(&mutant, "text", 0));
    broken.rest_as_before(&["text"]);
}

/// A byte would be in one cluster or another by where a read begins.
#[test]
fn s10_distance_across_a_head() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed(FULL).mutant();
    let kind = |mutant: &Mutant, number| mutant.get(index(mutant, "text", number), 2) & 3;
    let number = body(&mutant, "text");
    let head = (number..).find(|it| kind(&mutant, *it) != 2).unwrap();
    let at = index(&mutant, "text", number);
    mutant.set(at + 6, 2, (head - number + 1) as u64);
    let broken = mutant.walk();
    let words = format!("logical cluster {head}: a cluster begins where a distance leads across");
    broken.fails("text", Corrupt, &[&words], index(&mutant, "text", head));
    broken.rest_as_before(&["text"]);
    // And back: the second behind a head says that its cluster is the one before.
    let mut mutant = seed(FULL).mutant();
    let is_second = |it: &usize| [0, 1, 2].map(|back| kind(&mutant, it - back)) == [2, 2, 1];
    let number = (head + 2..).find(is_second).unwrap();
    let at = index(&mutant, "text", number);
    mutant.set(at + 4, 2, 3);
    mutant.walk().rest_as_before(&["text"]);
    let words = format!(
        "logical cluster {}: a cluster begins where a distance leads across",
        number - 2
    );
    let (read, error) = read_file(&mutant.bytes, b"text");
    assert_eq!(read.len(), number * BLOCK);
    let at = index(&mutant, "text", number - 2);
    blames(&error.unwrap(), Corrupt, &[&words], at as u64);
}

#[test]
fn s10_cluster_begins_outside() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed(FULL).mutant();
    let at = index(&mutant, "text", 0);
    mutant.set(at + 2, 2, 4096);
    let broken = mutant.walk();
    let words = ["logical cluster 0: a cluster begins at its byte 4096"];
    broken.fails("text", Corrupt, &words, at);
    broken.rest_as_before(&["text"]);
}

#[test]
fn s10_cluster_past_the_device() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed(FULL).mutant();
    let at = index(&mutant, "text", 0);
    mutant.set(at + 4, 4, 0x7fff_fff0);
    let broken = mutant.walk();
    let words = ["bytes are past the end"];
    broken.fails("text", Corrupt, &words, 0x7fff_fff0 * BLOCK);
    broken.rest_as_before(&["text"]);
}

#[test]
fn s10_cluster_size() {
    need!(tool "mkfs.erofs");
    let counts = 1 << 11;
    // The index behind a head is to blame for what it does not say, and the head for what it is.
    for (blocks, kind, word, before) in [
        (0, Corrupt, "how many blocks", 0),
        (300, Unsupported, "a cluster of 1228800 bytes", 1),
        (2047, Unsupported, "a cluster of 8384512 bytes", 1),
    ] {
        let mut mutant = seed(FULL).mutant();
        let number = body(&mutant, "text");
        let at = index(&mutant, "text", number);
        assert_ne!(mutant.get(at + 4, 2) & counts, 0, "a count of blocks");
        mutant.set(at + 4, 2, counts | blocks);
        let broken = mutant.walk();
        let at = index(&mutant, "text", number - before);
        broken.fails("text", kind, &[word], at);
        broken.rest_as_before(&["text"]);
    }
}

#[test]
fn s10_unpacks_to_too_much() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed(FULL).mutant();
    // 2^31 bytes to a logical cluster: one cluster would be all of the file.
    let table = mutant.table("text");
    let bits = mutant.get(table + 7, 1);
    mutant.set(table + 7, 1, bits & !15 | 15);
    let inode = mutant.inode("text");
    mutant.set(inode + 8, 4, 0xffff_0000);
    let broken = mutant.walk();
    let words = ["logical cluster 0 unpacks to more than 12582912 bytes"];
    broken.fails("text", Unsupported, &words, index(&mutant, "text", 0));
    broken.rest_as_before(&["text"]);
}

/// To unpack LZMA takes long: it costs whoever asks first.
#[test]
fn s10_what_is_unpacked_costs_steps() {
    need!(tool "mkfs.erofs");
    if erofs::too_old().is_some() {
        return;
    }
    for (options, is_slow) in [("-zlzma -C16384", true), (PACKED, false)] {
        let filesystem = opened("erofs", &seed(options).bytes);
        let root = filesystem.root();
        let found = filesystem.lookup(&request(1000), root, b"text");
        let file = found.unwrap().expect("it is in the root");
        let read = |steps| filesystem.read(&request(steps), file, &mut [0; 1], 0);
        if is_slow {
            is_spent(&read(1000).unwrap_err());
            assert_eq!(read(1_000_000), Ok(1));
        }
        assert_eq!(read(1000), Ok(1), "{options}");
    }
}

#[test]
fn s10_clusters_of_garbage() {
    need!(tool "mkfs.erofs");
    for options in [
        FULL,
        PACKED,
        "-zlzma -C16384",
        "-zdeflate -C16384",
        "-zzstd -C16384",
    ] {
        if !options.contains("lz4") && erofs::too_old().is_some() {
            continue;
        }
        for fill in [0, 0xff, 0x5a] {
            let mut mutant = seed(options).mutant();
            // All blocks of data: behind the metadata nothing else is.
            let first = mutant.bytes.len() / BLOCK / 2 * BLOCK;
            mutant.bytes[first..].fill(fill);
            let broken = mutant.walk();
            assert!(broken.walk.refused.is_none(), "{options}");
            let names = ["text", "tail", "noise", "small", "attributed"];
            let errors = names.iter().filter_map(|path| broken.error(path));
            let errors: Vec<_> = errors.collect();
            assert!(!errors.is_empty(), "{options} {fill:#x}");
            for error in errors {
                // A cluster of 16 KiB at most, of which something was overwritten.
                let at = error.offset().expect("the cluster's byte") as usize;
                let is_hit = at.is_multiple_of(BLOCK) && at + (16 << 10) > first;
                assert!(is_hit && error.kind() == Corrupt, "{options}: {error}");
            }
        }
    }
}

#[test]
fn s10_lz4_distance() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed(FULL).mutant();
    let at = index(&mutant, "text", 0);
    let block = mutant.get(at + 4, 4) as usize * BLOCK;
    let start = block
        + mutant.bytes[block..]
            .iter()
            .position(|byte| *byte != 0)
            .unwrap();
    let literals = usize::from(mutant.bytes[start] >> 4);
    // Behind the first literals: farther back than there is anything.
    let at = match literals {
        15 => start + 2 + 15 + usize::from(mutant.bytes[start + 1]),
        short => start + 1 + short,
    };
    mutant.set(at, 2, 0xffff);
    let broken = mutant.walk();
    broken.fails("text", Corrupt, &["lz4: "], block);
    broken.rest_as_before(&["text", "tail"]);
}

#[test]
fn s10_algorithm_that_is_not_listed() {
    need!(tool "mkfs.erofs");
    for (algorithm, kind, words) in [
        (
            1,
            Corrupt,
            "a cluster by lzma, which the superblock does not list",
        ),
        (4, Unsupported, "compression algorithm 4"),
        (15, Unsupported, "compression algorithm 15"),
    ] {
        let mut mutant = seed(FULL).mutant();
        let table = mutant.table("text");
        mutant.set(table + 6, 1, algorithm);
        let broken = mutant.walk();
        broken.fails("text", kind, &[words], table);
        broken.rest_as_before(&["text"]);
    }
}

#[test]
fn s10_packed_indexes_of_anything() {
    need!(tool "mkfs.erofs");
    let table = seed(PACKED).mutant().table("text") + 8;
    for (fill, len) in [(0, 64), (0xff, 64), (0xaa, 64), (0x55, 64), (0x80, 100)] {
        let mut mutant = seed(PACKED).mutant();
        mutant.bytes[table..table + len].fill(fill);
        let broken = mutant.walk();
        let error = broken.error("text").expect("garbage");
        // An index that cannot be, or a cluster where one leads.
        let at = error.offset().expect("a place") as usize;
        let is_blamed = (table..table + len).contains(&at) || at.is_multiple_of(BLOCK);
        assert!(is_blamed && error.kind() == Corrupt, "{fill:#x}: {error}");
        broken.rest_as_before(&["text"]);
    }
}

/// The whole packed inode is a fragment: of itself.
#[test]
fn s10_fragment_in_itself() {
    need!(tool "mkfs.erofs");
    if let Some(reason) = erofs::too_old() {
        crate::support::skip::skip(module_path!(), &reason);
        return;
    }
    let mut mutant = seed("-zlz4hc -Eall-fragments").mutant();
    let packed = mutant.get(SUPERBLOCK + 96, 8);
    let inode = mutant.inode_at(packed);
    let table = mutant.behind(inode).next_multiple_of(8);
    mutant.set(table, 8, 1 << 63);
    let broken = mutant.walk();
    broken.fails("text", Corrupt, &["packed inode is in itself"], table);
    broken.rest_as_before(&["text", "tail", "noise", "small", "attributed", "folder"]);

    let mut mutant = seed("-zlz4hc -Eall-fragments").mutant();
    let table = mutant.table("text");
    mutant.set(table, 8, 1 << 63 | 1 << 40);
    let broken = mutant.walk();
    let words = ["the fragment at 1099511627776 is past the end"];
    broken.fails("text", Corrupt, &words, table);
    broken.rest_as_before(&["text"]);

    let mut mutant = seed("-zlz4hc -Eall-fragments").mutant();
    mutant.set(SUPERBLOCK + 96, 8, 0);
    let words = ["packed inode: the superblock names none"];
    mutant.walk().fails("text", Corrupt, &words, SUPERBLOCK);
}

/// A file that says other things of a cluster than its owner spoils it for nobody.
#[test]
fn s10_a_cluster_of_two_files() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed(FULL).mutant();
    let theirs = index(&mutant, "text", 0);
    let own = index(&mutant, "tail", 0);
    let block = mutant.get(theirs + 4, 4);
    mutant.set(own + 4, 4, block);
    let broken = mutant.walk();
    broken.rest_as_before(&["tail"]);
}

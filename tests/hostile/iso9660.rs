//! I01 to I09: discs that xorriso made, broken field by field.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use imgmount::error::{Error, Kind};
use imgmount::filesystem::FileType;

use super::walk::{Node, Seen, Walk, walk};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SECTOR: usize = 2048;

/// A disc with Rock Ridge, the same with Joliet alone, and where its directory records are.
struct Seed {
    bytes: Vec<u8>,
    /// By their plain names; the first of each.
    records: BTreeMap<Vec<u8>, usize>,
}

impl Seed {
    fn make(options: &str, fill: impl Fn(&Path)) -> Self {
        Self::made(Run::new("xorriso").words("-as mkisofs"), options, fill)
    }

    fn made(command: Run, options: &str, fill: impl Fn(&Path)) -> Self {
        let scratch = Scratch::new();
        let files = scratch.folder("files");
        fill(&files);
        let image: PathBuf = scratch.join("disc.iso");
        let command = command.words("-quiet -o").arg(&image);
        command.words(options).arg(&files).run();
        let bytes = std::fs::read(image).unwrap();
        let records = records(&bytes);
        Self { bytes, records }
    }

    fn at(&self, name: &str) -> usize {
        self.records[name.as_bytes()]
    }

    fn changed(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        assert!(bytes != self.bytes, "nothing is changed");
        bytes
    }
}

/// Where records begin: in sectors that begin with a directory's own.
fn records(bytes: &[u8]) -> BTreeMap<Vec<u8>, usize> {
    let mut found = BTreeMap::new();
    for start in (16 * SECTOR..bytes.len()).step_by(SECTOR) {
        let is_first = bytes[start] >= 34 && bytes[start + 32..][..2] == [1, 0];
        let mut at = start;
        while is_first && bytes[at] >= 34 {
            let name = bytes[at + 33..][..bytes[at + 32].into()].to_vec();
            found.entry(name).or_insert(at);
            at += usize::from(bytes[at]);
        }
    }
    found
}

fn fill(files: &Path) {
    std::fs::create_dir(files.join("dir")).unwrap();
    std::fs::create_dir(files.join("other")).unwrap();
    for (name, text) in [
        ("a", "aaa"),
        ("dir/one", "1"),
        ("dir/two", "22"),
        ("dir/zzz", "333"),
    ] {
        std::fs::write(files.join(name), text).unwrap();
    }
    std::fs::write(files.join("other/kept"), vec![7; 5000]).unwrap();
    std::os::unix::fs::symlink("dir/one", files.join("link")).unwrap();
}

fn rock_ridge() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| Seed::make("-R", fill))
}

fn joliet() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| Seed::made(Run::new("genisoimage"), "-J", fill))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// A number in both byte orders.
fn both(number: u32) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

/// What is broken in `bytes`: every other file is as in `seed`, and each of `paths` has an error of
/// the kind `Corrupt`.
fn fails(seed: &Seed, bytes: &[u8], paths: &[&str]) -> Walk {
    let walked = walk(bytes);
    assert!(walked.refused.is_none(), "{:?}", walked.refused);
    for path in paths {
        let error = walked.nodes[*path]
            .error()
            .unwrap_or_else(|| panic!("{path} is whole"));
        assert_eq!(error.kind(), Kind::Corrupt, "{path}: {error}");
        assert!(error.offset().is_some(), "{path}: {error}");
    }
    for (path, node) in &walk(&seed.bytes).nodes {
        let is_hit = paths
            .iter()
            .any(|hit| path == hit || path.starts_with(&format!("{hit}/")));
        if !is_hit {
            assert_eq!(content(&walked.nodes[path]), content(node), "{path}");
        }
    }
    walked
}

fn content(node: &Node) -> &Seen {
    &node.content
}

fn refused(bytes: &[u8]) -> Error {
    let walked = walk(bytes);
    let (error, has_raw) = walked.refused.expect("refused");
    assert!(has_raw, "no raw file");
    error
}

#[test]
fn i01_descriptors_without_a_primary_one_or_an_end() {
    need!(tool "xorriso");
    let mut many = vec![0; 16 * SECTOR];
    for _ in 0..100_000 {
        let mut descriptor = b"\x02CD001\x01".to_vec();
        descriptor.resize(SECTOR, 0);
        many.extend(descriptor);
    }
    let error = refused(&many);
    assert!(
        error.to_string().contains("no primary volume descriptor"),
        "{error}"
    );
    let seed = rock_ridge();
    let end = (17..32)
        .find(|sector| seed.bytes[sector * SECTOR] == 255)
        .unwrap();
    let bytes = seed.changed(|bytes| bytes[end * SECTOR] = 9);
    let walked = fails(seed, &bytes, &[]);
    assert!(
        walked.notices[0].contains("no end of the volume descriptors"),
        "{:?}",
        walked.notices
    );
}

#[test]
fn i01_block_sizes_and_halves_that_disagree() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    for size in [0_u16, 1, 4096, 0xffff] {
        let bytes = seed.changed(|bytes| put(bytes, 16 * SECTOR + 128, &size.to_le_bytes()));
        let error = refused(&bytes);
        let text = format!("logical block size {size}");
        assert!(error.to_string().contains(&text), "{error}");
    }
    let bytes = seed.changed(|bytes| put(bytes, 16 * SECTOR + 84, &[0xff; 4]));
    let walked = fails(seed, &bytes, &[]);
    assert!(
        walked.notices[0].contains("both byte orders"),
        "{:?}",
        walked.notices
    );
}

#[test]
fn i01_a_disc_cut_short_has_what_is_left() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let at = seed.at("KEPT.;1");
    let block = u32::from_le_bytes(seed.bytes[at + 2..][..4].try_into().unwrap()) as usize;
    let bytes = seed.bytes[..block * SECTOR + 3000].to_vec();
    let walked = walk(&bytes);
    let Seen::File(_, _, Some(error)) = &walked.nodes["other/kept"].content else {
        panic!("it is whole");
    };
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert_eq!(walked.nodes["dir"].error(), None);
    for cut in 0..block {
        let walked = walk(&seed.bytes[..cut * SECTOR]);
        assert!(walked.refused.is_some() || !walked.nodes.is_empty());
    }
}

#[test]
fn i02_record_lengths() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let two = seed.at("TWO.;1");
    for length in [1, 33, 38] {
        let bytes = seed.changed(|bytes| bytes[two] = length);
        let walked = fails(seed, &bytes, &["dir"]);
        assert!(
            walked.nodes.contains_key("dir/one"),
            "{length}: what is before it"
        );
        assert!(!walked.nodes.contains_key("dir/two"), "{length}");
    }
    // A zero ends the sector's records: what is behind it is not there, as for the kernel.
    let bytes = seed.changed(|bytes| bytes[two] = 0);
    let walked = walk(&bytes);
    assert!(walked.nodes.contains_key("dir/one") && !walked.nodes.contains_key("dir/two"));
}

#[test]
fn i02_a_record_over_the_end_of_its_sector_costs_none_of_the_next() {
    need!(tool "xorriso");
    let seed = Seed::make("-R", |files| {
        fill(files);
        for number in 0..60 {
            std::fs::write(files.join(format!("dir/file{number:02}")), "x").unwrap();
        }
    });
    let last = seed
        .records
        .values()
        .filter(|at| *at % SECTOR > SECTOR - 250);
    let last = *last.min().expect("a record near the end of a sector");
    let bytes = seed.changed(|bytes| bytes[last] = 0xff);
    let walked = fails(&seed, &bytes, &["dir"]);
    let count = |walk: &Walk| {
        walk.nodes
            .keys()
            .filter(|path| path.starts_with("dir/"))
            .count()
    };
    // It, and another one behind it at most.
    assert!(count(&walked) + 2 >= count(&walk(&seed.bytes)));
}

#[test]
fn i03_directories_in_themselves_and_in_their_parents_end() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let (dir, own) = (seed.at("DIR"), seed.at("OTHER"));
    let root = u32::from_le_bytes(seed.bytes[16 * SECTOR + 158..][..4].try_into().unwrap());
    for block in [root, 0, 0x7fff_ffff, 0xffff_ffff] {
        let bytes = seed.changed(|bytes| put(bytes, dir + 2, &both(block)));
        let walked = walk(&bytes);
        assert!(walked.refused.is_none());
        assert_eq!(walked.nodes["other/kept"].error(), None, "{block}");
        if block != root {
            let error = walked.nodes["dir"].error().expect("no directory is there");
            assert_eq!(error.kind(), Kind::Corrupt, "{error}");
        }
    }
    // One that says that its entries are the other's.
    let other: [u8; 8] = seed.bytes[own + 2..][..8].try_into().unwrap();
    let start = u32::from_le_bytes(seed.bytes[dir + 2..][..4].try_into().unwrap()) as usize;
    let bytes = seed.changed(|bytes| put(bytes, start * SECTOR + 2, &other));
    assert!(walk(&bytes).nodes.contains_key("dir/kept"));
}

/// The first System Use entry called `signature` of the record at `at`.
fn entry(bytes: &[u8], at: usize, signature: &[u8]) -> usize {
    let length = usize::from(bytes[at]);
    let found = bytes[at..at + length]
        .windows(2)
        .position(|two| two == signature);
    at + found.unwrap_or_else(|| panic!("no {}", String::from_utf8_lossy(signature)))
}

#[test]
fn i04_system_use_entries() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let at = seed.at("ONE.;1");
    for (signature, field, value) in [
        (&b"NM"[..], 2, 0xff),
        (b"NM", 2, 3),
        (b"PX", 2, 0),
        (b"PX", 2, 5),
        (b"TF", 4, 0xff),
        (b"TF", 2, 6),
    ] {
        let place = entry(&seed.bytes, at, signature);
        let bytes = seed.changed(|bytes| bytes[place + field] = value);
        let walked = walk(&bytes);
        // By its plain name where the other is lost; its bytes are there in any case.
        let one = walked.nodes.get("dir/one").expect("it is shown");
        assert_eq!(one.error(), None);
        assert!(matches!(&one.content, Seen::File(_, bytes, None) if bytes == b"1"));
        assert_eq!(walked.nodes["dir/two"].error(), None);
    }
    let link = seed.at("LINK.;1");
    let target = entry(&seed.bytes, link, b"SL");
    for (field, value) in [(6, 0xff), (5, 0x7e), (2, 0xff)] {
        let bytes = seed.changed(|bytes| bytes[target + field] = value);
        let walked = walk(&bytes);
        assert_eq!(walked.nodes["dir/one"].error(), None);
        assert!(walked.nodes.contains_key("link"));
    }
}

#[test]
fn i04_continuation_areas_in_a_circle_and_past_the_end() {
    need!(tool "xorriso");
    let long = "n".repeat(230);
    let seed = Seed::make("-R", |files| {
        fill(files);
        std::fs::write(files.join(&long), "long").unwrap();
    });
    let at = *seed
        .records
        .iter()
        .find(|(name, _)| name.starts_with(b"NNN"))
        .unwrap()
        .1;
    let place = entry(&seed.bytes, at, b"CE");
    let block = u32::from_le_bytes(seed.bytes[place + 4..][..4].try_into().unwrap());
    let offset = u32::from_le_bytes(seed.bytes[place + 12..][..4].try_into().unwrap());
    let area = block as usize * SECTOR + offset as usize;
    let circle = [b"CE\x1c\x01".to_vec(), both(block), both(offset), both(28)].concat();
    for (what, change) in [
        ("circle", (area, circle)),
        ("block", (place + 4, both(0xffff_fff0))),
        ("offset", (place + 12, both(2040))),
        ("length", (place + 20, both(0xffff_ffff))),
    ] {
        let bytes = seed.changed(|bytes| put(bytes, change.0, &change.1));
        let walked = walk(&bytes);
        assert!(walked.refused.is_none(), "{what}");
        assert_eq!(walked.nodes["other/kept"].error(), None, "{what}");
        let said = walked
            .notices
            .iter()
            .any(|notice| notice.contains("Rock Ridge: "));
        assert!(said, "{what}: {:?}", walked.notices);
    }
}

#[test]
fn i04_without_sp_or_er_entries_count_all_the_same() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let root = u32::from_le_bytes(seed.bytes[16 * SECTOR + 158..][..4].try_into().unwrap());
    let place = entry(&seed.bytes, root as usize * SECTOR, b"SP");
    let bytes = seed.changed(|bytes| put(bytes, place, b"XX"));
    fails(seed, &bytes, &[]);
}

#[test]
fn i05_relocated_directories_in_a_circle_end() {
    need!(tool "genisoimage");
    let deep = "1/2/3/4/5/6/7/8/9/10";
    let seed = Seed::made(Run::new("genisoimage"), "-R", |files| {
        std::fs::create_dir_all(files.join(deep)).unwrap();
        std::fs::write(files.join(deep).join("file"), "deep").unwrap();
        std::fs::write(files.join("kept"), "kept").unwrap();
    });
    let whole = walk(&seed.bytes);
    let file = &whole.nodes[&format!("{deep}/file")];
    assert!(matches!(&file.content, Seen::File(_, bytes, None) if bytes == b"deep"));
    let find = |name: &[u8]| {
        let found = (16 * SECTOR..seed.bytes.len() - 12)
            .find(|at| seed.bytes[*at..].starts_with(&[name, b"\x0c\x01"].concat()));
        found.expect("a relocated directory")
    };
    let root = u32::from_le_bytes(seed.bytes[16 * SECTOR + 158..][..4].try_into().unwrap());
    let (child, parent) = (find(b"CL"), find(b"PL"));
    let own = (child / SECTOR) as u32;
    for (place, block) in [
        (child, root),
        (child, own),
        (child, 0xffff_ffff),
        (parent, own),
        (parent, 0),
    ] {
        let mut bytes = seed.bytes.clone();
        put(&mut bytes, place + 4, &both(block));
        let walked = walk(&bytes);
        assert!(walked.refused.is_none());
        assert_eq!(walked.nodes["kept"].error(), None);
    }
}

#[test]
fn i06_joliet_names_of_odd_length_and_with_slashes() {
    need!(tool "genisoimage");
    let seed = joliet();
    let name: Vec<u8> = "a".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = seed.at(std::str::from_utf8(&name).unwrap());
    let bytes = seed.changed(|bytes| bytes[at + 34] = b'/');
    let walked = walk(&bytes);
    assert!(walked.nodes.contains_key("\\\\x2f"), "the one escape");
    let one: Vec<u8> = "one".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = seed.records[&one];
    let bytes = seed.changed(|bytes| bytes[at + 32] = 5);
    let walked = walk(&bytes);
    assert!(
        walked.nodes.contains_key("dir/on"),
        "{:?}",
        walked.nodes.keys()
    );
    assert_eq!(walked.nodes["dir/two"].error(), None);
}

#[test]
fn i07_a_file_of_a_hundred_thousand_sections() {
    need!(tool "xorriso");
    let seed = Seed::make("-iso-level 3", fill);
    let at = seed.at("A.;1");
    let record = seed.bytes[at..at + usize::from(seed.bytes[at])].to_vec();
    let block = (seed.bytes.len() / SECTOR) as u32;
    let mut bytes = seed.bytes.clone();
    let dot = seed.at("\0");
    let mut directory = Vec::new();
    let mut add = |record: &[u8]| {
        let left = SECTOR - directory.len() % SECTOR;
        if left < record.len() {
            directory.resize(directory.len() + left, 0);
        }
        directory.extend(record);
    };
    let mut own = seed.bytes[dot..dot + usize::from(seed.bytes[dot])].to_vec();
    put(&mut own, 2, &both(block));
    add(&own);
    for number in 0..100_000 {
        let mut section = record.clone();
        section[25] = if number == 99_999 { 0 } else { 0x80 };
        add(&section);
    }
    directory.resize(directory.len().next_multiple_of(SECTOR), 0);
    let size = u32::try_from(directory.len()).unwrap();
    put(&mut directory, 10, &both(size));
    bytes.extend(directory);
    put(&mut bytes, 16 * SECTOR + 158, &both(block));
    let walked = walk(&bytes);
    let file = &walked.nodes["a"];
    assert_eq!(file.error(), None);
    assert_eq!(file.attributes.as_ref().unwrap().size, 300_000);
    let Seen::File(_, content, None) = &file.content else {
        panic!("{:?}", file.error());
    };
    assert!(content.iter().all(|byte| *byte == b'a'));
}

#[test]
fn i07_interleaved_files() {
    need!(tool "xorriso");
    let seed = rock_ridge();
    let at = seed.at("KEPT.;1");
    let bytes = seed.changed(|bytes| put(bytes, at + 26, &[1, 1]));
    let walked = walk(&bytes);
    let Seen::File(_, content, error) = &walked.nodes["other/kept"].content else {
        panic!("no file");
    };
    // Two of its sectors follow one another on this disc: of those one and a half are zeros.
    assert!(error.is_some() || content[..SECTOR] == [7; SECTOR]);
    let bytes = seed.changed(|bytes| put(bytes, at + 26, &[0, 1]));
    fails(seed, &bytes, &["other/kept"]);
}

#[test]
fn i08_boot_catalogues_of_garbage_are_ignored() {
    need!(tool "xorriso");
    let seed = Seed::make("-R -b a -no-emul-boot", fill);
    let sector = u32::from_le_bytes(seed.bytes[17 * SECTOR + 71..][..4].try_into().unwrap());
    let place = sector as usize * SECTOR;
    for value in [0, 0xee, 0xff, 0x90] {
        let bytes = seed.changed(|bytes| bytes[place..place + SECTOR].fill(value));
        let walked = walk(&bytes);
        assert!(walked.refused.is_none());
        assert!(!walked.nodes.keys().any(|path| path.starts_with("boot/")));
        let keeps = |path: &str| walked.nodes[path].attributes.as_ref().unwrap().kind;
        assert_eq!(keeps("dir/one"), FileType::Regular);
    }
    for place in [17 * SECTOR + 71, place + 40] {
        let bytes = seed.changed(|bytes| put(bytes, place, &[0xff; 4]));
        assert!(walk(&bytes).nodes.contains_key("dir/one"));
    }
}

#[test]
fn i09_compressed_blocks() {
    need!(tool "xorriso");
    let scratch = Scratch::new();
    let file = scratch.join("file");
    let text: Vec<u8> = (0..60_000_u32)
        .flat_map(|it| (it / 7).to_le_bytes())
        .collect();
    std::fs::write(&file, &text).unwrap();
    let image = scratch.join("disc.iso");
    let xorriso = Run::new("xorriso").arg("-outdev").arg(&image);
    let xorriso = xorriso.arg("-map").arg(&file).arg("/packed");
    let xorriso = xorriso.arg("-map").arg(&file).arg("/plain");
    xorriso
        .words("-set_filter --zisofs /packed -- -commit -end")
        .run();
    let bytes = std::fs::read(&image).unwrap();
    let magic = [0x37, 0xe4, 0x53, 0x96, 0xc9, 0xdb, 0xd6, 0x07];
    let header = bytes.windows(8).position(|it| it == magic).unwrap();
    let seed = Seed {
        records: records(&bytes),
        bytes,
    };
    let whole = walk(&seed.bytes);
    assert_eq!(whole.nodes["packed"].content, whole.nodes["plain"].content);
    let table = header + 16;
    for (place, value) in [
        (table, 0xffff_fff0_u32),
        (table + 4, 0),
        (table + 4, 0xffff_ffff),
        (table + 8, 1),
    ] {
        let bytes = seed.changed(|bytes| put(bytes, place, &value.to_le_bytes()));
        fails(&seed, &bytes, &["packed"]);
    }
    // Blocks of garbage, and of other sizes than writers make.
    let bytes = seed.changed(|bytes| bytes[table + 100..table + 200].fill(0xee));
    fails(&seed, &bytes, &["packed"]);
    let at = seed.at("PACKED.;1");
    let entry = entry(&seed.bytes, at, b"ZF");
    for bits in [0, 11, 21, 63, 255] {
        let bytes = seed.changed(|bytes| bytes[entry + 7] = bits);
        fails(&seed, &bytes, &["packed"]);
    }
    let bytes = seed.changed(|bytes| put(bytes, entry + 8, &both(0xffff_ffff)));
    let walked = walk(&bytes);
    assert_eq!(walked.nodes["plain"].error(), None);
}

//! How much memory and time the worst inputs take, measured in a process of its own: the test runs
//! itself again with `IMGMOUNT_HOSTILE_CHILD` set, and judges what that process says of itself.

use std::sync::Arc;
use std::time::Instant;

use imgmount::error::Result;
use imgmount::format::Options;
use imgmount::source::{Extent, ExtentKind, Memory, SharedSource, Source, check_range};

use super::ext::journal::{Journal, Log};
use super::ext::seeds;
use super::ext::{Image, Object};
use super::walk::walk_source;

const CHILD: &str = "IMGMOUNT_HOSTILE_CHILD";
const SELF: &str = "hostile::memory::worst_inputs_stay_small";
/// What one image may add to what this program holds already, of the contract's 256 MiB.
const MOST_KIB: u64 = 96 << 10;
/// Seconds for opening and walking one image, in a debug build on a busy machine.
const MOST_SECONDS: u64 = 25;

/// Bytes, and zeros behind them up to a size that no memory has.
struct Sparse {
    bytes: Vec<u8>,
    size: u64,
}

impl Source for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        buf.fill(0);
        if let Some(rest) = self.bytes.get(offset as usize..) {
            let len = rest.len().min(buf.len());
            buf[..len].copy_from_slice(&rest[..len]);
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        let len = imgmount::filesystem::length_to(offset, self.size)?;
        Ok(Extent {
            kind: ExtentKind::Data,
            len,
        })
    }
}

/// Makes an image; one at a time, so that the others do not count.
type Make = Box<dyn Fn() -> SharedSource>;

fn in_memory(change: impl Fn(&mut Image) + 'static, image: &'static Image) -> Make {
    Box::new(move || {
        let mut mutant = image.clone();
        change(&mut mutant);
        assert!(mutant.bytes != image.bytes);
        Arc::new(Memory(mutant.bytes))
    })
}

/// 1 TiB in groups of `per_group` blocks, an inode or a few for each.
fn groups_without_number(per_group: u64) -> Arc<Sparse> {
    let mut image = seeds::large_blocks().mutant();
    let superblock = Object::Superblock;
    let features = image.superblock("s_feature_ro_compat");
    let blocks = (1 << 40) / 4096;
    let inodes = image.superblock("s_inodes_per_group");
    let groups = blocks / per_group;
    image.set_raw(superblock, "s_feature_ro_compat", features & !0x410);
    image.set_raw(superblock, "s_blocks_per_group", per_group);
    image.set_raw(superblock, "s_clusters_per_group", per_group);
    image.set_raw(superblock, "s_blocks_count_lo", blocks);
    // As few as fill a block; as many groups as 32 bits of inodes allow.
    image.write(1024 + 0x28, 4, 16.min(inodes));
    image.set_raw(superblock, "s_inodes_count", groups * 16);
    Arc::new(Sparse {
        bytes: image.bytes,
        size: 1 << 40,
    })
}

/// A directory of half a million blocks that are all the same one.
fn endless_directory(image: &mut Image) {
    let ino = image.ino("links");
    for (block, next) in [(5060, 5061), (5061, 5062), (5062, 5050)] {
        for i in 0..256 {
            let at = image.block_offset(block) + i * 4;
            image.write(at, 4, next);
        }
    }
    let inode = Object::Inode(ino);
    image.set(inode, "i_block[14]", 5060);
    image.set(inode, "i_size_lo", 0x8000_0000);
}

fn cases() -> Vec<(&'static str, Make)> {
    let (modern, indirect) = (&seeds::modern().image, &seeds::indirect().image);
    let (inline, journaled) = (&seeds::inline().image, &seeds::journaled().image);
    let huge = |path: &'static str| {
        move |image: &mut Image| {
            let inode = Object::Inode(image.ino(path));
            image.set(inode, "i_size_lo", 0xffff_ffff);
            image.set(inode, "i_size_high", 0x7fff_ffff);
        }
    };
    let groups = |per_group| Box::new(move || groups_without_number(per_group) as SharedSource);
    let long_log =
        |image: &mut Image| _ = Journal(image).set(Log::Superblock, "s_maxlen", 0xffff_ffff);
    let long_file = |image: &mut Image| {
        image.set(Object::Inode(8), "i_size_lo", 0xffff_ffff);
        image.set(Object::Inode(8), "ee_len", 0x7fff);
    };
    vec![
        ("a file of 2^63 bytes", in_memory(huge("hello.txt"), modern)),
        (
            "a deep file of 2^63 bytes",
            in_memory(huge("deep.bin"), modern),
        ),
        (
            "a block-mapped file of 2^63 bytes",
            in_memory(huge("triple.bin"), indirect),
        ),
        (
            "an inline file of 2^63 bytes",
            in_memory(huge("hello.txt"), inline),
        ),
        ("a directory of 2^63 bytes", in_memory(huge("dir"), modern)),
        ("a hash tree of 2^63 bytes", in_memory(huge("many"), modern)),
        (
            "an inline directory of 2^63 bytes",
            in_memory(huge("dir"), inline),
        ),
        (
            "a link of 2^63 bytes",
            in_memory(huge("links/slow"), modern),
        ),
        (
            "an endless directory",
            in_memory(endless_directory, indirect),
        ),
        ("a long log", in_memory(long_log, journaled)),
        ("a long log in a long file", in_memory(long_file, journaled)),
        ("groups of 8 blocks", groups(8)),
        ("groups of 256 blocks", groups(256)),
        ("groups of 4096 blocks", groups(4096)),
    ]
}

/// The peak of resident memory since it was last forgotten, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .expect("VmHWM");
    line.split_ascii_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number")
}

#[test]
fn worst_inputs_stay_small() {
    if std::env::var_os(CHILD).is_some() {
        for (name, make) in cases() {
            let source = make();
            std::fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
            let before = peak();
            let start = Instant::now();
            let walk = walk_source(source, &Options::default());
            let (seconds, nodes) = (start.elapsed().as_secs(), walk.nodes.len());
            println!("CASE\t{name}\t{}\t{seconds}\t{nodes}", peak() - before);
        }
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("this program"));
    child
        .args(["--exact", SELF, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1");
    let output = child.output().expect("started");
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{said}", output.status);
    let lines = text
        .lines()
        .filter_map(|line| Some(line.split_once("CASE\t")?.1));
    let lines: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    assert!(lines.len() > 10, "{text}");
    for line in lines {
        let number = |index: usize| line[index].parse::<u64>().expect("a number");
        assert!(number(1) < MOST_KIB, "{line:?}: name, KiB, seconds, files");
        assert!(
            number(2) < MOST_SECONDS,
            "{line:?}: name, KiB, seconds, files"
        );
    }
}

//! Images by mkfs.erofs to break, and ways into their structures.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use imgmount::error::{Error, Kind};

use crate::hostile::expect::blames;
use crate::hostile::walk::{Node, Seen, Walk, walk};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// The byte that the superblock begins at.
pub const SUPERBLOCK: usize = 1024;
/// The size of blocks.
pub const BLOCK: usize = 4096;

/// An image, and what is in it.
pub struct Seed {
    pub bytes: Vec<u8>,
    walked: Walk,
}

/// The image that mkfs.erofs makes with `options`: made once.
pub fn seed(options: &'static str) -> &'static Seed {
    static SEEDS: LazyLock<Mutex<BTreeMap<&str, &'static Seed>>> = LazyLock::new(Mutex::default);
    let mut seeds = SEEDS.lock().unwrap();
    seeds
        .entry(options)
        .or_insert_with(|| Box::leak(Box::new(Seed::new(options))))
}

impl Seed {
    fn new(options: &str) -> Self {
        let scratch = Scratch::new();
        let image = scratch.join("image");
        let source = scratch.folder("source");
        fill(&source);
        let mkfs = Run::new("mkfs.erofs").words("--quiet -T 1700000000");
        mkfs.words(options).arg(&image).arg(&source).run();
        let bytes = std::fs::read(&image).unwrap();
        let walked = walk(&bytes);
        assert!(walked.refused.is_none(), "{options}");
        for (path, node) in &walked.nodes {
            assert_eq!(node.error(), None, "{options}: {path}");
        }
        Self { bytes, walked }
    }

    /// A copy to break.
    pub fn mutant(&'static self) -> Mutant {
        Mutant {
            seed: self,
            bytes: self.bytes.clone(),
        }
    }

    /// What was seen at `path`.
    pub fn node(&self, path: &str) -> &Node {
        &self.walked.nodes[path]
    }
}

fn fill(source: &Path) {
    let write = |name: &str, bytes: &[u8]| std::fs::write(source.join(name), bytes).unwrap();
    let line = |number: usize| format!("line {number} of a file that compresses: {}\n", number * 7);
    let text: String = (0..6000).map(line).collect();
    write("small", b"a few bytes in the inode");
    write("text", text.as_bytes());
    write("tail", &text.as_bytes()[..70_001]);
    let noise = (0..20_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8);
    write("noise", &noise.collect::<Vec<u8>>());
    let folder = source.join("folder");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..10 {
        std::fs::write(folder.join(format!("file-{number}")), line(number)).unwrap();
    }
    std::os::unix::fs::symlink("folder/file-1", source.join("link")).unwrap();
    let attributed = source.join("attributed");
    std::fs::write(&attributed, b"has attributes").unwrap();
    for name in ["user.one", "user.two"] {
        let flags = rustix::fs::XattrFlags::empty();
        // Where the host has none, their test says so.
        let _ = rustix::fs::setxattr(&attributed, name, b"value", flags);
    }
}

/// A copy of a seed.
pub struct Mutant {
    seed: &'static Seed,
    pub bytes: Vec<u8>,
}

impl Mutant {
    /// The byte that the inode of `path` begins at.
    pub fn inode(&self, path: &str) -> usize {
        let attributes = self.seed.node(path).attributes.as_ref().unwrap();
        self.inode_at(attributes.ino)
    }

    /// The byte that inode `nid` begins at.
    pub fn inode_at(&self, nid: u64) -> usize {
        self.meta() + usize::try_from(nid).unwrap() * 32
    }

    /// The byte from which inodes are counted.
    pub fn meta(&self) -> usize {
        self.get(SUPERBLOCK + 40, 4) as usize * BLOCK
    }

    /// The byte behind the inode at `inode` and its attributes.
    pub fn behind(&self, inode: usize) -> usize {
        let len = if self.get(inode, 2) & 1 == 1 { 64 } else { 32 };
        let xattrs = match self.get(inode + 2, 2) {
            0 => 0,
            count => 12 + (count as usize - 1) * 4,
        };
        inode + len + xattrs
    }

    /// The table of the compressed file `path`: its header.
    pub fn table(&self, path: &str) -> usize {
        self.behind(self.inode(path)).next_multiple_of(8)
    }

    /// The block of entries of the directory `path`, which is small enough to lie behind its inode.
    pub fn entries(&self, path: &str) -> usize {
        self.behind(self.inode(path))
    }

    /// `len` bytes at `at` as a number.
    pub fn get(&self, at: usize, len: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&self.bytes[at..at + len]);
        u64::from_le_bytes(bytes)
    }

    /// Writes the low `len` bytes of `value` to `at`.
    pub fn set(&mut self, at: usize, len: usize, value: u64) -> &mut Self {
        self.bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
        self
    }

    /// What is seen of it, the superblock's checksum made right again.
    pub fn walk(&mut self) -> Broken {
        seal(&mut self.bytes);
        self.walk_as_it_is()
    }

    /// What is seen of it.
    pub fn walk_as_it_is(&self) -> Broken {
        assert!(self.bytes != self.seed.bytes, "the mutant is its seed");
        Broken {
            seed: self.seed,
            walk: walk(&self.bytes),
        }
    }
}

/// Makes the superblock's checksum right.
pub fn seal(bytes: &mut [u8]) {
    let field = SUPERBLOCK + 4..SUPERBLOCK + 8;
    bytes[field.clone()].fill(0);
    let sum = !crc32c::crc32c(&bytes[SUPERBLOCK..BLOCK]);
    bytes[field].copy_from_slice(&sum.to_le_bytes());
}

/// The walk of a mutant.
pub struct Broken {
    seed: &'static Seed,
    pub walk: Walk,
}

impl Broken {
    /// **R**: refused with an error of `kind` at byte `at` whose text holds all of `words`.
    pub fn refused(&self, kind: Kind, words: &[&str], at: usize) {
        let Some((error, raw)) = &self.walk.refused else {
            panic!("not refused: {words:?}");
        };
        blames(error, kind, words, at as u64);
        assert!(raw, "the raw bytes are there: {error}");
    }

    /// **F**: `path` gives an error of `kind` at byte `at` whose text holds all of `words`.
    pub fn fails(&self, path: &str, kind: Kind, words: &[&str], at: usize) -> &Self {
        let error = self.error(path);
        let error = error.unwrap_or_else(|| panic!("{path} does not fail: {words:?}"));
        blames(error, kind, words, at as u64);
        self
    }

    /// The error at `path`, if there is one.
    pub fn error(&self, path: &str) -> Option<&Error> {
        if let Some((error, _)) = &self.walk.refused {
            panic!("refused: {error}");
        }
        self.walk.nodes[path].error()
    }

    /// Every file but those of `hit` (and what lies below them) reads as in the seed.
    pub fn rest_as_before(&self, hit: &[&str]) -> &Self {
        let spared = |path: &str| {
            let below = |hit: &&str| path == *hit || path.starts_with(&format!("{hit}/"));
            !hit.iter().any(below)
        };
        for (path, old) in &self.seed.walked.nodes {
            if spared(path) {
                let new = &self.walk.nodes[path];
                assert!(old == new, "{path:?}: was {old:?}, is {new:?}");
            }
        }
        self
    }

    /// The bytes that were read of the file `path`.
    pub fn bytes(&self, path: &str) -> &[u8] {
        match &self.walk.nodes[path].content {
            Seen::File(_, bytes, _) => bytes,
            other => panic!("{path}: {other:?}"),
        }
    }
}

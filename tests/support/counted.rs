//! An image that keeps a record of what is read of it, below the cache.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use imgmount::cache::Cache;
use imgmount::error::Result;
use imgmount::filesystem::{FileSystem, FileType, Inode, Request};
use imgmount::format::Context;
use imgmount::source::cached::Cached;
use imgmount::source::file::File;
use imgmount::source::{Extent, Source};
use imgmount::stack::Stack;
use imgmount::tree::{self, Tree};

/// The cache's block: the least that is read.
pub const BLOCK: u64 = 16 << 10;
pub const MIB: u64 = 1 << 20;

/// An image that keeps a record of what is read of it.
struct Counted {
    file: File,
    reads: Mutex<Vec<Range<u64>>>,
    /// What the host was told that it will be read.
    told: Mutex<Vec<Range<u64>>>,
    /// Reads of what it was not told.
    untold: AtomicUsize,
}

impl Source for Counted {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let range = offset..offset + buf.len() as u64;
        let is_told = |told: &Range<u64>| told.start <= range.start && range.end <= told.end;
        if !self.told.lock().unwrap().iter().any(is_told) {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
        self.reads.lock().unwrap().push(range);
        self.file.read_exact_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.file.extent_at(offset)
    }

    fn soon(&self, offset: u64, len: u64) {
        self.told.lock().unwrap().push(offset..offset + len);
    }
}

/// An open image, and the record of its reads.
pub struct Opened {
    counted: Arc<Counted>,
    pub tree: Tree,
    /// What opening it read.
    pub opening: Vec<Range<u64>>,
}

impl Opened {
    pub fn new(image: &Path) -> Self {
        Self::with(image, imgmount::format::Options::default())
    }

    /// The same as the user of `options` sees it.
    pub fn with(image: &Path, options: imgmount::format::Options) -> Self {
        let file = File::new(std::fs::File::open(image).unwrap()).unwrap();
        // With room, so that keeping the record allocates nothing while allocations are counted.
        let reads = Mutex::new(Vec::with_capacity(1 << 16));
        let counted = Arc::new(Counted {
            file,
            reads,
            told: Mutex::default(),
            untold: AtomicUsize::new(0),
        });
        let cache = Cache::new(64 * MIB);
        let context = Context {
            options,
            ..Context::new(cache.clone())
        };
        let source = Arc::new(Cached::over_file(counted.clone(), cache));
        let stack = Arc::new(Stack::open(source, &context).unwrap());
        let tree = Tree::compose(stack, &tree::Options::default()).unwrap();
        let mut opened = Self {
            counted,
            tree,
            opening: Vec::new(),
        };
        opened.opening = opened.take();
        opened
    }

    /// What was read since the last call.
    pub fn take(&self) -> Vec<Range<u64>> {
        self.counted.reads.lock().unwrap().drain(..).collect()
    }

    /// How many reads there were of what the host was not told before.
    pub fn untold(&self) -> usize {
        self.counted.untold.load(Ordering::Relaxed)
    }

    pub fn find(&self, path: &str) -> Inode {
        self.tree
            .resolve(&request(), path.as_bytes(), true)
            .unwrap()
    }

    /// All bytes of a file, read as the kernel does it: 128 KiB at a time.
    pub fn read(&self, file: Inode) -> Vec<u8> {
        let size = self.tree.attributes(&request(), file).unwrap().size;
        let mut bytes = vec![0; usize::try_from(size).unwrap()];
        let pieces = bytes.chunks_mut(128 << 10);
        for (index, piece) in pieces.enumerate() {
            let offset = (index as u64) << 17;
            let got = self.tree.read(&request(), file, piece, offset).unwrap();
            assert_eq!(got, piece.len());
        }
        bytes
    }

    /// Lists everything with its attributes, as find(1) with `-size` does; gives the number of
    /// files.
    pub fn find_all(&self) -> usize {
        let mut left = vec![self.tree.root()];
        let mut count = 1;
        while let Some(folder) = left.pop() {
            let known = left.len();
            let mut each = |entry: imgmount::filesystem::Entry<'_>, _: Option<&_>| {
                if entry.name != b"." && entry.name != b".." {
                    count += 1;
                    if entry.kind == Some(FileType::Directory) {
                        left.push(entry.inode);
                    }
                }
                true
            };

            self.tree
                .read_dir_plus(&request(), folder, 0, &mut each)
                .unwrap();
            // As a mount does once it has answered.
            let new = left.iter().skip(known);
            new.for_each(|folder| self.tree.ahead(&request(), *folder));
        }
        count
    }

    /// The names in a directory, with their attributes.
    pub fn list(&self, folder: Inode) -> BTreeSet<Vec<u8>> {
        let mut names = BTreeSet::new();
        let mut each = |entry: imgmount::filesystem::Entry<'_>, attributes: Option<&_>| {
            assert!(attributes.is_some());
            names.insert(entry.name.to_vec());
            true
        };
        self.tree
            .read_dir_plus(&request(), folder, 0, &mut each)
            .unwrap();
        names
    }
}

pub fn request() -> Request {
    Request::new(0)
}

pub fn bytes_of(reads: &[Range<u64>]) -> u64 {
    reads.iter().map(|read| read.end - read.start).sum()
}

/// How many of the cache's blocks were read; fails where one was read twice.
pub fn blocks_of(reads: &[Range<u64>]) -> u64 {
    let mut seen = BTreeSet::new();
    for read in reads {
        let blocks = read.start / BLOCK..read.end.div_ceil(BLOCK);
        assert!(blocks.clone().all(|block| seen.insert(block)), "{reads:?}");
    }
    seen.len() as u64
}

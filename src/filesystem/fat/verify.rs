//! Checks what no walk over the files sees: copies of the FAT that differ, clusters in the chains of
//! two files, chains longer than their files, and clusters in use that no file has.

use super::boot_sector::Root;
use super::core::Core;
use super::directory::{Directory, Found, ROOT};
use crate::error::{Error, Result, printable};
use crate::filesystem::chain::{FIRST, Run, Window};
use crate::filesystem::{Request, Trail};
use crate::number::to_usize;
use crate::source::zeroed;

/// Findings about files, at most; of the others there is one for each copy, and one.
const MOST_FINDINGS: u32 = 100;

/// Bytes of the copies that are compared at a time.
const PIECE: u64 = 64 << 10;

/// Gives `each` what is wrong. Ends early once the request's budget is spent.
pub(super) fn verify(core: &Core, request: &Request, each: &mut dyn FnMut(Error)) {
    let copies = match core.geometry.active {
        None => 1..core.geometry.fats,
        Some(_) => 0..0,
    };
    for copy in copies {
        if let Err(error) = compare(core, request, copy) {
            each(error);
        }
    }
    let mut walk = match Walk::new(core, request, each) {
        Ok(walk) => walk,
        Err(error) => return each(error),
    };
    let result = walk.files().and_then(|()| walk.lost());
    if let Err(error) = result {
        each(error);
    }
}

/// Whether the copy number `copy` is the same as the first.
fn compare(core: &Core, request: &Request, copy: u8) -> Result<()> {
    let geometry = &core.geometry;
    let [first, other] = [0, copy].map(|copy| geometry.fat_copy(copy));
    let (mut at, mut sectors, mut place) = (0, 0_u64, None);
    while at < geometry.fat_size {
        request.spend(1)?;
        let len = geometry.fat_size.saturating_sub(at).min(PIECE);
        let [mine, its] =
            [first, other].map(|start| core.read(start.saturating_add(at), to_usize(len)));
        let (mine, its) = (mine?, its?);
        let pairs = mine.chunks(512).zip(its.chunks(512));
        for ((mine, its), sector) in pairs.zip(0_u64..) {
            if mine != its {
                sectors = sectors.saturating_add(1);
                let start = other.saturating_add(at);
                place.get_or_insert(start.saturating_add(sector.saturating_mul(512)));
            }
        }
        at = at.saturating_add(len);
    }
    let Some(place) = place else {
        return Ok(());
    };
    let text = format!("copy {copy} of the FAT is not the first: {sectors} pieces of 512 bytes");
    Err(Error::corrupt(text).at(place))
}

/// A walk over all directories.
struct Walk<'a> {
    core: &'a Core,
    request: &'a Request,
    each: &'a mut dyn FnMut(Error),
    /// A bit for each cluster that a file has.
    taken: Vec<u8>,
    findings: u32,
    /// The path of what is looked at: one for all, since those of all directories of a deep tree
    /// would take memory by the square of its depth.
    trail: Trail,
}

/// Directories to look into: name and first cluster.
type Below = Vec<(Vec<u8>, u32)>;

impl<'a> Walk<'a> {
    fn new(core: &'a Core, request: &'a Request, each: &'a mut dyn FnMut(Error)) -> Result<Self> {
        let clusters = u64::from(core.geometry.clusters);
        Ok(Self {
            core,
            request,
            each,
            taken: zeroed(to_usize(clusters.div_ceil(8)))?,
            findings: 0,
            trail: Trail::at(b"/"),
        })
    }

    /// Looks at every file.
    fn files(&mut self) -> Result<()> {
        let root = self.core.geometry.root;
        if let Root::Cluster(cluster) = root {
            self.chain(cluster, None)?;
        }
        let mut frames = vec![self.directory(root)?];
        while let Some((mark, below)) = frames.last_mut() {
            self.trail.back(*mark);
            let Some((name, cluster)) = below.pop() else {
                frames.pop();
                continue;
            };
            self.trail.push(&name);
            frames.push(self.directory(Root::Cluster(cluster))?);
        }
        Ok(())
    }

    /// Looks at the files of the directory at `place`, which the trail leads to; gives its mark, and
    /// the directories in it. What cannot be read of it the walk over the files has told.
    fn directory(&mut self, place: Root) -> Result<(usize, Below)> {
        let directory = Directory {
            core: self.core,
            request: self.request,
            inode: ROOT,
            place,
        };
        let mut files = Vec::new();
        let _ = directory.files(0, &mut |file| {
            files.push(file);
            true
        });
        let (mark, mut below) = (self.trail.mark(), Below::new());
        for file in files {
            let name = file.name(self.core);
            self.trail.back(mark);
            self.trail.push(&name);
            if let Some(cluster) = self.file(&file)? {
                below.push((name, cluster));
            }
        }
        Ok((mark, below))
    }

    /// Looks at the file at the trail's end; gives the first cluster of a directory that is to be
    /// looked into.
    fn file(&mut self, file: &Found) -> Result<Option<u32>> {
        let first = file.entry.first_cluster(&self.core.geometry);
        if !file.entry.is_directory() {
            if first != 0 {
                self.chain(first, Some(file.entry.size()))?;
            }
            return Ok(None);
        }
        let Ok(cluster) = file.entry.directory_cluster(&self.core.geometry) else {
            return Ok(None);
        };
        // One that is known already is looked into once.
        let is_new = !self.is_taken(cluster);
        self.chain(cluster, None)?;
        Ok(is_new.then_some(cluster))
    }

    /// Takes the clusters of the chain from `first` on, of a file of `size` bytes.
    fn chain(&mut self, first: u32, size: Option<u64>) -> Result<()> {
        let core = self.core;
        let mut clusters = 0_u32;
        loop {
            let run = core
                .chains
                .run_at(self.request, &core.table(), first, clusters);
            let run = match run {
                Ok(Some(run)) => run,
                Ok(None) => break,
                // Where the file ends before, nobody else has seen it.
                Err(error) => {
                    self.request.spend(1)?;
                    return self.find(error);
                }
            };
            if let Some(cluster) = self.take(run) {
                let text = format!("cluster {cluster} is another file's too");
                let place = crate::filesystem::chain::Table::place(&core.table(), cluster);
                return self.find(Error::corrupt(text).at(place));
            }
            clusters = clusters.saturating_add(run.count);
        }
        let needed = size.map(|size| size.div_ceil(core.geometry.cluster_size().max(1)));
        match needed.filter(|needed| *needed < clusters.into()) {
            None => Ok(()),
            Some(needed) => {
                let text = format!("{clusters} clusters are in its chain, and {needed} in use");
                self.find(Error::corrupt(text))
            }
        }
    }

    /// Marks the clusters of `run`; gives the first that is marked already.
    fn take(&mut self, run: Run) -> Option<u32> {
        let end = run.cluster.saturating_add(run.count);
        let mut twice = None;
        for cluster in run.cluster..end {
            let (byte, bit) = bit(cluster);
            let Some(byte) = self.taken.get_mut(byte) else {
                continue;
            };
            if *byte & bit != 0 {
                twice.get_or_insert(cluster);
            }
            *byte |= bit;
        }
        twice
    }

    fn is_taken(&self, cluster: u32) -> bool {
        let (byte, bit) = bit(cluster);
        self.taken.get(byte).is_some_and(|byte| byte & bit != 0)
    }

    /// Clusters whose entry says that they are in use, and that nobody has.
    fn lost(&mut self) -> Result<()> {
        let geometry = &self.core.geometry;
        let (table, mut window) = (self.core.table(), Window::default());
        let (mut first, mut count) = (None, 0_u64);
        for cluster in FIRST..geometry.clusters.saturating_add(FIRST) {
            let value = table.value(self.request, &mut window, cluster)?;
            let is_used = value != 0 && value != geometry.width.bad();
            if is_used && !self.is_taken(cluster) {
                first.get_or_insert(cluster);
                count = count.saturating_add(1);
            }
        }
        if let Some(first) = first {
            let text = format!("{count} clusters are in use and no file's, the first is {first}");
            let place = crate::filesystem::chain::Table::place(&table, first);
            (self.each)(Error::corrupt(text).at(place));
        }
        Ok(())
    }

    /// Reports what is wrong with the file at the trail's end, unless too much is.
    fn find(&mut self, error: Error) -> Result<()> {
        self.findings = self.findings.saturating_add(1);
        if self.findings > MOST_FINDINGS {
            let text = format!("more than {MOST_FINDINGS} files are damaged: the rest is left out");
            return Err(Error::corrupt(text));
        }
        (self.each)(error.context(printable(self.trail.path())));
        Ok(())
    }
}

fn bit(cluster: u32) -> (usize, u8) {
    let index = u64::from(cluster.saturating_sub(FIRST));
    (
        to_usize(index / 8),
        1_u8.wrapping_shl(cluster.wrapping_sub(FIRST) % 8),
    )
}

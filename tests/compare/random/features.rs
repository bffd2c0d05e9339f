//! Random features of a file system: arguments of mke2fs, mount options, and what tune2fs changes
//! at the end.

use std::fmt;
use std::fs::File;
use std::path::Path;

use super::Run;
use crate::hostile::flips::Numbers;

/// Features that mke2fs can give or leave out with hardly a condition.
const TOGGLES: [&str; 24] = [
    "inline_data",
    "ea_inode",
    "flex_bg",
    "64bit",
    "metadata_csum",
    "metadata_csum_seed",
    "uninit_bg",
    "sparse_super",
    "sparse_super2",
    "extent",
    "dir_index",
    "filetype",
    "large_dir",
    "fast_commit",
    "orphan_file",
    "huge_file",
    "dir_nlink",
    "stable_inodes",
    "verity",
    "encrypt",
    "extra_isize",
    "large_file",
    "resize_inode",
    "ext_attr",
];

/// One file system to be made.
pub struct Features {
    /// Bytes.
    pub size: u64,
    /// Blocks that are made, fewer than there is room for where it grows later.
    blocks: Option<u64>,
    mke2fs: Vec<String>,
    /// Options of the mount that writes.
    pub mount: String,
    pub has_journal: bool,
}

impl Features {
    /// Makes one in `image`, of features that mke2fs takes.
    pub fn made(numbers: &mut Numbers, image: &Path) -> Self {
        loop {
            let features = Self::random(numbers);
            File::create(image).unwrap().set_len(features.size).unwrap();
            if features.make(image) {
                return features;
            }
        }
    }

    fn random(numbers: &mut Numbers) -> Self {
        let size = [8 << 20, 16 << 20, 48 << 20, 100 << 20][numbers.below(4)];
        let mut mke2fs = Vec::new();
        let mut say = |words: &str| mke2fs.extend(words.split(' ').map(str::to_owned));
        let kind = ["ext4", "ext4", "ext4", "ext4", "ext3", "ext2"][numbers.below(6)];
        say(&format!("-t {kind}"));
        let block = [1024, 2048, 4096][numbers.below(3)];
        say(&format!("-b {block}"));
        match numbers.below(16) {
            0 if kind == "ext2" => say("-r 0"),
            1 if kind != "ext4" => say("-o hurd"),
            _ => {}
        }
        let inode = [128, 256, 256, 256, 512, 1024, 2048][numbers.below(7)].min(block);
        say(&format!("-I {inode}"));
        let mut features = toggles(numbers);
        let mut extended = vec![format!("lazy_itable_init={}", numbers.below(2))];
        let without_journal = kind == "ext2" || numbers.below(12) == 0;
        if without_journal && kind != "ext2" {
            features.push("^has_journal".to_owned());
            features.retain(|name| name != "fast_commit");
        }
        if numbers.below(5) == 0 && kind == "ext4" {
            features.push("bigalloc".to_owned());
            say(&format!("-C {}", block << (1 + numbers.below(5))));
        }
        if numbers.below(5) == 0 {
            features.push("meta_bg".to_owned());
            features.push("^resize_inode".to_owned());
        }
        if numbers.below(3) == 0 {
            say(&format!(
                "-g {}",
                [256, 512, 1024, 2048, 8192][numbers.below(5)]
            ));
        }
        if numbers.below(4) == 0 {
            say(&format!("-N {}", [200, 500, 3000][numbers.below(3)]));
        }
        if numbers.below(8) == 0 {
            say(&format!("-G {}", 1 << numbers.below(6)));
        }
        if !without_journal {
            say(&format!(
                "-J size={}",
                [1, 2, 4, 8][numbers.below(4)].max(block / 1024)
            ));
        }
        if numbers.below(8) == 0 {
            extended.push("packed_meta_blocks=1".to_owned());
        }
        if numbers.below(8) == 0 {
            extended.push("root_owner=70000:80000".to_owned());
        }
        if numbers.below(20) == 0 {
            extended.push("mmp_update_interval=1".to_owned());
            features.push("mmp".to_owned());
        }
        complete(&mut features);
        if !features.is_empty() {
            say(&format!("-O {}", features.join(",")));
        }
        say(&format!("-E {}", extended.join(",")));
        let part = [100, 100, 100, 40, 70][numbers.below(5)];
        Self {
            size,
            blocks: (part < 100).then_some(size / block as u64 * part / 100),
            mke2fs,
            mount: mount_options(numbers, without_journal, kind),
            has_journal: !without_journal,
        }
    }

    /// Makes it in `image`, unless mke2fs refuses the combination.
    fn make(&self, image: &Path) -> bool {
        let mke2fs = Run::new("mke2fs").words("-q -F").args(&self.mke2fs);
        let blocks = self.blocks.iter().map(u64::to_string);
        mke2fs.arg(image).args(blocks).output().status.success()
    }

    /// Lets e2fsprogs change the file system in `image` in random ways, as far as it can, and mend
    /// what it left to be mended; gives the commands.
    pub fn change(numbers: &mut Numbers, image: &Path, size: u64) -> String {
        let changes = changes(numbers);
        for change in &changes {
            let (program, words) = change.split_once(' ').unwrap_or((change, ""));
            let run = Run::new(program).words(words).arg(image);
            let _ = match program {
                "resize2fs" if words.is_empty() => {
                    let blocks = (size >> 10) * (60 + numbers.below(100) as u64) / 100;
                    run.arg(format!("{blocks}K")).output()
                }
                _ => run.output(),
            };
            let _ = Run::new("e2fsck").words("-fy").arg(image).output();
        }
        changes.join(", ")
    }
}

/// Some features, given or taken away.
fn toggles(numbers: &mut Numbers) -> Vec<String> {
    let how_many = numbers.below(7);
    let mut names: Vec<&str> = (0..how_many)
        .map(|_| TOGGLES[numbers.below(TOGGLES.len())])
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut toggle = |name: &&str| match numbers.below(3) {
        0 => format!("^{name}"),
        _ => (*name).to_owned(),
    };
    names.iter().map(&mut toggle).collect()
}

/// Adds what the features in `names` cannot be without.
fn complete(names: &mut Vec<String>) {
    let pairs = [
        ("metadata_csum_seed", "metadata_csum"),
        ("^extent", "^64bit"),
        ("^sparse_super", "^resize_inode"),
        ("sparse_super2", "^resize_inode"),
        ("uninit_bg", "^metadata_csum"),
    ];
    for (name, needs) in pairs {
        if names.iter().any(|other| other == name) {
            names.push(needs.to_owned());
        }
    }
}

fn mount_options(numbers: &mut Numbers, without_journal: bool, kind: &str) -> String {
    let journalling = [
        "data=ordered",
        "data=journal",
        "data=writeback",
        "data=ordered,journal_checksum",
        "data=writeback,journal_async_commit",
        "commit=1",
    ];
    let more = [
        "",
        ",nodelalloc",
        ",dioread_lock",
        ",nouid32",
        ",auto_da_alloc",
        ",lazytime",
    ];
    let mut options = "rw".to_owned();
    if !without_journal {
        options += ",";
        options += journalling[numbers.below(if kind == "ext4" { 6 } else { 3 })];
    }
    options + more[numbers.below(more.len())]
}

/// What is done to a file system that is not mounted, as its programs are called.
fn changes(numbers: &mut Numbers) -> Vec<&'static str> {
    const CHANGES: [&str; 24] = [
        "tune2fs -O ^metadata_csum",
        "tune2fs -O metadata_csum",
        "tune2fs -O ^uninit_bg",
        "tune2fs -O metadata_csum_seed",
        "tune2fs -U random",
        "tune2fs -I 512",
        "tune2fs -O project",
        "tune2fs -O ^has_journal",
        "tune2fs -O has_journal -J size=4",
        "tune2fs -O ^dir_index",
        "tune2fs -O quota",
        "tune2fs -O ^64bit",
        "tune2fs -O ea_inode,large_dir",
        "tune2fs -E hash_alg=tea",
        "tune2fs -E hash_alg=legacy",
        "tune2fs -O extent",
        "tune2fs -O orphan_file",
        "tune2fs -O ^orphan_file",
        "e2fsck -fyD",
        "e2fsck -fy -E bmap2extents",
        "resize2fs -M",
        "resize2fs -b",
        "resize2fs -s",
        "resize2fs",
    ];
    let count = [0, 0, 1, 1, 2, 4][numbers.below(6)];
    (0..count)
        .map(|_| CHANGES[numbers.below(CHANGES.len())])
        .collect()
}

impl fmt::Display for Features {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.mke2fs.join(" ");
        let size = self.size >> 20;
        write!(
            formatter,
            "mke2fs {made} [{size} MiB], mount -o {}",
            self.mount
        )
    }
}

//! The sound images that the cases start from, made by mke2fs and debugfs once per process. What is
//! in them is known from outside: `contents` is what was given to mke2fs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::Image;
use crate::support::command::Run;

/// A sound image and the contents of its regular files by path.
pub struct Seed {
    pub name: &'static str,
    pub image: Image,
    pub contents: BTreeMap<String, Vec<u8>>,
}

const EXT4: &str = "ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,\
    huge_file,dir_nlink,extra_isize,metadata_csum";
const SMALL: [&str; 6] = ["-b", "1024", "-g", "2048", "-N", "48"];

/// ext4 with every checksum, 1 KiB blocks, three groups: extents of depth 0, 1 and 2, a hash tree
/// directory, attributes in the inode and in a block, devices.
pub fn modern() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        let features = only(EXT4);
        let arguments = [&["-O", &features, "-I", "256"], &SMALL[..]].concat();
        Recipe {
            name: "modern",
            arguments: &arguments,
            blocks: "6144",
            names: 60,
        }
        .make()
    })
}

/// The same features with 4 KiB blocks.
pub fn large_blocks() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        let arguments = ["-O", &only(EXT4), "-I", "256", "-b", "4096", "-N", "48"];
        Recipe {
            name: "large_blocks",
            arguments: &arguments,
            blocks: "1024",
            names: 60,
        }
        .make()
    })
}

/// ext2 as it was: block pointers, 128-byte inodes, no checksums; a file with triple indirection.
pub fn indirect() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        let features = only("ext_attr,dir_index,filetype,sparse_super,large_file");
        let arguments = [&["-O", &features, "-I", "128"], &SMALL[..]].concat();
        Recipe {
            name: "indirect",
            arguments: &arguments,
            blocks: "6144",
            names: 60,
        }
        .make()
    })
}

/// Inline files and directories, and an attribute in an inode of its own.
pub fn inline() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        let features = only(&format!("{EXT4},inline_data,ea_inode"));
        let arguments = [&["-O", &features, "-I", "256"], &SMALL[..]].concat();
        Recipe {
            name: "inline",
            arguments: &arguments,
            blocks: "6144",
            names: 60,
        }
        .make()
    })
}

/// A hash tree of two levels.
pub fn tall() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        let features = only(EXT4);
        let arguments = [&["-O", &features, "-I", "256"], &SMALL[..]].concat();
        Recipe {
            name: "tall",
            arguments: &arguments,
            blocks: "6144",
            names: 600,
        }
        .make()
    })
}

/// A journal in need of replay, checksums v3, of three transactions: the content of `hello.txt` (log
/// blocks 1 to 3), the second block of `plain.bin` (4 to 6), and the revocation of that (7, 8).
pub fn journaled() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        let features = only(&format!("{EXT4},has_journal"));
        let arguments = [&["-O", &features, "-I", "256", "-J", "size=1"], &SMALL[..]].concat();
        let recipe = Recipe {
            name: "journaled",
            arguments: &arguments,
            blocks: "8192",
            names: 60,
        };
        let mut seed = recipe.make();
        let hello = seed.image.nth_block(seed.image.ino("hello.txt"), 0);
        let plain = seed.image.nth_block(seed.image.ino("plain.bin"), 1);
        let page = vec![b'J'; 1024];
        let script =
            format!("jo -c -v 3\njw -b {hello} page\njw -b {plain} page\njw -r {plain}\njc\n");
        seed.image = debugfs(&seed.image, &script, &[("page", &page)]);
        seed.contents
            .insert("hello.txt".to_owned(), page[..13].to_vec());
        seed
    })
}

/// A clean journal and a file of orphans.
pub fn orphans() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        let features = only(&format!("{EXT4},has_journal,orphan_file"));
        let arguments = [&["-O", &features, "-I", "256", "-J", "size=1"], &SMALL[..]].concat();
        let recipe = Recipe {
            name: "orphans",
            arguments: &arguments,
            blocks: "8192",
            names: 60,
        };
        recipe.make()
    })
}

/// Groups as mke2fs lays them out, so that copies of the superblock lie where they are looked for.
pub fn whole_groups() -> &'static Seed {
    static SEED: OnceLock<Seed> = OnceLock::new();
    SEED.get_or_init(|| {
        let features = only(EXT4);
        let arguments = ["-O", &features, "-I", "256", "-b", "1024", "-N", "48"];
        let recipe = Recipe {
            name: "whole_groups",
            arguments: &arguments,
            blocks: "10240",
            names: 60,
        };
        recipe.make()
    })
}

/// All of them.
pub fn all() -> [&'static Seed; 8] {
    [
        modern(),
        large_blocks(),
        indirect(),
        inline(),
        tall(),
        journaled(),
        orphans(),
        whole_groups(),
    ]
}

struct Recipe<'a> {
    name: &'static str,
    arguments: &'a [&'a str],
    blocks: &'a str,
    /// How many names the directory `many` has.
    names: usize,
}

impl Recipe<'_> {
    fn make(&self) -> Seed {
        let work = tempfile::tempdir().expect("a temporary directory");
        let tree = work.path().join("tree");
        let contents = self.write_tree(&tree);
        let image = work.path().join("image");
        let image = image.to_str().expect("UTF-8");
        let mut mke2fs = tool("mke2fs");
        mke2fs.args(["-q", "-F", "-U", "01234567-89ab-cdef-0123-456789abcdef"]);
        mke2fs.args(["-E", "hash_seed=01234567-89ab-cdef-0123-456789abcdef"]);
        mke2fs.args(self.arguments).arg("-d").arg(&tree);
        run(mke2fs.args([image, self.blocks]), &[0]);
        let bytes = fs::read(image).expect("the image");
        let value = pattern(600, 9);
        let script = "ea_set xattr.txt user.small value\nea_set -f value xattr.txt user.big\n\
            mknod block b 8 1\nmknod char c 1 3\nmknod fifo p\n";
        let image = debugfs(&Image::new(bytes), script, &[("value", &value)]);
        let image = if self.name == "inline" {
            debugfs(
                &image,
                "ea_set -f value hello.txt user.huge\n",
                &[("value", &pattern(1024, 5))],
            )
        } else {
            image
        };
        Seed {
            name: self.name,
            image: e2fsck_optimise(&image),
            contents,
        }
    }

    fn write_tree(&self, tree: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut contents = BTreeMap::new();
        for directory in ["dir/sub", "links", "many", "empty"] {
            fs::create_dir_all(tree.join(directory)).expect("a directory");
        }
        let block = if self.name == "large_blocks" {
            4096
        } else {
            1024
        };
        let comb = |teeth: usize| -> Vec<(usize, Vec<u8>)> {
            (0..teeth)
                .map(|i| (i * 2 * block, pattern(block, i)))
                .collect()
        };
        let mut write = |path: &str, pieces: &[(usize, Vec<u8>)]| {
            use std::os::unix::fs::FileExt;
            let file = fs::File::create(tree.join(path)).expect("a file");
            let mut whole = Vec::new();
            for (at, piece) in pieces {
                file.write_all_at(piece, *at as u64).expect("written");
                whole.resize(whole.len().max(at + piece.len()), 0);
                whole[*at..at + piece.len()].copy_from_slice(piece);
            }
            contents.insert(path.to_owned(), whole);
        };
        write("hello.txt", &[(0, b"Hello, image\n".to_vec())]);
        write("plain.bin", &[(0, pattern(20_603, 1))]);
        write("comb.bin", &comb(60));
        write("xattr.txt", &[(0, b"x\n".to_vec())]);
        write("dir/sub/leaf.txt", &[(0, b"leaf\n".to_vec())]);
        write("many/000", &[(0, b"one of many\n".to_vec())]);
        match self.name {
            "indirect" => {
                let at = [0, 20, 300, 66_000];
                let pieces = at.map(|block| (block * 1024, pattern(1024, block)));
                write("triple.bin", &pieces);
            }
            "modern" => write("deep.bin", &comb(400)),
            _ => {}
        }
        for i in 1..self.names {
            let name = format!("many/{i:03}-{}", "n".repeat(230));
            fs::hard_link(tree.join("many/000"), tree.join(&name)).expect("a hard link");
            contents.insert(name, b"one of many\n".to_vec());
        }
        std::os::unix::fs::symlink("../hello.txt", tree.join("links/fast")).expect("a link");
        let slow = format!("/{}", "t".repeat(200));
        std::os::unix::fs::symlink(slow, tree.join("links/slow")).expect("a link");
        contents
    }
}

/// `len` bytes, none of them zero, that depend on `salt`.
pub fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len)
        .map(|i| ((i * 7 + salt + (i >> 8)) % 251 + 1) as u8)
        .collect()
}

fn only(features: &str) -> String {
    format!("none,{features}")
}

/// A program of e2fsprogs with its clock stopped.
pub fn tool(name: &str) -> Command {
    let run = Run::new(name).env("E2FSPROGS_FAKE_TIME", "1700000000");
    run.env("MKE2FS_DETERMINISTIC", "1").command()
}

/// Runs `command`, whose exit code must be among `codes`; its output.
pub fn run(command: &mut Command, codes: &[i32]) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let code = output.status.code().unwrap_or(-1);
    assert!(codes.contains(&code), "{command:?}: {code}: {text}");
    text
}

/// `image` after the debugfs commands of `script`; `files` lie beside it under their names.
pub fn debugfs(image: &Image, script: &str, files: &[(&str, &[u8])]) -> Image {
    let work = tempfile::tempdir().expect("a temporary directory");
    for (name, bytes) in files {
        fs::write(work.path().join(name), bytes).expect("written");
    }
    fs::write(work.path().join("script"), script).expect("written");
    fs::write(work.path().join("image"), &image.bytes).expect("written");
    let mut command = tool("debugfs");
    command
        .current_dir(work.path())
        .args(["-w", "-f", "script", "image"]);
    run(&mut command, &[0]);
    Image::new(fs::read(work.path().join("image")).expect("read"))
}

/// What e2fsck finds in `image` without changing it: exit code and output.
pub fn e2fsck(image: &Image, arguments: &[&str]) -> (i32, String, Image) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), &image.bytes).expect("written");
    let output = tool("e2fsck")
        .args(arguments)
        .arg(file.path())
        .output()
        .expect("e2fsck");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = Image::new(fs::read(file.path()).expect("read"));
    (output.status.code().unwrap_or(-1), text, after)
}

fn e2fsck_optimise(image: &Image) -> Image {
    let (code, text, after) = e2fsck(image, &["-f", "-y", "-D"]);
    assert!(code <= 1, "e2fsck -D: {code}: {text}");
    let (code, text, _) = e2fsck(&after, &["-f", "-n"]);
    assert_eq!(code, 0, "the seed is sound: {text}");
    after
}

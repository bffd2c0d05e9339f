//! Images: the collected ones of `../shared/images`, unpacked, and scratch space for our own.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};

use super::command::Run;

/// The folder of collected images: `IMGMOUNT_IMAGES`, else `../shared/images`.
pub fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/images"));
    let folder = std::env::var_os("IMGMOUNT_IMAGES").map_or_else(beside, PathBuf::from);
    folder.join("manifest-a.tsv").is_file().then_some(folder)
}

/// The collected image `path` (as in the manifests, with its packing's ending), unpacked sparsely
/// into `scratch`. The file there is named without the ending.
pub fn unpack(path: &str, scratch: &Scratch) -> PathBuf {
    let packed = folder().expect("the caller needs images").join(path);
    let name = packed.file_name().unwrap().to_str().unwrap().to_owned();
    let (stem, program) = match name.rsplit_once('.') {
        Some((stem, "zst")) => (stem, Some("zstd -dcq --long=27")),
        Some((stem, "xz")) => (stem, Some("xz -dcq")),
        _ => (name.as_str(), None),
    };
    let target = scratch.join(stem);
    match program {
        None => copy_sparse(&mut std::fs::File::open(&packed).unwrap(), &target),
        Some(line) => {
            let (program, arguments) = line.split_once(' ').unwrap();
            let mut command = Run::new(program).words(arguments).arg(&packed).command();
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            copy_sparse(&mut child.stdout.take().unwrap(), &target);
            assert!(child.wait().unwrap().success(), "{program} {path}");
        }
    }
    target
}

/// Copies `from` into the new file `to`, leaving blocks of zeros out.
pub fn copy_sparse(from: &mut dyn Read, to: &Path) {
    let mut target = std::fs::File::create(to).unwrap();
    let mut block = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        let got = fill(from, &mut block);
        if got == 0 {
            break;
        }
        if block[..got].iter().any(|byte| *byte != 0) {
            target.seek(SeekFrom::Start(size)).unwrap();
            target.write_all(&block[..got]).unwrap();
        }
        size += got as u64;
    }
    target.set_len(size).unwrap();
}

/// A sparse copy of the file `from` at `to`, holes skipped where the file system tells them.
pub fn copy(from: &Path, to: &Path) {
    Run::new("cp")
        .args(["--sparse=always", "--reflink=auto"])
        .arg(from)
        .arg(to)
        .run();
}

fn fill(from: &mut dyn Read, block: &mut [u8]) -> usize {
    let mut got = 0;
    while got < block.len() {
        match from.read(&mut block[got..]).unwrap() {
            0 => break,
            more => got += more,
        }
    }
    got
}

/// The SHA-256 of a file's bytes, in hex.
pub fn sha256(path: &Path) -> String {
    let mut file = std::fs::File::open(path).unwrap();
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let got = fill(&mut file, &mut block);
        if got == 0 {
            return hex(&hash.finalize());
        }
        hash.update(&block[..got]);
    }
}

/// The SHA-256 of bytes, in hex.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A directory that goes away with the test. Everybody may enter it: commands run as other users
/// work in it.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("imgmount-test-")
            .tempdir()
            .unwrap();
        let everybody = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), everybody).unwrap();
        Self(folder)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A new directory in it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// A new directory in it that belongs to the user of [`super::command::Run::by_nobody`]. Needs
    /// root.
    pub fn folder_of_nobody(&self, name: &str) -> PathBuf {
        let path = self.folder(name);
        let nobody = Some(super::command::NOBODY);
        std::os::unix::fs::chown(&path, nobody, nobody).unwrap();
        path
    }

    /// A new sparse file of `size` bytes in it.
    pub fn file(&self, name: &str, size: u64) -> PathBuf {
        let path = self.join(name);
        std::fs::File::create(&path).unwrap().set_len(size).unwrap();
        path
    }
}

//! The programs that make seeds, and what is to be said of those that are not there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// What was left out, and why.
static SKIPPED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes that `what` is left out; it is counted and printed with the table.
pub fn skip(what: &str, why: &str) {
    let line = format!("{what}: {why}");
    if skipped_lines().insert(line.clone()) {
        eprintln!("lab: skipped: {line}");
    }
}

/// Everything that was left out.
pub fn skipped() -> Vec<String> {
    skipped_lines().iter().cloned().collect()
}

fn skipped_lines() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    let lines = SKIPPED.lock();
    lines.unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A folder that goes away, in which seeds are made.
pub struct Workshop {
    /// What is skipped, where a step fails.
    what: String,
    folder: tempfile::TempDir,
}

impl Workshop {
    /// A new one for what is called `what`: `ext: inline data`.
    pub fn new(what: &str) -> Option<Self> {
        match tempfile::Builder::new().prefix("imgmount-lab-").tempdir() {
            Ok(folder) => Some(Self {
                what: what.to_owned(),
                folder,
            }),
            Err(error) => {
                skip(what, &format!("no folder to work in: {error}"));
                None
            }
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, its folders too.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Option<PathBuf> {
        let path = self.path(name);
        let made = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, bytes));
        self.or_skip(made.map(|()| path).map_err(|error| error.to_string()))
    }

    /// Makes a file of `size` zeros.
    pub fn zeros(&self, name: &str, size: u64) -> Option<PathBuf> {
        let path = self.path(name);
        let made = std::fs::File::create(&path).and_then(|file| file.set_len(size));
        self.or_skip(made.map(|()| path).map_err(|error| error.to_string()))
    }

    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let read = std::fs::read(self.path(name));
        self.or_skip(read.map_err(|error| format!("{name}: {error}")))
    }

    /// Runs `line`, its words separated by spaces, in the folder. What it prints is given back.
    pub fn run(&self, line: &str) -> Option<Vec<u8>> {
        self.run_with(line, b"")
    }

    /// The same with `input` on its standard input.
    pub fn run_with(&self, line: &str, input: &[u8]) -> Option<Vec<u8>> {
        self.or_skip(output(self.folder.path(), line, input))
    }

    fn or_skip<T>(&self, result: Result<T, String>) -> Option<T> {
        result.map_err(|error| skip(&self.what, &error)).ok()
    }
}

/// What `line` prints, run in `folder` with `input`.
fn output(folder: &Path, line: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(folder)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        // The same in every run, where a program heeds it.
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("E2FSPROGS_FAKE_TIME", "1700000000")
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{program} is not installed"),
        _ => format!("{program}: {error}"),
    })?;
    // A program that does not read all of it says itself why.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = std::io::Write::write_all(&mut stdin, input);
    }
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default().to_owned();
    Err(format!("{line}: {}: {last}", output.status))
}

/// The collected image `path` of the folder `images`, unpacked; `None` where it is not there.
pub fn collected(images: Option<&Path>, path: &str) -> Option<Vec<u8>> {
    let Some(packed) = images.map(|images| images.join(path)) else {
        skip(path, "no folder of collected images was named");
        return None;
    };
    let shown = packed.display();
    let line = match packed.extension().and_then(|ending| ending.to_str()) {
        Some("zst") => format!("zstd -dcq --long=27 {shown}"),
        Some("xz") => format!("xz -dcq {shown}"),
        Some("bz2") => format!("bzip2 -dcq {shown}"),
        _ => format!("cat {shown}"),
    };
    let unpacked = output(Path::new("/"), &line, b"");
    unpacked.map_err(|error| skip(path, &error)).ok()
}

/// A small ext4 with a few files, for what holds file systems: `size` bytes of it.
pub fn inner(what: &str, size: u64) -> Option<Vec<u8>> {
    let workshop = Workshop::new(what)?;
    for (name, bytes) in inner_files() {
        workshop.write(&format!("files/{name}"), &bytes)?;
    }
    workshop.zeros("inner", size)?;
    workshop.run(
        "mke2fs -q -t ext4 -b 1024 -I 256 -N 32 -m 0 -O ^has_journal,^resize_inode \
         -U 3e3f6d2a-8b1c-4d5e-9f00-112233445566 \
         -E hash_seed=3e3f6d2a-8b1c-4d5e-9f00-112233445567,root_owner=0:0,lazy_itable_init=0 \
         -d files inner",
    )?;
    workshop.read("inner")
}

/// Files of several sizes, in two folders.
pub fn inner_files() -> Vec<(&'static str, Vec<u8>)> {
    let noise = |size: u64, step: u64| {
        let byte = |at: u64| (at.wrapping_mul(step) >> 3) as u8;
        (0..size).map(byte).collect::<Vec<u8>>()
    };
    vec![
        ("a.txt", b"a short file\n".to_vec()),
        ("empty", Vec::new()),
        ("folder/b.bin", noise(20_000, 0x9e37_79b9)),
        ("folder/c.txt", b"another\n".repeat(300)),
        ("folder/deeper/d.bin", noise(70_000, 0x85eb_ca6b)),
    ]
}

/// The [`inner`] file system in an image that qemu-img makes of it.
pub fn converted(what: &str, format: &str, options: &str) -> Option<Vec<u8>> {
    let inner = inner(what, 256 << 10)?;
    let workshop = Workshop::new(what)?;
    workshop.write("raw", &inner)?;
    workshop.run(&format!(
        "qemu-img convert -f raw -O {format} {options} raw image"
    ))?;
    workshop.read("image")
}

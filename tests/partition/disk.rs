//! Disks made by the tools, what imgmount sees in them, and changes to their tables.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use imgmount::cache::Cache;
use imgmount::format::{Context, Options, Partition};
use imgmount::source::{Memory, SharedSource};
use imgmount::stack::{Content, Node, Stack};

use crate::support::command::{self, Run};
use crate::support::images::Scratch;

pub const MIB: u64 = 1 << 20;

/// A context with `options`, for opening what is in memory.
pub fn context(options: Options) -> Context {
    Context {
        options,
        ..Context::new(Cache::new(1 << 20))
    }
}

/// What is in `bytes`, and the notices.
pub fn open(bytes: Vec<u8>) -> (Stack, Vec<String>) {
    open_as(bytes, None)
}

/// [`open`] with `--format`.
pub fn open_as(bytes: Vec<u8>, format: Option<&str>) -> (Stack, Vec<String>) {
    let (stack, notices) = try_open(bytes, format);
    (stack.unwrap_or_else(|error| panic!("{error}")), notices)
}

/// [`open_as`], where the image may be refused.
pub fn try_open(
    bytes: Vec<u8>,
    format: Option<&str>,
) -> (imgmount::error::Result<Stack>, Vec<String>) {
    let context = context(Options {
        format: format.map(str::to_owned),
        ..Options::default()
    });
    let source: SharedSource = Arc::new(Memory(bytes));
    let stack = Stack::open(source, &context);
    (stack, context.notices.all())
}

/// The table of the disk: its format and partitions.
pub fn table(stack: &Stack) -> (&'static str, &[Node]) {
    match &stack.disks[0].content {
        Content::Table {
            format, children, ..
        } => (format, children),
        other => panic!("no table: {}", kind(other)),
    }
}

/// The partition of `node`.
pub fn partition(node: &Node) -> &Partition {
    node.partition.as_ref().expect("a partition")
}

/// A line about `content` for messages and comparisons.
pub fn kind(content: &Content) -> String {
    match content {
        Content::FileSystem { format, .. } => format!("file system {format}"),
        Content::Table { format, .. } => format!("table {format}"),
        Content::Member { format, .. } => format!("member {format}"),
        Content::Recognised { name, .. } => format!("recognised {name}"),
        Content::Damaged { error, .. } => format!("damaged {error}"),
        Content::Locked { error, .. } => format!("locked {error}"),
        Content::Unknown { what, .. } => format!("unknown {what}"),
    }
}

/// Everything about a table that must not change: name, place, type, identity and content.
pub fn lines(stack: &Stack) -> Vec<String> {
    let line = |node: &&Node| {
        let readable = node.source.as_ref().map(|source| source.size());
        let (place, of_table) = (node.location, &node.partition);
        format!(
            "{} {place:?} {of_table:?} {readable:?} {}",
            node.name,
            kind(&node.content)
        )
    };
    stack.nodes().iter().skip(1).map(line).collect()
}

/// A disk of `size` bytes that sfdisk made by `script`.
pub fn sfdisk(scratch: &Scratch, size: u64, script: &str) -> PathBuf {
    let path = scratch.file("disk", size);
    feed(&["sfdisk", "-q", "--no-tell-kernel"], &path, script);
    path
}

/// A disk of `size` bytes with sectors of 4096 bytes that fdisk made by `commands`.
pub fn fdisk_4096(scratch: &Scratch, size: u64, commands: &str) -> PathBuf {
    let path = scratch.file("disk", size);
    feed(&["fdisk", "-b", "4096"], &path, commands);
    path
}

/// Runs `line` on the disk at `path` with `input`.
fn feed(line: &[&str], path: &Path, input: &str) {
    use std::io::Write;
    let program = command::find(line[0]).expect("the caller needs it");
    let mut child = Command::new(program)
        .args(&line[1..])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "{line:?}");
}

/// A GPT disk of 8 MiB with three partitions, made by sgdisk.
pub fn gpt(scratch: &Scratch) -> Vec<u8> {
    let path = scratch.file("gpt", 8 * MIB);
    Run::new("sgdisk")
        .words("-o -n 1:2048:4095 -c 1:one -t 1:ef00 -n 2:4096:8191 -c 2:two -n 3:8192:12287")
        .arg(&path)
        .run();
    std::fs::read(path).unwrap()
}

/// `disk` with `change` made to it, which must change something.
pub fn changed(disk: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut copy = disk.to_vec();
    change(&mut copy);
    assert_ne!(copy, disk, "the change changed nothing");
    copy
}

/// Writes `value` into the GPT header at `header` and makes both checksums right.
pub fn put_header(disk: &mut [u8], header: usize, at: usize, value: &[u8]) {
    disk[header + at..header + at + value.len()].copy_from_slice(value);
    seal(disk, header);
}

/// Writes `value` into entry `index` of the header at `header` and makes both checksums right.
pub fn put_entry(disk: &mut [u8], header: usize, index: usize, at: usize, value: &[u8]) {
    let start = entries(disk, header) + index * 128 + at;
    disk[start..start + value.len()].copy_from_slice(value);
    seal(disk, header);
}

/// Where the entries of the header at `header` lie.
pub fn entries(disk: &[u8], header: usize) -> usize {
    512 * usize::try_from(number(disk, header + 72, 8)).unwrap()
}

/// The little-endian number of `len` bytes at `at`.
pub fn number(disk: &[u8], at: usize, len: usize) -> u64 {
    let bytes = disk[at..at + len].iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Makes the checksums of the header at `header` right, as far as its entries can be found.
pub fn seal(disk: &mut [u8], header: usize) {
    let size = number(disk, header + 80, 4) * number(disk, header + 84, 4);
    let start = entries(disk, header);
    let end = start.saturating_add(usize::try_from(size).unwrap());
    if let Some(entries) = disk.get(start..end) {
        let checksum = crc32fast::hash(entries);
        disk[header + 88..header + 92].copy_from_slice(&checksum.to_le_bytes());
    }
    disk[header + 16..header + 20].fill(0);
    let len = usize::try_from(number(disk, header + 12, 4)).unwrap();
    let checksum = crc32fast::hash(&disk[header..header + len]);
    disk[header + 16..header + 20].copy_from_slice(&checksum.to_le_bytes());
}

/// Where the backup header of `disk` lies.
pub fn backup(disk: &[u8]) -> usize {
    disk.len() - 512
}

/// What is in the file at `path`.
pub fn open_file(path: &Path) -> (Stack, Vec<String>) {
    open(std::fs::read(path).unwrap())
}

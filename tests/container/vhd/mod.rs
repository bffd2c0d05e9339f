//! VHD: what qemu-img writes, chains as libvhdi reads them, and what must come of damaged ones.

mod damaged;
pub mod differencing;
mod written;

use std::path::{Path, PathBuf};

use imgmount::error::{Error, Kind};
use imgmount::format;
use imgmount::service::open::{Options, open};
use imgmount::source::{ExtentKind, SharedSource};

use crate::support::command::Run;
use crate::support::images::Scratch;

/// Offsets of the fields of the footer.
const DATA_OFFSET: usize = 16;
const CREATOR: usize = 28;
const CURRENT_SIZE: usize = 48;
const GEOMETRY: usize = 56;
const DISK_TYPE: usize = 60;
const UNIQUE_ID: usize = 68;

/// Where qemu-img puts the dynamic disk header.
const HEADER: usize = 512;

/// `raw` as a VHD called `name`, made by qemu-img with `options`.
fn convert(raw: &Path, name: &str, options: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join(name);
    let mut convert = Run::new("qemu-img").words("convert -f raw -O vpc");
    if !options.is_empty() {
        convert = convert.args(["-o", options]);
    }
    convert.arg(raw).arg(&image).run();
    image
}

/// That what is a hole to qemu-img is one here. Holes of the file inside of blocks are seen here
/// and not there.
pub fn compare_holes(disk: &SharedSource, image: &Path, arguments: &str) {
    let map = Run::new("qemu-img").words("map --output=json");
    let map = map.words(arguments).arg(image).stdout();
    let map: serde_json::Value = serde_json::from_slice(&map).unwrap();
    for piece in map
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["data"] == false)
    {
        let number = |name: &str| piece[name].as_u64().unwrap();
        let end = (number("start") + number("length")).min(disk.size());
        let mut at = number("start");
        while at < end {
            let extent = disk.extent_at(at).unwrap();
            assert!(
                extent.kind != ExtentKind::Data,
                "{at:#x} is a hole, not data"
            );
            at += extent.len.get();
        }
    }
}

/// A VHD in memory that is changed and written.
struct Vhd(Vec<u8>);

impl Vhd {
    fn of(image: &Path) -> Self {
        Self(std::fs::read(image).unwrap())
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn get32(&self, at: usize) -> usize {
        u32::from_be_bytes(self.0[at..at + 4].try_into().unwrap()) as usize
    }

    /// Changes the footer at the end, and its copy where there is one.
    fn put_footer(&mut self, field: usize, bytes: &[u8]) {
        let end = self.0.len() - 512;
        self.put(end + field, bytes);
        mend(&mut self.0[end..], 64);
        if self.0.starts_with(b"conectix") {
            self.put(field, bytes);
            mend(&mut self.0[..512], 64);
        }
    }

    fn put_header(&mut self, field: usize, bytes: &[u8]) {
        self.put(HEADER + field, bytes);
        mend(&mut self.0[HEADER..HEADER + 1024], 36);
    }

    fn write(&self, image: &Path) {
        std::fs::write(image, &self.0).unwrap();
    }
}

/// Puts the checksum of `bytes` at `field`.
fn mend(bytes: &mut [u8], field: usize) {
    bytes[field..field + 4].fill(0);
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[field..field + 4].copy_from_slice(&(!sum).to_be_bytes());
}

/// Why `image` is refused.
fn refused(image: &Path) -> String {
    error(image).to_string()
}

fn error(image: &Path) -> Error {
    let opened = open(image, &Options::default());
    let error = opened.err().expect("it is refused");
    assert!(error.kind() != Kind::Io, "{error}");
    error
}

/// What is odd about `image`, which opens.
fn notices(image: &Path) -> Vec<String> {
    let opened = open(image, &Options::default());
    let opened = opened.unwrap_or_else(|error| panic!("{error}"));
    opened.notices.all()
}

/// With `--ignore-checksums`.
fn ignoring() -> Options {
    Options {
        format: format::Options {
            ignore_checksums: true,
            ..format::Options::default()
        },
        ..Options::default()
    }
}

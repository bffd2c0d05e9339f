//! VHDX: what qemu-img writes, what it recovers of a log, chains as libvhdi reads them, and what
//! must come of damaged ones.

mod damaged;
pub mod differencing;
mod log;
mod written;

use std::path::{Path, PathBuf};

use imgmount::error::{Error, Kind};
use imgmount::format;
use imgmount::service::open::{Options, open};

use crate::support::command::Run;
use crate::support::images::Scratch;

/// Where the headers and the region tables are, and their bytes.
const HEADERS: [usize; 2] = [64 << 10, 128 << 10];
const REGIONS: [usize; 2] = [192 << 10, 256 << 10];
const HEADER_LEN: usize = 4 << 10;
const TABLE_LEN: usize = 64 << 10;

/// `raw` as a VHDX called `name`, made by qemu-img with `options`.
fn convert(raw: &Path, name: &str, options: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join(name);
    let mut convert = Run::new("qemu-img").words("convert -f raw -O vhdx");
    if !options.is_empty() {
        convert = convert.args(["-o", options]);
    }
    convert.arg(raw).arg(&image).run();
    image
}

/// A VHDX in memory that is changed and written.
struct Vhdx(Vec<u8>);

impl Vhdx {
    fn of(image: &Path) -> Self {
        Self(std::fs::read(image).unwrap())
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn get32(&self, at: usize) -> usize {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap()) as usize
    }

    fn get64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    /// Changes both headers at `field`.
    fn put_headers(&mut self, field: usize, bytes: &[u8]) {
        for at in HEADERS {
            self.put(at + field, bytes);
            self.mend(at, HEADER_LEN);
        }
    }

    fn put_regions(&mut self, field: usize, bytes: &[u8]) {
        for at in REGIONS {
            self.put(at + field, bytes);
            self.mend(at, TABLE_LEN);
        }
    }

    /// Puts the CRC-32C of `len` bytes at `at` into them.
    fn mend(&mut self, at: usize, len: usize) {
        self.put(at + 4, &[0; 4]);
        let crc = crc32c::crc32c(&self.0[at..at + len]);
        self.put(at + 4, &crc.to_le_bytes());
    }

    /// The first byte of the region whose GUID begins with `first`.
    fn region(&self, first: u32) -> usize {
        let entries = (0..2).map(|index| REGIONS[0] + 16 + index * 32);
        let mut entries = entries.filter(|at| self.get32(*at) == first as usize);
        self.get64(entries.next().unwrap() + 16) as usize
    }

    fn bat(&self) -> usize {
        self.region(0x2dc2_7766)
    }

    fn metadata(&self) -> usize {
        self.region(0x8b7c_a206)
    }

    /// The entry in the metadata table whose GUID begins with `first`, and where its item is.
    fn item(&self, first: u32) -> (usize, usize) {
        let table = self.metadata();
        let entries = (0..10).map(|index| table + 32 + index * 32);
        let mut entries = entries.filter(|at| self.get32(*at) == first as usize);
        let entry = entries.next().unwrap();
        (entry, table + self.get32(entry + 16))
    }

    fn write(&self, image: &Path) {
        std::fs::write(image, &self.0).unwrap();
    }
}

/// First fields of metadata items' GUIDs.
const FILE_PARAMETERS: u32 = 0xcaa1_6737;
const VIRTUAL_DISK_SIZE: u32 = 0x2fa5_4224;
const LOGICAL_SECTOR_SIZE: u32 = 0x8141_bf1d;
const PHYSICAL_SECTOR_SIZE: u32 = 0xcda3_48c7;

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

/// With `--ignore-checksums`, `--no-replay`.
fn options(ignore_checksums: bool, no_replay: bool) -> Options {
    Options {
        format: format::Options {
            ignore_checksums,
            no_replay,
            ..format::Options::default()
        },
        ..Options::default()
    }
}

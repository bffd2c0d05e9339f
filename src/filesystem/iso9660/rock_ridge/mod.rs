//! The Rock Ridge Interchange Protocol (IEEE P1282): what a POSIX file has, in System Use entries.

mod declared;
mod symlink;
mod times;

use zerocopy::FromBytes;

pub(super) use self::declared::declared;
use self::symlink::Target;
pub(super) use self::times::Times;
use super::core::Core;
use super::layout::{Both32, RawCompressed, RawDevice, RawPosix, RawSparse};
use super::record::Record;
use super::susp::{self, Entry};
use crate::error::Result;
use crate::filesystem::{FileType, Request};

/// The longest name; what would make it longer is left out, as in the kernel.
const LONGEST_NAME: usize = 254;

/// Flags of NM that stand for `.` and `..`, whose name is known, and of a name that goes on.
const DOTS: u8 = 2 | 4;
const CONTINUES: u8 = 1;

/// What a record's System Use entries say.
#[derive(Default)]
pub(super) struct RockRidge {
    /// PX.
    pub(super) posix: Option<Posix>,
    /// PN: major and minor.
    pub(super) device: (u32, u32),
    /// NM.
    pub(super) name: Vec<u8>,
    /// TF.
    pub(super) times: Times,
    /// CL: the block of the directory that this record stands for.
    pub(super) child: Option<u32>,
    /// PL: the block of the directory that this one belongs to.
    pub(super) parent: Option<u32>,
    /// RE: the directory is shown elsewhere.
    pub(super) is_relocated: bool,
    /// ZF or Z2.
    pub(super) compressed: Option<Compressed>,
    /// SF: the size.
    pub(super) sparse: Option<u64>,
    target: Target,
}

/// PX.
#[derive(Clone, Copy)]
pub(super) struct Posix {
    /// Type and permissions, as `st_mode`.
    pub(super) mode: u32,
    /// Hard links.
    pub(super) links: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
}

/// ZF: how a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compressed {
    /// 1, or 2 with 64-bit numbers.
    pub(super) version: u8,
    /// Two letters.
    pub(super) algorithm: [u8; 2],
    /// Bytes before the table of blocks.
    pub(super) header: u64,
    /// The logarithm of the blocks' size.
    pub(super) block_bits: u8,
    /// Bytes of the file.
    pub(super) size: u64,
}

impl RockRidge {
    /// What the entries of `record` say, up to the first that is damaged; nothing at all where the
    /// view has no Rock Ridge.
    pub(super) fn of(core: &Core, request: &Request, record: &Record<'_>) -> Self {
        let mut found = Self::default();
        let Some(skip) = core.view.skip else {
            return found;
        };
        let area = record.system_use.get(skip..).unwrap_or_default();
        let result = susp::entries(&core.susp_blocks(), request, area, &mut |entry| {
            found.take(entry)
        });
        // Where nothing declares Rock Ridge, other things may be in the System Use fields.
        if let Err(error) = result
            && core.view.is_declared
        {
            let error = error.at(record.position).context("Rock Ridge");
            core.notices.add(format!("iso9660: {error}"));
        }
        found
    }

    /// Takes one entry. One too short for its fields is left out.
    fn take(&mut self, entry: &Entry<'_>) {
        match &entry.signature {
            b"PX" => self.posix = Posix::of(entry.data).or(self.posix),
            b"PN" => self.device = device(entry.data).unwrap_or(self.device),
            b"NM" => self.take_name(entry.data),
            b"SL" => self.target.take(entry.data),
            b"TF" => self.times.take(entry.data),
            b"CL" => self.child = block(entry.data).or(self.child),
            b"PL" => self.parent = block(entry.data).or(self.parent),
            b"RE" => self.is_relocated = true,
            b"ZF" | b"Z2" => self.compressed = Compressed::of(entry).or(self.compressed),
            b"SF" => self.sparse = sparse(entry.data).or(self.sparse),
            _ => {}
        }
    }

    /// A part of the name; a flag of a name that is not in it leaves the part out.
    fn take_name(&mut self, data: &[u8]) {
        let Some((flags, part)) = data.split_first() else {
            return;
        };
        let part = part.split(|byte| *byte == 0).next().unwrap_or_default();
        let length = self.name.len().saturating_add(part.len());
        if flags & (DOTS | !CONTINUES) == 0 && length < LONGEST_NAME {
            self.name.extend_from_slice(part);
        }
    }

    /// The type, where it says one.
    pub(super) fn kind(&self) -> Option<FileType> {
        if self.child.is_some() {
            return Some(FileType::Directory);
        }
        match self.posix?.mode & 0o170_000 {
            0o010_000 => Some(FileType::Fifo),
            0o020_000 => Some(FileType::CharacterDevice),
            0o040_000 => Some(FileType::Directory),
            0o060_000 => Some(FileType::BlockDevice),
            0o100_000 => Some(FileType::Regular),
            0o120_000 => Some(FileType::Symlink),
            0o140_000 => Some(FileType::Socket),
            _ => None,
        }
    }

    /// The target of a symbolic link, as far as there is one.
    ///
    /// # Errors
    /// `Corrupt` for one that is too long.
    pub(super) fn target(&self) -> Result<Option<&[u8]>> {
        self.target.bytes()
    }
}

impl Posix {
    fn of(data: &[u8]) -> Option<Self> {
        let (raw, _) = RawPosix::read_from_prefix(data).ok()?;
        Some(Self {
            mode: raw.mode.get(),
            links: raw.links.get(),
            uid: raw.user.get(),
            gid: raw.group.get(),
        })
    }
}

impl Compressed {
    fn of(entry: &Entry<'_>) -> Option<Self> {
        let (raw, _) = RawCompressed::read_from_prefix(entry.data).ok()?;
        let size = raw.uncompressed_size.get();
        let is_first = entry.version == 1;
        Some(Self {
            version: entry.version,
            algorithm: raw.algorithm,
            header: u64::from(raw.header_size_div4).saturating_mul(4),
            block_bits: raw.log2_block_size,
            // The other half is the same number in the other byte order.
            size: if is_first {
                size & u64::from(u32::MAX)
            } else {
                size
            },
        })
    }
}

/// Some writers put all of the number into the low half, as the specification has it for systems
/// with small device numbers; so the kernel looks at which half is in use.
fn device(data: &[u8]) -> Option<(u32, u32)> {
    let (raw, _) = RawDevice::read_from_prefix(data).ok()?;
    let (high, low) = (raw.high.get(), raw.low.get());
    Some(match high {
        0 if low > 0xff => (low >> 8, low & 0xff),
        _ => (high, low),
    })
}

fn block(data: &[u8]) -> Option<u32> {
    let (raw, _) = Both32::read_from_prefix(data).ok()?;
    Some(raw.get())
}

fn sparse(data: &[u8]) -> Option<u64> {
    let (raw, _) = RawSparse::read_from_prefix(data).ok()?;
    let high = u64::from(raw.size_high.get());
    Some(high.wrapping_shl(32) | u64::from(raw.size_low.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(entries: &[(&[u8; 2], u8, &[u8])]) -> RockRidge {
        let mut found = RockRidge::default();
        for (signature, version, data) in entries {
            found.take(&Entry {
                signature: **signature,
                version: *version,
                data,
            });
        }
        found
    }

    fn both(number: u32) -> Vec<u8> {
        [number.to_le_bytes(), number.to_be_bytes()].concat()
    }

    #[test]
    fn names_are_joined_and_cut_as_the_kernel_does() {
        let name = |parts: &[&[u8]]| {
            let entries: Vec<_> = parts.iter().map(|part| (b"NM", 1, *part)).collect();
            take(&entries).name
        };
        assert_eq!(name(&[b"\x01ab", b"\0cd"]), b"abcd");
        assert_eq!(name(&[b"\x02", b"\x04", b"\x20host"]), b"");
        assert_eq!(name(&[b"\0a\0b"]), b"a");
        assert_eq!(name(&[b""]), b"");
        let long = [&[0][..], &[b'x'; 200]].concat();
        assert_eq!(name(&[&long, &long]).len(), 200);
    }

    #[test]
    fn attributes_with_and_without_a_serial_number() {
        let fields = [0o100_644, 2, 1000, 100].map(both).concat();
        for data in [fields.clone(), [fields, both(7)].concat()] {
            let found = take(&[(b"PX", 1, &data)]);
            let posix = found.posix.unwrap();
            assert_eq!((posix.mode, posix.links), (0o100_644, 2));
            assert_eq!((posix.uid, posix.gid), (1000, 100));
            assert_eq!(found.kind(), Some(FileType::Regular));
        }
        assert!(take(&[(b"PX", 1, &[0; 31])]).posix.is_none());
    }

    #[test]
    fn device_numbers_in_either_half() {
        let device = |high, low| take(&[(b"PN", 1, &[both(high), both(low)].concat())]).device;
        assert_eq!(device(8, 1), (8, 1));
        assert_eq!(device(0, 0x801), (8, 1));
        assert_eq!(device(0, 5), (0, 5));
        assert_eq!(device(8, 0x801), (8, 0x801));
    }

    #[test]
    fn sizes_of_both_versions_of_compressed_files() {
        let first = [&b"pz\x04\x0f"[..], &both(100_000)].concat();
        let found = take(&[(b"ZF", 1, &first)]).compressed.unwrap();
        assert_eq!(
            (found.size, found.header, found.block_bits),
            (100_000, 16, 15)
        );
        let second = [&b"PZ\x06\x11"[..], &(5_u64 << 32).to_le_bytes()].concat();
        let found = take(&[(b"Z2", 2, &second)]).compressed.unwrap();
        assert_eq!(
            (found.size, found.header, found.block_bits),
            (5 << 32, 24, 17)
        );
    }
}

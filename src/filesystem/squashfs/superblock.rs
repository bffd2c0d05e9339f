//! The superblock, checked as the kernel checks it when it mounts.

use zerocopy::{FromZeros, IntoBytes};

use super::compression::Compression;
use super::layout::RawSuperblock;
use crate::error::{Error, Kind, Result};
use crate::source::{Source, read_vec};

/// The magics of versions 1 to 4, in either byte order, and of version 3 with the LZMA patch.
const MAGICS: [&[u8; 4]; 4] = [MAGIC, b"sqsh", b"shsq", b"qshs"];
/// The magic of version 4, and of those before it where they are little-endian.
const MAGIC: &[u8; 4] = b"hsqs";

/// The binary logarithms of the smallest and the largest block: 4 KiB, the size of a page, and
/// 1 MiB.
const BLOCK_LOGS: std::ops::RangeInclusive<u16> = 12..=20;

/// Bytes of a metadata block, decoded.
pub(super) const METADATA_SIZE: usize = 8192;

/// Bits of `flags`, and the names of mksquashfs's options for them.
pub(super) const FLAGS: [(u16, &str); 12] = [
    (1 << 0, "uncompressed-inodes"),
    (1 << 1, "uncompressed-data"),
    (1 << 2, "check-data"),
    (1 << 3, "uncompressed-fragments"),
    (1 << 4, "no-fragments"),
    (1 << 5, "always-use-fragments"),
    (1 << 6, "duplicates-removed"),
    (1 << 7, "exportable"),
    (1 << 8, "uncompressed-xattrs"),
    (1 << 9, "no-xattrs"),
    (1 << 10, "compressor-options"),
    (1 << 11, "uncompressed-ids"),
];
/// Options of the compressor lie behind the superblock.
const COMPRESSOR_OPTIONS: u16 = 1 << 10;

/// A superblock that holds together.
#[derive(Clone)]
pub(super) struct Superblock {
    pub(super) raw: RawSuperblock,
    pub(super) compression: Compression,
    /// The binary logarithm of the block size.
    pub(super) block_log: u32,
    /// Bytes of a block of data.
    pub(super) block_size: usize,
}

/// The superblock as it lies, where one of the magics says so.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub(super) fn find(source: &dyn Source) -> Result<Option<RawSuperblock>> {
    let mut raw = RawSuperblock::new_zeroed();
    if source.size() < crate::number::to_u64(raw.as_bytes().len()) {
        return Ok(None);
    }
    source.read_exact_at(raw.as_mut_bytes(), 0)?;
    Ok(MAGICS.contains(&&raw.s_magic).then_some(raw))
}

impl RawSuperblock {
    /// Major and minor version, which version 4 keeps where the ones before it did.
    pub(super) fn version(&self) -> (u16, u16) {
        let (major, minor) = (self.s_major, self.s_minor);
        match &self.s_magic {
            MAGIC | b"shsq" => (major.get(), minor.get()),
            _ => (
                u16::from_be_bytes(major.to_bytes()),
                u16::from_be_bytes(minor.to_bytes()),
            ),
        }
    }

    /// Whether options of the compressor lie behind the superblock.
    pub(super) fn has_options(&self) -> bool {
        self.flags.get() & COMPRESSOR_OPTIONS != 0
    }
}

impl Superblock {
    /// Reads it from byte 0 of `source`.
    ///
    /// # Errors
    /// `Unsupported` for another version or byte order, and for what is unknown; `Corrupt`, naming
    /// the field.
    pub(super) fn read(source: &dyn Source) -> Result<Self> {
        let raw = find(source)?.ok_or_else(|| Error::corrupt("no superblock").at(0))?;
        check_version(&raw)?;
        let compression = Compression::of(raw.compression.get()).ok_or_else(|| {
            let id = raw.compression.get();
            Error::unsupported(format!("compression {id} is not known")).at(20)
        })?;
        let block_log = block_log(&raw)?;
        let superblock = Self {
            block_size: 1_usize.wrapping_shl(block_log), // at most 2^20
            block_log,
            compression,
            raw,
        };
        superblock.check_sizes(source.size())?;
        superblock.check_options(source)?;
        Ok(superblock)
    }

    fn check_sizes(&self, size: u64) -> Result<()> {
        let raw = &self.raw;
        let used = raw.bytes_used.get();
        if used > size {
            let text = format!("bytes_used {used} is over the size of {size}");
            return Err(Error::corrupt(text).at(40));
        }
        if raw.root_inode.get() & 0xffff > crate::number::to_u64(METADATA_SIZE) {
            let text = format!("root_inode {:#x} is no place", raw.root_inode.get());
            return Err(Error::corrupt(text).at(32));
        }
        let inside = [
            ("id_table_start", raw.id_table_start.get(), 48),
            ("inode_table_start", raw.inode_table_start.get(), 64),
            ("directory_table_start", raw.directory_table_start.get(), 72),
        ];
        for (name, value, at) in inside {
            if value >= used {
                let text = format!("{name} {value} is past bytes_used {used}");
                return Err(Error::corrupt(text).at(at));
            }
        }
        let (inodes, directories) = (raw.inode_table_start.get(), raw.directory_table_start.get());
        if inodes >= directories {
            let text = format!(
                "inode_table_start {inodes} is not before directory_table_start {directories}"
            );
            return Err(Error::corrupt(text).at(64));
        }
        Ok(())
    }

    /// The options of the compressor change how nothing is decoded. Only LZ4's say which of two
    /// formats it is, of which the kernel knows one.
    fn check_options(&self, source: &dyn Source) -> Result<()> {
        if self.compression != Compression::Lz4 || !self.raw.has_options() {
            return Ok(());
        }
        let block = read_vec(source, 96, 6)?;
        let version = block.get(2..6).and_then(|bytes| bytes.first_chunk::<4>());
        match version.map(|bytes| u32::from_le_bytes(*bytes)) {
            Some(1) => Ok(()),
            version => {
                let version = version.unwrap_or(0);
                Err(Error::unsupported(format!("LZ4 format {version}")).at(98))
            }
        }
    }
}

fn check_version(raw: &RawSuperblock) -> Result<()> {
    let (major, minor) = raw.version();
    let order = match &raw.s_magic {
        MAGIC if (major, minor) == (4, 0) => return Ok(()),
        MAGIC => "",
        b"shsq" => ", patched for LZMA",
        b"qshs" => ", big-endian and patched for LZMA",
        _ => ", big-endian",
    };
    let text = format!("version {major}.{minor}{order}: only 4.0 is read");
    let error = Error::new(Kind::Unsupported, text).at(28);
    Err(match major {
        ..4 => error.hint("unsquashfs reads what mksquashfs made before 2009"),
        _ => error,
    })
}

fn block_log(raw: &RawSuperblock) -> Result<u32> {
    let (log, size) = (raw.block_log.get(), raw.block_size.get());
    if !BLOCK_LOGS.contains(&log) {
        let (least, most) = (BLOCK_LOGS.start(), BLOCK_LOGS.end());
        let text = format!("block_log {log} is not from {least} to {most}");
        return Err(Error::corrupt(text).at(22));
    }
    if size != 1_u32.wrapping_shl(log.into()) {
        let text = format!("block_size {size} does not agree with block_log {log}");
        return Err(Error::corrupt(text).at(12));
    }
    Ok(log.into())
}

//! The six ways in which blocks are packed. Each block is packed by itself, and its decoder gets
//! room for the largest block that may come out and no more.

mod lzma;
mod zlib;
mod zstandard;

use crate::error::{Error, Result};

/// How the blocks of one file system are packed, by `compression` of its superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// 1: zlib streams, called gzip.
    Gzip,
    /// 2: LZMA streams with their old header, which the kernel does not read.
    Lzma,
    /// 3: LZO1X.
    Lzo,
    /// 4: xz streams.
    Xz,
    /// 5: bare LZ4 blocks.
    Lz4,
    /// 6: zstd frames.
    Zstd,
}

impl Compression {
    /// The one with the number `id`.
    pub(super) fn of(id: u16) -> Option<Self> {
        Some(match id {
            1 => Self::Gzip,
            2 => Self::Lzma,
            3 => Self::Lzo,
            4 => Self::Xz,
            5 => Self::Lz4,
            6 => Self::Zstd,
            _ => return None,
        })
    }

    /// Its name as mksquashfs's option `-comp` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Lzma => "lzma",
            Self::Lzo => "lzo",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Steps of a request that it takes to unpack a block of metadata, at the worst: what is packed
    /// in few bytes takes as long as what is not.
    pub(super) fn steps(self) -> u64 {
        match self {
            Self::Lzma | Self::Xz => 2000,
            Self::Gzip | Self::Zstd => 128,
            Self::Lzo | Self::Lz4 => 64,
        }
    }

    /// Unpacks `packed` to the front of `into`; gives how many bytes there are.
    ///
    /// # Errors
    /// `Corrupt` for what is no such block or does not fit. Memory is bounded by the length of
    /// `into` whatever `packed` says.
    pub(super) fn unpack(self, packed: &[u8], into: &mut [u8]) -> Result<usize> {
        let unpacked = match self {
            Self::Gzip => zlib::unpack(packed, into),
            Self::Lzma => lzma::unpack_alone(packed, into),
            Self::Xz => lzma::unpack_xz(packed, into),
            Self::Lzo => lzokay::decompress::decompress(packed, into)
                .map_err(|error| Error::corrupt(error.to_string())),
            Self::Lz4 => lz4_flex::block::decompress_into(packed, into)
                .map_err(|error| Error::corrupt(error.to_string())),
            Self::Zstd => zstandard::unpack(packed, into),
        };
        unpacked.map_err(|error| error.context(self.name()))
    }
}

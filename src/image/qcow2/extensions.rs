//! The header extensions: what stands behind the header in the first cluster.

use zerocopy::FromBytes;

use super::layout::{self, CryptoHeader, Extension, FeatureName};
use crate::error::{Error, Result, printable};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// What the extensions say that matters to a reader.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) backing_format: Option<Vec<u8>>,
    pub(super) data_file: Option<Vec<u8>>,
    pub(super) crypto: Option<Crypto>,
    /// Names of incompatible features by bit.
    feature_names: Vec<(u8, Vec<u8>)>,
}

/// Where the LUKS header is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crypto {
    /// Byte offset in the file.
    pub(super) offset: u64,
    /// Its bytes.
    pub(super) length: u64,
    /// The byte that says so: the offset, and the length behind it.
    pub(super) at: u64,
}

impl Extensions {
    /// The name that the image gives the incompatible feature of `bit`, escaped.
    pub(super) fn feature(&self, bit: u8) -> Option<String> {
        let found = self.feature_names.iter().find(|(known, _)| *known == bit);
        found.map(|(_, name)| printable(name))
    }
}

/// The extensions between the bytes `start` and `end`, which lie in the first cluster.
///
/// # Errors
/// `Corrupt` for an extension that leaves them.
pub(super) fn read(source: &dyn Source, start: u64, end: u64) -> Result<Extensions> {
    let end = end.min(source.size());
    let len = end.saturating_sub(start);
    let bytes = read_vec(source, start, to_usize(len))?;
    let mut found = Extensions::default();
    let mut rest = bytes.as_slice();
    let mut at = start;
    while let Ok((extension, behind)) = Extension::ref_from_prefix(rest) {
        let (kind, length) = (extension.kind.get(), extension.length.get());
        if kind == layout::END {
            break;
        }
        let wrong = || {
            let text =
                format!("header extension {kind:#x} has {length} bytes and leaves its cluster");
            Error::corrupt(text).at(at)
        };
        let length = usize::try_from(length).map_err(|_| wrong())?;
        let data = behind.get(..length).ok_or_else(wrong)?;
        found.take(
            kind,
            data,
            at.saturating_add(to_u64(size_of::<Extension>())),
        );
        let padded = length.next_multiple_of(8).min(behind.len());
        rest = behind.get(padded..).unwrap_or_default();
        at = end.saturating_sub(to_u64(rest.len()));
    }
    Ok(found)
}

impl Extensions {
    /// Takes what an extension says whose data lie at byte `at`.
    fn take(&mut self, kind: u32, data: &[u8], at: u64) {
        match kind {
            layout::BACKING_FORMAT => self.backing_format = Some(data.to_vec()),
            layout::DATA_FILE_NAME => self.data_file = Some(data.to_vec()),
            layout::CRYPTO_HEADER => {
                let header = CryptoHeader::ref_from_prefix(data).ok();
                self.crypto = header.map(|(it, _)| Crypto {
                    offset: it.offset.get(),
                    length: it.length.get(),
                    at,
                });
            }
            layout::FEATURE_NAMES => self.take_names(data),
            _ => {}
        }
    }

    fn take_names(&mut self, data: &[u8]) {
        for bytes in data.chunks_exact(size_of::<FeatureName>()).take(64 * 3) {
            if let Ok(entry) = FeatureName::ref_from_bytes(bytes)
                && entry.kind == 0
            {
                let end = entry.name.iter().position(|byte| *byte == 0);
                let name = entry.name.get(..end.unwrap_or(entry.name.len()));
                self.feature_names
                    .push((entry.bit, name.unwrap_or_default().to_vec()));
            }
        }
    }
}

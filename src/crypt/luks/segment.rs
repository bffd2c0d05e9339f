//! Segments: the parts that the volume is made of, and where they lie.

use std::sync::Arc;

use crate::crypt::decrypted::Decrypted;
use crate::crypt::spec::Spec;
use crate::error::{Error, Result};
use crate::format::Secret;
use crate::number::{to_u64, to_usize};
use crate::source::window::Window;
use crate::source::{SharedSource, Source};

/// A part of the volume.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    /// Where the header has it, its offset and its size.
    pub(super) at: u64,
    pub(super) offset_at: u64,
    pub(super) size_at: u64,
    pub(super) kind: Kind,
    /// Its first byte.
    pub(super) offset: u64,
    /// Its bytes; all up to the end without it.
    pub(super) size: Option<u64>,
}

/// How a part is stored.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Encrypted.
    Crypt {
        cipher: Spec,
        sector_size: u32,
        /// The number of the first sector, in units of 512 bytes.
        iv_tweak: u64,
    },
    /// As it is.
    Linear,
}

impl Segment {
    /// The bytes of `data` that it has.
    pub(super) fn range(&self, data: &dyn Source) -> Result<(u64, u64)> {
        let (offset, all) = (self.offset, data.size());
        let left = all.checked_sub(offset).filter(|left| *left > 0);
        let Some(left) = left else {
            let text = format!("offset {offset:#x} lies past the end of the {all} bytes");
            return Err(Error::corrupt(text).at(self.offset_at));
        };
        match self.size {
            None => Ok((offset, left)),
            Some(size) if size <= left => Ok((offset, size)),
            Some(size) => {
                let text = format!("size {size} reaches past the end of the {all} bytes");
                Err(Error::corrupt(text).at(self.size_at))
            }
        }
    }

    /// What it holds, decrypted with `key`.
    pub(super) fn open(&self, data: &SharedSource, key: &Secret) -> Result<SharedSource> {
        let (offset, size) = self.range(&**data)?;
        let window: SharedSource = Arc::new(Window::new(data.clone(), offset, size)?);
        let Kind::Crypt {
            cipher,
            sector_size,
            iv_tweak,
        } = &self.kind
        else {
            return Ok(window);
        };
        let sector_size = to_usize(u64::from(*sector_size));
        let sectors = cipher.sectors(key.bytes(), sector_size, *iv_tweak);
        let sectors = sectors.map_err(|error| error.at(self.at))?;
        let decrypted = Decrypted::new(window, sectors, 0)?;
        if size < to_u64(sector_size) {
            let text = format!("{size} bytes are less than a sector of {sector_size}");
            return Err(Error::corrupt(text).at(self.size_at));
        }
        Ok(Arc::new(decrypted))
    }
}

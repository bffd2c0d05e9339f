//! A regular file or block device that somebody else opened: this module never opens a path.

use std::fs::File as Handle;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;

use super::{Extent, ExtentKind, Source, check_range};
use crate::error::{Error, Result};

/// An open file. Its size is what it was when it was wrapped.
pub struct File {
    handle: Handle,
    size: u64,
}

impl File {
    /// Wraps `handle`, whose size in bytes is found by seeking (which block devices answer too).
    ///
    /// # Errors
    /// `Io` where it cannot be seeked.
    pub fn new(mut handle: Handle) -> Result<Self> {
        use std::io::{Seek, SeekFrom};
        let size = handle
            .seek(SeekFrom::End(0))
            .map_err(|error| Error::io("find the size", &error))?;
        Ok(Self { handle, size })
    }
}

impl Source for File {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        self.handle
            .read_exact_at(buf, offset)
            .map_err(|error| Error::io("read", &error).at(offset))
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        let len = NonZeroU64::new(self.size.saturating_sub(offset));
        let len = len.ok_or_else(|| Error::invalid("past the end"))?;
        Ok(Extent {
            kind: ExtentKind::Data,
            len,
        })
    }
}

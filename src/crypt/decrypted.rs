//! A source that decrypts what it reads.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

use super::SectorCipher;
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::number::{to_u64, to_usize};
use crate::source::{Extent, ExtentKind, SharedSource, Source, check_range, extent_to};

/// From this size on a read is split over the processors: starting a thread costs as much time as
/// decrypting some ten KiB.
const SPLIT: usize = 512 << 10;

/// What a thread takes at a time: a whole number of sectors of any size.
const SHARE: usize = 128 << 10;

/// The largest sector that a cipher may have.
const MOST_SECTOR: usize = 4096;

/// What `below` holds, decrypted. Holes of `below` are data: they read as what zeros decrypt to.
pub struct Decrypted {
    below: SharedSource,
    cipher: Arc<dyn SectorCipher>,
    first_sector: u64,
    /// Bytes of a sector.
    sector: NonZeroU64,
    size: u64,
}

impl Decrypted {
    /// All whole sectors of `below`, the first of which is number `first_sector` to `cipher`.
    ///
    /// # Errors
    /// `Invalid` for a cipher whose sectors are no power of two from 16 to 4,096 bytes.
    pub fn new(
        below: SharedSource,
        cipher: Arc<dyn SectorCipher>,
        first_sector: u64,
    ) -> Result<Self> {
        let sector = cipher.sector_size();
        if !sector.is_power_of_two() || !(16..=MOST_SECTOR).contains(&sector) {
            return Err(Error::invalid(format!("sectors of {sector} bytes")));
        }
        let sector = NonZeroU64::new(to_u64(sector)).unwrap_or(NonZeroU64::MIN);
        let size = below.size();
        Ok(Self {
            size: size.saturating_sub(size % sector),
            sector,
            below,
            cipher,
            first_sector,
        })
    }

    /// Reads whole sectors, on as many processors as that is worth.
    fn read_sectors(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        if buf.len() < SPLIT {
            return self.read_share(buf, offset);
        }
        let threads = crate::sys::processors().min(buf.len() / SHARE);
        let shares = (offset..).step_by(SHARE).zip(buf.chunks_mut(SHARE));
        let shares = Mutex::new(shares);
        let failed = Mutex::new(None);
        let work = || {
            while let Some((offset, share)) = next(&shares) {
                if let Err(error) = self.read_share(share, offset) {
                    *lock(&failed) = Some(error);
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Where the host gives no thread, this one does the work.
                let _ = std::thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        match lock(&failed).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn read_share(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.below.read_contents_at(buf, offset)?;
        let sector = self.first_sector.wrapping_add(offset / self.sector);
        self.cipher.decrypt(sector, buf);
        Ok(())
    }

    /// Reads a part of one sector, from byte `skip` of it on.
    fn read_part(&self, into: &mut [u8], start: u64, skip: usize) -> Result<()> {
        let mut whole = [0; MOST_SECTOR];
        let (whole, _) = whole.split_at_mut(self.cipher.sector_size().min(MOST_SECTOR));
        self.read_share(whole, start)?;
        let wanted = whole.get(skip..).and_then(|rest| rest.get(..into.len()));
        into.copy_from_slice(wanted.ok_or_else(|| Error::invalid("past the sector"))?);
        Ok(())
    }
}

impl Source for Decrypted {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let mut rest = buf;
        let mut at = offset;
        while !rest.is_empty() {
            let skip = at % self.sector;
            let left = to_u64(rest.len());
            let whole = left.saturating_sub(left % self.sector);
            let is_whole = skip == 0 && whole > 0;
            let len = match is_whole {
                true => whole,
                false => self.sector.get().saturating_sub(skip).min(left),
            };
            let (piece, tail) = rest.split_at_mut(to_usize(len));
            match is_whole {
                true => self.read_sectors(piece, at)?,
                false => self.read_part(piece, at.saturating_sub(skip), to_usize(skip))?,
            }
            rest = tail;
            at = at.saturating_add(len);
        }
        Ok(())
    }

    fn soon(&self, offset: u64, len: u64) {
        self.below.soon(offset, len);
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        extent_to(ExtentKind::Data, offset, self.size)
    }

    fn end_is_far(&self) -> bool {
        self.below.end_is_far()
    }
}

/// The next of what several threads take in turn.
fn next<I: Iterator>(shared: &Mutex<I>) -> Option<I::Item> {
    lock(shared).next()
}

//! What is read when the first copy of a run cannot be: the other copies, and then smaller parts.

use super::{How, Map, Mapped, Place, Run};
use crate::error::{Error, Kind, Result};
use crate::number::{to_u64, to_usize};
use crate::source::head;

/// Bytes of the smallest part that copies are tried for: the sector, which a disk reads or loses
/// as a whole.
const SECTOR: u64 = 512;

/// Why no copy of a run could be read.
struct Failed {
    /// What the first copy said.
    first: Error,
    /// How many copies there were.
    copies: usize,
}

impl<M: Map + 'static> Mapped<M> {
    /// Reads the first part of the run `first` at `at` from whichever copy has it, and gives its
    /// length: all of it, or else ever smaller parts down to a sector.
    pub(super) fn read_copies(
        &self,
        buf: &mut [u8],
        at: u64,
        first: &Result<Run>,
        how: How,
    ) -> Result<usize> {
        let mut limit = buf.len();
        loop {
            let failed = match self.try_copies(head(buf, limit), at, first, how) {
                Ok(len) => return Ok(len),
                Err(failed) => failed,
            };
            match half(at, limit) {
                Some(smaller) if failed.copies > 1 => limit = smaller,
                _ => return Err(failed.first),
            }
        }
    }

    /// Reads the run at `at`, cut to `buf`, from the first copy that has all of it.
    fn try_copies(
        &self,
        buf: &mut [u8],
        at: u64,
        first: &Result<Run>,
        how: How,
    ) -> std::result::Result<usize, Failed> {
        let mut last = answer(first);
        let mut failed = match self.read_run(first, buf, at, how) {
            Ok(len) => return Ok(len),
            Err(first) => Failed { first, copies: 1 },
        };
        if !matches!(failed.first.kind(), Kind::Io | Kind::Corrupt) {
            return Err(failed);
        }
        for attempt in 1..=u8::MAX {
            let run = self.map.run_at(at, attempt);
            let again = answer(&run);
            if is_not_found(&run) || again == last {
                break;
            }
            last = again;
            match self.read_run(&run, buf, at, how) {
                Ok(len) => return Ok(len),
                Err(_) => failed.copies = failed.copies.saturating_add(1),
            }
        }
        Err(failed)
    }
}

/// What a map that ignores the attempt gives each time: the place, or why there is none.
fn answer(run: &Result<Run>) -> Result<Place> {
    run.as_ref().map(|run| run.place).map_err(Error::clone)
}

fn is_not_found(run: &Result<Run>) -> bool {
    matches!(run, Err(error) if error.kind() == Kind::NotFound)
}

/// About half of `len` bytes at `at`, ending where a sector ends; `None` where they lie in one.
fn half(at: u64, len: usize) -> Option<usize> {
    let end = at.checked_add(to_u64(len))?;
    let middle = at.checked_add(to_u64(len / 2))?;
    let down = middle.checked_sub(middle.checked_rem(SECTOR)?)?;
    let split = if down > at {
        down
    } else {
        down.checked_add(SECTOR)?
    };
    (split < end).then(|| to_usize(split.saturating_sub(at)))
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves_end_at_sectors_and_stop_at_one() {
        assert_eq!(half(0, 4096), Some(2048));
        assert_eq!(half(0, 1024), Some(512));
        assert_eq!(half(0, 512), None);
        assert_eq!(half(100, 600), Some(412));
        assert_eq!(half(100, 412), None);
        assert_eq!(half(511, 2), Some(1));
        assert_eq!(half(512, 1), None);
        assert_eq!(half(u64::MAX - 1, 1), None);
    }
}

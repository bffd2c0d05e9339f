//! RAID 10: each chunk on several members, as drivers/md/raid10.c places it. Near copies stand side
//! by side in a row. Far copies stand in sections of the members, one behind the other, or with an
//! offset in rows that follow on each other; each is so many members further on as there are near
//! copies, among all members or among those of a set.

use std::num::NonZeroU64;

use crate::error::{Error, Result};

/// The most copies: as many as a read tries.
const MOST_COPIES: u64 = 255;

/// How RAID 10 lays chunks out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Ten {
    /// Bytes of a chunk.
    pub(super) chunk: NonZeroU64,
    disks: u64,
    near: u64,
    far: u64,
    /// Far copies are in the next row and not in another section.
    has_offset: bool,
    /// Members among which far copies go round.
    set: u64,
    /// Chunks from a copy to the next far one.
    stride: u64,
}

/// The copies of a chunk, as md_p.h's `layout` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Copies {
    pub(in super::super) near: u64,
    pub(in super::super) far: u64,
    /// Far copies are in the next row.
    pub(in super::super) has_offset: bool,
    /// Members among which far copies go round; all of them without it.
    pub(in super::super) set: Option<u64>,
}

impl Copies {
    /// So many copies beside each other.
    pub(in super::super) fn near(near: u64) -> Self {
        Self {
            near,
            far: 1,
            has_offset: false,
            set: None,
        }
    }
}

impl Ten {
    /// On `disks` members of which each has `size` bytes for data.
    ///
    /// # Errors
    /// `Corrupt` where there are fewer members than copies, too many of those, or no copy at all.
    pub(in super::super) fn new(
        chunk: NonZeroU64,
        disks: u64,
        copies: Copies,
        size: u64,
    ) -> Result<Self> {
        let Copies {
            near,
            far,
            has_offset,
            ..
        } = copies;
        let set = copies.set.unwrap_or(disks);
        let count = near.saturating_mul(far);
        if count == 0 || count > disks.min(MOST_COPIES) || set == 0 || set > disks {
            let text =
                format!("{near} near and {far} far copies on {disks} members in sets of {set}");
            return Err(Error::corrupt(text));
        }
        let mut ten = Self {
            chunk,
            disks,
            near,
            far,
            has_offset,
            set,
            stride: 1,
        };
        if !has_offset {
            let used = ten.chunks(size).saturating_mul(count).div_ceil(disks);
            ten.stride = used.checked_div(far).unwrap_or_default();
        }
        Ok(ten)
    }

    /// How often each chunk is there.
    pub(in super::super) fn copies(&self) -> u64 {
        self.near.saturating_mul(self.far)
    }

    /// Bytes of an array whose members have `size` bytes each.
    pub(in super::super) fn array_size(&self, size: u64) -> u64 {
        self.chunks(size).saturating_mul(self.chunk.get())
    }

    fn chunks(&self, size: u64) -> u64 {
        let each = (size / self.chunk)
            .checked_div(self.far)
            .unwrap_or_default();
        let all = each.saturating_mul(self.disks);
        all.checked_div(self.near).unwrap_or_default()
    }

    /// The member with copy number `copy` of a chunk, and which of its chunks that is.
    pub(super) fn place(&self, chunk: u64, copy: u64) -> Option<(u64, u64)> {
        let (near, far) = (copy.checked_div(self.far)?, copy.checked_rem(self.far)?);
        let first = chunk.checked_mul(self.near)?.checked_add(near)?;
        let disk = first.checked_rem(self.disks)?;
        // A near copy that does not fit in the row stands in the next, which is that of the first
        // far copy where there is an offset: so drivers/md/raid10.c has it.
        let own = chunk.checked_mul(self.near)?;
        let row = own.checked_div(self.disks)?;
        let wraps = u64::from(first.checked_div(self.disks)? > row);
        let row = match self.has_offset {
            true => row.checked_mul(self.far)?,
            false => row,
        };
        let disk = (0..far).try_fold(disk, |disk, _| self.next(disk))?;
        let further = far.checked_mul(self.stride)?;
        let row = row.checked_add(wraps)?.checked_add(further)?;
        Some((disk, row))
    }

    /// The member with the far copy behind that of `disk`. Members that do not fill a set belong to
    /// the last one.
    fn next(&self, disk: u64) -> Option<u64> {
        let rest = self.disks.checked_rem(self.set)?;
        let last = self
            .disks
            .checked_div(self.set)?
            .checked_sub(1)?
            .checked_mul(self.set)?;
        let next = disk.checked_add(self.near)?;
        if rest != 0 && next > last {
            let size = self.set.checked_add(rest)?;
            let inside = next.checked_sub(last)?.checked_rem(size)?;
            return inside.checked_add(last);
        }
        let own = disk.checked_div(self.set)?.checked_mul(self.set)?;
        next.checked_rem(self.set)?.checked_add(own)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    /// What the members have, row by row, in letters; `size` in chunks.
    fn rows(disks: u64, copies: Copies, size: u64) -> String {
        let chunk = NonZeroU64::new(1).unwrap();
        let ten = Ten::new(chunk, disks, copies, size).unwrap();
        let (disks, size) = (
            usize::try_from(disks).unwrap(),
            usize::try_from(size).unwrap(),
        );
        let mut rows = vec![vec!['.'; disks]; size];
        for number in 0..ten.array_size(u64::try_from(size).unwrap()) {
            for copy in 0..ten.copies() {
                let (disk, row) = ten.place(number, copy).unwrap();
                let slot = &mut rows[usize::try_from(row).unwrap()][usize::try_from(disk).unwrap()];
                assert_eq!(*slot, '.');
                *slot = char::from(b'A' + u8::try_from(number).unwrap());
            }
        }
        let rows = rows.iter().map(|row| row.iter().collect::<String>());
        rows.collect::<Vec<_>>().join(" ")
    }

    fn copies(near: u64, far: u64, has_offset: bool, set: Option<u64>) -> Copies {
        Copies {
            near,
            far,
            has_offset,
            set,
        }
    }

    /// As md(4) describes them.
    #[test]
    fn rows_are_those_of_the_md_driver() {
        assert_eq!(rows(4, Copies::near(2), 2), "AABB CCDD");
        assert_eq!(rows(3, Copies::near(2), 2), "AAB BCC");
        assert_eq!(rows(4, copies(1, 2, false, None), 2), "ABCD DABC");
        assert_eq!(rows(3, copies(1, 2, false, None), 4), "ABC DEF CAB FDE");
        assert_eq!(rows(4, copies(1, 2, true, None), 4), "ABCD DABC EFGH HEFG");
        assert_eq!(rows(3, copies(1, 3, true, None), 3), "ABC CAB BCA");
        assert_eq!(rows(4, copies(2, 2, false, None), 2), "AABB BBAA");
        assert_eq!(rows(4, copies(1, 2, false, Some(2)), 2), "ABCD BADC");
        // The fifth belongs to the last set.
        assert_eq!(rows(5, copies(1, 2, false, Some(2)), 2), "ABCDE BAECD");
    }

    #[test]
    fn layouts_that_cannot_be_are_refused() {
        let new = |disks, copies| Ten::new(NonZeroU64::MIN, disks, copies, 8).is_err();
        assert!(new(3, Copies::near(0)));
        assert!(new(3, Copies::near(4)));
        assert!(new(4, copies(3, 2, false, None)));
        assert!(new(1000, copies(16, 16, false, None)));
        assert!(new(4, copies(1, 2, false, Some(0))));
        assert!(new(4, copies(1, 2, false, Some(5))));
        assert!(!new(4, copies(2, 2, true, None)));
    }
}

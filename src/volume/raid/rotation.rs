//! Where data and parity of a row are: the layouts of RAID 4, 5 and 6, under the names and numbers
//! that MD gives them (include/linux/raid/md_p.h, drivers/md/raid5.h), and device-mapper after it.

use crate::error::{Error, Result};

/// How parity goes round from row to row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Rotation {
    LeftAsymmetric,
    RightAsymmetric,
    LeftSymmetric,
    RightSymmetric,
    /// P, and then Q, on the first disks.
    ParityFirst,
    /// P, and then Q, on the last disks.
    ParityLast,
    /// RAID 6 as the DDF standard numbers it.
    RotatingZeroRestart,
    RotatingNRestart,
    RotatingNContinue,
    /// RAID 5's layouts on all disks but the last, which has Q.
    LeftAsymmetric6,
    RightAsymmetric6,
    LeftSymmetric6,
    RightSymmetric6,
    ParityFirst6,
}

/// Which disks of a row have what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Parities {
    /// The disk with P.
    pub(in super::super) p: u64,
    /// The disk with Q, where there is one.
    pub(in super::super) q: Option<u64>,
    /// Where the data begin, and whether they go on behind the last disk or leave parity out.
    order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// From disk 0 on, parity left out.
    FromFirst,
    /// From this disk on, and round among so many.
    From(u64, u64),
}

/// An array's layout.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Layout {
    rotation: Rotation,
    disks: u64,
    /// Disks' worth of parity: 1 or 2.
    parities: u64,
}

impl Layout {
    /// For `disks` of which `parities` are parity.
    ///
    /// # Errors
    /// `Corrupt` for too few disks, and for a rotation that the level does not have.
    pub(in super::super) fn new(rotation: Rotation, disks: u64, parities: u64) -> Result<Self> {
        let only_six = rotation.is_six();
        if disks <= parities || !(1..=2).contains(&parities) || (only_six && parities != 2) {
            let text = format!("{disks} disks with {parities} of parity and {rotation:?}");
            return Err(Error::corrupt(text));
        }
        if disks > 255 {
            return Err(Error::corrupt(format!("{disks} disks")));
        }
        Ok(Self {
            rotation,
            disks,
            parities,
        })
    }

    /// Disks' worth of data.
    pub(in super::super) fn data_disks(&self) -> u64 {
        self.disks.saturating_sub(self.parities).max(1)
    }

    /// Where parity is in row `row`.
    pub(in super::super) fn parities(&self, row: u64) -> Parities {
        use Rotation::*;
        let (disks, two) = (self.disks, self.parities == 2);
        let last = disks.saturating_sub(1);
        let round = |row: u64, among: u64| row.checked_rem(among.max(1)).unwrap_or_default();
        let next = |disk: u64, steps: u64, among: u64| round(disk.saturating_add(steps), among);
        let down = |row: u64, among: u64| among.saturating_sub(1).saturating_sub(round(row, among));
        // Q stands behind P, and behind the last disk is the first.
        let pair = |p: u64, symmetric: bool| {
            let q = two.then(|| next(p, 1, disks));
            let first = next(p, if two { 2 } else { 1 }, disks);
            let order = match symmetric {
                true => Order::From(first, disks),
                false => Order::FromFirst,
            };
            Parities { p, q, order }
        };
        let beside_last = |p: u64, order: Order| Parities {
            p,
            q: Some(last),
            order,
        };
        match self.rotation {
            LeftAsymmetric => pair(down(row, disks), false),
            LeftSymmetric => pair(down(row, disks), true),
            RightAsymmetric | RotatingZeroRestart => pair(round(row, disks), false),
            RightSymmetric => pair(round(row, disks), true),
            RotatingNRestart => pair(down(row.saturating_add(1), disks), false),
            RotatingNContinue => {
                let p = down(row, disks);
                Parities {
                    p,
                    q: Some(next(p, last, disks)),
                    order: Order::From(next(p, 1, disks), disks),
                }
            }
            ParityFirst => pair(0, false),
            ParityLast => pair(self.data_disks(), false),
            LeftAsymmetric6 => beside_last(down(row, last), Order::FromFirst),
            RightAsymmetric6 => beside_last(round(row, last), Order::FromFirst),
            LeftSymmetric6 => {
                let p = down(row, last);
                beside_last(p, Order::From(next(p, 1, last), last))
            }
            RightSymmetric6 => {
                let p = round(row, last);
                beside_last(p, Order::From(next(p, 1, last), last))
            }
            ParityFirst6 => beside_last(0, Order::FromFirst),
        }
    }

    /// The disk with the data number `index` of a row.
    pub(in super::super) fn data_disk(&self, parities: Parities, index: u64) -> u64 {
        match parities.order {
            Order::From(first, among) => {
                let disk = first.saturating_add(index);
                disk.checked_rem(among.max(1)).unwrap_or_default()
            }
            Order::FromFirst => {
                let is_data = |disk: &u64| *disk != parities.p && Some(*disk) != parities.q;
                let mut data = (0..self.disks).filter(is_data);
                data.nth(crate::number::to_usize(index)).unwrap_or_default()
            }
        }
    }

    /// The power of the generator that `disk` has in Q: its place among all disks in the DDF
    /// layouts; in MD's own its place among the data disks from behind Q on.
    pub(in super::super) fn exponent(&self, parities: Parities, disk: u64) -> u64 {
        if self.rotation.is_ddf() {
            return disk;
        }
        let start = match parities.q {
            Some(q) if q.saturating_add(1) < self.disks => q.saturating_add(1),
            _ => 0,
        };
        let round = (start..self.disks).chain(0..start);
        let data = round.filter(|it| *it != parities.p && Some(*it) != parities.q);
        let before = data.take_while(|it| *it != disk).count();
        crate::number::to_u64(before)
    }
}

impl Rotation {
    fn is_ddf(self) -> bool {
        use Rotation::*;
        matches!(
            self,
            RotatingZeroRestart | RotatingNRestart | RotatingNContinue
        )
    }

    /// Whether it has two parities in any case.
    fn is_six(self) -> bool {
        use Rotation::*;
        self.is_ddf()
            || matches!(
                self,
                LeftAsymmetric6
                    | RightAsymmetric6
                    | LeftSymmetric6
                    | RightSymmetric6
                    | ParityFirst6
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row in letters: data by their numbers, P and Q.
    fn row(rotation: Rotation, disks: u64, parities: u64, row: u64) -> String {
        let layout = Layout::new(rotation, disks, parities).unwrap();
        let at = layout.parities(row);
        let mut letters = vec!['?'; crate::number::to_usize(disks)];
        letters[crate::number::to_usize(at.p)] = 'P';
        if let Some(q) = at.q {
            letters[crate::number::to_usize(q)] = 'Q';
        }
        for index in 0..layout.data_disks() {
            let disk = crate::number::to_usize(layout.data_disk(at, index));
            letters[disk] = char::from_digit(u32::try_from(index).unwrap(), 10).unwrap();
        }
        letters.into_iter().collect()
    }

    fn rows(rotation: Rotation, disks: u64, parities: u64) -> String {
        let rows = (0..disks).map(|number| row(rotation, disks, parities, number));
        rows.collect::<Vec<_>>().join(" ")
    }

    /// As raid5_compute_sector() of drivers/md/raid5.c places them.
    #[test]
    fn rows_are_those_of_the_md_driver() {
        use Rotation::*;
        assert_eq!(rows(LeftAsymmetric, 4, 1), "012P 01P2 0P12 P012");
        assert_eq!(rows(LeftSymmetric, 4, 1), "012P 12P0 2P01 P012");
        assert_eq!(rows(RightAsymmetric, 4, 1), "P012 0P12 01P2 012P");
        assert_eq!(rows(RightSymmetric, 4, 1), "P012 2P01 12P0 012P");
        assert_eq!(rows(ParityFirst, 3, 1), "P01 P01 P01");
        assert_eq!(rows(ParityLast, 3, 1), "01P 01P 01P");
        assert_eq!(rows(LeftAsymmetric, 4, 2), "Q01P 01PQ 0PQ1 PQ01");
        assert_eq!(rows(LeftSymmetric, 4, 2), "Q01P 01PQ 1PQ0 PQ01");
        assert_eq!(rows(RightAsymmetric, 4, 2), "PQ01 0PQ1 01PQ Q01P");
        assert_eq!(rows(RightSymmetric, 4, 2), "PQ01 1PQ0 01PQ Q01P");
        assert_eq!(rows(RotatingZeroRestart, 4, 2), "PQ01 0PQ1 01PQ Q01P");
        assert_eq!(rows(RotatingNRestart, 4, 2), "01PQ 0PQ1 PQ01 Q01P");
        assert_eq!(rows(RotatingNContinue, 4, 2), "01QP 1QP0 QP01 P01Q");
        assert_eq!(rows(ParityLast, 4, 2), "01PQ 01PQ 01PQ 01PQ");
        assert_eq!(rows(LeftSymmetric6, 4, 2), "01PQ 1P0Q P01Q 01PQ");
        assert_eq!(rows(LeftAsymmetric6, 4, 2), "01PQ 0P1Q P01Q 01PQ");
        assert_eq!(rows(RightSymmetric6, 4, 2), "P01Q 1P0Q 01PQ P01Q");
        assert_eq!(rows(RightAsymmetric6, 4, 2), "P01Q 0P1Q 01PQ P01Q");
        assert_eq!(rows(ParityFirst6, 4, 2), "P01Q P01Q P01Q P01Q");
    }

    #[test]
    fn layouts_that_cannot_be_are_refused() {
        use Rotation::*;
        assert!(Layout::new(LeftSymmetric, 1, 1).is_err());
        assert!(Layout::new(LeftSymmetric, 2, 2).is_err());
        assert!(Layout::new(RotatingZeroRestart, 4, 1).is_err());
        assert!(Layout::new(LeftSymmetric, 256, 1).is_err());
    }
}

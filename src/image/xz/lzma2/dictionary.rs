//! The last bytes that were unpacked, to which matches point back: a ring.

use crate::error::Result;
use crate::source::zeroed;

/// A ring of the size that matches may reach back.
pub(super) struct Dictionary {
    ring: Vec<u8>,
    /// Where the next byte goes. Below the ring's length except at the end of a run.
    at: usize,
    /// Bytes since the last reset, at most the ring's length: how far a match may reach back.
    full: usize,
    /// Bytes since the last reset, modulo 16 in the end: the position that probabilities depend on.
    position: usize,
}

impl Dictionary {
    /// A ring of `size` bytes, at least 4096.
    pub(super) fn new(size: usize) -> Result<Self> {
        Ok(Self {
            ring: zeroed(size.max(4096))?,
            at: 0,
            full: 0,
            position: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn reset(&mut self) {
        self.full = 0;
        self.position = 0;
    }

    /// The bytes that matches can reach, oldest first, and the position.
    pub(super) fn keep(&self) -> (usize, [&[u8]; 2]) {
        let (before, after) = self.ring.split_at(self.at.min(self.ring.len()));
        let young = self.full.min(before.len());
        let old = self.full.saturating_sub(young);
        let old = after.get(after.len().saturating_sub(old)..).unwrap_or(&[]);
        let young = before.get(before.len().saturating_sub(young)..);
        (self.position, [old, young.unwrap_or(&[])])
    }

    /// Puts back what [`Dictionary::keep`] gave; `None` where it cannot have been kept.
    pub(super) fn restore(&mut self, position: usize, bytes: &[u8]) -> Option<()> {
        self.ring.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.at = bytes.len();
        self.full = bytes.len();
        self.position = position;
        Some(())
    }

    /// Begins a run of at most `most` bytes that ends where the ring does.
    pub(super) fn run(&mut self, most: usize) -> Writer<'_> {
        if self.at >= self.ring.len() {
            self.at = 0;
        }
        let limit = self.at.saturating_add(most).min(self.ring.len());
        Writer {
            start: self.at,
            full: self.full,
            phase: self.position.wrapping_sub(self.at),
            at: self.at,
            limit,
            ring: &mut self.ring,
        }
    }

    /// Ends the run that began at `start` and came to `at`; gives the bytes it wrote.
    pub(super) fn end(&mut self, start: usize, at: usize) -> &[u8] {
        let len = at.saturating_sub(start);
        self.at = at;
        self.full = self.full.saturating_add(len).min(self.ring.len());
        self.position = self.position.wrapping_add(len);
        self.ring.get(start..at).unwrap_or(&[])
    }
}

/// One run of bytes into the ring, which does not wrap within it.
pub(super) struct Writer<'a> {
    ring: &'a mut [u8],
    pub(super) start: usize,
    pub(super) at: usize,
    limit: usize,
    full: usize,
    phase: usize,
}

impl Writer<'_> {
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.at < self.limit
    }

    /// Bytes since the last reset; only its low bits mean something.
    #[inline(always)]
    pub(super) fn position(&self) -> usize {
        self.at.wrapping_add(self.phase)
    }

    /// The byte `distance` + 1 bytes back, 0 before the first.
    #[inline(always)]
    pub(super) fn back(&self, distance: usize) -> u8 {
        self.ring.get(self.from(distance)).copied().unwrap_or(0)
    }

    /// The byte before, which does not exist at the start.
    #[inline(always)]
    pub(super) fn previous(&self) -> u8 {
        match self.reaches(0) {
            true => self.back(0),
            false => 0,
        }
    }

    /// Whether there is a byte `distance` + 1 bytes back.
    #[inline(always)]
    pub(super) fn reaches(&self, distance: usize) -> bool {
        let written = self.at.wrapping_sub(self.start);
        distance < self.full.wrapping_add(written) && distance < self.ring.len()
    }

    #[inline(always)]
    pub(super) fn put(&mut self, byte: u8) {
        if let Some(place) = self.ring.get_mut(self.at) {
            *place = byte;
        }
        self.at = self.at.wrapping_add(1);
    }

    /// Copies `bytes` in as they are, as many as there is room for.
    pub(super) fn put_all(&mut self, bytes: &[u8]) -> usize {
        let room = self.ring.get_mut(self.at..self.limit).unwrap_or(&mut []);
        let len = bytes.len().min(room.len());
        let (room, _) = room.split_at_mut(len);
        room.copy_from_slice(bytes.split_at(len).0);
        self.at = self.at.wrapping_add(len);
        len
    }

    /// Repeats `len` bytes from `distance` + 1 bytes back, as far as there is room; gives how many
    /// bytes are left over. The caller has asked [`Writer::reaches`].
    #[inline(always)]
    pub(super) fn repeat(&mut self, distance: usize, len: usize) -> usize {
        let now = len.min(self.limit.wrapping_sub(self.at));
        let from = self.from(distance);
        let end = from.wrapping_add(now);
        if distance.wrapping_add(1) >= now && end <= self.ring.len() && end > from {
            self.ring.copy_within(from..end, self.at);
        } else {
            self.repeat_slowly(distance, now);
        }
        self.at = self.at.wrapping_add(now);
        len.wrapping_sub(now)
    }

    /// Repeats where source and target overlap, or the source lies over the ring's end.
    #[inline(never)]
    fn repeat_slowly(&mut self, distance: usize, len: usize) {
        let from = self.from(distance);
        let end = self.at.wrapping_add(len);
        if distance == 0 {
            let byte = self.back(0);
            if let Some(run) = self.ring.get_mut(self.at..end) {
                run.fill(byte);
            }
            return;
        }
        let mut from = from;
        for to in self.at..end {
            let byte = self.ring.get(from).copied().unwrap_or(0);
            if let Some(place) = self.ring.get_mut(to) {
                *place = byte;
            }
            from = from.wrapping_add(1);
            if from == self.ring.len() {
                from = 0;
            }
        }
    }

    #[inline(always)]
    fn from(&self, distance: usize) -> usize {
        let back = distance.wrapping_add(1);
        match self.at >= back {
            true => self.at.wrapping_sub(back),
            false => self.at.wrapping_add(self.ring.len()).wrapping_sub(back),
        }
    }
}

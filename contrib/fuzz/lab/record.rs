//! Images in memory that keep a record of what is read of them.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use imgmount::error::{Error, Result};
use imgmount::format::{Identity, Neighbour, Neighbours};
use imgmount::source::{Extent, ExtentKind, Source, check_range, extent_to};

/// A piece of one of a seed's files.
pub type Piece = (usize, Range<u64>);

/// What was read, in its order.
#[derive(Default)]
pub struct Log(Mutex<Vec<Piece>>);

impl Log {
    fn add(&self, piece: Piece) {
        self.lock().push(piece);
    }

    /// What was read since the last call.
    pub fn take(&self) -> Vec<Piece> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Piece>> {
        let pieces = self.0.lock();
        pieces.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Files in memory, as an image and those beside it.
pub type Files = Arc<Vec<(String, Arc<Vec<u8>>)>>;

/// One of them.
pub struct Recorded {
    bytes: Arc<Vec<u8>>,
    number: usize,
    log: Option<Arc<Log>>,
}

impl Recorded {
    pub fn new(files: &Files, number: usize, log: Option<Arc<Log>>) -> Arc<Self> {
        let bytes = files.get(number).map(|(_, bytes)| bytes.clone());
        Arc::new(Self {
            bytes: bytes.unwrap_or_default(),
            number,
            log,
        })
    }
}

impl Source for Recorded {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let end = offset + buf.len() as u64;
        if let Some(log) = &self.log {
            log.add((self.number, offset..end));
        }
        buf.copy_from_slice(&self.bytes[offset as usize..end as usize]);
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        extent_to(ExtentKind::Data, offset, self.size())
    }
}

/// The files beside the image.
pub struct Beside {
    pub files: Files,
    pub log: Option<Arc<Log>>,
}

/// Which file the one of this `number` is.
pub fn identity(number: usize) -> Identity {
    Identity {
        device: 1,
        inode: number as u64,
    }
}

impl Neighbours for Beside {
    fn open(&self, name: &[u8]) -> Result<Neighbour> {
        let mut names = self.files.iter();
        let number = names.position(|(known, _)| known.as_bytes() == name);
        let number = number.ok_or_else(|| Error::not_found("no such file"))?;
        Ok(Neighbour {
            source: Recorded::new(&self.files, number, self.log.clone()),
            name: name.to_vec(),
            identity: Some(identity(number)),
            neighbours: Arc::new(Self {
                files: self.files.clone(),
                log: self.log.clone(),
            }),
        })
    }

    fn names(&self) -> Result<Vec<Vec<u8>>> {
        let names = self.files.iter();
        Ok(names.map(|(name, _)| name.as_bytes().to_vec()).collect())
    }
}

/// Sorted, and those that overlap or touch made one.
pub fn merged(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.retain(|(_, range)| !range.is_empty());
    pieces.sort_by_key(|(file, range)| (*file, range.start, range.end));
    let mut merged: Vec<Piece> = Vec::new();
    for (file, range) in pieces {
        match merged.last_mut() {
            Some((last, before)) if *last == file && range.start <= before.end => {
                before.end = before.end.max(range.end);
            }
            _ => merged.push((file, range)),
        }
    }
    merged
}

/// Whether any of `these` shares a byte with one of `those`.
pub fn overlap(these: &[Piece], those: &[Piece]) -> bool {
    these.iter().any(|(file, range)| {
        those
            .iter()
            .any(|(other, with)| file == other && range.start < with.end && with.start < range.end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_one_where_they_touch_and_overlap_in_the_same_file_only() {
        let reads = vec![(1, 8..9), (0, 4..6), (0, 0..2), (0, 2..3), (0, 5..5)];
        let merged = merged(reads);
        assert_eq!(merged, [(0, 0..3), (0, 4..6), (1, 8..9)]);
        assert!(overlap(&merged, &[(0, 5..8)]));
        assert!(!overlap(&merged, &[(0, 3..4), (0, 8..9), (1, 0..8)]));
    }

    #[test]
    fn what_is_read_of_a_neighbour_is_known_as_its_own() {
        let files: Files = Arc::new(vec![
            ("image".to_owned(), Arc::new(vec![1; 10])),
            ("beside".to_owned(), Arc::new(vec![2; 10])),
        ]);
        let log = Arc::<Log>::default();
        let beside = Beside {
            files,
            log: Some(log.clone()),
        };
        let found = beside.open(b"beside").expect("it is there");
        let mut bytes = [0; 4];
        found.source.read_exact_at(&mut bytes, 3).expect("readable");
        assert_eq!((bytes, log.take()), ([2; 4], vec![(1, 3..7)]));
        assert!(beside.open(b"other").is_err());
    }
}

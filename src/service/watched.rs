//! The image's file, or a second one, watched: an image is taken for a thing that does not change, so whoever uses it
//! has to be told when it does.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Result, ResultExt};
use crate::source::file::{Change, File};
use crate::source::{Extent, HostBytes, Source};

/// How much time lies between two looks, so that they cost the reads between them nothing.
const BETWEEN: Duration = Duration::from_millis(100);

/// Who is told, once for each kind of change.
pub(super) type Tell = Box<dyn Fn(&'static str) + Send + Sync>;

/// A file, and who is told when it changes. It is looked at when it is read, and at once when that
/// fails: what nobody reads any more may change unseen.
pub(super) struct Watched {
    file: File,
    /// What errors call it: the image's own file is named by whoever opened it.
    name: Option<String>,
    tell: Tell,
    opened: Instant,
    /// Milliseconds from then to the last look.
    looked: AtomicU64,
    /// The worst that was told.
    told: AtomicU8,
}

impl Watched {
    pub(super) fn new(file: File, tell: Tell) -> Self {
        Self {
            file,
            name: None,
            tell,
            opened: Instant::now(),
            looked: AtomicU64::new(0),
            told: AtomicU8::new(0),
        }
    }

    /// The same under a name that stands in each of its errors.
    pub(super) fn called(self, name: &str) -> Self {
        let name = Some(name.to_owned());
        Self { name, ..self }
    }

    fn is_time(&self) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = millis(self.opened.elapsed());
        let last = self.looked.load(Ordering::Relaxed);
        if now.saturating_sub(last) < millis(BETWEEN) {
            return false;
        }
        // Of several threads one looks.
        let order = Ordering::Relaxed;
        self.looked
            .compare_exchange(last, now, order, order)
            .is_ok()
    }

    fn look(&self) {
        let (rank, text) = match self.file.change() {
            // Where the host cannot say, the reads will.
            Ok(Change::Unchanged) | Err(_) => return,
            Ok(Change::Touched) => (
                1,
                "the image was renamed, or its attributes were changed, while it was open",
            ),
            Ok(Change::Removed) => (
                2,
                "the image was deleted or replaced while it was open: what was opened is still read",
            ),
            Ok(Change::Written) => (
                3,
                "the image was written to while it was open: what is read may be partly old and \
                 partly new",
            ),
        };
        if self.told.fetch_max(rank, Ordering::Relaxed) < rank {
            (self.tell)(text);
        }
    }
}

impl Source for Watched {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let read = self.file.read_exact_at(buf, offset);
        if read.is_err() || self.is_time() {
            self.look();
        }
        match &self.name {
            Some(name) => read.context(|| name.as_str()),
            None => read,
        }
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.file.extent_at(offset)
    }

    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        if self.is_time() {
            self.look();
        }
        self.file.host_at(offset)
    }

    fn soon(&self, offset: u64, len: u64) {
        self.file.soon(offset, len);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn u06_each_change_is_told_once_and_a_failed_read_looks_at_once() {
        let named = tempfile::NamedTempFile::new().unwrap();
        named.as_file().write_all_at(&[1; 8192], 0).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = {
            let told = told.clone();
            Box::new(move |text| told.lock().unwrap().push(text))
        };
        let file = File::new(named.reopen().unwrap()).unwrap();
        let watched = Watched::new(file, tell);
        let read = |offset| watched.read_exact_at(&mut [0; 512], offset);
        std::thread::sleep(2 * BETWEEN);
        read(0).unwrap();
        assert!(told.lock().unwrap().is_empty());

        let path = named.path().to_owned();
        std::fs::rename(&path, path.with_extension("away")).unwrap();
        std::thread::sleep(2 * BETWEEN);
        for _ in 0..3 {
            read(0).unwrap();
        }
        std::fs::remove_file(path.with_extension("away")).unwrap();
        std::thread::sleep(2 * BETWEEN);
        read(0).unwrap();
        named.as_file().set_len(4096).unwrap();
        for _ in 0..3 {
            assert!(read(4096).is_err());
        }
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("renamed") && told[1].contains("deleted"));
        assert!(told[2].contains("written to"));
    }
}

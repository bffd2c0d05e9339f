//! A bound on what is read of the disks until it is known what is in them.
//!
//! Each reader has bounds of its own for one volume, and there may be four thousand volumes that all
//! lie over the same bytes. Only the sum tells those from honest ones: what is honest hardly reads a
//! byte twice, and what is read once is there on the host.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::format::Notices;
use crate::number::to_u64;
use crate::source::{Extent, ExtentKind, HostBytes, SharedSource, Source};

/// Bytes that are read of any image: a thousand volumes of which each takes a megabyte.
const MOST: u64 = 1 << 30;

/// How often every byte that the host keeps of the image's files may be read besides.
const TIMES: u64 = 2;

/// What a read costs besides its bytes.
const OF_A_READ: u64 = 4096;

/// How many pieces of a file are asked for to count its bytes.
const MOST_PIECES: usize = 1 << 16;

/// What is read of the disks of one run until everything in them is found.
pub(super) struct Survey {
    /// The files that the disks are in.
    files: Vec<SharedSource>,
    /// Bytes that the host keeps of them; counted when it matters.
    kept: OnceLock<u64>,
    /// Bytes read until now, and the costs of the reads.
    read: AtomicU64,
    is_over: AtomicBool,
}

impl Survey {
    /// Of the disks in `files`.
    pub(super) fn of(files: Vec<SharedSource>) -> Arc<Self> {
        Arc::new(Self {
            files,
            kept: OnceLock::new(),
            read: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        })
    }

    /// `disk` as it is read until [`Survey::end`].
    pub(super) fn disk(self: &Arc<Self>, disk: SharedSource) -> SharedSource {
        let survey = self.clone();
        Arc::new(Surveyed { disk, survey })
    }

    /// From now on everything is read: it is asked for. Says in `notices` that not all was found.
    pub(super) fn end(&self, notices: &Notices) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(most) = self.exceeded(self.read.load(Ordering::Relaxed)) {
            notices.add(format!(
                "over {most} bytes were read to find out what is in the image, more than it can \
                 need: volumes that were not reached are shown as they are"
            ));
        }
    }

    fn count(&self, bytes: usize, offset: u64) -> Result<()> {
        if self.is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let cost = to_u64(bytes).saturating_add(OF_A_READ);
        let before = self.read.fetch_add(cost, Ordering::Relaxed);
        self.exceeded(before.saturating_add(cost))
            .map_or(Ok(()), |most| {
                let text = format!("over {most} bytes of the image were read before");
                Err(Error::unsupported(text).at(offset))
            })
    }

    /// The most that may be read, where `read` is more. The files are looked at only then.
    fn exceeded(&self, read: u64) -> Option<u64> {
        let is_more = |most: &u64| read > *most;
        Some(MOST).filter(is_more)?;
        Some(self.most()).filter(is_more)
    }

    fn most(&self) -> u64 {
        let kept = self.kept.get_or_init(|| {
            let kept = self.files.iter().map(|file| kept(&**file));
            kept.fold(0, u64::saturating_add)
        });
        kept.saturating_mul(TIMES).saturating_add(MOST)
    }
}

/// Bytes of `file` that are no holes, as far as its first pieces tell.
fn kept(file: &dyn Source) -> u64 {
    let (mut bytes, mut at) = (0_u64, 0);
    for _ in 0..MOST_PIECES {
        let Ok(Extent { kind, len }) = file.extent_at(at) else {
            break;
        };
        if kind == ExtentKind::Data {
            bytes = bytes.saturating_add(len.get());
        }
        at = at.saturating_add(len.get());
        if at >= file.size() {
            break;
        }
    }
    bytes
}

/// A disk whose reads are counted until the survey ends.
struct Surveyed {
    disk: SharedSource,
    survey: Arc<Survey>,
}

impl Source for Surveyed {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.survey.count(buf.len(), offset)?;
        self.disk.read_exact_at(buf, offset)
    }

    fn read_contents_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.survey.count(buf.len(), offset)?;
        self.disk.read_contents_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.disk.extent_at(offset)
    }

    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        self.disk.host_at(offset)
    }

    fn soon(&self, offset: u64, len: u64) {
        self.disk.soon(offset, len);
    }

    fn end_is_far(&self) -> bool {
        self.disk.end_is_far()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::source::Memory;

    /// Reads the byte at 5 until that fails, at most `most` times; how often it went well.
    fn reads(disk: &dyn Source, most: usize) -> (usize, Option<Error>) {
        let mut byte = [0];
        for done in 0..most {
            if let Err(error) = disk.read_exact_at(&mut byte, 5) {
                return (done, Some(error));
            }
        }
        (most, None)
    }

    #[test]
    fn reads_end_where_they_are_more_than_what_is_there_can_need() {
        let bytes: SharedSource = Arc::new(Memory(vec![7; 1 << 20]));
        let survey = Survey::of(vec![bytes.clone(), bytes.clone()]);
        let disk = survey.disk(bytes);
        let most = MOST + 2 * TIMES * (1 << 20);
        let fit = usize::try_from(most / (OF_A_READ + 1)).unwrap();
        let (done, error) = reads(&*disk, usize::MAX);
        let error = error.unwrap();
        assert_eq!(done, fit);
        assert_eq!((error.kind(), error.offset()), (Kind::Unsupported, Some(5)));
        let words = format!("over {most} bytes of the image were read before");
        assert!(error.to_string().contains(&words), "{error}");

        let notices = Notices::default();
        survey.end(&notices);
        assert_eq!(reads(&*disk, 10).0, 10);
        let words = "volumes that were not reached are shown as they are";
        assert!(notices.all()[0].ends_with(words));
    }

    #[test]
    fn holes_of_a_file_are_not_kept() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 40).unwrap();
        let write = |offset| std::os::unix::fs::FileExt::write_all_at(&file, &[1; 4096], offset);
        write(1 << 30).unwrap();
        write(1 << 35).unwrap();
        let file = crate::source::file::File::new(file).unwrap();
        let kept = kept(&file);
        assert!((8192..1 << 20).contains(&kept), "{kept}");
    }
}

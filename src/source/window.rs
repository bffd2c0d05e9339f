//! A range of another source: a partition, a volume inside a file.

use super::{Extent, HostBytes, SharedSource, Source, check_range, extent_to};
use crate::error::{Error, Result};

/// `size` bytes of `inner` from `start` on. Errors of `inner` name its own offsets.
pub struct Window {
    inner: SharedSource,
    start: u64,
    size: u64,
}

impl Window {
    /// The window.
    ///
    /// # Errors
    /// `Invalid` where it leaves `inner`.
    pub fn new(inner: SharedSource, start: u64, size: u64) -> Result<Self> {
        match start.checked_add(size) {
            Some(end) if end <= inner.size() => Ok(Self { inner, start, size }),
            _ => Err(Error::invalid(format!(
                "{size} bytes are past the end of {} bytes",
                inner.size()
            ))
            .at(start)),
        }
    }

    fn translate(&self, offset: u64, len: usize) -> Result<u64> {
        check_range(self, offset, len)?;
        self.start
            .checked_add(offset)
            .ok_or_else(|| Error::invalid("offset overflows"))
    }
}

impl Source for Window {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.inner
            .read_exact_at(buf, self.translate(offset, buf.len())?)
    }

    fn read_contents_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.inner
            .read_contents_at(buf, self.translate(offset, buf.len())?)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        let extent = self.inner.extent_at(self.translate(offset, 1)?)?;
        let end = offset.saturating_add(extent.len.get());
        extent_to(extent.kind, offset, end.min(self.size))
    }

    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        let host = self.inner.host_at(self.translate(offset, 1).ok()?)?;
        host.cut(self.size.saturating_sub(offset))
    }

    fn soon(&self, offset: u64, len: u64) {
        let len = len.min(self.size.saturating_sub(offset));
        self.inner.soon(self.start.saturating_add(offset), len);
    }

    fn end_is_far(&self) -> bool {
        self.inner.end_is_far()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use std::sync::Arc;

    use super::*;
    use crate::error::Kind;
    use crate::source::testing::Spy;
    use crate::source::{ExtentKind, Memory, read_vec};

    fn digits() -> SharedSource {
        Arc::new(Memory(b"0123456789".to_vec()))
    }

    #[test]
    fn it_reads_its_own_range_and_nothing_around_it() {
        let window = Window::new(digits(), 3, 4).expect("it fits");
        assert_eq!(window.size(), 4);
        assert_eq!(read_vec(&window, 0, 4), Ok(b"3456".to_vec()));
        assert_eq!(read_vec(&window, 3, 1), Ok(b"6".to_vec()));
        assert_eq!(read_vec(&window, 4, 0), Ok(Vec::new()));
        for (offset, len) in [(3, 2), (4, 1), (5, 0), (u64::MAX, 1), (u64::MAX - 2, 3)] {
            let error = read_vec(&window, offset, len).expect_err("past the end");
            assert_eq!(
                (error.kind(), error.offset()),
                (Kind::Invalid, Some(offset))
            );
        }
    }

    #[test]
    fn a_window_that_leaves_its_source_is_refused() {
        for (start, size) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1), (1, u64::MAX)] {
            let error = Window::new(digits(), start, size).err().expect("it leaves");
            assert_eq!((error.kind(), error.offset()), (Kind::Invalid, Some(start)));
        }
    }

    #[test]
    fn an_empty_window_reads_nothing() {
        let window = Window::new(digits(), 10, 0).expect("it fits");
        assert_eq!(read_vec(&window, 0, 0), Ok(Vec::new()));
        assert_eq!(
            window.extent_at(0).map_err(|e| e.kind()),
            Err(Kind::Invalid)
        );
    }

    #[test]
    fn holes_are_cut_at_its_edges() {
        let spy = Arc::new(Spy::new(vec![1; 100]).hole(20..60));
        let window = Window::new(spy, 30, 50).expect("it fits");
        let at = |offset: u64| window.extent_at(offset);
        assert_eq!(at(0), extent_to(ExtentKind::Zeros, 0, 30));
        assert_eq!(at(29), extent_to(ExtentKind::Zeros, 29, 30));
        assert_eq!(at(30), extent_to(ExtentKind::Data, 30, 50));
        assert!(at(50).is_err());
    }

    #[test]
    fn what_lies_in_a_file_is_found_there_and_ends_with_the_window() {
        use std::io::Write;
        let mut named = tempfile::NamedTempFile::new().expect("a temporary file");
        named.write_all(b"0123456789").expect("it has room");
        let reopened = named.reopen().expect("it opens again");
        let file = crate::source::file::File::new(reopened).expect("it is a file");
        let window = Window::new(Arc::new(file), 3, 4).expect("it fits");
        let host = |offset| window.host_at(offset).map(|it| (it.offset, it.len.get()));
        assert_eq!(host(0), Some((3, 4)));
        assert_eq!(host(3), Some((6, 1)));
        assert_eq!(host(4), None);
        assert_eq!(host(u64::MAX), None);
        assert!(
            Window::new(digits(), 3, 4)
                .expect("it fits")
                .host_at(0)
                .is_none()
        );
    }

    #[test]
    fn a_window_of_a_window_at_the_end_of_everything() {
        struct Vast;
        impl Source for Vast {
            fn size(&self) -> u64 {
                u64::MAX
            }
            fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
                check_range(self, offset, buf.len())?;
                buf.fill(offset.to_le_bytes()[0]);
                Ok(())
            }
            fn extent_at(&self, offset: u64) -> Result<Extent> {
                extent_to(ExtentKind::Data, offset, self.size())
            }
        }
        let outer = Arc::new(Window::new(Arc::new(Vast), 1, u64::MAX - 1).expect("it fits"));
        let window = Window::new(outer, u64::MAX - 11, 10).expect("it fits");
        assert_eq!(read_vec(&window, 9, 1), Ok(vec![0xfe]));
        assert!(read_vec(&window, 9, 2).is_err());
        assert_eq!(window.extent_at(9), extent_to(ExtentKind::Data, 9, 10));
    }
}

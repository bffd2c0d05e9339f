//! Memory for secrets.

use std::io;
use std::ptr::NonNull;

/// Pages of this process alone that are kept out of swap and core dumps, and are zeroed before they
/// are given back. Where the limit on locked memory (`RLIMIT_MEMLOCK`) is used up they may be
/// swapped out.
pub struct LockedPages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the pages belong to this value alone, as those of a Vec.
unsafe impl Send for LockedPages {}
// SAFETY: shared references only read them.
unsafe impl Sync for LockedPages {}

impl LockedPages {
    /// `len` zeros.
    ///
    /// # Errors
    /// The kernel's: `ENOMEM`.
    pub fn new(len: usize) -> io::Result<Self> {
        let len = len.max(1);
        // SAFETY: a new private mapping at a place that the kernel chooses touches nothing else.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>());
        let start = start.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: both name the mapping made above, whose contents they leave alone.
        unsafe {
            libc::mlock(start.as_ptr().cast(), len);
            libc::madvise(start.as_ptr().cast(), len, libc::MADV_DONTDUMP);
        }
        Ok(Self { start, len })
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has `len` initialised bytes for as long as this value lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has a reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for LockedPages {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(self.bytes_mut());
        // SAFETY: the mapping made by `new`, to which no reference is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zeros_that_can_be_written_and_stay_out_of_swap_and_dumps() {
        let mut pages = LockedPages::new(10_000).unwrap();
        assert!(pages.bytes().iter().all(|byte| *byte == 0));
        pages.bytes_mut().fill(7);
        assert_eq!(pages.bytes(), [7; 10_000]);
        let start = format!("{:x}-", pages.start.as_ptr().addr());
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
        let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(flags.contains(" lo") && flags.contains(" dd"), "{flags}");
    }
}

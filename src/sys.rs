//! The few system calls that no kept crate wraps: the only place where `unsafe` is allowed.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, setrlimit};

pub use self::attempts::{Attempt, attempts};
pub use self::locked::LockedPages;

mod attempts;
mod locked;

/// Closes every descriptor from `first` on that the process was started with. For the first thing
/// that `main` does: nothing in this process owns a descriptor then.
///
/// # Errors
/// The kernel's, where it neither knows `close_range` nor lists what is open.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: what is closed was left open by another program, and nothing here owns it yet.
    match unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) } {
        0 => Ok(()),
        // The kernel is older than 5.9, or the filter of a container is.
        _ => close_listed(first),
    }
}

fn close_listed(first: u32) -> io::Result<()> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse::<u32>().ok());
        numbers.extend(number.filter(|number| *number >= first));
    }
    for number in numbers.into_iter().filter_map(|it| i32::try_from(it).ok()) {
        // SAFETY: as above; the one that listed them is closed already, which is an error here.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// The number behind that of the last open descriptor of this process. The kernel gives the lowest
/// that is free, so that a long gap is the end: a limit can allow a million.
#[must_use]
pub fn end_of_descriptors() -> i32 {
    const GAP: i32 = 256;
    // SAFETY: F_GETFD takes any number and tells by an error that it is no descriptor.
    let is_open = |number: &i32| unsafe { libc::fcntl(*number, libc::F_GETFD) >= 0 };
    let mut end = 0_i32;
    while let Some(open) = (end..end.saturating_add(GAP)).find(is_open) {
        end = open.saturating_add(1);
    }
    end
}

/// The descriptor `number` that the process was started with, once more.
///
/// # Errors
/// `EBADF` where there is none.
pub fn duplicate(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes any number and tells by an error that it is no descriptor.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Makes all threads started from now on allocate from `count` heaps at the most. glibc gives each its
/// own, reserving 64 MiB of address space; where a limit forbids that, it maps every allocation by
/// itself, which takes pages for bytes. Other C libraries have one anyway.
pub fn share_heaps(count: i32) {
    #[cfg(not(target_env = "gnu"))]
    let _ = count;
    // SAFETY: mallopt(3) takes two integers; this is one of its documented settings.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, count);
    }
}

/// The descriptor `number` that the process was started with, as a value that ends it: no program that
/// is started later has it. Standard input, output or error leads nowhere from then on.
///
/// # Errors
/// `EBADF` where there is none.
pub fn take(number: i32) -> io::Result<OwnedFd> {
    let taken = duplicate(number)?;
    if number > libc::STDERR_FILENO {
        // SAFETY: it is open, as the line above shows, and nothing in this process owns it: whoever
        // started the process opened it and named its number.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
        return Ok(taken);
    }
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    match number {
        libc::STDIN_FILENO => rustix::stdio::dup2_stdin(null)?,
        libc::STDOUT_FILENO => rustix::stdio::dup2_stdout(null)?,
        _ => rustix::stdio::dup2_stderr(null)?,
    }
    Ok(taken)
}

static PROCESSORS: OnceLock<usize> = OnceLock::new();

/// What [`processors`] says from now on, unless it was asked before.
pub fn set_processors(count: usize) {
    let _ = PROCESSORS.set(count); // It was asked before.
}

/// How many threads can run at a time, as it was when first asked: the standard library reads files
/// of the host for it, which a confined process cannot.
#[must_use]
pub fn processors() -> usize {
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Which locks [`is_locked`] looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// Exclusive ones alone.
    Exclusive,
    /// Shared and exclusive ones.
    Any,
}

/// Whether somebody else holds a byte-range lock on `length` bytes (0: to the end) from `start` on.
///
/// # Errors
/// The kernel's, where the file system has no such locks.
pub fn is_locked(file: BorrowedFd<'_>, locks: Locks, start: i64, length: i64) -> io::Result<bool> {
    // A lock that would be refused: a shared one conflicts with exclusive locks alone.
    let wanted = match locks {
        Locks::Exclusive => libc::F_RDLCK,
        Locks::Any => libc::F_WRLCK,
    };
    // SAFETY: all fields of the C struct are integers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(wanted).map_err(io::Error::other)?;
    lock.l_whence = i16::try_from(libc::SEEK_SET).map_err(io::Error::other)?;
    lock.l_start = start;
    lock.l_len = length;
    // SAFETY: `lock` is a flock that outlives the call, which is all F_OFD_GETLK touches.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// Whether some process has `file`, which is open for reading only, open for writing. Answered by
/// taking a read lease, which the kernel grants only while nobody has, and giving it back.
///
/// # Errors
/// The kernel's: `EACCES` for another user's file, `EINVAL` where the file system has no leases.
pub fn has_writer(file: BorrowedFd<'_>) -> io::Result<bool> {
    // Who opens the file for writing in between makes the kernel send SIGIO, which would kill.
    ignore_signal(libc::SIGIO)?;
    if set_lease(file, libc::F_RDLCK)? {
        set_lease(file, libc::F_UNLCK)?;
        return Ok(false);
    }
    Ok(true)
}

/// Sets the lease; false where somebody stands in the way.
fn set_lease(file: BorrowedFd<'_>, lease: libc::c_int) -> io::Result<bool> {
    // SAFETY: F_SETLEASE takes an integer and no pointer.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, lease) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Ok(false),
        _ => Err(error),
    }
}

/// Ignores the signal `number` from now on, also in programs started later that are not
/// [`as_started`].
///
/// # Errors
/// `EINVAL` for what is no signal or cannot be ignored.
pub fn ignore_signal(number: i32) -> io::Result<()> {
    // SAFETY: SIG_IGN runs none of our code.
    let before = unsafe { libc::signal(number, libc::SIG_IGN) };
    if before == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    if before == libc::SIG_DFL {
        IGNORED.fetch_or(bit(number), Ordering::Relaxed);
    }
    Ok(())
}

/// The signals that this program ignores although whoever started it did not, a bit each.
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// The bit of the signal `number` there.
fn bit(number: i32) -> u64 {
    1_u64.checked_shl(number.unsigned_abs()).unwrap_or_default()
}

/// Makes `command` start as this process was started itself: with no signal ignored that was not
/// ignored then, and with `files` as its limit of descriptors.
pub fn as_started(command: &mut Command, files: Rlimit) {
    let ignored = IGNORED.load(Ordering::Relaxed);
    let is_ignored = |number: &i32| ignored & bit(*number) != 0;
    let numbers: Vec<i32> = (1..64).filter(is_ignored).collect();
    let restore = move || {
        for number in &numbers {
            // SAFETY: SIG_DFL runs none of our code.
            unsafe { libc::signal(*number, libc::SIG_DFL) };
        }
        setrlimit(Resource::Nofile, files).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec it does nothing but two system calls, which allocate nothing.
    unsafe { command.pre_exec(restore) };
}

/// Where [`note_signal`] writes to; -1 until [`catch_signals`] was called.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Both ends of that pipe, for as long as there is this process: a handler may run at any time.
static SIGNALS: OnceLock<(OwnedFd, OwnedFd)> = OnceLock::new();

/// Signals that end nothing as long as this lives, and are told one by one instead.
pub struct Caught {
    told: OwnedFd,
    /// What each did before.
    before: Vec<(i32, libc::sigaction)>,
}

/// Catches the signals of `numbers`. Those that are ignored already stay so, which is how `nohup`
/// works. Everybody who catches signals at the same time is told of them from the same list.
///
/// # Errors
/// The kernel's.
pub fn catch_signals(numbers: &[i32]) -> io::Result<Caught> {
    let (reader, _) = match SIGNALS.get() {
        Some(pipe) => pipe,
        None => {
            let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
            let pipe = rustix::pipe::pipe_with(flags)?;
            let pipe = SIGNALS.get_or_init(|| pipe);
            SIGNAL_PIPE.store(pipe.1.as_raw_fd(), Ordering::SeqCst);
            pipe
        }
    };
    let mut caught = Caught {
        told: reader.try_clone()?,
        before: Vec::new(),
    };
    for number in numbers {
        let before = catch_signal(*number)?;
        caught.before.extend(before.map(|before| (*number, before)));
    }
    Ok(caught)
}

impl Caught {
    /// The next signal that came, if any did.
    pub fn take(&mut self) -> Option<i32> {
        let mut number = [0];
        match rustix::io::read(&self.told, &mut number) {
            Ok(1) => number.first().map(|byte| i32::from(*byte)),
            _ => None,
        }
    }
}

impl AsFd for Caught {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        for (number, before) in &self.before {
            // SAFETY: it was the signal's action before, and does what it did then.
            unsafe { libc::sigaction(*number, &raw const *before, std::ptr::null_mut()) };
        }
    }
}

/// What the signal did before; none where it is ignored, and stays so.
fn catch_signal(number: i32) -> io::Result<Option<libc::sigaction>> {
    // SAFETY: zero is a value of every field; the handler is set below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the old action is written to a struct that outlives the call, nothing is changed.
    if unsafe { libc::sigaction(number, std::ptr::null(), &raw mut action) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if action.sa_sigaction == libc::SIG_IGN {
        return Ok(None);
    }
    let before = action;
    let handler: extern "C" fn(libc::c_int) = note_signal;
    #[allow(clippy::as_conversions)] // How C holds a function's address.
    {
        action.sa_sigaction = handler as libc::sighandler_t;
    }
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler takes one integer, as an action without SA_SIGINFO does, and does only
    // what a handler may.
    if unsafe { libc::sigaction(number, &raw const action, std::ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Some(before))
}

/// The handler: an atomic load and a write(2), with errno put back.
extern "C" fn note_signal(number: libc::c_int) {
    let byte = u8::try_from(number).unwrap_or(0);
    // SAFETY: write(2) reads one byte that is there, and is async-signal-safe, as is errno.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let pipe = SIGNAL_PIPE.load(Ordering::SeqCst);
        // A full pipe has a signal in it already.
        let _ = libc::write(pipe, (&raw const byte).cast(), 1);
        *errno = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_seen_by_the_lease_and_gone_with_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let reader = std::fs::File::open(file.path()).unwrap();
        assert!(has_writer(reader.as_fd()).unwrap());
        let path = file.into_temp_path();
        assert!(!has_writer(reader.as_fd()).unwrap());
        drop(path);
    }

    #[test]
    fn a_caught_signal_is_told_and_does_afterwards_what_it_did_before() {
        let told = |caught: &mut Caught| {
            // The handler runs on some thread of this process before long.
            for _ in 0..1000 {
                if let Some(number) = caught.take() {
                    return Some(number);
                }
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            None
        };
        let raise = || {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::USR1).unwrap();
        };
        let mut outer = catch_signals(&[libc::SIGUSR1]).unwrap();
        let mut inner = catch_signals(&[libc::SIGUSR1]).unwrap();
        raise();
        assert_eq!(told(&mut inner), Some(libc::SIGUSR1));
        drop(inner);
        raise();
        assert_eq!(told(&mut outer), Some(libc::SIGUSR1));
        drop(outer);
        // SAFETY: the action is written to a struct that outlives the call, nothing is changed.
        let action = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGUSR1, std::ptr::null(), &raw mut action);
            action.sa_sigaction
        };
        assert_eq!(action, libc::SIG_DFL);
    }
}

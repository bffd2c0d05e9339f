//! What a process that only parses has no business with: tried one after the other, harmless where
//! it goes through.

use std::io;

use libc::c_long;

/// What was tried, and the error that it gave; `Ok` where it went through.
pub type Attempt = (&'static str, io::Result<()>);

/// The path of a file that everybody may read.
const FILE: &[u8] = b"/etc/passwd\0";
/// The path of none.
const NONE: &[u8] = b"/nowhere/imgmount-self-test\0";

/// Tries everything; `other` is a process that this one could reach otherwise.
#[must_use]
pub fn attempts(other: i32) -> Vec<Attempt> {
    let other = c_long::from(other);
    let own = c_long::from(rustix::process::getpid().as_raw_nonzero().get());
    let here = c_long::from(libc::AT_FDCWD);
    let mut memory = [0_u64; 32];
    let memory = address(memory.as_mut_ptr());
    let (file, none) = (address(FILE.as_ptr()), address(NONE.as_ptr()));
    let how = address([0_u64; 3].as_ptr());
    let executable = c_long::from(libc::PROT_READ | libc::PROT_EXEC);
    let private = c_long::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let internet = c_long::from(libc::AF_INET);
    let namespace = c_long::from(libc::CLONE_NEWUSER);
    let peek = c_long::from(libc::PTRACE_PEEKDATA);
    let terminal = c_long::try_from(libc::TIOCSTI).unwrap_or_default();
    let empty = c_long::from(libc::AT_EMPTY_PATH);
    let files = c_long::from(libc::RLIMIT_NOFILE);
    // One line each: rustfmt would make six.
    #[rustfmt::skip]
    let calls: &[(&'static str, c_long, [c_long; 6])] = &[
        #[cfg(target_arch = "x86_64")]
        ("open a file the old way", libc::SYS_open, [file, 0, 0, 0, 0, 0]),
        ("open a file", libc::SYS_openat, [here, file, 0, 0, 0, 0]),
        ("openat2", libc::SYS_openat2, [here, file, how, 24, 0, 0]),
        ("look at a file", libc::SYS_newfstatat, [here, file, memory, 0, 0, 0]),
        ("look at a file with a flag", libc::SYS_newfstatat, [here, file, memory, empty, 0, 0]),
        ("look at a file by statx", libc::SYS_statx, [here, file, empty, 0, memory, 0]),
        ("read a link", libc::SYS_readlinkat, [here, none, memory, 8, 0, 0]),
        ("delete a file", libc::SYS_unlinkat, [here, none, 0, 0, 0, 0]),
        ("rename a file", libc::SYS_renameat2, [here, none, here, none, 0, 0]),
        ("change the root directory", libc::SYS_chroot, [none, 0, 0, 0, 0, 0]),
        ("make a socket", libc::SYS_socket, [internet, 1, 0, 0, 0, 0]),
        ("connect", libc::SYS_connect, [-1, memory, 16, 0, 0, 0]),
        ("listen", libc::SYS_listen, [-1, 1, 0, 0, 0, 0]),
        ("execute a program", libc::SYS_execve, [none, 0, 0, 0, 0, 0]),
        ("execute an open file", libc::SYS_execveat, [-1, none, 0, 0, 0, 0]),
        ("trace a process", libc::SYS_ptrace, [peek, own, 0, 0, 0, 0]),
        ("mount", libc::SYS_mount, [none, none, 0, 0, 0, 0]),
        ("signal another process", libc::SYS_kill, [other, 0, 0, 0, 0, 0]),
        ("signal another's thread", libc::SYS_tgkill, [other, other, 0, 0, 0, 0]),
        ("hold another process", libc::SYS_pidfd_open, [other, 0, 0, 0, 0, 0]),
        ("limits of another process", libc::SYS_prlimit64, [other, files, 0, memory, 0, 0]),
        ("limits of its own", libc::SYS_prlimit64, [0, files, 0, memory, 0, 0]),
        ("read another process", libc::SYS_process_vm_readv, [other, 0, 0, 0, 0, 0]),
        ("write to another process", libc::SYS_process_vm_writev, [other, 0, 0, 0, 0, 0]),
        ("make a file in memory", libc::SYS_memfd_create, [none, 1, 0, 0, 0, 0]),
        ("share memory", libc::SYS_shmget, [0x1a9e, 4096, 0, 0, 0, 0]),
        ("executable memory", libc::SYS_mmap, [0, 4096, executable, private, -1, 0]),
        ("make memory executable", libc::SYS_mprotect, [0, 0, executable, 0, 0, 0]),
        ("type at a terminal", libc::SYS_ioctl, [0, terminal, memory, 0, 0, 0]),
        ("keys of the kernel", libc::SYS_keyctl, [0, -3, 0, 0, 0, 0]),
        ("io_uring", libc::SYS_io_uring_setup, [1, memory, 0, 0, 0, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, [0; 6]),
        ("bpf", libc::SYS_bpf, [5, memory, 0, 0, 0, 0]),
        ("a namespace", libc::SYS_unshare, [namespace, 0, 0, 0, 0, 0]),
        ("watch the processor", libc::SYS_perf_event_open, [memory, 0, -1, -1, 0, 0]),
    ];
    let mut attempts: Vec<Attempt> = Vec::new();
    attempts.push(("start a process", fork()));
    let calls = calls.iter();
    attempts.extend(calls.map(|(what, number, arguments)| (*what, call(*number, *arguments))));
    attempts
}

#[allow(clippy::as_conversions)] // How an address is handed to the kernel.
fn address<T>(pointer: *const T) -> c_long {
    pointer as c_long
}

fn call(number: c_long, arguments: [c_long; 6]) -> io::Result<()> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: every address above is of memory that outlives the call and is as large as the call
    // may write; what the calls would change is nothing, or fails for another reason.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn fork() -> io::Result<()> {
    // SAFETY: where it goes through, the new process does nothing but end.
    match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: ends the new process without running anything of the old one's.
        0 => unsafe { libc::_exit(0) },
        _ => Ok(()),
    }
}

//! The image's own file: opened for reading, refused unless it can be one, and whether somebody
//! writes to it.

use std::fs::{DirEntry, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result, printable};
use crate::sys::{self, Locks};

/// An open image, and what is odd about the file.
pub(super) struct ImageFile {
    /// Open for reading alone.
    pub(super) file: File,
    /// For people; without the image's name.
    pub(super) notices: Vec<String>,
}

/// Opens the regular file or block device at `path`. Never waits, whatever is there.
///
/// # Errors
/// `NotFound`, `Denied`, or `Unsupported` for what is neither; empty files too.
pub(super) fn open(path: &Path) -> Result<ImageFile> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) => return Err(refused(path, &error)),
    };
    check(&file, path)?;
    if file
        .metadata()
        .is_ok_and(|found| found.is_file() && found.len() == 0)
    {
        return Err(Error::unsupported("empty image"));
    }
    let notices = notices(&file);
    Ok(ImageFile { file, notices })
}

fn refused(path: &Path, error: &std::io::Error) -> Error {
    // ENXIO is how a socket answers open(2); it cannot be opened at all.
    let socket = path
        .metadata()
        .is_ok_and(|found| found.file_type().is_socket());
    if socket {
        return not_an_image("a socket");
    }
    Error::io("cannot be opened", error)
}

/// What is odd about the file, for people; without its name.
pub(super) fn notices(file: &File) -> Vec<String> {
    in_use(file).map(str::to_owned).into_iter().collect()
}

/// That the open file is a regular file or a block device.
///
/// # Errors
/// `Unsupported`, naming what it is.
pub(super) fn check(file: &File, path: &Path) -> Result<()> {
    let found = file
        .metadata()
        .map_err(|error| Error::io("cannot be examined", &error))?;
    let kind = found.file_type();
    if kind.is_file() && is_kernels(file) {
        return Err(not_an_image("a file that the kernel makes up"));
    }
    if kind.is_file() || kind.is_block_device() {
        Ok(())
    } else if kind.is_dir() {
        Err(directory(path))
    } else if kind.is_fifo() {
        Err(not_an_image("a pipe"))
    } else {
        Err(not_an_image("a character device"))
    }
}

/// Files in /proc and /sys: /proc/kcore is a regular file of 128 TiB.
fn is_kernels(file: &File) -> bool {
    const PROC: i64 = 0x9fa0;
    const SYSFS: i64 = 0x6265_6572;
    rustix::fs::fstatfs(file).is_ok_and(|found| [PROC, SYSFS].contains(&found.f_type))
}

fn not_an_image(what: &str) -> Error {
    Error::unsupported(format!(
        "{what}, not an image: a regular file or a block device is needed"
    ))
}

/// Bundles of Parallels, VMware and UTM are directories with the image inside.
fn directory(path: &Path) -> Error {
    const BUNDLES: [&str; 4] = ["hdd", "pvm", "utm", "vmwarevm"];
    let error = Error::new(
        Kind::Unsupported,
        "a directory, not an image: a regular file or a block device is needed",
    );
    let is_bundle = path.extension().is_some_and(|extension| {
        BUNDLES
            .iter()
            .any(|bundle| extension.eq_ignore_ascii_case(bundle))
    });
    let shown = |file: PathBuf| printable(std::os::unix::ffi::OsStrExt::as_bytes(file.as_os_str()));
    match is_bundle.then(|| file_to_open(path)).flatten() {
        Some((file, true)) => error.hint(format!("open {}", shown(file))),
        Some((file, false)) => error.hint(format!("its largest file is {}", shown(file))),
        None => error,
    }
}

/// The descriptor of the bundle's disk and `true`, or the largest regular file; both in it or, for
/// `X.hdd` inside `X.pvm`, one level down.
fn file_to_open(bundle: &Path) -> Option<(PathBuf, bool)> {
    /// A bundle holds a handful.
    const MOST: usize = 1000;
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let is_directory = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let (inner, files): (Vec<_>, Vec<_>) = entries(bundle).take(MOST).partition(is_directory);
    let deeper = inner.iter().flat_map(|entry| entries(&entry.path()));
    let files = files.into_iter().chain(deeper).take(MOST);
    let files = files.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let files: Vec<_> = files.collect();
    let describes = |entry: &&DirEntry| entry.file_name() == "DiskDescriptor.xml";
    if let Some(descriptor) = files.iter().find(describes) {
        return Some((descriptor.path(), true));
    }
    let size = |entry: &&DirEntry| entry.metadata().map_or(0, |found| found.len());
    Some((files.iter().max_by_key(size)?.path(), false))
}

/// Says who uses the image in a way that changes it, as far as can be told without disturbing them.
fn in_use(file: &File) -> Option<&'static str> {
    /// QEMU holds a shared lock on byte 101 for as long as it may write (its `block/file-posix.c`:
    /// 100 is the base of the permissions it has, 1 the permission to write).
    const QEMU_WRITES: i64 = 101;
    let locked = |locks, start, length| {
        sys::is_locked(file.as_fd(), locks, start, length).unwrap_or_default()
    };
    if is_claimed(file) {
        Some(
            "in use: it, or a part of it, is mounted or is held by the kernel in another way; files may change or be torn",
        )
    } else if locked(Locks::Any, QEMU_WRITES, 1) {
        Some("in use: a running virtual machine (QEMU) writes to it; files may change or be torn")
    } else if locked(Locks::Exclusive, 0, 0) || flocked(file) {
        Some("in use: another program has locked it for writing; files may change or be torn")
    } else if sys::has_writer(file.as_fd()).unwrap_or_default() {
        Some("in use: another program has it open for writing; files may change or be torn")
    } else {
        None
    }
}

/// Whether the kernel has the block device for itself: mounted, as swap, in an array, under another
/// device. Answered by asking for the same, and giving it back; of files nobody can have that.
fn is_claimed(file: &File) -> bool {
    use rustix::fs::{Mode, OFlags};
    let is_device = |found: std::fs::Metadata| found.file_type().is_block_device();
    if !file.metadata().is_ok_and(is_device) {
        return false;
    }
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .is_err_and(|error| error == rustix::io::Errno::BUSY)
}

/// Whether somebody has an exclusive flock(2).
fn flocked(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            // It goes with the descriptor at the latest.
            let _ = flock(file, FlockOperation::Unlock);
            false
        }
        Err(error) => error == rustix::io::Errno::WOULDBLOCK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: impl AsRef<Path>) -> String {
        open(path.as_ref()).err().unwrap().to_string()
    }

    #[test]
    fn g05_what_is_no_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(message(at("fifo")).starts_with("a pipe, not an image"));
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert!(message(at("socket")).starts_with("a socket, not an image"));
        assert!(message("/dev/zero").starts_with("a character device, not an image"));
        assert!(message("/proc/kallsyms").starts_with("a file that the kernel makes up"));
        assert!(message(at("nothing")).contains("No such file"));
    }

    #[test]
    fn g05_a_bundle_names_the_file_in_it() {
        let bundle = tempfile::Builder::new().suffix(".pvm").tempdir().unwrap();
        let inner = bundle.path().join("disk.hdd");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(bundle.path().join("config.pvs"), "small").unwrap();
        std::fs::write(inner.join("disk.hds"), vec![1; 5000]).unwrap();
        let message = message(bundle.path());
        assert!(message.starts_with("a directory, not an image"));
        assert!(message.contains("disk.hdd/disk.hds"), "{message}");
        std::fs::write(inner.join("DiskDescriptor.xml"), "small").unwrap();
        let message = self::message(bundle.path());
        assert!(message.contains("open /"), "{message}");
        assert!(message.contains("disk.hdd/DiskDescriptor.xml"), "{message}");
    }

    #[test]
    fn g05_any_other_directory_is_not_searched() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("large"), vec![1; 5000]).unwrap();
        let message = message(directory.path());
        assert!(message.ends_with("a block device is needed"), "{message}");
    }

    #[test]
    fn g01_an_empty_file_is_an_empty_image() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(message(file.path()), "empty image");
    }

    #[test]
    fn each_kind_of_writer_is_noticed_and_a_reader_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "an image").unwrap();
        let notices = || open(file.path()).unwrap().notices;
        assert!(notices()[0].contains("open for writing"), "{:?}", notices());
        file.as_file().lock().unwrap();
        assert!(notices()[0].contains("locked it"), "{:?}", notices());
        let path = file.into_temp_path();
        let _reader = File::open(&path).unwrap();
        // What another test starts has the writer's descriptor for a moment.
        let mut attempts = 0..100;
        while attempts.next().is_some() && !open(&path).unwrap().notices.is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(open(&path).unwrap().notices.is_empty());
    }
}

//! The walk over a mounted tree, the kernel's or imgmount's own: every field that system calls
//! give.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Advice, AtFlags, Dir, FileType, Mode, OFlags, SeekFrom, Statx, StatxFlags};
use sha2::{Digest, Sha256};

use super::images::hex;
use super::record::{Record, Tree};

/// The piece in which contents are read and hashed; pieces of zeros are left out of the hash, so
/// that holes cost nothing and need not be in the same places.
pub const PIECE: usize = 64 << 10;

/// Everything below (and with) the directory `root`. Does not follow links or cross mounts.
pub fn mounted(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut left = vec![Vec::new()];
    while let Some(path) = left.pop() {
        let record = look(&root.join(OsStr::from_bytes(&path)));
        for name in record.entries.iter().flat_map(BTreeMap::keys) {
            if name != b"." && name != b".." {
                left.push(join(&path, name));
            }
        }
        tree.insert(path, record);
    }
    tree
}

/// `name` below the path `folder`, which is empty for the root.
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder {
        [] => name.to_vec(),
        _ => [folder, b"/", name].concat(),
    }
}

/// One file.
pub fn look(path: &Path) -> Record {
    let at = rustix::fs::CWD;
    let stat = rustix::fs::statx(at, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::ALL)
        .unwrap_or_else(|error| panic!("statx {}: {error}", path.display()));
    let kind = FileType::from_raw_mode(u32::from(stat.stx_mode));
    let mut record = of_stat(&stat, letter(kind));
    record.xattrs = xattrs(path);
    match kind {
        FileType::Symlink => {
            record.target = Some(rustix::fs::readlink(path, Vec::new()).unwrap().into_bytes());
        }
        FileType::Directory => {
            let folder = open(path, OFlags::DIRECTORY).unwrap();
            record.flags = flags(&folder);
            record.entries = Some(entries(&folder));
        }
        FileType::RegularFile => match open(path, OFlags::empty()) {
            Ok(file) => of_file(&file, &mut record),
            Err(error) => record.content = Some(Err(error.to_string())),
        },
        _ => {}
    }
    record
}

fn of_stat(stat: &Statx, kind: char) -> Record {
    let time = |time: rustix::fs::StatxTimestamp| (time.tv_sec, time.tv_nsec);
    let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Record {
        kind,
        mode: u32::from(stat.stx_mode) & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        size: stat.stx_size,
        blocks: stat.stx_blocks,
        block_size: stat.stx_blksize,
        nlink: stat.stx_nlink,
        rdev: (stat.stx_rdev_major, stat.stx_rdev_minor),
        atime: time(stat.stx_atime),
        mtime: time(stat.stx_mtime),
        ctime: time(stat.stx_ctime),
        crtime: has_birth.then(|| time(stat.stx_btime)),
        ino: stat.stx_ino,
        ..Record::default()
    }
}

fn of_file(file: &OwnedFd, record: &mut Record) {
    record.flags = flags(file);
    // What was read of the file by another name counts as data in unwritten extents.
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed).unwrap();
    let map = data_ranges(file, record.size);
    let mut read = |buf: &mut [u8], offset: u64| {
        rustix::io::pread(file, buf, offset).map_err(|error| error.to_string())
    };
    record.content = Some(content(&map, record.size, &mut read));
    record.map = Some(map);
}

fn open(path: &Path, more: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    rustix::fs::open(path, flags, Mode::empty())
}

fn flags(file: &OwnedFd) -> Option<u32> {
    rustix::fs::ioctl_getflags(file)
        .ok()
        .map(|flags| flags.bits())
}

/// What readdir gives.
fn entries(folder: &OwnedFd) -> BTreeMap<Vec<u8>, (u64, char)> {
    let mut entries = BTreeMap::new();
    for entry in Dir::read_from(folder).unwrap() {
        let entry = entry.unwrap();
        let value = (entry.ino(), letter(entry.file_type()));
        let twice = entries.insert(entry.file_name().to_bytes().to_vec(), value);
        assert!(twice.is_none(), "{:?} is given twice", entry.file_name());
    }
    entries
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let size = match rustix::fs::llistxattr(path, &mut names[..]) {
        // A file system without any has no list.
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        listed => listed.unwrap_or_else(|error| panic!("llistxattr {}: {error}", path.display())),
    };
    let names = names[..size].split(|byte| *byte == 0);
    names
        .filter(|name| !name.is_empty())
        .map(|name| (name.to_vec(), xattr(path, name)))
        .collect()
}

fn xattr(path: &Path, name: &[u8]) -> Vec<u8> {
    let mut value = vec![0; 64 << 10];
    let size = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..])
        .unwrap_or_else(|error| panic!("lgetxattr {} {name:?}: {error}", path.display()));
    value.truncate(size);
    value
}

/// The ranges of data by SEEK_DATA and SEEK_HOLE.
fn data_ranges(file: &OwnedFd, size: u64) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    let mut offset = 0;
    while offset < size {
        let Ok(start) = rustix::fs::seek(file, SeekFrom::Data(offset)) else {
            break; // ENXIO: no data up to the end
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap();
        assert!(start >= offset && end > start, "SEEK_HOLE goes back");
        ranges.push((start, end));
        offset = end;
    }
    ranges
}

/// Reads at an offset; gives how many bytes, 0 at the end.
pub type ReadAt<'a> = &'a mut dyn FnMut(&mut [u8], u64) -> Result<usize, String>;

/// The hash of a file of `size` bytes that `read` gives: over the offset and the bytes of each
/// piece that is not all zeros. Up to 64 MiB all is read; above that the ranges of `map`, and a
/// piece at the start and the end of every hole.
pub fn content(map: &[(u64, u64)], size: u64, read: ReadAt<'_>) -> Result<String, String> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    while offset < size {
        let want = PIECE.min(usize::try_from(size - offset).unwrap_or(PIECE));
        let mut got = 0;
        while got < want {
            match read(&mut piece[got..want], offset + got as u64)? {
                0 => return Err(format!("ends at {} of {size}", offset + got as u64)),
                more => got += more,
            }
        }
        if piece[..want].iter().any(|byte| *byte != 0) {
            hash.update(offset.to_le_bytes());
            hash.update(&piece[..want]);
        }
        offset = next_piece(map, offset + want as u64, size);
    }
    Ok(hex(&hash.finalize()))
}

/// The next piece to read: the following one, but in a big file the inside of holes is left out.
fn next_piece(map: &[(u64, u64)], offset: u64, size: u64) -> u64 {
    const WHOLE: u64 = 64 << 20;
    let piece = PIECE as u64;
    if size <= WHOLE {
        return offset;
    }
    let next_data = map
        .iter()
        .find(|(_, end)| *end > offset)
        .map_or(size.saturating_sub(piece), |(start, _)| {
            start.saturating_sub(piece)
        });
    offset.max(next_data / piece * piece)
}

/// The letter of a type, as find(1) says it.
fn letter(kind: FileType) -> char {
    match kind {
        FileType::RegularFile => 'f',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::Unknown => '?',
    }
}

/// The hash of the contents of the file at `path`, of `size` bytes, as [`content`] makes it.
pub fn content_of(path: &Path, size: u64) -> Option<Result<String, String>> {
    let file = open(path, OFlags::empty()).unwrap();
    let map = data_ranges(&file, size);
    let mut read = |buf: &mut [u8], offset: u64| {
        rustix::io::pread(&file, buf, offset).map_err(|error| error.to_string())
    };
    Some(content(&map, size, &mut read))
}

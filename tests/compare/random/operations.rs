//! Random things to do in a mounted file system. What a feature set refuses is left undone.

mod attributes;

use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, RenameFlags};

use super::Run;
use crate::hostile::flips::Numbers;

/// No file's blocks lie further, but for a rare one.
const FAR: usize = 600 << 10;

/// A mounted file system in the making.
pub struct Work<'a> {
    numbers: &'a mut Numbers,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    /// Files without a name.
    held: Vec<File>,
    root: PathBuf,
}

impl<'a> Work<'a> {
    pub fn new(root: &Path, numbers: &'a mut Numbers) -> Self {
        let root = root.to_path_buf();
        Self {
            numbers,
            folders: vec![root.clone()],
            files: Vec::new(),
            held: Vec::new(),
            root,
        }
    }

    /// One thing more.
    pub fn step(&mut self) {
        match self.below(40) {
            0..=5 => self.create(),
            6..=10 => self.write(),
            11..=15 => self.allocate(),
            16 => self.truncate(),
            17 | 18 => self.rename(),
            19 => self.link(),
            20 | 21 => self.symlink(),
            22 => self.unlink(),
            23 | 24 => self.folder(),
            25 => self.remove_folder(),
            26 => self.node(),
            27..=31 => self.attribute(),
            32 => self.list(),
            33 => self.flags(),
            34 => self.own(),
            35 => self.touch(),
            36 => self.nameless(),
            37 => self.many(),
            38 => self.sync(),
            _ => self.tools(),
        }
    }

    /// Deletes some files while they are open, and makes sure that this is on the disk.
    pub fn delete_open_files(&mut self) {
        for _ in 0..self.below(5) {
            self.unlink();
        }
        for _ in 0..self.below(3) {
            self.nameless();
        }
        self.sync();
        self.write();
        self.truncate();
    }

    /// Puts everything on the disk.
    pub fn sync_all(&self) {
        let root = File::open(&self.root).unwrap();
        let _ = rustix::fs::syncfs(root);
    }

    fn below(&mut self, bound: usize) -> usize {
        self.numbers.below(bound)
    }

    fn any(&mut self) -> Option<PathBuf> {
        if self.files.is_empty() {
            return None;
        }
        let index = self.below(self.files.len());
        Some(self.files[index].clone())
    }

    fn any_folder(&mut self) -> PathBuf {
        let index = self.below(self.folders.len());
        self.folders[index].clone()
    }

    fn any_of_all(&mut self) -> PathBuf {
        let file = self.any();
        match (self.below(4), file) {
            (1.., Some(file)) => file,
            _ => self.any_folder(),
        }
    }

    /// A new name somewhere: short, long, or no text.
    fn name(&mut self) -> PathBuf {
        let folder = self.any_folder();
        let length = match self.below(6) {
            0 => 1 + self.below(255),
            1 => 1 + self.below(3),
            _ => 4 + self.below(20),
        };
        let odd = self.below(8) == 0;
        let letter = |work: &mut Self| match (odd, work.below(255) as u8 + 1) {
            (true, b'/') => b'!',
            (true, byte) => byte,
            (false, byte) => b'a' + byte % 26,
        };
        let mut name: Vec<u8> = (0..length).map(|_| letter(self)).collect();
        if name.iter().all(|byte| *byte == b'.') {
            name[0] = b'_';
        }
        folder.join(std::ffi::OsString::from_vec(name))
    }

    fn open(&mut self) -> Option<File> {
        let path = self.any()?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(&path, flags, Mode::empty()).ok()?;
        let file = File::from(file);
        file.metadata().ok()?.is_file().then_some(file)
    }

    fn offset(&mut self) -> u64 {
        let offset = self.below(FAR) as u64;
        match self.below(30) {
            0 => offset + (1 << (20 + self.below(23))),
            1..=10 => offset % 5000,
            11..=20 => offset / 4096 * 4096,
            _ => offset,
        }
    }

    fn length(&mut self) -> usize {
        match self.below(6) {
            0 => 1 + self.below(100),
            1 => 1 + self.below(400),
            2 => 1 + self.below(5000),
            3 => 4096 * (1 + self.below(8)),
            _ => 1 + self.below(60_000),
        }
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        if self.below(10) == 0 {
            return vec![0; length];
        }
        let mut bytes = Vec::with_capacity(length + 8);
        // Blocks that begin with the journal's magic number are escaped in it.
        if self.below(10) == 0 {
            bytes.extend([0xc0, 0x3b, 0x39, 0x98]);
        }
        while bytes.len() < length {
            self.numbers.below(1);
            bytes.extend(self.numbers.0.to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    fn create(&mut self) {
        let path = self.name();
        let Ok(file) = File::create_new(&path) else {
            return;
        };
        if self.below(3) > 0 {
            let length = self.length();
            let _ = file.write_all_at(&self.bytes(length), 0);
        }
        self.files.push(path);
    }

    fn write(&mut self) {
        let Some(file) = self.open() else { return };
        let end = file.metadata().map_or(0, |metadata| metadata.len());
        let offset = match self.below(3) {
            0 => end,
            1 => self.below(end.min(1 << 40) as usize + 1) as u64,
            _ => self.offset(),
        };
        let length = self.length();
        let _ = file.write_all_at(&self.bytes(length), offset);
        if self.below(4) == 0 {
            let _ = file.sync_data();
        }
    }

    /// fallocate(2), in all its modes.
    fn allocate(&mut self) {
        let Some(file) = self.open() else { return };
        if self.below(2) == 0 {
            let _ = file.sync_data();
        }
        let modes = [
            FallocateFlags::empty(),
            FallocateFlags::KEEP_SIZE,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            FallocateFlags::ZERO_RANGE,
            FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE,
            FallocateFlags::COLLAPSE_RANGE,
            FallocateFlags::INSERT_RANGE,
        ];
        let mode = modes[self.below(modes.len())];
        let (mut offset, mut length) = (self.offset(), self.length() as u64);
        let aligned =
            mode.intersects(FallocateFlags::COLLAPSE_RANGE | FallocateFlags::INSERT_RANGE);
        if aligned || self.below(2) == 0 {
            offset = offset / 16384 * 4096;
            length = length.div_ceil(4096) * 4096;
        }
        let _ = rustix::fs::fallocate(&file, mode, offset, length);
    }

    fn truncate(&mut self) {
        let Some(file) = self.open() else { return };
        let offset = self.offset();
        let _ = file.set_len(offset);
    }

    fn rename(&mut self) {
        let Some(from) = self.any() else { return };
        let (to, flags) = match self.below(4) {
            0 => (self.any_of_all(), RenameFlags::EXCHANGE),
            1 => (self.name(), RenameFlags::WHITEOUT),
            2 => (self.any().unwrap_or_default(), RenameFlags::empty()),
            _ => (self.name(), RenameFlags::NOREPLACE),
        };
        // A folder that is moved takes what is in it along: only its exchange is done here.
        if self.folders.contains(&to) {
            return;
        }
        if rustix::fs::renameat_with(CWD, &from, CWD, &to, flags).is_ok() {
            self.files.push(to);
            if fs::symlink_metadata(&from).is_err() {
                self.files.retain(|path| *path != from);
            }
        }
    }

    fn link(&mut self) {
        let Some(from) = self.any() else { return };
        let to = self.name();
        if fs::hard_link(from, &to).is_ok() {
            self.files.push(to);
        }
    }

    fn symlink(&mut self) {
        let path = self.name();
        let length = match self.below(3) {
            0 => 1 + self.below(4095),
            1 => 50 + self.below(30),
            _ => 1 + self.below(250),
        };
        let target: Vec<u8> = self.bytes(length).iter().map(|byte| byte | 1).collect();
        let target = std::ffi::OsString::from_vec(target);
        if std::os::unix::fs::symlink(target, &path).is_ok() {
            self.files.push(path);
        }
    }

    fn unlink(&mut self) {
        let Some(path) = self.any() else { return };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = rustix::fs::open(&path, flags, Mode::empty());
        if fs::remove_file(&path).is_ok() {
            self.files.retain(|other| *other != path);
            if let (Ok(open), true) = (open, self.below(2) == 0) {
                self.held.push(File::from(open));
            }
        }
    }

    fn folder(&mut self) {
        let path = self.name();
        if fs::create_dir(&path).is_ok() {
            self.folders.push(path);
        }
    }

    fn remove_folder(&mut self) {
        let path = self.any_folder();
        let open = File::open(&path);
        if path != self.root && fs::remove_dir(&path).is_ok() {
            self.folders.retain(|other| *other != path);
            self.held.extend(open);
        }
    }

    fn node(&mut self) {
        let path = self.name();
        let kinds = [
            FileType::Fifo,
            FileType::Socket,
            FileType::CharacterDevice,
            FileType::BlockDevice,
        ];
        let kind = kinds[self.below(4)];
        let (major, minor) = (self.below(4096), self.below(1 << 20));
        let device = match self.below(3) {
            0 => rustix::fs::makedev(major as u32 & 0xff, minor as u32 & 0xff),
            _ => rustix::fs::makedev(major as u32, minor as u32),
        };
        let mode = Mode::from_raw_mode(self.below(0o10000) as u32);
        if rustix::fs::mknodat(CWD, &path, kind, mode, device).is_ok() {
            self.files.push(path);
        }
    }

    /// A file that never had a name, which may get one.
    fn nameless(&mut self) {
        let folder = self.any_folder();
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::open(&folder, flags, Mode::from_raw_mode(0o644)) else {
            return;
        };
        let file = File::from(file);
        let length = self.length();
        let _ = file.write_all_at(&self.bytes(length), 0);
        if self.below(3) > 0 {
            self.held.push(file);
            return;
        }
        let path = self.name();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
        let open = format!("/proc/self/fd/{descriptor}");
        if rustix::fs::linkat(CWD, open, CWD, &path, AtFlags::SYMLINK_FOLLOW).is_ok() {
            self.files.push(path);
        }
    }

    /// Many names in a folder, of which some go again.
    fn many(&mut self) {
        let folder = self.any_folder();
        let first = self.below(1000);
        let width = 1 + self.below(120);
        let all = self.below(150);
        let from = self.any();
        for number in first..first + all {
            let path = folder.join(format!("{number:0>width$}"));
            let _ = match (&from, number % 8) {
                (Some(from), 1..) => fs::hard_link(from, &path),
                _ => File::create_new(&path).map(drop),
            };
        }
        let gone = self.below(3);
        for number in (first..first + all).filter(|number| number % 3 < gone) {
            let _ = fs::remove_file(folder.join(format!("{number:0>width$}")));
        }
    }

    fn sync(&mut self) {
        match self.below(3) {
            0 => {
                let folder = self.any_folder();
                let _ = File::open(folder).and_then(|folder| folder.sync_all());
            }
            1 => {
                if let Some(file) = self.open() {
                    let _ = file.sync_all();
                }
            }
            _ => self.sync_all(),
        }
    }

    /// What takes a program: projects, and the file moved by the defragmenter.
    fn tools(&mut self) {
        let path = self.any_of_all();
        let _ = match self.below(5) {
            0 => Run::new("chattr").words("-p 4711").arg(path).output(),
            1 => Run::new("e4defrag").arg(path).output(),
            2 => return self.grow(),
            _ => return self.held.clear(),
        };
    }

    /// Makes the file system a little larger, as far as its device goes.
    fn grow(&mut self) {
        let root = File::open(&self.root).unwrap();
        let blocks = rustix::fs::fstatfs(&root).unwrap().f_blocks;
        let more = blocks * (105 + self.below(60) as u64) / 100;
        let _ = rustix::fs::ext4_ioc_resize_fs(&root, more);
    }
}

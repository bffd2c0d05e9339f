//! Mounts by the kernel: the referee. Each goes away when dropped, also when its test panics.

use std::path::{Path, PathBuf};

use super::command::Run;

/// How often a mount is tried: `mount -o loop` can lose a race for a free loop device.
const TRIES: u32 = 10;

/// A kernel mount of an image file over a loop device, which goes away with the mount.
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts the file system of `kind` in `image` at the new directory `at`, with `options`
    /// besides `loop`.
    pub fn new(image: &Path, kind: &str, options: &str, at: &Path) -> Self {
        Self::try_new(image, kind, options, at).unwrap_or_else(|why| panic!("{why}"))
    }

    /// As [`Mounted::new`], or what mount(8) said.
    pub fn try_new(image: &Path, kind: &str, options: &str, at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).unwrap();
        let mut said = String::new();
        for _ in 0..TRIES {
            let output = Run::new("mount")
                .args(["-t", kind, "-o"])
                .arg(format!("loop,{options}"))
                .arg(image)
                .arg(at)
                .output();
            if output.status.success() {
                return Ok(Self {
                    at: at.to_path_buf(),
                });
            }
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            if !said.contains("loop") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Err(format!("mount -t {kind} {}: {said}", image.display()))
    }

    /// The kernel's read-only view of the ext2, ext3 or ext4 file system in `image`, after its own
    /// recovery. It writes to `image`: give it a copy.
    pub fn recovered(image: &Path, at: &Path) -> Self {
        Self::new(image, "ext4", "ro,noatime", at)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts it now; panics where that fails, as for what is still open.
    pub fn unmount(self) {
        Run::new("umount").arg(&self.at).run();
        std::mem::forget(self); // the directory stays, as with drop
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily where something is still open: a failed test must leave nothing.
        if !Run::new("umount").arg(&self.at).output().status.success() {
            let _ = Run::new("umount").arg("-l").arg(&self.at).output();
        }
    }
}

//! Mounts by the kernel: the referee. Each goes away when dropped, also when its test panics.

use std::path::{Path, PathBuf};

use super::command::Run;

/// A kernel mount of an image file over a loop device, which goes away with the mount.
pub struct Mounted {
    at: PathBuf,
}

/// Where a volume lies in its image: first byte, and bytes.
pub type Part = (u64, u64);

impl Mounted {
    /// Mounts the file system of `kind` in `image` with `options` at the directory `at`.
    pub fn new(image: &Path, kind: &str, options: &str, at: &Path) -> Self {
        Self::of_part(image, None, kind, options, at).unwrap_or_else(|why| panic!("{why}"))
    }

    /// As [`Mounted::new`], of a `part` of the image, or what mount(8) said.
    ///
    /// The loop device is made apart from the mount: `mount -o loop,ro` would make it read-only,
    /// and the kernel replays no journal on a device that it cannot write.
    pub fn of_part(
        image: &Path,
        part: Option<Part>,
        kind: &str,
        options: &str,
        at: &Path,
    ) -> Result<Self, String> {
        std::fs::create_dir_all(at).unwrap();
        let mut losetup = Run::new("losetup").words("--find --show");
        if let Some((start, size)) = part {
            losetup = losetup.arg(format!("--offset={start}"));
            losetup = losetup.arg(format!("--sizelimit={size}"));
        }
        let device = losetup.arg(image).text();
        let mount = Run::new("mount").args(["-t", kind, "-o", options]);
        let output = mount.arg(device.trim()).arg(at).output();
        // From here on the mount alone holds the device: it goes when the last user does.
        Run::new("losetup").arg("-d").arg(device.trim()).run();
        if output.status.success() {
            let at = at.to_path_buf();
            return Ok(Self { at });
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("mount -t {kind} {}: {said}", image.display()))
    }

    /// The kernel's view of the ext2, ext3 or ext4 file system in `image`, after its own recovery.
    /// That writes to `image`, also through a read-only mount: give it a copy.
    /// A kernel without quotas mounts what has them read-only or not at all.
    pub fn recovered(image: &Path, at: &Path) -> Self {
        let writable = Self::of_part(image, None, "ext4", "noatime", at);
        writable.unwrap_or_else(|_| Self::new(image, "ext4", "ro,noatime", at))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts it now; panics where that fails, as for what is still open.
    ///
    /// Read-only first: a mount namespace that somebody made meanwhile may hold a copy of the
    /// mount, and then umount(8) alone leaves the file system mounted and its journal full.
    pub fn unmount(self) {
        let remount = Run::new("mount").words("-o remount,ro").arg(&self.at);
        remount.run();
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

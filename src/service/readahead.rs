//! How far the kernel reads ahead in the files of a mount.
//!
//! FUSE's own bound is 128 KiB, so that a sequential reader asks for no more at once and waits for
//! each answer. An administrator may raise it (Documentation/ABI/testing/sysfs-class-bdi); a mount
//! that root makes does so by itself.

use std::path::Path;

use super::mountinfo;

/// What pays: beyond it a copy of a large file gets no faster.
const KIBIBYTES: u32 = 1024;

/// Raises the bound of the mount at `point`, where this process may. Whatever keeps it from that
/// costs speed alone.
pub(super) fn raise(point: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let Ok(Some(mount)) = mountinfo::at(point) else {
        return;
    };
    let path = format!("/sys/class/bdi/{}/read_ahead_kb", mount.device);
    match std::fs::write(&path, KIBIBYTES.to_string()) {
        Ok(()) => log::debug!("{path}: {KIBIBYTES} KiB"),
        Err(error) => log::debug!("{path}: {error}"),
    }
}

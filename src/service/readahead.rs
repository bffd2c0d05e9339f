//! How far the kernel reads ahead in the files of a mount.
//!
//! FUSE's own bound is 128 KiB, so that a sequential reader asks for no more at once and waits for
//! each answer. An administrator may raise it (Documentation/ABI/testing/sysfs-class-bdi); a mount
//! that root makes does so by itself.

/// What pays: beyond it a copy of a large file gets no faster.
const KIBIBYTES: u32 = 1024;

/// Raises the bound of the mount whose files have the `st_dev` `device`, `major:minor`, where this
/// process may, once the kernel and the worker have agreed on one. Whatever keeps it from that costs
/// speed alone.
pub(super) fn raise(device: &str) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let path = format!("/sys/class/bdi/{device}/read_ahead_kb");
    match std::fs::write(&path, KIBIBYTES.to_string()) {
        Ok(()) => log::debug!("{path}: {KIBIBYTES} KiB"),
        Err(error) => log::debug!("{path}: {error}"),
    }
}

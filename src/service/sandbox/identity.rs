//! Root's worker becomes a user that nobody else is.

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, remove_capability_from_bounding_set, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::Held;

/// Where numbers begin that no account has: behind those that systemd and containers give away.
const UNUSED: u32 = 0x7ff0_0000;

/// What `nobody` is where the above is not mapped into this namespace.
const NOBODY: u32 = 65534;

/// Gives up all groups, all capabilities for good, and root. There is one thread at this time.
///
/// # Errors
/// What the kernel says; nothing of it may be gone then.
pub(super) fn renounce() -> Held {
    let own = rustix::process::getpid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs();
    // Two workers are two users: neither can reach the other.
    let number = UNUSED.saturating_add(own & 0xf_ffff);
    for capability in CapabilitySet::all().iter() {
        // It fails for those that this kernel does not know.
        let _ = remove_capability_from_bounding_set(capability);
    }
    set_thread_groups(&[]).map_err(|error| format!("groups: {error}"))?;
    become_user(number).or_else(|_| become_user(NOBODY))
}

fn become_user(number: u32) -> Held {
    let (user, group) = (Uid::from_raw(number), Gid::from_raw(number));
    set_thread_res_gid(group, group, group).map_err(|error| format!("group: {error}"))?;
    set_thread_res_uid(user, user, user).map_err(|error| format!("user: {error}"))?;
    Ok(format!("user {number}"))
}

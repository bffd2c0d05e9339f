//! Root's worker becomes a user that nobody else is, and whoever's worker has no capability.

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::Held;

/// Where numbers begin that no account has: behind those that systemd and containers give away.
const UNUSED: u32 = 0x7ff0_0000;

/// What `nobody` is where the above is not mapped into this namespace.
const NOBODY: u32 = 65534;

/// Keeps this process from getting any capability by a program that it runs: nothing does that, but
/// then it counts twice. Only who may do that can; an ordinary user gets none anyway.
pub(super) fn bound_capabilities() {
    for capability in CapabilitySet::all().iter() {
        // It fails for those that this kernel does not know.
        let _ = remove_capability_from_bounding_set(capability);
    }
}

/// Gives up all capabilities, also those that an ordinary user was given. There is one thread at
/// this time.
///
/// # Errors
/// What the kernel says.
pub(super) fn drop_capabilities() -> Held {
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    // Where none is inheritable none is ambient; this fails on kernels that have no such thing.
    let _ = clear_ambient_capability_set();
    set_capabilities(None, none).map_err(|error| error.to_string())?;
    Ok("no capabilities".to_owned())
}

/// Gives up all groups, and root. There is one thread at this time.
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
    set_thread_groups(&[]).map_err(|error| format!("groups: {error}"))?;
    become_user(number).or_else(|_| become_user(NOBODY))
}

fn become_user(number: u32) -> Held {
    let (user, group) = (Uid::from_raw(number), Gid::from_raw(number));
    set_thread_res_gid(group, group, group).map_err(|error| format!("group: {error}"))?;
    set_thread_res_uid(user, user, user).map_err(|error| format!("user: {error}"))?;
    Ok(format!("user {number}"))
}

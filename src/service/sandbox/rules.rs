//! Landlock: by its rules this process has no file but `/dev/fuse`, no TCP, no abstract sockets and
//! no signals to others. It holds for paths, which a filter of system calls cannot look at.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::Held;

/// The newest version whose rights the crate knows; an older kernel has fewer.
const NEWEST: ABI = ABI::V6;

/// Restricts this thread and those that it starts, which may open `/dev/fuse` where this process
/// `serves` a mount.
///
/// # Errors
/// Where this kernel has none of it.
pub(super) fn restrict(serves: bool) -> Held {
    let failed = |error: landlock::RulesetError| error.to_string();
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(failed)?;
    // Where there is none, nothing is mounted either.
    let device = serves.then(|| PathFd::new("/dev/fuse").ok()).flatten();
    if let Some(device) = device {
        let rights = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        rules = rules
            .add_rule(PathBeneath::new(device, rights))
            .map_err(failed)?;
    }
    let status = rules.restrict_self().map_err(failed)?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err("this kernel has none".to_owned()),
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            let version = format!("{effective_abi:?}");
            Ok(format!("Landlock ABI {}", version.trim_start_matches('V')))
        }
        _ => Ok("Landlock".to_owned()),
    }
}

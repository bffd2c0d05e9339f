//! Landlock: by its rules this process has no file but `/dev/fuse`, no TCP, no abstract sockets and
//! no signals to others. It holds for paths, which a filter of system calls cannot look at.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::Duty;

/// What all of it is; an older kernel has fewer rights and scopes to take.
const ALL: ABI = ABI::V6;

/// What there is of it.
pub(super) struct Restricted {
    /// For people.
    pub(super) holds: String,
    /// What the kernel is too old for.
    pub(super) lacks: Option<String>,
}

/// Restricts this thread and those that it starts, which may open `/dev/fuse` where this process
/// serves a mount.
///
/// # Errors
/// Where this kernel has none of it.
pub(super) fn restrict(duty: Duty) -> Result<Restricted, String> {
    let failed = |error: landlock::RulesetError| error.to_string();
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ALL))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ALL)))
        .and_then(|rules| rules.scope(Scope::from_all(ALL)))
        .and_then(Ruleset::create)
        .map_err(failed)?;
    // Where there is none, nothing is mounted either.
    if duty == Duty::Mount
        && let Ok(device) = PathFd::new("/dev/fuse")
    {
        let rights = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        rules = rules
            .add_rule(PathBeneath::new(device, rights))
            .map_err(failed)?;
    }
    let status = rules.restrict_self().map_err(failed)?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => format!("{effective_abi:?}"),
        _ => String::new(),
    };
    let version = version.trim_start_matches('V');
    let holds = format!("Landlock ABI {version}");
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("this kernel has none".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok(Restricted {
            lacks: Some(format!("what Landlock ABI {:?} has more", ALL).replace('V', "")),
            holds,
        }),
        RulesetStatus::FullyEnforced => Ok(Restricted { holds, lacks: None }),
    }
}

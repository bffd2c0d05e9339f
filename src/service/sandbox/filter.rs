//! The filter of system calls: a list of what a worker needs, with the arguments that it needs them
//! with; all else fails.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, apply_filter_all_threads, sock_filter,
};

use super::{Held, Wanted};

/// What works on descriptors that are open already, on this process's own memory and threads, and
/// on time.
const FREE: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getrandom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_ppoll,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// What C libraries try first, and do without where the kernel does not know it: their arguments
/// lie in memory, where no filter sees them, or name a file.
const UNKNOWN: &[c_long] = &[libc::SYS_clone3, libc::SYS_statx, libc::SYS_newfstatat];

/// What only the first stage has: lowering a limit, and the second stage.
const FIRST_ONLY: &[c_long] = &[libc::SYS_prlimit64, libc::SYS_seccomp];

/// What only the first stage of a mount has: opening `/dev/fuse`, which Landlock leaves, and making
/// one more of the mount's descriptor.
const OPENING: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_ioctl,
    #[cfg(all(target_arch = "x86_64", target_env = "musl"))]
    libc::SYS_open,
];

/// `FUSE_DEV_IOC_CLONE` (include/uapi/linux/fuse.h).
const CLONE_DEVICE: u64 = 0x8004_e500;

/// `PR_SET_VMA`, by which C libraries name their memory (include/uapi/linux/prctl.h).
const NAME_MEMORY: u64 = 0x5356_4d41;

/// The first stage, for a process of one thread; `opens` where Landlock sees to what it opens.
///
/// # Errors
/// Where this kernel, or this machine, has no filters.
pub(super) fn first(wanted: Wanted, opens: bool) -> Held {
    // Where two filters differ the stricter one counts.
    apply(&no_other_numbers())?;
    apply(&program(
        numbers(UNKNOWN),
        SeccompAction::Allow,
        SeccompAction::Errno(number(libc::ENOSYS)),
    )?)?;
    let mut rules = allowed();
    if !opens {
        OPENING.iter().for_each(|call| drop(rules.remove(call)));
    }
    apply(&program(rules, refusal(wanted), SeccompAction::Allow)?)?;
    Ok("system call filter".to_owned())
}

/// The second stage, for all threads.
///
/// # Errors
/// Where the kernel refuses it.
pub(super) fn second(wanted: Wanted) -> Result<(), String> {
    let mut rules = numbers(FIRST_ONLY);
    rules.extend(numbers(OPENING));
    let filter = program(rules, SeccompAction::Allow, refusal(wanted))?;
    apply_filter_all_threads(&filter).map_err(|error| error.to_string())
}

fn refusal(wanted: Wanted) -> SeccompAction {
    match wanted {
        Wanted::Required => SeccompAction::KillProcess,
        Wanted::Usual | Wanted::Off => SeccompAction::Errno(number(libc::EPERM)),
    }
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn numbers(list: &[c_long]) -> Rules {
    list.iter().map(|call| (*call, Vec::new())).collect()
}

/// Everything of the first stage, with the arguments that count.
fn allowed() -> Rules {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let own = u64::from(own.unsigned_abs());
    let mut rules = numbers(FREE);
    rules.extend(numbers(UNKNOWN));
    rules.extend(numbers(FIRST_ONLY));
    rules.extend(numbers(OPENING));
    let mut only = |call: c_long, alternatives: &[(u8, SeccompCmpOp, u64)]| {
        let rule = |(argument, operation, value): &(u8, SeccompCmpOp, u64)| {
            let condition = SeccompCondition::new(
                *argument,
                SeccompCmpArgLen::Dword,
                operation.clone(),
                *value,
            );
            SeccompRule::new(vec![condition.ok()?]).ok()
        };
        rules.insert(call, alternatives.iter().filter_map(rule).collect());
    };
    let is = |argument, value| (argument, SeccompCmpOp::Eq, value);
    let has = |argument, mask, value| (argument, SeccompCmpOp::MaskedEq(mask), value);
    let bits = |flags: i32| u64::from(flags.unsigned_abs());
    only(libc::SYS_mmap, &[has(2, bits(libc::PROT_EXEC), 0)]);
    only(libc::SYS_mprotect, &[has(2, bits(libc::PROT_EXEC), 0)]);
    let thread = bits(libc::CLONE_THREAD);
    let soon = bits(libc::POSIX_FADV_WILLNEED);
    only(libc::SYS_fadvise64, &[is(3, soon)]);
    only(libc::SYS_clone, &[has(0, thread, thread)]);
    only(libc::SYS_tgkill, &[is(0, own)]);
    only(libc::SYS_ioctl, &[is(1, CLONE_DEVICE)]);
    only(libc::SYS_prlimit64, &[is(0, 0)]);
    let (name, privileges) = (bits(libc::PR_SET_NAME), bits(libc::PR_SET_NO_NEW_PRIVS));
    only(
        libc::SYS_prctl,
        &[is(0, name), is(0, NAME_MEMORY), is(0, privileges)],
    );
    let commands = [
        libc::F_GETFD,
        libc::F_GETFL,
        libc::F_DUPFD_CLOEXEC,
        // What musl does with the copy once more.
        #[cfg(target_env = "musl")]
        libc::F_SETFD,
    ];
    only(libc::SYS_fcntl, &commands.map(|it| is(1, bits(it))));
    rules
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    then: SeccompAction,
) -> Result<BpfProgram, String> {
    program_for(std::env::consts::ARCH, rules, otherwise, then)
}

fn program_for(
    machine: &str,
    rules: Rules,
    otherwise: SeccompAction,
    then: SeccompAction,
) -> Result<BpfProgram, String> {
    let known = TargetArch::try_from(machine);
    let machine = known.map_err(|_| format!("none for {machine}"))?;
    SeccompFilter::new(rules, otherwise, then, machine)
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())
}

/// Ends a process that calls the kernel by the numbers of x32. (Those of 32-bit programs are
/// another machine's, which every filter ends.)
fn no_other_numbers() -> BpfProgram {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const JUMP_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const X32: u32 = 0x4000_0000; // __X32_SYSCALL_BIT
    let step = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    vec![
        step(LOAD, 0, 0),
        step(JUMP_AT_LEAST, 1, X32),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ]
}

fn apply(filter: &BpfProgram) -> Result<(), String> {
    apply_filter(filter).map_err(|error| error.to_string())
}

fn number(errno: i32) -> u32 {
    errno.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a filter makes of a call, as the kernel runs it: classic BPF over its data.
    fn run(filter: &BpfProgram, machine: u32, call: c_long, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(u32::try_from(call).unwrap().to_ne_bytes());
        data.extend(machine.to_ne_bytes());
        data.extend(0_u64.to_ne_bytes());
        arguments
            .iter()
            .for_each(|it| data.extend(it.to_ne_bytes()));
        let mut accumulator = 0_u32;
        let mut steps = filter.iter();
        loop {
            let step = steps.next().unwrap();
            let jump = |is_so: bool| usize::from(if is_so { step.jt } else { step.jf });
            let skipped = match step.code {
                0x20 => {
                    let from = usize::try_from(step.k).unwrap();
                    accumulator = u32::from_ne_bytes(*data[from..].first_chunk().unwrap());
                    0
                }
                0x54 => {
                    accumulator &= step.k;
                    0
                }
                0x05 => usize::try_from(step.k).unwrap(),
                0x15 => jump(accumulator == step.k),
                0x25 => jump(accumulator > step.k),
                0x35 => jump(accumulator >= step.k),
                0x06 => return step.k,
                code => panic!("{code:#x} is no step of seccompiler's"),
            };
            steps = steps.as_slice()[skipped..].iter();
        }
    }

    const X86_64: u32 = 0xc000_003e;
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

    #[test]
    fn the_filters_are_made_for_every_machine_that_has_them() {
        for machine in ["x86_64", "aarch64", "riscv64"] {
            let refuse = || refusal(Wanted::Required);
            let made = [
                program_for(machine, allowed(), refuse(), SeccompAction::Allow),
                program_for(machine, numbers(UNKNOWN), SeccompAction::Allow, refuse()),
                program_for(machine, numbers(OPENING), SeccompAction::Allow, refuse()),
            ];
            for filter in made {
                // The kernel takes no longer one (BPF_MAXINSNS).
                assert!((10..4096).contains(&filter.unwrap().len()), "{machine}");
            }
        }
        let refuse = refusal(Wanted::Required);
        let unknown = program_for("mips", numbers(UNKNOWN), SeccompAction::Allow, refuse);
        assert_eq!(unknown.unwrap_err(), "none for mips");
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn arguments_count_and_so_does_the_machine() {
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        let first = program(allowed(), refusal(Wanted::Required), SeccompAction::Allow).unwrap();
        let own = u64::from(std::process::id());
        let on = |call, arguments| run(&first, X86_64, call, arguments);
        for (call, arguments, verdict) in [
            (libc::SYS_read, [3, 0, 9, 0, 0, 0], ALLOW),
            (libc::SYS_mmap, [0, 4096, 3, 0x22, u64::MAX, 0], ALLOW),
            (libc::SYS_mmap, [0, 4096, 7, 0x22, u64::MAX, 0], kill),
            (libc::SYS_mprotect, [4096, 4096, 5, 0, 0, 0], kill),
            (libc::SYS_fadvise64, [3, 0, 4096, 3, 0, 0], ALLOW),
            (libc::SYS_fadvise64, [3, 0, 4096, 4, 0, 0], kill),
            (libc::SYS_clone, [0x3d_0f00, 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_clone, [17, 0, 0, 0, 0, 0], kill),
            (libc::SYS_tgkill, [own, own, 6, 0, 0, 0], ALLOW),
            (libc::SYS_tgkill, [1, 1, 6, 0, 0, 0], kill),
            (libc::SYS_kill, [own, 6, 0, 0, 0, 0], kill),
            (libc::SYS_ioctl, [5, CLONE_DEVICE, 0, 0, 0, 0], ALLOW),
            (libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0], kill),
            (libc::SYS_prlimit64, [own, 7, 0, 0, 0, 0], kill),
            (libc::SYS_fcntl, [3, 1030, 0, 0, 0, 0], ALLOW),
            (libc::SYS_fcntl, [3, 1031, 1 << 20, 0, 0, 0], kill),
            (libc::SYS_execve, [0; 6], kill),
        ] {
            assert_eq!(on(call, arguments), verdict, "{call} {arguments:?}");
        }
        // 32-bit programs are another machine; x32 is the same with other numbers.
        assert_eq!(run(&first, 0x4000_0003, libc::SYS_read, [0; 6]), kill);
        assert_eq!(run(&no_other_numbers(), X86_64, 0x4000_0000, [0; 6]), kill);
        assert_eq!(
            run(&no_other_numbers(), X86_64, libc::SYS_read, [0; 6]),
            ALLOW
        );
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn nothing_is_looked_at_by_its_name() {
        let enosys = SeccompAction::Errno(number(libc::ENOSYS));
        let filter = program(numbers(UNKNOWN), SeccompAction::Allow, enosys).unwrap();
        let refused = libc::SECCOMP_RET_ERRNO | number(libc::ENOSYS);
        for call in [libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_clone3] {
            assert_eq!(run(&filter, X86_64, call, [0; 6]), refused);
        }
        assert_eq!(run(&filter, X86_64, libc::SYS_fstat, [0; 6]), ALLOW);
    }
}

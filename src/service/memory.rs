//! How much memory this process may have, and how many descriptors, as far as somebody has
//! limited it.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What part of it the cache may have: the rest is for what is being read, and for the program.
const CACHE_SHARE: u64 = 4;

/// `wanted` bytes of cache, or the quarter of the limit where that is less.
pub(super) fn cache_size(wanted: u64) -> u64 {
    limit().map_or(wanted, |limit| wanted.min(limit / CACHE_SHARE))
}

/// Allows as many descriptors as an image in pieces needs, up to the limit that is not this
/// process's to move. Programs that it starts are given the same.
pub(super) fn allow_many_descriptors() {
    /// The most second files, and what else is open.
    const MANY: u64 = 4096 + 256;
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: Some(limit.maximum.map_or(MANY, |maximum| maximum.min(MANY))),
        ..limit
    };
    if limit.current.is_some() && limit.current < wanted.current {
        let _ = setrlimit(Resource::Nofile, wanted); // Fewer are enough for most images.
    }
}

/// Whether the addresses that this process may use are limited (`ulimit -v`).
pub(super) fn is_address_space_limited() -> bool {
    getrlimit(Resource::As).current.is_some()
}

/// The least of the limits in bytes: the address space of a process (`ulimit -v`), and the memory
/// of the control groups that it is in.
fn limit() -> Option<u64> {
    let table = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let groups = group_limit(&table, Path::new("/sys/fs/cgroup"));
    let address_space = getrlimit(Resource::As).current;
    let data = getrlimit(Resource::Data).current;
    [groups, address_space, data].into_iter().flatten().min()
}

/// The least limit of the groups that `table`, a `/proc/PID/cgroup`, names below `root`, and of
/// those they are in.
fn group_limit(table: &str, root: &Path) -> Option<u64> {
    let limits = table.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (top, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        least(&top, path, file)
    });
    limits.min()
}

fn least(top: &Path, group: &str, file: &str) -> Option<u64> {
    let group = top.join(group.trim_start_matches('/'));
    let groups = group.ancestors().take_while(|path| path.starts_with(top));
    let limits = groups.map(|path: &Path| -> PathBuf { path.join(file) });
    // `max` is no number, and no limit.
    limits
        .filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u07_the_least_limit_of_all_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("user/session/memory.max", "max\n");
        write("user/memory.max", "100663296\n");
        write("memory.max", "max\n");
        write("memory/old/memory.limit_in_bytes", "4096\n");
        let limit = |table: &str| group_limit(table, root.path());
        assert_eq!(limit("0::/user/session\n"), Some(96 << 20));
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit("0::/../../elsewhere\n"), None);
        assert_eq!(limit("5:cpu,memory:/old\n1:name=systemd:/x\n"), Some(4096));
        assert_eq!(limit("5:cpu:/old\n"), None);
        assert_eq!(limit(""), None);
    }
}

//! The path of every node in the tree of names, each once.

use std::collections::HashMap;

use crate::error::printable;

/// The directories of links that the tree adds.
const RESERVED: [&str; 4] = ["by-label", "by-uuid", "by-partlabel", "by-partuuid"];

/// Whose volumes share their directories: those of one table, or of one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Group {
    /// The volumes in a node, by its number.
    Node(usize),
    /// The volumes of a set, by its number.
    Set(usize),
}

/// What the directory of a volume that holds others has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Those volumes and nothing else: it is a table.
    Volumes,
    /// The files of a file system. The volumes lie in another directory.
    Files,
}

/// What stands at a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// A directory of volumes, which more volumes of the same group may join.
    Directory(Group),
    /// A volume, or its raw file.
    Volume,
}

/// The paths that are taken. A name that is taken already gets `~2` behind it, the next `~3`.
pub(super) struct Names {
    taken: HashMap<String, Taken>,
    /// The suffix that a volume of this name got last: a table may call all of its volumes the same.
    suffixes: HashMap<String, u32>,
    /// The suffix up to which directories of this name are taken, as `suffixes` for volumes: many
    /// groups may call theirs the same.
    directories: HashMap<String, u32>,
    /// The lowest suffix with which a directory of this name is the group's own.
    own: HashMap<(Group, String), u32>,
}

impl Names {
    pub(super) fn new() -> Self {
        let reserved = RESERVED.map(|name| (name.to_owned(), Taken::Volume));
        Self {
            taken: HashMap::from(reserved),
            suffixes: HashMap::new(),
            directories: HashMap::new(),
            own: HashMap::new(),
        }
    }

    /// A path of its own for the volume of `group` that its format calls `name`, below the volume
    /// `parent`. Two groups have two directories, also where both call theirs the same.
    pub(super) fn give(
        &mut self,
        parent: Option<(&str, Holds)>,
        group: Group,
        name: &str,
    ) -> String {
        let mut path = match parent {
            None => String::new(),
            Some((path, Holds::Volumes)) => {
                self.join(path, group);
                path.to_owned()
            }
            Some((path, Holds::Files)) => self.take_path(path.to_owned(), Taken::Directory(group)),
        };
        let mut components = name.split('/').filter(|part| !part.is_empty()).peekable();
        if components.peek().is_none() {
            return self.take(&path, "volume", Taken::Volume);
        }
        while let Some(component) = components.next() {
            let last = components.peek().is_none();
            let kind = if last {
                Taken::Volume
            } else {
                Taken::Directory(group)
            };
            path = self.take(&path, component, kind);
        }
        path
    }

    fn take(&mut self, directory: &str, component: &str, kind: Taken) -> String {
        let mut plain = String::from(directory);
        if !plain.is_empty() {
            plain.push('/');
        }
        plain.push_str(&safe(component));
        self.take_path(plain, kind)
    }

    /// `plain`, or that with the first free suffix.
    fn take_path(&mut self, plain: String, kind: Taken) -> String {
        let mut attempt = self.first_attempt(&plain, kind);
        loop {
            let mut path = plain.clone();
            if attempt > 1 {
                path.push_str(&format!("~{attempt}"));
            }
            if !self.is_free(&path, kind) {
                attempt = attempt.saturating_add(1);
                continue;
            }
            match kind {
                Taken::Volume => {
                    self.taken.insert(raw_name(&path), kind);
                    self.taken.insert(path.clone(), kind);
                    self.suffixes.insert(plain, attempt);
                }
                Taken::Directory(group) => {
                    self.join(&path, group);
                    let last = self.directories.entry(plain).or_default();
                    *last = attempt.max(*last);
                }
            }
            return path;
        }
    }

    /// The suffix below which none is free; 1 stands for no suffix.
    fn first_attempt(&self, plain: &str, kind: Taken) -> u32 {
        let Taken::Directory(group) = kind else {
            return self.suffixes.get(plain).copied().unwrap_or(1);
        };
        let last = self.directories.get(plain).copied().unwrap_or(1);
        let own = self.own.get(&(group, plain.to_owned()));
        own.map_or(last, |own| last.min(*own))
    }

    /// Makes `path` a directory of `group`.
    fn join(&mut self, path: &str, group: Group) {
        let directory = Taken::Directory(group);
        if self.taken.get(path) == Some(&directory) {
            return;
        }
        self.taken.insert(path.to_owned(), directory);
        // It may also be found by what is in front of its suffix, be that given or a part of its name.
        let suffixed = path.rsplit_once('~').and_then(|(plain, suffix)| {
            let number: u32 = suffix.parse().ok().filter(|number| *number > 1)?;
            (number.to_string() == suffix).then_some((plain, number))
        });
        for (plain, number) in suffixed.into_iter().chain([(path, 1)]) {
            let own = self.own.entry((group, plain.to_owned())).or_insert(number);
            *own = number.min(*own);
        }
    }

    fn is_free(&self, path: &str, kind: Taken) -> bool {
        match kind {
            Taken::Directory(_) => self.taken.get(path).is_none_or(|taken| *taken == kind),
            Taken::Volume => {
                !self.taken.contains_key(path) && !self.taken.contains_key(&raw_name(path))
            }
        }
    }
}

/// The name of the file with the bytes of the volume at `path`.
pub(super) fn raw_name(path: &str) -> String {
    format!("{path}.img")
}

/// One component of a path: no `.`, no `..`, nothing that a terminal obeys, at most 200 bytes, so
/// that a suffix fits into the 255 that a name may have.
fn safe(component: &str) -> String {
    let mut text = match component {
        "." => "\\x2e".to_owned(),
        ".." => "\\x2e\\x2e".to_owned(),
        other => printable(other.as_bytes()),
    };
    let mut end = text.len().min(200);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const VG: Group = Group::Set(0);

    #[test]
    fn a_taken_name_gets_a_suffix_and_so_does_one_that_is_anothers_raw_file() {
        let mut names = Names::new();
        assert_eq!(names.give(None, VG, "p1"), "p1");
        assert_eq!(names.give(None, VG, "p1"), "p1~2");
        assert_eq!(names.give(None, VG, "p1.img"), "p1.img~2");
        assert_eq!(names.give(None, VG, "by-label"), "by-label~2");
    }

    #[test]
    fn a_volume_group_called_like_a_partition_keeps_its_volumes_together() {
        let mut names = Names::new();
        assert_eq!(names.give(None, VG, "p1"), "p1");
        assert_eq!(names.give(None, VG, "p1/root"), "p1~2/root");
        assert_eq!(names.give(None, VG, "p1/home"), "p1~2/home");
        assert_eq!(names.give(None, VG, "vg0/root"), "vg0/root");
        assert_eq!(names.give(None, VG, "vg0"), "vg0~2");
    }

    #[test]
    fn a_name_is_a_path_of_plain_components() {
        let mut names = Names::new();
        assert_eq!(names.give(None, VG, "../etc"), "\\x2e\\x2e/etc");
        assert_eq!(names.give(None, VG, "/"), "volume");
        assert_eq!(names.give(None, VG, "a\x1bb"), "a\\x1bb");
        assert_eq!(names.give(None, VG, &"ä".repeat(400)), "ä".repeat(100));
        let table = Some(("p1", Holds::Volumes));
        assert_eq!(names.give(table, VG, "p2"), "p1/p2");
    }

    #[test]
    fn what_a_file_system_holds_besides_its_files_is_not_among_them() {
        let mut names = Names::new();
        assert_eq!(names.give(None, VG, "p1"), "p1");
        let files = Some(("p1", Holds::Files));
        let own = Group::Node(1);
        assert_eq!(names.give(files, own, "boot"), "p1~2/boot");
        assert_eq!(names.give(files, own, "boot"), "p1~2/boot~2");
        assert_eq!(names.give(files, Group::Node(2), "boot"), "p1~3/boot");
    }

    #[test]
    fn two_groups_of_one_name_have_two_directories() {
        let mut names = Names::new();
        let mut give = |set, name| names.give(None, Group::Set(set), name);
        assert_eq!(give(0, "vg0/root"), "vg0/root");
        assert_eq!(give(1, "vg0/root"), "vg0~2/root");
        assert_eq!(give(1, "vg0/home"), "vg0~2/home");
        assert_eq!(give(0, "vg0/home"), "vg0/home");
        assert_eq!(give(2, "vg0/home"), "vg0~3/home");
    }

    #[test]
    fn a_directory_whose_name_ends_like_a_suffix_is_joined_by_its_group_alone() {
        let mut names = Names::new();
        let mut give = |set, name| names.give(None, Group::Set(set), name);
        assert_eq!(give(0, "vg/root"), "vg/root");
        assert_eq!(give(2, "vg~3/root"), "vg~3/root");
        assert_eq!(give(1, "vg~2/root"), "vg~2/root");
        assert_eq!(give(1, "vg/home"), "vg~2/home");
        assert_eq!(give(3, "vg/root"), "vg~4/root");
        assert_eq!(give(2, "vg/home"), "vg~3/home");
        assert_eq!(give(4, "vg~03/root"), "vg~03/root");
        assert_eq!(give(4, "vg/root"), "vg~5/root");
    }

    /// Each would ask all before it, for a quarter of an hour in all.
    #[test]
    fn thirty_thousand_groups_of_one_name_are_not_counted_again_for_each() {
        let mut names = Names::new();
        for set in 0..30_000 {
            names.give(None, Group::Set(set), "vg0/root");
        }
        for set in (0..30_000).rev() {
            let name = names.give(None, Group::Set(set), "vg0/home");
            let end = if set == 29_999 {
                "vg0~30000/home"
            } else {
                "/home"
            };
            assert!(name.ends_with(end), "{name}");
        }
    }
}

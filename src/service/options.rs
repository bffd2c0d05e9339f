//! `-o`: mount options in the spelling of mount(8) and fstab(5).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::duration;
use super::failure::Failure;
use super::keys::ForVolume;
use super::mount::Request;
use super::size;
use crate::error::{Error, printable};
use crate::format::{KdfLimit, NameMap};
use crate::tree::Layout;

/// What mount(8) and fstab(5) pass whatever is mounted, and what holds for every mount of ours
/// anyway. The mount is read-only, without set-uid and without devices whatever is said here.
const PASSED: &[&str] = &[
    "_netdev",
    "async",
    "atime",
    "auto",
    "auto_unmount",
    "comment",
    "default_permissions",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "fsname",
    "group",
    "iversion",
    "lazytime",
    "loop",
    "mand",
    "noatime",
    "noauto",
    "nodev",
    "nodiratime",
    "nofail",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nouser",
    "owner",
    "relatime",
    "ro",
    "silent",
    "strictatime",
    "subtype",
    "suid",
    "symfollow",
    "sync",
    "user",
    "users",
];

/// What is ours.
const OWN: &[&str] = &[
    "allow_dir",
    "allow_file",
    "allow_other",
    "cache_size",
    "codepage",
    "disk",
    "dmask",
    "exec",
    "fmask",
    "format",
    "gid",
    "header",
    "idle_timeout",
    "ignore_checksums",
    "kdf_limit",
    "key",
    "keyfile_offset",
    "keyfile_size",
    "layout",
    "length",
    "map",
    "no_ask",
    "no_index",
    "no_raw",
    "no_replay",
    "noexec",
    "nojoliet",
    "noload",
    "nonempty",
    "norecovery",
    "norock",
    "offset",
    "partition",
    "pid_file",
    "rw",
    "session",
    "showassoc",
    "snapshot",
    "strict",
    "time_offset",
    "uid",
    "umask",
    "with",
];

impl Request {
    /// Applies one `-o` argument: options separated by commas, as mount(8) and fstab(5) spell them,
    /// and `partition=`, `layout=`, `format=`, `offset=`, … for what fstab has no option letters for.
    ///
    /// # Errors
    /// `Usage` for an option that is not known, with the nearest that is, and for a value that is
    /// none.
    pub fn set_options(&mut self, options: &OsStr) -> Result<(), Failure> {
        let Some(text) = options.to_str() else {
            return Err(wrong(&printable(options.as_bytes()), "is not UTF-8"));
        };
        text.split(',')
            .filter(|option| !option.is_empty())
            .try_for_each(|option| self.set_option(option))
    }

    fn set_option(&mut self, option: &str) -> Result<(), Failure> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        match name {
            "allow_other" => self.fuse.allow_other = true,
            "exec" => self.noexec = false,
            "noexec" => self.noexec = true,
            "nonempty" => self.nonempty = true,
            "rw" => self.read_write_asked = true,
            "ignore_checksums" => self.open.format.ignore_checksums = true,
            "no_replay" | "noload" | "norecovery" => self.open.format.no_replay = true,
            "no_index" => self.open.no_index = true,
            "no_raw" => self.tree.raw = false,
            "allow_dir" => self
                .open
                .allow_directories
                .push(text(option, value)?.into()),
            "allow_file" => self.open.allow_files.push(text(option, value)?.into()),
            "with" => self.open.with.push(text(option, value)?.into()),
            "key" => self.open.keys.files.push(for_volume(option, value)?),
            "keyfile_offset" => self.open.keys.offset = size(option, value)?,
            "keyfile_size" => self.open.keys.size = Some(size(option, value)?),
            "header" => self.open.keys.headers.push(for_volume(option, value)?),
            "kdf_limit" => self.open.format.kdf_limit = kdf_limit(option, value)?,
            "idle_timeout" => self.idle_timeout = Some(time(option, value)?),
            "pid_file" => self.pid_file = Some(text(option, value)?.into()),
            "no_ask" => self.open.keys.no_ask = true,
            "strict" => self.open.keys.strict = true,
            "snapshot" => self.open.format.snapshot = Some(text(option, value)?.to_owned()),
            "disk" => self.open.format.disk = Some(text(option, value)?.to_owned()),
            "uid" => self.set_uid(number(option, value)?),
            "gid" => self.set_gid(number(option, value)?),
            "umask" => {
                self.set_fmask(mode(option, value)?);
                self.set_dmask(mode(option, value)?);
            }
            "fmask" => self.set_fmask(mode(option, value)?),
            "dmask" => self.set_dmask(mode(option, value)?),
            "codepage" => self.open.format.codepage = Some(text(option, value)?.to_owned()),
            "time_offset" => self.open.format.time_offset = Some(minutes(option, value)?),
            "session" => self.open.format.session = Some(number(option, value)?),
            "map" => self.open.format.map = name_map(option, value)?,
            "norock" => self.open.format.no_rock_ridge = true,
            "nojoliet" => self.open.format.no_joliet = true,
            "showassoc" => self.open.format.show_associated = true,
            "offset" => self.open.offset = size(option, value)?,
            "length" => self.open.length = Some(size(option, value)?),
            "cache_size" => self.open.cache_size = size(option, value)?,
            "format" => self.open.format.format = Some(text(option, value)?.to_owned()),
            "partition" => self.tree.volume = Some(text(option, value)?.to_owned()),
            "layout" => self.tree.layout = layout(option, value)?,
            "remount" => return Err(wrong(name, "is not possible: unmount, and mount again")),
            _ if name.starts_with("x-") || name.starts_with("X-") => {}
            _ if PASSED.contains(&name) => {}
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn set_uid(&mut self, uid: u32) {
        self.tree.overrides.uid = Some(uid);
        self.open.format.owner.uid = uid;
    }

    fn set_gid(&mut self, gid: u32) {
        self.tree.overrides.gid = Some(gid);
        self.open.format.owner.gid = gid;
    }

    fn set_fmask(&mut self, mask: u16) {
        self.tree.overrides.fmask = Some(mask);
        self.open.format.owner.fmask = mask;
    }

    fn set_dmask(&mut self, mask: u16) {
        self.tree.overrides.dmask = Some(mask);
        self.open.format.owner.dmask = mask;
    }
}

fn text<'a>(option: &str, value: Option<&'a str>) -> Result<&'a str, Failure> {
    match value {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(wrong(option, "needs a value")),
    }
}

fn number<N: std::str::FromStr>(option: &str, value: Option<&str>) -> Result<N, Failure> {
    text(option, value)?
        .parse()
        .map_err(|_| wrong(option, "needs a whole number in decimal digits"))
}

fn for_volume(option: &str, value: Option<&str>) -> Result<ForVolume, Failure> {
    text(option, value).map(|text| ForVolume::parse(text.as_ref()))
}

fn size(option: &str, value: Option<&str>) -> Result<u64, Failure> {
    size::parse(text(option, value)?).map_err(|why| wrong(option, &format!("needs {why}")))
}

fn kdf_limit(option: &str, value: Option<&str>) -> Result<KdfLimit, Failure> {
    size::kdf_limit(text(option, value)?).map_err(|why| wrong(option, &format!("needs {why}")))
}

fn mode(option: &str, value: Option<&str>) -> Result<u16, Failure> {
    match u16::from_str_radix(text(option, value)?, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err(wrong(option, "needs permission bits in octal, as 022")),
    }
}

fn time(option: &str, value: Option<&str>) -> Result<Duration, Failure> {
    duration::parse(text(option, value)?).map_err(|why| wrong(option, &format!("needs {why}")))
}

/// As vfat's: local time is that many minutes ahead of UTC.
fn minutes(option: &str, value: Option<&str>) -> Result<i32, Failure> {
    const DAY: i32 = 24 * 60;
    match text(option, value)?.parse() {
        Ok(minutes) if (-DAY..=DAY).contains(&minutes) => Ok(minutes),
        _ => Err(wrong(option, "needs minutes, -1440 to 1440")),
    }
}

fn name_map(option: &str, value: Option<&str>) -> Result<NameMap, Failure> {
    match text(option, value)? {
        "off" | "o" => Ok(NameMap::Off),
        "normal" | "n" => Ok(NameMap::Normal),
        "acorn" | "a" => Ok(NameMap::Acorn),
        _ => Err(wrong(option, "is off, normal or acorn")),
    }
}

fn layout(option: &str, value: Option<&str>) -> Result<Layout, Failure> {
    match text(option, value)? {
        "auto" => Ok(Layout::Auto),
        "volumes" => Ok(Layout::Volumes),
        "direct" => Ok(Layout::Direct),
        _ => Err(wrong(option, "is auto, volumes or direct")),
    }
}

fn wrong(option: &str, what: &str) -> Failure {
    let option = printable(option.as_bytes());
    Failure::usage(Error::invalid(format!("mount option {option} {what}")))
}

fn unknown(name: &str) -> Failure {
    /// More changed letters are another word.
    const MOST_CHANGES: usize = 3;
    let failure = wrong(name, "is not known");
    let nearest = OWN
        .iter()
        .chain(PASSED)
        .map(|known| (changes(name, known), known))
        .min();
    match nearest {
        Some((changes, known)) if changes <= MOST_CHANGES && changes < known.len() => Failure {
            error: failure.error.hint(format!("{known}?")),
            ..failure
        },
        _ => failure,
    }
}

/// How many letters have to be put in, left out or changed (Levenshtein).
fn changes(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        for (slot, other) in row
            .iter_mut()
            .zip(std::iter::once(None).chain(to.chars().map(Some)))
        {
            let above = *slot;
            *slot = match other {
                None => left,
                Some(other) => {
                    let same = usize::from(other != letter);
                    let changed = diagonal.saturating_add(same);
                    changed.min(above.min(left).saturating_add(1))
                }
            };
            diagonal = above;
            left = *slot;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::service::failure::Cause;
    use crate::tree::Overrides;

    fn set(options: &str) -> Result<Request, Failure> {
        let mut request = Request::new("disk.raw");
        request.set_options(OsStr::new(options)).map(|()| request)
    }

    #[test]
    fn what_fstab_passes_is_taken_and_changes_nothing() {
        let line =
            "defaults,nofail,_netdev,noauto,user,x-systemd.automount,comment=a,dev,suid,relatime,";
        let usual = format!("{:?}", Request::new("disk.raw"));
        assert_eq!(format!("{:?}", set(line).unwrap()), usual);
        assert!(set("rw").unwrap().read_write_asked);
    }

    #[test]
    fn sizes_have_the_units_of_the_command_line() {
        let line =
            "offset=2s,length=3M,cache_size=64M,keyfile_offset=1k,keyfile_size=1kB,kdf_limit=1G:7";
        let open = set(line).unwrap().open;
        assert_eq!((open.offset, open.length), (1024, Some(3 << 20)));
        assert_eq!(open.cache_size, 64 << 20);
        assert_eq!((open.keys.offset, open.keys.size), (1024, Some(1000)));
        let limit = open.format.kdf_limit;
        assert_eq!((limit.memory, limit.seconds), (1 << 30, 7));
        let message = |line| set(line).unwrap_err().to_string();
        let words = "needs one of the units s, k, M, G, T, not \"x\"";
        assert!(message("offset=5x").contains(words));
        assert!(message("length=").contains("needs a value"));
        assert!(message("kdf_limit=1G:").contains("needs whole seconds behind the colon"));
    }

    #[test]
    fn owners_modes_and_what_is_shown_can_be_set() {
        let request = set("ro,allow_other,uid=1000,gid=100,umask=022,noexec").unwrap();
        assert!(request.fuse.allow_other && request.noexec);
        let expected = Overrides {
            uid: Some(1000),
            gid: Some(100),
            fmask: Some(0o022),
            dmask: Some(0o022),
        };
        assert_eq!(request.tree.overrides, expected);
        let owner = &request.open.format.owner;
        assert_eq!((owner.uid, owner.gid, owner.fmask), (1000, 100, 0o022));
        let request = set("umask=077,fmask=133,dmask=022,time_offset=-90,codepage=850").unwrap();
        let format = &request.open.format;
        assert_eq!((format.owner.fmask, format.owner.dmask), (0o133, 0o022));
        assert_eq!(
            (format.time_offset, format.codepage.as_deref()),
            (Some(-90), Some("850"))
        );
        let request = set("session=2,map=off,norock,nojoliet,showassoc").unwrap();
        let format = &request.open.format;
        assert_eq!((format.session, format.map), (Some(2), NameMap::Off));
        assert!(format.no_rock_ridge && format.no_joliet && format.show_associated);
        let request = set("partition=LABEL=root,offset=1048576,length=512,layout=direct").unwrap();
        assert_eq!(request.tree.volume.as_deref(), Some("LABEL=root"));
        assert_eq!(
            (request.open.offset, request.open.length),
            (1 << 20, Some(512))
        );
        assert_eq!(request.tree.layout, Layout::Direct);
        let request = set("format=raw,noload,ignore_checksums,no_raw,noexec,exec").unwrap();
        assert_eq!(request.open.format.format.as_deref(), Some("raw"));
        assert!(request.open.format.no_replay && request.open.format.ignore_checksums);
        assert!(!request.tree.raw && !request.noexec);
        let request = set("allow_dir=/d,allow_file=/a b,allow_file=c,no_index,format=gzip:raw");
        let request = request.unwrap();
        assert_eq!(request.open.allow_directories, [Path::new("/d")]);
        assert_eq!(
            request.open.allow_files,
            [Path::new("/a b"), Path::new("c")]
        );
        assert!(request.open.no_index);
        let formats: Vec<&str> = request.open.format.formats().collect();
        assert_eq!(formats, ["gzip", "raw"]);
        let request = set("key=p3:/k,keyfile_size=5,header=h,kdf_limit=1024:3,strict").unwrap();
        let keys = &request.open.keys;
        assert_eq!(keys.files[0].subject.as_deref(), Some("p3"));
        assert_eq!(keys.headers[0].path, Path::new("h"));
        assert!(keys.strict && !keys.no_ask && keys.size == Some(5));
        let limit = request.open.format.kdf_limit;
        assert_eq!((limit.memory, limit.seconds), (1024, 3));
        let request = set("idle_timeout=5m,pid_file=/run/a b.pid").unwrap();
        assert_eq!(request.idle(), Some(Duration::from_secs(300)));
        assert_eq!(request.pid_file.as_deref(), Some(Path::new("/run/a b.pid")));
        assert_eq!(set("idle_timeout=0").unwrap().idle(), None);
        let request = set("snapshot=before,disk=disk2").unwrap();
        assert_eq!(request.open.format.snapshot.as_deref(), Some("before"));
        assert_eq!(request.open.format.disk.as_deref(), Some("disk2"));
    }

    #[test]
    fn every_option_of_ours_is_in_the_manual() {
        let manual = include_str!("../../man/imgmount.1");
        for option in OWN.iter().filter(|option| **option != "rw") {
            assert!(manual.contains(&format!("\\fB{option}")), "{option}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_nearest_that_is() {
        let message = |options: &str| {
            let failure = set(options).unwrap_err();
            assert_eq!(failure.cause, Cause::Usage);
            failure.to_string()
        };
        assert_eq!(
            message("ro,alow_other"),
            "mount option alow_other is not known (allow_other?)"
        );
        assert_eq!(
            message("compress=zstd"),
            "mount option compress is not known"
        );
        assert!(message("ro,remount").contains("unmount, and mount again"));
        assert!(message("umask=999").contains("octal"));
        assert!(message("time_offset=1441").contains("-1440 to 1440"));
        assert!(message("map=upper").contains("off, normal or acorn"));
        assert!(message("uid=root").contains("decimal"));
        assert!(message("partition").contains("needs a value"));
        assert!(
            message("idle_timeout=5M").contains("needs seconds, or a number with s, m, h or d")
        );
        assert!(message("a\x1b").contains("a\\x1b"));
    }

    #[test]
    fn changes_are_counted_as_levenshtein_does() {
        let known = [
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ro", "ro", 0),
        ];
        for (from, to, count) in known {
            assert_eq!(changes(from, to), count, "{from} {to}");
        }
    }
}

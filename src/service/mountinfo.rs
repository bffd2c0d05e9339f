//! The kernel's table of mounts, as in proc_pid_mountinfo(5).

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, printable};

/// The file system type of every mount that this program makes.
pub(super) const TYPE: &str = "fuse.imgmount";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The mount's number; another mount may get it once this one is gone.
    pub(super) id: u64,
    /// That of the mount that it is in, or on top of.
    pub(super) parent: u64,
    /// `st_dev` of its files, `major:minor`.
    pub(super) device: String,
    /// Where it is mounted, as seen from this process's root.
    pub(super) point: PathBuf,
    /// The type: `ext4`, `fuse.sshfs`.
    pub(super) kind: String,
    /// What is mounted: for a FUSE mount the name its program gave.
    pub(super) source: OsString,
    /// The user whose program serves it, of a FUSE mount.
    pub(super) user: Option<u32>,
}

impl Entry {
    /// The type for people: whoever mounted it chose the part behind the dot.
    pub(super) fn shown_kind(&self) -> String {
        printable(self.kind.as_bytes())
    }

    /// Whether `other` is the same mount, wherever it has moved to.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.id, &self.device, &self.source) == (other.id, &other.device, &other.source)
    }
}

/// Every mount that this process sees, in no order that says what is on top.
///
/// # Errors
/// `Io` where /proc is not there.
pub(super) fn all() -> Result<Vec<Entry>> {
    let path = "/proc/self/mountinfo";
    let table = std::fs::read(path).map_err(|error| Error::io(path, &error))?;
    Ok(table
        .split(|byte| *byte == b'\n')
        .filter_map(entry)
        .collect())
}

/// The topmost mount at exactly `point`.
///
/// # Errors
/// As [`all`].
pub(super) fn at(point: &Path) -> Result<Option<Entry>> {
    let mut there = all()?;
    there.retain(|entry| entry.point == point);
    let parents: Vec<u64> = there.iter().map(|entry| entry.parent).collect();
    let is_uncovered = |entry: &Entry| !parents.contains(&entry.id);
    Ok(there.into_iter().rev().find(is_uncovered))
}

/// The number of the mount that the open file of this process, or another, is of, about which the
/// kernel says what `information` holds: a file in `/proc/PID/fdinfo`.
pub(super) fn id_of(information: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(information).ok()?;
    let number = text.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    number?.trim().parse().ok()
}

/// One line: `36 35 98:0 /root /point rw,noatime shared:1 - type source options`.
fn entry(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let device = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let point = unescape(fields.nth(1)?);
    let mut tail = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = String::from_utf8(tail.next()?.to_vec()).ok()?;
    let source = unescape(tail.next()?);
    let options = tail.next().unwrap_or_default();
    let mut options = options.split(|byte| *byte == b',');
    let user = options.find_map(|option| option.strip_prefix(b"user_id="));
    Some(Entry {
        id,
        parent,
        device,
        point: PathBuf::from(OsString::from_vec(point)),
        kind,
        source: OsString::from_vec(source),
        user: user.and_then(|user| std::str::from_utf8(user).ok()?.parse().ok()),
    })
}

/// Undoes the kernel's `\040` for space, tab, newline, backslash and `#`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..3).filter(|_| *first == b'\\').and_then(octal);
        bytes.push(code.unwrap_or(*first));
        rest = match code {
            Some(_) => tail.get(3..).unwrap_or(&[]),
            None => tail,
        };
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// The longest that source and mount point may be together in the table of mounts, in bytes.
/// fusermount3 reads it by getmntent(3), which cuts a line after 4 KiB: the user could never unmount
/// what it does not find. The rest is for the type and the options.
const LONGEST_LINE: usize = 3900;

/// Whether fusermount3 finds the mount of `source` at `point` in the table of mounts.
pub(super) fn is_found_by_helper(source: &str, point: &Path) -> bool {
    let point = length_in_table(point.as_os_str().as_bytes());
    length_in_table(source.as_bytes()).saturating_add(point) <= LONGEST_LINE
}

/// The name of an image in the table of mounts: no comma, which would end a mount option, and
/// nothing that a terminal obeys. It is the whole path where that leaves the line of the mount at
/// `point` short enough.
pub(super) fn source_name(image: &Path, point: &Path) -> String {
    /// The kernel takes no longer source than one page.
    const LONGEST: usize = 2048;
    let escape = |bytes: &[u8]| printable(bytes).replace(',', "\\x2c");
    let fits = |source: &String| source.len() <= LONGEST && is_found_by_helper(source, point);
    let name = image.file_name().unwrap_or_default();
    let names = [image.as_os_str(), name].map(|name| escape(name.as_bytes()));
    let fitting = names.into_iter().find(fits);
    fitting.unwrap_or_else(|| "imgmount".to_owned())
}

/// How many bytes the kernel writes for a path or a name: those that [`unescape`] undoes are four.
fn length_in_table(name: &[u8]) -> usize {
    let escaped = name
        .iter()
        .filter(|byte| b" \t\n\\#".contains(byte))
        .count();
    name.len().saturating_add(escaped.saturating_mul(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_optional_fields_and_escapes() {
        let line = b"36 35 0:98 / /mnt/a\\040b\\134c ro,nosuid shared:1 master:2 - fuse.imgmount /i\\012mg ro,user_id=1000,group_id=0";
        let entry = entry(line).unwrap();
        assert_eq!((entry.id, entry.device.as_str()), (36, "0:98"));
        assert_eq!(entry.point, Path::new("/mnt/a b\\c"));
        assert_eq!(entry.kind, TYPE);
        assert_eq!(entry.source, "/i\nmg");
        assert_eq!(entry.user, Some(1000));
        let line = b"21 1 0:20 / /proc rw - proc proc rw";
        assert_eq!(self::entry(line).unwrap().user, None);
    }

    #[test]
    fn a_mount_is_in_the_kernels_table() {
        // Not the root: in a chroot that need be no mount.
        assert!(at(Path::new("/proc")).unwrap().is_some());
        assert_eq!(at(Path::new("/nowhere at all")).unwrap(), None);
    }

    #[test]
    fn a_source_name_has_no_comma_and_no_control_byte() {
        let source_name = |image: &Path| source_name(image, Path::new("/mnt"));
        let name = source_name(Path::new("/a,b\\c\nd\x1b[31m\"'"));
        assert_eq!(name, "/a\\x2cb\\\\c\\x0ad\\x1b[31m\"'");
        let long = PathBuf::from(format!("/{}/x.img", "d/".repeat(2000)));
        assert_eq!(source_name(&long), "x.img");
    }

    #[test]
    fn a_source_name_leaves_room_in_the_line_for_a_long_mount_point() {
        let image = |folder: &str| PathBuf::from(format!("/{}/disk.img", folder.repeat(1900)));
        let point = |folder: &str| PathBuf::from(format!("/{}/mnt", folder.repeat(1900)));
        let plain = image("d");
        let short = Path::new("/mnt");
        assert_eq!(source_name(&plain, short), plain.to_str().unwrap());
        let long = PathBuf::from(format!("{}/{}", point("d").display(), "e".repeat(200)));
        assert_eq!(source_name(&plain, &long), "disk.img");
        assert!(is_found_by_helper("disk.img", &long));
        // Each space of it takes four bytes.
        assert_eq!(source_name(&image(" "), short), "disk.img");
        assert_eq!(source_name(&plain, &point(" ")), "imgmount");
        assert!(!is_found_by_helper("imgmount", &point(" ")));
    }
}

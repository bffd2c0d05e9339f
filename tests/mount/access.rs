//! Who may see what: owners, permissions, access control lists, hidden attributes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{Place, SOON, Who, everybody};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Files of root's with the given modes, in an image.
fn place_with_modes(who: Who) -> Place {
    let files = Scratch::new();
    for (name, mode) in [("open", 0o644), ("closed", 0o600), ("none", 0o000)] {
        let path = files.join(name);
        std::fs::write(&path, name).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let folder = files.folder("folder");
    std::fs::write(folder.join("inside"), "inside").unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    Place::with_files(who, files.path(), "8M")
}

fn unmount(place: &Place) {
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

/// What `cat PATH` gives the user `nobody`.
fn nobody_reads(path: &Path) -> Option<String> {
    let output = Run::new("cat").arg(path).by_nobody(Path::new("/")).output();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

#[test]
fn the_mounting_user_reads_everything_and_nobody_else_does() {
    need!(root, fuse, tool "mke2fs");
    for who in everybody() {
        let place = place_with_modes(who);
        let point = place.mount();
        for (name, content) in [
            ("open", "open"),
            ("closed", "closed"),
            ("none", "none"),
            ("folder/inside", "inside"),
        ] {
            assert_eq!(place.run("cat").arg(point.join(name)).text(), content);
        }
        let stranger = match who {
            Who::Self_ => nobody_reads(&point.join("open")),
            Who::Nobody => std::fs::read_to_string(point.join("open")).ok(),
        };
        assert_eq!(stranger, None);
        place.run("test").args(["!", "-x", "m/open"]).run();
        place.run("test").args(["-x", "m/folder"]).run();
        unmount(&place);
    }
}

#[test]
fn with_allow_other_permissions_are_checked() {
    need!(root, fuse, tool "mke2fs");
    let place = place_with_modes(Who::Self_);
    let point = place.directory("m");
    place.imgmount().words("-o allow_other disk.img m").run();
    assert_eq!(nobody_reads(&point.join("open")).as_deref(), Some("open"));
    for name in ["closed", "none", "folder/inside"] {
        assert_eq!(nobody_reads(&point.join(name)), None, "{name}");
        assert!(std::fs::read(point.join(name)).is_ok(), "root: {name}");
    }
    unmount(&place);
}

#[test]
fn with_allow_other_access_control_lists_count() {
    need!(loop, fuse, kernel "ext4", tool "mke2fs", tool "setfacl", tool "getfacl");
    let empty = Scratch::new();
    let place = Place::with_files(Who::Self_, empty.path(), "8M");
    let written =
        crate::support::kernel::Mounted::new(&place.image, "ext4", "rw", &empty.join("w"));
    for (name, entry) in [("given", "u:65534:r"), ("taken", "u:65534:-")] {
        let path = written.path().join(name);
        std::fs::write(&path, name).unwrap();
        let mode = match name {
            "given" => 0o600,
            _ => 0o644,
        };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Run::new("setfacl").args(["-m", entry]).arg(&path).run();
    }
    let lists = |folder: &Path| {
        let list = |name: &str| {
            let list = Run::new("getfacl").arg("-cpn").arg(folder.join(name));
            list.text()
        };
        (list("given"), list("taken"))
    };
    let expected = lists(written.path());
    written.unmount();
    let point = place.directory("m");
    for options in ["allow_other", "ro"] {
        place
            .imgmount()
            .arg("-o")
            .arg(options)
            .words("disk.img m")
            .run();
        assert_eq!(lists(&point), expected, "{options}");
        if options == "allow_other" {
            assert_eq!(nobody_reads(&point.join("given")).as_deref(), Some("given"));
            assert_eq!(nobody_reads(&point.join("taken")), None);
        }
        unmount(&place);
    }
}

#[test]
fn allow_other_needs_the_administrator() {
    need!(root, fuse, tool "mke2fs");
    let config = std::fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if config.lines().any(|line| line.trim() == "user_allow_other") {
        crate::support::skip::skip(module_path!(), "needs a fuse.conf without user_allow_other");
        return;
    }
    let place = Place::new(Who::Nobody);
    place.directory("m");
    let output = place.imgmount().words("-o allow_other disk.img m").output();
    let (code, words) = super::code_and_words(&output);
    assert_eq!(code, 5);
    assert!(
        words.contains("user_allow_other in /etc/fuse.conf"),
        "{words}"
    );
    place.assert_clean_within(SOON);
}

#[test]
fn owner_and_mode_can_be_overridden() {
    need!(root, fuse, tool "mke2fs");
    let place = place_with_modes(Who::Self_);
    let point = place.directory("m");
    place
        .imgmount()
        .words("-o uid=1234,gid=5678,umask=027 disk.img m")
        .run();
    for (name, mode) in [("open", 0o640), ("closed", 0o600), ("folder", 0o700)] {
        let found = point.join(name).metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), (1234, 5678), "{name}");
        assert_eq!(found.mode() & 0o7777, mode, "{name}");
        let listed = Run::new("stat")
            .args(["-c", "%u"])
            .arg(point.join(name))
            .text();
        assert_eq!(listed, "1234\n");
    }
    unmount(&place);
}

#[test]
fn what_is_overridden_is_so_in_every_verb() {
    need!(root, tool "mke2fs", tool "tar");
    let place = place_with_modes(Who::Self_);
    let options = "-o uid=1234,gid=5678,umask=027 disk.img";
    let verb = |verb| place.imgmount().words(verb).words(options);
    let listed = verb("ls -l").text();
    let line = |name: &str| listed.lines().find(|line| line.ends_with(name)).unwrap();
    for (name, mode) in [
        ("open", "-rw-r-----"),
        ("closed", "-rw-------"),
        ("folder", "drwx------"),
    ] {
        let words: Vec<&str> = line(name).split_ascii_whitespace().collect();
        assert_eq!((words[0], words[2], words[3]), (mode, "1234", "5678"));
    }
    let archive = place.image.with_file_name("all.tar");
    std::fs::write(&archive, verb("tar").stdout()).unwrap();
    let listed = Run::new("tar").words("--numeric-owner -tvf").arg(&archive);
    let listed = listed.text();
    let line = listed.lines().find(|line| line.ends_with("open")).unwrap();
    assert!(line.starts_with("-rw-r----- 1234/5678"), "{line}");
    let copy = place.directory("copy");
    verb("cp").words("/open").arg(&copy).text();
    let found = copy.join("open").metadata().unwrap();
    assert_eq!((found.uid(), found.gid()), (1234, 5678));
    assert_eq!(found.mode() & 0o7777, 0o640);
}

#[test]
fn trusted_attributes_are_roots_alone() {
    need!(loop, fuse, kernel "ext4", tool "mke2fs", tool "getfattr");
    let empty = Scratch::new();
    let place = Place::with_files(Who::Self_, empty.path(), "8M");
    let written =
        crate::support::kernel::Mounted::new(&place.image, "ext4", "rw", &empty.join("w"));
    let path = written.path().join("file");
    std::fs::write(&path, "").unwrap();
    let none = rustix::fs::XattrFlags::empty();
    for name in ["user.seen", "trusted.hidden"] {
        rustix::fs::setxattr(&path, name, b"value", none).unwrap();
    }
    written.unmount();
    let point = place.directory("m");
    place.imgmount().words("-o allow_other disk.img m").run();
    let dump = || {
        Run::new("getfattr")
            .words("--only-values --absolute-names -d -m -")
            .arg(point.join("file"))
    };
    let one = || {
        Run::new("getfattr")
            .words("-n trusted.hidden")
            .arg(point.join("file"))
    };
    let lines = |run: Run| run.text().matches("value").count();
    assert_eq!(lines(dump()), 2);
    assert_eq!(lines(dump().by_nobody(Path::new("/"))), 1);
    let hidden = one().by_nobody(Path::new("/")).output();
    let said = String::from_utf8_lossy(&hidden.stderr).into_owned();
    assert!(said.contains("No such attribute"), "{said}");
    one().run();
    let path = point.join("file");
    let mut small = [0; 2];
    let sized = rustix::fs::getxattr(&path, "user.seen", &mut small);
    assert_eq!(sized, Err(rustix::io::Errno::RANGE));
    unmount(&place);
}

//! Discs made for the purpose, by xorriso and genisoimage, as libarchive reads them.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use imgmount::format::{NameMap, Options};

use super::{compare, compare_plain, files, open};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// A disc of [`files`] that `tool` makes with `options`.
fn disc(scratch: &Scratch, tool: &str, options: &str) -> PathBuf {
    let files = files(scratch);
    let image = scratch.join("disc.iso");
    let command = match tool {
        "xorriso" => Run::new("xorriso").words("-as mkisofs"),
        other => {
            // It never ends where a link's target does not fit into one entry.
            std::fs::remove_file(files.join("far")).unwrap();
            // Level 4 has names as they are, and no character set fits that.
            let charset = match options.contains("-iso-level 4") {
                true => "",
                false => "-input-charset utf-8",
            };
            Run::new(other).words(charset)
        }
    };
    let command = command.args(["-quiet", "-o"]).arg(&image);
    command.words(options).arg(&files).run();
    image
}

#[test]
fn rock_ridge_by_xorriso_and_by_genisoimage() {
    need!(tool "xorriso", tool "genisoimage", tool "bsdtar");
    for (tool, options) in [
        ("xorriso", "-R -J -joliet-long"),
        ("xorriso", "-R -iso-level 3 --old-empty"),
        ("genisoimage", "-R -J -joliet-long"),
        ("genisoimage", "-r -U -allow-multidot"),
        ("genisoimage", "-R -iso-level 4"),
    ] {
        let scratch = Scratch::new();
        let image = disc(&scratch, tool, options);
        let count = compare(&image, Options::default());
        assert!(count > 12, "{tool} {options}: {count}");
    }
}

#[test]
fn a_target_in_several_entries() {
    need!(tool "xorriso");
    let scratch = Scratch::new();
    let image = disc(&scratch, "xorriso", "-R");
    let opened = open(&image, Options::default());
    let filesystem = library::file_system(&opened);
    let far = library::find(&*filesystem, b"far");
    let target = filesystem.read_link(&library::request(), far).unwrap();
    let put = std::fs::read_link(scratch.join("files/far")).unwrap();
    assert_eq!(target, put.as_os_str().as_bytes());
}

#[test]
fn joliet_alone_and_beside_rock_ridge() {
    need!(tool "xorriso", tool "genisoimage", tool "bsdtar");
    for (tool, options) in [
        ("xorriso", "-J -joliet-long"),
        ("genisoimage", "-J -joliet-long -ucs-level 1"),
        ("genisoimage", "-R -J -joliet-long"),
    ] {
        let scratch = Scratch::new();
        let image = disc(&scratch, tool, options);
        let ours = Options {
            no_rock_ridge: true,
            ..Options::default()
        };
        let count = compare_plain(&image, ours, "iso9660:!rockridge");
        assert!(count > 8, "{tool} {options}: {count}");
    }
}

#[test]
fn plain_names_of_every_level_and_map() {
    need!(tool "xorriso", tool "genisoimage", tool "bsdtar");
    for (tool, options) in [
        ("xorriso", "-iso-level 1"),
        ("xorriso", "-iso-level 3"),
        ("genisoimage", "-iso-level 2"),
        ("genisoimage", "-R -J -iso-level 1"),
    ] {
        let scratch = Scratch::new();
        let image = disc(&scratch, tool, options);
        let ours = Options {
            no_rock_ridge: true,
            no_joliet: true,
            ..Options::default()
        };
        let theirs = "iso9660:!rockridge,iso9660:!joliet";
        let count = compare_plain(&image, ours.clone(), theirs);
        assert!(count > 8, "{tool} {options}: {count}");
        let raw = open(
            &image,
            Options {
                map: NameMap::Off,
                ..ours
            },
        );
        let found = library::walk(&*library::file_system(&raw));
        assert!(
            found.keys().any(|name| name.starts_with(b"HELLO.TXT")),
            "{options}"
        );
        assert!(found.keys().any(|name| name.ends_with(b";1")), "{options}");
    }
}

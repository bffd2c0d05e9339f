//! DEST itself: what lies in it already, what it is, and what becomes of it meanwhile.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::ext::{self, file, link};
use super::{Place, code_and_words, listed};
use crate::support::command::imgmount;

/// How many trees are tried here.
pub const COUNT: usize = 7;

/// `folder/victim`, `victim`, and a link that leads out.
fn image(place: &Place) -> PathBuf {
    let made = |files: &Path, outside: &Path| {
        file(files, "folder/victim");
        file(files, "victim");
        link(files, "out", outside);
    };
    ext::image(place, made, "", &[])
}

/// What `cp` of `paths` comes to: its exit code and words, and what is in DEST.
fn copied(place: &Place, image: &Path, paths: &[&str]) -> (i32, String, Vec<String>) {
    let output = place.untouched("cp", || {
        let cp = imgmount().arg("cp").arg(image).args(paths);
        cp.arg(place.dest()).output()
    });
    let (code, words) = code_and_words(&output);
    (code, words, listed(&place.dest()))
}

#[test]
fn links_that_lie_in_dest_are_replaced_by_files_and_refused_as_directories() {
    need!(tool "mke2fs", tool "debugfs");
    let place = Place::new();
    let image = image(&place);
    std::fs::create_dir(place.dest()).unwrap();
    let at = |name: &str| place.dest().join(name);
    symlink(place.outside.join("victim"), at("victim")).unwrap();
    symlink(place.outside.join("folder"), at("folder")).unwrap();
    symlink("../outside/nothing", at("out")).unwrap();
    let (code, words, inside) = copied(&place, &image, &["folder", "victim", "out"]);
    assert_eq!(code, 4);
    let refused = "folder: make the directory: Not a directory";
    assert!(
        words.lines().count() == 1 && words.contains(refused),
        "{words}"
    );
    let expected = [
        "f victim: victim",
        "l folder -> /outside/folder",
        "l out -> /outside",
    ];
    assert_eq!(inside, expected);
}

#[test]
fn a_dangling_link_in_dest_does_not_make_what_it_names() {
    need!(tool "mke2fs", tool "debugfs");
    let place = Place::new();
    let image = image(&place);
    std::fs::create_dir(place.dest()).unwrap();
    for name in ["victim", "folder"] {
        symlink(place.outside.join("new"), place.dest().join(name)).unwrap();
    }
    let (code, _, inside) = copied(&place, &image, &["folder", "victim"]);
    assert_eq!(code, 4);
    assert_eq!(inside, ["f victim: victim", "l folder -> /outside/new"]);
}

#[test]
fn a_dest_that_is_a_link_is_the_users_own_and_what_the_image_has_is_not() {
    need!(tool "mke2fs", tool "debugfs");
    let place = Place::new();
    let image = image(&place);
    let real = place.dest().join("real");
    std::fs::create_dir_all(&real).unwrap();
    symlink("real", place.dest().join("link")).unwrap();
    let output = place.untouched("cp", || {
        let cp = imgmount().arg("cp").arg(&image).args(["folder", "out"]);
        cp.arg(place.dest().join("link")).output()
    });
    assert_eq!(output.status.code(), Some(0));
    let expected = ["d folder", "f folder/victim: victim", "l out -> /outside"];
    assert_eq!(listed(&real), expected);
}

#[test]
fn a_path_of_the_image_never_leaves_it_for_the_host() {
    need!(tool "mke2fs", tool "debugfs");
    let place = Place::new();
    let image = image(&place);
    std::fs::create_dir(place.dest()).unwrap();
    // The link leads into the image, where there is no such directory.
    for path in [
        "out/victim",
        "out/../victim/x",
        "../../outside/victim",
        "out/",
    ] {
        let (code, words, inside) = copied(&place, &image, &[path]);
        assert_eq!((code, inside.len()), (1, 0), "{path}: {words}");
    }
    // As for the kernel, what is above the root is the root.
    let (code, words, inside) = copied(&place, &image, &["../../victim"]);
    assert_eq!((code, words.as_str()), (0, ""));
    assert_eq!(inside, ["f victim: victim"]);
}

#[test]
fn a_source_that_ends_in_dots_names_no_directory_above_dest() {
    need!(tool "mke2fs", tool "debugfs");
    let place = Place::new();
    let image = image(&place);
    std::fs::create_dir(place.dest()).unwrap();
    let (code, words, inside) = copied(&place, &image, &["folder/..", "folder/."]);
    assert_eq!(code, 0, "{words}");
    let all = [
        "d folder",
        "f folder/victim: victim",
        "f victim: victim",
        "l out -> /outside",
    ];
    assert!(
        all.iter().all(|line| inside.iter().any(|it| it == line)),
        "{inside:?}"
    );
}

/// An image with `files` files in each of eight directories.
fn many(place: &Place, files: u32) -> PathBuf {
    let made = |folder: &Path, _: &Path| {
        for directory in 0..8 {
            for number in 0..files {
                file(folder, &format!("d{directory}/victim{number}"));
            }
        }
    };
    ext::image(place, made, "", &[])
}

/// Does `swap` over and over while `cp` copies `image`, at least until it began to.
fn while_copying(place: &Place, image: &Path, swap: impl Fn() + Sync) -> i32 {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let mut swaps = 0_u64;
            while !over.load(Ordering::Relaxed) {
                swap();
                swaps += 1;
            }
            swaps
        });
        let output = imgmount()
            .arg("cp")
            .arg(image)
            .arg("/")
            .arg(place.dest().join("out"))
            .output();
        over.store(true, Ordering::Relaxed);
        assert!(swapping.join().unwrap() > 0);
        code_and_words(&output).0
    })
}

#[test]
fn a_directory_that_becomes_a_link_while_it_is_copied_into_stays_the_directory() {
    need!(tool "mke2fs", tool "debugfs");
    let place = Place::new();
    let image = many(&place, 100);
    std::fs::create_dir_all(place.dest().join("links")).unwrap();
    for number in 0..8 {
        symlink(
            &place.outside,
            place.dest().join(format!("links/d{number}")),
        )
        .unwrap();
    }
    let before = place.fingerprint();
    while_copying(&place, &image, || {
        for number in 0..8 {
            let out = place.dest().join(format!("out/d{number}"));
            let link = place.dest().join(format!("links/d{number}"));
            let at = rustix::fs::CWD;
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            // There is nothing to be exchanged before it is made.
            let _ = rustix::fs::renameat_with(at, &out, at, &link, exchange);
        }
    });
    assert_eq!(place.fingerprint(), before);
    let copied = listed(&place.dest());
    let files = copied.iter().filter(|line| line.starts_with("f ")).count();
    assert!(files > 0 && files <= 800, "{files}");
}

#[test]
fn dest_itself_becomes_a_link_while_it_is_copied_into() {
    need!(tool "mke2fs", tool "debugfs");
    let place = Place::new();
    let image = many(&place, 100);
    std::fs::create_dir_all(place.dest()).unwrap();
    symlink(&place.outside, place.dest().join("link")).unwrap();
    let out = place.dest().join("out");
    let before = place.fingerprint();
    let began = Instant::now();
    let code = while_copying(&place, &image, || {
        let link = place.dest().join("link");
        // Once there is a file in it, so that it is sure to be in use.
        let is_begun = out.join("d0/victim0").exists();
        if is_begun && !out.is_symlink() {
            let at = rustix::fs::CWD;
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            let _ = rustix::fs::renameat_with(at, &out, at, &link, exchange);
        }
        assert!(began.elapsed() < Duration::from_secs(300));
    });
    assert_eq!(code, 0, "it is the directory that it was");
    assert_eq!(place.fingerprint(), before);
    assert!(out.is_symlink(), "it was exchanged");
    let copied = listed(&place.dest());
    let files = copied.iter().filter(|line| line.starts_with("f ")).count();
    assert_eq!(files, 800);
}

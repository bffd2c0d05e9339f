//! Names at the top of a tree, links, selectors and paths.

use std::sync::Arc;

use imgmount::error::{Error, Kind};
use imgmount::filesystem::{FileSystem, FileType, Inode, Request};
use imgmount::format::Description;
use imgmount::stack::{Content, Stack};
use imgmount::tree::{Layout, Options, Tree, select};

use super::synthetic::{self, Synthetic, What};

fn request() -> Request {
    Request::new(0)
}

fn volume(label: &str, uuid: &str) -> Content {
    let made = Synthetic::new(2, 2, &[("etc", 12), ("top", 15)])
        .with(
            12,
            12,
            What::Directory(vec![
                (b"file".to_vec(), 13),
                (b"absolute".to_vec(), 14),
                (b"up".to_vec(), 16),
                (b"loop".to_vec(), 17),
                (b"caf\xe9".to_vec(), 13),
            ]),
        )
        .with(13, 13, What::File(b"hello".to_vec()))
        .with(14, 14, What::Link(b"/etc/file".to_vec()))
        .with(15, 15, What::Link(b"etc/absolute".to_vec()))
        .with(16, 16, What::Link(b"../../../../etc/file".to_vec()))
        .with(17, 17, What::Link(b"loop".to_vec()));
    synthetic::content(made, label.as_bytes(), uuid)
}

fn damaged() -> Content {
    Content::Damaged {
        format: "ext4",
        description: Description {
            label: Some(b"hurt".to_vec()),
            ..Description::default()
        },
        error: Error::corrupt("s_log_block_size 31 is over 6")
            .at(1048)
            .context("ext4"),
    }
}

fn recognised() -> Content {
    Content::Recognised {
        name: "vfat".to_owned(),
        lacks: "its files cannot be shown",
        description: Description::default(),
    }
}

/// Three good volumes, two of one label, a damaged one and one that is not read.
fn five() -> Arc<Stack> {
    synthetic::partitions(vec![
        ("EFI System", recognised()),
        ("root", volume("root", "AAAA-01")),
        ("root", volume("root", "aaaa-02")),
        ("a/b\n", damaged()),
        ("", volume("..", "")),
    ])
}

/// Every path of the tree's top, directories with `/`, links with their target.
fn listing(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![(String::new(), Inode(1))];
    while let Some((path, dir)) = left.pop() {
        tree.read_dir(&request(), dir, 2, &mut |entry| {
            let name = format!("{path}{}", std::str::from_utf8(entry.name).unwrap());
            match entry.kind.unwrap() {
                FileType::Directory if name.starts_with("by-") => {
                    left.push((format!("{name}/"), entry.inode));
                }
                FileType::Directory => found.push(format!("{name}/")),
                FileType::Symlink => {
                    let target = tree.read_link(&request(), entry.inode).unwrap();
                    found.push(format!("{name} -> {}", String::from_utf8(target).unwrap()));
                }
                _ => found.push(name),
            }
            true
        })
        .unwrap();
    }
    found.sort();
    found
}

#[test]
fn volumes_raw_files_and_links_have_their_names() {
    let tree = Tree::compose(five(), &Options::default()).unwrap();
    assert_eq!(
        listing(&tree),
        [
            "by-label/\\x2e\\x2e -> ../p5",
            "by-label/hurt -> ../p4.img",
            "by-label/root -> ../p2",
            "by-label/root~2 -> ../p3",
            "by-partlabel/EFI\\x20System -> ../p1.img",
            "by-partlabel/a\\x2fb\\x0a -> ../p4.img",
            "by-partlabel/root -> ../p2",
            "by-partlabel/root~2 -> ../p3",
            "by-partuuid/0badcafe-01 -> ../p1.img",
            "by-partuuid/0badcafe-02 -> ../p2",
            "by-partuuid/0badcafe-03 -> ../p3",
            "by-partuuid/0badcafe-04 -> ../p4.img",
            "by-partuuid/0badcafe-05 -> ../p5",
            "by-uuid/AAAA-01 -> ../p2",
            "by-uuid/aaaa-02 -> ../p3",
            "disk.img",
            "p1.img",
            "p2.img",
            "p2/",
            "p3.img",
            "p3/",
            "p4.img",
            "p5.img",
            "p5/",
        ]
    );
}

#[test]
fn without_raw_files_there_are_only_file_systems() {
    let options = Options {
        raw: false,
        ..Options::default()
    };
    let tree = Tree::compose(five(), &options).unwrap();
    let names = listing(&tree);
    let top = names.iter().filter(|name| !name.starts_with("by-"));
    assert_eq!(top.collect::<Vec<_>>(), ["p2/", "p3/", "p5/"]);
    assert!(!names.iter().any(|name| name.contains(".img")), "{names:?}");
}

#[test]
fn g13_labels_of_control_bytes_and_64_kib_make_short_plain_links() {
    let long = "x".repeat(65536);
    let stack = synthetic::partitions(vec![
        (&long, volume("\x1b]0;x\x07", "1")),
        (&long, volume(&long, "2")),
    ]);
    let stack_names: Vec<_> = stack.nodes().iter().map(|node| node.name.clone()).collect();
    assert_eq!(stack_names, ["disk", "p1", "p2"]);
    let tree = Tree::compose(stack, &Options::default()).unwrap();
    let names = listing(&tree);
    assert!(
        names.contains(&"by-label/\\x1b\\x5d0\\x3bx\\x07 -> ../p1".to_owned()),
        "{names:?}"
    );
    let cut = "x".repeat(240);
    assert!(names.contains(&format!("by-partlabel/{cut} -> ../p1")));
    assert!(names.contains(&format!("by-partlabel/{cut}~2 -> ../p2")));
}

#[test]
fn a_volume_in_a_volume_lies_below_it() {
    let mut stack = synthetic::partitions(vec![("a", volume("in", "1"))]);
    let disk = &mut Arc::get_mut(&mut stack).unwrap().disks[0];
    if let Content::Table { children, .. } = &mut disk.content {
        children[0].name = "vg0/root".to_owned();
    }
    let tree = Tree::compose(stack, &Options::default()).unwrap();
    let file = tree
        .resolve(&request(), b"vg0/root/etc/file", true)
        .unwrap();
    assert_eq!(tree.attributes(&request(), file).unwrap().size, 5);
    let link = tree
        .resolve(&request(), b"by-label/in/etc/file", true)
        .unwrap();
    assert_eq!(link, file);
}

#[test]
fn selectors_name_one_volume() {
    let stack = five();
    for (wanted, name) in [
        ("2", "p2"),
        ("p3", "p3"),
        ("LABEL=hurt", "p4"),
        ("UUID=aaaa-01", "p2"),
        ("UUID=\"AAAA-02\"", "p3"),
        ("LABEL=\\x2e\\x2e", "p5"),
        ("PARTLABEL=EFI System", "p1"),
        ("PARTLABEL=a\\x2fb\\x0a", "p4"),
        ("PARTUUID=0BADCAFE-05", "p5"),
        ("disk", "disk"),
    ] {
        assert_eq!(
            select(&stack, wanted).map(|node| &*node.name),
            Ok(name),
            "{wanted}"
        );
    }
    let refused = |wanted: &str| select(&stack, wanted).map(|_| ()).unwrap_err();
    let error = refused("LABEL=root");
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.message(), "2 volumes are LABEL=root: p2, p3");
    let error = refused("9\x1b");
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(
        error.to_string(),
        "no volume is 9\\x1b (there is disk, p1, p2, p3, p4, p5)"
    );
}

#[test]
fn a_selected_volume_is_the_root_or_says_why_not() {
    let compose = |wanted: &str| {
        let volume = Some(wanted.to_owned());
        Tree::compose(
            five(),
            &Options {
                volume,
                ..Options::default()
            },
        )
    };
    let tree = compose("LABEL=..").unwrap();
    assert!(tree.resolve(&request(), b"/etc/file", true).is_ok());
    let damaged = compose("4").map(|_| ()).unwrap_err();
    assert_eq!(
        (damaged.kind(), damaged.offset()),
        (Kind::Corrupt, Some(1048))
    );
    assert!(
        damaged
            .to_string()
            .starts_with("p4: ext4: s_log_block_size 31 is over 6")
    );
    let other = compose("1").map(|_| ()).unwrap_err();
    assert_eq!(other.kind(), Kind::Unsupported);
    assert!(
        other
            .to_string()
            .starts_with("p1: vfat is not supported yet"),
        "{other}"
    );
}

#[test]
fn a_direct_layout_wants_one_file_system() {
    let direct = |stack| {
        let layout = Layout::Direct;
        Tree::compose(
            stack,
            &Options {
                layout,
                ..Options::default()
            },
        )
    };
    let error = direct(five()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("3 file systems"), "{error}");
    assert!(
        direct(synthetic::partitions(vec![
            ("a", recognised()),
            ("b", volume("x", "1"))
        ]))
        .is_ok()
    );
    let error = direct(synthetic::disk(damaged())).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("disk: ext4: "), "{error}");
    let nothing = Tree::compose(synthetic::disk(damaged()), &Options::default()).unwrap();
    assert_eq!(
        listing(&nothing),
        ["by-label/hurt -> ../disk.img", "disk.img"]
    );
}

#[test]
fn links_in_a_volume_lead_to_its_own_files() {
    let tree = Tree::compose(five(), &Options::default()).unwrap();
    let at = |path: &[u8]| tree.resolve(&request(), path, true);
    let file = at(b"p2/etc/file").unwrap();
    for path in [
        &b"/p2/etc/absolute"[..],
        b"p2/top",
        b"p2//./etc/../top",
        b"p2/etc/up",
        b"by-label/root/etc/up",
        b"p3/../p2/etc/caf\xe9",
        b"../../p2/etc/file",
    ] {
        assert_eq!(at(path), Ok(file), "{path:?}");
    }
    assert_ne!(at(b"p3/top").unwrap(), file);
    let link = tree.resolve(&request(), b"p2/top", false).unwrap();
    assert_eq!(
        tree.attributes(&request(), link).unwrap().kind,
        FileType::Symlink
    );
}

#[test]
fn paths_that_lead_nowhere_say_where_they_end() {
    let tree = Tree::compose(five(), &Options::default()).unwrap();
    let fails = |path: &[u8]| {
        let error = tree.resolve(&request(), path, true).unwrap_err();
        (error.kind(), error.to_string())
    };
    assert_eq!(
        fails(b"p2/etc/loop"),
        (
            Kind::Invalid,
            "loop: too many levels of symbolic links".to_owned()
        )
    );
    assert_eq!(
        fails(b"p2/nothing/x"),
        (
            Kind::NotFound,
            "nothing: no such file or directory".to_owned()
        )
    );
    assert_eq!(
        fails(b"p2/etc/file/x"),
        (Kind::NotADirectory, "file: not a directory".to_owned())
    );
    assert_eq!(
        fails(b"p4.img/.."),
        (Kind::NotADirectory, "p4.img: not a directory".to_owned())
    );
}

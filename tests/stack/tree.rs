//! Node numbers, listings and reads of a composed tree.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use imgmount::error::Kind;
use imgmount::filesystem::{FileSystem, Inode, Request};
use imgmount::stack::Stack;
use imgmount::tree::{Layout, Options, Tree};

use super::synthetic::{self, Holey, Synthetic, What};

fn request() -> Request {
    Request::new(0)
}

fn compose(stack: Arc<Stack>, layout: Layout) -> Tree {
    let options = Options {
        layout,
        ..Options::default()
    };
    Tree::compose(stack, &options).unwrap()
}

/// The number of `name` in `dir`, counted as looked up.
fn lookup(tree: &Tree, dir: Inode, name: &str) -> Inode {
    let found = tree.lookup(&request(), dir, name.as_bytes()).unwrap();
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// A file of its own contents, so that one taken for another shows.
fn file(handle: u64) -> What {
    What::File(handle.to_string().into_bytes())
}

/// Handles and own numbers as they come in file systems and in damaged ones.
const FILES: &[(&str, u64, u64)] = &[
    ("plain", 12, 12),
    ("one", 0x60_0020, 1),
    ("zero", 0x60_0040, 0),
    ("handle one", 1, 77),
    ("handle zero", 0, 78),
    ("high", 0x60_0080, 1 << 63),
    ("all ones", u64::MAX, u64::MAX),
    ("high handle", 1 << 63, 5),
    ("same as plain", 0x60_00a0, 12),
    ("twin", 0x60_00c0, 99),
    ("other twin", 0x60_00e0, 99),
    ("the root's number", 0x60_0100, 2),
];

fn odd_numbers() -> Synthetic {
    let names: Vec<(&str, u64)> = FILES
        .iter()
        .map(|(name, handle, _)| (*name, *handle))
        .collect();
    let made = Synthetic::new(0x60_0000, 2, &names);
    FILES.iter().fold(made, |made, (_, handle, own)| {
        made.with(*handle, *own, file(*handle))
    })
}

/// Every file of [`FILES`] is itself by its number, and no two share one.
fn all_are_themselves(tree: &Tree, root: Inode) {
    let mut numbers = BTreeSet::from([1]);
    for (name, _, _) in FILES {
        let node = lookup(tree, root, name);
        assert!(
            numbers.insert(node.0),
            "{name} has another's number {}",
            node.0
        );
        let again = lookup(tree, root, name);
        assert_eq!(node, again, "{name}");
    }
    for (name, handle, _) in FILES {
        let node = lookup(tree, root, name);
        let attributes = tree.attributes(&request(), node).unwrap();
        assert_eq!(attributes.ino, node.0, "{name}: st_ino is the node number");
        let mut bytes = [0; 32];
        let len = tree.read(&request(), node, &mut bytes, 0).unwrap();
        assert_eq!(&bytes[..len], handle.to_string().as_bytes(), "{name}");
        tree.forget(node, 3);
    }
}

#[test]
fn direct_layout_shows_own_numbers_and_survives_0_1_and_doubles() {
    let tree = compose(
        synthetic::disk(synthetic::content(odd_numbers(), b"", "")),
        Layout::Auto,
    );
    assert_eq!(tree.root(), Inode(1));
    assert_eq!(tree.attributes(&request(), Inode(1)).unwrap().ino, 2);
    for (name, own) in [
        ("plain", 12),
        ("handle one", 77),
        ("high handle", 5),
        ("twin", 99),
    ] {
        let node = lookup(&tree, Inode(1), name);
        assert_eq!(node.0, own, "{name}");
        tree.forget(node, 1);
    }
    all_are_themselves(&tree, Inode(1));
    assert_eq!(tree.kept_numbers(), 0);
}

#[test]
fn volumes_layout_numbers_files_alike_in_every_mount() {
    let mount = || {
        let content = synthetic::content(odd_numbers(), b"", "");
        compose(synthetic::partitions(vec![("a", content)]), Layout::Auto)
    };
    let (one, two) = (mount(), mount());
    let before = one.kept_numbers();
    let root = lookup(&one, Inode(1), "p1");
    all_are_themselves(&one, root);
    assert_eq!(one.kept_numbers(), before);
    for (name, _, _) in FILES.iter().rev() {
        let second = lookup(&two, lookup(&two, Inode(1), "p1"), name);
        assert_eq!(second, lookup(&one, root, name), "{name}");
    }
}

#[test]
fn a_number_never_given_is_an_error() {
    let content = || synthetic::content(odd_numbers(), b"", "");
    let direct = compose(synthetic::disk(content()), Layout::Direct);
    let volumes = compose(synthetic::disk(content()), Layout::Volumes);
    // Some of these are files by their bits and others are not: none is a panic.
    for number in [0, 3, 1 << 48, 5 << 48, u64::MAX, 1 << 63, 3 << 62, 900] {
        for tree in [&direct, &volumes] {
            let node = Inode(number);
            let _ = tree.attributes(&request(), node);
            let _ = tree.lookup(&request(), node, b"x");
            tree.forget(node, u64::MAX);
        }
    }
    for tree in [&direct, &volumes] {
        for number in [0, 900, u64::MAX, 3 << 62] {
            assert!(
                tree.attributes(&request(), Inode(number)).is_err(),
                "{number}"
            );
        }
    }
}

#[test]
fn a_hard_link_to_the_root_is_an_error_and_its_neighbours_are_not() {
    let content = || {
        let made = Synthetic::new(2, 2, &[("loop", 2), ("file", 12), ("gone", 99)]);
        synthetic::content(made.with(12, 12, file(12)), b"", "")
    };
    let direct = compose(synthetic::disk(content()), Layout::Direct);
    let volumes = compose(synthetic::disk(content()), Layout::Volumes);
    for (tree, root) in [
        (&direct, Inode(1)),
        (&volumes, lookup(&volumes, Inode(1), "disk")),
    ] {
        let error = tree.lookup(&request(), root, b"loop").unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert_eq!(error.to_string(), "disk: a hard link to the root directory");
        lookup(tree, root, "file");
        let mut seen = Vec::new();
        tree.read_dir_plus(&request(), root, 0, &mut |entry, attributes| {
            let name = String::from_utf8_lossy(entry.name).into_owned();
            seen.push((name, attributes.is_some()));
            true
        })
        .unwrap();
        let expected = [
            (".", true),
            ("..", true),
            ("loop", false),
            ("file", true),
            ("gone", false),
        ];
        assert_eq!(seen, expected.map(|(name, read)| (name.to_owned(), read)));
    }
}

#[test]
fn listed_numbers_are_those_of_a_lookup() {
    let content = || {
        let made = Synthetic::new(0x60_0000, 9, &[("a", 0x60_0020), ("b", 0x60_0040)]);
        let made = made.with(0x60_0020, 1, file(1));
        synthetic::content(made.with(0x60_0040, 7, file(2)), b"", "")
    };
    for layout in [Layout::Direct, Layout::Volumes] {
        let tree = compose(synthetic::disk(content()), layout);
        let root = match layout {
            Layout::Direct => Inode(1),
            _ => lookup(&tree, Inode(1), "disk"),
        };
        let mut listed = Vec::new();
        tree.read_dir(&request(), root, 2, &mut |entry| {
            listed.push(entry.inode);
            true
        })
        .unwrap();
        assert_eq!(listed, [lookup(&tree, root, "a"), lookup(&tree, root, "b")]);
    }
}

#[test]
fn entries_handed_over_count_and_the_one_refused_does_not() {
    let made = Synthetic::new(
        0x60_0000,
        9,
        &[("a", 0x60_0020), ("b", 0x60_0040), ("c", 0x60_0060)],
    );
    let made = made
        .with(0x60_0020, 21, file(1))
        .with(0x60_0040, 22, file(2));
    let made = made.with(0x60_0060, 23, file(3));
    let tree = compose(
        synthetic::disk(synthetic::content(made, b"", "")),
        Layout::Direct,
    );
    let mut left = 4;
    let mut list = |cursor| {
        tree.read_dir_plus(&request(), Inode(1), cursor, &mut |_, _| {
            left -= 1;
            left > 0
        })
        .unwrap();
    };
    list(0); // `.`, `..` and `a` are taken, `b` is not.
    assert_eq!(tree.kept_numbers(), 1);
    tree.forget(Inode(21), 1);
    assert_eq!(tree.kept_numbers(), 0);
}

#[test]
fn a_directory_of_100_000_entries_streams() {
    let made = Synthetic::new(0x60_0000, 9, &[("many", 0x60_0020)]);
    let made = Arc::new(made.with(0x60_0020, 4, What::Many(100_000, 1 << 40)));
    let mut content = synthetic::content(Synthetic::default(), b"", "");
    if let imgmount::stack::Content::FileSystem { filesystem, .. } = &mut content {
        *filesystem = made.clone();
    }
    let tree = compose(synthetic::disk(content), Layout::Direct);
    let dir = lookup(&tree, Inode(1), "many");
    let mut cursor = 0;
    let mut names = 0;
    loop {
        let before = (made.listed.load(Ordering::Relaxed), names);
        let mut room = 100;
        tree.read_dir_plus(&request(), dir, cursor, &mut |entry, _| {
            if room == 0 {
                return false;
            }
            assert_eq!(entry.name, names.to_string().as_bytes());
            (room, names, cursor) = (room - 1, names + 1, entry.next);
            true
        })
        .unwrap();
        let asked = made.listed.load(Ordering::Relaxed) - before.0;
        assert!(asked <= 101, "{asked} entries for 100");
        if names == before.1 {
            break;
        }
    }
    assert_eq!(names, 100_000);
    assert_eq!(tree.kept_numbers(), 100_001);
    for number in 5..100_005 {
        tree.forget(Inode(number), 1);
    }
    tree.forget(dir, 1);
    assert_eq!(tree.kept_numbers(), 0);
}

#[test]
fn raw_files_have_holes_and_end_where_the_volume_does() {
    let mut stack = synthetic::partitions(vec![(
        "a",
        synthetic::content(Synthetic::new(2, 2, &[]), b"", ""),
    )]);
    Arc::get_mut(&mut stack).unwrap().disks[0].source = Ok(Arc::new(Holey));
    let options = Options {
        owner: (1000, 100),
        ..Options::default()
    };
    let tree = Tree::compose(stack, &options).unwrap();
    let raw = lookup(&tree, Inode(1), "disk.img");
    let attributes = tree.attributes(&request(), raw).unwrap();
    assert_eq!((attributes.size, attributes.blocks), (4096, 6));
    assert_eq!(
        (attributes.mode, attributes.uid, attributes.gid),
        (0o400, 1000, 100)
    );
    let mut bytes = [9; 2048];
    assert_eq!(tree.read(&request(), raw, &mut bytes, 3072).unwrap(), 1024);
    assert_eq!(tree.read(&request(), raw, &mut bytes, 4096).unwrap(), 0);
    assert_eq!(tree.read(&request(), raw, &mut bytes, u64::MAX).unwrap(), 0);
    let hole = tree.extent_at(&request(), raw, 1500).unwrap();
    assert_eq!(
        (hole.kind, hole.len.get()),
        (imgmount::source::ExtentKind::Zeros, 548)
    );
}

#[test]
fn statfs_and_attributes_are_the_volumes() {
    let volume = |blocks| {
        let mut made = Synthetic::new(2, 2, &[("f", 12)]).with(12, 12, file(12));
        made.blocks = blocks;
        synthetic::content(made, b"", "")
    };
    let stack = synthetic::partitions(vec![("a", volume(10)), ("b", volume(20))]);
    let tree = compose(stack, Layout::Auto);
    for (name, blocks) in [("p1", 10), ("p2", 20)] {
        let root = lookup(&tree, Inode(1), name);
        let inside = lookup(&tree, root, "f");
        assert_eq!(tree.usage_of(root).blocks, blocks);
        assert_eq!(tree.usage_of(inside).blocks, blocks);
        assert_eq!(tree.volume_root(inside), root);
        assert_eq!(
            tree.xattr(&request(), inside, b"user.a").unwrap(),
            Some(b"12".to_vec())
        );
    }
    assert_eq!(tree.usage().blocks, 1);
}

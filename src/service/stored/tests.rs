//! Against real directories.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;

/// A directory for caches, and an image.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::write(place.at("image"), "image").unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn kept_in(&self, directory: &str) -> Kept {
        let image = File::open(self.at("image")).unwrap();
        Kept::new(Store::new(&image, vec![self.at(directory)]))
    }

    fn kept(&self) -> Kept {
        self.kept_in("cache/imgmount")
    }
}

fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_was_saved_is_loaded_by_its_layer_until_the_image_changes() {
    let place = Place::new();
    assert_eq!(place.kept().load(), None);
    assert!(!place.at("cache").exists(), "nothing is made by looking");
    place.kept().save(b"old");
    place.kept().save(b"new");
    place.kept().layer(b"in").save(b"");
    assert_eq!(place.kept().load().as_deref(), Some(&b"new"[..]));
    assert_eq!(place.kept().layer(b"in").load().as_deref(), Some(&b""[..]));
    assert_eq!(place.kept().layer(b"in").layer(b"in").load(), None);
    assert_eq!(place.kept().layer(b"other").load(), None);

    let directory = place.at("cache/imgmount");
    assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(names(&directory).len(), 2);
    for name in names(&directory) {
        let file = directory.join(name).metadata().unwrap();
        assert_eq!(file.mode() & 0o777, 0o600);
    }
    // Another file with the same content, and the same file touched, are other images.
    let before = std::fs::metadata(place.at("image"))
        .unwrap()
        .modified()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    let image = File::options().write(true).open(place.at("image")).unwrap();
    image.set_modified(before).unwrap();
    assert_eq!(place.kept().load(), None);
}

#[test]
fn u07_where_nothing_can_be_kept_nothing_is_and_nobody_is_told() {
    let place = Place::new();
    std::fs::write(place.at("file"), "").unwrap();
    for directory in ["file/imgmount", "no/where/imgmount", "file"] {
        let kept = place.kept_in(directory);
        kept.save(b"x");
        assert_eq!(kept.load(), None, "{directory}");
    }
    let kept = Kept::new(Store::new(
        &File::open("/dev/null").unwrap(),
        vec![place.at("c")],
    ));
    kept.save(b"x");
    assert_eq!(kept.load(), None);
}

#[test]
fn a_directory_that_somebody_else_can_write_to_is_not_used() {
    let place = Place::new();
    place.kept().save(b"x");
    let directory = place.at("cache/imgmount");
    for mode in [0o777, 0o770] {
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(place.kept().load(), None);
    }
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(place.kept().load().is_some());

    // Nor what a symbolic link leads to, as a directory or as a file.
    std::fs::create_dir(place.at("elsewhere")).unwrap();
    symlink("../elsewhere", place.at("cache/link")).unwrap();
    place.kept_in("cache/link").save(b"x");
    assert!(names(&place.at("elsewhere")).is_empty());
    let name = names(&directory).pop().unwrap();
    std::fs::rename(directory.join(&name), place.at("moved")).unwrap();
    symlink(place.at("moved"), directory.join(&name)).unwrap();
    assert_eq!(place.kept().load(), None);
    place.kept().save(b"y");
    assert_eq!(std::fs::read(place.at("moved")).unwrap(), b"x");
    assert_eq!(place.kept().load().as_deref(), Some(&b"y"[..]));
}

#[test]
fn a_directory_of_somebody_elses_is_passed_over_by_root() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    std::fs::create_dir(place.at("theirs")).unwrap();
    std::os::unix::fs::chown(place.at("theirs"), Some(65534), None).unwrap();
    std::fs::create_dir(place.at("ours")).unwrap();
    symlink("ours", place.at("linked")).unwrap();
    let image = File::open(place.at("image")).unwrap();
    let directories = ["theirs/imgmount", "linked/imgmount", "ours/imgmount"];
    let directories = directories.map(|directory| place.at(directory)).to_vec();
    Kept::new(Store::new(&image, directories)).save(b"x");
    assert!(names(&place.at("theirs")).is_empty());
    assert_eq!(names(&place.at("ours/imgmount")).len(), 1);
    assert!(place.kept_in("ours/imgmount").load().is_some());
    assert!(place.kept_in("linked/imgmount").load().is_none());
}

#[test]
fn what_was_not_used_for_longest_is_removed_first() {
    let place = Place::new();
    let path = place.at("cache/imgmount");
    let directory = || Directory::new(vec![path.clone()]).with_at_most(2500);
    let name = |number: u8| format!("{number:064x}");
    let age = |name: &str, seconds: u64| {
        let file = File::options().write(true).open(path.join(name)).unwrap();
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
    };
    for number in [1, 2] {
        directory()
            .write(&name(number), &mut &[0; 1000][..])
            .unwrap();
        age(&format!("{}.index", name(number)), 1000 * u64::from(number));
    }
    std::fs::write(path.join("README"), [0; 5000]).unwrap();
    std::fs::write(path.join(".new-dead"), [0; 100]).unwrap();
    std::fs::write(path.join(".new-alive"), [0; 100]).unwrap();
    age(".new-dead", 5000);
    // Using the older one makes it the newer.
    assert!(directory().open(&name(2)).is_some());
    directory().write(&name(3), &mut &[0; 1000][..]).unwrap();
    let mut left = names(&path);
    left.sort();
    let index = |number| format!("{}.index", name(number));
    assert_eq!(
        left,
        [
            ".new-alive".to_owned(),
            index(2),
            index(3),
            "README".to_owned()
        ]
    );
}

//! What a mount keeps for the next one: the index of a compressed image.

use std::path::{Path, PathBuf};

use super::{Place, SOON, Who, everybody};
use crate::support::command::Run;

/// A place with `disk.img.lz4`, whose blocks each need the one before.
fn packed(who: Who) -> Place {
    let place = Place::new(who);
    let image = place.folder.join("disk.img");
    let packed = place.folder.join("disk.img.lz4");
    let lz4 = Run::new("lz4").words("-q -f -B4 -BD").arg(&image);
    lz4.arg(&packed).run();
    std::fs::remove_file(image).unwrap();
    if who == Who::Nobody {
        let nobody = Some(crate::support::command::NOBODY);
        std::os::unix::fs::chown(packed, nobody, nobody).unwrap();
    }
    place
}

fn kept(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("imgmount"))
        .into_iter()
        .flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn mounted(place: &Place, cache: &Path, options: &str) {
    let run = place.imgmount().words("run").words(options);
    let run = run.words("disk.img.lz4 -- cat {}/hello");
    let run = run.env("XDG_CACHE_HOME", cache);
    assert_eq!(run.text(), "hello, world\n");
}

#[test]
fn the_index_of_one_mount_is_there_for_the_next_and_for_every_verb() {
    need!(fuse, tool "mke2fs", tool "lz4");
    for who in everybody() {
        let place = packed(who);
        let cache = place.directory("cache");
        mounted(&place, &cache, "--no-index");
        assert_eq!(kept(&cache), Vec::<PathBuf>::new());
        mounted(&place, &cache, "");
        let [index] = kept(&cache).try_into().unwrap();
        let before = index.metadata().unwrap();
        assert!(before.len() > 0);
        mounted(&place, &cache, "");
        let ls = place.imgmount().words("ls disk.img.lz4");
        ls.env("XDG_CACHE_HOME", &cache).run();
        assert_eq!(kept(&cache), std::slice::from_ref(&index));
        // Whatever stands in it, the image is read.
        for nonsense in [Vec::new(), vec![0xff; 100_000]] {
            std::fs::write(&index, nonsense).unwrap();
            mounted(&place, &cache, "");
        }
        place.assert_clean_within(SOON);
    }
}

#[test]
fn u07_a_cache_directory_that_cannot_be_used_costs_nothing_but_time() {
    need!(root, fuse, namespace, tool "mke2fs", tool "lz4");
    let place = packed(Who::Nobody);
    // Root's, unwritable, and a file.
    let roots = place.folder.join("roots");
    std::fs::create_dir(&roots).unwrap();
    let closed = place.directory("closed");
    Run::new("chmod").arg("500").arg(&closed).run();
    std::fs::write(place.folder.join("file"), "").unwrap();
    for cache in [&roots, &closed, &place.folder.join("file")] {
        mounted(&place, cache, "");
    }
    assert_eq!((kept(&roots).len(), kept(&closed).len()), (0, 0));
    // One without any room left.
    let full = place.directory("full");
    let script = "mount -t tmpfs -o size=8k,mode=700 none full && \
                  head -c 1M /dev/zero > full/rest; \
                  XDG_CACHE_HOME=full \"$0\" ls disk.img.lz4 && \
                  XDG_CACHE_HOME=\"$PWD/full\" \"$0\" run disk.img.lz4 -- cat {}/hello && \
                  ls -A full/imgmount";
    let script = Run::new("unshare").args(["-m", "sh", "-c", script]);
    let script = script
        .arg(env!("CARGO_BIN_EXE_imgmount"))
        .within(&place.folder);
    let said = script.output();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.ends_with("hello, world\n"), "{said}");
    assert_eq!(kept(&full).len(), 0);
    place.assert_clean_within(SOON);
}

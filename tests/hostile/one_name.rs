//! Directories of one name again and again: each entry has to be told from those before it, which
//! takes the square of their number unless a budget ends it.

use std::time::{Duration, Instant};

use imgmount::error::Kind::Corrupt;
use imgmount::filesystem::{Entry, Request};
use imgmount::service::open::Options;

use super::exfat::set_of;
use crate::filesystem::exfat::generate::{self, ARCHIVE, Set};
use crate::filesystem::fat::table::Table;
use crate::filesystem::fat::volume::Volume;
use crate::support::images::Scratch;
use crate::support::library;

/// Entries of one name.
pub const MANY: usize = 40_000;

/// Of a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);

/// A listing of the directory `folder` in the volume `bytes`, whose [`MANY`] files are all called
/// `name`, ends by its budget, soon; the last of them is found, and so is that none is called
/// `other`, which has the same letters. What is wrong is wrong with the directory, at byte `at`.
pub fn ends(bytes: &[u8], (folder, at): (&[u8], Option<usize>), name: &str, other: &str) {
    let scratch = Scratch::new();
    let image = scratch.join("volume");
    std::fs::write(&image, bytes).unwrap();
    let opened = library::open_with(&image, &Options::default());
    let filesystem = library::file_system(&opened);
    let folder = library::find(&*filesystem, folder);
    let timed = |what: &str, act: &mut dyn FnMut()| {
        let start = Instant::now();
        act();
        let took = start.elapsed();
        assert!(took < LIMIT, "{what}: {took:?}");
    };
    let mut shown = 0;
    timed("listing", &mut || {
        let each = &mut |_: Entry<'_>| {
            shown += 1;
            true
        };
        let read = filesystem.read_dir(&Request::new(0), folder, 0, each);
        let error = read.unwrap_err();
        super::expect::names(&error, Corrupt, &["work limit"]);
        let place = at.map(|at| at as u64);
        assert!(at.is_none() || error.offset() == place, "{at:?}: {error}");
    });
    assert!(shown > 2, "{shown}");
    timed("look-up", &mut || {
        let last = format!("{name}~{}", MANY - 1);
        let found = filesystem.lookup(&Request::new(0), folder, last.as_bytes());
        assert!(matches!(found, Ok(Some(_))), "{found:?}");
    });
    timed("look-up of other letters", &mut || {
        let found = filesystem.lookup(&Request::new(0), folder, other.as_bytes());
        assert!(found.is_ok(), "{found:?}");
    });
}

#[test]
fn f06_a_fat_directory_of_one_name_ends() {
    need!(tool "mkfs.fat");
    let mut bytes = Volume::made("-F 12 -s 8", 4000).bytes();
    let table = Table::of(&bytes);
    let entry = |name: &[u8; 11], attributes: u8| {
        let mut entry = [0; 32];
        entry[..11].copy_from_slice(name);
        entry[11] = attributes;
        entry
    };
    let content = entry(b"SAME       ", 0x20).repeat(MANY);
    let end = 3 + (content.len() / table.cluster_size) as u32;
    for cluster in 3..=end {
        table.set(
            &mut bytes,
            cluster,
            if cluster == end {
                u32::MAX
            } else {
                cluster + 1
            },
        );
    }
    let start = table.place(3);
    bytes[start..start + content.len()].copy_from_slice(&content);
    let mut folder = entry(b"FOLDER     ", 0x10);
    folder[26] = 3;
    bytes[table.root..table.root + 32].copy_from_slice(&folder);
    ends(&bytes, (b"FOLDER", Some(start)), "SAME", "same");
}

#[test]
fn f06_an_exfat_directory_of_one_name_ends() {
    let mut volume = generate::Volume::new(9, 12, 1200);
    let entries = Set::new("same", ARCHIVE).sealed().repeat(MANY);
    let folder = volume.directory("folder", &entries);
    volume.add(&folder);
    let bytes = volume.finish();
    let folder = (&b"folder"[..], Some(set_of(&bytes, "folder")));
    ends(&bytes, folder, "same", "SAME");
}

//! Of e2fsprogs' own broken images, those that e2fsck finds nothing wrong with: what is listed of
//! them is what debugfs lists.

use imgmount::service::open::Options;

use super::collected::collected;
use crate::support::command::Run;
use crate::support::debugfs;
use crate::support::images::{self, Scratch};
use crate::support::library;
use crate::support::record::{Comparison, Tree};

/// A name leads to the inode of an attribute's value, the root says that it is one, or such an inode
/// has another size than the attribute, all of which e2fsck lets pass and the kernel, as this reader,
/// refuses.
const REFUSED: [&str; 3] = [
    "f_ea_inode_dir_ref",
    "f_ea_inode_spurious_flag_dir",
    "f_ea_zero_size",
];

#[test]
fn what_e2fsck_calls_undamaged_is_listed_as_debugfs_lists_it() {
    need!(images, tool "zstd", tool "e2fsck", tool "debugfs");
    let mut compared = 0;
    // Of those with a journal (`j_`), debugfs shows what is not yet replayed.
    let mut names = collected("hostile/e2fsprogs");
    names.retain(|name| name.contains("e2fsprogs-f_"));
    for name in names {
        let scratch = Scratch::new();
        let image = images::unpack(&name, &scratch);
        // Of some it never comes to an end.
        let judged = Run::new("timeout").words("10 e2fsck -f -n");
        let judged = judged.arg(&image).output();
        // It also ends well where it would change a thing and was told not to.
        let text = String::from_utf8_lossy(&judged.stdout);
        let is_whole = judged.status.success() && !text.contains("? no");
        if !is_whole || REFUSED.iter().any(|known| name.contains(known)) {
            continue;
        }
        let mut expected = debugfs::tree(&image, &scratch);
        let opened = library::open_with(&image, &Options::default());
        let found = library::walk(&*library::file_system(&opened));
        without_types(&mut expected, &found);
        // Attributes whose names are not ASCII debugfs gives as numbers, without their values, and no
        // time of birth where the inode's extra fields end with it.
        let without = [&debugfs::WITHOUT[..], &["xattrs", "crtime"]].concat();
        let comparison = Comparison {
            expected: &expected,
            referee: "debugfs",
            found: &found,
            without: &without,
        };
        let files = comparison.check(&name);
        println!("{name}: {files} files");
        compared += 1;
    }
    assert!(compared >= 5, "{compared} images");
}

/// Entries without a type have none in `expected` either, where debugfs takes that of the inode.
fn without_types(expected: &mut Tree, found: &Tree) {
    for (path, record) in expected {
        let found = found.get(path).and_then(|found| found.entries.as_ref());
        let entries = record.entries.iter_mut().flatten();
        for (name, (_, kind)) in entries {
            if let Some((_, '?')) = found.and_then(|found| found.get(name)) {
                *kind = '?';
            }
        }
    }
}

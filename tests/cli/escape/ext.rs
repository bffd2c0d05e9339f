//! ext4 file systems with trees that no program makes: mke2fs copies one in, debugfs ties it up, and
//! names are changed where they lie on the disk.

use std::path::{Path, PathBuf};

use super::Place;
use crate::support::command::Run;

/// An image with what `populate` makes in a directory, it being told what to aim at, after the
/// commands of `script` for debugfs, and with each name of `renamed` replaced by the one beside it.
pub fn image(
    place: &Place,
    populate: impl FnOnce(&Path, &Path),
    script: &str,
    renamed: &[(&[u8], &[u8])],
) -> PathBuf {
    let files = place.files();
    populate(&files, &place.outside);
    let image = place.scratch.file("tree.img", 8 << 20);
    // Without the checksums, which a hostile image would have right.
    Run::new("mke2fs")
        .words("-q -F -t ext4 -b 1024 -O ^metadata_csum,^dir_index,^has_journal -d")
        .arg(&files)
        .arg(&image)
        .run();
    if !script.is_empty() {
        let commands = place.scratch.join("commands");
        std::fs::write(&commands, script).unwrap();
        let debugfs = Run::new("debugfs").arg("-w").arg("-f").arg(&commands);
        let said = debugfs.arg(&image).output();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        // But for its version, it says what went wrong.
        let troubles: Vec<_> = said
            .lines()
            .filter(|it| !it.starts_with("debugfs "))
            .collect();
        assert_eq!(troubles, [""; 0]);
    }
    for (from, to) in renamed {
        rename(&image, from, to);
    }
    image
}

/// Changes the entry `from`, of which there is one, to `to`, no longer than it.
fn rename(image: &Path, from: &[u8], to: &[u8]) {
    const HEAD: usize = 2;
    assert!(to.len() <= from.len());
    let mut bytes = std::fs::read(image).unwrap();
    // In front of the name stand its length and its type.
    let is_entry = |at: &usize| {
        let length = usize::from(bytes[at - HEAD]);
        bytes[*at..].starts_with(from) && length == from.len() && bytes[at - 1] <= 7
    };
    let found: Vec<usize> = (HEAD..bytes.len() - from.len()).filter(is_entry).collect();
    assert_eq!(found.len(), 1, "{}", from.escape_ascii());
    let at = found[0];
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes[at - HEAD] = to.len() as u8;
    std::fs::write(image, bytes).unwrap();
}

/// A file `name` with what it is called as content.
pub fn file(files: &Path, name: &str) {
    let path = files.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, name.rsplit('/').next().unwrap()).unwrap();
}

/// A link `name`.
pub fn link(files: &Path, name: &str, target: impl AsRef<Path>) {
    std::os::unix::fs::symlink(target, files.join(name)).unwrap();
}

//! What people meet every day, mounted with one command by an ordinary user and compared with its
//! oracle: installation media, root file systems, memory cards.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::exfat::written;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::kernel::Mounted;
use crate::support::user::User;

/// Name, type, permissions, owner, size, links, time and target of every file, and the hash of its
/// contents.
const EVERYTHING: &str = "cd \"$1\"; find . -printf '%p %y %m %U %G %s %n %T@ %l\\n' | sort
    find . -type f -print0 | sort -z | xargs -0 -r sha256sum";

/// The same without owners, links and directories' sizes, which not every format keeps.
const NAMES_AND_CONTENTS: &str = "cd \"$1\"; find . -type f -printf '%p %s %l\\n' | sort
    find . ! -type f -printf '%p %y %l\\n' | sort
    find . -type f -print0 | sort -z | xargs -0 -r sha256sum";

/// What `facts` says of what is at `path` on this machine.
fn facts(facts: &str, path: &Path) -> String {
    Run::new("sh")
        .args(["-ec", facts])
        .arg("sh")
        .arg(path)
        .text()
}

/// Panics with the first line that differs.
fn same(ours: &str, theirs: &str, what: &str) {
    let count = theirs.lines().count();
    assert!(count > 1, "{what}: nothing to compare with");
    let pairs = ours.lines().zip(theirs.lines());
    for (ours, theirs) in pairs {
        assert_eq!(ours, theirs, "{what}");
    }
    assert_eq!(ours.lines().count(), count, "{what}: lines");
    println!("{what}: {count} lines");
}

/// A tree of `count` files in directories of a hundred, as a root file system has them: most are
/// small, some are empty, a few are large, some are links.
fn root_file_system(root: &Path, count: usize) {
    let line = |number: usize| format!("{number:08} {:08x}\n", number.wrapping_mul(0x9e37_79b1));
    let text: String = (0..50_000).map(line).collect();
    for folder in 0..count.div_ceil(100) {
        let path = root.join(format!("usr/share/package-{folder:03}"));
        std::fs::create_dir_all(&path).unwrap();
        for file in 0..100.min(count - folder * 100) {
            let path = path.join(format!("file-{file:02}.txt"));
            let number = folder * 100 + file;
            match number % 50 {
                7 => std::os::unix::fs::symlink("../package-000/file-00.txt", path).unwrap(),
                8 if number > 100 => {
                    std::fs::hard_link(root.join("usr/share/package-000/file-01.txt"), path)
                        .unwrap();
                }
                _ => {
                    let size = match number % 1000 {
                        3 => 700_000,
                        4 => 0,
                        rest => rest * 5,
                    };
                    let start = number % 500 * 18;
                    std::fs::write(path, &text[start..start + size]).unwrap();
                }
            }
        }
    }
    Run::new("chmod").arg("-R").arg("go+rX").arg(root).run();
}

#[test]
fn a_squashfs_of_thirty_thousand_files_by_each_compressor() {
    need!(loop, fuse, kernel "squashfs", tool "mksquashfs", tool "unsquashfs");
    let user = User::new();
    let root = user.scratch.folder("root");
    root_file_system(&root, 30_000);
    for compressor in ["gzip", "lzo", "lz4", "xz", "zstd", "lzma"] {
        let image = user.home.join(format!("{compressor}.squashfs"));
        let made = Run::new("mksquashfs").arg(&root).arg(&image);
        let made = made
            .words("-quiet -no-progress -processors 2 -comp")
            .arg(compressor);
        made.run();
        // The kernel does not read lzma: the files are those that went in.
        if compressor == "lzma" {
            let ours = user.facts_of(&image, NAMES_AND_CONTENTS);
            same(&ours, &facts(NAMES_AND_CONTENTS, &root), compressor);
        } else {
            let ours = user.facts_of(&image, EVERYTHING);
            let at = user.scratch.join("kernel");
            let kernel = Mounted::new(&image, "squashfs", "ro", &at);
            same(&ours, &facts(EVERYTHING, kernel.path()), compressor);
            kernel.unmount();
        }
        std::fs::remove_file(image).unwrap();
    }
}

#[test]
fn a_memory_card_of_32_gb() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse");
    let user = User::new();
    let root = user.scratch.folder("root");
    root_file_system(&root, 600);
    Run::new("find").arg(&root).words("-type l -delete").run();
    std::fs::write(root.join("Ünïcödé 日本語 😀.txt"), "names\n").unwrap();
    let image = user.home.join("card.img");
    std::fs::File::create(&image)
        .unwrap()
        .set_len(32_000_000_000)
        .unwrap();
    Run::new("mkfs.exfat").words("-L CARD").arg(&image).run();
    let at = user.scratch.join("written");
    let written = written::Mounted::new(written::Device::new(&image, 512), &at);
    let copy = Run::new("cp").env("LC_ALL", "C.UTF-8").arg("-r");
    copy.arg(root.join(".")).arg(&at).run();
    let theirs = facts(NAMES_AND_CONTENTS, &at);
    drop(written);
    let ours = user.facts_of(&image, NAMES_AND_CONTENTS);
    same(&ours, &theirs, "exfat-fuse");
    same(&ours, &facts(NAMES_AND_CONTENTS, &root), "what was written");
}

/// An installation medium as Debian builds it: Rock Ridge and Joliet, a boot image for BIOS, one for
/// EFI that is also a partition, and a boot record for USB sticks.
fn installation_medium(root: &Path, scratch: &Scratch) -> PathBuf {
    let boot = root.join("boot");
    std::fs::create_dir_all(&boot).unwrap();
    std::fs::write(boot.join("isolinux.bin"), vec![0x90; 24 << 10]).unwrap();
    let esp = boot.join("efi.img");
    std::fs::File::create(&esp)
        .unwrap()
        .set_len(2 << 20)
        .unwrap();
    Run::new("mkfs.fat").words("-n ESP").arg(&esp).run();
    let record = scratch.join("record");
    let mut file = std::fs::File::create(&record).unwrap();
    file.write_all(&[0xfa; 432]).unwrap();
    let image = scratch.join("medium.iso");
    Run::new("xorriso")
        .words("-as mkisofs -quiet -r -J -joliet-long -V DEBIAN_TEST -isohybrid-mbr")
        .arg(&record)
        .words("-b boot/isolinux.bin -c boot/boot.cat -boot-load-size 4 -boot-info-table")
        .words("-no-emul-boot -eltorito-alt-boot -e boot/efi.img -no-emul-boot")
        .words("-isohybrid-gpt-basdat -o")
        .arg(&image)
        .arg(root)
        .run();
    image
}

#[test]
fn an_installation_medium() {
    need!(root, fuse, tool "xorriso", tool "mkfs.fat", tool "bsdtar");
    let user = User::new();
    let root = user.scratch.folder("root");
    root_file_system(&root, 3000);
    std::fs::write(root.join("README.html"), "<p>Welcome\n").unwrap();
    let medium = installation_medium(&root, &user.scratch);
    let image = user.home.join("medium.iso");
    std::fs::rename(medium, &image).unwrap();
    let ours = user.facts_of(&image, NAMES_AND_CONTENTS);
    let extracted = user.scratch.folder("extracted");
    let bsdtar = Run::new("bsdtar").arg("-xf").arg(&image).arg("-C");
    bsdtar.arg(&extracted).run();
    same(&ours, &facts(NAMES_AND_CONTENTS, &extracted), "bsdtar");
    let imgmount = user.program.to_str().unwrap();
    let listed = user.run(imgmount).words("ls --layout volumes").arg(&image);
    let listed = listed.text();
    for name in ["p1", "p2", "disk.img", "boot", "p1~2"] {
        let count = listed.lines().filter(|line| *line == name).count();
        assert_eq!(count, 1, "{name}: {listed}");
    }
    // The partition has boot images too, which are none of its files.
    for (folder, name) in [("p1", "README.html"), ("p1~2", "boot")] {
        let listed = user.run(imgmount).words("ls --layout volumes");
        let listed = listed.arg(&image).arg(folder).text();
        assert!(
            listed.lines().any(|line| line == name),
            "{folder}: {listed}"
        );
    }
}

#[test]
fn an_erofs_with_lz4_and_deduplication() {
    need!(loop, fuse, kernel "erofs", tool "mkfs.erofs");
    if let Some(reason) = super::erofs::too_old() {
        crate::support::skip::skip(module_path!(), &reason);
        return;
    }
    let user = User::new();
    let root = user.scratch.folder("root");
    root_file_system(&root, 10_000);
    let image = user.home.join("root.erofs");
    let made = Run::new("mkfs.erofs").words("--quiet -zlz4hc -C65536 -Ededupe,ztailpacking");
    made.arg(&image).arg(&root).run();
    let ours = user.facts_of(&image, EVERYTHING);
    let kernel = Mounted::new(&image, "erofs", "ro", &user.scratch.join("kernel"));
    same(&ours, &facts(EVERYTHING, kernel.path()), "the kernel");
}

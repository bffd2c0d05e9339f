//! Mount options, the table of mounts, and mount(8).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{Place, SOON, Who, everybody};
use crate::support::command::Run;

/// The options of the one mount of `place`.
fn kernel_options(place: &Place) -> Vec<String> {
    let mounts = place.mounts();
    assert_eq!(mounts.len(), 1, "{mounts:?}");
    let options = mounts[0].split(' ').nth(3).unwrap();
    options.split(',').map(str::to_owned).collect()
}

#[test]
fn whatever_is_asked_for_the_mount_is_read_only_without_set_uid_and_devices() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        for asked in [
            "rw,dev,suid,defaults",
            "noexec,user,nofail,_netdev,x-a.b=c,noauto",
            "ro",
        ] {
            place
                .imgmount()
                .arg("-o")
                .arg(asked)
                .words("disk.img m")
                .run();
            let options = kernel_options(&place);
            for option in ["ro", "nosuid", "nodev"] {
                assert!(
                    options.iter().any(|one| one == option),
                    "{asked}: {options:?}"
                );
            }
            let noexec = options.iter().any(|one| one == "noexec");
            assert_eq!(noexec, asked.contains("noexec"), "{options:?}");
            place.imgmount().words("umount m").run();
            place.assert_clean_within(SOON);
        }
    }
}

/// The process that serves has other descriptors than the one that was called.
#[test]
fn an_image_may_be_named_by_a_descriptor() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let point = place.directory("m");
        for (name, number) in [("/dev/fd/5", 5), ("/proc/self/fd/7", 7), ("/dev/stdin", 0)] {
            let program = place.imgmount().command();
            let program = program.get_program().to_str().unwrap();
            let script = format!("exec {program} {name} m {number}<disk.img");
            place.run("sh").arg("-c").arg(script).run();
            let text = std::fs::read(point.join("hello"));
            assert!(who == Who::Nobody || text.unwrap() == b"hello, world\n");
            let named = format!("{} ", place.image.to_str().unwrap());
            assert!(place.mounts()[0].starts_with(&named), "{name}");
            place.imgmount().words("umount m").run();
            place.assert_clean_within(SOON);
        }
    }
}

/// Only the command that was called has the descriptor; the process that serves opens by name.
#[test]
fn a_descriptor_of_the_command_leads_nowhere_else_in_the_background() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.directory("m");
    std::fs::write(place.folder.join("h"), "no header").unwrap();
    let imgmount = place.imgmount().command();
    let run = |script: &str| {
        let shell = place.run("sh").args(["-c", script]);
        super::code_and_words(&shell.arg(imgmount.get_program()).output())
    };
    let nameless =
        "it has no name, by which alone the process in the background could open it (-f ";
    for (script, code, words) in [
        ("\"$0\" --header /dev/fd/3 disk.img m 3<h", 0, ""),
        (
            "\"$0\" --header /dev/fd/4 disk.img m",
            1,
            "/dev/fd/4: cannot be opened: No such file",
        ),
        (
            "echo | \"$0\" /dev/stdin m",
            1,
            "/dev/stdin: a pipe, not an image",
        ),
        (
            "\"$0\" disk.img /dev/fd/6",
            5,
            "/dev/fd/6: cannot be opened: No such file",
        ),
        (
            "cp disk.img x; exec 5<x; rm x; \"$0\" /dev/fd/5 m",
            1,
            nameless,
        ),
        // What has the name now is another file.
        (
            "cp disk.img x; exec 5<x; rm x; cp disk.img 'x (deleted)'; \"$0\" /dev/fd/5 m",
            1,
            nameless,
        ),
        (
            "cp disk.img x; exec 5<x; rm x; \"$0\" --allow-file /dev/fd/5 disk.img m",
            1,
            nameless,
        ),
    ] {
        let (ended, said) = run(script);
        assert_eq!(ended, code, "{script}: {said}");
        assert!(said.contains(words), "{script}: {said}");
        match code {
            0 => place.imgmount().words("umount m").run(),
            _ => assert!(place.mounts().is_empty()),
        }
        place.assert_clean_within(SOON);
    }
}

/// The process in the background is told of all of them.
#[test]
fn as_many_files_may_be_allowed_as_a_command_line_has_room_for() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let folder = place.directory(&"d".repeat(200));
    let allowed = folder.join("file");
    std::fs::write(&allowed, "").unwrap();
    place.directory("m");
    let words = (0..2000).flat_map(|_| ["--allow-file".as_ref(), allowed.as_os_str()]);
    let mount = |image: &str| place.imgmount().args(words.clone()).args([image, "m"]);
    mount("disk.img").run();
    assert_eq!(place.run("cat").arg("m/hello").text(), "hello, world\n");
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

#[test]
fn g11_the_name_of_an_image_changes_no_option_and_no_terminal() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let point = place.directory("m");
        for name in [
            &b"a,suid,dev,allow_other"[..],
            b"back\\slash",
            b"back\\,slash",
            b"new\nline",
            b"esc\x1b[31m",
            b"quote'\"s",
            b"sp ace\ttab",
            b"\xff\xfe not UTF-8",
            "größe".as_bytes(),
        ] {
            let image = place.folder.join(OsStr::from_bytes(name));
            std::fs::rename(&place.image, &image).unwrap();
            let output = place.imgmount().arg(&image).arg("m").output();
            let words = output.stderr.clone();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&words)
            );
            let table = std::fs::read("/proc/self/mounts").unwrap();
            let end = [point.as_os_str().as_bytes(), b" fuse.imgmount "].concat();
            let lines: Vec<_> = table
                .split(|byte| *byte == b'\n')
                .filter(|line| line.windows(end.len()).any(|part| part == end))
                .collect();
            assert_eq!(lines.len(), 1);
            let source = lines[0].split(|byte| *byte == b' ').next().unwrap();
            let obeyed = |byte: &u8| *byte < b' ' || *byte == 0x7f || *byte == b',';
            assert!(
                !source.iter().any(obeyed),
                "{}",
                String::from_utf8_lossy(source)
            );
            let options = kernel_options(&place);
            for option in ["ro", "nosuid", "nodev"] {
                assert!(options.iter().any(|one| one == option), "{options:?}");
            }
            assert!(
                !options.iter().any(|one| one == "allow_other"),
                "{options:?}"
            );
            let missing = place.imgmount().arg("info").arg(image.join("x")).output();
            let said = String::from_utf8_lossy(&missing.stderr).into_owned();
            assert!(
                said.trim_end()
                    .chars()
                    .all(|character| !character.is_control()),
                "{said:?}"
            );
            place.imgmount().words("umount m").run();
            place.assert_clean_within(SOON);
            std::fs::rename(&image, &place.image).unwrap();
        }
    }
}

#[test]
fn mount_8_mounts_by_the_helper() {
    need!(root, fuse, tool "mke2fs", namespace);
    let place = Place::new(Who::Self_);
    place.directory("m");
    let sbin = place.directory("sbin");
    let helper = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/mount.fuse.imgmount");
    super::copy_program(
        std::path::Path::new(helper),
        &sbin.join("mount.fuse.imgmount"),
    );
    std::fs::write(place.folder.join("fstab"), "").unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_imgmount"));
    let bin = program.parent().unwrap().display();
    let folder = place.folder.display();
    // mount(8) sets the helper's PATH by itself: the program has to be where an installed one is.
    // The second as an fstab line has it, with the options that mount(8) adds by itself.
    let script = format!(
        "set -e; cd {folder}
         mount --bind sbin /sbin
         mount --bind {bin} /usr/local/bin
         mount -t fuse.imgmount disk.img m -o ro,allow_other,uid=1234,nofail
         cat m/hello; stat -c %u m/hello; umount m
         echo '{folder}/disk.img {folder}/m fuse.imgmount defaults,noauto,user,layout=volumes 0 0' > fstab
         mount -T fstab {folder}/m
         ls m; umount m
         mount -t fuse.imgmount disk.img m -o alow_other || echo code $?"
    );
    let output = Run::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{said}");
    let expected = "hello, world\n1234\nby-uuid\ndisk\ndisk.img\ncode 2\n";
    assert_eq!(text, expected, "{said}");
    assert!(said.contains("allow_other?"), "{said}");
    place.assert_clean_within(SOON);
}

//! What cannot be mounted, and where: said in one line, with the exit code that is documented.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Place, SOON, Who, code_and_words, everybody};
use crate::support::command::Run;

const SECOND: Duration = Duration::from_secs(1);

fn refusal(place: &Place, line: &str) -> (i32, String) {
    let start = Instant::now();
    let said = code_and_words(&place.imgmount().words(line).output());
    assert!(
        start.elapsed() < 2 * SECOND,
        "{line}: {:?}",
        start.elapsed()
    );
    assert_eq!(place.mounts(), Vec::<String>::new(), "{line}");
    said
}

#[test]
fn g05_what_is_no_image_is_refused_at_once_and_nothing_is_mounted() {
    need!(fuse, tool "mke2fs", tool "mkfifo");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        place.run("mkfifo").arg("fifo").run();
        let _socket = std::os::unix::net::UnixListener::bind(place.folder.join("socket")).unwrap();
        let bundle = place.directory("bundle.hdd");
        std::fs::write(bundle.join("disk.hds"), "image").unwrap();
        std::fs::write(place.folder.join("empty"), "").unwrap();
        for (image, words) in [
            ("fifo", "a pipe"),
            ("socket", "a socket"),
            ("bundle.hdd", "its largest file is bundle.hdd/disk.hds"),
            ("/dev/zero", "a character device"),
            ("empty", "empty image"),
            ("missing", "No such file"),
        ] {
            let (code, said) = refusal(&place, &format!("{image} m"));
            assert_eq!(code, 1, "{said}");
            assert!(said.contains(image) && said.contains(words), "{said}");
        }
        place.assert_clean_within(SOON);
    }
}

#[test]
fn an_image_that_may_not_be_read_is_denied() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Nobody);
    place.directory("m");
    Run::new("chown").arg("root").arg(&place.image).run();
    Run::new("chmod").arg("600").arg(&place.image).run();
    let (code, said) = refusal(&place, "disk.img m");
    assert_eq!(code, 3);
    assert!(
        said.contains("disk.img: cannot be opened: Permission denied"),
        "{said}"
    );
}

#[test]
fn u01_a_mount_point_that_cannot_be_one_is_the_hosts_fault() {
    need!(fuse, tool "mke2fs");
    for who in everybody() {
        let place = Place::new(who);
        let full = place.directory("full");
        std::fs::write(full.join("file"), "").unwrap();
        for (line, words) in [
            ("disk.img missing", "does not exist"),
            ("disk.img disk.img", "is not a directory"),
            ("disk.img full", "is not empty"),
            ("disk.img .", "holds the image itself"),
            ("disk.img /", "holds the image itself"),
        ] {
            let (code, said) = refusal(&place, line);
            assert_eq!(code, 5, "{said}");
            assert!(said.contains(words), "{said}");
        }
        place.assert_clean_within(SOON);
        place.imgmount().words("-o nonempty disk.img full").run();
        assert_eq!(place.run("cat").arg("full/hello").text(), "hello, world\n");
        place.imgmount().words("umount full").run();
        place.assert_clean_within(SOON);
        assert!(full.join("file").exists());
    }
}

#[test]
fn u01_a_place_that_is_mounted_already_is_left_alone() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.mount();
    let output = place.imgmount().words("disk.img m").output();
    let (code, said) = code_and_words(&output);
    assert_eq!(code, 5);
    assert!(
        said.contains("is mounted already (imgmount umount "),
        "{said}"
    );
    assert_eq!(place.mounts().len(), 1);
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

#[test]
fn u01_a_directory_of_somebody_else_is_not_the_users() {
    need!(root, fuse, tool "mke2fs");
    let place = Place::new(Who::Nobody);
    let roots = place.folder.join("roots");
    std::fs::create_dir(&roots).unwrap();
    let (code, said) = refusal(&place, "disk.img roots");
    assert_eq!(code, 5);
    assert!(said.contains("is not yours"), "{said}");
    Run::new("chmod").arg("1777").arg(&roots).run();
    let (code, said) = refusal(&place, "disk.img roots");
    assert_eq!(code, 5);
    assert!(said.contains("is not yours"), "{said}");
    place.assert_clean_within(SOON);
}

#[test]
fn what_is_wrong_on_the_command_line_is_a_usage_error() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.directory("m");
    for (line, words) in [
        ("-o alow_other disk.img m", "allow_other?"),
        ("-o umask=9 disk.img m", "octal"),
    ] {
        let (code, said) = refusal(&place, line);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(words), "{said}");
    }
}

/// Runs imgmount as nobody in a mount namespace of its own, in which root has run `before` first.
fn hindered(place: &Place, before: &str) -> (i32, String) {
    let tools = place.folder.join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let setpriv = crate::support::command::find("setpriv").unwrap();
    super::copy_program(&setpriv, &tools.join("setpriv"));
    super::copy_program(
        Path::new(env!("CARGO_BIN_EXE_imgmount")),
        &tools.join("imgmount"),
    );
    let home = place.folder.display();
    let script = format!(
        "cd {home} && {before} && exec tools/setpriv --reuid 65534 --regid 65534 --clear-groups \
         tools/imgmount disk.img m"
    );
    let output = Run::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .output();
    code_and_words(&output)
}

#[test]
fn what_hinders_a_first_mount_is_named_with_what_helps() {
    need!(root, fuse, tool "mke2fs", namespace, tool "setpriv");
    let place = Place::new(Who::Nobody);
    place.directory("m");
    let devices = "mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3";
    let (code, said) = hindered(&place, devices);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("/dev/fuse: No such file") && said.contains("modprobe fuse"),
        "{said}"
    );

    let (code, said) = hindered(
        &place,
        &format!("{devices} && mknod -m 600 /dev/fuse c 10 229"),
    );
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("/dev/fuse: Permission denied") && said.contains("chmod 666"),
        "{said}"
    );

    let (code, said) = hindered(&place, "mount -t tmpfs tmpfs /usr/bin");
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("fusermount3 is not installed") && said.contains("apt install fuse3"),
        "{said}"
    );

    let helper = crate::support::command::find("fusermount3").unwrap();
    let plain = format!(
        "cp {0} tools/plain && chmod 755 tools/plain && mount --bind tools/plain {0}",
        helper.display()
    );
    let (code, said) = hindered(&place, &plain);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("set-uid root"), "{said}");

    place.assert_clean_within(SOON);
    assert_eq!(hindered(&place, "true"), (0, String::new()));
}

#[test]
fn an_image_that_somebody_writes_to_is_mounted_with_a_notice() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    place.directory("m");
    let mounted = || {
        let output = place.imgmount().words("disk.img m").output();
        let (code, said) = code_and_words(&output);
        assert_eq!(code, 0, "{said}");
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
        said
    };
    assert_eq!(mounted(), "");
    let writer = std::fs::File::options()
        .write(true)
        .open(&place.image)
        .unwrap();
    let said = mounted();
    assert!(
        said.contains("disk.img: in use: another program has it open for writing"),
        "{said}"
    );
    drop(writer);
    // What another thread started meanwhile may have it open for a moment more.
    super::wait_until(SOON, || mounted().is_empty(), || "still in use".to_owned());
}

#[test]
fn an_image_that_qemu_writes_to_is_mounted_with_a_notice() {
    need!(fuse, tool "mke2fs", tool "qemu-io");
    let place = Place::new(Who::Self_);
    place.directory("m");
    let mut command = Run::new("qemu-io")
        .args(["-f", "raw"])
        .arg(&place.image)
        .command();
    let mut qemu = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let path = Path::new(&place.image);
    super::wait_until(
        5 * SECOND,
        || open_by(qemu.id(), path),
        || "qemu-io did not open it".to_owned(),
    );
    std::thread::sleep(Duration::from_millis(100));
    let output = place.imgmount().words("disk.img m").output();
    drop(qemu.stdin.take());
    qemu.wait().unwrap();
    let (code, said) = code_and_words(&output);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("in use: a running virtual machine (QEMU)"),
        "{said}"
    );
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

fn open_by(process: u32, path: &Path) -> bool {
    let open = std::fs::read_dir(format!("/proc/{process}/fd"));
    let mut open = open.into_iter().flatten().flatten();
    open.any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == path))
}

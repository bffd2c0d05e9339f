//! Images that need other files: which ones are opened, by whom, and what is said of the rest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Place, SOON, Who, code_and_words, everybody};
use crate::support::command::Run;
use crate::support::trace::whole_calls;

/// A place with `top.vmdk`, a delta of `base.vmdk`, whose bytes are in `base-flat.vmdk`.
fn chain(who: Who) -> Place {
    let place = Place::new(who);
    let run = |line: &str| place.run("qemu-img").words(line).run();
    run("convert -f raw -O vmdk -o subformat=monolithicFlat disk.img base.vmdk");
    run("create -q -f vmdk -b base.vmdk -F vmdk top.vmdk");
    std::fs::remove_file(&place.image).unwrap();
    place
}

/// Moves the base to a directory of its own.
fn move_base(place: &Place) {
    let store = place.directory("the store");
    for name in ["base.vmdk", "base-flat.vmdk"] {
        std::fs::rename(place.folder.join(name), store.join(name)).unwrap();
    }
    name_parent(&place.folder.join("top.vmdk"), "the store/base.vmdk");
}

/// Makes a delta of `base.vmdk` one of `parent`, whose name is longer.
fn name_parent(delta: &Path, parent: &str) {
    let old = b"parentFileNameHint=\"base.vmdk\"";
    let new = format!("parentFileNameHint=\"{parent}\"").into_bytes();
    let mut bytes = std::fs::read(delta).unwrap();
    let at = bytes.windows(old.len()).position(|bytes| bytes == old);
    let at = at.unwrap();
    // There is room behind the text.
    bytes[at..at + new.len() + 200].rotate_right(new.len() - old.len());
    bytes[at..at + new.len()].copy_from_slice(&new);
    std::fs::write(delta, bytes).unwrap();
}

/// The lines of an strace log about opening, by the processes with `--worker` among their arguments
/// or by the others; and only what was opened.
fn opened(log: &Path, by_worker: bool) -> BTreeSet<String> {
    let log = whole_calls(&std::fs::read_to_string(log).unwrap());
    let process = |line: &str| {
        line.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let is_start = |line: &&str| line.contains("execve(") && line.contains("\"--worker\"");
    let worker = process(log.lines().find(is_start).unwrap());
    // From here on it runs our code and not the loader's.
    let begun = log.find("PR_SET_NO_NEW_PRIVS").unwrap();
    let threads: BTreeSet<String> = log[begun..]
        .lines()
        .filter(|line| line.contains("PR_SET_NAME, \"fuser-"))
        .map(process)
        .chain([worker])
        .collect();
    let part = if by_worker { &log[begun..] } else { &log[..] };
    let ours = part
        .lines()
        .filter(|line| threads.contains(&process(line)) == by_worker);
    let opens = ours.filter(|line| line.contains("open") && !line.contains("= -1 "));
    let names = opens.filter_map(|line| line.split('"').nth(1));
    names.map(str::to_owned).collect()
}

fn traced(place: &Place, line: &str) -> (Run, PathBuf) {
    let log = place.folder.join("trace");
    let what = "trace=open,openat,openat2,creat,execve,prctl,name_to_handle_at,open_by_handle_at";
    let run = Run::new("strace").args(["-f", "-s", "4096", "-e", what, "-o"]);
    let run = run.arg(&log).arg(env!("CARGO_BIN_EXE_imgmount"));
    (run.words(line).within(&place.folder), log)
}

#[test]
fn a_delta_is_mounted_with_the_files_beside_it() {
    need!(fuse, tool "mke2fs", tool "qemu-img");
    for who in everybody() {
        let place = chain(who);
        place.directory("m");
        place.imgmount().words("top.vmdk m").run();
        assert_eq!(place.run("cat").arg("m/hello").text(), "hello, world\n");
        place.imgmount().words("umount m").run();
        let run = place.imgmount().words("run top.vmdk -- cat {}/hello");
        assert_eq!(run.text(), "hello, world\n");
        place.assert_clean_within(SOON);
    }
}

#[test]
fn the_worker_opens_nothing_and_the_supervisor_the_chain_alone() {
    need!(root, fuse, tool "mke2fs", tool "qemu-img", tool "strace");
    let place = chain(Who::Self_);
    std::fs::write(place.folder.join("bystander.vmdk"), "x").unwrap();
    let (run, log) = traced(&place, "run top.vmdk -- cat {}/hello");
    assert_eq!(run.text(), "hello, world\n");
    let worker = opened(&log, true);
    assert_eq!(worker, BTreeSet::from(["/dev/fuse".to_owned()]));
    let images = opened(&log, false)
        .into_iter()
        .filter(|name| name.ends_with("vmdk"));
    let images: Vec<String> = images.collect();
    assert_eq!(images, ["base-flat.vmdk", "base.vmdk", "top.vmdk"]);
}

#[test]
fn g07_q11_what_a_guest_wrote_into_a_raw_disk_leads_nowhere() {
    need!(fuse, tool "mke2fs", tool "qemu-img", tool "strace");
    let place = chain(Who::Self_);
    name_parent(&place.folder.join("top.vmdk"), "/etc/shadow");
    // What a guest can write to the start of its disk, and the disk goes on behind it.
    let mut disk = std::fs::read(place.folder.join("top.vmdk")).unwrap();
    disk.resize(1 << 20, 7);
    std::fs::write(place.folder.join("disk.img"), disk).unwrap();
    let start = Instant::now();
    for line in ["info disk.img", "run disk.img -- true"] {
        let (run, log) = traced(&place, line);
        let output = run.output();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let verb = line.split(' ').next().unwrap();
        let rest = line.strip_prefix(verb).unwrap();
        let command = format!("(imgmount {verb} --allow-file /etc/shadow{rest})");
        let refusal = "references another file: /etc/shadow; allow with --allow-file PATH, or its \
                       directory with --allow-dir DIR";
        assert!(said.contains(&format!("{refusal} {command}")), "{said}");
        let trace = std::fs::read_to_string(&log).unwrap();
        let opens = trace
            .lines()
            .filter(|line| line.contains("open") && line.contains("shadow"));
        assert_eq!(opens.count(), 0, "{trace}");
    }
    assert!(start.elapsed() < Duration::from_secs(20));
    let (run, log) = traced(
        &place,
        "run --format raw disk.img -- cmp {}/disk.img disk.img",
    );
    run.run();
    let opened = opened(&log, false);
    assert!(opened.contains("disk.img"), "{opened:?}");
    assert!(
        !opened.iter().any(|name| name.contains("shadow")),
        "{opened:?}"
    );
}

#[test]
fn q11_the_command_that_is_said_allows_it() {
    need!(fuse, tool "mke2fs", tool "qemu-img");
    for who in everybody() {
        let place = chain(who);
        move_base(&place);
        place.directory("m");
        for (line, then) in [
            ("ls top.vmdk /hello", ""),
            ("run top.vmdk -- cat {}/hello", ""),
            ("top.vmdk m", "&& cat m/hello"),
        ] {
            let output = place.imgmount().words(line).output();
            let (code, said) = code_and_words(&output);
            assert_eq!(code, 1, "{said}");
            let (_, command) = said.trim_end().rsplit_once("(imgmount ").unwrap();
            let command = command.strip_suffix(')').unwrap();
            assert!(command.contains("the store/base.vmdk'"), "{command}");
            let script = format!("\"$0\" {command} {then}");
            let shell = place.run("sh").args(["-c", &script]);
            let shell = shell.arg(place.program.to_str().unwrap());
            assert!(shell.text().contains("hello"), "{command}");
        }
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
}

#[test]
fn q12_an_image_that_stands_on_itself_is_refused_at_once() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let descriptor = |parent: &str| {
        format!(
            "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=00000001\n\
             createType=\"monolithicFlat\"\nparentFileNameHint=\"{parent}\"\n\
             RW 16384 FLAT \"disk.img\" 0\n"
        )
    };
    let at = |name: &str| place.folder.join(name);
    for (name, parent) in [("self", "self"), ("a", "b"), ("b", "c"), ("c", "a")] {
        std::fs::write(at(name), descriptor(parent)).unwrap();
    }
    std::fs::write(at("hard"), descriptor("link")).unwrap();
    std::fs::hard_link(at("hard"), at("link")).unwrap();
    std::fs::write(at("soft"), descriptor("symlink")).unwrap();
    std::os::unix::fs::symlink("soft", at("symlink")).unwrap();
    let refusal = |line: &str| {
        let start = Instant::now();
        let (code, said) = code_and_words(&place.imgmount().words(line).output());
        assert!(start.elapsed() < Duration::from_secs(2), "{line}");
        assert_eq!(code, 1, "{said}");
        said
    };
    for verb in ["info ", "run "] {
        let end = if verb == "run " { " -- true" } else { "" };
        for name in ["self", "a", "hard", "--allow-file symlink soft"] {
            let said = refusal(&format!("{verb}{name}{end}"));
            assert!(said.contains("backing loop"), "{name}: {said}");
        }
        let said = refusal(&format!("{verb}soft{end}"));
        assert!(
            said.contains("symlink, a symbolic link; allow with"),
            "{said}"
        );
    }
    // A chain without an end stops where a chain may end.
    for number in 0..300 {
        let parent = format!("chain{}", number + 1);
        std::fs::write(at(&format!("chain{number}")), descriptor(&parent)).unwrap();
    }
    let said = refusal("info chain0");
    assert!(said.contains("chain depth 16"), "{said}");
}

#[test]
fn q12_a_loop_by_a_bind_mount_is_one_too() {
    need!(root, namespace, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let lines = "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=00000001\n\
                 createType=\"monolithicFlat\"\nparentFileNameHint=\"bound\"\n\
                 RW 16384 FLAT \"disk.img\" 0\n";
    std::fs::write(place.folder.join("image"), lines).unwrap();
    std::fs::write(place.folder.join("bound"), "").unwrap();
    let script = "mount --bind image bound && exec \"$0\" info image";
    let unshare = place.run("unshare").args(["-m", "sh", "-c", script]);
    let output = unshare.arg(env!("CARGO_BIN_EXE_imgmount")).output();
    let (code, said) = code_and_words(&output);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("backing loop"), "{said}");
}

#[test]
fn u07_a_disk_in_1500_pieces_needs_the_descriptors_and_says_so() {
    need!(fuse, tool "mke2fs", tool "prlimit");
    let place = Place::new(Who::Self_);
    let image = std::fs::read(&place.image).unwrap();
    let mut lines = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n\
                     createType=\"twoGbMaxExtentFlat\"\n"
        .to_owned();
    let piece = image.len() / 1024;
    for (number, bytes) in image.chunks(piece).enumerate() {
        lines += &format!("RW {} FLAT \"piece{number}\" 0\n", piece / 512);
        std::fs::write(place.folder.join(format!("piece{number}")), bytes).unwrap();
    }
    std::fs::write(place.folder.join("disk.vmdk"), lines).unwrap();
    std::fs::remove_file(&place.image).unwrap();
    for line in ["cat disk.vmdk /hello", "run disk.vmdk -- cat {}/hello"] {
        let limited = |limit: &str| {
            let run = place.run("prlimit").arg(format!("--nofile={limit}"));
            run.arg(env!("CARGO_BIN_EXE_imgmount")).words(line).output()
        };
        assert_eq!(limited("1000:4096").stdout, b"hello, world\n", "{line}");
        let (code, said) = code_and_words(&limited("200:200"));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("Too many open files"), "{said}");
    }
    place.assert_clean_within(SOON);
}

#[test]
fn what_a_user_may_not_read_is_denied_beside_the_image_too() {
    need!(root, fuse, tool "mke2fs", tool "qemu-img");
    let place = chain(Who::Nobody);
    let base = place.folder.join("base-flat.vmdk");
    std::os::unix::fs::chown(&base, Some(0), Some(0)).unwrap();
    Run::new("chmod").arg("600").arg(&base).run();
    let output = place.imgmount().words("run top.vmdk -- true").output();
    let (code, said) = code_and_words(&output);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("base-flat.vmdk: it cannot be opened: Permission denied"),
        "{said}"
    );
}

#[test]
fn info_and_check_say_what_an_image_needs_also_where_it_is_refused() {
    need!(tool "mke2fs", tool "qemu-img", tool "strace");
    let place = chain(Who::Self_);
    let lines = |verb: &str| {
        let text = place.imgmount().words(verb).arg("top.vmdk").text();
        let lines = text.lines().filter(|line| line.contains("file: "));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        lines("info"),
        [
            "needs the file: base.vmdk",
            "needs the file: base-flat.vmdk"
        ]
    );
    assert_eq!(
        lines("check"),
        [
            "top.vmdk: vmdk: needs another file: base.vmdk",
            "base.vmdk: vmdk: needs another file: base-flat.vmdk"
        ]
    );
    name_parent(&place.folder.join("top.vmdk"), "/etc/shadow/x");
    for (line, expected) in [
        ("info top.vmdk", "  needs the file: /etc/shadow/x\n"),
        ("info --json top.vmdk", "\"name\": \"/etc/shadow/x\""),
        (
            "check top.vmdk",
            "vmdk: needs another file: /etc/shadow/x\n",
        ),
        (
            "check --json top.vmdk",
            "\"name\":\"/etc/shadow/x\",\"type\":\"second_file\"",
        ),
    ] {
        let (run, log) = traced(&place, line);
        let output = run.output();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(expected), "{said}");
        let (_, words) = code_and_words(&output);
        assert!(words.contains("allow with --allow-file"), "{words}");
        let trace = std::fs::read_to_string(&log).unwrap();
        let opens = trace.lines().filter(|line| !line.contains("execve"));
        assert_eq!(opens.filter(|line| line.contains("shadow")).count(), 0);
    }
    let refused = place.imgmount().words("info --json top.vmdk").output();
    let value: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(value["format"], "vmdk");
    assert_eq!(value["error"]["kind"], "refused");
    assert_eq!(
        value["images"][0]["second_files"][0]["name"],
        "/etc/shadow/x"
    );
    assert_eq!(value["disks"].as_array().unwrap().len(), 0);
}

#[test]
fn q11_q13_qcow2_images_name_files_and_connections_that_nobody_follows() {
    need!(fuse, tool "mke2fs", tool "qemu-img", tool "strace");
    let place = Place::new(Who::Self_);
    let create = |name: &str, backing: &str| {
        let create = place
            .run("qemu-img")
            .words("create -q -u -f qcow2 -F raw -b");
        create.arg(backing).args([name, "8M"]).run();
    };
    let json = r#"json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}"#;
    let (followed, never) = (
        "; allow with --allow-file PATH, or its directory with --allow-dir DIR (imgmount ",
        ", which is no file name",
    );
    for (backing, words) in [
        ("/etc/passwd", followed),
        ("../../x", followed),
        (json, never),
        ("nbd://localhost/passwd", never),
        ("nbd:unix:/tmp/passwd", never),
        ("http://localhost/passwd", never),
        ("fd:3", never),
    ] {
        create("top.qcow2", backing);
        for line in ["info top.qcow2", "run top.qcow2 -- true"] {
            let (run, log) = traced(&place, line);
            let output = run.output();
            let (code, said) = code_and_words(&output);
            assert_eq!(code, 1, "{said}");
            let refusal = format!("references another file: {backing}{words}");
            assert!(said.contains(&refusal), "{said}");
            let trace = std::fs::read_to_string(&log).unwrap();
            let opens = trace.lines().filter(|line| !line.contains("execve"));
            assert_eq!(opens.filter(|line| line.contains("passwd\"")).count(), 0);
        }
    }
    for number in 0..300 {
        create(&format!("{number}.qcow2"), &format!("{}.qcow2", number + 1));
        let rebase = place
            .run("qemu-img")
            .words("rebase -q -u -F qcow2 -f qcow2 -b");
        let rebase = rebase.arg(format!("{}.qcow2", number + 1));
        rebase.arg(format!("{number}.qcow2")).run();
    }
    let start = Instant::now();
    for line in ["info 0.qcow2", "run 0.qcow2 -- true"] {
        let (code, said) = code_and_words(&place.imgmount().words(line).output());
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("chain depth 16"), "{said}");
    }
    assert!(start.elapsed() < Duration::from_secs(4));
    place.assert_clean_within(SOON);
}

#[test]
fn nova_and_libvirt_name_backing_files_by_whole_paths() {
    need!(fuse, tool "mke2fs", tool "qemu-img");
    let place = Place::new(Who::Self_);
    let whole = place.image.to_str().unwrap().to_owned();
    let create = place.run("qemu-img").words("create -q -f qcow2 -F raw -b");
    create.args([&whole, "top.qcow2"]).run();
    let run = place.imgmount().words("run top.qcow2 -- cat {}/hello");
    assert_eq!(run.text(), "hello, world\n");
    // nova keeps them apart: with the user's word.
    let base = place.directory("_base");
    let instance = place.directory("instance");
    std::fs::rename(&place.image, base.join("disk.img")).unwrap();
    std::fs::rename(place.folder.join("top.qcow2"), instance.join("disk")).unwrap();
    let named = base.join("disk.img");
    let rebase = place.run("qemu-img").words("rebase -u -f qcow2 -F raw -b");
    rebase.arg(&named).arg("instance/disk").run();
    for allowed in [
        "--allow-file _base/disk.img",
        "--allow-dir _base",
        "-o allow_dir=_base",
    ] {
        let run = place.imgmount().arg("run").words(allowed);
        let run = run.words("instance/disk -- cat {}/hello");
        assert_eq!(run.text(), "hello, world\n", "{allowed}");
    }
    let output = place.imgmount().words("run instance/disk -- true").output();
    assert_eq!(output.status.code(), Some(1));
}

/// Each of the directories that second files lie in is kept open.
#[test]
fn u07_pieces_in_more_directories_than_descriptors_are_opened() {
    need!(fuse, tool "mke2fs", tool "prlimit");
    const PIECES: usize = 100;
    let place = Place::new(Who::Self_);
    let disk = std::fs::read(&place.image).unwrap();
    let size = disk.len().div_ceil(PIECES).next_multiple_of(512);
    let pieces = place.directory("pieces");
    let mut extents = String::new();
    for (number, piece) in disk.chunks(size).enumerate() {
        let folder = pieces.join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("flat"), piece).unwrap();
        let (sectors, path) = (piece.len() / 512, folder.join("flat"));
        extents += &format!("RW {sectors} FLAT \"{}\" 0\n", path.display());
    }
    let descriptor = format!(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n\
         createType=\"twoGbMaxExtentFlat\"\n\n{extents}"
    );
    std::fs::write(place.folder.join("disk.vmdk"), descriptor).unwrap();
    place.directory("m");
    let imgmount = place.imgmount().command();
    let limited = || {
        place
            .run("prlimit")
            .arg("--nofile=64:1024")
            .arg(imgmount.get_program())
    };
    let mount = limited().words("--allow-dir pieces disk.vmdk m");
    mount.run();
    assert_eq!(place.run("cat").arg("m/hello").text(), "hello, world\n");
    let open = |process: i32| {
        let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        open.count()
    };
    // It needs none of them once everything is open.
    let supervisor = place.processes("--supervisor")[0];
    assert!(open(supervisor) < 32, "{} are open", open(supervisor));
    place.imgmount().words("umount m").run();
    let cat = limited().words("cat --allow-dir pieces disk.vmdk hello");
    assert_eq!(cat.text(), "hello, world\n");
    place.assert_clean_within(SOON);
}

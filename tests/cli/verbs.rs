//! Verbs on real images, and what happens when their output has nowhere to go.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;

/// A bare ext4 with a few files.
pub fn image(scratch: &Scratch) -> PathBuf {
    let folder = scratch.folder("files");
    std::fs::create_dir(folder.join("sub")).unwrap();
    std::fs::write(folder.join("sub/a"), "alpha\n").unwrap();
    std::fs::hard_link(folder.join("sub/a"), folder.join("b")).unwrap();
    std::os::unix::fs::symlink("sub/a", folder.join("link")).unwrap();
    std::fs::write(folder.join("esc\x1b[31m"), "red\n").unwrap();
    let image = scratch.file("disk.raw", 8 << 20);
    Run::new("mke2fs")
        .words("-q -F -t ext4 -L root -d")
        .arg(&folder)
        .arg(&image)
        .run();
    image
}

#[test]
fn ls_cat_and_cp_show_what_was_put_in() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let image = image(&scratch);
    let names = imgmount().arg("ls").arg(&image).text();
    assert_eq!(names, "b\nesc\x1b[31m\nlink\nlost+found\nsub\n");
    let bytes = imgmount()
        .arg("cat")
        .arg(&image)
        .args(["link", "sub/a"])
        .stdout();
    assert_eq!(bytes, b"alpha\nalpha\n");
    let dest = scratch.join("out");
    imgmount().arg("cp").arg(&image).arg("/").arg(&dest).run();
    std::fs::remove_dir(dest.join("lost+found")).unwrap();
    Run::new("diff")
        .arg("-r")
        .arg(scratch.join("files"))
        .arg(&dest)
        .run();
    let inode = |name: &str| dest.join(name).metadata().unwrap().ino();
    assert_eq!(inode("b"), inode("sub/a"));
}

#[test]
fn convert_gives_the_same_bytes_with_holes() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let image = image(&scratch);
    let out = scratch.join("copy.raw");
    imgmount().arg("convert").arg(&image).arg(&out).run();
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&image).unwrap());
    assert!(out.metadata().unwrap().blocks() * 512 < 4 << 20);
    let again = imgmount().arg("convert").arg(&image).arg(&out).output();
    assert_eq!(again.status.code(), Some(2));
    let onto = imgmount()
        .args(["convert", "--force"])
        .arg(&image)
        .arg(&image)
        .output();
    assert_eq!(onto.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&onto.stderr).contains("is the image itself"));
}

/// What an image stands on is read while the copy is written, and so is an image that was added.
#[test]
fn neither_convert_nor_cp_writes_over_a_file_that_the_image_is_read_from() {
    need!(tool "mke2fs", tool "qemu-img");
    let scratch = Scratch::new();
    let base = image(&scratch);
    let before = std::fs::read(&base).unwrap();
    let over = scratch.join("over.qcow2");
    Run::new("qemu-img")
        .words("create -q -f qcow2 -F raw -b")
        .arg(&base)
        .arg(&over)
        .run();
    let added = scratch.file("other.raw", 1 << 20);
    let over = over.to_str().unwrap();
    let words = [
        vec![over],
        vec![
            "--with",
            base.to_str().unwrap(),
            added.to_str().unwrap(),
            "disk2",
        ],
    ];
    for words in words {
        let convert = imgmount().args(["convert", "--force"]).args(words);
        let said = convert.arg(&base).output();
        assert_eq!(said.status.code(), Some(2));
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("a file that it is read from"), "{said}");
    }
    assert!(std::fs::read(&base).unwrap() == before);

    // An image with a file that is called like itself.
    let name = base.file_name().unwrap();
    let folder = scratch.folder("inside");
    std::fs::write(folder.join(name), "small").unwrap();
    std::fs::write(folder.join("other"), "small").unwrap();
    let own = scratch.folder("own").join(name);
    Run::new("mke2fs")
        .words("-q -F -t ext4 -d")
        .arg(&folder)
        .arg(&own)
        .arg("4M")
        .run();
    let before = std::fs::read(&own).unwrap();
    let copied = imgmount()
        .arg("cp")
        .arg(&own)
        .arg("/")
        .arg(own.parent().unwrap());
    let copied = copied.output();
    assert_eq!(copied.status.code(), Some(4));
    let said = String::from_utf8_lossy(&copied.stderr).into_owned();
    assert!(said.contains("is the image itself"), "{said}");
    assert!(std::fs::read(&own).unwrap() == before);
    assert_eq!(
        std::fs::read(own.with_file_name("other")).unwrap(),
        b"small"
    );
}

/// The user's own bound on the size of files ends no verb: the file that it concerns is named.
#[test]
fn u05_a_file_that_may_not_become_as_large_costs_itself_alone() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let folder = scratch.folder("inside");
    std::fs::write(folder.join("large"), vec![7; 3 << 20]).unwrap();
    std::fs::write(folder.join("small"), "small").unwrap();
    let image = scratch.join("disk.raw");
    Run::new("mke2fs")
        .words("-q -F -t ext4 -d")
        .arg(&folder)
        .arg(&image)
        .arg("8M")
        .run();
    let run = |words: &str, code: i32| {
        let limited = format!("ulimit -f 2048; exec \"$0\" {words}");
        let sh = Run::new("sh").args(["-c", &limited, env!("CARGO_BIN_EXE_imgmount")]);
        let said = sh.within(scratch.path()).output();
        assert_eq!(said.status.code(), Some(code), "{words}: {said:?}");
        String::from_utf8_lossy(&said.stderr).into_owned()
    };
    let said = run("cp disk.raw /large /small .", 4);
    assert!(
        said.contains("/large: ") || said.contains("large: "),
        "{said}"
    );
    assert_eq!(std::fs::read(scratch.join("small")).unwrap(), b"small");
    let said = run("convert disk.raw out.raw", 5);
    assert!(said.contains("out.raw"), "{said}");
    assert!(!scratch.join("out.raw").exists());
    for verb in ["cat disk.raw /large > out", "tar disk.raw > out"] {
        run(verb, 5);
    }
}

#[test]
fn convert_of_a_volume_gives_the_bytes_of_its_partition() {
    need!(tool "mke2fs", tool "sfdisk");
    let scratch = Scratch::new();
    let volume = std::fs::read(image(&scratch)).unwrap();
    let disk = scratch.file("gpt.raw", 12 << 20);
    let script = "printf 'label: gpt\\nstart=2048, size=16384, name=root\\n' | sfdisk -q gpt.raw";
    let sh = Run::new("sh").args(["-c", script]);
    sh.within(scratch.path()).run();
    let file = std::fs::OpenOptions::new().write(true).open(&disk).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &volume, 1 << 20).unwrap();
    for (number, name) in ["1", "p1", "LABEL=root", "PARTLABEL=root"]
        .iter()
        .enumerate()
    {
        let out = scratch.join(&format!("out-{number}"));
        let convert = imgmount().arg("convert").arg(&disk);
        convert.arg(name).arg(&out).run();
        assert!(std::fs::read(&out).unwrap() == volume, "{name}");
    }
    let out = scratch.join("none");
    let convert = imgmount().arg("convert").arg(&disk);
    let refused = convert.arg("7").arg(&out).output();
    assert_eq!(refused.status.code(), Some(1));
    assert!(!out.exists(), "made for nothing");
}

/// The hexadecimal number behind `word` in what debugfs says.
fn hex_after(text: &str, word: &str) -> i64 {
    let rest = text
        .split(word)
        .nth(1)
        .unwrap_or_else(|| panic!("{word}: {text}"));
    let digits = rest.trim_start().trim_start_matches("0x");
    let end = digits
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(digits.len());
    i64::from_str_radix(&digits[..end], 16).unwrap()
}

#[test]
fn json_has_what_fuse_cannot_carry_birth_and_flags_as_debugfs_says() {
    need!(tool "mke2fs", tool "debugfs", tool "date");
    let scratch = Scratch::new();
    let disk = image(&scratch);
    for change in [
        "sif b crtime 20010203040506",
        "sif b flags 0x80050",
        "sif b generation 77",
    ] {
        let debugfs = Run::new("debugfs").args(["-w", "-R", change]);
        debugfs.arg(&disk).run();
    }
    let stat = Run::new("debugfs").args(["-R", "stat b"]).arg(&disk).text();
    let line = imgmount().args(["ls", "--json"]).arg(&disk).arg("b").text();
    let found: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(found["flags"], hex_after(&stat, "Flags:"));
    assert_eq!(found["flags"], 0x80050);
    assert_eq!(found["generation"], 77);
    let born = format!("@{}", hex_after(&stat, "crtime:"));
    let date = Run::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S", "-d", &born]);
    let found = found["crtime"].as_str().unwrap();
    assert_eq!(found.split('.').next(), Some(date.text().trim()));
}

#[test]
fn info_says_the_same_to_people_and_programs() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let image = image(&scratch);
    let text = imgmount().arg("info").arg(&image).text();
    assert!(text.contains("ext4  \"root\"  UUID="), "{text}");
    let value: Value =
        serde_json::from_str(&imgmount().arg("info").arg(&image).arg("--json").text()).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["disks"][0]["content"]["label"], "root");
    let uuid = value["disks"][0]["content"]["uuid"].as_str().unwrap();
    let expected = Run::new("dumpe2fs").arg("-h").arg(&image).text();
    assert!(expected.contains(uuid), "{uuid}: {expected}");
}

#[test]
fn errors_are_one_line_with_the_image_and_the_documented_code() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let image = image(&scratch);
    let shown = image.display();
    let missing = scratch.join("missing.raw");
    let cases = [
        (
            vec!["cat", &image.to_string_lossy(), "none"],
            1,
            format!("imgmount: {shown}: none: "),
        ),
        (
            vec!["cat", &image.to_string_lossy(), "sub"],
            1,
            format!("imgmount: {shown}: sub: is a directory"),
        ),
        (
            vec!["ls", &missing.to_string_lossy()],
            1,
            format!("imgmount: {}: ", missing.display()),
        ),
        (
            vec!["ls", &image.to_string_lossy(), "-p", "7"],
            1,
            format!("imgmount: {shown}: no volume is 7"),
        ),
    ]
    .map(|(arguments, code, text)| {
        let arguments: Vec<String> = arguments.into_iter().map(String::from).collect();
        (arguments, code, text)
    });
    for (arguments, code, text) in cases {
        let out = imgmount().args(&arguments).output();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.starts_with(&text), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn an_image_named_like_a_verb_is_explained() {
    let scratch = Scratch::new();
    scratch.file("info", 1 << 20);
    let out = imgmount().arg("info").within(scratch.path()).output();
    assert_eq!(out.status.code(), Some(2));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("imgmount -- info"), "{said}");
}

#[test]
fn a_closed_or_full_output_is_an_exit_code_and_no_signal() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let image = image(&scratch);
    for verb in ["info", "ls", "check"] {
        let mut command = imgmount().arg(verb).arg(&image).command();
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let out = command
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(5), "{verb}");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("No space left"), "{said}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = imgmount().arg(verb).arg(&image).command();
        let out = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(5), "{verb}");
        assert_eq!(out.stderr, b"");

        // Neither may standard error kill it.
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = imgmount().args(["cat"]).arg(&image).arg("none").command();
        let status = command.stdout(Stdio::null()).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(1));
    }
}

#[test]
fn an_odd_image_name_is_one_line_and_no_option() {
    let scratch = Scratch::new();
    let name = "a,b\\c\nd\x1b[31m'\"";
    scratch.file(name, 1 << 20);
    let text = imgmount()
        .args(["info", name])
        .within(scratch.path())
        .text();
    assert!(
        text.starts_with("a,b\\\\c\\x0ad\\x1b[31m'\": raw\n"),
        "{text}"
    );
    let out = imgmount()
        .args(["cat", name, "x"])
        .within(scratch.path())
        .output();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!said.contains('\x1b'), "{said}");
}

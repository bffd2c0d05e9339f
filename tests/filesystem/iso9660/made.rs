//! What only some discs have: compressed files, sessions, images to boot, directories that are too
//! deep, and what no tool here makes, patched into place.

use std::path::{Path, PathBuf};

use imgmount::format::{NameMap, Options};
use imgmount::stack::Content;

use super::{compare, open};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::{images, library};

/// Text that compresses, with a hole in it: not all of its blocks are stored.
fn text() -> Vec<u8> {
    let mut text: Vec<u8> = (0..200_000_u32)
        .flat_map(|it| (it / 5).to_le_bytes())
        .collect();
    text[100_000..400_000].fill(0);
    text
}

fn read(image: &Path, options: Options, path: &str) -> Vec<u8> {
    let opened = open(image, options);
    library::read_path(&*library::file_system(&opened), path)
}

#[test]
fn compressed_files_of_both_versions_and_every_writer() {
    need!(tool "xorriso", tool "genisoimage", tool "mkzftree");
    let scratch = Scratch::new();
    let plain = scratch.folder("plain");
    std::fs::write(plain.join("file"), text()).unwrap();
    std::fs::write(plain.join("small"), "not compressed").unwrap();
    let packed = scratch.join("packed");
    Run::new("mkzftree").arg(&plain).arg(&packed).run();
    let image = scratch.join("mkzftree.iso");
    let genisoimage = Run::new("genisoimage").words("-quiet -R -z -o");
    genisoimage.arg(&image).arg(&packed).run();
    let mut discs = vec![image];
    for (name, zisofs) in [
        ("one", "version_2=off:block_size=128k"),
        ("two", "version_2=on:block_size_v2=512k"),
        ("two-z2", "version_2=on:susp_z2=on"),
    ] {
        let image = scratch.join(name);
        let xorriso = Run::new("xorriso").arg("-outdev").arg(&image);
        let xorriso = xorriso.args(["-zisofs", zisofs]);
        let xorriso = xorriso.arg("-map").arg(&plain).arg("/");
        xorriso
            .words("-set_filter_r --zisofs / -- -commit -end")
            .run();
        discs.push(image);
    }
    for image in discs {
        let raw = std::fs::read(&image).unwrap();
        let magic = [0xc9, 0xdb, 0xd6, 0x07];
        let second = [0x1b, 0x1b, 0x95, 0xa0];
        let has = |magic: &[u8]| raw.windows(magic.len()).any(|it| it == magic);
        assert!(has(&magic) || has(&second[1..]), "nothing is compressed");
        let found = read(&image, Options::default(), "file");
        assert!(found == text(), "{}", image.display());
        assert_eq!(read(&image, Options::default(), "small"), b"not compressed");
    }
}

/// A disc of two sessions by xorriso, and one by genisoimage.
fn sessions(scratch: &Scratch) -> [PathBuf; 2] {
    for name in ["one", "two"] {
        let folder = scratch.folder(name);
        std::fs::write(folder.join(name), name).unwrap();
    }
    let overwritten = scratch.join("overwritten.iso");
    for name in ["one", "two"] {
        let xorriso = Run::new("xorriso").arg("-dev").arg(&overwritten);
        let xorriso = xorriso.arg("-map").arg(scratch.join(name)).arg("/");
        xorriso.words("-commit -end").run();
    }
    let appended = scratch.join("appended.iso");
    let first = Run::new("genisoimage").words("-quiet -R -o").arg(&appended);
    first.arg(scratch.join("one")).run();
    let mut bytes = std::fs::read(&appended).unwrap();
    let start = bytes.len() / 2048;
    let second = scratch.join("second.iso");
    let command = Run::new("genisoimage").words("-quiet -R -C");
    let command = command.arg(format!("0,{start}")).arg("-M").arg(&appended);
    command
        .arg("-o")
        .arg(&second)
        .arg(scratch.join("two"))
        .run();
    bytes.extend(std::fs::read(second).unwrap());
    std::fs::write(&appended, bytes).unwrap();
    [overwritten, appended]
}

#[test]
fn the_last_session_is_shown_and_others_by_their_number() {
    need!(tool "xorriso", tool "genisoimage");
    let scratch = Scratch::new();
    for image in sessions(&scratch) {
        let names = |session| {
            let options = Options {
                session,
                ..Options::default()
            };
            let opened = open(&image, options);
            let found = library::walk(&*library::file_system(&opened));
            let names = found.into_keys().filter(|name| !name.is_empty());
            names
                .map(|name| String::from_utf8(name).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["one", "two"], "{}", image.display());
        assert_eq!(names(Some(1)), ["one"]);
        assert_eq!(names(Some(2)), ["one", "two"]);
        let opened = open(
            &image,
            Options {
                session: Some(3),
                ..Options::default()
            },
        );
        let Content::Damaged { error, .. } = &opened.stack.disks[0].content else {
            panic!("there are two");
        };
        assert!(
            error.to_string().contains("session 3: the disc has 2"),
            "{error}"
        );
    }
}

#[test]
fn images_to_boot_are_those_that_were_put_there() {
    need!(tool "xorriso");
    let scratch = Scratch::new();
    let files = scratch.folder("files");
    for (name, size) in [("loader", 5000), ("floppy", 1440 << 10), ("second", 6144)] {
        let bytes: Vec<u8> = (0..size / 4_u32)
            .flat_map(|it| (it ^ size).to_le_bytes())
            .collect();
        std::fs::write(files.join(name), bytes).unwrap();
    }
    let image = scratch.join("disc.iso");
    let xorriso = Run::new("xorriso")
        .words("-as mkisofs -quiet -R -o")
        .arg(&image);
    let xorriso = xorriso.words("-b loader -no-emul-boot -boot-load-size 4 -boot-info-table");
    let xorriso = xorriso.words("-eltorito-alt-boot -b floppy");
    let xorriso = xorriso.words("-eltorito-alt-boot -e second -no-emul-boot");
    xorriso.arg(&files).run();
    let opened = open(&image, Options::default());
    let nodes = opened.stack.disks[0].content.children();
    let mut found = Vec::new();
    for node in nodes {
        let source = node.source.as_ref().unwrap();
        let mut bytes = vec![0; usize::try_from(source.size()).unwrap()];
        source.read_exact_at(&mut bytes, 0).unwrap();
        found.push((node.name.as_str(), images::sha256_of(&bytes)));
    }
    let of = |name: &str| {
        let bytes = library::read_path(&*library::file_system(&opened), name);
        images::sha256_of(&bytes)
    };
    // The loader has its own table of where it lies, so it is as it is on the disc.
    let expected = [
        ("boot/1-x86", "loader"),
        ("boot/2-x86", "floppy"),
        ("boot/3-efi", "second"),
    ];
    assert_eq!(found, expected.map(|(name, file)| (name, of(file))));
}

#[test]
fn directories_that_are_too_deep_for_the_format() {
    need!(tool "genisoimage", tool "xorriso", tool "bsdtar");
    for options in ["-R", "-R -hide-rr-moved", "-R -D"] {
        let scratch = Scratch::new();
        let files = scratch.folder("files");
        let deep = files.join(
            (1..15)
                .map(|it| it.to_string())
                .collect::<Vec<_>>()
                .join("/"),
        );
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("file"), "deep").unwrap();
        let image = scratch.join("disc.iso");
        let genisoimage = Run::new("genisoimage").arg("-quiet").words(options);
        genisoimage.arg("-o").arg(&image).arg(&files).run();
        assert!(compare(&image, Options::default()) > 15, "{options}");
    }
}

/// A plain disc of two files, and the places of their records.
fn plain(scratch: &Scratch) -> (Vec<u8>, usize, usize) {
    let files = scratch.folder("files");
    std::fs::write(files.join("_first"), "first").unwrap();
    std::fs::write(files.join("second"), "second").unwrap();
    let image = scratch.join("plain.iso");
    let genisoimage = Run::new("genisoimage").words("-quiet -o");
    genisoimage.arg(&image).arg(&files).run();
    let bytes = std::fs::read(image).unwrap();
    let find = |name: &[u8]| bytes.windows(name.len()).position(|it| it == name).unwrap() - 33;
    let (first, second) = (find(b"_FIRST.;1"), find(b"SECOND.;1"));
    (bytes, first, second)
}

fn names(scratch: &Scratch, bytes: &[u8], options: Options) -> Vec<String> {
    let image = scratch.join("patched.iso");
    std::fs::write(&image, bytes).unwrap();
    let opened = open(&image, options);
    let found = library::walk(&*library::file_system(&opened));
    let names = found.into_keys().filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8(name).unwrap()).collect()
}

#[test]
fn associated_files_are_shown_when_asked_for_and_hidden_ones_always() {
    need!(tool "genisoimage");
    let scratch = Scratch::new();
    let (mut bytes, first, second) = plain(&scratch);
    bytes[first + 25] = 4;
    bytes[second + 25] = 1;
    assert_eq!(names(&scratch, &bytes, Options::default()), ["second"]);
    let all = Options {
        show_associated: true,
        ..Options::default()
    };
    assert_eq!(names(&scratch, &bytes, all), ["_first", "second"]);
}

#[test]
fn acorn_names_have_a_type() {
    need!(tool "genisoimage");
    let scratch = Scratch::new();
    let (mut bytes, first, second) = plain(&scratch);
    // It is the last of its directory, so that there is room behind it.
    assert!(second < first);
    let mut acorn = b"ARCHIMEDES\0".to_vec();
    acorn.resize(32, 0);
    acorn[11..14].copy_from_slice(&[0xfb, 0xff, 0xff]);
    acorn[19] = 1;
    bytes[first + 42..first + 74].copy_from_slice(&acorn);
    bytes[first] = 74;
    let map = |map| Options {
        map,
        ..Options::default()
    };
    assert_eq!(
        names(&scratch, &bytes, map(NameMap::Acorn)),
        ["!first,ffb", "second"]
    );
    assert_eq!(
        names(&scratch, &bytes, map(NameMap::Normal)),
        ["_first", "second"]
    );
    assert_eq!(
        names(&scratch, &bytes, map(NameMap::Off)),
        ["SECOND.;1", "_FIRST.;1"]
    );
}

#[test]
fn interleaved_files_are_put_together() {
    need!(tool "genisoimage");
    let scratch = Scratch::new();
    let (mut bytes, first, _) = plain(&scratch);
    let start = bytes.len() / 2048;
    for number in 0..6_u8 {
        bytes.extend([number; 2048]);
    }
    let both = |number: u32| [number.to_le_bytes(), number.to_be_bytes()].concat();
    bytes[first + 2..first + 10].copy_from_slice(&both(start as u32));
    bytes[first + 10..first + 18].copy_from_slice(&both(3 * 2048 + 1000));
    bytes[first + 26..first + 28].copy_from_slice(&[2, 1]);
    let image = scratch.join("patched.iso");
    std::fs::write(&image, &bytes).unwrap();
    let expected = [[0; 2048], [1; 2048], [3; 2048]].concat();
    let expected = [expected, vec![4; 1000]].concat();
    assert!(read(&image, Options::default(), "_first") == expected);
}

#[test]
fn an_extended_attribute_record_is_skipped() {
    need!(tool "genisoimage");
    let scratch = Scratch::new();
    let (mut bytes, first, _) = plain(&scratch);
    let block = u32::from_le_bytes(bytes[first + 2..][..4].try_into().unwrap()) - 1;
    bytes[first + 1] = 1;
    bytes[first + 2..first + 6].copy_from_slice(&block.to_le_bytes());
    let image = scratch.join("patched.iso");
    std::fs::write(&image, &bytes).unwrap();
    assert_eq!(read(&image, Options::default(), "_first"), b"first");
}

#[test]
fn high_sierra_discs() {
    need!(tool "genisoimage");
    let scratch = Scratch::new();
    let (mut bytes, _, _) = plain(&scratch);
    let old = bytes[16 * 2048..17 * 2048].to_vec();
    let mut new = vec![0; 2048];
    new[8..15].copy_from_slice(b"\x01CDROM\x01");
    new[16..80].copy_from_slice(&old[8..72]);
    new[88..96].copy_from_slice(&old[80..88]);
    new[136..140].copy_from_slice(&old[128..132]);
    new[180..214].copy_from_slice(&old[156..190]);
    bytes[16 * 2048..17 * 2048].copy_from_slice(&new);
    let root = u32::from_le_bytes(old[158..162].try_into().unwrap()) as usize * 2048;
    let mut at = root;
    while bytes[at] > 0 {
        // The flags stand where the time's zone would.
        bytes[at + 24] = bytes[at + 25];
        bytes[at + 25] = 0;
        at += usize::from(bytes[at]);
    }
    assert_eq!(
        names(&scratch, &bytes, Options::default()),
        ["_first", "second"]
    );
    let image = scratch.join("patched.iso");
    assert_eq!(read(&image, Options::default(), "second"), b"second");
}

#[test]
fn label_and_uuid_are_libblkids() {
    need!(tool "xorriso", tool "genisoimage", tool "blkid");
    for (tool, options) in [
        ("xorriso", "-as mkisofs -quiet -R -V PLAIN_LABEL"),
        ("xorriso", "-as mkisofs -quiet -J -V Größe_und_mehr"),
        (
            "genisoimage",
            "-quiet -J -V A_label_of_thirty_two_characters",
        ),
    ] {
        let scratch = Scratch::new();
        let files = scratch.folder("files");
        std::fs::write(files.join("file"), "x").unwrap();
        let image = scratch.join("disc.iso");
        let command = Run::new(tool).words(options).arg("-o").arg(&image);
        command.arg(&files).run();
        let blkid = |tag: &str| {
            let blkid = Run::new("blkid").args(["-p", "-o", "value", "-s", tag]);
            blkid.arg(&image).text().trim_end().to_owned()
        };
        let opened = open(&image, Options::default());
        let (_, description) = opened.stack.disks[0].content.described().unwrap();
        let label = description.label.clone().unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&label), blkid("LABEL"), "{options}");
        assert_eq!(
            description.uuid.as_deref(),
            Some(&*blkid("UUID")),
            "{options}"
        );
    }
}

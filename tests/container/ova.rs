//! OVF packages: in a tar, in a tar that is packed, and beside their descriptor.

use std::path::{Path, PathBuf};

use imgmount::error::{Error, Kind};
use imgmount::service::open::{Options, open};
use imgmount::source::SharedSource;
use imgmount::stack::Node;

use super::{compare, disk_with, guest};
use crate::hostile::expect::check;
use crate::support::command::Run;
use crate::support::images::{self, Scratch};
use crate::support::library;

const SIZE: u64 = 3 * 1024 * 1024;

/// A descriptor of `files`, each of which is a disk. `more` goes into each `File`.
fn descriptor(files: &[&str], more: &str) -> String {
    let (mut references, mut disks) = (String::new(), String::new());
    for (index, file) in files.iter().enumerate() {
        references += &format!(r#"<File ovf:href="{file}" ovf:id="f{index}" {more}/>"#);
        disks +=
            &format!(r#"<Disk ovf:capacity="3" ovf:diskId="d{index}" ovf:fileRef="f{index}"/>"#);
    }
    format!(
        r#"<?xml version="1.0"?><Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
        xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>{references}</References>
        <DiskSection><Info>disks</Info>{disks}</DiskSection></Envelope>"#
    )
}

/// A folder with two streamOptimized disks, their descriptor and a manifest of SHA-256.
fn package(scratch: &Scratch) -> [PathBuf; 2] {
    let raws = [1, 2].map(|seed| {
        let raw = guest::disk(scratch, SIZE, seed);
        let own = scratch.join(&format!("expected{seed}"));
        std::fs::rename(raw, &own).unwrap();
        let vmdk = scratch.join(&format!("vm-disk{seed}.vmdk"));
        let convert = Run::new("qemu-img").words("convert -O vmdk -o subformat=streamOptimized");
        convert.arg(&own).arg(vmdk).run();
        own
    });
    let text = descriptor(&["vm-disk1.vmdk", "vm-disk2.vmdk"], "");
    std::fs::write(scratch.join("vm.ovf"), text).unwrap();
    let mut manifest = String::new();
    for name in ["vm.ovf", "vm-disk1.vmdk", "vm-disk2.vmdk"] {
        manifest += &format!("SHA256({name})= {}\n", images::sha256(&scratch.join(name)));
    }
    std::fs::write(scratch.join("vm.mf"), manifest).unwrap();
    raws
}

fn archive(scratch: &Scratch, files: &[&str]) -> PathBuf {
    let ova = scratch.join("vm.ova");
    let tar = Run::new("tar")
        .words("--format=ustar -cf")
        .arg(&ova)
        .arg("-C");
    tar.arg(ova.parent().unwrap()).args(files).run();
    ova
}

const ALL: [&str; 4] = ["vm.ovf", "vm.mf", "vm-disk1.vmdk", "vm-disk2.vmdk"];

/// The disks by their names.
fn disks(image: &Path) -> Vec<(String, SharedSource)> {
    let opened = library::open_with(image, &Options::default());
    let own = |node: &Node| (node.name.clone(), node.source.clone().unwrap());
    opened.stack.disks.iter().map(own).collect()
}

fn with_disk(name: &str) -> Options {
    let mut options = Options::default();
    options.format.disk = Some(name.to_owned());
    options
}

fn refused(image: &Path) -> String {
    refusal(image).to_string()
}

fn refusal(image: &Path) -> Error {
    let error = open(image, &Options::default()).err();
    error.expect("it is refused")
}

#[test]
fn o05_two_disks_chosen_by_name() {
    need!(tool "qemu-img", tool "tar");
    let scratch = Scratch::new();
    let raws = package(&scratch);
    for image in [archive(&scratch, &ALL), scratch.join("vm.ovf")] {
        let found = disks(&image);
        assert_eq!(found.len(), 2);
        for ((found, disk), (name, raw)) in found.iter().zip(["disk1", "disk2"].iter().zip(&raws)) {
            assert_eq!(found, name);
            compare(disk, raw);
        }
        for name in ["disk2", "vm-disk2", "vm-disk2.vmdk"] {
            compare(&disk_with(&image, &with_disk(name)), &raws[1]);
        }
        let text = open(&image, &with_disk("disk3")).err().unwrap().to_string();
        assert!(text.contains("disk2 (vm-disk2.vmdk)"), "{text}");
    }
}

#[test]
fn one_disk_is_shown_as_any_other() {
    need!(tool "qemu-img", tool "tar");
    let scratch = Scratch::new();
    let raws = package(&scratch);
    std::fs::write(scratch.join("vm.ovf"), descriptor(&["vm-disk1.vmdk"], "")).unwrap();
    let image = archive(&scratch, &["vm.ovf", "vm-disk1.vmdk"]);
    assert_eq!(disks(&image)[0].0, "disk");
    compare(&super::disk(&image), &raws[0]);
}

#[test]
fn a_descriptor_of_vmware_finds_its_extents_in_the_archive() {
    need!(tool "qemu-img", tool "tar");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 3);
    let convert = Run::new("qemu-img").words("convert -O vmdk -o subformat=monolithicFlat");
    convert.arg(&raw).arg(scratch.join("flat.vmdk")).run();
    let text = descriptor(&["flat.vmdk"], "");
    std::fs::write(scratch.join("vm.ovf"), text).unwrap();
    let files = ["vm.ovf", "flat.vmdk", "flat-flat.vmdk"];
    compare(&super::disk(&archive(&scratch, &files)), &raw);
    // Its extent is not looked for beside the archive.
    let text = refused(&archive(&scratch, &files[..2]));
    assert!(text.contains("is not in the archive"), "{text}");
}

#[test]
fn files_in_chunks() {
    need!(tool "tar");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 4);
    let bytes = std::fs::read(&raw).unwrap();
    let mut files = vec!["vm.ovf".to_owned()];
    for (index, chunk) in bytes.chunks(1_000_000).enumerate() {
        let name = format!("a b.raw.{index:09}");
        std::fs::write(scratch.join(&name), chunk).unwrap();
        files.push(name);
    }
    let more = format!(r#"ovf:size="{SIZE}" ovf:chunkSize="1000000""#);
    let text = descriptor(&["a%20b.raw"], &more);
    std::fs::write(scratch.join("vm.ovf"), text).unwrap();
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    compare(&super::disk(&archive(&scratch, &names)), &raw);
    compare(&super::disk(&scratch.join("vm.ovf")), &raw);
    let text = refused(&archive(&scratch, &names[..3]));
    assert!(text.contains("a b.raw.000000002 is not there"), "{text}");
}

#[test]
fn o01_names_that_lead_out_of_the_archive() {
    need!(tool "tar");
    let scratch = Scratch::new();
    let (refused_kind, missing) = (Kind::Refused, Kind::NotFound);
    for (name, kind, shown, expected) in [
        (
            "../../etc/passwd",
            refused_kind,
            "../../etc/passwd",
            "leads out of the archive",
        ),
        (
            "/etc/passwd",
            refused_kind,
            "/etc/passwd",
            "leads out of the archive",
        ),
        (
            "http://example.org/disk",
            refused_kind,
            "href http://example.org/disk",
            "is not in the package",
        ),
        (
            "file:///etc/passwd",
            refused_kind,
            "href file:///etc/passwd",
            "is not in the package",
        ),
        ("passwd", missing, "passwd", "which is a disk, is not there"),
        (
            "..%2fpasswd",
            refused_kind,
            "../passwd",
            "leads out of the archive",
        ),
    ] {
        let own = descriptor(&[name], "");
        std::fs::write(scratch.join("vm.ovf"), &own).unwrap();
        // The element of the descriptor that names it is told.
        let error = refusal(&archive(&scratch, &["vm.ovf"]));
        let words = ["vm.ovf: ", shown, expected];
        check(&error, kind, &words, own.find("<File"));
        let text = refused(&scratch.join("vm.ovf"));
        assert!(!text.contains("root:"), "{text}");
    }
}

#[test]
fn o02_entities_in_the_descriptor() {
    need!(tool "tar");
    let scratch = Scratch::new();
    let mut bomb = String::from("<!DOCTYPE x [<!ENTITY l0 \"lol\">");
    for level in 1..12 {
        let own = format!("&l{};", level - 1).repeat(10);
        bomb += &format!("<!ENTITY l{level} \"{own}\">");
    }
    let body = descriptor(&["&l11;"], "");
    let body = body.split_once("?>").unwrap().1;
    let external = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">";
    for start in [bomb.as_str(), external] {
        let text = format!("{start}]>{body}");
        std::fs::write(scratch.join("vm.ovf"), &text).unwrap();
        for image in [archive(&scratch, &["vm.ovf"]), scratch.join("vm.ovf")] {
            let error = refusal(&image);
            let words = ["XML: a document type declaration"];
            check(&error, Kind::Unsupported, &words, text.find("<!DOCTYPE"));
        }
    }
}

#[test]
fn o04_a_manifest_that_does_not_hold() {
    need!(tool "qemu-img", tool "tar");
    let scratch = Scratch::new();
    package(&scratch);
    let check = |image: &Path| {
        let opened = library::open_with(image, &Options::default());
        let mut wrong = Vec::new();
        let each = &mut |finding: imgmount::check::Finding| wrong.push(finding);
        imgmount::check::check(&opened.stack, each, &mut |_| ());
        let own = wrong.iter().filter(|it| it.volume.starts_with("vm"));
        let texts: Vec<String> = own
            .map(|it| format!("{}: {}", it.volume, it.error))
            .collect();
        (texts, opened.notices.all())
    };
    assert_eq!(check(&archive(&scratch, &ALL)).0, Vec::<String>::new());
    assert_eq!(check(&scratch.join("vm.ovf")).0, Vec::<String>::new());
    let manifest = std::fs::read_to_string(scratch.join("vm.mf")).unwrap();
    let mut text = descriptor(&["vm-disk1.vmdk", "vm-disk2.vmdk"], "");
    text.push('\n');
    std::fs::write(scratch.join("vm.ovf"), text).unwrap();
    let mut vmdk = std::fs::read(scratch.join("vm-disk2.vmdk")).unwrap();
    vmdk[900] ^= 1;
    std::fs::write(scratch.join("vm-disk2.vmdk"), vmdk).unwrap();
    let more = format!("{manifest}SHA1(gone)= 00\n");
    std::fs::write(scratch.join("vm.mf"), more).unwrap();
    for image in [archive(&scratch, &ALL), scratch.join("vm.ovf")] {
        let (wrong, notices) = check(&image);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].starts_with("vm.ovf: its SHA256"), "{wrong:?}");
        assert!(
            wrong[1].starts_with("vm-disk2.vmdk: its SHA256"),
            "{wrong:?}"
        );
        let notices = notices.join("\n");
        assert!(notices.contains("vm.ovf: its SHA256"), "{notices}");
        assert!(
            notices.contains("names gone, which is not there"),
            "{notices}"
        );
    }
}

/// An archive of `files`, the names and bytes of which it has.
fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// That `image` is refused, in a time that is bounded although each of its images holds as many; and
/// what is said of them.
fn bounded(image: &Path) -> String {
    let started = std::time::Instant::now();
    let run = Run::new("timeout").args(["--kill-after=5", "60"]);
    let run = run.arg(env!("CARGO_BIN_EXE_imgmount")).args(["info", "-v"]);
    let output = run.arg(image).output();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(started.elapsed().as_secs() < 60, "it hangs");
    said.into_owned()
}

#[test]
fn o01_o06_g10_packages_that_each_name_one_64_times() {
    // By one name it is opened once; there are many ways to write it.
    let same = vec!["inner".to_owned(); 64];
    let other = (0..64).map(|dots| format!("{}inner", "./".repeat(dots)));
    let cases = [
        (same, "it holds 64 disks by itself"),
        (other.collect(), "over 1088 images in or behind one"),
    ];
    for (names, words) in cases {
        let scratch = Scratch::new();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut inner = vec![7; 512];
        for _ in 0..8 {
            let text = descriptor(&names, "");
            inner = tar_of(&[("vm.ovf", text.as_bytes()), ("inner", &inner)]);
        }
        let image = scratch.join("vm.ova");
        std::fs::write(&image, inner).unwrap();
        let said = bounded(&image);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn o06_g10_packed_archives_of_64_packed_archives() {
    let scratch = Scratch::new();
    let packed = |bytes: &[u8]| {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let mut inner = packed(&[7; 512]);
    for _ in 0..4 {
        let names: Vec<String> = (0..64).map(|number| format!("{number}.img.gz")).collect();
        let files: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), &inner[..]))
            .collect();
        inner = packed(&tar_of(&files));
    }
    let image = scratch.join("all.tar.gz");
    std::fs::write(&image, inner).unwrap();
    let said = bounded(&image);
    assert!(said.contains("over 1088 images in or behind one"), "{said}");
}

/// Sixteen descriptors, each of which says that all the others are its disks.
#[test]
fn o06_g10_descriptors_that_name_one_another() {
    let scratch = Scratch::new();
    let names: Vec<String> = (0..16).map(|number| format!("{number}.ovf")).collect();
    for name in &names {
        let others = names.iter().filter(|other| *other != name);
        let others: Vec<&str> = others.map(String::as_str).collect();
        std::fs::write(scratch.join(name), descriptor(&others, "")).unwrap();
    }
    let said = bounded(&scratch.join("0.ovf"));
    assert!(said.contains("backing loop"), "{said}");
}

#[test]
fn the_collected_archive_is_sound_and_its_disk_a_stub() {
    need!(images);
    let scratch = Scratch::new();
    let image = images::unpack("container/ova/testserver.ova.xz", &scratch);
    // Four bytes, which no container claims.
    assert_eq!(super::disk(&image).size(), 4);
}

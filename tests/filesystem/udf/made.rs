//! Every kind of volume that mkudffs makes.

use std::path::Path;

use imgmount::filesystem::Usage;
use imgmount::format::Description;
use imgmount::service::open::Options;
use imgmount::stack::Content;

use super::{mkudffs, udfinfo};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// Opens the volume that mkudffs makes with `options`, and compares what it says of itself with
/// udfinfo and blkid.
fn check(options: &str, blocks: u32) -> (Usage, Description) {
    let scratch = Scratch::new();
    agree(&mkudffs(options, blocks, &scratch), options)
}

/// Opens `image`, which `options` tell of, and compares what it says of itself with udfinfo.
fn agree(image: &Path, options: &str) -> (Usage, Description) {
    let opened = library::open_with(image, &Options::default());
    let filesystem = library::file_system(&opened);
    let tree = library::walk(&*filesystem);
    let info = udfinfo(image);
    let folders = tree.values().filter(|record| record.kind == 'd').count();
    assert_eq!(folders.to_string(), info["numdirs"], "{options}");
    assert_eq!(tree.len(), folders, "{options}");
    let usage = filesystem.usage();
    assert_eq!(usage.block_size.to_string(), info["blocksize"], "{options}");
    let Content::FileSystem { format, .. } = &opened.stack.disks[0].content else {
        panic!("{options}: no file system");
    };
    assert_eq!(*format, "udf");
    let source = opened.stack.disks[0].source.as_ref().unwrap();
    let formats = imgmount::filesystem::FORMATS.iter();
    let udf = formats
        .into_iter()
        .find(|known| known.name == "udf")
        .unwrap();
    let found = (udf.describe)(&**source).unwrap();
    let label = String::from_utf8(found.label.clone().unwrap()).unwrap();
    assert_eq!(label, info["label"], "{options}");
    assert_eq!(found.uuid.as_ref(), Some(&info["uuid"]), "{options}");
    let revision = fact(&found, "revision");
    assert!(
        revision.contains(&info["udfrev"]) || revision == info["udfwriterev"],
        "{options}: {revision}"
    );
    (usage, found)
}

fn fact(found: &Description, name: &str) -> String {
    let fact = found.facts.iter().find(|(known, _)| *known == name);
    fact.unwrap_or_else(|| panic!("no {name}")).1.clone()
}

#[test]
fn every_medium_in_every_revision_it_can_have() {
    need!(tool "mkudffs", tool "udfinfo");
    let media = "hd dvd dvdram dvdrw dvdr worm mo cdrw cdr bdr";
    let mut kinds = std::collections::BTreeSet::new();
    for medium in media.split(' ') {
        for revision in ["1.01", "1.02", "1.50", "2.00", "2.01", "2.50", "2.60"] {
            // UDF knows metadata partitions, sparing and virtual tables only from a revision on.
            let early = matches!(revision, "1.01" | "1.02");
            let needs_150 = matches!(medium, "cdrw" | "cdr" | "dvdrw" | "dvdr" | "bdr" | "worm");
            if early && needs_150 {
                continue;
            }
            let options = format!("--media-type={medium} --udfrev={revision}");
            if !is_made(&options) {
                continue;
            }
            let (_, found) = check(&options, 3000);
            kinds.insert(fact(&found, "partitions"));
        }
    }
    let wanted = ["physical", "physical, virtual", "sparable"];
    assert!(wanted.iter().all(|kind| kinds.contains(*kind)), "{kinds:?}");
}

/// Whether mkudffs makes such a volume at all.
fn is_made(options: &str) -> bool {
    let scratch = Scratch::new();
    let mkudffs = Run::new("mkudffs")
        .words("--new-file --no-write")
        .words(options);
    let image = scratch.join("none");
    let status = mkudffs
        .arg(image)
        .arg("3000")
        .command()
        .output()
        .unwrap()
        .status;
    status.success()
}

#[test]
fn every_block_size() {
    need!(tool "mkudffs", tool "udfinfo");
    for size in [512, 1024, 2048, 4096, 8192, 16384, 32768] {
        let (usage, _) = check(&format!("--blocksize={size} --udfrev=2.01"), 3000);
        assert_eq!(usage.block_size, size);
    }
}

#[test]
fn every_way_to_keep_entries_descriptors_and_free_space() {
    need!(tool "mkudffs", tool "udfinfo");
    for strategy in ["4", "4096"] {
        for descriptors in ["inicb", "short", "long"] {
            for space in ["freedbitmap", "freedtable", "unallocbitmap", "unalloctable"] {
                let options = format!(
                    "--media-type=hd --udfrev=1.50 --blocksize=2048 --strategy={strategy} \
                     --ad={descriptors} --space={space}"
                );
                check(&options, 3000);
            }
        }
    }
    check("--udfrev=2.01 --noefe", 3000);
    check(
        "--udfrev=2.01 --spartable=4 --packetlen=16 --sparspace=64",
        3000,
    );
    check("--media-type=cdr --udfrev=2.01 --closed", 3000);
}

#[test]
fn free_blocks_as_udfinfo_counts_them() {
    need!(tool "mkudffs", tool "udfinfo");
    for options in [
        "--media-type=hd --blocksize=512",
        "--media-type=cdrw --udfrev=2.01",
        "--media-type=hd --udfrev=1.50 --space=unalloctable",
    ] {
        let scratch = Scratch::new();
        let image = mkudffs(options, 4000, &scratch);
        let opened = library::open_with(&image, &Options::default());
        let usage = library::file_system(&opened).usage();
        assert_eq!(
            usage.free.to_string(),
            udfinfo(&image)["freeblocks"],
            "{options}"
        );
        let length: u64 = partition_length(&image);
        assert_eq!(usage.blocks, length, "{options}");
    }
}

/// Blocks of the space that udfinfo shows as the partition.
fn partition_length(image: &std::path::Path) -> u64 {
    let text = Run::new("udfinfo").arg(image).stdout();
    let text = String::from_utf8(text).unwrap();
    let line = text
        .lines()
        .find(|line| line.ends_with("type=PSPACE"))
        .unwrap();
    let blocks = line.split("blocks=").nth(1).unwrap();
    blocks.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn labels_and_uuids_as_blkid_has_them() {
    need!(tool "mkudffs", tool "blkid");
    for options in [
        "--utf8 --uuid=0123456789abcdef --label=Größe",
        "--u8 --label=plain --fullvsid=0123ABCDxyz!morethanthat",
        "--fullvsid=nohexdigitsatall --label=x",
        "--utf8 --label=日本語 --fullvsid=short",
        "--label=half --fullvsid=20c624ac",
        "--label=more --fullvsid=20c624acxy",
        "--label=eight --fullvsid=not-hex!",
    ] {
        let scratch = Scratch::new();
        let image = mkudffs(options, 1000, &scratch);
        let opened = library::open_with(&image, &Options::default());
        let source = opened.stack.disks[0].source.as_ref().unwrap();
        let mut formats = imgmount::filesystem::FORMATS.iter();
        let udf = formats.find(|known| known.name == "udf").unwrap();
        let found = (udf.describe)(&**source).unwrap();
        let blkid = |name: &str| {
            let blkid = Run::new("blkid")
                .words("-p -o value -s")
                .arg(name)
                .arg(&image);
            let text = blkid
                .command()
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap()
                .stdout;
            String::from_utf8(text).unwrap().trim_end().to_owned()
        };
        assert_eq!(found.uuid.unwrap_or_default(), blkid("UUID"), "{options}");
        let label = String::from_utf8(found.label.unwrap()).unwrap();
        assert_eq!(label, blkid("LABEL"), "{options}");
    }
}

/// What was there before can leave its anchors where the second volume has nothing.
#[test]
fn a_volume_that_was_formatted_again_with_other_blocks_is_the_second() {
    need!(tool "mkudffs", tool "udfinfo");
    let scratch = Scratch::new();
    let sizes = [512, 1024, 2048, 4096];
    let pairs = sizes.map(|first| sizes.map(|second| (first, second)));
    for (first, second) in pairs.into_iter().flatten() {
        for mebibytes in [10, 20] {
            let what = format!("{first}, then {second}, {mebibytes} MiB");
            let image = scratch.file(&what, mebibytes << 20);
            for size in [first, second] {
                let options = format!("--blocksize={size} --label=L{size}");
                Run::new("mkudffs").words(&options).arg(&image).stdout();
            }
            agree(&image, &what);
            let opened = library::open_with(&image, &Options::default());
            assert_eq!(opened.notices.all(), [""; 0], "{what}");
        }
    }
}

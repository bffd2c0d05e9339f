//! L03, L10: what many areas and many physical volumes with one text cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use imgmount::cache::Cache;
use imgmount::format::{Context, Format, Options, Set};
use imgmount::source::{Memory, SharedSource};
use imgmount::volume::{FORMATS, Open, Opened};

use crate::partition::disk;
use crate::stack::sets::mbr;
use crate::volume::lvm::made::{Physical, START, checksum, hidden, linear, logical, segment, text};

/// Areas that a label of one sector has room for.
const AREAS: u64 = 24;
/// Where the first of them is.
const FIRST: u64 = 4096;

fn lvm() -> &'static Format<Open> {
    let mut formats = FORMATS.iter();
    formats.find(|it| it.name == "LVM2_member").unwrap()
}

/// A text of `count` volumes on the physical volumes called `letters`.
fn volumes(letters: &str, count: usize) -> String {
    let volume = |number| logical(&format!("l{number}"), &[linear(0, 1, "\"pv0\", 0")]);
    let volumes: String = (0..count).map(volume).collect();
    text(1, letters, 8, "", &volumes)
}

/// Writes to the label of `image` that its metadata areas are these.
fn list(image: &mut [u8], areas: &[(u64, u64)]) {
    let label = &mut image[512..1024];
    let ends = [(START, 0), (0, 0)];
    let words = ends.iter().chain(areas).chain(&[(0, 0)]);
    let words = words.flat_map(|(offset, size)| [*offset, *size]);
    for (word, place) in words.zip(label[72..].chunks_exact_mut(8)) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let crc = checksum(&label[20..]);
    label[16..20].copy_from_slice(&crc.to_le_bytes());
}

/// Writes the header of an area of `size` bytes from `at` on, with the text of `len` bytes at byte
/// `text` of the image.
fn area(image: &mut [u8], (at, size): (u64, u64), text: u64, len: u64) {
    let bytes = &image[text as usize..(text + len) as usize];
    // Megabytes are no test's to sum up: whoever reads with --ignore-checksums reads them as well.
    let sum = if len < 1 << 20 { checksum(bytes) } else { 0 };
    let header = &mut image[at as usize..at as usize + 512];
    header[4..20].copy_from_slice(b" LVM2 x[5A%r0N*>");
    header[20..24].copy_from_slice(&1_u32.to_le_bytes());
    let words = [at, size, text - at, len];
    for (word, place) in words.iter().zip(header[24..].chunks_exact_mut(8)) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    header[56..60].copy_from_slice(&sum.to_le_bytes());
    let crc = checksum(&header[4..]);
    header[..4].copy_from_slice(&crc.to_le_bytes());
}

/// One physical volume whose label lists `areas`, all with `text`.
fn sharing(text: &str, areas: &[u64]) -> Vec<u8> {
    let (start, len) = (FIRST + AREAS * 512, text.len() as u64);
    let mut image = Physical::new('a', "").head();
    image.resize((start + len) as usize, 0);
    image[start as usize..].copy_from_slice(text.as_bytes());
    let areas: Vec<_> = areas.iter().map(|at| (*at, start + len - at)).collect();
    for range in &areas {
        area(&mut image, *range, start, len);
    }
    list(&mut image, &areas);
    image
}

/// What it costs to claim `image`, which is a member.
fn claimed(image: Vec<u8>) -> AllocationInfo {
    let source = Memory(image);
    measure(|| {
        let set = (lvm().claim)(&source).unwrap();
        assert!(matches!(set, Some(Set::Member { .. })));
    })
}

/// Each physical volume is asked for its group, and each has the text of all volumes.
#[test]
fn l03_claiming_does_not_read_the_logical_volumes() {
    let cost = |count| claimed(sharing(&volumes("a", count), &[FIRST])).count_total;
    let (few, many) = (cost(1), cost(10_000));
    assert!(many < few + 10, "{many} for {few}");
}

#[test]
fn l03_a_text_that_many_areas_have_is_parsed_once() {
    let letters: String = ('b'..='z').cycle().take(1000).collect();
    let text = volumes(&format!("a{letters}"), 0);
    let one = claimed(sharing(&text, &[FIRST])).count_total;
    assert!(one > 3000, "{one}");
    let same = [FIRST; AREAS as usize];
    let beside: Vec<u64> = (0..AREAS).map(|number| FIRST + number * 512).collect();
    for areas in [&same[..], &beside] {
        let many = claimed(sharing(&text, areas)).count_total;
        assert!(many < one + 1000, "{many} for {one}");
    }
}

#[test]
fn l03_texts_of_more_than_two_areas_are_not_all_parsed() {
    const LEN: u64 = 11 << 20;
    let mut image = Physical::new('a', "").head();
    let mut areas = Vec::new();
    for (number, letters) in (0..3).zip(["a", "ab", "abc"]) {
        let at = FIRST + number * (LEN + 512);
        let text = text(number + 1, letters, 8, "", "");
        image.resize((at + 512) as usize, 0);
        image.extend(text.as_bytes());
        image.resize((at + 512 + LEN) as usize, b'#');
        area(&mut image, (at, LEN + 512), at + 512, LEN);
        areas.push((at, LEN + 512));
    }
    list(&mut image, &areas);
    let set = (lvm().claim)(&Memory(image)).unwrap();
    let Some(Set::Member { expected, .. }) = set else {
        panic!("{set:?}");
    };
    assert_eq!(expected, 2);
}

#[test]
fn l10_many_physical_volumes_with_one_text_are_held_as_one() {
    let letters: String = ('a'..='t').collect();
    let text = volumes(&letters, 1000);
    let physical = |letter| {
        let area = 1 << 20;
        let physical = Physical {
            area,
            ..Physical::new(letter, &text)
        };
        Arc::new(Memory(physical.head())) as SharedSource
    };
    let members: Vec<SharedSource> = letters.chars().map(physical).collect();
    let most = |members: &[SharedSource]| {
        let context = Context::new(Cache::new(1 << 20));
        let measured = measure(|| {
            let opened = (lvm().open)(members, &context).unwrap();
            assert_eq!(opened.volumes.len(), 1000);
        });
        measured.bytes_max
    };
    let (one, all) = (most(&members[..1]), most(&members));
    assert!(all < 2 * one, "{all} for {one}");
}

/// Each area has to be known as what it lies on, among all that the stripes lie on.
#[test]
fn l10_stripes_on_many_volumes_are_made_at_once() {
    const VOLUMES: usize = 20_000;
    const AREAS: usize = 200_000;
    let zero = segment(0, 1, "type = \"zero\"");
    let mut all: String = (0..VOLUMES)
        .map(|number| hidden(&format!("l{number}"), std::slice::from_ref(&zero)))
        .collect();
    let areas = (0..AREAS).map(|number| format!("\"l{}\", 0", number.min(VOLUMES - 1)));
    let areas = areas.collect::<Vec<_>>().join(", ");
    let stripes =
        format!("type = \"striped\"\nstripe_count = {AREAS}\nstripe_size = 8\nstripes = [{areas}]");
    all.push_str(&logical("big", &[segment(0, AREAS as u64, &stripes)]));
    let image = sharing(&text(1, "a", 8, "", &all), &[FIRST]);
    let source = Arc::new(Memory(image)) as SharedSource;
    let context = disk::context(Options {
        ignore_checksums: true,
        ..Options::default()
    });
    let start = Instant::now();
    let opened = (lvm().open)(&[source], &context).unwrap();
    assert!(opened.volumes[0].source.is_ok());
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(15), "{taken:?}");
}

/// Each is kept as long as the volume is open, and there may be as many groups as partitions.
#[test]
fn l10_areas_have_the_room_of_all_tables_in_common() {
    const AREAS: usize = 400_000;
    let zero = segment(0, 1, "type = \"zero\"");
    let areas = vec!["a,0"; AREAS].join(",");
    let stripes =
        format!("type = \"striped\"\nstripe_count = {AREAS}\nstripe_size = 8\nstripes = [{areas}]");
    let all = [
        hidden("a", &[zero]),
        logical("b", &[segment(0, AREAS as u64, &stripes)]),
    ];
    let image = sharing(&text(1, "a", 8, "", &all.concat()), &[FIRST]);
    let source = Arc::new(Memory(image)) as SharedSource;
    let context = disk::context(Options {
        ignore_checksums: true,
        ..Options::default()
    });
    let open = || (lvm().open)(std::slice::from_ref(&source), &context).unwrap();
    let groups: Vec<_> = (0..5).map(|_| open()).collect();
    let opens = |group: &Opened| group.volumes[0].source.is_ok();
    assert_eq!(groups.iter().filter(|it| opens(it)).count(), 3);
    let error = groups[4].volumes[0].source.as_ref().err().unwrap();
    let words = "b: tables of over 50331648 bytes together";
    assert!(error.to_string().contains(words), "{error}");
    // Nor are they told one by one, which takes a hundred times as much.
    let told = |group: &Opened| group.description.as_ref().unwrap().volumes.clone();
    let told = groups.iter().flat_map(told);
    let told: Vec<_> = told.map(|it| (it.name, it.stretches.len())).collect();
    let each = |_| [("a".to_owned(), 1), ("b".to_owned(), 0)];
    assert_eq!(told, (0..5).flat_map(each).collect::<Vec<_>>());
    let notices = context.notices.all();
    assert_eq!(
        notices,
        ["what some volumes lie on is not told: it is too much"]
    );
    drop(groups);
    assert!(opens(&open()));
}

/// Each is a name that has to be held until the group is opened.
#[test]
fn l10_more_physical_volumes_than_there_may_be_are_no_group() {
    let claimed = |count| {
        let letters = "a".repeat(count);
        let image = sharing(&text(1, &letters, 8, "", ""), &[FIRST]);
        (lvm().claim)(&Memory(image)).unwrap().unwrap()
    };
    let most = claimed(8192);
    assert!(matches!(most, Set::Member { expected: 8192, .. }));
    assert!(matches!(claimed(8193), Set::Stray { .. }));
}

/// Four partitions in each of four tables, and so on: 256 physical volumes on the same bytes, each of
/// which costs 16 MiB whenever it is asked.
#[test]
fn l10_physical_volumes_over_one_another_are_not_all_read() {
    let mut disk = sharing(&"=".repeat(16 << 20), &[FIRST]);
    disk.resize(disk.len().next_multiple_of(512), 0);
    for _ in 0..4 {
        disk = mbr(&[disk]);
        let entry = disk[446..462].to_vec();
        for slot in disk[462..510].chunks_exact_mut(16) {
            slot.copy_from_slice(&entry);
        }
    }
    let most = (1 << 30) + 2 * disk.len();
    let (stack, notices) = disk::open(disk);
    let mut leaves = stack.nodes();
    leaves.retain(|node| node.content.children().is_empty());
    assert_eq!(leaves.len(), 256);
    let with = |words: &str| {
        let kinds = leaves.iter().map(|node| disk::kind(&node.content));
        kinds.filter(|kind| kind.contains(words)).count()
    };
    let words = format!("over {most} bytes of the image were read before");
    assert_eq!(with(&words), 256);
    let words = format!("over {most} bytes were read to find out what is in the image");
    assert!(
        notices.iter().any(|it| it.starts_with(&words)),
        "{notices:?}"
    );
    // Whose bytes are shown all the same.
    let source = leaves[200].source.as_ref().unwrap();
    let mut label = [0; 8];
    source.read_exact_at(&mut label, 512).unwrap();
    assert_eq!(&label, b"LABELONE");
}

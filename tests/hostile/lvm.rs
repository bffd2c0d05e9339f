//! LVM2 by HOSTILE.md: labels, areas and texts broken field by field, and volumes that stand on
//! themselves.

use std::time::{Duration, Instant};

use imgmount::error::Kind;
use imgmount::stack::{Content, Stack};

use super::expect::check;
use crate::partition::disk;
use crate::support::cut::cut;
use crate::support::images::Scratch;
use crate::volume::lvm::bytes;
use crate::volume::lvm::groups::{error, look};
use crate::volume::lvm::made::{
    EXTENT, Physical, START, checksum, extent, hidden, linear, logical, segment, text,
};

/// One physical volume of eight extents with this text.
fn image(text: &str) -> Vec<u8> {
    Physical::new('a', text).with(8)
}

/// A group with `root` on two extents, and this besides.
fn with(more: &str) -> Vec<u8> {
    let root = logical("root", &[linear(0, 2, "\"pv0\", 3")]);
    image(&text(1, "a", 8, "", &(root + more)))
}

/// That `root` is there and right, and that the volume called `name` is not for a reason of `kind`
/// whose text holds `words`, at byte `at`.
fn refused(stack: &Stack, name: &str, kind: Kind, words: &str, at: impl Into<Option<usize>>) {
    let expected = [extent('a', 3), extent('a', 4)].concat();
    assert!(bytes(stack, "vg0/root") == Ok(expected), "{name}");
    let error = bytes(stack, &format!("vg0/{name}")).unwrap_err();
    check(&error, kind, &[name, words], at.into());
}

/// That nothing of `image`, which must not be its seed, is there, for a reason as above.
pub(super) fn all_refused(image: Vec<u8>, kind: Kind, words: &str, at: impl Into<Option<usize>>) {
    assert!(image != with(""), "the mutant is its seed: {words}");
    let (stack, _) = look(&[image]);
    check(error(&stack), kind, &["LVM2_member: ", words], at.into());
}

/// Where the first text begins: its area is at 4096 and has a header of 512 bytes.
pub(super) const TEXT: usize = 4096 + 512;

/// Where `image` has `token` first in its text behind the first `section`.
fn place(image: &[u8], section: &str, token: &str) -> usize {
    let find = |word: &str, from: usize| {
        let found = image[from..].windows(word.len());
        from + found
            .clone()
            .position(|it| it == word.as_bytes())
            .expect(word)
    };
    find(token, find(section, TEXT))
}

/// Writes `value` at byte `at` of the first metadata area's header, whose checksum is right again.
fn header(image: &mut [u8], at: usize, value: u64) {
    image[4096 + at..4096 + at + 8].copy_from_slice(&value.to_le_bytes());
    let crc = checksum(&image[4100..4096 + 512]);
    image[4096..4100].copy_from_slice(&crc.to_le_bytes());
}

/// The same in the label.
fn label(image: &mut [u8], at: usize, value: u64) {
    image[512 + at..512 + at + 8].copy_from_slice(&value.to_le_bytes());
    let crc = checksum(&image[512 + 20..1024]);
    image[512 + 16..512 + 20].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn l01_a_label_whose_checksum_is_wrong_is_refused_at_its_byte() {
    let mut image = with("");
    image[512 + 100] ^= 1;
    all_refused(
        image.clone(),
        Kind::Corrupt,
        "label: crc_xl is 0x",
        512 + 16,
    );
    let (stack, _) = look(&[image]);
    assert_eq!(
        stack.disks[0].source.as_ref().unwrap().size(),
        START + 8 * EXTENT
    );
}

#[test]
fn l01_a_label_that_leads_out_of_its_sector_is_refused() {
    for offset in [512, u32::MAX, 480] {
        let mut image = with("");
        let kind = u32::from_le_bytes(*b"LVM2");
        label(&mut image, 20, u64::from(offset) | u64::from(kind) << 32);
        let words = format!("label: offset_xl is {offset}, outside its sector");
        all_refused(image, Kind::Corrupt, &words, 512 + 20);
    }
}

#[test]
fn l02_a_metadata_area_outside_of_the_disk_is_refused() {
    for (at, value, words) in [
        (
            104,
            1 << 60,
            "metadata area at 0x1000000000000000: its 57344 bytes are past the end",
        ),
        (
            112,
            1 << 60,
            "its 1152921504606846976 bytes are past the end",
        ),
        (
            112,
            u64::MAX,
            "its 18446744073709551615 bytes are past the end of",
        ),
        (
            112,
            512,
            "its 512 bytes are past the end of 163840, or too few",
        ),
    ] {
        let mut image = with("");
        label(&mut image, at, value);
        // The label lists the area with its offset first.
        all_refused(image, Kind::Corrupt, words, 512 + 104);
    }
}

#[test]
fn l02_a_metadata_header_that_says_otherwise_is_refused() {
    let (far, corrupt) = (1 << 60, Kind::Corrupt);
    for (at, value, kind, words) in [
        (24, 8192, corrupt, "its header says that it is at 0x2000"),
        (32, far, corrupt, "with 1152921504606846976 bytes"),
        (
            40,
            far,
            corrupt,
            "at 0x1000000000000000 do not fit into its ring",
        ),
        (40, 100, corrupt, "at 0x64 do not fit into its ring"),
        (
            48,
            far,
            Kind::Unsupported,
            "a text of 1152921504606846976 bytes is over 16777216",
        ),
        (
            48,
            60 << 10,
            corrupt,
            "61440 bytes at 0x200 do not fit into its ring",
        ),
    ] {
        let mut image = with("");
        header(&mut image, at, value);
        all_refused(image, kind, words, 4096 + at);
    }
    let mut image = with("");
    image[4096 + 20] = 7;
    let crc = checksum(&image[4100..4096 + 512]);
    image[4096..4100].copy_from_slice(&crc.to_le_bytes());
    all_refused(image, Kind::Unsupported, "version 7", 4096 + 20);
    let mut image = with("");
    image[4096 + 300] ^= 1;
    all_refused(image, corrupt, "checksum_xl is 0x", 4096);
    let mut image = with("");
    image[TEXT + 9] ^= 1;
    all_refused(image, corrupt, "the text's checksum is 0x", TEXT);
}

#[test]
fn l03_a_text_that_is_none_is_refused() {
    let deep = "a{".repeat(20_000);
    for (text, kind, words, at) in [
        (
            "vg0 { id = \"",
            Kind::Corrupt,
            "metadata text: a string does not end",
            12,
        ),
        (
            "vg0 { id = \"\0\" }",
            Kind::Corrupt,
            "metadata text: a zero byte stands in a string",
            12,
        ),
        // The 33rd brace opens what is too deep.
        (
            &deep,
            Kind::Unsupported,
            "sections nest more than 32 deep",
            33 * 2,
        ),
        ("version = 1", Kind::Corrupt, "the text has no group", 0),
        ("vg0 { }", Kind::Corrupt, "volume group vg0: id is \"\"", 0),
        (
            " vg0 { id=\"x\" }",
            Kind::Corrupt,
            "volume group vg0: id is \"x\"",
            10,
        ),
        (
            "vg0 { } version = 2",
            Kind::Unsupported,
            "version 2 of the metadata text",
            18,
        ),
    ] {
        all_refused(image(text), kind, words, TEXT + at);
    }
}

#[test]
fn l03_a_text_of_256_mib_is_refused_before_it_is_read() {
    let mut image = with("");
    let size = 256 << 20;
    header(&mut image, 32, size);
    header(&mut image, 48, size - 1024);
    label(&mut image, 112, size);
    image.resize(image.len() + size as usize, b' ');
    let start = Instant::now();
    let words = "a text of 268434432 bytes is over 16777216";
    all_refused(image, Kind::Unsupported, words, 4096 + 48);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn l04_volumes_that_stand_on_themselves_are_a_segment_loop() {
    let mirror = "type = \"mirror\"\nmirror_count = 2\nmirrors = [\"m0\", 0, \"m1\", 0]";
    let more = [
        logical("self", &[linear(0, 1, "\"self\", 0")]),
        logical("one", &[linear(0, 1, "\"other\", 0")]),
        logical("other", &[linear(0, 1, "\"one\", 0")]),
        logical("m", &[segment(0, 1, mirror)]),
        hidden("m0", &[linear(0, 1, "\"m\", 0")]),
        hidden("m1", &[linear(0, 1, "\"m\", 0")]),
    ];
    let image = with(&more.concat());
    let (stack, _) = look(std::slice::from_ref(&image));
    // The name that closes the loop is to blame.
    for (name, path, section, token) in [
        ("self", "self on self", "self {", "\"self\""),
        ("one", "one on other on one", "other {", "\"one\""),
        ("other", "one on other on one", "other {", "\"one\""),
        ("m", "m on m0 on m", "m0 {", "\"m\""),
    ] {
        let words = format!("segment loop: {path}");
        let at = place(&image, section, token);
        refused(&stack, name, Kind::Corrupt, &words, at);
    }
}

#[test]
fn l04_arrays_pools_and_caches_that_stand_on_themselves_are_a_segment_loop() {
    let array = |name: &str| {
        let images = (0..2).map(|leg| format!("\"{name}_rmeta_{leg}\", \"{name}_rimage_{leg}\""));
        let images = images.collect::<Vec<_>>().join(", ");
        let body = format!("type = \"raid1\"\ndevice_count = 2\nraids = [{images}]");
        logical(name, &[segment(0, 1, &body)])
    };
    let thin = "type = \"thin\"\nthin_pool = \"pool\"\ntransaction_id = 0\ndevice_id = 1";
    let pool = "type = \"thin-pool\"\nmetadata = \"tmeta\"\npool = \"tdata\"\ntransaction_id = 1";
    let cache = "type = \"cache\"\ncache_pool = \"fast\"\norigin = \"c_corig\"";
    let fast = "type = \"cache-pool\"\nmetadata = \"cmeta\"\ndata = \"cdata\"";
    let on = |name: &str, area: &str| hidden(name, &[linear(0, 1, area)]);
    let mut more = vec![
        array("a"),
        on("a_rmeta_0", "\"a\", 0"),
        array("b"),
        on("b_rimage_0", "\"b\", 0"),
        logical("t", &[segment(0, 1, thin)]),
        hidden("pool", &[segment(0, 1, pool)]),
        on("tdata", "\"t\", 0"),
        logical("c", &[segment(0, 1, cache)]),
        hidden("fast", &[segment(0, 1, fast)]),
        on("c_corig", "\"c\", 0"),
    ];
    let sound = [
        "a_rimage_0",
        "a_rmeta_1",
        "a_rimage_1",
        "b_rmeta_0",
        "b_rmeta_1",
        "b_rimage_1",
    ];
    let pools = ["tmeta", "cmeta", "cdata"];
    more.extend(
        sound
            .iter()
            .chain(&pools)
            .map(|name| on(name, "\"pv0\", 5")),
    );
    let image = with(&more.concat());
    let (stack, _) = look(std::slice::from_ref(&image));
    for (name, through) in [
        ("a", "a_rmeta_0"),
        ("b", "b_rimage_0"),
        ("t", "tdata"),
        ("c", "c_corig"),
    ] {
        let words = format!("segment loop: {name} on {through} on {name}");
        let at = place(&image, &format!("{through} {{"), &format!("\"{name}\""));
        refused(&stack, name, Kind::Corrupt, &words, at);
    }
}

#[test]
fn l04_a_tower_of_volumes_has_an_end() {
    let floors = (0..200).map(|floor| {
        let area = match floor {
            0 => "\"pv0\", 0".to_owned(),
            _ => format!("\"f{}\", 0", floor - 1),
        };
        logical(&format!("f{floor}"), &[linear(0, 1, &area)])
    });
    let floors: Vec<String> = floors.collect();
    let words = "more than 16 volumes stand on one another";
    // From below each is made before the next one needs it, and the 17th stands on too many.
    let low = with(&floors.concat());
    let (stack, _) = look(std::slice::from_ref(&low));
    let at = place(&low, "f16 {", "\"f15\"");
    refused(&stack, "f199", Kind::Unsupported, words, at);
    // From above the 17th is asked for by the 16th.
    let high = with(&floors.into_iter().rev().collect::<String>());
    let (stack, _) = look(std::slice::from_ref(&high));
    let at = place(&high, "f184 {", "\"f183\"");
    refused(&stack, "f199", Kind::Unsupported, words, at);
}

#[test]
fn l05_sizes_that_cannot_be_are_refused() {
    for (field, from, to) in [
        ("extent_size", "8", "0"),
        ("extent_size", "8", "1099511627776"),
        ("extent_size", "8", "-8"),
        ("pe_start", "256", "9223372036854775807"),
    ] {
        let text = text(1, "a", 8, "", "");
        let (from, changed) = (format!("{field} = {from}"), format!("{field} = {to}"));
        assert_eq!(text.matches(&from).count(), 1);
        let at = TEXT + text.find(&from).unwrap() + field.len() + " = ".len();
        let image = image(&text.replace(&from, &changed));
        all_refused(image, Kind::Corrupt, &format!("{field} is {to}"), at);
    }
}

#[test]
fn l05_segments_that_cannot_be_cost_their_volume_alone() {
    let far = 9_000_000_000_000_000_000;
    let stripes = |rest: &str| {
        let two = "stripes = [\"pv0\", 0, \"pv0\", 4]";
        segment(0, 4, &format!("type = \"striped\"\n{rest}\n{two}"))
    };
    let far_area = format!("\"pv0\", {far}");
    // The value that is wrong is to blame, or the segment as a whole.
    for (segment, words, token) in [
        (
            stripes("stripe_count = 0"),
            "stripe_count is 0",
            "0\nstripes",
        ),
        (
            stripes("stripe_count = 2\nstripe_size = 0"),
            "stripe_size is 0",
            "0\nstripes",
        ),
        (
            linear(0, 1, "\"pv0\", 8"),
            "1 extents from 8 on are past the 8 of pv0",
            "\"pv0\", 8",
        ),
        (
            linear(0, far, "\"pv0\", 0"),
            "9000000000000000000 extents of 4096 bytes are too many",
            "segment1",
        ),
        (
            linear(0, 1, &far_area),
            "1 extents from 9000000000000000000 on are past the 8 of pv0",
            &far_area,
        ),
        (
            linear(0, 1, "\"nothing\", 0"),
            "no volume is called nothing",
            "\"nothing\"",
        ),
        (
            linear(far, far, "\"pv0\", 0"),
            "segments leave a gap between extents 9000000000000000000 and 0",
            "segment1",
        ),
        (
            linear(0, 0, "\"pv0\", 0"),
            "segment1: extent_count is 0 from extent 0 on",
            "0\ntype",
        ),
    ] {
        let image = with(&logical("x", &[segment]));
        let (stack, _) = look(std::slice::from_ref(&image));
        let at = place(&image, "x {", token);
        refused(&stack, "x", Kind::Corrupt, words, at);
    }
}

#[test]
fn l06_segments_that_overlap_or_leave_a_gap_cost_their_volume_alone() {
    for (start, words) in [
        (1, "segments overlap between extents 1 and 2"),
        (3, "segments leave a gap between extents 3 and 2"),
    ] {
        let segments = [linear(0, 2, "\"pv0\", 0"), linear(start, 2, "\"pv0\", 2")];
        let image = with(&logical("x", &segments));
        let (stack, _) = look(std::slice::from_ref(&image));
        let at = place(&image, "x {", "segment2");
        refused(&stack, "x", Kind::Corrupt, words, at);
    }
}

#[test]
fn l07_what_is_missing_is_named_and_the_rest_opens() {
    let more = logical("half", &[linear(0, 1, "\"pv1\", 0")]);
    let root = logical("root", &[linear(0, 2, "\"pv0\", 3")]);
    let (stack, _) = look(&[image(&text(1, "ab", 8, "", &(root + &more)))]);
    let words = "physical volume bbbbbb-bbbb-bbbb-bbbb-bbbb-bbbb-bbbbbb is missing";
    // What is here is right: no byte of it is to blame.
    refused(&stack, "half", Kind::NotFound, words, None);
}

#[test]
fn l08_two_copies_of_a_physical_volume_are_refused_and_both_are_listed() {
    let (stack, _) = look(&[with(""), with(""), with("")]);
    // Each of them is right by itself: no byte is to blame.
    let words = ["disk and disk2 are the same member"];
    check(error(&stack), Kind::Corrupt, &words, None);
}

/// Reads all of every volume, as far as it goes.
fn read_all(stack: &Stack) -> usize {
    let mut read = 0;
    for node in stack.nodes() {
        let Ok(source) = &node.source else { continue };
        let mut at = 0;
        while at < source.size().min(1 << 20) {
            let len = (source.size() - at).min(64 << 10);
            read += usize::from(imgmount::source::read_vec(&**source, at, len as usize).is_ok());
            let extent = source.extent_at(at);
            at += extent.map_or(len, |extent| extent.len.get().max(len));
        }
    }
    read
}

#[test]
fn mutants_of_groups_neither_panic_nor_hang() {
    need!(images, tool "xz");
    let count = std::env::var("IMGMOUNT_MUTANTS").map_or(2000, |text| text.parse().unwrap());
    let mut seeds: Vec<(Vec<u8>, Vec<usize>)> = Vec::new();
    for name in ["lvm.raw", "lvm.bin", "lvm-thin.bin", "lvm-mirror-1.bin"] {
        let scratch = Scratch::new();
        let path = crate::support::images::unpack(&format!("volume/lvm/{name}.xz"), &scratch);
        let bytes = std::fs::read(path).unwrap();
        let sectors = bytes.chunks(512).enumerate();
        let used = sectors.filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
        let used = used.map(|(number, _)| number).collect();
        seeds.push((bytes, used));
    }
    let mut numbers = super::flips::Numbers(6);
    let mut read = 0;
    for round in 0..count {
        let (bytes, used) = &seeds[round % seeds.len()];
        let mut mutant = bytes.clone();
        for _ in 0..=numbers.below(6) {
            let sector = used[numbers.below(used.len().min(60))];
            let at = sector * 512 + numbers.below(512);
            mutant[at] ^= 1 << numbers.below(8);
        }
        let context = crate::partition::disk::context(imgmount::format::Options {
            ignore_checksums: round % 2 == 0,
            ..Default::default()
        });
        let source = std::sync::Arc::new(imgmount::source::Memory(mutant));
        let start = Instant::now();
        if let Ok(stack) = Stack::open(source, &context) {
            read += read_all(&stack);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "mutant {round}");
    }
    assert!(read > count, "only {read} pieces were read");
}

#[test]
fn l10_a_million_volumes_are_bounded() {
    let volumes: String = (0..1_000_000)
        .map(|number| format!("l{number}{{}}"))
        .collect();
    let physical = Physical {
        area: 16 << 20,
        ..Physical::new('a', &text(1, "a", 8, "", &volumes))
    };
    let head = physical.head();
    let at = place(&head, "logical_volumes", "l65536{");
    let start = Instant::now();
    let words = "volume group vg0: more than 65536 logical volumes";
    all_refused(head, Kind::Unsupported, words, at);
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn l10_as_many_volumes_as_are_shown_end_with_a_notice() {
    let area = "\"pv0\", 0";
    let volumes: String = (0..20_000)
        .map(|number| logical(&format!("l{number}"), &[linear(0, 1, area)]))
        .collect();
    let physical = Physical {
        area: 8 << 20,
        ..Physical::new('a', &text(1, "a", 8, "", &volumes))
    };
    let (stack, notices) = look(&[physical.head()]);
    assert_eq!(stack.nodes().len(), 4096);
    assert!(
        notices
            .iter()
            .any(|it| it.contains("more than 4096 volumes")),
        "{notices:?}"
    );
    assert!(matches!(stack.disks[0].content, Content::Member { .. }));
    assert!(disk::kind(&stack.sets[0].content).starts_with("table"));
}

#[test]
fn g02_physical_volumes_that_were_cut() {
    let area = |extent: u64| format!("\"pv0\", {extent}");
    let volumes = [
        logical("one", &[linear(0, 2, &area(1)), linear(2, 2, &area(5))]),
        logical("two", &[linear(0, 1, &area(0))]),
    ];
    let image = image(&text(1, "a", 8, "", &volumes.concat()));
    // The disk, and what is on it.
    assert_eq!(cut(&image, |bytes| look(&[bytes.to_vec()]).0), 3);
}

//! Groups made text by text: where labels and texts may be, what may be missing, and where bytes
//! are then.

use std::sync::Arc;

use imgmount::error::Error;
use imgmount::format::Options;
use imgmount::source::{Memory, SharedSource};
use imgmount::stack::{Content, Registries, Stack};

use super::made::{EXTENT, Physical, extent, hidden, id, linear, logical, segment, text};
use super::{bytes, node};
use crate::partition::disk;

/// What is in several images, the second and further added to the first; and the notices.
pub fn look(images: &[Vec<u8>]) -> (Stack, Vec<String>) {
    look_with(images, Options::default())
}

/// The same, as the user chose.
pub fn look_with(images: &[Vec<u8>], options: Options) -> (Stack, Vec<String>) {
    let context = disk::context(options);
    let mut sources = images
        .iter()
        .map(|bytes| -> SharedSource { Arc::new(Memory(bytes.clone())) });
    let first = sources.next().unwrap();
    let others = sources.map(|other| (other, context.clone())).collect();
    let stack = Stack::open_with(Registries::BUILT_IN, first, others, &context).unwrap();
    (stack, context.notices.all())
}

/// The bytes of these extents, one behind the other.
fn extents(list: &[(char, u64)]) -> Vec<u8> {
    let all = list
        .iter()
        .flat_map(|(letter, number)| extent(*letter, *number));
    all.collect()
}

/// A group of two: `lin` from one to the other, and `str` in stripes of two sectors.
fn two() -> String {
    let stripes = "type = \"striped\"\nstripe_count = 2\nstripe_size = 2\n\
                   stripes = [\"pv0\", 3, \"pv1\", 1]";
    let volumes = [
        logical(
            "lin",
            &[linear(0, 2, "\"pv0\", 1"), linear(2, 1, "\"pv1\", 0")],
        ),
        logical("str", &[segment(0, 4, stripes)]),
    ];
    text(5, "ab", 8, "", &volumes.concat())
}

/// The bytes of `str`.
fn striped() -> Vec<u8> {
    let sides = [
        extents(&[('a', 3), ('a', 4)]),
        extents(&[('b', 1), ('b', 2)]),
    ];
    let sides = sides.map(|side| side.chunks(1024).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let pairs = sides[0].iter().zip(&sides[1]);
    pairs
        .flat_map(|(a, b)| [a.clone(), b.clone()].concat())
        .collect()
}

/// The problem of the set or of the only disk.
pub fn problem(stack: &Stack) -> String {
    error(stack).to_string()
}

/// The same before it is printed.
pub fn error(stack: &Stack) -> &Error {
    let content = stack
        .sets
        .first()
        .map_or(&stack.disks[0].content, |set| &set.content);
    match content {
        Content::Damaged { error, .. } => error,
        other => panic!("{}", disk::kind(other)),
    }
}

#[test]
fn linear_and_striped_volumes_lie_over_two_images_in_any_order() {
    let (a, b) = (
        Physical::new('a', &two()).with(8),
        Physical::new('b', &two()).with(8),
    );
    for images in [[a.clone(), b.clone()], [b, a]] {
        let (stack, notices) = look(&images);
        assert_eq!(notices, Vec::<String>::new());
        let lin = extents(&[('a', 1), ('a', 2), ('b', 0)]);
        assert!(bytes(&stack, "vg0/lin") == Ok(lin));
        assert!(bytes(&stack, "vg0/str") == Ok(striped()));
        assert_eq!(stack.sets[0].expected, 2);
    }
}

#[test]
fn the_label_is_in_any_of_four_sectors_and_the_text_goes_round() {
    let text = text(
        1,
        "a",
        4,
        "",
        &logical("root", &[linear(0, 1, "\"pv0\", 2")]),
    );
    for label in 0..4 {
        for at in [512, 1024, 4096, (56 << 10) - 1, (56 << 10) - 100] {
            let physical = Physical {
                label,
                at,
                ..Physical::new('a', &text)
            };
            let (stack, _) = look(&[physical.with(4)]);
            let root = bytes(&stack, "vg0/root");
            assert!(root == Ok(extents(&[('a', 2)])), "{label} {at}");
        }
    }
}

#[test]
fn of_several_texts_the_newest_whole_one_counts() {
    let of = |seqno, area: &str| text(seqno, "a", 4, "", &logical("root", &[linear(0, 1, area)]));
    let physical = Physical {
        texts: vec![of(3, "\"pv0\", 3"), of(9, "\"pv0\", 1")],
        ..Physical::new('a', "")
    };
    let mut image = physical.with(4);
    let (stack, _) = look(&[image.clone()]);
    assert!(bytes(&stack, "vg0/root") == Ok(extents(&[('a', 1)])));
    // A bit of the newer one: the older one is what there is.
    image[4096 + (56 << 10) + 600] ^= 1;
    let (stack, notices) = look(&[image]);
    assert!(bytes(&stack, "vg0/root") == Ok(extents(&[('a', 3)])));
    assert!(notices[0].contains("the text's checksum is"), "{notices:?}");
}

#[test]
fn a_member_that_was_away_has_an_older_text_which_does_not_count() {
    let old = text(
        4,
        "ab",
        8,
        "",
        &logical("gone", &[linear(0, 1, "\"pv0\", 0")]),
    );
    let (a, b) = (
        Physical::new('a', &two()).with(8),
        Physical::new('b', &old).with(8),
    );
    let (stack, notices) = look(&[b, a]);
    assert!(bytes(&stack, "vg0/str") == Ok(striped()));
    assert_eq!(stack.sets[0].content.children().len(), 2);
    assert!(
        notices[0].contains("has the older text 4; 5 is used"),
        "{notices:?}"
    );
}

#[test]
fn a_member_without_a_metadata_area_is_named_by_the_others() {
    let without = Physical {
        texts: Vec::new(),
        ..Physical::new('b', "")
    };
    let (stack, _) = look(&[without.with(8), Physical::new('a', &two()).with(8)]);
    assert!(bytes(&stack, "vg0/str") == Ok(striped()));
    assert_eq!(stack.sets[0].members, ["disk2", "disk"]);
    // By itself it is a physical volume of no group.
    let (stack, _) = look(&[without.with(8)]);
    assert_eq!(disk::kind(&stack.disks[0].content), "table LVM2_member");
}

#[test]
fn l07_of_a_partial_group_the_complete_volumes_open_and_the_others_name_what_is_missing() {
    let volumes = [
        logical("whole", &[linear(0, 2, "\"pv0\", 0")]),
        logical(
            "half",
            &[linear(0, 1, "\"pv0\", 2"), linear(1, 1, "\"pv1\", 0")],
        ),
    ];
    let text = text(1, "ab", 8, "", &volumes.concat());
    let (stack, _) = look(&[Physical::new('a', &text).with(8)]);
    assert!(bytes(&stack, "vg0/whole") == Ok(extents(&[('a', 0), ('a', 1)])));
    let error = bytes(&stack, "vg0/half").unwrap_err().to_string();
    let missing = id('b');
    assert_eq!(
        error,
        format!("half: physical volume {missing} is missing (--with adds the image that it is on)")
    );
    let Content::Table { description, .. } = &stack.sets[0].content else {
        panic!("no table");
    };
    assert!(description.facts.contains(&("missing", missing)));
}

#[test]
fn l08_copies_of_a_physical_volume_are_refused_and_both_are_named() {
    let image = Physical::new('a', &two()).with(8);
    let (stack, _) = look(&[image.clone(), image]);
    let problem = problem(&stack);
    assert!(
        problem.contains("disk and disk2 are the same member"),
        "{problem}"
    );
}

#[test]
fn exported_groups_tags_and_hidden_volumes_are_told() {
    let more = "tags = [\"blue\", \"x@y\"]";
    let volumes = [
        logical("root", &[linear(0, 1, "\"pv0\", 0")])
            .replace("segment_count", "tags = [\"t1\"]\nsegment_count"),
        hidden("root_rimage", &[linear(0, 1, "\"pv0\", 1")]),
    ];
    let text = text(1, "a", 8, more, &volumes.concat());
    let text = text.replacen("\"WRITE\"", "\"WRITE\", \"EXPORTED\"", 1);
    let (stack, notices) = look(&[Physical::new('a', &text).with(8)]);
    let Content::Table {
        description,
        children,
        ..
    } = &stack.sets[0].content
    else {
        panic!("no table");
    };
    assert_eq!(children.len(), 1);
    assert_eq!(description.label.as_deref(), Some(&b"vg0"[..]));
    assert_eq!(description.uuid, Some(id('G')));
    assert_eq!(description.features, ["exported"]);
    for fact in [
        ("tags", "blue, x@y"),
        ("tagged volumes", "root: t1"),
        ("hidden volumes", "root_rimage"),
    ] {
        assert!(
            description.facts.contains(&(fact.0, fact.1.to_owned())),
            "{fact:?}"
        );
    }
    assert!(notices[0].contains("it is exported"), "{notices:?}");
    assert!(bytes(&stack, "vg0/root") == Ok(extents(&[('a', 0)])));
}

#[test]
fn groups_of_one_name_are_told_apart() {
    let of = |letter: char, group: char| {
        let volume = logical("my-root_1.x", &[linear(0, 1, "\"pv0\", 2")]);
        let text = text(1, &letter.to_string(), 8, "", &volume);
        let text = text.replacen(&id('G'), &id(group), 1);
        Physical::new(letter, &text).with(8)
    };
    let (stack, _) = look(&[of('a', 'x'), of('b', 'y')]);
    assert!(bytes(&stack, "vg0/my-root_1.x") == Ok(extents(&[('a', 2)])));
    assert!(bytes(&stack, "vg0~2/my-root_1.x") == Ok(extents(&[('b', 2)])));
}

#[test]
fn a_volume_on_a_volume_and_a_group_in_a_volume() {
    let inner = text(
        1,
        "c",
        4,
        "",
        &logical("deep", &[linear(0, 1, "\"pv0\", 1")]),
    );
    let inner = inner
        .replacen(&id('G'), &id('I'), 1)
        .replacen("vg0", "vg1", 1);
    let inner = Physical::new('c', &inner).with(4);
    let count = inner.len() as u64 / EXTENT;
    let volumes = [
        logical("outer", &[linear(0, count, "\"below\", 1")]),
        hidden("below", &[linear(0, count + 1, "\"pv0\", 0")]),
    ];
    let outer = Physical::new('a', &text(1, "a", count + 1, "", &volumes.concat()));
    let mut image = outer.with(1);
    image.extend(inner);
    let (stack, _) = look(&[image]);
    assert!(bytes(&stack, "vg1/deep") == Ok(extents(&[('c', 1)])));
    assert_eq!(
        node(&stack, "vg0/outer").source.as_ref().unwrap().size(),
        count * EXTENT
    );
}

#[test]
fn a_mirror_reads_the_leg_that_is_there() {
    let mirror = "type = \"mirror\"\nmirror_count = 2\nregion_size = 1024\n\
                  mirrors = [\"m_mimage_0\", 0, \"m_mimage_1\", 0]";
    let volumes = [
        logical("m", &[segment(0, 2, mirror)]),
        hidden("m_mimage_0", &[linear(0, 2, "\"pv0\", 1")]),
        hidden("m_mimage_1", &[linear(0, 2, "\"pv1\", 3")]),
    ];
    let text = text(1, "ab", 8, "", &volumes.concat());
    let image = |letter| Physical::new(letter, &text).with(8);
    let first = extents(&[('a', 1), ('a', 2)]);
    let second = extents(&[('b', 3), ('b', 4)]);
    for (images, expected) in [
        (vec![image('b'), image('a')], first.clone()),
        (vec![image('a')], first),
        (vec![image('b')], second),
    ] {
        let (stack, _) = look(&images);
        assert!(bytes(&stack, "vg0/m") == Ok(expected));
    }
}

/// Of a mirror whose second leg is `leg`, on the first of two physical volumes: the mirror's bytes
/// and the notices.
fn mirrored(leg: &str, more: &str) -> (imgmount::error::Result<Vec<u8>>, Vec<String>) {
    let mirror = format!("type = \"mirror\"\nmirror_count = 2\nmirrors = [{leg}, \"pv0\", 1]");
    let volumes = logical("m", &[segment(0, 2, &mirror)]) + more;
    let text = text(1, "ab", 8, "", &volumes);
    let (stack, notices) = look(&[Physical::new('a', &text).with(8)]);
    (bytes(&stack, "vg0/m"), notices)
}

#[test]
fn l04_a_mirror_with_a_leg_on_itself_is_refused_whole() {
    let leg = hidden("m0", &[linear(0, 2, "\"m\", 0")]);
    let problem = mirrored("\"m0\", 0", &leg).0.unwrap_err().to_string();
    assert!(problem.contains("segment loop: m on m0 on m"), "{problem}");
    let problem = mirrored("\"pv0\", 7", "").0.unwrap_err().to_string();
    assert!(problem.contains("past the 8 of pv0"), "{problem}");
    let problem = mirrored("\"nobody\", 7", "").0.unwrap_err().to_string();
    assert!(problem.contains("no volume is called nobody"), "{problem}");
}

#[test]
fn a_leg_of_a_mirror_that_is_missing_is_said() {
    let leg = hidden("m0", &[linear(0, 2, "\"pv1\", 0")]);
    let (found, notices) = mirrored("\"m0\", 0", &leg);
    assert!(found == Ok(extents(&[('a', 1), ('a', 2)])));
    let said = "volume group vg0: m0: it is missing, and is not read".to_owned();
    assert!(notices.contains(&said), "{notices:?}");
}

#[test]
fn logical_volumes_may_be_called_like_physical_ones() {
    let volumes = [
        logical("pv0", &[linear(0, 2, "\"pv1\", 3")]),
        // An area is the physical volume's.
        logical("pv1", &[linear(0, 1, "\"pv0\", 5")]),
        hidden("s", &[linear(0, 1, "\"pv0\", 7")]),
        // A snapshot's origin is a logical volume.
        logical(
            "snapshot0",
            &[segment(
                0,
                2,
                "type = \"snapshot\"\nchunk_size = 8\norigin = \"pv0\"\ncow_store = \"s\"",
            )],
        ),
    ];
    let text = text(1, "ab", 8, "", &volumes.concat());
    let images = ['a', 'b'].map(|letter| Physical::new(letter, &text).with(8));
    let (stack, _) = look(&images);
    assert!(bytes(&stack, "vg0/pv0") == Ok(extents(&[('b', 3), ('b', 4)])));
    assert!(bytes(&stack, "vg0/pv1") == Ok(extents(&[('a', 5)])));
    let problem = bytes(&stack, "vg0/s").unwrap_err().to_string();
    assert!(problem.contains("exception store: magic is"), "{problem}");
    // Two of one kind still cannot be told apart.
    let twice = text.replacen("pv1 {", "pv0 {", 1);
    let (stack, _) = look(&[Physical::new('a', &twice).with(8)]);
    let problem = problem_of_disk(&stack);
    assert!(problem.contains("two volumes have one name"), "{problem}");
}

/// The problem of the only disk, whose text is not to be had.
fn problem_of_disk(stack: &Stack) -> String {
    match &stack.disks[0].content {
        Content::Damaged { error, .. } => error.to_string(),
        other => panic!("{}", disk::kind(other)),
    }
}

/// As `pvmove` leaves a group when the machine goes down: the part that is on its way is a mirror
/// from where it was to where it goes, and the volume lies on that.
#[test]
fn a_volume_that_is_being_moved_is_read_from_where_it_was() {
    let mirror = "type = \"mirror\"\nmirror_count = 2\nextents_moved = 1\n\
                  mirrors = [\"pv0\", 3, \"pv1\", 0]";
    let volumes = [
        logical(
            "root",
            &[linear(0, 1, "\"pv0\", 1"), linear(1, 2, "\"pvmove0\", 0")],
        ),
        hidden("pvmove0", &[segment(0, 2, mirror)]),
    ];
    let text = text(1, "ab", 8, "", &volumes.concat());
    let image = |letter| Physical::new(letter, &text).with(8);
    let (stack, _) = look(&[image('b'), image('a')]);
    let expected = extents(&[('a', 1), ('a', 3), ('a', 4)]);
    assert!(bytes(&stack, "vg0/root") == Ok(expected));
}

#[test]
fn zeros_and_errors_and_types_that_are_not_read() {
    let volumes = [
        logical("z", &[segment(0, 2, "type = \"zero\"")]),
        logical("e", &[segment(0, 2, "type = \"error\"")]),
        logical("v", &[segment(0, 2, "type = \"vdo\"")]),
        logical("i", &[segment(0, 2, "type = \"integrity\"")]),
        logical("u", &[segment(0, 2, "type = \"unheard\"")]),
    ];
    let text = text(1, "a", 8, "", &volumes.concat());
    let image = Physical::new('a', &text).with(8);
    let (stack, _) = look(&[image]);
    assert!(bytes(&stack, "vg0/z") == Ok(vec![0; 2 * EXTENT as usize]));
    assert!(
        bytes(&stack, "vg0/e")
            .unwrap_err()
            .to_string()
            .contains("error segment")
    );
    for (name, kind, more) in [
        (
            "v",
            "vdo",
            " (what VDO packs is read by the kernel's dm-vdo)",
        ),
        (
            "i",
            "integrity",
            " (data with dm-integrity's checksums are read by the kernel's)",
        ),
        ("u", "unheard", ""),
    ] {
        let error = bytes(&stack, &format!("vg0/{name}"))
            .unwrap_err()
            .to_string();
        // The only segment of this volume, in the text of the area at 4096, behind its header.
        let volume = text.find(&format!("\n{name} {{")).unwrap();
        let segment = volume + text[volume..].find("segment1").unwrap();
        let at = format!("at byte {:#x}", 4096 + 512 + segment);
        let words = format!("{name}: segments of type {kind} are not supported {at}{more}");
        assert_eq!(error, words);
    }
}

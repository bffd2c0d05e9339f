//! Members of sets, with a volume manager made for the purpose: `FAKEVG`, the member's place, how
//! many there are, how new it is and the set's letter; its volume is what follows in all members.

use std::sync::Arc;

use imgmount::error::{Error, Result};
use imgmount::format::{Context, Description, Format, Options, Set, Volume};
use imgmount::source::{Memory, SharedSource, Source, read_vec};
use imgmount::stack::{Content, Registries, Stack};
use imgmount::volume::Opened;

use super::synthetic::Synthetic;
use crate::partition::disk;

const FAKE: Format<imgmount::volume::Open> = Format {
    name: "fakevg",
    claim,
    describe: |_| Ok(Description::default()),
    open,
};

const REGISTRIES: Registries = Registries {
    volume: &[FAKE],
    ..Registries::BUILT_IN
};

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let Ok(head) = read_vec(source, 0, 512) else {
        return Ok(None);
    };
    if head.starts_with(b"FAKEST") {
        let id = char::from(head[9]).to_string();
        return Ok(Some(Set::Stray { id }));
    }
    if head.starts_with(b"FAKEBE") {
        let set = char::from(head[9]).to_string();
        let expected = head[7].into();
        return Ok(Some(Set::Beside { set, expected }));
    }
    Ok(head.starts_with(b"FAKEVG").then(|| Set::Member {
        set: char::from(head[9]).to_string(),
        role: head[6].into(),
        expected: head[7].into(),
        event: head[8].into(),
        names: vec![char::from(head[9]).to_string()],
    }))
}

fn open(members: &[SharedSource], _: &Context) -> Result<Opened> {
    let expected = read_vec(&*members[0], 7, 1)?[0];
    let mut bytes = Vec::new();
    for member in members {
        let len = member.size() - 512;
        bytes.extend(read_vec(&**member, 512, len as usize)?);
    }
    let source: SharedSource = Arc::new(Memory(bytes));
    let missing = usize::from(expected).saturating_sub(members.len());
    let volumes = vec![Volume {
        name: "vg0/root".to_owned(),
        source: match missing {
            0 => Ok(source),
            _ => Err(Error::corrupt(format!("{missing} members are missing"))),
        },
        location: None,
        partition: None,
    }];
    Ok(Opened {
        volumes,
        description: None,
    })
}

/// ISO 9660 as far as its magic goes: what a reader would be to the stack.
const FAKE_ISO: Format<imgmount::filesystem::Open> = Format {
    name: "iso9660",
    claim: |source| {
        let magic = read_vec(source, 32769, 5).ok();
        Ok((magic.as_deref() == Some(b"CD001")).then_some(Set::Alone))
    },
    describe: |_| Ok(Description::default()),
    open: |_, _| {
        Ok(imgmount::filesystem::Opened {
            filesystem: Box::new(Synthetic::new(2, 2, &[])),
            extra: Vec::new(),
        })
    },
};

/// A member of 8 sectors, whose data are all `data`.
fn member(role: u8, expected: u8, event: u8, set: u8, data: u8) -> Vec<u8> {
    let mut bytes = vec![data; 8 * 512];
    bytes[..512].fill(0);
    bytes[..6].copy_from_slice(b"FAKEVG");
    bytes[6..10].copy_from_slice(&[role, expected, event, set]);
    bytes
}

/// A member that only the members of set `id` name.
fn stray(id: u8, data: u8) -> Vec<u8> {
    let mut bytes = member(0, 1, 0, id, data);
    bytes[..6].copy_from_slice(b"FAKEST");
    bytes
}

/// A disk with an MBR and `parts` one behind the other from sector 1 on.
pub fn mbr(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut disk = vec![0; 512];
    disk[510..].copy_from_slice(&[0x55, 0xaa]);
    for (index, part) in parts.iter().enumerate() {
        let (start, size) = (disk.len() as u32 / 512, part.len() as u32 / 512);
        let entry = 446 + index * 16;
        disk[entry + 4] = 0x83;
        disk[entry + 8..entry + 12].copy_from_slice(&start.to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&size.to_le_bytes());
        disk.extend(part);
    }
    disk
}

fn look(bytes: Vec<u8>) -> (Stack, Vec<String>) {
    look_at(vec![bytes])
}

/// What is in several images, the second and further added to the first.
fn look_at(images: Vec<Vec<u8>>) -> (Stack, Vec<String>) {
    let context = disk::context(Options::default());
    let images = images.into_iter();
    let mut images = images.map(|bytes| -> SharedSource { Arc::new(Memory(bytes)) });
    let first = images.next().unwrap();
    let others = images.map(|other| (other, context.clone())).collect();
    let stack = Stack::open_with(REGISTRIES, first, others, &context).unwrap();
    (stack, context.notices.all())
}

fn volume_bytes(stack: &Stack, set: usize) -> Result<Vec<u8>> {
    let node = &stack.sets[set].content.children()[0];
    let source = node.source.clone()?;
    read_vec(&*source, 0, source.size() as usize)
}

#[test]
fn members_wait_for_each_other_also_at_different_depths() {
    // The second member comes first, and the first lies in a disk in a partition.
    let nested = mbr(&[vec![1; 512], member(0, 2, 1, b'a', b'x')]);
    let (stack, notices) = look(mbr(&[member(1, 2, 1, b'a', b'y'), nested]));
    assert_eq!(notices, Vec::<String>::new());
    let set = &stack.sets[0];
    assert_eq!((set.format, &*set.set, set.expected), ("fakevg", "a", 2));
    assert_eq!(set.members, ["p2/p2", "p1"]);
    let mut expected = vec![b'x'; 7 * 512];
    expected.extend([b'y'; 7 * 512]);
    assert_eq!(volume_bytes(&stack, 0), Ok(expected));
    let names: Vec<_> = stack.nodes().iter().map(|node| node.name.clone()).collect();
    assert_eq!(names, ["disk", "p1", "p2", "p2/p1", "p2/p2", "vg0/root"]);
    assert!(matches!(stack.nodes()[1].content, Content::Member { .. }));
}

/// The names of all nodes.
fn names(stack: &Stack) -> Vec<String> {
    stack.nodes().iter().map(|node| node.name.clone()).collect()
}

#[test]
fn members_on_several_images_are_one_set_in_any_order() {
    let first = mbr(&[member(0, 2, 1, b'a', b'x')]);
    let second = member(1, 2, 1, b'a', b'y');
    let mut expected = vec![b'x'; 7 * 512];
    expected.extend([b'y'; 7 * 512]);
    let (stack, _) = look_at(vec![first.clone(), second.clone()]);
    assert_eq!(volume_bytes(&stack, 0), Ok(expected.clone()));
    assert_eq!(names(&stack), ["disk", "p1", "disk2", "vg0/root"]);
    let (stack, _) = look_at(vec![second, first]);
    assert_eq!(volume_bytes(&stack, 0), Ok(expected));
    assert_eq!(names(&stack), ["disk", "disk2", "disk2/p1", "vg0/root"]);
}

#[test]
fn a_member_that_does_not_know_its_set_is_named_by_another() {
    let (stack, _) = look(mbr(&[stray(b'2', b'y'), member(0, 2, 1, b'2', b'x')]));
    let mut expected = vec![b'x'; 7 * 512];
    expected.extend([b'y'; 7 * 512]);
    assert_eq!(volume_bytes(&stack, 0), Ok(expected));
    assert_eq!(stack.sets[0].members, ["p2", "p1"]);
    let Content::Member { set, .. } = &stack.nodes()[1].content else {
        panic!("no member");
    };
    assert_eq!(set, "2");
}

#[test]
fn a_member_that_nobody_names_is_opened_by_itself() {
    let (stack, _) = look(mbr(&[stray(b'3', b'y'), member(0, 1, 1, b'2', b'x')]));
    assert_eq!(stack.sets[0].members, ["p2"]);
    let alone = &stack.nodes()[1];
    assert!(matches!(alone.content, Content::Table { .. }));
    assert_eq!(alone.content.children()[0].name, "p1/vg0/root");
}

#[test]
fn copies_of_one_member_are_refused_and_both_are_named() {
    let one = member(0, 1, 4, b'a', b'o');
    let (stack, _) = look(mbr(&[one.clone(), one, member(0, 1, 1, b'z', b'z')]));
    let kind = disk::kind(&stack.sets[0].content);
    assert_eq!(
        kind,
        "damaged fakevg: p1 and p2 are the same member: one is a copy"
    );
    assert_eq!(volume_bytes(&stack, 1), Ok(vec![b'z'; 7 * 512]));
}

#[test]
fn a_set_in_a_volume_of_another_set_opens_after_it() {
    // Set b's first member is spread over the two of set a; its second is a partition by itself.
    let inner = member(0, 2, 1, b'b', b'i');
    let (head, tail) = inner.split_at(7 * 512);
    let mut first = member(0, 2, 1, b'a', 0);
    first[512..].copy_from_slice(head);
    let mut second = member(1, 2, 1, b'a', 0);
    second[512..1024].copy_from_slice(tail);
    let (stack, _) = look(mbr(&[second, member(1, 2, 1, b'b', b'j'), first]));
    assert_eq!(stack.sets.len(), 2);
    assert_eq!(stack.sets[0].set, "a");
    assert_eq!(stack.sets[1].members, ["vg0/root", "p2"]);
    assert_eq!(stack.sets[1].content.children()[0].name, "vg0~2/root");
    assert_eq!(volume_bytes(&stack, 1).unwrap()[..512], [b'i'; 512]);
}

#[test]
fn what_has_no_place_in_a_set_does_not_make_it_complete() {
    // The second member of set a is in the volume of set b, which comes after it.
    let mut carrier = member(0, 1, 1, b'b', 0);
    carrier.resize(9 * 512, 0);
    carrier[512..].copy_from_slice(&member(1, 2, 1, b'a', b'y'));
    let mut spare = member(7, 2, 1, b'a', b's');
    spare[..6].copy_from_slice(b"FAKEBE");
    let (stack, notices) = look(mbr(&[spare, member(0, 2, 1, b'a', b'x'), carrier]));
    assert_eq!(notices, Vec::<String>::new());
    let names: Vec<&str> = stack.sets.iter().map(|set| set.set.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    // It is given to the reader behind those that have one.
    assert_eq!(stack.sets[1].members, ["p2", "vg0/root", "p1"]);
}

#[test]
fn an_incomplete_set_is_listed_with_its_reason_and_hides_nothing() {
    let (stack, _) = look(mbr(&[
        member(0, 3, 1, b'a', 1),
        member(0, 1, 1, b'z', b'z'),
    ]));
    let by_name = |name: &str| stack.sets.iter().position(|set| set.set == name).unwrap();
    let error = volume_bytes(&stack, by_name("a")).unwrap_err();
    assert_eq!(error.message(), "2 members are missing");
    assert_eq!(volume_bytes(&stack, by_name("z")), Ok(vec![b'z'; 7 * 512]));
}

#[test]
fn of_two_members_with_one_place_the_newer_counts() {
    let parts = [member(0, 1, 4, b'a', b'o'), member(0, 1, 9, b'a', b'n')];
    let (stack, notices) = look(mbr(&parts));
    assert_eq!(stack.sets[0].members, ["p2"]);
    assert_eq!(volume_bytes(&stack, 0), Ok(vec![b'n'; 7 * 512]));
    assert_eq!(
        notices,
        ["p1: set a: another member has the same place in it and is newer"]
    );
}

/// Writes a table into each disk that is a partition of the next, and says what is in the middle.
fn nested(times: usize) -> Vec<u8> {
    let mut disk = vec![0; 8 * 512];
    for _ in 0..times {
        disk = mbr(&[disk]);
    }
    disk
}

#[test]
fn g10_disks_nested_nine_deep_are_refused_at_depth_eight() {
    let (stack, _) = look(nested(8));
    let deepest = stack.nodes().last().unwrap().name.clone();
    assert_eq!(deepest, "p1/p1/p1/p1/p1/p1/p1/p1");
    assert!(matches!(stack.nodes()[8].content, Content::Unknown { .. }));
    let (stack, _) = look(nested(9));
    let nodes = stack.nodes();
    assert_eq!(nodes.len(), 9);
    let kind = disk::kind(&nodes[8].content);
    assert_eq!(kind, "damaged mbr: nesting depth is over 8");
}

#[test]
fn a_partition_at_byte_0_does_not_open_its_own_disk() {
    let mut bytes = mbr(&[vec![5; 4096]]);
    bytes[446 + 8..446 + 12].fill(0);
    let (stack, _) = look(bytes);
    let names: Vec<_> = stack.nodes().iter().map(|node| node.name.clone()).collect();
    assert_eq!(names, ["disk", "p1"]);
}

#[test]
fn overlapping_tables_that_multiply_end_at_4096_volumes() {
    // Four partitions in each, all over the same bytes, which are again such a disk.
    let mut disk = vec![0; 512];
    for _ in 0..8 {
        let inner = disk.clone();
        disk = mbr(&[inner]);
        let entry = disk[446..462].to_vec();
        for slot in 1..4 {
            disk[446 + slot * 16..462 + slot * 16].copy_from_slice(&entry);
        }
    }
    let (stack, notices) = look(disk);
    assert_eq!(stack.nodes().len(), 4096);
    assert!(notices.contains(&"more than 4096 volumes: the rest is left out".to_owned()));
}

#[test]
fn g09_a_hybrid_iso_with_a_reader_is_the_iso() {
    let registries = Registries {
        filesystem: &[FAKE_ISO],
        ..Registries::BUILT_IN
    };
    // As isohybrid makes it: the first partition is the ISO, the second its EFI image.
    let mut bytes = mbr(&[vec![0; 64 * 1024], vec![0; 4096]]);
    bytes[446 + 8..446 + 12].fill(0);
    bytes[32769..32774].copy_from_slice(b"CD001");
    let open = |format: Option<&str>| {
        let context = disk::context(Options {
            format: format.map(str::to_owned),
            ..Options::default()
        });
        let source = Arc::new(Memory(bytes.clone()));
        let stack = Stack::open_with(registries, source, Vec::new(), &context).unwrap();
        (disk::kind(&stack.disks[0].content), context.notices.all())
    };
    let (kind, notices) = open(None);
    assert_eq!(kind, "file system iso9660");
    let notice = "disk: iso9660 over the whole disk beside a mbr table: iso9660 is shown, \
        --format mbr shows the other";
    assert_eq!(notices, [notice]);
    assert_eq!(open(Some("mbr")).0, "table mbr");
}

//! Arrays in partitions, under volume groups, in arrays, and with partitions of their own; and what
//! stands beside a superblock.

use imgmount::format::Options;
use imgmount::stack::Stack;

use super::super::lvm::group;
use super::super::lvm::made::{EXTENT, Physical, extent, linear, logical, text};
use super::super::rows::spread;
use super::made::{Array, pattern};
use super::{bytes, look, look_with};
use crate::partition::disk::kind;
use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;

/// A disk with an MBR and `parts` one behind the other, from the second 4 KiB on.
fn mbr(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut disk = vec![0; 4096];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    for (index, part) in parts.iter().enumerate() {
        let entry = 446 + index * 16;
        let (start, size) = (disk.len() as u32 / 512, part.len() as u32 / 512);
        disk[entry + 4] = 0xfd;
        disk[entry + 8..entry + 12].copy_from_slice(&start.to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&size.to_le_bytes());
        disk.extend(part);
    }
    disk
}

/// The members of a RAID 5 of three with `data`.
fn raid5(version: &'static str, data: &[u8]) -> Vec<Vec<u8>> {
    let array = Array::new(version, 5, 2, 65536, 3);
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(2 * 65536), 0);
    let members = spread("01P 1P0 P01", false, 65536, &data);
    let members = members.iter().enumerate();
    members
        .map(|(number, data)| array.member(number, data))
        .collect()
}

fn names(stack: &Stack) -> Vec<String> {
    stack.nodes().iter().map(|node| node.name.clone()).collect()
}

#[test]
fn a_group_on_an_array_of_partitions_of_two_images() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let data = std::fs::read(group(&scratch)).unwrap();
    for version in ["0.90", "1.0", "1.2"] {
        let members = raid5(version, &data);
        let (first, second) = (scratch.join("first.img"), scratch.join("second.img"));
        std::fs::write(&first, mbr(&members[1..])).unwrap();
        std::fs::write(&second, mbr(&[pattern(4096), members[0].clone()])).unwrap();
        for [one, other] in [[&first, &second], [&second, &first]] {
            let cat = imgmount().arg("cat").arg(one).arg("--with").arg(other);
            let text = cat.arg("vg0/root/hello").text();
            assert_eq!(text, "on a logical volume\n", "{version}");
        }
        // One of three members is on the second.
        let cat = imgmount().arg("cat").arg(&first).arg("vg0/root/hello");
        assert_eq!(cat.text(), "on a logical volume\n", "{version}");
        let cat = imgmount().arg("cat").arg(&second).arg("vg0/root/hello");
        assert_eq!(cat.output().status.code(), Some(1));
    }
}

#[test]
fn partitions_of_an_array_are_below_it() {
    let inner = [pattern(65536), pattern(3 * 65536)];
    let mut images = raid5("1.2", &mbr(&inner));
    images.remove(1);
    let (stack, _) = look(&images);
    assert_eq!(names(&stack), ["disk", "disk2", "md0", "md0/p1", "md0/p2"]);
    assert!(bytes(&stack, "md0/p2") == Ok(inner[1].clone()));
}

/// One member of each of two mirrors, which hold the two members of a stripe set called `id` with
/// `data`.
fn stripes_over_mirrors(version: &'static str, id: u8, data: &[u8]) -> Vec<Vec<u8>> {
    let mut stripes = Array::new("1.2", 0, 0, 4096, 2);
    stripes.id = id;
    let halves = spread("01", false, 4096, data);
    let halves = halves.iter().enumerate();
    let image = |(number, half): (usize, &Vec<u8>)| {
        let mut mirror = Array::new(version, 1, 0, 0, 2);
        mirror.name = ["host:1", "host:2"][number];
        mirror.id = 0x10 + number as u8;
        let mut inner = stripes.member(number, half);
        inner.resize(inner.len().next_multiple_of(65536), 0);
        mirror.member(1 - number, &inner)
    };
    halves.map(image).collect()
}

#[test]
fn stripes_over_mirrors_are_read_from_one_leg_of_each() {
    let data = pattern(64 * 4096);
    for version in ["0.90", "1.0", "1.1", "1.2"] {
        // An identifier before those of the mirrors, and one behind them.
        for id in [0x01, 0xb0] {
            let (stack, notices) = look(&stripes_over_mirrors(version, id, &data));
            let name = names(&stack).pop().unwrap();
            assert!(bytes(&stack, &name) == Ok(data.clone()), "{version} {id}");
            assert_eq!(stack.sets.len(), 3);
            let of_mirrors = |line: &&String| line.contains("1 of 2 members");
            assert_eq!(notices.iter().filter(of_mirrors).count(), 2);
            assert_eq!(notices.len(), 2, "{notices:?}");
        }
    }
}

/// The physical volume called `letter` of a group of a and b with one volume on both.
fn half_group(letter: char) -> Vec<u8> {
    let segments = [linear(0, 1, "\"pv0\", 1"), linear(1, 1, "\"pv1\", 2")];
    let text = text(1, "ab", 8, "", &logical("root", &segments));
    Physical::new(letter, &text).with(8)
}

#[test]
fn a_group_waits_for_arrays_that_lack_members() {
    let root = [extent('a', 1), extent('b', 2)].concat();
    let mut inner = half_group('b');
    inner.resize(inner.len().next_multiple_of(65536), 0);
    let mirror = Array::new("1.2", 1, 0, 0, 2).member(1, &inner);
    // Two missing members and two arrays deeper.
    let stripes = stripes_over_mirrors("1.2", 0x01, &inner);
    for arrays in [vec![mirror.clone()], vec![mbr(&[mirror])], stripes] {
        let sets = arrays.len() + usize::from(arrays.len() > 1) + 1;
        let mut images = vec![half_group('a')];
        images.extend(arrays);
        for _ in 0..2 {
            let (stack, notices) = look(&images);
            assert!(bytes(&stack, "vg0/root") == Ok(root.clone()), "{notices:?}");
            assert_eq!(stack.sets.len(), sets);
            let is_short = |line: &String| line.contains("1 of 2 members are there");
            assert!(notices.iter().all(is_short), "{notices:?}");
            images.reverse();
        }
    }
}

#[test]
fn a_member_that_turns_up_too_late_is_said() {
    // The other leg lies in a group that lacks a physical volume itself.
    let mirror = Array::new("1.2", 1, 0, 0, 2);
    let legs = [0, 1].map(|number| mirror.member(number, &pattern(65536)));
    let count = legs[1].len() as u64 / EXTENT;
    let leg = logical("leg", &[linear(0, count, "\"pv0\", 0")]);
    let mut group = Physical::new('a', &text(1, "ab", count, "", &leg)).with(0);
    group.extend(&legs[1]);
    let (stack, notices) = look(&[legs[0].clone(), group]);
    assert!(bytes(&stack, "md0") == Ok(pattern(65536)));
    let is_late = |line: &String| {
        line.starts_with("linux_raid_member")
            && line.contains("opened before vg0/leg turned up, and once more with that alone")
    };
    assert!(notices.iter().any(is_late), "{notices:?}");
}

/// An ext4 of 1 MiB.
fn ext4(scratch: &Scratch) -> Vec<u8> {
    let path = scratch.file("ext4", 1 << 20);
    Run::new("mke2fs").words("-q -F -t ext4").arg(&path).run();
    std::fs::read(path).unwrap()
}

#[test]
fn a_superblock_at_the_end_wins_over_what_the_array_holds() {
    need!(tool "mke2fs", tool "gzip");
    let scratch = Scratch::new();
    let group = std::fs::read(group(&scratch)).unwrap();
    for (data, content, last) in [
        (ext4(&scratch), "file system ext4", "md0"),
        (group, "member LVM2_member", "vg0/hyphen-ed_x.y"),
        (mbr(&[pattern(15 * 4096)]), "table mbr", "md0/p1"),
    ] {
        for version in ["0.90", "1.0"] {
            let image = Array::new(version, 1, 0, 0, 2).member(0, &data);
            let (stack, _) = look(&[image]);
            assert_eq!(kind(&stack.disks[0].content), "member linux_raid_member");
            assert_eq!(
                kind(&super::node(&stack, "md0").content),
                content,
                "{version}"
            );
            assert!(
                names(&stack).iter().any(|name| name == last),
                "{:?}",
                names(&stack)
            );
        }
    }
}

#[test]
fn a_file_system_that_was_there_before_the_array_is_not_believed() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let data = pattern(256 << 10);
    let mut image = Array::new("1.2", 1, 0, 0, 1).member(0, &data);
    image[..4096].copy_from_slice(&ext4(&scratch)[..4096]);
    let (stack, _) = look(&[image.clone()]);
    assert!(bytes(&stack, "md0") == Ok(data));
    // Unless the user says so.
    let options = Options {
        format: Some("ext4".to_owned()),
        ..Options::default()
    };
    let (stack, _) = look_with(&[image], options);
    assert!(stack.sets.is_empty());
}

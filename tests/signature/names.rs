//! Every name that libblkid has for what it finds is one of ours.

use std::collections::BTreeSet;

use imgmount::signature;
use imgmount::stack::Registries;

use crate::support::command::Run;

/// Names that no signature has, each with the reason.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "ext2",
        "the reader ext4 names the generation among its facts",
    ),
    ("ext3", "as ext2"),
    ("ext4", "as ext2"),
    ("ext4dev", "what ext4 was called while it was new; as ext2"),
];

/// The names of libblkid's partition tables (`PTTYPE`), which no option of blkid prints.
const TABLES: &[&str] = &[
    "aix", "sgi", "sun", "dos", "gpt", "PMBR", "mac", "ultrix", "bsd", "unixware", "solaris",
    "minix", "atari", "dasd",
];

/// What we call them, or what they are part of.
const TABLES_OTHERWISE: &[(&str, &str)] = &[
    ("dos", "mbr"),
    ("PMBR", "gpt"),
    // Only ever inside a slice of an MBR.
    ("minix", "mbr"),
];

fn ours() -> BTreeSet<&'static str> {
    let signatures = signature::all().map(|signature| signature.name);
    signatures.chain(Registries::BUILT_IN.names()).collect()
}

fn missing<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let ours = ours();
    let otherwise = |name: &str| OTHERWISE.iter().any(|(known, _)| *known == name);
    names
        .filter(|name| !ours.contains(name) && !otherwise(name))
        .collect()
}

/// The checked-in list.
fn listed() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("blkid-names.txt").lines();
    lines.filter(|line| !line.starts_with('#'))
}

#[test]
fn every_name_of_libblkid_is_known() {
    assert!(listed().count() > 80);
    assert_eq!(missing(listed()), Vec::<&str>::new());
    for (name, why) in OTHERWISE {
        let is_needless = signature::all().any(|signature| signature.name == *name);
        assert!(!is_needless, "{name} is a signature and excepted: {why}");
    }
}

#[test]
fn every_name_of_the_blkid_that_is_here_is_known() {
    need!(tool "blkid");
    let said = Run::new("blkid").arg("-k").text();
    let names = || said.lines().map(str::trim).filter(|name| !name.is_empty());
    assert!(names().count() > 40, "{said}");
    assert_eq!(missing(names()), Vec::<&str>::new());
    let known: BTreeSet<&str> = listed().collect();
    let unlisted: Vec<&str> = names().filter(|name| !known.contains(name)).collect();
    assert_eq!(unlisted, Vec::<&str>::new(), "for blkid-names.txt");
}

#[test]
fn every_partition_table_of_libblkid_is_known() {
    let ours = ours();
    for name in TABLES {
        let otherwise = TABLES_OTHERWISE.iter().find(|(known, _)| known == name);
        let name = otherwise.map_or(*name, |(_, ours)| ours);
        assert!(ours.contains(name), "{name}");
    }
}

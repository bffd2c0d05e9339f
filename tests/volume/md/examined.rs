//! What `mdadm --examine` says of members, field by field.

use imgmount::format::Description;
use imgmount::stack::{Content, Stack};

use super::look;
use super::made::{Array, FAULTY, SPARE, pattern};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Version, level, layout, members and features.
const CASES: &[(&str, i32, u32, usize, u32)] = &[
    ("0.90", -1, 0, 3, 0),
    ("0.90", 1, 0, 2, 0),
    ("0.90", 5, 2, 4, 0),
    ("0.90", 6, 3, 5, 0),
    ("0.swap", 4, 0, 4, 0),
    ("0.swap", 5, 1, 4, 0),
    ("0.swap", 10, 0x102, 4, 0),
    ("1.0", -1, 0, 3, 0),
    ("1.0", 0, 2, 3, 4096),
    ("1.0", 1, 0, 3, 0),
    ("1.0", 5, 0, 3, 0),
    ("1.1", 0, 1, 2, 4096),
    ("1.1", 5, 3, 3, 0),
    ("1.1", 6, 2, 4, 0),
    ("1.1", 10, 0x102, 4, 0),
    ("1.2", 4, 5, 3, 0),
    ("1.2", 5, 2, 3, 0),
    ("1.2", 6, 8, 4, 0),
    ("1.2", 6, 18, 4, 0),
    ("1.2", 10, 0x10201, 4, 0),
    ("1.2", 10, 0x201, 3, 0),
];

/// What imgmount says of a disk that is a member.
fn description(stack: &Stack) -> &Description {
    match &stack.disks[0].content {
        Content::Member { description, .. } => description,
        other => panic!("{}", crate::partition::disk::kind(other)),
    }
}

fn fact(description: &Description, name: &str) -> Option<String> {
    let found = description.facts.iter().find(|(it, _)| *it == name);
    found.map(|(_, value)| value.clone())
}

/// The value that mdadm prints behind `name`.
fn printed(text: &str, name: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.split_once(" : "));
    let mut own = values.filter(|(it, _)| it.trim() == name);
    own.next().map(|(_, value)| value.trim().to_owned())
}

/// The number that a value begins with, in bytes where it counts sectors or KiB.
fn number(value: &str) -> u64 {
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    let unit = match value {
        value if value.contains("sectors") => 512,
        value if value.ends_with('K') => 1024,
        _ => 1,
    };
    digits.parse::<u64>().unwrap() * unit
}

#[test]
fn every_field_is_what_mdadm_prints() {
    need!(tool "mdadm");
    let scratch = Scratch::new();
    let mut compared = 0;
    for (version, level, layout, disks, features) in CASES {
        let mut array = Array::new(version, *level, *layout, 65536, *disks);
        array.features = *features;
        array.events = 0x1_0000_0003;
        array.is_clean = disks % 2 == 0;
        array.roles.extend([FAULTY, SPARE]);
        for number in [0, disks - 1, disks + 1] {
            let image = array.member(number, &pattern(4 * 65536));
            let path = scratch.join("member");
            std::fs::write(&path, &image).unwrap();
            let mdadm = Run::new("mdadm").arg("--examine");
            let text = match *version {
                "0.swap" => mdadm.arg("--metadata=0.swap").arg(&path).text(),
                _ => mdadm.arg(&path).text(),
            };
            let (stack, _) = look(&[image]);
            compared += compare(&text, description(&stack), &array, number);
        }
    }
    assert!(compared > 500, "{compared}");
}

/// Compares what both say; gives how many fields those were.
fn compare(text: &str, own: &Description, array: &Array, number_of: usize) -> usize {
    let own_fact = |name: &str| fact(own, name).unwrap_or_else(|| panic!("no {name}: {own:?}"));
    let theirs = |name: &str| printed(text, name).unwrap_or_else(|| panic!("no {name}: {text}"));
    let checksum = theirs("Checksum");
    assert!(checksum.ends_with("- correct"), "{text}");
    let events = match array.version.starts_with("0.") {
        // Two numbers of 32 bits, as it was once printed; or one.
        true => own_fact("events"),
        false => theirs("Events"),
    };
    let mut pairs = vec![
        (own_fact("level"), theirs("Raid Level")),
        (own_fact("raid devices"), theirs("Raid Devices")),
        (own_fact("events"), events),
    ];
    if [5, 6, 10].contains(&array.level) || array.features & 4096 != 0 {
        pairs.push((own_fact("layout"), theirs("Layout")));
    }
    if ![1, -1].contains(&array.level) {
        let size = number(&theirs("Chunk Size")).to_string();
        pairs.push((own_fact("chunk size"), size));
    }
    if array.version.starts_with("1.") {
        let version: String = theirs("Version").chars().take(3).collect();
        pairs.push((own_fact("version"), version));
        let name = String::from_utf8(own.label.clone().unwrap()).unwrap();
        pairs.push((name, theirs("Name")));
        pairs.push((own.uuid.clone().unwrap(), theirs("Device UUID")));
        let role = match own_fact("role").as_str() {
            "spare" => "spare".to_owned(),
            place => format!("Active device {place}"),
        };
        pairs.push((role, theirs("Device Role")));
        // Nothing is printed where it is 0.
        let at = printed(text, "Data Offset").map_or(0, |text| number(&text));
        pairs.push((own_fact("data offset"), at.to_string()));
        let size = number(&theirs("Avail Dev Size")).to_string();
        pairs.push((own_fact("data size"), size));
    } else {
        let version: String = theirs("Version").chars().take(4).collect();
        let own_version: String = own_fact("version").chars().take(4).collect();
        pairs.push((own_version, version));
        pairs.push((own.uuid.clone().unwrap(), theirs("UUID")));
        let line = text.lines().find(|line| line.starts_with("this")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        pairs.push((own_fact("device number"), words[1].to_owned()));
        let place = match words[5..].contains(&"spare") {
            true => "spare",
            false => words[4],
        };
        pairs.push((own_fact("role"), place.to_owned()));
    }
    for (own, theirs) in &pairs {
        assert_eq!(own, theirs, "member {number_of}: {text}");
    }
    pairs.len() + 1
}

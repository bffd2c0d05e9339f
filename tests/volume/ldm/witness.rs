//! Every field that ldmtool prints, against what `info --json` says: of the disks that Windows made,
//! and of those that are made here.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::made::Group;
use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;

/// What ldmtool answers to `lines` after it has seen the `disks`.
fn ldmtool(disks: &[PathBuf], lines: &[String]) -> Vec<Value> {
    let scans = disks.iter().map(|disk| format!("scan {}", disk.display()));
    let lines: Vec<String> = scans.chain(lines.iter().cloned()).collect();
    let mut tool = Run::new("ldmtool").command();
    tool.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = tool.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all((lines.join("\n") + "\n").as_bytes())
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    // Between the answers stand its prompt and the lines that it was given.
    let is_json = |line: &&str| !line.starts_with("ldm>");
    let json: Vec<&str> = said.lines().filter(is_json).collect();
    let json = json.join("\n");
    let values = serde_json::Deserializer::from_str(&json).into_iter();
    let all: Vec<Value> = values.map(Result::unwrap).collect();
    all[disks.len()..].to_vec()
}

/// What `info --json` says of the set on the disks.
fn info(disks: &[PathBuf]) -> Value {
    let mut run = imgmount().args(["info", "--json"]).arg(&disks[0]);
    for disk in &disks[1..] {
        run = run.arg("--with").arg(disk);
    }
    serde_json::from_str(&run.text()).unwrap()
}

fn strings(value: &Value) -> Vec<String> {
    let all = value.as_array().unwrap().iter();
    let mut all: Vec<String> = all.map(|it| it.as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

/// Compares everything; gives how many volumes there are.
pub fn compare(disks: &[PathBuf]) -> usize {
    let info = info(disks);
    let set = &info["sets"][0];
    let guid = set["set"].as_str().unwrap();
    let show = |what: &str| vec![format!("show {what}")];
    let group = &ldmtool(disks, &show(&format!("diskgroup {guid}")))[0];
    let content = &set["content"];
    assert_eq!(content["label"], group["name"]);
    assert_eq!(content["uuid"], group["guid"]);
    let made = content["made_of"].as_array().unwrap();
    let mut names: Vec<String> = made
        .iter()
        .map(|made| made["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, strings(&group["volumes"]));
    let said = content["facts"]["disks"].as_str().unwrap();
    let mut told: Vec<&str> = said
        .split(", ")
        .map(|it| it.split(' ').next().unwrap())
        .collect();
    told.sort_unstable();
    assert_eq!(told, strings(&group["disks"]));
    compare_disks(disks, guid, said, &strings(&group["disks"]));
    for made in made {
        compare_volume(disks, guid, made, &info);
    }
    made.len()
}

/// Names and identifiers of disks, and which are there.
fn compare_disks(disks: &[PathBuf], guid: &str, said: &str, names: &[String]) {
    let asked: Vec<String> = names
        .iter()
        .map(|name| format!("show disk {guid} {name}"))
        .collect();
    let answers = ldmtool(disks, &asked);
    assert_eq!(answers.len(), names.len());
    for disk in answers {
        let (name, guid) = (
            disk["name"].as_str().unwrap(),
            disk["guid"].as_str().unwrap(),
        );
        assert!(
            said.contains(&format!("{name} {guid}")),
            "{name} {guid}: {said}"
        );
    }
}

fn compare_volume(disks: &[PathBuf], guid: &str, made: &Value, info: &Value) {
    let name = made["name"].as_str().unwrap();
    let asked = format!("show volume {guid} {name}");
    let volume = &ldmtool(disks, &[asked])[0];
    let number = |value: &Value| value.as_u64().unwrap();
    assert_eq!(made["uuid"], volume["guid"], "{name}");
    assert_eq!(
        number(&made["size"]),
        number(&volume["size"]) * 512,
        "{name}"
    );
    assert_eq!(made["facts"]["type"], volume["type"], "{name}");
    assert_eq!(made["facts"]["drive"], volume["hint"], "{name}");
    let segments = made["segments"].as_array().unwrap();
    let chunk = segments[0]["facts"]["chunk"].as_str().unwrap_or("0");
    let chunk: u64 = chunk.parse().unwrap();
    assert_eq!(chunk, number(&volume["chunk-size"]) * 512, "{name}");
    let mut extents = Vec::new();
    for segment in segments {
        let names = segment["facts"]["extents"].as_str().unwrap();
        let on = segment["on"].as_array().unwrap();
        let own = names.split(", ").map(str::to_owned).zip(on.iter().cloned());
        let len = (on.len() == 1).then(|| number(&segment["length"]));
        extents.extend(own.map(|(name, on)| (name, on, len)));
    }
    let names: Vec<Value> = extents
        .iter()
        .map(|(name, ..)| Value::from(name.as_str()))
        .collect();
    assert_eq!(Value::from(names), volume["partitions"], "{name}");
    for (extent, on, len) in &extents {
        compare_extent(disks, guid, extent, (on, *len), info);
    }
}

/// Where an extent lies, on which disk, and how long it is.
fn compare_extent(
    disks: &[PathBuf],
    guid: &str,
    name: &str,
    (on, len): (&Value, Option<u64>),
    info: &Value,
) {
    let partition = &ldmtool(disks, &[format!("show partition {guid} {name}")])[0];
    let disk = partition["disk"].as_str().unwrap();
    let disk = &ldmtool(disks, &[format!("show disk {guid} {disk}")])[0];
    if let Some(len) = len {
        assert_eq!(len, partition["size"].as_u64().unwrap() * 512, "{name}");
    }
    let Some(member) = on["member"].as_str() else {
        assert_eq!(on["missing"], disk["guid"], "{name}");
        assert!(disk["device"].is_null(), "{disk}");
        return;
    };
    let nodes = info["disks"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["name"] == member).unwrap();
    assert_eq!(node["content"]["uuid"], disk["guid"], "{name}");
    let start = disk["data-start"].as_u64().unwrap() + partition["start"].as_u64().unwrap();
    assert_eq!(on["offset"].as_u64().unwrap(), start * 512, "{name}");
}

#[test]
fn what_is_said_of_windows_disks_is_what_ldmtool_says() {
    need!(images, tool "xz", tool "ldmtool");
    let scratch = Scratch::new();
    let mut all = Vec::new();
    for (set, numbers) in [
        ("simple", &[1][..]),
        ("spanned", &[1, 2]),
        ("striped", &[1, 2]),
        ("mirrored", &[1, 2]),
        ("raid5", &[1, 2, 3]),
    ] {
        all.extend(super::collected::unpacked(set, numbers, &scratch));
    }
    assert_eq!(compare(&all), 6);
    // With one disk alone, all others are missing.
    assert_eq!(compare(&all[..1]), 6);
}

#[test]
fn ldmtool_reads_the_disks_that_are_made_here() {
    need!(tool "ldmtool");
    let scratch = Scratch::new();
    let disks = (1..).zip(Group::three().disks());
    let disks = disks.map(|(number, bytes): (u32, _)| {
        let path = scratch.join(&format!("disk{number}.img"));
        std::fs::write(&path, bytes).unwrap();
        path
    });
    let disks: Vec<PathBuf> = disks.collect();
    assert_eq!(compare(&disks), 5);
}

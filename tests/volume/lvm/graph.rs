//! What `info` says that volumes lie on, as text and as JSON.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::made::{EXTENT, Physical, START, hidden, id, linear, logical, segment, text};
use crate::support::command::imgmount;
use crate::support::images::Scratch;

/// What `info` says of these images, the second and further added to the first: text and JSON.
pub fn info(images: &[Vec<u8>]) -> (String, Value) {
    let scratch = Scratch::new();
    let paths: Vec<PathBuf> = (1..)
        .zip(images)
        .map(|(number, bytes): (u32, _)| {
            let path = scratch.join(&format!("image{number}"));
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let said = |more: &[&str]| {
        let mut run = imgmount().arg("info").args(more);
        for other in &paths[1..] {
            run = run.arg("--with").arg(other);
        }
        run.arg(&paths[0]).text()
    };
    (said(&[]), serde_json::from_str(&said(&["--json"])).unwrap())
}

/// What the volume called `name` is made of, of the first set.
pub fn made<'a>(json: &'a Value, name: &str) -> &'a Value {
    let all = json["sets"][0]["content"]["made_of"].as_array().unwrap();
    let found = all.iter().find(|made| made["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {all:#?}"))
}

/// Over two physical volumes: linear, striped, a mirror and a snapshot.
fn group() -> String {
    let striped = "type = \"striped\"\nstripe_count = 2\nstripe_size = 2\n\
                   stripes = [\"pv0\", 3, \"pv1\", 1]";
    let mirror = "type = \"mirror\"\nmirror_count = 2\nregion_size = 1024\n\
                  mirrors = [\"m_mimage_0\", 0, \"m_mimage_1\", 0]";
    let snapshot = "type = \"snapshot\"\nchunk_size = 8\norigin = \"lin\"\ncow_store = \"snap\"";
    let lin = logical(
        "lin",
        &[linear(0, 2, "\"pv0\", 1"), linear(2, 1, "\"pv1\", 0")],
    );
    let volumes = [
        lin.replacen("status", &format!("id = \"{}\"\nstatus", id('l')), 1),
        logical("str", &[segment(0, 4, striped)]),
        logical("m", &[segment(0, 2, mirror)]),
        hidden("m_mimage_0", &[linear(0, 2, "\"pv0\", 5")]),
        hidden("m_mimage_1", &[linear(0, 2, "\"pv1\", 5")]),
        hidden("snap", &[linear(0, 1, "\"pv0\", 7")]).replacen(
            "segment_count",
            "tags = [\"old\", \"x\"]\nsegment_count",
            1,
        ),
        logical("snapshot0", &[segment(0, 3, snapshot)]),
    ];
    text(5, "ab", 8, "", &volumes.concat())
}

#[test]
fn every_volume_says_what_it_lies_on() {
    let images = ['a', 'b'].map(|letter| Physical::new(letter, &group()).with(8));
    let (text, json) = info(&images);
    let lin = made(&json, "lin");
    assert_eq!(lin["node"], "vg0/lin");
    assert_eq!(lin["uuid"], id('l'));
    assert_eq!(lin["size"], 3 * EXTENT);
    let on =
        |member: &str, extent: u64| json!([{"member": member, "offset": START + extent * EXTENT}]);
    assert_eq!(
        lin["segments"],
        json!([
            {"start": 0, "length": 2 * EXTENT, "kind": "linear", "facts": {}, "on": on("disk", 1)},
            {"start": 2 * EXTENT, "length": EXTENT, "kind": "linear", "facts": {},
             "on": on("disk2", 0)},
        ])
    );
    let str = &made(&json, "str")["segments"][0];
    assert_eq!(str["kind"], "striped");
    assert_eq!(str["facts"]["chunk"], "1024");
    assert_eq!(str["on"][1]["member"], "disk2");
    let leg = made(&json, "m_mimage_1");
    assert_eq!(
        (&leg["node"], &leg["size"]),
        (&Value::Null, &json!(2 * EXTENT))
    );
    let legs = json!([
        {"volume": "m_mimage_0", "offset": 0}, {"volume": "m_mimage_1", "offset": 0}
    ]);
    assert_eq!(made(&json, "m")["segments"][0]["on"], legs);
    let snap = made(&json, "snap");
    assert_eq!(snap["facts"]["tags"], "old, x");
    let below = json!([{"volume": "lin", "offset": 0}, {"volume": "snap-cow", "offset": 0}]);
    assert_eq!(snap["segments"][0]["on"], below);
    assert_eq!(made(&json, "snap-cow")["segments"][0]["on"], on("disk", 7));
    for line in [
        "├─ vg0/lin  12.0 KiB\n  │  UUID=llllll-llll-llll-llll-llll-llll-llllll\n  \
         │  8.0 KiB at 0 B: linear on disk at 132.0 KiB\n  \
         │  4.0 KiB at 8.0 KiB: linear on disk2 at 128.0 KiB\n",
        "│  striped on disk at 140.0 KiB, disk2 at 132.0 KiB; chunk: 1024\n",
        "│  mirror on m_mimage_0, m_mimage_1\n",
        "hidden: m_mimage_1  8.0 KiB\n    linear on disk2 at 148.0 KiB\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn what_is_missing_is_named_where_it_is_missed() {
    let (text, json) = info(&[Physical::new('a', &group()).with(8)]);
    let lin = &made(&json, "lin")["segments"];
    assert_eq!(lin[0]["on"][0]["member"], "disk");
    assert_eq!(lin[1]["on"], json!([{"missing": id('b')}]));
    let line = format!("4.0 KiB at 8.0 KiB: linear on {} (missing)\n", id('b'));
    assert!(text.contains(&line), "{text}");
}

//! The table of bad input: each id has a test that begins with its name, or waits for a layer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A line of `ids.tsv`.
struct Line {
    title: &'static str,
    /// The layer that it waits for.
    waits: Option<&'static str>,
}

fn table() -> BTreeMap<&'static str, Line> {
    let lines = include_str!("ids.tsv").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let line = |line: &'static str| {
        let mut fields = line.split('\t');
        let (id, title) = (fields.next().unwrap(), fields.next().unwrap());
        let waits = fields.next();
        (id, Line { title, waits })
    };
    let all: Vec<_> = lines.map(line).collect();
    let count = all.len();
    let table: BTreeMap<_, _> = all.into_iter().collect();
    assert_eq!(table.len(), count, "an id stands there twice");
    table
}

/// The tests by the ids that their names begin with: `q11_q13_…` is about both.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in ["tests", "src"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        read_folder(&root, &mut |text| {
            for name in names(text) {
                for id in ids(name) {
                    let tests = found.entry(id.to_owned()).or_default();
                    tests.insert(name.to_owned());
                }
            }
        });
    }
    found
}

fn read_folder(folder: &Path, each: &mut dyn FnMut(&str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(&path, each);
        } else if path.extension().is_some_and(|end| end == "rs") {
            each(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The names of the functions that are tests.
fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line == "#[test]" {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            let name = rest.split('(').next().unwrap_or(rest);
            found.extend(is_test.then_some(name));
            is_test = false;
        }
    }
    found
}

/// The ids that `name` begins with.
fn ids(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').take_while(|word| match word.as_bytes() {
        [letter, tens, ones] => {
            letter.is_ascii_lowercase() && tens.is_ascii_digit() && ones.is_ascii_digit()
        }
        _ => false,
    })
}

#[test]
fn every_id_has_its_test_or_waits_for_a_layer() {
    let (table, tests) = (table(), tests());
    let mut wrong = Vec::new();
    for (id, line) in &table {
        let has_tests = tests.contains_key(*id);
        match (line.waits, has_tests) {
            (None, true) | (Some(_), false) => {}
            (None, false) => wrong.push(format!("{id} ({}) has no test", line.title)),
            (Some(waits), true) => wrong.push(format!("{id} waits for {waits}, and has tests")),
        }
    }
    let unknown = tests.keys().filter(|id| !table.contains_key(id.as_str()));
    wrong.extend(unknown.map(|id| format!("{id} is not in the table: {:?}", tests[id])));
    print(&table, &tests);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table for people: `contrib/fuzz/ids`.
fn print(table: &BTreeMap<&str, Line>, tests: &BTreeMap<String, BTreeSet<String>>) {
    let mut waiting = 0;
    for (id, Line { title, waits }) in table {
        let state = match (waits, tests.get(*id)) {
            (Some(layer), _) => format!("waits for: {layer}"),
            (None, tests) => {
                let tests: Vec<&str> = tests.into_iter().flatten().map(String::as_str).collect();
                tests.join(" ")
            }
        };
        waiting += i32::from(waits.is_some());
        println!("{id}  {title:<52}  {state}");
    }
    println!("{} ids, {waiting} of them waiting", table.len());
}

#[test]
fn names_are_read_as_they_are_meant() {
    let text =
        "#[test]\nfn q11_q13_a() {}\nfn u16_at() {}\n    #[test]\n    #[ignore]\n    fn e01() {}";
    assert_eq!(names(text), ["q11_q13_a", "e01"]);
    assert_eq!(ids("q11_q13_a_u02").collect::<Vec<_>>(), ["q11", "q13"]);
    assert_eq!(ids("x100_u1_").count(), 0);
}

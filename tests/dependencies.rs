//! What is said of the crates that imgmount is built of, held to `Cargo.toml` and to their sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::command::Run;

/// The rows of the table in `contrib/dependencies.md`.
fn rows() -> Vec<Vec<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/dependencies.md");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| "));
    let cells = |line: &str| {
        let inner = line.trim_matches('|').split('|');
        inner.map(|cell| cell.trim().to_owned()).collect()
    };
    lines.skip(1).map(cells).collect()
}

/// The directories of the sources of the crates that `Cargo.toml` names, by their names there.
fn direct() -> BTreeMap<String, PathBuf> {
    let metadata = Run::new(env!("CARGO"))
        .words("metadata --locked --offline --format-version 1")
        .within(Path::new(env!("CARGO_MANIFEST_DIR")));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout()).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = |id: &serde_json::Value| packages.iter().find(|it| it["id"] == *id).unwrap();
    let root = &metadata["resolve"]["root"];
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["id"] == *root).unwrap();
    let dependencies = node["dependencies"].as_array().unwrap().iter();
    let found = dependencies.map(|id| {
        let package = package(id);
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let name = package["name"].as_str().unwrap().to_owned();
        (name, manifest.parent().unwrap().join("src"))
    });
    found.collect()
}

/// Whether there is code with the word `unsafe` in or below `folder`.
fn is_unsafe(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).unwrap();
    entries.any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_unsafe(&path);
        }
        let is_source = path.extension().is_some_and(|end| end == "rs");
        is_source && says_unsafe(&std::fs::read_to_string(&path).unwrap_or_default())
    })
}

fn says_unsafe(text: &str) -> bool {
    let code = text.lines().filter_map(|line| line.split("//").next());
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut words = code.flat_map(|line| line.split(|letter| !is_part(letter)));
    words.any(|word| word == "unsafe")
}

#[test]
fn every_dependency_has_its_line_with_a_reason_and_nothing_else_has_one() {
    let rows = rows();
    let listed: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let direct = direct();
    assert!(direct.len() > 40, "{direct:?}");
    assert_eq!(listed, direct.keys().collect::<Vec<_>>());
    for row in &rows {
        let [name, purpose, reason, bytes, _] = &row[..] else {
            panic!("{row:?}");
        };
        assert!(!purpose.is_empty() && !reason.is_empty(), "{name}");
        assert!(["yes", "no", "tests"].contains(&bytes.as_str()), "{name}");
    }
}

#[test]
fn what_is_said_of_unsafe_code_is_so() {
    assert!(says_unsafe("pub unsafe fn x()") && says_unsafe("x(unsafe { y })"));
    assert!(!says_unsafe(
        "#![forbid(unsafe_code)] // unsafe is forbidden"
    ));
    let direct = direct();
    for row in rows() {
        let (name, said) = (&row[0], &row[4]);
        assert!(said == "none" || said.starts_with("some: "), "{name}");
        assert_eq!(is_unsafe(&direct[name]), said != "none", "{name}: {said}");
    }
}

//! The benchmark is one command, and its README has its rows. What it measures is no test.

use std::path::Path;

use crate::support::command::Run;

const TOP: &str = env!("CARGO_MANIFEST_DIR");

/// The longest of its files, in lines: as for those of the program.
const LONGEST: usize = 500;

#[test]
fn every_row_of_the_benchmark_is_in_its_readme() {
    need!(tool "python3");
    let listed = Run::new("python3")
        .arg(format!("{TOP}/contrib/bench/run"))
        .arg("--list")
        .stdout();
    let listed = String::from_utf8(listed).unwrap();
    let rows: Vec<_> = listed
        .lines()
        .map(|line| line.split_once('\t').expect("a name and what it means"))
        .collect();
    assert!(rows.len() > 30, "only {} rows", rows.len());
    let readme = std::fs::read_to_string(format!("{TOP}/contrib/bench/README.md")).unwrap();
    let described: Vec<_> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("`: "))
        .map(|(name, rest)| (name, rest.split(" | ").next().unwrap()))
        .collect();
    assert_eq!(
        rows, described,
        "README.md is old: contrib/bench/run --markdown"
    );
}

#[test]
fn no_file_of_the_benchmark_is_long() {
    for entry in std::fs::read_dir(Path::new(TOP).join("contrib/bench")).unwrap() {
        let path = entry.unwrap().path();
        let is_made = path
            .extension()
            .is_some_and(|extension| extension == "svg" || extension == "json");
        if path.is_file() && !is_made {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LONGEST, "{}: {lines} lines", path.display());
        }
    }
}

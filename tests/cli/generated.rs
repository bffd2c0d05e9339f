//! What is made from the definition of the command line is the definition's own.

use std::path::Path;

use crate::support::command::imgmount;

#[test]
fn the_completions_are_those_of_the_definition() {
    for shell in ["bash", "zsh", "fish"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("contrib/completions/imgmount.{shell}"));
        let made = imgmount().args(["--completions", shell]).stdout();
        let kept = std::fs::read(&path).expect("the completions are kept");
        assert!(
            made == kept,
            "{} is old: imgmount --completions {shell} > it",
            path.display()
        );
    }
}

#[test]
fn the_manual_page_is_that_of_the_definition() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/imgmount.1");
    let made = imgmount().arg("--manual").stdout();
    let kept = std::fs::read(&path).expect("the page is kept");
    assert!(
        made == kept,
        "man/imgmount.1 is old: imgmount --manual > it"
    );
}

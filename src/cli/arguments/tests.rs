//! What each command line means.

use clap::CommandFactory;

use super::*;

fn parsed(line: &str) -> Arguments {
    parse(line.split(' ').map(OsString::from).collect()).expect("the line is right")
}

fn refused(line: &str) -> clap::Error {
    parse(line.split(' ').map(OsString::from).collect()).expect_err("the line is wrong")
}

#[test]
fn the_definition_holds_together() {
    Arguments::command().debug_assert();
}

#[test]
fn without_a_verb_it_is_a_mount() {
    for line in [
        "imgmount disk.raw mnt",
        "imgmount mount disk.raw mnt",
        "imgmount -- disk.raw mnt",
        "imgmount disk.raw mnt -o ro,allow_other -o uid=5 -f",
    ] {
        let Some(Verb::Mount(mount)) = parsed(line).verb else {
            panic!("{line}");
        };
        assert_eq!(mount.image, Some(PathBuf::from("disk.raw")));
        assert_eq!(mount.mountpoint, Some(PathBuf::from("mnt")));
    }
}

#[test]
fn an_image_may_be_called_like_a_verb() {
    for line in ["imgmount -- info", "imgmount mount info", "imgmount ./info"] {
        let Some(Verb::Mount(mount)) = parsed(line).verb else {
            panic!("{line}");
        };
        assert!(mount.image.is_some_and(|image| image.ends_with("info")));
    }
    let Some(Verb::Info(info)) = parsed("imgmount info info").verb else {
        panic!("the verb comes first");
    };
    assert_eq!(info.image, PathBuf::from("info"));
}

#[test]
fn options_before_the_verb_are_explained() {
    let error = refused("imgmount -v info disk.raw").to_string();
    assert!(error.contains("imgmount info ..."), "{error}");
}

#[test]
fn every_option_reaches_what_it_is_for() {
    let line = "imgmount ls disk.raw p1/etc -l -a -R -p LABEL=root --layout direct --no-raw \
                --format ext4 --offset 2048s --length 1M --cache-size 8M --ignore-checksums \
                --no-replay -vv";
    let arguments = parsed(&line.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(arguments.verbosity(), 2);
    let Some(Verb::Ls(ls)) = arguments.verb else {
        panic!("{line}");
    };
    let open = ls.opening.options();
    assert_eq!((open.offset, open.length), (1 << 20, Some(1 << 20)));
    assert_eq!(open.cache_size, 8 << 20);
    assert_eq!(open.format.format.as_deref(), Some("ext4"));
    assert!(open.format.ignore_checksums && open.format.no_replay);
    let tree = ls.showing.options();
    assert_eq!(tree.layout, tree::Layout::Direct);
    assert_eq!(tree.volume.as_deref(), Some("LABEL=root"));
    assert!(!tree.raw);
    assert_eq!(ls.paths, ["p1/etc"]);
    assert!(ls.long && ls.all && ls.recursive);
}

#[test]
fn what_is_missing_or_too_much_is_a_usage_error() {
    for line in [
        "imgmount",
        "imgmount cat disk.raw",
        "imgmount cp disk.raw p1",
        "imgmount run disk.raw",
        "imgmount run -f disk.raw -- true",
        "imgmount disk.raw mnt more",
        "imgmount info disk.raw --offset 1X",
        "imgmount convert disk.raw p1 out more",
    ] {
        assert_eq!(refused(line).exit_code(), 2, "{line}");
    }
}

#[test]
fn completions_and_manual_need_no_image() {
    assert_eq!(
        parsed("imgmount --completions zsh").completions,
        Some(Shell::Zsh)
    );
    assert!(parsed("imgmount --manual").manual);
}

//! Directories that lie in themselves, and links to themselves, as find(1) meets them in the mount.

use super::{Place, SOON, Who};
use crate::support::command::Run;

/// What find says of the file system `bytes`, mounted: the path of each name with `%` and its type
/// behind it. It comes to an end, and so does the mount.
pub fn find(bytes: &[u8]) -> Vec<String> {
    const PATIENCE: &str = "30";
    const MOST: usize = 10_000;
    let place = Place::new(Who::Self_);
    std::fs::write(&place.image, bytes).unwrap();
    let point = place.mount();
    let find = Run::new("timeout").args([PATIENCE, "find", "."]);
    let output = find.args(["-printf", "%P%%%y\n"]).within(&point).output();
    let code = output.status.code().unwrap();
    assert!([0, 1].contains(&code), "find ended with {code}");
    // A link may lead around too.
    let followed = Run::new("timeout").args([PATIENCE, "find", "-L", "."]);
    let code = followed.within(&point).output().status.code().unwrap();
    assert!([0, 1].contains(&code), "find -L ended with {code}");
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = said.lines().map(str::to_owned).collect();
    assert!(lines.len() < MOST, "{} names", lines.len());
    assert_eq!(place.processes("").len(), 2, "nobody died");
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
    lines
}

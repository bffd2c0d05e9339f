//! L05: names of groups and volumes that LVM2 does not give.

use imgmount::error::Kind;

use super::lvm::{TEXT, all_refused};
use crate::volume::lvm::bytes;
use crate::volume::lvm::groups::look;
use crate::volume::lvm::made::{Physical, linear, logical, text};

/// The path of each volume has the name of its group in it, and each part of a path is kept.
#[test]
fn l05_names_that_lvm2_does_not_give_are_refused() {
    let long = "n".repeat(200_000);
    let root = logical("root", &[linear(0, 2, "\"pv0\", 3")]);
    let whole = text(1, "a", 8, "", &root);
    for (name, words) in [
        (long.as_str(), "a name of 200000 bytes; it has 1 to 127"),
        ("a/b", "\"a/b\" is no name that LVM2 gives"),
        ("-x", "\"-x\" is no name that LVM2 gives"),
        ("..", "\"..\" is no name that LVM2 gives"),
    ] {
        for (from, section) in [
            ("vg0 {", ""),
            ("pv0 {", "volume group vg0: "),
            ("root {", "volume group vg0: "),
        ] {
            let at = whole.find(from).unwrap();
            let text = whole.replacen(from, &format!("{name} {{"), 1);
            let physical = Physical {
                area: 1 << 20,
                ..Physical::new('a', &text)
            };
            let words = format!("{section}{words}");
            all_refused(physical.head(), Kind::Corrupt, &words, TEXT + at);
        }
    }
    // What is looked for and is not there is named as far as such a name goes.
    let on_long = logical("x", &[linear(0, 1, &format!("\"{long}\", 0"))]);
    let physical = Physical {
        area: 1 << 20,
        ..Physical::new('a', &text(1, "a", 8, "", &on_long))
    };
    let (stack, _) = look(&[physical.head()]);
    let error = bytes(&stack, "vg0/x").unwrap_err().to_string();
    let words = format!("no volume is called {}… at byte", &long[..127]);
    assert!(error.contains(&words), "{error}");
}

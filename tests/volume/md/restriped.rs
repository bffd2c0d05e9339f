//! Data that mdadm's own `test_stripe` puts on members, with its own parity: what `mdadm --grow` works
//! with. It is in mdadm's sources (`make test_stripe`) and in no package.

use super::levels::combinations;
use super::made::{Array, DATA, pattern};
use super::{bytes, look};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::skip;

const CHUNK: usize = 4096;

/// Rows of each array.
const ROWS: usize = 13;

/// Level, layouts, the fewest members, and how many may be missing. Of the layouts of RAID 6 that have
/// RAID 5's on all members but the last, `test_stripe` takes the first members behind Q for data, of
/// which one is P: only where the data are is compared.
const CASES: &[(i32, &[u32], usize, usize)] = &[
    (4, &[0], 3, 1),
    (5, &[0, 1, 2, 3, 4, 5], 3, 1),
    (6, &[0, 1, 2, 3, 4, 5, 8, 9, 10], 4, 2),
    (6, &[16, 17, 18, 19, 20], 4, 0),
];

#[test]
fn what_mdadm_restripes_is_read_without_each_member() {
    // No package has it: contrib/test cannot install it.
    if let Some(reason) = skip::missing("tool", "test_stripe") {
        return skip::skip(module_path!(), &reason);
    }
    let scratch = Scratch::new();
    let mut compared = 0;
    for (level, layouts, least, spare) in CASES {
        for (layout, disks) in layouts
            .iter()
            .flat_map(|it| (*least..7).map(move |n| (it, n)))
        {
            let width = disks - if *level == 6 { 2 } else { 1 };
            let data = pattern(width * CHUNK * ROWS);
            let array = Array::new("1.2", *level, *layout, CHUNK, disks);
            let file = scratch.join("data");
            std::fs::write(&file, &data).unwrap();
            let path = |number: usize| scratch.join(&format!("member{number}"));
            let mut run = Run::new("test_stripe").arg("restore").arg(&file);
            let (length, start) = (data.len(), DATA / 512);
            run = run.words(&format!("{disks} {CHUNK} {level} {layout} 0 {length}"));
            for number in 0..disks {
                let image = array.member(number, &[0; CHUNK * ROWS]);
                std::fs::write(path(number), image).unwrap();
                run = run.arg(format!("{}:{start}", path(number).display()));
            }
            run.run();
            let images: Vec<Vec<u8>> = (0..disks)
                .map(|number| std::fs::read(path(number)).unwrap())
                .collect();
            for gone in combinations(disks, *spare) {
                let there = (0..disks).filter(|number| !gone.contains(number));
                let there: Vec<Vec<u8>> = there.map(|number| images[number].clone()).collect();
                let found = bytes(&look(&there).0, "md0").unwrap();
                assert!(
                    found == data,
                    "raid{level} {layout} of {disks} without {gone:?}"
                );
                compared += 1;
            }
        }
    }
    println!("{compared} arrays");
    assert!(compared > 500, "{compared}");
}

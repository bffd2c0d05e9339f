//! G02: images that were cut off, as by a copy that did not end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use imgmount::source::{SharedSource, Source, read_vec};
use imgmount::stack::Stack;

/// Bytes that are compared at once.
const PIECE: usize = 4096;

/// Looks at `image` cut to its first sectors, up to 64 of them, and at 40 more places: what can still
/// be read of a volume is what was there, or it fails, and nothing hangs. Gives how many volumes
/// there are in all of it that have bytes.
pub fn cut(image: &[u8], look: impl Fn(&[u8]) -> Stack) -> usize {
    let whole = look(image);
    let whole: BTreeMap<_, _> = sources(&whole).collect();
    let read = |source: &SharedSource| read_vec(&**source, 0, source.size() as usize).ok();
    let whole: BTreeMap<_, _> = whole
        .iter()
        .filter_map(|(name, source)| Some((name, read(source)?)))
        .collect();
    let sectors = (1..=64).map(|sector| sector * 512);
    let anywhere = (0..40).map(|number| 211 + number * number * 997 % image.len());
    for size in sectors.chain(anywhere).filter(|size| *size < image.len()) {
        let start = Instant::now();
        let stack = look(&image[..size]);
        for (name, source) in sources(&stack) {
            let Some(expected) = whole.get(&name) else {
                panic!("{name} is there of {size} bytes, and not of all");
            };
            compare(&*source, expected, &format!("{name} of {size} bytes"));
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{size}");
    }
    whole.len()
}

/// The bytes of all volumes, by their names.
fn sources(stack: &Stack) -> impl Iterator<Item = (String, SharedSource)> {
    let nodes = stack.nodes().into_iter();
    nodes.filter_map(|node| Some((node.name.clone(), node.source.clone().ok()?)))
}

fn compare(source: &dyn Source, expected: &[u8], what: &str) {
    assert!(source.size() <= expected.len() as u64, "{what}");
    for (index, part) in expected.chunks(PIECE).enumerate() {
        let at = index * PIECE;
        let there = (source.size() as usize).saturating_sub(at).min(part.len());
        let mut found = vec![0xa5; there];
        if source.read_exact_at(&mut found, at as u64).is_ok() {
            assert!(found == part[..there], "{what}: byte {at}");
        }
    }
}

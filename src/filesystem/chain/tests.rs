//! Chains in a table in memory.
#![allow(clippy::arithmetic_side_effects)]

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::number::to_usize;

/// The link of each cluster; the bad mark is `u32::MAX - 1`.
struct Links {
    links: Vec<u32>,
    asked: AtomicU32,
}

const END: u32 = u32::MAX;
const BAD: u32 = u32::MAX - 1;

impl Table for Links {
    fn end(&self) -> u32 {
        u32::try_from(self.links.len()).unwrap()
    }

    fn place(&self, cluster: u32) -> u64 {
        0x1000 + u64::from(cluster) * 4
    }

    fn link(&self, request: &Request, _window: &mut Window, cluster: u32) -> Result<Link> {
        request.spend(1)?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(match self.links[to_usize(cluster.into())] {
            END => Link::End,
            BAD => Link::Bad,
            next => Link::To(next),
        })
    }
}

fn links(links: Vec<u32>) -> Links {
    let asked = AtomicU32::new(0);
    Links { links, asked }
}

/// A table of `end` clusters in which `chain` is linked, its last to `last`.
fn table(end: u32, chain: &[u32], last: u32) -> Links {
    let mut found = vec![0; to_usize(end.into())];
    for (cluster, next) in chain.iter().zip(chain.iter().skip(1).chain([&last])) {
        found[to_usize((*cluster).into())] = *next;
    }
    links(found)
}

fn chains() -> Chains {
    Chains::new(Cache::new(16 << 20))
}

/// Every cluster of the chain from `first` on, and what ends it.
fn walked(table: &Links, first: u32) -> (Vec<u32>, Option<String>) {
    let (chains, request, mut found) = (chains(), Request::new(0), Vec::new());
    loop {
        let index = u32::try_from(found.len()).unwrap();
        match chains.run_at(&request, table, first, index) {
            Ok(Some(run)) => found.extend(run.cluster..run.cluster + run.count),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

#[test]
fn neighbours_are_one_run() {
    let table = table(20, &[5, 6, 7, 3, 9, 10], END);
    assert_eq!(walked(&table, 5), (vec![5, 6, 7, 3, 9, 10], None));
    let run = chains().run_at(&Request::new(0), &table, 5, 1);
    let expected = Run {
        cluster: 6,
        count: 2,
    };
    assert_eq!(run, Ok(Some(expected)));
    assert_eq!(chains().length(&Request::new(0), &table, 5), Ok(6));
    assert_eq!(chains().run_at(&Request::new(0), &table, 5, 6), Ok(None));
}

#[test]
fn a_broken_chain_is_read_up_to_the_break() {
    let cases = [
        (
            0,
            "FAT entry 3 is 0, which is none of the clusters 2 to 19 at byte 0x100c",
        ),
        (
            1,
            "FAT entry 3 is 1, which is none of the clusters 2 to 19 at byte 0x100c",
        ),
        (
            20,
            "FAT entry 3 is 20, which is none of the clusters 2 to 19 at byte 0x100c",
        ),
        (
            BAD,
            "FAT entry 3 marks a bad cluster in a chain at byte 0x100c",
        ),
        (3, "FAT entry 3 leads back to cluster 3 at byte 0x100c"),
        (6, "FAT entry 3 leads back to cluster 6 at byte 0x100c"),
        (5, "FAT entry 3 leads back to cluster 5 at byte 0x100c"),
    ];
    for (last, expected) in cases {
        let table = table(20, &[5, 6, 3], last);
        let (found, error) = walked(&table, 5);
        assert_eq!(found, [5, 6, 3], "{last}");
        assert_eq!(error.as_deref(), Some(expected));
    }
    for first in [0, 1, 20, END] {
        let (found, error) = walked(&table(20, &[5], END), first);
        let expected = format!("first cluster {first} is none of the clusters 2 to 19");
        assert_eq!((found, error), (Vec::new(), Some(expected)));
    }
}

#[test]
fn a_loop_over_many_segments_is_found() {
    let long: Vec<u32> = (2..100_002).rev().collect();
    for back in [100_001, 60_000, 2] {
        let (found, error) = walked(&table(100_002, &long, back), 100_001);
        assert!(error.unwrap().contains("leads back to cluster"), "{back}");
        assert!(found.len() >= 100_000 && found.len() < 400_000, "{back}");
        assert_eq!(found[..100_000], long);
    }
}

/// Ends with damage that Brent's algorithm cannot see: nothing is longer than the volume.
#[test]
fn no_chain_is_longer_than_the_volume() {
    struct Endless;
    impl Table for Endless {
        fn end(&self) -> u32 {
            u32::MAX
        }
        fn place(&self, _cluster: u32) -> u64 {
            0
        }
        fn link(&self, request: &Request, _: &mut Window, cluster: u32) -> Result<Link> {
            request.spend(1)?;
            Ok(Link::To(cluster + 1))
        }
    }
    let request = Request::new(0);
    let error = chains().run_at(&request, &Endless, 2, u32::MAX - 2);
    assert!(error.unwrap_err().to_string().contains("work limit"));
}

/// As of a file that says that it is long, in a volume that says so too.
#[test]
fn what_lies_far_behind_the_end_of_a_chain_is_not_looked_for_piece_by_piece() {
    struct Large;
    impl Table for Large {
        fn end(&self) -> u32 {
            u32::MAX
        }
        fn place(&self, _cluster: u32) -> u64 {
            0
        }
        fn link(&self, _: &Request, _: &mut Window, _: u32) -> Result<Link> {
            Ok(Link::End)
        }
    }
    let cache = Cache::new(16 << 20);
    let chains = Chains::new(cache.clone());
    let request = Request::new(0);
    for index in [1, SPAN, 1 << 20, u32::MAX] {
        assert_eq!(chains.run_at(&request, &Large, 2, index), Ok(None));
    }
    let small = table(10, &[2, 3], 99);
    let error = chains.run_at(&request, &small, 3, u32::MAX).unwrap_err();
    assert!(
        error.to_string().starts_with("FAT entry 3 is 99"),
        "{error}"
    );
    // Each chain's first segment, and no other was asked for.
    assert_eq!(cache.statistics().misses, 2);
}

#[test]
fn a_seek_does_not_walk_again() {
    let long: Vec<u32> = (2..200_002).step_by(2).collect();
    let (table, chains) = (table(200_002, &long, END), chains());
    let request = Request::new(0);
    let at = |index: u32| {
        let run = chains.run_at(&request, &table, 2, index).unwrap().unwrap();
        assert_eq!((run.cluster, run.count), (2 + index * 2, 1));
        table.asked.swap(0, Ordering::Relaxed)
    };
    assert!(at(99_999) <= 100_000);
    assert_eq!([at(0), at(50_000), at(99_999), at(4096)], [0; 4]);
}

//! Many readers at once, with far less cache than they read, and what a bug in a reader costs.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgmount::fuse;
use imgmount::service::open;
use imgmount::tree::{self, Tree};

use super::{Place, SOON, Who, numbered, signal, wait_until};
use crate::stack::synthetic::{self, Synthetic, What};
use crate::support::images::Scratch;
use crate::support::library;

const SECOND: Duration = Duration::from_secs(1);
const THREADS: usize = 8;

/// Files of many sizes in nested folders, 20 MB in all, and their bytes by path.
fn files(scratch: &Scratch) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = numbered(6 << 20);
    let mut made = BTreeMap::new();
    for number in 0..120_usize {
        let path = PathBuf::from(format!("d{}/e{}/f{number}", number % 7, number % 3));
        let size = match number % 40 {
            0 => all.len() - number,
            kind => kind * kind * 97,
        };
        let start = number * 16;
        made.insert(
            path,
            all[start..start + size.min(all.len() - start)].to_vec(),
        );
    }
    for (path, bytes) in &made {
        let path = scratch.join(path.to_str().unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    made
}

fn place(files: &Scratch) -> Place {
    let place = Place::with_files(Who::Self_, files.path(), "48M");
    place.directory("m");
    place
}

/// Where thread `thread` begins: each elsewhere, but two at each place.
fn turned<T>(all: &[T], thread: usize) -> impl Iterator<Item = &T> + Clone {
    let start = thread / 2 * all.len() / (THREADS / 2);
    all[start..].iter().chain(&all[..start])
}

fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap());
    let below = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => count_files(&entry.path()),
        false => 1,
    });
    below.sum()
}

#[test]
fn eight_threads_read_what_was_written_through_a_cache_of_1_mib() {
    need!(fuse, tool "mke2fs");
    let scratch = Scratch::new();
    let files: Vec<_> = files(&scratch).into_iter().collect();
    let place = place(&scratch);
    place.imgmount().words("--cache-size 1M disk.img m").run();
    let point = place.folder.join("m");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (files, point) = (&files, &point);
            scope.spawn(move || {
                for (path, bytes) in turned(files, thread) {
                    assert!(
                        std::fs::read(point.join(path)).unwrap() == *bytes,
                        "{path:?}"
                    );
                }
                assert_eq!(count_files(point), files.len());
            });
        }
    });
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

#[test]
fn eight_threads_read_what_was_written_through_the_library() {
    need!(tool "mke2fs");
    let scratch = Scratch::new();
    let files: Vec<_> = files(&scratch).into_iter().collect();
    let place = place(&scratch);
    let options = open::Options {
        cache_size: 1 << 20,
        ..open::Options::default()
    };
    let image = library::open_with(&place.image, &options);
    let filesystem = library::file_system(&image);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (files, filesystem) = (&files, &filesystem);
            scope.spawn(move || {
                for (path, bytes) in turned(files, thread) {
                    let path = path.to_str().unwrap();
                    assert!(library::read_path(&**filesystem, path) == *bytes, "{path}");
                }
            });
        }
    });
}

#[test]
fn u02_a_worker_killed_under_eight_readers_gives_errors_and_never_wrong_bytes() {
    need!(fuse, tool "mke2fs");
    let scratch = Scratch::new();
    let files: Vec<_> = files(&scratch).into_iter().collect();
    let place = place(&scratch);
    let point = place.folder.join("m");
    for round in 0..4_u64 {
        place.imgmount().words("--cache-size 1M disk.img m").run();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (files, point) = (&files, &point);
                scope.spawn(move || {
                    // Ends with the first error, which comes with the kill at the latest.
                    for (path, bytes) in turned(files, thread).cycle() {
                        let Ok(read) = std::fs::read(point.join(path)) else {
                            return;
                        };
                        assert!(read == *bytes, "{path:?}");
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(10 + round * 10));
            signal(place.processes("--worker")[0], "KILL");
        });
        place.assert_clean_within(SOON);
    }
}

/// A mount of `tree` served by this process, and gone with this value.
struct Served {
    point: PathBuf,
    thread: Option<std::thread::JoinHandle<imgmount::error::Result<()>>>,
}

impl Served {
    fn new(tree: Tree, point: PathBuf) -> Self {
        let device = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .unwrap();
        let data = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let data = CString::new(data).unwrap();
        let flags = rustix::mount::MountFlags::RDONLY;
        rustix::mount::mount("test", &point, "fuse.test", flags, data.as_c_str()).unwrap();
        let threads = fuse::Threads {
            count: 2,
            own_descriptors: true,
        };
        let device = OwnedFd::from(device);
        let serve = move || {
            let options = fuse::Options::default();
            let events = fuse::Events {
                begins: Box::new(|| ()),
                fails: Box::new(|| ()),
                activity: None,
            };
            fuse::serve(tree, device, &options, threads, || Ok(()), events)
        };
        let thread = Some(std::thread::spawn(serve));
        Self { point, thread }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let flags = rustix::mount::UnmountFlags::DETACH;
        rustix::mount::unmount(&self.point, flags).unwrap();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            assert_eq!(ended.unwrap(), Ok(()));
        }
    }
}

#[test]
fn a_panic_in_a_reader_costs_the_request_and_nothing_else() {
    need!(root, fuse);
    let scratch = Scratch::new();
    let entries = [("bomb", 20), ("fine", 21)];
    let filesystem = Synthetic::new(2, 2, &entries)
        .with(20, 20, What::Bomb)
        .with(21, 21, What::File(b"fine".to_vec()));
    let stack = synthetic::disk(synthetic::content(filesystem, b"label", "0badcafe"));
    let tree = Tree::compose(stack, &tree::Options::default()).unwrap();
    let served = Served::new(tree, scratch.folder("m"));
    let at = |name: &str| served.point.join(name);
    wait_until(
        5 * SECOND,
        || at("fine").exists(),
        || "not served".to_owned(),
    );
    // More often than there are threads to lose.
    for _ in 0..8 {
        let error = std::fs::read(at("bomb")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
        assert_eq!(at("bomb").metadata().unwrap().len(), 4);
    }
    assert_eq!(std::fs::read(at("fine")).unwrap(), b"fine");
    assert_eq!(std::fs::read_dir(&served.point).unwrap().count(), 2);
}

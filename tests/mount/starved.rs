//! Too little of something: memory, descriptors, an image that can be read.

use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::{Place, SOON, Who, everybody, numbered, signal, wait_until};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// A control group for memory, which goes with this value.
struct Group(PathBuf);

impl Group {
    /// With `limit` bytes; `None` where this system gives none.
    fn new(limit: u64) -> Option<Self> {
        let name = format!("imgmount-test-{}", std::process::id());
        let table = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = table.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let is_memory = fields.next()?.split(',').any(|it| it == "memory");
            let own = fields.next()?.trim_start_matches('/');
            is_memory.then(|| Path::new("/sys/fs/cgroup/memory").join(own))
        });
        // The first version's, then the second's, whose controllers the root passes on.
        let top = PathBuf::from("/sys/fs/cgroup");
        let _ = std::fs::write(top.join("cgroup.subtree_control"), "+memory");
        let places = own.map(|own| (own, "memory.limit_in_bytes"));
        let places = places.into_iter().chain([(top, "memory.max")]);
        places.into_iter().find_map(|(folder, file)| {
            let group = Self(folder.join(&name));
            std::fs::create_dir(&group.0).ok()?;
            std::fs::write(group.0.join(file), limit.to_string()).ok()?;
            Some(group)
        })
    }

    /// How many processes the kernel has killed in it.
    fn killed(&self) -> u64 {
        let mut files = ["memory.oom_control", "memory.events"].iter();
        let text = files.find_map(|file| std::fs::read_to_string(self.0.join(file)).ok());
        let text = text.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.unwrap().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0); // It stays while somebody is in it.
    }
}

/// Memory of its own that a process has now, in bytes.
fn anonymous(process: i32) -> u64 {
    super::status(process, "RssAnon:") << 10
}

#[test]
fn u07_in_a_group_of_96_mib_the_cache_is_a_quarter_of_that() {
    need!(root, fuse, tool "mke2fs", tool "setpriv", tool "qemu-img");
    const LIMIT: u64 = 96 << 20;
    let Some(group) = Group::new(LIMIT) else {
        crate::support::skip::skip(module_path!(), "needs control groups for memory");
        return;
    };
    let files = Scratch::new();
    let large = numbered(72 << 20);
    std::fs::write(files.join("large"), &large).unwrap();
    let place = Place::with_files(Who::Nobody, files.path(), "96M");
    place.directory("m");
    // What has to be unpacked is kept; the rest is in the host's memory anyway.
    let pack = Run::new("qemu-img").words("convert -c -O qcow2");
    pack.arg(&place.image)
        .arg(place.folder.join("packed"))
        .run();
    let imgmount = place.imgmount().command();
    let script = "echo $$ > $1/cgroup.procs && shift && exec setpriv --reuid 65534 \
                  --regid 65534 --clear-groups \"$0\" \"$@\"";
    let run = Run::new("sh").args(["-c", script]);
    let run = run.arg(imgmount.get_program()).arg(&group.0);
    let run = run.words("--cache-size 1G packed m");
    run.within(&place.folder).run();
    for _ in 0..2 {
        assert!(place.run("cat").arg("m/large").stdout() == large);
    }
    let used = anonymous(place.processes("--worker")[0]);
    assert!(used > LIMIT / 8, "{used}: nothing is cached");
    // Each thread keeps what it answers with, and a piece of what it reads.
    assert!(used < LIMIT / 4 + (20 << 20), "{used}");
    assert_eq!(place.processes("").len(), 2, "nobody died");
    assert_eq!(group.killed(), 0);
    place.imgmount().words("umount m").run();
    place.assert_clean_within(SOON);
}

#[test]
fn u07_thirty_two_descriptors_are_enough_for_eight_readers() {
    need!(fuse, tool "mke2fs", tool "prlimit");
    for who in everybody() {
        let place = Place::new(who);
        place.directory("m");
        let imgmount = place.imgmount().command();
        let run = place.run("prlimit").arg("--nofile=32");
        run.arg(imgmount.get_program()).words("disk.img m").run();
        let script = "for i in 1 2 3 4 5 6 7 8; do \
                          (cat m/large; ls -lR m >&2) 2>/dev/null | cksum & \
                      done; wait";
        let sums = place.run("sh").args(["-c", script]).text();
        let right = place.run("sh").args(["-c", "cat m/large | cksum"]).text();
        let sums: Vec<_> = sums.lines().collect();
        assert_eq!(sums, [right.trim_end(); 8]);
        assert!(place.run("cat").arg("m/large").stdout() == numbered(1 << 20));
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
}

/// An image that lies in another one's mount, where its bytes can be made unreadable.
struct Nested {
    place: Place,
    /// The bytes of `/large`.
    large: Vec<u8>,
    /// Where the second half of it begins, in the outer image.
    middle: u64,
}

impl Nested {
    /// Root's worker is nobody's, whom the kernel lets read what lies on a mount of root's, and not
    /// examine it.
    fn new(who: Who) -> Self {
        let (files, folder) = (Scratch::new(), Scratch::new());
        let large = numbered(8 << 20);
        std::fs::write(files.join("large"), &large).unwrap();
        let inner = folder.join("inner.img");
        let run = Run::new("mke2fs").words("-q -t ext4 -b 4096 -d");
        run.arg(files.path()).arg(&inner).arg("16M").run();
        let place = Place::with_files(who, folder.path(), "32M");
        place.directory("inner");
        place.mount();
        place.imgmount().words("m/inner.img inner").run();
        let block_of = |image: &Path, file: &str, block: u64| {
            let request = format!("bmap {file} {block}");
            let run = Run::new("debugfs").args(["-R", &request]).arg(image);
            run.text().trim().parse::<u64>().unwrap()
        };
        let middle = block_of(&inner, "large", 1024);
        let middle = block_of(&place.image, "inner.img", middle) * 4096;
        Self {
            place,
            large,
            middle,
        }
    }

    /// Pieces of `/large` that are right, and that cannot be read; there is no third kind.
    fn pieces(&self) -> (usize, usize) {
        let script = "i=0; while [ $i -lt 64 ]; do \
                          dd if=inner/large of=piece-$i bs=128k skip=$i count=1 2>/dev/null || \
                              rm -f piece-$i; \
                          i=$((i+1)); \
                      done";
        self.place.run("sh").args(["-c", script]).run();
        let pieces = self.large.chunks(128 << 10).enumerate();
        let right = pieces.filter(|(number, piece)| {
            let path = self.place.folder.join(format!("piece-{number}"));
            let read = std::fs::read(&path).ok();
            let _ = std::fs::remove_file(path); // It may not be there.
            // What is before the first page that cannot be read is given alone.
            let is_prefix = |read: &Vec<u8>| !read.is_empty() && piece.starts_with(read);
            assert!(read.as_ref().is_none_or(is_prefix), "{number}");
            read.is_some_and(|read| read.len() == piece.len())
        });
        let right = right.count();
        (right, 64 - right)
    }

    fn end(self, outer: bool) {
        let place = &self.place;
        place.imgmount().words("umount inner").run();
        if outer {
            place.imgmount().words("umount m").run();
        }
        place.assert_clean_within(SOON);
    }
}

#[test]
fn u06_u07_while_the_image_cannot_be_read_its_files_are_errors_and_then_files_again() {
    need!(fuse, tool "mke2fs", tool "debugfs");
    for who in everybody() {
        let nested = Nested::new(who);
        let place = &nested.place;
        let image = std::fs::File::options();
        let image = image.clone().read(true).write(true).open(&place.image);
        let image = image.unwrap();
        let from = nested.middle;
        let mut end = vec![0; usize::try_from((32 << 20) - from).unwrap()];
        image.read_exact_at(&mut end, from).unwrap();
        image.set_len(from).unwrap();
        let (right, unreadable) = nested.pieces();
        assert!(right > 0 && unreadable > 0, "{right} {unreadable}");
        assert_eq!(place.processes("").len(), 4, "nobody died");
        image.write_all_at(&end, from).unwrap();
        assert_eq!(nested.pieces(), (64, 0));
        nested.end(true);
    }
}

/// As where a server is gone, or a disk was pulled out.
#[test]
fn u06_when_what_the_image_lies_on_is_gone_its_mount_is_there_and_can_be_unmounted() {
    need!(fuse, tool "mke2fs", tool "debugfs");
    for who in everybody() {
        let nested = Nested::new(who);
        let place = &nested.place;
        let workers = place.processes("--worker");
        let (outer, inner): (Vec<_>, Vec<_>) = workers.into_iter().partition(|process| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap();
            String::from_utf8_lossy(&line).contains("disk.img")
        });
        signal(outer[0], "KILL");
        wait_until(
            SOON,
            || place.mounts().len() == 1,
            || format!("{:?}", place.mounts()),
        );
        assert_eq!(nested.pieces(), (0, 64));
        assert_eq!(place.run("ls").arg("inner").text(), "large\nlost+found\n");
        let lives = || {
            Path::new(&format!("/proc/{}/exe", inner[0]))
                .read_link()
                .is_ok()
        };
        assert!(lives(), "nobody else died");
        nested.end(false);
        wait_until(SOON, || !lives(), || "it stays".to_owned());
    }
}

/// The program that unmounts cannot be started for a while: whoever has a file open reads on, and the
/// mount goes once it can be.
#[test]
fn u07_a_helper_that_cannot_be_started_cuts_off_no_reader() {
    need!(root, fuse, tool "mke2fs", tool "prlimit");
    let place = Place::new(Who::Nobody);
    place.mount();
    let script = "exec 4<m/large; echo; read line; exec cksum <&4";
    let mut command = place.run("sh").args(["-c", script]).command();
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = command.spawn().unwrap();
    let mut said = reader.stdout.take().unwrap();
    said.read_exact(&mut [0]).unwrap();
    let supervisor = place.processes("--supervisor")[0];
    let limit = |most: &str| {
        let limit = place
            .run("prlimit")
            .args(["--pid", &supervisor.to_string()]);
        limit.arg(format!("--nproc={most}:")).run();
    };
    limit("1");
    signal(supervisor, "TERM");
    std::thread::sleep(Duration::from_millis(500));
    reader.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let mut sum = String::new();
    said.read_to_string(&mut sum).unwrap();
    assert!(reader.wait().unwrap().success());
    assert_eq!(place.mounts().len(), 1, "it could be unmounted");
    let right = place.folder.join("right");
    std::fs::write(&right, numbered(1 << 20)).unwrap();
    let right = Run::new("cksum").arg(&right).text();
    let numbers = |text: &str| {
        text.split(' ')
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(sum.trim_end()), numbers(&right));
    limit("1000");
    place.assert_clean_within(SOON);
}

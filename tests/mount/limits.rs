//! What the mount says when its image changes, and what it does where memory is short.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use super::{Place, SOON, Who, numbered, signal, wait_until};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn u06_a_change_of_the_image_is_logged_once() {
    need!(fuse, tool "mke2fs");
    let place = Place::new(Who::Self_);
    let point = place.directory("m");
    let mut command = place.imgmount().words("-f disk.img m").command();
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let serves = || point.join("hello").exists();
    wait_until(5 * SECOND, serves, || "not served".to_owned());
    std::thread::sleep(SECOND / 5);
    std::fs::File::options()
        .write(true)
        .open(&place.image)
        .and_then(|file| file.set_len(1 << 20))
        .unwrap();
    for _ in 0..3 {
        assert!(std::fs::read(point.join("large")).is_err());
    }
    signal(i32::try_from(child.id()).unwrap(), "TERM");
    assert!(child.wait().unwrap().success());
    let mut words = String::new();
    let mut log = child.stderr.take().unwrap();
    log.read_to_string(&mut words).unwrap();
    assert_eq!(words.matches("was written to").count(), 1, "{words}");
    assert!(words.contains("shorter than it was"), "{words}");
    place.assert_clean_within(SOON);
}

#[test]
fn u07_an_address_space_of_96_mib_is_enough_for_any_cache_size() {
    need!(fuse, tool "mke2fs");
    let files = crate::support::images::Scratch::new();
    let large = numbered(60 << 20);
    std::fs::write(files.join("large"), &large).unwrap();
    let place = Place::with_files(Who::Self_, files.path(), "80M");
    place.directory("m");
    let program = env!("CARGO_BIN_EXE_imgmount");
    for size in ["", "--cache-size 1G"] {
        let script = format!("ulimit -v 98304; exec {program} {size} disk.img m");
        place.run("sh").arg("-c").arg(script).run();
        assert!(place.run("cat").arg("m/large").stdout() == large);
        place.imgmount().words("umount m").run();
        place.assert_clean_within(SOON);
    }
}

//! EROFS: images that mkfs.erofs makes in every way it can, read by the library and by the kernel.

mod counts;
mod others;
mod sets;
mod tree;
mod unpadded;

use crate::support::command::Run;

/// Why the mkfs.erofs that is there cannot make what the tests ask for; nothing if it can.
/// `contrib/erofs-utils` builds one that can.
pub fn too_old() -> Option<String> {
    let said = Run::new("mkfs.erofs").arg("--version").output();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().last());
    let mut numbers = version
        .unwrap_or_default()
        .split('.')
        .map(|number| number.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (version < (1, 9)).then(|| "needs mkfs.erofs 1.9 or newer".to_owned())
}

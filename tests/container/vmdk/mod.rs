//! VMDK: what qemu-img writes in every subformat, what it reads of our own generator's ESXi
//! extents, and what must come of damaged ones.

mod alone;
mod chains;
mod damaged;
mod esx;
mod flips;
mod generate;
mod memory;
mod written;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use imgmount::error::Error;
use imgmount::service::open::{Options, open};

use crate::support::command::Run;
use crate::support::images::Scratch;

/// `raw` as a VMDK called `name`, made by qemu-img with `options`.
pub fn convert(raw: &Path, name: &str, options: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join(name);
    let mut convert = Run::new("qemu-img").words("convert -f raw -O vmdk");
    if !options.is_empty() {
        convert = convert.args(["-o", options]);
    }
    convert.arg(raw).arg(&image).run();
    image
}

/// Why `image` is refused, which is known soon.
pub fn refused(image: &Path) -> String {
    error(image).to_string()
}

/// The error with which `image` is refused, within seconds.
pub fn error(image: &Path) -> Error {
    let start = Instant::now();
    let error = match open(image, &Options::default()) {
        Ok(_) => panic!("{} is opened", image.display()),
        Err(error) => error,
    };
    assert!(start.elapsed() < Duration::from_secs(10), "{error}");
    error
}

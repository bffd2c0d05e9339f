//! VMDK: what qemu-img writes in every subformat, what it reads of our own generator's ESXi
//! extents, and what must come of damaged ones.

mod esx;
mod generate;
mod written;

use std::path::{Path, PathBuf};

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

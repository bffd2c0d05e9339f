//! UDF, by mkudffs, genisoimage, pycdlib and wrudf, against what udfinfo, 7z and blkid say of it.

mod cost;
mod made;
pub mod tree;
mod variants;
mod written;

use std::path::{Path, PathBuf};

use crate::support::command::Run;
use crate::support::images::Scratch;

/// A new volume by mkudffs with `options`, of `blocks` blocks.
fn mkudffs(options: &str, blocks: u32, scratch: &Scratch) -> PathBuf {
    let image = scratch.join(&format!("{}.udf", options.replace(['-', '=', ' '], "")));
    let mkudffs = Run::new("mkudffs").words(options).arg("--new-file");
    mkudffs.arg(&image).arg(blocks.to_string()).stdout();
    image
}

/// What udfinfo says of `image`, by name.
fn udfinfo(image: &Path) -> std::collections::BTreeMap<String, String> {
    let text = Run::new("udfinfo").arg(image).stdout();
    let text = String::from_utf8(text).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

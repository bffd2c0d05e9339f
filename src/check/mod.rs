//! Walks a stack and judges it: every checksum, every file, and a second, independent reader where
//! there is one. Nothing here prints.

pub mod second;
mod volume;

use crate::error::{Error, printable};
use crate::filesystem::FileSystem;
use crate::stack::{Content, Node, Stack};

/// What kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The image breaks its format's rules, or cannot be read.
    Damage,
    /// Two readers see different files in the same bytes: one of them is wrong.
    Disagreement,
    /// They differ by a known fault of the second reader, which was seen to be at work here.
    Explained,
}

/// One thing that is wrong, or looks so.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The volume's name: `p2`.
    pub volume: String,
    /// What kind.
    pub judgement: Judgement,
    /// The file, where it is one: bytes from the root of the volume, without a leading `/`.
    pub path: Option<Vec<u8>>,
    /// What is wrong, with object and offset.
    pub error: Error,
    /// For [`Judgement::Explained`], why that is no fault of the image.
    pub cause: Option<String>,
}

/// What was looked at in one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The volume's name.
    pub volume: String,
    /// The file system's name.
    pub format: &'static str,
    /// Files of all types that have a name.
    pub files: u64,
    /// Bytes of their contents that were read; holes are not.
    pub bytes: u64,
    /// What the second reader said.
    pub second: Second,
}

/// The second reader's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Second {
    /// There is none for this format.
    None,
    /// It does not read this file system, for this reason.
    Unable(String),
    /// It saw so many files, and so many could not be compared since it cannot reach them.
    Compared {
        /// Files of all types that were compared.
        files: u64,
        /// Files that it cannot reach; the cause is a finding of its own.
        beyond_reach: u64,
    },
}

/// Judges everything in `stack`; gives `each` what is wrong as it is found, and then what was looked
/// at. `advance` is told of the bytes as they are read.
pub fn check(
    stack: &Stack,
    each: &mut dyn FnMut(Finding),
    advance: &mut dyn FnMut(u64),
) -> Vec<Summary> {
    for digest in &stack.digests {
        if let Err(error) = digest.verify(advance) {
            each(damage(&digest.name, error));
        }
    }
    let mut summaries = Vec::new();
    for node in stack.nodes() {
        if let Err(error) = &node.source {
            each(damage(&node.name, error.clone()));
        }
        summaries.extend(content(
            &node.name,
            Some(node),
            &node.content,
            each,
            advance,
        ));
    }
    for set in &stack.sets {
        let name = format!("{} {}", set.format, printable(set.set.as_bytes()));
        summaries.extend(content(&name, None, &set.content, each, advance));
    }
    summaries
}

fn content(
    name: &str,
    node: Option<&Node>,
    content: &Content,
    each: &mut dyn FnMut(Finding),
    advance: &mut dyn FnMut(u64),
) -> Option<Summary> {
    match content {
        Content::Damaged { error, .. } => {
            each(damage(name, error.clone()));
            None
        }
        Content::FileSystem {
            format, filesystem, ..
        } => {
            let (files, bytes) = volume::check(name, &**filesystem, each, advance);
            Some(Summary {
                volume: name.to_owned(),
                format,
                files,
                bytes,
                second: second_reader(name, format, node, &**filesystem, each),
            })
        }
        _ => None,
    }
}

fn second_reader(
    name: &str,
    format: &str,
    node: Option<&Node>,
    filesystem: &dyn FileSystem,
    each: &mut dyn FnMut(Finding),
) -> Second {
    let source = node.and_then(|node| node.source.as_ref().ok());
    match (format, filesystem.replayed().or(source.cloned())) {
        ("ext4", Some(source)) => second::compare(
            name,
            filesystem,
            source.clone(),
            Box::new(second::Bytes::recovered(source)),
            each,
        ),
        _ => Second::None,
    }
}

fn damage(volume: &str, error: Error) -> Finding {
    Finding {
        volume: volume.to_owned(),
        judgement: Judgement::Damage,
        path: None,
        error,
        cause: None,
    }
}

//! What the formats of compressed files share: a stream that unpacks to one image.
#![allow(dead_code)] // until the first of them is registered

use crate::error::{Error, Result};
use crate::format::{Context, Disk};
use crate::source::SharedSource;
use crate::source::streamed::{Codec, Point};

/// A compressed file, as its format describes it.
pub(super) struct Stream {
    /// What decodes it.
    pub(super) codec: Box<dyn Codec>,
    /// The points that the format itself knows, in any order; the start need not be among them.
    pub(super) known: Vec<Point>,
    /// What the format knows of the size.
    pub(super) size: Size,
    /// Bytes it may unpack to at most, by the best ratio that the format has; `u64::MAX` where it
    /// has no bound.
    pub(super) most: u64,
}

/// What a format knows of the number of bytes that a stream unpacks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// All: the stream is damaged where it ends elsewhere.
    Exact(u64),
    /// The lower 32 bits, unless there are several members.
    Low(u32),
    /// Nothing.
    Unknown,
}

/// Opens what `stream` unpacks to: an image called as this one without its suffix, which is one of
/// `suffixes` (`.gz` and nothing, `.tgz` and `.tar`).
///
/// # Errors
/// What the image inside is refused for; what the stream is refused for at its start.
pub(super) fn open(
    stream: Stream,
    image: &SharedSource,
    suffixes: &[(&str, &str)],
    context: &Context,
) -> Result<Vec<Disk>> {
    let _ = (stream, image, suffixes, context);
    Err(Error::unsupported("a compressed stream"))
}

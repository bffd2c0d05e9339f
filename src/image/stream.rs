//! What the formats of compressed files share: a stream that unpacks to one image.
//!
//! Its size is needed before anything is read. Where the format does not say it, the start of what
//! it unpacks to may (`size`); else the stream is decoded to its end, once, and what was learnt is
//! kept. A stream that unpacks to hundreds of times its size, and of which nothing says how much
//! that is, is opened all the same: as if it went on like that.

mod size;

use std::sync::Arc;

use crate::error::{Result, ResultExt};
use crate::format::{Context, Disk, Notices, Progress, Stored};
use crate::source::SharedSource;
use crate::source::mapped::Mapped;
use crate::source::streamed::{Codec, Listener, Point, Streamed, Work};

/// A compressed file, as its format describes it.
pub(super) struct Stream {
    /// The format's name.
    pub(super) format: &'static str,
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

/// Bytes at most that a stream of no known bound is taken to unpack to: what still is an offset in
/// a file for the kernel.
const MOST: u64 = i64::MAX.unsigned_abs() >> 8;

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
    let identity = format!("{} 1 {}", stream.format, image.size());
    let listener = Box::new(Ear {
        format: stream.format,
        notices: context.notices.clone(),
        progress: context.progress.clone(),
        stored: context.stored.clone(),
    });
    let stored = context.stored.load();
    let (most, size) = (stream.most.min(MOST), stream.size);
    let (codec, known) = (stream.codec, stream.known);
    let identity = identity.as_bytes();
    let (stored, decoding) = (stored.as_deref(), &context.decoding);
    let streamed = Streamed::new(codec, known, most, listener, identity, stored, decoding)?;
    let mapped = Arc::new(Mapped::new(
        streamed,
        Vec::new(),
        None,
        context.cache.clone(),
    ));
    let size = size::of(&mapped, size, most, image.size(), context)
        .context(|| "the size of what it holds")?;
    mapped.map().set_size(size);
    let name = inner_name(&context.origin.name, suffixes);
    context.inside(mapped, &name, None)
}

/// `name` without its suffix.
fn inner_name(name: &[u8], suffixes: &[(&str, &str)]) -> Vec<u8> {
    let cut = |(suffix, instead): &(&str, &str)| {
        let start = name.len().checked_sub(suffix.len())?;
        let (stem, end) = name.split_at_checked(start)?;
        let is_own = !stem.is_empty() && end.eq_ignore_ascii_case(suffix.as_bytes());
        is_own.then(|| [stem, instead.as_bytes()].concat())
    };
    suffixes
        .iter()
        .find_map(cut)
        .unwrap_or_else(|| name.to_vec())
}

/// Passes on what the stream says.
struct Ear {
    format: &'static str,
    notices: Arc<Notices>,
    progress: Arc<dyn Progress>,
    stored: Arc<dyn Stored>,
}

impl Listener for Ear {
    fn notice(&self, text: String) {
        self.notices.add(format!("{}: {text}", self.format));
    }

    fn begin(&self, total: Option<u64>) -> Box<dyn Work> {
        self.progress.begin(total)
    }

    fn save(&self, index: &[u8]) {
        self.stored.save(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_called_as_the_file_without_its_suffix() {
        let suffixes = [(".gz", ""), (".tgz", ".tar")];
        let inner = |name: &str| {
            let name = inner_name(name.as_bytes(), &suffixes);
            String::from_utf8(name).expect("it was")
        };
        assert_eq!(inner("disk.img.gz"), "disk.img");
        assert_eq!(inner("a.TGZ"), "a.tar");
        assert_eq!(inner("disk"), "disk");
        assert_eq!(inner(".gz"), ".gz");
        assert_eq!(inner("gz"), "gz");
    }
}

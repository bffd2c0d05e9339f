//! Formats that are known by their magic and not read: `info` names them, so that nobody has to
//! wonder, and two magics in one volume are noticed. Names are libblkid's where it has one.
//!
//! A format that has a reader stays in the table: it is the reader's claim that counts then, and
//! whoever calls [`find`] leaves out the names of readers.

mod filesystem;
mod identity;
mod image;
mod other;
mod partition;
mod raid;
mod view;
mod volume;

use crate::format::Description;
use crate::source::Source;

pub use view::View;

/// What kind of thing a signature stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A disk image container.
    Image,
    /// A partition table.
    Partition,
    /// A volume manager's member.
    Volume,
    /// A file system, or swap.
    FileSystem,
}

/// What is known of one format.
#[derive(Debug)]
pub struct Signature {
    /// The format's customary name: `xfs`, `LVM2_member`.
    pub name: &'static str,
    /// Its layer.
    pub layer: Layer,
    /// Whether it is short or loose: it names what nothing else claims and contradicts nothing.
    pub weak: bool,
    /// Where it lies in the last bytes instead of the first: what it wraps has its own magic at the
    /// start.
    pub at_end: Option<End>,
    /// What cannot be had of it as long as nothing reads it.
    pub lacks: &'static str,
    /// How it is told.
    test: Test,
    /// What it says of itself.
    says: fn(&View<'_>) -> Description,
}

/// Where a signature begins that lies at the end.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// In the last so many bytes.
    Last(u64),
    /// At this byte, by the size.
    At(fn(u64) -> u64),
}

impl End {
    /// The first of `size` bytes that may be of it.
    #[must_use]
    pub fn start(self, size: u64) -> u64 {
        match self {
            Self::Last(reach) => size.saturating_sub(reach),
            Self::At(place) => place(size),
        }
    }
}

/// How a signature is told.
#[derive(Debug)]
enum Test {
    /// Any of these bytes at these offsets.
    Any(&'static [(u64, &'static [u8])]),
    /// More than bytes at an offset.
    Check(fn(&View<'_>) -> bool),
}

impl Signature {
    /// The magic `any`, bytes at an offset, of a format of `layer`.
    const fn new(name: &'static str, layer: Layer, any: &'static [(u64, &'static [u8])]) -> Self {
        Self::told_by(name, layer, Test::Any(any))
    }

    /// A format of `layer` that `check` tells.
    const fn checked(name: &'static str, layer: Layer, check: fn(&View<'_>) -> bool) -> Self {
        Self::told_by(name, layer, Test::Check(check))
    }

    const fn told_by(name: &'static str, layer: Layer, test: Test) -> Self {
        let lacks = match layer {
            Layer::Partition => "its partitions cannot be shown",
            _ => "its files cannot be shown",
        };
        Self {
            name,
            layer,
            weak: false,
            at_end: None,
            lacks,
            test,
            says: identity::nothing,
        }
    }

    /// The same, too short or loose to contradict anything.
    const fn weak(self) -> Self {
        Self { weak: true, ..self }
    }

    /// The same, of what has no files: swap, a log.
    const fn without_files(self) -> Self {
        self.lacking("it holds no files")
    }

    /// The same, of which this cannot be had, with what the user could do.
    const fn lacking(self, lacks: &'static str) -> Self {
        Self { lacks, ..self }
    }

    /// The same, which says of itself what `says` finds.
    const fn saying(self, says: fn(&View<'_>) -> Description) -> Self {
        Self { says, ..self }
    }

    /// The same, in the last `reach` bytes.
    const fn at_end(self, reach: u64) -> Self {
        Self {
            at_end: Some(End::Last(reach)),
            ..self
        }
    }

    /// The same, at byte `place`, by the size.
    const fn at_end_from(self, place: fn(u64) -> u64) -> Self {
        Self {
            at_end: Some(End::At(place)),
            ..self
        }
    }

    /// Whether it stands for the content of a disk or volume and is no mere hint.
    #[must_use]
    pub fn is_content(&self) -> bool {
        !self.weak && matches!(self.layer, Layer::Volume | Layer::FileSystem)
    }

    /// What the one in `source` says of itself: label, UUID, what little else costs nothing.
    #[must_use]
    pub fn describe(&self, source: &dyn Source) -> Description {
        (self.says)(&View::new(source))
    }

    fn is_in(&self, view: &View<'_>) -> bool {
        match self.test {
            Test::Any(any) => any.iter().any(|(offset, magic)| view.has(*offset, magic)),
            Test::Check(check) => check(view),
        }
    }
}

/// Every signature, by layer.
const TABLES: [&[Signature]; 6] = [
    image::SIGNATURES,
    partition::SIGNATURES,
    raid::SIGNATURES,
    volume::SIGNATURES,
    filesystem::SIGNATURES,
    other::SIGNATURES,
];

/// Every signature.
pub fn all() -> impl Iterator<Item = &'static Signature> {
    TABLES.into_iter().flatten()
}

/// The signatures that `source` carries, in table order: containers, tables, volumes, file systems.
/// A source too short for a magic does not carry it.
/// What cannot be read does not match, and hides nothing that can.
#[must_use]
pub fn find(source: &dyn Source) -> Vec<&'static Signature> {
    let view = View::new(source);
    all().filter(|signature| signature.is_in(&view)).collect()
}

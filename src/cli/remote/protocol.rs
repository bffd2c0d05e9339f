//! What a verb and the process that reads its image say to each other.

use std::num::{NonZeroU32, NonZeroU64};

use serde::{Deserialize, Serialize};

use super::super::exit::{Failure, Outcome};
use crate::error::Error;
use crate::filesystem::{Attributes, Inode};
use crate::source::{Extent, HostBytes};

/// Bytes of a file or volume that are asked for at a time, at most.
pub(crate) const PIECE: usize = 2 << 20;

/// What the process is to do: the first message to it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    /// The image, for messages.
    pub(crate) name: String,
    /// The image's path, byte for byte.
    pub(crate) image: Vec<u8>,
    /// On whose behalf.
    pub(crate) uid: u32,
    /// What is odd about the image's file.
    pub(crate) notices: Vec<String>,
    pub(crate) verb: Verb,
}

/// What a job is for.
#[derive(Serialize, Deserialize)]
pub(crate) enum Verb {
    /// The tree of names is walked by [`Ask`].
    Walk,
    /// The disk, or the one volume, is read by [`Ask`].
    Volume(Option<String>),
    /// `info`, for lines of `width` columns where they have any.
    Info { json: bool, width: Option<usize> },
    /// `check`.
    Check { json: bool },
}

/// What the process says before it is asked anything.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// Work that lasts begins.
    Begins { work: u32, total: Option<u64> },
    /// So much of it is done.
    Advances { work: u32, bytes: u64 },
    /// It is over.
    Ends { work: u32 },
    /// So many bytes follow for standard output.
    Output(u32),
    /// The job came to this; for a [`Verb`] with questions, these may begin.
    Over(Result<End, Failure>),
}

/// How a job ends, or begins.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum End {
    /// There is a tree with this root.
    Tree { root: Inode, notices: Vec<String> },
    /// There is a volume of this size.
    Volume { size: u64, notices: Vec<String> },
    /// That was all.
    Verb(Outcome),
}

/// A question about the tree or the volume. The answer is a `Result` of what stands with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// `Option<Inode>`
    Lookup { dir: Inode, name: Vec<u8> },
    /// A list of [`Found`] of these files, perhaps not of the last ones, and the bytes that they
    /// count.
    About { inodes: Vec<Inode>, ahead: Ahead },
    /// [`Entries`] until there are none.
    Names(Inode),
    /// `u32`, and so many bytes.
    Read(Piece),
    /// [`Extent`]
    Extent { file: Inode, offset: u64 },
    /// `Vec<u8>`
    Link(Inode),
    /// `Vec<Vec<u8>>`
    XattrNames(Inode),
    /// `Option<Vec<u8>>`
    Xattr { inode: Inode, name: Vec<u8> },
    /// [`Inode`]
    VolumeRoot(Inode),
    /// `()`, and as many bytes as were asked for.
    VolumeRead { offset: u64, length: u32 },
    /// A list of [`Part`] of what lies there, perhaps not of its end, and the bytes that they count.
    VolumeParts { offset: u64, length: u64 },
    /// `Vec<String>`: the notices but the first `said`.
    Notices { said: usize },
}

/// A part of a volume, behind the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Part {
    /// So many zeros. The last ones may reach past what was asked for.
    Zeros(NonZeroU64),
    /// What lies in a file that the process was given, as it is.
    Host(HostBytes),
    /// So many bytes that follow, no more than [`PIECE`] in all.
    Sent(NonZeroU32),
}

impl Part {
    /// How many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Zeros(length) => length.get(),
            Self::Host(bytes) => bytes.len.get(),
            Self::Sent(length) => length.get().into(),
        }
    }
}

/// Parts that are told together, at most.
pub(crate) const MOST_PARTS: usize = 1024;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) file: Inode,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// What is asked next about a file whose attributes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Ahead {
    /// Nothing.
    Nothing,
    /// Where a link leads.
    Links,
    /// That, and the names of the extended attributes.
    XattrNames,
    /// That, and their values.
    Xattrs,
    /// All that, and the contents.
    Contents,
}

/// What is known of a file, or why nothing is.
pub(crate) type Found = Result<About, Error>;

/// Files that are asked about together, at most.
pub(crate) const MOST_FILES: usize = 64;

/// Bytes of files that are sent together, the last of them not counted.
pub(crate) const CONTENTS: u32 = 256 << 10;

/// Some names of a directory.
pub(crate) type Entries = Vec<(Vec<u8>, Inode)>;

/// A file's attributes, and perhaps what else there is to be known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) attributes: Attributes,
    /// All extended attributes, or why they cannot be read.
    pub(crate) xattrs: Option<Result<Vec<AboutXattr>, Error>>,
    /// A link's target.
    pub(crate) link: Option<Vec<u8>>,
    /// What a file begins with.
    pub(crate) extent: Option<Extent>,
    /// How many bytes follow: the file's own, all of them; no more than [`SMALL`].
    pub(crate) content: Option<u32>,
}

/// The name of an extended attribute, and its value where that was asked for.
pub(crate) type AboutXattr = (Vec<u8>, Option<Vec<u8>>);

/// Bytes of a file that are sent with its attributes, at most.
pub(crate) const SMALL: u32 = 64 << 10;

//! How every format of every layer is registered, and what it is given when it opens.
//!
//! A format is a [`Format`] in the registry of its layer. `claim` looks at the first bytes and
//! says whether this is one; `describe` says what is in it without opening second files; `open`
//! gives the layer's product.

mod digest;
mod guid;
mod keys;
mod layers;
mod makeup;
mod opened;
mod progress;
mod refused;
mod room;
mod second;
mod secret;
mod stored;
#[cfg(test)]
pub mod testing;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

pub use self::digest::{Algorithm, Digest};
pub use self::guid::guid;
pub use self::keys::{Container, Key, Keyring, Keys};
pub use self::layers::{Later, Layer, Layers};
pub use self::makeup::{Ground, Makeup, Measured, Stretch, Usage};
pub use self::progress::Progress;
pub use self::refused::Refused;
pub use self::room::{Room, Taken};
pub use self::second::{Identity, Images, Neighbour, Neighbours, Origin};
pub use self::secret::Secret;
pub use self::stored::Stored;
use crate::cache::Cache;
use crate::error::Result;
use crate::lock::lock;
use crate::source::streamed::Decoding;
use crate::source::{SharedSource, Source};

/// One format of one layer. `Open` is the layer's own function type.
pub struct Format<Open: 'static> {
    /// As in `--format`, the man page and error messages.
    pub name: &'static str,
    /// Whether these bytes are of this format. Reads little, allocates nothing by disk values.
    pub claim: fn(&dyn Source) -> Result<Option<Set>>,
    /// What is there: label, UUID, features. Opens no second file.
    pub describe: fn(&dyn Source) -> Result<Description>,
    /// Opens it.
    pub open: Open,
}

/// Whether a source stands alone or is one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// It is whole by itself.
    Alone,
    /// It is whole by itself and encrypted: what else its bytes look like is left over from before.
    Sealed {
        /// By all of its own header, and not only by the copy of it.
        is_whole: bool,
    },
    /// It is told by a trailer behind what it holds, whose own magic stands at the start and is no
    /// contradiction: a fixed VHD.
    Trailer,
    /// It is whole by itself, and may share its bytes with a partition table on purpose: a disc that
    /// also boots as a disk. Partitions inside its bytes, or behind them, belong to it.
    Hybrid {
        /// How many bytes, from the first on, are its own.
        size: u64,
    },
    /// It is whole by itself, and discs have it on purpose beside an older format with the same files:
    /// UDF beside ISO 9660.
    Bridge {
        /// The older format's name.
        older: &'static str,
    },
    /// It is one member of a set: a physical volume, a RAID leg, a btrfs device.
    Member {
        /// What all members share, as its UUID.
        set: String,
        /// Which of the members this is.
        role: u32,
        /// How many there are.
        expected: u32,
        /// Newer members have the higher number.
        event: u64,
        /// The members that it names, each by an identifier of its own: for those that do not say
        /// themselves which set they are of.
        names: Vec<String>,
    },
    /// It belongs to a set and has no place of its own in it: a spare, a journal, a disk that is to
    /// take another's place.
    Beside {
        /// What all members share, as its UUID.
        set: String,
        /// How many members with a place there are.
        expected: u32,
    },
    /// It is one member of a set that only the others name.
    Stray {
        /// What they name it by.
        id: String,
    },
}

/// What `info` says about one layer. Every text is as it is on disk; printing escapes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The label, bytes as on disk.
    pub label: Option<Vec<u8>>,
    /// The UUID or serial number, in its customary spelling.
    pub uuid: Option<String>,
    /// Features in use, by their standard names.
    pub features: Vec<String>,
    /// Further facts, name and value, in the order to print them.
    pub facts: Vec<(&'static str, String)>,
    /// Bytes in use, where the format knows.
    pub allocated: Option<u64>,
    /// Second files that are wanted, as named in the image. Not opened.
    pub second_files: Vec<Vec<u8>>,
    /// Of a volume manager: what its volumes lie on, the hidden ones too.
    pub volumes: Vec<Makeup>,
}

/// A disk that an image holds. Most hold one.
#[derive(Clone)]
pub struct Disk {
    /// `disk`, or the name it has in its container.
    pub name: String,
    /// Its bytes.
    pub source: SharedSource,
    /// Logical sector size in bytes, where the container says; 512 otherwise.
    pub sector_size: u32,
}

impl Disk {
    /// The only disk of its image, with sectors of 512 bytes.
    #[must_use]
    pub fn alone(source: SharedSource) -> Self {
        Self {
            name: "disk".to_owned(),
            source,
            sector_size: 512,
        }
    }
}

/// A partition or a logical volume.
pub struct Volume {
    /// Its path in the tree of names: `p1`, `vg0/root`. It stands below what holds it; with `/` in
    /// front, at the top of the tree.
    pub name: String,
    /// Its bytes, or why they cannot be had; it is listed either way.
    pub source: Result<SharedSource>,
    /// Where it lies in what holds it, where that is one piece: first byte and bytes.
    pub location: Option<(u64, u64)>,
    /// What the partition table says of it.
    pub partition: Option<Partition>,
}

/// What a partition table says of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// As the Linux kernel numbers it, from 1.
    pub number: u32,
    /// The type's name for people: `Linux filesystem`, `EFI System`.
    pub type_name: String,
    /// The type as in the table: `0x83`, or the GUID in lower case.
    pub type_id: String,
    /// The name in the table (GPT), UTF-8 or as near as it gets.
    pub label: Option<String>,
    /// The partition's own UUID (PARTUUID), lower case; for MBR `DISKID-NN` as the kernel spells it.
    pub uuid: Option<String>,
    /// The MBR's active flag or GPT's legacy BIOS bit.
    pub bootable: bool,
    /// It holds other partitions and nothing else: an extended partition.
    pub container: bool,
}

/// What the user chose that a format may need.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {
    /// Read structures whose checksum is wrong.
    pub ignore_checksums: bool,
    /// Show the disk as it lies, without its journal.
    pub no_replay: bool,
    /// The format to open, where the user named one; nothing is probed in that layer then. From the
    /// user it may be several, as [`Options::formats`] takes them apart; what an image format sees
    /// is its own name, and what a partition table or a file system sees is the last.
    pub format: Option<String>,
    /// The rest of the user's formats, for what an image holds.
    pub inside: Option<String>,
    /// Logical sector size in bytes of the disk, where its container or the user says; without it
    /// a partition table counts in 512, or in what it shows itself (GPT).
    pub sector_size: Option<u32>,
    /// The snapshot to show instead of what is current, by name or number.
    pub snapshot: Option<String>,
    /// The disk to show of an image that holds several.
    pub disk: Option<String>,
    /// What files have in a file system that keeps no owners and permissions.
    pub owner: Owner,
    /// The code page of FAT's short names, by its number; 437 without it.
    pub codepage: Option<String>,
    /// Minutes that the local time of FAT's and exFAT's timestamps is ahead of UTC; none without it.
    pub time_offset: Option<i32>,
    /// The session of a disc to show, from 1; the last without it.
    pub session: Option<u32>,
    /// What becomes of plain ISO 9660 names.
    pub map: NameMap,
    /// Leave ISO 9660's Rock Ridge extensions aside.
    pub no_rock_ridge: bool,
    /// Leave ISO 9660's Joliet tree aside.
    pub no_joliet: bool,
    /// Show ISO 9660's associated files.
    pub show_associated: bool,
    /// What may be spent on a key.
    pub kdf_limit: KdfLimit,
}

/// The most that deriving a key from a passphrase may cost: who made the image chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KdfLimit {
    /// Bytes of memory.
    pub memory: u64,
    /// Seconds, as far as the work can be told beforehand.
    pub seconds: u32,
}

impl Default for KdfLimit {
    /// What cryptsetup takes at the most of its own accord, and a bit more time.
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            seconds: 10,
        }
    }
}

/// Owner and permissions of files where the file system keeps none: those of who mounts it, as the
/// kernel's drivers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits that no file but a directory has.
    pub fmask: u16,
    /// Permission bits that no directory has.
    pub dmask: u16,
}

impl Default for Owner {
    /// Root, with the usual umask.
    fn default() -> Self {
        Self {
            uid: 0,
            gid: 0,
            fmask: 0o022,
            dmask: 0o022,
        }
    }
}

/// What becomes of plain ISO 9660 names, as with isofs's `map=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameMap {
    /// Shown as they are on the disc.
    Off,
    /// Lower case, without the version `;1` and the dot of an empty extension.
    #[default]
    Normal,
    /// The same, with Acorn's extensions.
    Acorn,
}

impl Options {
    /// The formats that the user named, the image file's own first, then what each of them holds.
    /// Colons separate them as well as commas, which separate mount options.
    pub fn formats(&self) -> impl DoubleEndedIterator<Item = &str> {
        let format = self.format.as_deref().into_iter();
        format.flat_map(|list| list.split([',', ':']))
    }
}

/// Everything a format is given besides its bytes.
#[derive(Clone)]
pub struct Context {
    /// The user's choices.
    pub options: Options,
    /// What of the image is being opened, as the tree calls it: `disk`, `p3`, `vg0/root`.
    pub subject: String,
    /// The user's keys. Formats ask by [`Context::unlock`].
    pub keys: Arc<Keyring>,
    /// The headers that lie apart from what they describe.
    pub headers: Arc<Vec<Header>>,
    /// The one that is for the subject.
    pub header: Option<SharedSource>,
    /// The policy for second files. Formats ask by [`Context::file`] and [`Context::disk`].
    pub neighbours: Arc<dyn Neighbours>,
    /// Which file this is, and what led to it.
    pub origin: Origin,
    /// What opens an image inside or behind this one.
    pub images: Arc<dyn Images>,
    /// The images that were opened, for `info`.
    pub layers: Arc<Layers>,
    /// What was worked out about this image before, and where to keep it.
    pub stored: Arc<dyn Stored>,
    /// Who shows how far work is that lasts.
    pub progress: Arc<dyn Progress>,
    /// Where to say what is odd but no error.
    pub notices: Arc<Notices>,
    /// What the tables that are kept may still take.
    pub room: Room,
    /// What the decoders of all streams hold.
    pub decoding: Decoding,
    /// What may still be told of what volumes lie on; [`Makeup::told`] takes it.
    pub telling: Room,
    /// The one cache.
    pub cache: Arc<Cache>,
}

/// A detached header: what would stand at the start of an encrypted volume, as a file of its own.
pub struct Header {
    /// The volume that it is for, as the tree calls it; the whole disk without it.
    pub subject: Option<String>,
    /// Its bytes.
    pub source: SharedSource,
}

impl Context {
    /// Nothing chosen, no keys, no neighbours: what a caller has is put in its place.
    #[must_use]
    pub fn new(cache: Arc<Cache>) -> Self {
        Self {
            options: Options::default(),
            subject: "disk".to_owned(),
            keys: Keyring::new(Arc::new(Nobody)),
            headers: Arc::default(),
            header: None,
            neighbours: Arc::new(Nobody),
            origin: Origin::default(),
            images: Arc::new(Nobody),
            layers: Arc::default(),
            stored: Arc::new(Nobody),
            progress: Arc::new(Nobody),
            notices: Arc::default(),
            room: Room::default(),
            decoding: Decoding::default(),
            telling: Room::default(),
            cache,
        }
    }
}

/// No keys, no neighbours, no images, nothing stored.
pub struct Nobody;

/// How many notices are kept; a hostile image can give reason for millions.
const MOST_NOTICES: usize = 1000;

/// What is odd but no error. Each text is logged and kept once.
#[derive(Default)]
pub struct Notices {
    seen: Mutex<BTreeSet<String>>,
    order: Mutex<Vec<String>>,
}

impl Notices {
    /// Adds one, in the form of an error's line: `partition 2: ext4: …`. Names must be printable.
    pub fn add(&self, text: impl Into<String>) {
        let text = text.into();
        let mut seen = lock(&self.seen);
        if seen.len() >= MOST_NOTICES || !seen.insert(text.clone()) {
            return;
        }
        log::warn!("{text}");
        lock(&self.order).push(text);
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        lock(&self.order).clone()
    }
}

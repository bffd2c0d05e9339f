//! The single descriptors, as bytes.

use super::BLOCK;

/// A block of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub partition: u16,
    pub block: u32,
}

/// An entry to be written.
#[derive(Clone)]
pub struct Entry {
    pub extended: bool,
    pub file_type: u8,
    pub strategy: u16,
    /// Flags of the ICB; the lowest three say what the descriptors are.
    pub flags: u16,
    pub uid: u32,
    pub gid: u32,
    pub permissions: u32,
    pub links: u16,
    pub size: u64,
    pub blocks: u64,
    /// Access, change of contents, of attributes, creation.
    pub times: [[u8; 12]; 4],
    pub streams: Option<Address>,
    pub attributes: Vec<u8>,
    pub descriptors: Vec<u8>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            extended: true,
            file_type: 5,
            strategy: 4,
            flags: 3,
            uid: 1000,
            gid: 100,
            permissions: 0x7884, // rw-r--r-- and, for the owner, attributes and deletion
            links: 1,
            size: 0,
            blocks: 0,
            times: [1, 2, 3, 0].map(time),
            streams: None,
            attributes: Vec::new(),
            descriptors: Vec::new(),
        }
    }
}

/// 2020-02-29 12:00 in a zone two hours ahead of UTC, and `minute` minutes and a bit.
pub fn time(minute: u8) -> [u8; 12] {
    [120, 0x10, 0xe4, 7, 2, 29, 12, minute, 5, 6, 7, 8]
}

impl Entry {
    /// A file with `content` in its entry.
    pub fn embedded(content: &[u8]) -> Self {
        Self {
            size: content.len() as u64,
            descriptors: content.to_vec(),
            ..Self::default()
        }
    }

    /// A file of `size` bytes, with descriptors of the kind `kind`.
    pub fn with(kind: u16, size: usize, descriptors: Vec<u8>) -> Self {
        Self {
            flags: kind,
            size: size as u64,
            blocks: size.div_ceil(BLOCK) as u64,
            descriptors,
            ..Self::default()
        }
    }
}

/// Allocation descriptors; the upper two bits of `length` say what the extent is.
pub fn short(length: u32, block: u32) -> Vec<u8> {
    [length.to_le_bytes(), block.to_le_bytes()].concat()
}

pub fn long(length: u32, at: Address) -> Vec<u8> {
    let place = [&at.block.to_le_bytes()[..], &at.partition.to_le_bytes()];
    [&length.to_le_bytes()[..], &place.concat(), &[0; 6]].concat()
}

pub fn extended(length: u32, recorded: u32, at: Address) -> Vec<u8> {
    let lengths = [length, recorded, length & 0x3fff_ffff].map(u32::to_le_bytes);
    let place = [
        &at.block.to_le_bytes()[..],
        &at.partition.to_le_bytes(),
        &[0; 2],
    ];
    [lengths.concat(), place.concat()].concat()
}

/// A name as OSTA compressed Unicode, of one byte for each character where that does.
pub fn name(text: &str) -> Vec<u8> {
    if text.chars().all(|character| u32::from(character) < 256) {
        let bytes = text.chars().map(|character| character as u32 as u8);
        return std::iter::once(8).chain(bytes).collect();
    }
    let units = text.encode_utf16().flat_map(u16::to_be_bytes);
    std::iter::once(16).chain(units).collect()
}

/// `text` in a field of `length` bytes.
pub fn field(text: &str, length: usize) -> Vec<u8> {
    let mut bytes = name(text);
    let used = bytes.len() as u8;
    bytes.resize(length - 1, 0);
    bytes.push(used);
    bytes
}

pub fn entity(identifier: &str, revision: u16) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(identifier.as_bytes());
    bytes.resize(24, 0);
    bytes.extend(revision.to_le_bytes());
    bytes.resize(32, 0);
    bytes
}

/// The character set of all names (UDF 2.1.2).
pub fn characters() -> Vec<u8> {
    let mut bytes = b"\0OSTA Compressed Unicode".to_vec();
    bytes.resize(64, 0);
    bytes
}

fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| match crc >> 15 {
            1 => crc << 1 ^ 0x1021,
            _ => crc << 1,
        })
    })
}

/// The descriptor of kind `kind` at block `location` with `body` behind its tag.
pub fn tagged(kind: u16, location: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes[2] = 3;
    bytes[10..12].copy_from_slice(&(body.len().min(0xffff) as u16).to_le_bytes());
    bytes[12..16].copy_from_slice(&location.to_le_bytes());
    bytes.extend_from_slice(body);
    retag(&mut bytes);
    bytes
}

/// Puts the sums of the descriptor that `bytes` begin with right.
pub fn retag(bytes: &mut [u8]) {
    let covered = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    let end = (16 + covered).min(bytes.len());
    let sum = crc(&bytes[16..end]);
    bytes[8..10].copy_from_slice(&sum.to_le_bytes());
    bytes[4] = 0;
    bytes[4] = bytes[..16]
        .iter()
        .fold(0, |sum, byte| sum.wrapping_add(*byte));
}

/// One file identifier descriptor.
pub fn identifier(location: u32, characteristics: u8, name: &[u8], icb: Address) -> Vec<u8> {
    let mut body = vec![1, 0, characteristics, name.len() as u8];
    body.extend(long(BLOCK as u32, icb));
    body.extend([0, 0]);
    body.extend_from_slice(name);
    body.resize((body.len() + 16).next_multiple_of(4) - 16, 0);
    tagged(257, location, &body)
}

/// The bytes of `entry` at block `location`.
pub fn entry_bytes(location: u32, entry: &Entry) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend([entry.strategy, 0, 1].map(u16::to_le_bytes).concat());
    body.extend([0, entry.file_type, 0, 0, 0, 0, 0, 0]);
    body.extend(entry.flags.to_le_bytes());
    body.extend(
        [entry.uid, entry.gid, entry.permissions]
            .map(u32::to_le_bytes)
            .concat(),
    );
    body.extend(entry.links.to_le_bytes());
    body.extend([0; 6]);
    body.extend(entry.size.to_le_bytes());
    if entry.extended {
        body.extend(entry.size.to_le_bytes());
    }
    body.extend(entry.blocks.to_le_bytes());
    let [access, change, attributes, creation] = entry.times;
    body.extend([access, change].concat());
    if entry.extended {
        body.extend(creation);
    }
    body.extend(attributes);
    body.extend(1_u32.to_le_bytes());
    if entry.extended {
        body.extend([0; 4]);
    }
    body.extend([0; 16]);
    if entry.extended {
        let none = vec![0; 16];
        body.extend(entry.streams.map_or(none, |at| long(BLOCK as u32, at)));
    }
    body.extend(entity("*tests", 0));
    body.extend(77_u64.to_le_bytes());
    let lengths = [
        entry.attributes.len() as u32,
        entry.descriptors.len() as u32,
    ];
    body.extend(lengths.map(u32::to_le_bytes).concat());
    body.extend(&entry.attributes);
    body.extend(&entry.descriptors);
    tagged(if entry.extended { 266 } else { 261 }, location, &body)
}

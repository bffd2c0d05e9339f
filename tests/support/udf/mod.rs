//! Makes UDF volumes of the kinds that no common tool writes, with every field open to be wrong: the
//! tags are computed last, so that damage lies behind checksums that are right.

mod records;

use std::collections::BTreeMap;

pub use records::{Address, Entry, extended, identifier, long, name, retag, short, tagged, time};
use records::{characters, entity, entry_bytes, field};

/// Bytes in a block, and the first block of the partition.
pub const BLOCK: usize = 2048;
const START: u32 = 300;

/// Blocks of the image, unless it ends with a virtual allocation table.
const BLOCKS: u32 = 4096;

/// Where the sequences and the integrity descriptor are.
pub const MAIN: u32 = 128;
pub const RESERVE: u32 = 192;
pub const INTEGRITY: u32 = 160;

/// Spare packets and the sparing table lie behind the partition.
const SPARE: u32 = 3072;
pub const SPARING_TABLE: u32 = 3000;
pub const PACKET: u32 = 32;

/// Where the metadata file's pieces lie in the partition, each of this many blocks, and its mirror's.
const METADATA: [u32; 3] = [1000, 1100, 1050];
const MIRROR: [u32; 3] = [1200, 1300, 1250];
const PIECE: u32 = 20;
pub const METADATA_ICB: u32 = 990;
pub const MIRROR_ICB: u32 = 991;

/// How the partitions lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Physical,
    Sparable,
    Virtual15,
    Virtual20,
    Metadata,
}

/// A volume being made.
pub struct Builder {
    layout: Layout,
    pub bytes: Vec<u8>,
    /// The next free blocks: of the physical partition, and of the one that entries are in.
    next: u32,
    next_entry: u32,
    /// Of the virtual partition.
    pub table: Vec<u32>,
    /// First block of a packet in the partition to where it was moved.
    pub spared: BTreeMap<u32, u32>,
    file_set: Address,
    folders: Vec<Address>,
}

impl Builder {
    pub fn new(layout: Layout) -> Self {
        let mut builder = Self {
            layout,
            bytes: vec![0; BLOCKS as usize * BLOCK],
            next: 100,
            next_entry: 0,
            table: Vec::new(),
            spared: BTreeMap::new(),
            file_set: Address {
                partition: 0,
                block: 0,
            },
            folders: Vec::new(),
        };
        builder.file_set = builder.icb();
        builder
    }

    /// The next block for an entry or a directory.
    pub fn icb(&mut self) -> Address {
        let partition = u16::from(self.has_two());
        let block = self.next_entry;
        self.next_entry += 1;
        if matches!(self.layout, Layout::Virtual15 | Layout::Virtual20) {
            let at = self.physical(1);
            self.table.push(at.block);
        }
        Address { partition, block }
    }

    /// `count` free blocks of the physical partition.
    pub fn physical(&mut self, count: u32) -> Address {
        let block = self.next;
        self.next += count;
        Address {
            partition: 0,
            block,
        }
    }

    fn has_two(&self) -> bool {
        !matches!(self.layout, Layout::Physical | Layout::Sparable)
    }

    /// The bytes of the image in which block `at` is; in a metadata partition its mirror is second.
    pub fn places(&self, at: Address) -> Vec<usize> {
        let linear = |block: u32| (START + block) as usize * BLOCK;
        match (self.layout, at.partition) {
            (Layout::Virtual15 | Layout::Virtual20, 1) => {
                vec![linear(self.table[at.block as usize])]
            }
            (Layout::Metadata, 1) => {
                let (piece, within) = ((at.block / PIECE) as usize, at.block % PIECE);
                [METADATA, MIRROR]
                    .map(|of| linear(of[piece] + within))
                    .to_vec()
            }
            (Layout::Sparable, _) => {
                let packet = at.block / PACKET * PACKET;
                match self.spared.get(&packet) {
                    Some(moved) => vec![(moved + at.block - packet) as usize * BLOCK],
                    None => vec![linear(at.block)],
                }
            }
            _ => vec![linear(at.block)],
        }
    }

    /// Writes `bytes` from block `at` on.
    pub fn put(&mut self, at: Address, bytes: &[u8]) {
        for (index, chunk) in (0..).zip(bytes.chunks(BLOCK)) {
            let block = at.block + index;
            for place in self.places(Address { block, ..at }) {
                self.bytes[place..place + chunk.len()].copy_from_slice(chunk);
            }
        }
    }

    /// Changes the descriptor at `at` in every copy, and puts its sums right.
    pub fn patch(&mut self, at: Address, change: impl Fn(&mut [u8])) {
        for place in self.places(at) {
            let block = &mut self.bytes[place..place + BLOCK];
            change(block);
            retag(block);
        }
    }

    /// Writes `entry` at `at`.
    pub fn entry(&mut self, at: Address, entry: &Entry) {
        let bytes = entry_bytes(at.block, entry);
        self.put(at, &bytes);
        if entry.file_type == 4 {
            self.folders.push(at);
        }
    }

    /// A new file.
    pub fn file(&mut self, entry: &Entry) -> Address {
        let at = self.icb();
        self.entry(at, entry);
        at
    }

    /// A new allocation extent with `descriptors`.
    pub fn allocation_extent(&mut self, descriptors: &[u8]) -> Address {
        let at = self.icb();
        self.put_allocation_extent(at, descriptors);
        at
    }

    pub fn put_allocation_extent(&mut self, at: Address, descriptors: &[u8]) {
        let length = (descriptors.len() as u32).to_le_bytes();
        let body = [&[0; 4], &length[..], descriptors].concat();
        self.put(at, &tagged(258, at.block, &body));
    }

    /// Writes `content` to new blocks of the physical partition.
    pub fn data(&mut self, content: &[u8]) -> Address {
        let at = self.physical(content.len().div_ceil(BLOCK) as u32);
        self.put(at, content);
        at
    }

    /// Writes a directory at `icb`: its parent, and `files`, in its entry.
    pub fn directory(&mut self, icb: Address, parent: Address, files: &[(&str, Address)]) {
        let mut content = identifier(icb.block, 8 | 2, &[], parent);
        for (text, at) in files {
            let characteristics = if self.folders.contains(at) { 2 } else { 0 };
            content.extend(identifier(icb.block, characteristics, &name(text), *at));
        }
        self.raw_directory(icb, &content);
    }

    /// Writes a directory at `icb` with `content`: in its entry, or in blocks where it is larger.
    pub fn raw_directory(&mut self, icb: Address, content: &[u8]) {
        let entry = match content.len() {
            ..1500 => Entry::embedded(content),
            length => {
                let at = self.data(content);
                Entry::with(1, length, long(length as u32, at))
            }
        };
        self.entry(
            icb,
            &Entry {
                file_type: 4,
                permissions: 0x7ca5,
                ..entry
            },
        );
    }

    /// Writes what leads to the root directory, and gives the image.
    pub fn finish(mut self, root: Address) -> Vec<u8> {
        let body = self.file_set_body(root);
        let file_set = self.file_set;
        self.put(file_set, &tagged(256, file_set.block, &body));
        match self.layout {
            Layout::Metadata => self.put_metadata(),
            Layout::Sparable => self.put_sparing_table(),
            _ => {}
        }
        self.recognition();
        for start in [MAIN, RESERVE] {
            self.sequence(start);
        }
        self.integrity();
        let extents = [MAIN, RESERVE].map(|start| short(16 * BLOCK as u32, start));
        self.sector(256, 2, &[extents.concat(), vec![0; 480]].concat());
        match self.layout {
            Layout::Virtual15 | Layout::Virtual20 => self.put_table(),
            _ => self.sector(BLOCKS - 1, 2, &[extents.concat(), vec![0; 480]].concat()),
        }
        self.bytes
    }

    fn file_set_body(&self, root: Address) -> Vec<u8> {
        let mut body = time(0).to_vec();
        body.resize(48 - 16, 0);
        body.extend([characters(), field("Label", 128), characters()].concat());
        body.extend(field("Set", 32));
        body.resize(400 - 16, 0);
        body.extend(long(BLOCK as u32, root));
        body.extend(entity("*OSTA UDF Compliant", self.revision()));
        body.resize(496, 0);
        body
    }

    fn revision(&self) -> u16 {
        match self.layout {
            Layout::Virtual15 => 0x150,
            Layout::Metadata => 0x250,
            _ => 0x201,
        }
    }

    fn recognition(&mut self) {
        for (index, standard) in ["BEA01", "NSR03", "TEA01"].iter().enumerate() {
            let at = 32768 + index * 2048;
            self.bytes[at + 1..at + 6].copy_from_slice(standard.as_bytes());
            self.bytes[at + 6] = 1;
        }
    }

    /// A descriptor in sector `number` of the volume.
    fn sector(&mut self, number: u32, kind: u16, body: &[u8]) {
        let at = number as usize * BLOCK;
        let bytes = tagged(kind, number, body);
        self.bytes[at..at + bytes.len()].copy_from_slice(&bytes);
    }

    fn sequence(&mut self, start: u32) {
        let mut primary = vec![0; 8];
        primary.extend(field("Volume", 32));
        primary.resize(72 - 16, 0);
        primary.extend(field("0123456789abcdefSet", 128));
        primary.extend([characters(), characters()].concat());
        primary.resize(496, 0);
        self.sector(start, 1, &primary);
        let mut partition = [0_u32.to_le_bytes(), [1, 0, 0, 0]].concat();
        partition.extend(entity("+NSR03", 0));
        partition.resize(184 - 16, 0);
        let end = if self.layout == Layout::Sparable {
            2600
        } else {
            BLOCKS - START - 1
        };
        partition.extend([4, START, end].map(u32::to_le_bytes).concat());
        partition.resize(496, 0);
        self.sector(start + 1, 5, &partition);
        let logical = self.logical_volume();
        self.sector(start + 2, 6, &logical);
        self.sector(start + 3, 8, &[0; 496]);
    }

    fn logical_volume(&self) -> Vec<u8> {
        let maps = self.maps();
        let mut body = [vec![0; 4], characters()].concat();
        body.extend(field("Label", 128));
        body.extend((BLOCK as u32).to_le_bytes());
        body.extend(entity("*OSTA UDF Compliant", self.revision()));
        body.extend(long(BLOCK as u32, self.file_set));
        let length: usize = maps.iter().map(Vec::len).sum();
        body.extend(
            [length as u32, maps.len() as u32]
                .map(u32::to_le_bytes)
                .concat(),
        );
        body.resize(432 - 16, 0);
        body.extend(short(2 * BLOCK as u32, INTEGRITY));
        body.extend(maps.concat());
        body
    }

    fn maps(&self) -> Vec<Vec<u8>> {
        let plain = vec![1, 6, 1, 0, 0, 0];
        let mut second = vec![2, 64, 0, 0];
        let named =
            |identifier, revision| [entity(identifier, revision), vec![1, 0, 0, 0]].concat();
        match self.layout {
            Layout::Physical => return vec![plain],
            Layout::Sparable => {
                second.extend(named("*UDF Sparable Partition", 0x201));
                second.extend([PACKET as u8, 0, 1, 0]);
                second.extend([BLOCK as u32, SPARING_TABLE].map(u32::to_le_bytes).concat());
                second.resize(64, 0);
                return vec![second];
            }
            Layout::Virtual15 => second.extend(named("*UDF Virtual Partition", 0x150)),
            Layout::Virtual20 => second.extend(named("*UDF Virtual Partition", 0x200)),
            Layout::Metadata => {
                second.extend(named("*UDF Metadata Partition", 0x250));
                let places = [METADATA_ICB, MIRROR_ICB, u32::MAX, 32];
                second.extend(places.map(u32::to_le_bytes).concat());
                second.extend([1, 0, 1]);
            }
        }
        second.resize(64, 0);
        vec![plain, second]
    }

    fn integrity(&mut self) {
        let mut body = time(0).to_vec();
        body.extend([1, 0, 0].map(u32::to_le_bytes).concat());
        body.resize(72 - 16, 0);
        let partitions = 1 + u32::from(self.has_two());
        body.extend([partitions, 46].map(u32::to_le_bytes).concat());
        body.extend(1234_u32.to_le_bytes().repeat(2 * partitions as usize));
        body.extend(entity("*tests", 0));
        body.extend([5_u32, 2].map(u32::to_le_bytes).concat());
        body.extend([self.revision(); 3].map(u16::to_le_bytes).concat());
        self.sector(INTEGRITY, 9, &body);
    }

    fn put_metadata(&mut self) {
        for (icb, kind, pieces) in [(METADATA_ICB, 250, METADATA), (MIRROR_ICB, 251, MIRROR)] {
            let length = PIECE * BLOCK as u32;
            let descriptors = pieces.map(|block| short(length, block)).concat();
            let entry = Entry::with(0, length as usize * 3, descriptors);
            let at = Address {
                partition: 0,
                block: icb,
            };
            self.entry(
                at,
                &Entry {
                    file_type: kind,
                    ..entry
                },
            );
        }
    }

    fn put_sparing_table(&mut self) {
        let mut body = entity("*UDF Sparing Table", 0x201);
        let free = (u32::MAX, SPARE + 512);
        let entries: Vec<_> = self
            .spared
            .iter()
            .map(|(from, to)| (*from, *to))
            .chain([free])
            .collect();
        body.extend((entries.len() as u16).to_le_bytes());
        body.extend([0, 0, 1, 0, 0, 0]);
        for (from, to) in entries {
            body.extend([from, to].map(u32::to_le_bytes).concat());
        }
        self.sector(SPARING_TABLE, 0, &body);
    }

    /// Moves the packet of block `block` to spare packet `number`; to be done before it is written.
    pub fn spare(&mut self, block: u32, number: u32) {
        self.spared
            .insert(block / PACKET * PACKET, SPARE + number * PACKET);
    }

    /// Ends the image with the virtual allocation table.
    fn put_table(&mut self) {
        let entries = self.table.iter().flat_map(|block| block.to_le_bytes());
        let (mut content, file_type) = match self.layout {
            Layout::Virtual15 => (Vec::new(), 0),
            _ => {
                let mut head = [152_u16.to_le_bytes(), [0, 0]].concat();
                head.extend(field("Label", 128));
                head.extend([u32::MAX, 7, 3].map(u32::to_le_bytes).concat());
                head.extend([0x200_u16, 0x200, 0x201, 0].map(u16::to_le_bytes).concat());
                (head, 248)
            }
        };
        content.extend(entries);
        if self.layout == Layout::Virtual15 {
            content.extend(entity("*UDF Virtual Alloc Tbl", 0x150));
            content.extend(u32::MAX.to_le_bytes());
        }
        let data = self.data(&content);
        let icb = self.physical(1);
        let entry = Entry::with(0, content.len(), short(content.len() as u32, data.block));
        self.entry(icb, &Entry { file_type, ..entry });
        self.bytes
            .truncate((START + icb.block + 1) as usize * BLOCK);
    }
}

//! Makes exFAT volumes, byte by byte to the specification, for what no formatter and no driver
//! writes. Section numbers are those of Microsoft's "exFAT file system specification".

/// A directory entry.
pub type Entry = [u8; 32];

pub const DIRECTORY: u16 = 0x10;
pub const ARCHIVE: u16 = 0x20;

/// `GeneralSecondaryFlags`: clusters with a chain in the FAT, and without one.
pub const CHAIN: u8 = 1;
pub const CONTIGUOUS: u8 = 3;

/// The end of a chain.
pub const END: u32 = 0xffff_ffff;

/// A volume under construction.
pub struct Volume {
    pub sector_bits: u8,
    pub cluster_bits: u8,
    pub clusters: u32,
    pub fats: u8,
    /// `VolumeFlags`.
    pub flags: u16,
    /// The FATs, a word for each cluster.
    pub tables: [Vec<u32>; 2],
    /// The bitmaps, a bit for each cluster.
    pub bitmaps: [Vec<bool>; 2],
    /// What is in the clusters.
    pub heap: Vec<u8>,
    /// The entries of the root directory.
    pub root: Vec<Entry>,
    next: u32,
}

impl Volume {
    /// A volume of `clusters` clusters, with sectors and clusters of as many bytes as two to the
    /// power of the bits.
    pub fn new(sector_bits: u8, cluster_bits: u8, clusters: u32) -> Self {
        let table = vec![0; clusters as usize + 2];
        Self {
            sector_bits,
            cluster_bits,
            clusters,
            fats: 1,
            flags: 0,
            tables: [table.clone(), table],
            bitmaps: [
                vec![false; clusters as usize],
                vec![false; clusters as usize],
            ],
            heap: vec![0; (clusters as usize) << cluster_bits],
            root: Vec::new(),
            next: 2,
        }
    }

    /// The usual one: sectors of 512 bytes, clusters of 4 KiB, 64 of them.
    pub fn usual() -> Self {
        Self::new(9, 12, 64)
    }

    pub fn cluster_size(&self) -> usize {
        1 << self.cluster_bits
    }

    /// `count` clusters that follow each other, in use by both bitmaps; gives the first.
    pub fn allocate(&mut self, count: u32) -> u32 {
        let first = self.next;
        self.next += count;
        for bitmap in &mut self.bitmaps {
            bitmap[first as usize - 2..][..count as usize].fill(true);
        }
        first
    }

    /// Links `chain` in both FATs.
    pub fn link(&mut self, chain: &[u32]) {
        let behind = chain.iter().skip(1).chain([&END]);
        for (cluster, next) in chain.iter().zip(behind) {
            for table in &mut self.tables {
                table[*cluster as usize] = *next;
            }
        }
    }

    /// Writes `bytes` from the start of `cluster` on.
    pub fn put(&mut self, cluster: u32, bytes: &[u8]) {
        let start = (cluster as usize - 2) << self.cluster_bits;
        self.heap[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Clusters that follow each other and hold `bytes`; gives the first.
    pub fn store(&mut self, bytes: &[u8]) -> u32 {
        let first = self.allocate(bytes.len().div_ceil(self.cluster_size()) as u32);
        self.put(first, bytes);
        first
    }

    /// Clusters that hold `bytes` in a chain that runs backwards: no two follow each other.
    pub fn scatter(&mut self, bytes: &[u8]) -> u32 {
        let size = self.cluster_size();
        let count = bytes.len().div_ceil(size) as u32;
        let first = self.allocate(count);
        let chain: Vec<u32> = (first..first + count).rev().collect();
        for (cluster, piece) in chain.iter().zip(bytes.chunks(size)) {
            self.put(*cluster, piece);
        }
        self.link(&chain);
        chain[0]
    }

    /// A file without a chain.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Set {
        let first = self.store(bytes);
        Set::new(name, ARCHIVE).stream(CONTIGUOUS, first, bytes.len() as u64)
    }

    /// A directory without a chain that holds `entries`.
    pub fn directory(&mut self, name: &str, entries: &[Entry]) -> Set {
        let (first, length) = self.store_entries(entries);
        Set::new(name, DIRECTORY).stream(CONTIGUOUS, first, length)
    }

    /// Whole clusters that hold `entries`: the first, and how many bytes.
    pub fn store_entries(&mut self, entries: &[Entry]) -> (u32, u64) {
        let bytes = self.padded(entries);
        (self.store(&bytes), bytes.len() as u64)
    }

    /// `entries` as whole clusters, of which there is at least one.
    pub fn padded(&self, entries: &[Entry]) -> Vec<u8> {
        let mut bytes = entries.concat();
        let clusters = bytes.len().div_ceil(self.cluster_size()).max(1);
        bytes.resize(clusters * self.cluster_size(), 0);
        bytes
    }

    /// Adds `set` to the root directory.
    pub fn add(&mut self, set: &Set) {
        self.root.extend(set.sealed());
    }

    /// The volume: with its bitmaps and an up-case table in front of the root's entries, and both
    /// boot regions.
    pub fn finish(mut self) -> Vec<u8> {
        let (table, sum) = upcase();
        let upcase = self.store(&table);
        let pages = (table.len().div_ceil(self.cluster_size())) as u32;
        self.link(&(upcase..upcase + pages).collect::<Vec<_>>());
        let bytes = (self.clusters as usize).div_ceil(8);
        let pages = bytes.div_ceil(self.cluster_size()) as u32;
        let places = [0, 1].map(|number| {
            let first = if number < self.fats {
                self.allocate(pages)
            } else {
                0
            };
            if first != 0 {
                self.link(&(first..first + pages).collect::<Vec<_>>());
            }
            first
        });
        let mut head = vec![critical(0x82, 0, upcase, table.len() as u64)];
        head[0][4..8].copy_from_slice(&sum.to_le_bytes());
        for (number, first) in (0..self.fats).zip(places) {
            head.push(critical(0x81, number, first, bytes as u64));
        }
        let entries: Vec<Entry> = head.into_iter().chain(self.root.clone()).collect();
        let root = self.padded(&entries);
        let root = self.scatter(&root);
        for (number, first) in (0..usize::from(self.fats)).zip(places) {
            let bits = self.bitmaps[number].chunks(8);
            let byte = |bits: &[bool]| {
                let bits = bits.iter().zip(0..);
                bits.map(|(bit, place)| u8::from(*bit) << place).sum()
            };
            let bytes: Vec<u8> = bits.map(byte).collect();
            self.put(first, &bytes);
        }
        self.assemble(root)
    }

    fn assemble(&self, root: u32) -> Vec<u8> {
        let sector = 1_usize << self.sector_bits;
        let table_sectors = (self.tables[0].len() * 4).div_ceil(sector);
        let heap_sector = 24 + table_sectors * usize::from(self.fats);
        let mut bytes = vec![0; 24 * sector];
        for table in self.tables.iter().take(self.fats.into()) {
            let start = bytes.len();
            bytes.extend(table.iter().flat_map(|word| word.to_le_bytes()));
            bytes[start..start + 8].copy_from_slice(b"\xf8\xff\xff\xff\xff\xff\xff\xff");
            bytes.resize(start + table_sectors * sector, 0);
        }
        // What is between them and the clusters.
        bytes.resize(heap_sector * sector, 0);
        bytes.extend(&self.heap);
        let boot = &mut bytes[..512];
        boot[..11].copy_from_slice(b"\xeb\x76\x90EXFAT   ");
        let words = [
            (
                72,
                8,
                (heap_sector as u64) + (self.heap.len() / sector) as u64,
            ),
            (80, 4, 24),
            (84, 4, table_sectors as u64),
            (88, 4, heap_sector as u64),
            (92, 4, u64::from(self.clusters)),
            (96, 4, u64::from(root)),
            (100, 4, 0x1234_abcd),
            (104, 2, 0x0100),
            (106, 2, u64::from(self.flags)),
            (108, 1, u64::from(self.sector_bits)),
            (109, 1, u64::from(self.cluster_bits - self.sector_bits)),
            (110, 1, u64::from(self.fats)),
            (111, 1, 0x80),
            (112, 1, 0xff),
            (510, 2, 0xaa55),
        ];
        for (at, width, value) in words {
            boot[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        for number in 1..9 {
            let end = (number + 1) * sector;
            bytes[end - 4..end].copy_from_slice(&0xaa55_0000_u32.to_le_bytes());
        }
        seal(&mut bytes);
        bytes
    }
}

/// Mends the checksum of the main boot region of a volume, and copies the region to its backup.
pub fn seal(bytes: &mut [u8]) {
    let sector = 1_usize << bytes[108].clamp(9, 12);
    seal_region(bytes, 0);
    let (main, backup) = bytes.split_at_mut(12 * sector);
    backup[..12 * sector].copy_from_slice(main);
}

/// Mends the checksum of the boot region at byte `start`.
pub fn seal_region(bytes: &mut [u8], start: usize) {
    let sector = 1_usize << bytes[start + 108].clamp(9, 12);
    let counted = bytes[start..start + 11 * sector].iter().enumerate();
    let counted = counted.filter(|(at, _)| !matches!(at, 106 | 107 | 112));
    let sum = counted.fold(0_u32, |sum, (_, byte)| {
        sum.rotate_right(1).wrapping_add(u32::from(*byte))
    });
    for word in bytes[start + 11 * sector..start + 12 * sector].chunks_mut(4) {
        word.copy_from_slice(&sum.to_le_bytes());
    }
}

/// An entry of the type `kind` with clusters, a flag in its second byte (7.1, 7.2).
pub fn critical(kind: u8, flags: u8, first: u32, length: u64) -> Entry {
    let mut entry = [0; 32];
    entry[0] = kind;
    entry[1] = flags;
    entry[20..24].copy_from_slice(&first.to_le_bytes());
    entry[24..].copy_from_slice(&length.to_le_bytes());
    entry
}

/// The entry of a label (7.3).
pub fn label(units: &[u16]) -> Entry {
    let mut entry = [0; 32];
    entry[0] = 0x83;
    entry[1] = units.len() as u8;
    for (unit, place) in units.iter().zip(entry[2..24].chunks_mut(2)) {
        place.copy_from_slice(&unit.to_le_bytes());
    }
    entry
}

/// An up-case table that knows ASCII only, and its sum.
fn upcase() -> (Vec<u8>, u32) {
    let mut words: Vec<u16> = (0..=0x7a).map(capital).collect();
    words.extend([0xffff, 0xff85]);
    let bytes: Vec<u8> = words.into_iter().flat_map(u16::to_le_bytes).collect();
    let sum = bytes.iter().fold(0_u32, |sum, byte| {
        sum.rotate_right(1).wrapping_add(u32::from(*byte))
    });
    (bytes, sum)
}

fn capital(unit: u16) -> u16 {
    if (0x61..=0x7a).contains(&unit) {
        unit - 0x20
    } else {
        unit
    }
}

/// The entries of one file.
#[derive(Clone)]
pub struct Set {
    pub entries: Vec<Entry>,
    /// `SecondaryCount`, where it is not as it should be.
    pub count: Option<u8>,
    /// Added to the `SetChecksum`.
    pub wrong: u16,
}

impl Set {
    /// A file called `name`, empty, from noon UTC of 1 January 2020.
    pub fn new(name: &str, attributes: u16) -> Self {
        Self::of_units(&name.encode_utf16().collect::<Vec<_>>(), attributes)
    }

    /// The same with a name of any units.
    pub fn of_units(units: &[u16], attributes: u16) -> Self {
        let mut file = [0; 32];
        file[0] = 0x85;
        file[4..6].copy_from_slice(&attributes.to_le_bytes());
        for place in [8, 12, 16] {
            file[place..place + 4].copy_from_slice(&0x5021_6000_u32.to_le_bytes());
        }
        file[22..25].fill(0x80);
        let mut stream = [0; 32];
        stream[..4].copy_from_slice(&[0xc0, 1, 0, units.len() as u8]);
        let bytes = units.iter().flat_map(|unit| capital(*unit).to_le_bytes());
        let hash = bytes.fold(0_u16, |hash, byte| {
            hash.rotate_right(1).wrapping_add(u16::from(byte))
        });
        stream[4..6].copy_from_slice(&hash.to_le_bytes());
        let names = units.chunks(15).map(|units| {
            let mut name = [0; 32];
            name[0] = 0xc1;
            for (unit, place) in units.iter().zip(name[2..].chunks_mut(2)) {
                place.copy_from_slice(&unit.to_le_bytes());
            }
            name
        });
        Self {
            entries: [file, stream].into_iter().chain(names).collect(),
            count: None,
            wrong: 0,
        }
    }

    /// Its bytes: `GeneralSecondaryFlags`, the first cluster, the length, all of it valid.
    pub fn stream(mut self, flags: u8, first: u32, length: u64) -> Self {
        self.entries[1][1] = flags;
        self.entries[1][20..24].copy_from_slice(&first.to_le_bytes());
        self.entries[1][24..].copy_from_slice(&length.to_le_bytes());
        self.valid(length)
    }

    /// `ValidDataLength`.
    pub fn valid(mut self, length: u64) -> Self {
        self.entries[1][8..16].copy_from_slice(&length.to_le_bytes());
        self
    }

    /// Bytes of entry `number`, from `offset` on.
    pub fn set(mut self, number: usize, offset: usize, bytes: &[u8]) -> Self {
        self.entries[number][offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// One more entry.
    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// The entries with `SecondaryCount` and `SetChecksum`.
    pub fn sealed(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries[0][1] = self.count.unwrap_or(entries.len() as u8 - 1);
        let bytes = entries.concat();
        let bytes = bytes.iter().enumerate();
        let sum = bytes.fold(0_u16, |sum, (at, byte)| match at {
            2 | 3 => sum,
            _ => sum.rotate_right(1).wrapping_add(u16::from(*byte)),
        });
        let sum = sum.wrapping_add(self.wrong);
        entries[0][2..4].copy_from_slice(&sum.to_le_bytes());
        entries
    }
}

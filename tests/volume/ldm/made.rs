//! Disks of a group, written byte by byte: what Windows writes, as far as it matters to a reader.
//! ldmtool reads them too, which a test holds.

/// Sectors of the public region.
pub const PUBLIC: u64 = 128;
/// Its first sector.
pub const START: u64 = 63;
/// Sectors of the private region, and where in it the database is and how large.
pub const PRIVATE: u64 = 2048;
pub const CONFIG: u64 = 17;
pub const CONFIG_SIZE: u64 = 1481;
/// The sectors of the private region with tables of contents and with private headers.
pub const CONTENTS: [u64; 4] = [1, 2, 2045, 2046];
pub const HEADERS: [u64; 2] = [1856, 2047];
/// Bytes of a block of the database.
const BLOCK: usize = 128;

/// A number behind its length.
pub fn number(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
    let mut out = vec![8 - zeros as u8];
    out.extend(&bytes[zeros..]);
    out
}

/// A text behind its length.
pub fn text(text: &str) -> Vec<u8> {
    let mut out = vec![text.len() as u8];
    out.extend(text.as_bytes());
    out
}

/// The identifier of a disk.
pub fn guid(number: u8) -> String {
    format!(
        "{number:02x}000000-0000-4000-8000-00000000000{}",
        number % 10
    )
}

/// The identifier of the group.
pub const GROUP: &str = "a0000000-0000-4000-8000-0000000000aa";

/// A record of the database.
#[derive(Clone)]
pub struct Record {
    pub status: u16,
    pub flags: u8,
    pub kind: u8,
    pub data: Vec<u8>,
    /// How large it says that it is; as large as it is without it.
    pub size: Option<u32>,
}

fn record(kind: u8, flags: u8, fields: &[&[u8]]) -> Record {
    Record {
        status: 0,
        flags,
        kind,
        data: fields.concat(),
        size: None,
    }
}

/// A volume of so many components and sectors.
pub fn volume(id: u64, name: &str, components: u64, size: u64, is_raid: bool) -> Record {
    let mut state = b"ACTIVE".to_vec();
    state.resize(14, 0);
    let fields: [&[u8]; 14] = [
        &number(id),
        &text(name),
        &text(if is_raid { "raid5" } else { "gen" }),
        &[0],
        &state,
        &[if is_raid { 4 } else { 3 }],
        &number(5),
        &[0, 0, 0, 0x11],
        &number(components),
        &[0; 16],
        &number(size),
        &[0, 0, 0, 0, 7],
        &[id as u8; 16],
        &text("E:"),
    ];
    record(0x51, 0x02, &fields)
}

/// How a component lies on its extents.
#[derive(Clone, Copy)]
pub enum Lies {
    Spanned,
    /// Sectors of a chunk, and columns.
    Striped(u64, u64),
    Raid(u64, u64),
}

/// A component of a volume, of so many extents.
pub fn component(id: u64, name: &str, volume: u64, lies: Lies, extents: u64) -> Record {
    component_in(id, name, volume, lies, extents, 0)
}

/// The same with these flags.
pub fn component_in(
    id: u64,
    name: &str,
    volume: u64,
    lies: Lies,
    extents: u64,
    state: u8,
) -> Record {
    let (layout, stripes) = match lies {
        Lies::Spanned => (2, None),
        Lies::Striped(chunk, columns) => (1, Some((chunk, columns))),
        Lies::Raid(chunk, columns) => (3, Some((chunk, columns))),
    };
    let stripes = stripes.map(|(chunk, columns)| [number(chunk), number(columns)].concat());
    let fields: [&[u8]; 9] = [
        &number(id),
        &text(name),
        &text("ACTIVE"),
        &[layout],
        &[0, 0, 0, state],
        &number(extents),
        &[0; 16],
        &[&number(volume)[..], &[0]].concat(),
        stripes.as_deref().unwrap_or_default(),
    ];
    record(0x32, if stripes.is_some() { 0x10 } else { 0 }, &fields)
}

/// An extent: where it is in its column, and where on which disk. All in sectors.
pub struct Extent {
    pub id: u64,
    pub component: u64,
    pub column: u64,
    pub offset: u64,
    pub disk: u64,
    pub start: u64,
    pub size: u64,
    /// The last byte of its flags.
    pub state: u8,
}

impl Extent {
    /// The first of its column.
    pub fn first(id: u64, component: u64, column: u64, disk: u64, start: u64, size: u64) -> Self {
        Self {
            id,
            component,
            column,
            offset: 0,
            disk,
            start,
            size,
            state: 0,
        }
    }

    pub fn record(&self) -> Record {
        let column = (self.column > 0).then(|| number(self.column));
        let fields: [&[u8]; 9] = [
            &number(self.id),
            &text(&format!("Extent{}", self.id)),
            &[0, 0, 0, self.state, 0, 0, 0, 0, 0, 0, 0, 0],
            &self.start.to_be_bytes(),
            &self.offset.to_be_bytes(),
            &number(self.size),
            &number(self.component),
            &number(self.disk),
            column.as_deref().unwrap_or_default(),
        ];
        record(0x33, if column.is_some() { 0x08 } else { 0 }, &fields)
    }
}

/// The extent of a component that is on `disk` from sector `start` on, first in its `column`.
pub fn extent(id: u64, component: u64, column: u64, disk: u64, start: u64, size: u64) -> Record {
    Extent::first(id, component, column, disk, start, size).record()
}

/// A disk, with its identifier as text as up to Server 2003, or in binary as since.
pub fn disk(id: u64, number_of: u8, is_binary: bool) -> Record {
    let name = text(&format!("Disk{number_of}"));
    if is_binary {
        let digits = guid(number_of).replace('-', "");
        let pairs = digits.as_bytes().chunks(2);
        let pair =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let bytes: Vec<u8> = pairs.map(pair).collect();
        return record(0x44, 0, &[&number(id), &name, &bytes, &[0; 29]]);
    }
    let path =
        text("\\Device\\Harddisk of a length that takes more than a single block of 128 bytes");
    record(
        0x34,
        0,
        &[&number(id), &name, &text(&guid(number_of)), &path, &[0; 12]],
    )
}

/// The record of the group itself.
pub fn group(name: &str) -> Record {
    record(0x35, 0, &[&number(1), &text(name), &text(GROUP), &[0; 12]])
}

/// A group, to be written on its disks.
#[derive(Clone)]
pub struct Group {
    pub name: String,
    pub records: Vec<Record>,
    pub sequence: u64,
    /// What the database says of changes: clean, change, commit.
    pub status: u16,
    /// 2.11 or 2.12.
    pub minor: u16,
    /// Sectors of the database.
    pub config: u64,
}

impl Group {
    pub fn new(records: Vec<Record>) -> Self {
        Self {
            name: "HomeDg0".to_owned(),
            records,
            sequence: 1000,
            status: 1,
            minor: 11,
            config: CONFIG_SIZE,
        }
    }

    /// Three disks: `Simple` on the first, `Span` and `Stripe` on two, `Mirror` on the second and the
    /// third, `Raid` on all.
    pub fn three() -> Self {
        let mut records = vec![group("HomeDg0")];
        records.extend((1..=3).map(|index| disk(10 + u64::from(index), index, index == 3)));
        records.extend([
            volume(0x100, "Simple", 1, 8, false),
            component(0x101, "Simple-01", 0x100, Lies::Spanned, 1),
            extent(0x102, 0x101, 0, 11, 0, 8),
            volume(0x200, "Span", 1, 10, false),
            component(0x201, "Span-01", 0x200, Lies::Spanned, 2),
            extent(0x202, 0x201, 0, 11, 8, 4),
            Extent {
                id: 0x203,
                component: 0x201,
                column: 0,
                offset: 4,
                disk: 12,
                start: 0,
                size: 6,
                state: 0,
            }
            .record(),
            volume(0x300, "Stripe", 1, 16, false),
            component(0x301, "Stripe-01", 0x300, Lies::Striped(2, 2), 2),
            extent(0x302, 0x301, 0, 11, 16, 8),
            extent(0x303, 0x301, 1, 12, 16, 8),
            volume(0x400, "Mirror", 2, 8, false),
            component(0x401, "Mirror-01", 0x400, Lies::Spanned, 1),
            extent(0x402, 0x401, 0, 12, 32, 8),
            component(0x403, "Mirror-02", 0x400, Lies::Spanned, 1),
            extent(0x404, 0x403, 0, 13, 32, 8),
            volume(0x500, "Raid", 1, 16, true),
            component(0x501, "Raid-01", 0x500, Lies::Raid(2, 3), 3),
            extent(0x502, 0x501, 0, 11, 48, 8),
            extent(0x503, 0x501, 1, 12, 48, 8),
            extent(0x504, 0x501, 2, 13, 48, 8),
        ]);
        Self::new(records)
    }

    /// The same volumes on one disk, with a small database.
    pub fn alone() -> Self {
        let (plain, stripes, raid) = (Lies::Spanned, Lies::Striped(2, 2), Lies::Raid(2, 3));
        let second = Extent {
            offset: 4,
            ..Extent::first(0x203, 0x201, 0, 11, 90, 6)
        };
        let group = Self::new(vec![
            group("HomeDg0"),
            disk(11, 1, false),
            volume(0x100, "Simple", 1, 8, false),
            component(0x101, "Simple-01", 0x100, plain, 1),
            extent(0x102, 0x101, 0, 11, 0, 8),
            volume(0x200, "Span", 1, 10, false),
            component(0x201, "Span-01", 0x200, plain, 2),
            extent(0x202, 0x201, 0, 11, 8, 4),
            second.record(),
            volume(0x300, "Stripe", 1, 16, false),
            component(0x301, "Stripe-01", 0x300, stripes, 2),
            extent(0x302, 0x301, 0, 11, 16, 8),
            extent(0x303, 0x301, 1, 11, 24, 8),
            volume(0x400, "Mirror", 2, 8, false),
            component(0x401, "Mirror-01", 0x400, plain, 1),
            extent(0x402, 0x401, 0, 11, 32, 8),
            component(0x403, "Mirror-02", 0x400, plain, 1),
            extent(0x404, 0x403, 0, 11, 40, 8),
            volume(0x500, "Raid", 1, 16, true),
            component(0x501, "Raid-01", 0x500, raid, 3),
            extent(0x502, 0x501, 0, 11, 48, 8),
            extent(0x503, 0x501, 1, 11, 56, 8),
            extent(0x504, 0x501, 2, 11, 64, 8),
        ]);
        Self {
            config: 32,
            ..group
        }
    }

    /// The same with `new` in place of the record that begins with `id`.
    pub fn with(mut self, id: u64, new: Record) -> Self {
        let begins = |record: &&mut Record| record.data.starts_with(&number(id));
        *self.records.iter_mut().find(begins).unwrap() = new;
        self
    }

    /// The same with these besides.
    pub fn and(mut self, new: impl IntoIterator<Item = Record>) -> Self {
        self.records.extend(new);
        self
    }

    /// The same without the record that begins with `id`.
    pub fn without(mut self, id: u64) -> Self {
        self.records
            .retain(|record| !record.data.starts_with(&number(id)));
        self
    }

    /// How many records of `kind` there are.
    fn count(&self, kind: u8) -> u32 {
        let is_kind = |record: &&Record| record.kind & 0x0f == kind;
        self.records.iter().filter(is_kind).count() as u32
    }

    /// The database.
    pub fn database(&self) -> Vec<u8> {
        let size = self.config as usize * 512;
        let mut out = b"VMDB".to_vec();
        let mut add = |bytes: &[u8]| out.extend(bytes);
        add(&((size / BLOCK) as u32).to_be_bytes());
        add(&(BLOCK as u32).to_be_bytes());
        add(&512_u32.to_be_bytes());
        add(&self.status.to_be_bytes());
        add(&[0, 4, 0, 10]);
        add(&padded(&self.name, 31));
        add(&padded(GROUP, 64));
        let pending = self.sequence + u64::from(self.status > 1);
        add(&self.sequence.to_be_bytes());
        add(&pending.to_be_bytes());
        for _ in 0..2 {
            for kind in 1..=4 {
                add(&self.count(kind).to_be_bytes());
            }
            add(&[0; 12]);
        }
        out.resize(512, 0);
        for (group, record) in (1..).zip(&self.records) {
            push(&mut out, group, record);
        }
        while out.len() < size {
            push_block(&mut out, 0, (0, 0), &[]);
        }
        out
    }

    /// The disk of that number, from 1: an MBR, and a database.
    pub fn disk(&self, number: u8) -> Vec<u8> {
        let mut bytes = vec![0; 512 * (START as usize)];
        bytes[450] = 0x42;
        bytes[454..458].copy_from_slice(&(START as u32).to_le_bytes());
        bytes[458..462].copy_from_slice(&(PUBLIC as u32).to_le_bytes());
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        for at in 0..PUBLIC {
            bytes.extend(sector(number, at));
        }
        let private = (bytes.len() / 512) as u64;
        // A database that takes more room lies over the copies at the end.
        let size = PRIVATE.max(CONFIG + self.config);
        bytes.resize(bytes.len() + 512 * size as usize, 0);
        let header = self.header(number, [START, PUBLIC, private, size]);
        put(&mut bytes, 6, &header);
        for at in HEADERS {
            put(&mut bytes, private + at, &header);
        }
        for (at, sequence) in CONTENTS.into_iter().zip([5, 4, 4, 5]) {
            put(&mut bytes, private + at, &contents(sequence, self.config));
        }
        put(&mut bytes, private + CONFIG, &self.database());
        bytes
    }

    /// All of its disks, by their number.
    pub fn disks(&self) -> Vec<Vec<u8>> {
        (1..=self.count(4) as u8)
            .map(|number| self.disk(number))
            .collect()
    }

    /// The private header of a disk with these regions.
    pub fn header(&self, number: u8, regions: [u64; 4]) -> Vec<u8> {
        let mut out = b"PRIVHEAD\0\0\0\0".to_vec();
        let mut add = |bytes: &[u8]| out.extend(bytes);
        add(&[0, 2]);
        add(&self.minor.to_be_bytes());
        add(&[1; 8]);
        for number in [5, HEADERS[1], HEADERS[0]] {
            add(&number.to_be_bytes());
        }
        add(&padded(&guid(number), 64));
        add(&padded("1b77da20-c717-11d0-a5be-00a0c91db73c", 64));
        add(&padded(GROUP, 64));
        add(&padded(&self.name, 31));
        add(&512_u32.to_be_bytes());
        add(&[0; 8]);
        for number in regions.into_iter().chain([1, 2046]) {
            add(&number.to_be_bytes());
        }
        sealed(out)
    }
}

/// Sector `at` of the public region of disk `number`.
pub fn sector(number: u8, at: u64) -> Vec<u8> {
    let byte = number.wrapping_mul(50).wrapping_add(at as u8);
    vec![byte; 512]
}

/// So many sectors of it from `at` on.
pub fn sectors(number: u8, at: u64, count: u64) -> Vec<u8> {
    (at..at + count).flat_map(|at| sector(number, at)).collect()
}

fn padded(text: &str, len: usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(len, 0);
    bytes
}

/// The block of 512 bytes with its checksum.
pub fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(512, 0);
    bytes[8..12].fill(0);
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[8..12].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// A table of contents, with a database of so many sectors.
pub fn contents(sequence: u64, config: u64) -> Vec<u8> {
    let mut out = b"TOCBLOCK\0\0\0\0".to_vec();
    out.extend(sequence.to_be_bytes());
    out.extend([0; 16]);
    for (name, start, size) in [("config", CONFIG, config), ("log", 1498, 224)] {
        out.extend(padded(name, 10));
        out.extend(start.to_be_bytes());
        out.extend(size.to_be_bytes());
        out.extend([0; 8]);
    }
    sealed(out)
}

fn push(out: &mut Vec<u8>, group: u32, record: &Record) {
    let size = record.size.unwrap_or(record.data.len() as u32);
    let mut bytes = record.status.to_be_bytes().to_vec();
    bytes.extend([record.flags, record.kind]);
    bytes.extend(size.to_be_bytes());
    bytes.extend(&record.data);
    let count = bytes.len().div_ceil(BLOCK - 16) as u16;
    for (number, piece) in (0..).zip(bytes.chunks(BLOCK - 16)) {
        push_block(out, group, (number, count), piece);
    }
}

fn push_block(out: &mut Vec<u8>, group: u32, fragment: (u16, u16), data: &[u8]) {
    let end = out.len() + BLOCK;
    let sequence = (out.len() / BLOCK) as u32;
    out.extend(b"VBLK");
    out.extend(sequence.to_be_bytes());
    out.extend(group.to_be_bytes());
    out.extend(fragment.0.to_be_bytes());
    out.extend(fragment.1.to_be_bytes());
    out.extend(data);
    out.resize(end, 0);
}

/// Puts `data` at `sector`.
pub fn put(bytes: &mut [u8], sector: u64, data: &[u8]) {
    let at = sector as usize * 512;
    bytes[at..at + data.len()].copy_from_slice(data);
}

/// The first sector of the private region.
pub const fn private() -> u64 {
    START + PUBLIC
}

/// Writes `value` at byte `at` of the blocks in `sectors`, and their checksums.
fn patch(bytes: &mut [u8], sectors: &[u64], at: usize, value: &[u8]) {
    for sector in sectors {
        let start = *sector as usize * 512;
        bytes[start + at..start + at + value.len()].copy_from_slice(value);
        let block = sealed(bytes[start..start + 512].to_vec());
        put(bytes, *sector, &block);
    }
}

/// In every copy of the private header.
pub fn patch_header(bytes: &mut [u8], at: usize, value: &[u8]) {
    let copies = HEADERS.map(|sector| private() + sector);
    patch(bytes, &[6, copies[0], copies[1]], at, value);
}

/// In every table of contents.
pub fn patch_contents(bytes: &mut [u8], at: usize, value: &[u8]) {
    patch(bytes, &CONTENTS.map(|sector| private() + sector), at, value);
}

/// In the database.
pub fn patch_database(bytes: &mut [u8], at: usize, value: &[u8]) {
    let at = (private() + CONFIG) as usize * 512 + at;
    bytes[at..at + value.len()].copy_from_slice(value);
}

//! A squashfs of our own making, with any field as a test wants it. Nothing in the format has a
//! checksum; what depends on other parts (places, sizes, counts) is worked out when it is put
//! together. That it is a good one where nothing is broken, the kernel says.

/// Bytes of metadata in a block.
const METADATA: usize = 8192;
/// Bytes of data in a block.
pub const BLOCK: usize = 4096;
/// The superblock's size: where the data begin.
pub const DATA: usize = 96;
/// Says that a block is stored as it is.
pub const PLAIN: u32 = 1 << 24;
/// No fragment, no extended attributes.
pub const NONE: u32 = u32::MAX;

/// Where the fields of the superblock are.
pub mod field {
    pub const INODES: usize = 4;
    pub const BLOCK_SIZE: usize = 12;
    pub const FRAGMENTS: usize = 16;
    pub const COMPRESSION: usize = 20;
    pub const BLOCK_LOG: usize = 22;
    pub const IDS: usize = 26;
    pub const MAJOR: usize = 28;
    pub const ROOT: usize = 32;
    pub const BYTES_USED: usize = 40;
    pub const ID_TABLE: usize = 48;
    pub const XATTR_TABLE: usize = 56;
    pub const INODE_TABLE: usize = 64;
    pub const DIRECTORY_TABLE: usize = 72;
    pub const FRAGMENT_TABLE: usize = 80;
    pub const LOOKUP_TABLE: usize = 88;
}

/// The parts, before they are put together.
pub struct Made {
    pub compression: u16,
    /// Blocks of data and fragments, from byte [`DATA`] on.
    pub data: Vec<u8>,
    /// All inodes; the root is put behind them.
    pub inodes: Vec<u8>,
    /// The root's entries: name, offset of the inode, type. Sorted by whoever adds them.
    pub entries: Vec<(Vec<u8>, u16, u16)>,
    /// The root's list as it lies, instead of what `entries` gives.
    pub listing: Option<Vec<u8>>,
    /// First byte and size of each fragment.
    pub fragments: Vec<(u64, u32)>,
    /// Names and values, and for each set its place, count and size.
    pub xattrs: (Vec<u8>, Vec<(u64, u32, u32)>),
    /// Bytes of the names and values in each block.
    pub xattr_block: usize,
}

/// An image, and where its parts came to lie.
#[derive(Clone)]
pub struct Image {
    pub bytes: Vec<u8>,
    /// The metadata blocks of inodes and of the root's list.
    pub inodes: usize,
    pub directory: usize,
}

impl Image {
    /// The number that the superblock has at `field`.
    pub fn place(&self, field: usize) -> u64 {
        u64::from_le_bytes(self.bytes[field..field + 8].try_into().unwrap())
    }

    /// Puts `value` at byte `at`.
    pub fn with(&self, at: usize, value: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    }
}

impl Made {
    /// With two files: `good`, a block and a fragment of `g`; and `other`, a fragment of `o`.
    pub fn new() -> Self {
        let mut made = Self {
            compression: 1,
            data: Vec::new(),
            inodes: Vec::new(),
            entries: Vec::new(),
            listing: None,
            fragments: Vec::new(),
            xattrs: Default::default(),
            xattr_block: METADATA,
        };
        let start = made.store(&[b'g'; BLOCK]);
        let fragment = made.store(&[[b'g'; 100], [b'o'; 100]].concat());
        made.fragments.push((fragment, 200 | PLAIN));
        let words = [BLOCK as u32 | PLAIN];
        made.file(b"good", start, (0, 0), BLOCK as u64 + 100, &words);
        made.file(b"other", 0, (0, 100), 100, &[]);
        made
    }

    /// Stores `bytes` as they are; gives their first byte.
    pub fn store(&mut self, bytes: &[u8]) -> u64 {
        let at = DATA + self.data.len();
        self.data.extend(bytes);
        at as u64
    }

    /// A basic file of the root. `fragment` is its index and an offset in it.
    pub fn file(
        &mut self,
        name: &[u8],
        start: u64,
        fragment: (u32, u32),
        size: u64,
        blocks: &[u32],
    ) {
        let fields = [start as u32, fragment.0, fragment.1, size as u32];
        let body = words(fields.iter().chain(blocks));
        self.inode(name, 2, &body);
    }

    /// An extended file of the root.
    pub fn long_file(
        &mut self,
        name: &[u8],
        (start, size): (u64, u64),
        (fragment, offset, xattr): (u32, u32, u32),
        blocks: &[u32],
    ) {
        let mut body: Vec<u8> = [start, size, 0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        body.extend(words([1, fragment, offset, xattr].iter().chain(blocks)));
        self.inode(name, 9, &body);
    }

    /// An inode of `kind` in the root; `body` is what is behind its base.
    pub fn inode(&mut self, name: &[u8], kind: u16, body: &[u8]) {
        let at = self.inodes.len() as u16;
        let number = self.entries.len() as u32 + 1;
        self.inodes.extend(base(kind, number));
        self.inodes.extend(body);
        let listed = if kind > 7 { kind - 7 } else { kind };
        self.entries.push((name.to_vec(), at, listed));
    }

    /// Where the inode that was added last begins in the block of inodes.
    pub fn last(&self) -> u16 {
        self.entries.last().expect("an entry").1
    }

    /// The list of the root: one run of all entries.
    fn list(&self) -> Vec<u8> {
        if let Some(listing) = &self.listing {
            return listing.clone();
        }
        let mut list = header(self.entries.len() as u32);
        for (number, (name, offset, kind)) in self.entries.iter().enumerate() {
            let mut entry = entry(name, *offset, *kind);
            entry[2..4].copy_from_slice(&(number as u16).to_le_bytes());
            list.extend(entry);
        }
        list
    }

    /// Puts it together.
    pub fn image(&self) -> Image {
        let list = self.list();
        let mut inodes = self.inodes.clone();
        // In front of each full block stands its size.
        let block = inodes.len() / METADATA * (METADATA + 2);
        let root = ((block << 16) + inodes.len() % METADATA) as u64;
        inodes.extend(self.root(list.len() + 3));

        let mut bytes = vec![0; DATA];
        bytes.extend(&self.data);
        let inode_table = put(&mut bytes, &inodes);
        let directory_table = put(&mut bytes, &list);
        let fragments = self
            .fragments
            .iter()
            .flat_map(|(start, size)| [&start.to_le_bytes()[..], &words(&[*size, 0])].concat());
        let fragment_table = put_table(&mut bytes, &fragments.collect::<Vec<u8>>());
        let numbers = self.entries.iter().map(|(_, at, _)| u64::from(*at));
        let lookup = numbers.chain([root]).flat_map(u64::to_le_bytes);
        let lookup_table = put_table(&mut bytes, &lookup.collect::<Vec<u8>>());
        let id_table = put_table(&mut bytes, &1000_u32.to_le_bytes());
        let xattr_table = self.put_xattrs(&mut bytes);

        let mut superblock = b"hsqs".to_vec();
        let counts = [
            self.entries.len() as u32 + 1,
            1_700_000_000,
            BLOCK as u32,
            self.fragments.len() as u32,
        ];
        superblock.extend(words(&counts));
        let shorts: [u16; 6] = [self.compression, 12, 0, 1, 4, 0];
        superblock.extend(shorts.iter().flat_map(|v| v.to_le_bytes()));
        let places = [
            root,
            bytes.len() as u64,
            id_table,
            xattr_table,
            inode_table,
            directory_table,
            fragment_table,
            lookup_table,
        ];
        superblock.extend(places.iter().flat_map(|v| v.to_le_bytes()));
        bytes[..DATA].copy_from_slice(&superblock);
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        Image {
            bytes,
            inodes: inode_table as usize,
            directory: directory_table as usize,
        }
    }

    /// The root's inode, whose list counts as `size` bytes.
    fn root(&self, size: usize) -> Vec<u8> {
        let (number, parent) = (self.entries.len() as u32 + 1, self.entries.len() as u32 + 2);
        match u16::try_from(size) {
            Ok(size) => {
                let place = [size, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
                [base(1, number), words(&[0, 2]), place, words(&[parent])].concat()
            }
            Err(_) => {
                let fields = words(&[2, size as u32, 0, parent, 0, NONE]);
                [base(8, number), fields].concat()
            }
        }
    }

    fn put_xattrs(&self, bytes: &mut Vec<u8>) -> u64 {
        let (pairs, sets) = &self.xattrs;
        if sets.is_empty() {
            return u64::MAX;
        }
        let start = put_in(bytes, pairs, self.xattr_block);
        let sets = sets.iter().flat_map(|(place, count, size)| {
            [&place.to_le_bytes()[..], &words(&[*count, *size])].concat()
        });
        let block = put(bytes, &sets.collect::<Vec<u8>>());
        let table = bytes.len() as u64;
        bytes.extend(start.to_le_bytes());
        bytes.extend(words(&[self.xattrs.1.len() as u32, 0]));
        bytes.extend(block.to_le_bytes());
        table
    }
}

/// Words as they lie.
pub fn words<'a>(words: impl IntoIterator<Item = &'a u32>) -> Vec<u8> {
    words
        .into_iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// The header of a run of `count` entries whose inodes are in the first block.
pub fn header(count: u32) -> Vec<u8> {
    words(&[count.wrapping_sub(1), 0, 1])
}

/// An entry.
pub fn entry(name: &[u8], offset: u16, kind: u16) -> Vec<u8> {
    let size = (name.len() as u16).wrapping_sub(1);
    let fields = [offset, 0, kind, size];
    let mut entry: Vec<u8> = fields.iter().flat_map(|v| v.to_le_bytes()).collect();
    entry.extend(name);
    entry
}

fn base(kind: u16, number: u32) -> Vec<u8> {
    let shorts: [u16; 4] = [kind, 0o644, 0, 0];
    let mut base: Vec<u8> = shorts.iter().flat_map(|v| v.to_le_bytes()).collect();
    base.extend(words(&[1_600_000_000, number]));
    base
}

/// Appends `content` as metadata blocks that are not compressed; gives the first byte.
fn put(bytes: &mut Vec<u8>, content: &[u8]) -> u64 {
    put_in(bytes, content, METADATA)
}

/// The same with `size` bytes in each block.
fn put_in(bytes: &mut Vec<u8>, content: &[u8], size: usize) -> u64 {
    let at = bytes.len() as u64;
    for block in content.chunks(size) {
        bytes.extend((block.len() as u16 | 0x8000).to_le_bytes());
        bytes.extend(block);
    }
    at
}

/// Appends a table that fits one block, and its index; gives the place of that.
fn put_table(bytes: &mut Vec<u8>, content: &[u8]) -> u64 {
    assert!((1..8192).contains(&content.len()));
    let block = put(bytes, content);
    let at = bytes.len() as u64;
    bytes.extend(block.to_le_bytes());
    at
}

//! Members of arrays made here, superblock by superblock, after linux/raid/md_p.h.

/// Places of fields in a superblock of version 1.
pub mod field {
    pub const FEATURE_MAP: usize = 8;
    pub const SET_UUID: usize = 16;
    pub const SET_NAME: usize = 32;
    pub const CTIME: usize = 64;
    pub const LEVEL: usize = 72;
    pub const LAYOUT: usize = 76;
    pub const SIZE: usize = 80;
    pub const CHUNKSIZE: usize = 88;
    pub const RAID_DISKS: usize = 92;
    pub const NEW_LEVEL: usize = 100;
    pub const RESHAPE_POSITION: usize = 104;
    pub const DELTA_DISKS: usize = 112;
    pub const DATA_OFFSET: usize = 128;
    pub const DATA_SIZE: usize = 136;
    pub const SUPER_OFFSET: usize = 144;
    pub const RECOVERY_OFFSET: usize = 152;
    pub const DEV_NUMBER: usize = 160;
    pub const DEVICE_UUID: usize = 168;
    pub const BBLOG_SHIFT: usize = 185;
    pub const BBLOG_SIZE: usize = 186;
    pub const BBLOG_OFFSET: usize = 188;
    pub const UTIME: usize = 192;
    pub const EVENTS: usize = 200;
    pub const RESYNC_OFFSET: usize = 208;
    pub const SB_CSUM: usize = 216;
    pub const MAX_DEV: usize = 220;
    pub const DEV_ROLES: usize = 256;
}
use field::*;

pub const SPARE: u16 = 0xffff;
pub const FAULTY: u16 = 0xfffe;
pub const JOURNAL: u16 = 0xfffd;

/// Where the data of members of version 1.1 and 1.2 begin.
pub const DATA: usize = 16 * 512;

/// An array, as its superblocks are to describe it.
#[derive(Clone)]
pub struct Array {
    /// 0.90, 0.swap (which is what mdadm calls the other byte order), 1.0, 1.1 or 1.2.
    pub version: &'static str,
    pub level: i32,
    pub layout: u32,
    /// Bytes.
    pub chunk: usize,
    pub disks: usize,
    pub events: u64,
    pub features: u32,
    pub is_clean: bool,
    pub name: &'static str,
    pub id: u8,
    /// By number.
    pub roles: Vec<u16>,
}

impl Array {
    pub fn new(version: &'static str, level: i32, layout: u32, chunk: usize, disks: usize) -> Self {
        Self {
            version,
            level,
            layout,
            chunk,
            disks,
            events: 17,
            features: 0,
            is_clean: true,
            name: "host:0",
            id: 0xa0,
            roles: (0..disks as u16).collect(),
        }
    }

    /// The image of the member `number` that has `data`.
    pub fn member(&self, number: usize, data: &[u8]) -> Vec<u8> {
        self.changed(number, data, |_| ())
    }

    /// The same, whose superblock `change` changed before its checksum was made.
    pub fn changed(&self, number: usize, data: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
        if self.version.starts_with("0.") {
            return self.old(number, data, change);
        }
        let mut image = data.to_vec();
        let at = match self.version {
            "1.0" => {
                image.resize(data.len().next_multiple_of(4096) + 8192, 0);
                image.len() - 8192
            }
            version => {
                image.splice(0..0, [0; DATA]);
                if version == "1.1" { 0 } else { 4096 }
            }
        };
        let mut superblock = self.new_superblock(number, data.len(), at);
        change(&mut superblock);
        seal(&mut superblock);
        image[at..at + 4096].copy_from_slice(&superblock);
        image
    }

    fn new_superblock(&self, number: usize, len: usize, at: usize) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let sectors = |bytes: usize| (bytes / 512) as u64;
        put32(&mut bytes, 0, 0xa92b_4efc);
        put32(&mut bytes, 4, 1);
        put32(&mut bytes, FEATURE_MAP, self.features);
        bytes[SET_UUID..SET_UUID + 16].fill(self.id);
        bytes[SET_NAME..SET_NAME + self.name.len()].copy_from_slice(self.name.as_bytes());
        put64(&mut bytes, CTIME, 1_700_000_000);
        put32(&mut bytes, LEVEL, self.level as u32);
        put32(&mut bytes, LAYOUT, self.layout);
        if self.level > 0 {
            put64(&mut bytes, SIZE, sectors(len));
        }
        put32(&mut bytes, CHUNKSIZE, sectors(self.chunk) as u32);
        put32(&mut bytes, RAID_DISKS, self.disks as u32);
        put64(&mut bytes, RESHAPE_POSITION, u64::MAX);
        let start = if self.version == "1.0" { 0 } else { DATA };
        put64(&mut bytes, DATA_OFFSET, sectors(start));
        put64(&mut bytes, DATA_SIZE, sectors(len));
        put64(&mut bytes, SUPER_OFFSET, sectors(at));
        put32(&mut bytes, DEV_NUMBER, number as u32);
        bytes[DEVICE_UUID..DEVICE_UUID + 16].fill(0xd0 + number as u8);
        put64(&mut bytes, UTIME, 1_700_000_100);
        put64(&mut bytes, EVENTS, self.events);
        put64(
            &mut bytes,
            RESYNC_OFFSET,
            if self.is_clean { u64::MAX } else { 0 },
        );
        put32(&mut bytes, MAX_DEV, self.roles.len() as u32);
        for (number, role) in self.roles.iter().enumerate() {
            let at = DEV_ROLES + number * 2;
            bytes[at..at + 2].copy_from_slice(&role.to_le_bytes());
        }
        bytes
    }

    /// Version 0.90: its words, in their order.
    fn old(&self, number: usize, data: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
        let is_big = self.version == "0.swap";
        let mut words = vec![0_u32; 1024];
        words[..5].copy_from_slice(&[0xa92b_4efc, 0, 90, 0, 0]);
        let id = u32::from_be_bytes([self.id; 4]);
        for word in [5, 13, 14, 15] {
            words[word] = id;
        }
        words[6] = 1_700_000_000;
        words[7] = self.level as u32;
        words[8] = if self.level > 0 {
            data.len() as u32 / 1024
        } else {
            0
        };
        words[9] = self.roles.len() as u32;
        words[10] = self.disks as u32;
        words[32] = 1_700_000_100;
        words[33] = u32::from(self.is_clean);
        words[34] = self.disks as u32;
        words[35] = self.disks as u32;
        let (low, high) = (self.events as u32, (self.events >> 32) as u32);
        let events = if is_big { [high, low] } else { [low, high] };
        words[39..41].copy_from_slice(&events);
        words[64] = self.layout;
        words[65] = self.chunk as u32;
        for (index, role) in self.roles.iter().enumerate() {
            let (place, state) = match *role {
                SPARE => (index as u32, 0),
                FAULTY => (index as u32, 1),
                place => (place.into(), 6),
            };
            words[128 + index * 32..][..5].copy_from_slice(&[index as u32, 7, 1, place, state]);
        }
        let own = words[128 + number * 32..][..32].to_vec();
        words[992..].copy_from_slice(&own);
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        change(&mut bytes);
        put32(&mut bytes, 38 * 4, 0);
        let sum = sum(&bytes);
        put32(&mut bytes, 38 * 4, sum);
        if is_big {
            bytes.chunks_mut(4).for_each(<[u8]>::reverse);
        }
        let mut image = data.to_vec();
        image.resize(data.len().next_multiple_of(65536), 0);
        let at = image.len();
        image.resize(at + 65536, 0);
        image[at..at + 4096].copy_from_slice(&bytes);
        image
    }
}

pub fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// The sum of words, with what is carried.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(4).map(|word| {
        let mut whole = [0; 4];
        whole[..word.len()].copy_from_slice(word);
        u64::from(u32::from_le_bytes(whole))
    });
    let sum: u64 = words.sum();
    (sum as u32).wrapping_add((sum >> 32) as u32)
}

/// Makes the checksum of a superblock of version 1 right.
pub fn seal(bytes: &mut [u8]) {
    put32(bytes, SB_CSUM, 0);
    let roles = u32::from_le_bytes(bytes[MAX_DEV..MAX_DEV + 4].try_into().unwrap());
    let len = (DEV_ROLES + roles as usize * 2).min(bytes.len());
    let sum = sum(&bytes[..len]);
    put32(bytes, SB_CSUM, sum);
}

/// `len` bytes of which no two sectors are the same.
pub fn pattern(len: usize) -> Vec<u8> {
    let words = (0..len as u32 / 4).flat_map(|word| word.wrapping_mul(0x9e37_79b1).to_le_bytes());
    words.collect()
}

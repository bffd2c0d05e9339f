//! What a volume that encrypts on write keeps: two regions, either half of which may be encrypted.

use super::made::{BLOCK, SIZE, words};

/// Where the copies of what leads to the bitmaps are.
pub const COPIES: [u64; 2] = [0x16000, 0x3c000];

/// Where the bitmaps are.
pub const BITMAPS: [u64; 2] = [0x17000, 0x28000];

/// Where their logs are.
pub const LOGS: [u64; 2] = [0x29000, 0x2a000];
const LOG_SIZE: usize = 0x1000;

/// From a byte to another.
const REGIONS: [(u64, u64); 2] = [(0x2000, 0x20000), (0x20000, SIZE as u64)];
const CHUNK: u64 = 0x1000;

/// Chunks in a half of a region.
const HALF: u64 = 16;

/// The first records of a bitmap and of a log.
pub const RECORD: u64 = 64;
pub const LOG_RECORDS: [usize; 2] = [0x200, 0x600];

/// What is encrypted.
#[derive(Clone)]
pub struct OnWrite {
    /// The halves of the regions.
    pub encrypted: [bool; 4],
    /// Every second chunk is the other way round.
    pub alternates: bool,
    /// A byte that was being moved when the machine stopped.
    pub moving: Option<u64>,
}

impl Default for OnWrite {
    fn default() -> Self {
        Self {
            encrypted: [true; 4],
            alternates: false,
            moving: None,
        }
    }
}

/// First byte and length of all areas, with sectors of so many bytes.
pub fn areas(sector: usize) -> Vec<(u64, usize)> {
    let sectors = COPIES.into_iter().chain(BITMAPS);
    let logs = LOGS.map(|at| (at, LOG_SIZE));
    sectors.map(|at| (at, sector)).chain(logs).collect()
}

impl OnWrite {
    /// Whether the byte at `offset` is encrypted.
    pub fn has_encrypted(&self, offset: u64) -> bool {
        let holds = |(start, end): &(u64, u64)| (*start..*end).contains(&offset);
        let region = REGIONS.iter().position(holds);
        region.is_some_and(|region| self.has_chunk(region, (offset - REGIONS[region].0) / CHUNK))
    }

    /// Whether that chunk of the region is encrypted.
    fn has_chunk(&self, region: usize, chunk: u64) -> bool {
        let half = (chunk / HALF) as usize;
        self.encrypted[region * 2 + half] ^ (self.alternates && chunk % 2 == 1)
    }

    /// Writes what leads to the bitmaps, those, and their logs.
    pub fn write(&self, sector: usize, disk: &mut [u8]) {
        let mut head = b"FVE-EOW\0".to_vec();
        words(&mut head, &[56, 72]);
        let numbers = [sector, 512, CHUNK as usize, LOG_SIZE, 0x400, 2, 0];
        head.extend(numbers.map(|it| (it as u32).to_le_bytes()).concat());
        let places = COPIES.into_iter().chain(BITMAPS);
        head.extend(places.flat_map(u64::to_le_bytes));
        let sum = crc32fast::hash(&head);
        head[36..40].copy_from_slice(&sum.to_le_bytes());
        for at in COPIES {
            disk[at as usize..][..head.len()].copy_from_slice(&head);
        }
        for region in [0, 1] {
            let bitmap = self.bitmap(region, sector);
            disk[BITMAPS[region] as usize..][..bitmap.len()].copy_from_slice(&bitmap);
            let log = self.log(region);
            disk[LOGS[region] as usize..][..log.len()].copy_from_slice(&log);
        }
    }

    /// The bitmap of one region; its older record says the opposite.
    fn bitmap(&self, region: usize, sector: usize) -> Vec<u8> {
        let mut bytes = b"FVE-EOWBM\0".to_vec();
        words(&mut bytes, &[60]);
        bytes.extend(
            [sector as u32, region as u32]
                .map(u32::to_le_bytes)
                .concat(),
        );
        let (start, end) = REGIONS[region];
        bytes.extend(
            [start, end - start, LOGS[region]]
                .map(u64::to_le_bytes)
                .concat(),
        );
        bytes.extend([64, 64 + 128, 128, 0_u32].map(u32::to_le_bytes).concat());
        bytes.resize(RECORD as usize, 0);
        let sum = crc32fast::hash(&bytes);
        bytes[56..60].copy_from_slice(&sum.to_le_bytes());
        // What is behind the last chunk is as the chunks before it: dissect.fve goes by whole bytes.
        let byte =
            |first| (0..8_u64).map(move |bit| u8::from(self.has_chunk(region, first + bit)) << bit);
        let bits = [0, 8, 16, 24].map(|first| byte(first).sum::<u8>());
        let chunks = (end - start).div_ceil(CHUNK) as u32;
        // In the first region the first record is the newer one.
        let records = [(7_u64, bits), (6, bits.map(|it| !it))];
        for index in [region, 1 - region] {
            let (sequence, bits) = records[index];
            let mut record = b"FVE-EOWBR\0".to_vec();
            words(&mut record, &[36]);
            record.extend([44_u32, chunks].map(u32::to_le_bytes).concat());
            record.extend(sequence.to_le_bytes());
            record.extend([2_u32, 0].map(u32::to_le_bytes).concat());
            record.extend(bits);
            record.extend([0; 4]);
            let sum = crc32fast::hash(&record);
            record[32..36].copy_from_slice(&sum.to_le_bytes());
            record.resize(128, 0);
            bytes.extend(record);
        }
        bytes
    }

    /// The log of one region, whose other bytes are anything.
    fn log(&self, region: usize) -> Vec<u8> {
        let mut head = b"OLRDHEVF".to_vec();
        words(&mut head, &[50, 1, 2]);
        head.extend(512_u32.to_le_bytes());
        head.extend((SIZE as u64).to_le_bytes());
        head.extend([CHUNK as u32, 0x400, 32, 2].map(u32::to_le_bytes).concat());
        head.extend(REGIONS[region].0.to_le_bytes());
        let mut bytes = head;
        bytes.resize(LOG_SIZE, 0x17);
        let holds = |at: &u64| (REGIONS[region].0..REGIONS[region].1).contains(at);
        let moving = self.moving.filter(holds).unwrap_or(0);
        for (at, (sequence, offset)) in LOG_RECORDS.into_iter().zip([(7_u64, moving), (6, BLOCK)]) {
            let mut record = Vec::new();
            words(&mut record, &[32, 1]);
            record.extend([sequence, offset].map(u64::to_le_bytes).concat());
            record.extend([0x200_u32, 0].map(u32::to_le_bytes).concat());
            record.extend(crc32fast::hash(&record).to_le_bytes());
            bytes[at..at + 32].copy_from_slice(&record);
        }
        bytes
    }
}

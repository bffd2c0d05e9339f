//! Volumes written from the description of the format: what no Windows at hand makes, and what can
//! be broken field by field. Their keys are the same everywhere, and so is what is in them.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256, Block};
use ccm::Ccm;
use ccm::aead::AeadInOut;
use ccm::aead::inout::InOutBuf;
use ccm::consts::{U12, U16};
use sha2::{Digest, Sha256};

use super::on_write::{self, OnWrite};

/// Where the copies of the metadata are.
pub const COPIES: [u64; 3] = [0x4000, 0x18000, 0x2c000];

/// Where the first sectors are.
pub const BLOCK: u64 = 0x14000;

/// Bytes of the volume.
pub const SIZE: usize = 0x40000;

/// Bytes of the first sectors.
pub const MOVED: usize = 8192;

/// The key that seals the key of the sectors.
const MASTER: [u8; 32] = [0x4d; 32];

/// The key of a startup key file, and a clear one.
const OTHER: [u8; 32] = [0x5a; 32];

/// The volume's identifier.
const ID: [u8; 16] = [
    1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
];

/// How it is spelt.
pub const UUID: &str = "67452301-ab89-efcd-0011-223344556677";

/// What a password is stretched with.
const SALT: [u8; 16] = *b"a salt of theirs";

/// A volume to be written.
#[derive(Clone)]
pub struct Made {
    pub vista: bool,
    pub to_go: bool,
    /// What is encrypted of a volume that encrypts on write.
    pub on_write: Option<OnWrite>,
    /// `FVE_KEY_TYPE`.
    pub method: u16,
    pub sector: usize,
    pub protectors: Vec<Vec<u8>>,
    /// `CurrentState`, `StateOffset` and `StateSize`.
    pub state: (u16, u64, u32),
    /// The key of the sectors, where it is another than the method's.
    pub key: Option<Vec<u8>>,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            vista: false,
            to_go: false,
            on_write: None,
            method: 0x8004,
            sector: 512,
            protectors: vec![clear()],
            state: (4, SIZE as u64, 0),
            key: None,
        }
    }
}

impl Made {
    /// What the unlocked volume holds: numbered lines behind a boot sector of NTFS's, and
    /// zeros where the metadata are.
    pub fn plain(&self) -> Vec<u8> {
        let lines = (0..SIZE / 16).map(|line| format!("line{line:011}\n"));
        let mut bytes: Vec<u8> = lines.flat_map(String::into_bytes).collect();
        bytes[..3].copy_from_slice(&[0xeb, 0x52, 0x90]);
        bytes[3..11].copy_from_slice(b"NTFS    ");
        bytes[11..13].copy_from_slice(&(self.sector as u16).to_le_bytes());
        bytes[13] = (4096 / self.sector) as u8;
        bytes[14..72].fill(0);
        let sectors = (SIZE / self.sector) as u64;
        for (at, value) in [(40, sectors - 1), (48, 4), (56, 2), (72, 0x1234_5678_9abc)] {
            bytes[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
        }
        (bytes[64], bytes[68]) = (0xf6, 0xf4);
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        for at in COPIES {
            bytes[at as usize..][..self.area()].fill(0);
        }
        if !self.vista {
            bytes[BLOCK as usize..][..MOVED].fill(0);
        }
        if self.on_write.is_some() {
            for (at, len) in on_write::areas(self.sector) {
                bytes[at as usize..][..len].fill(0);
            }
        }
        bytes
    }

    /// Bytes of a copy of the metadata.
    fn area(&self) -> usize {
        if self.vista { 16 << 10 } else { 64 << 10 }
    }

    /// The locked volume.
    pub fn disk(&self) -> Vec<u8> {
        let plain = self.plain();
        let mut disk = plain.clone();
        for (number, sector) in disk.chunks_exact_mut(self.sector).enumerate() {
            let at = (number * self.sector) as u64;
            let is_area = |copy: &u64| (*copy..*copy + self.area() as u64).contains(&at);
            if at >= MOVED as u64 && !COPIES.iter().any(is_area) {
                self.encrypt(at, sector);
            }
        }
        disk[..MOVED].copy_from_slice(&plain[..MOVED]);
        if self.vista {
            disk[3..11].copy_from_slice(b"-FVE-FS-");
            disk[56..64].copy_from_slice(&(COPIES[0] / 4096).to_le_bytes());
        } else {
            let mut moved = plain[..MOVED].to_vec();
            for (number, sector) in moved.chunks_exact_mut(self.sector).enumerate() {
                self.encrypt(BLOCK + (number * self.sector) as u64, sector);
            }
            disk[BLOCK as usize..][..MOVED].copy_from_slice(&moved);
            disk[..MOVED].fill(0);
            self.write_boot_sector(&mut disk[..512]);
        }
        let metadata = self.metadata();
        for at in COPIES {
            let area = &mut disk[at as usize..][..self.area()];
            area.fill(0);
            area[..metadata.len()].copy_from_slice(&metadata);
        }
        if let Some(on_write) = &self.on_write {
            on_write.write(self.sector, &mut disk);
        }
        disk
    }

    fn write_boot_sector(&self, sector: &mut [u8]) {
        let (oem, at) = match self.to_go {
            true => (b"MSWIN4.1", 424),
            false => (b"-FVE-FS-", 160),
        };
        sector[..3].copy_from_slice(&[0xeb, 0x58, 0x90]);
        sector[3..11].copy_from_slice(oem);
        sector[11..13].copy_from_slice(&(self.sector as u16).to_le_bytes());
        sector[13] = 8;
        sector[82..90].copy_from_slice(b"FAT32   ");
        let ids = [
            "3bd66749292ed84a8399f6a339e3d001",
            "3b4da89280dd0e4d9e4eb1e3284eaed8",
        ];
        let id = hex(ids[usize::from(self.on_write.is_some())]);
        sector[at..at + 16].copy_from_slice(&id);
        for (index, copy) in COPIES.iter().enumerate() {
            sector[at + 16 + index * 8..][..8].copy_from_slice(&copy.to_le_bytes());
        }
        if self.on_write.is_some() {
            for (index, copy) in on_write::COPIES.iter().enumerate() {
                sector[at + 40 + index * 8..][..8].copy_from_slice(&copy.to_le_bytes());
            }
        }
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
    }

    /// One copy of the metadata.
    pub fn metadata(&self) -> Vec<u8> {
        let text = utf16("MACHINE C: 1/2/2026\0");
        let mut datums = vec![datum(7, 2, &text)];
        datums.extend(self.protectors.clone());
        datums.push(sealed(3, &MASTER, &key(self.method, &self.key())));
        if !self.vista {
            let place = [BLOCK.to_le_bytes(), (MOVED as u64).to_le_bytes()];
            datums.push(datum(15, 15, &place.concat()));
        }
        let datums = datums.concat();
        let size = 48 + datums.len();
        let mut bytes = b"-FVE-FS-".to_vec();
        let unit = if self.vista { 1 } else { 16 };
        let whole = (64 + size).next_multiple_of(16);
        words(&mut bytes, &[whole / unit, if self.vista { 1 } else { 2 }]);
        let (state, offset, len) = self.state;
        words(&mut bytes, &[state.into(), 4]);
        bytes.extend(offset.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        let moved = if self.vista { 0 } else { MOVED / self.sector };
        bytes.extend((moved as u32).to_le_bytes());
        bytes.extend(COPIES.map(u64::to_le_bytes).concat());
        bytes.extend(if self.vista { self.mirror() } else { BLOCK }.to_le_bytes());
        for word in [size as u32, 1, 48, size as u32] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(ID);
        bytes.extend(9_u32.to_le_bytes());
        words(&mut bytes, &[self.method.into(), 0]);
        bytes.extend(0x01dc_0000_0000_0000_u64.to_le_bytes());
        bytes.extend(datums);
        bytes.resize(whole, 0);
        seal(&mut bytes);
        bytes
    }

    /// What the unlocked boot sector has where Vista's has the place of the metadata.
    fn mirror(&self) -> u64 {
        u64::from_le_bytes(self.plain()[56..64].try_into().unwrap())
    }

    fn key(&self) -> Vec<u8> {
        let len = match self.method {
            0x8000 | 0x8001 | 0x8005 => 64,
            0x8002 => 16,
            _ => 32,
        };
        let made = (0..len).map(|byte: u8| byte.wrapping_mul(7) ^ 0x31);
        self.key.clone().unwrap_or_else(|| made.collect())
    }

    /// Encrypts the sector at byte `offset`, if it is to be.
    fn encrypt(&self, offset: u64, sector: &mut [u8]) {
        let end = self.state.1;
        let is_plain = |on_write: &OnWrite| !on_write.has_encrypted(offset);
        let is_plain = self.on_write.as_ref().is_some_and(is_plain);
        if self.state.0 == 1 || end != 0 && offset >= end || is_plain {
            return;
        }
        let key = self.key();
        let half = if self.method.is_multiple_of(2) {
            16
        } else {
            32
        };
        let number = u128::from(offset);
        match self.method {
            0x8000 | 0x8001 => {
                diffuse(number, &key[32..32 + half], sector);
                cbc(&key[..half], number, sector);
            }
            0x8002 | 0x8003 => cbc(&key, number, sector),
            _ => xts(
                &key[..half],
                &key[half..],
                number / self.sector as u128,
                sector,
            ),
        }
    }
}

/// Makes the checksum and the sealed hash right again behind `bytes`.
pub fn seal(bytes: &mut Vec<u8>) {
    let vista = bytes[10] == 1;
    let crc = crc32fast::hash(bytes);
    let hash = Sha256::digest(&bytes);
    words(bytes, &[8, if vista { 1 } else { 2 }]);
    bytes.extend(crc.to_le_bytes());
    if !vista {
        bytes.extend(sealed(0, &MASTER, &key(0x2005, &hash)));
    }
}

/// A protector whose key lies beside it.
pub fn clear() -> Vec<u8> {
    let inner = [
        key(0x2000, &OTHER),
        sealed(0, &OTHER, &key(0x2003, &MASTER)),
    ];
    protector(0, &inner.concat())
}

/// A protector of this priority that a startup key file opens, or what has the same key.
pub fn external(priority: u16) -> Vec<u8> {
    let name = datum(0, 2, &utf16("ExternalKey\0"));
    protector(
        priority,
        &[name, sealed(0, &OTHER, &key(0x2003, &MASTER))].concat(),
    )
}

/// The file that opens the protector of `priority`.
pub fn file(priority: u16) -> Vec<u8> {
    let id = identifier(priority);
    let info = [id.to_vec(), vec![0; 8], key(0x2002, &OTHER)].concat();
    let info = datum(6, 9, &info);
    let size = 48 + info.len() as u32;
    let mut bytes = [size, 1, 48, size].map(u32::to_le_bytes).concat();
    bytes.extend(id);
    bytes.extend([0; 16]);
    bytes.extend(info);
    bytes
}

/// A protector that a password opens.
pub fn password(text: &str) -> Vec<u8> {
    let once = Sha256::digest(utf16(text));
    stretched(0x2000, Sha256::digest(once).into())
}

/// A protector that a recovery password opens, of which these are the numbers.
pub fn recovery(numbers: [u16; 8]) -> Vec<u8> {
    let bytes = numbers.map(u16::to_le_bytes).concat();
    stretched(0x0800, Sha256::digest(bytes).into())
}

/// A protector of `priority` that `hash` opens, stretched round by round.
fn stretched(priority: u16, hash: [u8; 32]) -> Vec<u8> {
    let mut last = [0; 32];
    for round in 0..0x10_0000_u64 {
        let mut message = [0; 88];
        message[..32].copy_from_slice(&last);
        message[32..64].copy_from_slice(&hash);
        message[64..80].copy_from_slice(&SALT);
        message[80..].copy_from_slice(&round.to_le_bytes());
        last = Sha256::digest(message).into();
    }
    let stretch = datum(0, 3, &[&[1, 0x10, 0, 0], &SALT[..]].concat());
    protector(
        priority,
        &[stretch, sealed(0, &last, &key(0x2003, &MASTER))].concat(),
    )
}

/// A protector of `priority` with these properties.
pub fn protector(priority: u16, properties: &[u8]) -> Vec<u8> {
    let mut bytes = identifier(priority).to_vec();
    bytes.extend([0; 8]);
    words(&mut bytes, &[0, priority.into()]);
    bytes.extend(properties);
    datum(2, 8, &bytes)
}

fn identifier(priority: u16) -> [u8; 16] {
    let mut id = [0xee; 16];
    id[..2].copy_from_slice(&priority.to_le_bytes());
    id
}

fn key(kind: u16, bytes: &[u8]) -> Vec<u8> {
    let head = u32::from(kind).to_le_bytes();
    datum(0, 1, &[&head, bytes].concat())
}

/// `inner`, sealed with `key`, there for `role`.
pub fn sealed(role: u16, key: &[u8; 32], inner: &[u8]) -> Vec<u8> {
    let nonce = *b"a nonce, 12b";
    let mut bytes = inner.to_vec();
    let cipher = Ccm::<Aes256, U16, U12>::new(key.into());
    let buffer = InOutBuf::from(bytes.as_mut_slice());
    let mac = cipher.encrypt_inout_detached(&nonce.into(), b"", buffer);
    datum(role, 5, &[&nonce[..], &mac.unwrap(), &bytes].concat())
}

/// A datum.
pub fn datum(role: u16, kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    words(&mut bytes, &[8 + body.len(), role.into(), kind.into(), 1]);
    bytes.extend(body);
    bytes
}

pub fn words(bytes: &mut Vec<u8>, words: &[usize]) {
    bytes.extend(words.iter().flat_map(|word| (*word as u16).to_le_bytes()));
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let bytes = (0..text.len()).step_by(2);
    bytes
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// AES with this key.
enum Aes {
    Short(Aes128),
    Long(Aes256),
}

impl Aes {
    fn new(key: &[u8]) -> Self {
        match key.len() {
            16 => Self::Short(Aes128::new_from_slice(key).unwrap()),
            _ => Self::Long(Aes256::new_from_slice(key).unwrap()),
        }
    }

    fn encrypt(&self, block: &mut [u8]) {
        let mut whole = Block::try_from(&*block).unwrap();
        match self {
            Self::Short(aes) => aes.encrypt_block(&mut whole),
            Self::Long(aes) => aes.encrypt_block(&mut whole),
        }
        block.copy_from_slice(&whole);
    }
}

fn xor(bytes: &mut [u8], other: &[u8]) {
    bytes
        .iter_mut()
        .zip(other)
        .for_each(|(byte, other)| *byte ^= other);
}

fn cbc(key: &[u8], offset: u128, sector: &mut [u8]) {
    let aes = Aes::new(key);
    let mut last = offset.to_le_bytes();
    aes.encrypt(&mut last);
    for part in sector.chunks_exact_mut(16) {
        xor(part, &last);
        aes.encrypt(part);
        last.copy_from_slice(part);
    }
}

fn xts(key: &[u8], tweak: &[u8], number: u128, sector: &mut [u8]) {
    let mut vector = number.to_le_bytes();
    Aes::new(tweak).encrypt(&mut vector);
    let aes = Aes::new(key);
    let mut vector = u128::from_le_bytes(vector);
    for part in sector.chunks_exact_mut(16) {
        xor(part, &vector.to_le_bytes());
        aes.encrypt(part);
        xor(part, &vector.to_le_bytes());
        vector = (vector << 1) ^ ((vector >> 127) * 0x87);
    }
}

/// The sector key and both diffusers, as they are described for encryption: backwards, word by word.
fn diffuse(offset: u128, tweak: &[u8], sector: &mut [u8]) {
    let mut keys = [offset.to_le_bytes(), (offset | 0x80 << 120).to_le_bytes()];
    let aes = Aes::new(tweak);
    keys.iter_mut().for_each(|key| aes.encrypt(key));
    for part in sector.chunks_exact_mut(32) {
        xor(part, &keys.concat());
    }
    let mut words: Vec<u32> = sector
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    let len = words.len();
    for (cycles, rotations, near, far) in [
        (5, [9, 0, 13, 0], len - 2, len - 5),
        (3, [0, 10, 0, 25], 2, 5),
    ] {
        for _ in 0..cycles {
            for at in (0..len).rev() {
                let other = words[(at + far) % len].rotate_left(rotations[at % 4]);
                words[at] = words[at].wrapping_sub(words[(at + near) % len] ^ other);
            }
        }
    }
    let bytes = words
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect::<Vec<u8>>();
    sector.copy_from_slice(&bytes);
}

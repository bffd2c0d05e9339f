//! Physical volumes made here: a label, metadata areas with any text, and data. LVM2 makes those of
//! [`super::tools`]; these have what it never writes, or writes with device-mapper only.

/// Bytes of an extent.
pub const EXTENT: u64 = 4096;

/// Bytes before the first extent.
pub const START: u64 = 128 << 10;

/// An identifier of one letter.
pub fn id(letter: char) -> String {
    let groups = [6, 4, 4, 4, 4, 4, 6].map(|len| letter.to_string().repeat(len));
    groups.join("-")
}

/// LVM2's checksum, bit by bit.
pub fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

/// The text of the group `vg0` with the physical volumes called `letters`, each of `extents`, named
/// pv0, pv1, … in it. `more` stands in the group's section, `logical` in that of logical volumes.
pub fn text(seqno: u64, letters: &str, extents: u64, more: &str, logical: &str) -> String {
    let physical = letters.chars().enumerate().map(|(index, letter)| {
        let (id, start) = (id(letter), START / 512);
        format!(
            "pv{index} {{\nid = \"{id}\"\nstatus = [\"ALLOCATABLE\"]\npe_start = {start}\n\
             pe_count = {extents}\n}}\n"
        )
    });
    let physical: String = physical.collect();
    format!(
        "vg0 {{\nid = \"{}\"\nseqno = {seqno}\nformat = \"lvm2\"\nstatus = [\"READ\", \"WRITE\"]\n\
         extent_size = {}\n{more}\nphysical_volumes {{\n{physical}}}\nlogical_volumes {{\n\
         {logical}}}\n}}\ncontents = \"Text Format Volume Group\"\nversion = 1\n",
        id('G'),
        EXTENT / 512
    )
}

/// A logical volume with these `segments`.
pub fn logical(name: &str, segments: &[String]) -> String {
    hidden(name, segments).replacen("\"READ\"", "\"READ\", \"VISIBLE\"", 1)
}

/// The same, hidden.
pub fn hidden(name: &str, segments: &[String]) -> String {
    let count = segments.len();
    let segments = segments
        .iter()
        .enumerate()
        .map(|(index, segment)| format!("segment{} {{\n{segment}\n}}\n", index + 1));
    let segments: String = segments.collect();
    format!("{name} {{\nstatus = [\"READ\"]\nsegment_count = {count}\n{segments}}}\n")
}

/// A segment of `count` extents from `start` on, and what else its section says.
pub fn segment(start: u64, count: u64, rest: &str) -> String {
    format!("start_extent = {start}\nextent_count = {count}\n{rest}")
}

/// A linear segment on `area`, as `"pv0", 3`.
pub fn linear(start: u64, count: u64, area: &str) -> String {
    segment(
        start,
        count,
        &format!("type = \"striped\"\nstripe_count = 1\nstripes = [{area}]"),
    )
}

/// A physical volume: how it begins.
pub struct Physical {
    pub letter: char,
    /// The sector of its label.
    pub label: u64,
    /// The texts in its metadata areas, of 56 KiB each: none, one or two.
    pub texts: Vec<String>,
    /// Where in its area each text starts; those that reach the end go on behind the header.
    pub at: u64,
    /// Bytes of the first metadata area, where it is not the usual.
    pub area: u64,
}

impl Physical {
    /// One with this text in one area.
    pub fn new(letter: char, text: &str) -> Self {
        Self {
            letter,
            label: 1,
            texts: vec![text.to_owned()],
            at: 512,
            area: 56 << 10,
        }
    }

    /// Its bytes before the first extent.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = vec![0; START as usize];
        let mut lists = Vec::new();
        lists.extend([START, 0, 0, 0]);
        let mut at = 4096_u64;
        for text in &self.texts {
            lists.extend([at, self.area]);
            let end = (at + self.area) as usize;
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            self.write_area(&mut bytes[at as usize..end], at, text);
            at += self.area;
        }
        lists.extend([0, 0]);
        let mut label = vec![0; 512];
        label[..8].copy_from_slice(b"LABELONE");
        label[8..16].copy_from_slice(&self.label.to_le_bytes());
        label[20..24].copy_from_slice(&32_u32.to_le_bytes());
        label[24..32].copy_from_slice(b"LVM2 001");
        label[32..64].copy_from_slice(self.letter.to_string().repeat(32).as_bytes());
        label[64..72].copy_from_slice(&(1_u64 << 20).to_le_bytes());
        for (word, place) in lists.iter().zip(label[72..].chunks_exact_mut(8)) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let crc = checksum(&label[20..]);
        label[16..20].copy_from_slice(&crc.to_le_bytes());
        let sector = self.label as usize * 512;
        bytes[sector..sector + 512].copy_from_slice(&label);
        bytes
    }

    fn write_area(&self, area: &mut [u8], at: u64, text: &str) {
        let size = area.len() as u64;
        for (index, byte) in (0_u64..).zip(text.bytes()) {
            let ring = size - 512;
            let place = 512 + (self.at - 512 + index) % ring;
            area[place as usize] = byte;
        }
        let mut header = vec![0; 512];
        header[4..20].copy_from_slice(b" LVM2 x[5A%r0N*>");
        header[20..24].copy_from_slice(&1_u32.to_le_bytes());
        let words = [at, size, self.at, text.len() as u64];
        for (word, place) in words.iter().zip(header[24..].chunks_exact_mut(8)) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        header[56..60].copy_from_slice(&checksum(text.as_bytes()).to_le_bytes());
        let crc = checksum(&header[4..]);
        header[..4].copy_from_slice(&crc.to_le_bytes());
        area[..512].copy_from_slice(&header);
    }

    /// All of it, with `extents` that each name the physical volume and their own number.
    pub fn with(&self, extents: u64) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.truncate(START as usize);
        for number in 0..extents {
            bytes.extend(extent(self.letter, number));
        }
        bytes
    }
}

/// What extent `number` of the physical volume called `letter` has in it: 64 sectors' worth of
/// words, none of which is anywhere else.
pub fn extent(letter: char, number: u64) -> Vec<u8> {
    let words = (0..EXTENT / 16).map(|word| format!("{letter}{number:06}.{word:07x}\n"));
    words.collect::<String>().into_bytes()
}

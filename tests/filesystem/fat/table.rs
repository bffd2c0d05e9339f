//! The FAT of an image in memory, to be changed: written for these tests alone, from the
//! specification.

/// Where things are.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub width: u32,
    /// The first copy, and bytes of one.
    pub fat: usize,
    pub fat_size: usize,
    pub fats: usize,
    /// The root directory, or the clusters where it is one of them.
    pub root: usize,
    /// Cluster 2.
    pub start: usize,
    pub cluster_size: usize,
    pub clusters: u32,
}

impl Table {
    pub fn of(image: &[u8]) -> Self {
        let word = |at: usize| usize::from(u16::from_le_bytes([image[at], image[at + 1]]));
        let long = |at: usize| word(at) | word(at + 2) << 16;
        let either = |short: usize, long: usize| if short == 0 { long } else { short };
        let sector = word(11);
        let (fat, fats) = (word(14) * sector, usize::from(image[16]));
        let fat_size = either(word(22), long(36)) * sector;
        let root = fat + fat_size * fats;
        let start = root + (word(17) * 32).div_ceil(sector) * sector;
        let cluster_size = usize::from(image[13]) * sector;
        let total = either(word(19), long(32)) * sector;
        let clusters = ((total - start) / cluster_size) as u32;
        let width = match clusters {
            _ if word(22) == 0 => 32,
            0..4085 => 12,
            _ => 16,
        };
        Self {
            width,
            fat,
            fat_size,
            fats,
            root,
            start,
            cluster_size,
            clusters,
        }
    }

    /// Where the entry of `cluster` in the first copy is.
    pub fn entry_place(&self, cluster: u32) -> usize {
        self.fat + (cluster * self.width / 8) as usize
    }

    /// The entry of `cluster` in the first copy.
    pub fn get(&self, image: &[u8], cluster: u32) -> u32 {
        let at = self.entry_place(cluster);
        let word = u32::from(u16::from_le_bytes([image[at], image[at + 1]]));
        match self.width {
            12 if cluster & 1 == 0 => word & 0xfff,
            12 => word >> 4,
            16 => word,
            _ => u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) & 0x0fff_ffff,
        }
    }

    /// Sets it in all copies; the upper bits of `value` that it has no room for are left out.
    pub fn set(&self, image: &mut [u8], cluster: u32, value: u32) {
        for copy in 0..self.fats {
            let at = self.fat + copy * self.fat_size + (cluster * self.width / 8) as usize;
            let old = u16::from_le_bytes([image[at], image[at + 1]]);
            let short = value as u16;
            let new = match self.width {
                12 if cluster & 1 == 0 => old & 0xf000 | short & 0xfff,
                12 => old & 0xf | short << 4,
                16 => short,
                _ => {
                    image[at..at + 4].copy_from_slice(&value.to_le_bytes());
                    continue;
                }
            };
            image[at..at + 2].copy_from_slice(&new.to_le_bytes());
        }
    }

    /// The byte at which `cluster` begins.
    pub fn place(&self, cluster: u32) -> usize {
        self.start + (cluster as usize - 2) * self.cluster_size
    }

    pub fn data<'a>(&self, image: &'a mut [u8], cluster: u32) -> &'a mut [u8] {
        let at = self.place(cluster);
        &mut image[at..at + self.cluster_size]
    }

    /// The clusters from `first` on.
    pub fn chain(&self, image: &[u8], first: u32) -> Vec<u32> {
        let mut chain = vec![first];
        loop {
            let next = self.get(image, *chain.last().unwrap());
            if !(2..self.clusters + 2).contains(&next) {
                return chain;
            }
            chain.push(next);
        }
    }

    /// The first entry behind the FATs with the short name `name`.
    pub fn entry(&self, image: &[u8], name: &[u8; 11]) -> usize {
        self.root + super::names::find(&image[self.root..], name)
    }

    pub fn first_cluster(&self, image: &[u8], name: &[u8; 11]) -> u32 {
        let at = self.entry(image, name);
        let word = |at: usize| u32::from(u16::from_le_bytes([image[at], image[at + 1]]));
        word(at + 26) | word(at + 20) << 16
    }

    pub fn set_first_cluster(&self, image: &mut [u8], name: &[u8; 11], cluster: u32) {
        let at = self.entry(image, name);
        let [a, b, c, d] = cluster.to_le_bytes();
        image[at + 26..at + 28].copy_from_slice(&[a, b]);
        image[at + 20..at + 22].copy_from_slice(&[c, d]);
    }
}

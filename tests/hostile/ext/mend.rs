//! Checksums made right again after a change, so that what lies behind them is reached.

use super::checksum::{crc16, crc32c};
use super::{
    FLAG_INDEX, INCOMPAT_CSUM_SEED, Image, Object, RO_COMPAT_GDT_CSUM, RO_COMPAT_METADATA_CSUM,
};

impl Image {
    pub fn has_metadata_csum(&self) -> bool {
        self.superblock("s_feature_ro_compat") & RO_COMPAT_METADATA_CSUM != 0
    }

    fn uuid(&self) -> [u8; 16] {
        self.bytes[1024 + 0x68..1024 + 0x78]
            .try_into()
            .expect("16 bytes")
    }

    fn seed(&self) -> u32 {
        if self.superblock("s_feature_incompat") & INCOMPAT_CSUM_SEED != 0 {
            self.read(1024 + 0x270, 4) as u32
        } else {
            crc32c(!0, &self.uuid())
        }
    }

    fn inode_seed(&self, ino: u32) -> u32 {
        let generation = self.get(Object::Inode(ino), "i_generation") as u32;
        let seed = crc32c(self.seed(), &ino.to_le_bytes());
        crc32c(seed, &generation.to_le_bytes())
    }

    /// Recomputes the checksum over `object`, where the file system has one there.
    pub fn mend(&mut self, object: Object) {
        match object {
            Object::Group(group) => self.mend_group(group),
            _ if !self.has_metadata_csum() => {}
            Object::Superblock => {
                let sum = crc32c(!0, &self.bytes[1024..1024 + 0x3fc]);
                self.write(1024 + 0x3fc, 4, u64::from(sum));
            }
            Object::Inode(ino) | Object::XattrBody(ino) | Object::InlineDirent { ino, .. } => {
                self.mend_inode(ino);
            }
            Object::Extents(ino, block) => self.mend_extents(ino, block),
            Object::Dirent { ino, block, .. } => self.mend_directory(ino, block),
            Object::DxRoot(ino, block) => self.mend_hash_tree(ino, block, 0x20),
            Object::DxNode(ino, block) => self.mend_hash_tree(ino, block, 8),
            Object::XattrBlock(block) => self.mend_xattr_block(block),
        }
    }

    fn mend_group(&mut self, group: u32) {
        let at = self.group_offset(group);
        let descriptor = self.bytes[at..at + self.descriptor_size()].to_vec();
        let (head, tail) = (&descriptor[..0x1e], &descriptor[0x20..]);
        let number = group.to_le_bytes();
        let sum = if self.has_metadata_csum() {
            let parts = [&number[..], head, &[0, 0], tail];
            let sum = parts
                .iter()
                .fold(self.seed(), |crc, part| crc32c(crc, part));
            u64::from(sum as u16)
        } else if self.superblock("s_feature_ro_compat") & RO_COMPAT_GDT_CSUM != 0 {
            let parts = [&self.uuid()[..], &number, head, tail];
            u64::from(parts.iter().fold(!0, |crc, part| crc16(crc, part)))
        } else {
            return;
        };
        self.write(at + 0x1e, 2, sum);
    }

    fn mend_inode(&mut self, ino: u32) {
        let (at, size) = (self.inode_offset(ino), self.inode_size());
        let wide = size > 128 && self.read(at + 0x80, 2) >= 4;
        self.write(at + 0x7c, 2, 0);
        if wide {
            self.write(at + 0x82, 2, 0);
        }
        let sum = u64::from(crc32c(self.inode_seed(ino), &self.bytes[at..at + size]));
        self.write(at + 0x7c, 2, sum & 0xffff);
        if wide {
            self.write(at + 0x82, 2, sum >> 16);
        }
    }

    fn mend_extents(&mut self, ino: u32, block: u64) {
        // The tail lies where eh_max of a sound block says, also when a case has changed eh_max.
        let at = self.block_offset(block);
        let end = 12 + (self.block_size() - 12) / 12 * 12;
        let sum = crc32c(self.inode_seed(ino), &self.bytes[at..at + end]);
        self.write(at + end, 4, u64::from(sum));
    }

    fn mend_directory(&mut self, ino: u32, block: u64) {
        if self.flags(ino) & FLAG_INDEX != 0 && block == self.nth_block(ino, 0) {
            return self.mend_hash_tree(ino, block, 0x20);
        }
        let (at, end) = (self.block_offset(block), self.block_size() - 12);
        let sum = crc32c(self.inode_seed(ino), &self.bytes[at..at + end]);
        self.write(at + end + 8, 4, u64::from(sum));
    }

    fn mend_hash_tree(&mut self, ino: u32, block: u64, count_at: usize) {
        let at = self.block_offset(block);
        // As above: a sound node's limit leaves 8 bytes at the end of the block.
        let tail = self.block_size() - 8;
        let count = self.read(at + count_at + 2, 2) as usize;
        let end = (count_at + count * 8).min(tail);
        let sum = crc32c(self.inode_seed(ino), &self.bytes[at..at + end]);
        let sum = crc32c(sum, &self.bytes[at + tail..at + tail + 4]);
        let sum = crc32c(sum, &[0; 4]);
        self.write(at + tail + 4, 4, u64::from(sum));
    }

    /// Mends the checksum of a block of the orphan file `ino`.
    pub fn mend_orphans(&mut self, ino: u32, block: u64) {
        let (at, end) = (self.block_offset(block), self.block_size() - 8);
        let sum = crc32c(self.inode_seed(ino), &block.to_le_bytes());
        let sum = crc32c(sum, &self.bytes[at..at + end]);
        self.write(at + end + 4, 4, u64::from(sum));
    }

    fn mend_xattr_block(&mut self, block: u64) {
        let at = self.block_offset(block);
        self.write(at + 0x10, 4, 0);
        let sum = crc32c(self.seed(), &block.to_le_bytes());
        let sum = crc32c(sum, self.block(block));
        self.write(at + 0x10, 4, u64::from(sum));
    }
}

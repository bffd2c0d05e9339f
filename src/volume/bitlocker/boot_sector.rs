//! The first sector: which generation wrote it, and where the copies of the metadata are.

use zerocopy::FromBytes;

use super::layout::{self, EOW_GUID, GuidRecognition, INFORMATION_GUID, RECOGNITION, SIGNATURE};
use crate::error::{Error, Result};
use crate::source::{Source, read_vec};

/// Bytes of the sector that are looked at, whatever the disk's sectors have.
pub(super) const SIZE: usize = 512;

/// What the first sector says.
#[derive(Debug)]
pub(super) struct BootSector {
    /// Bytes of a sector, which is encrypted as a whole: 512 to 4096.
    pub(super) sector: u64,
    /// Bytes of a cluster. Of a volume of Vista alone.
    pub(super) cluster: Option<u64>,
    /// The volume is FAT, with a small FAT of its own in front of it.
    pub(super) to_go: bool,
    /// It encrypts what is written, and what was there before is found by bitmaps: where the two
    /// copies of what leads to those are.
    pub(super) on_write: Option<[u64; 2]>,
    /// Where the copies of the metadata are; Vista's sector names the first alone.
    pub(super) information: Vec<u64>,
    /// The sector itself.
    pub(super) bytes: Vec<u8>,
}

/// Whether `source` begins with a sector of BitLocker's, whole or not.
pub(super) fn is_there(source: &dyn Source) -> Result<bool> {
    if source.size() < 512 {
        return Ok(false);
    }
    let bytes = read_vec(source, 0, SIZE)?;
    let oem = layout::BootSector::ref_from_prefix(&bytes);
    let has_name = oem.is_ok_and(|(sector, _)| &sector.Oem == SIGNATURE);
    Ok(has_name || recognition(&bytes).is_some_and(|(at, _)| at == RECOGNITION[1]))
}

/// The recognition in `bytes`, and its offset.
fn recognition(bytes: &[u8]) -> Option<(usize, &GuidRecognition)> {
    RECOGNITION.iter().find_map(|at| {
        let (found, _) = GuidRecognition::ref_from_prefix(bytes.get(*at..)?).ok()?;
        let is_known = [INFORMATION_GUID, EOW_GUID].contains(&found.Guid);
        is_known.then_some((*at, found))
    })
}

impl BootSector {
    /// Reads the first sector of `source`.
    ///
    /// # Errors
    /// `Corrupt`, naming the field that cannot be.
    pub(super) fn read(source: &dyn Source) -> Result<Self> {
        let bytes = read_vec(source, 0, SIZE)?;
        let short = |_| Error::corrupt("the boot sector is cut off");
        let (raw, _) = layout::BootSector::read_from_prefix(&bytes).map_err(short)?;
        let sector = u64::from(raw.BytesPerSector.get());
        if !matches!(sector, 512 | 1024 | 2048 | 4096) {
            let text = format!("BytesPerSector is {sector}, none of 512 to 4096");
            return Err(Error::corrupt(text).at(11));
        }
        let mut boot = Self {
            sector,
            cluster: None,
            to_go: false,
            on_write: None,
            information: Vec::new(),
            bytes,
        };
        match recognition(&boot.bytes) {
            Some((at, found)) => {
                boot.to_go = at == RECOGNITION[1];
                boot.on_write =
                    (found.Guid == EOW_GUID).then(|| found.EowOffset.map(|it| it.get()));
                boot.information = found.InformationOffset.map(|it| it.get()).to_vec();
            }
            None => boot.read_vista(&raw)?,
        }
        Ok(boot)
    }

    /// What Vista's sector says: it is that of NTFS with another place for the copy of the MFT.
    fn read_vista(&mut self, raw: &layout::BootSector) -> Result<()> {
        let count = raw.SectorsPerCluster;
        if !count.is_power_of_two() {
            let text = format!("SectorsPerCluster is {count}, no power of two");
            return Err(Error::corrupt(text).at(13));
        }
        let cluster = self.sector.saturating_mul(count.into()); // at most 2^19
        let number = raw.InformationLcn.get();
        let at = number.checked_mul(cluster);
        let far = || Error::corrupt(format!("InformationLcn is {number:#x}")).at(56);
        self.information = vec![at.ok_or_else(far)?];
        self.cluster = Some(cluster);
        Ok(())
    }

    /// The sector as NTFS has it: what Vista changed is put back.
    pub(super) fn of_ntfs(&self, mft_mirror: u64) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let fields = [(3, *b"NTFS    "), (56, mft_mirror.to_le_bytes())];
        for (at, field) in fields {
            let place = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
            if let Some(place) = place {
                *place = field;
            }
        }
        bytes
    }
}

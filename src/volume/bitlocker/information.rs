//! One copy of the metadata: the information, the dataset behind it, and the checksum over both.

use zerocopy::FromBytes;

use super::boot_sector::BootSector;
use super::dataset::Dataset;
use super::datum;
use super::layout::{self, SIGNATURE, VERSION_SEVEN, VERSION_VISTA};
use super::sealed::Sealed;
use super::state::State;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes that Windows 7 and later keep for a copy.
const AREA_SEVEN: u64 = 64 << 10;

/// Bytes that Vista keeps for a copy.
const AREA_VISTA: u64 = 16 << 10;

/// Which Windows wrote the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Its first sectors are plain, and the boot sector is NTFS's with two fields changed.
    Vista {
        /// The field of NTFS's that the boot sector has no room for.
        mft_mirror: u64,
    },
    /// 7 and later: the first sectors are encrypted elsewhere.
    Seven {
        /// Where they are.
        block: u64,
        /// How many bytes of them.
        size: u64,
    },
}

/// What a copy says.
#[derive(Debug)]
pub(super) struct Information {
    /// The byte of the volume where this copy is.
    pub(super) place: u64,
    pub(super) version: Version,
    pub(super) state: State,
    /// Where the copies are, this one among them.
    pub(super) copies: [u64; 3],
    /// Bytes that each copy may take, in whole sectors or clusters.
    pub(super) area: u64,
    pub(super) dataset: Dataset,
    /// What the checksum covers.
    pub(super) covered: Vec<u8>,
    /// The SHA-256 of that, sealed with the volume's master key.
    pub(super) seal: Option<Sealed>,
}

impl Information {
    /// Reads the copy at byte `at`.
    ///
    /// # Errors
    /// `Corrupt`, naming the field; `Unsupported` for a later version.
    pub(super) fn read(
        source: &dyn Source,
        boot: &BootSector,
        at: u64,
        ignore_checksums: bool,
    ) -> Result<Self> {
        let left = source.size().saturating_sub(at);
        if left < to_u64(size_of::<layout::Information>()) {
            let text = format!("it lies past the volume's {} bytes", source.size());
            return Err(Error::corrupt(text).at(at));
        }
        let bytes = read_vec(source, at, to_usize(left.min(AREA_SEVEN)))?;
        let short = |_| Error::corrupt("it is cut off").at(at);
        let (raw, _) = layout::Information::read_from_prefix(&bytes).map_err(short)?;
        if &raw.Signature != SIGNATURE {
            return Err(Error::corrupt("it has no signature -FVE-FS-").at(at));
        }
        let size = size(&raw, at)?;
        let (covered, behind) = bytes.split_at_checked(size).ok_or_else(|| {
            let text = format!("HeaderSize says {size} bytes, and it has {}", bytes.len());
            Error::corrupt(text).at(at.saturating_add(8))
        })?;
        let seal = validate(&raw, covered, behind, at, ignore_checksums)?;
        let head = size_of::<layout::Information>();
        let dataset = covered.get(head..).unwrap_or_default();
        let (version, area) = version(&raw, boot);
        Ok(Self {
            place: at,
            version,
            state: State::new(&raw, at)?,
            copies: raw.InformationOffset.map(|it| it.get()),
            area,
            dataset: Dataset::parse(dataset, at.saturating_add(to_u64(head)))?,
            covered: covered.to_vec(),
            seal,
        })
    }
}

/// Bytes of information and dataset.
fn size(raw: &layout::Information, at: u64) -> Result<usize> {
    let stored = usize::from(raw.HeaderSize.get());
    let size = match raw.Version.get() {
        VERSION_VISTA => stored,
        VERSION_SEVEN => stored.saturating_mul(16), // below 2^20
        version => {
            let text = format!("version {version} of the metadata");
            return Err(Error::unsupported(text).at(at.saturating_add(10)));
        }
    };
    let least = size_of::<layout::Information>().saturating_add(size_of::<layout::Dataset>());
    if size < least {
        let text = format!("HeaderSize says {size} bytes, less than the {least} of any");
        return Err(Error::corrupt(text).at(at.saturating_add(8)));
    }
    Ok(size)
}

fn version(raw: &layout::Information, boot: &BootSector) -> (Version, u64) {
    let last = raw.VirtualizedBlockOffset.get();
    match raw.Version.get() {
        VERSION_VISTA => {
            let unit = boot.cluster.unwrap_or(boot.sector);
            let area = AREA_VISTA.next_multiple_of(unit.max(1));
            (Version::Vista { mft_mirror: last }, area)
        }
        _ => {
            let count = u64::from(raw.VirtualizedSectors.get());
            let size = count.saturating_mul(boot.sector); // below 2^44
            (Version::Seven { block: last, size }, AREA_SEVEN)
        }
    }
}

/// Compares the checksum, and gives the sealed hash behind it.
fn validate(
    raw: &layout::Information,
    covered: &[u8],
    behind: &[u8],
    at: u64,
    ignore: bool,
) -> Result<Option<Sealed>> {
    let at = at.saturating_add(to_u64(covered.len()));
    let Ok((validation, rest)) = layout::Validation::ref_from_prefix(behind) else {
        return Err(Error::corrupt("no room is left for its checksum").at(at));
    };
    let (stored, found) = (validation.Crc32.get(), crc32fast::hash(covered));
    if stored != found && !ignore {
        let text = format!("Crc32 is {stored:#010x}, and its bytes give {found:#010x}");
        let error = Error::corrupt(text).at(at.saturating_add(4));
        return Err(error.hint("--ignore-checksums reads it all the same"));
    }
    if raw.Version.get() == VERSION_VISTA {
        return Ok(None);
    }
    // The area is padded behind it, so that what follows the first datum need not be one.
    let first = datum::first(rest, at.saturating_add(8));
    let sealed = first.filter(|it| it.kind == layout::kind::AES_CCM_ENCRYPTED_KEY);
    sealed.as_ref().map(Sealed::parse).transpose()
}

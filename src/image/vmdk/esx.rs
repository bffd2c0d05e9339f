//! The sparse extents of ESX and ESXi: "Virtual Disk Format 5.0", section "ESXi Host Sparse
//! Extents" (COWD), and SEsparse, of which there is no specification: as QEMU's developers found it,
//! and as strictly as they do.

use std::mem::offset_of;

use super::layout::{
    CowdHeader, SE_CONST_MAGIC, SE_VERSION, SE_VOLATILE_MAGIC, SECTOR, SeConstHeader,
    SeVolatileHeader, read,
};
use super::sparse::{Form, Sparse};
use super::voice::Voice;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::mapped::MOST_UNIT;
use crate::source::{SharedSource, Source};

/// Entries of a COWD grain table, which the header does not say.
const COWD_PER_TABLE: u64 = 4096;

/// Entries of an SEsparse grain table: 64 sectors of them.
const SE_PER_TABLE: u64 = 4096;

/// The header of the COWD extent `source`.
///
/// # Errors
/// `Corrupt` for a field that cannot be, `Unsupported` for another version.
pub(super) fn cowd_header(source: &dyn Source) -> Result<CowdHeader> {
    let header: CowdHeader = read(source, 0, "header")?;
    let version = header.version.get();
    if version != 1 {
        // Workstation 3 wrote version 3, with tables of another size.
        let text = format!("version {version} of a COWD extent is not 1");
        let at = offset_of!(CowdHeader, version);
        return Err(Error::unsupported(text).at(to_u64(at)));
    }
    let grain = u64::from(header.grainSize.get());
    let most = to_u64(MOST_UNIT) / SECTOR;
    if grain == 0 || grain > most {
        let text = format!("grainSize {grain} is not 1 to {most}");
        return Err(Error::corrupt(text).at(to_u64(offset_of!(CowdHeader, grainSize))));
    }
    Ok(header)
}

/// The COWD extent `source`.
///
/// # Errors
/// As [`cowd_header`]; `Corrupt` where the directory is too small or not in the file.
pub(super) fn open_cowd(source: &SharedSource, voice: &Voice) -> Result<Sparse> {
    let header = cowd_header(&**source)?;
    let sectors = |field: zerocopy::little_endian::U32| u64::from(field.get());
    let sparse = Sparse {
        source: source.clone(),
        capacity: sectors(header.numSectors).saturating_mul(SECTOR),
        grain: sectors(header.grainSize).saturating_mul(SECTOR),
        per_table: COWD_PER_TABLE,
        directory: sectors(header.gdOffset).saturating_mul(SECTOR),
        redundant: None,
        form: Form::Sectors {
            zeroed: false,
            packing: None,
        },
        voice: voice.clone(),
    };
    let tables = sparse.tables();
    let entries = sectors(header.numGDEntries);
    if entries < tables {
        let text = format!("numGDEntries {entries} where the capacity needs {tables}");
        let at = offset_of!(CowdHeader, numGDEntries);
        return Err(Error::corrupt(text).at(to_u64(at)));
    }
    let at = to_u64(offset_of!(CowdHeader, gdOffset));
    let checked = sparse.check_directory(sparse.directory, "gdOffset");
    checked.map_err(|error| error.at(at))?;
    Ok(sparse)
}

/// The constant header of the SEsparse extent `source`.
///
/// # Errors
/// `Unsupported` for whatever is not as in every extent that was seen.
pub(super) fn se_header(source: &dyn Source) -> Result<SeConstHeader> {
    let header: SeConstHeader = read(source, 0, "header")?;
    let fields = [
        ("constMagic", header.constMagic.get(), SE_CONST_MAGIC),
        ("version", header.version.get(), SE_VERSION),
        ("grainSize", header.grainSize.get(), 8),
        ("grainTableSize", header.grainTableSize.get(), 64),
        ("flags", header.flags.get(), 0),
    ];
    let reserved = header.reserved.iter().map(|it| ("reserved", it.get(), 0));
    for (name, found, expected) in fields.into_iter().chain(reserved) {
        if found != expected {
            let text = format!("{name} {found:#x} of an SEsparse extent is not {expected:#x}");
            return Err(Error::unsupported(text));
        }
    }
    let capacity = header.capacity.get();
    let bytes = capacity.checked_mul(SECTOR);
    if bytes.is_none_or(|bytes| i64::try_from(bytes).is_err()) {
        return Err(Error::corrupt(format!("capacity of {capacity} sectors")));
    }
    Ok(header)
}

/// The SEsparse extent `source`.
///
/// # Errors
/// As [`se_header`]; `Unsupported` where its journal would have to be replayed; `Corrupt` where the
/// directory is too small or not in the file.
pub(super) fn open_se(source: &SharedSource, voice: &Voice) -> Result<Sparse> {
    let header = se_header(&**source)?;
    let place = |field: zerocopy::little_endian::U64| field.get().saturating_mul(SECTOR);
    let at = place(header.volatileHeader.offset);
    let volatile: SeVolatileHeader = read(&**source, at, "volatile header")?;
    let magic = volatile.volatileMagic.get();
    if magic != SE_VOLATILE_MAGIC {
        return Err(Error::corrupt(format!("volatileMagic {magic:#x}")).at(at));
    }
    if volatile.replayJournal.get() != 0 {
        let text = "an SEsparse extent whose journal has to be replayed";
        return Err(Error::unsupported(text).hint("ESXi does it when it opens the disk"));
    }
    let sparse = Sparse {
        source: source.clone(),
        capacity: place(header.capacity),
        grain: place(header.grainSize),
        per_table: SE_PER_TABLE,
        directory: place(header.grainDirectory.offset),
        redundant: None,
        form: Form::SpaceEfficient {
            tables: place(header.grainTables.offset),
            grains: place(header.grain.offset),
        },
        voice: voice.clone(),
    };
    let (tables, size) = (sparse.tables(), place(header.grainDirectory.size));
    if size / 8 < tables {
        let text = format!("the grain directory's {size} bytes are too few for {tables} tables");
        return Err(Error::corrupt(text));
    }
    let at = to_u64(offset_of!(SeConstHeader, grainDirectory));
    let checked = sparse.check_directory(sparse.directory, "grainDirectory");
    checked.map_err(|error| error.at(at))?;
    Ok(sparse)
}

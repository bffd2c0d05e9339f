//! The header of a hosted sparse extent, and the footer that stands for it in a stream: "Virtual
//! Disk Format 5.0", sections "Hosted Sparse Extents" and "Stream-Optimized Compressed".

use std::mem::offset_of;

use zerocopy::little_endian::U64;

use super::descriptor::{Descriptor, MOST_BYTES};
use super::grain::Packing;
use super::layout::{
    DEFLATE, FLAG_COMPRESSED, FLAG_LINE_ENDS, FLAG_MARKERS, FLAG_REDUNDANT, FLAG_ZEROED_GRAIN,
    GD_AT_END, HOSTED_MAGIC, INCOMPATIBLE, LINE_ENDS, MARKER_EOS, MARKER_FOOTER, MetaDataMarker,
    SECTOR, SparseExtentHeader, read,
};
use super::sparse::{Form, Sparse};
use super::voice::Voice;
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::MOST_UNIT;
use crate::source::{SharedSource, Source, read_vec};

/// Entries of a grain table: the specification has 512 and no other number.
const MOST_PER_TABLE: u32 = 512;

/// The header at the start of `source`, each field that is used checked by itself.
///
/// # Errors
/// `Corrupt` for a field that cannot be, `Unsupported` for a version or flag that is not known.
pub(super) fn header(source: &dyn Source) -> Result<SparseExtentHeader> {
    let header: SparseExtentHeader = read(source, 0, "header")?;
    check(&header, 0)?;
    Ok(header)
}

/// Checks the header, or footer, at byte `start`.
fn check(header: &SparseExtentHeader, start: u64) -> Result<()> {
    let at = |field: usize| start.saturating_add(to_u64(field));
    let (version, flags) = (header.version.get(), header.flags.get());
    if !(1..=3).contains(&version) {
        let text = format!("version {version} is not 1 to 3");
        return Err(Error::unsupported(text).at(at(offset_of!(SparseExtentHeader, version))));
    }
    let unknown = flags & INCOMPATIBLE & !FLAG_COMPRESSED & !FLAG_MARKERS;
    if unknown != 0 {
        let bit = unknown.trailing_zeros();
        let text = format!("incompatible flag, bit {bit}");
        return Err(Error::unsupported(text).at(at(offset_of!(SparseExtentHeader, flags))));
    }
    let grain = header.grainSize.get();
    let most = to_u64(MOST_UNIT) / SECTOR;
    if !grain.is_power_of_two() || grain > most {
        let text = format!("grainSize {grain} is not a power of two up to {most}");
        return Err(Error::corrupt(text).at(at(offset_of!(SparseExtentHeader, grainSize))));
    }
    let per_table = header.numGTEsPerGT.get();
    if per_table == 0 || per_table > MOST_PER_TABLE {
        let text = format!("numGTEsPerGT {per_table} is not 1 to {MOST_PER_TABLE}");
        return Err(Error::corrupt(text).at(at(offset_of!(SparseExtentHeader, numGTEsPerGT))));
    }
    let wrong = |error: Error, field: usize| error.at(at(field));
    capacity(header).map_err(|error| wrong(error, offset_of!(SparseExtentHeader, capacity)))?;
    let algorithm = offset_of!(SparseExtentHeader, compressAlgorithm);
    packing(header).map_err(|error| wrong(error, algorithm))?;
    Ok(())
}

/// The capacity in bytes.
fn capacity(header: &SparseExtentHeader) -> Result<u64> {
    let sectors = header.capacity.get();
    let bytes = sectors.checked_mul(SECTOR);
    let bytes = bytes.filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.ok_or_else(|| Error::corrupt(format!("capacity of {sectors} sectors")))
}

fn packing(header: &SparseExtentHeader) -> Result<Option<Packing>> {
    let flags = header.flags.get();
    let marked = flags & FLAG_MARKERS != 0;
    match (flags & FLAG_COMPRESSED != 0, header.compressAlgorithm.get()) {
        (false, 0) => Ok(None),
        (true, DEFLATE) if marked => Ok(Some(Packing::Marked)),
        (true, DEFLATE) => Ok(Some(Packing::Sized)),
        (true, other) if other > DEFLATE => Err(Error::unsupported(format!(
            "compressAlgorithm {other} is not known"
        ))),
        (_, other) => Err(Error::corrupt(format!(
            "compressAlgorithm {other} and flags {flags:#x} contradict each other"
        ))),
    }
}

/// The descriptor that is embedded behind `header`, if any: the extents of a split disk reserve
/// the room and leave it empty.
///
/// # Errors
/// `Corrupt` where something else is there.
pub(super) fn descriptor(
    source: &dyn Source,
    header: &SparseExtentHeader,
) -> Result<Option<Descriptor>> {
    let (offset, size) = (header.descriptorOffset.get(), header.descriptorSize.get());
    if offset == 0 || size == 0 {
        return Ok(None);
    }
    let wrong = |text: String, field: usize| Err(Error::corrupt(text).at(to_u64(field)));
    let bytes = size.checked_mul(SECTOR).filter(|size| *size <= MOST_BYTES);
    let Some(bytes) = bytes else {
        let text = format!("descriptorSize {size} sectors are over {MOST_BYTES} bytes");
        return wrong(text, offset_of!(SparseExtentHeader, descriptorSize));
    };
    let start = offset.checked_mul(SECTOR);
    let Some(start) = start.filter(|start| *start < source.size()) else {
        let text = format!("descriptorOffset {offset} is past the end of the file");
        return wrong(text, offset_of!(SparseExtentHeader, descriptorOffset));
    };
    let there = bytes.min(source.size().saturating_sub(start));
    let text = read_vec(source, start, to_usize(there))?;
    // What was there before a shorter text may still stand behind its NUL.
    let text = text.split(|byte| *byte == 0).next().unwrap_or(&[]);
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    let parsed = Descriptor::parse(text, start);
    parsed.map(Some).context(|| "embedded descriptor")
}

/// The extent behind `header`, which stands at the start of `source`.
///
/// # Errors
/// As [`header`]; `Corrupt` where the grain directories are not in the file.
pub(super) fn open(
    source: &SharedSource,
    header: &SparseExtentHeader,
    voice: &Voice,
) -> Result<Sparse> {
    let (header, start) = &at_end(&**source, header)?;
    if header.uncleanShutdown != 0 {
        voice.say("it was not closed cleanly (uncleanShutdown)");
    }
    if header.flags.get() & FLAG_LINE_ENDS != 0 && header.lineEnds != LINE_ENDS {
        voice.say("the line ends in its header are wrong: was it sent as text?");
    }
    let place = |offset: U64| offset.get().saturating_mul(SECTOR);
    let has_copy = header.flags.get() & FLAG_REDUNDANT != 0;
    let sparse = Sparse {
        source: source.clone(),
        capacity: capacity(header)?,
        grain: header.grainSize.get().saturating_mul(SECTOR),
        per_table: u64::from(header.numGTEsPerGT.get()),
        directory: place(header.gdOffset),
        redundant: has_copy.then(|| place(header.rgdOffset)),
        form: Form::Sectors {
            zeroed: header.flags.get() & FLAG_ZEROED_GRAIN != 0,
            packing: packing(header)?,
        },
        voice: voice.clone(),
    };
    with_directories(sparse, *start)
}

/// The extent with those of its two directories that are in the file. Its header, or the footer, is
/// at byte `start`.
fn with_directories(sparse: Sparse, start: u64) -> Result<Sparse> {
    let copy = sparse.redundant;
    let copy = copy.filter(|copy| sparse.check_directory(*copy, "rgdOffset").is_ok());
    let first = sparse.check_directory(sparse.directory, "gdOffset");
    let at = to_u64(offset_of!(SparseExtentHeader, gdOffset));
    let directory = match (first, copy) {
        (Ok(()), _) => sparse.directory,
        (Err(_), Some(copy)) => {
            sparse
                .voice
                .say("gdOffset is damaged, the redundant grain directory is used");
            copy
        }
        (Err(error), None) => return Err(error.at(start.saturating_add(at))),
    };
    if sparse.redundant.is_some() && copy.is_none() {
        sparse
            .voice
            .say("rgdOffset is damaged: there is no redundant grain directory");
    }
    Ok(Sparse {
        directory,
        redundant: copy.filter(|copy| *copy != directory),
        ..sparse
    })
}

/// `header`, or the footer that stands for it where the directory was not known yet when the
/// header was written; and where it is.
fn at_end(source: &dyn Source, header: &SparseExtentHeader) -> Result<(SparseExtentHeader, u64)> {
    if header.gdOffset.get() != GD_AT_END {
        return Ok((header.clone(), 0));
    }
    let wrong = |text: &str| {
        let error = Error::corrupt(format!("gdOffset says that a footer knows, {text}"));
        error.hint("is the file complete?")
    };
    let start = source.size().checked_sub(SECTOR.saturating_mul(3));
    let Some(start) = start.filter(|start| *start >= SECTOR) else {
        return Err(wrong("and the file is too short for one"));
    };
    let marker: MetaDataMarker = read(source, start, "footer marker")?;
    let start = start.saturating_add(SECTOR);
    let footer: SparseExtentHeader = read(source, start, "footer")?;
    let end: MetaDataMarker = read(source, start.saturating_add(SECTOR), "end of stream")?;
    let (kind, size) = (marker.r#type.get(), marker.size.get());
    if kind != MARKER_FOOTER || size != 0 {
        let text = format!("and its marker has type {kind} and size {size}");
        return Err(wrong(&text).at(start.saturating_sub(SECTOR)));
    }
    if footer.magicNumber != HOSTED_MAGIC {
        return Err(wrong("and none is at the end of the file: no KDMV").at(start));
    }
    let (kind, size) = (end.r#type.get(), end.size.get());
    if kind != MARKER_EOS || size != 0 || end.numSectors.get() != 0 {
        let sectors = end.numSectors.get();
        let text = format!(
            "and behind it is a marker of type {kind}, size {size} and {sectors} sectors, \
             not the end of the stream"
        );
        return Err(wrong(&text).at(start.saturating_add(SECTOR)));
    }
    if footer.gdOffset.get() == GD_AT_END {
        let at = to_u64(offset_of!(SparseExtentHeader, gdOffset));
        let error = wrong("and the footer that another one does");
        return Err(error.at(start.saturating_add(at)));
    }
    check(&footer, start).context(|| "footer")?;
    agree(header, &footer, start)?;
    Ok((footer, start))
}

/// Refuses a `footer`, which is at byte `start`, that describes another disk than `header`.
fn agree(header: &SparseExtentHeader, footer: &SparseExtentHeader, start: u64) -> Result<()> {
    let fields = |of: &SparseExtentHeader| {
        let algorithm = u64::from(of.compressAlgorithm.get());
        let per_table = u64::from(of.numGTEsPerGT.get());
        [of.capacity.get(), of.grainSize.get(), per_table, algorithm]
    };
    let names = [
        ("capacity", offset_of!(SparseExtentHeader, capacity)),
        ("grainSize", offset_of!(SparseExtentHeader, grainSize)),
        ("numGTEsPerGT", offset_of!(SparseExtentHeader, numGTEsPerGT)),
        (
            "compressAlgorithm",
            offset_of!(SparseExtentHeader, compressAlgorithm),
        ),
    ];
    let both = fields(header).into_iter().zip(fields(footer));
    for ((first, last), (name, field)) in both.zip(names) {
        if first != last {
            let text = format!("{name} is {first} in the header and {last} in the footer");
            return Err(Error::corrupt(text).at(start.saturating_add(to_u64(field))));
        }
    }
    Ok(())
}

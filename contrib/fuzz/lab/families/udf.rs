//! UDF (ECMA-167, OSTA UDF 2.60). Each descriptor begins with a tag, which has a checksum of its own
//! and a CRC of what is behind it: that is what they are found by.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::Workshop;

/// Structures of one kind.
const MOST: usize = 24;

const TAG: &[(&str, u64)] = &[
    ("TagIdentifier", 2),
    ("DescriptorVersion", 2),
    ("", 1), // the checksum
    ("Reserved", 1),
    ("TagSerialNumber", 2),
    ("", 2), // the CRC
    ("DescriptorCRCLength", 2),
    ("TagLocation", 4),
];

const ANCHOR: &[(&str, u64)] = &[
    ("MainVolumeDescriptorSequenceExtent length", 4),
    ("MainVolumeDescriptorSequenceExtent location", 4),
    ("ReserveVolumeDescriptorSequenceExtent length", 4),
    ("ReserveVolumeDescriptorSequenceExtent location", 4),
];

const POINTER: &[(&str, u64)] = &[
    ("VolumeDescriptorSequenceNumber", 4),
    ("NextVolumeDescriptorSequenceExtent length", 4),
    ("NextVolumeDescriptorSequenceExtent location", 4),
];

const PARTITION: &[(&str, u64)] = &[
    ("VolumeDescriptorSequenceNumber", 4),
    ("PartitionFlags", 2),
    ("PartitionNumber", 2),
    ("PartitionContents Flags", 1),
    ("PartitionContents Identifier", 6),
    ("", 25),
    ("", 128),
    ("AccessType", 4),
    ("PartitionStartingLocation", 4),
    ("PartitionLength", 4),
];

const LOGICAL: &[(&str, u64)] = &[
    ("VolumeDescriptorSequenceNumber", 4),
    ("DescriptorCharacterSet", 1),
    ("", 63 + 127),
    ("LogicalVolumeIdentifier length", 1),
    ("LogicalBlockSize", 4),
    ("", 24),
    ("UDFRevision", 2),
    ("DomainFlags", 1),
    ("", 5),
    ("FileSetDescriptor length", 4),
    ("FileSetDescriptor block", 4),
    ("FileSetDescriptor partition", 2),
    ("", 6),
    ("MapTableLength", 4),
    ("NumberOfPartitionMaps", 4),
    ("", 32 + 128),
    ("IntegritySequenceExtent length", 4),
    ("IntegritySequenceExtent location", 4),
    ("PartitionMapType", 1),
    ("PartitionMapLength", 1),
    ("map word", 2),
    ("map word", 2),
    ("map type", 8),
    ("", 24),
    ("map word", 2),
    ("map word", 2),
    ("map word", 4),
    ("map word", 4),
    ("map word", 4),
];

const INTEGRITY: &[(&str, u64)] = &[
    ("", 12),
    ("IntegrityType", 4),
    ("NextIntegrityExtent length", 4),
    ("NextIntegrityExtent location", 4),
    ("", 32),
    ("NumberOfPartitions", 4),
    ("LengthOfImplementationUse", 4),
    ("FreeSpaceTable", 4),
    ("SizeTable", 4),
];

const FILE_SET: &[(&str, u64)] = &[
    ("", 24),
    ("FileSetNumber", 4),
    ("FileSetDescriptorNumber", 4),
    ("", 352),
    ("RootDirectoryICB length", 4),
    ("RootDirectoryICB block", 4),
    ("RootDirectoryICB partition", 2),
    ("", 38),
    ("NextExtent length", 4),
    ("NextExtent block", 4),
    ("NextExtent partition", 2),
    ("", 6),
    ("SystemStreamDirectoryICB length", 4),
    ("SystemStreamDirectoryICB block", 4),
];

const IDENTIFIER: &[(&str, u64)] = &[
    ("FileVersionNumber", 2),
    ("FileCharacteristics", 1),
    ("LengthOfFileIdentifier", 1),
    ("ICB length", 4),
    ("ICB block", 4),
    ("ICB partition", 2),
    ("", 2),
    ("ICB UniqueID", 4),
    ("LengthOfImplementationUse", 2),
    ("CompressionID", 1),
    ("FileIdentifier", 2),
];

/// In front of both kinds of file entries.
const ENTRY: &[(&str, u64)] = &[
    ("PriorRecordedNumberOfDirectEntries", 4),
    ("StrategyType", 2),
    ("StrategyParameter", 2),
    ("MaximumNumberOfEntries", 2),
    ("", 1),
    ("FileType", 1),
    ("ParentICBLocation block", 4),
    ("ParentICBLocation partition", 2),
    ("ICBTag Flags", 2),
    ("Uid", 4),
    ("Gid", 4),
    ("Permissions", 4),
    ("FileLinkCount", 2),
    ("RecordFormat", 1),
    ("RecordDisplayAttributes", 1),
    ("RecordLength", 4),
    ("InformationLength", 8),
];

/// Behind that: from `LogicalBlocksRecorded` on.
const BASIC: &[(&str, u64)] = &[
    ("LogicalBlocksRecorded", 8),
    ("AccessDateAndTime", 4),
    ("", 8),
    ("ModificationDateAndTime", 4),
    ("", 8 + 12),
    ("Checkpoint", 4),
    ("ExtendedAttributeICB length", 4),
    ("ExtendedAttributeICB block", 4),
    ("", 8 + 32),
    ("UniqueID", 8),
    ("LengthOfExtendedAttributes", 4),
    ("LengthOfAllocationDescriptors", 4),
];

const EXTENDED: &[(&str, u64)] = &[
    ("ObjectSize", 8),
    ("LogicalBlocksRecorded", 8),
    ("AccessDateAndTime", 4),
    ("", 8),
    ("ModificationDateAndTime", 4),
    ("", 8 + 12 + 12),
    ("Checkpoint", 4),
    ("", 4),
    ("ExtendedAttributeICB length", 4),
    ("ExtendedAttributeICB block", 4),
    ("", 8),
    ("StreamDirectoryICB length", 4),
    ("StreamDirectoryICB block", 4),
    ("", 8 + 32),
    ("UniqueID", 8),
    ("LengthOfExtendedAttributes", 4),
    ("LengthOfAllocationDescriptors", 4),
];

const CONTINUED: &[(&str, u64)] = &[
    ("PreviousAllocationExtentLocation", 4),
    ("LengthOfAllocationDescriptors", 4),
];

pub struct Udf;

impl Family for Udf {
    fn name(&self) -> &'static str {
        "udf"
    }

    fn seeds(&self, images: Option<&Path>) -> Vec<Seed> {
        let mut all: Vec<Seed> = bridge().into_iter().collect();
        for (name, options) in [
            ("hard-disk", "--media-type=hd --blocksize=512"),
            (
                "large-blocks",
                "--media-type=hd --blocksize=4096 --udfrev=2.01",
            ),
            ("tape", "--media-type=cdr --blocksize=2048 --udfrev=1.50"),
        ] {
            all.extend(empty(name, options));
        }
        for (name, path) in COLLECTED {
            let bytes = crate::tools::collected(images, path);
            let bytes = bytes.filter(|bytes| bytes.len() <= 2 << 20);
            all.extend(bytes.map(|bytes| Seed::alone(name, bytes)));
        }
        all
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        let starts = (0..bytes.len() as u64).step_by(4);
        let mut found = Vec::new();
        let mut counts = std::collections::BTreeMap::new();
        for at in starts.filter(|at| is_tag(bytes, *at)) {
            let count: &mut usize = counts.entry(little(bytes, at, 2)).or_default();
            *count += 1;
            if *count <= MOST {
                found.push(descriptor(bytes, at));
            }
        }
        found.extend(recognition(bytes));
        found
    }

    fn seal(&self, files: &mut [Vec<u8>], structures: &[Structure], touched: (usize, Range<u64>)) {
        let bytes = &mut files[0];
        for found in structures {
            let range = &found.range;
            let is_hit = range.start < touched.1.end && touched.1.start < range.end;
            if !is_hit || found.name.starts_with("recognition") {
                continue;
            }
            let (at, len) = (range.start, little(bytes, range.start + 10, 2));
            if let Some(covered) = slice(bytes, at + 16, len) {
                let sum = crc(covered).to_le_bytes();
                put(bytes, at + 8, &sum);
            }
            let sum = tag_sum(bytes, at);
            put(bytes, at + 4, &[sum]);
        }
    }
}

/// Images with files that somebody's own drivers wrote.
const COLLECTED: &[(&str, &str)] = &[
    ("short", "filesystem/udf/syzkaller-udf_45.img.zst"),
    ("long", "filesystem/udf/syzkaller-udf_54.img.zst"),
    (
        "disc",
        "filesystem/iso9660/util-linux-udf-cd-nero-6.img.zst",
    ),
    ("video", "filesystem/udf/libcdio-udf102.iso.zst"),
];

/// ISO 9660 and UDF 1.02 with the same files.
fn bridge() -> Option<Seed> {
    let workshop = Workshop::new("udf: bridge")?;
    super::files::write(&workshop, "files")?;
    workshop.run("genisoimage -quiet -no-pad -udf -R -V LABEL -o image files")?;
    Some(Seed::alone("bridge", workshop.read("image")?))
}

/// A volume with nothing but its root.
fn empty(name: &str, options: &str) -> Option<Seed> {
    let workshop = Workshop::new(&format!("udf: {name}"))?;
    workshop.zeros("image", 2 << 20)?;
    workshop.run(&format!(
        "mkudffs --label=LABEL --uuid=1234567890abcdef {options} image"
    ))?;
    Some(Seed::alone(name, workshop.read("image")?))
}

/// The CRC of descriptors: polynomial 0x1021, no bits turned over.
fn crc(bytes: &[u8]) -> u16 {
    ::crc::Crc::<u16>::new(&::crc::CRC_16_XMODEM).checksum(bytes)
}

fn tag_sum(bytes: &[u8], at: u64) -> u8 {
    let tag = slice(bytes, at, 16).unwrap_or_default();
    let covered = tag.iter().enumerate().filter(|(index, _)| *index != 4);
    covered.fold(0, |sum, (_, byte)| sum.wrapping_add(*byte))
}

/// Whether a descriptor begins at `at`: by its number and both sums.
fn is_tag(bytes: &[u8], at: u64) -> bool {
    let number = little(bytes, at, 2);
    if !matches!(number, 1..=9 | 256..=266) || tag_sum(bytes, at) != bytes[at as usize + 4] {
        return false;
    }
    let covered = slice(bytes, at + 16, little(bytes, at + 10, 2));
    covered.is_some_and(|covered| u64::from(crc(covered)) == little(bytes, at + 8, 2))
}

/// The descriptor at `at`, with the fields that its number says.
fn descriptor(bytes: &[u8], at: u64) -> Structure {
    let number = little(bytes, at, 2);
    let row = match number {
        2 => ANCHOR,
        3 => POINTER,
        5 => PARTITION,
        6 => LOGICAL,
        9 => INTEGRITY,
        256 => FILE_SET,
        257 => IDENTIFIER,
        258 => CONTINUED,
        261 | 266 => ENTRY,
        _ => &POINTER[..1],
    };
    let mut fields = Field::row(at, Order::Little, TAG);
    fields.extend(Field::row(at + 16, Order::Little, row));
    let mut end = at + 16 + row.iter().map(|(_, width)| width).sum::<u64>();
    if matches!(number, 261 | 266) {
        let rest = if number == 261 { BASIC } else { EXTENDED };
        fields.extend(Field::row(end, Order::Little, rest));
        end += rest.iter().map(|(_, width)| width).sum::<u64>();
        let attributes = little(bytes, end - 8, 4);
        let row = [
            ("extended attributes", 4),
            ("ImplementationAttributesLocation", 4),
        ];
        if attributes > 0 {
            fields.extend(Field::row(end, Order::Little, &row));
        }
        let length = little(bytes, end - 4, 4);
        allocation(end + attributes, length, &mut fields);
        end += attributes + length;
    }
    if number == 258 {
        let length = little(bytes, end - 4, 4);
        allocation(end, length, &mut fields);
        end += length;
    }
    let covered = at + 16 + little(bytes, at + 10, 2);
    Structure {
        name: format!("descriptor of kind {number} {at}"),
        file: 0,
        range: at..end.max(covered).min(bytes.len() as u64),
        parent: Some(at / 2048 * 2048),
        fields,
    }
}

/// The words of `length` bytes of allocation descriptors, or of a file's bytes in their place.
fn allocation(start: u64, length: u64, fields: &mut Vec<Field>) {
    for at in (start..start + length).step_by(4).take(MOST) {
        if at + 4 <= start + length {
            fields.push(Field::new("allocation word", at, 4, Order::Little));
        }
    }
}

/// What says in front of it all that there is UDF.
fn recognition(bytes: &[u8]) -> Vec<Structure> {
    let starts = (16 * 2048..bytes.len() as u64).step_by(2048).take(8);
    let known = |at: &u64| {
        let name = slice(bytes, at + 1, 5).unwrap_or_default();
        [&b"BEA01"[..], b"NSR02", b"NSR03", b"TEA01"].contains(&name)
    };
    let row = [("Type", 1), ("Identifier", 4), ("", 1), ("Version", 1)];
    let found = starts.filter(known).map(|at| Structure {
        name: format!("recognition {}", at / 2048),
        file: 0,
        range: at..at + 2048,
        parent: None,
        fields: Field::row(at, Order::Little, &row),
    });
    found.collect()
}

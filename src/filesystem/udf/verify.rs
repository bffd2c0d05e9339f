//! Checks what no walk over the files touches: the anchors, both volume descriptor sequences, the
//! mirror of a metadata partition, and the space bitmaps.

use std::collections::BTreeMap;

use super::partition::{Kind, Partition};
use super::sequence::Sequence;
use super::volume::Address;
use super::{Udf, anchor, usage};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;

/// Gives `each` what is wrong.
pub(super) fn verify(udf: &Udf, request: &Request, each: &mut dyn FnMut(Error)) {
    let mut check = |result: Result<()>| {
        if let Err(error) = result {
            each(error);
        }
    };
    for result in volume(udf) {
        check(result);
    }
    for (reference, partition) in (0..).zip(&udf.volume.partitions) {
        let context = || format!("partition {reference}");
        check(mirror(partition).context(context));
        for (name, result) in bitmaps(udf, request, reference, partition) {
            check(result.context(|| name).context(context));
        }
    }
}

/// Anchors, and the sequences that they name.
fn volume(udf: &Udf) -> Vec<Result<()>> {
    let disk = udf.volume.disk();
    let anchors = anchor::of(&disk);
    let is_virtual = |partition: &Partition| matches!(partition.kind, Kind::Virtual(_));
    let is_open = udf.volume.partitions.iter().any(is_virtual);
    let mut results = Vec::new();
    if anchors.len() < 2 && !is_open {
        // A disc that can be written on has one until it is closed (UDF 2.2.3).
        results.push(Err(Error::corrupt(
            "only one anchor of the two that there must be",
        )));
    }
    let mut sequences = BTreeMap::new();
    for found in &anchors {
        sequences.insert(found.main.location.get(), ("main", found.main));
        sequences.insert(found.reserve.location.get(), ("reserve", found.reserve));
    }
    for (name, extent) in sequences.into_values() {
        let result = Sequence::check(&disk, extent);
        results.push(result.context(|| format!("{name} volume descriptor sequence")));
    }
    results
}

/// A metadata partition has to have both of its files.
fn mirror(partition: &Partition) -> Result<()> {
    match &partition.kind {
        Kind::Metadata(files) if files.copies() < 2 => Err(Error::corrupt(
            "one of metadata file and mirror cannot be read",
        )),
        _ => Ok(()),
    }
}

fn bitmaps(
    udf: &Udf,
    request: &Request,
    reference: u16,
    partition: &Partition,
) -> [(&'static str, Result<()>); 2] {
    let raw = &partition.descriptor;
    // The blocks of the others are those of the physical one, and so are the bitmaps.
    let is_below = matches!(partition.kind, Kind::Physical | Kind::Sparable(_));
    let spaces = [
        ("unallocated space bitmap", raw.unallocated_space_bitmap),
        ("freed space bitmap", raw.freed_space_bitmap),
    ];
    spaces.map(|(name, extent)| {
        let at = Address {
            partition: reference,
            block: extent.extent_position.get(),
        };
        let is_there = is_below && extent.extent_length.get() > 0;
        let result = match is_there {
            true => usage::bitmap(&udf.volume, request, at).map(|_| ()),
            false => Ok(()),
        };
        (name, result)
    })
}

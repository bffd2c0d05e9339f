//! Full indexes: 8 bytes for each logical cluster (`z_erofs_lcluster_index`).

use zerocopy::FromBytes;

use super::super::layout::RawCluster;
use super::Map;
use super::header::Clusters;
use super::lclusters::{BLOCK_COUNT, Body, Head, Index, kind};
use crate::error::{Error, Result};

/// Bytes of an index.
const SIZE: u64 = 8;
/// `di_advise`: the file has only a part of what the cluster unpacks to.
const PARTIAL: u16 = 1 << 15;

/// The index of logical cluster `number`.
pub(super) fn read(map: &Map<'_>, table: &Clusters, number: u64) -> Result<Index> {
    let at = place(table, number);
    let mut bytes = [0; size_of::<RawCluster>()];
    map.core
        .read_metadata(map.request, map.inode.in_metabox(), &mut bytes, at)?;
    let raw = RawCluster::read_from_bytes(&bytes)
        .map_err(|_| Error::corrupt(format!("logical cluster {number} has no index")))?;
    let advise = raw.di_advise.get();
    let value = raw.di_u.get();
    let Some(kind) = kind(advise.into()) else {
        return body(table, value).map_err(|error| error.at(at));
    };
    Ok(Index::Head(Head {
        kind,
        skip: raw.di_clusterofs.get().into(),
        block: value.into(),
        partial: advise & PARTIAL != 0,
    }))
}

/// The byte behind the index of logical cluster `number`.
pub(super) fn behind(table: &Clusters, number: u64) -> u64 {
    place(table, number).saturating_add(SIZE)
}

/// The byte that it lies at.
pub(super) fn place(table: &Clusters, number: u64) -> u64 {
    table.start.saturating_add(number.saturating_mul(SIZE))
}

fn body(table: &Clusters, value: u32) -> Result<Index> {
    let (back, ahead) = (u64::from(value & 0xffff), u64::from(value >> 16));
    if back & BLOCK_COUNT == 0 {
        let blocks = None;
        return Ok(Index::Body(Body {
            blocks,
            back,
            ahead,
        }));
    }
    if !(table.big.0 || table.big.1) {
        let text = "an index counts blocks, and h_advise says that none does";
        return Err(Error::corrupt(text));
    }
    Ok(Index::Body(Body {
        blocks: Some(back & !BLOCK_COUNT),
        back: 1,
        ahead,
    }))
}

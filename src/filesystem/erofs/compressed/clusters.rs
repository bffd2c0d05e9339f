//! Clusters: read, unpacked once, kept in the one cache, and unpacked ahead of streams.
//!
//! A cluster is known by its address. Files that share one may have different parts of it, and a
//! damaged image may say different things of it; so what is kept says at its end how it was
//! unpacked, and serves only those who say the same. For others there are a few more places, and
//! in the end nothing is kept. Nor is what lies in the metabox, which holds the few bytes of ends of
//! files: who asks for them pays for finding them there.

use std::sync::Arc;

use super::super::core::Special;
use super::super::devices::Devices;
use super::super::features::{COMPR_CFGS, ZERO_PADDING};
use super::super::superblock::Superblock;
use super::unpack;
use crate::cache::{Block, Cache};
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::to_usize;
use crate::source::decoded::{Decoded, Decoder, Read, undecoded};
use crate::source::zeroed;

/// Places that a cluster has in the cache.
const PLACES: u8 = 4;
/// What is kept of a cluster behind its bytes: see [`Cluster::mark`].
const MARK: usize = 6;

/// How a cluster is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Not at all, from its first byte on.
    Shifted,
    /// Not at all, each byte where it would lie in its block; the first at this one.
    Interlaced(u32),
    /// By the algorithm of this number.
    Packed(u8),
}

/// A cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster {
    /// Its first byte.
    pub(super) address: u64,
    /// Bytes it has: at most 1 MiB.
    pub(super) packed: u32,
    /// Bytes that are wanted of it: at most 12 MiB.
    pub(super) unpacked: u32,
    pub(super) how: How,
    /// It unpacks to more than is wanted.
    pub(super) partial: bool,
    /// Its address is one of the metabox.
    pub(super) in_metabox: bool,
}

/// A place in the cache for a cluster.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    cluster: Cluster,
    place: u8,
}

/// The clusters of a file system.
pub(in super::super) struct Clusters {
    blocks: Decoded<Unpacker>,
    devices: Arc<Devices>,
    metabox: Option<Arc<Special>>,
    /// The algorithms that the superblock lists, a bit for each.
    algorithms: u16,
    block_size: u64,
}

/// Unpacks clusters of the devices.
struct Unpacker {
    devices: Arc<Devices>,
    /// What is packed stands at the end of its blocks.
    zero_padding: bool,
}

impl Clusters {
    pub(in super::super) fn new(
        superblock: &Superblock,
        devices: Arc<Devices>,
        metabox: Option<Arc<Special>>,
        cache: &Arc<Cache>,
    ) -> Self {
        let unpacker = Unpacker {
            devices: devices.clone(),
            zero_padding: superblock.features.has(ZERO_PADDING),
        };
        Self {
            blocks: Decoded::new(Arc::new(unpacker), cache.clone()),
            devices,
            metabox,
            algorithms: match superblock.features.has(COMPR_CFGS) {
                true => superblock.raw.u1.get(),
                false => 1,
            },
            block_size: superblock.block_size(),
        }
    }

    /// Whether clusters can be packed as `how` says.
    ///
    /// # Errors
    /// `Unsupported` for an algorithm that is not known, `Corrupt` for one that the superblock does
    /// not list.
    pub(super) fn check(&self, how: How) -> Result<()> {
        let How::Packed(algorithm) = how else {
            return Ok(());
        };
        let name = unpack::name(algorithm)?;
        match self.algorithms >> algorithm & 1 {
            1 => Ok(()),
            _ => Err(Error::corrupt(format!(
                "a cluster by {name}, which the superblock does not list"
            ))),
        }
    }

    /// Takes down a read of `len` bytes at `offset` of inode `nid`.
    pub(super) fn note(&self, nid: u64, offset: u64, len: usize) -> Read {
        self.blocks.note(nid, offset, len)
    }

    /// Fills `buf` from byte `skip` of `cluster`, which is packed, and has those of `ahead`
    /// unpacked next if `stream` goes on; steps of `request` for what is unpacked, and for what lies
    /// in the metabox.
    ///
    /// # Errors
    /// What makes it unreadable.
    pub(super) fn read<I: Iterator<Item = Cluster>>(
        &self,
        (request, stream): (&Request, Read),
        cluster: Cluster,
        buf: &mut [u8],
        skip: usize,
        ahead: impl FnOnce() -> I,
    ) -> Result<()> {
        let have_ahead = || {
            if stream.continues {
                let outside = ahead().take_while(|cluster| !cluster.in_metabox);
                let units = outside.map(|cluster| Unit { cluster, place: 0 });
                let units = units.take_while(|unit| self.pay(request, unit).is_ok());
                let size = usize::try_from(cluster.unpacked).unwrap_or(1).max(1);
                self.blocks.ahead(stream, size, units);
            }
        };
        let block = self.block(request, cluster, stream, have_ahead)?;
        let from = block.get(skip..).and_then(|rest| rest.get(..buf.len()));
        let short = || {
            let text = "a cluster is shorter than the file says";
            Error::corrupt(text).at(cluster.address)
        };
        buf.copy_from_slice(from.ok_or_else(short)?);
        Ok(())
    }

    /// The bytes of `cluster`. Once there are steps for it, but before it is unpacked, those behind it
    /// get theirs by `have_ahead`.
    fn block(
        &self,
        request: &Request,
        cluster: Cluster,
        stream: Read,
        have_ahead: impl FnOnce(),
    ) -> Result<Block> {
        let unpacker = self.blocks.decoder();
        if cluster.in_metabox {
            let mut packed = zeroed(usize::try_from(cluster.packed).unwrap_or(0))?;
            self.read_stored(request, cluster, &mut packed, 0)?;
            request.spend(cluster.steps())?;
            return unpacker.unpack(cluster, &packed);
        }
        let mut have_ahead = Some(have_ahead);
        for place in 0..PLACES {
            let unit = Unit { cluster, place };
            self.pay(request, &unit)?;
            if let Some(have_ahead) = have_ahead.take() {
                have_ahead();
            }
            let block = self.blocks.block(&unit, stream.visit)?;
            if cluster.is_in(&block) {
                return Ok(block);
            }
        }
        request.spend(cluster.steps())?;
        unpacker.decode(&Unit { cluster, place: 0 })
    }

    /// Takes the steps of unpacking `unit`, unless it is unpacked.
    fn pay(&self, request: &Request, unit: &Unit) -> Result<()> {
        match self.blocks.knows(unit) {
            true => Ok(()),
            false => request.spend(unit.cluster.steps()),
        }
    }

    /// Fills `buf` from byte `skip` of `cluster`, which is not packed.
    ///
    /// # Errors
    /// What makes it unreadable.
    pub(super) fn read_plain(
        &self,
        request: &Request,
        cluster: Cluster,
        buf: &mut [u8],
        skip: u64,
    ) -> Result<()> {
        let How::Interlaced(skew) = cluster.how else {
            return self.read_stored(request, cluster, buf, skip);
        };
        // The bytes up to the end of their block are the cluster's last; the others its first.
        let first = self.block_size.saturating_sub(skew.into());
        let Some(tail) = u64::from(cluster.packed).checked_sub(first) else {
            let text = format!("{} bytes from byte {skew} of a block on", cluster.packed);
            return Err(Error::corrupt(text).at(cluster.address));
        };
        let len = to_usize(first.saturating_sub(skip)).min(buf.len());
        let (from_tail, from_head) = buf.split_at_mut(len);
        self.read_stored(request, cluster, from_tail, tail.saturating_add(skip))?;
        self.read_stored(request, cluster, from_head, skip.saturating_sub(first))
    }

    /// Fills `buf` from byte `skip` of `cluster` as it is stored.
    fn read_stored(
        &self,
        request: &Request,
        cluster: Cluster,
        buf: &mut [u8],
        skip: u64,
    ) -> Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        let at = cluster.address.checked_add(skip);
        let wrong = |text| Error::corrupt(text).at(cluster.address);
        let at = at.ok_or_else(|| wrong("a cluster is on no device"))?;
        match (&self.metabox, cluster.in_metabox) {
            (Some(metabox), true) => metabox.read(request, buf, at),
            (None, true) => Err(wrong("there is no metabox to hold it")),
            (_, false) => self.devices.read(buf, at),
        }
    }
}

impl Unpacker {
    /// What `packed`, the bytes of `cluster`, unpack to, and its mark.
    fn unpack(&self, cluster: Cluster, packed: &[u8]) -> Result<Block> {
        let How::Packed(algorithm) = cluster.how else {
            return Err(Error::invalid("the cluster is not packed"));
        };
        let len = usize::try_from(cluster.unpacked).unwrap_or(0);
        let mut bytes = undecoded(len.saturating_add(MARK))?;
        let (into, mark) = bytes.split_at_mut(len);
        let task = unpack::Task {
            algorithm,
            zero_padding: self.zero_padding,
            partial: cluster.partial,
        };
        task.run(packed, into)
            .map_err(|error| error.at(cluster.address))?;
        mark.copy_from_slice(&cluster.mark());
        Ok(Block::from(bytes))
    }
}

impl Decoder for Unpacker {
    type Unit = Unit;

    fn number(unit: &Unit) -> u64 {
        let cluster = unit.cluster;
        // No two clusters of an image whose addresses are below 2^62 have the same number; and
        // where two had, their marks would still tell them apart from what they are not.
        cluster.address << 2 | u64::from(unit.place)
    }

    fn decode(&self, unit: &Unit) -> Result<Block> {
        let cluster = unit.cluster;
        let mut packed = zeroed(usize::try_from(cluster.packed).unwrap_or(0))?;
        self.devices.read(&mut packed, cluster.address)?;
        self.unpack(cluster, &packed)
    }
}

impl Cluster {
    pub(super) fn is_packed(self) -> bool {
        matches!(self.how, How::Packed(_))
    }

    /// Steps of a request that it takes to unpack it.
    fn steps(self) -> u64 {
        match self.how {
            How::Packed(algorithm) => unpack::steps(algorithm, self.unpacked.into()),
            How::Shifted | How::Interlaced(_) => 0,
        }
    }

    /// How it was unpacked.
    fn mark(self) -> [u8; MARK] {
        let [a, b, c, d] = self.packed.to_le_bytes();
        let algorithm = match self.how {
            How::Packed(algorithm) => algorithm,
            How::Shifted | How::Interlaced(_) => u8::MAX,
        };
        [a, b, c, d, algorithm, u8::from(self.partial)]
    }

    /// Whether `block` has its bytes. Who wants a part may have it from one that was unpacked
    /// further, or to its end.
    fn is_in(self, block: &[u8]) -> bool {
        let Some((bytes, mark)) = block.split_last_chunk::<MARK>() else {
            return false;
        };
        let len = usize::try_from(self.unpacked).unwrap_or(0);
        let same = *mark == self.mark();
        let whole = Self {
            partial: false,
            ..self
        };
        match self.partial {
            true => (same || *mark == whole.mark()) && bytes.len() >= len,
            false => same && bytes.len() == len,
        }
    }
}

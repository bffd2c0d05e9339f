//! What everything in this reader stands on: the bytes, where things are in them, and what was
//! worked out before.

use std::sync::Arc;

use super::boot_sector::Geometry;
use super::code_page::CodePage;
use super::family::Families;
use super::table::Table;
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::filesystem::chain::Chains;
use crate::filesystem::index::Index;
use crate::format::{Context, Notices, Owner};
use crate::number::{to_u64, to_usize};
use crate::source::{SharedSource, read_vec};

/// An open file system.
pub(super) struct Core {
    /// Its bytes.
    pub(super) source: SharedSource,
    /// Where everything is.
    pub(super) geometry: Geometry,
    /// What short names are written in.
    pub(super) code_page: CodePage,
    /// What files have that the format does not keep.
    pub(super) owner: Owner,
    /// Minutes that the times on disk are ahead of UTC.
    pub(super) time_offset: i32,
    /// Where to say what is odd but no error.
    pub(super) notices: Arc<Notices>,
    /// The one cache.
    pub(super) cache: Arc<Cache>,
    /// The chains that were followed.
    pub(super) chains: Chains,
    /// The directories that were looked through for directories.
    pub(super) families: Families,
    /// The names of each directory.
    pub(super) names: Index,
    /// The short names of files that have a long one.
    pub(super) aliases: Index,
}

impl Core {
    /// Opens `source`.
    ///
    /// # Errors
    /// As [`Geometry::read`]; `Invalid` for a code page that is not known.
    pub(super) fn open(source: SharedSource, context: &Context) -> Result<Self> {
        let geometry = Geometry::read(&*source)?;
        let cache = context.cache.clone();
        Ok(Self {
            geometry,
            source,
            code_page: CodePage::named(context.options.codepage.as_deref())?,
            owner: context.options.owner,
            time_offset: context.options.time_offset.unwrap_or(0),
            notices: context.notices.clone(),
            chains: Chains::new(cache.clone()),
            families: Families::new(&cache),
            names: Index::new(cache.clone()),
            aliases: Index::new(cache.clone()),
            cache,
        })
    }

    /// `len` bytes from byte `offset` on, both from a structure whose size is bounded.
    ///
    /// # Errors
    /// As [`Core::read_contents`].
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        self.check(offset, len)?;
        read_vec(&*self.source, offset, len)
    }

    /// Where byte `offset` of the chain that begins with cluster `first` is, and how many bytes from
    /// there on lie behind each other; `None` behind its end.
    ///
    /// # Errors
    /// As [`Chains::run_at`].
    pub(super) fn place(
        &self,
        request: &Request,
        first: u32,
        offset: u64,
    ) -> Result<Option<(u64, usize)>> {
        let geometry = &self.geometry;
        let index = u32::try_from(offset.wrapping_shr(geometry.cluster_bits));
        let index = index.map_err(|_| Error::invalid(format!("no chain has byte {offset}")))?;
        let Some(run) = self.chains.run_at(request, &self.table(), first, index)? else {
            return Ok(None);
        };
        let skip = offset & geometry.cluster_size().saturating_sub(1);
        let start = geometry.cluster_offset(run.cluster)?.saturating_add(skip);
        let size = u64::from(run.count).wrapping_shl(geometry.cluster_bits); // below 2^51
        Ok(Some((start, to_usize(size.saturating_sub(skip)))))
    }

    /// The FAT.
    pub(super) fn table(&self) -> Table<'_> {
        Table {
            source: &*self.source,
            geometry: &self.geometry,
        }
    }

    /// Fills `buf` from byte `offset` on with contents of a file.
    ///
    /// # Errors
    /// `Corrupt` where the volume is cut off before the end; as [`crate::source::Source::read_exact_at`].
    pub(super) fn read_contents(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.check(offset, buf.len())?;
        self.source.read_contents_at(buf, offset)
    }

    fn check(&self, offset: u64, len: usize) -> Result<()> {
        let size = self.source.size();
        match offset.checked_add(to_u64(len)) {
            Some(end) if end <= size => Ok(()),
            _ => {
                let text = format!("the volume is cut off: it has {size} bytes");
                Err(Error::corrupt(text).at(offset))
            }
        }
    }
}

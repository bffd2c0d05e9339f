//! What everything in this reader stands on: the bytes, the geometry, the FAT, and what the root
//! directory says of the volume.

use std::sync::Arc;

use super::boot;
use super::fat::Fat;
use super::geometry::Geometry;
use super::upcase::Upcase;
use super::volume::VolumeEntries;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::filesystem::chain::Chains;
use crate::filesystem::index::Index;
use crate::format::{Context, Notices, Options};
use crate::source::Source;

/// An open volume.
pub(super) struct Core<'s> {
    /// Its bytes.
    pub(super) source: Arc<dyn Source + 's>,
    /// Where everything is.
    pub(super) geometry: Geometry,
    /// The FAT in use.
    pub(super) fat: Fat<'s>,
    /// The chains in it.
    pub(super) chains: Chains,
    /// The names of directories.
    pub(super) index: Index,
    /// Which letters are the same.
    pub(super) upcase: Upcase,
    /// What the root directory holds besides files.
    pub(super) entries: VolumeEntries,
    /// The user's choices.
    pub(super) options: Options,
    /// Where to say what is odd but no error.
    pub(super) notices: Arc<Notices>,
}

impl<'s> Core<'s> {
    /// Opens `source`.
    ///
    /// # Errors
    /// As [`boot::read`]; what makes the start of the root directory unreadable.
    pub(super) fn open(source: Arc<dyn Source + 's>, context: &Context) -> Result<Self> {
        let geometry = boot::read(&*source, context)?;
        let mut core = Self::new(source, geometry, context);
        core.say_state();
        let request = Request::new(0);
        core.entries = VolumeEntries::find(&core, &request)
            .map_err(|error| error.context("root directory"))?;
        core.upcase = Upcase::load(&core, &request, &context.room);
        if core.entries.bitmap.is_none() {
            let root = core.geometry.place(core.geometry.root);
            let error = Error::corrupt("no allocation bitmap").at(root);
            core.notice(format!("{error}: free space is not known"));
        }
        Ok(core)
    }

    /// The volume without what its root directory says.
    pub(super) fn new(source: Arc<dyn Source + 's>, geometry: Geometry, context: &Context) -> Self {
        Self {
            fat: Fat::new(source.clone(), &geometry),
            source,
            geometry,
            chains: Chains::new(context.cache.clone()),
            index: Index::new(context.cache.clone()),
            upcase: Upcase::recommended(),
            entries: VolumeEntries::default(),
            options: context.options.clone(),
            notices: context.notices.clone(),
        }
    }

    /// Says what is odd but no error.
    pub(super) fn notice(&self, text: impl std::fmt::Display) {
        self.notices.add(format!("exfat: {text}"));
    }

    /// A wrong checksum: an error, or a notice where the user wants to read all the same.
    ///
    /// # Errors
    /// `error` itself, with the hint that goes with it.
    pub(super) fn bad_checksum(&self, error: Error) -> Result<()> {
        if self.options.ignore_checksums {
            self.notice(error);
            return Ok(());
        }
        Err(error.hint(boot::HINT))
    }

    fn say_state(&self) {
        if self.geometry.is_dirty {
            self.notice("VolumeDirty is set: it was not unmounted");
        }
        if self.geometry.has_failed {
            self.notice("MediaFailure is set: the medium has reported failures");
        }
        let (length, device) = (self.geometry.length, self.source.size());
        if length > device {
            self.notice(format!(
                "the volume has {length} bytes, and only {device} are there"
            ));
        }
    }
}

//! Logical volumes on other logical volumes, made into sources.

use std::sync::Arc;

use super::super::raid;
use super::assemble::Assembler;
use super::cached::{self, writecache};
use super::group::Logical;
use super::kinds::{Raid, Ranges, Stacked};
use super::overlay::Overlay;
use super::segment::Kind;
use super::snapshot;
use super::thin::Pool;
use crate::error::{Error, Kind as ErrorKind, Result, ResultExt};
use crate::source::SharedSource;
use crate::source::mapped::Mapped;
use crate::source::window::Window;

impl<'a> Assembler<'a> {
    /// The `size` bytes of a segment on other volumes.
    pub(super) fn stacked(&mut self, kind: &Stacked, size: u64) -> Result<SharedSource> {
        match kind {
            Stacked::Raid(raid) => self.raid(raid, size).context(|| raid.kind.clone()),
            Stacked::Snapshot { origin, store, .. } => self.snapshot(origin, store, size),
            Stacked::Thin {
                pool,
                device,
                origin,
                ..
            } => self.thin(pool, *device, origin.as_deref(), size),
            Stacked::Cache {
                pool,
                origin,
                ranges,
            } => self.cache(pool, origin, *ranges, size),
            Stacked::WriteCache { cache, origin } => {
                let (cache, origin) = (self.named(cache)?, self.named(origin)?);
                let overlay = writecache::open(cache.clone(), size, &self.context.room)?;
                Ok(self.over(overlay, cache, origin))
            }
            Stacked::ThinPool { .. } | Stacked::CachePool { .. } => {
                Err(Error::unsupported("a pool has no bytes of its own"))
            }
        }
    }

    /// The volume called `origin` with the exceptions in that called `store`.
    pub(super) fn snapshot(
        &mut self,
        origin: &str,
        store: &str,
        size: u64,
    ) -> Result<SharedSource> {
        let (origin, store) = (self.named(origin)?, self.named(store)?);
        let overlay = snapshot::open(store.clone(), size, &self.context.room);
        let overlay = overlay.context(|| "exception store")?;
        Ok(self.over(overlay, store, origin))
    }

    fn over(&self, overlay: Overlay, store: SharedSource, origin: SharedSource) -> SharedSource {
        let cache = self.context.cache.clone();
        Arc::new(Mapped::new(overlay, vec![store], Some(origin), cache))
    }

    /// The logical volume called `name`.
    fn named(&mut self, name: &str) -> Result<SharedSource> {
        self.logical(self.group.number(name)?)
    }

    /// The same, or which physical volume is missing of it. All else that it cannot be had for, as a
    /// loop, is the fault of what wants it, and not that of something missing.
    fn there(&mut self, name: &str) -> Result<Result<SharedSource>> {
        match self.named(name) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            found => Ok(found),
        }
    }

    fn raid(&mut self, raid: &Raid, size: u64) -> Result<SharedSource> {
        let level = super::raid::level(raid)?;
        let mut images = Vec::new();
        let mut states = Vec::new();
        let mut missing = None;
        for (meta, image) in &raid.images {
            let meta = match meta {
                Some(meta) => self.there(meta)?.ok(),
                None => None,
            };
            states.push(meta.and_then(|meta| super::raid::state(&*meta)));
            let image = self.there(image)?;
            missing = missing.or(image.as_ref().err().cloned());
            images.push(image.ok());
        }
        let images = super::raid::to_read(raid, level, images, &states)?;
        self.note_missing(raid, &images);
        check_sizes(&images, size, super::raid::data_images(level, images.len()))?;
        let cache = self.context.cache.clone();
        let opened = raid::open(level, size, images, cache);
        opened.map_err(|error| match missing {
            Some(missing) => missing.context(error.message().to_owned()),
            None => error,
        })
    }

    /// Says which images are not read.
    fn note_missing(&self, raid: &Raid, images: &[Option<SharedSource>]) {
        let pairs = raid.images.iter().zip(images);
        let missing = pairs.filter(|(_, image)| image.is_none());
        for ((_, name), _) in missing {
            let group = &self.group.name;
            let text = "it is missing or out of step, and is not read";
            let notices = &self.context.notices;
            notices.add(format!("volume group {group}: {name}: {text}"));
        }
    }

    fn thin(
        &mut self,
        pool: &str,
        device: u64,
        origin: Option<&str>,
        size: u64,
    ) -> Result<SharedSource> {
        let Stacked::ThinPool {
            metadata,
            data,
            transaction,
        } = self.pool(pool)?
        else {
            return Err(Error::corrupt(format!("{pool} is no thin pool")));
        };
        let (metadata, data) = (self.named(metadata)?, self.named(data)?);
        let origin = origin.map(|origin| self.named(origin)).transpose()?;
        let found = Pool::read(metadata).context(|| format!("thin pool {pool}"))?;
        self.note_pool(pool, &found, *transaction);
        let thin = found.volume(device, size, data.size(), origin.is_some());
        let thin = thin.context(|| format!("thin pool {pool}"))?;
        let cache = self.context.cache.clone();
        Ok(Arc::new(Mapped::new(thin, vec![data], origin, cache)))
    }

    /// Says what is odd about a pool that can be read all the same.
    fn note_pool(&self, name: &str, pool: &Pool, transaction: u64) {
        let group = &self.group.name;
        let add = |text: &str| {
            let notices = &self.context.notices;
            notices.add(format!("volume group {group}: thin pool {name}: {text}"));
        };
        if pool.needs_check {
            add("it is marked as needing thin_check");
        }
        let found = pool.transaction;
        // A volume that is about to be made counts in the text before it does in the pool.
        if found != transaction && found.checked_add(1) != Some(transaction) {
            add(&format!(
                "its transaction is {found}, and the group's text says {transaction}"
            ));
        }
    }

    /// What the only segment of the pool called `name` says.
    fn pool(&self, name: &str) -> Result<&'a Stacked> {
        let logical = self.group.logical.get(self.group.number(name)?);
        let pool = logical.and_then(pool_of);
        pool.ok_or_else(|| Error::corrupt(format!("{name} is no pool")))
    }

    fn cache(
        &mut self,
        pool: &str,
        origin: &str,
        ranges: Option<Ranges>,
        size: u64,
    ) -> Result<SharedSource> {
        let (metadata, data) = match ranges {
            Some(ranges) => {
                let volume = self.named(pool)?;
                let part = |(start, len): (u64, u64)| -> Result<SharedSource> {
                    Ok(Arc::new(Window::new(volume.clone(), start, len)?))
                };
                (part(ranges.metadata)?, part(ranges.data)?)
            }
            None => match self.pool(pool)? {
                Stacked::CachePool { metadata, data } => (self.named(metadata)?, self.named(data)?),
                _ => return Err(Error::corrupt(format!("{pool} is no cache pool"))),
            },
        };
        let origin = self.named(origin)?;
        let overlay = cached::open(metadata, data.size(), size, &self.context.room)?;
        Ok(self.over(overlay, data, origin))
    }
}

/// That each image has room for its part of `size` bytes.
fn check_sizes(images: &[Option<SharedSource>], size: u64, data: u64) -> Result<()> {
    let part = size.div_ceil(data.max(1));
    let short = images.iter().flatten().find(|image| image.size() < part);
    short.map_or(Ok(()), |image| {
        let text = format!(
            "an image has {} bytes, and {part} are its part",
            image.size()
        );
        Err(Error::corrupt(text))
    })
}

/// What the only segment of a pool says.
pub(super) fn pool_of(logical: &Logical) -> Option<&Stacked> {
    match logical.segments.as_deref() {
        Ok([segment]) => match &segment.kind {
            Kind::Stacked(kind @ (Stacked::ThinPool { .. } | Stacked::CachePool { .. })) => {
                Some(kind)
            }
            _ => None,
        },
        _ => None,
    }
}

//! Second files: what an image says of other files on this host, and how far that is believed.
//!
//! A backing file, a data file, an extent, a parent, a part: a format names it, and [`Neighbours`],
//! which the formats don't see, decides. What comes back is read as bytes ([`Context::file`]) or
//! opened as an image again ([`Context::disk`]). What a container holds, as a tar or a compressed
//! file does, is opened by [`Context::inside`].

use std::sync::Arc;

use super::opened::Opened;
use super::{Context, Disk, Nobody};
use crate::error::{Error, Kind, Result, ResultExt, printable};
use crate::source::SharedSource;
use crate::source::cached::Cached;

/// How many second files may lead to one another.
pub(super) const MOST_FILES: usize = 16;

/// How many containers may lie in one another.
const MOST_NESTED: usize = 8;

/// Which file of this host something is: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The device that holds it.
    pub device: u64,
    /// Its inode number there.
    pub inode: u64,
}

/// The files beside an image: the only ones that may be opened by a name that the image gives.
pub trait Neighbours: Send + Sync {
    /// Opens the neighbour that the image calls `name`, as it stands in the image: a file name, or
    /// a path, which counts as its last part where it leads to the image's own directory.
    ///
    /// # Errors
    /// `Refused` where the policy forbids it, saying what would allow it; `Denied` where the host
    /// does; `NotFound`.
    fn open(&self, name: &[u8]) -> Result<Neighbour>;

    /// The names of the regular files beside the image, in no order.
    ///
    /// # Errors
    /// `Denied` where the directory cannot be listed; `Unsupported` where it has more than 100,000.
    fn names(&self) -> Result<Vec<Vec<u8>>>;
}

/// A file beside the image.
pub struct Neighbour {
    /// Its bytes, uncached.
    pub source: SharedSource,
    /// Its file name, as errors and `info` show it.
    pub name: Vec<u8>,
    /// Which file it is; `None` for what is no file of this host.
    pub identity: Option<Identity>,
    /// The files beside it.
    pub neighbours: Arc<dyn Neighbours>,
}

/// Which file an image is, and what led to it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Its file name without directories, or its name inside its container.
    pub name: Vec<u8>,
    /// The files that led to it, itself the last.
    files: Vec<Identity>,
    /// How many containers it lies in.
    nested: usize,
    /// The images that were opened in or behind the one that the user named.
    opened: Arc<Opened>,
}

impl Origin {
    /// The file that the user named.
    #[must_use]
    pub fn new(name: Vec<u8>, identity: Option<Identity>) -> Self {
        Self {
            name,
            files: identity.into_iter().collect(),
            nested: 0,
            opened: Arc::default(),
        }
    }

    /// How many images lead to this one.
    #[must_use]
    pub fn depth(&self) -> usize {
        let files = self.files.len().saturating_sub(1);
        files.saturating_add(self.nested)
    }
}

/// What opens images: the probing of `stack`, which alone knows every format.
pub trait Images: Send + Sync {
    /// The disks in `image`, opened in the format called `declared` by the image that names it, or
    /// in the one that the user named, or in the one that claims it.
    ///
    /// # Errors
    /// What the format refuses; `Unsupported` for several claims, or a declared format that there
    /// is no reader for.
    fn open(
        &self,
        image: SharedSource,
        declared: Option<&str>,
        context: &Context,
    ) -> Result<Vec<Disk>>;
}

impl Context {
    /// The bytes of the neighbour `name`: an extent, a data file, a part.
    ///
    /// # Errors
    /// As [`Neighbours::open`]; `Unsupported` where it is the image itself or what led to it.
    pub fn file(&self, name: &[u8]) -> Result<SharedSource> {
        self.beside(name).map(|neighbour| neighbour.source)
    }

    /// The same, with its own name and which file it is: an image may write one name in several
    /// ways, and one file may have several names.
    ///
    /// # Errors
    /// As [`Context::file`].
    pub fn beside(&self, name: &[u8]) -> Result<Neighbour> {
        let mut neighbour = self.neighbour(name)?;
        neighbour.source = self.cached(neighbour.source);
        Ok(neighbour)
    }

    /// The disk that the neighbour `name` holds: a backing file or parent. `declared` is the format
    /// that the image says it has, by our name for it; it is not probed again then. One file that
    /// several images stand on is opened once.
    ///
    /// # Errors
    /// As [`Context::file`], and what the neighbour's own format refuses, naming the neighbour;
    /// `Unsupported` for more than 16 files in a chain, for a neighbour of several disks, and for
    /// more than 1,088 images in or behind the one that the user named.
    pub fn disk(&self, name: &[u8], declared: Option<&str>) -> Result<Disk> {
        let neighbour = self.neighbour(name)?;
        let mut below = self.below(neighbour.name.clone());
        if self.origin.files.len() > MOST_FILES {
            let text = format!("the chain of files is deeper than {MOST_FILES} (chain depth 16)");
            return Err(Error::unsupported(text).context(printable(name)));
        }
        let (opened, depth) = (&self.origin.opened, self.origin.files.len());
        if let Some(file) = neighbour.identity
            && let Some(disk) = opened.find(file, declared, depth)
        {
            return Ok(disk);
        }
        opened.count().context(|| printable(name))?;
        below.origin.files.extend(neighbour.identity);
        below.neighbours = neighbour.neighbours;
        // What is kept belongs to the file that the user named.
        below.stored = Arc::new(Nobody);
        let image = self.cached(neighbour.source);
        let shown = || printable(&neighbour.name);
        let disks = self.images.open(image, declared, &below).context(shown)?;
        let disk = only(disks).context(shown)?;
        if let Some(file) = neighbour.identity {
            opened.keep(file, declared, depth, &disk);
        }
        Ok(disk)
    }

    /// The disks of the image that this one holds, called `name`: what a compressed file unpacks
    /// to, or a member of an archive, whose `neighbours` are then the other members.
    ///
    /// # Errors
    /// What its format refuses; `Unsupported` for containers nested more than 8 deep, and for more
    /// than 1,088 images in or behind the one that the user named.
    pub fn inside(
        &self,
        image: SharedSource,
        name: &[u8],
        neighbours: Option<Arc<dyn Neighbours>>,
    ) -> Result<Vec<Disk>> {
        let mut below = self.below(name.to_vec());
        below.options.disk.clone_from(&self.options.disk);
        below.options.snapshot.clone_from(&self.options.snapshot);
        below.options.format.clone_from(&self.options.inside);
        below.origin.nested = self.origin.nested.saturating_add(1);
        below.stored = self.stored.layer(name);
        if below.origin.nested > MOST_NESTED {
            let text = format!("nesting depth is over {MOST_NESTED}");
            return Err(Error::unsupported(text).context(printable(name)));
        }
        self.origin.opened.count().context(|| printable(name))?;
        if let Some(neighbours) = neighbours {
            below.neighbours = neighbours;
        }
        let opened = self.images.open(image, None, &below);
        opened.context(|| printable(name))
    }

    /// The bytes and the context of `other`, an image that the user added to this one.
    #[must_use]
    pub fn other(&self, other: Neighbour) -> (SharedSource, Self) {
        let mut context = self.below(other.name.clone());
        context.origin = Origin::new(other.name, other.identity);
        context.neighbours = other.neighbours;
        // What is kept belongs to the file that the user named first.
        context.stored = Arc::new(Nobody);
        (self.cached(other.source), context)
    }

    /// The same for an image called `name`, with none of what the user chose for this one.
    fn below(&self, name: Vec<u8>) -> Self {
        let mut below = self.clone();
        below.origin.name = name;
        below.options.format = None;
        below.options.inside = None;
        below.options.disk = None;
        below.options.snapshot = None;
        below
    }

    fn neighbour(&self, name: &[u8]) -> Result<Neighbour> {
        let neighbour = self.neighbours.open(name)?;
        let met = |identity: &Identity| self.origin.files.contains(identity);
        if neighbour.identity.as_ref().is_some_and(met) {
            let name = printable(name);
            return Err(Error::unsupported(format!(
                "{name} is the image itself or stands on it: backing loop"
            )));
        }
        Ok(neighbour)
    }

    fn cached(&self, source: SharedSource) -> SharedSource {
        Arc::new(Cached::over_file(source, self.cache.clone()))
    }
}

/// The one disk there is.
fn only(disks: Vec<Disk>) -> Result<Disk> {
    let names: Vec<String> = disks.iter().map(|disk| disk.name.clone()).collect();
    let mut disks = disks.into_iter();
    match (disks.next(), disks.next()) {
        (Some(disk), None) => Ok(disk),
        _ => Err(Error::unsupported(format!(
            "it holds {} disks where one is wanted: {}",
            names.len(),
            names.join(", ")
        ))),
    }
}

impl Neighbours for Nobody {
    fn open(&self, name: &[u8]) -> Result<Neighbour> {
        let text = format!("{} is another file", printable(name));
        Err(Error::new(Kind::Refused, text))
    }

    fn names(&self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
}

impl Images for Nobody {
    fn open(&self, _: SharedSource, _: Option<&str>, _: &Context) -> Result<Vec<Disk>> {
        Err(Error::unsupported(
            "no image inside an image is opened here",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Beside, RawOnly};
    use super::*;
    use crate::cache::Cache;

    fn context(files: &[(&str, &[u8])]) -> Context {
        Context {
            neighbours: Beside::of(files),
            images: Arc::new(RawOnly),
            origin: Origin::new(b"top".to_vec(), None),
            ..Context::new(Cache::new(1 << 20))
        }
    }

    #[test]
    fn a_neighbour_is_read_and_a_missing_one_is_not() {
        let context = context(&[("base", b"abc")]);
        let base = context.file(b"base").unwrap();
        assert_eq!(crate::source::read_vec(&*base, 0, 3).unwrap(), b"abc");
        let disk = context.disk(b"base", Some("raw")).unwrap();
        assert_eq!(disk.source.size(), 3);
        let missing = context.file(b"nothing").err().unwrap();
        assert_eq!(missing.kind(), Kind::NotFound);
    }

    #[test]
    fn the_image_itself_is_no_second_file() {
        let mut context = context(&[("base", b"abc")]);
        let base = context.neighbours.open(b"base").unwrap();
        context.origin = Origin::new(b"base".to_vec(), base.identity);
        let error = context.disk(b"base", None).err().unwrap();
        assert!(error.to_string().contains("backing loop"), "{error}");
    }

    #[test]
    fn containers_nest_eight_deep() {
        let mut context = context(&[]);
        let empty: SharedSource = Arc::new(crate::source::Memory(vec![1]));
        context.origin.nested = 7;
        assert!(context.inside(empty.clone(), b"inner", None).is_ok());
        context.origin.nested = 8;
        let error = context.inside(empty, b"inner", None).err().unwrap();
        assert_eq!(error.to_string(), "inner: nesting depth is over 8");
    }

    #[test]
    fn what_several_images_stand_on_is_opened_once() {
        let context = context(&[("base", b"abc"), ("other", b"abc")]);
        let disk =
            |context: &Context, name: &[u8], declared| context.disk(name, declared).unwrap().source;
        let first = disk(&context, b"base", None);
        let below = context.below(b"x".to_vec());
        assert!(Arc::ptr_eq(&first, &disk(&below, b"base", None)));
        assert!(!Arc::ptr_eq(&first, &disk(&context, b"other", None)));
        assert!(!Arc::ptr_eq(&first, &disk(&context, b"base", Some("raw"))));
        // Where more files lead to it, the chain behind it may be too long.
        let mut deeper = context.below(b"y".to_vec());
        let [device, inode] = [7, 7];
        deeper.origin.files.push(Identity { device, inode });
        let deep = disk(&deeper, b"base", None);
        assert!(!Arc::ptr_eq(&first, &deep));
        drop(first);
        assert!(Arc::ptr_eq(&deep, &disk(&context, b"base", None)));
    }

    #[test]
    fn images_are_counted_wherever_they_lie() {
        let context = context(&[("base", b"abc")]);
        let image: SharedSource = Arc::new(crate::source::Memory(vec![1]));
        for _ in 0..544 {
            let below = context.below(b"x".to_vec());
            assert!(below.inside(image.clone(), b"inner", None).is_ok());
            // Nobody has it any more when it is wanted again.
            assert!(context.disk(b"base", None).is_ok());
        }
        let words = "over 1088 images in or behind one (--disk NAME opens one of them)";
        let error = context.inside(image, b"inner", None).err().unwrap();
        assert_eq!(error.to_string(), format!("inner: {words}"));
        let error = context.disk(b"base", None).err().unwrap();
        assert_eq!(error.to_string(), format!("base: {words}"));
    }
}

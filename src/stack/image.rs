//! The image layer: which container a file is, and which disks are in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Registries;
use crate::error::{Error, Kind, Result, ResultExt, printable};
use crate::format::{Context, Disk, Format, Images, Layer as Opened, Set};
use crate::signature::{self, Layer, Signature};
use crate::source::{SharedSource, Source};

/// The name of the format that claims everything, and that a container's magic must not fall to.
const RAW: &str = "raw";

/// What a container that is told by its trailer may begin with, since that is how it packs.
const PACKERS: [&str; 5] = ["bzip2", "gzip", "lz4", "xz", "zstd"];

/// The formats that keep snapshots inside.
const WITH_SNAPSHOTS: [&str; 2] = ["parallels", "qcow2"];

/// How many sectors are the start of an image.
const HEAD: u64 = 128;

type ImageFormat = Format<crate::image::Open>;

/// Opens `image`, and with it whatever it wraps or stands on.
///
/// # Errors
/// What its format refuses; `Unsupported` for an empty image, a container that is not read, and
/// several at once.
pub(super) fn open(
    registries: Registries,
    image: SharedSource,
    context: &Context,
) -> Result<Vec<Disk>> {
    let opener = Arc::new(Opener {
        registries,
        takes_snapshot: AtomicBool::new(false),
    });
    let context = Context {
        images: opener.clone(),
        ..context.clone()
    };
    let disks = opener.open(image, None, &context)?;
    opener.check_all_used(&context)?;
    opener.check_snapshot(&context)?;
    choose(disks, context.options.disk.as_deref())
}

/// The disk that the user named, or all.
fn choose(disks: Vec<Disk>, wanted: Option<&str>) -> Result<Vec<Disk>> {
    let Some(wanted) = wanted else {
        return Ok(disks);
    };
    let names: Vec<String> = disks.iter().map(|disk| disk.name.clone()).collect();
    let mut disks = disks.into_iter();
    match disks.find(|disk| disk.name == wanted) {
        Some(disk) => Ok(vec![disk]),
        None => {
            let wanted = printable(wanted.as_bytes());
            let error = Error::not_found(format!("--disk {wanted}: no disk is called that"));
            Err(error.hint(format!("it holds: {}", names.join(", "))))
        }
    }
}

struct Opener {
    registries: Registries,
    /// Whether the user's snapshot was for an image that was met.
    takes_snapshot: AtomicBool,
}

impl Images for Opener {
    fn open(
        &self,
        image: SharedSource,
        declared: Option<&str>,
        context: &Context,
    ) -> Result<Vec<Disk>> {
        let declared = declared.map(|name| self.declared(name)).transpose()?;
        let (named, context) = self.named(context);
        if let Some(format) = declared.or(named) {
            return self.open_as(format, &image, &context);
        }
        if image.size() == 0 {
            return Err(Error::unsupported("empty image"));
        }
        // A part is not looked into: what is in the first says nothing of the whole.
        if let Some(format) = crate::image::by_name(&context)? {
            return self.open_as(format, &image, &context);
        }
        let format = probe(&self.registries, &image)?;
        self.open_as(format, &image, &context)
    }
}

impl Opener {
    fn open_as(
        &self,
        format: &ImageFormat,
        image: &SharedSource,
        context: &Context,
    ) -> Result<Vec<Disk>> {
        // A backing file's context has none: the snapshot is one of the image above it.
        if context.options.snapshot.is_some() && WITH_SNAPSHOTS.contains(&format.name) {
            self.takes_snapshot.store(true, Ordering::Relaxed);
        }
        open_as(format, image, context)
    }

    /// That a snapshot was not named of an image that can have none.
    fn check_snapshot(&self, context: &Context) -> Result<()> {
        match &context.options.snapshot {
            Some(wanted) if !self.takes_snapshot.load(Ordering::Relaxed) => {
                let wanted = printable(wanted.as_bytes());
                let text = format!("--snapshot {wanted}: the image's format keeps no snapshots");
                Err(Error::invalid(text).hint("qcow2 images and bundles of Parallels do"))
            }
            _ => Ok(()),
        }
    }

    fn format(&self, name: &str) -> Option<&'static ImageFormat> {
        let mut formats = self.registries.image.iter();
        formats.find(|format| format.name == name)
    }

    /// The format that an image says another one has.
    fn declared(&self, name: &str) -> Result<&'static ImageFormat> {
        self.format(name).ok_or_else(|| {
            let name = printable(name.as_bytes());
            let text = format!("it is said to be a {name} image, which is not supported");
            Error::unsupported(text)
        })
    }

    /// The format that the user named for this image, and the context of it: what is left of their
    /// list is for what the image holds. A file system's name is one for the layers above.
    fn named(&self, context: &Context) -> (Option<&'static ImageFormat>, Context) {
        let mut below = context.clone();
        let mut names = context.options.formats();
        let format = names.next().and_then(|name| self.format(name));
        if format.is_some() {
            let rest: Vec<&str> = names.collect();
            below.options.inside = (!rest.is_empty()).then(|| rest.join(","));
        } else {
            below.options.inside.clone_from(&context.options.format);
        }
        below.options.format = format.map(|format| format.name.to_owned());
        (format, below)
    }

    /// That every image format that the user named was met: the names are not for nothing.
    fn check_all_used(&self, context: &Context) -> Result<()> {
        let named = context.options.formats();
        let mut named = named.filter(|name| self.format(name).is_some());
        let left = named.nth(context.layers.all().len());
        left.map_or(Ok(()), |left| {
            let list = context.options.format.as_deref().unwrap_or_default();
            let text = format!("--format {list}: nothing in it can be taken for {left}");
            Err(Error::invalid(text))
        })
    }
}

/// The format that claims `image`.
///
/// A file that carries a container's magic is never taken for raw by itself: a guest can write a
/// qcow2 header into its raw disk, and the next probe would follow that header's file names.
fn probe(registries: &Registries, image: &SharedSource) -> Result<&'static ImageFormat> {
    let (mut claims, mut trailers) = (Vec::new(), Vec::new());
    for format in registries.image.iter().filter(|format| format.name != RAW) {
        match (format.claim)(&**image).context(|| format.name) {
            Ok(Some(Set::Trailer)) => trailers.push(format),
            Ok(Some(_)) => claims.push(format),
            Ok(None) => {}
            // A bad sector where a container's header would be is no reason to refuse a disk.
            Err(error) if error.kind() == Kind::Io && starts_readable(&**image) => {}
            Err(error) => return Err(error),
        }
    }
    let names: Vec<_> = registries.names().collect();
    let signatures = signature::find(&**image);
    let containers = containers(&signatures, &names);
    if containers.iter().any(|found| found.at_end.is_some()) {
        claims.retain(|format| !PACKERS.contains(&format.name));
    }
    let mut several: Vec<&str> = claims.iter().map(|format| format.name).collect();
    several.extend(containers.iter().map(|found| found.name));
    if containers.iter().any(|found| found.at_end.is_none()) || !claims.is_empty() {
        let contents = signatures.iter().filter(|found| found.is_content());
        several.extend(contents.map(|found| found.name));
        several.extend(content_claims(registries, image));
    }
    several.dedup();
    match (claims.first(), several.as_slice()) {
        (_, [_, _, ..]) => Err(several_formats(&several)),
        (Some(format), _) => Ok(format),
        (None, [name]) => Err(unread_container(name)),
        (None, []) if trailers.len() > 1 => {
            let names: Vec<&str> = trailers.iter().map(|format| format.name).collect();
            Err(several_formats(&names))
        }
        (None, []) => match trailers.first() {
            Some(format) => Ok(format),
            None => raw(registries),
        },
    }
}

/// Whether any sector at the start can be read.
fn starts_readable(image: &dyn Source) -> bool {
    let mut sector = [0; 512];
    let mut sectors = (0..HEAD).map(|number| number.saturating_mul(512));
    sectors.any(|at| image.read_exact_at(&mut sector, at).is_ok())
}

/// The last format, which claims everything.
fn raw(registries: &Registries) -> Result<&'static ImageFormat> {
    let raw = registries.image.last();
    raw.ok_or_else(|| Error::unsupported("no image format"))
}

/// The containers without a reader. One that ends in its trailer begins with what it packs, which
/// may be a compressed file by itself.
fn containers(signatures: &[&'static Signature], readers: &[&str]) -> Vec<&'static Signature> {
    let unread = signatures
        .iter()
        .filter(|found| is_container(found, readers));
    let (by_trailer, by_header): (Vec<_>, Vec<_>) =
        unread.partition(|found| found.at_end.is_some());
    match by_trailer.is_empty() {
        true => by_header,
        false => by_trailer,
    }
}

/// The readers of volumes and file systems to whom the bytes look like their own.
fn content_claims(registries: &Registries, image: &SharedSource) -> Vec<&'static str> {
    fn claims<Open>(format: &Format<Open>, image: &SharedSource) -> Option<&'static str> {
        let claimed = (format.claim)(&**image).ok().flatten();
        claimed.map(|_| format.name)
    }
    let volumes = registries.volume.iter().filter_map(|it| claims(it, image));
    let filesystems = registries
        .filesystem
        .iter()
        .filter_map(|it| claims(it, image));
    volumes.chain(filesystems).collect()
}

/// The magic of a container that has no reader: one that has decides by its own claim.
fn is_container(found: &Signature, readers: &[&str]) -> bool {
    found.layer == Layer::Image && !readers.contains(&found.name)
}

fn open_as(format: &ImageFormat, image: &SharedSource, context: &Context) -> Result<Vec<Disk>> {
    if image.size() == 0 {
        return Err(Error::unsupported("empty image"));
    }
    // Noted before it is opened: what is refused is known as far as it says what it is.
    let (describe, described) = (format.describe, image.clone());
    context.layers.add(Opened::new(
        context.origin.depth(),
        context.origin.name.clone(),
        format.name,
        // Where that fails, opening it says why.
        move || describe(&*described).unwrap_or_default(),
    ));
    (format.open)(std::slice::from_ref(image), context).context(|| format.name)
}

fn several_formats(names: &[&str]) -> Error {
    Error::unsupported(format!("several formats: {}", names.join(", ")))
        .hint("pass --format NAME to say which it is; --format raw takes the bytes as the disk")
}

fn unread_container(name: &str) -> Error {
    Error::unsupported(format!("{name} image, which is not supported yet"))
        .hint("--format raw takes its bytes as the disk; qemu-img convert makes a raw image")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::format::Description;
    use crate::source::{Memory, read_vec, window::Window};
    use crate::stack::Stack;

    fn claim(source: &dyn Source) -> Result<Option<Set>> {
        let is_wrap = source.size() > 4 && read_vec(source, 0, 4)? == b"WRAP";
        Ok(is_wrap.then_some(Set::Alone))
    }

    fn wrapped(sources: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
        let source = sources.first().cloned().unwrap();
        let length = source.size().saturating_sub(4);
        context.inside(Arc::new(Window::new(source, 4, length)?), b"inner", None)
    }

    const WRAP: ImageFormat = Format {
        name: "wrap",
        claim,
        describe: |_| Ok(Description::default()),
        open: wrapped,
    };

    /// The formats of the images in `image`, and the size of its disk.
    fn opened(image: &[u8], format: Option<&str>) -> Result<(Vec<&'static str>, u64)> {
        let raw = Registries::BUILT_IN.image.len().saturating_sub(1);
        let raw = Registries::BUILT_IN.image.get(raw..).unwrap();
        let [raw] = raw else { unreachable!() };
        let raw = Format { ..*raw };
        let registries = Registries {
            image: Box::leak(Box::new([WRAP, raw])),
            ..Registries::BUILT_IN
        };
        let mut context = Context::new(Cache::new(1 << 20));
        context.options.format = format.map(str::to_owned);
        let image = Arc::new(Memory(image.to_vec()));
        let stack = Stack::open_with(registries, image, Vec::new(), &context)?;
        let formats = stack.layers.iter().map(|layer| layer.format).collect();
        let disk = stack.disks.first().unwrap();
        Ok((formats, disk.source.as_ref().unwrap().size()))
    }

    #[test]
    fn each_format_that_the_user_names_is_for_one_image_in_the_other() {
        let image = b"WRAPWRAPWRAPdisk";
        let found = |format| opened(image, format).unwrap();
        assert_eq!(found(None), (vec!["wrap", "wrap", "wrap", "raw"], 4));
        assert_eq!(found(Some("raw")), (vec!["raw"], 16));
        assert_eq!(found(Some("wrap,raw")), (vec!["wrap", "raw"], 12));
        assert_eq!(found(Some("wrap:raw")), (vec!["wrap", "raw"], 12));
        assert_eq!(found(Some("wrap,wrap,raw")).0.len(), 3);
        // What is not named is looked for.
        assert_eq!(found(Some("wrap")).1, 4);
        assert_eq!(found(Some("wrap,ext4")).1, 4);
        assert_eq!(found(Some("ext4")).1, 4);
    }

    #[test]
    fn a_format_that_is_named_for_nothing_is_refused() {
        for (list, words) in [
            ("raw,wrap", "nothing in it can be taken for wrap"),
            ("wrap,", "no format is called that"),
            ("wrap,other", "--format other: no format"),
        ] {
            let error = opened(b"WRAPdisk", Some(list)).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

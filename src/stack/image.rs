//! The image layer: which container a file is, and which disks are in it.

use std::sync::Arc;

use super::Registries;
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Context, Disk, Format, Images, Layer as Opened, Set};
use crate::signature::{self, Layer, Signature};
use crate::source::SharedSource;

/// The name of the format that claims everything, and that a container's magic must not fall to.
const RAW: &str = "raw";

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
    let opener = Arc::new(Opener { registries });
    let context = Context {
        images: opener.clone(),
        ..context.clone()
    };
    let disks = opener.open(image, context.options.format.as_deref(), &context)?;
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
}

impl Images for Opener {
    fn open(
        &self,
        image: SharedSource,
        declared: Option<&str>,
        context: &Context,
    ) -> Result<Vec<Disk>> {
        let formats = self.registries.image;
        let named = |format: &&ImageFormat| Some(format.name) == declared;
        if let Some(format) = formats.iter().find(named) {
            return open_as(format, &image, context);
        }
        // A file system's name is one for the layers above; in a chain there are none.
        if let Some(unknown) = declared.filter(|_| context.origin.depth() > 0) {
            let unknown = printable(unknown.as_bytes());
            let text = format!("it is said to be a {unknown} image, which is not supported");
            return Err(Error::unsupported(text));
        }
        if image.size() == 0 {
            return Err(Error::unsupported("empty image"));
        }
        let format = probe(&self.registries, &image, context)?;
        open_as(format, &image, context)
    }
}

/// The format that claims `image`.
///
/// A file that carries a container's magic is never taken for raw by itself: a guest can write a
/// qcow2 header into its raw disk, and the next probe would follow that header's file names.
fn probe(
    registries: &Registries,
    image: &SharedSource,
    context: &Context,
) -> Result<&'static ImageFormat> {
    let (mut claims, mut trailers) = (Vec::new(), Vec::new());
    for format in registries.image.iter().filter(|format| format.name != RAW) {
        match (format.claim)(&**image).context(|| format.name)? {
            Some(Set::Trailer) => trailers.push(format),
            Some(_) => claims.push(format),
            None => {}
        }
    }
    let names: Vec<_> = registries.names().collect();
    let signatures = signature::find(&**image)?;
    let containers = containers(&signatures, &names);
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
            None => raw(registries, &signatures, context),
        },
    }
}

/// The last format, which claims everything, with a word about what else the end looks like.
fn raw(
    registries: &Registries,
    signatures: &[&'static Signature],
    context: &Context,
) -> Result<&'static ImageFormat> {
    let of_images = |found: &&&Signature| found.layer == Layer::Image && found.weak;
    for hint in signatures.iter().filter(of_images) {
        context.notices.add(format!(
            "the image ends like a {} image, and is taken for raw",
            hint.name
        ));
    }
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
    found.layer == Layer::Image && !found.weak && !readers.contains(&found.name)
}

fn open_as(format: &ImageFormat, image: &SharedSource, context: &Context) -> Result<Vec<Disk>> {
    if image.size() == 0 {
        return Err(Error::unsupported("empty image"));
    }
    // Noted before it is opened: what is refused is known as far as it says what it is.
    context.layers.add(Opened {
        depth: context.origin.depth(),
        name: context.origin.name.clone(),
        format: format.name,
        description: (format.describe)(&**image).context(|| format.name)?,
    });
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

//! The image layer: which container a file is, and which disks are in it.

use super::Registries;
use crate::error::{Error, Result, ResultExt};
use crate::format::{Context, Description, Disk, Format};
use crate::signature::{self, Layer, Signature};
use crate::source::SharedSource;

/// The name of the format that claims everything, and that a container's magic must not fall to.
const RAW: &str = "raw";

/// An opened image.
pub(super) struct Opened {
    pub(super) format: &'static str,
    pub(super) description: Description,
    pub(super) disks: Vec<Disk>,
}

/// Opens `image` with the format that claims it, or the one the user named.
///
/// A file that carries a container's magic is never taken for raw by itself: a guest can write a
/// qcow2 header into its raw disk, and the next probe would follow that header's file names.
///
/// # Errors
/// `Unsupported` for an empty image, a container that is not read, and several at once.
pub(super) fn open(
    registries: &Registries,
    image: &SharedSource,
    context: &Context,
) -> Result<Opened> {
    let forced = context.options.format.as_deref();
    let named = |format: &&Format<_>| Some(format.name) == forced;
    if let Some(format) = registries.image.iter().find(named) {
        return open_as(format, image, context);
    }
    if image.size() == 0 {
        return Err(Error::unsupported("empty image"));
    }
    let mut claims = Vec::new();
    for format in registries.image.iter().filter(|format| format.name != RAW) {
        if (format.claim)(&**image).context(|| format.name)?.is_some() {
            claims.push(format);
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
        (Some(format), _) => open_as(format, image, context),
        (None, [name]) => Err(unread_container(name)),
        (None, []) => {
            for hint in signatures
                .iter()
                .filter(|found| found.layer == Layer::Image)
            {
                let text = format!(
                    "the image ends like a {} image, and is taken for raw",
                    hint.name
                );
                context.notices.add(text);
            }
            open_raw(registries, image, context)
        }
    }
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

fn open_raw(registries: &Registries, image: &SharedSource, context: &Context) -> Result<Opened> {
    let raw = registries.image.last();
    open_as(
        raw.ok_or_else(|| Error::unsupported("no image format"))?,
        image,
        context,
    )
}

fn open_as(
    format: &Format<crate::image::Open>,
    image: &SharedSource,
    context: &Context,
) -> Result<Opened> {
    if image.size() == 0 {
        return Err(Error::unsupported("empty image"));
    }
    let members = std::slice::from_ref(image);
    let disks = (format.open)(members, context).context(|| format.name)?;
    Ok(Opened {
        format: format.name,
        description: (format.describe)(&**image).context(|| format.name)?,
        disks,
    })
}

fn several_formats(names: &[&str]) -> Error {
    Error::unsupported(format!("several formats: {}", names.join(", ")))
        .hint("pass --format NAME to say which it is; --format raw takes the bytes as the disk")
}

fn unread_container(name: &str) -> Error {
    Error::unsupported(format!("{name} image, which is not supported yet"))
        .hint("--format raw takes its bytes as the disk; qemu-img convert makes a raw image")
}

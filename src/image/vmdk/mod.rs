//! VMDK, VMware's disks: a text descriptor that names extents, which hold the bytes as they are, in
//! grains, or in compressed grains; or one file that is both. VMware, "Virtual Disk Format 5.0".

mod describe;
mod descriptor;
mod disk;
mod esx;
mod extent_line;
mod grain;
mod hosted;
mod kind;
mod layout;
mod names;
mod open;
mod owner;
mod parent;
mod sparse;
#[cfg(test)]
mod tests;
mod voice;

use descriptor::Descriptor;
use open::Embedded;
use voice::Voice;

use super::Open;
use crate::error::{Error, Result};
use crate::format::{Context, Disk, Format, Set};
use crate::number::to_usize;
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "vmdk",
    claim,
    describe: describe::describe,
    open,
};

/// Bytes that are looked at for a magic: white space may stand before a descriptor's.
const HEAD: u64 = 512;

/// What a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// A descriptor.
    Text,
    /// A hosted sparse extent, with or without a descriptor.
    Hosted,
    /// An ESX Server sparse extent.
    Cowd,
    /// An SEsparse extent.
    SpaceEfficient,
    /// A change tracking file.
    ChangeTracking,
}

impl Head {
    /// What `source` begins with; `None` for what is no VMDK.
    fn of(source: &dyn Source) -> Result<Option<Self>> {
        let head = read_vec(source, 0, to_usize(source.size().min(HEAD)))?;
        let version = layout::SE_VERSION.to_le_bytes();
        let space_efficient = [layout::SE_CONST_MAGIC.to_le_bytes(), version].concat();
        let magics: [(&[u8], Self); 4] = [
            (&layout::HOSTED_MAGIC, Self::Hosted),
            (&layout::COWD_MAGIC, Self::Cowd),
            (&space_efficient, Self::SpaceEfficient),
            (&layout::CHANGE_TRACKING, Self::ChangeTracking),
        ];
        let mut magics = magics.into_iter();
        if let Some((_, found)) = magics.find(|(magic, _)| head.starts_with(magic)) {
            return Ok(Some(found));
        }
        let is_text = descriptor::is_descriptor(&head) || descriptor::is_utf16(&head);
        Ok(is_text.then_some(Self::Text))
    }
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(Head::of(source)?.map(|_| Set::Alone))
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let disk = match Head::of(&**source)? {
        Some(Head::Text) => open::open(&Descriptor::read_file(&**source)?, None, context)?,
        Some(Head::Hosted) => open_hosted(source, context)?,
        Some(Head::Cowd) => alone(source, context, esx::open_cowd)?,
        Some(Head::SpaceEfficient) => alone(source, context, esx::open_se)?,
        Some(Head::ChangeTracking) => return Err(owner::refuse_change_tracking(context)),
        None => return Err(Error::corrupt("no magic of a VMDK")),
    };
    Ok(vec![Disk::alone(disk)])
}

fn open_hosted(source: &SharedSource, context: &Context) -> Result<SharedSource> {
    let header = hosted::header(&**source)?;
    let Some(descriptor) = hosted::descriptor(&**source, &header)? else {
        let open = |source: &SharedSource, voice: &_| hosted::open(source, &header, voice);
        return alone(source, context, open);
    };
    // A header without a capacity is there for its descriptor alone.
    let is_extent = header.capacity.get() > 0 || descriptor.extents.len() < 2;
    let embedded = match is_extent {
        true => Some(Embedded {
            source: source.clone(),
            sparse: hosted::open(source, &header, &Voice::of(context))?,
        }),
        false => None,
    };
    open::open(&descriptor, embedded, context)
}

/// An extent without its descriptor: refused, with the file to open instead, unless the user said
/// that this is what is wanted.
fn alone(
    source: &SharedSource,
    context: &Context,
    open: impl Fn(&SharedSource, &Voice) -> Result<sparse::Sparse>,
) -> Result<SharedSource> {
    let voice = Voice::of(context);
    let sparse = open(source, &voice)?;
    if context.options.format.as_deref() != Some(FORMAT.name) {
        return Err(owner::refuse(context));
    }
    voice.say("it is one extent of a disk, and shown by itself");
    Ok(open::alone(source.clone(), sparse, context))
}

//! Extended attributes: those of one inode behind it, and those that several have in common in an
//! area of their own, which inodes list by their places.

mod entry;
mod prefix;

use zerocopy::FromBytes;

use self::entry::Attribute;
pub(super) use self::prefix::{Prefix, read_prefixes};
use super::core::Core;
use super::features::SHARED_EA_IN_METABOX;
use super::inode::{self, InodeRecord};
use super::layout::RawXattrHeader;
use crate::error::{Error, Result, ResultExt, printable};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};

/// What stands before the names of each index. The kernel shows no other: index 5 was Lustre's.
const PREFIXES: [(u8, &[u8]); 5] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
];

/// The attributes of an inode, as it has them.
struct Body {
    /// Their bytes behind the header.
    bytes: Vec<u8>,
    /// Places of shared attributes, in 4 bytes each.
    shared: usize,
    /// Where `bytes` begin.
    offset: u64,
}

/// Gives `each` the full names of the attributes of `inode`.
///
/// # Errors
/// `Corrupt`, naming the inode.
pub(super) fn names(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    each: &mut dyn FnMut(&[u8]),
) -> Result<()> {
    let mut list = || {
        walk(core, request, inode, &mut |attribute| {
            if let Some(name) = attribute.full_name(core, request)? {
                each(&name);
            }
            Ok(false)
        })
    };
    list().context(|| inode::name(inode.nid))
}

/// The value of the attribute `name` of `inode`.
///
/// # Errors
/// `Corrupt`, naming the inode and the attribute.
pub(super) fn value(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    name: &[u8],
) -> Result<Option<Vec<u8>>> {
    let Some((index, short)) = split(name) else {
        return Ok(None);
    };
    let mut found = None;
    // An inode's filter of names would spare this; but where it is wrong, what is listed would not
    // be there.
    let mut look = || {
        walk(core, request, inode, &mut |attribute| {
            if attribute.is(core, request, index, short)? {
                found = Some(attribute.value.clone());
            }
            Ok(found.is_some())
        })
    };
    let looked: Result<()> = look();
    looked
        .context(|| format!("attribute {}", printable(name)))
        .context(|| inode::name(inode.nid))?;
    Ok(found)
}

/// Index and short name of `name`.
fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    let mut known = PREFIXES.iter();
    known.find_map(|(index, prefix)| Some((*index, name.strip_prefix(*prefix)?)))
}

/// Gives `each` the attributes, first those of the inode alone, until it says that it is enough.
fn walk(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    each: &mut dyn FnMut(&Attribute) -> Result<bool>,
) -> Result<()> {
    let Some(body) = Body::read(core, request, inode)? else {
        return Ok(());
    };
    let mut at = body.shared.saturating_mul(4);
    while at < body.bytes.len() {
        request.spend(1)?;
        let rest = body.bytes.get(at..).unwrap_or(&[]);
        let place = body.offset.saturating_add(to_u64(at));
        let attribute = Attribute::parse(rest).map_err(|error| error.at(place))?;
        if each(&attribute)? {
            return Ok(());
        }
        at = at.saturating_add(attribute.len());
    }
    let (places, _) = body.bytes.as_chunks::<4>();
    for place in places.iter().take(body.shared) {
        request.spend(1)?;
        if each(&shared(core, request, u32::from_le_bytes(*place))?)? {
            return Ok(());
        }
    }
    Ok(())
}

/// The shared attribute at `place`, which counts 4 bytes.
fn shared(core: &Core, request: &Request, place: u32) -> Result<Attribute> {
    let in_metabox = core.superblock.features.has_compat(SHARED_EA_IN_METABOX);
    let start = u64::from(place).saturating_mul(4);
    let start = start.saturating_add(core.superblock.shared_xattrs);
    Attribute::read(core, request, in_metabox, start)
        .context(|| format!("shared attribute {place}"))
        .map_err(|error| error.at(start))
}

/// What stands before the attributes of `inode`; nothing where it has none.
fn header(core: &Core, request: &Request, inode: &InodeRecord) -> Result<Option<RawXattrHeader>> {
    let len = to_u64(size_of::<RawXattrHeader>());
    if inode.xattr_len < len {
        return Ok(None);
    }
    let at = inode.end().saturating_sub(inode.xattr_len);
    if inode.xattr_len == len {
        let text = "i_xattr_icount 1: a header without attributes";
        return Err(Error::unsupported(text).at(at));
    }
    let mut bytes = [0; size_of::<RawXattrHeader>()];
    core.read_metadata(request, inode.in_metabox(), &mut bytes, at)?;
    let header = RawXattrHeader::read_from_bytes(&bytes);
    Ok(Some(header.map_err(|_| {
        Error::corrupt("the header of the attributes is cut off").at(at)
    })?))
}

impl Body {
    fn read(core: &Core, request: &Request, inode: &InodeRecord) -> Result<Option<Self>> {
        let Some(header) = header(core, request, inode)? else {
            return Ok(None);
        };
        let head = to_u64(size_of::<RawXattrHeader>());
        let len = inode.xattr_len.saturating_sub(head); // 256 KiB at most
        let offset = inode.end().saturating_sub(len);
        let shared = usize::from(header.h_shared_count);
        if to_u64(shared.saturating_mul(4)) > len {
            let text = format!("h_shared_count {shared} in {len} bytes");
            return Err(Error::corrupt(text).at(offset));
        }
        Ok(Some(Self {
            bytes: core.metadata(request, inode.in_metabox(), offset, to_usize(len))?,
            shared,
            offset,
        }))
    }
}

//! Extended attributes: sets that inodes share, each a list of names and values. A value that
//! several sets have lies with one of them, and the others name its place.

use super::core::{Core, Xattrs};
use super::inode::InodeRecord;
use super::layout::RawXattr;
use super::metadata::{Place, Reader};
use crate::error::{Error, Result, ResultExt, printable};
use crate::filesystem::Request;
use crate::number::to_usize;
use crate::source::zeroed;

/// What stands before the names, by the low byte of `type`. The kernel shows no other.
const PREFIXES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
/// In `type`: the value lies elsewhere.
const OUT_OF_LINE: u16 = 1 << 8;
/// Bytes of a value, as Linux has them at most.
const MOST_VALUE: u32 = 1 << 16;

/// The attributes of one inode.
struct Attributes<'a> {
    core: &'a Core,
    request: &'a Request,
    xattrs: &'a Xattrs,
    reader: Reader<'a>,
    left: u32,
}

/// One of them.
struct Attribute {
    name: Vec<u8>,
    /// Where the size of the value is, or the place of that.
    value: Place,
    is_out_of_line: bool,
    is_shown: bool,
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
    let what = || format!("inode {}: extended attributes", inode.number);
    let Some(mut attributes) = Attributes::of(core, request, inode)? else {
        return Ok(());
    };
    while let Some(attribute) = attributes.next().context(what)? {
        if attribute.is_shown {
            each(&attribute.name);
        }
    }
    Ok(())
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
    let what = || format!("inode {}: attribute {}", inode.number, printable(name));
    let Some(mut attributes) = Attributes::of(core, request, inode)? else {
        return Ok(None);
    };
    while let Some(attribute) = attributes.next().context(what)? {
        if attribute.is_shown && attribute.name == name {
            return attributes.value(&attribute).context(what).map(Some);
        }
    }
    Ok(None)
}

impl<'a> Attributes<'a> {
    fn of(core: &'a Core, request: &'a Request, inode: &InodeRecord) -> Result<Option<Self>> {
        let (Some(set), Some(xattrs)) = (inode.xattrs(core, request)?, &core.tables.xattrs) else {
            return Ok(None);
        };
        let place = core.place(xattrs.start, set.xattr.get())?;
        Ok(Some(Self {
            core,
            request,
            xattrs,
            reader: core.metadata.reader(request, place),
            left: set.count.get(),
        }))
    }

    /// The next attribute; the reader then stands behind it.
    fn next(&mut self) -> Result<Option<Attribute>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        self.request.spend(1)?;
        let raw: RawXattr = self.reader.value()?;
        let kind = raw.r#type.get();
        let [index, _] = kind.to_le_bytes();
        let prefix = PREFIXES.get(usize::from(index));
        let mut short = zeroed(raw.size.get().into())?;
        self.reader.read(&mut short)?;
        let value = self.reader.place();
        let size = u32::from_le_bytes(self.reader.value()?);
        self.reader.skip(size.into())?;
        Ok(Some(Attribute {
            name: [prefix.copied().unwrap_or_default(), &short].concat(),
            value,
            is_out_of_line: kind & OUT_OF_LINE != 0,
            is_shown: prefix.is_some(),
        }))
    }

    fn value(&self, attribute: &Attribute) -> Result<Vec<u8>> {
        let mut reader = self.core.metadata.reader(self.request, attribute.value);
        let mut size = u32::from_le_bytes(reader.value()?);
        if attribute.is_out_of_line {
            let reference = u64::from_le_bytes(reader.value()?);
            let place = self.core.place(self.xattrs.start, reference)?;
            reader = self.core.metadata.reader(self.request, place);
            size = u32::from_le_bytes(reader.value()?);
        }
        if size > MOST_VALUE {
            let text = format!("a value of {size} bytes is over {MOST_VALUE}");
            return Err(reader.began().blame(Error::corrupt(text)));
        }
        let mut value = zeroed(to_usize(size.into()))?;
        reader.read(&mut value)?;
        Ok(value)
    }
}

//! One line of the descriptor's extent section: `RW 4192256 SPARSE "disk-s001.vmdk"`.
//! "Virtual Disk Format 5.0", section "The Extent Description".

use super::layout::SECTOR;
use crate::error::{Error, Result, printable};

/// An extent, as its line says.
pub(super) struct Line {
    /// The byte of the file that it begins at.
    pub(super) at: u64,
    /// Whether it may be read at all.
    pub(super) access: Access,
    /// Bytes of the disk that it holds.
    pub(super) size: u64,
    /// How.
    pub(super) kind: Kind,
    /// The file's name as it stands there; empty for [`Kind::Zero`].
    pub(super) name: Vec<u8>,
    /// The first byte of the extent in a flat file.
    pub(super) offset: u64,
}

/// What an extent may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// `RW` or `RDONLY`, which is all the same here.
    Readable,
    /// `NOACCESS`.
    None,
}

/// How an extent holds its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `FLAT` or `VMFS`: as they are.
    Flat,
    /// `SPARSE`, `VMFSSPARSE` or `SESPARSE`: in grains. The file's own magic says in which form.
    Sparse,
    /// `ZERO`: they are zeros.
    Zero,
}

/// The extent in `line`, which begins at byte `at`; `None` for another kind of line.
///
/// # Errors
/// `Corrupt` for a field that is wrong, `Unsupported` for a device.
pub(super) fn parse(line: &[u8], at: u64) -> Result<Option<Line>> {
    let (access, rest) = word(line);
    let access = match access.to_ascii_uppercase().as_slice() {
        b"RW" | b"RDONLY" => Access::Readable,
        b"NOACCESS" => Access::None,
        _ => return Ok(None),
    };
    if rest.starts_with(b"=") {
        return Ok(None);
    }
    let (sectors, rest) = word(rest);
    let size = bytes(sectors, "size")?;
    if size == 0 {
        return Err(Error::corrupt("an extent of no sectors"));
    }
    let (kind, rest) = word(rest);
    let kind = parse_kind(kind)?;
    let (name, offset) = match kind {
        Kind::Zero => (Vec::new(), 0),
        _ => name_and_offset(rest)?,
    };
    Ok(Some(Line {
        at,
        access,
        size,
        kind,
        name,
        offset,
    }))
}

fn parse_kind(kind: &[u8]) -> Result<Kind> {
    match kind.to_ascii_uppercase().as_slice() {
        b"FLAT" | b"VMFS" => Ok(Kind::Flat),
        b"SPARSE" | b"VMFSSPARSE" | b"SESPARSE" => Ok(Kind::Sparse),
        b"ZERO" => Ok(Kind::Zero),
        b"VMFSRDM" | b"VMFSRAW" => {
            let kind = printable(kind);
            Err(Error::unsupported(format!(
                "a {kind} extent stands for a device of the ESXi host"
            )))
        }
        _ => Err(Error::unsupported(format!(
            "extents of type {} are not known",
            printable(kind)
        ))),
    }
}

fn name_and_offset(rest: &[u8]) -> Result<(Vec<u8>, u64)> {
    let quoted = rest.strip_prefix(b"\"");
    let end = quoted.and_then(|quoted| quoted.iter().position(|byte| *byte == b'"'));
    let (Some(quoted), Some(end)) = (quoted, end) else {
        return Err(Error::corrupt("an extent without a file name in quotes"));
    };
    let (name, rest) = quoted.split_at(end);
    if name.is_empty() {
        return Err(Error::corrupt("an extent with an empty file name"));
    }
    let (offset, _) = word(rest.get(1..).unwrap_or(&[]).trim_ascii_start());
    let offset = match offset {
        b"" => 0,
        offset => bytes(offset, "offset")?,
    };
    Ok((name.to_vec(), offset))
}

/// A number of sectors in bytes.
fn bytes(sectors: &[u8], what: &str) -> Result<u64> {
    let text = printable(sectors);
    let number = text.parse::<u64>().ok();
    let bytes = number.and_then(|number| number.checked_mul(SECTOR));
    let bytes = bytes.filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.ok_or_else(|| Error::corrupt(format!("an extent's {what} of {text} sectors")))
}

/// The first word, and what follows the white space behind it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace);
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (word, rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        parse(text.as_bytes(), 0).unwrap().unwrap()
    }

    fn refused(text: &str) -> String {
        parse(text.as_bytes(), 0).err().unwrap().to_string()
    }

    #[test]
    fn every_kind_of_extent() {
        let flat = line("RW 4192256 FLAT \"a b-f001.vmdk\" 7");
        assert_eq!((flat.size, flat.offset), (4_192_256 * 512, 7 * 512));
        assert_eq!((flat.kind, flat.access), (Kind::Flat, Access::Readable));
        assert_eq!(flat.name, b"a b-f001.vmdk");
        let windows = line("RW 63 FLAT \"\\\\.\\PhysicalDrive0\" 0 partitionUUID \"x\" device 1");
        assert_eq!(windows.kind, Kind::Flat);
        assert_eq!(line("rdonly  8\tsparse \"x\"").kind, Kind::Sparse);
        assert_eq!(line("RW 8 VMFS \"x-flat.vmdk\"").kind, Kind::Flat);
        assert_eq!(line("RW 8 SESPARSE \"x\"").kind, Kind::Sparse);
        let zero = line("NOACCESS 8 ZERO");
        assert_eq!((zero.kind, zero.access), (Kind::Zero, Access::None));
    }

    #[test]
    fn other_lines_are_no_extents() {
        for text in ["CID=1", "RWX 8 FLAT \"x\"", "RW = 8", "", "rw=8"] {
            assert!(parse(text.as_bytes(), 0).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(refused("RW 0 ZERO").contains("no sectors"));
        assert!(refused("RW -1 FLAT \"x\"").contains("size of -1 sectors"));
        assert!(refused("RW 36028797018963968 FLAT \"x\"").contains("sectors"));
        assert!(refused("RW 8 FLAT \"x").contains("in quotes"));
        assert!(refused("RW 8 FLAT \"\" 0").contains("empty file name"));
        assert!(refused("RW 8 FLAT \"x\" y").contains("offset of y sectors"));
        assert!(refused("RW 8 VMFSRDM \"x\"").contains("device of the ESXi host"));
        assert!(refused("RW 8 OTHER \"x\"").contains("type OTHER"));
        assert!(refused("RW").contains("size of  sectors"));
    }
}

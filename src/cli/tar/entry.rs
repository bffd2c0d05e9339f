//! The headers of one entry: a ustar header, and before it the pax records for what does not fit
//! (POSIX.1-2017, pax, "pax Interchange Format"; the `SCHILY` and `GNU.sparse` keywords of star and
//! GNU tar).

use tar::{EntryType, Header};

use super::access;
use super::sparse::BLOCK;
use crate::filesystem::{Attributes, FileType, Timestamp};
use crate::number::to_u64;

/// What an entry is, besides its attributes.
#[derive(Default)]
pub(super) struct Entry<'a> {
    /// Its name in the archive; directories end in a slash.
    pub(super) name: &'a [u8],
    /// A link's target, or the name of the first of several hard links.
    pub(super) target: Option<&'a [u8]>,
    /// It is a further name of `target`.
    pub(super) is_hard_link: bool,
    /// Bytes in the archive, the sparse map included.
    pub(super) size: u64,
    /// It is stored with a sparse map: bytes of the file itself.
    pub(super) real_size: Option<u64>,
    /// Extended attributes, all namespaces.
    pub(super) xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

/// The bytes in front of the entry's data, or `None` for what no archive holds: sockets.
pub(super) fn headers(entry: &Entry<'_>, attributes: &Attributes) -> Option<Vec<u8>> {
    let kind = entry_type(entry, attributes.kind)?;
    let records = records(entry, attributes);
    let mut bytes = Vec::new();
    if !records.is_empty() {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        put(&mut header.as_mut_bytes()[..], 0, b"././@PaxHeader", NAME);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(to_u64(records.len()));
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&records);
        pad(&mut bytes);
    }
    bytes.extend_from_slice(header(entry, attributes, kind).as_bytes());
    Some(bytes)
}

/// Fills `bytes` up to a whole number of blocks.
fn pad(bytes: &mut Vec<u8>) {
    let block = crate::number::to_usize(BLOCK);
    bytes.resize(bytes.len().next_multiple_of(block), 0);
}

/// Bytes of a name in a ustar header.
const NAME: usize = 100;

/// Where a ustar header has the name of a link's target.
const LINK_NAME: usize = 157;

/// As much of `text` as fits into `room` bytes from `at` on.
fn put(header: &mut [u8], at: usize, text: &[u8], room: usize) {
    let places = header.iter_mut().skip(at).take(room);
    places.zip(text).for_each(|(place, byte)| *place = *byte);
}

fn header(entry: &Entry<'_>, attributes: &Attributes, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    match entry.real_size {
        Some(_) => put(header.as_mut_bytes(), 0, &sparse_name(entry.name), NAME),
        None => put(header.as_mut_bytes(), 0, entry.name, NAME),
    }
    put(
        header.as_mut_bytes(),
        LINK_NAME,
        entry.target.unwrap_or_default(),
        NAME,
    );
    header.set_mode(u32::from(attributes.mode));
    header.set_uid(u64::from(attributes.uid));
    header.set_gid(u64::from(attributes.gid));
    header.set_mtime(u64::try_from(attributes.mtime.seconds).unwrap_or(0));
    header.set_size(entry.size);
    if matches!(kind, EntryType::Block | EntryType::Char) {
        let (major, minor) = attributes.rdev;
        // Both fail for other kinds of header alone.
        let _ = header.set_device_major(major);
        let _ = header.set_device_minor(minor);
    }
    header.set_cksum();
    header
}

/// What a program that knows no sparse files calls it.
fn sparse_name(name: &[u8]) -> Vec<u8> {
    let slash = name.iter().rposition(|byte| *byte == b'/');
    let (folder, last) = name.split_at(slash.map_or(0, |at| at.saturating_add(1)));
    [folder, b"GNUSparseFile.0/", last].concat()
}

fn entry_type(entry: &Entry<'_>, kind: FileType) -> Option<EntryType> {
    Some(match kind {
        _ if entry.is_hard_link => EntryType::Link,
        FileType::Regular => EntryType::Regular,
        FileType::Directory => EntryType::Directory,
        FileType::Symlink => EntryType::Symlink,
        FileType::BlockDevice => EntryType::Block,
        FileType::CharacterDevice => EntryType::Char,
        FileType::Fifo => EntryType::Fifo,
        FileType::Socket => return None,
    })
}

fn records(entry: &Entry<'_>, attributes: &Attributes) -> Vec<u8> {
    let mut records = Vec::new();
    let target = entry.target.unwrap_or_default();
    let long_name = needs_record(entry.name) && entry.real_size.is_none();
    let long_target = needs_record(target);
    let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    if long_name && !is_text(entry.name) || long_target && !is_text(target) {
        record(&mut records, b"hdrcharset", b"BINARY");
    }
    if let Some(size) = entry.real_size {
        record(&mut records, b"GNU.sparse.major", b"1");
        record(&mut records, b"GNU.sparse.minor", b"0");
        record(&mut records, b"GNU.sparse.name", entry.name);
        record(
            &mut records,
            b"GNU.sparse.realsize",
            size.to_string().as_bytes(),
        );
    }
    if long_name {
        record(&mut records, b"path", entry.name);
    }
    if long_target {
        record(&mut records, b"linkpath", target);
    }
    if entry.is_hard_link {
        return records; // All else stands at the first name.
    }
    for (key, time) in [
        (b"mtime", attributes.mtime),
        (b"atime", attributes.atime),
        (b"ctime", attributes.ctime),
    ] {
        record(&mut records, key, time_text(time).as_bytes());
    }
    for (name, value) in entry.xattrs {
        xattr(&mut records, name, value);
    }
    records
}

/// Whether a name has to stand in a record: too long, or not what every program reads alike. One
/// that is no text and short stands in the header as it is.
fn needs_record(name: &[u8]) -> bool {
    name.len() > NAME || !name.is_ascii() && std::str::from_utf8(name).is_ok()
}

fn xattr(records: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let list = match name {
        b"system.posix_acl_access" => Some(b"SCHILY.acl.access".as_slice()),
        b"system.posix_acl_default" => Some(b"SCHILY.acl.default".as_slice()),
        _ => None,
    };
    if let Some((key, text)) = list.zip(access::text(value)) {
        return record(records, key, text.as_bytes());
    }
    let mut key = b"SCHILY.xattr.".to_vec();
    for byte in name {
        // As GNU tar: a key ends at the first equals sign.
        match byte {
            b'=' => key.extend_from_slice(b"%3D"),
            b'%' => key.extend_from_slice(b"%25"),
            other => key.push(*other),
        }
    }
    record(records, &key, value);
}

/// Seconds since 1970 as a decimal fraction.
fn time_text(time: Timestamp) -> String {
    let (mut seconds, mut nanoseconds) = (time.seconds, time.nanoseconds);
    if seconds < 0 && nanoseconds > 0 {
        // Rounded towards the past on disk; a fraction counts away from zero.
        seconds = seconds.saturating_add(1);
        nanoseconds = 1_000_000_000_u32.saturating_sub(nanoseconds);
    }
    let sign = if time.seconds < 0 { "-" } else { "" };
    let whole = seconds.unsigned_abs();
    match nanoseconds {
        0 => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part:09}"),
    }
}

/// Adds `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len().saturating_add(value.len()).saturating_add(3);
    let mut length = rest.saturating_add(1);
    while length.to_string().len().saturating_add(rest) != length {
        length = length.to_string().len().saturating_add(rest);
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        let lengths = [1, 2, 3, 4, 90, 91, 92, 93, 94, 985, 986, 987, 988, 989, 990];
        for len in lengths {
            let mut records = Vec::new();
            record(&mut records, b"key", &vec![b'x'; len]);
            let text = String::from_utf8(records).expect("text");
            let (length, _) = text.split_once(' ').expect("a length");
            assert_eq!(length.parse::<usize>().expect("a number"), text.len());
        }
    }

    #[test]
    fn times_before_1970_are_fractions_of_the_other_sign() {
        let text = |seconds, nanoseconds| {
            time_text(Timestamp {
                seconds,
                nanoseconds,
            })
        };
        assert_eq!(text(1, 5), "1.000000005");
        assert_eq!(text(0, 0), "0");
        assert_eq!(text(-1, 0), "-1");
        assert_eq!(text(-2, 500_000_000), "-1.500000000");
        assert_eq!(text(-1, 999_999_999), "-0.000000001");
    }
}

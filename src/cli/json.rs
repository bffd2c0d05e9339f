//! How things of an image become JSON. imgmount(1), "JSON", documents it.
//!
//! Names, labels and link targets are bytes; JSON strings are not. A string therefore always has
//! the text, with U+FFFD for what is not UTF-8, and only where that loses something, a second
//! member called like the first with `_hex` added has all bytes in hexadecimal.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::time;
use crate::error::{Error, Kind, reorders};
use crate::filesystem::{Attributes, FileType};

/// The version of everything printed as JSON: a program that reads it should refuse a higher one.
/// New members do not raise it; a member that goes or changes its meaning does.
pub(crate) const SCHEMA: u32 = 1;

/// A JSON object while it is put together.
pub(crate) type Object = Map<String, Value>;

/// Adds `bytes` under `name`, and under `name_hex` where the text alone would lose something.
pub(crate) fn add_bytes(object: &mut Object, name: &str, bytes: &[u8]) {
    object.insert(name.into(), String::from_utf8_lossy(bytes).into());
    if std::str::from_utf8(bytes).is_err() {
        object.insert(format!("{name}_hex"), hex(bytes).into());
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

/// An error as an object: its kind, its one line, and the parts of it.
pub(crate) fn error(error: &Error) -> Value {
    json!({
        "kind": kind(error.kind()),
        "text": error.to_string(),
        "message": error.message(),
        "object": error.contexts().collect::<Vec<_>>(),
        "offset": error.offset(),
        "hint": error.hint_text(),
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Io => "io",
        Kind::Corrupt => "corrupt",
        Kind::Unsupported => "unsupported",
        Kind::Locked => "locked",
        Kind::Denied => "denied",
        Kind::Refused => "refused",
        Kind::NotFound => "not-found",
        Kind::NotADirectory => "not-a-directory",
        Kind::IsADirectory => "is-a-directory",
        Kind::Invalid => "invalid",
        Kind::Bug => "bug",
    }
}

/// Adds what stat(2) and statx(2) would say.
pub(crate) fn add_attributes(object: &mut Object, attributes: &Attributes) {
    let Attributes {
        ino,
        kind,
        mode,
        uid,
        gid,
        size,
        blocks,
        block_size: _,
        nlink,
        rdev,
        atime,
        mtime,
        ctime,
        crtime,
        flags,
        generation,
    } = attributes;
    let mut add = |name: &str, value: Value| object.insert(name.into(), value);
    add("ino", (*ino).into());
    add("type", file_type(*kind).into());
    add("mode", format!("{mode:04o}").into());
    add("uid", (*uid).into());
    add("gid", (*gid).into());
    add("size", (*size).into());
    add("blocks", (*blocks).into());
    add("nlink", (*nlink).into());
    add("atime", time::iso(*atime).into());
    add("mtime", time::iso(*mtime).into());
    add("ctime", time::iso(*ctime).into());
    add("crtime", crtime.map(time::iso).into());
    add("flags", (*flags).into());
    add("generation", (*generation).into());
    if matches!(kind, FileType::BlockDevice | FileType::CharacterDevice) {
        add("rdev", json!({"major": rdev.0, "minor": rdev.1}));
    }
}

/// The name of a file type, as in `find -type` spelt out.
pub(crate) fn file_type(kind: FileType) -> &'static str {
    match kind {
        FileType::Regular => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::BlockDevice => "block-device",
        FileType::CharacterDevice => "character-device",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
    }
}

/// One line of JSON that is safe on a terminal too: characters that serde leaves as they are and a
/// terminal may obey (C1 controls, bidirectional overrides, DEL) become `\uNNNN`, which is the same
/// JSON. They can only be inside strings.
pub(crate) fn line(value: &Value) -> String {
    escaped(&value.to_string())
}

/// Like [`line`], on several lines with indentation.
pub(crate) fn pretty(value: &Value) -> String {
    escaped(&format!("{value:#}"))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\u{7f}'..='\u{9f}') || reorders(character) {
            let _ = write!(out, "\\u{:04x}", u32::from(character)); // cannot fail
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_utf8_survive() {
        let mut object = Object::new();
        add_bytes(&mut object, "name", b"a\xffb");
        add_bytes(&mut object, "target", "größe".as_bytes());
        assert_eq!(
            Value::Object(object),
            json!({"name": "a\u{fffd}b", "name_hex": "61ff62", "target": "größe"})
        );
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed_and_nothing_is_lost() {
        let value = json!({"label": "a\u{1b}[31m\u{9b}31m\u{202e}\u{61c}\u{7f}\n"});
        let text = line(&value);
        assert!(
            text.chars().all(|c| !c.is_control() && !reorders(c)),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<Value>(&text).expect("is JSON"),
            value
        );
    }

    #[test]
    fn an_error_keeps_its_parts() {
        let made = Error::corrupt("bad checksum")
            .at(0x400)
            .context("superblock")
            .context("ext4");
        let value = error(&made);
        assert_eq!(value["kind"], "corrupt");
        assert_eq!(value["object"], json!(["ext4", "superblock"]));
        assert_eq!(value["offset"], 0x400);
        assert_eq!(
            value["text"],
            "ext4: superblock: bad checksum at byte 0x400"
        );
    }
}

//! Names of links, spelled as udev spells them under /dev/disk.

use std::fmt::Write;

/// The longest name that is kept before `~N`; the rest is cut, since 255 bytes are all a name has.
const LONGEST: usize = 240;

/// `name` with every byte as `\xNN` that udev does not leave as it is: it leaves ASCII letters and
/// digits, `#+-.:=@_`, and whole UTF-8 characters beyond ASCII. `.` and `..` are no names.
pub(super) fn udev_name(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            push(&mut text, character);
        }
        for byte in chunk.invalid() {
            push_hex(&mut text, *byte);
        }
        if text.len() > LONGEST {
            break;
        }
    }
    cut(&mut text);
    match text.as_str() {
        "." => "\\x2e".to_owned(),
        ".." => "\\x2e\\x2e".to_owned(),
        _ => text,
    }
}

fn push(text: &mut String, character: char) {
    if character.is_ascii_alphanumeric() || "#+-.:=@_".contains(character) {
        text.push(character);
    } else if character.is_ascii() || character.is_control() {
        let mut utf8 = [0; 4];
        for byte in character.encode_utf8(&mut utf8).bytes() {
            push_hex(text, byte);
        }
    } else {
        text.push(character);
    }
}

fn push_hex(text: &mut String, byte: u8) {
    let _ = write!(text, "\\x{byte:02x}"); // writing to a String cannot fail
}

fn cut(text: &mut String) {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_spelled_as_under_dev_disk() {
        // What `udevadm info` says of file systems with these labels.
        assert_eq!(udev_name(b"EFI System"), "EFI\\x20System");
        assert_eq!(udev_name(b"a/b\\c"), "a\\x2fb\\x5cc");
        assert_eq!(udev_name("Größe".as_bytes()), "Größe");
        assert_eq!(udev_name(b"\xff\n~"), "\\xff\\x0a\\x7e");
    }

    #[test]
    fn no_label_leaves_its_directory_or_is_too_long() {
        assert_eq!(udev_name(b".."), "\\x2e\\x2e");
        assert_eq!(udev_name(&[b'x'; 65536]).len(), 240);
        assert!(udev_name("ä".repeat(500).as_bytes()).len() <= 240);
    }
}

//! A command for the user to copy, spelt for a shell and for a terminal.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The command `typed`, its program first, with `--allow-file path` among its options: behind the
/// first `words` of it.
pub(super) fn allowing(typed: &[OsString], words: usize, path: &Path) -> String {
    let (before, behind) = typed.split_at(words.min(typed.len()));
    let option: [&OsStr; 2] = [OsStr::new("--allow-file"), path.as_os_str()];
    let before = before.iter().map(OsString::as_os_str);
    let behind = behind.iter().map(OsString::as_os_str);
    let all = before.chain(option).chain(behind);
    let quoted: Vec<String> = all.map(|word| quoted(word.as_bytes())).collect();
    quoted.join(" ")
}

/// `word` as a shell has to be told it: bare, in single quotes, or, for what a terminal would obey
/// or could not show, as `$'…'` with escapes, which bash, zsh, ksh and busybox know.
fn quoted(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let text = std::str::from_utf8(word).ok();
    match text.filter(|text| crate::error::printable(text.as_bytes()) == text.replace('\\', r"\\"))
    {
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => {
            let escaped: String = word.iter().map(|byte| escaped(*byte)).collect();
            format!("$'{escaped}'")
        }
    }
}

fn escaped(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        // Octal, since the digits of a hexadecimal escape have no end in some shells.
        _ => format!("\\{byte:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn the_option_stands_behind_the_verb() {
        let typed = ["imgmount", "ls", "-l", "a b.qcow2"].map(OsString::from);
        assert_eq!(
            allowing(&typed, 2, Path::new("/x/it's")),
            r"imgmount ls --allow-file '/x/it'\''s' -l 'a b.qcow2'"
        );
        assert_eq!(allowing(&[], 2, Path::new("/x")), "--allow-file /x");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let words: [&[u8]; 8] = [
            b"/plain/path-1.img",
            b"two words",
            b"it's",
            b"$HOME `id` \"x\" \\n !! * ~ #",
            b"~",
            b"\x1b[31m'\\ 1\n\n\xff7",
            "größe \u{202e}".as_bytes(),
            b"",
        ];
        for word in words {
            let quoted = quoted(word);
            assert_eq!(
                crate::error::printable(quoted.as_bytes()).replace(r"\\", r"\"),
                quoted
            );
            let line = format!("printf %s {quoted}");
            let said = std::process::Command::new("bash")
                .args(["-c", &line])
                .output();
            let Ok(said) = said else { return };
            assert_eq!(
                said.stdout,
                word,
                "{}",
                OsString::from_vec(word.to_vec()).display()
            );
        }
    }
}

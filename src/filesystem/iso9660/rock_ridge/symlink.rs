//! SL: the target of a symbolic link, component by component (IEEE P1282, 4.1.3).

use crate::error::{Error, Result};

/// The longest target that a link can have: a page without the NUL.
const LONGEST: usize = 4095;

/// Flags of a component, and of a whole entry.
const CONTINUES: u8 = 1;
const CURRENT: u8 = 2;
const PARENT: u8 = 4;
const ROOT: u8 = 8;

/// A target in the making.
#[derive(Default)]
pub(super) struct Target {
    bytes: Vec<u8>,
    /// It would have been longer than [`LONGEST`].
    is_too_long: bool,
}

impl Target {
    /// Takes the components of one entry, which has its flags before them.
    pub(super) fn take(&mut self, data: &[u8]) {
        let Some((entry_flags, mut rest)) = data.split_first() else {
            return;
        };
        while let [flags, length, behind @ ..] = rest {
            let length = usize::from(*length).min(behind.len());
            let (text, next) = behind.split_at(length);
            self.add(*flags, text);
            // A slash behind it, unless the name goes on or nothing follows.
            let last = next.len() < 2;
            let follows = !last || entry_flags & CONTINUES != 0;
            if follows && flags & (CONTINUES | ROOT) == 0 {
                self.push(b"/");
            }
            rest = next;
        }
    }

    /// One component. What stands for the root of the volume, or for the name of the host, adds
    /// nothing, as in the kernel.
    fn add(&mut self, flags: u8, text: &[u8]) {
        match flags & !CONTINUES {
            0 => self.push(text),
            CURRENT => self.push(b"."),
            PARENT => self.push(b".."),
            ROOT => self.push(b"/"),
            _ => {}
        }
    }

    fn push(&mut self, text: &[u8]) {
        if self.bytes.len().saturating_add(text.len()) > LONGEST {
            self.is_too_long = true;
        } else {
            self.bytes.extend_from_slice(text);
        }
    }

    /// The target; `None` where no component was there.
    ///
    /// # Errors
    /// `Corrupt` for one that is too long, or has a NUL.
    pub(super) fn bytes(&self) -> Result<Option<&[u8]>> {
        if self.is_too_long {
            return Err(Error::corrupt(format!(
                "a link's target of over {LONGEST} bytes"
            )));
        }
        if self.bytes.contains(&0) {
            return Err(Error::corrupt("a NUL in a link's target"));
        }
        Ok((!self.bytes.is_empty()).then_some(&*self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(entries: &[&[u8]]) -> String {
        let mut target = Target::default();
        entries.iter().for_each(|entry| target.take(entry));
        let bytes = target.bytes().unwrap().unwrap_or_default();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn components_of_every_kind() {
        assert_eq!(target(&[b"\0\0\x03usr\0\x03bin"]), "usr/bin");
        assert_eq!(target(&[b"\0\x08\0\0\x03usr"]), "/usr");
        assert_eq!(target(&[b"\0\x04\0\x04\0\x02\0\0\x01a"]), "../.././a");
        assert_eq!(target(&[b"\0\x10\0\0\x01a"]), "/a");
        assert_eq!(target(&[b""]), "");
    }

    #[test]
    fn components_and_entries_that_go_on() {
        assert_eq!(target(&[b"\x01\x01\x02ab", b"\0\0\x02cd"]), "abcd");
        assert_eq!(target(&[b"\x01\0\x02ab", b"\0\0\x02cd"]), "ab/cd");
        assert_eq!(target(&[b"\0\x01\x01a\0\x01b"]), "ab");
    }

    #[test]
    fn a_component_past_its_entry_and_a_target_that_is_too_long() {
        assert_eq!(target(&[b"\0\0\xffab"]), "ab");
        let mut long = Target::default();
        let entry = [&b"\x01\0\xfa"[..], &[b'x'; 250]].concat();
        (0..20).for_each(|_| long.take(&entry));
        assert!(long.bytes().unwrap_err().message().contains("over 4095"));
    }
}
